//! `config.json` and its companions, as GGUF metadata.

use serde_json::Value;

use super::metadata::{MetaValue, Metadata};
use crate::error::{ModelError, Result};

/// The JSON files of a folder.
#[derive(Debug)]
pub(super) struct Source {
    /// `config.json`.
    pub(super) config: Value,
    /// `generation_config.json`.
    pub(super) generation: Option<Value>,
    /// `tokenizer_config.json`.
    pub(super) tokenizer: Option<Value>,
}

/// What a folder says about its model.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) metadata: Metadata,
    pub(super) tied_embeddings: bool,
    pub(super) frequency_factors: Option<Vec<f32>>,
}

/// Translates the configuration to GGUF keys.
///
/// # Errors
/// [`ModelError::Key`] for absent or impossible values; `Unsupported…` for what is not implemented.
pub(super) fn translate(source: &Source) -> Result<Translated> {
    let config = Object(&source.config);
    let class = source.config["architectures"][0].as_str().or(source.config["model_type"].as_str());
    let name = match class.unwrap_or_default() {
        "LlamaForCausalLM" | "llama" => "llama",
        "Qwen2ForCausalLM" | "qwen2" => "qwen2",
        "MixtralForCausalLM" | "mixtral" => "llama",
        "Qwen3ForCausalLM" | "qwen3" => "qwen3",
        "Qwen3MoeForCausalLM" | "qwen3_moe" => "qwen3moe",
        "GPT2LMHeadModel" | "gpt2" => "gpt2",
        other => return Err(ModelError::UnsupportedArchitecture { found: other.to_owned() }),
    };
    let mut keys = Keys { metadata: Metadata::default(), prefix: name };
    keys.metadata.insert("general.architecture", name.into());
    if let Some(model) = source.config["_name_or_path"].as_str().filter(|model| !model.is_empty()) {
        keys.metadata.insert("general.name", model.rsplit('/').next().unwrap_or(model).into());
    }
    let (tied_by_default, frequency_factors) = if name == "gpt2" {
        gpt2(&config, &mut keys)?;
        (true, None)
    } else {
        (false, llama(&config, &mut keys)?)
    };
    special_tokens(source, &mut keys.metadata);
    let tied_embeddings = config.flag("tie_word_embeddings")?.unwrap_or(tied_by_default);
    Ok(Translated { metadata: keys.metadata, tied_embeddings, frequency_factors })
}

fn gpt2(config: &Object<'_>, keys: &mut Keys<'_>) -> Result<()> {
    config.expect("activation_function", &["gelu_new", "gelu_pytorch_tanh"], "gelu_new")?;
    config.expect_flag("scale_attn_by_inverse_layer_idx", false)?;
    config.expect_flag("scale_attn_weights", true)?;
    let width = config.size("n_embd")?;
    keys.size("context_length", config.size("n_positions")?);
    keys.size("embedding_length", width);
    keys.size("block_count", config.size("n_layer")?);
    keys.size("attention.head_count", config.size("n_head")?);
    keys.size("feed_forward_length", config.optional_size("n_inner")?.unwrap_or(width.saturating_mul(4)));
    keys.float("attention.layer_norm_epsilon", config.float("layer_norm_epsilon")?.unwrap_or(1e-5));
    Ok(())
}

fn llama(config: &Object<'_>, keys: &mut Keys<'_>) -> Result<Option<Vec<f32>>> {
    config.expect("hidden_act", &["silu"], "silu")?;
    config.expect_flag("mlp_bias", false)?;
    config.expect_flag("use_sliding_window", false)?;
    let heads = config.size("num_attention_heads")?;
    let width = config.size("hidden_size")?;
    let head_dim = config.optional_size("head_dim")?.or(width.checked_div(heads)).unwrap_or(0);
    keys.size("context_length", config.size("max_position_embeddings")?);
    keys.size("embedding_length", width);
    keys.size("block_count", config.size("num_hidden_layers")?);
    keys.size("feed_forward_length", config.size("intermediate_size")?);
    keys.size("attention.head_count", heads);
    keys.size("attention.head_count_kv", config.optional_size("num_key_value_heads")?.unwrap_or(heads));
    keys.size("attention.key_length", head_dim);
    keys.size("attention.value_length", head_dim);
    keys.size("rope.dimension_count", head_dim);
    keys.float("attention.layer_norm_rms_epsilon", config.float("rms_norm_eps")?.unwrap_or(1e-6));
    experts(config, keys)?;
    rope(config, keys, head_dim)
}

