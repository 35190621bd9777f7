//! Answers under load, held against golden ones: the same prompts asked one at a time before, twice, so that what differs
//! there anyway is known.
//!
//! Prompts are told by the number of their session, which every load of such a run begins at 0. Only first turns count: what
//! follows a changed answer is another prompt. The golden answers are held, which is why their number is bounded where they
//! are asked for; of all others only how they differ.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use weighbridge_stats::proportion::{PairCounts, wilson};
use weighbridge_stats::{Dependence, Estimate, StatsError};
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::metric::{Cell, Metric, Provenance, Statistic};
use weighbridge_types::record::{Phase, TargetResult};
use weighbridge_types::request::{FinishReason, Outcome, RequestRow};

use super::plan::LoadPlan;
use super::window::low_sample;
use crate::basis::{Basis, CONFIDENCE};
use crate::estimate::{Series, Shape, set_interval};
use crate::slo::Wanted;
use crate::target::{Bound, Limit};

/// The setting of a cell that tells a pass of golden answers from the loads.
pub const ANSWERS: &str = "answers";
/// The pass that makes the golden answers.
pub const GOLDEN: &str = "golden";
/// The pass that asks the same once more: what differs there is the target's own noise.
pub const NOISE: &str = "again";

/// The profile under which the verdicts stand.
const PROFILE: &str = "answers";

const NO_GOLDEN: &str = "no prompt has an answer here and a golden one";

/// The cell of a pass at one request at a time.
#[must_use]
pub fn answers_pass(which: &str) -> Cell {
    Cell::of(Phase::Load).with("concurrency", 1).with(ANSWERS, which)
}

/// When an answer is the one that the data set expects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerRule {
    /// It holds the expected one.
    #[default]
    Contains,
    /// It is the expected one, space around it left out.
    Exact,
}

impl AnswerRule {
    fn is_right(self, text: &str, expected: &str) -> bool {
        match self {
            Self::Contains => text.contains(expected.trim()),
            Self::Exact => text.trim() == expected.trim(),
        }
    }
}

/// How answers under load are judged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswersPlan {
    /// Share of the answers that a load may change beyond what differs at one request at a time, 0 to 1.
    pub tolerance: f64,
    /// Share of the expected answers that a load may lose, 0 to 1.
    pub score_tolerance: f64,
    /// When an answer is the expected one.
    pub rule: AnswerRule,
}

impl AnswersPlan {
    /// Judges one load: the whole interval of what it changed, and of what it lost of expected answers, against the
    /// tolerance. Without expected answers nothing is said of them.
    #[must_use]
    pub fn judge(&self, metrics: &[Metric], cell: &Cell) -> Vec<TargetResult> {
        let of = |name: &str, definition: &Definition, p: &Definition, tolerance: f64| {
            let wanted = Wanted {
                profile: PROFILE,
                name: name.to_owned(),
                key: definition.name.to_owned(),
                limit: Limit { bound: Bound::AtMost, value: tolerance },
                unit: define::QUALITY_DRIFT.unit,
            };
            let mut result = wanted.judge(metrics, cell);
            let p = metrics.iter().find(|metric| metric.cell == *cell && metric.name == p.name);
            if let Some(p) = p.and_then(|metric| metric.value) {
                result.because = format!("{}; McNemar p {p:.2e}", result.because);
            }
            result
        };
        let has_score = metrics.iter().any(|metric| metric.cell == *cell && metric.name == define::SCORE_DRIFT.name);
        let same = of("same answers", &define::QUALITY_DRIFT, &define::QUALITY_DRIFT_P, self.tolerance);
        let score = has_score
            .then(|| of("expected answers", &define::SCORE_DRIFT, &define::SCORE_DRIFT_P, self.score_tolerance));
        [Some(same), score].into_iter().flatten().collect()
    }
}

/// The first answer to a prompt.
#[derive(Clone, Debug)]
struct Golden {
    text: String,
    tokens: u64,
    finish: FinishReason,
    is_right: Option<bool>,
}

/// How another answer to the same prompt compares with it.
#[derive(Clone, Copy, Debug)]
struct Given {
    /// Characters with which both begin; `None` where they are equal.
    differs_at: Option<usize>,
    longer: f64,
    ends_otherwise: bool,
    /// Whether the golden one and this one are the expected answer.
    are_right: Option<(bool, bool)>,
}

/// The answers of one load, or of a pass.
#[derive(Clone, Debug, Default)]
struct Pass {
    ends: BTreeMap<&'static str, u64>,
    count: u64,
    right: (u64, u64),
    given: BTreeMap<u64, Given>,
}

/// All answers of a run, in the order of its log.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    golden: BTreeMap<u64, Golden>,
    passes: BTreeMap<Cell, Pass>,
}

impl Answers {
    /// Takes a row that is no warm-up.
    pub(super) fn push(&mut self, row: &RequestRow, plan: &AnswersPlan) {
        let prompt = match row.turn {
            None => row.id,
            Some(turn) if turn.turn == 0 => turn.session,
            Some(_) => return,
        };
        let (Outcome::Succeeded { finish }, Some(text)) = (&row.outcome, &row.text) else { return };
        let is_right = row.expected.as_deref().map(|expected| plan.rule.is_right(text, expected));
        let pass = self.passes.entry(row.cell.clone()).or_default();
        *pass.ends.entry(finish.name()).or_default() += 1;
        pass.count += 1;
        if let Some(is_right) = is_right {
            pass.right = (pass.right.0 + u64::from(is_right), pass.right.1 + 1);
        }
        if row.cell.get(ANSWERS) == Some(GOLDEN) {
            let golden = Golden { text: text.clone(), tokens: row.output_tokens(), finish: *finish, is_right };
            self.golden.insert(prompt, golden);
        } else if let Some(golden) = self.golden.get(&prompt) {
            let given = Given {
                differs_at: first_difference(&golden.text, text),
                longer: row.output_tokens() as f64 - golden.tokens as f64,
                ends_otherwise: golden.finish != *finish,
                are_right: golden.is_right.zip(is_right),
            };
            pass.given.insert(prompt, given);
        }
    }

