//! Figures of scores and probabilities: how well they rank, and whether they mean what they say.

use weighbridge_stats::classify::resample::unit_bootstrap;
use weighbridge_stats::classify::{CurvePoint, Ranking, Reliability, ReliabilityBin, Step, probability};
use weighbridge_stats::cluster::ClusterSums;
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

/// The figures of one form.
pub(super) fn ranking_figures(samples: &[Scored], units: usize, scope: Scope, settings: &Settings) -> Vec<Metric> {
    let kept: Vec<Scored> = samples.iter().filter_map(|sample| in_scope(*sample, scope)).collect();
    let cell = scope.cell();
    let ranking = match rank(&kept) {
        Ok(ranking) => ranking,
        Err(_) => {
            let reason = "one of the two classes has no sample with a score";
            return vec![absent(&define::ROC_AUC, &cell, reason), absent(&define::AVERAGE_PRECISION, &cell, reason)];
        }
    };
    let list = statistics(&cell);
    let values: Vec<f64> = list.iter().map(|(_, _, statistic)| statistic.of(&ranking)).collect();
    let intervals = resampled(&kept, units, &list, &values, settings);
    let n = kept.len() as u64;
    let mut figures: Vec<Metric> = list
        .iter()
        .zip(&values)
        .zip(intervals)
        .map(|(((definition, cell, _), &value), interval)| figure(definition, cell, value, n, interval))
        .collect();
    let is_plain = units == samples.len() && kept.iter().all(|sample| (sample.weight - 1.0).abs() < f64::EPSILON);
    if is_plain && let Ok(area) = ranking.roc_auc_interval(settings.confidence) {
        figures[0] = estimated(&define::ROC_AUC, &cell, Ok(area));
    }
    figures
}

/// A failed sample counts as the worst score that it can have, or is left out.
fn in_scope(sample: Scored, scope: Scope) -> Option<Scored> {
    let worst = if sample.is_positive { f64::NEG_INFINITY } else { f64::INFINITY };
    match (sample.score, scope) {
        (Some(_), _) => Some(sample),
        (None, Scope::FailuresAsWrong) => Some(Scored { score: Some(worst), ..sample }),
        (None, Scope::AnsweredOnly) => None,
    }
}

