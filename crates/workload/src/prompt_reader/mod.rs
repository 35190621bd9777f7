//! Prompts from files: JSON lines and CSV.
//!
//! A record holds exactly one of `prompt`, `text` (the same thing) and, in JSON lines, `messages`; and, if wanted,
//! `max_tokens` (in JSON lines also as `output_tokens`) and the `answer` that is expected (also as `expected`), a text or a number. Other keys and columns are left alone, since data sets carry many. A byte order mark, CRLF line ends
//! and empty lines are accepted.

mod csv;
mod error;
mod jsonl;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use weighbridge_engine::Prompt;

pub use error::{PromptFileError, PromptFileProblem};

/// Longest accepted line of a file, in bytes. A prompt of a million tokens has about a quarter of it; a file that
/// is no text at all would otherwise fill the memory.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// Longest accepted CSV file, in bytes. A quoted field may span lines, so that no line limit holds there.
const CSV_BYTES_MAX: u64 = 1 << 30;

/// One prompt of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptRecord {
    /// The prompt: `Text` or `Chat`.
    pub prompt: Prompt,
    /// Output tokens asked for; `None` where the file leaves it to the caller.
    pub max_tokens: Option<u32>,
    /// The answer that is expected; `None` where the file names none.
    pub answer: Option<String>,
    /// Line of the file, counted from 1. In CSV, that of the record's first line.
    pub line: u64,
}

/// How a prompt file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptFormat {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values (RFC 4180) with a header.
    Csv,
}

impl PromptFormat {
    /// The format that a file's ending names, in any case; `None` for another ending.
    #[must_use]
    pub fn of_path(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// Reads all prompts of a file; its ending names the format.
///
/// # Errors
/// When the file cannot be read, its ending is unknown, it holds no prompt, or a record is wrong; with the line and
/// the column of the first wrong one.
pub fn read_prompts(path: &Path) -> Result<Vec<PromptRecord>, PromptFileError> {
    let name = path.display().to_string();
    let whole = |problem| PromptFileError { file: name.clone(), line: None, column: None, problem };
    let format = PromptFormat::of_path(path).ok_or_else(|| whole(PromptFileProblem::Ending))?;
    let file = File::open(path).map_err(|source| whole(PromptFileProblem::Io(source)))?;
    read_prompts_from(BufReader::new(file), format, &name)
}

/// Reads all prompts of a stream; `name` stands for the file in errors.
///
/// # Errors
/// As for [`read_prompts`].
pub fn read_prompts_from(
    mut input: impl BufRead,
    format: PromptFormat,
    name: &str,
) -> Result<Vec<PromptRecord>, PromptFileError> {
    let read = skip_byte_order_mark(&mut input).and_then(|()| match format {
        PromptFormat::Jsonl => jsonl::read(input),
        PromptFormat::Csv => csv::read(input),
    });
    read.and_then(|records| if records.is_empty() { Err(PromptFileProblem::NoPrompt.somewhere()) } else { Ok(records) })
        .map_err(|place| place.in_file(name))
}

fn skip_byte_order_mark(input: &mut impl BufRead) -> Result<(), error::Place> {
    let start = input.fill_buf().map_err(|source| PromptFileProblem::Io(source).somewhere())?;
    if start.starts_with(b"\xef\xbb\xbf") {
        input.consume(3);
    }
    Ok(())
}

/// A text prompt, checked.
fn text_prompt(text: String) -> Result<Prompt, PromptFileProblem> {
    if text.trim().is_empty() {
        return Err(PromptFileProblem::EmptyPrompt);
    }
    Ok(Prompt::Text(text))
}

/// An expected answer without the space around it; `None` for nothing.
fn answer(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A number of output tokens, checked.
fn checked_max_tokens(value: Option<u32>) -> Result<Option<u32>, PromptFileProblem> {
    match value {
        Some(0) => Err(PromptFileProblem::ZeroTokens),
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests;
