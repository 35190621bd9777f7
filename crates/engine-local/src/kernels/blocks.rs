//! Blocks of 32 weights: a half float, which is their scale, and codes.
//!
//! `value = scale · code`. The layouts are described with [`BlockType`](crate::quant::BlockType)'s reference conversions.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::activations::BLOCK;

/// How one format stores its codes.
pub(super) trait Blocks {
    /// Bytes of a block.
    const BYTES: usize;
    /// What is added to codes so that none is below 0.
    const OFFSET: u8;

    /// The codes with [`OFFSET`](Self::OFFSET) added.
    fn unsigned(block: &[u8]) -> [u8; BLOCK];

    /// The codes, -128 to 127.
    #[inline(always)]
    fn codes(block: &[u8]) -> [i8; BLOCK] {
        let mut codes = [0; BLOCK];
        for (code, byte) in codes.iter_mut().zip(Self::unsigned(block)) {
            *code = byte.wrapping_sub(Self::OFFSET).cast_signed();
        }
        codes
    }

    /// [`unsigned`](Self::unsigned) in a register, where plain code would go through memory.
    ///
    /// # Safety
    /// The machine must have AVX2.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn in_register(block: &[u8]) -> __m256i {
        let codes = Self::unsigned(block);
        // SAFETY: it reads 32 bytes of an array of 32.
        unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) }
    }
}

pub(super) struct Q8_0;
pub(super) struct Q4_0;

impl Blocks for Q8_0 {
    const BYTES: usize = 34;
    const OFFSET: u8 = 128;

    #[inline(always)]
    fn unsigned(block: &[u8]) -> [u8; BLOCK] {
        let mut codes = run(block, 2);
        for code in &mut codes {
            *code ^= 128;
        }
        codes
    }
}

impl Blocks for Q4_0 {
    const BYTES: usize = 18;
    const OFFSET: u8 = 8;

    /// Byte `i` holds value `i` low and value `i + 16` high; codes are stored with 8 added.
    #[inline(always)]
    fn unsigned(block: &[u8]) -> [u8; BLOCK] {
        let mut codes = [0; BLOCK];
        let (low, high) = codes.split_at_mut(16);
        for (i, &byte) in block[2..18].iter().enumerate() {
            low[i] = byte & 15;
            high[i] = byte >> 4;
        }
        codes
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn in_register(block: &[u8]) -> __m256i {
        let bytes: &[u8; 16] = block[2..].first_chunk().expect("a block has sixteen bytes of codes");
        // SAFETY: it reads sixteen bytes.
        let low = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
        let both = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(low), _mm_srli_epi16::<4>(low));
        _mm256_and_si256(both, _mm256_set1_epi8(15))
    }
}

/// The scale of a block; `f16` converts a half float.
#[inline(always)]
pub(super) fn scale(block: &[u8], f16: impl Fn(u16) -> f32) -> f32 {
    f16(u16_at(block, 0))
}

/// The scales of the eight blocks that bytes begin with.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(super) fn eight_scales<B: Blocks>(bytes: &[u8]) -> __m256 {
    let step = |place: usize| u16_at(bytes, place * B::BYTES).cast_signed();
    let steps = _mm_set_epi16(step(7), step(6), step(5), step(4), step(3), step(2), step(1), step(0));
    _mm256_cvtph_ps(steps)
}

/// Two bytes of a block.
#[inline(always)]
pub(super) fn u16_at(block: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([block[at], block[at + 1]])
}

/// 32 bytes of a block. Plain loops and copies here: the adapters of arrays are not always inlined, and a call for
/// each block costs more than its arithmetic.
#[inline(always)]
pub(super) fn run(block: &[u8], at: usize) -> [u8; BLOCK] {
    let mut bytes = [0; BLOCK];
    bytes.copy_from_slice(&block[at..at + BLOCK]);
    bytes
}
