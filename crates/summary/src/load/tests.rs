use std::time::Duration;

use proptest::prelude::*;
use weighbridge_stats::Sorted;
use weighbridge_stats::histogram::RELATIVE_ERROR;
use weighbridge_types::metric::{Cell, Flag, Metric, Statistic};
use weighbridge_types::record::{Phase, Verdict};
use weighbridge_types::request::{
    ClientFault, FailureClass, FluidityTarget, Outcome, Receipt, ReceiveClock, RequestRow, Turn, Usage,
};
use weighbridge_types::resource::ResourceSample;
use weighbridge_types::time::Stamp;

use super::*;
use crate::request::tests::row;
use crate::{Basis, Slo};

fn read(rows: &[RequestRow], plan: &LoadPlan, limit: Option<usize>) -> (Stages, LoadFigures) {
    let mut first = TimeBins::new(plan);
    rows.iter().for_each(|row| first.push(row));
    let stages = first.stages();
    let basis = Basis::default();
    let mut second = match limit {
        Some(limit) => LoadSummary::with_limit(&stages, plan, &basis, limit),
        None => LoadSummary::new(&stages, plan, &basis),
    };
    rows.iter().for_each(|row| second.push(row));
    (stages, second.finish())
}

fn get<'a>(figures: &'a LoadFigures, key: &str) -> &'a Metric {
    figures.metrics.iter().find(|metric| metric.key() == key).unwrap_or_else(|| panic!("no {key}"))
}

#[track_caller]
fn check(figures: &LoadFigures, key: &str, expected: f64) {
    let metric = get(figures, key);
    let found = metric.value.unwrap_or_else(|| panic!("{key}: {:?}", metric.reason));
    assert!((found - expected).abs() < 1e-9 * expected.abs().max(1.0), "{key}: {found}, expected {expected}");
}

/// Requests of 300 ms (100 ms to the first of 11 tokens), released every 100 ms: three in flight.
fn even(count: u64) -> Vec<RequestRow> {
    (0..count).map(|id| row(id, id * 100, (100, 20, 11))).collect()
}

fn open(slo: &str) -> LoadPlan {
    LoadPlan {
        kind: LoadKind::Open,
        warmup: Warmup::Time(Duration::from_secs(1)),
        slo: Slo::try_from(slo.to_owned()).unwrap(),
        ..LoadPlan::default()
    }
}

#[test]
fn figures_equal_the_timeline() {
    let plan = LoadPlan { schedule: Some(Duration::from_secs(20)), ..open("ttft<=100ms,tpot<=20ms") };
    let (stages, figures) = read(&even(200), &plan, None);
    let (_, stage) = stages.iter().next().unwrap();
    assert_eq!(
        (stage.window_start, stage.window_end),
        (Stamp::from_nanos(1_000_000_000), Stamp::from_nanos(20_000_000_000))
    );
    check(&figures, "load_window", 19.0);
    check(&figures, "warmup_time", 1.0);
    check(&figures, "drain_time", 0.2);
    check(&figures, "requests", 190.0);
    check(&figures, "offered_rate", 10.0);
    check(&figures, "achieved_rate", 10.0);
    check(&figures, "achieved_share", 1.0);
    check(&figures, "request_throughput", 10.0);
    check(&figures, "output_throughput", 110.0);
    check(&figures, "request_throughput_run", 200.0 / 20.2);
    check(&figures, "input_throughput", 1_000.0);
    check(&figures, "concurrency", 3.0);
    check(&figures, "ttft.p90", 100.0);
    check(&figures, "itl.p50", 20.0);
    check(&figures, "interactivity.mean", 50.0);
    check(&figures, "answer_time.mean", 200.0);
    check(&figures, "tail_time.mean", 0.0);
    check(&figures, "goodput", 10.0);
    check(&figures, "good_fraction", 1.0);
    check(&figures, "error_rate", 0.0);
    check(&figures, "reliability", 100.0);
    check(&figures, "stalls", 0.0);
    check(&figures, "tokens_requested", 190.0 * 11.0);
    check(&figures, "tokens_in_frames", 190.0 * 11.0);
    check(&figures, "bundle_size.p50", 1.0);
    let little = get(&figures, "little_residual").value.unwrap();
    assert!(little.abs() < 0.01, "{little}");
    let slope = get(&figures, "in_flight_slope.slope").interval.clone().unwrap();
    assert!(slope.low <= 1e-9 && slope.high >= -1e-9, "{slope:?}");
    assert!(figures.notes[0].contains("1 s asked for"), "{:?}", figures.notes);
    assert_eq!(figures.tally.scheduled, 200);
}

