//! From a file to rows.

use std::io::Read;
use std::path::Path;

use super::delimited::{Header, Records};
use super::error::PredictionsError;
use super::field::{Mapping, Row};
use super::json::{self, Keys};
use super::source::{Blocks, open};

/// The form of a file of predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// One JSON object per line.
    JsonLines,
    /// Comma-separated, with a header.
    Csv,
    /// Tab-separated, with a header.
    Tsv,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::JsonLines, Self::Csv, Self::Tsv];

    /// Name in flags.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
        }
    }

    /// The form that the ending of a file's name tells; `.gz` and `.zst` are looked through.
    ///
    /// # Errors
    /// [`PredictionsError::Form`] for another ending.
    pub fn of_path(path: &Path) -> Result<Self, PredictionsError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
        match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("jsonl" | "ndjson" | "json") => Ok(Self::JsonLines),
            Some("csv") => Ok(Self::Csv),
            Some("tsv") => Ok(Self::Tsv),
            _ => Err(PredictionsError::Form { path: path.to_owned() }),
        }
    }
}

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Samples.
    pub rows: u64,
    /// Bytes, decompressed.
    pub bytes: u64,
}

/// Reads a file row by row; memory does not grow with it.
///
/// # Errors
/// The first thing that is wrong with the file, or what `visit` returned.
pub fn read(
    path: &Path,
    form: Option<Form>,
    mapping: &Mapping,
    visit: impl FnMut(&Row<'_>) -> Result<(), PredictionsError>,
) -> Result<Totals, PredictionsError> {
    let form = form.map_or_else(|| Form::of_path(path), Ok)?;
    read_from(open(path)?, form, mapping, visit)
}

/// Reads a stream row by row. Otherwise as [`read`].
///
/// # Errors
/// As [`read`].
pub fn read_from(
    input: impl Read,
    form: Form,
    mapping: &Mapping,
    mut visit: impl FnMut(&Row<'_>) -> Result<(), PredictionsError>,
) -> Result<Totals, PredictionsError> {
    let mut blocks = Blocks::new(input);
    let mut rows = 0;
    match form {
        Form::JsonLines => {
            let mut keys = Keys::default();
            while let Some((first, block)) = blocks.next()? {
                let mut row = Row::new(first);
                for (number, line) in lines(first, block) {
                    json::read(&mut row, number, line, &mut keys, mapping)?;
                    visit(&row)?;
                    rows += 1;
                }
            }
        }
        Form::Csv | Form::Tsv => {
            let separator = if form == Form::Csv { b',' } else { b'\t' };
            let mut header = None;
            let mut records = Records::default();
            while let Some((first, block)) = blocks.next()? {
                for (number, line) in lines(first, block) {
                    let Some((first, record)) = records.push(number, line)? else { continue };
                    match &header {
                        None => header = Some(Header::read(first, record, separator, mapping)?),
                        Some(header) => {
                            rows += 1;
                            visit(&header.row(first, record, separator)?)?;
                        }
                    }
                }
            }
            records.finish()?;
        }
    }
    if rows == 0 {
        return Err(PredictionsError::Empty);
    }
    Ok(Totals { rows, bytes: blocks.bytes() })
}

/// The lines of a block that are not blank, with their numbers.
fn lines(first: u64, block: &str) -> impl Iterator<Item = (u64, &str)> {
    let mut start = 0;
    // The last block may lack its end; the others leave an empty rest.
    let ends = memchr::memchr_iter(b'\n', block.as_bytes()).chain([block.len()]);
    (first..).zip(ends).filter_map(move |(number, end)| {
        let line = block.get(start..end).unwrap_or_default();
        start = end + 1;
        let line = line.strip_suffix('\r').unwrap_or(line);
        (!line.trim_start_matches([' ', '\t']).is_empty()).then_some((number, line))
    })
}
