//! The tensors of a model, in the places where the forward pass uses them.

use crate::error::{ModelError, Result};
use crate::quant::BlockType;
use crate::weights::{Architecture, ModelConfig, ModelFile, Tensor};

/// A model that can run.
#[derive(Clone, Debug)]
pub struct Model {
    pub(super) config: ModelConfig,
    pub(super) embedding: Tensor,
    /// Learned positions, one row each; `None` where positions rotate.
    pub(super) positions: Option<Tensor>,
    pub(super) blocks: Vec<Block>,
    pub(super) output_norm: Norm,
    pub(super) head: Tensor,
    /// Angle per position of each rotated pair; empty without rotary positions.
    pub(super) frequencies: Vec<f32>,
}

#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) attention_norm: Norm,
    pub(super) input: Input,
    pub(super) attention_output: Linear,
    pub(super) ffn_norm: Norm,
    pub(super) ffn: FeedForward,
}

/// Where queries, keys and values come from.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one per layer, and a box would only add a hop")]
pub(super) enum Input {
    /// One matrix whose rows are those of queries, keys and values, one after the other.
    Fused(Linear),
    /// A matrix for each, and in qwen3 a norm for each head of queries and keys.
    Split { query: Linear, key: Linear, value: Linear, head_norms: Option<(Norm, Norm)> },
}

#[derive(Clone, Debug)]
pub(super) enum FeedForward {
    Gelu { up: Linear, down: Linear },
    SwiGlu { gate: Linear, up: Linear, down: Linear },
    Experts(Experts),
}

/// Feed-forward blocks side by side: a router weighs them, and a row goes through the likeliest.
#[derive(Clone, Debug)]
pub(super) struct Experts {
    pub(super) router: Tensor,
    /// One for each expert.
    pub(super) gate: Vec<Tensor>,
    pub(super) up: Vec<Tensor>,
    pub(super) down: Vec<Tensor>,
}

/// A matrix with an optional bias.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    pub(super) weight: Tensor,
    pub(super) bias: Option<Vector>,
}

/// A norm; with a bias it is a layer norm, else an RMS norm.
#[derive(Clone, Debug)]
pub(super) struct Norm {
    pub(super) weight: Vector,
    pub(super) bias: Option<Vector>,
}

/// A tensor of F32, which loaders make of all vectors.
#[derive(Clone, Debug)]
pub(super) struct Vector(Tensor);

impl Vector {
    fn new(tensor: &Tensor) -> Result<Self> {
        if tensor.as_f32().is_some() {
            return Ok(Self(tensor.clone()));
        }
        Err(ModelError::UnsupportedType { tensor: tensor.name().to_owned(), found: tensor.block_type().to_string() })
    }

    pub(super) fn values(&self) -> &[f32] {
        self.0.as_f32().unwrap_or_default()
    }
}

impl Model {
    /// Places the tensors. They share the file's memory; nothing is copied or converted.
    ///
    /// # Errors
    /// [`ModelError::MissingTensor`].
    pub fn new(file: &ModelFile) -> Result<Self> {
        let config = file.config.clone();
        let get = Get { file };
        let blocks = (0..config.layers).map(|layer| get.block(layer)).collect::<Result<_>>()?;
        let positions = match config.architecture {
            Architecture::Gpt2 => Some(file.tensor("position_embd.weight")?.clone()),
            Architecture::Llama | Architecture::Qwen2 | Architecture::Qwen3 | Architecture::Qwen3Moe => None,
        };
        Ok(Self {
            embedding: file.tensor("token_embd.weight")?.clone(),
            positions,
            blocks,
            output_norm: get.norm("output_norm")?,
            head: file.head()?.clone(),
            frequencies: frequencies(&config),
            config,
        })
    }

