//! A Hugging Face folder: `config.json`, one or more `*.safetensors`, `tokenizer.json`.
//!
//! Weights stay mapped, except those of gpt2's `Conv1D` layers, which are stored input first and are
//! transposed into heap memory, and matrices of experts, which are put on each other there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata as Header, TensorInfo};
use serde_json::Value;

use super::bytes::Bytes;
use super::hf_names::{Place, place};
use super::{config, hf_config, open};
use crate::error::{ModelError, Result};
use crate::quant::BlockType;
use crate::tokenize::TokenizerSpec;
use crate::weights::{Architecture, ModelFile, Tensor};

/// Bytes before the header: its length.
const LENGTH_BYTES: usize = 8;

/// The reference implementation refuses longer headers too.
const MAX_HEADER_BYTES: usize = 100_000_000;

/// Opens a folder.
///
/// # Errors
/// Any [`ModelError`] of reading.
pub(super) fn open(folder: &Path) -> Result<ModelFile> {
    let config_bytes = required(folder, "config.json")?;
    let source = hf_config::Source {
        config: json(&config_bytes, "config.json")?,
        generation: optional_json(folder, "generation_config.json")?,
        tokenizer: optional_json(folder, "tokenizer_config.json")?,
    };
    let translated = hf_config::translate(&source)?;
    let architecture = config::architecture(&translated.metadata)?;
    let mut parts = vec![config_bytes];
    let tokenizer = tokenizer(folder, &mut parts)?;
    let (mut tensors, mut stacks) = (BTreeMap::new(), BTreeMap::new());
    let (mut file_bytes, mut expected_bytes) = (0, 0);
    for name in shard_names(folder)? {
        let bytes = Bytes::map(&folder.join(&name))?;
        let shard = read_shard(&bytes, &name, architecture)?;
        tensors.extend(shard.tensors);
        for (name, expert, tensor) in shard.experts {
            stacks.entry(name).or_insert_with(BTreeMap::new).insert(expert, tensor);
        }
        file_bytes += bytes.len() as u64;
        expected_bytes += shard.expected_bytes;
        parts.push(bytes);
    }
    for (name, matrices) in stacks {
        let stack = stacked(&name, &matrices)?;
        tensors.insert(name, stack);
    }
    if translated.tied_embeddings {
        // Some writers store the tied head a second time.
        tensors.remove("output.weight");
    }
    let facts = open::facts(&translated.metadata, &tensors, translated.frequency_factors)?;
    let mut config = config::read(&translated.metadata, facts)?;
    if let Some(rope) = &mut config.rope {
        rope.style = crate::weights::RopeStyle::Neox;
    }
    let chat_template = chat_template(folder, source.tokenizer.as_ref())?;
    let metadata = translated.metadata;
    open::assemble(ModelFile { config, metadata, tokenizer, chat_template, tensors, file_bytes, expected_bytes, parts })
}

fn required(folder: &Path, name: &str) -> Result<Bytes> {
    let path = folder.join(name);
    if !path.exists() {
        let reason = format!("the folder has no `{name}`");
        return Err(ModelError::UnknownFormat { path: folder.to_owned(), reason });
    }
    Bytes::map(&path)
}

fn optional(folder: &Path, name: &str) -> Result<Option<Bytes>> {
    let path = folder.join(name);
    path.exists().then(|| Bytes::map(&path)).transpose()
}

fn optional_json(folder: &Path, name: &str) -> Result<Option<Value>> {
    optional(folder, name)?.map(|bytes| json(&bytes, name)).transpose()
}

fn json(bytes: &[u8], name: &str) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|error| json_error(&error, bytes, name, 0))
}

