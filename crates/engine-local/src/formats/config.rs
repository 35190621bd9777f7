//! The sizes of a model, from the keys of its metadata.

use super::metadata::{MetaArray, MetaValue, Metadata};
use crate::error::{ModelError, Result};
use crate::weights::{Architecture, Experts, ModelConfig, Rope, RopeStyle};

/// What the tensors say that no key says.
#[derive(Clone, Debug)]
pub(crate) struct TensorFacts {
    /// Rows of the token embedding.
    pub(crate) vocab: usize,
    /// True where there is an `output.weight`.
    pub(crate) has_head: bool,
    /// True where there is a `blk.0.attn_q.bias` or `blk.0.attn_qkv.bias`.
    pub(crate) has_qkv_bias: bool,
    /// Values of `rope_freqs.weight`.
    pub(crate) frequency_factors: Option<Vec<f32>>,
}

/// Reads the configuration of a GGUF file and checks that it is possible.
///
/// # Errors
/// [`ModelError::Key`] for an absent or impossible value, [`ModelError::UnsupportedArchitecture`],
/// [`ModelError::UnsupportedSetting`].
pub(crate) fn read(metadata: &Metadata, facts: TensorFacts) -> Result<ModelConfig> {
    let architecture = architecture(metadata)?;
    let keys = Keys { metadata, architecture };
    let width = keys.size("embedding_length")?;
    let heads = keys.size("attention.head_count")?;
    let head_dim = keys.size_or("attention.key_length", width / heads)?;
    if keys.size_or("attention.value_length", head_dim)? != head_dim {
        return Err(keys.error("attention.value_length", "it differs from the key length"));
    }
    let config = ModelConfig {
        architecture,
        layers: keys.size("block_count")?,
        width,
        heads,
        kv_heads: kv_heads(&keys, heads)?,
        head_dim,
        ffn_width: keys.size_or("feed_forward_length", 4 * width)?,
        experts: experts(&keys)?,
        vocab: facts.vocab,
        context_length: keys.size("context_length")?,
        rope: rope(&keys, head_dim, facts.frequency_factors)?,
        norm_epsilon: epsilon(&keys)?,
        tied_embeddings: !facts.has_head,
        qkv_bias: facts.has_qkv_bias,
    };
    check(&keys, &config)?;
    Ok(config)
}

/// The architecture that the metadata names.
pub(crate) fn architecture(metadata: &Metadata) -> Result<Architecture> {
    const KEY: &str = "general.architecture";
    Architecture::from_name(metadata.text(KEY)?.ok_or_else(|| absent(KEY))?)
}

/// Looks keys up under the architecture's prefix.
struct Keys<'a> {
    metadata: &'a Metadata,
    architecture: Architecture,
}

impl Keys<'_> {
    fn name(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    fn error(&self, key: &str, reason: impl Into<String>) -> ModelError {
        ModelError::key(self.name(key), reason)
    }

    fn size(&self, key: &str) -> Result<usize> {
        let name = self.name(key);
        let size = self.metadata.size(&name)?.ok_or_else(|| absent(&name))?;
        self.nonzero(key, size)
    }

    fn size_or(&self, key: &str, default: usize) -> Result<usize> {
        let size = self.metadata.size(&self.name(key))?.unwrap_or(default);
        self.nonzero(key, size)
    }

    fn float(&self, key: &str) -> Result<Option<f32>> {
        self.metadata.float(&self.name(key))
    }

    fn nonzero(&self, key: &str, size: usize) -> Result<usize> {
        // Sizes are multiplied with each other; the largest real one is far below this.
        const MAX: usize = 1 << 28;
        if (1..=MAX).contains(&size) {
            return Ok(size);
        }
        Err(self.error(key, format!("found `{size}`, expected 1 to {MAX}")))
    }
}

fn absent(key: &str) -> ModelError {
    ModelError::key(key, "it is not in the file")
}

/// Mixtral has experts under the architecture llama, of the size of its feed-forward block.
fn experts(keys: &Keys<'_>) -> Result<Option<Experts>> {
    const COUNT: &str = "expert_count";
    let count = keys.metadata.size(&keys.name(COUNT))?.unwrap_or(0);
    match keys.architecture {
        Architecture::Llama | Architecture::Qwen3Moe if count > 0 => {}
        Architecture::Qwen3Moe => return Err(keys.error(COUNT, "found `0`, expected 1 or more")),
        _ if count == 0 => return Ok(None),
        _ => {
            let (key, found) = (keys.name(COUNT), count.to_string());
            return Err(ModelError::UnsupportedSetting { key, found, supported: "dense models (0)" });
        }
    }
    let used = keys.size("expert_used_count")?;
    if used > count {
        return Err(keys.error("expert_used_count", format!("found `{used}`, more than the {count} experts")));
    }
    let width = match keys.metadata.size(&keys.name("expert_feed_forward_length"))? {
        Some(width) => keys.nonzero("expert_feed_forward_length", width)?,
        None => keys.size("feed_forward_length")?,
    };
    Ok(Some(Experts { count: keys.nonzero(COUNT, count)?, used, width }))
}

