//! What is in a model file, without running it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::error::Result;
use crate::quant::BlockType;
use crate::weights::{Experts, ModelFile, Tensor};

/// A model file described.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// `gguf` or `safetensors`.
    pub format: &'static str,
    /// Architecture as in the file.
    pub architecture: String,
    /// Name as in the file; `None` where it gives none.
    pub name: Option<String>,
    /// Number of weights.
    pub parameters: u64,
    /// Number of weights that one token uses; fewer than all where there are experts.
    pub active_parameters: u64,
    /// Experts of each block; `None` where there are none.
    pub experts: Option<Experts>,
    /// Transformer blocks.
    pub layers: usize,
    /// Values of the residual stream.
    pub width: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Rows of the token embedding.
    pub vocab: usize,
    /// Longest sequence that the model was made for, in tokens.
    pub context_length: usize,
    /// What the tokenizer is built from.
    pub tokenizer: &'static str,
    /// True where the file brings a chat template.
    pub has_chat_template: bool,
    /// True where the weights are random and the file says so.
    pub is_synthetic: bool,
    /// Bytes of the weight files.
    pub file_bytes: u64,
    /// Bytes up to the end of the last tensor; less than `file_bytes` where something follows it.
    pub expected_bytes: u64,
    /// SHA-256 in hexadecimal, see [`ModelFile::digest`].
    pub sha256: String,
    /// Weights by number format, the most bytes first.
    pub types: Vec<TypeShare>,
    /// All tensors by name.
    pub tensors: Vec<TensorSummary>,
}

/// The tensors of one number format.
#[derive(Clone, Debug, Serialize)]
pub struct TypeShare {
    /// Number format.
    pub block_type: String,
    /// Tensors stored in it.
    pub tensors: usize,
    /// Weights stored in it.
    pub parameters: u64,
    /// Bytes that they take.
    pub bytes: u64,
}

/// One tensor.
#[derive(Clone, Debug, Serialize)]
pub struct TensorSummary {
    /// Canonical name.
    pub name: String,
    /// Shape, rows first.
    pub dims: Vec<usize>,
    /// Number format in memory; vectors are widened to F32 when they are read.
    pub block_type: String,
    /// Bytes that it takes.
    pub bytes: usize,
}

/// Describes the model at `path`. Reads every byte once, for the digest.
///
/// # Errors
/// As [`ModelFile::open`].
pub fn inspect(path: &Path) -> Result<Inspection> {
    let model = ModelFile::open(path)?;
    let config = &model.config;
    Ok(Inspection {
        format: if path.is_dir() { "safetensors" } else { "gguf" },
        architecture: config.architecture.to_string(),
        name: model.metadata.text("general.name")?.map(str::to_owned),
        parameters: model.tensors.values().map(|tensor| tensor.value_count() as u64).sum(),
        active_parameters: model.active_parameters(),
        experts: config.experts,
        layers: config.layers,
        width: config.width,
        heads: config.heads,
        kv_heads: config.kv_heads,
        vocab: config.vocab,
        context_length: config.context_length,
        tokenizer: model.tokenizer.name(),
        has_chat_template: model.chat_template.is_some(),
        is_synthetic: model.is_synthetic(),
        file_bytes: model.file_bytes,
        expected_bytes: model.expected_bytes,
        sha256: model.digest(),
        types: shares(model.tensors.values()),
        tensors: model.tensors.values().map(summary).collect(),
    })
}

fn shares<'a>(tensors: impl Iterator<Item = &'a Tensor>) -> Vec<TypeShare> {
    let mut shares = BTreeMap::<BlockType, TypeShare>::new();
    for tensor in tensors {
        let block_type = tensor.block_type();
        let share = shares.entry(block_type).or_insert_with(|| TypeShare {
            block_type: block_type.to_string(),
            tensors: 0,
            parameters: 0,
            bytes: 0,
        });
        share.tensors += 1;
        share.parameters += tensor.value_count() as u64;
        share.bytes += tensor.bytes().len() as u64;
    }
    let mut shares: Vec<_> = shares.into_values().collect();
    shares.sort_by_key(|share| std::cmp::Reverse(share.bytes));
    shares
}

fn summary(tensor: &Tensor) -> TensorSummary {
    TensorSummary {
        name: tensor.name().to_owned(),
        dims: tensor.dims().to_vec(),
        block_type: tensor.block_type().to_string(),
        bytes: tensor.bytes().len(),
    }
}
