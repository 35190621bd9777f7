//! Rounds until the figures that are wanted are known as well as was asked, or the budget is used up.

use std::time::Duration;

use weighbridge_stats::adaptive::{Components, Cost, Looks, RunFigure};
use weighbridge_summary::{Precision, Reached, Until};
use weighbridge_types::record::{Finding, FindingKind, Record, Verdict};
use weighbridge_types::telemetry::LoadWindow;

use super::{Runner, add};
use crate::error::LoadError;
use crate::figures;

/// Requests of each run at first, at least: an interval within a run needs about so many.
const LEAST_REQUESTS: u64 = 30;

/// Runs before the first look.
const PILOT_RUNS: u64 = 5;

/// Requests beyond a percentile that a run of the first length has on average.
const BEYOND_PERCENTILE: f64 = 2.0;

/// A run becomes at most so many times as long as those of the pilot: what the pilot says of variance is not that exact.
const LONGER_AT_MOST: f64 = 8.0;

/// The rule of the findings.
const RULE: &str = "precision";

/// Why the rounds ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Precise,
    Runs,
    Requests,
    Time,
    Stopped,
}

/// How long runs are from the pilot on, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Length {
    requests: u64,
    /// Share of the variance between runs that lies between them, of the figure that asks for the shortest runs.
    between: f64,
}

impl Runner<'_> {
    /// Makes rounds of all loads until every figure is precise; `from` is where the run's lines begin in the log.
    ///
    /// The settings hold the budget: rounds, requests of each load over all rounds, and the time of all of it.
    pub(super) async fn make_until(&mut self, wanted: &Until, from: u64) -> Result<(), LoadError> {
        let (budget, begin) = (self.settings.clone(), self.run.clock.now());
        let looks = Looks::up_to(budget.runs as usize);
        let loads = u32::try_from(budget.shapes.len()).unwrap_or(u32::MAX);
        let first = first_length(wanted, budget.sessions);
        let (mut length, mut asked, mut reached) = (first, 0, Vec::new());
        let mut planned = None;
        let mut end = End::Runs;
        for round in 1..=budget.runs {
            let left = budget.sessions.map_or(u64::MAX, |most| most.saturating_sub(asked));
            let time_left = budget.duration_s.map(|seconds| seconds - (self.run.clock.now() - begin).as_secs_f64());
            // A run shorter than the others is no witness like them.
            if left < length && round > 1 {
                end = End::Requests;
                break;
            }
            if time_left.is_some_and(|seconds| seconds <= 0.0) {
                end = End::Time;
                break;
            }
            self.settings.sessions = Some(length.min(left));
            self.settings.duration_s = time_left;
            asked += length.min(left);
            let (tally, is_over) = self.round(Some(round), loads.saturating_mul(budget.runs)).await?;
            add(&mut self.record.phases[0].tally, tally);
            if is_over {
                end = End::Stopped;
                break;
            }
            if !looks.contains(round as usize) {
                self.journal.checkpoint(&self.record)?;
                continue;
            }
            let windows;
            (reached, windows) = self.look(from)?;
            if !reached.is_empty() && reached.iter().all(Reached::is_precise) {
                end = End::Precise;
                break;
            }
            if planned.is_none() {
                let spent = self.run.clock.now() - begin;
                planned = next_length(&reached, cost(&windows, spent), length);
                length = planned.map_or(length, |planned: Length| planned.requests);
            }
        }
        if end != End::Precise {
            (reached, _) = self.look(from)?;
        }
        self.settings = budget;
        let text = summary(end, &reached, asked, planned, first);
        self.record.phases[0].notes.push(text);
        Ok(())
    }

    /// Figures over all rounds so far, and how well the wanted ones are known.
    fn look(&mut self, from: u64) -> Result<(Vec<Reached>, Vec<LoadWindow>), LoadError> {
        let basis = self.basis();
        let found = figures::read(self.journal, from, &self.plan, &basis)?.0;
        self.record.metrics = found.metrics;
        let (metrics, plan) = (&self.record.metrics, &self.plan);
        let shapes = &self.settings.shapes;
        let of_slo = shapes.iter().flat_map(|shape| plan.slo.judge(metrics, &shape.cell(), plan.good_share));
        self.record.targets = of_slo.chain(found.reached.iter().map(Reached::target)).collect();
        self.journal.checkpoint(&self.record)?;
        Ok((found.reached, found.windows))
    }
}

/// Requests of a run before anything is known; the budget of a load must last for the runs of the first look.
fn first_length(wanted: &Until, most: Option<u64>) -> u64 {
    let of_percentiles = wanted.all().iter().filter_map(Precision::percentile);
    let needed = of_percentiles.map(|q| (BEYOND_PERCENTILE / q.min(1.0 - q)).round());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 20,000, for p99.99")]
    let of_percentiles = needed.fold(0.0_f64, f64::max) as u64;
    let affordable = most.map_or(u64::MAX, |most| (most / PILOT_RUNS).max(1));
    of_percentiles.max(LEAST_REQUESTS).min(affordable)
}

/// What a run costs beside its window, and its window: what requests take, and what else a run takes.
fn cost(windows: &[LoadWindow], spent: Duration) -> Cost {
    let measured: f64 = windows.iter().map(|window| (window.to - window.from).as_secs_f64()).sum();
    let runs = windows.len().max(1) as f64;
    Cost { run: (spent.as_secs_f64() - measured).max(0.0) / runs, request: (measured / runs).max(f64::MIN_POSITIVE) }
}

