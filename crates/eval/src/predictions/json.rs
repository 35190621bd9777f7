//! One line of JSONL to a row, without building a document: values are borrowed, and what no field asks for is only
//! stepped over.

use super::error::PredictionsError;
use super::field::{Field, Mapping, Value};
use super::scanner::{Scan, Scanner};

/// The keys of earlier lines by position: files repeat them in the same order, and comparing is cheaper than searching.
#[derive(Debug, Default)]
pub(super) struct Keys {
    known: Vec<Known>,
}

/// What is known of a key.
#[derive(Debug)]
struct Known {
    key: String,
    /// The key and the quote after it, where it stands in lines as it is.
    plain: Option<String>,
    field: Option<Field>,
    /// It holds an object of which something is mapped.
    is_entered: bool,
}

impl Keys {
    /// Reads the key at a position, and finds its place among the known ones.
    #[inline]
    fn read(&mut self, position: usize, scanner: &mut Scanner<'_>, mapping: &Mapping) -> Scan<&Known> {
        let is_same = self.known.get(position).and_then(|known| known.plain.as_deref());
        if !is_same.is_some_and(|plain| scanner.skips(plain.as_bytes())) {
            let key = scanner.string()?;
            if self.known.get(position).is_none_or(|known| known.key != key) {
                self.learn(position, &key, mapping);
            }
        }
        scanner.colon()?;
        Ok(&self.known[position])
    }

    #[cold]
    fn learn(&mut self, position: usize, key: &str, mapping: &Mapping) {
        let is_plain = !key.bytes().any(|byte| byte == b'"' || byte == b'\\' || byte < 0x20);
        let known = Known {
            key: key.to_owned(),
            plain: is_plain.then(|| format!("{key}\"")),
            field: mapping.field(key),
            is_entered: mapping.is_entered(key),
        };
        // Positions come one after the other, so this is a known one or the next.
        match self.known.get_mut(position) {
            Some(place) => *place = known,
            None => self.known.push(known),
        }
    }

    fn name(&self, field: Field) -> String {
        let known = self.known.iter().find(|known| known.field == Some(field));
        known.map_or_else(|| field.name().to_owned(), |known| known.key.clone())
    }
}

/// What takes the values of a row.
pub(super) trait Take<'a> {
    /// Takes a value; tells whether the row had none of this field before.
    fn set(&mut self, field: Field, value: Value<'a>) -> bool;
}

/// Reads an object, whose values are taken as they come.
pub(super) fn read<'a>(
    row: &mut impl Take<'a>,
    line: u64,
    text: &'a str,
    keys: &mut Keys,
    mapping: &Mapping,
) -> Scan<()> {
    let mut scanner = Scanner::new(line, text);
    scanner.space();
    let mut position = 0;
    scanner.object(&mut |scanner| {
        let known = keys.read(position, scanner, mapping)?;
        position += 1;
        if known.is_entered && scanner.peek() == Some(b'{') {
            return enter(scanner, row, &known.key, mapping);
        }
        let value = scanner.value()?;
        match known.field {
            Some(field) if !row.set(field, value) => {
                let (first, second) = (keys.name(field), keys.known[position - 1].key.clone());
                Err(Box::new(PredictionsError::Ambiguous { line, field: field.name(), first, second }))
            }
            _ => Ok(()),
        }
    })?;
    scanner.space();
    if scanner.peek().is_some() {
        return Err(scanner.fail("the end of the line"));
    }
    Ok(())
}

