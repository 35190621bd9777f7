//! The flags of running tasks.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use weighbridge_types::units::ByteSize;

use super::{LocalArguments, OutputArguments, ProfileFlag, ResultsArguments};

/// Shown below the flags of `eval run`.
const RUN_HELP: &str = "\
Examples:
  weighbridge eval run mytask.yaml --model tiny
  weighbridge eval run mmlu --tasks-dir tasks --data-dir data --model vllm:http://127.0.0.1:8000
  weighbridge eval run domains --model tiny
  weighbridge eval run gsm8k --tasks-dir tasks --model openai:http://127.0.0.1:8000#name --form chat
  weighbridge eval run mytask.yaml --model tiny --dry-run

Tasks are files in lm-eval's format. Nothing is downloaded and no code of a task is run.";

/// The form of prompts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PromptFormArgument {
    /// Plain text.
    #[default]
    Text,
    /// A conversation with examples and question in one turn.
    Chat,
    /// A conversation in which every example is two turns.
    ChatTurns,
}

/// How a choice is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ChoicesArgument {
    /// By log-probability where the engine gives it, else by letters.
    #[default]
    Auto,
    /// By log-probability, as lm-eval does.
    Loglikelihood,
    /// The model writes the letter of its choice.
    Letters,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = RUN_HELP)]
pub struct EvalRunArguments {
    /// Tasks, groups, tags, or task files
    #[arg(value_name = "TASK", required_unless_present = "resume")]
    pub tasks: Vec<String>,
    /// Who is asked: tiny, gguf:FILE, onnx:network, onnx:FILE, openai:URL#MODEL, vllm:URL#MODEL, scripted:…
    #[arg(short, long, value_name = "REF", default_value = "tiny")]
    pub model: String,
    /// Folder of task files; may be given more than once
    #[arg(long, value_name = "FOLDER", alias = "include-path")]
    pub tasks_dir: Vec<PathBuf>,
    /// Folder of data sets, as DATASET/[PART/]SPLIT.jsonl; may be given more than once
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Vec<PathBuf>,
    /// Examples before each question instead of the task's number
    #[arg(short = 'f', long, value_name = "N", alias = "num_fewshot")]
    pub num_fewshot: Option<usize>,
    /// Documents of each task at most; below 1 a share of them
    #[arg(short = 'L', long, value_name = "N")]
    pub limit: Option<f64>,
    /// Documents in flight at most [default: what the task says, else 8]
    #[arg(short, long, value_name = "N", alias = "num-concurrent")]
    pub concurrency: Option<usize>,
    /// A file of `serve`, whose `evaluation_service` and `data_service` are heeded; flags win over it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Longest time for one request, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0)]
    pub request_timeout: f64,
    /// Further tries of a request after a failure that may pass
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub retries: u32,
    /// Failures in a row after which the run stops; it can be resumed
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub give_up_after: u32,
    /// Text before everything
    #[arg(long, value_name = "TEXT", alias = "system-instruction")]
    pub system: Option<String>,
    /// The form of prompts
    #[arg(long, value_enum, default_value_t)]
    pub form: PromptFormArgument,
    /// How a choice is made
    #[arg(long, value_enum, default_value_t)]
    pub choices: ChoicesArgument,
    /// Tokens of an answer at most instead of the tasks' numbers
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<u32>,
    /// Seed of the examples
    #[arg(long, value_name = "N", default_value_t = 1234)]
    pub seed: i64,
    #[command(flatten)]
    pub local: LocalArguments,
    /// Name of the run, for the folder and the history
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Continue a run with its own settings: its folder, its name, or `latest`
    #[arg(long, value_name = "RUN", conflicts_with_all = ["tasks", "label", "limit", "num_fewshot"])]
    pub resume: Option<String>,
    /// Folder of answers that need not be asked for again; made where there is none
    #[arg(long, value_name = "FOLDER")]
    pub cache: Option<PathBuf>,
    /// Bytes that the folder may hold, as 4GiB; its oldest answers go first
    #[arg(long, value_name = "SIZE", default_value = "4GiB")]
    pub cache_size: ByteSize,
    /// Print the first prompts as they would be asked, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Memory that this process may take, as 2GiB; beyond it, it ends
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<ByteSize>,
    /// Price of a million prompt tokens
    #[arg(long, value_name = "PRICE", requires = "price_output")]
    pub price_input: Option<f64>,
    /// Price of a million answer tokens
    #[arg(long, value_name = "PRICE", requires = "price_input")]
    pub price_output: Option<f64>,
    /// Price of an hour of the machine that the model runs on
    #[arg(long, value_name = "PRICE")]
    pub price_per_hour: Option<f64>,
    /// Print each document as a line of JSON when it is answered, instead of a report at the end
    #[arg(long, conflicts_with = "as_cell")]
    pub follow: bool,
    /// Be the process of one cell of a study
    #[arg(long, hide = true)]
    pub as_cell: bool,
    /// Leave out the export in lm-eval's form
    #[arg(long)]
    pub no_export: bool,
    #[command(flatten)]
    pub profile: ProfileFlag,
    #[command(flatten)]
    pub results: ResultsArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}

#[derive(Clone, Debug, Args)]
pub struct EvalListArguments {
    /// Folder of task files beside the shipped ones; may be given more than once
    #[arg(long, value_name = "FOLDER", alias = "include-path")]
    pub tasks_dir: Vec<PathBuf>,
    /// Only names that contain this
    #[arg(value_name = "TEXT")]
    pub filter: Option<String>,
    #[command(flatten)]
    pub output: OutputArguments,
}

#[derive(Clone, Debug, Args)]
pub struct EvalImportArguments {
    /// A promptfoo configuration: prompts, tests with variables, assertions that can be computed
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Folder that the task file and its data are written to
    #[arg(short, long, value_name = "FOLDER", default_value = ".")]
    pub out: PathBuf,
}
