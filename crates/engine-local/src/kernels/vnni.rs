//! Matrix products with AVX-512, quantized ones with its byte products (VNNI).
#![expect(unsafe_code, reason = "vector instructions are unsafe unless the machine has them")]

use std::arch::x86_64::*;
use std::ops::Range;

use super::activations::QuantizedBlock;
use super::blocks::Blocks;
use super::few::{EIGHT, FEW, MOST_BYTES, Strip, ahead};
use super::portable::LANES;
use super::tile::{self, Group, LINE, Lanes, ROWS, Rows, STEP, STEPS, Tile};
use super::x86::put_sums;

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

    /// See [`portable::float_panel`](super::portable::float_panel).
    pub(super) fn float_panel(self, weights: &[f32], x: &[f32], columns: usize, put: impl FnMut(usize, usize, f32)) {
        // SAFETY: `self` proves the features.
        unsafe { float_panel(weights, x, columns, put) }
    }

    /// See [`tile::fill`]. Codes get 128 added: the byte product takes one unsigned side.
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
}

/// Rows of activations in the widest float tile.
const WIDEST: usize = 8;

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn float_panel(weights: &[f32], x: &[f32], columns: usize, mut put: impl FnMut(usize, usize, f32)) {
    let (rows, positions) = (weights.len() / columns, x.len() / columns);
    // One row alone is read as memory likes it; with more, loaded activations serve several rows.
    let tall = match positions {
        1 => 1,
        5..=WIDEST => 2,
        _ => 4,
    };
    let mut row = 0;
    while row < rows {
        let height = if rows - row >= tall { tall } else { 1 };
        let weights = &weights[row * columns..][..height * columns];
        let mut position = 0;
        while position < positions {
            let width = (positions - position).min(if height == 4 { 4 } else { WIDEST });
            let x = &x[position * columns..][..width * columns];
            let mut emit = |r: usize, m: usize, value| put(row + r, position + m, value);
            let is_first = position == 0;
            macro_rules! tile {
                ($height:literal, $width:literal) => {
                    if is_first {
                        float_tile::<$height, $width, true>(weights, x, columns, &mut emit)
                    } else {
                        float_tile::<$height, $width, false>(weights, x, columns, &mut emit)
                    }
                };
            }
            match (height, width) {
                (1, 1) => tile!(1, 1),
                (1, 2) => tile!(1, 2),
                (1, 3) => tile!(1, 3),
                (1, 4) => tile!(1, 4),
                (1, 5) => tile!(1, 5),
                (1, 6) => tile!(1, 6),
                (1, 7) => tile!(1, 7),
                (1, _) => tile!(1, 8),
                (2, 5) => tile!(2, 5),
                (2, 6) => tile!(2, 6),
                (2, 7) => tile!(2, 7),
                (2, _) => tile!(2, 8),
                (_, 1) => tile!(4, 1),
                (_, 2) => tile!(4, 2),
                (_, 3) => tile!(4, 3),
                (_, _) => tile!(4, 4),
            }
            position += width;
        }
        row += height;
    }
}

#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn float_tile<const R: usize, const M: usize, const FETCH: bool>(
    weights: &[f32],
    x: &[f32],
    columns: usize,
    emit: &mut impl FnMut(usize, usize, f32),
) {
    assert!(weights.len() == R * columns && x.len() == M * columns);
    let whole = columns / LANES * LANES;
    let mut sums = [[_mm512_setzero_ps(); M]; R];
    for at in (0..whole).step_by(LANES) {
        // SAFETY: at + 16 <= columns, and the slice holds as many rows of that many columns.
        let load = |values: &[f32], row: usize| unsafe { _mm512_loadu_ps(values.as_ptr().add(row * columns + at)) };
        if FETCH && R > 1 {
            // The rows behind these, in their order: memory delivers what is asked in order several times as fast.
            let ahead = weights.as_ptr_range().end.wrapping_add(R * at);
            for line in 0..R {
                _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(line * LANES).cast());
            }
        }
        let values: [_; M] = std::array::from_fn(|m| load(x, m));
        for (r, sums) in sums.iter_mut().enumerate() {
            let weight = load(weights, r);
            for (sum, &value) in sums.iter_mut().zip(&values) {
                *sum = _mm512_fmadd_ps(weight, value, *sum);
            }
        }
    }
    let halves = sums.as_flattened().iter().map(|sums| {
        let upper = _mm512_extractf64x4_pd::<1>(_mm512_castps_pd(*sums));
        _mm256_add_ps(_mm512_castps512_ps256(*sums), _mm256_castpd_ps(upper))
    });
    put_sums::<M>(halves, weights, x, columns, emit);
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn fill<B: Blocks>(tile: &mut Tile, rows: Rows<'_>, groups: Range<usize>) {
    tile::fill::<B>(tile, rows, groups, |bits| half_to_f32(bits), |line| _mm_prefetch::<_MM_HINT_T1>(line.cast()));
    for group in &mut tile.codes[..tile.groups] {
        transpose(group);
    }
}

