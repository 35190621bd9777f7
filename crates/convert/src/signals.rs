//! What is measured of a text, for all kinds of files alike.

use crate::document::{Converted, Grade, Page, Signals};
use crate::error::{Refusal, RefusalKind};
use crate::sniff::Format;

/// From this share of garbled characters a text is doubtful. A page of good text holds none; one in a hundred is a word in
/// every second line.
const DOUBTFUL_SHARE: f64 = 0.01;
/// From this share it is none.
const NONSENSE_SHARE: f64 = 0.3;

/// The Markdown of a file, before anything is measured of it.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) format: Format,
    pub(crate) title: Option<String>,
    pub(crate) markdown: String,
    pub(crate) pages: Vec<Page>,
    /// What is known to be missing or doubtful.
    pub(crate) doubts: Vec<String>,
}

impl Draft {
    /// Measures the text and grades it.
    pub(crate) fn finish(self) -> Result<Converted, Refusal> {
        let signals = measure(&self.markdown);
        let Self { format, title, markdown, pages, mut doubts } = self;
        if signals.words == 0 {
            // A document that carries its pictures can have them recognized; a page on the web only points to them.
            return Err(match (format, signals.images) {
                (Format::Docx, 1..) => Refusal::new(RefusalKind::NeedsOcr, format!("{} pictures", signals.images)),
                _ => Refusal::new(RefusalKind::Empty, format!("{} bytes of text without a word", markdown.len())),
            });
        }
        if signals.garbled > NONSENSE_SHARE {
            let percent = signals.garbled * 100.0;
            return Err(Refusal::new(RefusalKind::Mojibake, format!("{percent:.0} % of its characters are garbled")));
        }
        if signals.garbled > DOUBTFUL_SHARE {
            doubts.push(format!("{:.1} % of its characters are garbled", signals.garbled * 100.0));
        }
        let grade = if doubts.is_empty() { Grade::Good } else { Grade::Degraded(doubts) };
        let title = title.map(|title| one_line(&title)).filter(|title| !title.is_empty());
        Ok(Converted { format, title, markdown, pages, grade, signals })
    }
}

/// Counts words, garbled characters and the structure of a Markdown text.
pub(crate) fn measure(markdown: &str) -> Signals {
    let mut signals = Signals { garbled: garbled_share(markdown), words: count_words(markdown), ..Signals::default() };
    let mut fence: Option<(char, usize)> = None;
    let mut last_was_row = false;
    for line in markdown.split('\n') {
        let start = line.trim_start();
        if let Some(mark) = fence_of(start) {
            match fence {
                None => fence = Some(mark),
                Some(open) if open.0 == mark.0 && mark.1 >= open.1 && start.trim_end().len() == mark.1 => fence = None,
                Some(_) => {}
            }
            continue;
        }
        // Four blanks more than the line above may be code or a list in a list; neither holds headings or tables often.
        if fence.is_some() {
            continue;
        }
        if line.len() - start.len() < 4 && is_heading(start) {
            signals.headings += 1;
        }
        let is_row = start.starts_with('|');
        if is_row && last_was_row && is_delimiter_row(start) {
            signals.tables += 1;
        }
        last_was_row = is_row;
        signals.images += start.matches("![").count() as u64;
    }
    signals
}

/// Words of a text: what stands between blanks and holds a letter or digit; each character of scripts without blanks. What a
/// link points to is none.
pub(crate) fn count_words(text: &str) -> u64 {
    let mut words = 0;
    let mut in_word = false;
    let mut in_target = false;
    let mut last = ' ';
    for character in text.chars() {
        let opens_target = last == ']' && character == '(';
        last = character;
        if in_target || opens_target {
            in_target = character != ')' && !character.is_whitespace();
        } else if stands_alone(character) {
            words += 1;
            in_word = false;
        } else if character.is_whitespace() {
            in_word = false;
        } else if !in_word && character.is_alphanumeric() {
            in_word = true;
            words += 1;
        }
    }
    words
}

/// A text on one line with single blanks.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

fn stands_alone(character: char) -> bool {
    matches!(character, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{20000}'..='\u{3FFFF}')
}

fn garbled_share(text: &str) -> f64 {
    let (mut all, mut garbled) = (0_u64, 0_u64);
    for character in text.chars() {
        all += 1;
        garbled += u64::from(is_garbled(character));
    }
    #[expect(clippy::cast_precision_loss, reason = "texts are far below 2^53 characters")]
    let share = garbled as f64 / all.max(1) as f64;
    share
}

fn is_garbled(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{FFFD}' | '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}' => true,
        _ => character.is_control(),
    }
}

fn fence_of(line: &str) -> Option<(char, usize)> {
    let mark = line.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let length = line.chars().take_while(|character| *character == mark).count();
    (length >= 3 && !(mark == '`' && line[length..].contains('`'))).then_some((mark, length))
}

pub(crate) fn is_heading(line: &str) -> bool {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    (1..=6).contains(&level) && line[level..].starts_with([' ', '\t']) && !line[level..].trim().is_empty()
}

pub(crate) fn is_delimiter_row(line: &str) -> bool {
    line.contains("--") && line.chars().all(|character| matches!(character, '|' | '-' | ':' | ' ' | '\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(format: Format, markdown: &str) -> Result<Converted, RefusalKind> {
        let draft = Draft { format, title: None, markdown: markdown.into(), pages: Vec::new(), doubts: Vec::new() };
        draft.finish().map_err(|refusal| refusal.kind)
    }

    #[test]
    fn structure_is_counted_outside_of_code() {
        let signals = measure(
            "# One\n\n```\n# no\n| a |\n| -- |\n```\n\n## Two ![x](y)\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n",
        );
        assert_eq!((signals.headings, signals.tables, signals.images), (2, 1, 1));
    }

    #[test]
    fn words_are_counted_in_scripts_with_and_without_blanks() {
        assert_eq!(count_words("One, two - it's 3.5 **four**"), 5);
        assert_eq!(count_words("我是猫。cat"), 4);
    }

    #[test]
    fn a_text_without_words_or_sense_is_refused() {
        assert_eq!(finish(Format::Html, "--- * ![](a.png)").map(|_| ()), Err(RefusalKind::Empty));
        assert_eq!(finish(Format::Docx, "![]()").map(|_| ()), Err(RefusalKind::NeedsOcr));
        assert_eq!(finish(Format::Text, "ab\u{FFFD}\u{FFFD}c").map(|_| ()), Err(RefusalKind::Mojibake));
        let doubtful = finish(Format::Text, &format!("{}\u{FFFD}\u{FFFD}", "word ".repeat(20))).unwrap();
        assert_eq!(doubtful.grade, Grade::Degraded(vec!["2.0 % of its characters are garbled".into()]));
    }
}