/// `serde_json` counts lines and columns; a file offset is easier to look at in any tool.
fn json_error(error: &serde_json::Error, bytes: &[u8], item: &str, start: usize) -> ModelError {
    let lines = bytes.split_inclusive(|&byte| byte == b'\n').take(error.line().saturating_sub(1));
    let offset = start + lines.map(<[u8]>::len).sum::<usize>() + error.column().saturating_sub(1);
    ModelError::broken(item, offset as u64, error.to_string())
}

fn text(bytes: &[u8], name: &str) -> Result<String> {
    let text = std::str::from_utf8(bytes);
    text.map(str::to_owned)
        .map_err(|error| ModelError::broken(name, error.valid_up_to() as u64, "the text is not UTF-8"))
}

fn tokenizer(folder: &Path, parts: &mut Vec<Bytes>) -> Result<TokenizerSpec> {
    const NAME: &str = "tokenizer.json";
    let Some(bytes) = optional(folder, NAME)? else { return Ok(TokenizerSpec::Bytes) };
    let spec = TokenizerSpec::Json(text(&bytes, NAME)?);
    parts.push(bytes);
    Ok(spec)
}

/// The template from its own file, or from the tokenizer's settings: a text, or a list with names.
fn chat_template(folder: &Path, tokenizer: Option<&Value>) -> Result<Option<String>> {
    const NAME: &str = "chat_template.jinja";
    if let Some(bytes) = optional(folder, NAME)? {
        return text(&bytes, NAME).map(Some);
    }
    let template = match tokenizer.and_then(|settings| settings.get("chat_template")) {
        Some(Value::Array(named)) => {
            named.iter().find(|entry| entry["name"] == "default").and_then(|entry| entry.get("template"))
        }
        other => other,
    };
    Ok(template.and_then(Value::as_str).map(str::to_owned))
}

/// The weight files, in the order of their names.
fn shard_names(folder: &Path) -> Result<BTreeSet<String>> {
    const SINGLE: &str = "model.safetensors";
    const INDEX: &str = "model.safetensors.index.json";
    let Some(index) = optional_json(folder, INDEX)? else {
        required(folder, SINGLE)?;
        return Ok(BTreeSet::from([SINGLE.to_owned()]));
    };
    let map = index.get("weight_map").and_then(Value::as_object);
    let map = map.ok_or_else(|| ModelError::key("weight_map", format!("it is not in `{INDEX}`")))?;
    let plain_name = |value: &Value| {
        let name = value.as_str().filter(|name| !name.contains(['/', '\\']) && *name != "..");
        name.map(str::to_owned).ok_or_else(|| ModelError::key("weight_map", format!("`{value}` is no file name")))
    };
    map.values().map(plain_name).collect()
}

/// One weight file.
struct Shard {
    /// Tensors under their canonical names.
    tensors: Vec<(String, Tensor)>,
    /// Matrices of stacks: the canonical name of the stack, the number, the matrix.
    experts: Vec<(String, usize, Tensor)>,
    /// Where the last tensor ends.
    expected_bytes: u64,
}

fn read_shard(bytes: &Bytes, file: &str, architecture: Architecture) -> Result<Shard> {
    let (header, data_start) = read_header(bytes, file)?;
    let (mut tensors, mut experts) = (Vec::new(), Vec::new());
    let mut infos: Vec<(String, &TensorInfo)> = header.tensors().into_iter().collect();
    infos.sort_by_key(|(_, info)| info.data_offsets);
    for (name, info) in infos {
        let place = place(&name, architecture);
        let canonical = match &place {
            Place::Dropped => continue,
            Place::As(canonical) | Place::Transposed(canonical) | Place::Stacked(canonical, _) => canonical,
        };
        let tensor = tensor(bytes, data_start, &name, canonical, info)?;
        match place {
            Place::Stacked(canonical, number) => experts.push((canonical, number, tensor)),
            Place::Transposed(canonical) => tensors.push((canonical, transposed(&tensor)?)),
            Place::As(canonical) => tensors.push((canonical, tensor)),
            Place::Dropped => {}
        }
    }
    Ok(Shard { tensors, experts, expected_bytes: data_start.saturating_add(header.data_len()) as u64 })
}

