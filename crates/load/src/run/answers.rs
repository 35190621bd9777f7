//! A run that holds its answers against golden ones: two passes at one request at a time, then each load, all asking the same.

use weighbridge_summary::{AnswersPlan, GOLDEN, NOISE, answers_pass};
use weighbridge_types::definition as define;
use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::{Finding, FindingKind, Record, TargetResult, Verdict};
use weighbridge_types::request::FinishReason;

use super::{Loaded, Runner, add, end_early};
use crate::error::LoadError;
use crate::figures;
use crate::settings::Shape;

/// Passes before the loads.
const PASSES: [&str; 2] = [GOLDEN, NOISE];

/// The rule of the findings.
const RULE: &str = "answers-under-load";

impl Runner<'_> {
    /// Makes the golden answers, asks the same again, and then makes every load; `from` is where the run's lines begin in
    /// the log. Figures are made anew after each load, since all rest on the golden answers.
    pub(super) async fn make_checked(&mut self, plan: &AnswersPlan, from: u64) -> Result<(), LoadError> {
        let shapes = self.settings.shapes.clone();
        let count = u32::try_from(PASSES.len() + shapes.len()).unwrap_or(u32::MAX);
        let alone = || Shape::Concurrency(1);
        let passes = PASSES.into_iter().map(|pass| (alone(), answers_pass(pass)));
        let loads = shapes.iter().map(|shape| (shape.clone(), shape.cell()));
        for (shape, cell) in passes.chain(loads) {
            let loaded = self.ask_all(shape, &cell, count).await?;
            add(&mut self.record.phases[0].tally, loaded.tally);
            if let Some(stop) = &loaded.stop {
                end_early(&mut self.record.phases[0], stop);
            }
            self.close_checked(plan, from, &shapes)?;
            if loaded.stop.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Asks every prompt at one load.
    async fn ask_all(&mut self, shape: Shape, cell: &Cell, count: u32) -> Result<Loaded, LoadError> {
        self.made += 1;
        let mut drive = self.drive(&shape, cell, None)?;
        drive.first = 0;
        self.play(shape, drive, count, None).await
    }

    fn close_checked(&mut self, plan: &AnswersPlan, from: u64, shapes: &[Shape]) -> Result<(), LoadError> {
        let basis = self.basis();
        self.record.metrics = figures::read(self.journal, from, &self.plan, &basis)?.0.metrics;
        let (metrics, slo, good_share) = (&self.record.metrics, &self.plan.slo, self.plan.good_share);
        let made = |cell: &Cell| metrics.iter().any(|metric| metric.cell == *cell);
        let cells = shapes.iter().map(Shape::cell).filter(|cell| made(cell));
        let judged = |cell: Cell| [slo.judge(metrics, &cell, good_share), plan.judge(metrics, &cell)].concat();
        self.record.targets = cells.flat_map(judged).collect();
        Ok(self.journal.checkpoint(&self.record)?)
    }
}

/// What every load did to the answers, in words.
pub(super) fn findings(record: &Record) -> Vec<Finding> {
    let is_ours = |target: &&TargetResult| target.metric.key == define::QUALITY_DRIFT.name;
    record.targets.iter().filter(is_ours).map(|target| finding(record, target)).collect()
}

fn finding(record: &Record, target: &TargetResult) -> Finding {
    let cell = &target.metric.cell;
    let (kind, verdict) = match target.verdict {
        Verdict::Met | Verdict::Exceeded => (FindingKind::Strength, "the same answers as one request at a time"),
        Verdict::Missed => (FindingKind::Weakness, "worse answers than one request at a time"),
        Verdict::Unclear | Verdict::NotApplicable => {
            (FindingKind::Limitation, "inconclusive whether answers are those of one request at a time")
        }
    };
    let settings = cell.iter().filter(|(key, _)| *key != "phase");
    let load: Vec<String> = settings.map(|(key, value)| format!("{key} {value}")).collect();
    let mut text = format!("{}: {verdict}", load.join(", "));
    let told = [changed(record, cell), shorter(record, cell), ends(record, cell)].into_iter().flatten();
    told.for_each(|part| text.push_str(&part));
    let evidence = vec![target.metric.clone()];
    Finding { rule: RULE.to_owned(), kind, priority: None, impact: None, text, evidence }
}

fn figure<'a>(record: &'a Record, key: &str, cell: &Cell) -> Option<(&'a Metric, f64)> {
    let metric = record.metric(key, cell)?;
    Some((metric, metric.value?))
}

fn changed(record: &Record, cell: &Cell) -> Option<String> {
    let (metric, share) = figure(record, define::GOLDEN_MATCH.name, cell)?;
    let changed = |share: f64, n: u64| ((1.0 - share) * n as f64).round();
    let noise = figure(record, define::GOLDEN_MATCH.name, &answers_pass(NOISE));
    let noise = noise.map(|(again, share)| format!(", {} of {} one at a time", changed(share, again.n), again.n));
    let place = figure(record, &format!("{}.p50", define::FIRST_DIVERGENCE.name), cell);
    let place = place.map(|(_, place)| format!("; half of those differ within {place:.0} characters"));
    let (count, n) = (changed(share, metric.n), metric.n);
    Some(format!("; {count} of {n} differ{}{}", noise.unwrap_or_default(), place.unwrap_or_default()))
}

fn shorter(record: &Record, cell: &Cell) -> Option<String> {
    let (metric, mean) = figure(record, &format!("{}.mean", define::ANSWER_LENGTH_SHIFT.name), cell)?;
    let is_sure = metric.interval.as_ref().is_some_and(|interval| interval.low > 0.0 || interval.high < 0.0);
    let word = if mean < 0.0 { "shorter" } else { "longer" };
    is_sure.then(|| format!("; answers are {:.1} tokens {word}", mean.abs()))
}

/// Answers that end by themselves, here and among the golden ones, where that has changed.
fn ends(record: &Record, cell: &Cell) -> Option<String> {
    figure(record, define::FINISH_CHANGED.name, cell).filter(|(_, share)| *share > 0.0)?;
    let stopped = |cell: Cell| {
        let found = figure(record, define::FINISH_SHARE.name, &cell.with("finish", FinishReason::Stop.name()));
        100.0 * found.map_or(0.0, |(_, share)| share)
    };
    let (here, golden) = (stopped(cell.clone()), stopped(answers_pass(GOLDEN)));
    Some(format!("; {here:.0} % end by themselves, {golden:.0} % of the golden ones"))
}
