//! Scores of a ranking: how well a number tells positive items from negative ones, at every threshold.

use crate::radix::sort_u64;
use crate::special::normal_quantile;
use crate::{Confidence, Estimate, Interval, Method, StatsError};

/// Items of one score: all that lie at or above it are called positive when it is the threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The score.
    pub threshold: f64,
    /// Positive items with this score, or their weight.
    pub positives: f64,
    /// Negative items with this score, or their weight.
    pub negatives: f64,
}

/// A point of a ROC or precision-recall curve: what happens when every item at or above the threshold is called positive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// The score; infinite where nothing is called positive.
    pub threshold: f64,
    /// Share of the positives called positive: recall.
    pub true_positive_rate: f64,
    /// Share of the negatives called positive.
    pub false_positive_rate: f64,
    /// Share of those called positive that are; 1 where nothing is, as scikit-learn draws it.
    pub precision: f64,
}

/// Items by descending score, those of equal score together.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    steps: Vec<Step>,
    positives: f64,
    negatives: f64,
}

impl Ranking {
    /// Ranks items by score.
    ///
    /// # Errors
    /// [`StatsError::LengthMismatch`] for unpaired slices, [`StatsError::NotFinite`] for a NaN (infinite scores are in
    /// order, NaN is not), [`StatsError::Insufficient`] when one of the classes has no item.
    pub fn new(scores: &[f64], is_positive: &[bool]) -> Result<Self, StatsError> {
        if scores.len() != is_positive.len() {
            return Err(StatsError::LengthMismatch { left: scores.len(), right: is_positive.len() });
        }
        Self::of_items(scores.iter().copied().zip(is_positive.iter().copied()), scores.len())
    }

    /// Ranks `count` items, which are scores and whether each is positive.
    ///
    /// # Errors
    /// As [`Ranking::new`].
    pub fn of_items(items: impl Iterator<Item = (f64, bool)>, count: usize) -> Result<Self, StatsError> {
        // Two sorts without a payload cost less than one with it. The branch-free split costs one wasted write an item.
        let mut keys = [vec![0_u64; count + 1], vec![0_u64; count + 1]];
        let mut counts = [0_usize; 2];
        let mut nan = None;
        for (index, (score, is_positive)) in items.take(count).enumerate() {
            if score.is_nan() {
                nan = nan.or(Some((index, score)));
            }
            let side = usize::from(is_positive);
            keys[side][counts[side]] = key(score);
            counts[side] += 1;
        }
        if let Some((index, value)) = nan {
            return Err(StatsError::NotFinite { index, value });
        }
        let [mut negatives, mut positives] = keys;
        negatives.truncate(counts[0]);
        positives.truncate(counts[1]);
        sort_u64(&mut negatives);
        sort_u64(&mut positives);
        Self::of_steps(merge(&positives, &negatives))
    }

    /// Ranks items with weights. Slower: the weights have to be carried along.
    ///
    /// # Errors
    /// As [`Ranking::new`]; also [`StatsError::NotFinite`] for a weight that is no number.
    pub fn weighted(scores: &[f64], is_positive: &[bool], weights: &[f64]) -> Result<Self, StatsError> {
        if scores.len() != is_positive.len() || scores.len() != weights.len() {
            return Err(StatsError::LengthMismatch { left: scores.len(), right: is_positive.len().min(weights.len()) });
        }
        if let Some(index) = scores.iter().position(|score| score.is_nan()) {
            return Err(StatsError::NotFinite { index, value: scores[index] });
        }
        if let Some(index) = weights.iter().position(|weight| !weight.is_finite()) {
            return Err(StatsError::NotFinite { index, value: weights[index] });
        }
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_unstable_by_key(|&item| std::cmp::Reverse(key(scores[item])));
        let mut steps: Vec<Step> = Vec::new();
        for item in order {
            let threshold = value(key(scores[item]));
            if steps.last().is_none_or(|step| key(step.threshold) != key(threshold)) {
                steps.push(Step { threshold, positives: 0.0, negatives: 0.0 });
            }
            if let Some(step) = steps.last_mut() {
                let side = if is_positive[item] { &mut step.positives } else { &mut step.negatives };
                *side += weights[item];
            }
        }
        Self::of_steps(steps)
    }

    /// A ranking of steps by descending threshold.
    ///
    /// # Errors
    /// [`StatsError::Insufficient`] when one of the classes has no item.
    pub fn of_steps(steps: Vec<Step>) -> Result<Self, StatsError> {
        let positives: f64 = steps.iter().map(|step| step.positives).sum();
        let negatives: f64 = steps.iter().map(|step| step.negatives).sum();
        if !(positives > 0.0 && negatives > 0.0) {
            return Err(StatsError::Insufficient { have: usize::from(!steps.is_empty()), need: 2 });
        }
        Ok(Self { steps, positives, negatives })
    }

