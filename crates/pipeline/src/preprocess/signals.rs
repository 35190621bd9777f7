//! What speaks for and against the content of a text, with its values.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::blocks::{Block, BlockKind};
use crate::words::{self, WordKind};

/// Words that are looked at; later ones hardly change the shares.
const WORDS_AT_MOST: usize = 50_000;

/// Signals of the content of a text, in the manner of the filters of Gopher and FineWeb. Shares are 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContentSignals {
    /// Words.
    pub words: u64,
    /// Mean length of a word in characters.
    pub word_length: f64,
    /// Share of words that hold a letter.
    pub letters: f64,
    /// Share of words that are stop words: prose has them, lists of names and debris do not.
    pub stop_words: f64,
    /// Share of different words among the first thousand.
    pub variety: f64,
    /// Share of characters that are neither letters, figures, space nor usual marks.
    pub symbols: f64,
    /// Share of lines that end in an ellipsis.
    pub ellipses: f64,
    /// Share of characters of lines that stood before.
    pub repeated_lines: f64,
    /// Share of characters within paragraphs, items, tables and code.
    pub structured: f64,
    /// Tables.
    pub tables: u64,
    /// Headings.
    pub headings: u64,
}

/// How far each signal lies in the range of useful text, 0 to 1, and their mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContentScore {
    /// The mean of the terms, times the share of the least number of words that there is.
    pub score: f64,
    /// The terms by name.
    pub terms: Vec<(String, f64)>,
}

/// Measures a text.
#[must_use]
pub fn content_signals(text: &str, blocks: &[Block]) -> ContentSignals {
    let found = words::words(head(text));
    let sample = &found[..found.len().min(WORDS_AT_MOST)];
    let share = |count: usize, of: usize| if of == 0 { 0.0 } else { count as f64 / of as f64 };
    let has_letter = |word: &&words::Word| word.norm.chars().any(char::is_alphabetic);
    let is_stop = |word: &&words::Word| matches!(word.kind, WordKind::Stop | WordKind::Negator);
    let length: usize = sample.iter().map(|word| text[word.range.clone()].chars().count()).sum();
    let first = &sample[..sample.len().min(1000)];
    let different: HashSet<&str> = first.iter().map(|word| word.norm.as_str()).collect();
    let characters = text.chars().count();
    let lines = Lines::of(text);
    let held: usize = blocks.iter().filter(|block| block.kind != BlockKind::Html).map(|block| block.range.len()).sum();
    ContentSignals {
        words: words::count_words(text),
        word_length: share(length, sample.len()),
        letters: share(sample.iter().filter(has_letter).count(), sample.len()),
        stop_words: share(sample.iter().filter(is_stop).count(), sample.len()),
        variety: share(different.len(), first.len()),
        symbols: share(text.chars().filter(|char| is_symbol(*char)).count(), characters),
        ellipses: share(lines.ellipses, lines.count),
        repeated_lines: share(lines.repeated, text.len()),
        structured: share(held, text.trim().len()).min(1.0),
        tables: blocks.iter().filter(|block| matches!(block.kind, BlockKind::Table(_))).count() as u64,
        headings: blocks.iter().filter(|block| matches!(block.kind, BlockKind::Heading(_))).count() as u64,
    }
}

/// The score of a text's content. `spaceless`: its script has no spaces and no stop words, and the terms that
/// rest on them are left out. `least_words` is the number from which on length is no fault.
#[must_use]
pub fn content_score(signals: &ContentSignals, is_spaceless: bool, least_words: u64) -> ContentScore {
    let mut terms = vec![
        ("letters".to_owned(), ramp(signals.letters, 0.3, 0.7)),
        ("variety".to_owned(), ramp(signals.variety, 0.05, 0.25)),
        ("symbols".to_owned(), 1.0 - ramp(signals.symbols, 0.1, 0.4)),
        ("ellipses".to_owned(), 1.0 - ramp(signals.ellipses, 0.1, 0.5)),
        ("repeated_lines".to_owned(), 1.0 - ramp(signals.repeated_lines, 0.2, 0.7)),
        ("structured".to_owned(), ramp(signals.structured, 0.2, 0.7)),
    ];
    if !is_spaceless {
        let length = signals.word_length;
        terms.push(("word_length".to_owned(), ramp(length, 1.5, 3.0) * (1.0 - ramp(length, 12.0, 25.0))));
        terms.push(("stop_words".to_owned(), ramp(signals.stop_words, 0.0, 0.12)));
    }
    let mean = terms.iter().map(|(_, value)| value).sum::<f64>() / terms.len() as f64;
    let enough = if least_words == 0 { 1.0 } else { (signals.words as f64 / least_words as f64).min(1.0) };
    ContentScore { score: mean * enough, terms }
}

/// 0 at `low` and below, 1 at `high` and above, straight between.
pub(crate) fn ramp(value: f64, low: f64, high: f64) -> f64 {
    ((value - low) / (high - low)).clamp(0.0, 1.0)
}

/// Enough of a text for [`WORDS_AT_MOST`] words.
fn head(text: &str) -> &str {
    let mut end = text.len().min(WORDS_AT_MOST * 12);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn is_symbol(char: char) -> bool {
    // Marks of Markdown's tables and lists are structure.
    !(char.is_alphanumeric() || char.is_whitespace() || ".,;:!?'\"()[]-_/|*#`<>=“”‘’–—".contains(char))
}

#[derive(Default)]
struct Lines {
    count: usize,
    ellipses: usize,
    repeated: usize,
}

impl Lines {
    fn of(text: &str) -> Self {
        let mut lines = Self::default();
        let mut seen = HashSet::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            lines.count += 1;
            lines.ellipses += usize::from(line.ends_with("...") || line.ends_with('…'));
            // Short lines, brackets of code among them, repeat in any text.
            if line.len() >= 20 && !seen.insert(line) {
                lines.repeated += line.len();
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::super::blocks::blocks;
    use super::*;

    fn score(text: &str) -> f64 {
        content_score(&content_signals(text, &blocks(text)), false, 50).score
    }

    #[test]
    fn little_content_is_scored_low() {
        let prose = "The pipeline reads every document of a folder and tells what became of it. A file that cannot be read is \
            counted with its reason, and nothing is lost in silence. Each answer names the bytes of the source that bear it, \
            so that a reader can look them up, and a score says how far the words of the answer stand in those bytes.\n";
        assert!(score(prose) > 0.9, "{}", score(prose));
        assert!(score("Page 1") < 0.1);
        assert!(score(&"%%%% $$$$ ^^^^ ~~~~ @@@@ ".repeat(40)) < 0.4);
        let repeated = "Confidential, not for distribution at all.\n".repeat(60);
        assert!(score(&repeated) < score(prose) - 0.1, "{}", score(&repeated));
    }
}
