//! An imported record in the making.

use serde_json::{Map, Value, json};
use weighbridge_types::definition::FAILED;
use weighbridge_types::environment::{Build, Environment};
use weighbridge_types::metric::{Metric, Statistic};
use weighbridge_types::record::{
    EngineDescription, MetricPointer, Phase, PhaseResult, Record, SCHEMA_VERSION, Status, Tally,
};
use weighbridge_types::request::RequestRow;

use super::figures::{Sheet, count, text};
use super::{Format, Imported, KIND, Tool};

/// Stands where a name is not known and the record has no null.
const UNKNOWN: &str = "unknown";

/// Settings longer than this are cut: they are labels for a reader.
const LONGEST_SETTING: usize = 500;

/// What importers gather.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) sheet: Sheet,
    pub(super) rows: Vec<RequestRow>,
    /// Name of the model.
    pub(super) model: Option<String>,
    /// The server or program that was weighed, as the tool names it.
    pub(super) engine: Option<String>,
    /// Version of the tool.
    pub(super) tool_version: Option<String>,
    /// When the file says that the run began, RFC 3339.
    pub(super) started_at: Option<String>,
    /// Duration of the run, seconds.
    pub(super) duration_s: Option<f64>,
    /// Where requests ended up.
    pub(super) tally: Tally,
    /// Seed of the tool.
    pub(super) seed: Option<u64>,
    /// Settings worth keeping, by the tool's names. Only listed keys come here: files hold headers and keys.
    pub(super) settings: Map<String, Value>,
    /// Values of repetitions, by cell, where the file holds them and they are no requests.
    pub(super) samples: Map<String, Value>,
    /// What is known of the model and its host.
    pub(super) description: EngineDescription,
    /// What is known of the host.
    pub(super) environment: Environment,
    /// Whether the tool says that the run was stopped.
    pub(super) is_cancelled: bool,
    /// Whether the file is cut off.
    pub(super) is_torn: bool,
    /// Whether nothing succeeded.
    pub(super) is_failed: bool,
}

impl Draft {
    pub(super) fn new(tool: Tool) -> Self {
        Self {
            sheet: Sheet::new(tool),
            rows: Vec::new(),
            model: None,
            engine: None,
            tool_version: None,
            started_at: None,
            duration_s: None,
            tally: Tally::default(),
            seed: None,
            settings: Map::new(),
            samples: Map::new(),
            description: EngineDescription::default(),
            environment: Environment::default(),
            is_cancelled: false,
            is_torn: false,
            is_failed: false,
        }
    }

    /// Keeps the listed settings of an object: numbers, switches and short texts.
    pub(super) fn keep(&mut self, source: &Value, keys: &[&str]) {
        for key in keys {
            match source.get(*key) {
                Some(Value::String(words)) => {
                    let short: String = words.chars().take(LONGEST_SETTING).collect();
                    self.settings.insert((*key).to_owned(), Value::String(short));
                }
                Some(value @ (Value::Number(_) | Value::Bool(_))) => {
                    self.settings.insert((*key).to_owned(), value.clone());
                }
                _ => {}
            }
        }
        self.seed = self.seed.or_else(|| count(source.get("seed")));
        self.model = self.model.take().or_else(|| text(source, "model_id").map(str::to_owned));
    }

    /// The finished import.
    pub(super) fn finish(self, format: Format, digest: &str, bytes: usize) -> Imported {
        let status = self.status();
        let Self { sheet, rows, model, engine, tool_version, mut environment, .. } = self;
        let (metrics, mut notes) = sheet.into_parts();
        if metrics.iter().all(|metric| metric.value.is_none()) {
            notes.push("no figure of the file has a value".to_owned());
        }
        environment.build = Build { version: UNKNOWN.to_owned(), ..Build::default() };
        // Never equal to the digest of a host: figures of an unknown host compare with nothing unasked.
        environment.digest = format!("import:{digest}");
        environment.gpus_reason = environment.gpus.is_empty().then(|| "the file does not name any".to_owned());
        let model = model.unwrap_or_else(|| UNKNOWN.to_owned());
        let settings = json!({
            "import": {
                "tool": format.tool().name(),
                "tool_version": tool_version,
                "format": format.name(),
                "sha256": digest,
                "bytes": bytes,
            },
            "source": self.settings,
            "samples": self.samples,
        });
        let phase = PhaseResult {
            phase: Phase::Load,
            status,
            attempt: 1,
            started_at: self.started_at.clone(),
            duration_s: self.duration_s,
            estimated_s: None,
            key_metric: key_metric(&metrics),
            tally: self.tally,
            checks: Vec::new(),
            notes: notes.clone(),
        };
        let record = Record {
            schema_version: SCHEMA_VERSION.to_string(),
            run_id: String::new(),
            kind: KIND.to_owned(),
            label: String::new(),
            created_at: self.started_at.unwrap_or_default(),
            updated_at: String::new(),
            status,
            settings,
            seed: self.seed.unwrap_or_default(),
            engine: EngineDescription {
                engine: engine.unwrap_or_else(|| UNKNOWN.to_owned()),
                model_ref: model.clone(),
                model,
                device: UNKNOWN.to_owned(),
                ..self.description
            },
            environment,
            calibration: None,
            phases: vec![phase],
            duration_s: self.duration_s.unwrap_or_default(),
            metrics,
            targets: Vec::new(),
            findings: Vec::new(),
        };
        Imported { format, record, rows, notes }
    }

    fn status(&self) -> Status {
        match self {
            Self { is_failed: true, .. } => Status::Failed,
            Self { is_cancelled: true, .. } | Self { is_torn: true, .. } => Status::Interrupted,
            _ => Status::Complete,
        }
    }
}

/// The figure for lists of runs: the first mean, else the first single value, that is no mere count.
fn key_metric(metrics: &[Metric]) -> Option<MetricPointer> {
    let is_telling = |metric: &&Metric| {
        metric.value.is_some()
            && !matches!(metric.unit.as_str(), "requests" | "tokens" | "s")
            && metric.name != FAILED.name
    };
    let telling = || metrics.iter().filter(is_telling);
    let mean = telling().find(|metric| metric.statistic == Statistic::Mean);
    let found = mean.or_else(|| telling().next())?;
    Some(MetricPointer { key: found.key(), cell: found.cell.clone() })
}
