//! Quantized products over super-blocks: 256 weights under two half floats, whose groups have whole numbers for scales.
//!
//! Activations are rounded to blocks of 256 too. So everything within a super-block is whole numbers: the products of the
//! codes, times the scales of their groups, and the minimums times the sums of the activations' codes. Their sums are exact,
//! whatever the order. Only then come floats, one fused operation for the products and one for the minimums, from the first
//! super-block of a row to the last. So every machine and every size of batch gives the same bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod formats;
mod part;
mod tile;
#[cfg(target_arch = "x86_64")]
mod vnni;

pub(super) use part::super_block_part;
