//! The five phases. Each drives the engine and leaves rows; figures are made of them afterwards.

mod latency;
mod memory;
mod quality;
mod throughput;
mod validate;

use weighbridge_types::event::SinkError;
use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::{MetricPointer, Phase};

use crate::context::{Context, Output};

pub(crate) use latency::STABLE_CV;

/// Runs one repetition of a phase, and adds what it leaves to `output`.
pub(crate) async fn run(context: &mut Context<'_>, output: &mut Output) -> Result<(), SinkError> {
    match context.phase {
        Phase::Validate => validate::run(context, output).await,
        Phase::Latency => latency::run(context, output).await,
        Phase::Memory => memory::run(context, output).await,
        Phase::Throughput => throughput::run(context, output).await,
        Phase::Quality => quality::run(context, output).await,
        Phase::Load | Phase::Evaluate | Phase::Stream => Ok(()),
    }
}

/// What follows from the figures of a phase, once all repetitions are in: verdicts and remarks.
pub(crate) fn conclude(context: &Context<'_>, metrics: &[Metric], output: &mut Output) {
    match context.phase {
        Phase::Validate => validate::conclude(context, metrics, output),
        Phase::Latency => latency::conclude(metrics, output),
        Phase::Memory => memory::conclude(context, metrics, output),
        Phase::Throughput | Phase::Quality | Phase::Load | Phase::Evaluate | Phase::Stream => {}
    }
}

/// The metric that stands for a phase in the overview.
pub(crate) fn key_metric(phase: Phase, metrics: &[Metric]) -> Option<MetricPointer> {
    let key = match phase {
        Phase::Validate | Phase::Latency => "ttft.mean",
        Phase::Memory => "rss_peak",
        Phase::Throughput | Phase::Load | Phase::Evaluate | Phase::Stream => "request_rate",
        Phase::Quality => "accuracy",
    };
    let known = || metrics.iter().filter(|metric| metric.key() == key && metric.value.is_some());
    let chosen = match phase {
        // The level that the knee recommends; without a knee the highest.
        Phase::Throughput => {
            let knee = metrics.iter().find(|metric| metric.name == "knee_concurrency").and_then(|metric| metric.value);
            let level = |metric: &Metric| metric.cell.get("concurrency").and_then(|level| level.parse::<f64>().ok());
            known()
                .filter(|metric| knee.is_none() || level(metric) <= knee)
                .max_by(|a, b| level(a).unwrap_or(0.0).total_cmp(&level(b).unwrap_or(0.0)))
        }
        Phase::Latency => known().min_by_key(|metric| number(&metric.cell, "input_tokens")),
        // The figure over all tasks, of the first variant.
        Phase::Quality => known().find(|metric| metric.cell.get("task").is_none()),
        Phase::Validate | Phase::Memory | Phase::Load | Phase::Evaluate | Phase::Stream => known().next(),
    };
    chosen.map(|metric| MetricPointer { key: key.to_owned(), cell: metric.cell.clone() })
}

/// The number under a setting; the largest number where there is none.
pub(crate) fn number(cell: &Cell, setting: &str) -> u64 {
    cell.get(setting).and_then(|value| value.parse().ok()).unwrap_or(u64::MAX)
}
