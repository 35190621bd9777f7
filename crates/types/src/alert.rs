//! What a team is told of a regression.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::comparison::Verdict;
use crate::metric::{Cell, MetricInterval};

/// Version of the form of [`Alert`].
pub const ALERT_VERSION: &str = "1.0";

/// A verdict of worse, as it is posted to a webhook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// Version of this form, `1.0`.
    pub schema_version: String,
    /// All of it in words: the key under which chats look for what they show.
    pub text: String,
    /// The verb that judged: `compare`.
    pub verb: String,
    /// Always worse.
    pub verdict: Verdict,
    /// The code that the program exits with.
    pub exit_code: u8,
    /// Records that the verdict rests on, as far as they are known.
    pub runs: Vec<String>,
    /// What got worse, of what the verdict rests on.
    pub regressions: Vec<Regression>,
}

/// A figure that got worse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Regression {
    /// `ttft.p99`.
    pub key: String,
    /// Where it belongs.
    pub cell: Cell,
    /// The side that is worse, where there may be several.
    pub side: Option<String>,
    /// Unit of the values.
    pub unit: String,
    /// Before: the mean over runs where there are several.
    pub baseline: f64,
    /// Now.
    pub current: f64,
    /// Now / before; null without a ratio.
    pub ratio: Option<f64>,
    /// Interval of the change; null where a verdict needs none.
    pub interval: Option<MetricInterval>,
    /// What the interval is of; null without one.
    pub interval_of: Option<IntervalOf>,
    /// Why it counts.
    pub because: String,
}

/// What an interval is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IntervalOf {
    /// Now / before.
    Ratio,
    /// Now − before, in the unit.
    Difference,
}
