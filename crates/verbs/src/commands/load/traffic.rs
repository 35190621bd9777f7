//! From the data that a load names to its traffic.

use std::path::Path;
use std::sync::Arc;

use weighbridge_engine::Engine;
use weighbridge_load::{LoadError, LoadSettings, Shape, TrafficFactory};
use weighbridge_store::replay_as_written;
use weighbridge_types::record::LogLine;
use weighbridge_types::request::RequestRow;
use weighbridge_workload::{
    CacheTraffic, DataSpec, LengthDistribution, OpenedTrace, Replay, Synthetic, SyntheticSettings, TextPool, Timing,
    TraceError, TraceOptions, TraceSettings, Traffic,
};

use super::super::runs;
use crate::failure::Failure;

/// Output tokens of a file's prompts that say nothing of them.
const USUAL_OUTPUT: u32 = 128;

/// What a load asks, ready to be made.
pub(super) struct Prepared {
    pub(super) factory: TrafficFactory,
    /// Whether its sessions bring their own times along.
    pub(super) is_timed: bool,
    /// What was done to the data.
    pub(super) notes: Vec<String>,
}

/// Prepares the traffic; what is wrong with the data is found before anything is contacted.
pub(super) fn prepare(settings: &LoadSettings, results: &Path) -> Result<Prepared, Failure> {
    if let Some(cache) = settings.cache {
        let sent = cache.traffic(settings.seed, settings.salt.unwrap_or_default());
        let factory = Arc::new(move |engine: &Arc<dyn Engine>| {
            let pool = engine.tokenizer().map_or_else(TextPool::without_tokenizer, TextPool::new);
            let traffic: Arc<dyn Traffic> = Arc::new(CacheTraffic::new(sent, &Arc::new(pool))?);
            Ok(traffic)
        });
        return Ok(Prepared { factory, is_timed: false, notes: Vec::new() });
    }
    let source = Source {
        data: settings.data.parse().map_err(LoadError::Spec)?,
        seed: settings.seed,
        salt: settings.salt,
        speed: settings.speed,
        follows_trace: settings.shapes.iter().all(|shape| *shape == Shape::Trace),
    };
    let rows = match &source.data {
        DataSpec::Events(run) => Some(Arc::new(recorded(run, results)?)),
        DataSpec::Synthetic { .. } | DataSpec::Trace(_) => None,
    };
    let opened = source.open(Arc::new(TextPool::without_tokenizer()), rows.as_deref())?;
    let factory = Arc::new(move |engine: &Arc<dyn Engine>| {
        let pool = engine.tokenizer().map_or_else(TextPool::without_tokenizer, TextPool::new);
        Ok(source.open(Arc::new(pool), rows.as_deref())?.traffic)
    });
    let notes = opened.notes.iter().map(ToString::to_string).collect();
    Ok(Prepared { factory, is_timed: opened.is_timed, notes })
}

struct Source {
    data: DataSpec,
    seed: u64,
    salt: Option<u64>,
    speed: f64,
    follows_trace: bool,
}

impl Source {
    fn open(&self, pool: Arc<TextPool>, rows: Option<&Vec<RequestRow>>) -> Result<OpenedTrace, LoadError> {
        let timing = if self.follows_trace { Timing::Trace } else { Timing::Ignore };
        let trace = |pool| TraceSettings {
            options: TraceOptions { speed: self.speed, timing, ..TraceOptions::default() },
            seed: self.seed,
            salt: self.salt,
            output_default: Some(LengthDistribution::Fixed(USUAL_OUTPUT)),
            ..TraceSettings::new(pool)
        };
        match &self.data {
            DataSpec::Synthetic { parts, samples } => {
                let settings = SyntheticSettings {
                    parts: parts.clone(),
                    seed: self.seed,
                    salt: self.salt,
                    sessions: None,
                    distinct: *samples,
                };
                let traffic: Arc<dyn Traffic> = Arc::new(Synthetic::new(settings, pool)?);
                Ok(OpenedTrace { traffic, is_timed: false, notes: Vec::new() })
            }
            DataSpec::Trace(spec) => spec.open(&trace(pool)).map_err(unreadable),
            DataSpec::Events(run) => {
                let rows = rows.cloned().unwrap_or_default();
                Replay::from_rows(rows, run, &trace(pool)).map_err(unreadable)
            }
        }
    }
}

fn unreadable(error: TraceError) -> LoadError {
    let mut problem = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        let text = cause.to_string();
        if !problem.contains(&text) {
            problem = format!("{problem}: {text}");
        }
        source = cause.source();
    }
    LoadError::Traffic { problem, hint: error.hint().to_string() }
}

/// The requests of an earlier run.
fn recorded(run: &str, results: &Path) -> Result<Vec<RequestRow>, Failure> {
    let folder = runs::find(run, results)?;
    let mut rows = Vec::new();
    replay_as_written(&folder, 0, |line| {
        if let LogLine::Request(row) = line {
            rows.push(*row);
        }
    })?;
    Ok(rows)
}
