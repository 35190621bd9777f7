//! A loaded model: its shape, its tensors and what comes with them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::error::{ModelError, Result};
use crate::formats::{Bytes, MetaValue, Metadata};
use crate::quant::BlockType;
use crate::tokenize::TokenizerSpec;

/// Metadata key of files whose weights are random.
pub(crate) const SYNTHETIC_KEY: &str = "weighbridge.synthetic";

/// A family of model graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// Llama and its descendants: RMS norm, rotary positions, grouped attention, SwiGLU.
    Llama,
    /// Llama with biases on the query, key and value projections.
    Qwen2,
    /// Llama with an RMS norm on each query and key head.
    Qwen3,
    /// Qwen3 whose feed-forward blocks are experts, of which each token uses some.
    Qwen3Moe,
    /// Layer norm, learned positions, one fused projection for query, key and value, GELU.
    Gpt2,
}

impl Architecture {
    /// Every supported architecture.
    pub const ALL: [Self; 5] = [Self::Llama, Self::Qwen2, Self::Qwen3, Self::Qwen3Moe, Self::Gpt2];

    /// The name in GGUF's `general.architecture`; also the prefix of its keys.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Qwen3Moe => "qwen3moe",
            Self::Gpt2 => "gpt2",
        }
    }

    /// The architecture of this GGUF name.
    ///
    /// # Errors
    /// [`ModelError::UnsupportedArchitecture`] for any other name.
    pub fn from_name(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|architecture| architecture.name() == name)
            .ok_or_else(|| ModelError::UnsupportedArchitecture { found: name.to_owned() })
    }

    pub(crate) fn list() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// Which two values of a head are rotated together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopeStyle {
    /// Neighbors `(2i, 2i + 1)`: GGUF files of architecture llama, whose query and key rows the
    /// converter has reordered for it.
    Interleaved,
    /// Halves `(i, i + dims / 2)`: qwen2 and qwen3 everywhere, llama in safetensors.
    Neox,
}

/// Rotary position embedding.
///
/// The angle of pair `i` at position `p` is
/// `p / linear_factor · theta^(-2i / dims) / frequency_factors[i]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Which values form a pair.
    pub style: RopeStyle,
    /// Base of the frequencies.
    pub theta: f32,
    /// Values of each head that are rotated, from its start; even.
    pub dims: usize,
    /// Divides the position; 1 without linear scaling.
    pub linear_factor: f32,
    /// Divides each pair's frequency (`dims / 2` values, Llama 3.1 scaling); `None` means all ones.
    pub frequency_factors: Option<Vec<f32>>,
}

/// The experts of a model that has them: each is a feed-forward block, and a router picks some for every token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Experts {
    /// Experts in a block.
    pub count: usize,
    /// Experts that one token uses; at most `count`.
    pub used: usize,
    /// Values inside one expert.
    pub width: usize,
}

/// The sizes and constants of a model. Checked: nonzero, consistent with each other and with the tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// The graph.
    pub architecture: Architecture,
    /// Transformer blocks.
    pub layers: usize,
    /// Values of the residual stream.
    pub width: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Values of one head; `heads * head_dim` may differ from `width`.
    pub head_dim: usize,
    /// Values inside the feed-forward block, where it is one.
    pub ffn_width: usize,
    /// What the feed-forward blocks are made of; `None` where they are one.
    pub experts: Option<Experts>,
    /// Rows of the token embedding.
    pub vocab: usize,
    /// Longest sequence that the model was made for, in tokens.
    pub context_length: usize,
    /// Rotary positions; `None` for gpt2, which learns them (`position_embd.weight`).
    pub rope: Option<Rope>,
    /// Added to the variance in RMS norm and layer norm.
    pub norm_epsilon: f32,
    /// True where the head is the token embedding (there is no `output.weight`).
    pub tied_embeddings: bool,
    /// True where the query, key and value projections have biases.
    pub qkv_bias: bool,
}