/// The length of runs from here on, from what the runs so far say of those figures that are not known yet: the longest that
/// one of them asks for. `None` where no run tells how much of its variance is its own.
fn next_length(reached: &[Reached], cost: Cost, length: u64) -> Option<Length> {
    let open = reached.iter().filter(|figure| !figure.is_precise());
    let asked = open.filter_map(|figure| {
        // In lengths of the runs so far: a figure of gaps counts gaps, one of requests requests.
        let whole: Vec<RunFigure> = figure.runs.iter().map(|run| RunFigure { requests: 1.0, ..*run }).collect();
        let components = Components::of(&whole)?;
        let total = components.between + components.per_request;
        let between = if total > 0.0 { components.between / total } else { 0.0 };
        Some((components.requests_per_run(cost).clamp(1.0, LONGER_AT_MOST), between))
    });
    let (factor, between) = asked.max_by(|a, b| a.0.total_cmp(&b.0))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most eight times the length")]
    let requests = (length as f64 * factor).round() as u64;
    Some(Length { requests, between })
}

/// What was asked, what it took and why it ended, in words.
fn summary(end: End, reached: &[Reached], requests: u64, planned: Option<Length>, first: u64) -> String {
    let asked: Vec<String> = reached.iter().map(|figure| figure.wanted.to_string()).collect();
    let asked: std::collections::BTreeSet<String> = asked.into_iter().collect();
    let asked = asked.into_iter().collect::<Vec<_>>().join(", ");
    let runs = reached.iter().map(|figure| figure.runs.len()).max().unwrap_or_default();
    let why = match end {
        End::Precise => "as precise as asked",
        End::Runs => "the most runs that were allowed",
        End::Requests => "the requests that were allowed do not last for another run",
        End::Time => "the time that was allowed is over",
        End::Stopped => "stopped",
    };
    let lengths = match planned {
        Some(Length { requests, between }) if requests > first => format!(
            "; {:.0} % of the variance of runs of {first} requests lies between them: {requests} requests a run from there on",
            100.0 * between
        ),
        Some(Length { between, .. }) => format!(
            "; {:.0} % of the variance of runs of {first} requests lies between them: more runs, not longer ones",
            100.0 * between
        ),
        None => String::new(),
    };
    format!("until {asked}: {why} after {runs} runs, {requests} requests of each load{lengths}")
}

/// Whether each figure is known as was asked, in words.
pub(super) fn findings(record: &Record) -> Vec<Finding> {
    let ours = record.targets.iter().filter(|target| target.profile == RULE);
    ours.map(|target| {
        let kind = if target.verdict == Verdict::Met { FindingKind::Strength } else { FindingKind::Limitation };
        let settings = target.metric.cell.iter().filter(|(key, _)| !matches!(*key, "phase" | "of"));
        let load: Vec<String> = settings.map(|(key, value)| format!("{key} {value}")).collect();
        let (asked, found, because) = (&target.name, &target.observed, &target.because);
        let text = format!("{}: asked for {asked}, reached {found}; {because}", load.join(", "));
        let evidence = vec![target.metric.clone()];
        Finding { rule: RULE.to_owned(), kind, priority: None, impact: None, text, evidence }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use weighbridge_stats::{Confidence, student_t_mean};
    use weighbridge_types::metric::Cell;
    use weighbridge_types::record::Phase;

    use super::*;

    fn figure(values: &[f64], within: Option<f64>) -> Reached {
        let until: Until = "mean.e2e±1%".parse().unwrap();
        Reached {
            cell: Cell::of(Phase::Load),
            wanted: until.all()[0],
            runs: values.iter().map(|&value| RunFigure { value, within, requests: 100.0 }).collect(),
            known: student_t_mean(values, Confidence::P95).map_err(|error| error.to_string()),
        }
    }

    #[test]
    fn runs_begin_as_long_as_their_percentiles_ask_for() {
        let check = |text: &str, expected| assert_eq!(first_length(&text.parse().unwrap(), None), expected, "{text}");
        check("mean.ttft±5%", 30);
        check("p50.ttft±5%,p90.ttft±5%", 30);
        check("p99.ttft±5%", 200);
        check("p95.ttft±5%,p99.9.e2e±5%", 2000);
        assert_eq!(first_length(&"p99.ttft±5%".parse().unwrap(), Some(400)), 80);
    }

    #[test]
    fn time_goes_where_the_variance_sits() {
        let values = [90.0, 110.0, 95.0, 105.0, 100.0];
        let cost = |run| Cost { run, request: 1.0 };
        let length =
            |within, run| next_length(&[figure(&values, within)], cost(run), 100).map(|length| length.requests);
        // All of it lies within runs: longer ones. All of it between: more.
        assert_eq!(length(Some(62.5), 1.0), Some(800));
        assert_eq!(length(Some(1.0), 1.0), Some(100));
        // Half and half, and a run costs four times its window beside it: twice as long.
        assert_eq!(length(Some(31.25), 4.0), Some(200));
        assert_eq!(length(None, 1.0), None);
        // What is known already asks for nothing.
        assert_eq!(next_length(&[figure(&[100.0, 100.1, 99.9], Some(62.5))], cost(1.0), 100), None);
    }
}
