//! Pages that the tests draw, and the Markdown that comes of them.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;

/// A page of 600 by 800 points that is drawn operator by operator.
#[derive(Default)]
struct Drawing {
    content: String,
}

impl Drawing {
    /// Text at a place from the top left, in a font: Helvetica `F1`, its bold `F2` or Courier `F3`.
    fn text(mut self, font: &str, size: f32, x: f32, y: f32, text: &str) -> Self {
        let escaped = text.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)").replace('\u{95}', "\\225");
        writeln!(self.content, "BT /{font} {size} Tf 1 0 0 1 {x} {} Tm ({escaped}) Tj ET", 800.0 - y).unwrap();
        self
    }

    fn rule(mut self, x0: f32, y0: f32, x1: f32, y1: f32) -> Self {
        writeln!(self.content, "{x0} {} m {x1} {} l S", 800.0 - y0, 800.0 - y1).unwrap();
        self
    }
}

fn pdf(pages: &[Drawing]) -> Vec<u8> {
    let mut objects = vec!["<< /Type /Catalog /Pages 2 0 R >>".to_owned()];
    let kids: Vec<String> = (0..pages.len()).map(|page| format!("{} 0 R", 6 + 2 * page)).collect();
    objects.push(format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), pages.len()));
    for base in ["Helvetica", "Helvetica-Bold", "Courier"] {
        objects.push(format!("<< /Type /Font /Subtype /Type1 /BaseFont /{base} /Encoding /WinAnsiEncoding >>"));
    }
    for (index, page) in pages.iter().enumerate() {
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {} 0 R \
             /Resources << /Font << /F1 3 0 R /F2 4 0 R /F3 5 0 R >> >> >>",
            7 + 2 * index
        ));
        objects.push(format!("<< /Length {} >>\nstream\n{}endstream", page.content.len(), page.content));
    }
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut offsets = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        offsets.push(file.len());
        file.extend(format!("{} 0 obj\n{object}\nendobj\n", index + 1).bytes());
    }
    let start = file.len();
    file.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).bytes());
    for offset in offsets {
        file.extend(format!("{offset:010} 00000 n \n").bytes());
    }
    file.extend(format!("trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n", objects.len() + 1).bytes());
    file
}

fn markdown(pages: &[Drawing]) -> String {
    read(&pdf(pages), &Limits::default()).unwrap().markdown
}

fn paragraph(mut drawing: Drawing, x: f32, y: f32, lines: &[&str]) -> Drawing {
    for (index, line) in lines.iter().enumerate() {
        drawing = drawing.text("F1", 10.0, x, y + 12.0 * index as f32, line);
    }
    drawing
}

#[test]
fn headings_paragraphs_lists_and_code_are_told_apart() {
    let page = Drawing::default().text("F2", 20.0, 50.0, 100.0, "A Title");
    let page = paragraph(page, 50.0, 140.0, &["The first paragraph has two", "lines of text."]);
    let page = page.text("F2", 14.0, 50.0, 190.0, "A Section");
    let page = paragraph(page, 50.0, 220.0, &["The second paragraph is short."]);
    let page = page.text("F1", 10.0, 60.0, 250.0, "\u{95}").text("F1", 10.0, 70.0, 250.0, "an item");
    let page = page.text("F1", 10.0, 70.0, 262.0, "that goes on");
    let page = page.text("F1", 10.0, 60.0, 274.0, "\u{95}").text("F1", 10.0, 70.0, 274.0, "another");
    let page = page
        .text("F3", 9.0, 50.0, 310.0, "fn main() {")
        .text("F3", 9.0, 71.6, 321.0, "run();")
        .text("F3", 9.0, 50.0, 332.0, "}");
    let text = markdown(&[page]);
    let expected = "# A Title\n\nThe first paragraph has two lines of text.\n\n## A Section\n\nThe second paragraph is short.\n\n\
                    - an item that goes on\n- another\n\n```\nfn main() {\n    run();\n}\n```\n";
    assert_eq!(text, expected);
}

#[test]
fn two_columns_are_read_one_after_the_other_and_a_title_over_both_first() {
    let mut page =
        Drawing::default().text("F2", 18.0, 50.0, 60.0, "A title that reaches across both of the columns below");
    for row in 0..20 {
        let y = 100.0 + 12.0 * row as f32;
        page = page.text("F1", 10.0, 50.0, y, &format!("left line {row} fills the whole of its column"));
        page = page.text("F1", 10.0, 320.0, y + 5.0, &format!("right line {row} fills the whole of its column"));
    }
    let text = markdown(&[page]);
    let place = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("`{needle}` is missing in {text}"));
    assert!(place("# A title") < place("left line 0"));
    assert!(place("left line 19") < place("right line 0"));
    assert!(text.contains("left line 3 fills the whole of its column left line 4"));
}

