//! A record in the forms that other tools and CI systems read.
//!
//! [`export`] writes the figures of a record, and where the form asks for them its requests. A form that holds the
//! summary of one load gets a file for each cell of the record. A field of another tool gets our figure that comes
//! nearest to it; the mark under `weighbridge` says which definition each figure has, so that
//! [`import`](crate::import::import) gives it back unchanged. A figure of a third tool is never written under the name
//! of another one's: that is an error. What the record does not have is null or left out, never 0.

mod aiperf;
mod ci;
mod error;
mod job_summary;
mod junit;
mod llama_bench;
mod prometheus;
mod source;
mod sql;
mod vllm;

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use weighbridge_summary::Rows;
use weighbridge_types::metric::Cell;
use weighbridge_types::record::Record;

pub use error::ExportError;

/// A form that a record can be exported in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExportFormat {
    /// vLLM `bench serve` JSON; with the detailed arrays where rows are at hand.
    Vllm,
    /// AIPerf `profile_export_aiperf.json`.
    Aiperf,
    /// AIPerf `profile_export.jsonl`; needs rows.
    AiperfRows,
    /// llama-bench JSON; needs rows with known lengths.
    LlamaBench,
    /// SQL that makes two tables and fills them.
    Sql,
    /// Prometheus text exposition.
    Prometheus,
    /// JUnit XML with a test case per target and check.
    Junit,
    /// github-action-benchmark: smaller-is-better and bigger-is-better apart.
    GithubAction,
    /// Bencher metric format, with our intervals as bounds.
    Bencher,
    /// Short Markdown for the page of a CI job.
    JobSummary,
}

impl ExportFormat {
    /// Every form.
    pub const ALL: [Self; 10] = [
        Self::Vllm,
        Self::Aiperf,
        Self::AiperfRows,
        Self::LlamaBench,
        Self::Sql,
        Self::Prometheus,
        Self::Junit,
        Self::GithubAction,
        Self::Bencher,
        Self::JobSummary,
    ];

    /// The name used in flags.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vllm => "vllm",
            Self::Aiperf => "aiperf",
            Self::AiperfRows => "aiperf-jsonl",
            Self::LlamaBench => "llama-bench",
            Self::Sql => "sql",
            Self::Prometheus => "prometheus",
            Self::Junit => "junit",
            Self::GithubAction => "github-action",
            Self::Bencher => "bencher",
            Self::JobSummary => "job-summary",
        }
    }
}

impl fmt::Display for ExportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ExportFormat {
    type Err = ExportError;

    fn from_str(name: &str) -> Result<Self, ExportError> {
        let found = Self::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| ExportError::UnknownFormat { name: name.to_owned() })
    }
}

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportFile {
    /// Its name: letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// Its contents.
    pub bytes: Vec<u8>,
}

impl ExportFile {
    fn text(name: impl Into<String>, text: String) -> Self {
        Self { name: name.into(), bytes: text.into_bytes() }
    }

    fn json(name: impl Into<String>, value: &impl Serialize) -> Self {
        Self::text(name, crate::json::pretty(value))
    }
}

/// Exports a record; `rows` are those of its event log, where it has one.
///
/// # Errors
/// When the record lacks what the form is made of, or its figures are of another tool than the form's.
pub fn export(record: &Record, rows: Option<&Rows>, format: ExportFormat) -> Result<Vec<ExportFile>, ExportError> {
    match format {
        ExportFormat::Vllm => vllm::export(record, rows),
        ExportFormat::Aiperf => aiperf::export(record),
        ExportFormat::AiperfRows => aiperf::export_rows(record, rows),
        ExportFormat::LlamaBench => llama_bench::export(record, rows),
        ExportFormat::Sql => Ok(vec![sql::export(record)]),
        ExportFormat::Prometheus => Ok(vec![prometheus::export(record)]),
        ExportFormat::Junit => junit::export(record),
        ExportFormat::GithubAction => ci::github_action(record),
        ExportFormat::Bencher => ci::bencher(record),
        ExportFormat::JobSummary => Ok(vec![job_summary::export(record)]),
    }
}

/// `stem.json` for one cell, `stem_throughput_concurrency-4.json` for one of several.
fn file_name(stem: &str, cell: &Cell, index: usize, count: usize, extension: &str) -> String {
    if count <= 1 {
        return format!("{stem}.{extension}");
    }
    let keep = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '-' };
    let parts = cell.iter().map(|(key, value)| match key {
        "phase" => value.to_owned(),
        _ => format!("{key}-{value}"),
    });
    let words: String =
        parts.collect::<Vec<_>>().join("_").chars().map(|c| if c == '_' { '_' } else { keep(c) }).collect();
    // The number keeps two names apart that were cut or cleaned to the same words.
    let words: String = words.chars().take(80).collect();
    format!("{stem}_{}_{}.{extension}", index + 1, words.trim_matches(['.', '-', '_']))
}
