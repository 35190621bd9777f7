//! From a path to a checked model.

use std::collections::BTreeMap;
use std::path::Path;

use super::bytes::Bytes;
use super::config::{self, TensorFacts};
use super::gguf::{GgufFile, MAGIC};
use super::layout;
use super::metadata::Metadata;
use super::safetensors;
use crate::error::{ModelError, Result};
use crate::quant::BlockType;
use crate::tokenize::{HUGGING_FACE_KEY, TokenizerSpec};
use crate::weights::{ModelFile, Tensor};

impl ModelFile {
    /// Opens a GGUF file, or a folder with `config.json` and safetensors. The weights stay in the
    /// page cache: opening costs the header, the vocabulary and the small vectors.
    ///
    /// # Errors
    /// Any [`ModelError`] of reading; each names the key, tensor or file.
    pub fn open(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return safetensors::open(path);
        }
        let bytes = Bytes::map(path)?;
        if !bytes.starts_with(&MAGIC) {
            let start = &bytes[..bytes.len().min(MAGIC.len())];
            let reason = format!("the file starts with `{}`, not with `GGUF`", start.escape_ascii());
            return Err(ModelError::UnknownFormat { path: path.to_owned(), reason });
        }
        Self::from_gguf(bytes)
    }

    /// Reads a GGUF file that is part of the program.
    ///
    /// # Errors
    /// As [`ModelFile::open`].
    pub fn from_static(gguf: &'static [u8]) -> Result<Self> {
        Self::from_gguf(Bytes::from_static(gguf))
    }

    /// Reads GGUF bytes.
    ///
    /// # Errors
    /// As [`ModelFile::open`].
    pub fn from_gguf(bytes: Bytes) -> Result<Self> {
        let file = GgufFile::parse(&bytes)?;
        let mut tensors: BTreeMap<String, Tensor> =
            file.tensors.into_iter().map(|tensor| (tensor.name().to_owned(), tensor)).collect();
        let frequency_factors = tensors.remove("rope_freqs.weight").map(|tensor| tensor.to_f32());
        let config = config::read(&file.metadata, facts(&file.metadata, &tensors, frequency_factors)?)?;
        let tokenizer = match file.metadata.text("tokenizer.ggml.model")? {
            None | Some("none" | "no_vocab") => match file.metadata.text(HUGGING_FACE_KEY)? {
                Some(json) => TokenizerSpec::Json(json.to_owned()),
                None => TokenizerSpec::Bytes,
            },
            Some(_) => TokenizerSpec::Gguf,
        };
        let chat_template = file.metadata.text("tokenizer.chat_template")?.map(str::to_owned);
        assemble(ModelFile {
            config,
            metadata: file.metadata,
            tokenizer,
            chat_template,
            tensors,
            file_bytes: bytes.len() as u64,
            expected_bytes: file.expected_bytes,
            parts: vec![bytes],
        })
    }
}

/// What the tensors say about the configuration.
///
/// # Errors
/// [`ModelError::MissingTensor`] where there is no token embedding; an unsupported architecture is
/// reported first, because such a file may name its tensors differently.
pub(super) fn facts(
    metadata: &Metadata,
    tensors: &BTreeMap<String, Tensor>,
    frequency_factors: Option<Vec<f32>>,
) -> Result<TensorFacts> {
    let architecture = config::architecture(metadata)?;
    let name = "token_embd.weight";
    let embedding =
        tensors.get(name).ok_or_else(|| ModelError::MissingTensor { name: name.to_owned(), architecture })?;
    Ok(TensorFacts {
        vocab: embedding.rows(),
        has_head: tensors.contains_key("output.weight"),
        has_qkv_bias: ["blk.0.attn_q.bias", "blk.0.attn_qkv.bias"].iter().any(|name| tensors.contains_key(*name)),
        frequency_factors,
    })
}

/// Checks every tensor's presence and shape, refuses unknown ones, and makes all vectors F32.
pub(super) fn assemble(mut model: ModelFile) -> Result<ModelFile> {
    let mut known = BTreeMap::new();
    for slot in layout::slots(&model.config) {
        let tensor = model.tensors.remove(&slot.name).ok_or_else(|| ModelError::MissingTensor {
            name: slot.name.clone(),
            architecture: model.config.architecture,
        })?;
        if tensor.dims() != slot.dims {
            return Err(ModelError::Shape { name: slot.name, found: tensor.dims().to_vec(), expected: slot.dims });
        }
        let tensor = if slot.dims.len() == 1 { widened(tensor)? } else { tensor };
        known.insert(slot.name, tensor);
    }
    // A tensor that the graph would ignore changes the results, so it is not ignored.
    if let Some(name) = model.tensors.into_keys().next() {
        return Err(ModelError::UnknownTensor { name, architecture: model.config.architecture });
    }
    model.tensors = known;
    Ok(model)
}

/// A vector as F32, so that norms and biases need no conversion while the model runs.
fn widened(tensor: Tensor) -> Result<Tensor> {
    if tensor.block_type() == BlockType::F32 {
        return Ok(tensor);
    }
    let values = tensor.to_f32();
    let bytes = Bytes::copy_from(bytemuck::cast_slice(&values));
    Tensor::new(tensor.name(), tensor.dims().to_vec(), BlockType::F32, bytes)
}
