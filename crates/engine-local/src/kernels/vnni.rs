//! Quantized products with the byte products of AVX-512 VNNI.
#![expect(unsafe_code, reason = "vector instructions are unsafe unless the machine has them")]

use std::arch::x86_64::*;
use std::ops::Range;

use super::activations::{BLOCK, QuantizedBlock};
use super::blocks::Blocks;
use super::tile::{self, FEW, Group, Lanes, ROWS, Rows, STEP, STEPS, Tile};

/// Proof that the machine has AVX-512 F, BW, VL and VNNI, and F16C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vnni(());

impl Vnni {
    /// `None` where an instruction is missing.
    pub(super) fn detect() -> Option<Self> {
        let is_there = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("f16c");
        is_there.then_some(Self(()))
    }

    /// See [`tile::fill`]. Codes get 128 added: the byte product takes one unsigned side.
    pub(super) fn fill<B: Blocks>(self, tile: &mut Tile, rows: Rows<'_>, groups: Range<usize>) {
        // SAFETY: `self` proves the features.
        unsafe { fill::<B>(tile, rows, groups) }
    }

    /// [`fill`](Self::fill) and [`multiply`](Self::multiply) at once for [`FEW`] rows of activations at most: codes go
    /// through registers only. `x` begins with the first of the groups.
    pub(super) fn multiply_few<B: Blocks>(
        self,
        tile: &mut Tile,
        (rows, groups): (Rows<'_>, Range<usize>),
        x: &[QuantizedBlock],
        stride: usize,
        sums: &mut [Lanes],
    ) {
        // SAFETY: `self` proves the features.
        unsafe {
            tile_of_few::<B>(tile, rows, groups.clone());
            match sums {
                [one] => few::<B, 1>(tile, (rows, groups), x, stride, std::array::from_mut(one)),
                sums => few::<B, FEW>(tile, (rows, groups), x, stride, sums.as_mut_array().expect("two rows at most")),
            }
        }
    }

    /// See [`tile::multiply_portable`].
    pub(super) fn multiply<B: Blocks>(self, tile: &Tile, x: &[QuantizedBlock], stride: usize, sums: &mut [Lanes]) {
        // SAFETY: `self` proves the features.
        unsafe { multiply::<B>(tile, x, stride, sums) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn fill<B: Blocks>(tile: &mut Tile, rows: Rows<'_>, groups: Range<usize>) {
    tile::fill::<B, true>(tile, rows, groups, |bits| half_to_f32(bits));
    for group in &mut tile.codes[..tile.groups] {
        transpose(group);
    }
}

/// Sixteen rows of eight words to eight steps of sixteen words, in two rounds within the quarters of the registers and one
/// across them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn transpose(group: &mut Group) {
    // SAFETY: it reads the 32 bytes of one of sixteen rows.
    let row = |row: usize| unsafe { _mm256_load_si256(group.0.as_ptr().add(row * BLOCK).cast()) };
    let pair = |first| _mm512_inserti64x4::<1>(_mm512_castsi256_si512(row(first)), row(first + 4));
    let half = |start: usize| {
        let rows = [pair(start), pair(start + 1), pair(start + 2), pair(start + 3)];
        let (a, b) = (_mm512_unpacklo_epi32(rows[0], rows[1]), _mm512_unpackhi_epi32(rows[0], rows[1]));
        let (c, d) = (_mm512_unpacklo_epi32(rows[2], rows[3]), _mm512_unpackhi_epi32(rows[2], rows[3]));
        [
            _mm512_unpacklo_epi64(a, c),
            _mm512_unpackhi_epi64(a, c),
            _mm512_unpacklo_epi64(b, d),
            _mm512_unpackhi_epi64(b, d),
        ]
    };
    let (low, high) = (half(0), half(8));
    let upper = _mm512_set1_epi8(i8::MIN);
    for (number, (low, high)) in low.into_iter().zip(high).enumerate() {
        let early = _mm512_shuffle_i32x4::<0b10_00_10_00>(low, high);
        let late = _mm512_shuffle_i32x4::<0b11_01_11_01>(low, high);
        let step = |number: usize| number * ROWS * STEP;
        // SAFETY: a step is 64 bytes on a boundary of 64, and there are eight.
        unsafe {
            let start = group.0.as_mut_ptr();
            _mm512_store_si512(start.add(step(number)).cast(), _mm512_xor_si512(early, upper));
            _mm512_store_si512(start.add(step(number + STEPS / 2)).cast(), _mm512_xor_si512(late, upper));
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn multiply<B: Blocks>(tile: &Tile, x: &[QuantizedBlock], stride: usize, mut sums: &mut [Lanes]) {
    let mut start = 0;
    while !sums.is_empty() {
        let x = &x[start * stride..];
        let done = match sums.len() {
            1 => several::<B, 1, 4>(tile, x, stride, sums),
            2 => several::<B, 2, 2>(tile, x, stride, sums),
            3 => several::<B, 3, 1>(tile, x, stride, sums),
            4..8 => several::<B, 4, 1>(tile, x, stride, sums),
            _ => several::<B, 8, 1>(tile, x, stride, sums),
        };
        start += done;
        sums = &mut sums[done..];
    }
}

/// `P` rows of activations; the products of each are added in `C` chains, so that one need not wait for the last. Returns
/// `P`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn several<B: Blocks, const P: usize, const C: usize>(
    tile: &Tile,
    x: &[QuantizedBlock],
    stride: usize,
    sums: &mut [Lanes],
) -> usize {
    assert!(x.len() >= (P - 1) * stride + tile.groups && sums.len() >= P);
    let mut totals = [_mm512_setzero_ps(); P];
    for (total, sums) in totals.iter_mut().zip(&*sums) {
        // SAFETY: it reads sixteen floats.
        *total = unsafe { _mm512_load_ps(sums.0.as_ptr()) };
    }
    for group in 0..tile.groups {
        let codes = &tile.codes[group].0;
        // SAFETY: the assertion above; `p` is below `P`.
        let x = |p: usize| unsafe { x.get_unchecked(p * stride + group) };
        let halves = if B::HALVES { 2 } else { 1 };
        for half in 0..halves {
            let mut chains = [[_mm512_setzero_si512(); C]; P];
            for (p, chains) in chains.iter_mut().enumerate() {
                // What 128 added to each code adds to the sum, taken away.
                chains[0] = match (B::HALVES, half) {
                    (false, _) => _mm512_set1_epi32(x(p).excess),
                    (true, 0) => _mm512_set1_epi32(x(p).excess_of_half),
                    (true, _) => {
                        _mm512_sub_epi32(_mm512_set1_epi32(x(p).excess), _mm512_set1_epi32(x(p).excess_of_half))
                    }
                };
            }
            for step in half * STEPS / halves..(half + 1) * STEPS / halves {
                // SAFETY: it reads the 64 bytes of one of eight steps.
                let weights = unsafe { _mm512_load_si512(codes.as_ptr().add(step * ROWS * STEP).cast()) };
                for (p, chains) in chains.iter_mut().enumerate() {
                    // SAFETY: it reads 4 of 32 codes.
                    let codes = unsafe { x(p).codes.as_ptr().add(step * STEP).cast::<i32>().read_unaligned() };
                    let chain = &mut chains[step % C];
                    *chain = _mm512_dpbusd_epi32(*chain, weights, _mm512_set1_epi32(codes));
                }
            }
            // SAFETY: it reads sixteen floats.
            let scale = unsafe { _mm512_load_ps(tile.scales[group][half].0.as_ptr()) };
            for (p, (total, chains)) in totals.iter_mut().zip(chains).enumerate() {
                let mut whole = chains[0];
                for chain in &chains[1..] {
                    whole = _mm512_add_epi32(whole, *chain);
                }
                let factor = _mm512_mul_ps(scale, _mm512_set1_ps(x(p).scale));
                *total = _mm512_fmadd_ps(factor, _mm512_cvtepi32_ps(whole), *total);
            }
        }
        if B::MINIMUMS {
            // SAFETY: it reads sixteen floats.
            let minimum = unsafe { _mm512_load_ps(tile.minimums[group].0.as_ptr()) };
            for (p, total) in totals.iter_mut().enumerate() {
                *total = _mm512_fnmadd_ps(minimum, _mm512_set1_ps(x(p).sum), *total);
            }
        }
    }
    for (total, sums) in totals.iter().zip(sums) {
        // SAFETY: it writes sixteen floats.
        unsafe { _mm512_store_ps(sums.0.as_mut_ptr(), *total) };
    }
    P
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn tile_of_few<B: Blocks>(tile: &mut Tile, rows: Rows<'_>, groups: Range<usize>) {
    tile::fill::<B, false>(tile, rows, groups, |bits| half_to_f32(bits));
}

/// Sixteen weight rows against `P` rows of activations. Products of two rows lie side by side in a register; three rounds of
/// additions bring the sixteen sums into one.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn few<B: Blocks, const P: usize>(
    tile: &Tile,
    (rows, groups): (Rows<'_>, Range<usize>),
    x: &[QuantizedBlock],
    stride: usize,
    sums: &mut [Lanes; P],
) {
    assert!(x.len() >= (P - 1) * stride + groups.len() && groups.end / B::GROUPS * B::BYTES <= rows.row_bytes);
    let upper = _mm512_set1_epi8(i8::MIN);
    let mut totals = [_mm512_setzero_ps(); P];
    for (total, sums) in totals.iter_mut().zip(&*sums) {
        // SAFETY: it reads sixteen floats.
        *total = unsafe { _mm512_load_ps(sums.0.as_ptr()) };
    }
    for (number, block) in (groups.start / B::GROUPS..groups.end / B::GROUPS).enumerate() {
        for within in 0..B::GROUPS {
            let group = number * B::GROUPS + within;
            let row = |row: usize| {
                // SAFETY: the assertion above.
                let codes = B::codes(unsafe { rows.block::<B>(row, block) }, within);
                // SAFETY: it reads 32 bytes of an array of 32.
                unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) }
            };
            let pair = |first: usize| {
                let pair = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(row(first)), row(first + 4));
                _mm512_xor_si512(pair, upper)
            };
            let pairs = [pair(0), pair(1), pair(2), pair(3), pair(8), pair(9), pair(10), pair(11)];
            // SAFETY: it reads sixteen floats.
            let scale = |half: usize| unsafe { _mm512_load_ps(tile.scales[group][half].0.as_ptr()) };
            for (p, total) in totals.iter_mut().enumerate() {
                // SAFETY: the assertion above; `p` is below `P`.
                let x = unsafe { x.get_unchecked(p * stride + group) };
                // SAFETY: it reads 32 bytes of an array of 32.
                let codes = _mm512_broadcast_i64x4(unsafe { _mm256_loadu_si256(x.codes.as_ptr().cast()) });
                let product = |pair: usize| _mm512_dpbusd_epi32(_mm512_setzero_si512(), pairs[pair], codes);
                let four = |at: usize| add_four([product(at), product(at + 1), product(at + 2), product(at + 3)]);
                let (low, high) = (four(0), four(4));
                let first = _mm512_shuffle_i32x4::<0b10_00_10_00>(low, high);
                let second = _mm512_shuffle_i32x4::<0b11_01_11_01>(low, high);
                let add = |total, scale, whole| {
                    let factor = _mm512_mul_ps(scale, _mm512_set1_ps(x.scale));
                    _mm512_fmadd_ps(factor, _mm512_cvtepi32_ps(whole), total)
                };
                // What 128 added to each code adds to the sum is taken away.
                if B::HALVES {
                    let first = _mm512_add_epi32(first, _mm512_set1_epi32(x.excess_of_half));
                    let second = _mm512_add_epi32(second, _mm512_set1_epi32(x.excess - x.excess_of_half));
                    *total = add(add(*total, scale(0), first), scale(1), second);
                } else {
                    let whole = _mm512_add_epi32(_mm512_add_epi32(first, second), _mm512_set1_epi32(x.excess));
                    *total = add(*total, scale(0), whole);
                }
                if B::MINIMUMS {
                    // SAFETY: it reads sixteen floats.
                    let minimum = unsafe { _mm512_load_ps(tile.minimums[group].0.as_ptr()) };
                    *total = _mm512_fnmadd_ps(minimum, _mm512_set1_ps(x.sum), *total);
                }
            }
        }
    }
    for (total, sums) in totals.iter().zip(sums) {
        // SAFETY: it writes sixteen floats.
        unsafe { _mm512_store_ps(sums.0.as_mut_ptr(), *total) };
    }
}

/// In each quarter, the sums of four registers' four words.
#[inline]
#[target_feature(enable = "avx512f")]
fn add_four([a, b, c, d]: [__m512i; 4]) -> __m512i {
    let early = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let late = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    _mm512_add_epi32(_mm512_unpacklo_epi64(early, late), _mm512_unpackhi_epi64(early, late))
}

#[inline]
#[target_feature(enable = "f16c")]
fn half_to_f32(bits: u16) -> f32 {
    _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(bits))))
}