/// Brings the codes of a group from rows into steps.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn transpose(group: &mut Group) {
    let upper = _mm512_set1_epi8(i8::MIN);
    // SAFETY: a group is sixteen rows of 32 bytes on a boundary of 64.
    let steps = turned(unsafe { &*group.0.as_ptr().cast() });
    for (step, codes) in group.0.chunks_exact_mut(ROWS * STEP).zip(steps) {
        // SAFETY: a step is 64 bytes on a boundary of 64.
        unsafe { _mm512_store_si512(step.as_mut_ptr().cast(), _mm512_xor_si512(codes, upper)) };
    }
}

/// Sixteen rows of eight words become eight rows of sixteen, in two rounds within the quarters of the registers and one
/// across them.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
pub(super) fn turned(words: &[[i32; EIGHT]; ROWS]) -> [__m512i; EIGHT] {
    // SAFETY: it reads eight words.
    let row = |row: usize| unsafe { _mm256_loadu_si256(words[row].as_ptr().cast()) };
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
    let early = |at: usize| _mm512_shuffle_i32x4::<0b10_00_10_00>(low[at], high[at]);
    let late = |at: usize| _mm512_shuffle_i32x4::<0b11_01_11_01>(low[at], high[at]);
    [early(0), early(1), early(2), early(3), late(0), late(1), late(2), late(3)]
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn multiply(tile: &Tile, x: &[QuantizedBlock], stride: usize, mut sums: &mut [Lanes]) {
    let mut start = 0;
    while !sums.is_empty() {
        let x = &x[start * stride..];
        let done = match sums.len() {
            1 => several::<1, 4>(tile, x, stride, sums),
            2 => several::<2, 2>(tile, x, stride, sums),
            3 => several::<3, 1>(tile, x, stride, sums),
            4..8 => several::<4, 1>(tile, x, stride, sums),
            _ => several::<8, 1>(tile, x, stride, sums),
        };
        start += done;
        sums = &mut sums[done..];
    }
}

/// `P` rows of activations; the products of each are added in `C` chains, so that one need not wait for the last. Returns
/// `P`.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn several<const P: usize, const C: usize>(
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
        let mut chains = [[_mm512_setzero_si512(); C]; P];
        for (p, chains) in chains.iter_mut().enumerate() {
            // What 128 added to each code adds to the sum, taken away.
            chains[0] = _mm512_set1_epi32(x(p).excess);
        }
        for step in 0..STEPS {
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
        let scale = unsafe { _mm512_load_ps(tile.scales[group].0.as_ptr()) };
        for (p, (total, chains)) in totals.iter_mut().zip(chains).enumerate() {
            let mut whole = chains[0];
            for chain in &chains[1..] {
                whole = _mm512_add_epi32(whole, *chain);
            }
            let factor = _mm512_mul_ps(scale, _mm512_set1_ps(x(p).scale));
            *total = _mm512_fmadd_ps(factor, _mm512_cvtepi32_ps(whole), *total);
        }
    }
    for (total, sums) in totals.iter().zip(sums) {
        // SAFETY: it writes sixteen floats.
        unsafe { _mm512_store_ps(sums.0.as_mut_ptr(), *total) };
    }
    P
}

