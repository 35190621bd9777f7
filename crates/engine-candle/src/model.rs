//! Models as candle computes them.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};

use candle_core::quantized::gguf_file::Content;
use candle_core::{Device, Tensor};
use candle_transformers::models::{quantized_llama, quantized_qwen2, quantized_qwen3};

use crate::error::CandleError;

/// Positions for which candle's models have tables and caches.
const LONGEST_CONTEXT: usize = quantized_llama::MAX_SEQ_LEN;

/// Contexts beyond it are damage: tables of that many positions are made on loading.
const LARGEST_CONTEXT: u64 = 1 << 24;

/// A tensor that stretches positions of long contexts; candle leaves it out and would compute another model.
const STRETCHED: &str = "rope_freqs.weight";

/// A model and the keys and values of the one sequence that it reads.
pub(crate) enum Model {
    Llama(quantized_llama::ModelWeights),
    Qwen2(quantized_qwen2::ModelWeights),
    Qwen3(quantized_qwen3::ModelWeights),
}

/// What a file says of its model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) architecture: String,
    /// Its own name.
    pub(crate) title: Option<String>,
    pub(crate) parameters: u64,
    /// Type that holds most weights.
    pub(crate) quantization: String,
    pub(crate) context_length: usize,
    /// Bytes of keys and values per token.
    pub(crate) kv_bytes: u64,
    /// Bytes of all tensors.
    pub(crate) weight_bytes: u64,
}

impl Model {
    /// Reads a GGUF file. `admit` is asked before any weight is.
    pub(crate) fn read<R: Read + Seek>(
        name: &str,
        reader: &mut R,
        device: &Device,
        admit: impl FnOnce(&Facts) -> Result<(), CandleError>,
    ) -> Result<(Self, Facts), CandleError> {
        let broken = |problem: String| CandleError::Broken { name: name.to_owned(), problem };
        let content = guarded(|| Content::read(reader)).map_err(broken)?;
        let facts = guarded(|| Facts::of(&content)).map_err(broken)?;
        let unsupported = |problem: String| CandleError::Unsupported { name: name.to_owned(), problem };
        if content.tensor_infos.contains_key(STRETCHED) {
            return Err(unsupported(format!("it leaves `{STRETCHED}` out, and would compute another model")));
        }
        admit(&facts)?;
        let model = match facts.architecture.as_str() {
            "llama" => guarded(|| quantized_llama::ModelWeights::from_gguf(content, reader, device)).map(Self::Llama),
            "qwen2" => guarded(|| quantized_qwen2::ModelWeights::from_gguf(content, reader, device)).map(Self::Qwen2),
            "qwen3" => guarded(|| quantized_qwen3::ModelWeights::from_gguf(content, reader, device)).map(Self::Qwen3),
            other => {
                return Err(unsupported(format!("its architecture is `{other}`, and llama, qwen2 and qwen3 are read")));
            }
        };
        Ok((model.map_err(broken)?, facts))
    }

    /// Reads tokens that follow `position` earlier ones, and begins to compute the logits after the last: `[1, vocabulary]`.
    pub(crate) fn forward(&mut self, tokens: &[u32], position: usize, device: &Device) -> candle_core::Result<Tensor> {
        let input = Tensor::new(tokens, device)?.unsqueeze(0)?;
        match self {
            Self::Llama(model) => model.forward(&input, position),
            Self::Qwen2(model) => model.forward(&input, position),
            Self::Qwen3(model) => model.forward(&input, position),
        }
    }

    /// Another one with the same weights that has read nothing; made before the first sequence. `None` where candle cannot:
    /// its qwen2 has no copies, and on the processor each cache of a qwen3 takes the memory of the longest context at once.
    pub(crate) fn share(&self, device: &Device) -> Option<Self> {
        match self {
            Self::Llama(model) => Some(Self::Llama(model.clone())),
            Self::Qwen3(model) if !device.is_cpu() => Some(Self::Qwen3(model.clone())),
            Self::Qwen2(_) | Self::Qwen3(_) => None,
        }
    }

    /// Forgets the sequence. A qwen2 keeps a mask for every length of a prompt that it has read.
    pub(crate) fn clear(&mut self) {
        match self {
            Self::Llama(model) => model.clear_kv_cache(),
            Self::Qwen2(model) => model.clear_kv_cache(),
            Self::Qwen3(model) => model.clear_kv_cache(),
        }
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Llama(_) => "Llama",
            Self::Qwen2(_) => "Qwen2",
            Self::Qwen3(_) => "Qwen3",
        })
    }
}

impl Facts {
    fn of(content: &Content) -> candle_core::Result<Self> {
        let text = |key: &str| content.metadata.get(key).and_then(|value| value.to_string().ok()).cloned();
        let Some(architecture) = text("general.architecture") else {
            candle_core::bail!("it has no key `general.architecture`")
        };
        let number =
            |key: &str| -> Option<u64> { content.metadata.get(&format!("{architecture}.{key}"))?.to_u64().ok() };
        let context = number("context_length").unwrap_or(LONGEST_CONTEXT as u64);
        if context == 0 || context > LARGEST_CONTEXT {
            candle_core::bail!("`{architecture}.context_length` is `{context}`, it must be 1 to {LARGEST_CONTEXT}")
        }
        let mut values: BTreeMap<String, u64> = BTreeMap::new();
        let mut weight_bytes = 0_u64;
        for info in content.tensor_infos.values() {
            let count = info.shape.dims().iter().try_fold(1_u64, |count, &dim| count.checked_mul(dim as u64));
            let Some(count) = count else { candle_core::bail!("a tensor has the shape {:?}", info.shape) };
            *values.entry(type_name(&format!("{:?}", info.ggml_dtype))).or_default() += count;
            let blocks = count / info.ggml_dtype.block_size().max(1) as u64;
            weight_bytes = weight_bytes.saturating_add(blocks.saturating_mul(info.ggml_dtype.type_size() as u64));
        }
        let heads = number("attention.head_count").unwrap_or(1).max(1);
        let width = number("attention.key_length").unwrap_or(number("embedding_length").unwrap_or(0) / heads);
        let kv_heads = number("attention.head_count_kv").unwrap_or(heads);
        let kv_bytes = [number("block_count").unwrap_or(0), 2, kv_heads, width, size_of::<f32>() as u64];
        let quantization = values.iter().max_by_key(|(_, count)| **count).map(|(name, _)| name.clone());
        Ok(Self {
            title: text("general.name"),
            parameters: values.values().fold(0, |sum: u64, count| sum.saturating_add(*count)),
            quantization: quantization.unwrap_or_default(),
            context_length: usize::try_from(context).unwrap_or(usize::MAX).min(LONGEST_CONTEXT),
            kv_bytes: kv_bytes.into_iter().fold(1, u64::saturating_mul),
            weight_bytes,
            architecture,
        })
    }
}

/// Candle writes `Q4K` where files and every other engine write `Q4_K`.
fn type_name(name: &str) -> String {
    match name.strip_suffix('K') {
        Some(bits) => format!("{bits}_K"),
        None => name.to_owned(),
    }
}

/// Runs what may panic on a damaged file.
fn guarded<T>(work: impl FnOnce() -> candle_core::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => Err(panic_text(&*panic)),
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("candle panicked: {}", text.unwrap_or("no message"))
}
