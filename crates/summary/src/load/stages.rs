//! Warm-up, window and drain of a load point, and the series of its time chart.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use weighbridge_stats::StatsError;
use weighbridge_stats::steady::{Steadiness, SteadyRule, SteadyState, steady_state};
use weighbridge_types::metric::Cell;
use weighbridge_types::time::Stamp;

use super::bins::{Bin, CellBins};
use super::plan::{LoadKind, LoadPlan, Warmup};

/// Most observations of the steady-state rule, and most points of a series within the window.
const MAX_OBSERVATIONS: usize = 500;

/// Fewer observations than this show no steady state: MSER-5 then has ten batches.
const MIN_OBSERVATIONS: usize = 50;

/// An observation rests on at least this many completions, so that it is more than chance whether one fell into it.
const COMPLETIONS_EACH: u64 = 2;

/// Most points of a time chart.
const MAX_POINTS: usize = 600;

/// Whether the load stood still within the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Steady {
    /// No trend that matters.
    Yes,
    /// A trend, or no steady part in the first half.
    No {
        /// What was seen, with numbers.
        because: String,
    },
    /// Too few completions to tell.
    Unknown {
        /// What is missing.
        because: String,
    },
}

/// One point of a time chart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadPoint {
    /// Start of the point, seconds since the clock's origin.
    pub at_s: f64,
    /// Requests planned per second.
    pub offered_rate: f64,
    /// Requests released per second.
    pub released_rate: f64,
    /// Requests that succeeded, per second.
    pub request_rate: f64,
    /// Requests that failed or were dropped, per second.
    pub failure_rate: f64,
    /// Output tokens per second.
    pub output_rate: f64,
    /// Mean number of requests in flight.
    pub in_flight: f64,
}

/// The time chart of a load point, flagged warm-up left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadSeries {
    /// Width of every point, seconds; the last one ends at `end_s`.
    pub width_s: f64,
    /// End of the last point, seconds since the clock's origin.
    pub end_s: f64,
    /// The points, without gaps; at most 600.
    pub points: Vec<LoadPoint>,
}

/// Warm-up, window and drain of one load point.
#[derive(Clone, Debug, PartialEq)]
pub struct CellStages {
    /// First planned start of any request.
    pub start: Stamp,
    /// Where warm-up ends and the window begins.
    pub window_start: Stamp,
    /// Where the window ends and the drain begins. Equal to `window_start` when there is no window.
    pub window_end: Stamp,
    /// Last end of any request.
    pub end: Stamp,
    /// How the window was found, in words with numbers.
    pub rule: String,
    /// Whether the load stood still in it.
    pub steady: Steady,
    /// What happened over the whole of it.
    pub series: LoadSeries,
    /// The window alone, in at most 500 points of whole bins: what intervals and slopes rest on.
    pub(crate) inside: LoadSeries,
}

impl CellStages {
    /// Length of the window.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.window_end - self.window_start
    }

    /// Whether a request planned then belongs to the window.
    #[must_use]
    pub fn holds(&self, planned: Stamp) -> bool {
        self.window_end > self.window_start && (self.window_start..=self.window_end).contains(&planned)
    }
}

/// The stages of every load point.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stages {
    cells: Vec<(Cell, CellStages)>,
}

impl Stages {
    pub(super) fn new(cells: impl Iterator<Item = (Cell, Option<CellStages>)>) -> Self {
        Self { cells: cells.filter_map(|(cell, stages)| Some((cell, stages?))).collect() }
    }

    /// Load points with their stages, in the order of cells. Repetitions (`run`) are points of their own.
    pub fn iter(&self) -> impl Iterator<Item = (&Cell, &CellStages)> {
        self.cells.iter().map(|(cell, stages)| (cell, stages))
    }

    /// The stages of a load point.
    #[must_use]
    pub fn get(&self, cell: &Cell) -> Option<&CellStages> {
        let found = self.cells.binary_search_by(|(other, _)| other.cmp(cell)).ok()?;
        Some(&self.cells[found].1)
    }

    /// Start and end of every window, in the order of load points.
    #[must_use]
    pub fn windows(&self) -> Vec<(Stamp, Stamp)> {
        self.cells.iter().map(|(_, stages)| (stages.window_start, stages.window_end)).collect()
    }

    /// How many load points there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }
}

/// Finds the stages of one load point; `None` without a row.
pub(super) fn find(cell: &CellBins, plan: &LoadPlan) -> Option<CellStages> {
    let start = cell.start?;
    let window_end = window_end(cell, plan).unwrap_or(start);
    let end = cell.end.unwrap_or(window_end).max(window_end);
    let found = warm_up(cell, plan, window_end);
    let window_start = found.start.clamp(start, window_end.max(start));
    let series = series(cell, 0..cell.bins.bins().len(), MAX_POINTS);
    let inside = series_within(cell, window_start, window_end);
    Some(CellStages { start, window_start, window_end, end, rule: found.rule, steady: found.steady, series, inside })
}

/// The schedule's end in open loop, the last release in closed loop: from then on nobody keeps the load up.
fn window_end(cell: &CellBins, plan: &LoadPlan) -> Option<Stamp> {
    match (plan.kind, plan.schedule) {
        (LoadKind::Open, Some(length)) => Some(cell.first_planned?.after(length)),
        (LoadKind::Open, None) => cell.last_planned,
        (LoadKind::Closed, _) => cell.last_released,
    }
}

struct Found {
    start: Stamp,
    rule: String,
    steady: Steady,
}

