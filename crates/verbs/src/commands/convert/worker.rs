//! Conversions in processes of their own: files are hostile, and a reader of theirs may hang, take all memory or die. What
//! becomes of it is a refusal of that file and of no other.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use weighbridge_convert::{Converted, Limits, Refusal, RefusalKind, convert};
use weighbridge_types::units::ByteSize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::limits;

/// The stack of the thread that converts: pages nest.
const STACK_BYTES: usize = 64 << 20;

/// Bounds of each conversion.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) time: Duration,
    pub(crate) memory: ByteSize,
    pub(crate) size: ByteSize,
}

/// What stands before the bytes of a file.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    name: String,
    bytes: u64,
}

/// What a worker answers.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Converted(Converted),
    Refused(Refusal),
}

/// A process that converts one file after the other; it is started when it is needed, and again after it died.
pub(crate) struct Worker {
    program: PathBuf,
    bounds: Bounds,
    process: Option<Process>,
}

struct Process {
    child: Child,
    stdin: ChildStdin,
    answers: Receiver<String>,
}

impl Worker {
    /// A worker of this program; nothing is started yet.
    pub(crate) fn new(bounds: Bounds) -> io::Result<Self> {
        Ok(Self { program: std::env::current_exe()?, bounds, process: None })
    }

    /// The largest file, in bytes.
    pub(crate) fn size_limit(&self) -> u64 {
        self.bounds.size.0
    }

    /// Converts a file within the bounds of time and memory.
    pub(crate) fn convert(&mut self, name: &str, bytes: &[u8]) -> Result<Converted, Refusal> {
        let size = bytes.len() as u64;
        let dead = |error: io::Error| Refusal::new(RefusalKind::Crashed, format!("its process: {error}"));
        let bounds = self.bounds;
        let process = match &mut self.process {
            Some(process) => process,
            none => none.insert(start(&self.program, bounds).map_err(dead)?),
        };
        let head = Head { name: name.to_owned(), bytes: size };
        // A process that dies while it reads is found out by its answer.
        let _ = send(&mut process.stdin, &head, bytes);
        match process.answers.recv_timeout(bounds.time) {
            Ok(line) => match serde_json::from_str(&line) {
                Ok(Answer::Converted(converted)) => Ok(converted),
                Ok(Answer::Refused(refusal)) => Err(refusal),
                Err(error) => {
                    self.stop();
                    Err(Refusal::new(RefusalKind::Crashed, format!("its process answered no JSON: {error}")))
                }
            },
            Err(RecvTimeoutError::Timeout) => {
                self.stop();
                Err(Refusal::new(RefusalKind::TimedOut, format!("more than {:?} (--file-time)", bounds.time)))
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.died()),
        }
    }

    /// Why a process ended without an answer.
    fn died(&mut self) -> Refusal {
        let Some(mut process) = self.process.take() else {
            return Refusal::new(RefusalKind::Crashed, "its process is gone");
        };
        let mut said = String::new();
        let status = process.child.wait();
        if let Some(mut stderr) = process.child.stderr.take() {
            let _ = stderr.by_ref().take(4096).read_to_string(&mut said);
        }
        if said.contains("memory allocation of") || said.contains("out of memory") {
            let detail = format!("more than {} bytes of memory (--file-memory)", self.bounds.memory.0);
            return Refusal::new(RefusalKind::TooLarge, detail);
        }
        let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        let first = said.lines().next().map_or_else(String::new, |line| format!(": {line}"));
        Refusal::new(RefusalKind::Crashed, format!("its process ended with {how}{first}"))
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop();
    }
}

fn start(program: &PathBuf, bounds: Bounds) -> io::Result<Process> {
    let mut child = Command::new(program)
        .args(["convert", "--worker", "--file-memory", &format!("{}B", bounds.memory.0)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::Error::other("a pipe of its is missing"));
    };
    let (sender, answers) = sync_channel(1);
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(Process { child, stdin, answers })
}

fn send(stdin: &mut ChildStdin, head: &Head, bytes: &[u8]) -> io::Result<()> {
    serde_json::to_writer(&mut *stdin, head)?;
    stdin.write_all(b"\n")?;
    stdin.write_all(bytes)?;
    stdin.flush()
}

/// The other side: converts what comes on standard input until it ends.
pub(super) fn serve(memory: ByteSize) -> Result<Exit, Failure> {
    limits::memory(memory)?;
    let serving = thread::Builder::new().stack_size(STACK_BYTES).spawn(answer_all)?;
    match serving.join() {
        Ok(served) => Ok(served.map(|()| Exit::Pass)?),
        Err(_) => Ok(Exit::Bug),
    }
}

fn answer_all() -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let head: Head = serde_json::from_str(&line)?;
        let mut bytes = Vec::new();
        input.by_ref().take(head.bytes).read_to_end(&mut bytes)?;
        let answer = match convert(&bytes, &head.name, &Limits::default()) {
            Ok(converted) => Answer::Converted(converted),
            Err(refusal) => Answer::Refused(refusal),
        };
        serde_json::to_writer(&mut output, &answer)?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
}
