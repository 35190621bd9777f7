//! Matrix products with AVX2, FMA and F16C.
//!
//! A tile computes a few weight rows against a few rows of activations, so that each loaded value serves several
//! products. Whatever the tile, one output is one accumulator of sixteen lanes over the whole length.
#![expect(unsafe_code, reason = "vector instructions are unsafe unless the machine has them")]

use std::arch::x86_64::*;
use std::ops::Range;

use super::activations::QuantizedBlock;
use super::blocks::Blocks;
use super::few::{EIGHT, FEW, MOST_BYTES, Strip, ahead};
use super::portable::LANES;
use super::tile::{self, Group, LINE, Lanes, ROWS, Rows, STEP, STEPS, Tile};

/// Proof that the machine has AVX2, FMA and F16C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx2(());

impl Avx2 {
    /// `None` where an instruction is missing.
    pub(super) fn detect() -> Option<Self> {
        let is_there =
            is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c");
        is_there.then_some(Self(()))
    }

    /// Runs plain code compiled for AVX2.
    #[inline(always)]
    pub(super) fn vectorize<T>(self, work: impl FnOnce() -> T) -> T {
        // SAFETY: `self` proves the features.
        unsafe { vectorized(work) }
    }

    /// See [`portable::float_panel`](super::portable::float_panel).
    pub(super) fn float_panel(self, weights: &[f32], x: &[f32], columns: usize, put: impl FnMut(usize, usize, f32)) {
        // SAFETY: `self` proves the features.
        unsafe { float_panel(weights, x, columns, put) }
    }

    /// See [`tile::fill`].
    pub(super) fn fill<B: Blocks>(self, tile: &mut Tile, rows: Rows<'_>, groups: Range<usize>) {
        // SAFETY: `self` proves the features.
        unsafe { fill::<B>(tile, rows, groups) }
    }

    /// Products of sixteen rows at most with the rows of activations that the strip was laid out for, one for each of
    /// `sums`. `x` are those rows again, for their scales.
    pub(super) fn multiply_few<B: Blocks>(
        self,
        strip: &mut Strip,
        rows: Rows<'_>,
        x: &[QuantizedBlock],
        sums: &mut [Lanes],
    ) {
        // SAFETY: `self` proves the features.
        unsafe {
            match sums {
                [one] => few::<B, 1>(strip, rows, x, std::array::from_mut(one)),
                sums => few::<B, FEW>(strip, rows, x, sums.as_mut_array().expect("two rows at most")),
            }
        }
    }

    /// See [`tile::multiply_portable`].
    pub(super) fn multiply(self, tile: &Tile, x: &[QuantizedBlock], stride: usize, sums: &mut [Lanes]) {
        // SAFETY: `self` proves the features.
        unsafe { multiply(tile, x, stride, sums) }
    }

    /// Converts F16 values.
    pub(super) fn widen_f16(self, halves: &[u16], out: &mut [f32]) {
        // SAFETY: `self` proves the features.
        unsafe { widen_f16(halves, out) }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn vectorized<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[target_feature(enable = "avx2,fma,f16c")]
fn widen_f16(halves: &[u16], out: &mut [f32]) {
    let ((halves, rest), (out, out_rest)) = (halves.as_chunks::<8>(), out.as_chunks_mut::<8>());
    for (halves, out) in halves.iter().zip(out) {
        // SAFETY: both point to eight values.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr(), _mm256_cvtph_ps(_mm_loadu_si128(halves.as_ptr().cast()))) };
    }
    for (half, out) in rest.iter().zip(out_rest) {
        *out = half_to_f32(*half);
    }
}

#[inline]
#[target_feature(enable = "f16c")]
pub(super) fn half_to_f32(bits: u16) -> f32 {
    _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(bits))))
}

/// Rows of weights and rows of activations in the largest tile: with two registers for each of six sums, four of
/// activations or weights, it fills the sixteen registers.
const FLOAT_TILE: (usize, usize) = (2, 3);

