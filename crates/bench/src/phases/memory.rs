//! Memory: what loading, one request, and many requests cost.

use futures_util::StreamExt;
use weighbridge_engine::{EventStream, GenerateRequest, MemoryReport};
use weighbridge_summary::{GrowthVerdict, Slope, figure_cell, memory_series, memory_trends};
use weighbridge_telemetry::{PeakMeter, PeakScope, Probe, Pss};
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::event::{RunEvent, SinkError};
use weighbridge_types::metric::{Cell, Metric, Provenance, Statistic};
use weighbridge_types::record::{Check, Phase};
use weighbridge_types::request::{FinishReason, Outcome, RequestRow, Timeline, Usage};
use weighbridge_types::resource::ResourceSample;
use weighbridge_types::time::Stamp;
use weighbridge_types::units::ByteSize;

use crate::context::{Context, Output};
use crate::driver::{Stop, Ticket};
use crate::prompts::Prepared;

/// Requests before the series, as a share of it: allocators, the engine's buffers and the recorder's find their size in
/// them.
const SETTLING: u32 = 5;

/// Requests before the series, as far as half the phase's time allows. After fewer, the last buffers to fill were seen
/// to look like growth of some 100 bytes per request.
const LEAST_SETTLING: u32 = 200;

/// Share of the memory limit that instances may fill; the rest is for the system.
const USABLE: f64 = 0.9;

/// Load plus this many requests is the footprint by the estimate of older reports.
const OLD_ESTIMATE: u64 = 4;

const REMOTE: &str = "the engine does not compute in this process";

pub(crate) async fn run(context: &mut Context<'_>, output: &mut Output) -> Result<(), SinkError> {
    let Some(report) = context.loaded.engine.memory().filter(|_| context.loaded.capabilities.in_process) else {
        output.metrics = unavailable(&figure_cell(&context.cell()));
        output.skipped = Some(REMOTE.to_owned());
        return Ok(());
    };
    let settings = context.settings;
    if let Err(why) = context.fits(settings.memory_lengths) {
        output.skipped = Some(why);
        return Ok(());
    }
    let peak = PeakMeter::start(context.root);
    let settling = settings.memory_requests.div_ceil(SETTLING).max(LEAST_SETTLING);
    let prompts = context.prompts(0);
    let requests = prompts.prepare(settings.memory_lengths, 0, settling + settings.memory_requests);
    if context.run == 1
        && let Some(request) = requests.first()
    {
        let most = watch_one(context, request).await;
        output.metrics.extend(engine_metrics(report, most));
    }
    series(context, &requests, settling as usize, output).await?;
    output.metrics.retain(|metric| metric.name != define::RSS_PEAK.name);
    output.metrics.push(peak_metric(&peak));
    if context.run == 1 && peak.scope() == PeakScope::SinceProcessStart {
        output.notes.push("the peak counts since the start of the process".to_owned());
    }
    Ok(())
}

/// The requests, one after the other, and the memory after each has drained.
///
/// What the meter keeps is allocated before: its own growth must not look like the engine's.
async fn series(
    context: &mut Context<'_>,
    requests: &[Prepared],
    settling: usize,
    output: &mut Output,
) -> Result<(), SinkError> {
    let cell = context.cell();
    let mut ledger = Ledger::new(requests.len(), &cell);
    let mut probe = Probe::new(context.root);
    let start = context.clock.now();
    let (half, deadline) = (start.after(context.budget() / 2), start.after(context.budget()));
    for (index, request) in requests.iter().enumerate() {
        let is_settling = index == 0 || (index < settling && context.clock.now() < half);
        if index > 0 && !is_settling && context.clock.now() >= deadline {
            break;
        }
        let ticket = Ticket { id: context.next_id(), is_warmup: is_settling, cell: cell.clone() };
        let row = context.release(context.loaded.engine.as_ref(), request, ticket).await;
        let sample = probe.sample(context.clock.now(), Pss::Skip);
        context.emit(&RunEvent::Resource { phase: Phase::Memory, sample })?;
        let event = RunEvent::Request(Box::new(row));
        context.emit(&event)?;
        if let RunEvent::Request(row) = event {
            ledger.keep(*row, sample);
        }
        context.progress("memory over requests", index + 1, requests.len())?;
        if context.cancel.is_cancelled() {
            output.stop = Some(Stop::Interrupted);
            break;
        }
    }
    ledger.close(output);
    Ok(())
}

/// Rows and samples in room that was allocated, and touched, before the first request.
struct Ledger {
    rows: Vec<RequestRow>,
    samples: Vec<(Phase, ResourceSample)>,
    used: usize,
}

