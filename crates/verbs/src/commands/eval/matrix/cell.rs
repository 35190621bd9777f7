//! The process of one cell: `eval run` within its memory, its rows and times in a folder of its own.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use weighbridge_eval::matrix::{Attempt, Cell, CellEnd, CellRunner, Study};
use weighbridge_store::{RunFolder, StoreError, read_record};
use weighbridge_types::record::Status;

use crate::failure::Failure;
use crate::output;

/// File of a cell that holds what came from the clock.
pub(crate) const TIMING_FILE: &str = "cell.json";
/// What a process says when it cannot get memory.
const OUT_OF_MEMORY: [&str; 3] = ["memory allocation of", "Cannot allocate memory", "out of memory"];
/// Signals of a process that died of its memory: aborted by the allocator, or killed by the system.
const ABORTED: i32 = 6;
const KILLED: i32 = 9;
/// How often, and with which pause, a cell is looked at whose process of an earlier part has not ended yet.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// What the process of a cell took.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Timing {
    pub(crate) load_s: f64,
    pub(crate) prepare_s: f64,
    pub(crate) execute_s: f64,
    pub(crate) peak_rss_bytes: u64,
}

impl Timing {
    /// Adds what an earlier part of the cell took.
    pub(crate) fn after(self, earlier: Option<Self>) -> Self {
        let earlier = earlier.unwrap_or_default();
        Self {
            load_s: self.load_s + earlier.load_s,
            prepare_s: self.prepare_s + earlier.prepare_s,
            execute_s: self.execute_s + earlier.execute_s,
            peak_rss_bytes: self.peak_rss_bytes.max(earlier.peak_rss_bytes),
        }
    }

    pub(crate) fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.join(TIMING_FILE)).ok()?).ok()
    }
}

/// The cells of a study.
pub(super) struct Cells<'a> {
    study: &'a Study,
    folder: PathBuf,
    program: PathBuf,
    cancel: CancellationToken,
    done: Mutex<usize>,
    /// The run of each cell, by its label.
    known: Mutex<BTreeMap<String, PathBuf>>,
}

impl<'a> Cells<'a> {
    pub(super) fn new(study: &'a Study, folder: PathBuf, cancel: CancellationToken) -> Result<Self, Failure> {
        std::fs::create_dir_all(&folder)?;
        let program = std::env::current_exe()?;
        let cells = Self { study, folder, program, cancel, done: Mutex::new(0), known: Mutex::default() };
        cells.look()?;
        Ok(cells)
    }

    /// What a cell is called on the console.
    fn name(&self, cell: Cell) -> String {
        format!("{} × {}", self.study.models[cell.model].name(), self.study.tasks[cell.task])
    }

