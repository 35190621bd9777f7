//! A grammar beside a generation that runs.

use std::sync::Arc;

use super::Grammar;
use super::matcher::Matcher;
use super::trie::{TokenMask, TokenTrie};
use crate::sampling::LogitsError;
use crate::tokenizer::Tokenizer;

/// Logit of a token that may not follow: so low that its probability is exactly 0, and finite also when it is penalized.
const FORBIDDEN: f32 = -1e30;

/// Keeps the text of one generation to its grammar.
#[derive(Debug)]
pub(crate) struct Guide {
    matcher: Matcher,
    /// `None` before the first token.
    trie: Option<Arc<TokenTrie>>,
    mask: TokenMask,
}

/// Why a generation cannot go on under its grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GuideError {
    #[error(transparent)]
    Logits(#[from] LogitsError),
    #[error("hold the grammar: no token of the vocabulary can follow the text so far")]
    NoToken,
}

/// Whether there is a token to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Open,
    /// The text is complete and no token can follow it.
    Over,
}

impl Guide {
    pub(crate) fn new(grammar: Arc<Grammar>) -> Self {
        Self { matcher: Matcher::new(grammar), trie: None, mask: TokenMask::default() }
    }

    /// Makes the logits of tokens that may not follow so low that they are not chosen. Tokens that end a sequence may follow when
    /// the text is complete.
    pub(crate) fn restrict(&mut self, logits: &mut [f32], tokenizer: &dyn Tokenizer) -> Result<Choice, GuideError> {
        // Before they are changed: what is no number must not hide behind the mask.
        if !logits.iter().all(|logit| logit.is_finite()) {
            return Err(LogitsError.into());
        }
        let trie = self.trie.get_or_insert_with(|| tokenizer.trie());
        self.matcher.allowed(trie, &mut self.mask);
        let is_complete = self.matcher.is_complete();
        for &token in tokenizer.eos() {
            // Some vocabularies spell such a token like text.
            if is_complete { self.mask.insert(token) } else { self.mask.remove(token) }
        }
        let mut is_open = false;
        for (token, logit) in (0..).zip(logits) {
            if self.mask.contains(token) {
                *logit = logit.max(FORBIDDEN / 2.0);
                is_open = true;
            } else {
                *logit = FORBIDDEN;
            }
        }
        match (is_open, is_complete) {
            (true, _) => Ok(Choice::Open),
            (false, true) => Ok(Choice::Over),
            (false, false) => Err(GuideError::NoToken),
        }
    }

    /// Takes the bytes of the token that was chosen. Returns whether the text is over.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<bool, GuideError> {
        if !self.matcher.accept(bytes) {
            return Err(GuideError::NoToken);
        }
        Ok(self.matcher.is_over())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::TokenizerError;

    /// A vocabulary; the last token ends a sequence.
    #[derive(Debug)]
    struct Words {
        words: &'static [&'static str],
        eos: Vec<u32>,
    }

    impl Tokenizer for Words {
        fn vocab_size(&self) -> u32 {
            u32::try_from(self.words.len()).unwrap()
        }

        fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
            Err(TokenizerError { problem: text.to_owned() })
        }

        fn token_bytes(&self, token: u32) -> Vec<u8> {
            self.words[token as usize].as_bytes().to_vec()
        }

        fn bos(&self) -> Option<u32> {
            None
        }

        fn eos(&self) -> &[u32] {
            &self.eos
        }
    }

    fn guide(schema: &str) -> Guide {
        Guide::new(Grammar::ordered(schema.parse().unwrap()).unwrap())
    }

    /// What may follow, by token.
    fn allowed(guide: &mut Guide, words: &Words) -> (Result<Choice, GuideError>, Vec<u32>) {
        // One more row than there are tokens, as models have.
        let mut logits = vec![-2e30; words.words.len() + 1];
        let choice = guide.restrict(&mut logits, words);
        let kept = (0..).zip(logits).filter(|(_, logit)| *logit > FORBIDDEN).map(|(token, _)| token);
        (choice, kept.collect())
    }

    #[test]
    fn an_end_token_may_follow_a_complete_text_and_no_other() {
        // It is spelled like text.
        let words = Words { words: &["1", "x", "\"", "</s>"], eos: vec![3] };
        let mut number = guide(r#"{"type":"integer"}"#);
        assert_eq!(allowed(&mut number, &words), (Ok(Choice::Open), vec![0]));
        assert_eq!(number.take(b"1"), Ok(false));
        assert_eq!(allowed(&mut number, &words), (Ok(Choice::Open), vec![0, 3]));
        let mut text = guide(r#"{"type":"string","maxLength":6}"#);
        assert_eq!(text.take(b"\""), Ok(false));
        assert_eq!(allowed(&mut text, &words), (Ok(Choice::Open), vec![0, 1, 2]));
        assert_eq!(text.take(b"\""), Ok(true));
    }

    #[test]
    fn a_vocabulary_that_cannot_go_on_is_a_failure_or_an_end() {
        let words = Words { words: &["1", ""], eos: Vec::new() };
        let mut number = guide(r#"{"type":"integer","maximum":25}"#);
        assert_eq!(allowed(&mut number, &words), (Ok(Choice::Open), vec![0]));
        assert_eq!(number.take(b"1"), Ok(false));
        assert_eq!(allowed(&mut number, &words), (Ok(Choice::Open), vec![0]));
        let mut number = guide(r#"{"enum":[1,12]}"#);
        assert_eq!(number.take(b"1"), Ok(false));
        assert_eq!(allowed(&mut number, &words), (Ok(Choice::Over), Vec::new()));
        assert_eq!(allowed(&mut guide(r#"{"type":"null"}"#), &words), (Err(GuideError::NoToken), Vec::new()));
        assert_eq!(guide("{}").take(b"x"), Err(GuideError::NoToken));
    }

    #[test]
    fn logits_that_are_no_numbers_are_not_hidden() {
        let words = Words { words: &["1", "x"], eos: Vec::new() };
        let restricted = guide(r#"{"type":"integer"}"#).restrict(&mut [0.0, f32::NAN], &words);
        assert_eq!(restricted, Err(GuideError::Logits(LogitsError)));
    }
}
