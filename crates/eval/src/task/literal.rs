//! Python literals, as `ast.literal_eval` reads them: what a template prints of a list comes back through this.

use super::value::Value;

/// Deepest nesting that is read; a data set's lists have two or three levels.
const DEPTH_LIMIT: usize = 64;

/// A text that is no Python literal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read `{text}` as a Python literal at byte {at}: {problem}")]
pub struct LiteralError {
    /// The beginning of the text.
    pub text: String,
    /// Where it stopped.
    pub at: usize,
    /// What was wrong there.
    pub problem: &'static str,
}

/// Reads a literal: numbers, texts in either quotes, `None`, `True`, `False`, lists, tuples (as lists), sets (as lists)
/// and dictionaries.
///
/// # Errors
/// Names the place where the text is no literal.
pub fn parse(text: &str) -> Result<Value, LiteralError> {
    let mut parser = Parser { text, at: 0 };
    let fail =
        |parser: &Parser<'_>, problem| LiteralError { text: text.chars().take(80).collect(), at: parser.at, problem };
    let value = parser.value(0).map_err(|problem| fail(&parser, problem))?;
    parser.skip_space();
    if parser.at < text.len() { Err(fail(&parser, "text after its end")) } else { Ok(value) }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.at += char.len_utf8();
        Some(char)
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|char| matches!(char, ' ' | '\t' | '\n' | '\r' | '\x0c')) {
            self.next();
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, &'static str> {
        if depth > DEPTH_LIMIT {
            return Err("it is nested too deep");
        }
        self.skip_space();
        match self.peek().ok_or("it ends too early")? {
            '[' => self.list(']', depth).map(|(items, _)| Value::List(items)),
            '(' => {
                let (mut items, commas) = self.list(')', depth)?;
                // One value in parentheses without a comma is that value.
                let is_group = items.len() == 1 && commas == 0;
                Ok(if is_group { items.remove(0) } else { Value::List(items) })
            }
            '{' => self.braces(depth),
            '\'' | '"' => self.texts(),
            'r' | 'b' | 'u' | 'f' => Err("prefixes of texts are not read"),
            '-' | '+' | '.' | '0'..='9' => self.number(),
            _ => self.name(),
        }
    }

    /// Items up to the bracket, and how many commas stood between.
    fn list(&mut self, end: char, depth: usize) -> Result<(Vec<Value>, usize), &'static str> {
        self.next();
        let (mut items, mut commas) = (Vec::new(), 0);
        loop {
            self.skip_space();
            if self.peek() == Some(end) {
                self.next();
                return Ok((items, commas));
            }
            if items.len() != commas {
                return Err("a comma is missing");
            }
            items.push(self.value(depth + 1)?);
            self.skip_space();
            if self.peek() == Some(',') {
                self.next();
                commas += 1;
            }
        }
    }

    fn braces(&mut self, depth: usize) -> Result<Value, &'static str> {
        self.next();
        let (mut dict, mut set) = (Value::Dict(Vec::new()), Vec::new());
        loop {
            self.skip_space();
            if self.peek() == Some('}') {
                self.next();
                return Ok(if set.is_empty() { dict } else { Value::List(set) });
            }
            let key = self.value(depth + 1)?;
            self.skip_space();
            if self.peek() == Some(':') {
                self.next();
                let value = self.value(depth + 1)?;
                dict.set(&key.text(), value);
            } else {
                set.push(key);
            }
            self.skip_space();
            match self.peek() {
                Some(',') => drop(self.next()),
                Some('}') => {}
                _ => return Err("a comma is missing"),
            }
        }
    }

    /// Texts that stand side by side are one.
    fn texts(&mut self) -> Result<Value, &'static str> {
        let mut text = String::new();
        loop {
            self.skip_space();
            match self.peek() {
                Some(quote @ ('\'' | '"')) => self.quoted(quote, &mut text)?,
                _ => return Ok(Value::Text(text)),
            }
        }
    }

    fn quoted(&mut self, quote: char, out: &mut String) -> Result<(), &'static str> {
        let triple: String = [quote; 3].iter().collect();
        let is_triple = self.rest().starts_with(&triple);
        self.at += if is_triple { 3 } else { 1 };
        loop {
            if is_triple && self.rest().starts_with(&triple) {
                self.at += 3;
                return Ok(());
            }
            match self.next().ok_or("a text does not end")? {
                char if char == quote && !is_triple => return Ok(()),
                '\n' if !is_triple => return Err("a line ends within a text"),
                '\\' => self.escape(out)?,
                char => out.push(char),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), &'static str> {
        let char = self.next().ok_or("a text does not end")?;
        let char = match char {
            '\n' => return Ok(()),
            '\\' | '\'' | '"' => char,
            'a' => '\x07',
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'x' => self.code(2)?,
            'u' => self.code(4)?,
            'U' => self.code(8)?,
            '0'..='7' => {
                self.at -= 1;
                let digits = self.rest().chars().take(3).take_while(|digit| ('0'..='7').contains(digit)).count();
                let code = u32::from_str_radix(&self.rest()[..digits], 8).map_err(|_| "an escape is no number")?;
                self.at += digits;
                char::from_u32(code).ok_or("an escape is no character")?
            }
            other => {
                out.push('\\');
                other
            }
        };
        out.push(char);
        Ok(())
    }

    fn code(&mut self, digits: usize) -> Result<char, &'static str> {
        let text = self.rest().get(..digits).ok_or("an escape is cut short")?;
        let code = u32::from_str_radix(text, 16).map_err(|_| "an escape is no number")?;
        self.at += digits;
        char::from_u32(code).ok_or("an escape is no character")
    }

    fn number(&mut self) -> Result<Value, &'static str> {
        let is_part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | '+' | '-');
        let mut end = 0;
        let rest = self.rest();
        for (position, char) in rest.char_indices() {
            let before = rest[..position].chars().next_back();
            let is_sign = matches!(char, '+' | '-');
            let sign_fits = position == 0 || matches!(before, Some('e' | 'E'));
            if !is_part(char) || (is_sign && !sign_fits) {
                break;
            }
            end = position + char.len_utf8();
        }
        let text = rest[..end].replace('_', "");
        let value = text.parse().map(Value::Int).or_else(|_| text.parse().map(Value::Float));
        // Rust also reads `inf` and `nan`, which Python does not.
        let is_number = text.chars().any(|char| char.is_ascii_digit()) && !text.contains(['x', 'n', 'i']);
        match value {
            Ok(value) if is_number => {
                self.at += end;
                Ok(value)
            }
            _ => Err("it is no number"),
        }
    }

    fn name(&mut self) -> Result<Value, &'static str> {
        for (name, value) in [("None", Value::None), ("True", Value::Bool(true)), ("False", Value::Bool(false))] {
            let is_end = |rest: &str| !rest.chars().next().is_some_and(|char| char.is_alphanumeric() || char == '_');
            if self.rest().strip_prefix(name).is_some_and(is_end) {
                self.at += name.len();
                return Ok(value);
            }
        }
        Err("names are not read")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Vectors: `repr(ast.literal_eval(text))` of CPython 3.11.7, tuples and sets as lists.
    #[test]
    fn literals_are_pythons() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(parse(text).ok().map(|value| value.repr()).as_deref(), expected, "{text}");
        };
        check("['a', \"it's\", 'b\\'c']", Some("['a', \"it's\", \"b'c\"]"));
        check("[1, -2.5, None, True,]", Some("[1, -2.5, None, True]"));
        check("('a', 'b')", Some("['a', 'b']"));
        check("('a')", Some("'a'"));
        check("('a',)", Some("['a']"));
        check("{'x': [1], 'y': {}}", Some("{'x': [1], 'y': {}}"));
        check("'a' 'b'", Some("'ab'"));
        check("'\\u00e9\\x41\\101\\q'", Some("'éAA\\\\q'"));
        check("1e3", Some("1000.0"));
        check("'''a\n'b'''", Some("\"a\\n'b\""));
        for broken in ["", "[1 2]", "[1", "'a", "a", "[a]", "1 2", "'\\xq'", "nan", "inf", "[,]", "'a\nb'", "Nonex"] {
            check(broken, None);
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            drop(parse(&text));
        }

        #[test]
        fn any_brackets_are_read_or_refused(text in r#"[\[\](){},:'"\\0-9a-fx. \-]*"#) {
            drop(parse(&text));
        }
    }
}
