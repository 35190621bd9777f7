//! Models with random weights at real shapes: speed and memory without a download.
//!
//! The weights are scaled like a fresh initialization, so logits are finite and varied, and the text is
//! noise. The file says that it is synthetic.

mod shape;
mod vocabulary;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

use self::shape::config;
use crate::error::Result;
use crate::formats::layout::{self, Role, Slot};
use crate::formats::{GgufWriter, MetaValue, Metadata, PlannedTensor};
use crate::quant::BlockType;
use crate::recipe;
use crate::rows;
use crate::weights::{ModelConfig, SYNTHETIC_KEY};

/// A model whose shape is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// GPT-2 small: 124 M parameters.
    Gpt2Small,
    /// Qwen 2.5 0.5B: 494 M parameters, grouped attention, a vocabulary of 151,936.
    Qwen25Half,
    /// TinyLlama: Llama with 1.1 billion parameters, grouped attention, a head of its own.
    Llama1B,
    /// The embedded model's family: Llama with about 5 M parameters.
    Tiny,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Self; 4] = [Self::Tiny, Self::Gpt2Small, Self::Qwen25Half, Self::Llama1B];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gpt2Small => "gpt2-124m",
            Self::Qwen25Half => "qwen2.5-0.5b",
            Self::Llama1B => "llama-1.1b",
            Self::Tiny => "tiny",
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// The text names no shape. The message lists them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parse shape `{0}`: supported are {list}", list = Shape::ALL.map(Shape::name).join(", "))]
pub struct UnknownShape(pub String);

impl FromStr for Shape {
    type Err = UnknownShape;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|shape| shape.name() == text).ok_or_else(|| UnknownShape(text.to_owned()))
    }
}

/// Writes a synthetic model; returns its size in bytes. The same shape, format and seed give the same
/// file, on any number of cores.
///
/// # Errors
/// Errors of writing.
pub fn synthesize(shape: Shape, to: BlockType, seed: u64, output: &Path) -> Result<u64> {
    let config = config(shape);
    let slots: Vec<Slot> = layout::slots(&config).collect();
    let plan = |slot: &Slot| PlannedTensor {
        name: slot.name.clone(),
        dims: slot.dims.clone(),
        block_type: recipe::stored_type(slot, &config, to),
    };
    let planned: Vec<PlannedTensor> = slots.iter().map(plan).collect();
    let mut writer = GgufWriter::create(output, &metadata(shape, &config, to, seed), &planned)?;
    for (index, (slot, planned)) in (0_u64..).zip(slots.iter().zip(&planned)) {
        let columns = slot.dims.last().copied().unwrap_or(1);
        let rows = slot.dims.iter().product::<usize>() / columns;
        let values = RandomRows { seed, tensor: index, distribution: distribution(slot), columns };
        let work = |range: std::ops::Range<usize>| values.blocks(range, planned.block_type);
        rows::in_order(rows, columns, work, |bytes| writer.write(&bytes))?;
    }
    writer.finish()
}

fn metadata(shape: Shape, config: &ModelConfig, to: BlockType, seed: u64) -> Metadata {
    let mut metadata = shape::metadata(config);
    metadata.insert("general.name", format!("synthetic {shape}").as_str().into());
    let description = "Random weights at a real shape, for measuring speed and memory. Its text is noise.";
    metadata.insert("general.description", description.into());
    metadata.insert(SYNTHETIC_KEY, MetaValue::Bool(true));
    metadata.insert("weighbridge.seed", MetaValue::U64(seed));
    recipe::describe(to, &mut metadata);
    vocabulary::describe(shape, config.vocab, &mut metadata);
    metadata
}

/// Mean and standard deviation of a tensor's values.
#[derive(Clone, Copy, Debug)]
struct Distribution {
    mean: f32,
    deviation: f32,
}

/// Projections keep the variance of their input. They are not divided by the depth, so that the layers
/// outweigh the token embedding: with tied embeddings a model would else repeat its last token.
fn distribution(slot: &Slot) -> Distribution {
    let columns = slot.dims.last().copied().unwrap_or(1) as f32;
    let (mean, deviation) = match slot.role {
        Role::NormWeight => (1.0, 0.05),
        Role::Bias => (0.0, 0.02),
        Role::Projection | Role::Router => (0.0, columns.sqrt().recip()),
        // After the last norm a logit is a sum of `columns` products: this makes it vary by about two.
        Role::TokenEmbedding | Role::Head => (0.0, 2.0 * columns.sqrt().recip()),
        Role::PositionEmbedding => (0.0, 0.01),
    };
    Distribution { mean, deviation }
}

/// Rows of a tensor, each from its own stream of the generator.
struct RandomRows {
    seed: u64,
    tensor: u64,
    distribution: Distribution,
    columns: usize,
}

impl RandomRows {
    fn blocks(&self, range: std::ops::Range<usize>, to: BlockType) -> Vec<u8> {
        let row_bytes = to.row_bytes(self.columns).expect("the recipe picks formats that fit the row");
        let mut bytes = vec![0; range.len() * row_bytes];
        let mut values = vec![0.0; self.columns];
        for (row, out) in range.zip(bytes.chunks_exact_mut(row_bytes)) {
            self.fill(row as u64, &mut values);
            to.quantize(&values, out);
        }
        bytes
    }

    /// Nearly normal values: the sum of four uniform 16-bit numbers, eight bytes of the stream each.
    fn fill(&self, row: u64, values: &mut [f32]) {
        const SUMMANDS: f32 = 4.0;
        const MEAN: f32 = SUMMANDS * 65_535.0 / 2.0;
        // The variance of one uniform 16-bit number is (65536² - 1) / 12.
        const ONE_DEVIATION: f32 = 18_918.613;
        // Tensors have fewer than 2^40 rows, so no two rows share a stream.
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        generator.set_stream(self.tensor << 40 | row);
        let scale = self.distribution.deviation / (ONE_DEVIATION * SUMMANDS.sqrt());
        for value in values {
            let bits = generator.next_u64();
            let sum: u64 = (0..4).map(|i| bits >> (16 * i) & 0xffff).sum();
            *value = self.distribution.mean + (sum as f32 - MEAN) * scale;
        }
    }
}
