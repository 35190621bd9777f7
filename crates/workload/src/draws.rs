//! Random numbers for loads: one ChaCha stream for each purpose and index.
//!
//! The formulas are written out here, since a load must stay the same when a library changes its own.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

use crate::source::fnv1a;

/// Draws of one item. They are a function of `(seed, purpose, index)` alone.
#[derive(Clone, Debug)]
pub(crate) struct Draws {
    rng: ChaCha8Rng,
}

impl Draws {
    pub(crate) fn new(seed: u64, purpose: &str, index: u64) -> Self {
        Self::salted(seed, purpose, 0, index)
    }

    /// Draws that another salt makes other ones.
    pub(crate) fn salted(seed: u64, purpose: &str, salt: u64, index: u64) -> Self {
        let mut key = [0_u8; 32];
        for (place, part) in [seed, fnv1a(purpose), salt, index].into_iter().enumerate() {
            key[place * 8..][..8].copy_from_slice(&part.to_le_bytes());
        }
        Self { rng: ChaCha8Rng::from_seed(key) }
    }

    /// A number from 0, inclusive, to 1, exclusive: a multiple of 2^-53.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something happens that does so in this share of the cases.
    pub(crate) fn happens(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// A number in `0..bound`; 0 where `bound` is 0. Multiply-shift, with a bias below `bound / 2^64`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.rng.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or_default()
    }

    /// A number in `low..=high`; `low` where the two are in the wrong order.
    pub(crate) fn between(&mut self, low: u32, high: u32) -> u32 {
        let offset = self.below(u64::from(high.saturating_sub(low)) + 1);
        low + u32::try_from(offset).unwrap_or_default()
    }

    /// A position in a table of this length; 0 in an empty one.
    pub(crate) fn position(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or_default()
    }

    /// An exponentially distributed number of mean 1, by inversion. Never infinite.
    pub(crate) fn exponential(&mut self) -> f64 {
        -(-self.unit()).ln_1p()
    }

    /// A standard normal number: the polar method (Marsaglia and Bray 1964), of which one of the two is used.
    pub(crate) fn normal(&mut self) -> f64 {
        loop {
            let (x, y) = (2.0 * self.unit() - 1.0, 2.0 * self.unit() - 1.0);
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * square.ln() / square).sqrt();
            }
        }
    }

    /// A gamma distributed number of this shape, above 0, and scale 1 (Marsaglia and Tsang 2000).
    pub(crate) fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            // Their section 6: a shape below 1 from the one above, and a power of a uniform number above 0.
            let power = (1.0 - self.unit()).powf(1.0 / shape);
            return self.gamma(shape + 1.0) * power;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let cube = (1.0 + c * x).powi(3);
            if cube > 0.0 && (1.0 - self.unit()).ln() < 0.5 * x * x + d - d * cube + d * cube.ln() {
                return d * cube;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_distributions() {
        let check = |name: &str, mean: f64, variance: f64, draw: &dyn Fn(&mut Draws) -> f64| {
            let mut draws = Draws::new(7, name, 0);
            let values: Vec<f64> = (0..100_000).map(|_| draw(&mut draws)).collect();
            let found = values.iter().sum::<f64>() / 1e5;
            let spread = values.iter().map(|value| (value - found).powi(2)).sum::<f64>() / 1e5;
            assert!((found - mean).abs() < 0.03 * mean.max(1.0), "{name}: mean {found}");
            assert!((spread - variance).abs() < 0.08 * variance, "{name}: variance {spread}");
        };
        check("unit", 0.5, 1.0 / 12.0, &Draws::unit);
        check("exponential", 1.0, 1.0, &Draws::exponential);
        check("normal", 0.0, 1.0, &Draws::normal);
        check("gamma 0.3", 0.3, 0.3, &|draws| draws.gamma(0.3));
        check("gamma 1", 1.0, 1.0, &|draws| draws.gamma(1.0));
        check("gamma 7", 7.0, 7.0, &|draws| draws.gamma(7.0));
        check("between", 5.5, 8.25, &|draws| f64::from(draws.between(1, 10)));
    }

    #[test]
    fn draws_are_a_function_of_their_key() {
        let first = |seed, purpose, salt, index| Draws::salted(seed, purpose, salt, index).unit().to_bits();
        let reference = first(1, "a", 0, 0);
        assert_eq!(reference, first(1, "a", 0, 0));
        for other in [first(2, "a", 0, 0), first(1, "b", 0, 0), first(1, "a", 1, 0), first(1, "a", 0, 1)] {
            assert_ne!(reference, other);
        }
    }
}
