//! Products over super-blocks with AVX-512 and its byte products (VNNI).
#![expect(unsafe_code, reason = "vector instructions are unsafe unless the machine has them")]

use std::arch::x86_64::*;
use std::ops::Range;

use super::avx2::{AHEAD, FEW as FOUR, PLACES, add, halved, lanes};
use super::formats::{HeaderInRegisters, SuperBlocks, sums_of};
use super::tile::{self, SuperTile};
use crate::kernels::activations::{GROUPS, WideBlock};
use crate::kernels::tile::{Group, LINE, Lanes, ROWS, Rows, STEP, STEPS};
use crate::kernels::vnni::{Vnni, half_to_f32, turned};

/// As [`avx2::FEW`](super::avx2::FEW): twice as many registers serve twice as many rows of activations.
pub(super) const FEW: usize = 2 * FOUR;

impl Vnni {
    /// See [`tile::fill`].
    pub(in crate::kernels) fn fill_super<B: SuperBlocks>(
        self,
        tile: &mut SuperTile,
        rows: Rows<'_>,
        span: Range<usize>,
    ) {
        // SAFETY: `self` proves the features.
        unsafe { fill::<B>(tile, rows, span) }
    }

    /// See [`tile::multiply_portable`].
    pub(in crate::kernels) fn multiply_super<B: SuperBlocks>(
        self,
        tile: &SuperTile,
        x: &[WideBlock],
        stride: usize,
        sums: &mut [Lanes],
    ) {
        // SAFETY: `self` proves the features.
        unsafe { multiply::<B>(tile, x, stride, sums) }
    }

    /// Products of sixteen rows at most with each row of activations, at most [`FEW`], one for each of `sums`.
    pub(in crate::kernels) fn few_super<B: SuperBlocks>(self, rows: Rows<'_>, x: &[WideBlock], sums: &mut [Lanes]) {
        // SAFETY: `self` proves the features.
        unsafe {
            match sums.len() {
                1 => few::<B, 1>(rows, x, sums),
                2 => few::<B, 2>(rows, x, sums),
                3 => few::<B, 3>(rows, x, sums),
                4 => few::<B, 4>(rows, x, sums),
                5 => few::<B, 5>(rows, x, sums),
                6 => few::<B, 6>(rows, x, sums),
                7 => few::<B, 7>(rows, x, sums),
                _ => few::<B, 8>(rows, x, sums),
            }
        }
    }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn fill<B: SuperBlocks>(tile: &mut SuperTile, rows: Rows<'_>, span: Range<usize>) {
    let fetch = |line: *const u8| _mm_prefetch::<_MM_HINT_T1>(line.cast());
    tile::fill::<B>(tile, rows, span, |bits| half_to_f32(bits), fetch, |group| transpose(group));
}

/// Brings words from the order of rows to sixteen rows side by side.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn transpose(group: &mut Group) {
    // SAFETY: a group is sixteen rows of eight words on a boundary of 64.
    let steps = turned(unsafe { &*group.0.as_ptr().cast() });
    for (step, words) in group.0.chunks_exact_mut(ROWS * STEP).zip(steps) {
        // SAFETY: a step is 64 bytes on a boundary of 64.
        unsafe { _mm512_store_si512(step.as_mut_ptr().cast(), words) };
    }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn multiply<B: SuperBlocks>(tile: &SuperTile, x: &[WideBlock], stride: usize, mut sums: &mut [Lanes]) {
    let mut start = 0;
    while !sums.is_empty() {
        let x = &x[start * stride..];
        let done = match sums.len() {
            1 => several::<B, 1>(tile, x, stride, sums),
            2 => several::<B, 2>(tile, x, stride, sums),
            3 => several::<B, 3>(tile, x, stride, sums),
            4..8 => several::<B, 4>(tile, x, stride, sums),
            _ => several::<B, 8>(tile, x, stride, sums),
        };
        start += done;
        sums = &mut sums[done..];
    }
}

/// `P` rows of activations; returns `P`.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn several<B: SuperBlocks, const P: usize>(
    tile: &SuperTile,
    x: &[WideBlock],
    stride: usize,
    sums: &mut [Lanes],
) -> usize {
    assert!(x.len() >= (P - 1) * stride + tile.count && sums.len() >= P);
    // SAFETY, here and below: it reads sixteen words on a boundary of 64.
    let word =
        |group: &Group, step: usize| unsafe { _mm512_load_si512(group.0.as_ptr().add(step * ROWS * STEP).cast()) };
    let floats = |lanes: &Lanes| unsafe { _mm512_load_ps(lanes.0.as_ptr()) };
    let mut totals = [_mm512_setzero_ps(); P];
    for (total, sums) in totals.iter_mut().zip(&*sums) {
        *total = floats(sums);
    }
    for (number, block) in tile.blocks[..tile.count].iter().enumerate() {
        // SAFETY: the assertion above; `p` is below `P`.
        let x = |p: usize| unsafe { x.get_unchecked(p * stride + number) };
        let mut products = [_mm512_setzero_si512(); P];
        for group in 0..GROUPS {
            for half in 0..B::HALVES {
                let mut chains = [_mm512_setzero_si512(); P];
                for step in half * STEPS / B::HALVES..(half + 1) * STEPS / B::HALVES {
                    let weights = word(&block.codes[group], step);
                    for (p, chain) in chains.iter_mut().enumerate() {
                        let at = WideBlock::step(group, step);
                        // SAFETY: it reads 4 of 256 codes.
                        let codes = unsafe { x(p).codes.as_ptr().cast::<i32>().add(at).read_unaligned() };
                        *chain = _mm512_dpbusd_epi32(*chain, weights, _mm512_set1_epi32(codes));
                    }
                }
                for (p, (products, chain)) in products.iter_mut().zip(chains).enumerate() {
                    let scales = word(&block.scales[half][x(p).shift(group)], group);
                    *products = _mm512_add_epi32(*products, _mm512_mullo_epi32(chain, scales));
                }
            }
        }
        let mut minimums = [_mm512_setzero_si512(); P];
        for two in 0..GROUPS * B::HALVES / 2 {
            let words = word(&block.minimums, two);
            for (p, minimums) in minimums.iter_mut().enumerate() {
                let [first, second] = sums_of::<B>(x(p)).as_chunks().0[two];
                let pair = i32::from(second) << 16 | i32::from(first) & 0xffff;
                *minimums = _mm512_dpwssd_epi32(*minimums, words, _mm512_set1_epi32(pair));
            }
        }
        let (steps, minimum_steps) = (floats(&block.steps), floats(&block.minimum_steps));
        for (p, total) in totals.iter_mut().enumerate() {
            let scale = _mm512_set1_ps(x(p).scale);
            let mut products = products[p];
            if B::OFFSET > 0 {
                let offset = _mm512_set1_epi32(B::OFFSET);
                products = _mm512_sub_epi32(products, _mm512_mullo_epi32(minimums[p], offset));
            }
            *total = _mm512_fmadd_ps(_mm512_mul_ps(steps, scale), _mm512_cvtepi32_ps(products), *total);
            if B::OFFSET == 0 {
                let factor = _mm512_mul_ps(minimum_steps, scale);
                *total = _mm512_fnmadd_ps(factor, _mm512_cvtepi32_ps(minimums[p]), *total);
            }
        }
    }
    for (total, sums) in totals.iter().zip(sums) {
        // SAFETY: it writes sixteen floats.
        unsafe { _mm512_store_ps(sums.0.as_mut_ptr(), *total) };
    }
    P
}

