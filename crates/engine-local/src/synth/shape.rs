//! Sizes of the models that are copied, from their published `config.json` files.

use super::Shape;
use crate::formats::{MetaValue, Metadata};
use crate::weights::{Architecture, ModelConfig, Rope, RopeStyle};

pub(super) fn config(shape: Shape) -> ModelConfig {
    match shape {
        Shape::Gpt2Small => ModelConfig {
            architecture: Architecture::Gpt2,
            layers: 12,
            width: 768,
            heads: 12,
            kv_heads: 12,
            head_dim: 64,
            ffn_width: 3072,
            experts: None,
            vocab: 50_257,
            context_length: 1024,
            rope: None,
            norm_epsilon: 1e-5,
            tied_embeddings: true,
            qkv_bias: true,
        },
        Shape::Qwen25Half => ModelConfig {
            architecture: Architecture::Qwen2,
            layers: 24,
            width: 896,
            heads: 14,
            kv_heads: 2,
            head_dim: 64,
            ffn_width: 4864,
            experts: None,
            vocab: 151_936,
            context_length: 32_768,
            rope: Some(rope(RopeStyle::Neox, 1_000_000.0, 64)),
            norm_epsilon: 1e-6,
            tied_embeddings: true,
            qkv_bias: true,
        },
        Shape::Llama1B => ModelConfig {
            architecture: Architecture::Llama,
            layers: 22,
            width: 2048,
            heads: 32,
            kv_heads: 4,
            head_dim: 64,
            ffn_width: 5632,
            experts: None,
            vocab: 32_000,
            context_length: 2048,
            rope: Some(rope(RopeStyle::Interleaved, 10_000.0, 64)),
            norm_epsilon: 1e-5,
            tied_embeddings: false,
            qkv_bias: false,
        },
        Shape::Tiny => ModelConfig {
            architecture: Architecture::Llama,
            layers: 6,
            width: 256,
            heads: 8,
            kv_heads: 4,
            head_dim: 32,
            ffn_width: 768,
            experts: None,
            vocab: 2048,
            context_length: 2048,
            rope: Some(rope(RopeStyle::Interleaved, 10_000.0, 32)),
            norm_epsilon: 1e-5,
            tied_embeddings: true,
            qkv_bias: false,
        },
    }
}

fn rope(style: RopeStyle, theta: f32, dims: usize) -> Rope {
    Rope { style, theta, dims, linear_factor: 1.0, frequency_factors: None }
}

/// The configuration as GGUF keys.
pub(super) fn metadata(config: &ModelConfig) -> Metadata {
    let mut metadata = Metadata::default();
    let name = config.architecture.name();
    metadata.insert("general.architecture", name.into());
    let sizes = [
        ("context_length", config.context_length),
        ("embedding_length", config.width),
        ("block_count", config.layers),
        ("feed_forward_length", config.ffn_width),
        ("attention.head_count", config.heads),
        ("attention.head_count_kv", config.kv_heads),
    ];
    for (key, size) in sizes {
        let size = u32::try_from(size).expect("the sizes of the shapes fit");
        metadata.insert(&format!("{name}.{key}"), MetaValue::U32(size));
    }
    let epsilon = match &config.rope {
        Some(rope) => {
            metadata.insert(&format!("{name}.rope.freq_base"), MetaValue::F32(rope.theta));
            "attention.layer_norm_rms_epsilon"
        }
        None => "attention.layer_norm_epsilon",
    };
    metadata.insert(&format!("{name}.{epsilon}"), MetaValue::F32(config.norm_epsilon));
    metadata
}