/// Where warm-up ends, by the plan's rule and never before the last flagged request that succeeded has ended.
fn warm_up(cell: &CellBins, plan: &LoadPlan, window_end: Stamp) -> Found {
    let start = cell.first_planned.or(cell.start).unwrap_or_default();
    let from = start.max(cell.warm.unwrap_or_default());
    let flagged = if cell.warm.is_some() { ", after the flagged requests" } else { "" };
    let (from, rule) = match plan.warmup {
        Warmup::Auto => return by_rule(cell, from, window_end, flagged),
        Warmup::None => (from, "no warm-up asked for".to_owned()),
        Warmup::Time(length) => (from.max(start.after(length)), format!("{} s asked for", length.as_secs_f64())),
        Warmup::Requests(count) => {
            (from.max(cell.end_of_earliest().unwrap_or_default()), format!("the first {count} requests asked for"))
        }
    };
    let steady = match observed(cell, from, window_end) {
        Ok((_, state)) => judged(&state),
        Err(because) => Steady::Unknown { because },
    };
    Found { start: from, rule: format!("warm-up: {rule}{flagged}"), steady }
}

/// MSER-5 on completions over time, then a test for a trend in what remains.
fn by_rule(cell: &CellBins, from: Stamp, window_end: Stamp, flagged: &str) -> Found {
    match observed(cell, from, window_end) {
        Err(because) => {
            let rule = format!("warm-up: none could be found{flagged}: {because}");
            Found { start: from, rule, steady: Steady::Unknown { because } }
        }
        Ok((grid, state)) => {
            let start = cell.bins.start_of(grid.first + state.truncation.cut * grid.group);
            let width = grid.group as f64 * cell.bins.width_nanos() as f64 / 1e9;
            let cut = state.truncation.cut as f64 * width;
            let rule =
                format!("warm-up: MSER-5 on completions leaves out {cut:.3} s in steps of {width:.4} s{flagged}");
            Found {
                start: if state.truncation.cut == 0 { from } else { start.max(from) },
                rule,
                steady: judged(&state),
            }
        }
    }
}

fn judged(state: &SteadyState) -> Steady {
    let seen = format!("drift {:.0} % of the mean, Mann–Kendall p = {:.2}", 100.0 * state.drift, state.trend.p);
    match state.steadiness {
        Steadiness::Steady => Steady::Yes,
        Steadiness::Drifting => Steady::No { because: format!("completions have a trend: {seen}") },
        Steadiness::Unsettled => Steady::No { because: format!("completions do not settle in the first half: {seen}") },
    }
}

/// Which bins make an observation.
struct Grid {
    first: usize,
    group: usize,
}

fn observed(cell: &CellBins, from: Stamp, to: Stamp) -> Result<(Grid, SteadyState), String> {
    let range = cell.bins.within(from, to);
    let bins = &cell.bins.bins()[range.clone()];
    let completions: u64 = bins.iter().map(|bin| bin.succeeded).sum();
    let possible = (completions / COMPLETIONS_EACH) as usize;
    let count = bins.len().min(MAX_OBSERVATIONS).min(possible);
    if count < MIN_OBSERVATIONS {
        let need = MIN_OBSERVATIONS as u64 * COMPLETIONS_EACH;
        return Err(format!(
            "{completions} completions in {} bins, where {need} in {MIN_OBSERVATIONS} are needed",
            bins.len()
        ));
    }
    let group = bins.len().div_ceil(count);
    let series: Vec<f64> =
        bins.chunks_exact(group).map(|bins| bins.iter().map(|bin| bin.succeeded as f64).sum()).collect();
    let state = steady_state(&series, SteadyRule::default()).map_err(|error: StatsError| error.to_string())?;
    Ok((Grid { first: range.start, group }, state))
}

/// The window in at most [`MAX_OBSERVATIONS`] points.
fn series_within(cell: &CellBins, from: Stamp, to: Stamp) -> LoadSeries {
    series(cell, cell.bins.within(from, to), MAX_OBSERVATIONS)
}

/// Bins as rates, joined so that there are at most `limit` points. An incomplete last point is kept: no bin is left out.
fn series(cell: &CellBins, range: std::ops::Range<usize>, limit: usize) -> LoadSeries {
    let group = range.len().div_ceil(limit).max(1);
    let width_s = cell.bins.width_nanos() as f64 / 1e9;
    let in_flight = cell.bins.in_flight();
    let bins = &cell.bins.bins()[range.clone()];
    let points =
        bins.chunks(group).zip(in_flight[range.clone()].chunks(group)).enumerate().map(|(index, (bins, levels))| {
            let seconds = bins.len() as f64 * width_s;
            let rate = |of: fn(&Bin) -> u64| bins.iter().map(of).sum::<u64>() as f64 / seconds;
            LoadPoint {
                at_s: cell.bins.start_of(range.start + index * group).as_nanos() as f64 / 1e9,
                offered_rate: rate(|bin| bin.planned),
                released_rate: rate(|bin| bin.released),
                request_rate: rate(|bin| bin.succeeded),
                failure_rate: rate(|bin| bin.failed),
                output_rate: rate(|bin| bin.tokens),
                in_flight: levels.iter().sum::<f64>() / levels.len() as f64,
            }
        });
    LoadSeries {
        width_s: group as f64 * width_s,
        end_s: cell.bins.start_of(range.end).as_nanos() as f64 / 1e9,
        points: points.collect(),
    }
}
