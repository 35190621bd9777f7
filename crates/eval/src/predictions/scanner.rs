//! Values of JSON within a line: borrowed where they are taken, checked and stepped over where they are not.

use std::borrow::Cow;

use super::error::{PredictionsError, shorten};
use super::field::Value;

/// Deepest nesting that is stepped over.
const DEEPEST: usize = 128;

/// What was read. The error is far larger than any value and nearly never there, so that it is kept elsewhere.
pub(super) type Scan<T> = Result<T, Box<PredictionsError>>;

/// Where reading a line stands.
pub(super) struct Scanner<'a> {
    line: u64,
    text: &'a str,
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Scanner<'a> {
    /// At the beginning of a line.
    pub(super) fn new(line: u64, text: &'a str) -> Self {
        Self { line, text, bytes: text.as_bytes(), position: 0 }
    }

    /// Steps over a text if it stands here.
    #[inline]
    pub(super) fn skips(&mut self, text: &[u8]) -> bool {
        let is_here = self.bytes.get(self.position..).is_some_and(|rest| rest.starts_with(text));
        self.position += if is_here { text.len() } else { 0 };
        is_here
    }

    pub(super) fn line(&self) -> u64 {
        self.line
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.peek();
        self.position += 1;
        byte
    }

    pub(super) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r')) {
            self.position += 1;
        }
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Scan<()> {
        if self.peek() == Some(byte) {
            self.position += 1;
            return Ok(());
        }
        Err(self.fail(what))
    }

    fn fail_before(&mut self, expected: &'static str) -> Box<PredictionsError> {
        self.position = self.position.saturating_sub(1);
        self.fail(expected)
    }

    #[cold]
    pub(super) fn fail(&self, expected: &'static str) -> Box<PredictionsError> {
        let rest = self.text.get(self.position..).unwrap_or_default();
        let found = match rest.chars().next() {
            Some(_) => format!("`{}`", shorten(rest.trim_end())),
            None => "the end of the line".to_owned(),
        };
        Box::new(PredictionsError::Syntax { line: self.line, column: self.position + 1, expected, found })
    }

    /// An object; `each` is called at each key, and reads it and its value.
    #[inline]
    pub(super) fn object(&mut self, each: &mut impl FnMut(&mut Self) -> Scan<()>) -> Scan<()> {
        self.expect(b'{', "an object `{`")?;
        self.space();
        if self.peek() == Some(b'}') {
            self.position += 1;
            return Ok(());
        }
        loop {
            self.space();
            self.expect(b'"', "a key in quotes")?;
            each(self)?;
            self.space();
            match self.take() {
                Some(b',') => {}
                Some(b'}') => return Ok(()),
                _ => return Err(self.fail_before("a comma or `}`")),
            }
        }
    }

    /// What stands between a key and its value.
    #[inline]
    pub(super) fn colon(&mut self) -> Scan<()> {
        self.space();
        self.expect(b':', "a colon after the key")?;
        self.space();
        Ok(())
    }

    /// Any value.
    pub(super) fn value(&mut self) -> Scan<Value<'a>> {
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

    fn word(&mut self, word: &'static str) -> Scan<()> {
        if self.bytes[self.position..].starts_with(word.as_bytes()) {
            self.position += word.len();
            return Ok(());
        }
        Err(self.fail(word))
    }

    /// A number, or one of the words that Python writes for what is none.
    fn number(&mut self) -> Scan<&'a str> {
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

    fn digits(&mut self) -> Scan<()> {
        let start = self.position;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.position += 1;
        }
        if self.position == start { Err(self.fail("a digit")) } else { Ok(()) }
    }

    /// The rest of a string after its opening quote.
    #[inline]
    pub(super) fn string(&mut self) -> Scan<Cow<'a, str>> {
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
    fn escaped(&mut self, start: usize) -> Scan<String> {
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

    fn escape(&mut self) -> Scan<char> {
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

    fn unicode(&mut self) -> Scan<char> {
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

    fn four_digits(&mut self) -> Scan<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.fail("four hexadecimal digits"))?;
            self.position += 1;
        }
        Ok(code)
    }

    /// Steps over a value, checking it.
    fn skip(&mut self, depth: usize) -> Scan<()> {
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
                self.colon()?;
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

    proptest! {
        #[test]
        fn plain_length_finds_the_first_special_byte(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let special = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < 0x20;
            prop_assert_eq!(plain_length(&bytes), bytes.iter().position(special).unwrap_or(bytes.len()));
        }
    }
}