    /// Sizes and constants.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The type that holds most of the weights.
    #[must_use]
    pub fn main_type(&self) -> BlockType {
        self.blocks.first().map_or(self.head.block_type(), |block| match &block.ffn {
            FeedForward::Gelu { up, .. } | FeedForward::SwiGlu { up, .. } => up.weight.block_type(),
            FeedForward::Experts(experts) => experts.up.first().unwrap_or(&self.head).block_type(),
        })
    }
}

/// `theta^(-2i / dims) / frequency factor / linear factor` for each pair `i`.
fn frequencies(config: &ModelConfig) -> Vec<f32> {
    let Some(rope) = &config.rope else { return Vec::new() };
    let factor = |pair: usize| rope.frequency_factors.as_ref().map_or(1.0, |factors| factors[pair]);
    let frequency = |pair: usize| {
        let exponent = -2.0 * pair as f64 / rope.dims as f64;
        f64::from(rope.theta).powf(exponent) / f64::from(factor(pair)) / f64::from(rope.linear_factor)
    };
    #[expect(clippy::cast_possible_truncation, reason = "rounded to the precision of the reference")]
    (0..rope.dims / 2).map(|pair| frequency(pair) as f32).collect()
}

struct Get<'a> {
    file: &'a ModelFile,
}

impl Get<'_> {
    fn block(&self, layer: usize) -> Result<Block> {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let linear = |part: &str| self.linear(&name(part));
        let norm = |part: &str| self.norm(&name(part));
        let (input, ffn) = match self.file.config.architecture {
            Architecture::Gpt2 => (
                Input::Fused(linear("attn_qkv")?),
                FeedForward::Gelu { up: linear("ffn_up")?, down: linear("ffn_down")? },
            ),
            architecture @ (Architecture::Llama
            | Architecture::Qwen2
            | Architecture::Qwen3
            | Architecture::Qwen3Moe) => (
                Input::Split {
                    query: linear("attn_q")?,
                    key: linear("attn_k")?,
                    value: linear("attn_v")?,
                    head_norms: match architecture {
                        Architecture::Qwen3 | Architecture::Qwen3Moe => {
                            Some((norm("attn_q_norm")?, norm("attn_k_norm")?))
                        }
                        Architecture::Llama | Architecture::Qwen2 | Architecture::Gpt2 => None,
                    },
                },
                match self.file.config.experts {
                    None => FeedForward::SwiGlu {
                        gate: linear("ffn_gate")?,
                        up: linear("ffn_up")?,
                        down: linear("ffn_down")?,
                    },
                    Some(experts) => FeedForward::Experts(self.experts(layer, experts.count)?),
                },
            ),
        };
        Ok(Block {
            attention_norm: norm("attn_norm")?,
            input,
            attention_output: linear("attn_output")?,
            ffn_norm: norm("ffn_norm")?,
            ffn,
        })
    }

    fn experts(&self, layer: usize, count: usize) -> Result<Experts> {
        let matrices = |kind: &str| -> Result<Vec<Tensor>> {
            let stack = self.file.tensor(&format!("blk.{layer}.ffn_{kind}_exps.weight"))?;
            Ok((0..count).map(|expert| stack.matrix(expert)).collect())
        };
        let router = self.file.tensor(&format!("blk.{layer}.ffn_gate_inp.weight"))?.clone();
        Ok(Experts { router, gate: matrices("gate")?, up: matrices("up")?, down: matrices("down")? })
    }

    fn linear(&self, name: &str) -> Result<Linear> {
        Ok(Linear { weight: self.file.tensor(&format!("{name}.weight"))?.clone(), bias: self.bias(name)? })
    }

    fn norm(&self, name: &str) -> Result<Norm> {
        Ok(Norm { weight: Vector::new(self.file.tensor(&format!("{name}.weight"))?)?, bias: self.bias(name)? })
    }

    /// The loader checked that every bias of the architecture is there, and no other.
    fn bias(&self, name: &str) -> Result<Option<Vector>> {
        self.file.tensors.get(&format!("{name}.bias")).map(Vector::new).transpose()
    }
}