    /// Finds the runs that are there.
    fn look(&self) -> Result<(), Failure> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Some((_, label)) = name.split_once("-eval-") {
                known.insert(label.to_owned(), path);
            }
        }
        Ok(())
    }

    /// The run of a cell, if it was begun.
    pub(super) fn folder(&self, cell: Cell) -> Option<PathBuf> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&cell.label()).cloned();
        known().or_else(|| {
            self.look().ok()?;
            known()
        })
    }

    /// What every cell took.
    pub(super) fn timing(&self) -> Vec<Timing> {
        self.study.cells().iter().filter_map(|cell| Timing::read(&self.folder(*cell)?)).collect()
    }

    /// Whether the run of a cell is complete; else waits until no process of an earlier part writes it.
    fn is_complete(&self, folder: &Path) -> bool {
        for _ in 0..LOCK_TRIES {
            match RunFolder::open(folder) {
                Err(StoreError::Locked { .. }) if !self.cancel.is_cancelled() => std::thread::sleep(LOCK_PAUSE),
                _ => break,
            }
        }
        read_record(folder).is_ok_and(|record| record.status == Status::Complete)
    }

    fn command(&self, cell: Cell, concurrency: usize, resumed: Option<&Path>) -> Command {
        let study = self.study;
        let mut command = Command::new(&self.program);
        command.args(["eval", "run", "--as-cell", "--no-export"]).args(["--concurrency", &concurrency.to_string()]);
        if let Ok(Some(bytes)) = study.memory() {
            command.args(["--memory", &format!("{bytes}B")]);
        }
        if let Some(cache) = &study.cache {
            command.args(["--cache", cache]);
        }
        if let Some(folder) = resumed {
            command.arg("--resume").arg(folder);
            return command;
        }
        command.arg(&study.tasks[cell.task]).args(["--model", study.models[cell.model].reference()]);
        command.args(["--label", &cell.label()]).arg("--output-dir").arg(&self.folder);
        command.args(["--seed", &study.seed.to_string()]);
        study.tasks_dirs.iter().for_each(|folder| {
            command.args(["--tasks-dir", folder]);
        });
        study.data_dirs.iter().for_each(|folder| {
            command.args(["--data-dir", folder]);
        });
        let numbers = [
            ("--limit", study.limit.map(|limit| limit.to_string())),
            ("--num-fewshot", study.num_fewshot.map(|count| count.to_string())),
            ("--max-tokens", study.max_tokens.map(|count| count.to_string())),
        ];
        for (flag, value) in numbers {
            if let Some(value) = value {
                command.args([flag, &value]);
            }
        }
        command
    }

    fn end(&self, cell: Cell, status: ExitStatus, words: &str) -> Attempt {
        let folder = self.folder(cell);
        if folder.as_deref().is_some_and(|folder| self.is_complete(folder)) {
            return Attempt::Complete;
        }
        if self.cancel.is_cancelled() {
            return Attempt::Interrupted;
        }
        let says_so = OUT_OF_MEMORY.iter().any(|text| words.contains(text));
        if says_so || status.signal() == Some(KILLED) {
            return Attempt::OutOfMemory;
        }
        let last = words.lines().rev().find(|line| !line.trim().is_empty());
        let error = words.lines().find(|line| line.starts_with("error:")).or(last);
        let how = match (status.signal(), status.code()) {
            (Some(ABORTED), _) => "its process aborted".to_owned(),
            (Some(signal), _) => format!("its process was ended by signal {signal}"),
            (None, code) => format!("its process ended with {}", code.unwrap_or_default()),
        };
        Attempt::Failed(error.map_or(how.clone(), |error| format!("{how}: {}", error.trim())))
    }
}

impl CellRunner for Cells<'_> {
    fn attempt(&self, cell: Cell, concurrency: usize) -> Attempt {
        let folder = self.folder(cell);
        if folder.as_deref().is_some_and(|folder| self.is_complete(folder)) {
            return Attempt::Complete;
        }
        if self.cancel.is_cancelled() {
            return Attempt::Interrupted;
        }
        // A run that was killed before its first checkpoint has no record to go on with.
        let (resumed, unborn) = match folder {
            Some(folder) if read_record(&folder).is_ok() => (Some(folder), None),
            other => (None, other),
        };
        if let Some(Err(error)) = unborn.map(std::fs::remove_dir_all) {
            return Attempt::Failed(format!("its unfinished run cannot be put away: {error}"));
        }
        let words = self.folder.join(format!("{}.log", cell.label()));
        let started = File::create(&words).and_then(|log| {
            let mut command = self.command(cell, concurrency, resumed.as_deref());
            // The process ends when its standard input does, as it does when this one is killed.
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).spawn()
        });
        let waited = started.and_then(|mut child| {
            let input = child.stdin.take();
            let status = child.wait();
            drop(input);
            status
        });
        match waited {
            Ok(status) => {
                let words = std::fs::read(&words).unwrap_or_default();
                let attempt = self.end(cell, status, &String::from_utf8_lossy(&words));
                if matches!(attempt, Attempt::OutOfMemory) {
                    let what = format!("out of memory with {concurrency} documents in flight; answers so far are kept");
                    output::talk(&format!("{}: {what}", self.name(cell)));
                }
                attempt
            }
            Err(error) => Attempt::Failed(format!("its process cannot be run: {error}")),
        }
    }

    fn ended(&self, cell: Cell, end: &CellEnd) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        *done += 1;
        let what = match end {
            CellEnd::Complete => "complete".to_owned(),
            CellEnd::MemoryLimit => "failed: it takes more memory than it may".to_owned(),
            CellEnd::Failed(reason) => format!("failed: {reason}"),
            CellEnd::Pending => return,
        };
        let count = self.study.cells().len();
        output::talk(&format!("{}/{count} {}: {what}", *done, self.name(cell)));
    }
}
