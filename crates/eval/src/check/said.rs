//! What an answer says: numbers, texts, lists, JSON values, calls.

use std::sync::LazyLock;

use regex::Regex;

use super::number as as_number;
use crate::task::Value;

/// A call that is expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    name: String,
    /// Accepted values of each argument; an empty text among them says that the argument may be left out.
    arguments: Vec<(String, Vec<Value>)>,
}

impl Call {
    pub(super) fn of_value(value: &Value) -> Option<Self> {
        let name = value.get("name")?.as_text()?.to_owned();
        let Value::Dict(entries) = value.get("arguments")? else { return None };
        let accepted = |(key, values): &(String, Value)| Some((key.clone(), values.as_list()?.to_vec()));
        Some(Self { name, arguments: entries.iter().map(accepted).collect::<Option<_>>()? })
    }

    pub(super) fn fits(&self, answer: &Value) -> bool {
        let (Some(name), Some(Value::Dict(given))) = (answer.get("name"), answer.get("arguments")) else {
            return false;
        };
        let is_accepted = |(key, value): &(String, Value)| {
            self.arguments
                .iter()
                .any(|(known, accepted)| known == key && accepted.iter().any(|one| is_accepted(value, one)))
        };
        let is_there = |(key, accepted): &(String, Vec<Value>)| {
            accepted.iter().any(|one| one.as_text() == Some("")) || given.iter().any(|(known, _)| known == key)
        };
        name.as_text() == Some(&self.name) && given.iter().all(is_accepted) && self.arguments.iter().all(is_there)
    }
}

/// Texts are compared without case and outer punctuation, all else as JSON; in a mapping each key has its accepted values.
fn is_accepted(value: &Value, accepted: &Value) -> bool {
    match (value, accepted) {
        (Value::Text(a), Value::Text(b)) => plain(a) == plain(b),
        (Value::Dict(given), Value::Dict(wanted)) => {
            given.len() == wanted.len()
                && given.iter().all(|(key, value)| {
                    let values = wanted.iter().find(|(known, _)| known == key).map(|(_, values)| values);
                    values.is_some_and(|values| match values {
                        Value::List(values) => values.iter().any(|one| is_accepted(value, one)),
                        one => is_accepted(value, one),
                    })
                })
        }
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_accepted(a, b)),
        _ => is_same(value, accepted),
    }
}

/// The last line that is not empty, without a leading `Answer:`.
pub(super) fn last_line(answer: &str) -> &str {
    let line = answer.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let label = line.get(..7).filter(|label| label.eq_ignore_ascii_case("answer:"));
    label.map_or(line, |label| line[label.len()..].trim())
}

/// The last number of the last line; commas between digits are left out.
pub(super) fn number(answer: &str) -> Option<f64> {
    static NUMBER: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?").ok());
    let found = NUMBER.as_ref()?.find_iter(last_line(answer)).last()?;
    found.as_str().replace(',', "").parse().ok()
}

/// Equal but for the last bits: decimal answers are not exact in binary.
pub(super) fn is_close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

/// A text without case, outer punctuation and runs of white space.
pub(super) fn plain(text: &str) -> String {
    let text = text.trim_matches(|char: char| !char.is_alphanumeric());
    text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

pub(super) fn is_text(answer: &str, accepted: &[String]) -> bool {
    let line = plain(last_line(answer));
    accepted.iter().any(|text| plain(text) == line)
}

/// The items of the last line, plain.
pub(super) fn items(answer: &str) -> Vec<String> {
    last_line(answer).split(',').map(plain).collect()
}

pub(super) fn is_set(answer: &str, expected: &[String]) -> bool {
    let (mut given, mut expected) = (items(answer), expected.iter().map(|item| plain(item)).collect::<Vec<_>>());
    given.sort();
    expected.sort();
    given == expected
}

/// The JSON value that an answer is, alone or in one code fence.
pub(super) fn json(answer: &str) -> Option<Value> {
    let text = answer.trim();
    let inner = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    let text = inner.map_or(text, |inner| inner.strip_prefix("json").unwrap_or(inner));
    serde_json::from_str(text.trim()).ok()
}

/// Whether two JSON values are the same: numbers by value, keys in any order.
pub(super) fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
            as_number(a).zip(as_number(b)).is_some_and(|(a, b)| is_close(a, b))
        }
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Value::Dict(a), Value::Dict(other)) => {
            a.len() == other.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| is_same(value, other)))
        }
        _ => a == b,
    }
}
