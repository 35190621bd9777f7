//! Values of task files and data sets, with the text that Python would give them.
//!
//! Keys keep their order, since lm-eval hashes a document as Python dumps it.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Value as Jinja};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// A value as Python's `json` and `yaml` read it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float, also for integers beyond 64 bits.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A dictionary in the order of writing; of equal keys the last counts.
    Dict(Vec<(String, Value)>),
}

impl Value {
    /// The entry of a dictionary.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Dict(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items, if it is a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The integer, if it is one; Python counts `True` as 1.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Bool(value) => Some(i64::from(*value)),
            _ => None,
        }
    }

    /// Sets an entry of a dictionary; an existing one keeps its place.
    pub fn set(&mut self, key: &str, value: Self) {
        if let Self::Dict(entries) = self {
            match entries.iter_mut().find(|(name, _)| name == key) {
                Some(entry) => entry.1 = value,
                None => entries.push((key.to_owned(), value)),
            }
        }
    }

    /// The value as JSON in one line.
    #[must_use]
    pub fn line(&self) -> String {
        // Writing a value to memory does not fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Python's `str(value)`.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            other => other.repr(),
        }
    }

    /// Python's `repr(value)`.
    #[must_use]
    pub fn repr(&self) -> String {
        let mut out = String::new();
        self.write_repr(&mut out);
        out
    }

    fn write_repr(&self, out: &mut String) {
        match self {
            Self::None => out.push_str("None"),
            Self::Bool(true) => out.push_str("True"),
            Self::Bool(false) => out.push_str("False"),
            Self::Int(value) => _ = write!(out, "{value}"),
            Self::Float(value) => out.push_str(&float_text(*value)),
            Self::Text(text) => write_text_repr(text, out),
            Self::List(items) => {
                out.push('[');
                for (position, item) in items.iter().enumerate() {
                    out.push_str(if position > 0 { ", " } else { "" });
                    item.write_repr(out);
                }
                out.push(']');
            }
            Self::Dict(entries) => {
                out.push('{');
                for (position, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if position > 0 { ", " } else { "" });
                    write_text_repr(key, out);
                    out.push_str(": ");
                    value.write_repr(out);
                }
                out.push('}');
            }
        }
    }

    /// Python's `json.dumps(value, indent=2, ensure_ascii=False)`.
    #[must_use]
    pub fn dumps(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out, 0);
        out
    }

    fn write_json(&self, out: &mut String, depth: usize) {
        match self {
            Self::None => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) => _ = write!(out, "{value}"),
            Self::Float(value) if value.is_nan() => out.push_str("NaN"),
            Self::Float(value) if value.is_infinite() => {
                out.push_str(if *value > 0.0 { "Infinity" } else { "-Infinity" });
            }
            Self::Float(value) => out.push_str(&float_text(*value)),
            Self::Text(text) => write_json_text(text, out),
            Self::List(items) if items.is_empty() => out.push_str("[]"),
            Self::Dict(entries) if entries.is_empty() => out.push_str("{}"),
            Self::List(items) => {
                write_lines(out, depth, ('[', ']'), items, |item, out| item.write_json(out, depth + 1));
            }
            Self::Dict(entries) => {
                write_lines(out, depth, ('{', '}'), entries, |(key, value), out| {
                    write_json_text(key, out);
                    out.push_str(": ");
                    value.write_json(out, depth + 1);
                });
            }
        }
    }

    /// Python's `json.dumps(value, ensure_ascii=False)`: on one line.
    #[must_use]
    pub fn dumps_line(&self) -> String {
        let mut out = String::new();
        self.write_line(&mut out);
        out
    }

    fn write_line(&self, out: &mut String) {
        match self {
            Self::List(items) => {
                out.push('[');
                for (position, item) in items.iter().enumerate() {
                    out.push_str(if position > 0 { ", " } else { "" });
                    item.write_line(out);
                }
                out.push(']');
            }
            Self::Dict(entries) => {
                out.push('{');
                for (position, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if position > 0 { ", " } else { "" });
                    write_json_text(key, out);
                    out.push_str(": ");
                    value.write_line(out);
                }
                out.push('}');
            }
            other => other.write_json(out, 0),
        }
    }

    /// The value as templates see it.
    #[must_use]
    pub fn to_jinja(&self) -> Jinja {
        match self {
            Self::None => Jinja::from(()),
            Self::Bool(value) => Jinja::from(*value),
            Self::Int(value) => Jinja::from(*value),
            Self::Float(value) => Jinja::from(*value),
            Self::Text(text) => Jinja::from(text.as_str()),
            Self::List(items) => items.iter().map(Self::to_jinja).collect::<Vec<_>>().into(),
            Self::Dict(entries) => {
                let entries = entries.iter().map(|(key, value)| (key.clone(), value.to_jinja())).collect();
                Jinja::from_object(JinjaDict(entries))
            }
        }
    }

    /// The value of a template's value.
    #[must_use]
    pub fn from_jinja(value: &Jinja) -> Self {
        Self::deserialize(value).unwrap_or_else(|_| Self::Text(value.to_string()))
    }
}

