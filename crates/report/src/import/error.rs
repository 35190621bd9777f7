//! What keeps a file from being imported.

use super::Format;

/// A file that cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Nothing but white space.
    #[error("import the file: it is empty")]
    Empty,
    /// Not UTF-8.
    #[error("import the file: {problem}")]
    Encoding {
        /// What the bytes look like.
        problem: String,
    },
    /// The file ends in the middle of a value.
    #[error("import the file: it is cut off at line {line}, column {column}")]
    Truncated {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// Not JSON where JSON is due.
    #[error("read line {line} as JSON: {source}")]
    Json {
        /// Line of the file, from 1.
        line: usize,
        /// Why not.
        source: serde_json::Error,
    },
    /// No importer knows the shape.
    #[error("tell which tool wrote the file: it holds {found}")]
    UnknownFormat {
        /// What was seen: the first keys, or the first line.
        found: String,
    },
    /// A version that the importer would misread.
    #[error("import {format} of version {found}; versions up to {supported} are known")]
    Version {
        /// The format.
        format: Format,
        /// The version of the file.
        found: String,
        /// The newest known one.
        supported: &'static str,
    },
    /// A part without which the file says nothing.
    #[error("import the file as {format}: {missing} is missing")]
    Missing {
        /// The format.
        format: Format,
        /// What is missing.
        missing: String,
    },
    /// More than the importer takes.
    #[error("import the file as {format}: {what} exceeds the limit of {limit}")]
    TooLarge {
        /// The format.
        format: Format,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl ImportError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Empty => {
                "name the result file that the tool wrote; the run may have failed before its end".to_owned()
            }
            Self::Encoding { .. } => "convert the file to UTF-8, for example with `iconv -t utf-8`".to_owned(),
            Self::Truncated { .. } => {
                "copy the file again, or let the tool finish: it was still being written".to_owned()
            }
            Self::Json { .. } => "name the JSON or JSONL file of the tool, not its log".to_owned(),
            Self::UnknownFormat { .. } => format!("name the format with `--format`: {}", Format::list()),
            Self::Version { .. } => {
                "use a newer version of weighbridge, or export from the tool in an older form".to_owned()
            }
            Self::Missing { .. } => format!("name the right format with `--format`: {}", Format::list()),
            Self::TooLarge { .. } => "import a part of the file".to_owned(),
        }
    }
}
