//! Translation edit rate (Snover et al. 2006), as sacrebleu computes it after Tercom.

use super::bleu::reference_count;
use super::grams::Numbers;
use super::shifts::edits;
use super::words;

/// The counts behind TER: those of texts add up to those of a corpus.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TerCounts {
    /// Edits to the reference that needs fewest.
    pub edits: f64,
    /// Mean words of the references.
    pub reference_length: f64,
}

impl TerCounts {
    /// Adds the counts of a text, `times` over.
    pub fn add(&mut self, other: &Self, times: f64) {
        self.edits += times * other.edits;
        self.reference_length += times * other.reference_length;
    }
}

/// The choices of TER. Words are what white space separates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ter {
    /// Whether case counts.
    pub case_sensitive: bool,
}

impl Ter {
    /// Counts one text against its references.
    #[must_use]
    pub fn counts(&self, text: &str, references: &[&str]) -> TerCounts {
        let prepare = |line: &str| if self.case_sensitive { line.to_owned() } else { line.to_lowercase() };
        let text = prepare(text);
        let references: Vec<String> = references.iter().map(|reference| prepare(reference)).collect();
        let mut numbers = Numbers::new();
        let mut symbols = |line| -> Vec<u32> { words(line).map(|word| numbers.of(word)).collect() };
        let ours = symbols(&text);
        let mut counts = TerCounts { edits: f64::INFINITY, reference_length: 0.0 };
        for reference in &references {
            let theirs = symbols(reference);
            counts.edits = counts.edits.min(f64::from(edits(&ours, &theirs)));
            counts.reference_length += theirs.len() as f64;
        }
        counts.reference_length /= references.len().max(1) as f64;
        counts
    }

    /// The score of counts: 0 for no edit, above 100 where there are more edits than words.
    #[must_use]
    pub fn score(&self, counts: &TerCounts) -> f64 {
        if counts.reference_length > 0.0 {
            100.0 * (counts.edits / counts.reference_length)
        } else if counts.edits > 0.0 {
            100.0
        } else {
            0.0
        }
    }

    /// The fields of sacrebleu's signature, without its version. `references` as in BLEU's.
    #[must_use]
    pub fn signature(&self, references: usize) -> String {
        let case = if self.case_sensitive { "mixed" } else { "lc" };
        format!("nrefs:{}|case:{case}|tok:tercom|norm:no|punct:yes|asian:no", reference_count(references))
    }
}
