//! Q4_0: an F16 scale, then 32 nibbles. `value = scale · (nibble - 8)`; byte `i` holds value `i`
//! in its low nibble and value `i + 16` in its high one.

use super::{f16_at, put_f16, reciprocal};

pub(super) fn dequantize(block: &[u8; 18], out: &mut [f32; 32]) {
    let scale = f16_at(block, 0);
    let value = |nibble: u8| scale * (f32::from(nibble) - 8.0);
    for (i, &byte) in block[2..].iter().enumerate() {
        out[i] = value(byte & 15);
        out[i + 16] = value(byte >> 4);
    }
}

/// The scale maps the value of largest magnitude, with its sign, to -8: the side of the range that
/// has one step more.
pub(super) fn quantize(values: &[f32; 32], block: &mut [u8; 18]) {
    let mut extreme = 0.0_f32;
    for &value in values {
        if value.abs() > extreme.abs() {
            extreme = value;
        }
    }
    let scale = extreme / -8.0;
    let inverse = reciprocal(scale);
    put_f16(block, 0, scale);
    let code = |value: f32| ((value * inverse + 8.5) as u8).min(15);
    for (i, byte) in block[2..].iter_mut().enumerate() {
        *byte = code(values[i]) | code(values[i + 16]) << 4;
    }
}
