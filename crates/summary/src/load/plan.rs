//! What a load was meant to be, as far as its figures depend on it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::request::FluidityTarget;

use super::answers::AnswersPlan;
use super::precision::UntilPlan;
use crate::slo::{Slo, SloScope};

/// Who decides when the next request starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadKind {
    /// The end of another one: a number of requests is held in flight.
    #[default]
    Closed,
    /// A schedule.
    Open,
}

/// What to leave out at the start of each load point. Requests flagged as warm-up are left out besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Warmup {
    /// MSER-5 on completions over time finds it.
    #[default]
    Auto,
    /// Nothing.
    None,
    /// This many requests, by planned start; the window begins when the last of them that succeeds has ended.
    Requests(u32),
    /// This much time from the first planned start that is not flagged.
    Time(Duration),
}

/// The settings that the figures of a load depend on. Stored with the record, so that the validator computes the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadPlan {
    /// Who decides when the next request starts.
    pub kind: LoadKind,
    /// What to leave out at the start.
    pub warmup: Warmup,
    /// How long the schedule of each load point lasts from its first planned start that is not flagged, for open loop.
    /// `None` ends it with the last planned start.
    pub schedule: Option<Duration>,
    /// The limits that make a request good.
    pub slo: Slo,
    /// The share of good requests that the limits on single requests ask for, 0 to 1.
    pub good_share: f64,
    /// The deadlines of the fluidity index; `None` leaves it out.
    pub fluidity: Option<FluidityTarget>,
    /// A request released later than this after its planned start is late.
    pub late_after: Duration,
    /// Whether trends over time and outages are told, as of a soak.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_soak: bool,
    /// The percentiles to compute, besides those that the limits speak of; empty for all that the data carry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub percentiles: Vec<Statistic>,
    /// How answers are held against golden ones; `None` where that was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<AnswersPlan>,
    /// What the runs of each load go on for; `None` where their number is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UntilPlan>,
}

impl Default for LoadPlan {
    /// Closed loop, warm-up found, no objective.
    fn default() -> Self {
        Self {
            kind: LoadKind::Closed,
            warmup: Warmup::Auto,
            schedule: None,
            slo: Slo::default(),
            good_share: 0.99,
            fluidity: None,
            late_after: Duration::from_millis(10),
            is_soak: false,
            percentiles: Vec::new(),
            answers: None,
            until: None,
        }
    }
}

impl LoadPlan {
    /// Whether a figure is wanted: every one but the percentiles that were left out.
    pub(crate) fn wants(&self, metric: &Metric) -> bool {
        let is_percentile = Statistic::GRID.iter().any(|(statistic, _)| *statistic == metric.statistic);
        let is_judged = |limit: &crate::SloLimit| {
            limit.metric().name == metric.name && limit.scope() == SloScope::Statistic(metric.statistic)
        };
        self.percentiles.is_empty()
            || !is_percentile
            || self.percentiles.contains(&metric.statistic)
            || self.slo.limits().iter().any(is_judged)
    }

    /// Whether requests of a cell come one after the other.
    pub(crate) fn is_single_stream(&self, cell: &Cell) -> bool {
        self.kind == LoadKind::Closed
            && cell.get("concurrency") == Some("1")
            && cell.get(super::compared::STREAM).is_none()
    }
}
