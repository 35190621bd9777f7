//! The tokenizer of a decoder: texts to tokens, and the bytes of each token.

use std::sync::{Arc, OnceLock};

use tokenizers::{ModelWrapper, Tokenizer as HfTokenizer};
use weighbridge_engine::constraint::TokenTrie;
use weighbridge_engine::pieces::{Pieces, Spelling};
use weighbridge_engine::{Tokenizer, TokenizerError};

use crate::error::OnnxError;
use crate::folder::{Config, Folder};

/// The tokenizer of a folder.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    encoder: HfTokenizer,
    pieces: Pieces,
    /// Made with the first answer that is held to a grammar.
    trie: OnceLock<Arc<TokenTrie>>,
    bos: Option<u32>,
    eos: Vec<u32>,
}

impl Vocabulary {
    /// Builds the tokenizer of a folder and holds its words against those of the model.
    pub(crate) fn open(folder: &Folder, config: &Config) -> Result<Self, OnnxError> {
        let broken = |problem: String| OnnxError::Tokenizer { path: folder.graph.clone(), problem };
        let failed = |error: tokenizers::Error| broken(error.to_string());
        let mut encoder = HfTokenizer::from_bytes(folder.tokenizer()?).map_err(failed)?;
        encoder.with_truncation(None).map_err(failed)?.with_padding(None);
        let words = config.vocab_size.unwrap_or_else(|| encoder.get_vocab_size(true));
        let largest = encoder.get_vocab(true).into_values().max();
        if let Some(largest) = largest.filter(|&largest| largest as usize >= words) {
            return Err(broken(format!("it has the token `{largest}`; the model knows `{words}`, from 0 on")));
        }
        let spelling = spelling(&encoder);
        let added = encoder.get_added_tokens_decoder();
        let piece = |id: u32| match (added.get(&id), encoder.id_to_token(id)) {
            (Some(token), _) if token.special => Vec::new(),
            (Some(token), _) => token.content.clone().into_bytes(),
            (None, Some(token)) => spelling.bytes(&token),
            (None, None) => Vec::new(),
        };
        let last = largest.map_or(0, |largest| largest + 1);
        let pieces = Pieces::collect((0..last).map(piece));
        // The token that is put before a text is the surest sign that the model wants one.
        let bos = encoder.encode_fast("", true).map_err(failed)?.get_ids().first().copied();
        Ok(Self { encoder, pieces, trie: OnceLock::new(), bos, eos: folder.ends(config)? })
    }
}

impl Tokenizer for Vocabulary {
    fn vocab_size(&self) -> u32 {
        u32::try_from(self.pieces.len()).unwrap_or(u32::MAX)
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.encoder.encode_fast(text, false);
        let encoding = encoding.map_err(|error| TokenizerError { problem: error.to_string() })?;
        Ok(encoding.get_ids().to_vec())
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

/// How the vocabulary writes bytes, which the decoder undoes.
fn spelling(encoder: &HfTokenizer) -> Spelling {
    let decoder = serde_json::to_string(&encoder.get_decoder()).unwrap_or_default();
    let falls_back = matches!(encoder.get_model(), ModelWrapper::BPE(model) if model.byte_fallback);
    if decoder.contains("\"ByteLevel\"") {
        Spelling::ByteLevel
    } else if falls_back || decoder.contains("\"ByteFallback\"") || decoder.contains("\"Metaspace\"") {
        Spelling::SentencePiece
    } else {
        Spelling::Literal
    }
}
