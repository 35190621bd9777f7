//! Values between separators.

use csv::{ReaderBuilder, StringRecord};

use crate::Limits;
use crate::decode::decode;
use crate::document::Converted;
use crate::error::{Refusal, RefusalKind};
use crate::markdown::Writer;
use crate::signals::{Draft, one_line};
use crate::sniff::Format;
use crate::tabular;

/// Columns that are read: as many as spreadsheets of old had by four.
const COLUMNS_MAX: usize = 1024;
/// How much of a file the separator is told from.
const PROBE_BYTES: usize = 64 << 10;

/// Reads a table of values; its first record is the head.
pub(crate) fn read_csv(bytes: &[u8], limits: &Limits) -> Result<Converted, Refusal> {
    let decoded = decode(bytes, None);
    let mut doubts = decoded.doubts;
    let mut text = &*decoded.text;
    let mut separator = None;
    // Excel's own hint, on a line before the first.
    if let Some(rest) = text.strip_prefix("sep=") {
        separator = rest.chars().next().filter(char::is_ascii);
        text = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
    let mut probe_end = text.len().min(PROBE_BYTES);
    while !text.is_char_boundary(probe_end) {
        probe_end -= 1;
    }
    let separator = separator.unwrap_or_else(|| tabular::separator(&text[..probe_end]));
    let separator = u8::try_from(u32::from(separator)).unwrap_or(b',');
    let columns = count_columns(text, separator);
    if columns > COLUMNS_MAX {
        doubts.push(format!("{columns} columns, of which {COLUMNS_MAX} were read"));
    }
    let mut writer = Writer::new(limits.text_bytes);
    write_rows(text, separator, columns.min(COLUMNS_MAX), &mut writer);
    if writer.is_full() {
        return Err(Refusal::new(RefusalKind::TooLarge, format!("more than {} bytes of text", limits.text_bytes)));
    }
    Draft { format: Format::Csv, title: None, markdown: writer.finish(), pages: Vec::new(), doubts }.finish()
}

fn records(text: &str, separator: u8, mut found: impl FnMut(&StringRecord) -> bool) {
    let mut reader =
        ReaderBuilder::new().delimiter(separator).flexible(true).has_headers(false).from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    // The text is UTF-8 and records may be of any length, so that no error is left but the end.
    while reader.read_record(&mut record).unwrap_or(false) {
        if record.iter().any(|field| !field.trim().is_empty()) && !found(&record) {
            return;
        }
    }
}

/// The columns that hold something.
fn count_columns(text: &str, separator: u8) -> usize {
    let mut columns = 0;
    records(text, separator, |record| {
        let filled =
            (0..record.len()).rev().find(|index| record.get(*index).is_some_and(|field| !field.trim().is_empty()));
        columns = columns.max(filled.map_or(0, |last| last + 1));
        true
    });
    columns
}

fn write_rows(text: &str, separator: u8, columns: usize, writer: &mut Writer) {
    let mut index = 0;
    records(text, separator, |record| {
        let fields: Vec<String> = record.iter().take(columns).map(one_line).collect();
        writer.table_row(index, columns, fields.iter().map(String::as_str));
        index += 1;
        !writer.is_full()
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(read_csv(text.as_bytes(), &Limits::default()).unwrap().markdown, expected, "{text}");
    }

    #[test]
    fn values_become_a_table() {
        let head = "| a | b |\n| --- | --- |\n";
        check("a,b\n1,2\n", &format!("{head}| 1 | 2 |\n"));
        check("a;b\r\n\"x;\ny\";\"say \"\"hi\"\"\"\r\n", &format!("{head}| x; y | say \"hi\" |\n"));
        check("sep=|\na|b\n1|2\n", &format!("{head}| 1 | 2 |\n"));
        check("a\tb\n1\n1\t2\t\n\n", &format!("{head}| 1 |  |\n| 1 | 2 |\n"));
        check("one\ntwo\n", "| one |\n| --- |\n| two |\n");
    }

    #[test]
    fn hostile_tables_are_bounded() {
        let wide = read_csv(format!("a{}\n1,2\n", ",x".repeat(5000)).as_bytes(), &Limits::default()).unwrap();
        assert!(matches!(wide.grade, crate::Grade::Degraded(_)));
        let limits = Limits { text_bytes: 1000, ..Limits::default() };
        assert_eq!(read_csv("a,b\n".repeat(1000).as_bytes(), &limits).unwrap_err().kind, RefusalKind::TooLarge);
        let quote = format!("a,\"{}", "b,c\n".repeat(100_000));
        assert!(read_csv(quote.as_bytes(), &Limits::default()).is_ok());
    }

    proptest! {
        #[test]
        fn every_table_is_read_or_refused(text in "[a\",;\t|\n\r]{0,80}") {
            let _ = read_csv(text.as_bytes(), &Limits::default());
        }
    }
}
