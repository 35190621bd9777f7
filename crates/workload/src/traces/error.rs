//! What can be wrong with a trace, and what was done to one that is usable.

use std::fmt;
use std::io;

use crate::prompt_reader::PromptFileError;

/// A trace that cannot be used, with the first place where it is wrong.
#[derive(Debug, thiserror::Error)]
#[error("read the trace `{file}`{}: {problem}", Position(*line, *column))]
pub struct TraceError {
    /// The file, as it was named.
    pub file: String,
    /// Line, from 1; `None` where the whole file is meant.
    pub line: Option<u64>,
    /// Column in bytes, from 1; `None` where the whole line is meant.
    pub column: Option<u64>,
    /// What is wrong there.
    #[source]
    pub problem: TraceProblem,
}

impl TraceError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match &self.problem {
            TraceProblem::Io(_) => "check that the file exists and may be read",
            TraceProblem::NotUtf8 => "save the file as UTF-8",
            TraceProblem::Json(_) => "check that the kind before the colon is that of the file",
            TraceProblem::CutLine => {
                "the file was cut while it was written or copied: fetch it again, or remove the line"
            }
            TraceProblem::Csv(_) => "quote fields that hold commas, quotes or line breaks",
            TraceProblem::MissingKey(_) => {
                "name the kind of the trace that the file has; prompts without lengths are `messages:` or `prompts:`"
            }
            TraceProblem::MissingColumn(_) => "give the CSV file a header with the names of BurstGPT or Azure traces",
            TraceProblem::Value { .. } => "correct the value, or remove the row",
            TraceProblem::UnknownRole(_) => "use the roles `system`, `user`, `assistant` and `tool`",
            TraceProblem::Unsupported(_) => "remove what this program cannot send; it does not send half of a request",
            TraceProblem::MixedTimes => "give every row a timestamp, or none",
            TraceProblem::NoOutput => "add `max_tokens` to the row, or give output lengths (`--osl 128`)",
            TraceProblem::TooLong { .. } => "check that this is the file that was meant, or cut it into several",
            TraceProblem::TooMany { .. } => "cut the trace into several",
            TraceProblem::Empty => "widen the window, or check that the kind before the colon is that of the file",
            TraceProblem::Option { .. } => "correct the option",
            TraceProblem::Prompts(error) => error.hint(),
        }
    }
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum TraceProblem {
    /// The file cannot be read.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// A byte sequence is not UTF-8.
    #[error("the bytes are not UTF-8")]
    NotUtf8,
    /// Something is not the JSON that was expected.
    #[error("{0}")]
    Json(String),
    /// The last line ends in the middle.
    #[error("the last line ends in the middle of its record")]
    CutLine,
    /// The file is not CSV.
    #[error("{0}")]
    Csv(String),
    /// A row lacks a key.
    #[error("there is no `{0}`")]
    MissingKey(&'static str),
    /// The header lacks a column.
    #[error("the header has no column `{0}`")]
    MissingColumn(&'static str),
    /// A value is not what it should be.
    #[error("`{key}` is `{value}`, which is not {expected}")]
    Value {
        /// Name of the value.
        key: &'static str,
        /// The value as written.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A message has an unknown role.
    #[error("the role `{0}` is unknown")]
    UnknownRole(String),
    /// A row asks for something that is not sent.
    #[error("{0} cannot be sent")]
    Unsupported(&'static str),
    /// Some rows have a timestamp and some have none.
    #[error("some rows have a timestamp and some have none")]
    MixedTimes,
    /// A row does not say how long its answer may be, and nothing else does.
    #[error("nothing says how many output tokens to ask for")]
    NoOutput,
    /// More bytes than are held in memory.
    #[error("the {what} is longer than {limit} bytes")]
    TooLong {
        /// `line` or `file`.
        what: &'static str,
        /// The greatest accepted length.
        limit: u64,
    },
    /// More rows than are held in memory.
    #[error("there are more than {limit} rows")]
    TooMany {
        /// The greatest accepted number.
        limit: u64,
    },
    /// No request is left.
    #[error("there is no request in it, or none within the window")]
    Empty,
    /// An option is out of range.
    #[error("the option `{name}` is `{value}`, which is not {expected}")]
    Option {
        /// Name of the option.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A prompt file is wrong; its own error names the place.
    #[error(transparent)]
    Prompts(Box<PromptFileError>),
}

impl TraceProblem {
    pub(super) fn value(key: &'static str, value: impl fmt::Display, expected: &'static str) -> Self {
        Self::Value { key, value: value.to_string(), expected }
    }

    pub(super) const fn somewhere(self) -> Place {
        Place { line: None, column: None, problem: self }
    }

    pub(super) const fn at_line(self, line: u64) -> Place {
        Place { line: Some(line), column: None, problem: self }
    }

    pub(super) const fn at(self, line: u64, column: u64) -> Place {
        Place { line: Some(line), column: Some(column), problem: self }
    }
}

/// A problem with its place, before the file's name is known.
#[derive(Debug)]
pub(super) struct Place {
    line: Option<u64>,
    column: Option<u64>,
    problem: TraceProblem,
}

impl Place {
    pub(super) fn in_file(self, name: &str) -> TraceError {
        let Self { line, column, problem } = self;
        TraceError { file: name.to_owned(), line, column, problem }
    }
}

struct Position(Option<u64>, Option<u64>);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.0 {
            write!(f, ", line {line}")?;
        }
        if let Some(column) = self.1 {
            write!(f, ", column {column}")?;
        }
        Ok(())
    }
}

/// What a reader did to a trace, for reports to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceNote {
    /// So many rows came after a later one, and were put in order.
    OutOfOrder(u64),
    /// So many rows ask for no input and were left out.
    NoInput(u64),
    /// So many rows ask for no output and were left out; in recordings they are failed requests.
    NoOutput(u64),
    /// So many rows were left out because the filter asked for it.
    Filtered(u64),
    /// So many sessions lie outside of the window.
    OutsideWindow(u64),
    /// So many conversations have no question with an answer, and were left out.
    NoAnswer(u64),
    /// So many output lengths were estimated from bytes, since no tokenizer was at hand.
    EstimatedOutput(u64),
    /// So many rows belong to a session of an earlier one and do not say how long after its answer they come; they
    /// come at once.
    NoDelay(u64),
}

impl fmt::Display for TraceNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfOrder(count) => {
                write!(f, "{count} rows were not in the order of their timestamps and were sorted")
            }
            Self::NoInput(count) => write!(f, "{count} rows without input tokens were left out"),
            Self::NoOutput(count) => write!(f, "{count} rows without output tokens were left out"),
            Self::Filtered(count) => write!(f, "{count} rows were left out by the filter"),
            Self::OutsideWindow(count) => write!(f, "{count} sessions lie outside of the window"),
            Self::NoAnswer(count) => write!(f, "{count} conversations without a question and its answer were left out"),
            Self::EstimatedOutput(count) => {
                write!(f, "{count} output lengths were estimated as a token for 4 bytes, for want of a tokenizer")
            }
            Self::NoDelay(count) => write!(f, "{count} rows follow an answer without a delay and come at once"),
        }
    }
}
