//! Finding a run by what a user calls it.

use std::path::{Path, PathBuf};

use weighbridge_store::{Filter, Index, RunLog, StoreError, read_log};
use weighbridge_summary::Rows;

use crate::failure::Failure;

/// The folder of a run: a path, the name of a run in the results folder, or `latest`.
pub(super) fn find(run: &str, results: &Path) -> Result<PathBuf, Failure> {
    if run == "latest" {
        return latest(results);
    }
    let named = results.join(run);
    let path = if Path::new(run).exists() { PathBuf::from(run) } else { named };
    if path.exists() { Ok(path) } else { Err(StoreError::NoRun { path: run.into() }.into()) }
}

fn latest(results: &Path) -> Result<PathBuf, Failure> {
    let none = || StoreError::NoRun { path: results.to_owned() };
    if !results.is_dir() {
        return Err(none().into());
    }
    let mut index = Index::open(results)?;
    index.refresh()?;
    let newest = index.list(&Filter { limit: Some(1), ..Filter::default() })?;
    let run = newest.first().ok_or_else(none)?;
    Ok(results.join(&run.run_id))
}

/// The rows of a run's event log, for whoever recomputes or draws them.
pub(super) fn rows(run: &Path) -> Result<Rows, Failure> {
    let RunLog { phases, .. } = read_log(run)?;
    let mut rows = Rows::default();
    for (phase, log) in phases {
        rows.requests.extend(log.requests);
        rows.items.extend(log.items);
        rows.samples.extend(log.samples.into_iter().map(|sample| (phase, sample)));
    }
    Ok(rows)
}