    /// The steps, by descending threshold.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Positive items, or their weight.
    pub fn positives(&self) -> f64 {
        self.positives
    }

    /// Negative items, or their weight.
    pub fn negatives(&self) -> f64 {
        self.negatives
    }

    /// Area under the ROC curve: the chance that a positive item scores above a negative one, a tie counting one half.
    pub fn roc_auc(&self) -> f64 {
        let (mut above, mut area) = (0.0, 0.0);
        for step in &self.steps {
            area += step.negatives * (above + 0.5 * step.positives);
            above += step.positives;
        }
        area / (self.positives * self.negatives)
    }

    /// Average precision: `Σ (recall − recall before) · precision` over thresholds, as scikit-learn's
    /// `average_precision_score`.
    pub fn average_precision(&self) -> f64 {
        let (mut found, mut called, mut sum) = (0.0, 0.0, 0.0);
        for step in self.steps.iter().filter(|step| step.positives + step.negatives > 0.0) {
            found += step.positives;
            called += step.positives + step.negatives;
            sum += step.positives * found / called;
        }
        sum / self.positives
    }

    /// Every point of both curves, from nothing to everything called positive.
    pub fn curve(&self) -> Vec<CurvePoint> {
        let start =
            CurvePoint { threshold: f64::INFINITY, true_positive_rate: 0.0, false_positive_rate: 0.0, precision: 1.0 };
        let mut points = Vec::with_capacity(self.steps.len() + 1);
        points.push(start);
        let (mut found, mut alarms) = (0.0, 0.0);
        for step in &self.steps {
            found += step.positives;
            alarms += step.negatives;
            let called: f64 = found + alarms;
            points.push(CurvePoint {
                threshold: step.threshold,
                true_positive_rate: found / self.positives,
                false_positive_rate: alarms / self.negatives,
                precision: if called > 0.0 { found / called } else { 1.0 },
            });
        }
        points
    }

    /// The smallest false-positive rate of a threshold that finds at least this share of the positives.
    /// No interpolation: each value is that of a threshold which can be set.
    pub fn fpr_at_tpr(&self, true_positive_rate: f64) -> f64 {
        let (mut found, mut alarms) = (0.0, 0.0);
        for step in &self.steps {
            found += step.positives;
            alarms += step.negatives;
            if found >= true_positive_rate * self.positives {
                break;
            }
        }
        alarms / self.negatives
    }

    /// The largest share of the positives found by a threshold whose false-positive rate is at most this.
    pub fn tpr_at_fpr(&self, false_positive_rate: f64) -> f64 {
        let (mut found, mut alarms) = (0.0, 0.0);
        for step in &self.steps {
            alarms += step.negatives;
            if alarms > false_positive_rate * self.negatives {
                break;
            }
            found += step.positives;
        }
        found / self.positives
    }

    /// ROC-AUC with the interval of DeLong, DeLong and Clarke-Pearson (1988) for independent, unweighted items, on the
    /// logit scale, which keeps it inside (0, 1).
    ///
    /// # Errors
    /// [`StatsError::Insufficient`] below two items a class, or where the scores separate the classes without error:
    /// such data show no spread.
    pub fn roc_auc_interval(&self, confidence: Confidence) -> Result<Estimate, StatsError> {
        let n = crate::sample::to_index(self.positives + self.negatives);
        let fewest = self.positives.min(self.negatives);
        let auc = self.roc_auc();
        let variance = self.delong_variance(auc);
        if fewest < 2.0 || variance <= 0.0 || auc <= 0.0 || auc >= 1.0 {
            return Err(StatsError::Insufficient { have: n, need: n + 1 });
        }
        let logit = (auc / (1.0 - auc)).ln();
        let half = normal_quantile(1.0 - confidence.tail()) * variance.sqrt() / (auc * (1.0 - auc));
        let back = |x: f64| 1.0 / (1.0 + (-x).exp());
        let interval =
            Interval { low: back(logit - half), high: back(logit + half), confidence, method: Method::DeLong };
        Ok(Estimate { value: auc, interval: interval.holding(auc), n, n_effective: None })
    }

