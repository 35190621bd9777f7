//! Q8_0: an F16 scale, then 32 signed bytes. `value = scale · byte`.

use super::{f16_at, put_f16, reciprocal};

pub(super) fn dequantize(block: &[u8; 34], out: &mut [f32; 32]) {
    let scale = f16_at(block, 0);
    for (value, &code) in out.iter_mut().zip(&block[2..]) {
        *value = scale * f32::from(code.cast_signed());
    }
}

/// The scale maps the largest magnitude to 127. Codes are computed before the scale is rounded to
/// F16, as ggml does.
pub(super) fn quantize(values: &[f32; 32], block: &mut [u8; 34]) {
    let largest = values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let scale = largest / 127.0;
    let inverse = reciprocal(scale);
    put_f16(block, 0, scale);
    for (value, code) in values.iter().zip(&mut block[2..]) {
        *code = ((value * inverse).round() as i8).cast_unsigned();
    }
}