/// Parses the header of a safetensors file; returns it with the offset of the data.
///
/// # Errors
/// [`ModelError::Broken`] with the byte offset.
pub fn read_header(bytes: &[u8], file: &str) -> Result<(Header, usize)> {
    let item = format!("the header of `{file}`");
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        return Err(ModelError::broken(item, 0, format!("the file has only {} bytes", bytes.len())));
    };
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length > MAX_HEADER_BYTES {
        return Err(ModelError::broken(item, 0, format!("its length `{length}` is above {MAX_HEADER_BYTES}")));
    }
    let Some(json) = rest.get(..length) else {
        let reason = format!("it needs {length} bytes, but the file has {}", bytes.len());
        return Err(ModelError::broken(item, LENGTH_BYTES as u64, reason));
    };
    let header = serde_json::from_slice(json).map_err(|error| json_error(&error, json, &item, LENGTH_BYTES))?;
    Ok((header, LENGTH_BYTES + length))
}

fn tensor(bytes: &Bytes, data_start: usize, name: &str, canonical: &str, info: &TensorInfo) -> Result<Tensor> {
    let block_type = match info.dtype {
        Dtype::F32 => BlockType::F32,
        Dtype::F16 => BlockType::F16,
        Dtype::BF16 => BlockType::BF16,
        other => return Err(ModelError::UnsupportedType { tensor: name.to_owned(), found: format!("{other:?}") }),
    };
    let (start, end) = info.data_offsets;
    let range = data_start.checked_add(start).zip(data_start.checked_add(end));
    let data = range.and_then(|(start, end)| bytes.slice(start..end)).ok_or_else(|| {
        let reason = format!("its data needs {} bytes, but the file ends at byte {}", end - start, bytes.len());
        ModelError::broken(format!("tensor `{name}`"), data_start.saturating_add(start) as u64, reason)
    })?;
    Tensor::new(canonical, info.shape.clone(), block_type, data)
}

/// Matrices of one shape and type as one tensor, on the heap: files keep those of one expert beside each other, GGUF and the
/// products those of one kind.
fn stacked(name: &str, matrices: &BTreeMap<usize, Tensor>) -> Result<Tensor> {
    let mut words = Vec::new();
    let first = &matrices[matrices.keys().next().expect("a stack begins with its first matrix")];
    for (place, (&number, matrix)) in matrices.iter().enumerate() {
        if number != place {
            return Err(ModelError::key(name, format!("expert {place} is not in the files")));
        }
        if matrix.dims() != first.dims() || matrix.block_type() != first.block_type() {
            let (found, expected) = (matrix.dims().to_vec(), first.dims().to_vec());
            return Err(ModelError::Shape { name: format!("{name} of expert {number}"), found, expected });
        }
        words.extend_from_slice(matrix.bytes());
    }
    let dims = [&[matrices.len()], first.dims()].concat();
    Tensor::new(name, dims, first.block_type(), Bytes::copy_from(&words))
}

/// A matrix with rows and columns exchanged, on the heap.
fn transposed(tensor: &Tensor) -> Result<Tensor> {
    let &[rows, columns] = tensor.dims() else {
        let expected = vec![tensor.cols(), 0];
        return Err(ModelError::Shape { name: tensor.name().to_owned(), found: tensor.dims().to_vec(), expected });
    };
    let width = tensor.block_type().block_bytes();
    let mut words = vec![0; tensor.bytes().len()];
    for (row, bytes) in tensor.bytes().chunks_exact(columns * width).enumerate() {
        for (column, value) in bytes.chunks_exact(width).enumerate() {
            words[(column * rows + row) * width..][..width].copy_from_slice(value);
        }
    }
    Tensor::new(tensor.name(), vec![columns, rows], tensor.block_type(), Bytes::copy_from(&words))
}
