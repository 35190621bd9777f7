//! Text to token ids and back: `tokenizer.json`, and the vocabularies inside GGUF files.
//!
//! All vocabularies become one object of the `tokenizers` crate, so that a GGUF file and the folder
//! that it was made from give the same ids. The bytes of each token are kept in a flat table.

mod bpe;
mod export;
mod json;
mod open;
mod spm;
mod vocabulary;

use std::sync::{Arc, OnceLock};

use tokenizers::Tokenizer as HfTokenizer;
use weighbridge_engine::constraint::TokenTrie;
use weighbridge_engine::{Tokenizer, TokenizerError};

use self::vocabulary::Vocabulary;
use crate::error::{ModelError, Result};
use crate::formats::Metadata;
use crate::weights::ModelFile;
use weighbridge_engine::pieces::Pieces;

pub(crate) use self::export::portable_metadata;
pub(crate) use self::vocabulary::{TOKEN_TYPE_CONTROL, TOKEN_TYPE_NORMAL, TOKEN_TYPE_UNUSED};
pub(crate) use weighbridge_engine::pieces::byte_char;

pub use open::open_tokenizer;

/// A whole `tokenizer.json` inside GGUF metadata (named in the GGUF specification).
pub(crate) const HUGGING_FACE_KEY: &str = "tokenizer.huggingface.json";

/// What a tokenizer is built from, as found in the model file.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenizerSpec {
    /// The text of a Hugging Face `tokenizer.json`.
    Json(String),
    /// The `tokenizer.ggml.*` keys of the metadata.
    Gguf,
    /// The file has no vocabulary: bytes are tokens 0 to 255.
    Bytes,
}

impl TokenizerSpec {
    /// A name for listings.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Json(_) => "tokenizer.json",
            Self::Gguf => "gguf vocabulary",
            Self::Bytes => "bytes (the file has no vocabulary)",
        }
    }
}

/// The tokenizer of a local model.
#[derive(Debug)]
pub struct LocalTokenizer {
    encoder: Encoder,
    pieces: Pieces,
    /// Made with the first answer that is held to a grammar.
    trie: OnceLock<Arc<TokenTrie>>,
    bos: Option<u32>,
    eos: Vec<u32>,
}

#[derive(Debug)]
enum Encoder {
    Vocabulary(Box<HfTokenizer>),
    Bytes,
}

impl ModelFile {
    /// Builds the tokenizer. Costs some hundred nanoseconds per token and per merge, so it is apart from
    /// opening the file.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`] and [`ModelError::UnsupportedSetting`] for a vocabulary that cannot be
    /// used, [`ModelError::Key`] for one with the wrong types.
    pub fn build_tokenizer(&self) -> Result<LocalTokenizer> {
        let rows = self.config.vocab;
        let tokenizer = match &self.tokenizer {
            TokenizerSpec::Json(text) => json::build(text, &self.metadata)?,
            TokenizerSpec::Gguf => from_gguf(&self.metadata)?,
            TokenizerSpec::Bytes => LocalTokenizer::bytes(rows, &self.metadata)?,
        };
        if tokenizer.pieces.len() > rows {
            let reason = format!("it has {} tokens, the embedding only {rows} rows", tokenizer.pieces.len());
            return Err(ModelError::tokenizer(reason));
        }
        Ok(tokenizer)
    }
}

fn from_gguf(metadata: &Metadata) -> Result<LocalTokenizer> {
    const KEY: &str = "tokenizer.ggml.model";
    let vocabulary = Vocabulary::read(metadata)?;
    match metadata.text(KEY)? {
        Some("gpt2") => bpe::build(&vocabulary, metadata),
        Some("llama") => spm::build(&vocabulary, metadata),
        other => Err(ModelError::UnsupportedSetting {
            key: KEY.to_owned(),
            found: other.unwrap_or_default().to_owned(),
            supported: "gpt2, llama, none",
        }),
    }
}

impl LocalTokenizer {
    /// One token per byte, for models without a vocabulary.
    fn bytes(rows: usize, metadata: &Metadata) -> Result<Self> {
        let pieces = Pieces::collect((0..=u8::MAX).take(rows).map(|byte| [byte]));
        let special = SpecialTokens::read(metadata, rows, BosDefault::Omitted)?;
        Ok(Self { encoder: Encoder::Bytes, pieces, trie: OnceLock::new(), bos: special.bos, eos: special.eos })
    }
}

impl LocalTokenizer {
    /// A token as templates write it, special tokens too; `None` for an unknown id.
    pub(crate) fn token_text(&self, token: u32) -> Option<String> {
        match &self.encoder {
            Encoder::Vocabulary(encoder) => encoder.id_to_token(token),
            Encoder::Bytes => None,
        }
    }
}

impl Tokenizer for LocalTokenizer {
    fn vocab_size(&self) -> u32 {
        u32::try_from(self.pieces.len()).expect("ids are u32, so their count fits")
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        match &self.encoder {
            Encoder::Vocabulary(encoder) => {
                let encoding = encoder.encode_fast(text, false);
                let encoding = encoding.map_err(|error| TokenizerError { problem: error.to_string() })?;
                Ok(encoding.get_ids().to_vec())
            }
            Encoder::Bytes => {
                let known = |byte: u8| usize::from(byte) < self.pieces.len();
                match text.bytes().position(|byte| !known(byte)) {
                    None => Ok(text.bytes().map(u32::from).collect()),
                    Some(place) => Err(TokenizerError {
                        problem: format!("byte {place} of the text is not among the {} tokens", self.pieces.len()),
                    }),
                }
            }
        }
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

/// Whether texts begin with the begin token where the file does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BosDefault {
    Added,
    Omitted,
}

/// Begin and end tokens named by the metadata.
struct SpecialTokens {
    bos: Option<u32>,
    eos: Vec<u32>,
}

impl SpecialTokens {
    /// Reads the ids. `bos` is `None` unless it is wanted before texts.
    fn read(metadata: &Metadata, token_count: usize, default: BosDefault) -> Result<Self> {
        let id = |key: &str| -> Result<Option<u32>> {
            let key = format!("tokenizer.ggml.{key}_token_id");
            match metadata.size(&key)? {
                None => Ok(None),
                Some(id) if id < token_count => Ok(u32::try_from(id).ok()),
                Some(id) => Err(ModelError::key(key, format!("found `{id}`, there are {token_count} tokens"))),
            }
        };
        let add_bos = metadata.flag("tokenizer.ggml.add_bos_token")?.unwrap_or(default == BosDefault::Added);
        let mut eos = Vec::new();
        for key in ["eos", "eot", "eom"] {
            eos.extend(id(key)?);
        }
        eos.dedup();
        Ok(Self { bos: if add_bos { id("bos")? } else { None }, eos })
    }

    /// Adds the control tokens whose text says that they end a turn: many files name only one of them.
    fn with_known_ends<'a>(mut self, controls: impl Iterator<Item = (u32, &'a str)>) -> Self {
        const ENDS: [&str; 7] =
            ["<|endoftext|>", "<|end_of_text|>", "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<end_of_turn>"];
        for (id, text) in controls {
            if ENDS.contains(&text) && !self.eos.contains(&id) {
                self.eos.push(id);
            }
        }
        self
    }
}