#[test]
fn what_goes_wrong_is_counted() {
    let mut rows = even(100);
    rows[20].outcome = Outcome::Failed { class: FailureClass::Timeout, message: String::new() };
    rows[30].outcome = Outcome::Dropped;
    rows[40].outcome = Outcome::Cancelled;
    rows[50].retries = 2;
    rows[50].timeline.first_byte_written = Some(rows[50].timeline.released.after(Duration::from_millis(70)));
    rows[60].client_faults = vec![ClientFault::Steal, ClientFault::ReactorLag];
    rows[70].timeline.planned = Stamp::from_nanos(rows[70].timeline.planned.as_nanos() - 50_000_000);
    for row in &mut rows {
        let usage =
            Usage { input_tokens: 80, output_tokens: 11, cached_input_tokens: Some(20), reasoning_tokens: None };
        row.usage = Some(usage);
        row.receipt =
            Some(Receipt { clock: ReceiveClock::Kernel, delay_mean_ns: Some(50_000), delay_max_ns: Some(90_000) });
    }
    rows[80].usage.as_mut().unwrap().output_tokens = 22;
    let (_, figures) = read(&rows, &open("ttft<=100ms"), None);
    check(&figures, "requests", 90.0);
    check(&figures, "failed", 2.0);
    check(&figures, "dropped", 1.0);
    check(&figures, "cancelled", 1.0);
    check(&figures, "errors", 1.0);
    assert_eq!(get(&figures, "errors").cell.get("error"), Some("timeout"));
    check(&figures, "error_rate", 2.0 / 89.0);
    check(&figures, "good_fraction", 87.0 / 89.0);
    check(&figures, "retries", 2.0);
    check(&figures, "retried", 1.0 / 89.0);
    check(&figures, "retry_time.mean", 70.0);
    check(&figures, "client_touched", 1.0 / 89.0);
    check(&figures, "late", 1.0);
    check(&figures, "cache_hit", 0.25);
    check(&figures, "token_disagreement", 1.0 / 87.0);
    check(&figures, "receive_delay.mean", 0.05);
    check(&figures, "kernel_stamped", 1.0);
    let faults: Vec<_> = figures.metrics.iter().filter_map(|metric| metric.cell.get("fault")).collect();
    assert_eq!(faults, ["reactor_lag", "steal"]);
    assert_eq!((get(&figures, "ttft.mean").n, figures.tally.cancelled), (87, 1));
}

#[test]
fn warm_up_enters_nothing() {
    let plan = LoadPlan { warmup: Warmup::None, ..open("ttft<=100ms") };
    let rows: Vec<RequestRow> = (0..60).map(|id| row(id, 10_000 + id * 100, (100, 20, 11))).collect();
    let (_, plain) = read(&rows, &plan, None);
    let mut with = rows.clone();
    for id in 60..70 {
        let mut slow = row(id, (id - 60) * 50, (8_000, 90, 11));
        slow.warmup = true;
        with.push(slow);
    }
    let (_, figures) = read(&with, &plan, None);
    for (one, other) in plain.metrics.iter().zip(&figures.metrics).filter(|(one, _)| one.name != "warmup_time") {
        assert_eq!(one, other);
    }
    assert_eq!(figures.tally, plain.tally);
}

