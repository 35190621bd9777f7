//! What can be wrong with a prompt file, and where.

use std::fmt;
use std::io;

/// A prompt file that cannot be used, with the first place where it is wrong.
#[derive(Debug, thiserror::Error)]
#[error("read prompts from `{file}`{}: {problem}", Position(*line, *column))]
pub struct PromptFileError {
    /// The file, as it was named.
    pub file: String,
    /// Line, from 1; `None` where the whole file is meant.
    pub line: Option<u64>,
    /// Column in bytes, from 1; `None` where the whole line is meant.
    pub column: Option<u64>,
    /// What is wrong there.
    #[source]
    pub problem: PromptFileProblem,
}

impl PromptFileError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self.problem {
            PromptFileProblem::Io(_) => "check that the file exists and may be read",
            PromptFileProblem::Ending => "name the file `.jsonl` or `.csv`",
            PromptFileProblem::NotUtf8 => "save the file as UTF-8",
            PromptFileProblem::Json(_) => "write one JSON object a line, such as {\"prompt\": \"hello\"}",
            PromptFileProblem::Csv(_) => "quote fields that hold commas, quotes or line breaks",
            PromptFileProblem::NoPromptKey | PromptFileProblem::SeveralPromptKeys => {
                "give each record exactly one of `prompt`, `text` and `messages`"
            }
            PromptFileProblem::NoPromptColumn | PromptFileProblem::SeveralPromptColumns => {
                "give the header exactly one column `prompt` or `text`"
            }
            PromptFileProblem::UnknownRole { .. } => "use the roles `system`, `user`, `assistant` and `tool`",
            PromptFileProblem::EmptyPrompt => "leave out records without a prompt",
            PromptFileProblem::NoPrompt => "check that it is the right file: it needs at least one prompt",
            PromptFileProblem::ZeroTokens | PromptFileProblem::MaxTokens { .. } => {
                "give `max_tokens` as a whole number above 0, or leave it out"
            }
            PromptFileProblem::TooLong { .. } => "check that this is a text file with one record a line",
        }
    }
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum PromptFileProblem {
    /// The file cannot be read.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// The file's ending names no known format.
    #[error("the ending is neither `.jsonl`, `.ndjson` nor `.csv`")]
    Ending,
    /// A byte sequence is not UTF-8.
    #[error("the bytes are not UTF-8")]
    NotUtf8,
    /// A line is not the JSON object that was expected.
    #[error("{0}")]
    Json(String),
    /// The file is not CSV.
    #[error("{0}")]
    Csv(String),
    /// No key holds a prompt.
    #[error("there is none of the keys `prompt`, `text` and `messages`")]
    NoPromptKey,
    /// Several keys hold a prompt.
    #[error("there are several of the keys `prompt`, `text` and `messages`")]
    SeveralPromptKeys,
    /// No column holds prompts.
    #[error("the header has no column `prompt` or `text`")]
    NoPromptColumn,
    /// Several columns hold prompts.
    #[error("the header has several columns named `prompt` or `text`")]
    SeveralPromptColumns,
    /// A message has an unknown role.
    #[error("the role `{role}` is unknown")]
    UnknownRole {
        /// The role as written.
        role: String,
    },
    /// A prompt without any text.
    #[error("the prompt is empty")]
    EmptyPrompt,
    /// Zero output tokens.
    #[error("`max_tokens` is 0")]
    ZeroTokens,
    /// Something that is no number of tokens.
    #[error("`max_tokens` is `{value}`, which is no whole number up to {}", u32::MAX)]
    MaxTokens {
        /// The field as written.
        value: String,
    },
    /// More bytes than a file of prompts has.
    #[error("the {what} is longer than {limit} bytes")]
    TooLong {
        /// `line` or `file`.
        what: &'static str,
        /// The greatest accepted length.
        limit: u64,
    },
    /// The file holds no prompt at all.
    #[error("there is no prompt in it")]
    NoPrompt,
}

impl PromptFileProblem {
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
    problem: PromptFileProblem,
}

impl Place {
    pub(super) fn in_file(self, name: &str) -> PromptFileError {
        let Self { line, column, problem } = self;
        PromptFileError { file: name.to_owned(), line, column, problem }
    }
}

/// `, line 3, column 7`, as far as known.
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