/// Reads an object of which something is mapped; only mapped parts of it are taken.
fn enter<'a>(scanner: &mut Scanner<'a>, row: &mut impl Take<'a>, column: &str, mapping: &Mapping) -> Scan<()> {
    let line = scanner.line();
    scanner.object(&mut |scanner| {
        let path = format!("{column}.{}", scanner.string()?);
        scanner.colon()?;
        if mapping.is_entered(&path) && scanner.peek() == Some(b'{') {
            return enter(scanner, row, &path, mapping);
        }
        let value = scanner.value()?;
        match mapping.field(&path) {
            Some(field) if !row.set(field, value) => Err(Box::new(PredictionsError::Ambiguous {
                line,
                field: field.name(),
                first: path.clone(),
                second: path,
            })),
            _ => Ok(()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predictions::Row;
    use proptest::prelude::*;

    fn row(text: &str) -> Result<Row<'_>, PredictionsError> {
        let mut row = Row::new(1);
        read(&mut row, 1, text, &mut Keys::default(), &Mapping::default()).map_err(|problem| *problem)?;
        Ok(row)
    }

    #[test]
    fn keys_are_known_again_as_they_are_written() {
        let mut keys = Keys::default();
        let mut check = |line: &str, expected: Option<&str>| {
            let mut row = Row::new(1);
            read(&mut row, 1, line, &mut keys, &Mapping::default()).unwrap();
            assert_eq!(row.text(Field::Id).unwrap(), expected, "{line}");
        };
        for _ in 0..2 {
            check(r#"{"id":"a"}"#, Some("a"));
            check(r#"{"i\u0064" : "b"}"#, Some("b"));
            check(r#"{"id\\":"c","id":"d"}"#, Some("d"));
            check(r#"{"id\":":"e"}"#, None);
            check(r#"{"ids":"f","id":"g"}"#, Some("g"));
        }
    }

    #[test]
    fn values_keep_their_type() {
        let row = row(r#"{"id": "a\n\u00e9\ud83d\ude00", "target":1, "prediction" : true, "score":-1.5e-3, "text":null, "references":["x",{"y":[]}], "other":{"a":"}"}}"#).unwrap();
        assert_eq!(row.get(Field::Id), &Value::Text("a\né😀".into()));
        assert_eq!(row.get(Field::Target), &Value::Number("1"));
        assert_eq!(row.get(Field::Prediction), &Value::Bool(true));
        assert_eq!(row.number(Field::Score).unwrap(), Some(-1.5e-3));
        assert_eq!(row.get(Field::Text), &Value::Null);
        assert_eq!(row.get(Field::References), &Value::Json(r#"["x",{"y":[]}]"#));
        assert_eq!(row.get(Field::Weight), &Value::Absent);
    }

    #[test]
    fn what_is_no_object_is_refused_with_its_place() {
        let check = |text: &str, expected: usize| match row(text) {
            Err(PredictionsError::Syntax { column, .. }) => assert_eq!(column, expected, "{text}"),
            other => panic!("{text}: {other:?}"),
        };
        check("", 1);
        check("[1]", 1);
        check(r#"{"id":}"#, 7);
        check(r#"{"id":1"#, 8);
        check(r#"{"id":1} x"#, 10);
        check(r#"{"id":"a}"#, 10);
        check(r#"{"id":"a\x"}"#, 10);
        check(r#"{"id":01}"#, 8);
        check(r#"{"id":tru}"#, 7);
        check("{\"id\":\"a\tb\"}", 9);
        check(r#"{"id":"\ud83d"}"#, 14);
        check(&format!("{{\"id\":{}", "[".repeat(500)), 136);
    }

    #[test]
    fn one_meaning_stands_in_one_column() {
        let error = row(r#"{"label":"a","prediction":"b"}"#).unwrap_err();
        assert!(matches!(error, PredictionsError::Ambiguous { .. }), "{error}");
        assert!(row(r#"{"id":1,"id":2}"#).is_err());
    }

    #[test]
    fn numbers_that_are_none_are_told_apart() {
        let row = row(r#"{"score":NaN,"weight":-Infinity,"target":1e999}"#).unwrap();
        assert!(row.number(Field::Score).is_err() && row.number(Field::Weight).is_err());
        assert!(row.number(Field::Target).is_err());
    }

    #[test]
    fn parts_of_objects_are_mapped_by_their_path() {
        let mapping = Mapping::parse(["passed=run.ok", "text=run.answer.text", "id=doc"]).unwrap();
        let mut row = Row::new(1);
        let line = r#"{"doc":7,"run":{"answer":{"text":"x","id":"no"},"target":"no","ok":true},"other":{"ok":false}}"#;
        read(&mut row, 1, line, &mut Keys::default(), &mapping).unwrap();
        assert_eq!((row.get(Field::Passed), row.get(Field::Text)), (&Value::Bool(true), &Value::Text("x".into())));
        assert_eq!((row.get(Field::Id), row.get(Field::Target)), (&Value::Number("7"), &Value::Absent));
        let line = r#"{"run":{"ok":true,"ok":false}}"#;
        assert!(read(&mut row, 1, line, &mut Keys::default(), &mapping).is_err());
        let line = r#"{"run":{"ok":true"#;
        assert!(read(&mut row, 1, line, &mut Keys::default(), &mapping).is_err());
    }

    proptest! {
        #[test]
        fn whatever_serde_writes_is_read_back(id in ".*", target in any::<i64>(), score in any::<f64>(), text in prop::option::of(".*")) {
            prop_assume!(score.is_finite());
            let line = serde_json::json!({"id": id, "extra": [id, {"x": text}], "target": target, "score": score, "text": text}).to_string();
            let row = row(&line).unwrap();
            prop_assert_eq!(row.text(Field::Id).unwrap(), Some(id.as_str()));
            let target = target.to_string();
            prop_assert_eq!(row.text(Field::Target).unwrap(), Some(target.as_str()));
            prop_assert_eq!(row.number(Field::Score).unwrap().map(f64::to_bits), Some(score.to_bits()));
            prop_assert_eq!(row.text(Field::Text).unwrap(), text.as_deref());
        }

        #[test]
        fn nothing_panics(text in ".*") {
            let _ = row(&text);
            let _ = row(&format!("{{\"id\":{text}"));
        }
    }
}