#[test]
fn a_slow_start_is_found_and_left_out() {
    // The first 5 s complete one in ten requests; then a request ends every 20 ms.
    let mut rows = Vec::new();
    for id in 0..2_000_u64 {
        let start = id * 20;
        let service = if start < 5_000 { 5_100 } else { 60 + id * 7_919 % 40 };
        rows.push(row(id, start, (service, 10, 3)));
    }
    let plan = LoadPlan { kind: LoadKind::Open, ..LoadPlan::default() };
    let (stages, figures) = read(&rows, &plan, None);
    let (_, stage) = stages.iter().next().unwrap();
    let start = stage.window_start.as_nanos() as f64 / 1e9;
    assert!((4.5..12.0).contains(&start), "{start}: {}", stage.rule);
    assert!(stage.rule.starts_with("warm-up: MSER-5 on completions leaves out"), "{}", stage.rule);
    assert!(stage.series.points.len() <= 600 && stage.series.points.len() > 100);
    assert!(figures.metrics.iter().all(|metric| metric.value.is_none() || metric.n > 0 || metric.unit == "requests"));
}

#[test]
fn a_queue_that_grows_is_told_from_one_that_does_not() {
    // One server of 20 ms: 40 requests/s are carried, 60 are not.
    let run = |gap: u64| {
        let mut free = 0;
        let rows: Vec<RequestRow> = (0..3_000_u64)
            .map(|id| {
                let start = id * gap + id * 7_919 % gap;
                free = free.max(start) + 20;
                let mut request = row(id, start, (free - start, 0, 1));
                request.timeline.frames[0].at = Stamp::from_nanos(free * 1_000_000);
                request.timeline.ended = Some(Stamp::from_nanos(free * 1_000_000));
                request
            })
            .collect();
        let plan = LoadPlan { kind: LoadKind::Open, warmup: Warmup::None, ..LoadPlan::default() };
        get(&read(&rows, &plan, None).1, "in_flight_slope.slope").clone()
    };
    let (stable, growing) = (run(25), run(17));
    let holds_zero = |metric: &Metric| metric.interval.as_ref().is_some_and(|interval| interval.low <= 0.0);
    assert!(holds_zero(&stable), "{stable:?}");
    assert!(!holds_zero(&growing), "{growing:?}");
    let expected = 1_000.0 / 17.0 - 50.0;
    assert!((growing.value.unwrap() - expected).abs() < 0.5, "{growing:?}");
}

/// 64 streams in step, each request 1.46 s: completions come in bursts, and that is no drift.
#[test]
fn bursts_of_streams_in_step_are_steady() {
    let rows: Vec<RequestRow> = (0..64 * 40).map(|id| row(id, id / 64 * 1_460, (199, 20, 64))).collect();
    let plan = LoadPlan::default();
    let (stages, figures) = read(&rows, &plan, None);
    let (_, stage) = stages.iter().next().unwrap();
    assert_eq!(stage.steady, Steady::Yes, "{}", stage.rule);
    assert!(stage.window_start.as_nanos() < 3_000_000_000, "{}", stage.rule);
    let rate = get(&figures, "request_throughput").value.unwrap();
    assert!((rate / (64.0 / 1.46) - 1.0).abs() < 0.02, "{rate}");
    let level = get(&figures, "concurrency").value.unwrap();
    assert!((level - 64.0).abs() < 0.1, "{level}");
}

/// Every figure that an objective can be on is one that a load run has.
#[test]
fn objectives_find_their_figures() {
    let (_, figures) = read(&even(200), &open("ttft<1s"), None);
    let cell = &figures.metrics[0].cell;
    let slo: Slo = "error<1%,good>90%,reliability>90%,stalled<1%,client_touched<1%,cache_hit>1%,achieved_share>90%,\
                    goodput>1,request_throughput>1,output_throughput>1,input_throughput>1,in_flight_slope<1,\
                    concurrency<9,p50.ttft<1s,mean.ttfo<1s,mean.e2e<1s,max.interactivity>1,ttft<1s"
        .parse()
        .unwrap();
    for result in slo.judge(&figures.metrics, cell, 0.9) {
        assert_ne!(result.verdict, Verdict::NotApplicable, "{result:?}");
        assert_ne!(result.verdict, Verdict::Missed, "{result:?}");
    }
}

#[test]
fn few_requests_have_values_and_say_that_nothing_is_sure() {
    let (stages, figures) = read(&even(8), &LoadPlan::default(), None);
    let (_, stage) = stages.iter().next().unwrap();
    assert!(matches!(stage.steady, Steady::Unknown { .. }), "{stage:?}");
    let ttft = get(&figures, "ttft.mean");
    assert_eq!((ttft.value, ttft.flags.contains(&Flag::Unsteady)), (Some(100.0), true));
}

