//! Super-blocks as eight groups of 32 unsigned codes, with scales and minimums that are whole numbers.
//!
//! `value = step · scale · code - minimum_step · minimum`. The layouts are described with
//! [`BlockType`](crate::quant::BlockType)'s reference conversions.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use crate::kernels::activations::{BLOCK, GROUPS, RUN, WideBlock};
use crate::kernels::blocks::{run, u16_at};

/// Scales of a super-block at most: two for each group.
pub(in crate::kernels) const MOST_SCALES: usize = 2 * GROUPS;

/// What groups share.
#[derive(Clone, Copy, Debug)]
pub(in crate::kernels) struct Header {
    /// Value of one step of a scale.
    pub(in crate::kernels) step: f32,
    /// Value of one step of a minimum.
    pub(in crate::kernels) minimum_step: f32,
    /// As many as the format has.
    pub(in crate::kernels) scales: [i16; MOST_SCALES],
    /// One for each scale.
    pub(in crate::kernels) minimums: [i16; MOST_SCALES],
}

/// [`Header`] in registers.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub(in crate::kernels) struct HeaderInRegisters {
    /// The two steps.
    pub(in crate::kernels) steps: __m128,
    /// The scales, and zeros.
    pub(in crate::kernels) scales: __m256i,
    /// The minimums, and zeros.
    pub(in crate::kernels) minimums: __m256i,
}

/// How one format splits into groups.
pub(in crate::kernels) trait SuperBlocks {
    /// Bytes of a super-block.
    const BYTES: usize;
    /// Scales of a group: one, or one for each half.
    const HALVES: usize;
    /// The largest code.
    const TOP: i16;
    /// What is subtracted from codes, instead of minimums with a step of their own; a header then repeats the scales as its
    /// minimums.
    const OFFSET: i32 = 0;

    /// Unpacks what groups share; `f16` converts a half float.
    fn header(block: &[u8], f16: impl Fn(u16) -> f32) -> Header;

    /// Codes of a group.
    fn codes(block: &[u8], group: usize) -> [u8; BLOCK];

    /// [`header`](Self::header) in registers.
    ///
    /// # Safety
    /// The machine must have AVX2 and F16C.
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn header_in_registers(block: &[u8]) -> HeaderInRegisters;

    /// Eight codes, from eight times `place` on, of each of four groups, from four times `half` on.
    ///
    /// # Safety
    /// The machine must have AVX2.
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn four_runs(block: &[u8], place: usize, half: usize) -> __m256i;

    /// Eight codes, from eight times `place` on, of each group.
    ///
    /// # Safety
    /// The machine must have AVX-512 F and BW.
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn eight_runs(block: &[u8], place: usize) -> __m512i;
}

/// Sums of the activations' codes over what one scale of a format covers.
#[inline(always)]
pub(in crate::kernels) fn sums_of<B: SuperBlocks>(x: &WideBlock) -> &[i16] {
    if B::HALVES == 2 { x.half_sums.as_flattened() } else { &x.sums }
}

#[derive(Debug)]
pub(in crate::kernels) struct Q4K;

impl SuperBlocks for Q4K {
    const BYTES: usize = 144;
    const HALVES: usize = 1;
    const TOP: i16 = 15;

    #[inline(always)]
    fn header(block: &[u8], f16: impl Fn(u16) -> f32) -> Header {
        affine(block, f16)
    }

