//! `model quantize`: fewer bits, and what they cost.

use std::path::{Path, PathBuf};

use serde::Serialize;
use weighbridge_bench::{BenchSettings, Campaign, Identity, Mode, Targets};
use weighbridge_engine_local::quant::BlockType;
use weighbridge_engine_local::quantize::{QuantizeReport, quantize};
use weighbridge_telemetry::SystemRoot;
use weighbridge_types::event::{RunEvent, Sink, SinkError};
use weighbridge_types::metric::{Metric, Statistic};
use weighbridge_types::model_ref::ModelRef;
use weighbridge_types::record::{Phase, Record};
use weighbridge_types::time::Clock;
use weighbridge_types::units::ByteSize;

use super::super::runtime;
use crate::arguments::{LocalArguments, OutputFormat};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::registry::{Registry, model_path};

/// What to convert.
pub(super) struct Job {
    pub(super) input: PathBuf,
    pub(super) output: PathBuf,
    pub(super) to: BlockType,
    pub(super) no_quality: bool,
}

/// What came of it.
#[derive(Serialize)]
struct Outcome {
    output: PathBuf,
    report: QuantizeReport,
    /// Quality metrics of both files; empty when left out. Their cells name the variant, `before` or `after`.
    quality: Vec<Metric>,
}

pub(super) fn run(job: &Job, format: OutputFormat, environment: &Environment) -> Result<Exit, Failure> {
    let scratch = tempfile::tempdir()?;
    let input = model_path(&job.input, scratch.path())?;
    let report = quantize(&input, &job.output, job.to)?;
    let quality = if job.no_quality { Vec::new() } else { quality(&input, &job.output, environment)? };
    let outcome = Outcome { output: job.output.clone(), report, quality };
    match format {
        OutputFormat::Json => output::json(&outcome)?,
        OutputFormat::Console => output::data(&text(&outcome))?,
    }
    Ok(Exit::Pass)
}

/// Weighs both files with the quality phase of the weigh-in.
fn quality(before: &Path, after: &Path, environment: &Environment) -> Result<Vec<Metric>, Failure> {
    let registry = Registry::new(environment, LocalArguments::default())?;
    let mut settings = BenchSettings::for_mode(Mode::Quick);
    settings.phases = vec![Phase::Quality];
    settings.quality_items = 60;
    settings.budgets_s.quality = 120;
    runtime()?.block_on(async {
        let subject = registry.pair(("before", &local(before)), ("after", &local(after)));
        let campaign = Campaign {
            settings,
            subject,
            identity: Identity::default(),
            targets: Targets::default(),
            root: SystemRoot::host(),
            clock: Clock::start(),
            cancel: tokio_util::sync::CancellationToken::new(),
            sampling: None,
            check_record: None,
        };
        let record = campaign.run(None, &mut Nowhere).await?;
        let kept = ["accuracy", "perplexity", "decode_rate"];
        Ok(record.metrics.into_iter().filter(|metric| kept.contains(&metric.name.as_str())).collect())
    })
}

/// Keeps nothing: the figures are printed and the run leaves no record.
struct Nowhere;

impl Sink for Nowhere {
    fn event(&mut self, _event: &RunEvent) -> Result<(), SinkError> {
        Ok(())
    }

    fn checkpoint(&mut self, _record: &Record) -> Result<(), SinkError> {
        Ok(())
    }
}

fn local(path: &Path) -> ModelRef {
    if path.is_dir() { ModelRef::Safetensors(path.to_owned()) } else { ModelRef::Gguf(path.to_owned()) }
}

fn text(outcome: &Outcome) -> String {
    let report = &outcome.report;
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    let share = 100.0 * report.output_bytes as f64 / report.input_bytes.max(1) as f64;
    let mut lines = vec![
        format!("wrote         {}", outcome.output.display()),
        format!("size          {} → {} ({share:.1} %)", ByteSize(report.input_bytes), ByteSize(report.output_bytes)),
        format!(
            "weight error  RMSE {:.3e}, {} of the weights' own RMS, largest {:.3e}",
            report.error.rmse,
            report.error.relative.map_or_else(|| "n/a".to_owned(), |relative| format!("{:.3} %", 100.0 * relative)),
            report.error.max,
        ),
    ];
    for name in ["perplexity", "accuracy", "decode_rate"] {
        lines.extend(pairs(&outcome.quality, name));
    }
    lines.join("\n")
}

/// One line per cell of a metric that both files have: `accuracy task=arithmetic  0.95 [0.86, 0.98] → 0.93 [0.84, 0.97]`.
fn pairs<'a>(metrics: &'a [Metric], name: &'a str) -> impl Iterator<Item = String> + 'a {
    let of = move |variant: &'a str| {
        metrics.iter().filter(move |metric| metric.name == name && metric.cell.get("variant") == Some(variant))
    };
    let is_shown = |metric: &&Metric| matches!(metric.statistic, Statistic::Value | Statistic::Mean);
    of("before").filter(is_shown).filter_map(move |before| {
        let same =
            |after: &&Metric| after.statistic == before.statistic && after.cell.get("task") == before.cell.get("task");
        let after = of("after").find(same)?;
        let task = before.cell.get("task").map_or_else(String::new, |task| format!(" {task}"));
        Some(format!("{:<13} {} → {}  {}", format!("{name}{task}"), figure(before), figure(after), before.unit))
    })
}

/// `0.95 [0.86, 0.98]`, or `n/a (reason)`.
fn figure(metric: &Metric) -> String {
    let Some(value) = metric.value else {
        return format!("n/a ({})", metric.reason.as_deref().unwrap_or("no reason was given"));
    };
    match &metric.interval {
        Some(interval) => format!("{value:.4} [{:.4}, {:.4}]", interval.low, interval.high),
        None => format!("{value:.4}"),
    }
}
