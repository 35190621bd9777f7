use super::super::samples::{at, failed, model, ok, pulse, row, tell};
use super::*;

fn near(found: Option<f64>, expected: f64) {
    let found = found.unwrap_or(f64::NAN);
    assert!((found / expected - 1.0).abs() < 1e-3, "{found} is not {expected}");
}

#[test]
fn outcomes_are_counted_once_each() {
    let mut model = model();
    model.take(&pulse(1, 0, 0));
    let mut retried = row(0, 4, ok());
    retried.retries = 2;
    let mut warm = row(0, 4, ok());
    warm.warmup = true;
    for row in [retried, warm, row(0, 0, Outcome::Cancelled), row(0, 0, Outcome::Dropped)] {
        tell(&mut model, row);
    }
    for class in [FailureClass::Timeout, FailureClass::RateLimited, FailureClass::Timeout] {
        tell(&mut model, row(0, 2, failed(class)));
    }
    let counts = model.counts();
    assert_eq!((counts.succeeded, counts.errors(), counts.cancelled, counts.dropped), (2, 3, 1, 1));
    assert_eq!((counts.retries, counts.warmup), (2, 1));
    assert_eq!(counts.failed, [(FailureClass::RateLimited, 1), (FailureClass::Timeout, 2)].into());
    assert_eq!(counts.last_failure.as_deref(), Some("it said[2J no"));
}

#[test]
fn percentiles_are_those_of_measured_successes() {
    let mut model = model();
    model.take(&pulse(1, 0, 0));
    tell(&mut model, row(0, 11, ok()));
    tell(&mut model, row(0, 100, failed(FailureClass::Truncated)));
    let mut warm = row(0, 100, ok());
    warm.warmup = true;
    tell(&mut model, warm);
    let (recent, all) = model.latencies();
    for latencies in [recent, all] {
        near(latencies.ttft.quantile(0.99), 20.0);
        near(latencies.itl.quantile(0.99), 2.0);
        near(latencies.e2e.quantile(0.99), 40.0);
        assert_eq!((latencies.ttft.count(), latencies.itl.count(), latencies.e2e.count()), (1, 10, 1));
    }
}

#[test]
fn the_last_seconds_forget_and_the_load_does_not() {
    let mut model = model();
    model.take(&pulse(1, 0, 0));
    for begin in (0..25_000).step_by(100) {
        tell(&mut model, row(begin, 2, ok()));
    }
    // One comes late, of a second that is merged already.
    tell(&mut model, row(0, 2, ok()));
    model.take(&pulse(1, 0, 25_000));
    let (recent, all) = model.latencies();
    assert_eq!(all.ttft.count(), 251);
    // Seconds 16 to 24, and what has ended of second 25.
    assert_eq!(recent.ttft.count(), 90);
    assert_eq!(model.rates(), Some((10.0, 20.0)));
    model.take(&pulse(1, 0, 60_000));
    let (recent, all) = model.latencies();
    assert_eq!((recent.ttft.count(), all.ttft.count()), (0, 251));
}

#[test]
fn a_load_ends_once_and_the_next_begins_empty() {
    let mut model = model();
    assert!(model.end_load().is_none(), "nothing began");
    model.take(&pulse(1, 1_000, 1_000));
    tell(&mut model, row(1_000, 11, ok()));
    tell(&mut model, row(1_000, 11, failed(FailureClass::Engine)));
    assert_eq!(model.stage(), Stage::Releasing);
    model.take(&pulse(1, 1_000, 31_000));
    assert_eq!(model.stage(), Stage::Draining);
    let load = model.end_load().unwrap();
    assert_eq!((load.number, load.succeeded, load.errors), (1, 1, 1));
    near(load.rate, 1.0 / 0.042);
    near(load.ttft.map(|(p50, _)| p50), 20.0);
    assert_eq!(model.stage(), Stage::Over);
    assert!(model.end_load().is_none(), "it ended once");
    // A row of the next load may come before its pulse.
    tell(&mut model, row(40_000, 2, ok()));
    assert_eq!((model.counts().succeeded, model.stage()), (1, Stage::Starting));
    model.take(&pulse(2, 40_000, 40_200));
    assert_eq!((model.counts().succeeded, model.stage()), (1, Stage::Releasing));
    assert_eq!(model.earlier().len(), 1);
}

#[test]
fn disturbance_is_that_of_the_whole_run() {
    let mut model = model();
    for number in 1..=2 {
        model.take(&pulse(number, 0, 0));
        let mut disturbed = row(0, 2, ok());
        disturbed.client_faults = vec![ClientFault::ScheduleLag, ClientFault::Steal];
        let mut warm = disturbed.clone();
        warm.warmup = true;
        for row in [disturbed, warm, row(0, 2, ok())] {
            tell(&mut model, row);
        }
        model.end_load();
    }
    assert_eq!(model.disturbed(), (4, 2));
    assert_eq!(model.faults(), &[(ClientFault::ScheduleLag, 2), (ClientFault::Steal, 2)].into());
}

#[test]
fn progress_is_by_time_else_by_sessions_else_unknown() {
    let check = |until: Option<u64>, sessions, expected: Option<f64>| {
        let mut model = model();
        let RunEvent::Pulse(told) = pulse(1, 1_000, 4_000) else { unreachable!("a pulse") };
        model.take(&RunEvent::Pulse(Pulse { until: until.map(at), sessions, ..told }));
        assert_eq!(model.done().and_then(Done::share), expected, "{until:?} {sessions:?}");
    };
    check(Some(7_000), Some(100), Some(0.5));
    check(Some(2_000), None, Some(1.0));
    check(Some(1_000), None, None);
    check(None, Some(20), Some(0.25));
    check(None, Some(0), None);
    check(None, None, None);
}