    /// Every figure, in the order of loads.
    pub(super) fn figures(&self, plan: &LoadPlan, basis: &Basis) -> Vec<Metric> {
        let noise = self.passes.get(&answers_pass(NOISE)).map(|pass| &pass.given);
        let mut metrics = Vec::new();
        for (cell, pass) in &self.passes {
            let of = Of { cell, pass, basis };
            metrics.extend(of.ends());
            if pass.right.1 > 0 {
                metrics.push(of.share(&define::ANSWER_SCORE, pass.right.0, pass.right.1));
            }
            match cell.get(ANSWERS) {
                Some(GOLDEN) => {}
                Some(_) => metrics.extend(of.against_golden()),
                None => {
                    metrics.extend(of.against_golden());
                    metrics.extend(of.drift(noise));
                    metrics.extend(of.score_drift());
                }
            }
        }
        metrics.iter_mut().for_each(|metric| basis.mark(metric));
        metrics.retain(|metric| plan.wants(metric));
        metrics
    }
}

/// The figures of one load, or of a pass.
struct Of<'a> {
    cell: &'a Cell,
    pass: &'a Pass,
    basis: &'a Basis,
}

impl Of<'_> {
    fn share(&self, definition: &Definition, hits: u64, trials: u64) -> Metric {
        let value = hits as f64 / trials as f64;
        let mut metric = low_sample(Metric::measured(definition, Statistic::Value, self.cell, value, trials));
        set_interval(&mut metric, wilson(hits as usize, trials as usize, CONFIDENCE), None);
        metric
    }

    fn ends(&self) -> Vec<Metric> {
        let share = |(&finish, &count): (&&'static str, &u64)| {
            let cell = self.cell.clone().with("finish", finish);
            Of { cell: &cell, ..*self }.share(&define::FINISH_SHARE, count, self.pass.count)
        };
        self.pass.ends.iter().map(share).collect()
    }

    fn against_golden(&self) -> Vec<Metric> {
        let given: Vec<Given> = self.pass.given.values().copied().collect();
        if given.is_empty() {
            return vec![Metric::unavailable(&define::GOLDEN_MATCH, Statistic::Value, self.cell, NO_GOLDEN)];
        }
        let count = |holds: fn(&Given) -> bool| given.iter().filter(|given| holds(given)).count() as u64;
        let n = given.len() as u64;
        let series = |definition, values: Vec<f64>| Series {
            definition,
            cell: self.cell,
            runs: vec![values],
            dependence: Dependence::Independent,
            basis: self.basis,
        };
        let places = given.iter().filter_map(|given| given.differs_at).map(|place| place as f64).collect();
        let longer = given.iter().map(|given| given.longer).collect();
        let mut metrics = vec![
            self.share(&define::GOLDEN_MATCH, count(|given| given.differs_at.is_none()), n),
            self.share(&define::FINISH_CHANGED, count(|given| given.ends_otherwise), n),
        ];
        let none = "every answer equals its golden one";
        metrics.extend(series(&define::FIRST_DIVERGENCE, places).metrics(Shape::Full, none));
        metrics.extend(series(&define::ANSWER_LENGTH_SHIFT, longer).metrics(Shape::Range, NO_GOLDEN));
        metrics
    }

    fn drift(&self, noise: Option<&BTreeMap<u64, Given>>) -> [Metric; 2] {
        let mut pairs = PairCounts::default();
        for (prompt, given) in &self.pass.given {
            if let Some(again) = noise.and_then(|noise| noise.get(prompt)) {
                pairs.push(again.differs_at.is_none(), given.differs_at.is_none());
            }
        }
        let missing = "no prompt has an answer here and in both passes at one request at a time";
        self.difference(&pairs, [&define::QUALITY_DRIFT, &define::QUALITY_DRIFT_P], missing)
    }

    /// What became of the expected answers; nothing where no prompt names one.
    fn score_drift(&self) -> Vec<Metric> {
        if self.pass.right.1 == 0 {
            return Vec::new();
        }
        let mut pairs = PairCounts::default();
        let known = self.pass.given.values().filter_map(|given| given.are_right);
        known.for_each(|(golden, here)| pairs.push(golden, here));
        self.difference(&pairs, [&define::SCORE_DRIFT, &define::SCORE_DRIFT_P], NO_GOLDEN).into()
    }

    fn difference(&self, pairs: &PairCounts, [drift, p]: [&Definition; 2], missing: &str) -> [Metric; 2] {
        let found: Result<Estimate, StatsError> = pairs.difference(CONFIDENCE);
        let Ok(estimate) = found else {
            return [drift, p].map(|definition| Metric::unavailable(definition, Statistic::Value, self.cell, missing));
        };
        let derived = |definition, value| {
            let metric = Metric::measured(definition, Statistic::Value, self.cell, value, pairs.count());
            low_sample(metric).with_provenance(Provenance::Derived)
        };
        let mut drift = derived(drift, estimate.value);
        set_interval(&mut drift, Ok(estimate), None);
        let mut p = derived(p, pairs.mcnemar());
        p.interval_reason = Some("a p value has none".to_owned());
        [drift, p]
    }
}

/// Characters with which two texts begin alike; `None` for equal texts.
fn first_difference(a: &str, b: &str) -> Option<usize> {
    (a != b).then(|| a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count())
}

#[cfg(test)]
mod tests;
