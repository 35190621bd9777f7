//! From the figures of a load to what a capacity search makes of it.

use weighbridge_types::definition as define;
use weighbridge_types::metric::{Cell, Metric, MetricInterval, Statistic};
use weighbridge_types::record::{Finding, FindingKind, MetricPointer, TargetResult, Verdict};

use crate::run::{Loaded, Stop};
use crate::search::{Axis, Capacity, Judgement};
use crate::settings::Shape;

/// The load of this size.
pub(crate) fn shape(axis: Axis, load: f64) -> Shape {
    match axis {
        Axis::Rate => Shape::Arrivals(format!("poisson:{load}")),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number below 2^20")]
        Axis::Concurrency => Shape::Concurrency(load as u32),
    }
}

/// Whether the target carried a load: every limit is met by its interval's bound, and in open loop no queue grows.
pub(crate) fn judge(loaded: &Loaded, metrics: &[Metric], verdicts: &[TargetResult], disturbed_limit: f64) -> Judgement {
    if let Some(Stop::Hopeless(why)) = &loaded.stop {
        return Judgement::Fails(format!("no request succeeded: {why}"));
    }
    let disturbed = loaded.disturbed as f64 / loaded.tally.scheduled.max(1) as f64;
    if disturbed > disturbed_limit {
        let share = 100.0 * disturbed;
        return Judgement::Invalid(format!("the client disturbed {share:.0} % of the requests, and is the bottleneck"));
    }
    let of = |wanted: Verdict| verdicts.iter().find(|target| target.verdict == wanted);
    let words = |target: &TargetResult| format!("{}: {}", target.name, target.because);
    if let Some(missed) = of(Verdict::Missed) {
        return Judgement::Fails(words(missed));
    }
    if loaded.shape.is_open()
        && let Some(growth) = queue_growth(metrics, &loaded.cell)
    {
        return Judgement::Fails(growth);
    }
    match of(Verdict::Unclear).or(of(Verdict::NotApplicable)) {
        Some(unclear) => Judgement::Unclear(words(unclear)),
        None => Judgement::Passes,
    }
}

/// A queue grows when the interval of the slope of requests in flight lies above zero.
fn queue_growth(metrics: &[Metric], cell: &Cell) -> Option<String> {
    let is_slope = |metric: &&Metric| metric.name == define::IN_FLIGHT_SLOPE.name && metric.cell == *cell;
    let interval = metrics.iter().find(is_slope)?.interval.as_ref()?;
    let words = || format!("requests in flight grow by {:.2} to {:.2} per second", interval.low, interval.high);
    (interval.low > 0.0).then(words)
}

/// The figure that a search ends with: the largest load carried, its bracket as the interval.
pub(crate) fn metric(axis: Axis, capacity: &Capacity, cell: &Cell) -> Metric {
    let definition = match axis {
        Axis::Rate => &define::CAPACITY,
        Axis::Concurrency => &define::CAPACITY_CONCURRENCY,
    };
    let Some(carried) = capacity.carried else {
        return Metric::unavailable(definition, Statistic::Value, cell, capacity.why.clone());
    };
    let mut metric = Metric::measured(definition, Statistic::Value, cell, carried, capacity.tried.len() as u64);
    match capacity.too_much {
        Some(high) => {
            metric.interval = Some(MetricInterval {
                low: carried,
                high,
                // Each end was judged by intervals of 95 %.
                confidence: 0.95,
                method: "search_bracket".to_owned(),
            });
        }
        None => metric.interval_reason = Some(capacity.why.clone()),
    }
    metric
}

/// What a search found, in words.
pub(crate) fn finding(axis: Axis, capacity: &Capacity, metric: &Metric) -> Finding {
    let unit = match axis {
        Axis::Rate => "requests/s",
        Axis::Concurrency => "requests in flight",
    };
    let why = &capacity.why;
    let text = match (capacity.carried, capacity.too_much) {
        (Some(carried), Some(high)) => {
            format!("carries {carried} {unit} within the objective, {high} is too much; {why}")
        }
        (Some(carried), None) => format!("carries at least {carried} {unit} within the objective; {why}"),
        (None, _) => format!("carries no load within the objective; {why}"),
    };
    let kind = if capacity.carried.is_some() { FindingKind::Strength } else { FindingKind::Weakness };
    Finding {
        rule: "capacity".to_owned(),
        kind,
        priority: None,
        impact: None,
        text,
        evidence: vec![MetricPointer { key: metric.key(), cell: metric.cell.clone() }],
    }
}

/// Keeps the verdicts of the largest load carried, or of the smallest tried when none was: the search met loads beyond the
/// capacity on purpose.
pub(crate) fn keep_verdicts(targets: &mut Vec<TargetResult>, axis: Axis, capacity: &Capacity) {
    let smallest = || capacity.tried.iter().map(|(load, _)| *load).min_by(f64::total_cmp);
    let Some(load) = capacity.carried.or_else(smallest) else { return };
    let (key, value) = shape(axis, load).setting();
    targets.retain(|target| target.metric.cell.get(key) == Some(value.as_str()));
}
