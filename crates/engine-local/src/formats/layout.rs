//! Which tensors each architecture has, with their shapes: the one list that the loaders check
//! against and that synthetic models are made from.

use crate::weights::{Architecture, Experts, ModelConfig};

/// What a tensor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// One row per token.
    TokenEmbedding,
    /// One row per position.
    PositionEmbedding,
    /// One row per token, for the logits.
    Head,
    /// One row per expert, for their likelihoods.
    Router,
    /// A matrix inside a block, or a stack of them.
    Projection,
    /// The factor of a norm.
    NormWeight,
    /// Added to a result.
    Bias,
}

/// A tensor that a model of some configuration has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) name: String,
    /// Rows first.
    pub(crate) dims: Vec<usize>,
    pub(crate) role: Role,
}

/// All tensors of a model, in the order of llama.cpp's converter: embeddings, blocks, head. Lazy,
/// because the number of layers comes from an unchecked file.
pub(crate) fn slots(config: &ModelConfig) -> impl Iterator<Item = Slot> {
    embeddings(config)
        .into_iter()
        .chain((0..config.layers).flat_map(move |layer| block(config, layer)))
        .chain(ending(config))
}

fn slot(name: impl Into<String>, dims: &[usize], role: Role) -> Slot {
    Slot { name: name.into(), dims: dims.to_vec(), role }
}

fn embeddings(config: &ModelConfig) -> Vec<Slot> {
    let mut slots = vec![slot("token_embd.weight", &[config.vocab, config.width], Role::TokenEmbedding)];
    if config.architecture == Architecture::Gpt2 {
        let dims = [config.context_length, config.width];
        slots.push(slot("position_embd.weight", &dims, Role::PositionEmbedding));
    }
    slots
}

fn ending(config: &ModelConfig) -> Vec<Slot> {
    let mut slots = vec![slot("output_norm.weight", &[config.width], Role::NormWeight)];
    if config.architecture == Architecture::Gpt2 {
        slots.push(slot("output_norm.bias", &[config.width], Role::Bias));
    }
    if !config.tied_embeddings {
        slots.push(slot("output.weight", &[config.vocab, config.width], Role::Head));
    }
    slots
}

fn block(config: &ModelConfig, layer: usize) -> Vec<Slot> {
    let slots = match config.architecture {
        Architecture::Gpt2 => gpt2_block(config),
        Architecture::Llama | Architecture::Qwen2 | Architecture::Qwen3 | Architecture::Qwen3Moe => llama_block(config),
    };
    let named = |slot: Slot| Slot { name: format!("blk.{layer}.{}", slot.name), ..slot };
    slots.into_iter().map(named).collect()
}

fn llama_block(config: &ModelConfig) -> Vec<Slot> {
    use Role::{Bias, NormWeight, Projection};
    let (width, query, kv) = (config.width, config.query_width(), config.kv_width());
    let mut slots = vec![
        slot("attn_norm.weight", &[width], NormWeight),
        slot("attn_q.weight", &[query, width], Projection),
        slot("attn_k.weight", &[kv, width], Projection),
        slot("attn_v.weight", &[kv, width], Projection),
        slot("attn_output.weight", &[width, query], Projection),
        slot("ffn_norm.weight", &[width], NormWeight),
    ];
    match config.experts {
        None => slots.extend([
            slot("ffn_gate.weight", &[config.ffn_width, width], Projection),
            slot("ffn_up.weight", &[config.ffn_width, width], Projection),
            slot("ffn_down.weight", &[width, config.ffn_width], Projection),
        ]),
        Some(Experts { count, width: inner, .. }) => slots.extend([
            slot("ffn_gate_inp.weight", &[count, width], Role::Router),
            slot("ffn_gate_exps.weight", &[count, inner, width], Projection),
            slot("ffn_up_exps.weight", &[count, inner, width], Projection),
            slot("ffn_down_exps.weight", &[count, width, inner], Projection),
        ]),
    }
    if config.qkv_bias {
        slots.push(slot("attn_q.bias", &[query], Bias));
        slots.push(slot("attn_k.bias", &[kv], Bias));
        slots.push(slot("attn_v.bias", &[kv], Bias));
    }
    if matches!(config.architecture, Architecture::Qwen3 | Architecture::Qwen3Moe) {
        slots.push(slot("attn_q_norm.weight", &[config.head_dim], NormWeight));
        slots.push(slot("attn_k_norm.weight", &[config.head_dim], NormWeight));
    }
    slots
}

fn gpt2_block(config: &ModelConfig) -> Vec<Slot> {
    use Role::{Bias, NormWeight, Projection};
    let (width, ffn) = (config.width, config.ffn_width);
    vec![
        slot("attn_norm.weight", &[width], NormWeight),
        slot("attn_norm.bias", &[width], Bias),
        slot("attn_qkv.weight", &[3 * width, width], Projection),
        slot("attn_qkv.bias", &[3 * width], Bias),
        slot("attn_output.weight", &[width, width], Projection),
        slot("attn_output.bias", &[width], Bias),
        slot("ffn_norm.weight", &[width], NormWeight),
        slot("ffn_norm.bias", &[width], Bias),
        slot("ffn_up.weight", &[ffn, width], Projection),
        slot("ffn_up.bias", &[ffn], Bias),
        slot("ffn_down.weight", &[width, ffn], Projection),
        slot("ffn_down.bias", &[width], Bias),
    ]
}
