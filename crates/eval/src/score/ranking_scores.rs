//! Figures of scores and probabilities: how well they rank, and whether they mean what they say.

use weighbridge_stats::classify::resample::unit_bootstrap;
use weighbridge_stats::classify::{CurvePoint, Ranking, Reliability, ReliabilityBin, Step, probability};
use weighbridge_stats::cluster::{ClusterSums, mean_of_items};
use weighbridge_stats::{Interval, Method, StatsError};
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::exhibit::Curves;
use weighbridge_types::metric::{Cell, Metric};

use super::figure::{Scope, absent, estimated, figure};
use super::label_scores::of_replicates;
use super::settings::Settings;
use super::tables::bounded;

/// Shares of the positives at which the false-positive rate is told.
const FOUND: [f64; 3] = [0.8, 0.9, 0.95];
/// False-positive rates at which the share of positives found is told: one alert in ten, a hundred, a thousand.
const ALARMS: [f64; 3] = [0.1, 0.01, 0.001];
/// Points of a curve that are kept at most; longer curves are thinned evenly, ends included.
const MOST_POINTS: usize = 1_000;

/// One sample that has a score, or none because it failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scored {
    /// How sure the model is of the positive label; `None` for a failed sample.
    pub(super) score: Option<f64>,
    pub(super) is_positive: bool,
    pub(super) weight: f64,
    /// Independent unit that the sample belongs to.
    pub(super) unit: u32,
}

/// The figures of one form, of samples in that form and their ranking. `is_clustered` tells whether several samples share
/// a unit.
pub(super) fn ranking_figures(
    kept: &(impl Iterator<Item = Scored> + Clone),
    ranking: &Result<Ranking, StatsError>,
    (units, is_clustered): (usize, bool),
    scope: Scope,
    settings: &Settings,
) -> Vec<Metric> {
    let cell = scope.cell();
    let Ok(ranking) = ranking else {
        let reason = "one of the two classes has no sample with a score";
        return vec![absent(&define::ROC_AUC, &cell, reason), absent(&define::AVERAGE_PRECISION, &cell, reason)];
    };
    let list = statistics(&cell);
    let values: Vec<f64> = list.iter().map(|(_, _, statistic)| statistic.of(ranking)).collect();
    let n = kept.clone().count();
    let intervals = resampled(kept, n, (units, is_clustered), &list, &values, settings);
    let mut figures: Vec<Metric> = list
        .iter()
        .zip(&values)
        .zip(intervals)
        .map(|((&(definition, ref cell, _), &value), interval)| figure(definition, cell, value, n as u64, interval))
        .collect();
    if !is_clustered
        && is_unweighted(kept)
        && let Ok(area) = ranking.roc_auc_interval(settings.confidence)
    {
        figures[0] = estimated(&define::ROC_AUC, &cell, Ok(area));
    }
    figures
}

/// The samples of a form: a failed one has the worst score that it can have, or is left out.
pub(super) fn in_scope(
    samples: impl Iterator<Item = Scored> + Clone,
    scope: Scope,
) -> impl Iterator<Item = Scored> + Clone {
    samples.filter_map(move |sample| {
        let worst = if sample.is_positive { f64::NEG_INFINITY } else { f64::INFINITY };
        match (sample.score, scope) {
            (Some(_), _) => Some(sample),
            (None, Scope::FailuresAsWrong) => Some(Scored { score: Some(worst), ..sample }),
            (None, Scope::AnsweredOnly) => None,
        }
    })
}

fn is_unweighted(samples: &(impl Iterator<Item = Scored> + Clone)) -> bool {
    samples.clone().all(|sample| (sample.weight - 1.0).abs() < f64::EPSILON)
}

/// Ranks samples of one form.
pub(super) fn rank(samples: &(impl Iterator<Item = Scored> + Clone)) -> Result<Ranking, StatsError> {
    let items = samples.clone().filter_map(|sample| Some((sample.score?, sample.is_positive)));
    if is_unweighted(samples) {
        let count = items.clone().count();
        return Ranking::of_items(items, count);
    }
    let (scores, is_positive): (Vec<f64>, Vec<bool>) = items.unzip();
    let weights: Vec<f64> =
        samples.clone().filter(|sample| sample.score.is_some()).map(|sample| sample.weight).collect();
    Ranking::weighted(&scores, &is_positive, &weights)
}

