//! How complex a document is.

use serde::{Deserialize, Serialize};

use crate::preprocess::blocks::{Block, BlockKind};
use crate::preprocess::{ContentSignals, ramp};
use crate::words::words;

/// Words whose kinds are looked at.
const SAMPLE_BYTES: usize = 200_000;

/// How complex a document is, with what that rests on; each feature is 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Complexity {
    /// The mean of the features.
    pub score: f64,
    /// Headings and lists: full at one for every 50 words.
    pub structure: f64,
    /// Tables: full where they hold half of the text.
    pub tables: f64,
    /// Different words among the first thousand: none at 20 %, full at 60 %.
    pub vocabulary: f64,
    /// Length: none at 100 words, full at 100,000, by the logarithm.
    pub length: f64,
    /// Numbers and identifiers among the words: full at one of three.
    pub parameters: f64,
}

/// The complexity of a text.
#[must_use]
pub fn complexity(text: &str, blocks: &[Block], signals: &ContentSignals) -> Complexity {
    let count = signals.words as f64;
    let marks =
        blocks.iter().filter(|block| matches!(block.kind, BlockKind::Heading(_) | BlockKind::Item { .. })).count();
    let in_tables: usize =
        blocks.iter().filter(|block| matches!(block.kind, BlockKind::Table(_))).map(|block| block.range.len()).sum();
    let mut end = text.len().min(SAMPLE_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let sample = words(&text[..end]);
    let hard = sample.iter().filter(|word| word.is_hard()).count();
    let share = |part: f64, of: f64| if of > 0.0 { part / of } else { 0.0 };
    let structure = ramp(share(marks as f64, count), 0.0, 0.02);
    let tables = ramp(share(in_tables as f64, text.len() as f64), 0.0, 0.5);
    let vocabulary = if count < 50.0 { 0.0 } else { ramp(signals.variety, 0.2, 0.6) };
    let length = ramp(count.max(1.0).log10(), 2.0, 5.0);
    let parameters = ramp(share(hard as f64, sample.len() as f64), 0.0, 1.0 / 3.0);
    let score = (structure + tables + vocabulary + length + parameters) / 5.0;
    Complexity { score, structure, tables, vocabulary, length, parameters }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::blocks::blocks;
    use crate::preprocess::content_signals;

    fn of(text: &str) -> Complexity {
        let blocks = blocks(text);
        complexity(text, &blocks, &content_signals(text, &blocks))
    }

    #[test]
    fn a_graded_corpus_is_graded() {
        let plain = "The sun is warm and the day is long and the day is warm. ".repeat(6);
        let mut varied = String::new();
        for number in 0..400 {
            varied.push_str(&format!("The part number{number}a meets item{number}b and goes on. "));
        }
        let structured = format!("# Title\n\n{varied}\n\n## More\n\n- one thing\n- two things\n- three things\n");
        let mut tables = format!("{structured}\n## Parameters\n\n");
        for table in 0..30 {
            tables.push_str("| Name | Default | Range |\n|---|---|---|\n");
            for row in 0..20 {
                tables.push_str(&format!("| `max_size_{table}_{row}` | {} | 0 to {} |\n", row * 7, row * 90 + 10));
            }
            tables.push('\n');
        }
        let scores: Vec<f64> = [plain, varied, structured, tables].iter().map(|text| of(text).score).collect();
        assert!(scores.is_sorted(), "{scores:?}");
        assert!(scores[0] < 0.3 && scores[3] > 0.5, "{scores:?}");
        assert!(of("").score.abs() < 1e-9);
    }
}
