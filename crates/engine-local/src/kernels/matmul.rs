//! Matrix products over weights as they lie in the file.

use std::cell::{Cell, RefCell};

use super::activations::{Activations, BLOCK, QuantizedBlock, WIDE};
use super::blocks::{self, Blocks};
use super::cores::Cores;
use super::few::{FEW, Strip};
use super::isa::Isa;
use super::pool::{Columns, Pool};
use super::portable;
use super::super_blocks::super_block_part;
use super::tile::{self, Lanes, Rows, Tile};
use crate::quant::BlockType;
use crate::weights::Tensor;

/// Products below which a second thread costs more than it brings: some five microseconds of work.
const PARALLEL_PRODUCTS: usize = 1 << 17;

/// Parts per thread, so that a thread that starts late or runs slowly takes fewer.
const PARTS_PER_THREAD: usize = 8;

/// Bytes of activations that a part goes through before it returns to its first weight row: half of a small L2 cache.
const ACTIVATION_BYTES: usize = 128 << 10;

/// Weight rows that are widened together; a multiple of the tallest tile.
const WIDENED_ROWS: usize = 4;

/// What computes for one engine: an instruction set and threads.
#[derive(Debug)]
pub struct Compute {
    /// The instruction set.
    pub isa: Isa,
    /// The threads.
    pub pool: Pool,
}

impl Compute {
    /// Starts the threads, each on its core where there are `cores`.
    ///
    /// # Errors
    /// When the system refuses a thread, or its core.
    pub fn new(isa: Isa, threads: usize, cores: Option<&Cores>) -> std::io::Result<Self> {
        Ok(Self { isa, pool: Pool::new(threads, cores)? })
    }

    /// Multiplies activations `[m, k]` with a weight of `n` rows and `k` columns: `out[i, j] = x[i] · weight[j]`,
    /// `[m, n]`.
    ///
    /// # Panics
    /// When the shapes do not belong together.
    pub fn matmul(&mut self, weight: &Tensor, x: &mut Activations<'_>, out: &mut [f32]) {
        let (rows, columns) = (weight.rows(), weight.cols());
        assert!(x.columns == columns && out.len() == x.rows() * rows, "shapes of `{}`", weight.name());
        let isa = self.isa;
        let chunk = chunk_of(rows, rows * columns * x.rows(), self.pool.threads());
        if weight.block_type().is_float() {
            let x = x.values;
            let task = |part: Columns<'_, f32>| float_part(isa, weight, x, part);
            self.pool.for_columns(out, rows, chunk, task);
        } else if weight.block_type().block_len() == WIDE {
            let x = x.wide(isa, &mut self.pool);
            let task = |part: Columns<'_, f32>| super_block_part(isa, weight, x, part);
            self.pool.for_columns(out, rows, chunk, task);
        } else {
            let x = x.blocks(isa, &mut self.pool);
            let task = |part: Columns<'_, f32>| block_part(isa, weight, x, part);
            self.pool.for_columns(out, rows, chunk, task);
        }
    }

    /// Calls `task` with the number of each row and the row, on all threads where there is much to do.
    pub fn for_rows(&mut self, rows: &mut [f32], width: usize, task: impl Fn(usize, &mut [f32]) + Sync) {
        /// A row's work per value, in products: a norm has less, an exponential more.
        const PRODUCTS_PER_VALUE: usize = 8;
        let products = rows.len() * PRODUCTS_PER_VALUE;
        self.for_rows_of(rows, width, products, task);
    }

    /// As [`for_rows`](Self::for_rows), where all rows together take as long as this number of products.
    pub fn for_rows_of(
        &mut self,
        rows: &mut [f32],
        width: usize,
        products: usize,
        task: impl Fn(usize, &mut [f32]) + Sync,
    ) {
        let isa = self.isa;
        let count = rows.len() / width;
        let parts = if products < PARALLEL_PRODUCTS { 1 } else { self.pool.threads() * PARTS_PER_THREAD };
        let chunk = count.div_ceil(parts).max(1) * width;
        let len = rows.len();
        self.pool.for_columns(rows, len, chunk, |mut part| {
            let first = part.range.start / width;
            isa.vectorize(
                #[inline(always)]
                || {
                    for (row, values) in part.row_mut(0).chunks_exact_mut(width).enumerate() {
                        task(first + row, values);
                    }
                },
            );
        });
    }
}

