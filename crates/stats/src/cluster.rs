//! A mean of weighted or clustered values, and whether it differs from zero.

use crate::special::{student_t_cdf, student_t_quantile};
use crate::{Confidence, Estimate, Interval, Method, StatsError};

/// Sums of values by cluster: questions about one document, samples of one subject, turns of one conversation.
///
/// Values of one cluster depend on each other, so the cluster is what was drawn at random. An item on its own is a cluster
/// of one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClusterSums {
    /// Sum of weights, sum of weight times value, number of values; by cluster.
    sums: Vec<(f64, f64, usize)>,
}

/// A mean against zero: of paired differences, whether the sides differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanTest {
    /// The mean with its interval.
    pub estimate: Estimate,
    /// Standard error of the mean.
    pub error: f64,
    /// Degrees of freedom: clusters − 1.
    pub df: f64,
    /// Two-sided p value of a mean of zero. `None` where the values have no spread to judge it by.
    pub p: Option<f64>,
}

impl ClusterSums {
    /// Adds a value to a cluster, numbered from 0.
    pub fn add(&mut self, cluster: usize, value: f64, weight: f64) {
        if self.sums.len() <= cluster {
            self.sums.resize(cluster + 1, (0.0, 0.0, 0));
        }
        let (weights, values, count) = &mut self.sums[cluster];
        *weights += weight;
        *values += weight * value;
        *count += 1;
    }

    /// `Σ w x / Σ w`. `None` without weight.
    pub fn value(&self) -> Option<f64> {
        let (weight, value) = self.sums.iter().fold((0.0, 0.0), |(w, x), sum| (w + sum.0, x + sum.1));
        (weight > 0.0).then(|| value / weight)
    }

    /// The mean with a cluster-robust interval: `t(G − 1) · √(G/(G − 1) Σ (Σ w (x − mean))²) / Σ w` over G clusters
    /// (Liang and Zeger 1986; statsmodels' `cov_type="cluster"` of a regression on a constant).
    ///
    /// # Errors
    /// [`StatsError::Empty`] without weight, [`StatsError::Insufficient`] below two clusters.
    pub fn mean(&self, confidence: Confidence) -> Result<Estimate, StatsError> {
        self.test(confidence).map(|test| test.estimate)
    }

    /// The same mean with Student's t test against zero. Of paired differences it is the paired t test, which allows for
    /// what both sides share; with clusters, the robust one of statsmodels' `use_t=True`.
    ///
    /// # Errors
    /// As [`mean`](Self::mean).
    pub fn test(&self, confidence: Confidence) -> Result<MeanTest, StatsError> {
        test_of(self.sums.iter().copied(), confidence)
    }
}

/// [`ClusterSums::mean`] of values with weights that are each a cluster of its own: nothing is kept of them, so that they
/// are gone through twice.
///
/// # Errors
/// As [`ClusterSums::mean`].
pub fn mean_of_items(
    items: impl Iterator<Item = (f64, f64)> + Clone,
    confidence: Confidence,
) -> Result<Estimate, StatsError> {
    test_of(items.map(|(value, weight)| (weight, weight * value, 1)), confidence).map(|test| test.estimate)
}

/// The test over sums of weights, sums of weight times value, and numbers of values.
fn test_of(
    sums: impl Iterator<Item = (f64, f64, usize)> + Clone,
    confidence: Confidence,
) -> Result<MeanTest, StatsError> {
    let (mut weight, mut total, mut clusters, mut n) = (0.0, 0.0, 0_usize, 0_usize);
    for (weights, values, count) in sums.clone() {
        weight += weights;
        total += values;
        clusters += usize::from(count > 0);
        n += count;
    }
    let mean = (weight > 0.0).then(|| total / weight).ok_or(StatsError::Empty)?;
    if clusters < 2 {
        return Err(StatsError::Insufficient { have: clusters, need: 2 });
    }
    let squares: f64 = sums.map(|(weights, values, _)| (values - mean * weights).powi(2)).sum();
    let groups = clusters as f64;
    let df = groups - 1.0;
    let error = (groups / df * squares).sqrt() / weight;
    let half = error * student_t_quantile(1.0 - confidence.tail(), df);
    let interval = Interval::around(mean, half, confidence, Method::ClusterT);
    let p = (error > 0.0).then(|| 2.0 * student_t_cdf(-(mean / error).abs(), df));
    Ok(MeanTest { estimate: Estimate { value: mean, interval, n, n_effective: None }, error, df, p })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::student_t_mean;

    #[test]
    fn clusters_of_one_give_students_t() {
        let values = [1.0, 4.0, 2.0, 8.0, 5.0];
        let mut sums = ClusterSums::default();
        for (index, &value) in values.iter().enumerate() {
            sums.add(index, value, 1.0);
        }
        let (ours, theirs) = (sums.mean(Confidence::P95).unwrap(), student_t_mean(&values, Confidence::P95).unwrap());
        assert!((ours.interval.low - theirs.interval.low).abs() < 1e-12, "{ours:?} {theirs:?}");
        assert_eq!(mean_of_items(values.iter().map(|&value| (value, 1.0)), Confidence::P95), Ok(ours));
    }

    #[test]
    fn copies_add_no_certainty() {
        let mean = |copies: usize| {
            let mut sums = ClusterSums::default();
            for (cluster, value) in [1.0, 4.0, 2.0, 8.0].into_iter().enumerate() {
                (0..copies).for_each(|_| sums.add(cluster, value, 1.0));
            }
            sums.mean(Confidence::P95).unwrap().interval.width()
        };
        assert!((mean(1) - mean(10)).abs() < 1e-12);
    }

    #[test]
    fn equal_values_have_no_spread_to_judge_by() {
        let mut sums = ClusterSums::default();
        (0..5).for_each(|cluster| sums.add(cluster, 0.25, 1.0));
        let test = sums.test(Confidence::P95).unwrap();
        assert!(test.p.is_none() && test.error.abs() < 1e-15, "{test:?}");
    }

    #[test]
    fn one_cluster_is_too_few() {
        let mut sums = ClusterSums::default();
        assert_eq!(sums.mean(Confidence::P95), Err(StatsError::Empty));
        sums.add(0, 1.0, 1.0);
        assert!(sums.mean(Confidence::P95).is_err());
    }
}
