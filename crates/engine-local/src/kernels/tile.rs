//! Quantized products by tiles: sixteen weight rows whose codes are unpacked once and then meet every row of activations.
//!
//! A tile lies in the order that the vector units read it. One step holds four codes of each row side by side, so that one
//! instruction multiplies a step by four codes of an activation and adds the four products of each row in a lane of its
//! own. A product over a group of 32 is a whole number and exact. Scaling is one fused operation per group, from the first
//! group to the last. So every machine, every number of threads and every size of batch gives the same bits.

use std::ops::Range;

use super::activations::{BLOCK, QuantizedBlock};
use super::blocks::{Blocks, scale};

/// Weight rows of a tile: the lanes of a register of 512 bits.
pub(super) const ROWS: usize = 16;

/// Groups of a tile: 512 columns. The tile takes 11 KiB; twice as many, or half, were slower in whole models.
pub(super) const GROUPS: usize = 16;

/// Bytes of a cache line.
pub(super) const LINE: usize = 64;

/// Codes of one row in a step.
pub(super) const STEP: usize = 4;

/// Steps of a group.
pub(super) const STEPS: usize = BLOCK / STEP;

/// One value for each row of a tile, aligned to a cache line.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Lanes(pub(super) [f32; ROWS]);

/// Codes of one group: in steps, each with four codes of the first row, then those of the next. While a tile is filled,
/// all codes of the first row, then those of the next.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Group(pub(super) [i8; ROWS * BLOCK]);

/// Rows of weights, unpacked; and a sum for each row and each row of activations.
#[derive(Debug)]
pub(super) struct Tile {
    /// Codes of all groups. Where the machine multiplies unsigned by signed bytes, they have 128 added.
    pub(super) codes: [Group; GROUPS],
    /// Scales of all groups.
    pub(super) scales: [Lanes; GROUPS],
    /// Groups in use.
    pub(super) groups: usize,
}

impl Tile {
    /// An empty tile, on the heap.
    pub(super) fn new() -> Box<Self> {
        Box::new(Self { codes: [Group([0; ROWS * BLOCK]); GROUPS], scales: [Lanes([0.0; ROWS]); GROUPS], groups: 0 })
    }
}

/// Rows of a matrix: at least one, at most [`ROWS`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    /// All of them, one after the other.
    pub(super) bytes: &'a [u8],
    /// Bytes of each.
    pub(super) row_bytes: usize,
}

/// Unpacks groups of rows into the tile, row after row, so that memory is read in order; a tile that has fewer rows repeats
/// its last one. `f16` converts a half float; `fetch` asks memory for a cache line that follows these rows, in their order, for
/// the next tile: memory delivers what is asked in order several times as fast. Codes stay in the order of rows, for [`transpose`].
#[inline(always)]
pub(super) fn fill<B: Blocks>(
    tile: &mut Tile,
    rows: Rows<'_>,
    groups: Range<usize>,
    f16: impl Fn(u16) -> f32 + Copy,
    fetch: impl Fn(*const u8),
) {
    tile.groups = groups.len();
    let span = groups.start * B::BYTES..groups.end * B::BYTES;
    let last = rows.bytes.len() / rows.row_bytes - 1;
    for row in 0..ROWS {
        let bytes = &rows.bytes[row.min(last) * rows.row_bytes..][span.clone()];
        let ahead = rows.bytes.as_ptr_range().end.wrapping_add(span.start * ROWS + span.len() * row);
        (0..span.len()).step_by(LINE).for_each(|line| fetch(ahead.wrapping_add(line)));
        let places = tile.codes.iter_mut().zip(&mut tile.scales);
        for (block, (codes, scales)) in bytes.chunks_exact(B::BYTES).zip(places) {
            codes.0[row * BLOCK..][..BLOCK].copy_from_slice(&B::codes(block));
            scales.0[row] = scale(block, f16);
        }
    }
}

/// [`fill`] for every machine, with the codes in steps.
pub(super) fn fill_portable<B: Blocks>(tile: &mut Tile, rows: Rows<'_>, groups: Range<usize>) {
    fill::<B>(tile, rows, groups, |bits| half::f16::from_bits(bits).to_f32(), |_| ());
    tile.codes[..tile.groups].iter_mut().for_each(transpose);
}

/// Brings the codes of a group from rows into steps.
pub(super) fn transpose(group: &mut Group) {
    let rows = group.0;
    for (place, code) in group.0.iter_mut().enumerate() {
        let (step, row, within) = (place / (ROWS * STEP), place / STEP % ROWS, place % STEP);
        *code = rows[row * BLOCK + step * STEP + within];
    }
}

/// Adds the products of the tile and rows of activations to `sums`. `x` begins with the first block of the first row that
/// the tile meets; rows are `stride` blocks apart.
pub(super) fn multiply_portable(tile: &Tile, x: &[QuantizedBlock], stride: usize, sums: &mut [Lanes]) {
    for (x, Lanes(sums)) in x.chunks(stride).zip(sums) {
        for (group, x) in x[..tile.groups].iter().enumerate() {
            let products = whole_products(&tile.codes[group], &x.codes, 0..STEPS);
            for ((sum, scale), product) in sums.iter_mut().zip(tile.scales[group].0).zip(products) {
                *sum = (scale * x.scale).mul_add(product as f32, *sum);
            }
        }
    }
}

/// For each row the products of some steps.
pub(super) fn whole_products(group: &Group, x: &[i8], steps: Range<usize>) -> [i32; ROWS] {
    let mut sums = [0; ROWS];
    for step in steps {
        let (weights, x) = (&group.0[step * ROWS * STEP..][..ROWS * STEP], &x[step * STEP..][..STEP]);
        for (sum, weights) in sums.iter_mut().zip(weights.chunks_exact(STEP)) {
            *sum += weights.iter().zip(x).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum::<i32>();
        }
    }
    sums
}
