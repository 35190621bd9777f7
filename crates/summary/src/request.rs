//! Figures of single requests: latencies, token counts, rates of one stream.

use std::time::Duration;

use weighbridge_stats::Dependence;
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::metric::{Cell, Flag, Metric};
use weighbridge_types::request::RequestRow;
use weighbridge_types::units::millis;

use crate::basis::Basis;
use crate::estimate::{Series, Shape};
use crate::rows::{by_run, overlaps};

/// A metric with one value per request.
struct PerRequest {
    definition: Definition,
    shape: Shape,
    value: fn(&RequestRow) -> Option<f64>,
    missing: &'static str,
}

const NO_TOKEN: &str = "no request succeeded";
const NO_GAP: &str = "no request that succeeded has two output tokens";
const NO_COUNT: &str = "nobody counted the prompt's tokens";

const PER_REQUEST: [PerRequest; 11] = [
    per_request(define::TTFT, Shape::Headline, NO_TOKEN, |row| ms(row.timeline.ttft())),
    per_request(define::TTFT_USER, Shape::Full, NO_TOKEN, |row| ms(row.timeline.ttft_user())),
    per_request(define::TTFO, Shape::Full, "no request answered", |row| ms(row.timeline.ttfo())),
    per_request(define::TPOT, Shape::Headline, NO_GAP, |row| ms(row.tpot())),
    per_request(define::NTPOT, Shape::Full, NO_TOKEN, |row| ms(row.ntpot())),
    per_request(define::E2E, Shape::Headline, NO_TOKEN, |row| ms(row.timeline.e2e())),
    per_request(define::E2E_SCHEDULED, Shape::Full, NO_TOKEN, |row| ms(row.timeline.e2e_scheduled())),
    per_request(define::DECODE_RATE, Shape::Full, NO_GAP, RequestRow::decode_rate),
    per_request(define::INPUT_TOKENS, Shape::Range, NO_COUNT, |row| row.input_tokens().map(f64::from)),
    per_request(define::OUTPUT_TOKENS, Shape::Range, NO_TOKEN, |row| Some(row.output_tokens() as f64)),
    per_request(define::SCHEDULE_LAG, Shape::Range, NO_TOKEN, |row| Some(millis(row.timeline.schedule_lag()))),
];

const PREFILL: PerRequest = per_request(define::PREFILL_RATE, Shape::Full, NO_COUNT, RequestRow::prefill_rate);

const fn per_request(
    definition: Definition,
    shape: Shape,
    missing: &'static str,
    value: fn(&RequestRow) -> Option<f64>,
) -> PerRequest {
    PerRequest { definition, shape, value, missing }
}

fn ms(duration: Option<Duration>) -> Option<f64> {
    duration.map(millis)
}

/// Figures of the requests of one cell. Only requests that succeeded count, and no warm-up.
#[must_use]
pub fn request_metrics(rows: &[&RequestRow], cell: &Cell, basis: &Basis) -> Vec<Metric> {
    let mut runs = by_run(rows);
    // A request that failed still kept the engine busy, so that overlap is judged before it is left out.
    let is_loaded = runs.iter().any(|run| overlaps(run));
    let dependence = if is_loaded { Dependence::Serial } else { Dependence::Independent };
    for run in &mut runs {
        run.retain(|row| row.outcome.is_success());
    }
    let frame_counted = runs.iter().flatten().any(|row| row.usage.is_none());
    let approximate = runs.iter().flatten().any(|row| row.usage.is_none() && row.planned_input_tokens.is_none());
    let series = |definition, runs, dependence| Series { definition, cell, runs, dependence, basis };

    // A prefill rate means something only where nothing else was in flight.
    let measures = PER_REQUEST.iter().chain((!is_loaded).then_some(&PREFILL));
    let mut metrics: Vec<Metric> = measures
        .flat_map(|measure| {
            let values = runs.iter().map(|run| run.iter().filter_map(|row| (measure.value)(row)).collect()).collect();
            series(&measure.definition, values, dependence).metrics(measure.shape, measure.missing)
        })
        .collect();
    // Gaps within a request follow each other, whatever the requests do.
    let gaps =
        |of: fn(&RequestRow) -> Vec<f64>| runs.iter().map(move |run| run.iter().flat_map(|row| of(row)).collect());
    metrics
        .extend(series(&define::ITL, gaps(token_gaps).collect(), Dependence::Serial).metrics(Shape::Headline, NO_GAP));
    metrics.extend(series(&define::ICL, gaps(chunk_gaps).collect(), Dependence::Serial).metrics(Shape::Range, NO_GAP));
    for metric in &mut metrics {
        doubt(metric, frame_counted, approximate);
    }
    metrics
}

/// Inter-token latencies of a request, one per token, in ms.
fn token_gaps(row: &RequestRow) -> Vec<f64> {
    let gaps = row.timeline.token_gaps();
    gaps.flat_map(|(gap, tokens)| std::iter::repeat_n(millis(gap), tokens as usize)).collect()
}

fn chunk_gaps(row: &RequestRow) -> Vec<f64> {
    row.timeline.chunk_gaps().map(millis).collect()
}