impl Ledger {
    fn new(room: usize, cell: &Cell) -> Self {
        let never = Stamp::from_nanos(u64::MAX);
        let row = RequestRow {
            warmup: true,
            ..RequestRow::new(
                u64::MAX,
                cell.clone(),
                0,
                Timeline { planned: never, released: never, ..Timeline::default() },
                Outcome::Succeeded { finish: FinishReason::Other },
            )
        };
        let sample = ResourceSample { at: never, ..ResourceSample::default() };
        Self { rows: vec![row; room], samples: vec![(Phase::Memory, sample); room], used: 0 }
    }

    /// Keeps a row without its frames, whose tokens move into the usage.
    fn keep(&mut self, row: RequestRow, sample: ResourceSample) {
        let frame_tokens = u32::try_from(row.timeline.frame_tokens()).unwrap_or(u32::MAX);
        let (Some(slot), Some(kept)) = (self.rows.get_mut(self.used), self.samples.get_mut(self.used)) else { return };
        let counted = Usage {
            input_tokens: row.planned_input_tokens.unwrap_or_default(),
            output_tokens: frame_tokens,
            ..Usage::default()
        };
        slot.id = row.id;
        slot.warmup = row.warmup;
        slot.planned_input_tokens = row.planned_input_tokens;
        slot.requested_output_tokens = row.requested_output_tokens;
        slot.usage = row.usage.or(Some(counted));
        slot.timeline = Timeline { frames: Vec::new(), ..row.timeline };
        slot.outcome = row.outcome;
        *kept = (Phase::Memory, sample);
        self.used += 1;
    }

    fn close(mut self, output: &mut Output) {
        self.rows.truncate(self.used);
        self.samples.truncate(self.used);
        output.rows.requests.extend(self.rows);
        output.rows.samples.extend(self.samples);
    }
}

/// The most that one request held beyond the weights, read at each of its events.
async fn watch_one(context: &Context<'_>, request: &Prepared) -> MemoryReport {
    let engine = &context.loaded.engine;
    let generate = GenerateRequest {
        ignore_eos: context.loaded.capabilities.ignore_eos,
        ..GenerateRequest::new(request.prompt.clone(), request.output_tokens, context.clock)
    };
    let mut most = MemoryReport::default();
    let mut events: EventStream = engine.generate(generate);
    while let Some(_event) = events.next().await {
        if let Some(now) = engine.memory().filter(|now| beyond_weights(now) >= beyond_weights(&most)) {
            most = now;
        }
    }
    most
}

const fn beyond_weights(report: &MemoryReport) -> u64 {
    report.kv_held + report.scratch_held
}

fn value(definition: &Definition, bytes: u64) -> Metric {
    Metric::measured(definition, Statistic::Value, &Cell::of(Phase::Memory), bytes as f64, 1)
}

fn engine_metrics(report: MemoryReport, most: MemoryReport) -> [Metric; 6] {
    [
        value(&define::WEIGHTS_EXPECTED, report.weights_expected).with_provenance(Provenance::Derived),
        value(&define::WEIGHTS_MAPPED, report.weights_mapped),
        value(&define::WEIGHTS_HEAP, report.weights_heap),
        value(&define::KV_PER_TOKEN, report.kv_per_token).with_provenance(Provenance::Derived),
        value(&define::KV_CACHE_PEAK, most.kv_held),
        value(&define::REQUEST_HIGH_WATER, beyond_weights(&most)),
    ]
}

fn peak_metric(peak: &PeakMeter) -> Metric {
    match peak.read() {
        Some(bytes) => value(&define::RSS_PEAK, bytes),
        None => missing(&define::RSS_PEAK, "the kernel does not tell the peak"),
    }
}

fn missing(definition: &Definition, why: &str) -> Metric {
    Metric::unavailable(definition, Statistic::Value, &Cell::of(Phase::Memory), why)
}

/// Every figure of the phase, for an engine whose memory is not here to be read.
fn unavailable(cell: &Cell) -> Vec<Metric> {
    let definitions = [
        define::WEIGHTS_EXPECTED,
        define::WEIGHTS_MAPPED,
        define::WEIGHTS_HEAP,
        define::KV_PER_TOKEN,
        define::KV_CACHE_PEAK,
        define::REQUEST_HIGH_WATER,
        define::MEMORY_TREND,
        define::MEMORY_GROWTH_HOURLY,
        define::RSS_PEAK,
        define::RSS_AFTER_LOAD,
        define::RSS_LOAD_DELTA,
        define::RSS_REQUEST_DELTA,
        define::INSTANCES,
    ];
    let slopes = [define::MEMORY_GROWTH, define::MEMORY_GROWTH_LATE];
    let slopes = slopes.iter().map(|definition| Metric::unavailable(definition, Statistic::Slope, cell, REMOTE));
    let values = definitions.iter().map(|definition| Metric::unavailable(definition, Statistic::Value, cell, REMOTE));
    values.chain(slopes).collect()
}