#[test]
fn no_request_and_no_window_are_reasons() {
    assert!(read(&[], &LoadPlan::default(), None).1.metrics.is_empty());
    let (_, figures) = read(&even(5), &open("ttft<1s"), None);
    for metric in &figures.metrics {
        assert!(metric.value.is_some() || metric.reason.is_some(), "{metric:?}");
        assert!(metric.value.is_none_or(f64::is_finite));
    }
    assert_eq!(get(&figures, "output_throughput").reason.as_deref(), Some("no window is left after warm-up"));
    assert!(figures.notes.iter().any(|note| note.contains("no window is left")), "{:?}", figures.notes);
}

#[test]
fn requests_asked_for_as_warm_up_end_before_the_window() {
    let plan = LoadPlan { warmup: Warmup::Requests(10), ..open("") };
    let (stages, figures) = read(&even(100), &plan, None);
    let (_, stage) = stages.iter().next().unwrap();
    assert_eq!(stage.window_start, Stamp::from_nanos(1_200_000_000));
    check(&figures, "requests", 88.0);
}

#[test]
fn only_the_percentiles_that_are_wanted_or_judged_are_told() {
    let plan = LoadPlan { percentiles: vec![Statistic::P90], ..open("p50.ttft<1s") };
    let (_, figures) = read(&even(200), &plan, None);
    let has = |key: &str| figures.metrics.iter().any(|metric| metric.key() == key);
    let check = |key, expected| assert_eq!(has(key), expected, "{key}");
    check("ttft.p90", true);
    check("ttft.p50", true);
    check("ttft.p95", false);
    check("e2e.p50", false);
    check("ttft.mean", true);
    check("request_throughput", true);
}

#[test]
fn load_points_and_repetitions_are_apart() {
    let mut rows = Vec::new();
    for (index, (rate, run)) in [(10, 1), (10, 2), (20, 1)].into_iter().enumerate() {
        let start = index as u64 * 100_000;
        for id in 0..80 {
            let mut request = row(rows.len() as u64, start + id * 100, (100 + run, 20, 11));
            request.cell = Cell::of(Phase::Load).with("rate", rate).with("run", run);
            rows.push(request);
        }
    }
    let (stages, figures) = read(&rows, &open(""), None);
    assert_eq!(stages.len(), 3);
    let of = |rate: &str| {
        let wanted = |metric: &&Metric| metric.key() == "ttft.mean" && metric.cell.get("rate") == Some(rate);
        figures.metrics.iter().find(wanted).unwrap()
    };
    assert!((of("10").value.unwrap() - 101.5).abs() < 1e-9 && of("10").cell.get("run").is_none());
    assert_eq!(of("10").interval.as_ref().unwrap().method, "student_t_of_runs");
    assert!((of("20").value.unwrap() - 101.0).abs() < 1e-9);
    let mut keys: Vec<_> = figures.metrics.iter().map(|metric| (metric.key(), metric.cell.clone())).collect();
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count, "no figure appears twice");
}

#[test]
fn sessions_and_the_client_have_figures() {
    let mut rows = even(100);
    for (id, row) in (0_u64..).zip(&mut rows) {
        row.turn = Some(Turn { session: id / 2, turn: (id % 2) as u32 });
    }
    let plan = LoadPlan {
        fluidity: Some(FluidityTarget {
            ttft: Duration::from_millis(100),
            ttft_per_input_token: Duration::ZERO,
            tbt: Duration::from_millis(20),
        }),
        ..open("")
    };
    let mut first = TimeBins::new(&plan);
    rows.iter().for_each(|row| first.push(row));
    let mut second = LoadSummary::new(&first.stages(), &plan, &Basis::default());
    rows.iter().for_each(|row| second.push_recounted(row, Some(12)));
    for (at, cpu) in [(0, 0.0), (2, 1.0), (4, 1.5), (6, 2.0), (99, 9.0)] {
        let at = Stamp::from_nanos(at * 1_000_000_000);
        second.push_sample(&ResourceSample { at, cpu_seconds: Some(cpu), ..ResourceSample::default() });
    }
    let figures = second.finish();
    check(&figures, "sessions", 45.0);
    check(&figures, "session_turns.mean", 2.0);
    check(&figures, "session_time.mean", 0.4);
    check(&figures, "fluidity.mean", 1.0);
    check(&figures, "client_cpu", 0.25);
    check(&figures, "tokens_retokenized", 90.0 * 12.0);
}

