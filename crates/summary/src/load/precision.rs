//! How well the figures that a load goes on for are known: the mean over its runs, and what each run alone says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use weighbridge_stats::adaptive::RunFigure;
use weighbridge_stats::special::normal_quantile;
use weighbridge_stats::{Confidence, Estimate, student_t_mean};
use weighbridge_types::definition as define;
use weighbridge_types::metric::{Cell, Metric, Provenance, Statistic};
use weighbridge_types::record::{MetricPointer, TargetResult, Verdict};

use super::plan::LoadPlan;
use super::window::{Point, metrics};
use crate::basis::{Basis, CONFIDENCE};
use crate::estimate::{BETWEEN_RUNS, reason, stored};
use crate::slo::{Precision, Until};

/// The setting of a precision's cell that names the figure.
const OF: &str = "of";

/// The profile under which the verdicts stand.
const PROFILE: &str = "precision";

/// What a load goes on for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UntilPlan {
    /// The figures with their precision.
    pub wanted: Until,
    /// Confidence of each look with which all of them together keep 95 %.
    pub confidence: f64,
}

/// One figure of one load that must be known.
#[derive(Clone, Debug, PartialEq)]
pub struct Reached {
    /// The load.
    pub cell: Cell,
    /// The figure and what was asked of it.
    pub wanted: Precision,
    /// What each run says of it, in their order; runs without it are left out.
    pub runs: Vec<RunFigure>,
    /// The mean over runs with its interval, or why there is none.
    pub known: Result<Estimate, String>,
}

impl Reached {
    /// Half of the interval over the mean; `None` where one of them is unknown.
    #[must_use]
    pub fn half_width(&self) -> Option<f64> {
        let estimate = self.known.as_ref().ok()?;
        estimate.interval.relative_half_width(estimate.value)
    }

    /// Whether it is known as well as was asked.
    #[must_use]
    pub fn is_precise(&self) -> bool {
        self.half_width().is_some_and(|half| half <= self.wanted.share())
    }

    /// Why its precision is unknown, or how it came about.
    fn because(&self) -> String {
        match &self.known {
            Err(why) => why.clone(),
            Ok(estimate) => {
                let unit = self.wanted.metric().unit;
                let (interval, runs) = (&estimate.interval, self.runs.len());
                let percent = 100.0 * interval.confidence.level();
                let (value, low, high) = (estimate.value, interval.low, interval.high);
                format!("mean over {runs} runs {value:.4} {unit}, {percent:.2} % interval {low:.4} to {high:.4}")
            }
        }
    }

    fn cell_of_precision(&self) -> Cell {
        self.cell.clone().with(OF, self.wanted.key())
    }

    fn metric(&self) -> Metric {
        let cell = self.cell_of_precision();
        match self.half_width() {
            None => Metric::unavailable(&define::RUN_PRECISION, Statistic::Value, &cell, self.because()),
            Some(half) => {
                let n = self.runs.len() as u64;
                let mut metric = Metric::measured(&define::RUN_PRECISION, Statistic::Value, &cell, half, n);
                metric.interval_reason = Some("the width of an interval has none".to_owned());
                metric.with_provenance(Provenance::Derived)
            }
        }
    }

    /// Whether it was reached, as a target: not reached is not missed, but undecided.
    #[must_use]
    pub fn target(&self) -> TargetResult {
        let percent = |share: f64| format!("±{:.2} %", 100.0 * share);
        TargetResult {
            name: self.wanted.to_string(),
            profile: PROFILE.to_owned(),
            metric: MetricPointer { key: define::RUN_PRECISION.name.to_owned(), cell: self.cell_of_precision() },
            limit: percent(self.wanted.share()),
            observed: self.half_width().map_or_else(|| "unknown".to_owned(), percent),
            verdict: if self.is_precise() { Verdict::Met } else { Verdict::Unclear },
            because: self.because(),
        }
    }
}

/// How well every figure that is wanted is known, load by load. Runs are taken one by one, so that their figures are never
/// held twice together.
pub(super) fn reached(points: &BTreeMap<Cell, Vec<Point>>, plan: &LoadPlan, basis: &Basis) -> Vec<Reached> {
    let Some(until) = &plan.until else { return Vec::new() };
    let confidence = Confidence::new(until.confidence).unwrap_or(CONFIDENCE);
    let mut all = Vec::new();
    for (cell, runs) in points {
        let of_runs: Vec<Vec<Metric>> = runs
            .iter()
            .map(|run| {
                let alone = Point { figures: run.figures.clone(), stages: run.stages };
                let mut found = metrics(cell, vec![alone], plan, basis);
                found.retain(|metric| until.wanted.all().iter().any(|wanted| wanted.key() == metric.key()));
                found
            })
            .collect();
        for wanted in until.wanted.all() {
            let of = |metric: &&Metric| metric.cell == *cell && metric.key() == wanted.key();
            let found: Vec<&Metric> = of_runs.iter().filter_map(|run| run.iter().find(of)).collect();
            let figures: Vec<RunFigure> = found.iter().filter_map(|metric| run_figure(metric)).collect();
            let known = match found.iter().find(|metric| metric.value.is_none()) {
                Some(without) => Err(format!("a run has none: {}", without.reason.clone().unwrap_or_default())),
                None => {
                    let values: Vec<f64> = figures.iter().map(|run| run.value).collect();
                    student_t_mean(&values, confidence).map_err(|error| reason(&error))
                }
            };
            all.push(Reached { cell: cell.clone(), wanted: *wanted, runs: figures, known });
        }
    }
    all
}

