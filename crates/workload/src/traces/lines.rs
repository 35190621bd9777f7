//! Lines of a file, bounded, with their numbers; JSON on them.

use std::io::{BufRead, Read as _};

use serde::de::DeserializeOwned;

use super::error::{Place, TraceProblem};

/// Longest accepted line, in bytes. A prompt of a million tokens has about a quarter of it.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// Most bytes of a file whose texts are held in memory.
pub(super) const FILE_BYTES_MAX: u64 = 4 << 30;

/// Most rows of a trace. Their numbers take 20 bytes each, and fit 32 bits.
pub(super) const ROWS_MAX: u64 = 100_000_000;

/// One line that is not empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// From 1.
    pub(super) number: u64,
    /// Without the line's end.
    pub(super) text: &'a str,
    /// Whether it is the last one and ends without a line break, as files that were cut do, and others.
    pub(super) is_open: bool,
}

/// Skips a byte order mark.
pub(super) fn skip_mark(input: &mut impl BufRead) -> Result<(), Place> {
    let start = input.fill_buf().map_err(|source| TraceProblem::Io(source).somewhere())?;
    if start.starts_with(b"\xef\xbb\xbf") {
        input.consume(3);
    }
    Ok(())
}

/// Reads the lines that are not empty. A byte order mark and CRLF are accepted.
pub(super) fn each_line(
    mut input: impl BufRead,
    mut take: impl FnMut(Line<'_>) -> Result<(), Place>,
) -> Result<(), Place> {
    skip_mark(&mut input)?;
    let mut bytes = Vec::new();
    let (mut rows, mut total) = (0_u64, 0_u64);
    for number in 1_u64.. {
        bytes.clear();
        let limited = input.by_ref().take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut bytes);
        let length = limited.map_err(|source| TraceProblem::Io(source).at_line(number))? as u64;
        total += length;
        if length == 0 {
            break;
        }
        if length > LINE_BYTES_MAX {
            return Err(TraceProblem::TooLong { what: "line", limit: LINE_BYTES_MAX }.at_line(number));
        }
        if total > FILE_BYTES_MAX {
            return Err(TraceProblem::TooLong { what: "file", limit: FILE_BYTES_MAX }.at_line(number));
        }
        let is_open = bytes.last() != Some(&b'\n');
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) => text.trim_end(),
            // A cut may fall within a character.
            Err(error) if is_open && error.error_len().is_none() => return Err(TraceProblem::CutLine.at_line(number)),
            Err(error) => return Err(TraceProblem::NotUtf8.at(number, error.valid_up_to() as u64 + 1)),
        };
        if text.trim().is_empty() {
            continue;
        }
        rows += 1;
        if rows > ROWS_MAX {
            return Err(TraceProblem::TooMany { limit: ROWS_MAX }.at_line(number));
        }
        take(Line { number, text, is_open })?;
    }
    Ok(())
}

/// Reads one JSON value a line.
pub(super) fn each_json<T: DeserializeOwned>(
    input: impl BufRead,
    mut take: impl FnMut(T) -> Result<(), TraceProblem>,
) -> Result<(), Place> {
    each_line(input, |Line { number, text, is_open }| {
        let value = serde_json::from_str(text).map_err(|error| {
            if is_open && error.is_eof() {
                TraceProblem::CutLine.at_line(number)
            } else {
                TraceProblem::Json(without_position(&error)).at(number, error.column() as u64)
            }
        })?;
        take(value).map_err(|problem| problem.at_line(number))
    })
}

/// The message of a JSON error; its position is reported apart.
pub(super) fn without_position(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.split(" at line ").next().unwrap_or_default().to_owned()
}
