//! The labels of a series: `{name="value",other="a\"b"}`.

use std::borrow::Cow;

/// Most labels of one series; servers have a dozen at most.
const LABEL_LIMIT: usize = 64;

/// The labels of one series, in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels<'text>(Vec<(&'text str, Cow<'text, str>)>);

impl<'text> Labels<'text> {
    /// The value of a label.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_ref())
    }

    /// Every label, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_ref()))
    }

    /// Reads what follows the opening brace; gives the labels and what follows the closing one. Spaces around names,
    /// signs and commas are allowed, and so is a comma before the closing brace. `None` for anything else.
    pub(super) fn read(mut text: &'text str) -> Option<(Self, &'text str)> {
        let mut labels = Vec::new();
        loop {
            text = text.trim_start_matches([' ', '\t']);
            if let Some(rest) = text.strip_prefix('}') {
                return Some((Self(labels), rest));
            }
            if labels.len() == LABEL_LIMIT {
                return None;
            }
            let (name, rest) = text.split_once('=')?;
            let name = name.trim_end_matches([' ', '\t']);
            if !is_label_name(name) {
                return None;
            }
            let rest = rest.trim_start_matches([' ', '\t']).strip_prefix('"')?;
            let (value, rest) = quoted(rest)?;
            labels.push((name, value));
            text = rest.trim_start_matches([' ', '\t']);
            match text.strip_prefix(',') {
                Some(rest) => text = rest,
                None if text.starts_with('}') => {}
                None => return None,
            }
        }
    }
}

/// Names are ASCII letters, digits and `_`, a digit not first. Newer exporters quote other names; those are refused,
/// because no server that is read here uses them.
fn is_label_name(name: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let bytes = name.as_bytes();
    bytes.first().is_some_and(|&byte| is_first(byte)) && bytes.iter().all(|&b| is_first(b) || b.is_ascii_digit())
}

/// Reads up to the closing quote. `\\`, `\"` and `\n` are escapes; another backslash stands for itself, as in
/// Prometheus' own parser.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let end = end_of_quoted(text.as_bytes())?;
    let (inside, rest) = (&text[..end], &text[end + 1..]);
    if !inside.contains('\\') {
        return Some((Cow::Borrowed(inside), rest));
    }
    let mut value = String::with_capacity(inside.len());
    let mut letters = inside.chars();
    while let Some(letter) = letters.next() {
        match (letter, letter == '\\') {
            (_, false) => value.push(letter),
            (_, true) => match letters.next() {
                Some('n') => value.push('\n'),
                Some(escaped @ ('\\' | '"')) => value.push(escaped),
                Some(other) => value.extend(['\\', other]),
                None => value.push('\\'),
            },
        }
    }
    Some((Cow::Owned(value), rest))
}

/// Where the quote is that no backslash escapes.
fn end_of_quoted(bytes: &[u8]) -> Option<usize> {
    let mut place = 0;
    loop {
        place += memchr::memchr2(b'"', b'\\', bytes.get(place..)?)?;
        if bytes[place] == b'"' {
            return Some(place);
        }
        place += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_up_to_their_brace() {
        let check = |text: &str, expected: Option<(&[(&str, &str)], &str)>| {
            let found = Labels::read(text);
            let found = found.as_ref().map(|(labels, rest)| (labels.iter().collect::<Vec<_>>(), *rest));
            assert_eq!(found, expected.map(|(labels, rest)| (labels.to_vec(), rest)), "{text}");
        };
        check("} 1", Some((&[], " 1")));
        check(r#"a="b"} 1"#, Some((&[("a", "b")], " 1")));
        check(r#" a = "b" , c="d", } 1"#, Some((&[("a", "b"), ("c", "d")], " 1")));
        check(r#"a="}"} 1"#, Some((&[("a", "}")], " 1")));
        check(r#"a="q\"u\\o\nt\d"}"#, Some((&[("a", "q\"u\\o\nt\\d")], "")));
        check(r#"a="é\"😀"}"#, Some((&[("a", "é\"😀")], "")));
        for wrong in [r#"a="b"#, r#"a="b" c="d"}"#, "a=b}", r#"1a="b"}"#, r#"="b"}"#, r#"a="b\"}"#, ",}", "", "a"] {
            check(wrong, None);
        }
    }

    #[test]
    fn the_number_of_labels_is_bounded() {
        let many = |count: usize| format!("{}}}", "a=\"\",".repeat(count));
        assert!(Labels::read(&many(LABEL_LIMIT)).is_some());
        assert!(Labels::read(&many(LABEL_LIMIT + 1)).is_none());
    }
}
