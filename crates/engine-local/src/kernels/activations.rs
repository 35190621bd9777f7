//! Activations in the forms that the matrix products read.

use super::isa::Isa;
use super::pool::Pool;

/// Values in a quantized block of activations, whatever the weights' own block length is.
pub(super) const BLOCK: usize = 32;

/// Largest code; -128 is left out, so that every code can be negated.
const TOP: f32 = 127.0;

/// 32 activations as signed bytes with one scale: `value ≈ scale · code`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct QuantizedBlock {
    /// The codes, -127 to 127.
    pub codes: [i8; BLOCK],
    /// Value of one step.
    pub scale: f32,
    /// `scale ·` the sum of the codes, for weights with minimums.
    pub sum: f32,
    /// -128 times the sum of the codes: what takes 128 that was added to each weight code away again.
    pub excess: i32,
    /// The same for the first half of the codes.
    pub excess_of_half: i32,
}

impl Default for QuantizedBlock {
    fn default() -> Self {
        Self { codes: [0; BLOCK], scale: 0.0, sum: 0.0, excess: 0, excess_of_half: 0 }
    }
}

/// Rows of activations `[rows, columns]`. Their quantized form is made when it is first needed, and then serves
/// every matrix that reads the same rows.
#[derive(Debug)]
pub struct Activations<'a> {
    pub(super) values: &'a [f32],
    pub(super) columns: usize,
    blocks: &'a mut Vec<QuantizedBlock>,
    quantized: bool,
}

impl<'a> Activations<'a> {
    /// Wraps rows; `scratch` keeps its memory for the next ones.
    ///
    /// # Panics
    /// When the values are no whole number of rows.
    pub fn new(values: &'a [f32], columns: usize, scratch: &'a mut Vec<QuantizedBlock>) -> Self {
        assert!(values.len().is_multiple_of(columns), "{} values in rows of {columns}", values.len());
        Self { values, columns, blocks: scratch, quantized: false }
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.values.len() / self.columns
    }

    /// The rows as blocks.
    pub(super) fn quantized(&mut self, isa: Isa, pool: &mut Pool) -> &[QuantizedBlock] {
        /// Blocks that one thread takes at a time; less is not worth a second thread.
        const CHUNK: usize = 512;
        if !self.quantized {
            let values = self.values.as_chunks::<BLOCK>().0;
            self.blocks.resize(values.len(), QuantizedBlock::default());
            pool.for_columns(self.blocks, values.len(), CHUNK, |mut columns| {
                let values = &values[columns.range.clone()];
                let blocks = columns.row_mut(0);
                isa.vectorize(
                    #[inline(always)]
                    || values.iter().zip(blocks).for_each(|(values, block)| *block = quantize(values)),
                );
            });
            self.quantized = true;
        }
        self.blocks
    }
}

/// Rounds to the nearest code, ties to even.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the scale holds the codes within a byte")]
fn quantize(values: &[f32; BLOCK]) -> QuantizedBlock {
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
    let mut codes = [0_i8; BLOCK];
    let mut sums = [0_i32; 2];
    let halves = codes.as_chunks_mut::<{ BLOCK / 2 }>().0.iter_mut().zip(values.as_chunks::<{ BLOCK / 2 }>().0);
    for (sum, (codes, values)) in sums.iter_mut().zip(halves) {
        for (code, value) in codes.iter_mut().zip(values) {
            // Read from the bits, because SSE2 has no conversion of floats that saturates, as `as` would.
            let whole = (value * inverse + ROUND).to_bits().wrapping_sub(ROUND.to_bits()).cast_signed();
            *code = whole as i8;
            *sum += whole;
        }
    }
    let sum = sums[0] + sums[1];
    QuantizedBlock { codes, scale, sum: scale * sum as f32, excess: -128 * sum, excess_of_half: -128 * sums[0] }
}
