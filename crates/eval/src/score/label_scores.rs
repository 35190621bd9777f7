//! Figures of labels: accuracy to kappa, over all labels and for each.

use weighbridge_stats::classify::resample::{replicates_interval, replicates_intervals};
use weighbridge_stats::classify::{Average, Marginals};
use weighbridge_stats::proportion::wilson;
use weighbridge_stats::{Interval, Method};
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::metric::{Cell, Metric};

use super::costs::CostsOf;
use super::figure::{Scope, absent, estimated, figure};
use super::settings::Settings;
use super::tables::Table;

/// More labels than this have no figures of their own: nobody reads them, and answers that are free text would all
/// be labels.
pub(super) const MOST_LABELS: usize = 256;

/// Scores that are computed together, from the sums of a table and the weights of its cells.
type Compute = Box<dyn Fn(&Marginals, &[f64]) -> [Option<f64>; 4]>;

/// Figures over a table whose scores share their work: a bootstrap computes them thousands of times.
struct Family {
    /// Position among the computed scores, and the figure.
    members: Vec<(usize, Statistic)>,
    compute: Compute,
}

/// One figure over a table.
struct Statistic {
    definition: &'static Definition,
    cell: Cell,
    /// Why it may not exist.
    reason: &'static str,
}

/// Every figure of a table.
pub(super) fn label_figures(
    table: &Table<'_>,
    scope: Scope,
    names: &[String],
    costs: Option<&CostsOf>,
    settings: &Settings,
) -> Vec<Metric> {
    let mut families = families(scope, names);
    families.extend(costs.map(|costs| expected_cost(scope, table, costs)));
    for family in &mut families {
        family.members.retain(|(_, statistic)| settings.wants(statistic.definition.name));
    }
    families.retain(|family| !family.members.is_empty());
    let marginals = table.marginals();
    let mut values = vec![f64::NAN; families.iter().map(|family| family.members.len()).sum()];
    compute(&families, &marginals, &table.weights, &mut values);
    let intervals = intervals(table, &families, &values, settings);
    let statistics = families.iter().flat_map(|family| &family.members);
    let mut figures = Vec::with_capacity(values.len());
    for (((_, statistic), value), interval) in statistics.zip(values).zip(intervals) {
        figures.push(if value.is_nan() {
            absent(statistic.definition, &statistic.cell, statistic.reason)
        } else {
            figure(statistic.definition, &statistic.cell, value, table.samples, interval)
        });
    }
    if let Some(accuracy) = figures.iter_mut().find(|metric| metric.name == define::ACCURACY.name) {
        use_wilson(table, &marginals, accuracy, scope, settings);
    }
    figures
}

/// Writes the score of each member; NaN for one that does not exist.
fn compute(families: &[Family], marginals: &Marginals, weights: &[f64], out: &mut [f64]) {
    let mut slots = out.iter_mut();
    for family in families {
        let scores = (family.compute)(marginals, weights);
        for ((at, _), slot) in family.members.iter().zip(&mut slots) {
            *slot = scores[*at].unwrap_or(f64::NAN);
        }
    }
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
    families: &[Family],
    values: &[f64],
    settings: &Settings,
) -> Vec<Result<Interval, String>> {
    let mut marginals = Marginals::default();
    let resampled = table.resample(settings.resampling, values.len(), |weights, out| {
        marginals.fill_cells(table.classes, &table.places, weights);
        compute(families, &marginals, weights, out);
    });
    let Some((replicates, method)) = resampled else {
        let reason = "the file is too long to resample by cluster or weight";
        return vec![Err(reason.to_owned()); values.len()];
    };
    // A statistic without a value is not shown, and neither is what stands here for its interval.
    let intervals = replicates_intervals(replicates, values, table.units(), settings.confidence, method);
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

fn families(scope: Scope, names: &[String]) -> Vec<Family> {
    let one_label = "truth or predictions know one label only";
    let mut families = vec![family(
        &scope.cell(),
        &[
            (&define::ACCURACY, "no sample"),
            (&define::BALANCED_ACCURACY, "no sample"),
            (&define::MCC, one_label),
            (&define::KAPPA, "chance alone would always agree"),
        ],
        |sums, _| [sums.accuracy(), sums.balanced_accuracy(), sums.mcc(), sums.kappa()],
    )];
    for average in Average::ALL {
        let cell = scope.cell().with("average", average.name());
        let list = [(&define::PRECISION, "no sample"), (&define::RECALL, "no sample"), (&define::F1, "no sample")];
        families.push(family(&cell, &list, move |sums, _| {
            let of = sums.averaged(average);
            [of.map(|of| of.precision), of.map(|of| of.recall), of.map(|of| of.f1), None]
        }));
    }
    for (class, name) in names.iter().enumerate().filter(|_| names.len() <= MOST_LABELS) {
        let reason = "the label neither occurs nor was predicted";
        let list = [
            (&define::PRECISION, reason),
            (&define::RECALL, reason),
            (&define::F1, reason),
            (&define::FPR, "every sample has this label"),
        ];
        families.push(family(&scope.cell().with("label", name), &list, move |sums, _| {
            let of = sums.is_present(class).then(|| sums.class(class));
            let fpr = sums.false_positive_rate(class);
            [of.map(|of| of.precision), of.map(|of| of.recall), of.map(|of| of.f1), fpr]
        }));
    }
    families
}

fn family(
    cell: &Cell,
    list: &[(&'static Definition, &'static str)],
    compute: impl Fn(&Marginals, &[f64]) -> [Option<f64>; 4] + 'static,
) -> Family {
    let member = |(at, &(definition, reason)): (usize, &(&'static Definition, &'static str))| {
        (at, Statistic { definition, cell: cell.clone(), reason })
    };
    Family { members: list.iter().enumerate().map(member).collect(), compute: Box::new(compute) }
}

/// The mean of `costs` over the samples, cell by cell.
fn expected_cost(scope: Scope, table: &Table<'_>, costs: &CostsOf) -> Family {
    let costs: Vec<f64> = table.places.iter().map(|&place| costs.of(place)).collect();
    family(&scope.cell(), &[(&define::EXPECTED_COST, "no sample")], move |sums, weights| {
        let whole: f64 = costs.iter().zip(weights).map(|(cost, weight)| cost * weight).sum();
        [(sums.total() > 0.0).then(|| whole / sums.total()), None, None, None]
    })
}
