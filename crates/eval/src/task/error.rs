//! What can be wrong with a task.

use std::path::PathBuf;

use super::literal::LiteralError;
use super::pattern::PatternError;
use crate::parquet::ParquetError;

/// A task that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// A file or folder could not be read.
    #[error("read `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Documents are too many for memory, and the file beside it cannot be written.
    #[error("keep many documents in a file in `{}`: {source}", folder.display())]
    Keep {
        /// The folder for temporary files.
        folder: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is no YAML, or not of the expected shape.
    #[error("read the task file `{}`: {problem}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column where known.
        problem: String,
    },
    /// Files include each other in a circle.
    #[error("read `{}`: it includes itself", path.display())]
    IncludeCycle {
        /// The file.
        path: PathBuf,
    },
    /// There is no such task.
    #[error("find the task `{name}`")]
    Unknown {
        /// The name.
        name: String,
        /// The nearest known name.
        nearest: Option<String>,
    },
    /// A key needs Python.
    #[error("use the task `{task}`: its key `{key}` is Python code, `{code}`")]
    Python {
        /// The task.
        task: String,
        /// The key.
        key: String,
        /// What it calls.
        code: String,
    },
    /// A key has a value that does not fit.
    #[error("use the task `{task}`: its key `{key}` is `{value}`; expected {expected}")]
    Key {
        /// The task.
        task: String,
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What was expected.
        expected: String,
    },
    /// A template could not be read or rendered.
    #[error("render `{key}` of the task `{task}`{}: {problem}", document(*row))]
    Template {
        /// The task.
        task: String,
        /// The key.
        key: String,
        /// The document, when one was being rendered.
        row: Option<usize>,
        /// What went wrong.
        problem: String,
    },
    /// A template's output is no literal although one is needed.
    #[error("take `{key}` of the task `{task}`: {source}")]
    Literal {
        /// The task.
        task: String,
        /// The key.
        key: String,
        /// Why.
        #[source]
        source: LiteralError,
    },
    /// A regular expression cannot be used.
    #[error("use the task `{task}`: {source}")]
    Pattern {
        /// The task.
        task: String,
        /// Why.
        #[source]
        source: PatternError,
    },
    /// The data of a task is not there.
    #[error("find the data of the task `{task}`: {problem}")]
    NoData {
        /// The task.
        task: String,
        /// What was looked for.
        problem: String,
    },
    /// A set of the binary cannot be had.
    #[error("use the task `{task}`: {problem}")]
    Shipped {
        /// The task.
        task: String,
        /// What is wrong.
        problem: String,
    },
    /// A data file is damaged.
    #[error("read the data file `{}` at {place}: {problem}", path.display())]
    Data {
        /// The file.
        path: PathBuf,
        /// Line or row.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// A Parquet file that is not read.
    #[error("read the data file `{}`: {source}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ParquetError,
    },
    /// A document does not fit the task.
    #[error("use document {row} of the task `{task}`: {problem}")]
    Document {
        /// The task.
        task: String,
        /// Its row, from 0.
        row: usize,
        /// What is wrong.
        problem: String,
    },
    /// There are not enough examples.
    #[error("draw {wanted} few-shot examples for the task `{task}` from {available}")]
    FewShot {
        /// The task.
        task: String,
        /// How many were asked for.
        wanted: usize,
        /// How many there are.
        available: usize,
    },
}

fn document(row: Option<usize>) -> String {
    row.map_or_else(String::new, |row| format!(" for document {row}"))
}

impl TaskError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Io { .. } => "check the path and its permissions".to_owned(),
            Self::Keep { .. } => "name a folder with enough space in the environment variable TMPDIR".to_owned(),
            Self::Yaml { .. } => "a task file is a YAML mapping with `task`, `dataset_path`, `output_type`, \
                                  `doc_to_text`, `doc_to_target`; text with a line end needs double quotes"
                .to_owned(),
            Self::IncludeCycle { .. } => "remove one of the `include` keys".to_owned(),
            Self::Unknown { nearest: Some(nearest), .. } => {
                format!("did you mean `{nearest}`? `weighbridge eval list` shows the known tasks")
            }
            Self::Unknown { nearest: None, .. } => {
                "name a YAML file, or name a folder of task files with `--tasks-dir`".to_owned()
            }
            Self::Python { .. } => "a task is data here and runs no code: write the key as a template, or use the \
                                    built-in transform of the same name where there is one"
                .to_owned(),
            Self::Key { key, .. } => format!("correct `{key}` in the task file"),
            Self::Template { .. } => "the names in a template are the columns of the data; an unknown name is an \
                                      error, as in lm-eval"
                .to_owned(),
            Self::Literal { .. } => {
                "the template must print a Python list, such as `{{ choices }}` or `['a', 'b']`".to_owned()
            }
            Self::Pattern { .. } => "correct the expression, or make it simpler".to_owned(),
            Self::NoData { .. } => "nothing is downloaded: put the files into a folder and name it with `--data-dir`, \
                                    or name them in the task's `dataset_kwargs.data_files`"
                .to_owned(),
            Self::Shipped { .. } => {
                "correct `dataset_name`, the split, or `items` and `seed` of `dataset_kwargs`".to_owned()
            }
            Self::Data { .. } => "correct the file; data is read as UTF-8 JSON lines, a JSON list, CSV or TSV with a \
                                  head line, or tagged tokens (`.conll`), each also gzipped"
                .to_owned(),
            Self::Parquet { source, .. } => source.hint().to_owned(),
            Self::Document { .. } => "correct the document, or the key that reads it".to_owned(),
            Self::FewShot { .. } => "lower `--num-fewshot`, or give the task a larger `fewshot_split`".to_owned(),
        }
    }
}
