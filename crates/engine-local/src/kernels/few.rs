//! Quantized products with one or two rows of activations, for which unpacking a tile does not pay.
//!
//! Each weight row is read from its beginning to its end, because memory delivers only what is read in order at its full
//! speed. The exact sums of its groups are put down beside its scales; when sixteen rows are done, both are turned so that
//! a register holds one group of all rows, and are added as [`tile`](super::tile) adds them: the bits are the same.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::activations::{BLOCK, QuantizedBlock};
use super::blocks::Blocks;
use super::tile::ROWS;

/// Rows of activations at most.
pub(super) const FEW: usize = 2;

/// Groups whose sums one register of 256 bits holds.
pub(super) const EIGHT: usize = 8;

/// How far ahead memory is asked for, bytes. A row of large blocks takes as long as memory needs; one of plain blocks a
/// fraction of that.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn ahead<B: Blocks>(row: &[u8]) -> usize {
    const PLAIN: usize = 4096;
    if B::IS_PLAIN { PLAIN.max(row.len()) } else { row.len() }
}

/// Bytes of the largest block with one group.
#[cfg(target_arch = "x86_64")]
pub(super) const MOST_BYTES: usize = 34;

/// A word for each of eight groups of each of sixteen rows: a sum, or the bits of a scale.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Words(pub(super) [[i32; EIGHT]; ROWS + PADDING]);

/// Rows behind the sixteen, so that one row's words for a long weight do not all lie in the same few sets of a cache.
const PADDING: usize = 2;

impl Words {
    /// The sixteen rows.
    #[inline(always)]
    pub(super) fn rows(&self) -> &[[i32; EIGHT]; ROWS] {
        self.0.first_chunk().expect("there are sixteen rows and more")
    }
}

/// Rows of activations as these kernels read them, and their scratch memory.
#[derive(Debug, Default)]
pub(super) struct Strip {
    /// Groups of a row.
    pub(super) groups: usize,
    /// For each row of activations its codes, with zeros behind them to a multiple of sixteen groups.
    pub(super) codes: [Vec<[i8; BLOCK]>; FEW],
    /// For each group, or for both of its halves, what the offset of the codes adds to a sum, below 0.
    pub(super) excess: [[Vec<i32>; 2]; FEW],
    /// For each row of activations, sums of the groups, or of their two halves: words for eight groups each, to a multiple of
    /// sixteen groups.
    pub(super) sums: [[Vec<Words>; 2]; FEW],
    /// Scales of the groups, or of their halves.
    pub(super) scales: [Vec<Words>; 2],
    /// What is subtracted from each value of a group.
    pub(super) minimums: Vec<Words>,
}

impl Strip {
    /// Lays out rows of activations of `groups` groups each.
    pub(super) fn lay_out<B: Blocks>(&mut self, x: &[QuantizedBlock], groups: usize) {
        self.groups = groups;
        let padded = groups.next_multiple_of(2 * EIGHT);
        // Only what this format needs, so that it stays in the nearest cache.
        let make = |words: &mut Vec<Words>, is_there: bool| {
            words.resize(if is_there { padded / EIGHT } else { 0 }, Words([[0; EIGHT]; ROWS + PADDING]));
        };
        make(&mut self.minimums, B::MINIMUMS);
        for half in 0..2 {
            let is_there = half == 0 || B::HALVES;
            make(&mut self.scales[half], is_there);
            let rows = self.sums.iter_mut().enumerate();
            rows.for_each(|(place, sums)| make(&mut sums[half], is_there && place < x.len() / groups));
        }
        for (place, x) in x.chunks_exact(groups).enumerate() {
            let fill = |excess: &mut Vec<i32>, value: &dyn Fn(&QuantizedBlock) -> i32| {
                excess.clear();
                excess.extend(x.iter().map(value));
                excess.resize(padded, 0);
            };
            let [first, second] = &mut self.excess[place];
            // Blocks have it for 128, which every excess is a multiple of.
            let of = |excess: i32| excess / 128 * i32::from(B::OFFSET);
            if B::HALVES {
                fill(first, &|block| of(block.excess_of_half));
                fill(second, &|block| of(block.excess - block.excess_of_half));
            } else {
                fill(first, &|block| of(block.excess));
            }
            let codes = &mut self.codes[place];
            codes.clear();
            codes.extend(x.iter().map(|block| block.codes));
            codes.resize(padded, [0; BLOCK]);
        }
    }

    /// Puts down the scales and minimums of one row.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    #[expect(unsafe_code, reason = "vector instructions are unsafe unless the machine has them")]
    pub(super) fn take_scales<B: Blocks>(&mut self, row: usize, bytes: &[u8]) {
        let eight_bytes = EIGHT / B::GROUPS * B::BYTES;
        let whole = bytes.chunks_exact(eight_bytes);
        // Plain blocks may be fewer than eight at the end of a row.
        let mut rest = [0; EIGHT * MOST_BYTES];
        let left = whole.remainder();
        rest[..left.len()].copy_from_slice(left);
        for (octet, bytes) in whole.chain((!left.is_empty()).then_some(&rest[..])).enumerate() {
            // SAFETY: this function has the instructions.
            let found = unsafe { B::eight_scales(bytes) };
            let put = |words: &mut Words, value: __m256| {
                // SAFETY: it writes eight words.
                unsafe { _mm256_storeu_ps(words.0[row].as_mut_ptr().cast(), value) };
            };
            put(&mut self.scales[0][octet], found.scales[0]);
            if B::HALVES {
                put(&mut self.scales[1][octet], found.scales[1]);
            }
            if B::MINIMUMS {
                put(&mut self.minimums[octet], found.minimums);
            }
        }
    }
}
