//! Which format each tensor of a quantized model gets. Quantizing and synthesizing share it.
//!
//! The rules are those of llama.cpp: norms, biases, routers and position embeddings stay F32, because they are small
//! and sensitive. The head of a 4-bit model is stored in six bits or more, because every logit depends on it;
//! with tied embeddings that is the token embedding. A tensor whose rows do not divide into the wanted
//! blocks gets the nearest format that fits.

use crate::formats::layout::{Role, Slot};
use crate::formats::{MetaValue, Metadata};
use crate::quant::BlockType;
use crate::weights::ModelConfig;

/// The format of one tensor of a model that is stored mostly as `to`.
pub(crate) fn stored_type(slot: &Slot, config: &ModelConfig, to: BlockType) -> BlockType {
    let wanted = match slot.role {
        Role::NormWeight | Role::Bias | Role::PositionEmbedding | Role::Router => BlockType::F32,
        Role::Projection => to,
        Role::TokenEmbedding if !config.tied_embeddings => to,
        Role::TokenEmbedding | Role::Head => head_type(to),
    };
    let columns = slot.dims.last().copied().unwrap_or(1);
    fitting(wanted, columns)
}

fn head_type(to: BlockType) -> BlockType {
    match to {
        BlockType::Q4_0 | BlockType::Q4K | BlockType::Q5K => BlockType::Q6K,
        BlockType::F32 | BlockType::F16 | BlockType::BF16 | BlockType::Q8_0 | BlockType::Q6K => to,
    }
}

/// The wanted type, or the nearest one whose blocks fill the row.
fn fitting(wanted: BlockType, columns: usize) -> BlockType {
    let fallbacks = match wanted {
        BlockType::Q4K => [BlockType::Q4K, BlockType::Q4_0],
        BlockType::Q5K | BlockType::Q6K => [wanted, BlockType::Q8_0],
        BlockType::F32 | BlockType::F16 | BlockType::BF16 | BlockType::Q8_0 | BlockType::Q4_0 => [wanted, wanted],
    };
    let fits = |block_type: &BlockType| columns.is_multiple_of(block_type.block_len());
    fallbacks.into_iter().find(fits).unwrap_or(BlockType::F16)
}

/// Writes the keys that say how a file is quantized, with llama.cpp's numbers (`llama_ftype`).
pub(crate) fn describe(to: BlockType, metadata: &mut Metadata) {
    let file_type = match to {
        BlockType::F32 => 0,
        BlockType::F16 => 1,
        BlockType::Q4_0 => 2,
        BlockType::Q8_0 => 7,
        BlockType::Q4K => 14,
        BlockType::Q5K => 16,
        BlockType::Q6K => 18,
        BlockType::BF16 => 32,
    };
    metadata.insert("general.file_type", MetaValue::U32(file_type));
    // Version 2 is the block layout of today; without the key llama.cpp assumes the first one.
    metadata.insert("general.quantization_version", MetaValue::U32(2));
}
