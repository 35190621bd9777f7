//! How the engines stand against the first.

use serde::Serialize;
use weighbridge_stats::hierarchical::{Center, Nest, Ratio, ratio};
use weighbridge_stats::{Confidence, Resampling, Sorted};
use weighbridge_types::comparison::Verdict;
use weighbridge_types::metric::Cell;
use weighbridge_types::record::Phase;
use weighbridge_types::request::RequestRow;
use weighbridge_types::units::millis;

use super::ENGINE;

/// What is compared. Each figure is larger where the engine is slower, but the last.
const MEASURES: [Measure; 4] = [
    Measure { name: "ttft", unit: "ms", phase: Phase::Latency, of: |row| row.timeline.ttft().map(millis) },
    Measure { name: "tpot", unit: "ms", phase: Phase::Latency, of: |row| row.tpot().map(millis) },
    Measure { name: "e2e", unit: "ms", phase: Phase::Latency, of: |row| row.timeline.e2e().map(millis) },
    Measure { name: "output_rate", unit: "tokens/s", phase: Phase::Throughput, of: |_| None },
];

/// Rounds below which an interval means nothing.
const LEAST_ROUNDS: usize = 3;

/// Measures that the order of the engines rests on: a request alone, and many at once.
const DECISIVE: [&str; 2] = ["e2e", "output_rate"];

struct Measure {
    name: &'static str,
    unit: &'static str,
    phase: Phase,
    /// Of one request; a rate is of a round.
    of: fn(&RequestRow) -> Option<f64>,
}

/// Decides on an interval of speed: above 1 the engine is faster than the first.
fn judge(low: f64, high: f64, threshold: f64) -> Verdict {
    let (least, most) = (1.0 / (1.0 + threshold), 1.0 + threshold);
    if low > most {
        Verdict::Better
    } else if high < least {
        Verdict::Worse
    } else if low >= least && high <= most {
        Verdict::Equivalent
    } else {
        Verdict::Inconclusive
    }
}

/// One figure of an engine.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// `ttft`, `tpot`, `e2e` or `output_rate`.
    pub measure: &'static str,
    /// The unit of the value.
    pub unit: &'static str,
    /// The settings that it was measured at, such as `input_tokens=128`.
    pub at: String,
    /// Mean over rounds of their medians; of a rate the mean over rounds. `None` where nothing succeeded.
    pub value: Option<f64>,
    /// How many times as fast as the first engine this is; `None` for the first, and where too few rounds decide.
    pub speed: Option<f64>,
    /// 95 % interval of the speed.
    pub interval: Option<[f64; 2]>,
    /// What the interval says.
    pub verdict: Option<Verdict>,
    /// Rounds with a value.
    pub rounds: usize,
}

/// An engine in the result.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// Its name.
    pub engine: String,
    /// Why it took no part.
    pub absent: Option<String>,
    /// Requests that were made, without warm-up.
    pub requests: usize,
    /// Of those the failed ones.
    pub failed: usize,
    /// How many times as fast as the first: geometric mean of the decisive speeds.
    pub speed: Option<f64>,
    /// Its figures.
    pub figures: Vec<Measured>,
}

/// All engines.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// What the others are set against.
    pub reference: String,
    /// Differences up to this share count as none.
    pub threshold: f64,
    /// In the order in which they were named.
    pub engines: Vec<Standing>,
    /// Who to ask first, and who next when that one fails: those without failures first, then by speed.
    pub fallback_order: Vec<String>,
}

impl Comparison {
    pub(super) fn new(
        names: Vec<String>,
        absent: Vec<(String, String)>,
        rows: &[RequestRow],
        threshold: f64,
        seed: u64,
    ) -> Self {
        let reference = names[0].clone();
        let mut engines: Vec<Standing> =
            names.into_iter().map(|name| standing(name, &reference, rows, threshold, seed)).collect();
        let mut order: Vec<&Standing> = engines.iter().filter(|engine| engine.failed < engine.requests).collect();
        let rank = |engine: &Standing| (engine.failed > 0, -engine.speed.unwrap_or(1.0));
        order.sort_by(|a, b| {
            let ((a_fails, a_speed), (b_fails, b_speed)) = (rank(a), rank(b));
            a_fails.cmp(&b_fails).then(a_speed.total_cmp(&b_speed))
        });
        let fallback_order = order.into_iter().map(|engine| engine.engine.clone()).collect();
        engines.extend(absent.into_iter().map(|(engine, why)| Standing {
            engine,
            absent: Some(why),
            requests: 0,
            failed: 0,
            speed: None,
            figures: Vec::new(),
        }));
        Self { reference, threshold, engines, fallback_order }
    }

    /// What a reader of the record must know.
    pub(super) fn notes(&self) -> Vec<String> {
        let absent = self
            .engines
            .iter()
            .filter_map(|engine| Some(format!("{} took no part: {}", engine.engine, engine.absent.as_ref()?)));
        let speed = |engine: &Standing| {
            let speed = engine.speed.filter(|_| engine.engine != self.reference)?;
            Some(format!("{} is {speed:.2} times as fast as {}", engine.engine, self.reference))
        };
        let mut notes: Vec<String> = self.engines.iter().filter_map(speed).chain(absent).collect();
        notes.push(format!("fallback order: {}", self.fallback_order.join(", ")));
        notes
    }
}

