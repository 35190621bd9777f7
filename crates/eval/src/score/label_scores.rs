//! Figures of labels: accuracy to kappa, over all labels and for each.

use weighbridge_stats::classify::resample::{replicates_interval, replicates_intervals};
use weighbridge_stats::classify::{Average, Marginals};
use weighbridge_stats::proportion::wilson;
use weighbridge_stats::{Interval, Method};
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::metric::{Cell, Metric};

use super::figure::{Scope, absent, estimated, figure};
use super::settings::Settings;
use super::tables::Table;

/// More labels than this have no figures of their own: nobody reads them, and answers that are free text would all
/// be labels.
pub(super) const MOST_LABELS: usize = 256;

/// A score of the sums of a table.
type Compute = Box<dyn Fn(&Marginals) -> Option<f64>>;

/// One figure over a table.
struct Statistic {
    definition: &'static Definition,
    cell: Cell,
    compute: Compute,
    /// Why it may not exist.
    reason: &'static str,
}

/// Every figure of a table.
pub(super) fn label_figures(table: &Table<'_>, scope: Scope, names: &[String], settings: &Settings) -> Vec<Metric> {
    let mut statistics = statistics(scope, names);
    statistics.retain(|statistic| settings.wants(statistic.definition.name));
    let marginals = Marginals::of(table.classes, &table.cells);
    let values: Vec<Option<f64>> = statistics.iter().map(|statistic| (statistic.compute)(&marginals)).collect();
    let intervals = intervals(table, &statistics, &values, settings);
    let mut figures = Vec::with_capacity(statistics.len());
    for ((statistic, value), interval) in statistics.iter().zip(values).zip(intervals) {
        figures.push(match value {
            Some(value) => figure(statistic.definition, &statistic.cell, value, table.samples, interval),
            None => absent(statistic.definition, &statistic.cell, statistic.reason),
        });
    }
    if let Some(accuracy) = figures.iter_mut().find(|metric| metric.name == define::ACCURACY.name) {
        use_wilson(table, &marginals, accuracy, scope, settings);
    }
    figures
}

/// Accuracy of independent samples has an interval of its own, which holds its level also near 0 and 1.
fn use_wilson(table: &Table<'_>, marginals: &Marginals, accuracy: &mut Metric, scope: Scope, settings: &Settings) {
    let is_plain = table.units() as u64 == table.samples && (marginals.total() - table.samples as f64).abs() < 0.5;
    let right: f64 = (0..marginals.classes()).map(|class| marginals.correct(class)).sum();
    if is_plain && table.samples > 0 {
        let (right, n) = (count(right), table.units());
        *accuracy = estimated(&define::ACCURACY, &scope.cell(), wilson(right, n, settings.confidence));
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of ones")]
fn count(sum: f64) -> usize {
    sum as usize
}

fn intervals(
    table: &Table<'_>,
    statistics: &[Statistic],
    values: &[Option<f64>],
    settings: &Settings,
) -> Vec<Result<Interval, String>> {
    let mut marginals = Marginals::default();
    let resampled = table.resample(settings.resampling, statistics.len(), |cells, out| {
        marginals.fill(table.classes, cells);
        for (slot, statistic) in out.iter_mut().zip(statistics) {
            *slot = (statistic.compute)(&marginals).unwrap_or(f64::NAN);
        }
    });
    let Some((replicates, method)) = resampled else {
        let reason = "the file is too long to resample by cluster or weight";
        return vec![Err(reason.to_owned()); statistics.len()];
    };
    // A statistic without a value is not shown, and neither is what stands here for its interval.
    let points: Vec<f64> = values.iter().map(|value| value.unwrap_or(f64::NAN)).collect();
    let intervals = replicates_intervals(replicates, &points, table.units(), settings.confidence, method);
    intervals.into_iter().map(|interval| interval.map_err(|error| error.to_string())).collect()
}

/// The interval of replicates, or why there is none.
pub(super) fn of_replicates(
    replicates: Vec<f64>,
    value: f64,
    units: usize,
    method: Method,
    settings: &Settings,
) -> Result<Interval, String> {
    replicates_interval(replicates, value, units, settings.confidence, method).map_err(|error| error.to_string())
}

fn statistics(scope: Scope, names: &[String]) -> Vec<Statistic> {
    let cell = scope.cell();
    let mut list = vec![
        statistic(&define::ACCURACY, &cell, "no sample", Marginals::accuracy),
        statistic(&define::BALANCED_ACCURACY, &cell, "no sample", Marginals::balanced_accuracy),
        statistic(&define::MCC, &cell, "truth or predictions know one label only", Marginals::mcc),
        statistic(&define::KAPPA, &cell, "chance alone would always agree", Marginals::kappa),
    ];
    for average in Average::ALL {
        let cell = cell.clone().with("average", average.name());
        let of = move |get: fn(weighbridge_stats::classify::PrecisionRecall) -> f64| {
            move |sums: &Marginals| sums.averaged(average).map(get)
        };
        list.push(statistic(&define::PRECISION, &cell, "no sample", of(|of| of.precision)));
        list.push(statistic(&define::RECALL, &cell, "no sample", of(|of| of.recall)));
        list.push(statistic(&define::F1, &cell, "no sample", of(|of| of.f1)));
    }
    for (class, name) in names.iter().enumerate().filter(|_| names.len() <= MOST_LABELS) {
        let cell = cell.clone().with("label", name);
        let present = move |sums: &Marginals| sums.is_present(class).then(|| sums.class(class));
        let reason = "the label neither occurs nor was predicted";
        list.push(statistic(&define::PRECISION, &cell, reason, move |sums| present(sums).map(|of| of.precision)));
        list.push(statistic(&define::RECALL, &cell, reason, move |sums| present(sums).map(|of| of.recall)));
        list.push(statistic(&define::F1, &cell, reason, move |sums| present(sums).map(|of| of.f1)));
        list.push(statistic(&define::FPR, &cell, "every sample has this label", move |sums| {
            sums.false_positive_rate(class)
        }));
    }
    list
}

fn statistic(
    definition: &'static Definition,
    cell: &Cell,
    reason: &'static str,
    compute: impl Fn(&Marginals) -> Option<f64> + 'static,
) -> Statistic {
    Statistic { definition, cell: cell.clone(), compute: Box::new(compute), reason }
}