impl ModelConfig {
    /// Values that all key (or value) heads of one token take in one layer.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Values that all query heads of one token take.
    pub fn query_width(&self) -> usize {
        self.heads * self.head_dim
    }
}

/// A named matrix or vector: `rows` rows of `cols` values, each row a whole number of blocks.
///
/// A weight maps `cols` inputs to `rows` outputs. A vector has one row. Bytes may lie in a mapped
/// file; the first touch of a page then reads the disk.
#[derive(Clone, Debug)]
pub struct Tensor {
    name: Arc<str>,
    dims: Vec<usize>,
    block_type: BlockType,
    row_bytes: usize,
    bytes: Bytes,
}

impl Tensor {
    /// Makes a tensor over `bytes`, with `dims` rows first (the reverse of GGUF's `ne`).
    ///
    /// # Errors
    /// [`ModelError::Shape`] or [`ModelError::Indivisible`] where the bytes, the shape and the type
    /// contradict each other.
    pub fn new(name: &str, dims: Vec<usize>, block_type: BlockType, bytes: Bytes) -> Result<Self> {
        let columns = dims.last().copied().unwrap_or(1);
        let row_bytes = block_type.row_bytes(columns).ok_or_else(|| ModelError::Indivisible {
            tensor: name.to_owned(),
            to: block_type,
            columns,
        })?;
        let expected = byte_len(&dims, block_type);
        if expected != Some(bytes.len()) {
            return Err(ModelError::key(
                name,
                format!("{} bytes do not hold {dims:?} values of {block_type}", bytes.len()),
            ));
        }
        Ok(Self { name: name.into(), dims, block_type, row_bytes, bytes: bytes.aligned(block_type) })
    }

    /// Canonical (GGUF) name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Shape, rows first; empty for a scalar.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Values in a row (the input width of a weight).
    pub fn cols(&self) -> usize {
        self.dims.last().copied().unwrap_or(1)
    }

    /// Rows (the output width of a weight); 1 for a vector.
    pub fn rows(&self) -> usize {
        self.dims.iter().rev().skip(1).product()
    }

    /// Number of values.
    pub fn value_count(&self) -> usize {
        self.rows() * self.cols()
    }

    /// How the values are stored.
    pub fn block_type(&self) -> BlockType {
        self.block_type
    }

    /// Bytes from one row to the next; there is no padding.
    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// All rows.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// True where the bytes lie in a mapped file and not on the heap.
    pub fn is_mapped(&self) -> bool {
        self.bytes.is_mapped()
    }

    /// The bytes of one row.
    ///
    /// # Panics
    /// When `row` is not below [`Tensor::rows`].
    pub fn row(&self, row: usize) -> &[u8] {
        &self.bytes[row * self.row_bytes..][..self.row_bytes]
    }

    /// One matrix of a stack of them, `dims()[0]` in number; it shares the memory.
    ///
    /// # Panics
    /// When the tensor is no stack, or has no such matrix.
    pub(crate) fn matrix(&self, index: usize) -> Self {
        let (count, dims) = self.dims.split_first().expect("a stack has dimensions");
        assert!(index < *count, "matrix {index} of `{}`", self.name);
        let size = self.bytes.len() / count;
        let bytes = self.bytes.slice(index * size..(index + 1) * size).expect("the stack holds its matrices");
        Self { dims: dims.to_vec(), bytes, ..self.clone() }
    }

    /// All values, converted.
    pub fn to_f32(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.value_count()];
        self.block_type.dequantize(self.bytes(), &mut values);
        values
    }

    /// Converts one row into `out`, which has [`Tensor::cols`] places.
    ///
    /// # Panics
    /// When `row` or the length of `out` is wrong.
    pub fn dequantize_row(&self, row: usize, out: &mut [f32]) {
        self.block_type.dequantize(self.row(row), out);
    }

    /// All values without a copy; `None` unless the type is F32.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match self.block_type {
            BlockType::F32 => bytemuck::try_cast_slice(&self.bytes).ok(),
            _ => None,
        }
    }
}

