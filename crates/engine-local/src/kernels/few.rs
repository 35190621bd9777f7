//! Quantized products with one or two rows of activations, for which unpacking a tile does not pay.
//!
//! Each weight row is read from its beginning to its end, because memory delivers only what is read in order at its full
//! speed. The exact sums of its groups are put down beside its scales; when sixteen rows are done, both are turned so that
//! a register holds one group of all rows, and are added as [`tile`](super::tile) adds them: the bits are the same.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::activations::{BLOCK, QuantizedBlock};
use super::blocks::Blocks;
#[cfg(target_arch = "x86_64")]
use super::blocks::eight_scales;
use super::tile::ROWS;

/// Rows of activations at most.
pub(super) const FEW: usize = 2;

/// Groups whose sums one register of 256 bits holds.
pub(super) const EIGHT: usize = 8;

/// How far ahead memory is asked for, bytes: a short row takes a fraction of the time that memory needs.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn ahead(row: &[u8]) -> usize {
    row.len().max(4096)
}

/// Bytes of the largest block.
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
    /// For each group what the offset of the codes adds to a sum, below 0.
    pub(super) excess: [Vec<i32>; FEW],
    /// For each row of activations, sums of the groups: words for eight groups each, to a multiple of sixteen groups.
    pub(super) sums: [Vec<Words>; FEW],
    /// Scales of the groups.
    pub(super) scales: Vec<Words>,
}

impl Strip {
    /// Lays out rows of activations of `groups` groups each.
    pub(super) fn lay_out<B: Blocks>(&mut self, x: &[QuantizedBlock], groups: usize) {
        self.groups = groups;
        let padded = groups.next_multiple_of(2 * EIGHT);
        let make = |words: &mut Vec<Words>| words.resize(padded / EIGHT, Words([[0; EIGHT]; ROWS + PADDING]));
        make(&mut self.scales);
        // Only as many as there are rows, so that they stay in the nearest cache.
        self.sums[..x.len() / groups].iter_mut().for_each(make);
        for (place, x) in x.chunks_exact(groups).enumerate() {
            let excess = &mut self.excess[place];
            excess.clear();
            // Blocks have it for 128, which every excess is a multiple of.
            excess.extend(x.iter().map(|block| block.excess / 128 * i32::from(B::OFFSET)));
            excess.resize(padded, 0);
            let codes = &mut self.codes[place];
            codes.clear();
            codes.extend(x.iter().map(|block| block.codes));
            codes.resize(padded, [0; BLOCK]);
        }
    }

    /// Puts down the scales of one row.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    #[expect(unsafe_code, reason = "vector instructions are unsafe unless the machine has them")]
    pub(super) fn take_scales<B: Blocks>(&mut self, row: usize, bytes: &[u8]) {
        let whole = bytes.chunks_exact(EIGHT * B::BYTES);
        // There may be fewer than eight blocks at the end of a row.
        let mut rest = [0; EIGHT * MOST_BYTES];
        let left = whole.remainder();
        rest[..left.len()].copy_from_slice(left);
        for (octet, bytes) in whole.chain((!left.is_empty()).then_some(&rest[..])).enumerate() {
            let scales = eight_scales::<B>(bytes);
            // SAFETY: it writes eight words.
            unsafe { _mm256_storeu_ps(self.scales[octet].0[row].as_mut_ptr().cast(), scales) };
        }
    }
}
