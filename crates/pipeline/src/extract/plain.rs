//! The words of Markdown without its marks, and the sentences of a text.

use std::ops::Range;

/// A text without the marks of Markdown: links become their texts, emphasis, code marks and escapes fall away, lines join.
#[must_use]
pub(crate) fn plain(markdown: &str) -> String {
    let mut text = String::with_capacity(markdown.len());
    let mut rest = markdown;
    while let Some(char) = rest.chars().next() {
        let after = &rest[char.len_utf8()..];
        match char {
            '\\' if after.starts_with(|next: char| next.is_ascii_punctuation()) => {
                text.push_str(&after[..1]);
                rest = &after[1..];
                continue;
            }
            '*' | '`' => {}
            '!' if after.strip_prefix('[').is_some_and(is_link) => {}
            '[' if is_link(after) => {}
            ']' if after.starts_with('(') => {
                rest = link_end(after).map_or(after, |end| &after[end..]);
                continue;
            }
            '<' if is_tag(after) => {
                rest = after.find('>').map_or(after, |end| &after[end + 1..]);
                continue;
            }
            '\n' | '\t' | ' ' => {
                if !text.ends_with(' ') && !text.is_empty() {
                    text.push(' ');
                }
            }
            // Marks of emphasis, not those within a name.
            '_' if !text.ends_with(char::is_alphanumeric) || !after.starts_with(char::is_alphanumeric) => {}
            '>' | '#' if text.is_empty() || text.ends_with('\n') => {}
            _ => text.push(char),
        }
        rest = after;
    }
    text.truncate(text.trim_end().len());
    text
}

/// Whether a bracket, `after` beginning behind it, opens the text of a link.
fn is_link(after: &str) -> bool {
    after.find([']', '\n']).is_some_and(|end| after[end..].starts_with("]("))
}

/// The end of the address of a link, `after` beginning at its bracket.
fn link_end(after: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in after.bytes().enumerate().take(2000) {
        match byte {
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            b'\n' => return None,
            _ => {}
        }
    }
    None
}

fn is_tag(after: &str) -> bool {
    let name = after.strip_prefix('/').unwrap_or(after);
    let end = name.find(['>', '\n']);
    name.starts_with(|char: char| char.is_ascii_alphabetic())
        && end.is_some_and(|end| name.as_bytes()[end] == b'>' && end < 300)
}

/// The sentences of a range of a text, trimmed. Dots within names, figures and usual abbreviations end none.
pub(crate) fn sentences(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = range.start;
    let inner = &text[range.clone()];
    let mut in_code = false;
    for (at, char) in inner.char_indices() {
        let end = range.start + at + char.len_utf8();
        if char == '`' {
            in_code = !in_code;
        }
        let is_end = match char {
            '。' | '！' | '？' => true,
            '.' | '!' | '?' if !in_code => {
                let after = text[end..range.end].trim_start_matches(['*', '_', '"', ')', '”', '`']);
                let begins_new =
                    after.chars().find(|next| !next.is_whitespace()).is_none_or(|next| !next.is_lowercase());
                (after.is_empty() || after.starts_with(char::is_whitespace))
                    && begins_new
                    && !is_abbreviation(&text[start..end])
            }
            _ => false,
        };
        if is_end {
            let closing = text[end..range.end].len()
                - text[end..range.end].trim_start_matches(['*', '_', '"', ')', '”', '`']).len();
            push_sentence(text, start..end + closing, &mut found);
            start = end + closing;
        }
    }
    push_sentence(text, start..range.end, &mut found);
    found
}

fn push_sentence(text: &str, range: Range<usize>, found: &mut Vec<Range<usize>>) {
    let range = crate::preprocess::blocks::trimmed(text, range);
    if !range.is_empty() {
        found.push(range);
    }
}

fn is_abbreviation(sentence: &str) -> bool {
    const KNOWN: [&str; 18] = [
        "e.g.", "i.e.", "etc.", "vs.", "cf.", "no.", "fig.", "mr.", "mrs.", "dr.", "st.", "approx.", "z.b.", "bzw.",
        "ca.", "d.h.", "vgl.", "nr.",
    ];
    let last =
        sentence.rsplit(|char: char| char.is_whitespace() || char == '(').next().unwrap_or_default().to_lowercase();
    let is_initial = last.len() == 2 && last.starts_with(|char: char| char.is_ascii_alphabetic());
    let is_number = last.trim_end_matches('.').bytes().all(|byte| byte.is_ascii_digit()) && sentence.trim() == last;
    KNOWN.contains(&last.as_str()) || is_initial || is_number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_fall_away() {
        let check = |markdown: &str, expected: &str| assert_eq!(plain(markdown), expected, "{markdown}");
        check("**Bold** and `max_size`, _so_", "Bold and max_size, so");
        check("see [the guide](https://x.y/a_(b)) now", "see the guide now");
        check("a\\_b\nc", "a_b c");
        check("1 < 2 <br> <b>x</b>", "1 < 2 x");
        check("![pic](a.png)", "pic");
        check("array[0]", "array[0]");
    }

    #[test]
    fn sentences_end_where_they_do() {
        let check = |text: &str, expected: &[&str]| {
            let found = sentences(text, 0..text.len());
            assert_eq!(found.iter().map(|range| &text[range.clone()]).collect::<Vec<_>>(), expected, "{text}");
        };
        check("One. Two! Three?", &["One.", "Two!", "Three?"]);
        check("Use e.g. The file 3.5 is it. Next", &["Use e.g. The file 3.5 is it.", "Next"]);
        check("It is **so.** Then", &["It is **so.**", "Then"]);
        check("1. Install it. Run", &["1. Install it.", "Run"]);
        check("語。語", &["語。", "語"]);
        check("set `a. B` now", &["set `a. B` now"]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_has_sentences_in_order(text in "[a-zA-Z .!?`*_\\[\\]()<>。\n\\\\]{0,100}") {
            let _ = plain(&text);
            let mut end = 0;
            for range in sentences(&text, 0..text.len()) {
                proptest::prop_assert!(range.start >= end && range.end <= text.len() && !range.is_empty());
                end = range.end;
            }
        }
    }
}