/// Requests in any state, at any time, of any length.
fn any_rows() -> impl Strategy<Value = Vec<RequestRow>> {
    let one = (0..20_000_u64, 1..900_u64, 0..60_u64, 1..14_u32, 0..12_u8, 0..3_u32);
    prop::collection::vec(one, 1..120).prop_map(|parts| {
        (0..)
            .zip(parts)
            .map(|(id, (start, ttft, gap, tokens, state, tier))| {
                let mut row = row(id, start, (ttft, gap, tokens));
                row.cell = Cell::of(Phase::Load).with("rate", tier);
                match state {
                    0 => row.outcome = Outcome::Failed { class: FailureClass::Timeout, message: String::new() },
                    1 => row.outcome = Outcome::Cancelled,
                    2 => row.outcome = Outcome::Dropped,
                    3 => row.warmup = true,
                    4 => row.usage = Some(Usage { input_tokens: 9, output_tokens: 2 * tokens + 1, ..Usage::default() }),
                    5 => row.timeline.ended = None,
                    _ => {}
                }
                row
            })
            .collect()
    })
}

fn any_plan() -> impl Strategy<Value = LoadPlan> {
    let warmup = prop_oneof![
        Just(Warmup::Auto),
        Just(Warmup::None),
        (0..20_u32).prop_map(Warmup::Requests),
        (0..9_000_u64).prop_map(|ms| Warmup::Time(Duration::from_millis(ms))),
    ];
    let kind = prop_oneof![Just(LoadKind::Closed), Just(LoadKind::Open)];
    let schedule = prop::option::of((1..30_000_u64).prop_map(Duration::from_millis));
    (warmup, kind, schedule).prop_map(|(warmup, kind, schedule)| LoadPlan {
        warmup,
        kind,
        schedule,
        slo: "ttft<400ms,tpot<30ms".parse().unwrap(),
        ..LoadPlan::default()
    })
}