/// Experts in every block, weighed so that those used sum to 1: other arrangements are refused.
fn experts(config: &Object<'_>, keys: &mut Keys<'_>) -> Result<()> {
    let counts = ["num_local_experts", "num_experts"].map(|key| config.optional_size(key));
    let [local, count] = counts;
    let Some(count) = local?.or(count?) else { return Ok(()) };
    if keys.prefix == "qwen3moe" {
        config.expect_flag("norm_topk_prob", true)?;
        if config.get("norm_topk_prob").is_none() {
            return Err(ModelError::key("norm_topk_prob", "it is not in `config.json`, expected true"));
        }
        if let Some(step) = config.optional_size("decoder_sparse_step")?.filter(|&step| step != 1) {
            let found = step.to_string();
            return Err(ModelError::UnsupportedSetting { key: "decoder_sparse_step".into(), found, supported: "1" });
        }
        if let Some(dense) =
            config.get("mlp_only_layers").filter(|layers| layers.as_array().is_none_or(|l| !l.is_empty()))
        {
            let (key, found) = ("mlp_only_layers".into(), dense.to_string());
            return Err(ModelError::UnsupportedSetting { key, found, supported: "none" });
        }
        keys.size("expert_feed_forward_length", config.size("moe_intermediate_size")?);
    }
    keys.size("expert_count", count);
    keys.size("expert_used_count", config.size("num_experts_per_tok")?);
    Ok(())
}

/// Rotary settings: `rope_theta` and `rope_scaling`, or both inside `rope_parameters` (transformers 5).
fn rope(config: &Object<'_>, keys: &mut Keys<'_>, head_dim: usize) -> Result<Option<Vec<f32>>> {
    let settings = ["rope_parameters", "rope_scaling"].map(|key| &config.0[key]);
    let scaling = Object(settings.into_iter().find(|value| value.is_object()).unwrap_or(&Value::Null));
    let theta = scaling.float("rope_theta")?.or(config.float("rope_theta")?).unwrap_or(10_000.0);
    keys.float("rope.freq_base", theta);
    let kind = scaling.0["rope_type"].as_str().or(scaling.0["type"].as_str()).unwrap_or("default");
    match kind {
        "default" => Ok(None),
        "linear" => {
            keys.metadata.insert(&keys.name("rope.scaling.type"), kind.into());
            keys.float("rope.scaling.factor", scaling.required_float("factor")?);
            Ok(None)
        }
        "llama3" => llama3_factors(&scaling, theta, head_dim).map(Some),
        other => Err(ModelError::UnsupportedSetting {
            key: "rope_scaling".into(),
            found: other.to_owned(),
            supported: "default, linear, llama3",
        }),
    }
}

/// Llama 3.1's scaling: long waves are stretched by `factor`, short ones kept, the rest blended
/// (`modeling_rope_utils.py` of transformers, `_compute_llama3_parameters`).
fn llama3_factors(scaling: &Object<'_>, theta: f32, head_dim: usize) -> Result<Vec<f32>> {
    let factor = scaling.required_float("factor")?;
    let low = scaling.required_float("low_freq_factor")?;
    let high = scaling.required_float("high_freq_factor")?;
    let context = scaling.required_float("original_max_position_embeddings")?;
    let of_pair = |pair: usize| {
        let wave_length = std::f32::consts::TAU * theta.powf(2.0 * pair as f32 / head_dim as f32);
        if wave_length < context / high {
            1.0
        } else if wave_length > context / low {
            factor
        } else {
            let smooth = (context / wave_length - low) / (high - low);
            1.0 / ((1.0 - smooth) / factor + smooth)
        }
    };
    // A head larger than this fails the checks that follow; it must not cost memory first.
    const LARGEST_HEAD: usize = 1 << 16;
    Ok((0..head_dim.min(LARGEST_HEAD) / 2).map(of_pair).collect())
}

