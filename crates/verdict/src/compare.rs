//! Sides against a baseline.

use std::collections::BTreeSet;

use weighbridge_stats::family::{benjamini_hochberg, holm};
use weighbridge_stats::{Confidence, Resampling, StatsError};
use weighbridge_types::comparison::{
    COMPARISON_VERSION, ComparedMetric, Comparison, Contrast, MissingMetric, Rule, SideNote, Verdict,
};
use weighbridge_types::definition::Direction;
use weighbridge_types::metric::MetricInterval;
use weighbridge_types::record::{Record, Status};

use crate::VerdictError;
use crate::alike::mismatches;
use crate::cells::{Figures, Key, figures};
use crate::decide::{Decision, Margin};
use crate::gate::{Gates, direction};
use crate::noise::Noise;
use crate::shapes::shapes;

/// Runs a side from which a verdict is taken without a warning.
const ENOUGH_RUNS: usize = 5;

/// Kind of runs whose repetitions share their documents, and so the luck of which those are.
const EVALUATION: &str = "eval";

/// One side: its runs, in order of time.
#[derive(Clone, Debug)]
pub struct Side {
    /// Its name.
    pub name: String,
    /// At least one.
    pub runs: Vec<Record>,
}

/// How to compare.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Changes up to this share count as none.
    pub threshold: f64,
    /// Confidence of intervals.
    pub confidence: Confidence,
    /// Chance with which a smallest detectable change is found.
    pub power: f64,
    /// Metrics that gate, as `ttft.p99@concurrency=4`; empty for those that stand for the phases.
    pub gates: Vec<String>,
    /// Whether runs come in pairs, the i-th of a side with the i-th of the other.
    pub paired: bool,
    /// Compares what was not made alike all the same, and says so.
    pub force: bool,
    /// Of the bootstrap.
    pub resampling: Resampling,
}

impl Default for Settings {
    /// 5 % of change, 95 % of confidence, and a chance of 80 % to detect the smallest detectable change.
    fn default() -> Self {
        Self {
            threshold: 0.05,
            confidence: Confidence::P95,
            power: 0.8,
            gates: Vec::new(),
            paired: false,
            force: false,
            resampling: Resampling::new(42),
        }
    }
}

impl Settings {
    fn check(&self) -> Result<(), VerdictError> {
        let refuse = |what, value, expected| Err(VerdictError::Setting { what, value, expected });
        if !(0.0..10.0).contains(&self.threshold) {
            return refuse("the threshold", self.threshold, "a share from 0 on, below 10");
        }
        if !(self.power > 0.0 && self.power < 1.0) {
            return refuse("the power", self.power, "between 0 and 1");
        }
        Ok(())
    }
}

/// Sets every further side against the first. `known` are runs from which the noise of this host can be learned; those that
/// weighed something else are left out.
///
/// # Errors
/// [`VerdictError::NotAlike`] unless forced, and whatever else keeps sides from being compared.
pub fn compare(sides: &[Side], known: &[Record], settings: &Settings) -> Result<Comparison, VerdictError> {
    settings.check()?;
    let [baseline, candidates @ ..] = sides else { return Err(VerdictError::Sides { have: 0 }) };
    if candidates.is_empty() {
        return Err(VerdictError::Sides { have: 1 });
    }
    check_runs(sides)?;
    let first = &baseline.runs[0];
    let others = sides.iter().flat_map(|side| &side.runs).skip(1);
    let mismatches: Vec<_> = others.flat_map(|run| mismatches(first, run)).collect();
    if !mismatches.is_empty() && !settings.force {
        return Err(VerdictError::NotAlike { mismatches });
    }
    let longest = sides.iter().map(|side| side.runs.len()).max().unwrap_or(0);
    let noise = Noise::learn(first, known, longest);
    let ours = figures(&baseline.runs);
    let gates = Gates::new(&settings.gates, first, &ours.keys().collect::<Vec<_>>())?;
    let contrasts =
        candidates.iter().map(|candidate| Contrasting { baseline, candidate, settings, noise: &noise }.run(&gates));
    let contrasts = contrasts.collect::<Result<Vec<_>, _>>()?;
    let rule = Rule {
        threshold: settings.threshold,
        confidence: settings.confidence.level(),
        power: settings.power,
        resamples: settings.resampling.count(),
        seed: settings.resampling.seed(),
        noise_runs: noise.runs() as u64,
        paired: settings.paired,
    };
    let schema_version = COMPARISON_VERSION.to_owned();
    let notes = notes(sides, &noise, settings.paired);
    Ok(Comparison { schema_version, sides: sides.iter().map(note).collect(), rule, mismatches, contrasts, notes })
}

