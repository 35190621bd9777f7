//! `load`: the load laboratory.

mod settings;
mod traffic;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;
use weighbridge_load::{Identity, Journal, LoadRun, LoadSettings, Target, TrafficFactory, invalid_reason};
use weighbridge_report::{console, html};
use weighbridge_store::{Index, Recorder, RunFolder, replay};
use weighbridge_telemetry::{SystemRoot, fingerprint};
use weighbridge_types::event::{RunEvent, Sink, SinkError};
use weighbridge_types::record::{LogLine, Record, Status};
use weighbridge_types::time::{Clock, WallTime};

use super::bench::{REPORT_FILE, cancel_on_interrupt};
use super::runtime;
use crate::arguments::{LoadArguments, OutputFormat};
use crate::build::build;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;
use crate::registry::Registry;

pub(super) fn run(arguments: &LoadArguments, environment: &Environment) -> Result<Exit, Failure> {
    let target = settings::target(&arguments.target)?;
    let registry = Registry::new(environment, arguments.target.threads, arguments.target.device)?;
    let settings = settings::settings(arguments)?.checked()?;
    let traffic = traffic::factory(&settings)?;
    let runtime = runtime()?;
    let cancel = CancellationToken::new();
    runtime.spawn(cancel_on_interrupt(cancel.clone()));
    let model: weighbridge_types::model_ref::ModelRef = target.parse()?;
    let target = Target { model_ref: model.to_string(), load: registry.factory(model) };
    let ended = runtime.block_on(drive(target, settings, traffic, arguments, cancel));
    runtime.shutdown_background();
    let (record, folder) = ended?;
    conclude(&record, &folder, arguments, environment)
}

async fn drive(
    target: Target,
    settings: LoadSettings,
    traffic: TrafficFactory,
    arguments: &LoadArguments,
    cancel: CancellationToken,
) -> Result<(Record, PathBuf), Failure> {
    let results = &arguments.results.output_dir;
    let label = arguments.label.clone().unwrap_or_else(|| "load".to_owned());
    let folder = RunFolder::create(results, "load", &label, WallTime::now())?;
    let path = folder.path().to_owned();
    let root = SystemRoot::host();
    let identity = Identity {
        run_id: folder.run_id().to_owned(),
        kind: "load".to_owned(),
        label,
        environment: fingerprint(&root, build(), results),
    };
    let mut journal = Readers {
        path: path.clone(),
        recorder: Some(Recorder::start(folder)?),
        progress: Progress::new(std::io::stderr().is_terminal()),
    };
    let run = LoadRun { settings, target, traffic, identity, root, clock: Clock::start(), cancel };
    let ended = run.run(&mut journal).await;
    journal.progress.clear();
    let closed = journal.recorder.take().map_or(Ok(()), |recorder| recorder.close().map(drop));
    let record = ended?;
    closed.map_err(|error| Failure::new(Exit::Usage, error.problem, error.hint))?;
    std::fs::write(path.join(REPORT_FILE), html::render(&record, None))?;
    Index::open(results)?.register(&path)?;
    Ok((record, path))
}

fn conclude(
    record: &Record,
    folder: &Path,
    arguments: &LoadArguments,
    environment: &Environment,
) -> Result<Exit, Failure> {
    match arguments.output.output_format {
        OutputFormat::Json => output::json(record)?,
        OutputFormat::Console => {
            let (width, color) = output::console(environment);
            output::data(&console::render(record, width, color))?;
        }
    }
    output::talk(&format!("record  {}", folder.display()));
    Ok(match record.status {
        Status::Interrupted => Exit::Interrupted,
        Status::Failed => Exit::Invalid,
        _ if invalid_reason(record).is_some() => {
            output::talk(&format!("no valid measurement: {}", invalid_reason(record).unwrap_or_default()));
            Exit::Invalid
        }
        Status::Pending | Status::Running | Status::Complete | Status::Skipped => Exit::Pass,
    })
}

/// The readers of a run's events: the recorder first, so that nothing is shown that is not kept.
struct Readers {
    path: PathBuf,
    recorder: Option<Recorder>,
    progress: Progress,
}

impl Sink for Readers {
    fn event(&mut self, event: &RunEvent) -> Result<(), SinkError> {
        if let Some(recorder) = &mut self.recorder {
            recorder.event(event)?;
        }
        self.progress.event(event)
    }

    fn checkpoint(&mut self, record: &Record) -> Result<(), SinkError> {
        if let Some(recorder) = &mut self.recorder {
            recorder.checkpoint(record)?;
        }
        self.progress.checkpoint(record)
    }
}

impl Journal for Readers {
    fn mark(&mut self) -> Result<u64, SinkError> {
        self.recorder.as_mut().map_or(Ok(0), Recorder::mark)
    }

    fn replay(&mut self, from: u64, each: &mut dyn FnMut(LogLine)) -> Result<(), SinkError> {
        self.mark()?;
        replay(&self.path, from, each).map_err(|error| SinkError::from(&error))
    }
}
