//! ROUGE (Lin 2004), as rouge-score computes it.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::grams::Grams;
use super::porter::stem;

/// Most words whose stems are remembered; the memory starts anew beyond.
const MOST_WORDS: usize = 1 << 20;
/// Stems are made of words longer than this.
const LONGEST_BARE: usize = 3;

/// A kind of ROUGE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Single words.
    Rouge1,
    /// Pairs of words.
    Rouge2,
    /// The longest common subsequence.
    RougeL,
    /// The longest common subsequences of sentences, which stand on lines of their own.
    RougeLsum,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Rouge1, Self::Rouge2, Self::RougeL, Self::RougeLsum];

    /// Name in cells.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rouge1 => "rouge1",
            Self::Rouge2 => "rouge2",
            Self::RougeL => "rougeL",
            Self::RougeLsum => "rougeLsum",
        }
    }
}

/// Precision, recall and F of one text.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Overlap {
    /// Shared parts of those of the text.
    pub precision: f64,
    /// Shared parts of those of the reference.
    pub recall: f64,
    /// Their harmonic mean.
    pub f: f64,
}

impl Overlap {
    fn of(shared: usize, text: usize, reference: usize) -> Self {
        let (precision, recall) = (shared as f64 / text.max(1) as f64, shared as f64 / reference.max(1) as f64);
        let sum = precision + recall;
        let f = if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 };
        Self { precision, recall, f }
    }
}

/// Scores texts; remembers the stems of words that it has seen.
#[derive(Debug)]
pub struct Rouge {
    uses_stems: bool,
    /// Numbers of the words as they stand.
    seen: HashMap<Box<str>, u32, FixedState>,
    /// Numbers of their stems.
    stems: HashMap<Box<str>, u32, FixedState>,
}

impl Rouge {
    /// A scorer; with stems, words of one stem are one word.
    #[must_use]
    pub fn new(uses_stems: bool) -> Self {
        let (seen, stems) = (HashMap::with_hasher(FixedState::default()), HashMap::with_hasher(FixedState::default()));
        Self { uses_stems, seen, stems }
    }

    /// Each kind's score, in the order of [`Kind::ALL`], with the reference that it is best with, the first of equals.
    pub fn score(&mut self, text: &str, references: &[&str]) -> [Overlap; 4] {
        if self.seen.len() > MOST_WORDS {
            self.seen.clear();
            self.stems.clear();
        }
        let ours = self.text(text);
        let mut best: Option<[Overlap; 4]> = None;
        for reference in references {
            let theirs = self.text(reference);
            let scores = pair(&ours, &theirs);
            match &mut best {
                None => best = Some(scores),
                Some(best) => {
                    for (best, score) in best.iter_mut().zip(scores) {
                        if score.f > best.f {
                            *best = score;
                        }
                    }
                }
            }
        }
        best.unwrap_or_default()
    }

    fn text(&mut self, text: &str) -> Text {
        let lower = text.to_lowercase();
        let sentences: Vec<Vec<u32>> = if text.contains('\n') {
            lower.split('\n').filter(|line| !line.is_empty()).map(|line| self.words(line)).collect()
        } else if lower.is_empty() {
            Vec::new()
        } else {
            vec![self.words(&lower)]
        };
        let words = sentences.concat();
        let mut grams = Grams::new(2, 32);
        grams.fill(words.iter().copied());
        Text { words, sentences, grams }
    }

    fn words(&mut self, lower: &str) -> Vec<u32> {
        let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        lower.split(|c| !is_letter(c)).filter(|word| !word.is_empty()).map(|word| self.number(word)).collect()
    }

    fn number(&mut self, word: &str) -> u32 {
        if let Some(&number) = self.seen.get(word) {
            return number;
        }
        let stem = if self.uses_stems && word.len() > LONGEST_BARE { stem(word) } else { word.to_owned() };
        let next = u32::try_from(self.stems.len() + 1).unwrap_or(u32::MAX);
        let number = *self.stems.entry(stem.into_boxed_str()).or_insert(next);
        self.seen.insert(word.into(), number);
        number
    }
}

/// A text as numbers of words.
struct Text {
    words: Vec<u32>,
    sentences: Vec<Vec<u32>>,
    grams: Grams<u64>,
}

fn pair(text: &Text, reference: &Text) -> [Overlap; 4] {
    let grams = |order: u32| {
        let shared = text.grams.shared(&[&reference.grams], order);
        Overlap::of(shared as usize, text.grams.total(order) as usize, reference.grams.total(order) as usize)
    };
    let (n, m) = (text.words.len(), reference.words.len());
    let longest = Overlap::of(common_length(&reference.words, &text.words), n, m);
    let summary = match (text.sentences.as_slice(), reference.sentences.as_slice()) {
        // One sentence on both sides: the union is the one subsequence.
        ([_], [_]) => longest,
        (ours, theirs) => Overlap::of(summary_hits(ours, theirs), n, m),
    };
    [grams(1), grams(2), longest, summary]
}

/// Length of the longest common subsequence.
fn common_length(a: &[u32], b: &[u32]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for x in a {
        let mut diagonal = 0;
        for (column, y) in b.iter().enumerate() {
            let above = row[column + 1];
            row[column + 1] = if x == y { diagonal + 1 } else { row[column].max(above) };
            diagonal = above;
        }
    }
    row[b.len()]
}

/// Words of the reference's sentences that lie in a common subsequence with some sentence of the text, none counted
/// more often than it stands in either.
fn summary_hits(text: &[Vec<u32>], reference: &[Vec<u32>]) -> usize {
    let count = |sentences: &[Vec<u32>]| {
        let mut counts: HashMap<u32, usize, FixedState> = HashMap::with_hasher(FixedState::default());
        sentences.iter().flatten().for_each(|word| *counts.entry(*word).or_default() += 1);
        counts
    };
    let (mut ours, mut theirs) = (count(text), count(reference));
    let mut hits = 0;
    for sentence in reference {
        let mut is_common = vec![false; sentence.len()];
        for other in text {
            mark_common(sentence, other, &mut is_common);
        }
        for word in sentence.iter().zip(&is_common).filter(|(_, is_common)| **is_common).map(|(word, _)| word) {
            if let (Some(here @ 1..), Some(there @ 1..)) = (ours.get_mut(word), theirs.get_mut(word)) {
                *here -= 1;
                *there -= 1;
                hits += 1;
            }
        }
    }
    hits
}

/// Marks the words of `a` in one longest common subsequence with `b`, the one that rouge-score walks back to.
fn mark_common(a: &[u32], b: &[u32], is_common: &mut [bool]) {
    let width = b.len() + 1;
    let mut table = vec![0_u32; (a.len() + 1) * width];
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            table[i * width + j] = if a[i - 1] == b[j - 1] {
                table[(i - 1) * width + j - 1] + 1
            } else {
                table[(i - 1) * width + j].max(table[i * width + j - 1])
            };
        }
    }
    let (mut i, mut j) = (a.len(), b.len());
    while i > 0 && j > 0 {
        if a[i - 1] == b[j - 1] {
            is_common[i - 1] = true;
            (i, j) = (i - 1, j - 1);
        } else if table[i * width + j - 1] > table[(i - 1) * width + j] {
            j -= 1;
        } else {
            i -= 1;
        }
    }
}
