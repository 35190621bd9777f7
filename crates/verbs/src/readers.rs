//! The readers of a run's events: the recorder, and whoever shows them.

use std::io::Write as _;
use std::path::PathBuf;

use weighbridge_eval::runner::Journal as EvalJournal;
use weighbridge_load::Journal;
use weighbridge_store::{Recorder, RunFolder, replay_as_written};
use weighbridge_types::event::{RunEvent, Sink, SinkError};
use weighbridge_types::record::{LogLine, Record};
use weighbridge_types::sample::SampleRow;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// The recorder first, so that nothing is shown that is not kept, then a view.
pub(crate) struct Readers<V> {
    path: PathBuf,
    recorder: Option<Recorder>,
    pub(crate) view: V,
    /// Whether documents are printed as they are answered, a line of JSON for each.
    pub(crate) is_followed: bool,
}

impl<V: Sink> Readers<V> {
    /// Starts to record into a folder, or goes on where its log ends.
    pub(crate) fn start(folder: RunFolder, view: V) -> Result<Self, Failure> {
        let path = folder.path().to_owned();
        output::debug(|| format!("recording into {}", path.display()));
        Ok(Self { path, recorder: Some(Recorder::start(folder)?), view, is_followed: false })
    }

    /// Writes what is waiting; from then on nothing is kept.
    pub(crate) fn close(&mut self) -> Result<(), Failure> {
        let closed = self.recorder.take().map_or(Ok(()), |recorder| recorder.close().map(drop));
        closed.map_err(|error| Failure::new(Exit::Usage, error.problem, error.hint))
    }
}

impl<V: Sink> Sink for Readers<V> {
    fn event(&mut self, event: &RunEvent) -> Result<(), SinkError> {
        if let Some(recorder) = &mut self.recorder {
            recorder.event(event)?;
        }
        self.view.event(event)
    }

    fn checkpoint(&mut self, record: &Record) -> Result<(), SinkError> {
        if let Some(recorder) = &mut self.recorder {
            recorder.checkpoint(record)?;
        }
        self.view.checkpoint(record)
    }
}

impl<V: Sink> EvalJournal for Readers<V> {
    /// There may be tens of thousands of them in a second, and no view shows them.
    fn sample(&mut self, row: Box<SampleRow>) -> Result<(), SinkError> {
        let line = self.is_followed.then(|| serde_json::to_string(&row));
        self.recorder.as_mut().map_or(Ok(()), |recorder| recorder.sample(row))?;
        let Some(line) = line else { return Ok(()) };
        let mut out = std::io::stdout().lock();
        let printed =
            line.map_err(std::io::Error::from).and_then(|line| writeln!(out, "{line}")).and_then(|()| out.flush());
        printed.map_err(|error| SinkError {
            problem: format!("print an answer: {error}"),
            hint: "read standard output to its end, or leave `--follow` out".to_owned(),
        })
    }

    fn rows(&mut self, each: &mut dyn FnMut(SampleRow)) -> Result<(), SinkError> {
        self.replay(0, &mut |line| {
            if let LogLine::Sample(row) = line {
                each(*row);
            }
        })
    }
}

impl<V: Sink> Journal for Readers<V> {
    fn mark(&mut self) -> Result<u64, SinkError> {
        self.recorder.as_mut().map_or(Ok(0), Recorder::mark)
    }

    fn replay(&mut self, from: u64, each: &mut dyn FnMut(LogLine)) -> Result<(), SinkError> {
        self.mark()?;
        replay_as_written(&self.path, from, each).map_err(|error| SinkError::from(&error))
    }
}