fn check_runs(sides: &[Side]) -> Result<(), VerdictError> {
    let mut seen = BTreeSet::new();
    for side in sides {
        if side.runs.is_empty() {
            return Err(VerdictError::Empty { side: side.name.clone() });
        }
        if let Some(run) = side.runs.iter().find(|run| !seen.insert(&run.run_id)) {
            return Err(VerdictError::Twice { run: run.run_id.clone() });
        }
    }
    Ok(())
}

fn note(side: &Side) -> SideNote {
    let first = &side.runs[0];
    let engine = &first.engine;
    SideNote {
        name: side.name.clone(),
        kind: first.kind.clone(),
        model_ref: engine.model_ref.clone(),
        engine: engine
            .engine_version
            .as_ref()
            .map_or_else(|| engine.engine.clone(), |v| format!("{} {v}", engine.engine)),
        commit: first.environment.build.commit.clone(),
        runs: side.runs.iter().map(|run| run.run_id.clone()).collect(),
    }
}

fn notes(sides: &[Side], noise: &Noise<'_>, paired: bool) -> Vec<String> {
    let mut notes = Vec::new();
    let few: Vec<String> = sides
        .iter()
        .filter(|side| side.runs.len() < ENOUGH_RUNS)
        .map(|side| format!("`{}` has {}", side.name, side.runs.len()))
        .collect();
    if !few.is_empty() {
        notes.push(format!("{}: at least {ENOUGH_RUNS} runs a side make a verdict that holds", few.join(", ")));
    }
    if noise.runs() == 0 && !paired {
        notes.push("what equal runs differ by on this host is not known: the threshold alone is the margin".to_owned());
    }
    if sides.iter().flat_map(|side| &side.runs).any(|run| run.kind == EVALUATION) {
        notes.push(
            "runs of an evaluation ask the same documents: a verdict on its scores is on these documents, and `weighbridge eval \
             compare` pairs them to say what others would tell"
                .to_owned(),
        );
    }
    for run in sides.iter().flat_map(|side| &side.runs) {
        if run.status != Status::Complete {
            notes.push(format!("`{}` did not end as planned: its figures rest on what it had by then", run.run_id));
        }
    }
    for side in sides.iter().filter(|side| side.runs.iter().any(|run| run.engine.scripted)) {
        notes.push(format!("`{}` is of the scripted engine: its figures weigh this program and no model", side.name));
    }
    notes
}

/// One candidate and the baseline.
struct Contrasting<'a> {
    baseline: &'a Side,
    candidate: &'a Side,
    settings: &'a Settings,
    noise: &'a Noise<'a>,
}

