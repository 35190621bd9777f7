//! Markdown and the documents of a campaign.

use weighbridge_report::documents::documents;
use weighbridge_report::{json, markdown};
use weighbridge_types::record::Record;

use crate::sample;

/// The report up to the table of every number, which the record itself pins.
fn upper_part(text: &str) -> &str {
    text.split("## Every number").next().unwrap_or_default()
}

#[test]
fn markdown_report() {
    insta::assert_snapshot!(upper_part(&markdown::render(&sample::record())));
}

#[test]
fn documents_have_the_names_of_their_run() {
    let files = documents(&sample::record(), Some(&sample::rows()));
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    insta::assert_snapshot!(names.join("\n"));
    for (name, text) in &files {
        assert!(!text.is_empty() && text.contains("20260301T123000Z-bench-nightly"), "{name}");
    }
}

#[test]
fn json_documents_hold_figures_and_raw_rows() {
    let files = documents(&sample::record(), Some(&sample::rows()));
    let read = |prefix: &str| -> serde_json::Value {
        let (_, text) = files.iter().find(|(name, _)| name.starts_with(prefix) && name.ends_with("json")).unwrap();
        serde_json::from_str(text).unwrap()
    };
    let latency = read("latency_");
    assert_eq!(latency["requests"].as_array().unwrap().len(), 78, "warm-up included: raw is raw");
    assert!(latency["metrics"].as_array().unwrap().iter().all(|metric| metric["cell"]["phase"] == "latency"));
    let all = read("comprehensive_");
    assert_eq!(all["items"].as_array().unwrap().len(), 2_400);
    assert_eq!(all["record"]["run_id"], "20260301T123000Z-bench-nightly");
}

#[test]
fn a_hostile_model_name_stays_a_file_name() {
    let mut record = sample::record();
    record.engine.model = "../../etc/passwd\0 <x>".into();
    record.created_at = "yesterday".into();
    for (name, _) in documents(&record, None) {
        assert!(
            name.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) && !name.starts_with('.'),
            "{name}"
        );
    }
}

#[test]
fn progress_of_a_killed_run() {
    let files = documents(&sample::partial(), None);
    let (_, text) = files.iter().find(|(name, _)| name.starts_with("benchmark_progress")).unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn json_is_the_record_and_csv_has_a_line_per_metric() {
    let record = sample::record();
    assert_eq!(Record::from_json(&json::render(&record)).unwrap(), record);
    let csv = json::csv(&record);
    assert_eq!(csv.lines().count(), record.metrics.len() + 1);
    insta::assert_snapshot!(csv.lines().take(3).collect::<Vec<_>>().join("\n"));
}
