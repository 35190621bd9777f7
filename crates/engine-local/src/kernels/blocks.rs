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
pub(super) struct Q4K;
pub(super) struct Q5K;
pub(super) struct Q6K;

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

/// Scales and minimums of the eight groups of Q4_K and Q5_K.
pub(super) struct Affine {
    scales: [f32; 8],
    minimums: [f32; 8],
}

impl Affine {
    #[inline(always)]
    fn read(block: &[u8], f16: impl Fn(u16) -> f32) -> Self {
        let (scales, minimums) = six_bits(block);
        let (step, minimum_step) = (f16(u16_at(block, 0)), f16(u16_at(block, 2)));
        let mut affine = Self { scales: [0.0; 8], minimums: [0.0; 8] };
        for group in 0..8 {
            affine.scales[group] = step * f32::from(scales[group]);
            affine.minimums[group] = minimum_step * f32::from(minimums[group]);
        }
        affine
    }
}

impl Blocks for Q4K {
    const BYTES: usize = 144;
    const GROUPS: usize = 8;
    const OFFSET: u8 = 0;
    const MINIMUMS: bool = true;
    type Header = Affine;

    #[inline(always)]
    fn header(block: &[u8], f16: impl Fn(u16) -> f32) -> Affine {
        Affine::read(block, f16)
    }

    #[inline(always)]
    fn scales(header: &Affine, group: usize) -> [f32; 2] {
        [header.scales[group]; 2]
    }

    #[inline(always)]
    fn minimum(header: &Affine, group: usize) -> f32 {
        header.minimums[group]
    }