impl Contrasting<'_> {
    fn run(&self, gates: &Gates) -> Result<Contrast, VerdictError> {
        let (ours, theirs) = (figures(&self.baseline.runs), figures(&self.candidate.runs));
        let nothing = Figures::default();
        let (mut rows, mut missing) = (Vec::new(), Vec::new());
        for key in ours.keys().chain(theirs.keys().filter(|key| !ours.contains_key(*key))) {
            let (a, b) = (ours.get(key).unwrap_or(&nothing), theirs.get(key).unwrap_or(&nothing));
            let gating = gates.is_of(key);
            match self.values(a, b) {
                Ok((a_values, b_values, unit)) => rows.push(self.row(key, gating, (a_values, b_values), unit)?),
                // What neither side could have is no difference.
                Err(None) => {}
                Err(Some((side, reason))) => {
                    missing.push(MissingMetric { key: key.1.clone(), cell: key.0.clone(), gating, side, reason });
                }
            }
        }
        if rows.is_empty() {
            let (baseline, candidate) = (self.baseline.name.clone(), self.candidate.name.clone());
            return Err(VerdictError::NothingInCommon { baseline, candidate });
        }
        self.correct(&mut rows);
        rows.sort_by_key(|row| !row.gating);
        missing.sort_by_key(|metric| !metric.gating);
        let (verdict, because) = overall(&rows, &missing);
        let shapes = shapes(&self.baseline.runs, &self.candidate.runs);
        Ok(Contrast { candidate: self.candidate.name.clone(), verdict, because, rows, missing, shapes })
    }

    /// The values of both sides with their unit, or the side that lacks them and why.
    #[expect(clippy::type_complexity, reason = "two ways to end, each used once")]
    fn values<'a>(
        &self,
        a: &Figures<'a>,
        b: &Figures<'a>,
    ) -> Result<(Vec<f64>, Vec<f64>, &'a str), Option<(String, String)>> {
        let (runs_a, runs_b) = (self.baseline.runs.len(), self.candidate.runs.len());
        match (a.values(runs_a), b.values(runs_b)) {
            (Some(a_values), Some(b_values)) => {
                let first = a.metrics[0];
                let all = || a.metrics.iter().chain(&b.metrics);
                if let Some(other) = all().find(|metric| metric.unit != first.unit) {
                    return Err(Some(self.unlike("unit", &first.unit, &other.unit)));
                }
                let is_forced = self.settings.force;
                if let Some(other) = all().find(|metric| metric.definition != first.definition && !is_forced) {
                    return Err(Some(self.unlike("formula", &first.definition, &other.definition)));
                }
                Ok((a_values, b_values, first.unit.as_str()))
            }
            (None, None) => Err(None),
            (None, Some(_)) => Err(Some((self.baseline.name.clone(), a.reason(runs_a)))),
            (Some(_), None) => Err(Some((self.candidate.name.clone(), b.reason(runs_b)))),
        }
    }

    fn unlike(&self, what: &str, one: &str, other: &str) -> (String, String) {
        (self.candidate.name.clone(), format!("the sides do not have the same {what}: {one} and {other}"))
    }

    fn row(
        &self,
        key: &Key,
        gating: bool,
        (baseline, candidate): (Vec<f64>, Vec<f64>),
        unit: &str,
    ) -> Result<ComparedMetric, VerdictError> {
        let settings = self.settings;
        let sides = (baseline.len(), candidate.len());
        let way = direction(&key.1);
        let noise = self.noise.floor(key, sides, settings.resampling);
        let margin = Margin { threshold: settings.threshold, noise };
        let decided = Decision::new((&baseline, &candidate), way, margin, settings);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let mut row = ComparedMetric {
            key: key.1.clone(),
            cell: key.0.clone(),
            unit: unit.to_owned(),
            gating,
            ratio: plain_ratio(&baseline, &candidate),
            difference: mean(&candidate) - mean(&baseline),
            baseline,
            candidate,
            interval: None,
            interval_reason: None,
            probability_worse: None,
            margin: settings.threshold,
            margin_is_noise: false,
            p_adjusted: None,
            verdict: (way != Direction::Neutral).then_some(Verdict::Inconclusive),
            detectable: None,
            runs_needed: None,
        };
        let decision = match decided {
            Ok(decision) => decision,
            Err(StatsError::Insufficient { .. }) => {
                row.interval_reason = Some("one run a side does not tell what runs differ by".to_owned());
                row.runs_needed = row.verdict.map(|_| ENOUGH_RUNS as u64);
                return Ok(row);
            }
            Err(error) => return Err(error.into()),
        };
        let (value, low, high) = decision.shown();
        row.ratio = decision.has_ratio().then_some(value);
        let confidence = settings.confidence.level();
        row.interval = Some(MetricInterval { low, high, confidence, method: decision.method().to_owned() });
        row.margin = decision.margin;
        row.margin_is_noise = margin.is_noise();
        if way != Direction::Neutral {
            row.probability_worse = Some(decision.probability_worse());
            row.p_adjusted = Some(decision.p);
            row.verdict = Some(decision.verdict);
            row.detectable = Some(decision.detectable(settings.power)).filter(|value| value.is_finite());
            row.runs_needed = (decision.verdict == Verdict::Inconclusive)
                .then(|| decision.runs_needed(sides.0.min(sides.1), settings.power))
                .flatten();
        }
        Ok(row)
    }

    /// Corrects p values for how many there are, and takes back changes that do not outlast it.
    fn correct(&self, rows: &mut [ComparedMetric]) {
        let alpha = 1.0 - self.settings.confidence.level();
        for gating in [true, false] {
            let places: Vec<usize> = (0..rows.len())
                .filter(|&place| rows[place].gating == gating && rows[place].p_adjusted.is_some())
                .collect();
            let p: Vec<f64> = places.iter().filter_map(|&place| rows[place].p_adjusted).collect();
            let adjusted = if gating { holm(&p) } else { benjamini_hochberg(&p) };
            for (place, p) in places.into_iter().zip(adjusted) {
                let row = &mut rows[place];
                row.p_adjusted = Some(p);
                if matches!(row.verdict, Some(Verdict::Worse | Verdict::Better)) && p > alpha {
                    row.verdict = Some(Verdict::Inconclusive);
                }
            }
        }
    }
}