/// Bytes that values of this shape and type take; `None` where rows are not whole blocks or the
/// size does not fit.
pub(crate) fn byte_len(dims: &[usize], block_type: BlockType) -> Option<usize> {
    let (columns, outer) = dims.split_last().map_or((1, &[][..]), |(last, outer)| (*last, outer));
    let rows = outer.iter().try_fold(1_usize, |rows, &dim| rows.checked_mul(dim))?;
    block_type.row_bytes(columns)?.checked_mul(rows)
}

/// Everything that one model file (or folder) holds. Made by [`ModelFile::open`](crate::formats).
#[derive(Clone, Debug)]
pub struct ModelFile {
    /// Sizes and constants.
    pub config: ModelConfig,
    /// Key-value pairs as in the file; for safetensors the equivalent GGUF keys.
    pub metadata: Metadata,
    /// What the tokenizer is built from.
    pub tokenizer: TokenizerSpec,
    /// Jinja source of the chat template; `None` where the model has none.
    pub chat_template: Option<String>,
    /// Tensors by canonical name, checked against `config`.
    pub tensors: BTreeMap<String, Tensor>,
    /// Bytes of the weight files.
    pub file_bytes: u64,
    /// Bytes up to the end of the last tensor of each weight file.
    pub expected_bytes: u64,
    /// The files behind the tensors, in a fixed order, for the digest.
    pub(crate) parts: Vec<Bytes>,
}

impl ModelFile {
    /// The tensor with this canonical name.
    ///
    /// # Errors
    /// [`ModelError::MissingTensor`].
    pub fn tensor(&self, name: &str) -> Result<&Tensor> {
        self.tensors
            .get(name)
            .ok_or_else(|| ModelError::MissingTensor { name: name.to_owned(), architecture: self.config.architecture })
    }

    /// The output head: `output.weight`, or the token embedding where the two are tied.
    ///
    /// # Errors
    /// [`ModelError::MissingTensor`] where neither is there.
    pub fn head(&self) -> Result<&Tensor> {
        self.tensor(if self.config.tied_embeddings { "token_embd.weight" } else { "output.weight" })
    }

    /// True where the file says that its weights are random.
    pub fn is_synthetic(&self) -> bool {
        self.metadata.get(SYNTHETIC_KEY).and_then(MetaValue::as_bool) == Some(true)
    }

    /// SHA-256 in hexadecimal: of a GGUF file its bytes, so that it equals `sha256sum`; of a folder
    /// `config.json`, `tokenizer.json` and the weight files in the order of their names. Reads every byte.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for part in &self.parts {
            hasher.update(&**part);
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Weights that the computation of one token uses: all but the experts that it leaves aside.
    pub fn active_parameters(&self) -> u64 {
        let used = |tensor: &Tensor| match self.config.experts {
            Some(experts) if tensor.dims().len() == 3 => tensor.value_count() / experts.count * experts.used,
            _ => tensor.value_count(),
        };
        self.tensors.values().map(|tensor| used(tensor) as u64).sum()
    }

    /// Frees what only the tokenizer is built from, megabytes with a vocabulary of a hundred thousand tokens. The file then
    /// says that it has none.
    pub(crate) fn forget_vocabulary(&mut self) {
        self.tokenizer = TokenizerSpec::Bytes;
        self.metadata.remove_long("tokenizer.");
    }

    /// Bytes of weights that lie in mapped files, and on the heap.
    pub fn weight_bytes(&self) -> WeightBytes {
        let sum = |mapped: bool| {
            self.tensors.values().filter(|tensor| tensor.is_mapped() == mapped).map(|tensor| tensor.bytes().len()).sum()
        };
        WeightBytes { mapped: sum(true), heap: sum(false) }
    }
}

/// Where the weights lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightBytes {
    /// Bytes in mapped files (or in the program's own image).
    pub mapped: usize,
    /// Bytes copied to the heap.
    pub heap: usize,
}
