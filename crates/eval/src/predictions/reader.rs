//! From a file to rows.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::mpsc::sync_channel;

use super::delimited::{Header, Records};
use super::error::PredictionsError;
use super::field::{Mapping, Row};
use super::json::{self, Keys};
use super::packed::{Packed, Rows};
use super::source::{Blocks, open};
use crate::parquet::{Lines, NotFinite};

/// The form of a file of predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// One JSON object per line.
    JsonLines,
    /// Comma-separated, with a header.
    Csv,
    /// Tab-separated, with a header.
    Tsv,
    /// Columns in row groups; read as the JSON lines that they mean, a row in a line.
    Parquet,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 4] = [Self::JsonLines, Self::Csv, Self::Tsv, Self::Parquet];

    /// Name in flags.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Parquet => "parquet",
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
            Some("parquet") => Ok(Self::Parquet),
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

/// Blocks that may be ahead of the rows that are visited: enough that neither side waits for the other one's slow block.
const AHEAD: usize = 4;

/// Reads a file row by row; memory does not grow with it. A thread of its own scans what comes next.
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
    if form == Form::Parquet {
        return read_from(lines_of_parquet(path, mapping)?, Form::JsonLines, mapping, visit);
    }
    read_from(open(path)?, form, mapping, visit)
}

