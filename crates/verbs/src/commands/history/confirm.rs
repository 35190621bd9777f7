//! `history --changes --confirm`: the loads that look worse, made again.

use std::ffi::OsString;

use weighbridge_load::LoadSettings;
use weighbridge_store::read_record;
use weighbridge_types::history::Course;
use weighbridge_types::metric::Cell;
use weighbridge_types::record::Record;
use weighbridge_types::time::WallTime;
use weighbridge_verdict::{Again, Confirmation, confirm as judge};

use super::super::{load, runs};
use crate::arguments::{Arguments, HistoryArguments, LoadArguments, Verb};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// An interval between runs needs two; more than these nobody waits for.
const RUNS: std::ops::RangeInclusive<u32> = 2..=100;

/// What was found out.
pub(super) struct Confirmed {
    /// Of each course, in their order; without the figures where there are none.
    pub(super) courses: Vec<(Confirmation, Option<Again>)>,
    /// The runs that were made.
    pub(super) runs: Vec<String>,
}

/// Makes the loads of these courses again, with the settings of the run `like`, and says of each what that tells.
pub(super) fn confirm(
    like: &str,
    courses: &[&Course],
    count: u32,
    arguments: &HistoryArguments,
    environment: &Environment,
) -> Result<Confirmed, Failure> {
    if !RUNS.contains(&count) {
        let what = format!("confirm with `{count}` runs: it must be {} to {}", RUNS.start(), RUNS.end());
        return Err(Failure::usage(what, "three runs are usual: `--confirm 3`"));
    }
    if courses.is_empty() {
        output::talk("no level moved for the worse: there is nothing to confirm");
        return Ok(Confirmed { courses: Vec::new(), runs: Vec::new() });
    }
    let record = read_record(&runs::find(like, &arguments.results.output_dir)?)?;
    let settings = suspicious(&record, courses)?;
    let line = load_of(&record, arguments)?;
    let mut records = Vec::new();
    for number in 1..=count {
        output::talk(&format!("making `{like}` again, {number} of {count}"));
        let seed = settings.seed.wrapping_add(u64::from(number));
        let salt = settings.salt.map(|_| WallTime::now().unix_millis());
        match load::again(&line, LoadSettings { seed, salt, ..settings.clone() }, environment)? {
            Some(record) => records.push(record),
            None => return Err(Failure::new(Exit::Interrupted, "confirm: it was interrupted", "start it again")),
        }
    }
    Ok(Confirmed {
        courses: courses.iter().map(|course| told(course, &records, courses.len())).collect(),
        runs: records.into_iter().map(|record| record.run_id).collect(),
    })
}

/// The settings of the run, of its loads only those that a course is about.
fn suspicious(record: &Record, courses: &[&Course]) -> Result<LoadSettings, Failure> {
    let settings = record.settings.get("plan").filter(|_| record.kind == "load");
    let settings = settings.and_then(|_| serde_json::from_value::<LoadSettings>(record.settings.clone()).ok());
    let mut settings = settings.ok_or_else(|| {
        let what =
            format!("make `{}` again: it is a {} that cannot be repeated from its record", record.run_id, record.kind);
        Failure::usage(what, "loads can be made again; leave `--confirm` out for other runs")
    })?;
    let is_within = |load: &Cell, cell: &Cell| load.iter().all(|(key, value)| cell.get(key) == Some(value));
    settings.shapes.retain(|shape| courses.iter().any(|course| is_within(&shape.cell(), &course.cell)));
    if settings.shapes.is_empty() {
        let what = format!("find the loads of `{}` whose level moved", record.run_id);
        return Err(Failure::usage(what, "name metrics of single loads with `--metric`"));
    }
    Ok(settings)
}

/// The flags of a load of the same target, as if they had been typed.
fn load_of(record: &Record, arguments: &HistoryArguments) -> Result<LoadArguments, Failure> {
    let mut line: Vec<OsString> =
        ["weighbridge", "load", &record.engine.model_ref, "--no-live"].map(Into::into).to_vec();
    line.extend(["--label".into(), format!("{}-confirm", record.label).into()]);
    line.extend(["--output-dir".into(), arguments.results.output_dir.clone().into_os_string()]);
    match Arguments::of(line) {
        Ok(Arguments { verb: Verb::Load(load) }) => Ok(*load),
        _ => {
            let what = format!("load `{}` again: its record does not say how", record.engine.model_ref);
            Err(Failure::usage(what, "make the load by hand"))
        }
    }
}

/// Says what the new runs tell of one course.
fn told(course: &Course, records: &[Record], courses: usize) -> (Confirmation, Option<Again>) {
    let name = format!("{} [{}]", course.key, course.cell);
    let again: Vec<f64> = records.iter().filter_map(|record| record.metric(&course.key, &course.cell)?.value).collect();
    let Some(change) = course.changes.last() else { return (Confirmation::Unclear, None) };
    let from = course.changes.iter().rev().nth(1).map_or(0, |earlier| earlier.run);
    let before = course.points.iter().filter(|(run, _)| (from..change.run).contains(run));
    let before: Vec<f64> = before.map(|(_, value)| *value).collect();
    let unit = &course.unit;
    match judge(&before, change.after, &again, courses) {
        Ok(found) => {
            let (low, high) = (found.difference.low, found.difference.high);
            output::talk(&format!(
                "{}: {name}: {:.4} {unit} before, {:.4} since; {:.4} in {} new runs, {low:+.4} to {high:+.4} against before",
                found.confirmation.words(),
                change.before,
                change.after,
                found.mean,
                again.len()
            ));
            (found.confirmation, Some(found))
        }
        Err(error) => {
            output::talk(&format!("unclear: {name}: {error}"));
            (Confirmation::Unclear, None)
        }
    }
}
