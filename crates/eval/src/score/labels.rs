//! Labels as numbers.

use std::borrow::Cow;
use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::predictions::{Field, PredictionsError, Row, Value};

/// The type that labels are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Bool,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "numbers",
            Self::Bool => "truth values",
        }
    }
}

/// A growing table of labels; each has the number of its first appearance.
#[derive(Debug, Clone)]
pub(crate) struct Labels {
    codes: HashMap<Box<str>, u32, FixedState>,
    names: Vec<Box<str>>,
    kind: Option<(Kind, u64)>,
    is_closed: bool,
}

impl Labels {
    /// An open set, or a closed one when labels are given.
    pub(crate) fn new(given: &[String]) -> Self {
        let codes = HashMap::with_hasher(FixedState::default());
        let mut labels = Self { codes, names: Vec::new(), kind: None, is_closed: false };
        for label in given {
            labels.add(label);
        }
        labels.is_closed = !given.is_empty();
        labels
    }

    /// The labels by number.
    pub(crate) fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// The number of a label that is known.
    pub(super) fn find(&self, label: &str) -> Option<u32> {
        self.codes.get(label).copied()
    }

    /// The number of the label in a column; `None` where the column holds nothing.
    pub(crate) fn code(&mut self, row: &Row<'_>, field: Field) -> Result<Option<u32>, PredictionsError> {
        let (label, kind): (Cow<'_, str>, _) = match row.get(field) {
            Value::Absent | Value::Null => return Ok(None),
            Value::Text(text) => (Cow::Borrowed(text), Some(Kind::Text)),
            Value::Cell(text) => (Cow::Borrowed(text), None),
            Value::Bool(true) => (Cow::Borrowed("true"), Some(Kind::Bool)),
            Value::Bool(false) => (Cow::Borrowed("false"), Some(Kind::Bool)),
            Value::Number(text) => (whole(text).ok_or_else(|| not_a_label(row, field))?, Some(Kind::Number)),
            Value::Json(_) => return Err(not_a_label(row, field)),
        };
        if let Some(kind) = kind {
            self.same_kind(row, field, kind)?;
        }
        if let Some(&code) = self.codes.get(&*label) {
            return Ok(Some(code));
        }
        if self.is_closed {
            let (field, label) = (field.name(), label.into_owned());
            return Err(PredictionsError::UnknownLabel { line: row.line, field, label, count: self.names.len() });
        }
        Ok(Some(self.add(&label)))
    }

    /// The number of a label that a column names, which may be a new one in an open set.
    pub(super) fn named(&mut self, row: &Row<'_>, field: Field, label: &str) -> Result<u32, PredictionsError> {
        if self.is_closed && self.find(label).is_none() {
            let (field, label) = (field.name(), label.to_owned());
            return Err(PredictionsError::UnknownLabel { line: row.line, field, label, count: self.names.len() });
        }
        Ok(self.add(label))
    }

    fn add(&mut self, label: &str) -> u32 {
        if let Some(&code) = self.codes.get(label) {
            return code;
        }
        let code = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.codes.insert(label.into(), code);
        self.names.push(label.into());
        code
    }

    fn same_kind(&mut self, row: &Row<'_>, field: Field, kind: Kind) -> Result<(), PredictionsError> {
        match self.kind {
            Some((known, _)) if known == kind => Ok(()),
            None => {
                self.kind = Some((kind, row.line));
                Ok(())
            }
            Some((other, other_line)) => Err(PredictionsError::MixedTypes {
                line: row.line,
                value: row.get(field).shown(),
                kind: kind.name(),
                other_kind: other.name(),
                other_line,
            }),
        }
    }

    /// The numbers in the order that reports list labels in: as given, else by size where all are whole numbers, else by
    /// their text.
    pub(super) fn order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..).take(self.names.len()).collect();
        if self.is_closed {
            return order;
        }
        let name = |code: u32| &*self.names[code as usize];
        let numbers: Option<Vec<i64>> = self.names.iter().map(|name| name.parse().ok()).collect();
        match numbers {
            Some(numbers) => order.sort_by_key(|&code| (numbers[code as usize], name(code))),
            None => order.sort_by_key(|&code| name(code)),
        }
        order
    }
}

fn not_a_label(row: &Row<'_>, field: Field) -> PredictionsError {
    row.refuse(field, "a label: text, a whole number, or true or false")
}

/// The shortest form of a whole number: `1`, `1.0` and `1e0` are one label. `None` for another number.
fn whole(text: &str) -> Option<Cow<'_, str>> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') && text != "-0";
    if is_plain {
        return Some(Cow::Borrowed(text));
    }
    let number: f64 = text.parse().ok()?;
    (number.is_finite() && number.fract() == 0.0 && number.abs() < 9e15)
        .then(|| Cow::Owned(format!("{}", number + 0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_one_form() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(whole(text).as_deref(), expected, "{text}");
        check("1", Some("1"));
        check("1.0", Some("1"));
        check("1e1", Some("10"));
        check("-0", Some("0"));
        check("-3", Some("-3"));
        check("0.5", None);
        check("NaN", None);
    }

    #[test]
    fn numbers_are_listed_by_size_and_text_by_letters() {
        let order = |names: &[&str]| {
            let mut labels = Labels::new(&[]);
            names.iter().for_each(|name| {
                labels.add(name);
            });
            labels.order().into_iter().map(|code| labels.names()[code as usize].to_string()).collect::<Vec<_>>()
        };
        assert_eq!(order(&["10", "9", "-1"]), ["-1", "9", "10"]);
        assert_eq!(order(&["b", "10", "a"]), ["10", "a", "b"]);
    }
}
