//! How long a text is, in characters and in tokens.

use std::fmt;
use std::sync::Arc;

use weighbridge_engine::Tokenizer;

use crate::words;

/// Counts tokens: with a model's tokenizer, else by an estimate.
#[derive(Clone, Default)]
pub struct TokenCounter {
    tokenizer: Option<Arc<dyn Tokenizer>>,
}

impl fmt::Debug for TokenCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCounter").field("estimates", &self.is_estimate()).finish()
    }
}

impl TokenCounter {
    /// Counts with a tokenizer where there is one.
    #[must_use]
    pub const fn new(tokenizer: Option<Arc<dyn Tokenizer>>) -> Self {
        Self { tokenizer }
    }

    /// Whether counts are estimates.
    #[must_use]
    pub const fn is_estimate(&self) -> bool {
        self.tokenizer.is_none()
    }

    /// Tokens of a text. A text that the vocabulary cannot express is estimated.
    #[must_use]
    pub fn count(&self, text: &str) -> u64 {
        let counted = self.tokenizer.as_ref().and_then(|tokenizer| tokenizer.encode(text).ok());
        counted.map_or_else(|| estimate_tokens(text), |tokens| tokens.len() as u64)
    }
}

/// About how many tokens a text is for vocabularies of some 100,000 entries: a token for every seven letters of a
/// word, three figures, and each other mark.
#[must_use]
pub fn estimate_tokens(text: &str) -> u64 {
    let (mut tokens, mut letters, mut figures) = (0, 0_u64, 0_u64);
    for char in text.chars() {
        let is_letter = char.is_alphabetic() && !words::is_spaceless(char);
        let is_figure = char.is_ascii_digit();
        if !is_letter {
            tokens += letters.div_ceil(7);
            letters = 0;
        }
        if !is_figure {
            tokens += figures.div_ceil(3);
            figures = 0;
        }
        letters += u64::from(is_letter);
        figures += u64::from(is_figure);
        tokens += u64::from(!is_letter && !is_figure && !char.is_whitespace());
    }
    tokens + letters.div_ceil(7) + figures.div_ceil(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_follow_the_text() {
        let check = |text: &str, expected: u64| assert_eq!(estimate_tokens(text), expected, "{text}");
        check("", 0);
        check("one two", 2);
        check("characters", 2);
        check("12345", 2);
        check("a, b.", 4);
        check("日本", 2);
        assert!(TokenCounter::default().is_estimate());
    }
}
