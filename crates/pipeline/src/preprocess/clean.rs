//! The text that everything later refers to.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use weighbridge_convert::{Converted, Page};

/// Empty lines in a row that are kept.
const EMPTY_LINES: usize = 1;

/// A cleaned text: frozen, so that spans are byte offsets into it.
#[derive(Clone, Debug, PartialEq)]
pub struct Cleaned {
    /// The text; lines end in `\n`.
    pub text: String,
    /// Where its pages begin.
    pub pages: Vec<Page>,
    /// What was done to it.
    pub changes: CleanCounts,
}

/// What cleaning did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanCounts {
    /// Control characters, marks of zero width and byte order marks that were left out.
    pub controls: u64,
    /// Bytes of space at the ends of lines.
    pub trailing_space: u64,
    /// Empty lines beyond the first of a row.
    pub empty_lines: u64,
}

/// Leaves out what carries no content and would keep equal texts apart: control characters, marks of zero width, space at
/// the ends of lines (but for the two spaces that break a line of Markdown), further empty lines. Words stay as they are.
#[must_use]
pub fn clean(converted: &Converted) -> Cleaned {
    let source = converted.markdown.as_str();
    let mut text = String::with_capacity(source.len());
    let mut changes = CleanCounts::default();
    let mut pages = Vec::with_capacity(converted.pages.len());
    let mut waiting = converted.pages.iter().peekable();
    let mut empty_run = 0;
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        while let Some(page) = waiting.next_if(|page| page.start < at + line.len()) {
            pages.push(Page { start: text.len(), ..page.clone() });
        }
        at += line.len();
        let kept = clean_line(line.trim_end_matches(['\n', '\r']), &mut changes);
        empty_run = if kept.is_empty() { empty_run + 1 } else { 0 };
        if empty_run > EMPTY_LINES || (kept.is_empty() && text.is_empty()) {
            changes.empty_lines += 1;
            continue;
        }
        text.push_str(&kept);
        text.push('\n');
    }
    pages.extend(waiting.map(|page| Page { start: text.len(), ..page.clone() }));
    let end = text.trim_end().len();
    text.truncate(end);
    text.push('\n');
    Cleaned { text, pages, changes }
}

fn clean_line(line: &str, changes: &mut CleanCounts) -> String {
    let mut kept = String::with_capacity(line.len());
    for char in line.chars() {
        let is_nothing = (char.is_control() && char != '\t')
            || matches!(char, '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{fffe}' | '\u{00ad}');
        if is_nothing {
            changes.controls += 1;
        } else {
            // Spaces of any width divide words; only the plain one is searched for.
            kept.push(if char.is_whitespace() && char != '\t' { ' ' } else { char });
        }
    }
    let content = kept.trim_end().len();
    let space = kept.len() - content;
    let keeps_break = content > 0 && kept[content..].starts_with("  ");
    let end = content + if keeps_break { 2 } else { 0 };
    changes.trailing_space += (space - (end - content)) as u64;
    kept.truncate(end);
    kept
}

impl Cleaned {
    /// The page that holds a byte of the text.
    #[must_use]
    pub fn page_of(&self, offset: usize) -> Option<u32> {
        let after = self.pages.partition_point(|page| page.start <= offset);
        after.checked_sub(1).map(|index| self.pages[index].number)
    }

    /// The text of a range; empty for one that is none of this text.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use weighbridge_convert::{Format, Grade, Signals};

    use super::*;

    fn cleaned(text: &str, starts: &[usize]) -> Cleaned {
        let page =
            |(index, &start): (usize, &usize)| Page { number: u32::try_from(index).unwrap() + 1, start, name: None };
        clean(&Converted {
            format: Format::Markdown,
            title: None,
            markdown: text.to_owned(),
            pages: starts.iter().enumerate().map(page).collect(),
            grade: Grade::Good,
            signals: Signals::default(),
        })
    }

    #[test]
    fn what_carries_nothing_is_left_out() {
        let check = |text: &str, expected: &str| assert_eq!(cleaned(text, &[]).text, expected, "{text:?}");
        check("a\u{0}b\u{200b}c\n", "abc\n");
        check("a  \nb   \n", "a  \nb\n");
        check("\n\na\n\n\n\nb\n\n", "a\n\nb\n");
        check("a\u{a0}b", "a b\n");
        check("\tcode", "\tcode\n");
        check("a\r\nb\r\n", "a\nb\n");
    }

    #[test]
    fn pages_move_with_their_text() {
        let found = cleaned("one\n\n\n\ntwo\n\u{0}three\n", &[0, 7, 11]);
        let starts: Vec<&str> = found.pages.iter().map(|page| &found.text[page.start..]).collect();
        assert_eq!(starts, ["one\n\ntwo\nthree\n", "two\nthree\n", "three\n"]);
    }

    proptest::proptest! {
        #[test]
        fn cleaning_twice_is_cleaning_once(text in "[a \n\t\u{0}\u{a0}\u{200b}é#-]{0,80}") {
            let once = cleaned(&text, &[]);
            let twice = cleaned(&once.text, &[]);
            proptest::prop_assert_eq!(once.text, twice.text);
        }
    }
}