#[derive(Debug, Clone, Copy)]
enum Statistic {
    Area,
    AveragePrecision,
    FprAtTpr(f64),
    TprAtFpr(f64),
}

impl Statistic {
    fn of(self, ranking: &Ranking) -> f64 {
        match self {
            Self::Area => ranking.roc_auc(),
            Self::AveragePrecision => ranking.average_precision(),
            Self::FprAtTpr(rate) => ranking.fpr_at_tpr(rate),
            Self::TprAtFpr(rate) => ranking.tpr_at_fpr(rate),
        }
    }
}

fn statistics(cell: &Cell) -> Vec<(&'static Definition, Cell, Statistic)> {
    let mut list = vec![
        (&define::ROC_AUC, cell.clone(), Statistic::Area),
        (&define::AVERAGE_PRECISION, cell.clone(), Statistic::AveragePrecision),
    ];
    list.extend(FOUND.map(|rate| (&define::FPR_AT_TPR, cell.clone().with("tpr", rate), Statistic::FprAtTpr(rate))));
    list.extend(ALARMS.map(|rate| (&define::TPR_AT_FPR, cell.clone().with("fpr", rate), Statistic::TprAtFpr(rate))));
    list
}

fn resampled(
    samples: &(impl Iterator<Item = Scored> + Clone),
    count: usize,
    (units, is_clustered): (usize, bool),
    list: &[(&'static Definition, Cell, Statistic)],
    values: &[f64],
    settings: &Settings,
) -> Vec<Result<Interval, String>> {
    // A resample draws a unit, visits each sample and each step.
    let Some(resampling) = bounded(settings.resampling, 3 * count as u64) else {
        return vec![Err(format!("{count} samples are too many to resample")); list.len()];
    };
    let samples: Vec<Scored> = samples.clone().collect();
    let mut order: Vec<&Scored> = samples.iter().collect();
    order.sort_unstable_by(|a, b| b.score.partial_cmp(&a.score).unwrap_or(std::cmp::Ordering::Equal));
    // Where the score differs from the one before, a step begins.
    let begins: Vec<bool> =
        order.iter().enumerate().map(|(at, sample)| at == 0 || sample.score != order[at - 1].score).collect();
    let replicates = unit_bootstrap(units, resampling, list.len(), |drawn, out| {
        let mut steps: Vec<Step> = Vec::with_capacity(order.len());
        for (sample, &begins) in order.iter().zip(&begins) {
            let weight = sample.weight * drawn[sample.unit as usize];
            if begins {
                let threshold = sample.score.unwrap_or(f64::NAN);
                steps.push(Step { threshold, positives: 0.0, negatives: 0.0 });
            }
            if let Some(step) = steps.last_mut() {
                let side = if sample.is_positive { &mut step.positives } else { &mut step.negatives };
                *side += weight;
            }
        }
        if let Ok(ranking) = Ranking::of_steps(steps) {
            for (slot, (_, _, statistic)) in out.iter_mut().zip(list) {
                *slot = statistic.of(&ranking);
            }
        }
    });
    let method = if is_clustered { Method::ClusterBootstrap } else { Method::Bootstrap };
    let interval = |(list, &value)| of_replicates(list, value, units, method, settings);
    replicates.into_iter().zip(values).map(interval).collect()
}

/// Brier score, log loss and calibration error of stated probabilities; empty where the scores are no probabilities.
pub(super) fn calibration_figures(
    samples: &(impl Iterator<Item = Scored> + Clone),
    (units, is_clustered): (usize, bool),
    settings: &Settings,
) -> Vec<Metric> {
    let is_probability = |sample: Scored| sample.score.is_none_or(|score| (0.0..=1.0).contains(&score));
    if !samples.clone().all(is_probability) {
        return Vec::new();
    }
    let mut figures = Vec::new();
    let has_failures = samples.clone().any(|sample| sample.score.is_none());
    for scope in [Scope::FailuresAsWrong, Scope::AnsweredOnly].into_iter().take(1 + usize::from(has_failures)) {
        let brier = move |sample: &Scored| match (sample.score, scope) {
            (Some(score), _) => Some(probability::brier(score, sample.is_positive)),
            (None, Scope::FailuresAsWrong) => Some(1.0),
            (None, Scope::AnsweredOnly) => None,
        };
        figures.push(mean(&define::BRIER, &scope.cell(), samples, is_clustered, brier, settings));
    }
    // What was not stated has no probability to be surprised by: these two are of the answered samples.
    let cell = Scope::AnsweredOnly.cell();
    let loss = |sample: &Scored| {
        let of_truth = if sample.is_positive { sample.score? } else { 1.0 - sample.score? };
        Some(probability::log_loss(of_truth))
    };
    figures.push(mean(&define::LOG_LOSS, &cell, samples, is_clustered, loss, settings));
    figures.push(calibration(samples, (units, is_clustered), &cell, settings));
    figures
}

fn mean(
    definition: &'static Definition,
    cell: &Cell,
    samples: &(impl Iterator<Item = Scored> + Clone),
    is_clustered: bool,
    value: impl Fn(&Scored) -> Option<f64> + Clone,
    settings: &Settings,
) -> Metric {
    let items = samples.clone().filter_map(move |sample| Some((value(&sample)?, sample)));
    let mean = if is_clustered {
        let mut sums = ClusterSums::default();
        items.for_each(|(value, sample)| sums.add(sample.unit as usize, value, sample.weight));
        sums.mean(settings.confidence)
    } else {
        mean_of_items(items.map(|(value, sample)| (value, sample.weight)), settings.confidence)
    };
    let mut metric = estimated(definition, cell, mean);
    if let Some(interval) = &mut metric.interval {
        // Neither of these losses can be negative.
        interval.low = interval.low.max(0.0);
    }
    metric
}

fn calibration(
    samples: &(impl Iterator<Item = Scored> + Clone),
    (units, is_clustered): (usize, bool),
    cell: &Cell,
    settings: &Settings,
) -> Metric {
    let mut reliability = Reliability::new(probability::DEFAULT_BINS);
    let mut count = 0_u64;
    for sample in samples.clone() {
        if let Some(score) = sample.score {
            let bin = reliability.bin_of(score);
            reliability.add_to(bin, score, sample.is_positive, sample.weight);
            count += 1;
        }
    }
    let cell = cell.clone().with("bins", probability::DEFAULT_BINS);
    let Some(value) = reliability.expected_error() else {
        return absent(&define::CALIBRATION_ERROR, &cell, "no sample states a probability");
    };
    let interval = match bounded(settings.resampling, 2 * count) {
        Some(resampling) => {
            // The bins are found once.
            let kept: Vec<(usize, f64, Scored)> =
                samples.clone().filter_map(|of| Some((reliability.bin_of(of.score?), of.score?, of))).collect();
            let mut replicates = unit_bootstrap(units, resampling, 1, |drawn, out| {
                reliability.clear();
                for (bin, score, sample) in &kept {
                    let weight = sample.weight * drawn[sample.unit as usize];
                    reliability.add_to(*bin, *score, sample.is_positive, weight);
                }
                out[0] = reliability.expected_error().unwrap_or(f64::NAN);
            });
            let method = if is_clustered { Method::ClusterBootstrap } else { Method::Bootstrap };
            of_replicates(replicates.remove(0), value, units, method, settings)
        }
        None => Err(format!("{count} samples are too many to resample")),
    };
    figure(&define::CALIBRATION_ERROR, &cell, value, count, interval)
}

/// The curves of the answered samples and their ranking; `None` where one class has no sample.
pub(super) fn curves(
    answered: &(impl Iterator<Item = Scored> + Clone),
    ranking: &Result<Ranking, StatsError>,
    positive: &str,
) -> Option<Curves> {
    let points = ranking.as_ref().ok()?.curve();
    let last = points.len() - 1;
    let step = points.len().div_ceil(MOST_POINTS);
    let point = |point: &CurvePoint| {
        let threshold = point.threshold.is_finite().then_some(point.threshold);
        (threshold, point.true_positive_rate, point.false_positive_rate, point.precision)
    };
    let thin = points.iter().enumerate().filter(|(at, _)| at % step == 0 || *at == last);
    let points = thin.map(|(_, of)| point(of)).collect();
    let mut reliability = Reliability::new(probability::DEFAULT_BINS);
    let states = |sample: Scored| {
        sample.score.is_some_and(|score| reliability.add(score, sample.is_positive, sample.weight).is_ok())
    };
    let bin = |bin: &ReliabilityBin| (bin.items, bin.confidence(), bin.accuracy());
    let are_probabilities = answered.clone().all(states);
    let reliability = if are_probabilities { reliability.bins().iter().map(bin).collect() } else { Vec::new() };
    Some(Curves { positive: positive.to_owned(), points, reliability })
}
