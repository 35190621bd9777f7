//! `report recover`: the figures of a load or a stream that was killed.

use std::io::IsTerminal;
use std::path::Path;

use weighbridge_eval::EvalError;
use weighbridge_eval::stream::{KIND, Recount};
use weighbridge_load::{Journal as _, invalid_reason, recover};
use weighbridge_report::console;
use weighbridge_store::{Index, RunFolder, read_record};
use weighbridge_types::event::Sink as _;
use weighbridge_types::record::{Record, Status};

use super::bench::REPORT_FILE;
use super::runs;
use crate::arguments::OutputFormat;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;
use crate::readers::Readers;

/// Makes the figures of a killed load or stream from what is durable, and prints them.
pub(super) fn run(run: &str, results: &Path, format: OutputFormat, environment: &Environment) -> Result<Exit, Failure> {
    // The lock is taken first: what another process still writes is not recovered.
    let folder = RunFolder::open(&runs::find(run, results)?)?;
    let path = folder.path().to_owned();
    let record = read_record(&path)?;
    let mut readers = Readers::start(folder, Progress::new(std::io::stderr().is_terminal()))?;
    let recovered = if record.kind == KIND { stream(record, &mut readers) } else { Ok(recover(record, &mut readers)?) };
    readers.view.clear();
    let closed = readers.close();
    let record = recovered?;
    closed?;
    keep(&path, &record)?;
    match format {
        OutputFormat::Json => output::json(&record)?,
        OutputFormat::Console => {
            let (width, color) = output::console(environment);
            output::data(&console::render(&record, width, color))?;
        }
    }
    output::talk(&format!("record  {}", path.display()));
    if let Some(why) = invalid_reason(&record) {
        output::fail(&format!("no valid measurement of the target: {why}"));
    }
    Ok(Exit::Pass)
}

/// Makes the figures of a killed stream.
fn stream(record: Record, readers: &mut Readers<Progress>) -> Result<Record, Failure> {
    if record.status != Status::Running {
        let what = format!("recover `{}`: the stream came to its end", record.run_id);
        return Err(Failure::usage(what, "`weighbridge report show` shows it"));
    }
    let mut recount = Recount::of(&record);
    readers.replay(0, &mut |line| recount.line(line)).map_err(EvalError::from)?;
    let record = recount.recovered(record).map_err(EvalError::from)?;
    readers.checkpoint(&record).map_err(EvalError::from)?;
    Ok(record)
}

/// Writes the page, and takes the run into the index of the folder that it lies in.
fn keep(run: &Path, record: &Record) -> Result<(), Failure> {
    let page = run.join(REPORT_FILE);
    output::write(&page, runs::page(run, record)?).map_err(|error| {
        Failure::usage(format!("write `{}`: {error}", page.display()), "free some space, or make the folder writable")
    })?;
    if let Some(results) = run.parent() {
        Index::open(results)?.register(run)?;
    }
    Ok(())
}