impl Compute {
    /// Calls `task` with tiles of a matrix, on all threads where all together take as long as many products.
    pub(super) fn for_tiles_of(
        &mut self,
        out: &mut [f32],
        width: usize,
        tile: (usize, usize),
        products: usize,
        task: impl Fn(Columns<'_, f32>) + Sync,
    ) {
        if products < PARALLEL_PRODUCTS {
            return Pool::alone().for_tiles(out, width, tile, task);
        }
        self.pool.for_tiles(out, width, tile, task);
    }
}

/// Weight rows of one part: whole tiles, or all.
fn chunk_of(rows: usize, products: usize, threads: usize) -> usize {
    if threads == 1 || products < PARALLEL_PRODUCTS {
        return rows.max(1);
    }
    rows.div_ceil(threads * PARTS_PER_THREAD).next_multiple_of(tile::ROWS)
}

thread_local! {
    /// Rows of weights in single precision, kept from one product to the next: a thread has one at a time.
    static WIDENED: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

fn float_part(isa: Isa, weight: &Tensor, x: &[f32], mut part: Columns<'_, f32>) {
    let columns = weight.cols();
    let rows = part.range.clone();
    let block_rows = (ACTIVATION_BYTES / (4 * columns)).max(3).next_multiple_of(3);
    let mut scratch = WIDENED.take();
    if scratch.len() < WIDENED_ROWS * columns {
        scratch.resize(WIDENED_ROWS * columns, 0.0);
    }
    for (number, x) in x.chunks(block_rows * columns).enumerate() {
        let first = number * block_rows;
        if let Some(weights) = weight.as_f32() {
            let weights = &weights[rows.start * columns..rows.end * columns];
            float_panel(isa, weights, x, columns, |row, position, value| part.row_mut(first + position)[row] = value);
            continue;
        }
        for start in rows.clone().step_by(WIDENED_ROWS) {
            let count = WIDENED_ROWS.min(rows.end - start);
            let widened = &mut scratch[..count * columns];
            widen(isa, weight, start, widened);
            let offset = start - rows.start;
            float_panel(isa, widened, x, columns, |row, position, value| {
                part.row_mut(first + position)[offset + row] = value;
            });
        }
    }
    WIDENED.set(scratch);
}

/// Converts weight rows from `start` on.
fn widen(isa: Isa, weight: &Tensor, start: usize, out: &mut [f32]) {
    let count = out.len() / weight.cols();
    let bytes = &weight.bytes()[start * weight.row_bytes()..(start + count) * weight.row_bytes()];
    match (isa, weight.block_type(), bytemuck::try_cast_slice(bytes)) {
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx2(avx2) | Isa::Vnni(avx2, _), BlockType::F16, Ok(halves)) => avx2.widen_f16(halves, out),
        (_, BlockType::BF16, Ok(halves)) => isa.vectorize(
            #[inline(always)]
            || widen_bf16(halves, out),
        ),
        (_, block_type, _) => block_type.dequantize(bytes, out),
    }
}

/// The bits of a BF16 value are the upper half of an F32 value's.
#[inline(always)]
fn widen_bf16(halves: &[u16], out: &mut [f32]) {
    for (out, &half) in out.iter_mut().zip(halves) {
        *out = f32::from_bits(u32::from(half) << 16);
    }
}

fn float_panel(isa: Isa, weights: &[f32], x: &[f32], columns: usize, put: impl FnMut(usize, usize, f32)) {
    match isa {
        Isa::Portable => portable::float_panel(weights, x, columns, put),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2(avx2) => avx2.float_panel(weights, x, columns, put),
        #[cfg(target_arch = "x86_64")]
        Isa::Vnni(_, vnni) => vnni.float_panel(weights, x, columns, put),
    }
}

fn block_part(isa: Isa, weight: &Tensor, x: &[QuantizedBlock], part: Columns<'_, f32>) {
    match weight.block_type() {
        BlockType::Q8_0 => part_of::<blocks::Q8_0>(isa, weight, x, part),
        BlockType::Q4_0 => part_of::<blocks::Q4_0>(isa, weight, x, part),
        BlockType::Q4K | BlockType::Q5K | BlockType::Q6K => unreachable!("these have super-blocks"),
        BlockType::F32 | BlockType::F16 | BlockType::BF16 => unreachable!("floats are not quantized"),
    }
}

fn part_of<B: Blocks>(isa: Isa, weight: &Tensor, x: &[QuantizedBlock], mut part: Columns<'_, f32>) {
    let groups = weight.cols() / BLOCK;
    let range = part.range.clone();
    let is_few = isa != Isa::Portable && x.len() <= FEW * groups;
    SCRATCH.with_borrow_mut(|Scratch { tile, strip, sums }| {
        sums.resize(x.len() / groups, Lanes([0.0; tile::ROWS]));
        if is_few {
            strip.lay_out::<B>(x, groups);
        }
        for start in range.clone().step_by(tile::ROWS) {
            let count = tile::ROWS.min(range.end - start);
            let bytes = &weight.bytes()[start * weight.row_bytes()..(start + count) * weight.row_bytes()];
            let rows = Rows { bytes, row_bytes: weight.row_bytes() };
            match isa {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2(avx2) if is_few => avx2.multiply_few::<B>(strip, rows, x, sums),
                #[cfg(target_arch = "x86_64")]
                Isa::Vnni(_, vnni) if is_few => vnni.multiply_few::<B>(strip, rows, x, sums),
                _ => by_tiles::<B>(isa, tile, rows, x, groups, sums),
            }
            for (position, Lanes(sums)) in sums.iter().enumerate() {
                part.row_mut(position)[start - range.start..][..count].copy_from_slice(&sums[..count]);
            }
        }
    });
}

/// Products of sixteen weight rows with every row of activations, one span of columns after the other.
fn by_tiles<B: Blocks>(
    isa: Isa,
    tile: &mut Tile,
    rows: Rows<'_>,
    x: &[QuantizedBlock],
    groups: usize,
    sums: &mut [Lanes],
) {
    sums.fill(Lanes([0.0; tile::ROWS]));
    for first in (0..groups).step_by(tile::GROUPS) {
        let span = first..groups.min(first + tile::GROUPS);
        match isa {
            Isa::Portable => {
                tile::fill_portable::<B>(tile, rows, span);
                tile::multiply_portable(tile, &x[first..], groups, sums);
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(avx2) => {
                avx2.fill::<B>(tile, rows, span);
                avx2.multiply(tile, &x[first..], groups, sums);
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Vnni(_, vnni) => {
                vnni.fill::<B>(tile, rows, span);
                vnni.multiply(tile, &x[first..], groups, sums);
            }
        }
    }
}

/// What a thread of an engine unpacks weights into, and its sums; kept for the next product.
#[derive(Debug)]
struct Scratch {
    tile: Box<Tile>,
    strip: Strip,
    sums: Vec<Lanes>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> =
        RefCell::new(Scratch { tile: Tile::new(), strip: Strip::default(), sums: Vec::new() });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::Bytes;
    use crate::kernels::Quantized;
    use crate::kernels::activations::WideBlock;

    /// Values in -1 to 1 without a pattern.
    fn noise(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect()
    }

    fn weight(block_type: BlockType, rows: usize, columns: usize, seed: usize) -> Tensor {
        let row_bytes = block_type.row_bytes(columns).unwrap();
        let mut bytes = vec![0; rows * row_bytes];
        for (row, values) in bytes.chunks_mut(row_bytes).zip(noise(rows * columns, seed).chunks(columns)) {
            block_type.quantize(values, row);
        }
        Tensor::new("w", vec![rows, columns], block_type, Bytes::copy_from(&bytes)).unwrap()
    }

    fn product(isa: Isa, threads: usize, weight: &Tensor, x: &[f32]) -> Vec<f32> {
        let mut scratch = Quantized::default();
        let mut out = vec![f32::NAN; x.len() / weight.cols() * weight.rows()];
        let mut compute = Compute::new(isa, threads, None).unwrap();
        compute.matmul(weight, &mut Activations::new(x, weight.cols(), &mut scratch), &mut out);
        out
    }

    /// The activations as the integer products see them: rounded to their blocks' steps.
    fn rounded(isa: Isa, block_type: BlockType, x: &[f32]) -> Vec<f32> {
        let mut scratch = Quantized::default();
        let mut pool = Pool::new(1, None).unwrap();
        let mut x = Activations::new(x, x.len(), &mut scratch);
        if block_type.block_len() == WIDE {
            return x.wide(isa, &mut pool).iter().flat_map(WideBlock::values).collect();
        }
        let blocks = x.blocks(isa, &mut pool).iter();
        blocks.flat_map(|block| block.codes.map(|code| f32::from(code) * block.scale)).collect()
    }

    /// The product in double precision, and the sum of its terms' magnitudes, which bounds its rounding.
    fn exact(weight: &[f32], x: &[f32]) -> (f64, f64) {
        let terms = weight.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x));
        terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()))
    }

    fn check(block_type: BlockType, rows: usize, columns: usize, positions: usize, seed: usize) {
        let weight = weight(block_type, rows, columns, seed);
        let (values, mut x) = (weight.to_f32(), noise(positions * columns, seed + 1));
        // Some groups have small values beside others' large ones.
        x.iter_mut().enumerate().for_each(|(i, x)| *x /= (1 << (i / BLOCK * seed % 5)) as f32);
        let plain = product(Isa::Portable, 1, &weight, &x);
        for isa in Isa::available() {
            let seen = if block_type.is_float() { x.clone() } else { rounded(isa, block_type, &x) };
            let found = product(isa, 2, &weight, &x);
            assert!(block_type.is_float() || found == plain, "{block_type} differs with {isa:?}");
            for (position, seen) in seen.chunks(columns).enumerate() {
                for (row, values) in values.chunks(columns).enumerate() {
                    let (expected, size) = exact(values, seen);
                    let found = f64::from(found[position * rows + row]);
                    // Lanes add some hundred terms each in single precision; minimums enlarge the terms.
                    let bound = 4e-6 * size + 4e-5;
                    assert!((found - expected).abs() <= bound, "{found} for {expected}, {block_type} with {isa:?}");
                }
            }
            for (position, x) in x.chunks(columns).enumerate() {
                let alone = product(isa, 1, &weight, x);
                assert_eq!(alone, found[position * rows..][..rows], "{block_type} alone with {isa:?}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn products_equal_the_reference_alone_and_together(
            rows in 1_usize..40, blocks in 1_usize..4, extra in 0_usize..9, positions in 1_usize..20, seed in 0_usize..1000,
        ) {
            for block_type in BlockType::ALL {
                let columns = if block_type.is_float() { 37 * blocks + extra } else { block_type.block_len() * blocks };
                check(block_type, rows, columns, positions, seed);
            }
        }
    }

    #[test]
    fn large_products_are_split_over_threads_and_pieces() {
        for block_type in [BlockType::F32, BlockType::F16, BlockType::Q8_0, BlockType::Q4K, BlockType::Q6K] {
            check(block_type, 200, 1024, 150, 3);
        }
    }

    /// Every bit pattern is a block as long as its half floats are finite.
    #[test]
    fn super_blocks_of_extreme_bytes_do_not_overflow() {
        for block_type in [BlockType::Q4K, BlockType::Q5K, BlockType::Q6K] {
            for byte in [0x00, 0x7f, 0x80, 0xff] {
                let mut block = vec![byte; block_type.row_bytes(WIDE).unwrap()];
                for at in if block_type == BlockType::Q6K { [208; 2] } else { [0, 2] } {
                    block[at..at + 2].copy_from_slice(&half::f16::ONE.to_le_bytes());
                }
                let weight = Tensor::new("w", vec![1, WIDE], block_type, Bytes::copy_from(&block)).unwrap();
                for x in [[127.0; WIDE], [-127.0; WIDE]] {
                    let (expected, size) = exact(&weight.to_f32(), &x);
                    for isa in Isa::available() {
                        for found in product(isa, 1, &weight, &x.repeat(9)) {
                            let is_close = (f64::from(found) - expected).abs() <= 1e-6 * size;
                            assert!(is_close, "{found} for {expected}, {block_type} of {byte:x} with {isa:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn extreme_codes_do_not_overflow() {
        let mut block = vec![0x80; 34];
        block[..2].copy_from_slice(&half::f16::ONE.to_le_bytes());
        let weight = Tensor::new("w", vec![1, 32], BlockType::Q8_0, Bytes::copy_from(&block)).unwrap();
        for isa in Isa::available() {
            assert_eq!(product(isa, 1, &weight, &[127.0; 32]), [-128.0 * 127.0 * 32.0]);
            assert_eq!(product(isa, 1, &weight, &[-127.0; 32]), [128.0 * 127.0 * 32.0]);
            assert_eq!(product(isa, 1, &weight, &[0.0; 32]), [0.0]);
        }
    }
}
