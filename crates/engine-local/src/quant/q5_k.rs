//! Q5_K: Q4_K with a fifth bit per value, in 32 bytes before the nibbles. Bit `g` of byte `i` belongs
//! to value `i` of group `g`.

use super::q4_k::{read_groups, write_groups};

/// Where the fifth bits start, and where the nibbles do.
const BITS: usize = 16;
const CODES: usize = 48;

pub(super) fn dequantize(block: &[u8; 176], out: &mut [f32; 256]) {
    let groups = read_groups(block);
    for (group, values) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let affine = groups[group];
        for (i, value) in values.iter_mut().enumerate() {
            let nibble = block[CODES + 32 * (group / 2) + i] >> (4 * (group % 2)) & 15;
            let fifth = block[BITS + i] >> group & 1;
            *value = affine.scale * f32::from(nibble | fifth << 4) - affine.minimum;
        }
    }
}

pub(super) fn quantize(values: &[f32; 256], block: &mut [u8; 176]) {
    const TOP: u8 = 31;
    let groups = write_groups(values, TOP, block);
    block[BITS..].fill(0);
    for (group, values) in values.as_chunks::<32>().0.iter().enumerate() {
        for (i, code) in groups[group].encode(values, TOP).into_iter().enumerate() {
            block[CODES + 32 * (group / 2) + i] |= (code & 15) << (4 * (group % 2));
            block[BITS + i] |= code >> 4 << group;
        }
    }
}
