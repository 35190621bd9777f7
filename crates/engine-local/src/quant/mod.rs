//! Block formats: how a row of numbers is stored, in the layouts of ggml.
//!
//! A row is a whole number of blocks; a block holds [`BlockType::block_len`] values in
//! [`BlockType::block_bytes`] bytes. The code here is the portable reference that the fast kernels
//! are checked against; it favors clarity over speed.

#![expect(clippy::cast_possible_truncation, reason = "quantizing rounds to the nearest code on purpose")]

mod float;
mod q4_0;
mod q4_k;
mod q5_k;
mod q6_k;
mod q8_0;
mod search;

use std::fmt;
use std::str::FromStr;

/// A number format that tensors are stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BlockType {
    /// 32-bit floats.
    F32,
    /// IEEE half floats.
    F16,
    /// The upper half of 32-bit floats.
    BF16,
    /// 32 signed bytes and an F16 scale: 8.5 bits per value.
    Q8_0,
    /// 32 signed nibbles and an F16 scale: 4.5 bits per value.
    Q4_0,
    /// 256 nibbles in eight groups with 6-bit scales and minimums: 4.5 bits per value.
    Q4K,
    /// As [`BlockType::Q4K`] with a fifth bit per value: 5.5 bits per value.
    Q5K,
    /// 256 six-bit values in sixteen groups with 8-bit scales: 6.5625 bits per value.
    Q6K,
}

impl BlockType {
    /// Every supported format.
    pub const ALL: [Self; 8] =
        [Self::F32, Self::F16, Self::BF16, Self::Q8_0, Self::Q4_0, Self::Q4K, Self::Q5K, Self::Q6K];

    /// Values in one block.
    pub const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q8_0 | Self::Q4_0 => 32,
            Self::Q4K | Self::Q5K | Self::Q6K => 256,
        }
    }

    /// Bytes in one block.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q8_0 => 34,
            Self::Q4_0 => 18,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
        }
    }

    /// Bytes that a row of `columns` values takes; `None` where it is not a whole number of blocks,
    /// or the product overflows.
    pub const fn row_bytes(self, columns: usize) -> Option<usize> {
        if !columns.is_multiple_of(self.block_len()) {
            return None;
        }
        (columns / self.block_len()).checked_mul(self.block_bytes())
    }

    /// The type's number in a GGUF tensor table (`ggml_type`).
    pub const fn gguf_id(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q8_0 => 8,
            Self::Q4K => 12,
            Self::Q5K => 13,
            Self::Q6K => 14,
            Self::BF16 => 30,
        }
    }

    /// The format with this `ggml_type` number; `None` where it is unknown here.
    pub fn from_gguf_id(id: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|block_type| block_type.gguf_id() == id)
    }

    /// The name that ggml and llama.cpp print, such as `Q8_0`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Q8_0 => "Q8_0",
            Self::Q4_0 => "Q4_0",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
        }
    }

    /// True for the formats that store one float per value.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::BF16)
    }

    pub(crate) fn list() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl fmt::Display for BlockType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// The text names no supported format. The message lists them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parse quantization `{0}`: supported are {list}", list = BlockType::list())]
pub struct UnknownBlockType(pub String);

impl FromStr for BlockType {
    type Err = UnknownBlockType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|block_type| block_type.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownBlockType(text.to_owned()))
    }
}

impl BlockType {
    /// Converts stored blocks to floats.
    ///
    /// # Panics
    /// When the lengths do not belong together: `out` must hold whole blocks, and `blocks` their bytes.
    pub fn dequantize(self, blocks: &[u8], out: &mut [f32]) {
        assert_eq!(self.row_bytes(out.len()), Some(blocks.len()), "whole blocks of {self}");
        match self {
            Self::F32 => float::read_f32(blocks, out),
            Self::F16 => float::read_f16(blocks, out),
            Self::BF16 => float::read_bf16(blocks, out),
            Self::Q8_0 => each_block(blocks, out, q8_0::dequantize),
            Self::Q4_0 => each_block(blocks, out, q4_0::dequantize),
            Self::Q4K => each_block(blocks, out, q4_k::dequantize),
            Self::Q5K => each_block(blocks, out, q5_k::dequantize),
            Self::Q6K => each_block(blocks, out, q6_k::dequantize),
        }
    }

    /// Converts floats to blocks, rounding to nearest.
    ///
    /// F16, BF16, Q8_0 and Q4_0 are byte-equal to ggml's reference. The K formats have freedom in
    /// their scales; ours come from a search for the least squared error.
    ///
    /// # Panics
    /// As [`BlockType::dequantize`].
    pub fn quantize(self, values: &[f32], out: &mut [u8]) {
        assert_eq!(self.row_bytes(values.len()), Some(out.len()), "whole blocks of {self}");
        match self {
            Self::F32 => float::write_f32(values, out),
            Self::F16 => float::write_f16(values, out),
            Self::BF16 => float::write_bf16(values, out),
            Self::Q8_0 => make_blocks(values, out, q8_0::quantize),
            Self::Q4_0 => make_blocks(values, out, q4_0::quantize),
            Self::Q4K => make_blocks(values, out, q4_k::quantize),
            Self::Q5K => make_blocks(values, out, q5_k::quantize),
            Self::Q6K => make_blocks(values, out, q6_k::quantize),
        }
    }
}

fn each_block<const BYTES: usize, const LEN: usize>(
    blocks: &[u8],
    out: &mut [f32],
    dequantize: impl Fn(&[u8; BYTES], &mut [f32; LEN]),
) {
    for (block, values) in blocks.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
        dequantize(block, values);
    }
}

fn make_blocks<const BYTES: usize, const LEN: usize>(
    values: &[f32],
    out: &mut [u8],
    quantize: impl Fn(&[f32; LEN], &mut [u8; BYTES]),
) {
    for (values, block) in values.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
        quantize(values, block);
    }
}

/// The F16 number in two bytes of a block.
fn f16_at(block: &[u8], offset: usize) -> f32 {
    half::f16::from_le_bytes([block[offset], block[offset + 1]]).to_f32()
}

/// Rounds to F16 and stores it; returns the rounded number.
fn put_f16(block: &mut [u8], offset: usize, value: f32) -> f32 {
    let rounded = half::f16::from_f32(value);
    block[offset..offset + 2].copy_from_slice(&rounded.to_le_bytes());
    rounded.to_f32()
}

/// `1 / value`, or 0 where the value is 0: blocks of zeros stay zero.
fn reciprocal(value: f32) -> f32 {
    if value == 0.0 { 0.0 } else { 1.0 / value }
}
