//! How long a phase will take, before it begins.

use weighbridge_types::metric::Cell;
use weighbridge_types::record::{Phase, Record};

use crate::settings::{BenchSettings, Lengths};

/// Expected seconds of a phase, from the rates that the validate phase measured; `None` before it ran. A phase stops to
/// release requests when its budget is used up, so that it rarely takes longer than that.
pub(crate) fn estimate(phase: Phase, settings: &BenchSettings, record: &Record) -> Option<f64> {
    let rate = |key: &str| record.metric(key, &Cell::of(Phase::Validate)).and_then(|metric| metric.value);
    let prefill = rate("prefill_rate.mean")?;
    let decode = rate("decode_rate.mean")?;
    let budget = settings.budgets_s.of(phase).as_secs_f64();
    let one = |lengths: Lengths| f64::from(lengths.input) / prefill + f64::from(lengths.output) / decode;
    let bounded = |count: u32, lengths: Lengths, share: f64| {
        let count = f64::from(count + settings.warmups.min(1));
        // Even without time left, a cell makes one request to warm up and two to measure.
        (count * one(lengths)).min((budget * share).max(3.0 * one(lengths)))
    };
    let seconds = match phase {
        Phase::Validate | Phase::Load | Phase::Evaluate | Phase::Stream => return None,
        Phase::Latency => {
            let shares = settings.lengths.iter().zip(settings.latency_shares());
            shares.map(|(lengths, share)| bounded(settings.latency_requests, *lengths, share)).sum()
        }
        Phase::Memory => bounded(settings.memory_requests, settings.memory_lengths, 1.0),
        Phase::Throughput => {
            let share = 1.0 / settings.concurrency.len() as f64;
            let level = bounded(settings.throughput_requests, settings.throughput_lengths, share);
            level * settings.concurrency.len() as f64
        }
        Phase::Quality => budget,
    };
    Some(seconds * f64::from(settings.runs))
}
