//! From the lines of a load to its figures.

use weighbridge_summary::{Basis, Rows, summarize};
use weighbridge_types::metric::Metric;
use weighbridge_types::record::{EngineDescription, LogLine};

use crate::error::LoadError;
use crate::journal::Journal;
use crate::run::Loaded;
use crate::settings::LoadSettings;

/// The figures of one load.
pub(crate) fn of_load(
    journal: &mut dyn Journal,
    loaded: &Loaded,
    settings: &LoadSettings,
    engine: &EngineDescription,
) -> Result<Vec<Metric>, LoadError> {
    let mut rows = Rows::default();
    journal.replay(loaded.from, &mut |line| {
        if let LogLine::Request(row) = line {
            rows.requests.push(*row);
        }
    })?;
    Ok(summarize(&rows, &Basis::new(settings.seed, engine)))
}