    /// The variance of the area from the spread of placements: of each positive among the negatives, and the reverse.
    fn delong_variance(&self, auc: f64) -> f64 {
        let (mut positives_above, mut negatives_above) = (0.0, 0.0);
        let (mut of_positives, mut of_negatives) = (0.0, 0.0);
        for step in &self.steps {
            let placed = (self.negatives - negatives_above - 0.5 * step.negatives) / self.negatives - auc;
            of_positives += step.positives * placed * placed;
            let placed = (positives_above + 0.5 * step.positives) / self.positives - auc;
            of_negatives += step.negatives * placed * placed;
            positives_above += step.positives;
            negatives_above += step.negatives;
        }
        let spread = |sum: f64, n: f64| sum / ((n - 1.0) * n);
        spread(of_positives, self.positives) + spread(of_negatives, self.negatives)
    }
}

/// Maps a number to a key of the same order; both zeros get one key.
fn key(score: f64) -> u64 {
    let bits = (score + 0.0).to_bits();
    bits ^ ((bits >> 63).wrapping_neg() | 1 << 63)
}

/// The number of a key.
fn value(key: u64) -> f64 {
    f64::from_bits(key ^ (((key >> 63) ^ 1).wrapping_neg() | 1 << 63))
}

/// Joins two ascending runs of keys into descending steps.
fn merge(positives: &[u64], negatives: &[u64]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::with_capacity(positives.len() + negatives.len());
    let (mut p, mut n) = (positives.len(), negatives.len());
    while p > 0 || n > 0 {
        let high = match (p.checked_sub(1), n.checked_sub(1)) {
            (Some(p), Some(n)) => positives[p].max(negatives[n]),
            (Some(p), None) => positives[p],
            (None, Some(n)) => negatives[n],
            (None, None) => break,
        };
        let (before_p, before_n) = (p, n);
        while p > 0 && positives[p - 1] == high {
            p -= 1;
        }
        while n > 0 && negatives[n - 1] == high {
            n -= 1;
        }
        let (positives, negatives) = ((before_p - p) as f64, (before_n - n) as f64);
        steps.push(Step { threshold: value(high), positives, negatives });
    }
    steps
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "small cases whose results are exact")]
mod tests {
    use super::*;

    fn ranking(scores: &[f64], truth: &[u8]) -> Ranking {
        let is_positive: Vec<bool> = truth.iter().map(|&label| label == 1).collect();
        Ranking::new(scores, &is_positive).unwrap()
    }

    #[test]
    fn keys_keep_the_order_and_read_back() {
        let numbers = [f64::NEG_INFINITY, -2.0, -1e-300, 0.0, 1e-300, 0.5, 1.0, f64::INFINITY];
        assert!(numbers.windows(2).all(|pair| key(pair[0]) < key(pair[1])));
        assert!(numbers.iter().all(|&number| value(key(number)).to_bits() == number.to_bits()));
        assert_eq!(key(-0.0), key(0.0));
    }

    #[test]
    fn ties_count_one_half() {
        assert_eq!(ranking(&[0.5, 0.5], &[1, 0]).roc_auc(), 0.5);
        assert_eq!(ranking(&[0.9, 0.5, 0.5, 0.1], &[1, 1, 0, 0]).roc_auc(), 0.875);
    }

    #[test]
    fn thresholds_are_never_interpolated() {
        let ranking = ranking(&[0.9, 0.8, 0.7, 0.6, 0.5], &[1, 0, 1, 0, 0]);
        assert_eq!(ranking.fpr_at_tpr(0.95), 1.0 / 3.0);
        assert_eq!((ranking.tpr_at_fpr(1e-3), ranking.tpr_at_fpr(0.34)), (0.5, 1.0));
    }

    #[test]
    fn bad_input_is_refused() {
        assert!(matches!(Ranking::new(&[0.1, 0.2], &[true, true]), Err(StatsError::Insufficient { .. })));
        assert!(matches!(Ranking::new(&[], &[]), Err(StatsError::Insufficient { .. })));
        assert!(matches!(Ranking::new(&[0.1, f64::NAN], &[true, false]), Err(StatsError::NotFinite { index: 1, .. })));
        assert!(matches!(Ranking::new(&[0.1], &[]), Err(StatsError::LengthMismatch { .. })));
    }

    #[test]
    fn weights_of_one_change_nothing() {
        let scores = [0.3, 0.9, 0.3, 0.1, 0.7];
        let positive = [true, true, false, false, false];
        let weighted = Ranking::weighted(&scores, &positive, &[1.0; 5]).unwrap();
        assert_eq!(weighted, Ranking::new(&scores, &positive).unwrap());
    }

    #[test]
    fn a_perfect_ranking_has_no_interval() {
        let ranking = ranking(&[0.9, 0.8, 0.2, 0.1], &[1, 1, 0, 0]);
        assert!(ranking.roc_auc_interval(Confidence::P95).is_err());
    }
}
