//! Arithmetic: matrix products over mapped weights, attention, and what lies between them.
//!
//! Every result is computed by the same operations in the same order however many rows are computed together and on
//! however many threads, so that a request's tokens do not depend on its neighbors in a batch.

mod activations;
mod attention;
mod blocks;
mod cores;
mod elementwise;
mod few;
mod isa;
mod matmul;
mod pool;
mod portable;
mod super_blocks;
mod tile;
#[cfg(target_arch = "x86_64")]
mod vnni;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use activations::{Activations, Quantized};
pub use attention::{Heads, Run, Sequences};
pub use cores::Cores;
pub use elementwise::{add, gelu, layer_norm, rms_norm, rotate, swiglu};
pub use isa::Isa;
pub use matmul::Compute;
pub use pool::{Columns, Pool};
