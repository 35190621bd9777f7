//! Arguments of `eval`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::eval_compare::CompareArguments;
use super::eval_judge::EvalJudgeArguments;
use super::eval_matrix::MatrixArguments;
use super::eval_run::{EvalImportArguments, EvalListArguments, EvalRunArguments};
use super::eval_stream::StreamArguments;
use super::{OutputArguments, ResultsArguments};

#[derive(Debug, Subcommand)]
pub enum EvalVerb {
    /// Score a file of predictions: every metric that its columns allow, each with an interval
    Score(Box<ScoreArguments>),
    /// Run tasks against a model, and write a record with every answer
    Run(Box<EvalRunArguments>),
    /// Compare runs or files of predictions: paired differences, with intervals and a verdict
    Compare(Box<CompareArguments>),
    /// Run many models against many tasks, each cell within its memory, and compare them all
    Matrix(MatrixArguments),
    /// Play events as they happened through models, and weigh how a security desk would fare
    Stream(Box<StreamArguments>),
    /// Let a model judge answers by a rubric, and weigh the judge itself
    Judge(Box<EvalJudgeArguments>),
    /// Make a task of a promptfoo configuration
    Import(EvalImportArguments),
    /// List the shipped tasks and those of folders: tasks, groups and tags
    List(EvalListArguments),
}

/// The form of a file of predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PredictionsForm {
    /// One JSON object per line.
    Jsonl,
    /// Comma-separated, with a header.
    Csv,
    /// Tab-separated, with a header.
    Tsv,
    /// Parquet; needs the feature `parquet`.
    Parquet,
}

/// How BLEU cuts a text into tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum BleuTokenizer {
    /// That of mteval-v13a.
    #[default]
    #[value(name = "13a")]
    V13a,
    /// That of mteval-v14: punctuation and symbols of any script.
    Intl,
    /// Single characters.
    Char,
    /// White space only.
    None,
}

#[derive(Clone, Debug, Args)]
pub struct ScoreArguments {
    /// File of predictions: .jsonl, .csv or .tsv, also with .gz or .zst behind; .parquet
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Form of the file, where its name does not tell
    #[arg(long, value_enum, value_name = "FORM")]
    pub format: Option<PredictionsForm>,
    /// Which column holds a field, as target=gold; may stand several times
    #[arg(long, value_name = "FIELD=COLUMN")]
    pub map: Vec<String>,
    /// The labels that may occur, separated by commas; others are refused
    #[arg(long, value_name = "LABELS", value_delimiter = ',')]
    pub labels: Vec<String>,
    /// The label that scores and alerts speak of [default: 1 or true]
    #[arg(long, value_name = "LABEL")]
    pub positive: Option<String>,
    /// Scores of at least this are positive, where the file has scores and no predictions
    #[arg(long, value_name = "SCORE", default_value_t = 0.5)]
    pub threshold: f64,
    /// What it costs to miss a label, as malware=20; may stand several times, other labels cost 1
    #[arg(long, value_name = "LABEL=COST", conflicts_with = "cost_matrix")]
    pub cost: Vec<String>,
    /// CSV table of what each answer costs: true labels by row, answers by column
    #[arg(long, value_name = "FILE")]
    pub cost_matrix: Option<PathBuf>,
    /// Hierarchy of weaknesses, for the distance of CWE ids: the CSV export of view 1000, or a table child,parent
    #[arg(long, value_name = "FILE")]
    pub cwe: Option<PathBuf>,
    /// How BLEU cuts a text into tokens
    #[arg(long, value_enum, default_value_t, value_name = "NAME")]
    pub tokenize: BleuTokenizer,
    /// Exact match ignores case
    #[arg(long)]
    pub ignore_case: bool,
    /// Exact match ignores ASCII punctuation
    #[arg(long)]
    pub ignore_punctuation: bool,
    /// Exact match ignores ASCII digits
    #[arg(long)]
    pub ignore_numbers: bool,
    /// Only these metrics, separated by commas: accuracy, f1, roc_auc, bleu, …
    #[arg(long, value_name = "METRICS", value_delimiter = ',')]
    pub metric: Vec<String>,
    /// Confidence of the intervals, between 0 and 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.95)]
    pub confidence: f64,
    /// Resamples behind an interval
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub resamples: u32,
    /// Seed of the resamples
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// Name of the run, for the folder and the history [default: the file's name]
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Folder that keeps scores and gives them again for the same bytes and settings
    #[arg(long, value_name = "FOLDER")]
    pub cache: Option<PathBuf>,
    /// Print the figures and keep no record
    #[arg(long)]
    pub no_record: bool,
    #[command(flatten)]
    pub results: ResultsArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}
