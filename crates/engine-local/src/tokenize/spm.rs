//! SentencePiece BPE from `tokenizer.ggml.model` = `llama`: pieces with scores, bytes as fallback.

use std::collections::HashMap;

use tokenizers::Tokenizer as HfTokenizer;
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::normalizers::{NormalizerWrapper, Prepend, Replace, Sequence};

use super::vocabulary::{TOKEN_TYPE_NORMAL, Vocabulary};
use super::{BosDefault, LocalTokenizer};
use crate::error::{ModelError, Result};
use crate::formats::Metadata;
use weighbridge_engine::pieces::Spelling;

/// The type of the piece that stands for the unknown.
const TOKEN_TYPE_UNKNOWN: i32 = 2;

pub(super) fn build(vocabulary: &Vocabulary<'_>, metadata: &Metadata) -> Result<LocalTokenizer> {
    if vocabulary.scores.is_empty() {
        return Err(ModelError::key("tokenizer.ggml.scores", "it is not in the file"));
    }
    let failed = |error: tokenizers::Error| ModelError::tokenizer(error.to_string());
    let mut model = BPE::builder()
        .vocab_and_merges(vocabulary.entries().collect::<Vocab>(), merges(vocabulary))
        .cache_capacity(0)
        .byte_fallback(true)
        .fuse_unk(true);
    let unknown = (0..vocabulary.tokens.len()).find(|&id| vocabulary.kind(id) == TOKEN_TYPE_UNKNOWN);
    if let Some(id) = unknown {
        model = model.unk_token(vocabulary.tokens[id].clone());
    }
    let mut encoder = HfTokenizer::new(model.build().map_err(failed)?);
    let mut steps: Vec<NormalizerWrapper> = vec![Replace::new(" ", "▁").map_err(failed)?.into()];
    if metadata.flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(true) {
        steps.insert(0, Prepend::new("▁".to_owned()).into());
    }
    encoder.with_normalizer(Some(Sequence::new(steps)));
    vocabulary.finish(encoder, Spelling::SentencePiece, BosDefault::Added, metadata)
}

/// The merges that a list of scored pieces stands for: every way to make a piece of two others, the
/// highest score first. SentencePiece merges by the score of the result, so the order is the same.
fn merges(vocabulary: &Vocabulary<'_>) -> Merges {
    let ids: HashMap<&str, usize> = vocabulary.tokens.iter().map(String::as_str).zip(0..).collect();
    let mut found = Vec::new();
    for (id, token) in vocabulary.tokens.iter().enumerate() {
        if vocabulary.kind(id) != TOKEN_TYPE_NORMAL {
            continue;
        }
        for (place, _) in token.char_indices().skip(1) {
            let (left, right) = token.split_at(place);
            if let (Some(&left), Some(&right)) = (ids.get(left), ids.get(right)) {
                found.push((id, left, right));
            }
        }
    }
    found.sort_by(|a, b| vocabulary.scores[b.0].total_cmp(&vocabulary.scores[a.0]).then(a.cmp(b)));
    let text = |id: usize| vocabulary.tokens[id].clone();
    found.into_iter().map(|(_, left, right)| (text(left), text(right))).collect()
}
