//! Regular expressions of Python's `re`, on an engine that backtracks only where it must, and within a limit.

use std::fmt::Write as _;

use fancy_regex::{Captures, Regex, RegexBuilder};

/// Backtracking steps of one search. A pattern that needs more on one answer is taken as not matching, and told.
const STEP_LIMIT: usize = 1_000_000;

/// A pattern that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is no expression, or uses what is not supported.
    #[error("read the regular expression `{pattern}`: {problem}")]
    Syntax {
        /// The pattern as written.
        pattern: String,
        /// What is wrong.
        problem: String,
    },
    /// A search took more steps than allowed.
    #[error("search with `{pattern}` within {STEP_LIMIT} steps")]
    Steps {
        /// The pattern as written.
        pattern: String,
    },
}

/// A compiled pattern with Python's meaning.
#[derive(Clone, Debug)]
pub struct Pattern {
    source: String,
    regex: Regex,
}

impl Pattern {
    /// Compiles a pattern of Python's `re`.
    ///
    /// # Errors
    /// [`PatternError::Syntax`].
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        let built = RegexBuilder::new(&translate(pattern)).backtrack_limit(STEP_LIMIT).build();
        let syntax = |error: fancy_regex::Error| PatternError::Syntax {
            pattern: pattern.to_owned(),
            problem: error.to_string().lines().last().unwrap_or_default().trim().to_owned(),
        };
        Ok(Self { source: pattern.to_owned(), regex: built.map_err(syntax)? })
    }

    /// The pattern as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// `re.findall`: for each match its groups, or the whole match where the pattern has no group. A group that took
    /// no part is empty.
    ///
    /// # Errors
    /// [`PatternError::Steps`].
    pub fn find_all(&self, text: &str) -> Result<Vec<Vec<String>>, PatternError> {
        let mut found = Vec::new();
        self.each(text, |captures| {
            let first = usize::from(captures.len() > 1);
            let group = |index| captures.get(index).map_or_else(String::new, |group| group.as_str().to_owned());
            found.push((first..captures.len()).map(group).collect());
        })?;
        Ok(found)
    }

    /// `re.sub(pattern, replacement, text, count)`; a count of 0 replaces every match.
    ///
    /// # Errors
    /// [`PatternError::Steps`].
    pub fn replace(&self, text: &str, replacement: &str, count: usize) -> Result<String, PatternError> {
        let (mut out, mut end, mut done) = (String::new(), 0, 0);
        self.each(text, |captures| {
            let Some(whole) = captures.get(0).filter(|_| count == 0 || done < count) else {
                return;
            };
            out.push_str(&text[end..whole.start()]);
            expand(replacement, captures, &mut out);
            end = whole.end();
            done += 1;
        })?;
        out.push_str(&text[end..]);
        Ok(out)
    }

    /// Calls for each match in turn, as Python 3.7 and later walk: an empty match may follow a match at once.
    fn each(&self, text: &str, mut take: impl FnMut(&Captures<'_, str>)) -> Result<(), PatternError> {
        let mut from = 0;
        while from <= text.len() {
            let found = self.regex.captures_from_pos(text, from);
            let Some(captures) = found.map_err(|_| PatternError::Steps { pattern: self.source.clone() })? else {
                break;
            };
            let Some((start, end)) = captures.get(0).map(|whole| (whole.start(), whole.end())) else {
                break;
            };
            take(&captures);
            let next = text[end..].chars().next().map_or(1, char::len_utf8);
            from = if end == start { end + next } else { end };
        }
        Ok(())
    }
}

/// The template of `re.sub`: `\1`, `\g<1>`, `\g<name>` and the escapes of texts.
fn expand(replacement: &str, captures: &Captures<'_, str>, out: &mut String) {
    let mut chars = replacement.chars().peekable();
    while let Some(char) = chars.next() {
        if char != '\\' {
            out.push(char);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('\\') | None => out.push('\\'),
            Some('g') if chars.peek() == Some(&'<') => {
                let name: String = chars.by_ref().skip(1).take_while(|&char| char != '>').collect();
                let group = name.parse().map_or_else(|_| captures.name(&name), |index| captures.get(index));
                out.push_str(group.map_or("", |group| group.as_str()));
            }
            Some(digit @ '0'..='9') => {
                let mut number = digit.to_string();
                number.extend(chars.next_if(char::is_ascii_digit));
                let group = number.parse().ok().and_then(|index| captures.get(index));
                out.push_str(group.map_or("", |group| group.as_str()));
            }
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
        }
    }
}

/// Writes a pattern of Python in the engine's words: `$` also stands before a last line end, `\Z` is the very end,
/// brackets and doubled signs inside a class are plain characters, and a brace that counts nothing is a brace.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let chars: Vec<char> = pattern.chars().collect();
    let is_multiline = inline_flags(pattern).contains('m');
    let (mut at, mut class_start) = (0, None);
    while at < chars.len() {
        let char = chars[at];
        at += 1;
        match (char, class_start) {
            ('\\', _) => {
                at += 1;
                escape(chars.get(at - 1).copied(), class_start.is_some(), &mut out);
            }
            ('[', None) => {
                out.push('[');
                if chars.get(at) == Some(&'^') {
                    out.push('^');
                    at += 1;
                }
                if chars.get(at) == Some(&']') {
                    out.push_str("\\]");
                    at += 1;
                }
                class_start = Some(at);
            }
            (']', Some(_)) => {
                out.push(']');
                class_start = None;
            }
            ('[' | '&' | '~', Some(_)) => {
                out.push('\\');
                out.push(char);
            }
            ('-', Some(_)) if chars.get(at) == Some(&'-') => out.push_str("\\-"),
            ('$', None) if !is_multiline => out.push_str("(?:$|(?=\\n\\z))"),
            ('{', None) if !counts(&chars[at..]) => out.push_str("\\{"),
            _ => out.push(char),
        }
    }
    out
}