/// Begin and end tokens by id. `generation_config.json` knows of more ends than `config.json`.
fn special_tokens(source: &Source, metadata: &mut Metadata) {
    let generation = source.generation.as_ref();
    let of = |key: &str| generation.and_then(|generation| generation.get(key)).or(source.config.get(key));
    let ids = |value: Option<&Value>| -> Vec<i32> {
        let id = |value: &Value| value.as_i64().and_then(|id| id.try_into().ok());
        match value {
            Some(Value::Array(values)) => values.iter().filter_map(id).collect(),
            Some(value) => id(value).into_iter().collect(),
            None => Vec::new(),
        }
    };
    if let [bos, ..] = ids(of("bos_token_id"))[..] {
        metadata.insert("tokenizer.ggml.bos_token_id", MetaValue::U32(bos.cast_unsigned()));
    }
    let ends = ids(of("eos_token_id"));
    for (key, id) in
        ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"].iter().zip(ends)
    {
        metadata.insert(key, MetaValue::U32(id.cast_unsigned()));
    }
    if let Some(add) = source.tokenizer.as_ref().and_then(|settings| settings["add_bos_token"].as_bool()) {
        metadata.insert("tokenizer.ggml.add_bos_token", MetaValue::Bool(add));
    }
}

/// Metadata being filled under an architecture's prefix.
struct Keys<'a> {
    metadata: Metadata,
    prefix: &'a str,
}

impl Keys<'_> {
    fn name(&self, key: &str) -> String {
        format!("{}.{key}", self.prefix)
    }

    fn size(&mut self, key: &str, value: usize) {
        // The number types of llama.cpp's converter; a size beyond them fails the checks that follow.
        let value = u32::try_from(value).map_or(MetaValue::U64(value as u64), MetaValue::U32);
        self.metadata.insert(&self.name(key), value);
    }

    fn float(&mut self, key: &str, value: f32) {
        self.metadata.insert(&self.name(key), MetaValue::F32(value));
    }
}

/// Typed look-ups in a JSON object; `null` counts as absent.
struct Object<'a>(&'a Value);

impl Object<'_> {
    fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    fn wrong(key: &str, found: &Value, expected: &str) -> ModelError {
        ModelError::key(key, format!("found `{found}`, expected {expected}"))
    }

    fn optional_size(&self, key: &str) -> Result<Option<usize>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let size = value.as_u64().and_then(|size| size.try_into().ok());
        size.map(Some).ok_or_else(|| Self::wrong(key, value, "a nonnegative integer"))
    }

    fn size(&self, key: &str) -> Result<usize> {
        self.optional_size(key)?.ok_or_else(|| ModelError::key(key, "it is not in `config.json`"))
    }

    fn float(&self, key: &str) -> Result<Option<f32>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        #[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest is wanted")]
        let number = value.as_f64().map(|number| number as f32).filter(|number| number.is_finite());
        number.map(Some).ok_or_else(|| Self::wrong(key, value, "a number"))
    }

    fn required_float(&self, key: &str) -> Result<f32> {
        self.float(key)?.ok_or_else(|| ModelError::key(key, "it is not in `config.json`"))
    }

    fn flag(&self, key: &str) -> Result<Option<bool>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| Self::wrong(key, value, "true or false"))
    }

    /// Refuses a setting that the graph does not implement.
    fn expect(&self, key: &str, accepted: &[&str], supported: &'static str) -> Result<()> {
        match self.get(key) {
            Some(value) if !value.as_str().is_some_and(|text| accepted.contains(&text)) => {
                Err(ModelError::UnsupportedSetting { key: key.to_owned(), found: value.to_string(), supported })
            }
            _ => Ok(()),
        }
    }

    fn expect_flag(&self, key: &str, supported: bool) -> Result<()> {
        match self.flag(key)? {
            Some(found) if found != supported => Err(ModelError::UnsupportedSetting {
                key: key.to_owned(),
                found: found.to_string(),
                supported: if supported { "true" } else { "false" },
            }),
            _ => Ok(()),
        }
    }
}
