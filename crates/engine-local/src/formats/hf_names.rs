//! Names of tensors in Hugging Face checkpoints, and the canonical (GGUF) ones.

use crate::weights::Architecture;

/// What becomes of a tensor of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is used under this name.
    As(String),
    /// It is used with rows and columns exchanged.
    Transposed(String),
    /// It is one matrix, with this number, of a stack that is used under this name.
    Stacked(String, usize),
    /// It is a buffer that can be computed, such as a causal mask.
    Dropped,
}

/// Where a tensor belongs. A name without a rule is kept, so that the check against the layout
/// reports it.
pub(super) fn place(name: &str, architecture: Architecture) -> Place {
    let found = match architecture {
        Architecture::Gpt2 => gpt2(name.strip_prefix("transformer.").unwrap_or(name)),
        Architecture::Llama | Architecture::Qwen2 | Architecture::Qwen3 | Architecture::Qwen3Moe => llama(name),
    };
    found.unwrap_or_else(|| Place::As(name.to_owned()))
}

fn llama(name: &str) -> Option<Place> {
    match name {
        "model.embed_tokens.weight" => return as_is("token_embd.weight"),
        "model.norm.weight" => return as_is("output_norm.weight"),
        "lm_head.weight" => return as_is("output.weight"),
        _ => {}
    }
    let (layer, part) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let (module, kind) = part.rsplit_once('.')?;
    if let Some((expert, matrix)) = expert(module) {
        return Some(Place::Stacked(format!("blk.{layer}.{matrix}_exps.{kind}"), expert));
    }
    let module = match module {
        "input_layernorm" => "attn_norm",
        "self_attn.q_proj" => "attn_q",
        "self_attn.k_proj" => "attn_k",
        "self_attn.v_proj" => "attn_v",
        "self_attn.o_proj" => "attn_output",
        "self_attn.q_norm" => "attn_q_norm",
        "self_attn.k_norm" => "attn_k_norm",
        "post_attention_layernorm" => "ffn_norm",
        "mlp.gate_proj" => "ffn_gate",
        "mlp.up_proj" => "ffn_up",
        "mlp.down_proj" => "ffn_down",
        "mlp.gate" | "block_sparse_moe.gate" => "ffn_gate_inp",
        "self_attn.rotary_emb" => return Some(Place::Dropped),
        _ => return None,
    };
    as_is(&format!("blk.{layer}.{module}.{kind}"))
}

/// The number of an expert and which of its matrices this is: qwen3moe's names, and Mixtral's.
fn expert(module: &str) -> Option<(usize, &'static str)> {
    let rest = module.strip_prefix("mlp.experts.").or_else(|| module.strip_prefix("block_sparse_moe.experts."))?;
    let (expert, matrix) = rest.split_once('.')?;
    let matrix = match matrix {
        "gate_proj" | "w1" => "ffn_gate",
        "up_proj" | "w3" => "ffn_up",
        "down_proj" | "w2" => "ffn_down",
        _ => return None,
    };
    Some((expert.parse().ok()?, matrix))
}

fn gpt2(name: &str) -> Option<Place> {
    match name {
        "wte.weight" => return as_is("token_embd.weight"),
        "wpe.weight" => return as_is("position_embd.weight"),
        "ln_f.weight" => return as_is("output_norm.weight"),
        "ln_f.bias" => return as_is("output_norm.bias"),
        "lm_head.weight" => return as_is("output.weight"),
        _ => {}
    }
    let (layer, part) = name.strip_prefix("h.")?.split_once('.')?;
    if matches!(part, "attn.bias" | "attn.masked_bias") {
        return Some(Place::Dropped);
    }
    let (module, kind) = part.rsplit_once('.')?;
    let (module, is_conv) = match module {
        "ln_1" => ("attn_norm", false),
        "attn.c_attn" => ("attn_qkv", true),
        "attn.c_proj" => ("attn_output", true),
        "ln_2" => ("ffn_norm", false),
        "mlp.c_fc" => ("ffn_up", true),
        "mlp.c_proj" => ("ffn_down", true),
        _ => return None,
    };
    let name = format!("blk.{layer}.{module}.{kind}");
    Some(if is_conv && kind == "weight" { Place::Transposed(name) } else { Place::As(name) })
}

fn as_is(name: &str) -> Option<Place> {
    Some(Place::As(name.to_owned()))
}
