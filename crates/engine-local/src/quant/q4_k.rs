//! Q4_K: 256 nibbles in eight groups of 32. `value = d · scale[g] · nibble - dmin · minimum[g]`.
//!
//! Bytes: `d` and `dmin` as F16, twelve bytes of packed 6-bit scales and minimums, 128 bytes of
//! nibbles. Byte `32 · p + i` holds value `i` of group `2p` low and of group `2p + 1` high.

use super::search::Affine;
use super::{f16_at, put_f16, reciprocal};

/// Groups in a block.
pub(super) const GROUPS: usize = 8;

/// Where the nibbles start.
const CODES: usize = 16;

pub(super) fn dequantize(block: &[u8; 144], out: &mut [f32; 256]) {
    let groups = read_groups(block);
    for (pair, codes) in block[CODES..].as_chunks::<32>().0.iter().enumerate() {
        let (low, high) = out[64 * pair..][..64].split_at_mut(32);
        let (low_group, high_group) = (groups[2 * pair], groups[2 * pair + 1]);
        for (i, &byte) in codes.iter().enumerate() {
            low[i] = low_group.scale * f32::from(byte & 15) - low_group.minimum;
            high[i] = high_group.scale * f32::from(byte >> 4) - high_group.minimum;
        }
    }
}

pub(super) fn quantize(values: &[f32; 256], block: &mut [u8; 144]) {
    const TOP: u8 = 15;
    let groups = write_groups(values, TOP, block);
    for (pair, codes) in block[CODES..].as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let [low, high] = [2 * pair, 2 * pair + 1].map(|group| groups[group].encode(&values.as_chunks().0[group], TOP));
        for (byte, (low, high)) in codes.iter_mut().zip(low.into_iter().zip(high)) {
            *byte = low | high << 4;
        }
    }
}

/// The eight groups' scales and minimums, from the first 16 bytes; Q5_K has the same.
pub(super) fn read_groups(header: &[u8]) -> [Affine; GROUPS] {
    let (d, dmin, packed) = (f16_at(header, 0), f16_at(header, 2), &header[4..16]);
    std::array::from_fn(|group| {
        let (scale, minimum) = unpack(packed, group);
        Affine { scale: d * f32::from(scale), minimum: dmin * f32::from(minimum) }
    })
}

/// Chooses and stores the groups' scales and minimums; returns them as a reader will see them.
pub(super) fn write_groups(values: &[f32; 256], top: u8, header: &mut [u8]) -> [Affine; GROUPS] {
    const LARGEST: f32 = 63.0;
    let fitted: [Affine; GROUPS] = std::array::from_fn(|group| Affine::fit(&values.as_chunks().0[group], top));
    let largest = |of: fn(&Affine) -> f32| fitted.iter().map(of).fold(0.0, f32::max);
    let d = put_f16(header, 0, largest(|group| group.scale) / LARGEST);
    let dmin = put_f16(header, 2, largest(|group| group.minimum) / LARGEST);
    let six_bits = |value: f32, step: f32| ((value * reciprocal(step)).round() as u8).min(63);
    header[4..16].fill(0);
    for (group, affine) in fitted.iter().enumerate() {
        let codes = (six_bits(affine.scale, d), six_bits(affine.minimum, dmin));
        pack(&mut header[4..16], group, codes);
    }
    read_groups(header)
}

/// Bytes 0–3 hold the scales of groups 0–3, bytes 4–7 their minimums, in the low six bits. Bytes
/// 8–11 hold the low nibbles of groups 4–7 (scale low, minimum high), whose upper two bits are the
/// upper bits of bytes 0–7.
fn unpack(packed: &[u8], group: usize) -> (u8, u8) {
    let Some(late) = group.checked_sub(4) else {
        return (packed[group] & 63, packed[group + 4] & 63);
    };
    let low = packed[late + 8];
    (low & 15 | (packed[late] >> 6) << 4, low >> 4 | (packed[late + 4] >> 6) << 4)
}

/// The reverse of [`unpack`], into zeroed bytes.
fn pack(packed: &mut [u8], group: usize, (scale, minimum): (u8, u8)) {
    let Some(late) = group.checked_sub(4) else {
        packed[group] |= scale;
        packed[group + 4] |= minimum;
        return;
    };
    packed[late + 8] = scale & 15 | (minimum & 15) << 4;
    packed[late] |= (scale >> 4) << 6;
    packed[late + 4] |= (minimum >> 4) << 6;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_is_reversible() {
        let mut packed = [0; 12];
        let code = |group: u8| ((group * 9 + 5) % 64, (group * 23 + 40) % 64);
        for group in 0..8 {
            pack(&mut packed, usize::from(group), code(group));
        }
        for group in 0..8 {
            assert_eq!(unpack(&packed, usize::from(group)), code(group), "group {group}");
        }
    }
}
