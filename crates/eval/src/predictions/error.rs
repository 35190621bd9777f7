//! Everything that can be wrong with a file of predictions.

use std::io;
use std::path::PathBuf;

use crate::parquet::ParquetError;

/// Why predictions could not be read. Lines count from 1.
#[derive(Debug, thiserror::Error)]
pub enum PredictionsError {
    /// The file cannot be opened.
    #[error("open `{}`: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Reading or decompressing failed.
    #[error("read the predictions after line {line}: {source}")]
    Read {
        /// Lines read before.
        line: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The name does not tell the form.
    #[error("tell the form of `{}` by its name", path.display())]
    Form {
        /// The file.
        path: PathBuf,
    },
    /// Whoever took the rows wanted no more.
    #[error("read on: nobody wants more rows")]
    Stopped,
    /// A Parquet file that is not read.
    #[error("read `{}`: {source}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ParquetError,
    },
    /// Parquet that is not in a file.
    #[error("read Parquet from a stream")]
    Stream,
    /// Not a single row.
    #[error("score a file without rows")]
    Empty,
    /// Not UTF-8.
    #[error("read line {line} as UTF-8: byte {column} is {found}")]
    Encoding {
        /// The line.
        line: u64,
        /// Byte of the line, from 1.
        column: usize,
        /// What stands there, in words.
        found: String,
    },
    /// A line longer than the bound.
    #[error("hold line {line}: it is longer than {limit} bytes")]
    TooLong {
        /// The line.
        line: u64,
        /// The bound.
        limit: usize,
    },
    /// A line of JSONL that is no JSON object.
    #[error("read line {line} as a JSON object: expected {expected} at byte {column}, found {found}")]
    Syntax {
        /// The line.
        line: u64,
        /// Byte of the line, from 1.
        column: usize,
        /// What belongs there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// A quote that is never closed, or closed in the middle of a field.
    #[error("read the record that begins in line {line}: {what}")]
    Quotes {
        /// The line that the record begins in.
        line: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A record with another number of fields than the header.
    #[error("read line {line}: it has {found} fields, the header has {expected}")]
    Width {
        /// The line.
        line: u64,
        /// Fields of the header.
        expected: usize,
        /// Fields of the line.
        found: usize,
    },
    /// Two columns that mean the same.
    #[error("read line {line}: `{first}` and `{second}` both stand for the {field}")]
    Ambiguous {
        /// The line.
        line: u64,
        /// What they stand for.
        field: &'static str,
        /// The one column.
        first: String,
        /// The other.
        second: String,
    },
    /// A column that is needed and missing.
    #[error("score the predictions: no column holds the {field} (from line {line} on, lines have {found})")]
    Missing {
        /// The line.
        line: u64,
        /// What is missing.
        field: &'static str,
        /// The columns that are there.
        found: String,
    },
    /// A value that its column cannot take.
    #[error("take `{value}` as the {field} in line {line}: expected {expected}")]
    Value {
        /// The line.
        line: u64,
        /// The column's meaning.
        field: &'static str,
        /// The value, shortened.
        value: String,
        /// What belongs there, in words.
        expected: String,
    },
    /// Labels of two types: the number 1 and the text "1" are not the same label.
    #[error("compare the {kind} `{value}` of line {line} with labels that are {other_kind}, as in line {other_line}")]
    MixedTypes {
        /// The line.
        line: u64,
        /// The label.
        value: String,
        /// Its type.
        kind: &'static str,
        /// The type of the others.
        other_kind: &'static str,
        /// The first line with a label of that type.
        other_line: u64,
    },
    /// An id that stands twice.
    #[error("take line {line}: its id `{id}` already stands in line {first}")]
    DuplicateId {
        /// The second line.
        line: u64,
        /// The first line.
        first: u64,
        /// The id.
        id: String,
    },
    /// A label outside the closed set that was given.
    #[error("take `{label}` as the {field} in line {line}: it is none of the {count} given labels")]
    UnknownLabel {
        /// The line.
        line: u64,
        /// `target` or `prediction`.
        field: &'static str,
        /// The label.
        label: String,
        /// Size of the set.
        count: usize,
    },
    /// A row that contradicts itself.
    #[error("take line {line}: {what}")]
    Contradiction {
        /// The line.
        line: u64,
        /// The contradiction.
        what: String,
    },
    /// A column mapping that cannot be read.
    #[error("map `{text}`: {what}")]
    Map {
        /// The mapping.
        text: String,
        /// What is wrong.
        what: String,
    },
}

impl PredictionsError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Open { .. } => "name a file that can be read, or `-` for standard input",
            Self::Read { .. } => "check that the file is whole: `gzip -t` or `zstd -t` tells",
            Self::Stopped => "report this as a bug",
            Self::Form { .. } => "name the form with `--format jsonl`, `csv`, `tsv` or `parquet`",
            Self::Parquet { source, .. } => source.hint(),
            Self::Stream => "name a file: what its columns are stands at its end",
            Self::Empty => "write one row per sample; failed samples count too, with their `problem`",
            Self::Encoding { .. } => "convert the file, for example `iconv -f LATIN1 -t UTF-8`",
            Self::TooLong { .. } => "leave long texts out, or split the file by line",
            Self::Syntax { .. } => "write one JSON object per line (JSONL); an array of rows is `jq -c .[]` away",
            Self::Quotes { .. } => "enclose fields that hold quotes in quotes and double those inside",
            Self::Width { .. } => "enclose fields that hold the separator in quotes",
            Self::Ambiguous { .. } => "say which one counts, for example `--map prediction=COLUMN`",
            Self::Missing { .. } => "name the column, for example `--map target=COLUMN`",
            Self::Value { .. } => "correct the value, or leave it out and state a `problem` for the row",
            Self::MixedTypes { .. } => "write labels of one type throughout: all text, or all whole numbers",
            Self::DuplicateId { .. } => "score each sample once; repetitions need ids of their own and a `cluster`",
            Self::UnknownLabel { .. } => {
                "add the label to `--labels`, or mark answers outside the set with `\"problem\":\"unparsable\"`"
            }
            Self::Contradiction { .. } => "correct the row",
            Self::Map { .. } => "write FIELD=COLUMN, for example `target=gold`",
        }
    }
}

/// A value for a message: at most forty characters.
pub(crate) fn shorten(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
