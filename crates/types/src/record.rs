//! The record of a run: what `record.json` and the event log hold.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::calibration::CalibrationNote;
use crate::environment::Environment;
use crate::exhibit::Exhibit;
use crate::health::HealthBreach;
use crate::metric::{Cell, Metric};
use crate::request::{Outcome, RequestRow};
use crate::resource::ResourceSample;
use crate::sample::SampleRow;
use crate::start::StartRow;
use crate::stream::{Incident, Pane};
use crate::telemetry::Telemetry;

/// Version of the stored form, `major.minor`. A reader refuses a newer major version.
pub const SCHEMA_VERSION: SchemaVersion = SchemaVersion { major: 1, minor: 0 };

/// A version of the stored form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaVersion {
    /// Changes when an old reader would misread a new file.
    pub major: u32,
    /// Changes when fields are added.
    pub minor: u32,
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for SchemaVersion {
    type Err = RecordError;

    fn from_str(text: &str) -> Result<Self, RecordError> {
        let parsed = text
            .split_once('.')
            .and_then(|(major, minor)| Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? }));
        parsed.ok_or_else(|| RecordError::Version { found: text.to_owned() })
    }
}

/// A stored record that cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not JSON, or not a record.
    #[error("read the record: {source}")]
    Json {
        /// Where and why.
        #[from]
        source: serde_json::Error,
    },
    /// The version is no `major.minor`.
    #[error("read the schema version `{found}`")]
    Version {
        /// What stood there.
        found: String,
    },
    /// Written by a newer program.
    #[error("read a record of schema version {found}; this program reads up to {SCHEMA_VERSION}")]
    Newer {
        /// The version of the record.
        found: SchemaVersion,
    },
}

impl RecordError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Json { .. } | Self::Version { .. } => "name the `record.json` of a run, or its folder",
            Self::Newer { .. } => "use the version of weighbridge that wrote it, or a newer one",
        }
    }
}

/// The parts of a run: the five phases of a weigh-in, in order, the load that every run of the load laboratory makes,
/// the evaluation of tasks, and a stream of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Phase {
    Validate,
    Latency,
    Memory,
    Throughput,
    Quality,
    Load,
    Evaluate,
    Stream,
}

impl Phase {
    /// The phases of a weigh-in, in order.
    pub const WEIGH_IN: [Self; 5] = [Self::Validate, Self::Latency, Self::Memory, Self::Throughput, Self::Quality];

    /// Every phase of any kind of run.
    pub const ALL: [Self; 8] = [
        Self::Validate,
        Self::Latency,
        Self::Memory,
        Self::Throughput,
        Self::Quality,
        Self::Load,
        Self::Evaluate,
        Self::Stream,
    ];

    /// Name in flags and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Latency => "latency",
            Self::Memory => "memory",
            Self::Throughput => "throughput",
            Self::Quality => "quality",
            Self::Load => "load",
            Self::Evaluate => "evaluate",
            Self::Stream => "stream",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How far a run, or one of its phases, has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not begun.
    Pending,
    /// Under way, or killed while under way.
    Running,
    /// Finished.
    Complete,
    /// Stopped by the user; what is recorded is valid.
    Interrupted,
    /// Stopped by an error; what is recorded is valid.
    Failed,
    /// Left out on request, or because the engine cannot do it; the note says which.
    Skipped,
}

/// Where requests ended up. `scheduled = succeeded + failed + cancelled + dropped + in_flight`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Tally {
    pub scheduled: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub dropped: u64,
    pub in_flight: u64,
}

impl Tally {
    /// Counts a request that ended; warm-up is left out.
    pub const fn count(&mut self, row: &RequestRow) {
        if row.warmup {
            return;
        }
        self.scheduled += 1;
        match row.outcome {
            Outcome::Succeeded { .. } => self.succeeded += 1,
            Outcome::Failed { .. } => self.failed += 1,
            Outcome::Cancelled => self.cancelled += 1,
            Outcome::Dropped => self.dropped += 1,
        }
    }

    /// Whether every request is in exactly one state.
    #[must_use]
    pub const fn adds_up(&self) -> bool {
        self.scheduled == self.succeeded + self.failed + self.cancelled + self.dropped + self.in_flight
    }
}

