//! Reading an event log back.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use weighbridge_types::breach::Marks;
use weighbridge_types::exhibit::Exhibit;
use weighbridge_types::metric::Cell;
use weighbridge_types::record::{ItemRow, LogLine, Phase};
use weighbridge_types::request::RequestRow;
use weighbridge_types::resource::ResourceSample;
use weighbridge_types::start::StartRow;
use weighbridge_types::stream::{Incident, Pane};
use weighbridge_types::telemetry::Telemetry;

use crate::StoreError;
use crate::folder::{LOG_FILE, folder_of};
use crate::frames::{Frame, FrameReader};
use crate::replay::SAMPLE_HEAD;

/// What an event log tells, by phase.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunLog {
    /// The last attempt of each phase that was begun. Lines of earlier attempts are left out.
    pub phases: BTreeMap<Phase, PhaseLog>,
    /// Whether the file ended within a frame, as it does after a kill. What is here is whole nonetheless.
    pub truncated: bool,
}

/// The lines of one attempt of a phase, each kind in the order of writing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PhaseLog {
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Requests that ended, marked with what the log says of the client.
    pub requests: Vec<RequestRow>,
    /// Items that were scored.
    pub items: Vec<ItemRow>,
    /// Samples of process and host.
    pub samples: Vec<ResourceSample>,
    /// Starts of a server.
    pub starts: Vec<StartRow>,
    /// What was seen of the server.
    pub telemetry: Vec<Telemetry>,
    /// What a report shows of an evaluation, one for each task.
    pub exhibits: Vec<Exhibit>,
    /// Stretches of a stream, in the order of their closing.
    pub panes: Vec<Pane>,
    /// Attacks within a stream, in the order of their ends.
    pub incidents: Vec<Incident>,
}

impl PhaseLog {
    /// Takes what is shown of a task, in place of what was shown of it before.
    fn show(&mut self, exhibit: Exhibit) {
        match self.exhibits.iter_mut().find(|known| known.cell == exhibit.cell) {
            Some(known) => *known = exhibit,
            None => self.exhibits.push(exhibit),
        }
    }
}

impl RunLog {
    /// Requests of all phases, in order of phase.
    pub fn requests(&self) -> impl Iterator<Item = &RequestRow> {
        self.phases.values().flat_map(|phase| &phase.requests)
    }

    /// Items of all phases, in order of phase.
    pub fn items(&self) -> impl Iterator<Item = &ItemRow> {
        self.phases.values().flat_map(|phase| &phase.items)
    }

    /// Samples of all phases, in order of phase.
    pub fn samples(&self) -> impl Iterator<Item = &ResourceSample> {
        self.phases.values().flat_map(|phase| &phase.samples)
    }

    /// Takes one line. It must follow the start of its phase; what it says otherwise is returned as the problem.
    fn take(&mut self, line: LogLine) -> Result<(), String> {
        match line {
            LogLine::PhaseStarted { phase, attempt } => {
                self.phases.insert(phase, PhaseLog { attempt, ..PhaseLog::default() });
            }
            LogLine::Request(row) => self.phase_of(&row.cell)?.requests.push(*row),
            LogLine::Start(row) => self.started(Phase::Load)?.starts.push(row),
            LogLine::Item(row) => self.phase_of(&row.cell)?.items.push(row),
            // They are read by `replay`, one frame at a time.
            LogLine::Sample(row) => drop(self.phase_of(&row.cell)?),
            LogLine::Exhibit(exhibit) => self.phase_of(&exhibit.cell)?.show(*exhibit),
            LogLine::Pane(pane) => self.started(Phase::Stream)?.panes.push(*pane),
            LogLine::Incident(incident) => self.started(Phase::Stream)?.incidents.push(incident),
            LogLine::Resource { phase, sample } => self.started(phase)?.samples.push(sample),
            LogLine::Breach { phase, .. } => self.started(phase).map(drop)?,
            LogLine::Telemetry { phase, seen } => self.started(phase)?.telemetry.push(seen),
        }
        Ok(())
    }

    fn phase_of(&mut self, cell: &Cell) -> Result<&mut PhaseLog, String> {
        let name = cell.get("phase").unwrap_or_default();
        let phase = Phase::ALL.into_iter().find(|phase| phase.name() == name);
        self.started(phase.ok_or_else(|| format!("a line of no known phase: `{cell}`"))?)
    }

    fn started(&mut self, phase: Phase) -> Result<&mut PhaseLog, String> {
        self.phases.get_mut(&phase).ok_or_else(|| format!("a line of the phase `{phase}` before its start"))
    }
}

/// Reads the event log of a run. The path is the folder's, or the log's. A torn tail is left out and told.
///
/// # Errors
/// When there is no log, it cannot be read, or it is damaged before its end.
pub fn read_log(path: &Path) -> Result<RunLog, StoreError> {
    let path = folder_of(path).join(LOG_FILE);
    let file = File::open(&path).map_err(StoreError::io("open the event log", &path))?;
    read_log_from(file, &path)
}

/// Reads an event log from any source; `path` is for messages.
///
/// # Errors
/// As [`read_log`].
pub fn read_log_from(source: impl Read, path: &Path) -> Result<RunLog, StoreError> {
    let mut reader = FrameReader::new(source, path);
    let (mut log, mut marks) = (RunLog::default(), Marks::default());
    while let Some(frame) = reader.next_frame()? {
        take_frame(&mut log, &mut marks, &frame, path)?;
    }
    // A breach is known after the rows that it touches.
    let rows = log.phases.values_mut().flat_map(|phase| &mut phase.requests);
    rows.for_each(|row| marks.mark(row));
    log.truncated = reader.is_truncated();
    Ok(log)
}

fn take_frame(log: &mut RunLog, marks: &mut Marks, frame: &Frame, path: &Path) -> Result<(), StoreError> {
    let corrupt = |number: usize, problem: String| StoreError::Corrupt {
        path: path.to_owned(),
        offset: frame.offset,
        problem: format!("line {number} of the frame: {problem}"),
    };
    for (index, text) in frame.content.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let number = index + 1;
        let text = text.strip_suffix(b"\n").ok_or_else(|| corrupt(number, "it does not end".to_owned()))?;
        // Nothing of a sample is kept here; an evaluation has millions of them.
        if text.starts_with(SAMPLE_HEAD) {
            continue;
        }
        let line = serde_json::from_slice(text).map_err(|error| corrupt(number, error.to_string()))?;
        marks.take(&line);
        log.take(line).map_err(|problem| corrupt(number, problem))?;
    }
    Ok(())
}