/// Reads a stream row by row. Otherwise as [`read`].
///
/// # Errors
/// As [`read`]; [`PredictionsError::Stream`] for Parquet, whose columns are found from the end of the file.
pub fn read_from(
    input: impl Read + Send,
    form: Form,
    mapping: &Mapping,
    mut visit: impl FnMut(&Row<'_>) -> Result<(), PredictionsError>,
) -> Result<Totals, PredictionsError> {
    let mut source = Source { blocks: Blocks::new(input), scan: Scan::new(form, mapping)? };
    let mut totals = Totals::default();
    // A file of one block is not worth a thread.
    let mut first = Packed::default();
    source.fill(&mut first);
    let is_last = take(&mut first, &mut totals, &mut visit)?;
    if !is_last {
        read_ahead(source, first, &mut totals, &mut visit)?;
    }
    if totals.rows == 0 {
        return Err(PredictionsError::Empty);
    }
    Ok(totals)
}

/// Visits the rows of a block, and tells whether it is the last.
fn take(
    packed: &mut Packed,
    totals: &mut Totals,
    visit: &mut impl FnMut(&Row<'_>) -> Result<(), PredictionsError>,
) -> Result<bool, PredictionsError> {
    totals.rows += packed.visit(visit)?;
    totals.bytes = packed.bytes;
    packed.problem.take().map_or(Ok(packed.is_last), Err)
}

/// Scans on a thread while rows are visited on this one. Blocks that were visited go back to be filled again.
fn read_ahead(
    mut source: Source<'_, impl Read + Send>,
    visited: Packed,
    totals: &mut Totals,
    visit: &mut impl FnMut(&Row<'_>) -> Result<(), PredictionsError>,
) -> Result<(), PredictionsError> {
    let (full, filled) = sync_channel(AHEAD);
    let (back, empty) = sync_channel(AHEAD);
    let scan = move || {
        let mut packed = visited;
        loop {
            source.fill(&mut packed);
            let is_last = packed.is_last;
            // A visitor that has had enough has hung up.
            if full.send(packed).is_err() || is_last {
                return;
            }
            packed = empty.try_recv().unwrap_or_default();
        }
    };
    std::thread::scope(|scope| {
        let line = totals.rows;
        let started = std::thread::Builder::new().name("scanner".to_owned()).spawn_scoped(scope, scan);
        started.map_err(|source| PredictionsError::Read { line, source })?;
        for mut packed in filled {
            take(&mut packed, totals, visit)?;
            // Nobody fills it again where the last block is on its way.
            let _ = back.try_send(packed);
        }
        Ok(())
    })
}

/// A stream that is cut into blocks and scanned.
struct Source<'m, R> {
    blocks: Blocks<R>,
    scan: Scan<'m>,
}

impl<R: Read> Source<'_, R> {
    /// Scans the next block. After a problem, or at the end of the stream, it is the last.
    fn fill(&mut self, packed: &mut Packed) {
        let Self { blocks, scan } = self;
        let problem = match blocks.next(packed.clear()) {
            Ok(Some((first, block))) => packed.fill(block, |block, rows| scan.block(first, block, rows)).err(),
            Ok(None) => {
                packed.is_last = true;
                scan.finish().err()
            }
            Err(problem) => Some(problem),
        };
        packed.is_last |= problem.is_some();
        packed.problem = problem;
        packed.bytes = self.blocks.bytes();
    }
}

/// The scanner of a form, with what it knows from earlier blocks.
enum Scan<'m> {
    JsonLines { keys: Keys, mapping: &'m Mapping },
    Table { separator: u8, header: Option<Header>, records: Records, mapping: &'m Mapping },
}

impl<'m> Scan<'m> {
    fn new(form: Form, mapping: &'m Mapping) -> Result<Self, PredictionsError> {
        let table = |separator| Self::Table { separator, header: None, records: Records::default(), mapping };
        Ok(match form {
            Form::JsonLines => Self::JsonLines { keys: Keys::default(), mapping },
            Form::Csv => table(b','),
            Form::Tsv => table(b'\t'),
            Form::Parquet => return Err(PredictionsError::Stream),
        })
    }

    fn block(&mut self, first: u64, block: &str, rows: &mut Rows<'_>) -> Result<(), PredictionsError> {
        match self {
            Self::JsonLines { keys, mapping } => {
                for (number, line) in lines(first, block) {
                    let read = rows.row(number, |row| json::read(row, number, line, keys, mapping));
                    read.map_err(|problem| *problem)?;
                }
            }
            Self::Table { separator, header, records, mapping } => {
                for (number, line) in lines(first, block) {
                    let Some((first, record)) = records.push(number, line)? else { continue };
                    match header {
                        None => *header = Some(Header::read(first, record, *separator, mapping)?),
                        Some(header) => rows.row(first, |row| header.read_row(row, first, record, *separator))?,
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), PredictionsError> {
        match self {
            Self::JsonLines { .. } => Ok(()),
            Self::Table { records, .. } => records.finish(),
        }
    }
}

/// The columns of a Parquet file that have a meaning, as JSON lines.
fn lines_of_parquet(path: &Path, mapping: &Mapping) -> Result<Lines, PredictionsError> {
    let file = File::open(path).map_err(|source| PredictionsError::Open { path: path.to_owned(), source })?;
    let is_asked = |column: &str| mapping.field(column).is_some() || mapping.is_entered(column);
    Lines::of_file(file, NotFinite::Named, &is_asked)
        .map_err(|source| PredictionsError::Parquet { path: path.to_owned(), source })
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
        line.bytes().any(|byte| byte != b' ' && byte != b'\t').then_some((number, line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predictions::Field;

    /// More rows than the blocks that may be ahead hold.
    const ROWS: u64 = 80_000;

    fn rows() -> String {
        (1..=ROWS).map(|row| format!("{{\"id\":\"sample {row}\",\"why\":\"a \\\"b\\\" {row}\"}}\n")).collect()
    }

    /// The rows that were visited, and how reading ended.
    fn visit(text: &str, most: u64) -> (u64, Result<Totals, PredictionsError>) {
        let mut visited = 0;
        let totals = read_from(text.as_bytes(), Form::JsonLines, &Mapping::default(), |row| {
            if visited == most {
                return Err(row.refuse(Field::Id, "no more"));
            }
            visited += 1;
            assert_eq!(row.line, visited);
            assert_eq!(row.text(Field::Id)?, Some(format!("sample {visited}").as_str()));
            assert_eq!(row.text(Field::Why)?, Some(format!("a \"b\" {visited}").as_str()));
            Ok(())
        });
        (visited, totals)
    }

    #[test]
    fn rows_that_were_scanned_ahead_come_in_order() {
        let text = rows();
        assert!(text.len() > 2 * AHEAD * 256 * 1024);
        let (visited, totals) = visit(&text, ROWS);
        assert_eq!((visited, totals.unwrap()), (ROWS, Totals { rows: ROWS, bytes: text.len() as u64 }));
    }

    #[test]
    fn the_first_problem_ends_reading_after_the_rows_before_it() {
        let bad = rows() + "{\"id\":}\n";
        let (visited, found) = visit(&bad, ROWS);
        assert!(matches!(found, Err(PredictionsError::Syntax { line, .. }) if line == ROWS + 1), "{found:?}");
        assert_eq!(visited, ROWS);
        // The visitor's problem in an earlier row comes before that of the file.
        let (visited, found) = visit(&bad, ROWS / 2);
        assert!(matches!(found, Err(PredictionsError::Value { line, .. }) if line == ROWS / 2 + 1), "{found:?}");
        assert_eq!(visited, ROWS / 2);
    }
}
