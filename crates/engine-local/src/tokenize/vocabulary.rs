//! The vocabulary keys of a GGUF file.

use std::sync::OnceLock;

use tokenizers::{AddedToken, Tokenizer as HfTokenizer};

use super::{BosDefault, Encoder, LocalTokenizer, SpecialTokens};
use crate::error::{ModelError, Result};
use crate::formats::{MetaArray, Metadata};
use weighbridge_engine::pieces::{Pieces, Spelling};

/// Types of tokens, as llama.cpp numbers them.
pub(crate) const TOKEN_TYPE_NORMAL: i32 = 1;
pub(crate) const TOKEN_TYPE_CONTROL: i32 = 3;
pub(super) const TOKEN_TYPE_USER_DEFINED: i32 = 4;
pub(crate) const TOKEN_TYPE_UNUSED: i32 = 5;

/// `tokenizer.ggml.tokens` and what goes with it.
#[derive(Debug)]
pub(super) struct Vocabulary<'a> {
    /// Token texts by id.
    pub(super) tokens: &'a [String],
    /// Token types by id; empty where the file has none.
    types: &'a [i32],
    /// Scores by id; empty where the file has none.
    pub(super) scores: &'a [f32],
}

impl<'a> Vocabulary<'a> {
    /// Finds the arrays and checks that their lengths agree.
    pub(super) fn read(metadata: &'a Metadata) -> Result<Self> {
        let tokens = strings(metadata, "tokenizer.ggml.tokens")?;
        let types = match metadata.array("tokenizer.ggml.token_type")? {
            None => &[],
            Some(MetaArray::I32(types)) => types.as_slice(),
            Some(_) => return Err(ModelError::key("tokenizer.ggml.token_type", "expected 32-bit integers")),
        };
        let scores = match metadata.array("tokenizer.ggml.scores")? {
            None => &[],
            Some(MetaArray::F32(scores)) => scores.as_slice(),
            Some(_) => return Err(ModelError::key("tokenizer.ggml.scores", "expected 32-bit floats")),
        };
        for (name, len) in [("token_type", types.len()), ("scores", scores.len())] {
            if len != 0 && len != tokens.len() {
                let reason = format!("it has {len} values for {} tokens", tokens.len());
                return Err(ModelError::key(format!("tokenizer.ggml.{name}"), reason));
            }
        }
        Ok(Self { tokens, types, scores })
    }

    /// The type of a token; normal where the file has no types.
    pub(super) fn kind(&self, id: usize) -> i32 {
        self.types.get(id).copied().unwrap_or(TOKEN_TYPE_NORMAL)
    }

    /// Ids and texts of the model's own vocabulary, for the encoder.
    pub(super) fn entries(&self) -> impl Iterator<Item = (String, u32)> {
        self.tokens.iter().cloned().zip(0..)
    }

    /// Finishes a tokenizer: marks the tokens that are matched as a whole, keeps every token's bytes,
    /// reads the special ids.
    pub(super) fn finish(
        &self,
        mut encoder: HfTokenizer,
        spelling: Spelling,
        bos_default: BosDefault,
        metadata: &Metadata,
    ) -> Result<LocalTokenizer> {
        let of_kind = |kind: i32| {
            self.tokens.iter().enumerate().filter(move |(id, _)| self.kind(*id) == kind).map(|(_, text)| text)
        };
        let whole = |kind: i32, is_special: bool| -> Vec<AddedToken> {
            of_kind(kind).map(|text| AddedToken::from(text.as_str(), is_special).normalized(false)).collect()
        };
        encoder.add_special_tokens(&whole(TOKEN_TYPE_CONTROL, true));
        encoder.add_tokens(&whole(TOKEN_TYPE_USER_DEFINED, false));
        let pieces = self.tokens.iter().enumerate().map(|(id, text)| match self.kind(id) {
            TOKEN_TYPE_CONTROL | TOKEN_TYPE_UNUSED => Vec::new(),
            TOKEN_TYPE_USER_DEFINED => text.as_bytes().to_vec(),
            _ => spelling.bytes(text),
        });
        let controls = self.tokens.iter().enumerate().filter(|(id, _)| self.kind(*id) == TOKEN_TYPE_CONTROL);
        let controls = controls.filter_map(|(id, text)| Some((u32::try_from(id).ok()?, text.as_str())));
        let special = SpecialTokens::read(metadata, self.tokens.len(), bos_default)?.with_known_ends(controls);
        Ok(LocalTokenizer {
            pieces: Pieces::collect(pieces),
            trie: OnceLock::new(),
            encoder: Encoder::Vocabulary(Box::new(encoder)),
            bos: special.bos,
            eos: special.eos,
        })
    }
}

/// An array of texts that must be there.
pub(super) fn strings<'a>(metadata: &'a Metadata, key: &str) -> Result<&'a [String]> {
    match metadata.array(key)? {
        Some(MetaArray::Strings(texts)) => Ok(texts),
        Some(_) => Err(ModelError::key(key, "expected strings")),
        None => Err(ModelError::key(key, "it is not in the file")),
    }
}