    #[inline(always)]
    fn unsigned(block: &[u8], group: usize) -> [u8; BLOCK] {
        let shift = 4 * (group % 2);
        let mut codes = run(block, 16 + 32 * (group / 2));
        for code in &mut codes {
            *code = *code >> shift & 15;
        }
        codes
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn in_register(block: &[u8], group: usize) -> __m256i {
        bits(run_in_register(block, 16 + 32 * (group / 2)), 4 * (group % 2), 15)
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn eight_scales(bytes: &[u8]) -> EightScales {
        affine_scales(bytes)
    }
}

impl Blocks for Q5K {
    const BYTES: usize = 176;
    const GROUPS: usize = 8;
    const OFFSET: u8 = 0;
    const MINIMUMS: bool = true;
    type Header = Affine;

    #[inline(always)]
    fn header(block: &[u8], f16: impl Fn(u16) -> f32) -> Affine {
        Affine::read(block, f16)
    }

    #[inline(always)]
    fn scales(header: &Affine, group: usize) -> [f32; 2] {
        [header.scales[group]; 2]
    }

    #[inline(always)]
    fn minimum(header: &Affine, group: usize) -> f32 {
        header.minimums[group]
    }

    #[inline(always)]
    fn unsigned(block: &[u8], group: usize) -> [u8; BLOCK] {
        let shift = 4 * (group % 2);
        let (fifth, nibbles) = (run(block, 16), run(block, 48 + 32 * (group / 2)));
        let mut codes = [0; BLOCK];
        for (i, code) in codes.iter_mut().enumerate() {
            *code = nibbles[i] >> shift & 15 | (fifth[i] >> group & 1) << 4;
        }
        codes
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn in_register(block: &[u8], group: usize) -> __m256i {
        let low = bits(run_in_register(block, 48 + 32 * (group / 2)), 4 * (group % 2), 15);
        let fifth = bits(run_in_register(block, 16), group, 1);
        _mm256_or_si256(low, _mm256_slli_epi16::<4>(fifth))
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn eight_scales(bytes: &[u8]) -> EightScales {
        affine_scales(bytes)
    }
}

/// Scales of the sixteen half groups of Q6_K.
pub(super) struct Halves([f32; 16]);

impl Blocks for Q6K {
    const BYTES: usize = 210;
    const GROUPS: usize = 8;
    const OFFSET: u8 = 32;
    const HALVES: bool = true;
    type Header = Halves;

    #[inline(always)]
    fn header(block: &[u8], f16: impl Fn(u16) -> f32) -> Halves {
        let step = f16(u16_at(block, 208));
        let mut scales = [0.0; 16];
        for (scale, &code) in scales.iter_mut().zip(&block[192..208]) {
            *scale = step * f32::from(code.cast_signed());
        }
        Halves(scales)
    }

    #[inline(always)]
    fn scales(header: &Halves, group: usize) -> [f32; 2] {
        [header.0[2 * group], header.0[2 * group + 1]]
    }

    #[inline(always)]
    fn unsigned(block: &[u8], group: usize) -> [u8; BLOCK] {
        let (half, quarter) = (group / 4, group % 4);
        let low = run(block, 64 * half + 32 * (quarter % 2));
        let upper = run(block, 128 + 32 * half);
        let (low_shift, upper_shift) = (4 * (quarter / 2), 2 * quarter);
        let mut codes = [0; BLOCK];
        for (i, code) in codes.iter_mut().enumerate() {
            *code = low[i] >> low_shift & 15 | (upper[i] >> upper_shift & 3) << 4;
        }
        codes
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn in_register(block: &[u8], group: usize) -> __m256i {
        let (half, quarter) = (group / 4, group % 4);
        let low = bits(run_in_register(block, 64 * half + 32 * (quarter % 2)), 4 * (quarter / 2), 15);
        let upper = bits(run_in_register(block, 128 + 32 * half), 2 * quarter, 3);
        _mm256_or_si256(low, _mm256_slli_epi16::<4>(upper))
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn eight_scales(bytes: &[u8]) -> EightScales {
        scales_of_halves(bytes)
    }
}

/// [`run`] in a register.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
#[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
fn run_in_register(block: &[u8], at: usize) -> __m256i {
    let run = &block[at..at + BLOCK];
    // SAFETY: it reads 32 bytes of as many.
    unsafe { _mm256_loadu_si256(run.as_ptr().cast()) }
}

/// Of each byte the bits that `mask` has after a shift; the mask keeps what came from the byte above out.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn bits(bytes: __m256i, shift: usize, mask: i8) -> __m256i {
    let shifted = match shift {
        0 => bytes,
        1 => _mm256_srli_epi16::<1>(bytes),
        2 => _mm256_srli_epi16::<2>(bytes),
        3 => _mm256_srli_epi16::<3>(bytes),
        4 => _mm256_srli_epi16::<4>(bytes),
        5 => _mm256_srli_epi16::<5>(bytes),
        6 => _mm256_srli_epi16::<6>(bytes),
        _ => _mm256_srli_epi16::<7>(bytes),
    };
    _mm256_and_si256(shifted, _mm256_set1_epi8(mask))
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn plain_scales<B: Blocks>(bytes: &[u8]) -> EightScales {
    let step = |place: usize| u16_at(bytes, place * B::BYTES).cast_signed();
    let steps = _mm_set_epi16(step(7), step(6), step(5), step(4), step(3), step(2), step(1), step(0));
    EightScales { scales: [_mm256_cvtph_ps(steps); 2], minimums: _mm256_setzero_ps() }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn affine_scales(block: &[u8]) -> EightScales {
    let (scales, minimums) = six_bits(block);
    let steps =
        _mm_cvtph_ps(_mm_set_epi16(0, 0, 0, 0, 0, 0, u16_at(block, 2).cast_signed(), u16_at(block, 0).cast_signed()));
    let of = |codes: [u8; 8], step: __m128| {
        let codes = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(i64::from_le_bytes(codes)));
        _mm256_mul_ps(_mm256_broadcastss_ps(step), _mm256_cvtepi32_ps(codes))
    };
    EightScales { scales: [of(scales, steps); 2], minimums: of(minimums, _mm_movehdup_ps(steps)) }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,f16c")]
#[expect(unsafe_code, reason = "it loads sixteen bytes of as many")]
fn scales_of_halves(block: &[u8]) -> EightScales {
    let codes = &block[192..208];
    // SAFETY: it reads sixteen bytes of as many.
    let codes = unsafe { _mm_loadu_si128(codes.as_ptr().cast()) };
    // Those of first halves, then those of second ones.
    let order = _mm_set_epi8(15, 13, 11, 9, 7, 5, 3, 1, 14, 12, 10, 8, 6, 4, 2, 0);
    let codes = _mm_shuffle_epi8(codes, order);
    let step = _mm256_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(u16_at(block, 208)))));
    let of = |codes| _mm256_mul_ps(step, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes)));
    EightScales { scales: [of(codes), of(_mm_unpackhi_epi64(codes, codes))], minimums: _mm256_setzero_ps() }
}

/// Twelve bytes hold eight scales and eight minimums of six bits each; see `quant::q4_k`.
#[inline(always)]
fn six_bits(block: &[u8]) -> ([u8; 8], [u8; 8]) {
    const SIX: u32 = 0x3f3f_3f3f;
    const FOUR: u32 = 0x0f0f_0f0f;
    const TWO: u32 = 0x0303_0303;
    let word = |at| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    let (first, second, third) = (word(4), word(8), word(12));
    let join = |early: u32, late: u32| (u64::from(late) << 32 | u64::from(early)).to_le_bytes();
    let scales = join(first & SIX, third & FOUR | (first >> 6 & TWO) << 4);
    (scales, join(second & SIX, third >> 4 & FOUR | (second >> 6 & TWO) << 4))
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