/// One phase as it went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseResult {
    /// Which.
    pub phase: Phase,
    /// How far it came.
    pub status: Status,
    /// Which try this is, from 1; a phase run again replaces the earlier try's figures.
    pub attempt: u32,
    /// Wall time of its start, RFC 3339.
    pub started_at: Option<String>,
    /// How long it took, seconds.
    pub duration_s: Option<f64>,
    /// How long it was expected to take before it began, seconds; `None` when no estimate was made.
    pub estimated_s: Option<f64>,
    /// Key of the metric that stands for the phase in the overview, with its cell.
    pub key_metric: Option<MetricPointer>,
    /// Its requests, warm-up left out.
    pub tally: Tally,
    /// Checks with their evidence (validate phase).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// What a reader must know: why it was skipped, what disturbed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Points to a metric of the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MetricPointer {
    /// `ttft.mean`, as [`Metric::key`] gives it.
    pub key: String,
    /// Its cell.
    pub cell: Cell,
}

/// One check of the validate phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// Whether it holds; `None` when it could not be decided.
    pub passed: Option<bool>,
    /// What was seen, with values.
    pub evidence: String,
}

/// How a target was decided. The interval's bound decides, not the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval is on the right side of the limit, and beyond it by a stated margin.
    Exceeded,
    /// The whole interval is on the right side of the limit.
    Met,
    /// The whole interval is on the wrong side.
    Missed,
    /// The limit lies inside the interval, or there is no interval to decide by.
    Unclear,
    /// The target is for another kind of device, or the metric is unavailable.
    NotApplicable,
}

/// A target and its verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetResult {
    /// Name of the target.
    pub name: String,
    /// Profile that it belongs to: `cpu`, `gpu`, or a user's own.
    pub profile: String,
    /// Metric that it speaks of.
    pub metric: MetricPointer,
    /// The limit, in words: `< 300 ms`.
    pub limit: String,
    /// The value judged, as printed.
    pub observed: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, with numbers.
    pub because: String,
}

/// What kind of statement a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum FindingKind {
    Strength,
    Weakness,
    Recommendation,
    Limitation,
}

/// A statement that a named rule derived from the measured data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Name of the rule, for example `long-input-variance`.
    pub rule: String,
    /// What kind of statement.
    pub kind: FindingKind,
    /// `immediate` or `future`; recommendations only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    /// `high`, `medium` or `low`; recommendations only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<String>,
    /// The statement, with its numbers.
    pub text: String,
    /// The metrics that triggered it.
    pub evidence: Vec<MetricPointer>,
}

/// What was weighed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EngineDescription {
    /// Engine: `local`, `http`, `scripted`.
    pub engine: String,
    /// Version of the engine, or what the server says of itself.
    pub engine_version: Option<String>,
    /// The reference as the user wrote it, without secrets.
    pub model_ref: String,
    /// Name of the model.
    pub model: String,
    /// Architecture: `llama`, `gpt2`, …
    pub architecture: Option<String>,
    /// Number of parameters.
    pub parameters: Option<u64>,
    /// Type that holds most weights: `F16`, `Q8_0`, …
    pub quantization: Option<String>,
    /// Size of the model's file, bytes.
    pub model_bytes: Option<u64>,
    /// SHA-256 of the model's file, hexadecimal.
    pub model_digest: Option<String>,
    /// Longest context, tokens.
    pub context_length: Option<u32>,
    /// Device that computes: `cpu`, `remote`.
    pub device: String,
    /// Whether the answers come from a script and not from a model.
    pub scripted: bool,
    /// Whether the weights are seeded random numbers.
    pub synthetic_weights: bool,
    /// Options that were set and change what figures mean: `threads`, `prefix_cache_bytes`, `kv_limit_bytes`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Version of this form, `1.0`.
    pub schema_version: String,
    /// Name of the run: the folder's name.
    pub run_id: String,
    /// What kind of run: `bench`.
    pub kind: String,
    /// The user's label.
    pub label: String,
    /// Wall time of the start, RFC 3339.
    pub created_at: String,
    /// Wall time of the last write, RFC 3339.
    pub updated_at: String,
    /// How far it came.
    pub status: Status,
    /// Settings as resolved, without secrets.
    pub settings: serde_json::Value,
    /// Seed of everything random.
    pub seed: u64,
    /// What was weighed.
    pub engine: EngineDescription,
    /// What it was measured on.
    pub environment: Environment,
    /// What the calibration of this host says of the figures; null where it has none, or where none applies.
    #[serde(default)]
    pub calibration: Option<CalibrationNote>,
    /// The phases, in order.
    pub phases: Vec<PhaseResult>,
    /// Sum of the phases' durations, seconds.
    pub duration_s: f64,
    /// Every figure.
    pub metrics: Vec<Metric>,
    /// Targets and their verdicts.
    pub targets: Vec<TargetResult>,
    /// What follows from the figures.
    pub findings: Vec<Finding>,
}

