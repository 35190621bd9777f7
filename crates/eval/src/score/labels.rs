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
    recent: Recent,
}

/// The numbers of short labels that were looked up last: files have few labels, and comparing two numbers is cheaper than
/// a look-up.
#[derive(Debug, Clone)]
struct Recent {
    slots: [Option<(Short, u32)>; Recent::SLOTS],
}

/// A text of at most sixteen bytes: its length, its first eight bytes and its last.
type Short = (usize, u64, u64);

impl Recent {
    const BITS: u32 = 6;
    const SLOTS: usize = 1 << Self::BITS;

    /// The short form of a text, and its slot.
    #[inline]
    fn place(text: &str) -> Option<(Short, usize)> {
        let bytes = text.as_bytes();
        let length = bytes.len();
        let (first, last) = if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
        } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            (u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last)))
        } else {
            // At most three bytes: the first, the middle one and the last are all.
            let (first, last) = (*bytes.first()?, *bytes.last()?);
            (u64::from(first) | u64::from(bytes[length / 2]) << 8, u64::from(last))
        };
        const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
        let mixed = (first.wrapping_mul(ODD) ^ last.rotate_left(32) ^ length as u64).wrapping_mul(ODD);
        (length <= 16).then_some(((length, first, last), (mixed >> (64 - Self::BITS)) as usize))
    }
}

impl Labels {
    /// An open set, or a closed one when labels are given.
    pub(crate) fn new(given: &[String]) -> Self {
        let codes = HashMap::with_hasher(FixedState::default());
        let mut labels = Self {
            codes,
            names: Vec::new(),
            kind: None,
            is_closed: false,
            recent: Recent { slots: [None; Recent::SLOTS] },
        };
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
        let Some((short, slot)) = Recent::place(&label) else { return self.named(row, field, &label).map(Some) };
        if let Some((known, code)) = self.recent.slots[slot]
            && known == short
        {
            return Ok(Some(code));
        }
        let code = self.named(row, field, &label)?;
        self.recent.slots[slot] = Some((short, code));
        Ok(Some(code))
    }

    /// The number of a label that a column names, which may be a new one in an open set.
    pub(super) fn named(&mut self, row: &Row<'_>, field: Field, label: &str) -> Result<u32, PredictionsError> {
        if let Some(code) = self.find(label) {
            return Ok(code);
        }
        if self.is_closed {
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
    use crate::predictions::{Form, Mapping, read_from};

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
    fn labels_keep_their_number_whatever_their_length() {
        let texts: Vec<String> = (0..20).flat_map(|length| ["a", "b"].map(|of| of.repeat(length) + "x")).collect();
        let others = ["xa", "xba", "xbaa", "abcdefghi", "abcdefgxi", "abcdefghijklmnop", "abcdefghijklmnox", ""];
        let texts: Vec<&str> = texts.iter().skip(1).map(String::as_str).chain(others).collect();
        let lines: String = texts.iter().map(|text| format!("{{\"target\":\"{text}\"}}\n")).collect();
        let mut labels = Labels::new(&[]);
        for _ in 0..3 {
            let mut expected = 0..;
            let read = read_from(lines.as_bytes(), Form::JsonLines, &Mapping::default(), |row| {
                assert_eq!(labels.code(row, Field::Target)?, expected.next());
                Ok(())
            });
            assert_eq!(read.unwrap().rows, texts.len() as u64);
        }
        assert_eq!(labels.names().len(), texts.len());
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
