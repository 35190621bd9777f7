//! CSV and TSV with a header: RFC 4180 quotes, and no mercy for what breaks them.

use std::borrow::Cow;

use super::error::PredictionsError;
use super::field::{Field, Mapping, Value};
use super::json::Take;
use super::source::LONGEST_LINE;

/// The columns of a header.
#[derive(Debug)]
pub(super) struct Header {
    fields: Vec<Option<Field>>,
}

impl Header {
    /// Reads the header.
    pub(super) fn read(line: u64, record: &str, separator: u8, mapping: &Mapping) -> Result<Self, PredictionsError> {
        let mut names: Vec<String> = Vec::new();
        let mut fields = Vec::new();
        for cell in Cells::new(line, record, separator) {
            let name = cell?.trim().to_owned();
            let field = mapping.field(&name);
            if let Some(field) = field
                && let Some(first) = fields.iter().position(|known| *known == Some(field))
            {
                let first = names[first].clone();
                return Err(PredictionsError::Ambiguous { line, field: field.name(), first, second: name });
            }
            fields.push(field);
            names.push(name);
        }
        Ok(Self { fields })
    }

    /// Reads a record, whose values are taken as they come.
    pub(super) fn read_row<'a>(
        &self,
        row: &mut impl Take<'a>,
        line: u64,
        record: &'a str,
        separator: u8,
    ) -> Result<(), PredictionsError> {
        let mut found = 0;
        for cell in Cells::new(line, record, separator) {
            let cell = cell?;
            if let Some(Some(field)) = self.fields.get(found) {
                row.set(*field, if cell.is_empty() { Value::Null } else { typed(cell) });
            }
            found += 1;
        }
        if found != self.fields.len() {
            return Err(PredictionsError::Width { line, expected: self.fields.len(), found });
        }
        Ok(())
    }
}

/// A list in a field of a table is a list; everything else is text of unknown type.
fn typed(cell: Cow<'_, str>) -> Value<'_> {
    match cell {
        Cow::Borrowed(text) if text.starts_with('[') && text.ends_with(']') => Value::Json(text),
        other => Value::Cell(other),
    }
}

/// The fields of one record.
struct Cells<'a> {
    line: u64,
    rest: Option<&'a str>,
    separator: u8,
}

impl<'a> Cells<'a> {
    fn new(line: u64, record: &'a str, separator: u8) -> Self {
        Self { line, rest: Some(record), separator }
    }

    fn quoted(&mut self, rest: &'a str) -> Result<Cow<'a, str>, PredictionsError> {
        let fail = |what| PredictionsError::Quotes { line: self.line, what };
        let body = &rest[1..];
        let mut from = 0;
        let mut doubled = false;
        let end = loop {
            let quote =
                memchr::memchr(b'"', &body.as_bytes()[from..]).ok_or_else(|| fail("a quote is never closed"))?;
            let end = from + quote;
            if body.as_bytes().get(end + 1) != Some(&b'"') {
                break end;
            }
            doubled = true;
            from = end + 2;
        };
        self.rest = match body.as_bytes().get(end + 1) {
            None => None,
            Some(&byte) if byte == self.separator => Some(&body[end + 2..]),
            Some(_) => return Err(fail("text follows a closing quote")),
        };
        let text = &body[..end];
        Ok(if doubled { Cow::Owned(text.replace("\"\"", "\"")) } else { Cow::Borrowed(text) })
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = Result<Cow<'a, str>, PredictionsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest?;
        if rest.starts_with('"') {
            let cell = self.quoted(rest);
            if cell.is_err() {
                self.rest = None;
            }
            return Some(cell);
        }
        let (cell, after) = match memchr::memchr(self.separator, rest.as_bytes()) {
            Some(end) => (&rest[..end], Some(&rest[end + 1..])),
            None => (rest, None),
        };
        self.rest = after;
        Some(Ok(Cow::Borrowed(cell)))
    }
}

/// Joins lines to records: a quoted field may hold line ends.
#[derive(Debug, Default)]
pub(super) struct Records {
    open: String,
    first: u64,
}

impl Records {
    /// Takes a line; gives the record that it completes, with the number of its first line.
    pub(super) fn push<'a>(&'a mut self, line: u64, text: &'a str) -> Result<Option<(u64, &'a str)>, PredictionsError> {
        let is_even = memchr::memchr_iter(b'"', text.as_bytes()).count().is_multiple_of(2);
        if self.first == 0 {
            if is_even {
                return Ok(Some((line, text)));
            }
            self.open.clear();
            self.open.push_str(text);
            self.first = line;
            return Ok(None);
        }
        if self.open.len() + text.len() > LONGEST_LINE {
            return Err(self.unclosed());
        }
        self.open.push('\n');
        self.open.push_str(text);
        if is_even {
            return Ok(None);
        }
        Ok(Some((std::mem::take(&mut self.first), &self.open)))
    }

    /// The end of the file.
    pub(super) fn finish(&self) -> Result<(), PredictionsError> {
        if self.first == 0 { Ok(()) } else { Err(self.unclosed()) }
    }

    fn unclosed(&self) -> PredictionsError {
        PredictionsError::Quotes { line: self.first, what: "a quote is never closed" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cells(record: &str) -> Result<Vec<String>, PredictionsError> {
        Cells::new(1, record, b',').map(|cell| cell.map(Cow::into_owned)).collect()
    }

    #[test]
    fn quotes_hold_separators_and_quotes() {
        let check = |record: &str, expected: &[&str]| assert_eq!(cells(record).unwrap(), expected, "{record}");
        check("a,b,", &["a", "b", ""]);
        check(r#""a,b","c""d""#, &["a,b", r#"c"d"#]);
        check(r#""",x"#, &["", "x"]);
        check(r#"it"s,x"#, &[r#"it"s"#, "x"]);
        assert!(cells(r#""a"b,c"#).is_err() && cells(r#""abc"#).is_err());
    }

    #[test]
    fn a_quote_that_is_never_closed_is_named_by_its_first_line() {
        let mut records = Records::default();
        assert_eq!(records.push(1, "a,b").unwrap(), Some((1, "a,b")));
        assert_eq!(records.push(2, "\"a").unwrap(), None);
        assert_eq!(records.push(3, "b\",c").unwrap(), Some((2, "\"a\nb\",c")));
        assert_eq!(records.push(4, "\"a").unwrap(), None);
        assert!(matches!(records.finish(), Err(PredictionsError::Quotes { line: 4, .. })));
    }

    proptest! {
        #[test]
        fn what_the_csv_crate_writes_is_read_back(rows in prop::collection::vec(prop::collection::vec("[^\r]*", 2), 1..5)) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let mut records = Records::default();
            let mut found = Vec::new();
            for line in text.split_terminator('\n') {
                if let Some((_, record)) = records.push(1, line).unwrap() {
                    found.push(cells(record).unwrap());
                }
            }
            records.finish().unwrap();
            prop_assert_eq!(found, rows);
        }

        #[test]
        fn nothing_panics(text in ".*") {
            let _ = cells(&text);
        }
    }
}
