//! Arguments of `eval judge`.

use clap::{Args, ValueEnum};

use super::{LocalArguments, OutputArguments, ResultsArguments};

const JUDGE_HELP: &str = "\
Examples:
  weighbridge eval judge answers.jsonl --judge openai:http://127.0.0.1:8000#name --rubric \"The answer is right.\"
  weighbridge eval judge pairs.jsonl --form pair --judge anthropic:NAME --rubric @rubric.txt
  weighbridge eval judge answers.jsonl --judge gguf:judge.gguf --rubric @rubric.txt --plant --repeats 3 --temperature 0.7
  weighbridge eval judge latest --form score --map group=category --judge anthropic:NAME --rubric @rubric.txt
  weighbridge eval judge RUN --against OTHER-RUN --form pair --judge anthropic:NAME --rubric @rubric.txt

A row has `question` and `answer`, or `answer_a` and `answer_b`, and may have `reference`, `group` and `human`: pass or fail,
1 to 5, a, b or tie. Human labels make agreement and the corrected rate known; --plant shows whether the judge notices errors.
Of a run every turn is judged; --map names columns of its documents. Groups have figures of their own.";

/// What a judge is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum JudgeFormArgument {
    /// Whether an answer meets the rubric.
    #[default]
    Verdict,
    /// How well an answer meets it, 1 to 5.
    Score,
    /// Which of two answers meets it better, asked in both orders.
    Pair,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = JUDGE_HELP)]
pub struct EvalJudgeArguments {
    /// File of answers: .jsonl, .json, .csv or .tsv, also with .gz behind; or a run of `eval run`: its folder, id or label,
    /// or `latest`
    #[arg(value_name = "FILE|RUN", required_unless_present = "resume")]
    pub answers: Option<String>,
    /// The run whose answers are B of `--form pair`, beside those of RUN
    #[arg(long, value_name = "RUN", conflicts_with = "resume")]
    pub against: Option<String>,
    /// Who judges: gguf:FILE, openai:URL#MODEL, vllm:URL#MODEL, scripted:…
    #[arg(short, long, value_name = "REF", required_unless_present = "resume")]
    pub judge: Option<String>,
    /// What a good answer is: a text, or @FILE
    #[arg(short, long, value_name = "TEXT", required_unless_present = "resume")]
    pub rubric: Option<String>,
    /// Go on with a run that was killed or interrupted: its folder, id or label, or `latest`
    #[arg(long, value_name = "RUN", conflicts_with_all = ["answers", "judge", "rubric"])]
    pub resume: Option<String>,
    /// What the judge is asked
    #[arg(long, value_enum, default_value_t)]
    pub form: JudgeFormArgument,
    /// Which column holds a field, as answer=output; may stand several times
    #[arg(long, value_name = "FIELD=COLUMN", value_parser = column)]
    pub map: Vec<(String, String)>,
    /// Answers that are judged, at most
    #[arg(short = 'L', long, value_name = "N")]
    pub limit: Option<usize>,
    /// How often every question is asked, for the judge's agreement with itself
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub repeats: u32,
    /// Temperature of the judge
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    pub temperature: f32,
    /// Tokens of a verdict with its reasons at most
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub max_tokens: u32,
    /// Judge damaged answers too, and report how many are noticed
    #[arg(long)]
    pub plant: bool,
    /// Price of a million prompt tokens
    #[arg(long, value_name = "PRICE", requires = "price_output")]
    pub price_input: Option<f64>,
    /// Price of a million answer tokens
    #[arg(long, value_name = "PRICE", requires = "price_input")]
    pub price_output: Option<f64>,
    /// Questions in flight at most [default: 8]
    #[arg(short, long, value_name = "N")]
    pub concurrency: Option<usize>,
    /// Longest time for one request, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0)]
    pub request_timeout: f64,
    /// Seed of sampled verdicts
    #[arg(long, value_name = "N", default_value_t = 1234)]
    pub seed: i64,
    #[command(flatten)]
    pub local: LocalArguments,
    /// Name of the run, for the folder and the history [default: the file's name]
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Print the first questions as the judge would be asked, and stop
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub results: ResultsArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}

/// Fields that `--map` knows.
const FIELDS: [&str; 7] = ["question", "answer", "answer_a", "answer_b", "reference", "human", "group"];

fn column(text: &str) -> Result<(String, String), String> {
    let (field, column) = text.split_once('=').ok_or("write it as FIELD=COLUMN")?;
    if !FIELDS.contains(&field) {
        return Err(format!("the field `{field}` is none of {}", FIELDS.join(", ")));
    }
    Ok((field.to_owned(), column.to_owned()))
}
