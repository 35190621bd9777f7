//! Products of a part of a matrix's rows with every row of activations.

use std::cell::RefCell;

use super::formats::{Q4K, Q5K, Q6K, SuperBlocks};
use super::tile::{SPAN, SuperTile, fill_portable, multiply_portable};
#[cfg(target_arch = "x86_64")]
use super::{avx2, vnni};
use crate::kernels::activations::{WIDE, WideBlock};
use crate::kernels::isa::Isa;
use crate::kernels::pool::Columns;
use crate::kernels::tile::{Lanes, ROWS, Rows};
use crate::quant::BlockType;
use crate::weights::Tensor;

/// Multiplies the rows of `weight` that the part is of with rows of activations.
pub(in crate::kernels) fn super_block_part(isa: Isa, weight: &Tensor, x: &[WideBlock], part: Columns<'_, f32>) {
    match weight.block_type() {
        BlockType::Q4K => part_of::<Q4K>(isa, weight, x, part),
        BlockType::Q5K => part_of::<Q5K>(isa, weight, x, part),
        BlockType::Q6K => part_of::<Q6K>(isa, weight, x, part),
        BlockType::F32 | BlockType::F16 | BlockType::BF16 | BlockType::Q8_0 | BlockType::Q4_0 => {
            unreachable!("others have no super-blocks")
        }
    }
}

fn part_of<B: SuperBlocks>(isa: Isa, weight: &Tensor, x: &[WideBlock], mut part: Columns<'_, f32>) {
    let stride = weight.cols() / WIDE;
    let range = part.range.clone();
    let positions = x.len() / stride;
    SCRATCH.with_borrow_mut(|Scratch { tile, sums }| {
        sums.resize(positions, Lanes([0.0; ROWS]));
        for start in range.clone().step_by(ROWS) {
            let count = ROWS.min(range.end - start);
            let bytes = &weight.bytes()[start * weight.row_bytes()..(start + count) * weight.row_bytes()];
            let rows = Rows { bytes, row_bytes: weight.row_bytes() };
            match isa {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2(avx2) if positions <= avx2::FEW => avx2.few_super::<B>(rows, x, sums),
                #[cfg(target_arch = "x86_64")]
                Isa::Vnni(_, vnni) if positions <= vnni::FEW => vnni.few_super::<B>(rows, x, sums),
                _ => by_tiles::<B>(isa, tile, rows, x, stride, sums),
            }
            for (position, Lanes(sums)) in sums.iter().enumerate() {
                part.row_mut(position)[start - range.start..][..count].copy_from_slice(&sums[..count]);
            }
        }
    });
}

/// Products of sixteen weight rows, one span of columns after the other.
fn by_tiles<B: SuperBlocks>(
    isa: Isa,
    tile: &mut SuperTile,
    rows: Rows<'_>,
    x: &[WideBlock],
    stride: usize,
    sums: &mut [Lanes],
) {
    sums.fill(Lanes([0.0; ROWS]));
    for first in (0..stride).step_by(SPAN) {
        let span = first..stride.min(first + SPAN);
        match isa {
            Isa::Portable => {
                fill_portable::<B>(tile, rows, span);
                multiply_portable::<B>(tile, &x[first..], stride, sums);
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(avx2) => {
                avx2.fill_super::<B>(tile, rows, span);
                avx2.multiply_super::<B>(tile, &x[first..], stride, sums);
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Vnni(_, vnni) => {
                vnni.fill_super::<B>(tile, rows, span);
                vnni.multiply_super::<B>(tile, &x[first..], stride, sums);
            }
        }
    }
}

/// What a thread of an engine unpacks weights into, and its sums; kept for the next product.
#[derive(Debug)]
struct Scratch {
    tile: Box<SuperTile>,
    sums: Vec<Lanes>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch { tile: SuperTile::new(), sums: Vec::new() });
}
