//! The record of a run that begins.

use weighbridge_types::calibration::CalibrationNote;
use weighbridge_types::record::{EngineDescription, Phase, PhaseResult, Record, SCHEMA_VERSION, Status, Tally};
use weighbridge_types::time::WallTime;

use crate::run::Identity;

/// A record under way, without a figure yet.
pub(crate) fn record(
    identity: &Identity,
    settings: serde_json::Value,
    seed: u64,
    engine: EngineDescription,
    calibration: Option<CalibrationNote>,
) -> Record {
    let now = WallTime::now().to_string();
    let load = PhaseResult {
        phase: Phase::Load,
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
        run_id: identity.run_id.clone(),
        kind: identity.kind.clone(),
        label: identity.label.clone(),
        created_at: now.clone(),
        updated_at: now,
        status: Status::Running,
        settings,
        seed,
        engine,
        environment: identity.environment.clone(),
        calibration,
        phases: vec![load],
        duration_s: 0.0,
        metrics: Vec::new(),
        targets: Vec::new(),
        findings: Vec::new(),
    }
}
