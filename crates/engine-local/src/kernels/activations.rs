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
    /// `scale ·` the sum of the codes, for weights with minimums.
    pub(super) sum: f32,
    /// -128 times the sum of the codes: what takes 128 that was added to each weight code away again.
    pub(super) excess: i32,
    /// The same for the first half of the codes.
    pub(super) excess_of_half: i32,
}

impl Default for QuantizedBlock {
    fn default() -> Self {
        Self { codes: [0; BLOCK], scale: 0.0, sum: 0.0, excess: 0, excess_of_half: 0 }
    }
}

/// 256 activations as signed bytes with one scale: `value ≈ scale · code`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub(super) struct WideBlock {
    /// The codes, -127 to 127.
    pub(super) codes: [i8; WIDE],
    /// Sums of sixteen codes each.
    pub(super) half_sums: [i16; WIDE / 16],
    /// Sums of 32 codes each.
    pub(super) sums: [i16; WIDE / 32],
    /// Value of one step.
    pub(super) scale: f32,
}

impl Default for WideBlock {
    fn default() -> Self {
        Self { codes: [0; WIDE], half_sums: [0; WIDE / 16], sums: [0; WIDE / 32], scale: 0.0 }
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
    let mut codes = [0; BLOCK];
    let scale = round(values, &mut codes);
    let [first, second] = [sum(&codes[..BLOCK / 2]), sum(&codes[BLOCK / 2..])];
    let sum = first + second;
    QuantizedBlock { codes, scale, sum: scale * sum as f32, excess: -128 * sum, excess_of_half: -128 * first }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "32 codes add up to 4064 at most")]
fn quantize_wide(values: &[f32; WIDE]) -> WideBlock {
    let mut block = WideBlock::default();
    block.scale = round(values, &mut block.codes);
    for (sum_of_half, codes) in block.half_sums.iter_mut().zip(block.codes.as_chunks::<16>().0) {
        *sum_of_half = sum(codes) as i16;
    }
    for (sum, [first, second]) in block.sums.iter_mut().zip(block.half_sums.as_chunks().0) {
        *sum = first + second;
    }
    block
}

#[inline(always)]
fn sum(codes: &[i8]) -> i32 {
    codes.iter().map(|&code| i32::from(code)).sum()
}

/// Rounds to the nearest code, ties to even, and returns the scale.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the scale holds the codes within a byte")]
fn round<const N: usize>(values: &[f32; N], codes: &mut [i8; N]) -> f32 {
    /// Adding it leaves a whole number in the low bits: above 2^23 floats have no fraction.
    const ROUND: f32 = 12_582_912.0;
    let mut largest = [0.0_f32; 8];
    for eight in values.as_chunks::<8>().0 {
        for (largest, value) in largest.iter_mut().zip(eight) {
            *largest = if value.abs() > *largest { value.abs() } else { *largest };
        }
    }
    let largest = largest.iter().fold(0.0_f32, |a, &b| if b > a { b } else { a });
    let scale = largest / TOP;
    // A block of zeros, or of values too small to invert their scale, is zeros.
    let inverse = if scale > f32::MIN_POSITIVE { 1.0 / scale } else { 0.0 };
    for (code, value) in codes.iter_mut().zip(values) {
        // Read from the bits, because SSE2 has no conversion of floats that saturates, as `as` would.
        *code = (value * inverse + ROUND).to_bits().wrapping_sub(ROUND.to_bits()).cast_signed() as i8;
    }
    scale
}
