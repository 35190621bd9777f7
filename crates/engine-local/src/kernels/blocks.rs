//! Weight blocks as groups of 32 signed codes: the one form that the integer products read.
//!
//! `value = scale · code - minimum`, with one scale for each half of a group. The layouts are described with
//! [`BlockType`](crate::quant::BlockType)'s reference conversions.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::activations::BLOCK;

/// Scales and minimums of eight groups, in registers.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub(super) struct EightScales {
    /// Scales of the groups; where halves have scales of their own, of each half.
    pub(super) scales: [__m256; 2],
    /// What is subtracted from each value of a group.
    pub(super) minimums: __m256,
}

/// How one block format splits into groups.
pub(super) trait Blocks {
    /// Bytes of a block.
    const BYTES: usize;
    /// Groups of 32 in a block.
    const GROUPS: usize;
    /// Whether the two halves of a group have scales of their own.
    const HALVES: bool = false;
    /// Whether groups have minimums.
    const MINIMUMS: bool = false;
    /// What is added to codes so that none is below 0.
    const OFFSET: u8;
    /// Whether a block is a half float, which is the scale of its one group, and the group's codes.
    const IS_PLAIN: bool = false;
    /// What a block's groups share, unpacked once per block.
    type Header;

    /// Unpacks the header; `f16` converts a half float.
    fn header(block: &[u8], f16: impl Fn(u16) -> f32) -> Self::Header;
    /// Scales of the halves of a group.
    fn scales(header: &Self::Header, group: usize) -> [f32; 2];
    /// What is subtracted from each value of a group.
    fn minimum(_header: &Self::Header, _group: usize) -> f32 {
        0.0
    }
    /// Codes of a group with [`OFFSET`](Self::OFFSET) added.
    fn unsigned(block: &[u8], group: usize) -> [u8; BLOCK];

    /// Codes of a group, -128 to 127.
    #[inline(always)]
    fn codes(block: &[u8], group: usize) -> [i8; BLOCK] {
        let mut codes = [0; BLOCK];
        for (code, byte) in codes.iter_mut().zip(Self::unsigned(block, group)) {
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
    unsafe fn in_register(block: &[u8], group: usize) -> __m256i {
        let codes = Self::unsigned(block, group);
        // SAFETY: it reads 32 bytes of an array of 32.
        unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) }
    }

    /// Scales and minimums of the eight groups that bytes begin with.
    ///
    /// # Safety
    /// The machine must have AVX2 and F16C.
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn eight_scales(bytes: &[u8]) -> EightScales;
}

pub(super) struct Q8_0;
pub(super) struct Q4_0;

impl Blocks for Q8_0 {
    const BYTES: usize = 34;
    const GROUPS: usize = 1;
    const OFFSET: u8 = 128;
    const IS_PLAIN: bool = true;
    type Header = f32;

    #[inline(always)]
    fn header(block: &[u8], f16: impl Fn(u16) -> f32) -> f32 {
        f16(u16_at(block, 0))
    }

    #[inline(always)]
    fn scales(header: &f32, _group: usize) -> [f32; 2] {
        [*header; 2]
    }

    #[inline(always)]
    fn unsigned(block: &[u8], _group: usize) -> [u8; BLOCK] {
        let mut codes = run(block, 2);
        for code in &mut codes {
            *code ^= 128;
        }
        codes
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn eight_scales(bytes: &[u8]) -> EightScales {
        plain_scales::<Self>(bytes)
    }
}

impl Blocks for Q4_0 {
    const BYTES: usize = 18;
    const GROUPS: usize = 1;
    const OFFSET: u8 = 8;
    const IS_PLAIN: bool = true;
    type Header = f32;

    #[inline(always)]
    fn header(block: &[u8], f16: impl Fn(u16) -> f32) -> f32 {
        f16(u16_at(block, 0))
    }

    #[inline(always)]
    fn scales(header: &f32, _group: usize) -> [f32; 2] {
        [*header; 2]
    }

    /// Byte `i` holds value `i` low and value `i + 16` high; codes are stored with 8 added.
    #[inline(always)]
    fn unsigned(block: &[u8], _group: usize) -> [u8; BLOCK] {
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
    unsafe fn in_register(block: &[u8], _group: usize) -> __m256i {
        let bytes: &[u8; 16] = block[2..].first_chunk().expect("a block has sixteen bytes of codes");
        // SAFETY: it reads sixteen bytes.
        let low = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
        let both = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(low), _mm_srli_epi16::<4>(low));
        _mm256_and_si256(both, _mm256_set1_epi8(15))
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn eight_scales(bytes: &[u8]) -> EightScales {
        plain_scales::<Self>(bytes)
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn plain_scales<B: Blocks>(bytes: &[u8]) -> EightScales {
    let step = |place: usize| u16_at(bytes, place * B::BYTES).cast_signed();
    let steps = _mm_set_epi16(step(7), step(6), step(5), step(4), step(3), step(2), step(1), step(0));
    EightScales { scales: [_mm256_cvtph_ps(steps); 2], minimums: _mm256_setzero_ps() }
}

#[inline(always)]
fn u16_at(block: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([block[at], block[at + 1]])
}

/// 32 bytes of a block. Plain loops and copies here: the adapters of arrays are not always inlined, and a call for
/// each block costs more than its arithmetic.
#[inline(always)]
fn run(block: &[u8], at: usize) -> [u8; BLOCK] {
    let mut bytes = [0; BLOCK];
    bytes.copy_from_slice(&block[at..at + BLOCK]);
    bytes
}
