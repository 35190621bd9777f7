//! Why a stream cannot be played.

use std::io;
use std::path::PathBuf;

use crate::predictions::PredictionsError;

/// A stream that cannot be played. A model that fails is a count, not an error.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The file of events is wrong.
    #[error("play the events: {0}")]
    Events(#[from] PredictionsError),
    /// Not a single event.
    #[error("play a stream without events")]
    Empty,
    /// An event has no time stamp.
    #[error("play the event in line {line}: it has no time stamp")]
    NoTime {
        /// The line.
        line: u64,
    },
    /// An event has nothing that a model could be asked.
    #[error("ask about the event in line {line}: it has no text")]
    NoText {
        /// The line.
        line: u64,
    },
    /// An event has no verdict, and there is no model.
    #[error("judge the event in line {line}: it has neither a prediction nor a score, and no model is named")]
    NoVerdict {
        /// The line.
        line: u64,
    },
    /// The classes of a model cannot be told apart as benign or attack.
    #[error("tell attacks from the rest by the classes of `{model}`: of {classes}, none or all are benign")]
    NoBenign {
        /// The model.
        model: String,
        /// Its classes.
        classes: String,
    },
    /// A limit is not understood.
    #[error("read the target `{text}`: {problem}")]
    Target {
        /// The limit as written.
        text: String,
        /// What is wrong.
        problem: String,
    },
    /// A file of verdicts could not be written.
    #[error("write the verdicts to `{}`: {source}", path.display())]
    Verdicts {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The system refused a thread, or one ended early.
    #[error("play the events on a thread of their own: {0}")]
    Thread(String),
}

impl StreamError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Events(error) => error.hint().to_owned(),
            Self::Empty => "name a file with at least one event".to_owned(),
            Self::NoTime { .. } => {
                "name its column with `--map timestamp=COLUMN`, or play without time stamps: `--rate 1000`".to_owned()
            }
            Self::NoText { .. } => "name its column with `--map text=COLUMN`".to_owned(),
            Self::NoVerdict { .. } => {
                "name a model with `--model`, a column with `--map prediction=COLUMN`, or say that every event is an alert \
                 with `--all-alerts`"
                    .to_owned()
            }
            Self::NoBenign { .. } => "name the benign ones with `--benign LABELS`".to_owned(),
            Self::Target { .. } => {
                "write METRIC, a sign and a number in the metric's unit: `verdict_latency.p99<2000`, `fpr<0.05`".to_owned()
            }
            Self::Verdicts { .. } => "free some space, or name a file in a folder that can be written".to_owned(),
            Self::Thread(_) => "close other programs and try again".to_owned(),
        }
    }
}
