//! The record of a run that begins.

use crate::environment::Environment;
use crate::record::{EngineDescription, Phase, PhaseResult, Record, SCHEMA_VERSION, Status, Tally};
use crate::time::WallTime;

/// What is known of a run when it begins.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// Name of the run: the folder's name.
    pub run_id: String,
    /// What kind of run.
    pub kind: String,
    /// The user's label.
    pub label: String,
    /// All that is needed to repeat it.
    pub settings: serde_json::Value,
    /// Seed of everything random.
    pub seed: u64,
    /// Who is measured.
    pub engine: EngineDescription,
    /// What it is measured on.
    pub environment: Environment,
}

impl Fresh {
    /// A record under way, with one phase that begins now and no figure yet.
    #[must_use]
    pub fn record(self, phase: Phase) -> Record {
        let now = WallTime::now().to_string();
        let begun = PhaseResult {
            phase,
            status: Status::Running,
            attempt: 1,
            started_at: Some(now.clone()),
            duration_s: None,
            estimated_s: None,
            key_metric: None,
            tally: Tally::default(),
            checks: Vec::new(),
            notes: Vec::new(),
        };
        Record {
            schema_version: SCHEMA_VERSION.to_string(),
            run_id: self.run_id,
            kind: self.kind,
            label: self.label,
            created_at: now.clone(),
            updated_at: now,
            status: Status::Running,
            settings: self.settings,
            seed: self.seed,
            engine: self.engine,
            environment: self.environment,
            calibration: None,
            phases: vec![begun],
            duration_s: 0.0,
            metrics: Vec::new(),
            targets: Vec::new(),
            findings: Vec::new(),
        }
    }
}