#[test]
fn a_table_with_rules_keeps_its_cells() {
    let mut page = Drawing::default().text("F1", 10.0, 50.0, 60.0, "Before the table.");
    for (row, cells) in
        [["Name", "Unit", "Range"], ["power", "dBm", "0 to 46"], ["tilt of the antenna", "degrees", "0 to 12"]]
            .iter()
            .enumerate()
    {
        for (column, cell) in cells.iter().enumerate() {
            page = page.text("F1", 10.0, 55.0 + 120.0 * column as f32, 100.0 + 20.0 * row as f32, cell);
        }
    }
    for row in 0..4 {
        let y = 86.0 + 20.0 * row as f32;
        page = page.rule(50.0, y, 410.0, y);
    }
    for column in 0..4 {
        let x = 50.0 + 120.0 * column as f32;
        page = page.rule(x, 86.0, x, 146.0);
    }
    let page = page.text("F1", 10.0, 50.0, 180.0, "After it.");
    let expected = "Before the table.\n\n| Name | Unit | Range |\n|---|---|---|\n| power | dBm | 0 to 46 |\n\
                    | tilt of the antenna | degrees | 0 to 12 |\n\nAfter it.\n";
    assert_eq!(markdown(&[page]), expected);
}

#[test]
fn a_table_without_rules_is_found_by_its_empty_strips() {
    let mut page = Drawing::default();
    for (row, cells) in
        [["Model", "Size", "Rate"], ["small", "1.5 GB", "120"], ["large", "30 GB", "11"]].iter().enumerate()
    {
        for (column, cell) in cells.iter().enumerate() {
            page = page.text("F1", 10.0, 60.0 + 110.0 * column as f32, 100.0 + 22.0 * row as f32, cell);
        }
    }
    assert_eq!(
        markdown(&[page]),
        "| Model | Size | Rate |\n|---|---|---|\n| small | 1.5 GB | 120 |\n| large | 30 GB | 11 |\n"
    );
}

#[test]
fn a_word_that_a_line_parts_is_joined_and_one_with_a_hyphen_stays() {
    let page = paragraph(
        Drawing::default(),
        50.0,
        100.0,
        &[
            "A measurement is what others can repeat, and the measure-",
            "ment has an interval. A well-known trap is a well-",
            "known number without one.",
        ],
    );
    assert!(markdown(&[page]).contains("the measurement has an interval. A well-known trap is a well-known number"));
}

#[test]
fn pages_begin_where_their_first_words_are() {
    let pages = ["one", "two", "three"]
        .map(|word| paragraph(Drawing::default(), 50.0, 300.0, &[&format!("Page {word} has a sentence of its own.")]));
    let converted = read(&pdf(&pages), &Limits::default()).unwrap();
    for (page, word) in converted.pages.iter().zip(["one", "two", "three"]) {
        assert!(converted.markdown[page.start..].starts_with(&format!("Page {word}")), "{page:?}");
    }
    assert_eq!(converted.pages.len(), 3);
}

#[test]
fn what_gives_no_text_says_why() {
    let kind = |bytes: &[u8]| read(bytes, &Limits::default()).unwrap_err().kind;
    assert_eq!(kind(&pdf(&[Drawing::default()])), RefusalKind::Empty);
    assert_eq!(kind(b"%PDF-1.4\n"), RefusalKind::Damaged);
    let picture = Drawing { content: "q 600 0 0 800 0 0 cm BI /W 1 /H 1 /BPC 8 /CS /G ID \u{1} EI Q\n".into() };
    assert_eq!(kind(&pdf(&[picture])), RefusalKind::NeedsOcr);
    let many: Vec<Drawing> = (0..3).map(|_| Drawing::default()).collect();
    let refusal = read(&pdf(&many), &Limits { pages: 2, ..Limits::default() }).unwrap_err();
    assert_eq!((refusal.kind, refusal.detail.as_str()), (RefusalKind::TooLarge, "3 pages, at most 2"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is wrong with a file, the answer is a text or a refusal, and pages begin at boundaries in order.
    #[test]
    fn damaged_files_give_a_text_or_a_refusal(at in 0_usize..2000, byte: u8, cut in 0_usize..2000) {
        let page = paragraph(Drawing::default(), 50.0, 100.0, &["Some words that are read,", "and some more of them."]);
        let mut file = pdf(&[page.rule(50.0, 200.0, 300.0, 200.0)]);
        let length = file.len();
        file[at % length] = byte;
        file.truncate(length - cut % length);
        if let Ok(converted) = read(&file, &Limits::default()) {
            for pair in converted.pages.windows(2) {
                prop_assert!(pair[0].start <= pair[1].start && pair[0].number < pair[1].number);
            }
            prop_assert!(converted.pages.iter().all(|page| converted.markdown.is_char_boundary(page.start)));
        }
    }
}