impl Record {
    /// Reads a record, and refuses one of a newer major version.
    ///
    /// # Errors
    /// When the text is no record or was written by a newer program.
    pub fn from_json(text: &str) -> Result<Self, RecordError> {
        #[derive(Deserialize)]
        struct Version {
            schema_version: String,
        }
        let found: SchemaVersion = serde_json::from_str::<Version>(text)?.schema_version.parse()?;
        if found.major > SCHEMA_VERSION.major {
            return Err(RecordError::Newer { found });
        }
        Ok(serde_json::from_str(text)?)
    }

    /// Finds a metric by key (`ttft.mean`) and cell.
    #[must_use]
    pub fn metric(&self, key: &str, cell: &Cell) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.cell == *cell && metric.key() == key)
    }

    /// Every metric of a phase.
    pub fn metrics_of(&self, phase: Phase) -> impl Iterator<Item = &Metric> {
        self.metrics.iter().filter(move |metric| metric.cell.get("phase") == Some(phase.name()))
    }

    /// The result of a phase.
    #[must_use]
    pub fn phase(&self, phase: Phase) -> Option<&PhaseResult> {
        self.phases.iter().find(|result| result.phase == phase)
    }
}

/// One scored item of the quality phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ItemRow {
    /// Task, variant and phase.
    pub cell: Cell,
    /// Id of the item.
    pub item: String,
    /// The right label.
    pub expected: String,
    /// The label given; `None` when none was, and then `problem` says why.
    pub given: Option<String>,
    /// Why no label was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// One line of the event log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "line")]
pub enum LogLine {
    /// A phase begins; lines of earlier attempts of the same phase no longer count.
    PhaseStarted {
        /// Which.
        phase: Phase,
        /// Which try.
        attempt: u32,
    },
    /// A request ended.
    Request(Box<RequestRow>),
    /// A sample of process and host.
    Resource {
        /// The phase that it was taken in.
        phase: Phase,
        /// The sample.
        sample: ResourceSample,
    },
    /// An item was scored.
    Item(ItemRow),
    /// A server was started and stopped again.
    Start(StartRow),
    /// The client was not fit to measure for a while. It is known a second or two later, so that it marks requests
    /// of lines before and after it: see [`Marks`](crate::breach::Marks).
    Breach {
        /// The phase whose requests it marks.
        phase: Phase,
        /// What was wrong, and when.
        breach: HealthBreach,
    },
    /// Something was seen of the server that carries a load.
    Telemetry {
        /// The phase that it was seen in.
        phase: Phase,
        /// What was seen.
        seen: Telemetry,
    },
    /// A document of a task was answered. Of several lines with one id the last counts.
    Sample(Box<SampleRow>),
    /// What a report shows of a task beside its figures. Of several of one cell the last counts.
    Exhibit(Box<Exhibit>),
    /// A stretch of a stream was closed.
    Pane(Box<Pane>),
    /// An attack within a stream is over.
    Incident(Incident),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_major_version_is_refused() {
        let error = Record::from_json(r#"{"schema_version":"2.0"}"#).unwrap_err();
        assert!(matches!(error, RecordError::Newer { .. }), "{error}");
        assert!(error.to_string().contains("2.0"));
    }

    #[test]
    fn a_text_without_version_is_no_record() {
        assert!(matches!(Record::from_json("{}"), Err(RecordError::Json { .. })));
        assert!(matches!(Record::from_json(r#"{"schema_version":"x"}"#), Err(RecordError::Version { .. })));
    }
}