#[target_feature(enable = "avx2,fma,f16c")]
fn float_panel(weights: &[f32], x: &[f32], columns: usize, mut put: impl FnMut(usize, usize, f32)) {
    let (rows, positions) = (weights.len() / columns, x.len() / columns);
    let mut row = 0;
    while row < rows {
        let height = if rows - row >= FLOAT_TILE.0 { FLOAT_TILE.0 } else { 1 };
        let weights = &weights[row * columns..][..height * columns];
        let mut position = 0;
        while position < positions {
            let width = (positions - position).min(FLOAT_TILE.1);
            let x = &x[position * columns..][..width * columns];
            let mut emit = |r: usize, m: usize, value| put(row + r, position + m, value);
            match (height, width) {
                (2, 1) => float_tile::<2, 1>(weights, x, columns, &mut emit),
                (2, 2) => float_tile::<2, 2>(weights, x, columns, &mut emit),
                (2, _) => float_tile::<2, 3>(weights, x, columns, &mut emit),
                (_, 1) => float_tile::<1, 1>(weights, x, columns, &mut emit),
                (_, 2) => float_tile::<1, 2>(weights, x, columns, &mut emit),
                (_, _) => float_tile::<1, 3>(weights, x, columns, &mut emit),
            }
            position += width;
        }
        row += height;
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn float_tile<const R: usize, const M: usize>(
    weights: &[f32],
    x: &[f32],
    columns: usize,
    emit: &mut impl FnMut(usize, usize, f32),
) {
    assert!(weights.len() == R * columns && x.len() == M * columns);
    let whole = columns / LANES * LANES;
    let mut sums = [[[_mm256_setzero_ps(); 2]; M]; R];
    for at in (0..whole).step_by(LANES) {
        // SAFETY: at + 16 <= columns, and the slice holds as many rows of that many columns.
        let load = |values: &[f32], row: usize| unsafe {
            let start = values.as_ptr().add(row * columns + at);
            [_mm256_loadu_ps(start), _mm256_loadu_ps(start.add(LANES / 2))]
        };
        let values: [_; M] = std::array::from_fn(|m| load(x, m));
        for (r, sums) in sums.iter_mut().enumerate() {
            let weight = load(weights, r);
            for (sum, value) in sums.iter_mut().zip(&values) {
                for half in 0..2 {
                    sum[half] = _mm256_fmadd_ps(weight[half], value[half], sum[half]);
                }
            }
        }
    }
    let halves = sums.as_flattened().iter().map(|[low, high]| _mm256_add_ps(*low, *high));
    put_sums::<M>(halves, weights, x, columns, emit);
}

/// Adds up the lanes of sums, eight at a time, and hands them on with the [`rest`] of their columns. `halves` hold the sums of
/// lanes eight apart.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn put_sums<const M: usize>(
    mut halves: impl Iterator<Item = __m256>,
    weights: &[f32],
    x: &[f32],
    columns: usize,
    emit: &mut impl FnMut(usize, usize, f32),
) {
    let outputs = weights.len() / columns * M;
    for first in (0..outputs).step_by(EIGHT) {
        let eight = std::array::from_fn(|_| halves.next().unwrap_or(_mm256_setzero_ps()));
        for (place, sum) in add_up(eight).into_iter().take(outputs - first).enumerate() {
            let (r, m) = ((first + place) / M, (first + place) % M);
            emit(r, m, sum + rest(weights, x, columns, (r, m)));
        }
    }
}

/// The sums of eight registers' lanes, in the order of [`add_lanes`](super::portable::add_lanes).
#[inline]
#[target_feature(enable = "avx2")]
fn add_up([a, b, c, d, e, f, g, h]: [__m256; EIGHT]) -> [f32; EIGHT] {
    let by_four = |a, b| _mm256_add_ps(_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b));
    let by_two = |a: __m256, b: __m256| {
        let (a, b) = (_mm256_castps_pd(a), _mm256_castps_pd(b));
        let (low, high) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
        _mm256_add_ps(_mm256_castpd_ps(low), _mm256_castpd_ps(high))
    };
    let (first, second) = (by_two(by_four(a, b), by_four(c, d)), by_two(by_four(e, f), by_four(g, h)));
    let low = _mm256_shuffle_ps::<0b10_00_10_00>(first, second);
    let sums = _mm256_add_ps(low, _mm256_shuffle_ps::<0b11_01_11_01>(first, second));
    let mut mixed = [0.0; EIGHT];
    // SAFETY: it writes eight floats.
    unsafe { _mm256_storeu_ps(mixed.as_mut_ptr(), sums) };
    let [a, c, e, g, b, d, f, h] = mixed;
    [a, b, c, d, e, f, g, h]
}

