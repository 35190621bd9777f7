//! Scores of texts against references: BLEU, chrF, TER, ROUGE, exact match, token F1, edit similarity.
//!
//! Each metric takes one text and its references and returns counts or a score; counts of several texts add up, so that
//! a corpus score and its resamples cost a sum. Parity: sacrebleu 2.6.0 for BLEU, chrF and TER, rouge-score 0.1.2 with
//! NLTK's Porter stemmer for ROUGE, SQuAD 2.0 for token F1.

pub mod bleu;
pub mod chrf;
mod grams;
pub mod matching;
mod porter;
pub mod rouge;
mod shifts;
pub mod ter;
pub mod tokenize;

/// Parts between white space, as Python's `str.split()` sees them: it takes four control characters as space too.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

/// Whether Python takes the character as white space.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}