fn values(figures: &LoadFigures, name: &str) -> f64 {
    figures.metrics.iter().filter(|metric| metric.name == name).filter_map(|metric| metric.value).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_request_is_accounted_for(rows in any_rows(), plan in any_plan()) {
        let (stages, figures) = read(&rows, &plan, None);
        prop_assert!(figures.tally.adds_up());
        prop_assert_eq!(figures.tally.scheduled, rows.iter().filter(|row| !row.warmup).count() as u64);
        let inside: Vec<&RequestRow> = rows.iter()
            .filter(|row| !row.warmup && stages.get(&row.cell).unwrap().holds(row.timeline.planned)).collect();
        prop_assert!((values(&figures, "requests") - inside.len() as f64).abs() < 0.5);
        let successes = inside.iter().filter(|row| row.outcome.is_success()).count() as f64;
        let rest = values(&figures, "failed") + values(&figures, "cancelled");
        prop_assert!((values(&figures, "requests") - successes - rest).abs() < 0.5);
        for metric in &figures.metrics {
            prop_assert!(metric.value.is_some() != metric.reason.is_some(), "{:?}", metric);
            prop_assert!(metric.value.is_none_or(|value| value >= 0.0) || metric.unit == "ratio" || metric.statistic == Statistic::Slope, "{:?}", metric);
            if let (Some(value), Some(interval)) = (metric.value, &metric.interval) {
                let slack = 1e-9 * value.abs();
                prop_assert!(interval.low - slack <= value && value <= interval.high + slack, "{:?}", metric);
                prop_assert!(metric.interval_reason.is_none());
            }
            prop_assert!(metric.deviation.is_none() || metric.n >= 2);
        }
    }

    #[test]
    fn the_order_of_rows_changes_no_value(rows in any_rows(), plan in any_plan(), turn in 0..100_usize) {
        let (stages, figures) = read(&rows, &plan, None);
        let mut other = rows.clone();
        other.rotate_left(turn % rows.len());
        other.reverse();
        let (other_stages, other) = read(&other, &plan, None);
        prop_assert_eq!(&stages, &other_stages);
        prop_assert_eq!(figures.metrics.len(), other.metrics.len());
        for (a, b) in figures.metrics.iter().zip(&other.metrics) {
            prop_assert_eq!((a.key(), a.n, &a.cell), (b.key(), b.n, &b.cell));
            let difference = a.value.unwrap_or(-1.0) - b.value.unwrap_or(-1.0);
            prop_assert!(difference.abs() <= 1e-9 * a.value.unwrap_or(1.0).abs().max(1.0), "{:?} {:?}", a, b);
        }
        prop_assert_eq!(figures.tally, other.tally);
    }

    /// The same figures by brute force over all rows at once.
    #[test]
    fn streaming_equals_computing_in_memory(rows in any_rows(), plan in any_plan()) {
        let (stages, figures) = read(&rows, &plan, None);
        for (cell, stage) in stages.iter() {
            let (from, to, seconds) = (stage.window_start, stage.window_end, stage.window().as_secs_f64());
            let own: Vec<&RequestRow> = rows.iter().filter(|row| row.cell == *cell && !row.warmup).collect();
            let of = |key: &str| figures.metrics.iter().find(|m| m.cell == *cell && m.key() == key).and_then(|m| m.value);
            let mut ttft: Vec<f64> = own.iter().filter(|row| row.outcome.is_success() && stage.holds(row.timeline.planned))
                .filter_map(|row| Some(row.timeline.ttft()?.as_secs_f64() * 1e3)).collect();
            ttft.sort_by(f64::total_cmp);
            prop_assert_eq!(of("ttft.p50").is_some(), !ttft.is_empty());
            if let Ok(sorted) = Sorted::new(ttft) {
                prop_assert!((of("ttft.p50").unwrap() - sorted.median()).abs() < 1e-9);
            }
            let is_seen = own.iter().any(|row| stage.holds(row.timeline.planned));
            if seconds > 0.0 && is_seen {
                let tokens: u64 = own.iter().filter(|row| row.outcome.is_success())
                    .map(|row| row.timeline.tokens_between(from, to, row.output_tokens())).sum();
                prop_assert!((of("output_throughput").unwrap() - tokens as f64 / seconds).abs() < 1e-6);
                let flight: f64 = own.iter().filter(|row| row.outcome != Outcome::Dropped).map(|row| {
                    let end = row.timeline.ended.unwrap_or(to).min(to);
                    (end - row.timeline.released.max(from)).as_secs_f64()
                }).sum();
                prop_assert!((of("concurrency").unwrap() - flight / seconds).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn histograms_stay_within_their_error_and_percentiles_in_order(rows in any_rows(), plan in any_plan()) {
        let (_, exact) = read(&rows, &plan, None);
        let (_, sketched) = read(&rows, &plan, Some(5));
        prop_assert_eq!(exact.metrics.len(), sketched.metrics.len());
        for (a, b) in exact.metrics.iter().zip(&sketched.metrics) {
            prop_assert_eq!((a.key(), a.n), (b.key(), b.n));
            let (x, y) = (a.value.unwrap_or(0.0), b.value.unwrap_or(0.0));
            prop_assert!((x - y).abs() <= RELATIVE_ERROR * x.abs() + 1e-9, "{:?} {:?}", a, b);
        }
        for figures in [&exact, &sketched] {
            for pair in figures.metrics.windows(2) {
                let percentile = |metric: &Metric| Statistic::GRID.iter().position(|grid| grid.0 == metric.statistic);
                if pair[0].name == pair[1].name && pair[0].cell == pair[1].cell
                    && let (Some(low), Some(high)) = (percentile(&pair[0]), percentile(&pair[1]))
                    && let (Some(a), Some(b)) = (pair[0].value, pair[1].value)
                {
                    prop_assert!(low < high && a <= b + 1e-9, "{:?}", pair);
                }
            }
        }
    }
}

#[test]
fn the_same_log_gives_the_same_figures() {
    let rows = even(300);
    let (first, second) = (read(&rows, &open("ttft<1s"), Some(50)), read(&rows, &open("ttft<1s"), Some(50)));
    assert_eq!(first, second);
}