fn rank(samples: &[Scored]) -> Result<Ranking, StatsError> {
    let scores: Vec<f64> = samples.iter().filter_map(|sample| sample.score).collect();
    let is_positive: Vec<bool> = samples.iter().map(|sample| sample.is_positive).collect();
    if samples.iter().all(|sample| (sample.weight - 1.0).abs() < f64::EPSILON) {
        return Ranking::new(&scores, &is_positive);
    }
    let weights: Vec<f64> = samples.iter().map(|sample| sample.weight).collect();
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
    samples: &[Scored],
    units: usize,
    list: &[(&'static Definition, Cell, Statistic)],
    values: &[f64],
    settings: &Settings,
) -> Vec<Result<Interval, String>> {
    // A resample draws a unit, visits each sample and each step.
    let Some(resampling) = bounded(settings.resampling, 3 * samples.len() as u64) else {
        return vec![Err(format!("{} samples are too many to resample", samples.len())); list.len()];
    };
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
    let method = if units == samples.len() { Method::Bootstrap } else { Method::ClusterBootstrap };
    let interval = |(list, &value)| of_replicates(list, value, units, method, settings);
    replicates.into_iter().zip(values).map(interval).collect()
}

/// Brier score, log loss and calibration error of stated probabilities; empty where the scores are no probabilities.
pub(super) fn calibration_figures(samples: &[Scored], units: usize, settings: &Settings) -> Vec<Metric> {
    let is_probability = |sample: &Scored| sample.score.is_none_or(|score| (0.0..=1.0).contains(&score));
    if !samples.iter().all(is_probability) {
        return Vec::new();
    }
    let mut figures = Vec::new();
    let has_failures = samples.iter().any(|sample| sample.score.is_none());
    for scope in [Scope::FailuresAsWrong, Scope::AnsweredOnly].into_iter().take(1 + usize::from(has_failures)) {
        let brier = |sample: &Scored| match (sample.score, scope) {
            (Some(score), _) => Some(probability::brier(score, sample.is_positive)),
            (None, Scope::FailuresAsWrong) => Some(1.0),
            (None, Scope::AnsweredOnly) => None,
        };
        figures.push(mean(&define::BRIER, &scope.cell(), samples, brier, settings));
    }
    // What was not stated has no probability to be surprised by: these two are of the answered samples.
    let cell = Scope::AnsweredOnly.cell();
    let loss = |sample: &Scored| {
        let of_truth = if sample.is_positive { sample.score? } else { 1.0 - sample.score? };
        Some(probability::log_loss(of_truth))
    };
    figures.push(mean(&define::LOG_LOSS, &cell, samples, loss, settings));
    figures.push(calibration(samples, units, &cell, settings));
    figures
}

fn mean(
    definition: &'static Definition,
    cell: &Cell,
    samples: &[Scored],
    value: impl Fn(&Scored) -> Option<f64>,
    settings: &Settings,
) -> Metric {
    let mut sums = ClusterSums::default();
    for sample in samples {
        if let Some(value) = value(sample) {
            sums.add(sample.unit as usize, value, sample.weight);
        }
    }
    let mut metric = estimated(definition, cell, sums.mean(settings.confidence));
    if let Some(interval) = &mut metric.interval {
        // Neither of these losses can be negative.
        interval.low = interval.low.max(0.0);
    }
    metric
}

fn calibration(samples: &[Scored], units: usize, cell: &Cell, settings: &Settings) -> Metric {
    let mut reliability = Reliability::new(probability::DEFAULT_BINS);
    let kept: Vec<(usize, f64, &Scored)> = samples
        .iter()
        .filter_map(|sample| sample.score.map(|score| (reliability.bin_of(score), score, sample)))
        .collect();
    let mut fill = |weight: &dyn Fn(&Scored) -> f64| {
        reliability.clear();
        for (bin, score, sample) in &kept {
            reliability.add_to(*bin, *score, sample.is_positive, weight(sample));
        }
        reliability.expected_error()
    };
    let cell = cell.clone().with("bins", probability::DEFAULT_BINS);
    let Some(value) = fill(&|sample| sample.weight) else {
        return absent(&define::CALIBRATION_ERROR, &cell, "no sample states a probability");
    };
    let interval = match bounded(settings.resampling, 2 * kept.len() as u64) {
        Some(resampling) => {
            let mut replicates = unit_bootstrap(units, resampling, 1, |drawn, out| {
                out[0] = fill(&|sample| sample.weight * drawn[sample.unit as usize]).unwrap_or(f64::NAN);
            });
            let method = if units == samples.len() { Method::Bootstrap } else { Method::ClusterBootstrap };
            of_replicates(replicates.remove(0), value, units, method, settings)
        }
        None => Err(format!("{} samples are too many to resample", kept.len())),
    };
    figure(&define::CALIBRATION_ERROR, &cell, value, kept.len() as u64, interval)
}

/// The curves over the answered samples; `None` where one class has no sample.
pub(super) fn curves(samples: &[Scored], positive: &str) -> Option<Curves> {
    let kept: Vec<Scored> = samples.iter().copied().filter(|sample| sample.score.is_some()).collect();
    let points = rank(&kept).ok()?.curve();
    let last = points.len() - 1;
    let step = points.len().div_ceil(MOST_POINTS);
    let point = |point: &CurvePoint| {
        let threshold = point.threshold.is_finite().then_some(point.threshold);
        (threshold, point.true_positive_rate, point.false_positive_rate, point.precision)
    };
    let thin = points.iter().enumerate().filter(|(at, _)| at % step == 0 || *at == last);
    let points = thin.map(|(_, of)| point(of)).collect();
    let mut reliability = Reliability::new(probability::DEFAULT_BINS);
    let states = |sample: &Scored| {
        sample.score.is_some_and(|score| reliability.add(score, sample.is_positive, sample.weight).is_ok())
    };
    let bin = |bin: &ReliabilityBin| (bin.items, bin.confidence(), bin.accuracy());
    let are_probabilities = kept.iter().all(states);
    let reliability = if are_probabilities { reliability.bins().iter().map(bin).collect() } else { Vec::new() };
    Some(Curves { positive: positive.to_owned(), points, reliability })
}
