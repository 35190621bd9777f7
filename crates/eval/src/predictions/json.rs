//! One line of JSONL to a row, without building a document: values are borrowed, and what no field asks for is only
//! stepped over.

use std::borrow::Cow;

use super::error::{PredictionsError, shorten};
use super::field::{Field, Mapping, Row, Value};

/// Deepest nesting that is stepped over.
const DEEPEST: usize = 128;

/// The keys of earlier lines by position: files repeat them in the same order, and comparing is cheaper than searching.
#[derive(Debug, Default)]
pub(super) struct Keys {
    known: Vec<(String, Option<Field>)>,
}

impl Keys {
    fn field(&mut self, position: usize, key: &str, mapping: &Mapping) -> Option<Field> {
        match self.known.get_mut(position) {
            Some((known, field)) if known == key => *field,
            Some(known) => {
                *known = (key.to_owned(), mapping.field(key));
                known.1
            }
            None => {
                let field = mapping.field(key);
                // Positions come one after the other, so this is the next one.
                self.known.push((key.to_owned(), field));
                field
            }
        }
    }

    fn name(&self, field: Field) -> String {
        let known = self.known.iter().find(|(_, of)| *of == Some(field));
        known.map_or_else(|| field.name().to_owned(), |(key, _)| key.clone())
    }
}

/// Reads an object.
pub(super) fn row<'a>(
    line: u64,
    text: &'a str,
    keys: &mut Keys,
    mapping: &Mapping,
) -> Result<Row<'a>, PredictionsError> {
    let mut row = Row::new(line);
    let mut scanner = Scanner { line, text, bytes: text.as_bytes(), position: 0 };
    scanner.space();
    scanner.expect(b'{', "an object `{`")?;
    scanner.space();
    let mut position = 0;
    if scanner.peek() == Some(b'}') {
        scanner.position += 1;
    } else {
        loop {
            scanner.space();
            scanner.expect(b'"', "a key in quotes")?;
            let key = scanner.string()?;
            let field = keys.field(position, &key, mapping);
            position += 1;
            scanner.space();
            scanner.expect(b':', "a colon after the key")?;
            scanner.space();
            let value = scanner.value()?;
            if let Some(field) = field
                && !row.set(field, value)
            {
                let (first, second) = (keys.name(field), key.into_owned());
                return Err(PredictionsError::Ambiguous { line, field: field.name(), first, second });
            }
            scanner.space();
            match scanner.take() {
                Some(b',') => {}
                Some(b'}') => break,
                _ => return Err(scanner.fail_before("a comma or `}`")),
            }
        }
    }
    scanner.space();
    if scanner.peek().is_some() {
        return Err(scanner.fail("the end of the line"));
    }
    Ok(row)
}

struct Scanner<'a> {
    line: u64,
    text: &'a str,
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.peek();
        self.position += 1;
        byte
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r')) {
            self.position += 1;
        }
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), PredictionsError> {
        if self.peek() == Some(byte) {
            self.position += 1;
            return Ok(());
        }
        Err(self.fail(what))
    }

    fn fail_before(&mut self, expected: &'static str) -> PredictionsError {
        self.position = self.position.saturating_sub(1);
        self.fail(expected)
    }

    #[cold]
    fn fail(&self, expected: &'static str) -> PredictionsError {
        let rest = self.text.get(self.position..).unwrap_or_default();
        let found = match rest.chars().next() {
            Some(_) => format!("`{}`", shorten(rest.trim_end())),
            None => "the end of the line".to_owned(),
        };
        PredictionsError::Syntax { line: self.line, column: self.position + 1, expected, found }
    }

    /// Any value.
    fn value(&mut self) -> Result<Value<'a>, PredictionsError> {
        match self.peek() {
            Some(b'"') => {
                self.position += 1;
                Ok(Value::Text(self.string()?))
            }
            Some(b'-' | b'0'..=b'9' | b'N' | b'I') => self.number().map(Value::Number),
            Some(b't') => self.word("true").map(|()| Value::Bool(true)),
            Some(b'f') => self.word("false").map(|()| Value::Bool(false)),
            Some(b'n') => self.word("null").map(|()| Value::Null),
            Some(b'[' | b'{') => {
                let start = self.position;
                self.skip(0)?;
                Ok(Value::Json(&self.text[start..self.position]))
            }
            _ => Err(self.fail("a value")),
        }
    }

    fn word(&mut self, word: &'static str) -> Result<(), PredictionsError> {
        if self.bytes[self.position..].starts_with(word.as_bytes()) {
            self.position += word.len();
            return Ok(());
        }
        Err(self.fail(word))
    }

    /// A number, or one of the words that Python writes for what is none.
    fn number(&mut self) -> Result<&'a str, PredictionsError> {
        let start = self.position;
        if self.peek() == Some(b'-') {
            self.position += 1;
        }
        for word in ["NaN", "Infinity"] {
            if self.bytes[self.position.min(self.bytes.len())..].starts_with(word.as_bytes()) {
                self.position += word.len();
                return Ok(&self.text[start..self.position]);
            }
        }
        match self.peek() {
            Some(b'0') => self.position += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(self.fail("a number")),
        }
        if self.peek() == Some(b'.') {
            self.position += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.position += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.position += 1;
            }
            self.digits()?;
        }
        Ok(&self.text[start..self.position])
    }

    fn digits(&mut self) -> Result<(), PredictionsError> {
        let start = self.position;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.position += 1;
        }
        if self.position == start { Err(self.fail("a digit")) } else { Ok(()) }
    }

    /// The rest of a string after its opening quote.
    #[inline]
    fn string(&mut self) -> Result<Cow<'a, str>, PredictionsError> {
        let start = self.position;
        self.position += plain_length(&self.bytes[start..]);
        match self.peek() {
            Some(b'"') => {
                let text = &self.text[start..self.position];
                self.position += 1;
                Ok(Cow::Borrowed(text))
            }
            Some(b'\\') => self.escaped(start).map(Cow::Owned),
            Some(_) => Err(self.fail("no bare control character in a string")),
            None => Err(self.fail("a closing quote")),
        }
    }

    /// A string with escapes in it.
    #[cold]
    fn escaped(&mut self, start: usize) -> Result<String, PredictionsError> {
        let mut out = self.text[start..self.position].to_owned();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.position += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.position += 1;
                    out.push(self.escape()?);
                }
                Some(byte) if byte < 0x20 => return Err(self.fail("no bare control character in a string")),
                Some(_) => {
                    let length = plain_length(&self.bytes[self.position..]);
                    out.push_str(&self.text[self.position..self.position + length]);
                    self.position += length;
                }
                None => return Err(self.fail("a closing quote")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, PredictionsError> {
        Ok(match self.take() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.fail_before("an escape")),
        })
    }

    fn unicode(&mut self) -> Result<char, PredictionsError> {
        let high = self.four_digits()?;
        let code = match high {
            0xD800..=0xDBFF => {
                if !self.bytes[self.position..].starts_with(b"\\u") {
                    return Err(self.fail("the second half of a surrogate pair"));
                }
                self.position += 2;
                let low = self.four_digits()?;
                if !(0xDC00..=0xDFFF).contains(&low) {
                    return Err(self.fail("the second half of a surrogate pair"));
                }
                0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00)
            }
            other => other,
        };
        char::from_u32(code).ok_or_else(|| self.fail("a character, not half of a surrogate pair"))
    }

    fn four_digits(&mut self) -> Result<u32, PredictionsError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.fail("four hexadecimal digits"))?;
            self.position += 1;
        }
        Ok(code)
    }

    /// Steps over a value, checking it.
    fn skip(&mut self, depth: usize) -> Result<(), PredictionsError> {
        if depth > DEEPEST {
            return Err(self.fail("no more than 128 levels"));
        }
        let (close, is_object) = match self.peek() {
            Some(b'[') => (b']', false),
            Some(b'{') => (b'}', true),
            _ => return self.value().map(drop),
        };
        self.position += 1;
        self.space();
        if self.peek() == Some(close) {
            self.position += 1;
            return Ok(());
        }
        loop {
            self.space();
            if is_object {
                self.expect(b'"', "a key in quotes")?;
                self.string()?;
                self.space();
                self.expect(b':', "a colon after the key")?;
                self.space();
            }
            self.skip(depth + 1)?;
            self.space();
            match self.take() {
                Some(b',') => {}
                Some(byte) if byte == close => return Ok(()),
                _ => return Err(self.fail_before("a comma or the end of the list or object")),
            }
        }
    }
}

