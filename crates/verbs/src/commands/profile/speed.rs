//! `profile diff --slow-against-fast`: what a load computed while its requests were slow, and while they were fast.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use weighbridge_store::{read_record, replay_as_written};
use weighbridge_telemetry::profile::{BySpeed, Span, by_speed};
use weighbridge_types::metric::Cell;
use weighbridge_types::record::LogLine;

use super::super::runs;
use super::profile_of;
use crate::arguments::ProfileFlag;
use crate::failure::Failure;

/// The name of the run, and its profile in two parts. Without a file that is the one that the run left in the usual folder.
pub(super) fn parts(run: &str, file: Option<&Path>, results: &Path) -> Result<(String, BySpeed), Failure> {
    let folder = runs::find(run, results)?;
    let record = read_record(&folder)?;
    let usual = || PathBuf::from(ProfileFlag::FOLDER).join(format!("{}_profile.pb", record.kind));
    let file = file.map_or_else(usual, Path::to_owned);
    let profile = profile_of(&file)?;
    let wrong = |why: &str| {
        let what = format!("part `{}` by the requests of `{}`: {why}", file.display(), record.run_id);
        Failure::usage(what, "load again with `--profile`, and name the `.pb` file that it leaves")
    };
    if !profile.has_times() {
        return Err(wrong("its samples do not say when they were taken"));
    }
    let noted = profile.runs().iter().find(|noted| noted.run_id == record.run_id);
    let origin = noted.ok_or_else(|| wrong("it was not taken during that run"))?.origin;
    let mut loads: BTreeMap<Cell, Vec<Span>> = BTreeMap::new();
    replay_as_written(&folder, 0, |line| {
        let LogLine::Request(row) = line else { return };
        let counts = row.outcome.is_success() && !row.warmup;
        if let Some(ended) = row.timeline.ended.filter(|_| counts) {
            let at = |stamp: weighbridge_types::time::Stamp| origin + Duration::from_nanos(stamp.as_nanos());
            let span = Span { from: at(row.timeline.released), to: at(ended) };
            loads.entry(row.cell).or_default().push(span);
        }
    })?;
    let parts = by_speed(&profile, &loads.into_values().collect::<Vec<_>>());
    if parts.slow.total() == 0 || parts.fast.total() == 0 {
        return Err(wrong("it has no sample of slow requests, or none of fast ones"));
    }
    Ok((record.run_id, parts))
}
