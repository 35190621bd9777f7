//! Scores of stated probabilities: how far they lie from what happened, and whether they mean what they say.

use super::scores::share;
use crate::StatsError;

/// Bins of a reliability diagram unless told otherwise, as Guo et al. (2017) use.
pub const DEFAULT_BINS: usize = 15;

/// The loss of one stated probability `p` of the class that was true: `−ln p`.
///
/// A probability of 0 would cost without bound; it is raised to the machine epsilon and 1 lowered by it, as
/// scikit-learn's `log_loss` does for 64-bit numbers.
pub fn log_loss(probability_of_truth: f64) -> f64 {
    -probability_of_truth.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
}

/// The Brier score of one item with two classes: `(p − happened)²`.
pub fn brier(probability: f64, happened: bool) -> f64 {
    let error = probability - f64::from(u8::from(happened));
    error * error
}

/// The Brier score of one item with several classes: `Σ (p − happened)²` over the classes, from 0 to 2, as Brier (1950)
/// defined it.
pub fn brier_multiclass(probabilities: &[f64], truth: usize) -> f64 {
    probabilities.iter().enumerate().map(|(class, &p)| brier(p, class == truth)).sum()
}

/// One bin of a reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ReliabilityBin {
    /// Items, or their weight.
    pub items: f64,
    /// Sum of the stated probabilities.
    pub stated: f64,
    /// Items for which it came true.
    pub happened: f64,
}

impl ReliabilityBin {
    /// Mean stated probability. `None` for an empty bin.
    pub fn confidence(&self) -> Option<f64> {
        share(self.stated, self.items)
    }

    /// Share of items for which it came true. `None` for an empty bin.
    pub fn accuracy(&self) -> Option<f64> {
        share(self.happened, self.items)
    }
}

/// A reliability diagram with bins of equal width.
///
/// A probability on an edge belongs to the lower bin, as in scikit-learn's `calibration_curve`.
#[derive(Debug, Clone, PartialEq)]
pub struct Reliability {
    bins: Vec<ReliabilityBin>,
}

impl Reliability {
    /// Makes empty bins; at least one.
    pub fn new(bins: usize) -> Self {
        Self { bins: vec![ReliabilityBin::default(); bins.max(1)] }
    }

    /// The bins, from 0 to 1.
    pub fn bins(&self) -> &[ReliabilityBin] {
        &self.bins
    }

    /// The bin that a probability belongs to.
    pub fn bin_of(&self, probability: f64) -> usize {
        let count = self.bins.len();
        let edge = |index: usize| index as f64 / count as f64;
        let mut bin = crate::sample::to_index((probability * count as f64).max(0.0)).min(count - 1);
        // The product rounds; the edges decide.
        while bin > 0 && probability <= edge(bin) {
            bin -= 1;
        }
        while bin + 1 < count && probability > edge(bin + 1) {
            bin += 1;
        }
        bin
    }

    /// Counts one item.
    ///
    /// # Errors
    /// [`StatsError::OutOfRange`] for what is no probability.
    pub fn add(&mut self, probability: f64, happened: bool, weight: f64) -> Result<(), StatsError> {
        if !(0.0..=1.0).contains(&probability) {
            let (what, expected) = ("a probability", "a number from 0 to 1");
            return Err(StatsError::OutOfRange { what, value: probability, expected });
        }
        let bin = self.bin_of(probability);
        self.add_to(bin, probability, happened, weight);
        Ok(())
    }

    /// Counts one item in a known bin: a bootstrap finds the bin once.
    pub fn add_to(&mut self, bin: usize, probability: f64, happened: bool, weight: f64) {
        let bin = &mut self.bins[bin];
        bin.items += weight;
        bin.stated += weight * probability;
        bin.happened += if happened { weight } else { 0.0 };
    }

    /// Empties the bins.
    pub fn clear(&mut self) {
        self.bins.fill(ReliabilityBin::default());
    }

    /// Expected calibration error: `Σ items/n · |accuracy − confidence|` over the bins (Naeini et al. 2015).
    /// `None` without items.
    pub fn expected_error(&self) -> Option<f64> {
        let items: f64 = self.bins.iter().map(|bin| bin.items).sum();
        share(self.bins.iter().map(|bin| (bin.happened - bin.stated).abs()).sum(), items)
    }

    /// The largest gap of a bin that holds items. `None` without items.
    pub fn largest_error(&self) -> Option<f64> {
        let gap = |bin: &ReliabilityBin| Some((bin.accuracy()? - bin.confidence()?).abs());
        self.bins.iter().filter_map(gap).max_by(f64::total_cmp)
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "small cases whose results are exact")]
mod tests {
    use super::*;

    #[test]
    fn edges_belong_to_the_lower_bin() {
        let reliability = Reliability::new(10);
        let check = |probability: f64, bin: usize| assert_eq!(reliability.bin_of(probability), bin, "{probability}");
        check(0.0, 0);
        check(0.1, 0);
        check(0.100_000_1, 1);
        check(0.3, 2);
        check(0.7, 6);
        check(1.0, 9);
    }

    #[test]
    fn the_error_is_the_weighted_gap() {
        let mut reliability = Reliability::new(2);
        for (probability, happened) in [(0.2, false), (0.4, true), (0.9, true), (0.9, true)] {
            reliability.add(probability, happened, 1.0).unwrap();
        }
        assert!((reliability.expected_error().unwrap() - (0.4 + 0.2) / 4.0).abs() < 1e-15);
        assert!((reliability.largest_error().unwrap() - 0.2).abs() < 1e-15);
        assert!(reliability.add(1.5, true, 1.0).is_err());
        assert_eq!(Reliability::new(0).expected_error(), None);
    }

    #[test]
    fn certain_and_wrong_costs_much_but_not_without_bound() {
        assert!((log_loss(0.0) - 36.04).abs() < 0.01);
        assert!(log_loss(1.0) < 1e-15);
        assert_eq!(brier_multiclass(&[0.0, 1.0], 0), 2.0);
    }
}