/// Some converters store one number per layer; equal numbers are accepted.
fn kv_heads(keys: &Keys<'_>, heads: usize) -> Result<usize> {
    const KEY: &str = "attention.head_count_kv";
    let name = keys.name(KEY);
    let Some(MetaValue::Array(array)) = keys.metadata.get(&name) else {
        return keys.size_or(KEY, heads);
    };
    let counts = match array {
        MetaArray::I32(values) => values.as_slice(),
        MetaArray::Strings(_) | MetaArray::F32(_) | MetaArray::Other { .. } => &[],
    };
    match counts {
        [first, rest @ ..] if rest.iter().all(|count| count == first) => {
            keys.nonzero(KEY, usize::try_from(*first).unwrap_or(usize::MAX))
        }
        _ => Err(ModelError::UnsupportedSetting {
            key: name,
            found: format!("{counts:?}"),
            supported: "the same number in every layer",
        }),
    }
}

fn rope(keys: &Keys<'_>, head_dim: usize, frequency_factors: Option<Vec<f32>>) -> Result<Option<Rope>> {
    let style = match keys.architecture {
        Architecture::Llama => RopeStyle::Interleaved,
        Architecture::Qwen2 | Architecture::Qwen3 | Architecture::Qwen3Moe => RopeStyle::Neox,
        Architecture::Gpt2 => return Ok(None),
    };
    let rope = Rope {
        style,
        theta: keys.float("rope.freq_base")?.unwrap_or(10_000.0),
        dims: keys.size_or("rope.dimension_count", head_dim)?,
        linear_factor: linear_factor(keys)?,
        frequency_factors,
    };
    if !rope.dims.is_multiple_of(2) || rope.dims > head_dim {
        return Err(keys.error("rope.dimension_count", format!("found `{}`, head size is {head_dim}", rope.dims)));
    }
    if rope.theta <= 0.0 {
        return Err(keys.error("rope.freq_base", format!("found `{}`, expected above 0", rope.theta)));
    }
    let factors_fit = |factors: &Vec<f32>| factors.len() == rope.dims / 2 && factors.iter().all(|&f| f > 0.0);
    if !rope.frequency_factors.as_ref().is_none_or(factors_fit) {
        return Err(ModelError::key("rope_freqs.weight", format!("expected {} positive factors", rope.dims / 2)));
    }
    Ok(Some(rope))
}

fn linear_factor(keys: &Keys<'_>) -> Result<f32> {
    let key = keys.name("rope.scaling.type");
    let kind = keys.metadata.text(&key)?;
    let factor = match kind {
        None => keys.float("rope.scale_linear")?.unwrap_or(1.0),
        Some("none") => 1.0,
        Some("linear") => keys.float("rope.scaling.factor")?.unwrap_or(1.0),
        Some(other) => {
            return Err(ModelError::UnsupportedSetting { key, found: other.to_owned(), supported: "none, linear" });
        }
    };
    if factor > 0.0 {
        return Ok(factor);
    }
    Err(keys.error("rope.scaling.factor", format!("found `{factor}`, expected above 0")))
}

fn epsilon(keys: &Keys<'_>) -> Result<f32> {
    let key = match keys.architecture {
        Architecture::Gpt2 => "attention.layer_norm_epsilon",
        Architecture::Llama | Architecture::Qwen2 | Architecture::Qwen3 | Architecture::Qwen3Moe => {
            "attention.layer_norm_rms_epsilon"
        }
    };
    let value = keys.float(key)?.ok_or_else(|| absent(&keys.name(key)))?;
    if value >= 0.0 {
        return Ok(value);
    }
    Err(keys.error(key, format!("found `{value}`, expected 0 or more")))
}

fn check(keys: &Keys<'_>, config: &ModelConfig) -> Result<()> {
    if !config.heads.is_multiple_of(config.kv_heads) {
        let reason = format!("`{}` does not divide the {} query heads", config.kv_heads, config.heads);
        return Err(keys.error("attention.head_count_kv", reason));
    }
    if config.architecture == Architecture::Gpt2 {
        if config.kv_heads != config.heads {
            return Err(keys.error("attention.head_count_kv", "gpt2 has as many as query heads"));
        }
        if config.query_width() != config.width {
            return Err(keys.error("attention.head_count", format!("it does not divide the width {}", config.width)));
        }
    }
    Ok(())
}