/// Products of the columns behind the last whole register.
#[inline(always)]
pub(super) fn rest(weights: &[f32], x: &[f32], columns: usize, (r, m): (usize, usize)) -> f32 {
    let whole = columns / LANES * LANES;
    let pairs = weights[r * columns + whole..(r + 1) * columns].iter().zip(&x[m * columns + whole..]);
    pairs.map(|(a, b)| a * b).sum()
}

#[target_feature(enable = "avx2,fma,f16c")]
fn fill<B: Blocks>(tile: &mut Tile, rows: Rows<'_>, groups: Range<usize>) {
    tile::fill::<B>(tile, rows, groups, |bits| half_to_f32(bits), |line| _mm_prefetch::<_MM_HINT_T1>(line.cast()));
    for group in &mut tile.codes[..tile.groups] {
        transpose(group);
    }
}

/// Rows of a tile that one register holds.
pub(super) const HALF: usize = ROWS / 2;

/// Brings the codes of a group from rows into steps.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn transpose(group: &mut Group) {
    // SAFETY: a group is sixteen rows of 32 bytes on a boundary of 64.
    let words: [[i32; EIGHT]; ROWS] = unsafe { *group.0.as_ptr().cast() };
    for start in [0, HALF] {
        for (step, codes) in group.0.chunks_exact_mut(ROWS * STEP).zip(turned(&words, start)) {
            // SAFETY: half a step is 32 bytes on a boundary of 32.
            unsafe { _mm256_store_si256(step[start * STEP..].as_mut_ptr().cast(), codes) };
        }
    }
}

/// Eight rows of eight words from `start` on, turned: in two rounds within the halves of the registers and one across them.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn turned(words: &[[i32; EIGHT]; ROWS], start: usize) -> [__m256i; EIGHT] {
    // SAFETY: it reads eight words.
    let row = |row: usize| unsafe { _mm256_loadu_si256(words[start + row].as_ptr().cast()) };
    let four = |at: usize| {
        let (a, b) = (_mm256_unpacklo_epi32(row(at), row(at + 1)), _mm256_unpackhi_epi32(row(at), row(at + 1)));
        let (c, d) = (_mm256_unpacklo_epi32(row(at + 2), row(at + 3)), _mm256_unpackhi_epi32(row(at + 2), row(at + 3)));
        [
            _mm256_unpacklo_epi64(a, c),
            _mm256_unpackhi_epi64(a, c),
            _mm256_unpacklo_epi64(b, d),
            _mm256_unpackhi_epi64(b, d),
        ]
    };
    let (low, high) = (four(0), four(4));
    let early = |at: usize| _mm256_permute2x128_si256::<0x20>(low[at], high[at]);
    let late = |at: usize| _mm256_permute2x128_si256::<0x31>(low[at], high[at]);
    [early(0), early(1), early(2), early(3), late(0), late(1), late(2), late(3)]
}

#[target_feature(enable = "avx2,fma,f16c")]
fn multiply(tile: &Tile, x: &[QuantizedBlock], stride: usize, mut sums: &mut [Lanes]) {
    let mut start = 0;
    while !sums.is_empty() {
        let x = &x[start * stride..];
        let done = match sums.len() {
            1 => several::<1>(tile, x, stride, sums),
            2 => several::<2>(tile, x, stride, sums),
            3 => several::<3>(tile, x, stride, sums),
            _ => several::<4>(tile, x, stride, sums),
        };
        start += done;
        sums = &mut sums[done..];
    }
}