/// Bytes before the first quote, backslash or control character; eight are looked at in one step.
#[inline]
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let mut length = 0;
    for chunk in bytes.chunks_exact(8) {
        let word = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
        let special = zero_bytes(word ^ (ONES * u64::from(b'"')))
            | zero_bytes(word ^ (ONES * u64::from(b'\\')))
            | (word.wrapping_sub(ONES * 0x20) & !word & HIGHS);
        if special != 0 {
            // The lowest mark is exact; a borrow can only raise false ones above it.
            return length + special.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    let is_special = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < 0x20;
    length + bytes[length..].iter().position(is_special).unwrap_or(bytes.len() - length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Row<'_>, PredictionsError> {
        row(1, text, &mut Keys::default(), &Mapping::default())
    }

    #[test]
    fn values_keep_their_type() {
        let row = read(r#"{"id": "a\n\u00e9\ud83d\ude00", "target":1, "prediction" : true, "score":-1.5e-3, "text":null, "references":["x",{"y":[]}], "other":{"a":"}"}}"#).unwrap();
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
        let check = |text: &str, expected: usize| match read(text) {
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
        let error = read(r#"{"label":"a","prediction":"b"}"#).unwrap_err();
        assert!(matches!(error, PredictionsError::Ambiguous { .. }), "{error}");
        assert!(read(r#"{"id":1,"id":2}"#).is_err());
    }

    #[test]
    fn numbers_that_are_none_are_told_apart() {
        let row = read(r#"{"score":NaN,"weight":-Infinity,"target":1e999}"#).unwrap();
        assert!(row.number(Field::Score).is_err() && row.number(Field::Weight).is_err());
        assert!(row.number(Field::Target).is_err());
    }

    proptest! {
        #[test]
        fn plain_length_finds_the_first_special_byte(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let special = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < 0x20;
            prop_assert_eq!(plain_length(&bytes), bytes.iter().position(special).unwrap_or(bytes.len()));
        }

        #[test]
        fn whatever_serde_writes_is_read_back(id in ".*", target in any::<i64>(), score in any::<f64>(), text in prop::option::of(".*")) {
            prop_assume!(score.is_finite());
            let line = serde_json::json!({"id": id, "extra": [id, {"x": text}], "target": target, "score": score, "text": text}).to_string();
            let row = read(&line).unwrap();
            prop_assert_eq!(row.text(Field::Id).unwrap(), Some(id.as_str()));
            let target = target.to_string();
            prop_assert_eq!(row.text(Field::Target).unwrap(), Some(target.as_str()));
            prop_assert_eq!(row.number(Field::Score).unwrap().map(f64::to_bits), Some(score.to_bits()));
            prop_assert_eq!(row.text(Field::Text).unwrap(), text.as_deref());
        }

        #[test]
        fn nothing_panics(text in ".*") {
            let _ = read(&text);
            let _ = read(&format!("{{\"id\":{text}"));
        }
    }
}
