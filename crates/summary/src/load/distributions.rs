//! Figures that have a distribution.

use weighbridge_stats::Dependence;
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::metric::{Cell, Metric, Statistic};

use super::counts::Counts;
use super::figures::Figures;
use super::per_request::{NO_GAP, NO_SUCCESS, PER_REQUEST, PREFILL};
use super::plan::LoadPlan;
use super::series::{Of, Values};
use super::window::{Point, low_sample};
use crate::basis::Basis;
use crate::estimate::{Shape, Told, told};

/// Everything that has a distribution.
pub(super) fn distributions(cell: &Cell, runs: Vec<Point>, plan: &LoadPlan, basis: &Basis) -> Vec<Metric> {
    let is_single = runs.iter().all(|run| run.figures.prefill.is_some());
    let alone = if is_single { Dependence::Independent } else { Dependence::Serial };
    let of = |definition, dependence| Of { definition, cell, basis, dependence };
    let mut runs: Vec<Figures> = runs.into_iter().map(|run| run.figures).collect();
    let mut metrics = Vec::new();
    for (index, measure) in PER_REQUEST.iter().enumerate() {
        // Taken out one by one, so that no series is held twice.
        let values = runs.iter_mut().map(|run| take(&mut run.per_request[index])).collect();
        metrics.extend(of(measure.definition, alone).metrics(values, measure.shape, measure.missing));
    }
    if is_single {
        let values = runs.iter_mut().filter_map(|run| run.prefill.take()).collect();
        metrics.extend(of(PREFILL.definition, alone).metrics(values, PREFILL.shape, PREFILL.missing));
    }
    if plan.fluidity.is_some() {
        let values = runs.iter_mut().filter_map(|run| run.fluidity.take()).collect();
        metrics.extend(of(&define::FLUIDITY, alone).metrics(values, Shape::Full, NO_SUCCESS));
    }
    // Gaps within a request follow each other, whatever the requests do.
    let mut series = |definition, shape, missing, pick: fn(&mut Figures) -> &mut Values| {
        let values = runs.iter_mut().map(|run| take(pick(run))).collect();
        of(definition, Dependence::Serial).metrics(values, shape, missing)
    };
    metrics.extend(series(&define::ITL, Shape::Headline, NO_GAP, |run| &mut run.itl));
    metrics.extend(series(&define::ICL, Shape::Full, NO_GAP, |run| &mut run.icl));
    metrics.extend(series(&define::STALL, Shape::Full, "no request of the window stalled", |run| &mut run.stall));
    let sessions: u64 = runs.iter().map(|run| run.session_turns.moments().count()).sum();
    if sessions > 0 {
        let mut series = |definition, missing, pick: fn(&mut Figures) -> &mut Values| {
            let values = runs.iter_mut().map(|run| take(pick(run))).collect();
            of(definition, Dependence::Serial).metrics(values, Shape::Full, missing)
        };
        metrics.extend(series(&define::SESSION_TIME, "no session", |run| &mut run.session_time));
        let counts = Metric::measured(&define::SESSIONS, Statistic::Value, cell, sessions as f64, sessions);
        metrics.push(counts);
        metrics.extend(counted(&define::SESSION_TURNS, cell, runs.iter().map(|run| &run.session_turns), ""));
    }
    metrics.extend(counted(&define::BUNDLE_SIZE, cell, runs.iter().map(|run| &run.bundles), NO_SUCCESS));
    for metric in &mut metrics {
        basis.mark(metric);
    }
    metrics
}

fn take(values: &mut Values) -> Values {
    std::mem::replace(values, Values::new(0))
}

/// The distribution of small whole numbers.
fn counted<'a>(
    definition: &Definition,
    cell: &Cell,
    runs: impl Iterator<Item = &'a Counts>,
    missing: &str,
) -> Vec<Metric> {
    let mut all = Counts::default();
    runs.for_each(|counts| all.merge(counts));
    let Some(summary) = all.moments().summary() else {
        return vec![Metric::unavailable(definition, Statistic::Mean, cell, missing)];
    };
    let n = all.moments().count();
    let point = |statistic, value| low_sample(Metric::measured(definition, statistic, cell, value, n));
    let mut mean = point(Statistic::Mean, summary.mean);
    mean.deviation = summary.sd;
    mean.cv = summary.cv();
    let mut metrics = vec![mean, point(Statistic::Min, summary.min), point(Statistic::Max, summary.max)];
    for (statistic, q) in Statistic::GRID {
        if let (Some(Told::Value { .. }), Some(value)) = (told(Shape::Full, statistic, q, n), all.quantile(q)) {
            metrics.push(point(statistic, value));
        }
    }
    for metric in &mut metrics {
        metric.interval_reason = Some("whole numbers that repeat".to_owned());
    }
    metrics
}