/// `P` rows of activations, with each half of the tile; returns `P`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn several<const P: usize>(tile: &Tile, x: &[QuantizedBlock], stride: usize, sums: &mut [Lanes]) -> usize {
    assert!(x.len() >= (P - 1) * stride + tile.groups && sums.len() >= P);
    for start in [0, HALF] {
        // SAFETY, here and below: half of sixteen floats or words are eight, from 0 or 8 on.
        let load = |lanes: &Lanes| unsafe { _mm256_load_ps(lanes.0[start..].as_ptr()) };
        let mut totals = [_mm256_setzero_ps(); P];
        for (total, sums) in totals.iter_mut().zip(&*sums) {
            *total = load(sums);
        }
        for group in 0..tile.groups {
            let codes = &tile.codes[group].0;
            // SAFETY: the assertion above; `p` is below `P`.
            let x = |p: usize| unsafe { x.get_unchecked(p * stride + group) };
            let mut wholes = [_mm256_setzero_si256(); P];
            for step in 0..STEPS {
                // SAFETY: it reads the 32 bytes of half of one of eight steps.
                let weights = unsafe { _mm256_load_si256(codes.as_ptr().add((step * ROWS + start) * STEP).cast()) };
                let magnitudes = _mm256_abs_epi8(weights);
                for (p, whole) in wholes.iter_mut().enumerate() {
                    // SAFETY: it reads 4 of 32 codes.
                    let codes = unsafe { x(p).codes.as_ptr().add(step * STEP).cast::<i32>().read_unaligned() };
                    let signed = _mm256_sign_epi8(_mm256_set1_epi32(codes), weights);
                    *whole = _mm256_add_epi32(*whole, four_products(magnitudes, signed));
                }
            }
            let scale = load(&tile.scales[group]);
            for (p, (total, whole)) in totals.iter_mut().zip(wholes).enumerate() {
                let factor = _mm256_mul_ps(scale, _mm256_set1_ps(x(p).scale));
                *total = _mm256_fmadd_ps(factor, _mm256_cvtepi32_ps(whole), *total);
            }
        }
        for (total, sums) in totals.iter().zip(&mut *sums) {
            // SAFETY: as above.
            unsafe { _mm256_store_ps(sums.0[start..].as_mut_ptr(), *total) };
        }
    }
    P
}

/// Sums of four products of bytes. A pair stays within 16 bits: 2 · 128 · 127 < 32768.
#[inline]
#[target_feature(enable = "avx2")]
fn four_products(unsigned: __m256i, signed: __m256i) -> __m256i {
    _mm256_madd_epi16(_mm256_maddubs_epi16(unsigned, signed), _mm256_set1_epi16(1))
}

/// See [`few`](super::few).
#[target_feature(enable = "avx2,fma,f16c")]
fn few<B: Blocks, const P: usize>(strip: &mut Strip, rows: Rows<'_>, x: &[QuantizedBlock], sums: &mut [Lanes; P]) {
    let groups = strip.groups;
    assert!(x.len() == P * groups && rows.row_bytes == groups * B::BYTES);
    for (row, bytes) in rows.bytes.chunks_exact(rows.row_bytes).enumerate() {
        strip.take_scales::<B>(row, bytes);
        for first in (0..groups).step_by(EIGHT) {
            if first + EIGHT <= groups {
                sums_of_eight::<B, P, true>(strip, row, bytes, first);
            } else {
                sums_of_eight::<B, P, false>(strip, row, bytes, first);
            }
        }
    }
    for start in [0, HALF] {
        let mut totals = [_mm256_setzero_ps(); P];
        for number in 0..strip.scales.len() {
            let scales = turned(strip.scales[number].rows(), start).map(|words| _mm256_castsi256_ps(words));
            for (p, total) in totals.iter_mut().enumerate() {
                let wholes = turned(strip.sums[p][number].rows(), start);
                let x = &x[p * groups..][..groups];
                for (place, x) in x[(number * EIGHT).min(groups)..].iter().take(EIGHT).enumerate() {
                    let factor = _mm256_mul_ps(scales[place], _mm256_set1_ps(x.scale));
                    *total = _mm256_fmadd_ps(factor, _mm256_cvtepi32_ps(wholes[place]), *total);
                }
            }
        }
        for (total, sums) in totals.iter().zip(&mut *sums) {
            // SAFETY: half of sixteen floats are eight, from 0 or 8 on.
            unsafe { _mm256_store_ps(sums.0[start..].as_mut_ptr(), *total) };
        }
    }
}