fn escape(char: Option<char>, in_class: bool, out: &mut String) {
    match char {
        Some('Z') if !in_class => out.push_str("\\z"),
        // The engine knows these letters with another meaning or none; Python refuses them, so they mean themselves.
        Some(char @ ('"' | '\'' | '/' | ' ' | '<' | '>' | '=' | '!' | ',' | ':' | ';' | '@' | '`' | '%')) => {
            out.push(char)
        }
        Some(char) if !char.is_ascii() => out.push(char),
        Some(char) => _ = write!(out, "\\{char}"),
        None => out.push('\\'),
    }
}

/// The letters of flags at the beginning, `(?is)`.
fn inline_flags(pattern: &str) -> &str {
    let flags = pattern.strip_prefix("(?").and_then(|rest| rest.split_once(')'));
    flags
        .map(|(flags, _)| flags)
        .filter(|flags| flags.chars().all(|char| char.is_ascii_lowercase()))
        .unwrap_or_default()
}

/// Whether what follows a brace makes it a repetition: `3}`, `3,}`, `3,5}` or `,5}`.
fn counts(rest: &[char]) -> bool {
    let Some(end) = rest.iter().position(|&char| char == '}') else {
        return false;
    };
    let inside: String = rest[..end].iter().collect();
    let is_number = |part: &str| part.chars().all(|char| char.is_ascii_digit());
    match inside.split_once(',') {
        Some((low, high)) => is_number(low) && is_number(high) && !(low.is_empty() && high.is_empty()),
        None => !inside.is_empty() && is_number(&inside),
    }
}

/// Python's `str.strip`: white space of Unicode and the four separators of ASCII.
#[must_use]
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Python's `str.isspace` for one character.
#[must_use]
pub fn is_space(char: char) -> bool {
    char.is_whitespace() || matches!(char, '\x1c'..='\x1f')
}

#[cfg(test)]
mod tests {
    use super::*;

    // Vectors: `re.findall` and `re.sub` of CPython 3.11.7; a tuple of groups is a list here.
    #[test]
    fn matches_are_pythons() {
        let check = |pattern: &str, text: &str, expected: &[&[&str]]| {
            assert_eq!(Pattern::new(pattern).unwrap().find_all(text).unwrap(), expected, "{pattern} on {text}");
        };
        check(r"#### (\-?[0-9\.\,]+)", "so #### -1,234.5 and #### 7", &[&["-1,234.5"], &["7"]]);
        check(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", "a $12.5 b 7", &[&["$12.5", ""], &["", "7"]]);
        check(r"a*", "ab", &[&["a"], &[""], &[""]]);
        check(r"(\w)\1", "hello aab", &[&["l"], &["a"]]);
        check(r"(?<=is )\w+", "it is so", &[&["so"]]);
        check(r"\d+$", "12\n34\n", &[&["34"]]);
        check(r"[[\]&&x]", "a[b]&x", &[&["["], &["]"], &["&"], &["x"]]);
        check(r"\boxed{(\w+)}", "\u{8}oxed{x}", &[&["x"]]);
        check(r"\\boxed{(\w+)}", "\\boxed{x}", &[&["x"]]);
        check(r"[^]a]", "]ab", &[&["b"]]);
        check(r"(?i)answer:\s*\(?([A-D])\)?", "Answer: (c)", &[&["c"]]);
        check(r"x\Z", "x\n", &[]);
    }

    #[test]
    fn replacements_are_pythons() {
        let check = |pattern: &str, replacement: &str, text: &str, count, expected: &str| {
            assert_eq!(Pattern::new(pattern).unwrap().replace(text, replacement, count).unwrap(), expected);
        };
        check(r"\s+", " ", "a  b \n c", 0, "a b c");
        check(r"(\w)(\w)", r"\2\g<1>", "abcd", 1, "bacd");
        check("x*", "-", "abxd", 0, "-a-b--d-");
    }

    #[test]
    fn a_pattern_that_explodes_is_stopped() {
        let pattern = Pattern::new(r"^(?=a)(a|aa|b\1)+\1?c$").unwrap();
        assert!(matches!(pattern.find_all(&"a".repeat(200)), Err(PatternError::Steps { .. })));
        assert!(matches!(Pattern::new("(a"), Err(PatternError::Syntax { .. })));
    }

    proptest::proptest! {
        #[test]
        fn any_pattern_is_read_or_refused(pattern in r"[\\\[\](){}?*+|^$.a-c0-9,:=!<P>Zdws-]{0,24}", text in "[a-c0-9\n ]{0,12}") {
            if let Ok(pattern) = Pattern::new(&pattern) {
                drop(pattern.find_all(&text));
                drop(pattern.replace(&text, r"\1", 0));
            }
        }
    }
}
