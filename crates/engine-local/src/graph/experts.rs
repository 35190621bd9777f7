//! Feed-forward blocks that are experts: each row goes through the likeliest of them.

use weighbridge_engine::logits::softmax;

use super::forward::{Scratch, resized};
use super::layers::{Experts, Model};
use crate::kernels::{Activations, Compute, swiglu};

/// Which rows go where, and the buffers of one expert at a time; kept for the next pass.
#[derive(Debug, Default)]
pub(super) struct Routed {
    /// `[rows, experts]`.
    likelihoods: Vec<f32>,
    /// By expert, then by row.
    uses: Vec<Use>,
    /// Rows of one expert: its input, and what it makes of them.
    rows: Vec<f32>,
    made: Vec<f32>,
}

/// A row that goes through an expert.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Use {
    expert: usize,
    row: usize,
    /// The share of the expert's answer; those of a row sum to 1.
    weight: f32,
}

impl Routed {
    pub(super) fn bytes(&self) -> usize {
        let floats = self.likelihoods.capacity() + self.rows.capacity() + self.made.capacity();
        floats * size_of::<f32>() + self.uses.capacity() * size_of::<Use>()
    }

    /// Picks the `used` likeliest experts of each row, of equal ones the first.
    fn choose(&mut self, count: usize, used: usize) {
        self.uses.clear();
        for (row, likelihoods) in self.likelihoods.chunks_exact_mut(count).enumerate() {
            softmax(likelihoods);
            let first = self.uses.len();
            for _ in 0..used {
                let better = |best, expert| if likelihoods[expert] > likelihoods[best] { expert } else { best };
                let expert = (1..count).fold(0, better);
                let weight = std::mem::replace(&mut likelihoods[expert], f32::NEG_INFINITY);
                self.uses.push(Use { expert, row, weight });
            }
            let chosen = &mut self.uses[first..];
            let sum: f32 = chosen.iter().map(|chosen| chosen.weight).sum();
            chosen.iter_mut().for_each(|chosen| chosen.weight /= sum);
        }
        self.uses.sort_unstable_by_key(|chosen| (chosen.expert, chosen.row));
    }
}

impl Model {
    /// Puts what the experts make of the normed rows into `scratch.update`. Experts come in order, so that a row's sum does
    /// not depend on the rows beside it.
    pub(super) fn experts(&self, compute: &mut Compute, scratch: &mut Scratch, experts: &Experts) {
        let Some(sizes) = self.config.experts else { return };
        let (width, inner) = (self.config.width, sizes.width);
        let routed = &mut scratch.routed;
        let mut normed = Activations::new(&scratch.normed, width, &mut scratch.quantized);
        let rows = normed.rows();
        compute.matmul(&experts.router, &mut normed, resized(&mut routed.likelihoods, rows * sizes.count));
        routed.choose(sizes.count, sizes.used);
        let update = resized(&mut scratch.update, rows * width);
        update.fill(0.0);
        for uses in routed.uses.chunk_by(|a, b| a.expert == b.expert) {
            let expert = uses[0].expert;
            let picked = resized(&mut routed.rows, uses.len() * width);
            for (picked, Use { row, .. }) in picked.chunks_exact_mut(width).zip(uses) {
                picked.copy_from_slice(&scratch.normed[row * width..][..width]);
            }
            let gate = resized(&mut scratch.gate, uses.len() * inner);
            let wide = resized(&mut scratch.wide, uses.len() * inner);
            let mut input = Activations::new(picked, width, &mut scratch.quantized);
            compute.matmul(&experts.gate[expert], &mut input, gate);
            compute.matmul(&experts.up[expert], &mut input, wide);
            compute.for_rows(
                gate,
                inner,
                #[inline(always)]
                |row, gate| swiglu(gate, &wide[row * inner..][..inner]),
            );
            let made = resized(&mut routed.made, uses.len() * width);
            let mut input = Activations::new(gate, inner, &mut scratch.quantized);
            compute.matmul(&experts.down[expert], &mut input, made);
            for (made, Use { row, weight, .. }) in made.chunks_exact(width).zip(uses) {
                for (update, made) in update[row * width..][..width].iter_mut().zip(made) {
                    *update += weight * made;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_takes_the_likeliest_and_its_shares_sum_to_one() {
        let mut routed =
            Routed { likelihoods: vec![0.0, 2.0, 2.0, 1.0, 5.0, -1.0, f32::NEG_INFINITY, 4.0], ..Routed::default() };
        routed.choose(4, 2);
        let places: Vec<_> = routed.uses.iter().map(|chosen| (chosen.expert, chosen.row)).collect();
        assert_eq!(places, [(0, 1), (1, 0), (2, 0), (3, 1)]);
        let weight = |place: usize| f64::from(routed.uses[place].weight);
        assert!((weight(1) - 0.5).abs() < 1e-6 && (weight(2) - 0.5).abs() < 1e-6);
        // Of logits 5 and 4 alone: 1 / (1 + e^-1).
        assert!((weight(0) - 0.731_058_6).abs() < 1e-6 && (weight(3) - 0.268_941_4).abs() < 1e-6);
    }

    #[test]
    fn likelihoods_that_are_no_numbers_choose_something() {
        let mut routed = Routed { likelihoods: vec![f32::NAN; 3], ..Routed::default() };
        routed.choose(3, 2);
        assert_eq!(routed.uses.len(), 2);
    }
}
