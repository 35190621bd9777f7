//! llama.cpp's tokenizer behind the contract's.

use std::fmt;
use std::sync::{Arc, OnceLock};

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use weighbridge_engine::constraint::TokenTrie;
use weighbridge_engine::pieces::Pieces;
use weighbridge_engine::{Tokenizer, TokenizerError};

/// The vocabulary of a loaded model.
pub(crate) struct LlamaTokenizer {
    model: Arc<LlamaModel>,
    pieces: Pieces,
    /// Made with the first answer that is held to a grammar.
    trie: OnceLock<Arc<TokenTrie>>,
    bos: Option<u32>,
    /// Every token that ends a generation.
    eos: Vec<u32>,
}

impl LlamaTokenizer {
    pub(crate) fn new(model: Arc<LlamaModel>) -> Self {
        let vocab = model.vocab();
        let pieces = Pieces::collect(vocab.tokens().map(|token| vocab.token_to_piece(token, false, None)));
        let bos = vocab.should_add_bos().then(|| id(vocab.bos())).flatten();
        let eos = vocab.tokens().filter(|&token| vocab.is_eog(token)).filter_map(id).collect();
        Self { pieces, trie: OnceLock::new(), bos, eos, model }
    }
}

impl fmt::Debug for LlamaTokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlamaTokenizer").field("tokens", &self.pieces.len()).finish_non_exhaustive()
    }
}

/// llama.cpp's number of a token; `None` for its "no token".
fn id(token: LlamaToken) -> Option<u32> {
    u32::try_from(token.0).ok()
}

impl Tokenizer for LlamaTokenizer {
    fn vocab_size(&self) -> u32 {
        u32::try_from(self.pieces.len()).unwrap_or(u32::MAX)
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let tokens = self.model.vocab().tokenize(text.as_bytes(), false, true);
        let unknown = || TokenizerError { problem: "llama.cpp finds a part of the text in no token".to_owned() };
        tokens.into_iter().map(|token| id(token).ok_or_else(unknown)).collect()
    }

    fn token_bytes(&self, token: u32) -> Vec<u8> {
        self.pieces.get(token).to_vec()
    }

    fn trie(&self) -> Arc<TokenTrie> {
        Arc::clone(self.trie.get_or_init(|| Arc::new(self.pieces.trie())))
    }

    fn bos(&self) -> Option<u32> {
        self.bos
    }

    fn eos(&self) -> &[u32] {
        &self.eos
    }
}
