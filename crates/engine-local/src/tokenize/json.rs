//! Hugging Face `tokenizer.json`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use tokenizers::{ModelWrapper, Tokenizer as HfTokenizer};

use super::{BosDefault, Encoder, LocalTokenizer, SpecialTokens};
use crate::error::{ModelError, Result};
use crate::formats::Metadata;
use weighbridge_engine::pieces::{Pieces, Spelling};

pub(super) fn build(text: &str, metadata: &Metadata) -> Result<LocalTokenizer> {
    let mut encoder =
        HfTokenizer::from_bytes(text).map_err(|error| ModelError::tokenizer(format!("`tokenizer.json`: {error}")))?;
    let failed = |error: tokenizers::Error| ModelError::tokenizer(error.to_string());
    // Prompts are cut to length elsewhere, and nothing here works on padded batches.
    encoder.with_truncation(None).map_err(failed)?.with_padding(None);
    let spelling = spelling(&encoder)?;
    let vocabulary: BTreeMap<u32, String> =
        encoder.get_vocab(true).into_iter().map(|(token, id)| (id, token)).collect();
    let count = vocabulary.last_key_value().map_or(0, |(&last, _)| last as usize + 1);
    let added = encoder.get_added_tokens_decoder();
    let piece = |id: u32| match (added.get(&id), vocabulary.get(&id)) {
        (Some(token), _) if token.special => Vec::new(),
        (Some(token), _) => token.content.clone().into_bytes(),
        (None, Some(token)) => spelling.bytes(token),
        (None, None) => Vec::new(),
    };
    // An id near the limit of its type would make the table itself the damage.
    const LARGEST: usize = 1 << 24;
    if count > LARGEST {
        return Err(ModelError::tokenizer(format!("its largest id is {}, at most {LARGEST} ids exist", count - 1)));
    }
    let pieces = Pieces::collect((0..count).filter_map(|id| u32::try_from(id).ok()).map(piece));
    let controls = added.iter().filter(|(_, token)| token.special).map(|(&id, token)| (id, token.content.as_str()));
    let special = SpecialTokens::read(metadata, count, BosDefault::Omitted)?.with_known_ends(controls);
    let bos = special.bos.or(first_added(&encoder)?);
    Ok(LocalTokenizer {
        pieces,
        trie: OnceLock::new(),
        bos,
        eos: special.eos,
        encoder: Encoder::Vocabulary(Box::new(encoder)),
    })
}

/// The token that the post-processor puts before a text: the surest sign that the model wants one.
fn first_added(encoder: &HfTokenizer) -> Result<Option<u32>> {
    let empty = encoder.encode_fast("", true).map_err(|error| ModelError::tokenizer(error.to_string()))?;
    Ok(empty.get_ids().first().copied())
}

/// How the vocabulary writes bytes, which the decoder undoes.
fn spelling(encoder: &HfTokenizer) -> Result<Spelling> {
    let decoder = serde_json::to_string(&encoder.get_decoder());
    let decoder = decoder.map_err(|error| ModelError::tokenizer(error.to_string()))?;
    let falls_back = matches!(encoder.get_model(), ModelWrapper::BPE(model) if model.byte_fallback);
    Ok(if decoder.contains("\"ByteLevel\"") {
        Spelling::ByteLevel
    } else if falls_back || decoder.contains("\"ByteFallback\"") || decoder.contains("\"Metaspace\"") {
        Spelling::SentencePiece
    } else {
        Spelling::Literal
    })
}
