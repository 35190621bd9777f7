//! The figures of a run that was killed, from what its log holds.

use std::collections::BTreeSet;

use weighbridge_summary::{ANSWERS, Basis, LoadFigures, LoadPlan, Reached, figure_cell};
use weighbridge_types::metric::Cell;
use weighbridge_types::record::{LogLine, Phase, Record, Status};
use weighbridge_types::time::{Stamp, WallTime};

use crate::error::LoadError;
use crate::figures;
use crate::journal::Journal;
use crate::run::conclude::key_metric;
use crate::settings::LoadSettings;
use crate::validity;

/// Makes the figures of a load run that came to no end: its client was killed, or could not write any more.
///
/// They are computed as the run itself would have, by the plan in its record and from the rows that were durable. The
/// record says that it was interrupted. What only the run knew is not made up: the capacity that a search was after, and
/// how long the client lived after its last row.
///
/// # Errors
/// When the run came to its end, is no load, or the journal fails.
pub fn recover(mut record: Record, journal: &mut dyn Journal) -> Result<Record, LoadError> {
    let Some((plan, settings)) = of_killed_load(&record)? else {
        let problem = format!("recover `{}`: it is no load of this program", record.run_id);
        let hint = "`weighbridge bench --resume` goes on with a weigh-in that was killed".to_owned();
        return Err(LoadError::Recover { problem, hint });
    };
    let (figures, watched) = figures::read(journal, 0, &plan, &Basis::new(record.seed, &record.engine))?;
    let seconds = seconds_covered(journal)?;
    record.targets = judged(&figures, &plan);
    let Some(load) = record.phases.iter_mut().find(|result| result.phase == Phase::Load) else { return Ok(record) };
    load.status = Status::Interrupted;
    load.tally = figures.tally;
    load.duration_s = Some(seconds);
    load.key_metric = key_metric(&figures.metrics);
    load.checks = vec![validity::check_of_log(&figures.tally, figures.disturbed, &settings)];
    let rows = figures.tally.scheduled;
    load.notes = vec![format!("the run was killed: these are the figures of the {rows} requests that were durable")];
    load.notes.extend(figures.notes);
    record.metrics = figures.metrics;
    record.metrics.extend(watched.metrics(&figures.windows, &settings.watch));
    record.status = Status::Interrupted;
    record.duration_s = seconds;
    record.updated_at = WallTime::now().to_string();
    journal.checkpoint(&record)?;
    Ok(record)
}

/// What the figures of a killed load depend on; `None` for a run that is no load of this program.
fn of_killed_load(record: &Record) -> Result<Option<(LoadPlan, LoadSettings)>, LoadError> {
    let plan = record.settings.get("plan").cloned().filter(|_| record.phase(Phase::Load).is_some());
    let Some(plan) = plan else { return Ok(None) };
    if record.status != Status::Running {
        let problem = format!("recover `{}`: it came to its end, and its figures are made", record.run_id);
        let hint = "`weighbridge report show` prints them".to_owned();
        return Err(LoadError::Recover { problem, hint });
    }
    Ok(Some((serde_json::from_value(plan)?, serde_json::from_value(record.settings.clone())?)))
}

/// From the first planned start to the last end in the log; 0 without a row.
fn seconds_covered(journal: &mut dyn Journal) -> Result<f64, LoadError> {
    let mut covered: Option<(Stamp, Stamp)> = None;
    journal.replay(0, &mut |line| {
        if let LogLine::Request(row) = line {
            let (from, to) = row.life();
            covered = Some(covered.map_or((from, to), |(first, last)| (first.min(from), last.max(to))));
        }
    })?;
    Ok(covered.map_or(0.0, |(first, last)| (last - first).as_secs_f64()))
}

/// Verdicts load by load, as the run gives them.
fn judged(figures: &LoadFigures, plan: &LoadPlan) -> Vec<weighbridge_types::record::TargetResult> {
    let cells: BTreeSet<_> = figures.series.iter().map(|(cell, _)| figure_cell(cell)).collect();
    let is_load = |cell: &&Cell| cell.get(ANSWERS).is_none();
    let judged = |cell: &Cell| {
        let mut judged = plan.slo.judge(&figures.metrics, cell, plan.good_share);
        judged.extend(plan.answers.iter().flat_map(|answers| answers.judge(&figures.metrics, cell)));
        judged
    };
    let of_precision = figures.reached.iter().map(Reached::target);
    cells.iter().filter(is_load).flat_map(judged).chain(of_precision).collect()
}