fn plain_ratio(baseline: &[f64], candidate: &[f64]) -> Option<f64> {
    let logs = |values: &[f64]| {
        let is_positive = values.iter().all(|&value| value > 0.0);
        is_positive.then(|| values.iter().map(|value| value.ln()).sum::<f64>() / values.len() as f64)
    };
    Some((logs(candidate)? - logs(baseline)?).exp())
}

/// The verdict of a candidate, and which metrics made it.
fn overall(rows: &[ComparedMetric], missing: &[MissingMetric]) -> (Verdict, String) {
    let gating = |verdict: Verdict| {
        let of = |row: &&ComparedMetric| row.gating && row.verdict == Some(verdict);
        rows.iter().filter(of).map(|row| place(&row.key, &row.cell.to_string())).collect::<Vec<_>>()
    };
    let absent: Vec<String> = missing
        .iter()
        .filter(|metric| metric.gating)
        .map(|metric| place(&metric.key, &metric.cell.to_string()))
        .collect();
    let worse = gating(Verdict::Worse);
    if !worse.is_empty() {
        return (Verdict::Worse, worse.join(", "));
    }
    if !absent.is_empty() {
        return (Verdict::Inconclusive, format!("missing on a side: {}", absent.join(", ")));
    }
    let open = gating(Verdict::Inconclusive);
    if !open.is_empty() {
        return (Verdict::Inconclusive, open.join(", "));
    }
    let better = gating(Verdict::Better);
    if !better.is_empty() {
        return (Verdict::Better, better.join(", "));
    }
    if rows.iter().any(|row| row.gating && row.verdict.is_some()) {
        return (Verdict::Equivalent, "every gating metric lies within its margin".to_owned());
    }
    (Verdict::Inconclusive, "no metric gates: name some with `--gate`".to_owned())
}

fn place(key: &str, cell: &str) -> String {
    if cell.is_empty() { key.to_owned() } else { format!("{key} ({cell})") }
}
