//! Results of other tools as records of ours, with the definitions that their figures have.
//!
//! [`import`] takes the bytes of a file and finds out by its shape which tool wrote it. What the file says becomes
//! [`Metric`](weighbridge_types::metric::Metric)s; what it says per request becomes rows. A figure carries a definition
//! of ours only where the formula is equal ([`definitions`] is the one table); it is never converted from one
//! definition into another, and its origin is `reference`: no run of this program observed it. A value that is
//! missing, null, `NaN`, or the zero that a tool writes for a missing one becomes null with that reason.
//!
//! The price of the strict rule: most latencies of other tools do not compare with ours by id. The definition that
//! comes near, and the difference, stand beside each foreign definition.

pub mod check;
pub mod console;
pub mod definitions;

mod aiperf;
mod aiperf_rows;
mod criterion;
mod detect;
mod draft;
mod error;
mod figures;
mod guidellm;
mod http;
mod hyperfine;
mod inference_perf;
mod json;
mod llama_bench;
mod loadgen;
pub(crate) mod marker;
mod serving;
mod serving_rows;
mod time;
mod units;

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use weighbridge_types::record::Record;
use weighbridge_types::request::RequestRow;

pub use error::ImportError;

use draft::Draft;
use json::Body;

/// The kind of an imported record, as [`Record::kind`] has it.
pub const KIND: &str = "import";

/// Documents of one file; more would be a file of something else.
const MOST_DOCUMENTS: usize = 10_000;

/// A tool whose results can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the tools' own")]
pub enum Tool {
    Vllm,
    Sglang,
    Aiperf,
    GenaiPerf,
    Guidellm,
    InferencePerf,
    LlamaBench,
    K6,
    Oha,
    Hyperfine,
    Criterion,
    Loadgen,
}

impl Tool {
    /// The name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vllm => "vLLM bench",
            Self::Sglang => "SGLang bench_serving",
            Self::Aiperf => "AIPerf",
            Self::GenaiPerf => "GenAI-Perf",
            Self::Guidellm => "GuideLLM",
            Self::InferencePerf => "inference-perf",
            Self::LlamaBench => "llama-bench",
            Self::K6 => "k6",
            Self::Oha => "oha",
            Self::Hyperfine => "hyperfine",
            Self::Criterion => "criterion",
            Self::Loadgen => "MLPerf LoadGen",
        }
    }
}

/// A form of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// vLLM `bench serve --save-result`, JSON or a document per line.
    Vllm,
    /// SGLang `bench_serving`, a document per line.
    Sglang,
    /// AIPerf `profile_export_aiperf.json`.
    Aiperf,
    /// AIPerf `profile_export.jsonl`, a request per line.
    AiperfRows,
    /// AIPerf aggregate over several runs.
    AiperfAggregate,
    /// GenAI-Perf `profile_export_genai_perf.json`.
    GenaiPerf,
    /// GuideLLM `benchmarks.json`.
    Guidellm,
    /// inference-perf `summary_lifecycle_metrics.json` and `stage_N_lifecycle_metrics.json`.
    InferencePerf,
    /// llama-bench `-o json` and `-o jsonl`.
    LlamaBench,
    /// k6 `--summary-export` and the data of `handleSummary`.
    K6,
    /// oha `--output-format json`.
    Oha,
    /// hyperfine `--export-json`.
    Hyperfine,
    /// criterion `estimates.json`.
    Criterion,
    /// MLPerf LoadGen `mlperf_log_summary.txt`.
    Loadgen,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 14] = [
        Self::Vllm,
        Self::Sglang,
        Self::Aiperf,
        Self::AiperfRows,
        Self::AiperfAggregate,
        Self::GenaiPerf,
        Self::Guidellm,
        Self::InferencePerf,
        Self::LlamaBench,
        Self::K6,
        Self::Oha,
        Self::Hyperfine,
        Self::Criterion,
        Self::Loadgen,
    ];

    /// The name used in flags and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::Aiperf => "aiperf",
            Self::AiperfRows => "aiperf-jsonl",
            Self::AiperfAggregate => "aiperf-aggregate",
            Self::GenaiPerf => "genai-perf",
            Self::Guidellm => "guidellm",
            Self::InferencePerf => "inference-perf",
            Self::LlamaBench => "llama-bench",
            Self::K6 => "k6",
            Self::Oha => "oha",
            Self::Hyperfine => "hyperfine",
            Self::Criterion => "criterion",
            Self::Loadgen => "loadgen",
        }
    }

    /// The tool that writes it.
    #[must_use]
    pub const fn tool(self) -> Tool {
        match self {
            Self::Vllm => Tool::Vllm,
            Self::Sglang => Tool::Sglang,
            Self::Aiperf | Self::AiperfRows | Self::AiperfAggregate => Tool::Aiperf,
            Self::GenaiPerf => Tool::GenaiPerf,
            Self::Guidellm => Tool::Guidellm,
            Self::InferencePerf => Tool::InferencePerf,
            Self::LlamaBench => Tool::LlamaBench,
            Self::K6 => Tool::K6,
            Self::Oha => Tool::Oha,
            Self::Hyperfine => Tool::Hyperfine,
            Self::Criterion => Tool::Criterion,
            Self::Loadgen => Tool::Loadgen,
        }
    }

    /// Every name, for messages.
    pub(crate) fn list() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("import in the format `{0}`: there is no such format")]