/// See [`few`](super::few).
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn few<B: Blocks, const P: usize>(strip: &mut Strip, rows: Rows<'_>, x: &[QuantizedBlock], sums: &mut [Lanes; P]) {
    let groups = strip.groups;
    assert!(x.len() == P * groups && rows.row_bytes == groups * B::BYTES);
    for (row, bytes) in rows.bytes.chunks_exact(rows.row_bytes).enumerate() {
        strip.take_scales::<B>(row, bytes);
        for first in (0..groups).step_by(SIXTEEN) {
            match groups - first {
                SIXTEEN.. => sums_of_sixteen::<B, P, SIXTEEN, true>(strip, row, bytes, first),
                EIGHT => sums_of_sixteen::<B, P, EIGHT, true>(strip, row, bytes, first),
                _ => sums_of_sixteen::<B, P, SIXTEEN, false>(strip, row, bytes, first),
            }
        }
    }
    let mut totals = [_mm512_setzero_ps(); P];
    for number in 0..strip.scales.len() {
        let scales = turned(strip.scales[number].rows()).map(|words| _mm512_castsi512_ps(words));
        for (p, total) in totals.iter_mut().enumerate() {
            let wholes = turned(strip.sums[p][number].rows());
            let x = &x[p * groups..][..groups];
            for (place, x) in x[(number * EIGHT).min(groups)..].iter().take(EIGHT).enumerate() {
                let factor = _mm512_mul_ps(scales[place], _mm512_set1_ps(x.scale));
                *total = _mm512_fmadd_ps(factor, _mm512_cvtepi32_ps(wholes[place]), *total);
            }
        }
    }
    for (total, sums) in totals.iter().zip(sums) {
        // SAFETY: it writes sixteen floats.
        unsafe { _mm512_store_ps(sums.0.as_mut_ptr(), *total) };
    }
}

/// Groups whose sums one register holds.
const SIXTEEN: usize = 2 * EIGHT;

/// Puts down the sums of sixteen groups of a row; where the row is not `FULL` of them, of those that it has. Products of two
/// groups lie side by side in a register; three rounds of additions bring the sixteen sums into one.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn sums_of_sixteen<B: Blocks, const P: usize, const COUNT: usize, const FULL: bool>(
    strip: &mut Strip,
    row: usize,
    bytes: &[u8],
    first: usize,
) {
    let groups = strip.groups;
    let codes = |group: usize| {
        if !FULL && first + group >= groups {
            return _mm256_setzero_si256();
        }
        let block = first + group;
        // SAFETY: the caller checked that a row has the bytes of its groups, and this is one of them; this function has AVX2.
        unsafe { B::in_register(bytes.get_unchecked(block * B::BYTES..(block + 1) * B::BYTES)) }
    };
    let order = _mm512_set_epi32(15, 11, 14, 10, 13, 9, 12, 8, 7, 3, 6, 2, 5, 1, 4, 0);
    let mut products = [[_mm512_setzero_si512(); EIGHT]; P];
    if B::BYTES < MOST_BYTES {
        // A part of the rows behind, so that memory works while this one is computed. Bytes as they are leave time enough.
        let ahead = bytes.as_ptr().wrapping_add(ahead(bytes) + first * B::BYTES);
        for line in (0..COUNT * B::BYTES).step_by(LINE) {
            _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(line).cast());
        }
    }
    for pair in 0..COUNT / 2 {
        let weights = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(codes(2 * pair)), codes(2 * pair + 1));
        for (p, products) in products.iter_mut().enumerate() {
            let x = &strip.codes[p][first + 2 * pair..first + 2 * pair + 2];
            // SAFETY: it reads two times 32 codes.
            let x = unsafe { _mm512_loadu_si512(x.as_ptr().cast()) };
            products[pair] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), weights, x);
        }
    }
    for (p, [a, b, c, d, e, f, g, h]) in products.into_iter().enumerate() {
        let low = add_four([a, b, c, d]);
        let high = if COUNT == SIXTEEN { add_four([e, f, g, h]) } else { low };
        let early = _mm512_shuffle_i32x4::<0b10_00_10_00>(low, high);
        let late = _mm512_shuffle_i32x4::<0b11_01_11_01>(low, high);
        let excess = &strip.excess[p][first..first + SIXTEEN];
        // SAFETY: it reads sixteen words.
        let excess = unsafe { _mm512_loadu_si512(excess.as_ptr().cast()) };
        let sums = _mm512_permutexvar_epi32(order, _mm512_add_epi32(early, late));
        let sums = _mm512_add_epi32(sums, excess);
        let [one, other] = strip.sums[p][first / EIGHT..].first_chunk_mut().expect("octets lie in pairs");
        // SAFETY: a row has eight words, on a boundary of 32 bytes.
        unsafe {
            _mm256_store_si256(one.0[row].as_mut_ptr().cast(), _mm512_castsi512_si256(sums));
            _mm256_store_si256(other.0[row].as_mut_ptr().cast(), _mm512_extracti64x4_epi64::<1>(sums));
        }
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
pub(super) fn half_to_f32(bits: u16) -> f32 {
    _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(bits))))
}