fn run_figure(metric: &Metric) -> Option<RunFigure> {
    let within = metric.interval.as_ref().map(|interval| {
        let z = normal_quantile(0.5 + 0.5 * interval.confidence);
        (0.5 * (interval.high - interval.low) / z).powi(2)
    });
    Some(RunFigure { value: metric.value?, within, requests: metric.n as f64 })
}

/// Gives each wanted figure the interval between runs that the load went on for, and says how narrow that is.
pub(super) fn state(metrics: &mut Vec<Metric>, reached: &[Reached], basis: &Basis) {
    for figure in reached {
        let of = |metric: &&mut Metric| metric.cell == figure.cell && metric.key() == figure.wanted.key();
        if let (Some(metric), Ok(estimate)) = (metrics.iter_mut().find(of), &figure.known)
            && metric.value.is_some()
        {
            metric.interval_reason = None;
            metric.n_effective = Some(figure.runs.len() as f64);
            metric.interval = Some(stored(&estimate.interval, metric.value, Some(BETWEEN_RUNS)));
        }
        let mut precision = figure.metric();
        basis.mark(&mut precision);
        metrics.push(precision);
    }
}

#[cfg(test)]
mod tests {
    use weighbridge_types::record::Phase;
    use weighbridge_types::request::RequestRow;

    use super::super::plan::Warmup;
    use super::super::{LoadFigures, LoadSummary, TimeBins};
    use super::*;
    use crate::request::tests::row;

    /// Runs of 40 requests one after the other; all requests of a run take what it says to the first token, ms.
    fn figures(ttfts: &[u64], wanted: &str) -> LoadFigures {
        let until = Some(UntilPlan { wanted: wanted.parse().unwrap(), confidence: 0.99 });
        let plan = LoadPlan { until, warmup: Warmup::None, ..LoadPlan::default() };
        let rows: Vec<RequestRow> = (0..ttfts.len() * 40)
            .map(|id| {
                let run = id / 40;
                let cell = Cell::of(Phase::Load).with("concurrency", 1).with("run", run + 1);
                RequestRow { cell, ..row(id as u64, id as u64 * 1_000, (ttfts[run], 1, 2)) }
            })
            .collect();
        let mut bins = TimeBins::new(&plan);
        rows.iter().for_each(|row| bins.push(row));
        let stages = bins.stages();
        let mut summary = LoadSummary::new(&stages, &plan, &Basis::default());
        rows.iter().for_each(|row| summary.push(row));
        summary.finish()
    }

    #[test]
    fn runs_that_are_alike_are_precise_and_those_that_differ_are_not() {
        let alike = figures(&[100, 100, 101, 100, 99], "mean.ttft±5%");
        assert!(alike.reached[0].is_precise(), "{:?}", alike.reached[0]);
        assert_eq!((alike.reached[0].runs.len(), alike.reached[0].target().verdict), (5, Verdict::Met));
        let apart = figures(&[80, 120, 90, 110, 100], "mean.ttft±5%,p50.ttft±5%");
        assert!(apart.reached.iter().all(|figure| !figure.is_precise()));
        assert_eq!(apart.reached[1].target().verdict, Verdict::Unclear);
    }

    /// Student's t of five runs at 99 %: 4.604 · s / √5.
    #[test]
    fn the_interval_is_that_of_the_means_of_runs() {
        let found = figures(&[80, 120, 90, 110, 100], "mean.ttft±5%");
        let half = 4.604_095 * 250.0_f64.sqrt() / 5.0_f64.sqrt();
        let expected = half / 100.0;
        assert!((found.reached[0].half_width().unwrap() - expected).abs() < 1e-6, "{:?}", found.reached[0]);
        let of = |name: &str| found.metrics.iter().find(|metric| metric.key() == name).unwrap();
        let interval = of("ttft.mean").interval.as_ref().unwrap();
        assert_eq!((interval.method.as_str(), interval.confidence.to_bits()), (BETWEEN_RUNS, 0.99_f64.to_bits()));
        let precision = of("run_precision");
        assert_eq!((precision.cell.get(OF), precision.n), (Some("ttft.mean"), 5));
        assert!((precision.value.unwrap() - expected).abs() < 1e-6);
    }

    #[test]
    fn what_cannot_be_known_says_why() {
        let one = figures(&[100], "mean.ttft±5%");
        assert!(one.reached[0].target().because.contains("an interval needs 2"), "{:?}", one.reached[0].target());
        // A run of 40 requests has no 99.9th percentile.
        let tail = figures(&[100, 101], "p99.9.ttft±5%");
        assert_eq!((tail.reached[0].runs.len(), tail.reached[0].is_precise()), (0, false));
    }
}
