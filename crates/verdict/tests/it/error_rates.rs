//! How often a verdict is wrong, by simulation: run with `--nocapture` to see the rates.
#![expect(clippy::print_stdout, reason = "the rates are for readers")]

use weighbridge_stats::compare::welch;
use weighbridge_stats::{Confidence, Sorted};
use weighbridge_types::comparison::Verdict;
use weighbridge_verdict::{Settings, compare};

use crate::made::{Seeded, settings, side};

/// Requests of a run.
const REQUESTS: usize = 300;
/// Correlation of a request with the one before.
const WITHIN: f64 = 0.3;
/// Standard deviation of the logarithm of a request's latency.
const SPREAD: f64 = 0.2;
/// Correlation of a run's level with that of the run before.
const BETWEEN: f64 = 0.3;

/// A host whose level drifts from run to run.
struct Host {
    random: Seeded,
    /// Standard deviation of the logarithm of a run's level.
    drift: f64,
    level: f64,
}

impl Host {
    fn new(seed: u64, drift: f64) -> Self {
        let mut random = Seeded(seed);
        let level = drift * random.normal();
        Self { random, drift, level }
    }

    /// Latencies of the requests of one run.
    fn run(&mut self, median: f64) -> Vec<f64> {
        let (keep, fresh) = (BETWEEN, (1.0 - BETWEEN * BETWEEN).sqrt());
        self.level = keep * self.level + fresh * self.drift * self.random.normal();
        let (keep, fresh) = (WITHIN, (1.0 - WITHIN * WITHIN).sqrt());
        let mut state = self.random.normal();
        let mut latencies = Vec::with_capacity(REQUESTS);
        for _ in 0..REQUESTS {
            state = keep * state + fresh * self.random.normal();
            latencies.push(median * (self.level + SPREAD * state).exp());
        }
        latencies
    }
}

/// Sides to simulate.
#[derive(Clone, Copy)]
struct Sides {
    pairs: u64,
    runs: usize,
    drift: f64,
    slowdown: f64,
    /// Changes up to this share count as none.
    threshold: f64,
}

/// Shares of verdicts over pairs of sides.
#[derive(Default)]
struct Rates {
    worse: f64,
    better: f64,
    equivalent: f64,
    inconclusive: f64,
    /// How often a test that takes each request for an independent witness finds a difference.
    naive: f64,
}

fn rates(sides: Sides) -> Rates {
    let mut found = Rates::default();
    let one = 1.0 / sides.pairs as f64;
    let settings = Settings { threshold: sides.threshold, ..settings() };
    for pair in 0..sides.pairs {
        let mut host = Host::new(pair * 1_000_003 + 17, sides.drift);
        // One side after the other, as two commits are measured.
        let mut measure = |median| -> Vec<Vec<f64>> { (0..sides.runs).map(|_| host.run(median)).collect() };
        let (a, b) = (measure(100.0), measure(100.0 * sides.slowdown));
        let medians = |side: &[Vec<f64>]| -> Vec<f64> {
            side.iter().map(|run| Sorted::new(run.clone()).unwrap().median()).collect()
        };
        let comparison = compare(&[side("a", &medians(&a)), side("b", &medians(&b))], &[], &settings).unwrap();
        *match comparison.verdict() {
            Verdict::Worse => &mut found.worse,
            Verdict::Better => &mut found.better,
            Verdict::Equivalent => &mut found.equivalent,
            Verdict::Inconclusive => &mut found.inconclusive,
        } += one;
        let logs = |side: &[Vec<f64>]| -> Vec<f64> { side.iter().flatten().map(|value| value.ln()).collect() };
        if welch(&logs(&a), &logs(&b), Confidence::P95).unwrap().p < 0.05 {
            found.naive += one;
        }
    }
    let Sides { pairs, runs, drift, slowdown, threshold } = sides;
    println!(
        "{pairs} pairs, {runs} runs a side, drift {:.0} %, slowdown {:.0} %, threshold {:.0} %: worse {:.1} %, better {:.1} %, equivalent {:.1} %, \
         inconclusive {:.1} %; test of all requests {:.1} %",
        100.0 * drift,
        100.0 * (slowdown - 1.0),
        100.0 * threshold,
        100.0 * found.worse,
        100.0 * found.better,
        100.0 * found.equivalent,
        100.0 * found.inconclusive,
        100.0 * found.naive
    );
    found
}

#[test]
fn equal_sides_are_seldom_called_worse() {
    for (drift, threshold) in [(0.01, 0.05), (0.02, 0.05), (0.04, 0.05), (0.02, 0.0)] {
        let found = rates(Sides { pairs: 1_000, runs: 5, drift, slowdown: 1.0, threshold });
        assert!(found.worse <= 0.05 && found.better <= 0.05, "{} {}", found.worse, found.better);
        // Requests of one run are no independent witnesses.
        assert!(found.naive > 0.2, "{}", found.naive);
    }
}

#[test]
fn a_slowdown_of_a_tenth_is_found() {
    for (drift, least) in [(0.01, 0.9), (0.015, 0.9), (0.02, 0.8)] {
        let found = rates(Sides { pairs: 300, runs: 8, drift, slowdown: 1.1, threshold: 0.05 });
        assert!(found.worse >= least, "{}", found.worse);
    }
}
