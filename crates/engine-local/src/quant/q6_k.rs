//! Q6_K: 256 six-bit codes in sixteen groups of 16. `value = d · scale[g] · (code - 32)`.
//!
//! Bytes: 128 of low nibbles, 64 of upper bit pairs, 16 signed scales, `d` as F16. In each half of
//! 128 values, run `r` of 32 values has its low nibbles in bytes `32 · (r % 2) + i` (low half of the
//! byte for runs 0 and 1) and its upper bits in bits `2r` of byte `i`.

use super::search::{signed_codes, signed_scale};
use super::{f16_at, put_f16, reciprocal};

const UPPER: usize = 128;
const SCALES: usize = 192;
const D: usize = 208;

/// Codes are stored with this added.
const HALF: i8 = 32;

pub(super) fn dequantize(block: &[u8; 210], out: &mut [f32; 256]) {
    let d = f16_at(block, D);
    for (run, values) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        for (i, value) in values.iter_mut().enumerate() {
            let place = Place::of(run, i);
            let code = block[place.low] >> place.low_shift & 15 | (block[place.upper] >> place.upper_shift & 3) << 4;
            let scale = d * f32::from(block[SCALES + 2 * run + i / 16].cast_signed());
            *value = scale * f32::from(code.cast_signed() - HALF);
        }
    }
}

pub(super) fn quantize(values: &[f32; 256], block: &mut [u8; 210]) {
    const LARGEST: f32 = -128.0;
    let groups = values.as_chunks::<16>().0;
    let fitted: [f32; 16] = std::array::from_fn(|group| signed_scale(&groups[group], HALF));
    let extreme = fitted.iter().copied().fold(0.0_f32, |a, b| if b.abs() > a.abs() { b } else { a });
    block.fill(0);
    let d = put_f16(block, D, extreme / LARGEST);
    for (group, values) in groups.iter().enumerate() {
        let scale = (fitted[group] * reciprocal(d)).round() as i8;
        block[SCALES + group] = scale.cast_unsigned();
        let inverse = reciprocal(d * f32::from(scale));
        for (i, code) in signed_codes(values, inverse, HALF).into_iter().enumerate() {
            let code = (code + HALF).cast_unsigned();
            let place = Place::of(group / 2, 16 * (group % 2) + i);
            block[place.low] |= (code & 15) << place.low_shift;
            block[place.upper] |= (code >> 4) << place.upper_shift;
        }
    }
}

/// Where the code of value `i` of a run of 32 is stored.
struct Place {
    low: usize,
    low_shift: usize,
    upper: usize,
    upper_shift: usize,
}

impl Place {
    fn of(run: usize, i: usize) -> Self {
        let (half, run) = (run / 4, run % 4);
        Self {
            low: 64 * half + 32 * (run % 2) + i,
            low_shift: 4 * (run / 2),
            upper: UPPER + 32 * half + i,
            upper_shift: 2 * run,
        }
    }
}
