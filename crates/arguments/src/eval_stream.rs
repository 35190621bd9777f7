//! The flags of playing a stream of events.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use weighbridge_eval::stream::{Outage, Pace, Route};
use weighbridge_types::units::parse_duration;

use super::{LocalArguments, OutputArguments, PredictionsForm, ResultsArguments};

/// Shown below the flags of `eval stream`.
const STREAM_HELP: &str = "\
Examples:
  weighbridge eval stream --scenario soc --hours 24 --speed 1440
  weighbridge eval stream events.jsonl --model onnx:network --speed 60
  weighbridge eval stream events.jsonl --route network=onnx:network --route email=onnx:email --rate 1000
  weighbridge eval stream alerts.csv.gz --map target=time_label --map key=host --all-alerts --analyst-capacity 60
  weighbridge eval stream verdicts.jsonl --follow | jq .

Columns: timestamp (seconds or RFC 3339), text, target (the true label), source, key, incident, prediction, score.
--map FIELD=COLUMN names others.";

/// The unit of time stamps that are numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TimeUnitArgument {
    /// Seconds since 1970.
    #[default]
    S,
    /// Milliseconds since 1970.
    Ms,
    /// Microseconds since 1970.
    Us,
    /// Nanoseconds since 1970.
    Ns,
}

/// What happens to an event that finds a queue full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ShedArgument {
    /// It is turned away.
    #[default]
    Newest,
    /// The one that has waited longest is given up for it.
    Oldest,
    /// It waits outside, and so do all behind it.
    Block,
}

/// A made-up stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScenarioArgument {
    /// A security desk: network, malware and e-mail events, incidents, a burst, two outages.
    Soc,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = STREAM_HELP)]
pub struct StreamArguments {
    /// Events in the order of their arrival: .jsonl, .csv or .tsv, also with .gz or .zst behind
    #[arg(value_name = "FILE", required_unless_present = "scenario", conflicts_with = "scenario")]
    pub file: Option<PathBuf>,
    /// Play a made-up stream instead of a file
    #[arg(long, value_enum, value_name = "NAME")]
    pub scenario: Option<ScenarioArgument>,
    /// Length of the made-up stream by its time stamps, hours
    #[arg(long, value_name = "HOURS", default_value_t = 24.0, requires = "scenario")]
    pub hours: f64,
    /// Folder of the public sets that the made-up stream takes its texts from [default: the samples that ship]
    #[arg(long, value_name = "FOLDER", requires = "scenario")]
    pub data_dir: Vec<PathBuf>,
    /// Who answers every event: onnx:network, tiny, gguf:FILE, openai:URL#MODEL, …
    #[arg(short, long, value_name = "REF", conflicts_with = "route")]
    pub model: Option<String>,
    /// Who answers the events of a source, as network=onnx:network or a,b=REF; may stand several times
    #[arg(long, value_name = "SOURCE=REF")]
    pub route: Vec<Route>,
    /// Which column holds a field, as target=label; may stand several times
    #[arg(long, value_name = "FIELD=COLUMN", requires = "file")]
    pub map: Vec<String>,
    /// Form of the file, where its name does not tell
    #[arg(long, value_enum, value_name = "FORM", requires = "file")]
    pub format: Option<PredictionsForm>,
    /// Unit of time stamps that are numbers
    #[arg(long, value_enum, value_name = "UNIT", default_value_t, requires = "file")]
    pub time_unit: TimeUnitArgument,
    /// How many times as fast as the events happened, or max [default: max, a made-up stream 1440]
    #[arg(long, value_name = "FACTOR", value_parser = speed, conflicts_with = "rate")]
    pub speed: Option<Pace>,
    /// Release so many events a second at random times, whatever their time stamps
    #[arg(long, value_name = "EVENTS_PER_S")]
    pub rate: Option<f64>,
    /// Length of the sliding window, by the time stamps
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "5m")]
    pub window: Duration,
    /// How far the window slides at a time
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "1m")]
    pub slide: Duration,
    /// How long a stretch of time stays open for events that come late
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "1m")]
    pub lateness: Duration,
    /// Events that may wait for each model
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub queue: usize,
    /// What happens to an event that finds the queue full; at the speed max, it waits
    #[arg(long, value_enum, value_name = "POLICY", default_value_t)]
    pub shed: ShedArgument,
    /// Labels that mean that nothing is wrong, separated by commas [default: benign, normal, ham, false_positive, …]
    #[arg(long, value_name = "LABELS", value_delimiter = ',')]
    pub benign: Vec<String>,
    /// Probability or score of an attack from which on there is an alert [default: the likeliest class]
    #[arg(long, value_name = "SCORE")]
    pub threshold: Option<f64>,
    /// Every event is an alert, as those of another detector are
    #[arg(long, conflicts_with_all = ["model", "route", "threshold"])]
    pub all_alerts: bool,
    /// Labels that a model which writes text chooses from, separated by commas
    #[arg(long, value_name = "LABELS", value_delimiter = ',', default_values_t = ["benign".to_owned(), "attack".to_owned()])]
    pub labels: Vec<String>,
    /// An alert repeats another of its key within this time
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "15m")]
    pub repeat_window: Duration,
    /// Attack events of one name with at most this time between them are one incident
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "10m")]
    pub incident_gap: Duration,
    /// Alerts that the analysts can look at in an hour
    #[arg(long, value_name = "ALERTS")]
    pub analyst_capacity: Option<f64>,
    /// Let a model be down on purpose, as 2h+10m after the first event, or ROUTE=2h+10m; may stand several times
    #[arg(long, value_name = "START+LENGTH")]
    pub outage: Vec<Outage>,
    /// Time between questions to each model whether it answers at all, by the time stamps [default: 1m, or a quarter of the
    /// shortest outage]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub probe_interval: Option<Duration>,
    /// A limit on a figure, as verdict_latency.p99<2000 or fpr<0.05; may stand several times
    #[arg(long, value_name = "LIMIT")]
    pub target: Vec<String>,
    /// Requests to each model at a time [default: 2 to a classifier, 8 to other models]
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// Longest time for one request, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub request_timeout: f64,
    /// Write every verdict to a file, in the form that `eval score` reads
    #[arg(long, value_name = "FILE")]
    pub verdicts: Option<PathBuf>,
    /// Print each window as a line of JSON when it closes, instead of a report at the end
    #[arg(long)]
    pub follow: bool,
    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = 1234)]
    pub seed: i64,
    #[command(flatten)]
    pub local: LocalArguments,
    /// Name of the run, for the folder and the history
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    #[command(flatten)]
    pub results: ResultsArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}

fn speed(text: &str) -> Result<Pace, String> {
    if text.eq_ignore_ascii_case("max") {
        return Ok(Pace::Fastest);
    }
    let factor = text.strip_suffix(['x', '×']).unwrap_or(text).parse::<f64>();
    let factor = factor.ok().filter(|factor| factor.is_finite() && *factor > 0.0);
    factor.map(Pace::Speed).ok_or_else(|| "write `max`, or how many times as fast: `1`, `60`, `1440`".to_owned())
}
