//! Activations in the forms that the matrix products read.

use super::isa::Isa;
use super::pool::Pool;

/// Values in a quantized block of activations.
pub(super) const BLOCK: usize = 32;

/// Values in a wide block of activations, for weights in super-blocks of as many.
pub(super) const WIDE: usize = 256;

/// Largest code; -128 is left out, so that every code can be negated.
const TOP: f32 = 127.0;

/// 32 activations as signed bytes with one scale: `value ≈ scale · code`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub(super) struct QuantizedBlock {
    /// The codes, -127 to 127.
    pub(super) codes: [i8; BLOCK],
    /// Value of one step.
    pub(super) scale: f32,
    /// -128 times the sum of the codes: what takes 128 that was added to each weight code away again.
    pub(super) excess: i32,
}

impl Default for QuantizedBlock {
    fn default() -> Self {
        Self { codes: [0; BLOCK], scale: 0.0, excess: 0 }
    }
}

/// Groups of 32 in a wide block.
pub(super) const GROUPS: usize = WIDE / BLOCK;

/// Codes of a group that lie side by side in a wide block.
pub(super) const RUN: usize = 8;

/// Shifts that a group's codes may have: its sums times 2^3 still fit in sixteen bits.
pub(super) const SHIFTS: usize = 4;

/// 256 activations as signed bytes with one scale and a shift for each group of 32: `value ≈ scale · 2^shift · code`.
///
/// Shifts give groups of small values beside large ones up to three bits more, and leave everything but the scale whole.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub(super) struct WideBlock {
    /// The codes, -127 to 127: the first eight of each group, then the next eight of each. A register of 512 bits then has
    /// all groups side by side, and a sum over its lanes is none over groups.
    pub(super) codes: [[[i8; RUN]; GROUPS]; BLOCK / RUN],
    /// The shift of each group, twice: for each lane of a register that holds sums of the groups.
    pub(super) shifts: [[i32; 2]; GROUPS],
    /// Sums of sixteen codes each, shifted.
    pub(super) half_sums: [[i16; 2]; GROUPS],
    /// Sums of 32 codes each, shifted.
    pub(super) sums: [i16; GROUPS],
    /// Value of one step without a shift.
    pub(super) scale: f32,
}

impl WideBlock {
    /// Where a step of a group, four codes, lies among all steps of the block.
    #[inline(always)]
    pub(super) fn step(group: usize, step: usize) -> usize {
        step / 2 * 2 * GROUPS + 2 * group + step % 2
    }

    /// The shift of a group.
    #[inline(always)]
    #[expect(clippy::cast_sign_loss, reason = "shifts are 0 to 3")]
    pub(super) fn shift(&self, group: usize) -> usize {
        self.shifts[group][0] as usize % SHIFTS
    }

    /// The values that it stands for, in their order.
    #[cfg(test)]
    pub(super) fn values(&self) -> [f32; WIDE] {
        std::array::from_fn(|i| {
            let (group, within) = (i / BLOCK, i % BLOCK);
            let step = self.scale * (1 << self.shifts[group][0]) as f32;
            step * f32::from(self.codes[within / RUN][group][within % RUN])
        })
    }
}

impl Default for WideBlock {
    fn default() -> Self {
        let codes = [[[0; RUN]; GROUPS]; BLOCK / RUN];
        Self { codes, shifts: [[0; 2]; GROUPS], half_sums: [[0; 2]; GROUPS], sums: [0; GROUPS], scale: 0.0 }
    }
}

/// Memory for quantized activations, kept for the next ones.
#[derive(Debug, Default)]
pub struct Quantized {
    blocks: Vec<QuantizedBlock>,
    wide: Vec<WideBlock>,
}

impl Quantized {
    /// Bytes that it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<QuantizedBlock>() + self.wide.capacity() * size_of::<WideBlock>()
    }
}

/// Rows of activations `[rows, columns]`. A quantized form is made when it is first needed, and then serves every matrix
/// that reads the same rows in it.
#[derive(Debug)]
pub struct Activations<'a> {
    pub(super) values: &'a [f32],
    pub(super) columns: usize,
    scratch: &'a mut Quantized,
    has_blocks: bool,
    has_wide: bool,
}

impl<'a> Activations<'a> {
    /// Wraps rows; `scratch` keeps its memory for the next ones.
    ///
    /// # Panics
    /// When the values are no whole number of rows.
    pub fn new(values: &'a [f32], columns: usize, scratch: &'a mut Quantized) -> Self {
        assert!(values.len().is_multiple_of(columns), "{} values in rows of {columns}", values.len());
        Self { values, columns, scratch, has_blocks: false, has_wide: false }
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.values.len() / self.columns
    }