/// The figures of loading, the number of instances, and the verdict on growth.
pub(crate) fn conclude(context: &Context<'_>, metrics: &[Metric], output: &mut Output) {
    if output.skipped.is_some() {
        return;
    }
    output.metrics.extend(load_metrics(context));
    output.metrics.push(instances(context, &output.metrics));
    output.checks.extend(growth_check(context, output));
    let of = |name: &str| metrics.iter().chain(&output.metrics).find(|m| m.name == name).and_then(|m| m.value);
    let notes = [
        weights_note(of("weights_expected"), of("weights_mapped"), of("weights_heap")),
        kv_note(context, of("kv_per_token"), of("kv_cache_peak")),
        footprint_note(of("rss_load_delta"), of("request_high_water"), of("rss_peak")),
    ];
    output.notes.extend(notes.into_iter().flatten());
}

fn load_metrics(context: &Context<'_>) -> [Metric; 2] {
    const UNKNOWN: &str = "the kernel does not tell resident memory";
    let loaded = context.loaded;
    let after = loaded
        .rss_after
        .map_or_else(|| missing(&define::RSS_AFTER_LOAD, UNKNOWN), |bytes| value(&define::RSS_AFTER_LOAD, bytes));
    let delta = match loaded.rss_before.zip(loaded.rss_after) {
        Some((before, after)) => {
            let delta = after as f64 - before as f64;
            Metric::measured(&define::RSS_LOAD_DELTA, Statistic::Value, &Cell::of(Phase::Memory), delta, 1)
        }
        None => missing(&define::RSS_LOAD_DELTA, UNKNOWN),
    };
    [after, delta]
}

/// `floor(0.9 × limit / peak)`, with the lower limit of host and container.
fn instances(context: &Context<'_>, metrics: &[Metric]) -> Metric {
    let host = &context.record.environment;
    let limit = host.memory_bytes.into_iter().chain(host.cgroup_memory_limit_bytes).min();
    let peak = metrics.iter().find(|metric| metric.name == define::RSS_PEAK.name).and_then(|metric| metric.value);
    match limit.zip(peak.filter(|&peak| peak > 0.0)) {
        Some((limit, peak)) => {
            let count = (USABLE * limit as f64 / peak).floor();
            let metric = Metric::measured(&define::INSTANCES, Statistic::Value, &Cell::of(Phase::Memory), count, 1);
            metric.with_provenance(Provenance::Derived)
        }
        None => missing(&define::INSTANCES, "the memory of the host or the peak is not known"),
    }
}

fn growth_check(context: &Context<'_>, output: &Output) -> Option<Check> {
    let rows: Vec<&RequestRow> = output.rows.requests.iter().collect();
    let samples: Vec<ResourceSample> = output.rows.samples.iter().map(|(_, sample)| *sample).collect();
    let growth = memory_trends(&memory_series(&rows, &samples), &context.basis()).ok()?.growth();
    let verdict = growth.verdict();
    let passed = match verdict {
        GrowthVerdict::Flat | GrowthVerdict::LevelledOff => Some(true),
        GrowthVerdict::Leak => Some(false),
        GrowthVerdict::Slow | GrowthVerdict::Unclear => None,
    };
    let words = |slope: Slope| format!("{:.1} bytes per request ({:.1} to {:.1})", slope.value, slope.low, slope.high);
    let evidence = format!(
        "{}: {}; last third {}; Mann-Kendall p {:.3}",
        verdict.words(),
        words(growth.whole),
        words(growth.late),
        growth.p
    );
    Some(Check { name: "memory does not grow".to_owned(), passed, evidence })
}

fn weights_note(expected: Option<f64>, mapped: Option<f64>, heap: Option<f64>) -> Option<String> {
    let (expected, held) = (expected.filter(|&bytes| bytes > 0.0)?, mapped? + heap?);
    let gap = 100.0 * (held / expected - 1.0);
    Some(format!("weights: {} by arithmetic, {} held, {gap:+.1} %", size(expected), size(held)))
}

/// The engine's counter against the formula for the tokens of the request watched.
fn kv_note(context: &Context<'_>, per_token: Option<f64>, held: Option<f64>) -> Option<String> {
    let lengths = context.settings.memory_lengths;
    let (per_token, held) = (per_token.filter(|&bytes| bytes > 0.0)?, held?);
    let tokens = f64::from(lengths.input + lengths.output);
    let formula = size(per_token * tokens);
    Some(format!(
        "KV cache of one request: {} held, {formula} by the formula for {tokens} tokens ({:.2} tokens' worth held per token)",
        size(held),
        held / per_token / tokens
    ))
}

fn footprint_note(load: Option<f64>, request: Option<f64>, peak: Option<f64>) -> Option<String> {
    let estimate = load?.max(0.0) + OLD_ESTIMATE as f64 * request?;
    Some(format!(
        "footprint: {} measured peak; {} by the older estimate, load + {OLD_ESTIMATE} × request",
        size(peak?),
        size(estimate)
    ))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes are positive and below 2^53")]
fn size(bytes: f64) -> ByteSize {
    ByteSize(bytes as u64)
}