    #[inline(always)]
    fn codes(block: &[u8], group: usize) -> [u8; BLOCK] {
        let shift = 4 * (group % 2);
        let mut codes = run(block, 16 + 32 * (group / 2));
        for code in &mut codes {
            *code = *code >> shift & 15;
        }
        codes
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn header_in_registers(block: &[u8]) -> HeaderInRegisters {
        affine_in_registers(block)
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn four_runs(block: &[u8], place: usize, half: usize) -> __m256i {
        nibbles_of_four(block, 16 + 64 * half + RUN * place)
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn eight_runs(block: &[u8], place: usize) -> __m512i {
        nibbles_of_eight(block, 16, place)
    }
}

#[derive(Debug)]
pub(in crate::kernels) struct Q5K;

impl SuperBlocks for Q5K {
    const BYTES: usize = 176;
    const HALVES: usize = 1;
    const TOP: i16 = 31;

    #[inline(always)]
    fn header(block: &[u8], f16: impl Fn(u16) -> f32) -> Header {
        affine(block, f16)
    }

    #[inline(always)]
    fn codes(block: &[u8], group: usize) -> [u8; BLOCK] {
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
    #[target_feature(enable = "avx2,f16c")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn header_in_registers(block: &[u8]) -> HeaderInRegisters {
        affine_in_registers(block)
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn four_runs(block: &[u8], place: usize, half: usize) -> __m256i {
        let low = nibbles_of_four(block, 48 + 64 * half + RUN * place);
        let first = 0x0101_0101_0101_0101 << (4 * half);
        let bits = _mm256_set_epi64x(first << 3, first << 2, first << 1, first);
        let fifth = _mm256_cmpeq_epi8(_mm256_and_si256(run_in_all(block, 16 + RUN * place), bits), bits);
        _mm256_or_si256(low, _mm256_and_si256(fifth, _mm256_set1_epi8(16)))
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn eight_runs(block: &[u8], place: usize) -> __m512i {
        let low = nibbles_of_eight(block, 48, place);
        let bit = |group: usize| 0x0101_0101_0101_0101_u64.cast_signed() << group;
        let bits = _mm512_set_epi64(bit(7), bit(6), bit(5), bit(4), bit(3), bit(2), bit(1), bit(0));
        let fifth = _mm512_broadcast_i64x4(run_in_all(block, 16 + RUN * place));
        _mm512_mask_add_epi8(low, _mm512_test_epi8_mask(fifth, bits), low, _mm512_set1_epi8(16))
    }
}

#[derive(Debug)]
pub(in crate::kernels) struct Q6K;

impl SuperBlocks for Q6K {
    const BYTES: usize = 210;
    const HALVES: usize = 2;
    const TOP: i16 = 63;
    const OFFSET: i32 = 32;

    #[inline(always)]
    fn header(block: &[u8], f16: impl Fn(u16) -> f32) -> Header {
        let mut scales = [0; MOST_SCALES];
        for (scale, &code) in scales.iter_mut().zip(&block[192..208]) {
            *scale = i16::from(code.cast_signed());
        }
        Header { step: f16(u16_at(block, 208)), minimum_step: 0.0, scales, minimums: scales }
    }

    #[inline(always)]
    fn codes(block: &[u8], group: usize) -> [u8; BLOCK] {
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
    #[target_feature(enable = "avx2,f16c")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn header_in_registers(block: &[u8]) -> HeaderInRegisters {
        let codes = &block[192..208];
        // SAFETY: it reads sixteen bytes of as many.
        let scales = _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(codes.as_ptr().cast()) });
        let steps = _mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(u16_at(block, 208))));
        HeaderInRegisters { steps, scales, minimums: scales }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn four_runs(block: &[u8], place: usize, half: usize) -> __m256i {
        let at = 64 * half + RUN * place;
        let low = _mm256_blend_epi32::<0b1100_1100>(run_in_all(block, at), run_in_all(block, at + BLOCK));
        let low = _mm256_srlv_epi64(low, _mm256_set_epi64x(4, 4, 0, 0));
        // The two upper bits of a code, brought to where they belong.
        let upper = run_in_all(block, 128 + 32 * half + RUN * place);
        let upper = _mm256_sllv_epi64(upper, _mm256_set_epi64x(0, 0, 2, 4));
        let upper = _mm256_srlv_epi64(upper, _mm256_set_epi64x(2, 0, 0, 0));
        let low = _mm256_and_si256(low, _mm256_set1_epi8(15));
        _mm256_or_si256(low, _mm256_and_si256(upper, _mm256_set1_epi8(0x30)))
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    #[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
    unsafe fn eight_runs(block: &[u8], place: usize) -> __m512i {
        let places = add_place(_mm512_set_epi64(12, 8, 12, 8, 4, 0, 4, 0), place);
        let low = _mm512_permutex2var_epi64(line(block, 0), places, line(block, 64));
        let low = _mm512_srlv_epi64(low, _mm512_set_epi64(4, 4, 0, 0, 4, 4, 0, 0));
        // The two upper bits of a code, brought to where they belong.
        let places = add_place(_mm512_set_epi64(4, 4, 4, 4, 0, 0, 0, 0), place);
        let upper = _mm512_permutexvar_epi64(places, line(block, 128));
        let upper = _mm512_rolv_epi64(upper, _mm512_set_epi64(62, 0, 2, 4, 62, 0, 2, 4));
        let low = _mm512_and_si512(low, _mm512_set1_epi8(15));
        _mm512_or_si512(low, _mm512_and_si512(upper, _mm512_set1_epi8(0x30)))
    }
}

/// The header of formats with minimums: two half floats, then [`six_bits`].
#[inline(always)]
fn affine(block: &[u8], f16: impl Fn(u16) -> f32) -> Header {
    let (scales, minimums) = six_bits(block);
    let widened = |codes: [u8; GROUPS]| {
        let mut words = [0; MOST_SCALES];
        for (word, code) in words.iter_mut().zip(codes) {
            *word = i16::from(code);
        }
        words
    };
    Header {
        step: f16(u16_at(block, 0)),
        minimum_step: f16(u16_at(block, 2)),
        scales: widened(scales),
        minimums: widened(minimums),
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn affine_in_registers(block: &[u8]) -> HeaderInRegisters {
    let (scales, minimums) = six_bits(block);
    let steps = i32::from_le_bytes([block[0], block[1], block[2], block[3]]);
    let widened = |codes| {
        let codes = _mm_cvtepu8_epi16(_mm_cvtsi64_si128(i64::from_le_bytes(codes)));
        _mm256_zextsi128_si256(codes)
    };
    HeaderInRegisters {
        steps: _mm_cvtph_ps(_mm_cvtsi32_si128(steps)),
        scales: widened(scales),
        minimums: widened(minimums),
    }
}

/// Twelve bytes hold eight scales and eight minimums of six bits each; see `quant::q4_k`.
#[inline(always)]
fn six_bits(block: &[u8]) -> ([u8; GROUPS], [u8; GROUPS]) {
    const SIX: u32 = 0x3f3f_3f3f;
    const FOUR: u32 = 0x0f0f_0f0f;
    const TWO: u32 = 0x0303_0303;
    let word = |at| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    let (first, second, third) = (word(4), word(8), word(12));
    let join = |early: u32, late: u32| (u64::from(late) << 32 | u64::from(early)).to_le_bytes();
    let scales = join(first & SIX, third & FOUR | (first >> 6 & TWO) << 4);
    (scales, join(second & SIX, third >> 4 & FOUR | (second >> 6 & TWO) << 4))
}

/// Eight bytes of a block in every lane of a register.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn run_in_all(block: &[u8], at: usize) -> __m256i {
    let run = block[at..].first_chunk().expect("runs lie within blocks");
    _mm256_set1_epi64x(i64::from_le_bytes(*run))
}

/// The codes of four groups, two of which share bytes: those from `at` on, and 32 behind.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn nibbles_of_four(block: &[u8], at: usize) -> __m256i {
    let bytes = _mm256_blend_epi32::<0b1111_0000>(run_in_all(block, at), run_in_all(block, at + BLOCK));
    let shifted = _mm256_srlv_epi64(bytes, _mm256_set_epi64x(4, 0, 4, 0));
    _mm256_and_si256(shifted, _mm256_set1_epi8(15))
}

/// The codes of all groups, two of which share the bytes of one place, from `at` on.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn nibbles_of_eight(block: &[u8], at: usize, place: usize) -> __m512i {
    let places = add_place(_mm512_set_epi64(12, 12, 8, 8, 4, 4, 0, 0), place);
    let bytes = _mm512_permutex2var_epi64(line(block, at), places, line(block, at + 64));
    let shifted = _mm512_srlv_epi64(bytes, _mm512_set_epi64(4, 0, 4, 0, 4, 0, 4, 0));
    _mm512_and_si512(shifted, _mm512_set1_epi8(15))
}

/// Which eight bytes a lane takes at a place, of those that it takes at the first.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f")]
fn add_place(first: __m512i, place: usize) -> __m512i {
    _mm512_add_epi64(first, _mm512_set1_epi64(place as i64))
}

/// 64 bytes of a block.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "the instructions are unsafe unless the machine has them")]
fn line(block: &[u8], at: usize) -> __m512i {
    let line = &block[at..at + 64];
    // SAFETY: it reads 64 bytes of as many.
    unsafe { _mm512_loadu_si512(line.as_ptr().cast()) }
}
