//! From recorded rows to figures.
//!
//! The one place that turns [`RequestRow`](weighbridge_types::request::RequestRow)s, scored items and resource samples
//! into [`Metric`](weighbridge_types::metric::Metric)s. The weigh-in calls it when a phase ends and the validator calls
//! it again on the event log, so that the two cannot drift apart. It reads nothing and knows no engine.
//!
//! [`summarize`] does all of it: group by cell, then [`request_metrics`] (latencies, rates of single requests),
//! [`window_metrics`] (rates over the window, reliability, concurrency), [`quality_metrics`], [`memory_metrics`] and
//! [`derived_metrics`] (growth, scaling, the knee).
//!
//! A load run is too long to hold: [`TimeBins`] and [`LoadSummary`] read its log twice, row by row, and [`Slo`] judges the
//! figures.
//!
//! Rules that hold for every figure here:
//! - warm-up requests enter nothing; failed requests enter no latency and always count in reliability;
//! - the setting `run` of a row's cell says which repetition it belongs to, and is no part of a figure's cell; with two
//!   or more runs the unit of replication is the run, and intervals are Student's t over run means;
//! - within one run, requests that overlapped in time get batch means (30 batches at least); requests that came one
//!   after the other get Student's t, unless the series shows that they remember each other;
//! - a tail percentile with fewer values than a bound at 99 % needs is null with that reason.
//!
//! The same rows and the same [`Basis`] give the same numbers. The price of honest intervals: short runs show more
//! reasons than numbers.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "counts stay far below 2^52 and stamps within days"
)]

mod basis;
mod derived;
mod estimate;
mod growth;
mod law;
mod load;
mod memory;
mod quality;
mod request;
mod rows;
mod slo;
mod start;
mod summarize;
mod target;
mod window;

pub use basis::{Basis, MIN_COUNT};
pub use derived::{KNEE_GAIN, derived_metrics, knee};
pub use growth::{GROWTH_FLOOR, Growth, GrowthVerdict, Slope};
pub use load::{
    AGAIN, ANSWERS, AnswerRule, AnswersPlan, BESIDE, CellStages, FRESH, GOLDEN, LoadFigures, LoadKind, LoadPlan,
    LoadPoint, LoadSeries, LoadSummary, NOISE, PROCESS, Reached, STREAM, Soak, Stages, Steady, TimeBins, USE,
    UntilPlan, VICTIM, Warmup, answers_pass, victim_alone,
};
pub use memory::{MemoryPoint, MemoryTrends, memory_metrics, memory_series, memory_trends};
pub use quality::quality_metrics;
pub use request::request_metrics;
pub use rows::{Rows, figure_cell};
pub use slo::{Precision, Slo, SloError, SloLimit, SloScope, Until, UntilError};
pub use start::{start_cell, start_metrics, start_tally};
pub use summarize::{summarize, tally};
pub use target::{Bound, Decision, Limit, rounded};
pub use window::window_metrics;