fn standing(name: String, reference: &str, rows: &[RequestRow], threshold: f64, seed: u64) -> Standing {
    let own = |row: &&RequestRow| !row.warmup && row.cell.get(ENGINE) == Some(&name);
    let mut figures = Vec::new();
    for measure in &MEASURES {
        for place in places(rows, measure.phase) {
            let values = rounds(rows, measure, &place, &name);
            let first = rounds(rows, measure, &place, reference);
            let compared = (name != reference).then(|| compare(measure, &first, &values, seed)).flatten();
            let speed = compared.map(|(speed, _)| speed);
            let interval = compared.map(|(_, interval)| interval);
            let centers = values.iter().map(|round| center(round));
            figures.push(Measured {
                measure: measure.name,
                unit: measure.unit,
                at: place.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" "),
                value: (!values.is_empty()).then(|| centers.sum::<f64>() / values.len() as f64),
                speed,
                interval,
                verdict: interval.map(|[low, high]| judge(low, high, threshold)),
                rounds: values.len(),
            });
        }
    }
    let decisive = figures.iter().filter(|figure| DECISIVE.contains(&figure.measure));
    let speeds: Vec<f64> = decisive.filter_map(|figure| figure.speed).collect();
    let speed =
        (!speeds.is_empty()).then(|| (speeds.iter().map(|speed| speed.ln()).sum::<f64>() / speeds.len() as f64).exp());
    Standing {
        absent: None,
        requests: rows.iter().filter(own).count(),
        failed: rows.iter().filter(own).filter(|row| !row.outcome.is_success()).count(),
        speed: if name == reference { Some(1.0) } else { speed },
        engine: name,
        figures,
    }
}

/// The settings at which a phase measured, without those that tell engines and rounds apart.
fn places(rows: &[RequestRow], phase: Phase) -> Vec<Cell> {
    let mut places: Vec<Cell> = rows
        .iter()
        .filter(|row| !row.warmup && row.cell.get("phase") == Some(phase.name()))
        .map(|row| {
            let kept = row.cell.iter().filter(|(key, _)| !["phase", "run", ENGINE].contains(key));
            kept.fold(Cell::default(), |cell, (key, value)| cell.with(key, value))
        })
        .collect();
    places.sort();
    places.dedup();
    places
}

/// Values of an engine, round by round; rounds without any are left out.
fn rounds(rows: &[RequestRow], measure: &Measure, place: &Cell, engine: &str) -> Vec<Vec<f64>> {
    let mut by_round: std::collections::BTreeMap<u32, Vec<&RequestRow>> = std::collections::BTreeMap::new();
    let fits = |row: &&RequestRow| {
        !row.warmup
            && row.outcome.is_success()
            && row.cell.get("phase") == Some(measure.phase.name())
            && row.cell.get(ENGINE) == Some(engine)
            && place.iter().all(|(key, value)| row.cell.get(key) == Some(value))
    };
    for row in rows.iter().filter(fits) {
        let round = row.cell.get("run").and_then(|run| run.parse().ok()).unwrap_or(1);
        by_round.entry(round).or_default().push(row);
    }
    let values = |rows: Vec<&RequestRow>| match measure.phase {
        Phase::Throughput => rate(&rows).into_iter().collect(),
        _ => rows.iter().filter_map(|row| (measure.of)(row)).filter(|value| *value > 0.0).collect(),
    };
    by_round.into_values().map(values).filter(|round: &Vec<f64>| !round.is_empty()).collect()
}

/// Output tokens per second, from the first request's release to the last one's end.
fn rate(rows: &[&RequestRow]) -> Option<f64> {
    let begin = rows.iter().map(|row| row.life().0).min()?;
    let end = rows.iter().map(|row| row.life().1).max()?;
    let tokens: u64 = rows.iter().map(|row| row.output_tokens()).sum();
    let seconds = (end - begin).as_secs_f64();
    (seconds > 0.0 && tokens > 0).then(|| tokens as f64 / seconds)
}

fn center(round: &[f64]) -> f64 {
    Sorted::new(round.to_vec()).map_or(f64::NAN, |sorted| sorted.median())
}

/// How many times as fast the values are as the first engine's, with its interval.
fn compare(measure: &Measure, first: &[Vec<f64>], values: &[Vec<f64>], seed: u64) -> Option<(f64, [f64; 2])> {
    let side = |rounds: &[Vec<f64>]| Nest::of_runs(rounds.iter().cloned());
    // Times are turned around, so that more is faster.
    let (slow, fast) = if measure.phase == Phase::Throughput { (first, values) } else { (values, first) };
    if first.len().min(values.len()) < LEAST_ROUNDS {
        return None;
    }
    let resampling = Resampling::new(seed);
    let found: Ratio = ratio(&side(slow), &side(fast), Center::Median, Confidence::P95, resampling).ok()?;
    Some((found.value, [found.interval.low, found.interval.high]))
}