/// Each row is read from its beginning to its end, because memory delivers only what is read in order at its full speed.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn few<B: SuperBlocks, const P: usize>(rows: Rows<'_>, x: &[WideBlock], sums: &mut [Lanes]) {
    let count = x.len() / P;
    assert!(sums.len() == P && x.len() == P * count && rows.row_bytes == count * B::BYTES);
    for (row, bytes) in rows.bytes.chunks_exact(rows.row_bytes).enumerate() {
        let mut totals = [_mm_setzero_ps(); FEW / FOUR];
        for (number, block) in bytes.chunks_exact(B::BYTES).enumerate() {
            for line in (0..B::BYTES).step_by(LINE) {
                _mm_prefetch::<_MM_HINT_T0>(block.as_ptr().wrapping_add(AHEAD + line).cast());
            }
            // SAFETY: the assertion above; `p` is below `P`.
            let x: [&WideBlock; P] = std::array::from_fn(|p| unsafe { x.get_unchecked(p * count + number) });
            // SAFETY: this function has the instructions.
            let header = unsafe { B::header_in_registers(block) };
            let mut products = [_mm512_setzero_si512(); P];
            for half in 0..B::HALVES {
                let mut chains = [_mm512_setzero_si512(); P];
                for place in half * PLACES / B::HALVES..(half + 1) * PLACES / B::HALVES {
                    // SAFETY: this function has the instructions.
                    let weights = unsafe { B::eight_runs(block, place) };
                    for (chain, x) in chains.iter_mut().zip(x) {
                        // SAFETY: it reads eight codes of each of eight groups, on a boundary of 64.
                        let codes = unsafe { _mm512_load_si512(x.codes[place].as_ptr().cast()) };
                        *chain = _mm512_dpbusd_epi32(*chain, weights, codes);
                    }
                }
                let scales = scales::<B>(&header, half);
                for ((products, chain), x) in products.iter_mut().zip(chains).zip(x) {
                    // SAFETY: it reads sixteen words on a boundary of 64.
                    let shifts = unsafe { _mm512_load_si512(x.shifts.as_ptr().cast()) };
                    let scaled = _mm512_sllv_epi32(_mm512_mullo_epi32(chain, scales), shifts);
                    *products = _mm512_add_epi32(*products, scaled);
                }
            }
            let products = products.map(|products| {
                let upper = _mm512_extracti64x4_epi64::<1>(products);
                halved(_mm256_add_epi32(_mm512_castsi512_si256(products), upper))
            });
            for ((total, products), x) in totals.iter_mut().zip(products.chunks(FOUR)).zip(x.chunks(FOUR)) {
                *total = add::<B>(*total, products, &header, x);
            }
        }
        for (sums, total) in sums.iter_mut().zip(totals.map(|total| lanes(total)).as_flattened()) {
            sums.0[row] = *total;
        }
    }
}

/// The scale of each group, or of one half of each, in two lanes.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn scales<B: SuperBlocks>(header: &HeaderInRegisters, half: usize) -> __m512i {
    let of_groups = match (B::HALVES, half) {
        (1, _) => _mm512_cvtepi16_epi64(_mm256_castsi256_si128(header.scales)),
        (_, 0) => _mm512_cvtepi32_epi64(_mm256_srai_epi32::<16>(_mm256_slli_epi32::<16>(header.scales))),
        (_, _) => _mm512_cvtepi32_epi64(_mm256_srai_epi32::<16>(header.scales)),
    };
    _mm512_shuffle_epi32::<0b10_10_00_00>(of_groups)
}
