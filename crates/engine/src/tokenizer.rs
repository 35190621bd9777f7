//! Text to tokens and back.

use std::fmt::Debug;
use std::sync::Arc;

use crate::constraint::TokenTrie;

/// Turns text into tokens and back. Engines hand theirs out, so that prompts can be made to an exact length and
/// answers counted after a run; nobody calls it while a request is being timed.
pub trait Tokenizer: Send + Sync + Debug {
    /// Number of token ids.
    fn vocab_size(&self) -> u32;

    /// Tokens of a text, without the beginning-of-sequence token. Special tokens written out in the text, such as
    /// `<|im_end|>`, become their ids: templates need that.
    ///
    /// # Errors
    /// When the text cannot be expressed in the vocabulary.
    fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError>;

    /// Bytes of a token as they appear in the text; empty for special tokens and unknown ids. A token may end within
    /// a UTF-8 character, so text is assembled from bytes.
    fn token_bytes(&self, token: u32) -> Vec<u8>;

    /// The token that begins every sequence, where the model wants one.
    fn bos(&self) -> Option<u32>;

    /// Tokens that end a generation.
    fn eos(&self) -> &[u32];

    /// The vocabulary as a trie of bytes, for answers that are held to a grammar. Asked for with the first token of each of them: a
    /// tokenizer that serves many keeps it, because it costs some hundred nanoseconds per token.
    fn trie(&self) -> Arc<TokenTrie> {
        Arc::new(TokenTrie::new((0..self.vocab_size()).map(|token| self.token_bytes(token))))
    }

    /// Text of a sequence of tokens; bytes that are no UTF-8 become replacement characters.
    fn decode(&self, tokens: &[u32]) -> String {
        let bytes: Vec<u8> = tokens.iter().flat_map(|&token| self.token_bytes(token)).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A text that the vocabulary cannot express, or a tokenizer that could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tokenize: {problem}")]
pub struct TokenizerError {
    /// What went wrong, with the place.
    pub problem: String,
}
