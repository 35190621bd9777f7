//! The record of a run that begins.

use weighbridge_types::calibration::CalibrationNote;
use weighbridge_types::fresh::Fresh;
use weighbridge_types::record::{EngineDescription, Phase, Record};

use crate::run::Identity;

/// A record under way, without a figure yet.
pub(crate) fn record(
    identity: &Identity,
    settings: serde_json::Value,
    seed: u64,
    engine: EngineDescription,
    calibration: Option<CalibrationNote>,
) -> Record {
    let fresh = Fresh {
        run_id: identity.run_id.clone(),
        kind: identity.kind.clone(),
        label: identity.label.clone(),
        settings,
        seed,
        engine,
        environment: identity.environment.clone(),
    };
    Record { calibration, ..fresh.record(Phase::Load) }
}