/// Puts down the sums of eight groups of a row; where the row is not `FULL` of them, of those that it has. Eight groups'
/// products lie in eight registers; three rounds of additions bring the eight sums into one.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sums_of_eight<B: Blocks, const P: usize, const FULL: bool>(
    strip: &mut Strip,
    row: usize,
    bytes: &[u8],
    first: usize,
) {
    let groups = strip.groups;
    let mut products = [[_mm256_setzero_si256(); EIGHT]; P];
    if B::BYTES < MOST_BYTES {
        // A part of the rows behind, so that memory works while this one is computed. Bytes as they are leave time enough.
        let ahead = bytes.as_ptr().wrapping_add(ahead(bytes) + first * B::BYTES);
        for line in (0..EIGHT * B::BYTES).step_by(LINE) {
            _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(line).cast());
        }
    }
    for group in 0..EIGHT {
        if !FULL && first + group >= groups {
            break;
        }
        let block = first + group;
        // SAFETY: the caller checked that a row has the bytes of its groups, and this is one of them; this function has AVX2.
        let weights = unsafe { B::in_register(bytes.get_unchecked(block * B::BYTES..(block + 1) * B::BYTES)) };
        for (p, products) in products.iter_mut().enumerate() {
            // SAFETY: it reads 32 codes.
            let x = unsafe { _mm256_loadu_si256(strip.codes[p][first + group].as_ptr().cast()) };
            products[group] = if B::OFFSET == 128 {
                // Two products of all eight bits would not fit in a word of sixteen: the sign moves to the other side.
                let weights = _mm256_xor_si256(weights, _mm256_set1_epi8(i8::MIN));
                four_products(_mm256_abs_epi8(weights), _mm256_sign_epi8(x, weights))
            } else {
                four_products(weights, x)
            };
        }
    }
    for (p, [a, b, c, d, e, f, g, h]) in products.into_iter().enumerate() {
        let (low, high) = (add_four([a, b, c, d]), add_four([e, f, g, h]));
        let early = _mm256_permute2x128_si256::<0x20>(low, high);
        let late = _mm256_permute2x128_si256::<0x31>(low, high);
        let mut sums = _mm256_add_epi32(early, late);
        if B::OFFSET != 128 {
            let excess = &strip.excess[p][first..first + EIGHT];
            // SAFETY: it reads eight words.
            sums = _mm256_add_epi32(sums, unsafe { _mm256_loadu_si256(excess.as_ptr().cast()) });
        }
        let words = &mut strip.sums[p][first / EIGHT].0[row];
        // SAFETY: a row has eight words, on a boundary of 32 bytes.
        unsafe { _mm256_store_si256(words.as_mut_ptr().cast(), sums) };
    }
}

/// In each half, the sums of four registers' four words.
#[inline]
#[target_feature(enable = "avx2")]
fn add_four([a, b, c, d]: [__m256i; 4]) -> __m256i {
    let early = _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let late = _mm256_add_epi32(_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    _mm256_add_epi32(_mm256_unpacklo_epi64(early, late), _mm256_unpackhi_epi64(early, late))
}
