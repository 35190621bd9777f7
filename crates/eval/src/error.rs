//! What can go wrong with an evaluation as a whole.

use std::path::PathBuf;

use weighbridge_engine::{EngineError, SubjectError};
use weighbridge_types::event::SinkError;

use crate::stream::StreamError;
use crate::task::TaskError;

/// An evaluation that could not be made. A document that fails is a row, not an error.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A setting is out of range.
    #[error("accept {name} `{value}`: it must be {expected}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A task cannot be used.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The engine cannot do what a task asks.
    #[error("run the task `{task}`: it needs log-probabilities, and `{engine}` does not give them")]
    NeedsScores {
        /// The task.
        task: String,
        /// The engine.
        engine: String,
    },
    /// A classifier is asked for a text.
    #[error(
        "run the task `{task}`: it needs a text or several questions, and `{engine}` answers one text with a class"
    )]
    NeedsText {
        /// The task.
        task: String,
        /// The engine.
        engine: String,
    },
    /// The engine makes vectors, which are no answers.
    #[error("run the task `{task}`: `{engine}` answers with vectors, not with a text or a class")]
    NeedsAnswers {
        /// The task.
        task: String,
        /// The engine.
        engine: String,
    },
    /// A choice of a task is no class of the classifier.
    #[error("run the task `{task}`: its choice `{choice}` is no class of the classifier, which knows {classes}")]
    NoClass {
        /// The task.
        task: String,
        /// The choice.
        choice: String,
        /// The classes.
        classes: String,
    },
    /// Log-probabilities cannot follow a conversation.
    #[error("run the task `{task}` as a conversation: it needs log-probabilities, which follow plain text here")]
    ChatScores {
        /// The task.
        task: String,
    },
    /// The model could not be loaded.
    #[error("load the model: {0}")]
    Subject(#[from] SubjectError),
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What was measured could not be kept.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// An export could not be written.
    #[error("write `{}`: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The data or tasks changed since the run began.
    #[error("resume the run: {what} changed since it began")]
    Changed {
        /// What changed.
        what: String,
    },
    /// A stream cannot be played.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// Settings could not be stored.
    #[error("store the settings: {0}")]
    Settings(#[from] serde_json::Error),
}

impl EvalError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Setting { .. } => "correct the flag".to_owned(),
            Self::Task(error) => error.hint(),
            Self::NeedsScores { .. } => {
                "choose a model in this process or a server with the completions API and `echo`; multiple choice also \
                 runs with `--choices letters`"
                    .to_owned()
            }
            Self::NeedsText { .. } | Self::NeedsAnswers { .. } => {
                "ask a model that writes, or name a task of choices".to_owned()
            }
            Self::NoClass { .. } => {
                "`doc_to_choice` must name classes of the classifier; `weighbridge model inspect` lists them".to_owned()
            }
            Self::ChatScores { .. } => {
                "leave `--form` out, or let the model write the letter of its choice with `--choices letters`"
                    .to_owned()
            }
            Self::Subject(error) => error.hint.clone(),
            Self::Engine(error) => error.hint().to_string(),
            Self::Sink(error) => error.hint.clone(),
            Self::Write { .. } => "free some space, or check the permissions of the folder".to_owned(),
            Self::Changed { .. } => "start a new run; a resumed one must ask the same questions".to_owned(),
            Self::Stream(error) => error.hint(),
            Self::Settings(_) => "report this as a bug".to_owned(),
        }
    }
}