pub struct UnknownFormat(String);

impl UnknownFormat {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> String {
        format!("write one of {}", Format::list())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let name = name.replace('_', "-").to_ascii_lowercase();
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or(UnknownFormat(name))
    }
}

/// What was made of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The format found, or the one named.
    pub format: Format,
    /// The record. `run_id` and `updated_at` are empty, and `created_at` too where the file names no time: the edge
    /// fills them in.
    pub record: Record,
    /// One row per request, where the file holds them.
    pub rows: Vec<RequestRow>,
    /// What was unknown, mapped or suspicious; the record holds the same notes.
    pub notes: Vec<String>,
}

/// Reads the result file of another tool. Without a hint its shape decides which tool wrote it.
///
/// # Errors
/// When the file cannot be read, is of no known shape, or of a version that would be misread.
pub fn import(bytes: &[u8], hint: Option<Format>) -> Result<Imported, ImportError> {
    let body = json::read(bytes)?;
    let format = hint.map_or_else(|| detect::detect(&body), Ok)?;
    let is_torn = matches!(body, Body::Lines { is_torn: true, .. });
    let mut draft = read(format, body)?;
    if is_torn {
        draft.is_torn = true;
        draft.sheet.note("the last line of the file is cut off and left out");
    }
    let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(draft.finish(format, &digest, bytes.len()))
}

fn read(format: Format, body: Body) -> Result<Draft, ImportError> {
    if format == Format::Loadgen {
        return match body {
            Body::Text(text) => loadgen::read(&text),
            _ => Err(ImportError::Missing { format, missing: "a summary in plain text".to_owned() }),
        };
    }
    let documents = match body {
        Body::One(serde_json::Value::Array(values)) if format == Format::LlamaBench => values,
        Body::One(value) => vec![value],
        Body::Lines { values, .. } => values,
        Body::Text(_) => return Err(ImportError::Missing { format, missing: "JSON".to_owned() }),
    };
    if documents.len() > MOST_DOCUMENTS && format != Format::AiperfRows {
        return Err(ImportError::TooLarge { format, what: "the number of documents", limit: MOST_DOCUMENTS });
    }
    match format {
        Format::Vllm | Format::Sglang => serving::read(format, &documents),
        Format::Aiperf | Format::GenaiPerf => aiperf::read(format, only(format, &documents)?),
        Format::AiperfAggregate => aiperf::read_aggregate(only(format, &documents)?),
        Format::AiperfRows => aiperf_rows::read(&documents),
        Format::Guidellm => guidellm::read(only(format, &documents)?),
        Format::InferencePerf => inference_perf::read(only(format, &documents)?),
        Format::LlamaBench => llama_bench::read(&documents),
        Format::K6 => http::read_k6(only(format, &documents)?),
        Format::Oha => http::read_oha(only(format, &documents)?),
        Format::Hyperfine => hyperfine::read(only(format, &documents)?),
        Format::Criterion => criterion::read(only(format, &documents)?),
        Format::Loadgen => Err(ImportError::Missing { format, missing: "a summary in plain text".to_owned() }),
    }
}

/// The only document of a file, an object.
fn only(format: Format, documents: &[serde_json::Value]) -> Result<&serde_json::Value, ImportError> {
    match documents {
        [document] if document.is_object() => Ok(document),
        _ => Err(ImportError::Missing { format, missing: "a single JSON object".to_owned() }),
    }
}