    /// The rows as blocks of 32.
    pub(super) fn blocks(&mut self, isa: Isa, pool: &mut Pool) -> &[QuantizedBlock] {
        if !self.has_blocks {
            in_blocks(self.values, &mut self.scratch.blocks, isa, pool, quantize);
            self.has_blocks = true;
        }
        &self.scratch.blocks
    }

    /// The rows as blocks of 256.
    pub(super) fn wide(&mut self, isa: Isa, pool: &mut Pool) -> &[WideBlock] {
        if !self.has_wide {
            in_blocks(self.values, &mut self.scratch.wide, isa, pool, quantize_wide);
            self.has_wide = true;
        }
        &self.scratch.wide
    }
}

/// Makes a block of every `N` values, on all threads where there are many.
fn in_blocks<T: Copy + Default + Send, const N: usize>(
    values: &[f32],
    blocks: &mut Vec<T>,
    isa: Isa,
    pool: &mut Pool,
    quantize: impl Fn(&[f32; N]) -> T + Copy + Sync,
) {
    /// Values that one thread takes at a time; less is not worth a second thread.
    const CHUNK: usize = 1 << 14;
    let values = values.as_chunks::<N>().0;
    blocks.resize(values.len(), T::default());
    pool.for_columns(blocks, values.len(), CHUNK / N, |mut columns| {
        let values = &values[columns.range.clone()];
        let blocks = columns.row_mut(0);
        isa.vectorize(
            #[inline(always)]
            || values.iter().zip(blocks).for_each(|(values, block)| *block = quantize(values)),
        );
    });
}

#[inline(always)]
fn quantize(values: &[f32; BLOCK]) -> QuantizedBlock {
    let scale = largest(values) / TOP;
    let mut codes = [0; BLOCK];
    round(values, inverse(scale), &mut codes);
    QuantizedBlock { codes, scale, excess: -128 * sum(&codes) }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "32 codes of at most 128 shifted by three bits are sixteen bits")]
fn quantize_wide(values: &[f32; WIDE]) -> WideBlock {
    let groups: &[[f32; BLOCK]; GROUPS] = values.as_chunks().0.as_array().expect("eight times 32 are 256");
    let mut largest_of = [0.0; GROUPS];
    for (largest_of, values) in largest_of.iter_mut().zip(groups) {
        *largest_of = largest(values);
    }
    let top = largest_of.iter().fold(0.0_f32, |a, &b| if b > a { b } else { a });
    let scale = top / (TOP * (1 << (SHIFTS - 1)) as f32);
    let inverse = inverse(scale);
    let mut block = WideBlock { scale, ..WideBlock::default() };
    for (group, values) in groups.iter().enumerate() {
        // The smallest shift that holds the group.
        let shift = (1..SHIFTS).map(|shift| i32::from(largest_of[group] * (1 << shift) as f32 > top)).sum::<i32>();
        let mut codes = [0; BLOCK];
        round(values, inverse / (1 << shift) as f32, &mut codes);
        for (all, codes) in block.codes.iter_mut().zip(codes.as_chunks().0) {
            all[group] = *codes;
        }
        let [first, second] = [sum(&codes[..BLOCK / 2]), sum(&codes[BLOCK / 2..])];
        block.shifts[group] = [shift; 2];
        block.half_sums[group] = [(first << shift) as i16, (second << shift) as i16];
        block.sums[group] = ((first + second) << shift) as i16;
    }
    block
}

#[inline(always)]
fn sum(codes: &[i8]) -> i32 {
    codes.iter().map(|&code| i32::from(code)).sum()
}

/// The largest magnitude.
#[inline(always)]
fn largest(values: &[f32; BLOCK]) -> f32 {
    let mut largest = [0.0_f32; 8];
    for eight in values.as_chunks::<8>().0 {
        for (largest, value) in largest.iter_mut().zip(eight) {
            *largest = if value.abs() > *largest { value.abs() } else { *largest };
        }
    }
    largest.iter().fold(0.0_f32, |a, &b| if b > a { b } else { a })
}

/// A block of zeros, or of values too small to invert their scale, is zeros.
#[inline(always)]
fn inverse(scale: f32) -> f32 {
    if scale > f32::MIN_POSITIVE { 1.0 / scale } else { 0.0 }
}

/// Rounds to the nearest code, ties to even.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the scale holds the codes within a byte")]
fn round(values: &[f32; BLOCK], inverse: f32, codes: &mut [i8; BLOCK]) {
    /// Adding it leaves a whole number in the low bits: above 2^23 floats have no fraction.
    const ROUND: f32 = 12_582_912.0;
    for (code, value) in codes.iter_mut().zip(values) {
        // Read from the bits, because SSE2 has no conversion of floats that saturates, as `as` would.
        *code = (value * inverse + ROUND).to_bits().wrapping_sub(ROUND.to_bits()).cast_signed() as i8;
    }
}
