//! How figures went from run to run: the course of each metric, where its level moved, and where it leads.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metric::{Cell, MetricInterval};

/// Settings of a run that may differ between runs of one history, or of one comparison: what names the thing that is measured,
/// what repeats it, and what is only written down or watched.
pub const FREE_SETTINGS: [&str; 14] = [
    "seed",
    "salt",
    "label",
    "model",
    "target",
    "url",
    "headers",
    "output_dir",
    "run_id",
    "resume",
    "watch",
    "checkpoint_s",
    "keep_text",
    "import",
];

/// The courses of the runs that were made alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// The runs, in order of time.
    pub runs: Vec<HistoryRun>,
    /// A course for each metric and cell, those whose level moved last first.
    pub courses: Vec<Course>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// A run of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryRun {
    /// Its name.
    pub run_id: String,
    /// Wall time of its start, RFC 3339.
    pub created_at: String,
    /// Commit of the program that measured.
    pub commit: Option<String>,
}

/// One metric in one cell over the runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Course {
    /// `ttft.p99`.
    pub key: String,
    /// Where it belongs.
    pub cell: Cell,
    /// Unit of the values.
    pub unit: String,
    /// Index of a run in [`History::runs`], and its value.
    pub points: Vec<(usize, f64)>,
    /// Where the level moved, ascending.
    pub changes: Vec<LevelChange>,
    /// Why changes were not looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// Mean of the runs since the last change.
    pub level: Option<f64>,
    /// Deviation of single runs around the level, as a share of it: the noise of this host.
    pub noise: Option<f64>,
    /// Where the next run lies when nothing changes.
    pub next: Option<MetricInterval>,
    /// Slope since the last change, in the unit per day, with its interval; null where it cannot be told from none.
    pub per_day: Option<MetricInterval>,
    /// Days until the limit is reached, if it goes on so.
    pub days_to_limit: Option<f64>,
    /// The limit that was asked about.
    pub limit: Option<f64>,
}

/// A place where the level of a metric moved and stayed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LevelChange {
    /// Index of the first run of the new level in [`History::runs`].
    pub run: usize,
    /// Mean before.
    pub before: f64,
    /// Mean after.
    pub after: f64,
    /// After / before; null around zero.
    pub ratio: Option<f64>,
    /// Whether it is for the worse; null for metrics without a better side.
    pub is_worse: Option<bool>,
    /// Larger of the two detectors' p values.
    pub p: f64,
}
