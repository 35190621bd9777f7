//! Near duplicates among texts with planted copies.

use weighbridge_pipeline::dedup::cluster_texts;

#[path = "../../benches/planted/mod.rs"]
mod planted;

#[test]
fn planted_copies_are_found_and_nothing_else_is() {
    let (texts, family) = planted::planted(2_000, 400, 1);
    let roots = cluster_texts(texts.iter().map(String::as_str), 0.7);
    let (recall, precision) = planted::recall_and_precision(&roots, &family);
    assert!(recall >= 0.997 && precision >= 0.999, "recall {recall}, precision {precision}");
}
