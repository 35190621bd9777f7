//! Tiles of sixteen weight rows, whose codes are unpacked once and then meet every row of activations; as
//! [`tile`](crate::kernels::tile) for blocks of 32.

use std::ops::Range;

use super::formats::{MOST_SCALES, SuperBlocks, sums_of};
use crate::kernels::activations::{BLOCK, GROUPS, SHIFTS, WideBlock};
use crate::kernels::tile::{Group, LINE, Lanes, ROWS, Rows, STEP, STEPS, transpose, whole_products};

/// Super-blocks of a tile: 512 columns.
pub(in crate::kernels) const SPAN: usize = 2;

/// One super-block of each of sixteen rows. While it is filled, words lie in the order of rows; then sixteen rows side by
/// side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// Codes of the groups, in steps.
    pub(super) codes: [Group; GROUPS],
    /// Scales of first halves or whole groups, then of second halves, under each shift that activations may have: a word for
    /// each group and row.
    pub(super) scales: [[Group; SHIFTS]; 2],
    /// For each row words of two minimums.
    pub(super) minimums: Group,
    /// Values of a step of the scales.
    pub(super) steps: Lanes,
    /// Values of a step of the minimums.
    pub(super) minimum_steps: Lanes,
}

/// Rows of weights, unpacked.
#[derive(Debug)]
pub(in crate::kernels) struct SuperTile {
    pub(super) blocks: [Block; SPAN],
    /// Super-blocks in use.
    pub(super) count: usize,
}

impl SuperTile {
    /// An empty tile, on the heap.
    pub(in crate::kernels) fn new() -> Box<Self> {
        let group = Group([0; ROWS * BLOCK]);
        let lanes = Lanes([0.0; ROWS]);
        let block = Block {
            codes: [group; GROUPS],
            scales: [[group; SHIFTS]; 2],
            minimums: group,
            steps: lanes,
            minimum_steps: lanes,
        };
        Box::new(Self { blocks: [block; SPAN], count: 0 })
    }
}

/// Unpacks super-blocks of rows into the tile, as [`tile::fill`](crate::kernels::tile::fill) does; `turn` brings words from the
/// order of rows to sixteen rows side by side.
#[inline(always)]
pub(super) fn fill<B: SuperBlocks>(
    tile: &mut SuperTile,
    rows: Rows<'_>,
    span: Range<usize>,
    f16: impl Fn(u16) -> f32 + Copy,
    fetch: impl Fn(*const u8),
    turn: impl Fn(&mut Group),
) {
    tile.count = span.len();
    let span = span.start * B::BYTES..span.end * B::BYTES;
    let last = rows.bytes.len() / rows.row_bytes - 1;
    for row in 0..ROWS {
        let bytes = &rows.bytes[row.min(last) * rows.row_bytes..][span.clone()];
        let ahead = rows.bytes.as_ptr_range().end.wrapping_add(span.start * ROWS + span.len() * row);
        (0..span.len()).step_by(LINE).for_each(|line| fetch(ahead.wrapping_add(line)));
        for (place, block) in tile.blocks.iter_mut().zip(bytes.chunks_exact(B::BYTES)) {
            place.put::<B>(row, block, f16);
        }
    }
    for block in &mut tile.blocks[..tile.count] {
        block.codes.iter_mut().for_each(&turn);
        for scales in &mut block.scales[..B::HALVES] {
            let [scales, shifted @ ..] = scales;
            turn(scales);
            for (shift, shifted) in shifted.iter_mut().enumerate() {
                for (to, from) in words_mut(shifted).iter_mut().zip(words(scales)) {
                    *to = from << (shift + 1);
                }
            }
        }
        turn(&mut block.minimums);
    }
}

