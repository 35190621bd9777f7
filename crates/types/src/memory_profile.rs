//! Memory after each of many equal loads, and whether it leaks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::record::EngineDescription;

/// Version of the form of [`MemoryProfile`].
pub const MEMORY_PROFILE_VERSION: &str = "1.1";

/// What a series of memory readings says about a leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeakOutcome {
    /// Memory grows to the end, significantly, by more than matters.
    Leak,
    /// Memory does not grow by what matters, or does not any more.
    NoLeak,
    /// The readings do not decide.
    Undecided,
}

impl LeakOutcome {
    /// The words in tables.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::NoLeak => "no leak",
            Self::Undecided => "undecided",
        }
    }
}

/// A figure with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ranged {
    /// The estimate.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end; `None` where it has none, as the time to a limit that slow growth may never reach.
    pub high: Option<f64>,
}

/// How a leak is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LeakRule {
    /// Confidence of the intervals.
    pub confidence: f64,
    /// The corrected Mann–Kendall test must give a smaller p value.
    pub significance: f64,
    /// Growth below this many bytes per request is of no weight; `None` where only the share per hour counts.
    pub least_bytes_per_request: Option<f64>,
    /// Growth by this share of the memory at rest per hour is of weight; `None` where only bytes per request count.
    pub least_share_per_hour: Option<f64>,
    /// Which cycles are warm-up.
    pub warmup: String,
}

/// Whether memory leaks, with the figures that say so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LeakVerdict {
    /// The answer.
    pub outcome: LeakOutcome,
    /// Why.
    pub reason: String,
    /// Cycles at the start that were left out.
    pub warmup_cycles: u64,
    /// Cycles that were judged.
    pub judged_cycles: u64,
    /// Growth per request; `None` without a load, or where the slope cannot be told.
    pub bytes_per_request: Option<Ranged>,
    /// The same over the last third of the cycles.
    pub bytes_per_request_late: Option<Ranged>,
    /// Growth per hour, MiB, at the rate of requests that was seen.
    pub mib_per_hour: Option<Ranged>,
    /// The same over the last third of the cycles.
    pub mib_per_hour_late: Option<Ranged>,
    /// p value of the Mann–Kendall test, corrected for autocorrelation.
    pub trend_p: Option<f64>,
    /// Memory at rest after the last cycle, bytes.
    pub rest_bytes: Option<f64>,
    /// Memory that there is, bytes: of the host or of the control group, whichever is less.
    pub limit_bytes: Option<f64>,
    /// Hours until growth at this rate reaches the limit; only of a leak.
    pub hours_to_limit: Option<Ranged>,
    /// How it was decided.
    pub rule: LeakRule,
}

/// Whose memory was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Watched {
    /// The process that measured, in which the model computes.
    ThisProcess,
    /// Another process with its descendants.
    Process {
        /// Its number.
        pid: u32,
    },
    /// A control group.
    ControlGroup {
        /// Its folder.
        folder: String,
    },
}

/// One cycle: a load, a drain, and the memory that was left.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryEntry {
    /// Which, from 1.
    pub cycle: u64,
    /// Requests ended since the start, whether they succeeded or not.
    pub requests: u64,
    /// Those of this cycle that failed.
    pub failed: u64,
    /// When memory was read, seconds since the start.
    pub at_s: f64,
    /// How long the load took, seconds; `None` where nothing was asked.
    pub load_s: Option<f64>,
    /// Least resident anonymous memory of a few readings, bytes.
    pub floor_bytes: u64,
    /// The floor less that of the cycle before, bytes; in the first, less that before the load.
    pub memory_delta: i64,
    /// What was given back to the system before the reading, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trim: Option<Trim>,
}

/// The allocator was told to give back what it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trim {
    /// Resident anonymous memory before, bytes.
    pub before_bytes: u64,
    /// The same just after.
    pub after_bytes: u64,
}

/// What all trims gave back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trims {
    /// Before less after, over all cycles, bytes; `None` where nothing can be given back.
    pub given_back_bytes: Option<u64>,
    /// Why nothing can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How far memory went from where it began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryGrowth {
    /// Memory at rest after the last cycle less that before the first, bytes.
    pub grown_bytes: i64,
    /// Most memory at rest after any cycle, bytes.
    pub peak_bytes: u64,
    /// Growth beyond which a reader is warned, bytes.
    pub warn_bytes: u64,
    /// The first cycle after which growth was beyond that; `None` where it never was.
    pub warned_in_cycle: Option<u64>,
    /// Where most was allocated, most first, at most ten; `None` where allocations were not sampled.
    pub sites: Option<Vec<AllocationSite>>,
    /// Why there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sites_reason: Option<String>,
}

/// A function that asked for memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AllocationSite {
    /// Its name: the innermost one that is not of the standard library.
    pub function: String,
    /// What it asked for, by samples, bytes; what was freed again counts as well.
    pub bytes: u64,
    /// Share of all that was asked for.
    pub share: f64,
}

/// Whole series, one value for each cycle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemorySeries {
    /// Resident memory, files included, bytes; of a control group, all that is charged to it.
    pub rss_bytes: Vec<Option<u64>>,
    /// What the allocator of this process has given out, bytes; `None` for other processes.
    pub heap_bytes: Vec<Option<u64>>,
}

/// The settings of a profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryProfileSettings {
    /// Cycles wanted.
    pub cycles: u64,
    /// Requests of a cycle; 0 where memory is only watched.
    pub requests: u64,
    /// Requests in flight.
    pub concurrency: u64,
    /// Input tokens of a request.
    pub input_tokens: u32,
    /// Output tokens of a request.
    pub output_tokens: u32,
    /// Quiet wait after the last request of a cycle, or time between readings where memory is only watched, seconds.
    pub wait_s: f64,
    /// Seed of prompts and resampling.
    pub seed: u64,
}

/// Memory over many equal loads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryProfile {
    /// Version of this form, `1.1`; `1.0` has neither growth nor trims.
    pub schema_version: String,
    /// When it began, RFC 3339.
    pub created_at: String,
    /// Reference of the model; `None` where memory was only watched.
    pub model_ref: Option<String>,
    /// What answered.
    pub engine: Option<EngineDescription>,
    /// Whose memory it is.
    pub watched: Watched,
    /// What was done.
    pub settings: MemoryProfileSettings,
    /// Memory before the first cycle, bytes.
    pub start_bytes: u64,
    /// Each cycle.
    pub entries: Vec<MemoryEntry>,
    /// Whole series, where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<MemorySeries>,
    /// How far memory went; `None` in files of version 1.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<MemoryGrowth>,
    /// What was given back between cycles, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trims: Option<Trims>,
    /// Whether it leaks.
    pub verdict: LeakVerdict,
    /// What a reader must know.
    pub notes: Vec<String>,
    /// Host, limits and build.
    pub environment: Environment,
}
