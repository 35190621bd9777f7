//! Bytes to JSON values, with what Python's writer adds to JSON: `NaN`, `Infinity` and `-Infinity` as bare words.

use std::borrow::Cow;

use serde_json::Value;

use super::ImportError;

/// Words that Python writes for floats that JSON has no form for.
const NON_FINITE: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// A file as values.
#[derive(Debug, PartialEq)]
pub(super) enum Body {
    /// One document.
    One(Value),
    /// A document per line.
    Lines {
        /// The documents.
        values: Vec<Value>,
        /// Whether the last line was cut off, and is left out.
        is_torn: bool,
    },
    /// No JSON at all.
    Text(String),
}

/// Reads a file.
pub(super) fn read(bytes: &[u8]) -> Result<Body, ImportError> {
    let text = decode(bytes)?;
    let text = text.trim();
    if text.is_empty() {
        return Err(ImportError::Empty);
    }
    if !text.starts_with(['{', '[']) {
        return Ok(Body::Text(text.to_owned()));
    }
    let text = words_for_non_finite(text);
    match serde_json::from_str(&text) {
        Ok(value) => Ok(Body::One(value)),
        Err(whole) => lines(&text, whole),
    }
}

/// A document per line, when the first line is one; else why the whole is none.
fn lines(text: &str, whole: serde_json::Error) -> Result<Body, ImportError> {
    let is_by_line = text.lines().next().is_some_and(|line| serde_json::from_str::<Value>(line).is_ok());
    if !is_by_line {
        return Err(match whole.is_eof() {
            true => ImportError::Truncated { line: whole.line(), column: whole.column() },
            false => ImportError::Json { line: whole.line(), source: whole },
        });
    }
    let mut values = Vec::new();
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).peekable();
    while let Some((index, line)) = lines.next() {
        match serde_json::from_str(line) {
            Ok(value) => values.push(value),
            Err(error) if error.is_eof() && lines.peek().is_none() => {
                return Ok(Body::Lines { values, is_torn: true });
            }
            Err(source) => return Err(ImportError::Json { line: index + 1, source }),
        }
    }
    Ok(Body::Lines { values, is_torn: false })
}

fn decode(bytes: &[u8]) -> Result<&str, ImportError> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(ImportError::Encoding { problem: "it is UTF-16, not UTF-8".to_owned() });
    }
    let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
    str::from_utf8(bytes).map_err(|error| ImportError::Encoding {
        problem: format!("it is not UTF-8 from byte {} on", error.valid_up_to()),
    })
}

/// Puts quotes around bare `NaN` and `Infinity`, so that the reader of a number can say what stood there.
fn words_for_non_finite(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    let mut position = 0;
    let bytes = text.as_bytes();
    let mut is_in_text = false;
    while let Some(&byte) = bytes.get(position) {
        match byte {
            b'\\' if is_in_text => position += 1,
            b'"' => is_in_text = !is_in_text,
            b'N' | b'I' | b'-' if !is_in_text => {
                let word = NON_FINITE.iter().find(|word| bytes[position..].starts_with(word.as_bytes()));
                if let Some(word) = word {
                    out.push_str(&text[copied..position]);
                    out.push('"');
                    out.push_str(word);
                    out.push('"');
                    position += word.len();
                    copied = position;
                    continue;
                }
            }
            _ => {}
        }
        position += 1;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bodies_are_told_apart() {
        let check = |text: &str, expected: Body| assert_eq!(read(text.as_bytes()).unwrap(), expected, "{text}");
        check("\u{feff}{\"a\": 1}\n", Body::One(json!({"a": 1})));
        check(
            "{\"a\": NaN, \"b\": [-Infinity, Infinity]}",
            Body::One(json!({"a": "NaN", "b": ["-Infinity", "Infinity"]})),
        );
        check(r#"{"NaN": "say \"NaN Infinity"}"#, Body::One(json!({"NaN": "say \"NaN Infinity"})));
        check(
            "{\"a\":1}\n\n{\"a\":2}\n",
            Body::Lines { values: vec![json!({"a": 1}), json!({"a": 2})], is_torn: false },
        );
        check("{\"a\":1}\n{\"a\":", Body::Lines { values: vec![json!({"a": 1})], is_torn: true });
        check("Result is : VALID", Body::Text("Result is : VALID".to_owned()));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let check = |bytes: &[u8], word: &str| {
            let error = read(bytes).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
            assert!(!error.hint().is_empty());
        };
        check(b" \n", "empty");
        check(b"\xff\xfe{\x00", "UTF-16");
        check(b"{\"a\": \"\xc3\"}", "byte 7");
        check(b"{\n \"a\": [1, 2", "cut off at line 2");
        check(b"{\n \"a\": }", "line 2");
        check(b"{\"a\":1}\n{oops}\n{\"a\":2}", "line 2");
    }
}