impl Block {
    /// Puts one row's super-block down.
    #[inline(always)]
    fn put<B: SuperBlocks>(&mut self, row: usize, block: &[u8], f16: impl Fn(u16) -> f32) {
        for (group, codes) in self.codes.iter_mut().enumerate() {
            let codes_of_row: &mut [u8] = bytemuck::cast_slice_mut(&mut codes.0[row * BLOCK..][..BLOCK]);
            codes_of_row.copy_from_slice(&B::codes(block, group));
        }
        let header = B::header(block, f16);
        for (half, scales) in self.scales[..B::HALVES].iter_mut().enumerate() {
            for (group, word) in words_mut(&mut scales[0])[row * GROUPS..][..GROUPS].iter_mut().enumerate() {
                *word = i32::from(header.scales[group * B::HALVES + half]);
            }
        }
        let minimums: &mut [i16] = bytemuck::cast_slice_mut(&mut self.minimums.0);
        minimums[row * MOST_SCALES..][..MOST_SCALES].copy_from_slice(&header.minimums);
        self.steps.0[row] = header.step;
        self.minimum_steps.0[row] = header.minimum_step;
    }
}

/// A group of codes has as many words as the scales of eight groups.
fn words(group: &Group) -> &[i32] {
    bytemuck::cast_slice(&group.0)
}

fn words_mut(group: &mut Group) -> &mut [i32] {
    bytemuck::cast_slice_mut(&mut group.0)
}

/// [`fill`] for every machine.
pub(in crate::kernels) fn fill_portable<B: SuperBlocks>(tile: &mut SuperTile, rows: Rows<'_>, span: Range<usize>) {
    fill::<B>(tile, rows, span, |bits| half::f16::from_bits(bits).to_f32(), |_| (), transpose);
}

/// Adds the products of the tile and rows of activations to `sums`. `x` begins with the first block of the first row that
/// the tile meets; rows are `stride` blocks apart.
pub(in crate::kernels) fn multiply_portable<B: SuperBlocks>(
    tile: &SuperTile,
    x: &[WideBlock],
    stride: usize,
    sums: &mut [Lanes],
) {
    for (x, Lanes(sums)) in x.chunks(stride).zip(sums) {
        for (block, x) in tile.blocks[..tile.count].iter().zip(x) {
            let (products, minimums) = (block.products::<B>(x), block.minimums::<B>(x));
            for (row, sum) in sums.iter_mut().enumerate() {
                let factor = block.steps.0[row] * x.scale;
                *sum = factor.mul_add((products[row] - B::OFFSET * minimums[row]) as f32, *sum);
                if B::OFFSET == 0 {
                    let factor = block.minimum_steps.0[row] * x.scale;
                    *sum = (-factor).mul_add(minimums[row] as f32, *sum);
                }
            }
        }
    }
}

impl Block {
    /// For each row the products of the codes, times their scales.
    fn products<B: SuperBlocks>(&self, x: &WideBlock) -> [i32; ROWS] {
        let mut sums = [0; ROWS];
        let steps: &[[i8; STEP]] = x.codes.as_flattened().as_flattened().as_chunks().0;
        for (group, codes) in self.codes.iter().enumerate() {
            let x_codes: [[i8; STEP]; STEPS] = std::array::from_fn(|step| steps[WideBlock::step(group, step)]);
            for half in 0..B::HALVES {
                let steps = half * STEPS / B::HALVES..(half + 1) * STEPS / B::HALVES;
                let scales = words(&self.scales[half][x.shift(group)]);
                let products = whole_products(codes, x_codes.as_flattened(), steps);
                for ((sum, product), scale) in sums.iter_mut().zip(products).zip(&scales[group * ROWS..]) {
                    *sum += product * scale;
                }
            }
        }
        sums
    }

    /// For each row the minimums times the sums of the activations.
    fn minimums<B: SuperBlocks>(&self, x: &WideBlock) -> [i32; ROWS] {
        let minimums: &[[i16; 2]] = bytemuck::cast_slice(&self.minimums.0);
        let mut sums = [0; ROWS];
        for (minimums, x) in minimums.chunks_exact(ROWS).zip(sums_of::<B>(x).as_chunks::<2>().0) {
            for (sum, minimums) in sums.iter_mut().zip(minimums) {
                *sum += i32::from(minimums[0]) * i32::from(x[0]) + i32::from(minimums[1]) * i32::from(x[1]);
            }
        }
        sums
    }
}