/// A dictionary that keeps its order inside templates.
#[derive(Debug)]
struct JinjaDict(Vec<(String, Jinja)>);

impl Object for JinjaDict {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let key = key.as_str()?;
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> minijinja::value::Enumerator {
        minijinja::value::Enumerator::Values(self.0.iter().map(|(key, _)| Jinja::from(key.as_str())).collect())
    }
}

fn write_lines<T>(
    out: &mut String,
    depth: usize,
    brackets: (char, char),
    items: &[T],
    mut write: impl FnMut(&T, &mut String),
) {
    out.push(brackets.0);
    for (position, item) in items.iter().enumerate() {
        out.push_str(if position > 0 { ",\n" } else { "\n" });
        (0..=depth).for_each(|_| out.push_str("  "));
        write(item, out);
    }
    out.push('\n');
    (0..depth).for_each(|_| out.push_str("  "));
    out.push(brackets.1);
}

/// Python's `repr` of a float: the shortest digits, with an exponent below 1e-4 and from 1e16.
fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(("+", exponent), |rest| ("-", rest));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    format!("{value:?}")
}

/// Python's `repr` of a text: single quotes unless only those occur in it.
fn write_text_repr(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if char == quote => {
                out.push('\\');
                out.push(char);
            }
            _ if is_printable(char) => out.push(char),
            _ => {
                let code = u32::from(char);
                _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push(quote);
}

/// Python's `str.isprintable` for one character, for the categories that occur in texts: controls, separators but the
/// space, format characters, private use and what is unassigned at the end of planes.
fn is_printable(char: char) -> bool {
    !matches!(
        char,
        '\0'..='\x1f' | '\x7f'..='\u{a0}' | '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{1680}' | '\u{180e}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}'
            | '\u{3000}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}'..='\u{ffff}'
            | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}'
    )
}

fn write_json_text(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    // Most of a text is taken as it is.
    while let Some(place) = rest.find(|char: char| char < ' ' || char == '"' || char == '\\') {
        let (plain, special) = rest.split_at(place);
        out.push_str(plain);
        let mut chars = special.chars();
        let char = chars.next().unwrap_or_default();
        rest = chars.as_str();
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            _ => _ = write!(out, "\\u{:04x}", u32::from(char)),
        }
    }
    out.push_str(rest);
    out.push('"');
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Float(value as f64), Value::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut dict = Value::Dict(Vec::new());
        while let Some((key, value)) = access.next_entry::<Value, Value>()? {
            dict.set(&key.text(), value);
        }
        Ok(dict)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Dict(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Value {
        serde_json::from_str(json).unwrap()
    }

    // Vectors: `str`, `repr` and `json.dumps(…, indent=2, ensure_ascii=False)` of CPython 3.11.7.
    #[test]
    fn texts_are_pythons() {
        let check = |json: &str, expected: &str| assert_eq!(read(json).repr(), expected, "{json}");
        check("null", "None");
        check("true", "True");
        check("1.0", "1.0");
        check("1e16", "1e+16");
        check("0.00001", "1e-05");
        check("123456789.125", "123456789.125");
        check("1.5e300", "1.5e+300");
        check(r#"["a", "it's", "say \"it's\""]"#, r#"['a', "it's", 'say "it\'s"']"#);
        check(r#"{"a": [1, null], "b": "x\n\u0001é"}"#, r"{'a': [1, None], 'b': 'x\n\x01é'}");
        check(r#""\u200b\u00a0\u00ad""#, r"'\u200b\xa0\xad'");
        assert_eq!(read(r#""it's""#).text(), "it's");
    }

    #[test]
    fn dumps_are_pythons() {
        let value = read(r#"{"b": [1, {"x": 2.50}], "a": "é\"\u0001/", "e": [], "d": {}}"#);
        let expected = "{\n  \"b\": [\n    1,\n    {\n      \"x\": 2.5\n    }\n  ],\n  \"a\": \"é\\\"\\u0001/\",\n  \
                        \"e\": [],\n  \"d\": {}\n}";
        assert_eq!(value.dumps(), expected);
    }

    #[test]
    fn of_equal_keys_the_last_counts() {
        assert_eq!(read(r#"{"a": 1, "b": 2, "a": 3}"#).repr(), "{'a': 3, 'b': 2}");
    }

    proptest::proptest! {
        #[test]
        fn a_text_reads_back_from_its_repr(text in ".*") {
            let value = Value::Text(text);
            proptest::prop_assert_eq!(super::super::literal::parse(&value.repr()).unwrap(), value);
        }

        #[test]
        fn json_round_trips(text in ".*", number in proptest::prelude::any::<i64>(), float in -1e300_f64..1e300) {
            let value = Value::Dict(vec![
                (text.clone(), Value::List(vec![Value::Text(text), Value::Int(number), Value::Float(float)])),
                ("none".to_owned(), Value::None),
            ]);
            proptest::prop_assert_eq!(read(&value.dumps()), value.clone());
            proptest::prop_assert_eq!(read(&serde_json::to_string(&value).unwrap()), value);
        }
    }
}
