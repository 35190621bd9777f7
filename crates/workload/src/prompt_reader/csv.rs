//! Comma-separated values with a header.

use std::io::{BufRead, Read as _};

use csv::{ByteRecord, ReaderBuilder};

use super::error::{Place, PromptFileProblem};
use super::{CSV_BYTES_MAX, PromptRecord, answer, checked_max_tokens, text_prompt};

/// Positions of the columns that are read.
struct Columns {
    prompt: usize,
    max_tokens: Option<usize>,
    answer: Option<usize>,
}

pub(super) fn read(input: impl BufRead) -> Result<Vec<PromptRecord>, Place> {
    let mut bytes = Vec::new();
    let limited = input.take(CSV_BYTES_MAX + 1).read_to_end(&mut bytes);
    let length = limited.map_err(|source| PromptFileProblem::Io(source).somewhere())? as u64;
    if length > CSV_BYTES_MAX {
        return Err(PromptFileProblem::TooLong { what: "file", limit: CSV_BYTES_MAX }.somewhere());
    }
    let mut lines = Lines { bytes: &bytes, place: 0, line: 1 };
    let mut reader = ReaderBuilder::new().has_headers(true).flexible(false).from_reader(bytes.as_slice());
    let header = reader.byte_headers().map_err(|error| place_of(error, &mut lines))?.clone();
    let columns = Columns::find(&header)?;
    let mut records = Vec::new();
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|error| place_of(error, &mut lines))? {
        let line = record.position().map_or(0, |start| lines.at(start.byte()));
        let text = field(&record, columns.prompt, line)?;
        let prompt = text_prompt(text.to_owned()).map_err(|problem| problem.at_line(line))?;
        let max_tokens = match columns.max_tokens {
            Some(column) => parse_tokens(field(&record, column, line)?).map_err(|problem| problem.at_line(line))?,
            None => None,
        };
        let answer = match columns.answer {
            Some(column) => answer(field(&record, column, line)?),
            None => None,
        };
        records.push(PromptRecord { prompt, max_tokens, answer, line });
    }
    Ok(records)
}

impl Columns {
    fn find(header: &ByteRecord) -> Result<Self, Place> {
        let named = |names: &[&str]| {
            let is_named = |name: &[u8]| names.iter().any(|known| name.trim_ascii() == known.as_bytes());
            header.iter().enumerate().filter(|(_, name)| is_named(name)).map(|(place, _)| place).collect::<Vec<_>>()
        };
        let max_tokens = named(&["max_tokens"]).first().copied();
        let answer = named(&["answer", "expected"]).first().copied();
        match named(&["prompt", "text"]).as_slice() {
            [prompt] => Ok(Self { prompt: *prompt, max_tokens, answer }),
            [] => Err(PromptFileProblem::NoPromptColumn.at_line(1)),
            _ => Err(PromptFileProblem::SeveralPromptColumns.at_line(1)),
        }
    }
}

fn field(record: &ByteRecord, column: usize, line: u64) -> Result<&str, Place> {
    let bytes = record.get(column).unwrap_or_default();
    // The column that the error names is the field's, since a field may span several lines.
    std::str::from_utf8(bytes).map_err(|_| PromptFileProblem::NotUtf8.at(line, column as u64 + 1))
}

/// A number of tokens; `None` for an empty field.
fn parse_tokens(text: &str) -> Result<Option<u32>, PromptFileProblem> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let value = text.parse().map_err(|_| PromptFileProblem::MaxTokens { value: text.to_owned() })?;
    checked_max_tokens(Some(value))
}

/// Counts lines up to a record. The `csv` crate's own count stands at the end of the record before, and empty lines
/// and the second half of a CRLF lie between.
struct Lines<'a> {
    bytes: &'a [u8],
    place: usize,
    line: u64,
}

impl Lines<'_> {
    /// Line of the record that begins at or after `start`; records must be asked for in order.
    fn at(&mut self, start: u64) -> u64 {
        while let Some(byte) = self.bytes.get(self.place) {
            if self.place as u64 >= start && !matches!(byte, b'\r' | b'\n') {
                break;
            }
            self.line += u64::from(*byte == b'\n');
            self.place += 1;
        }
        self.line
    }
}

fn place_of(error: csv::Error, lines: &mut Lines<'_>) -> Place {
    let line = error.position().map(|start| lines.at(start.byte()));
    let problem = match error.into_kind() {
        csv::ErrorKind::Io(source) => PromptFileProblem::Io(source),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            PromptFileProblem::Csv(format!("the record has {len} fields, the header {expected_len}"))
        }
        other => PromptFileProblem::Csv(format!("{other:?}")),
    };
    match line {
        Some(line) => problem.at_line(line),
        None => problem.somewhere(),
    }
}