/// Flags figures that rest on token counts nobody reported.
pub(crate) fn doubt(metric: &mut Metric, frame_counted: bool, approximate: bool) {
    const OF_OUTPUT: [&str; 9] = [
        "itl",
        "tpot",
        "ntpot",
        "decode_rate",
        "output_tokens",
        "interactivity",
        "fluidity",
        "output_throughput",
        "output_throughput_run",
    ];
    const OF_INPUT: [&str; 3] = ["input_tokens", "prefill_rate", "input_throughput"];
    if frame_counted && OF_OUTPUT.contains(&metric.name.as_str()) {
        metric.flags.push(Flag::FrameCounted);
    }
    if approximate && OF_INPUT.contains(&metric.name.as_str()) {
        metric.flags.push(Flag::ApproximateLength);
    }
    metric.flags.sort_unstable();
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use weighbridge_types::metric::Statistic;
    use weighbridge_types::record::Phase;
    use weighbridge_types::request::{Channel, FailureClass, FinishReason, FrameStamp, Outcome, Timeline, Usage};
    use weighbridge_types::time::Stamp;

    pub(crate) fn at(ms: u64) -> Stamp {
        Stamp::from_nanos(ms * 1_000_000)
    }

    /// A request released at `start`, first token after `ttft`, then `tokens − 1` more, `itl` apart; all in ms.
    pub(crate) fn row(id: u64, start: u64, (ttft, itl, tokens): (u64, u64, u32)) -> RequestRow {
        let arrival = |index: u32| at(start + ttft + itl * u64::from(index));
        let frames = (0..tokens).map(|i| FrameStamp { at: arrival(i), tokens: 1, channel: Channel::Answer }).collect();
        RequestRow {
            planned_input_tokens: Some(100),
            usage: Some(Usage { input_tokens: 100, output_tokens: tokens, ..Usage::default() }),
            ..RequestRow::new(
                id,
                Cell::of(Phase::Latency),
                tokens,
                Timeline {
                    planned: at(start),
                    released: at(start),
                    frames,
                    ended: Some(arrival(tokens - 1)),
                    ..Timeline::default()
                },
                Outcome::Succeeded { finish: FinishReason::Length },
            )
        }
    }

    pub(crate) fn failed(mut row: RequestRow) -> RequestRow {
        row.outcome = Outcome::Failed { class: FailureClass::Timeout, message: String::new() };
        row
    }

    fn figures(rows: &[RequestRow]) -> Vec<Metric> {
        request_metrics(&rows.iter().collect::<Vec<_>>(), &Cell::of(Phase::Latency), &Basis::default())
    }

    fn value(metrics: &[Metric], key: &str) -> Option<f64> {
        metrics.iter().find(|metric| metric.key() == key).and_then(|metric| metric.value)
    }

    #[test]
    fn figures_equal_the_timeline() {
        let rows: Vec<_> = (0..12).map(|i| row(i, i * 1000, (100, 20, 11))).collect();
        let metrics = figures(&rows);
        let check = |key: &str, expected: f64| {
            let found = value(&metrics, key).unwrap();
            assert!((found - expected).abs() < 1e-6, "{key}: {found}");
        };
        check("ttft.mean", 100.0);
        check("ttft_user.mean", 100.0);
        check("itl.p50", 20.0);
        check("icl.max", 20.0);
        check("tpot.mean", 20.0);
        check("ntpot.mean", 300.0 / 11.0);
        check("e2e.mean", 300.0);
        check("decode_rate.mean", 50.0);
        check("prefill_rate.mean", 1000.0);
        check("input_tokens.mean", 100.0);
        check("output_tokens.max", 11.0);
    }

    #[test]
    fn failed_and_warm_up_requests_enter_no_latency() {
        let mut slow = row(2, 4000, (900, 20, 11));
        slow.warmup = true;
        let rows = [row(0, 0, (100, 20, 11)), failed(row(1, 2000, (900, 20, 11))), slow, row(3, 6000, (100, 20, 11))];
        let metrics = figures(&rows);
        assert_eq!(value(&metrics, "ttft.max"), Some(100.0));
        let mean = metrics.iter().find(|metric| metric.key() == "ttft.mean").unwrap();
        assert_eq!(mean.n, 2);
    }

    #[test]
    fn prefill_is_told_of_a_single_stream_only() {
        let alone = figures(&[row(0, 0, (100, 20, 3)), row(1, 1000, (100, 20, 3))]);
        let together = figures(&[row(0, 0, (100, 20, 3)), row(1, 50, (100, 20, 3))]);
        assert!(value(&alone, "prefill_rate.mean").is_some());
        assert_eq!(value(&together, "prefill_rate.mean"), None);
    }

    #[test]
    fn counts_from_frames_are_flagged() {
        let mut counted = row(0, 0, (100, 20, 3));
        counted.usage = None;
        let metrics = figures(&[counted]);
        let flags = |key: &str| metrics.iter().find(|metric| metric.key() == key).unwrap().flags.clone();
        assert_eq!(flags("itl.mean"), [Flag::LowSample, Flag::FrameCounted]);
        assert_eq!(flags("ttft.mean"), [Flag::LowSample]);
    }

    #[test]
    fn nothing_that_succeeded_is_a_reason_not_a_zero() {
        let metrics = figures(&[failed(row(0, 0, (100, 20, 3)))]);
        let ttft = metrics.iter().find(|metric| metric.name == "ttft").unwrap();
        assert_eq!((ttft.value, ttft.statistic), (None, Statistic::Mean));
        assert_eq!(ttft.reason.as_deref(), Some(NO_TOKEN));
    }
}
