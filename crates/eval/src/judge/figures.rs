//! What verdicts say: of the answers, and of the judge.

use std::collections::{BTreeMap, BTreeSet};

use weighbridge_stats::classify::resample::{replicates_interval, unit_bootstrap};
use weighbridge_stats::proportion::wilson;
use weighbridge_stats::{
    Confidence, Count, Distance, Interval, JudgeCounts, Method, Resampling, cohen_kappa, corrected_rate,
    krippendorff_alpha,
};
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::metric::{Cell, Metric, MetricInterval, Statistic};
use weighbridge_types::record::Phase;
use weighbridge_types::sample::{SampleAnswer, SampleRow};

use super::{JudgeForm, Verdict};
use crate::task::Value;

/// Seed of the resamples behind intervals of agreement.
const SEED: u64 = 42;

/// A question that a judge was asked, with its verdicts.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    item: i64,
    planted: String,
    is_reversed: bool,
    human: Option<f64>,
    /// What its answer is counted with, beside all.
    groups: Vec<(String, String)>,
    /// One for each repeat that was answered, turned back to the order of the file; `None` where it was not understood.
    verdicts: Vec<Option<Verdict>>,
}

/// Everything that a judge said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged {
    form: JudgeForm,
    asked: Vec<Asked>,
}

impl Judged {
    /// Begins with the documents that are asked.
    #[must_use]
    pub fn new(form: JudgeForm, documents: &[Value]) -> Self {
        let asked = |doc: &Value| Asked {
            item: doc.get("item").and_then(Value::as_int).unwrap_or(-1),
            planted: doc.get("planted").map(Value::text).unwrap_or_default(),
            is_reversed: doc.get("order").and_then(Value::as_text) == Some("ba"),
            human: match doc.get("human") {
                Some(Value::Float(rating)) => Some(*rating),
                _ => None,
            },
            groups: match doc.get("groups") {
                Some(Value::Dict(groups)) => groups.iter().map(|(name, value)| (name.clone(), value.text())).collect(),
                _ => Vec::new(),
            },
            verdicts: Vec::new(),
        };
        Self { form, asked: documents.iter().map(asked).collect() }
    }

    /// Enters a row of the log, in its order. A question that was asked again, after a kill between its repeats, begins
    /// anew with the first of them; a row without an answer decides nothing.
    pub fn enter(&mut self, row: &SampleRow) {
        let place = usize::try_from(row.doc_id).unwrap_or(usize::MAX);
        let Some(asked) = self.asked.get_mut(place) else { return };
        if row.repeat == 0 {
            asked.verdicts.clear();
        }
        let Some(SampleAnswer::Text { text, .. }) = row.answers.first() else { return };
        let verdict = Verdict::of_answer(text, self.form);
        asked.verdicts.push(if asked.is_reversed { verdict.map(Verdict::swapped) } else { verdict });
    }

    /// The first verdict of every question of a kind, by item; a pair has one for each order.
    fn by_item(&self, planted: &str) -> BTreeMap<i64, Vec<(&Asked, Verdict)>> {
        let mut items: BTreeMap<i64, Vec<(&Asked, Verdict)>> = BTreeMap::new();
        for asked in self.asked.iter().filter(|asked| asked.planted == planted) {
            if let Some(Some(verdict)) = asked.verdicts.first() {
                items.entry(asked.item).or_default().push((asked, *verdict));
            }
        }
        items
    }

    /// One rating for every item that was understood: of a pair 1 where A won in both orders, −1 where B did, else 0.
    fn ratings(&self, planted: &str) -> BTreeMap<i64, (f64, Option<f64>)> {
        let orders = if self.form == JudgeForm::Pair { 2 } else { 1 };
        let rating = |(item, verdicts): (i64, Vec<(&Asked, Verdict)>)| {
            let (first, rating) = (verdicts.first()?.0, verdicts.first()?.1.rating());
            let is_same = verdicts.iter().all(|(_, verdict)| verdict.rating().total_cmp(&rating).is_eq());
            (verdicts.len() == orders).then_some((item, (if is_same { rating } else { 0.0 }, first.human)))
        };
        self.by_item(planted).into_iter().filter_map(rating).collect()
    }
}

/// The figures of a judge's run: how the answers fare, then how far the judge can be believed.
#[must_use]
pub fn figures(judged: &Judged) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = answers(judged, &cell()).into_iter().collect();
    metrics.extend(groups(judged));
    metrics.extend(understood(judged));
    metrics.extend(orders(judged));
    metrics.extend(repeats(judged));
    metrics.extend(human(judged));
    metrics.extend(planted(judged));
    metrics
}

fn cell() -> Cell {
    Cell::of(Phase::Evaluate)
}

fn interval_of(interval: Interval) -> MetricInterval {
    MetricInterval {
        low: interval.low,
        high: interval.high,
        confidence: interval.confidence.level(),
        method: interval.method.as_str().to_owned(),
    }
}

/// A share with Wilson's interval; nothing without trials.
fn share(definition: &Definition, cell: &Cell, successes: usize, trials: usize) -> Option<Metric> {
    let estimate = wilson(successes, trials, Confidence::P95).ok()?;
    let metric = Metric::measured(definition, Statistic::Value, cell, estimate.value, trials as u64);
    Some(metric.with_interval(interval_of(estimate.interval)))
}

/// A statistic over units with the interval of resampled units.
fn resampled<T: Clone>(
    definition: &Definition,
    cell: &Cell,
    units: &[T],
    statistic: impl Fn(&[T]) -> Option<f64>,
) -> Option<Metric> {
    let value = statistic(units)?;
    let mut metric = Metric::measured(definition, Statistic::Value, cell, value, units.len() as u64);
    let mut lists = unit_bootstrap(units.len(), Resampling::new(SEED), 1, |drawn, out| {
        let chosen = units.iter().zip(drawn).flat_map(|(unit, times)| std::iter::repeat_n(unit.clone(), whole(*times)));
        out[0] = statistic(&chosen.collect::<Vec<_>>()).unwrap_or(f64::NAN);
    });
    let replicates = lists.pop().unwrap_or_default();
    match replicates_interval(replicates, value, units.len(), Confidence::P95, Method::Bootstrap) {
        Ok(interval) => metric.interval = Some(interval_of(interval)),
        Err(error) => metric.interval_reason = Some(error.to_string()),
    }
    Some(metric)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of draws, small and not negative")]
fn whole(times: f64) -> usize {
    times as usize
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// How the answers of each group fare, by the groups' names and values.
fn groups(judged: &Judged) -> Vec<Metric> {
    let groups: BTreeSet<&(String, String)> = judged.asked.iter().flat_map(|asked| &asked.groups).collect();
    let of_group = |group: &(String, String)| {
        let asked = judged.asked.iter().filter(|asked| asked.groups.contains(group)).cloned().collect();
        answers(&Judged { form: judged.form, asked }, &cell().with(&group.0, &group.1))
    };
    groups.into_iter().filter_map(of_group).collect()
}

/// Pass rate, mean score, or how often A wins (a draw counts half).
fn answers(judged: &Judged, cell: &Cell) -> Option<Metric> {
    let ratings: Vec<f64> = judged.ratings("no").into_values().map(|(rating, _)| rating).collect();
    match judged.form {
        JudgeForm::Verdict => {
            let passed = ratings.iter().filter(|rating| **rating > 0.5).count();
            share(&define::JUDGE_PASS_RATE, cell, passed, ratings.len())
        }
        JudgeForm::Score => resampled(&define::JUDGE_SCORE, cell, &ratings, mean),
        JudgeForm::Pair => {
            let wins: Vec<f64> = ratings.iter().map(|rating| 0.5 + 0.5 * rating).collect();
            resampled(&define::JUDGE_WIN_RATE, cell, &wins, mean)
        }
    }
}

fn understood(judged: &Judged) -> Option<Metric> {
    let verdicts = || judged.asked.iter().flat_map(|asked| &asked.verdicts);
    let lost = verdicts().filter(|verdict| verdict.is_none()).count();
    share(&define::JUDGE_UNPARSABLE, &cell(), lost, verdicts().count())
}

/// Whether both orders of a pair have the same winner, and how often the answer that was shown first wins.
fn orders(judged: &Judged) -> Vec<Metric> {
    if judged.form != JudgeForm::Pair {
        return Vec::new();
    }
    let pairs: Vec<_> = judged.by_item("no").into_values().filter(|verdicts| verdicts.len() == 2).collect();
    let same = pairs.iter().filter(|verdicts| verdicts[0].1 == verdicts[1].1).count();
    // An item's two verdicts share their answers, so that items are resampled, not verdicts.
    let first: Vec<f64> = pairs
        .iter()
        .filter_map(|verdicts| {
            let shown =
                |(asked, verdict): &(&Asked, Verdict)| if asked.is_reversed { verdict.swapped() } else { *verdict };
            let decided: Vec<f64> = verdicts
                .iter()
                .map(shown)
                .filter(|verdict| *verdict != Verdict::Tie)
                .map(|verdict| f64::from(u8::from(verdict == Verdict::A)))
                .collect();
            mean(&decided)
        })
        .collect();
    let consistency = share(&define::JUDGE_CONSISTENCY, &cell(), same, pairs.len());
    consistency.into_iter().chain(resampled(&define::JUDGE_FIRST, &cell(), &first, mean)).collect()
}

/// Agreement of the judge with itself.
fn repeats(judged: &Judged) -> Option<Metric> {
    let ratings = |asked: &Asked| asked.verdicts.iter().flatten().map(|verdict| verdict.rating()).collect::<Vec<f64>>();
    let units: Vec<Vec<f64>> = judged.asked.iter().map(ratings).filter(|ratings| ratings.len() > 1).collect();
    let metric = resampled(&define::JUDGE_REPEAT_ALPHA, &cell(), &units, |units| {
        krippendorff_alpha(units, distance(judged.form))
    });
    metric.or_else(|| {
        let why = "all verdicts are the same: agreement beyond chance cannot be told";
        (!units.is_empty()).then(|| Metric::unavailable(&define::JUDGE_REPEAT_ALPHA, Statistic::Value, &cell(), why))
    })
}

const fn distance(form: JudgeForm) -> Distance {
    match form {
        JudgeForm::Verdict | JudgeForm::Pair => Distance::Nominal,
        JudgeForm::Score => Distance::Squared,
    }
}

/// Agreement with human labels, and the pass rate corrected for the judge's errors.
fn human(judged: &Judged) -> Vec<Metric> {
    let ratings = judged.ratings("no");
    let pairs: Vec<(f64, f64)> = ratings.values().filter_map(|(rating, human)| Some((*rating, (*human)?))).collect();
    if pairs.is_empty() {
        return Vec::new();
    }
    let distance = distance(judged.form);
    let same = pairs.iter().filter(|(judge, human)| judge.total_cmp(human).is_eq()).count();
    let mut metrics: Vec<Metric> = share(&define::JUDGE_AGREEMENT, &cell(), same, pairs.len()).into_iter().collect();
    let alpha = |pairs: &[(f64, f64)]| {
        krippendorff_alpha(&pairs.iter().map(|(judge, human)| vec![*judge, *human]).collect::<Vec<_>>(), distance)
    };
    let beyond_chance = [
        (&define::JUDGE_KAPPA, resampled(&define::JUDGE_KAPPA, &cell(), &pairs, |pairs| cohen_kappa(pairs, distance))),
        (&define::JUDGE_ALPHA, resampled(&define::JUDGE_ALPHA, &cell(), &pairs, alpha)),
    ];
    for (definition, metric) in beyond_chance {
        let why = "judge and human gave one verdict only: agreement beyond chance cannot be told";
        metrics.push(metric.unwrap_or_else(|| Metric::unavailable(definition, Statistic::Value, &cell(), why)));
    }
    if judged.form == JudgeForm::Verdict {
        metrics.extend(corrected(&ratings, &pairs));
    }
    metrics
}

fn corrected(ratings: &BTreeMap<i64, (f64, Option<f64>)>, pairs: &[(f64, f64)]) -> Vec<Metric> {
    let right = |is_good: bool| {
        let of_kind = || pairs.iter().filter(|(_, human)| (*human > 0.5) == is_good);
        let right = of_kind().filter(|(judge, _)| (*judge > 0.5) == is_good).count();
        (right, of_kind().count())
    };
    let (pass, fail) = (right(true), right(false));
    let mut metrics: Vec<Metric> = share(&define::JUDGE_SENSITIVITY, &cell(), pass.0, pass.1)
        .into_iter()
        .chain(share(&define::JUDGE_SPECIFICITY, &cell(), fail.0, fail.1))
        .collect();
    let count = |(successes, trials): (usize, usize)| Count { successes: successes as u64, trials: trials as u64 };
    let passed = ratings.values().filter(|(rating, _)| *rating > 0.5).count();
    let counts =
        JudgeCounts { passed: count((passed, ratings.len())), right_pass: count(pass), right_fail: count(fail) };
    let definition = &define::JUDGE_CORRECTED_RATE;
    metrics.push(match corrected_rate(&counts, Confidence::P95) {
        Some(rate) => Metric::measured(definition, Statistic::Value, &cell(), rate.value, ratings.len() as u64)
            .with_interval(interval_of(rate.interval)),
        None => {
            let why = "it needs human labels of both kinds, and a judge that is better than a coin";
            Metric::unavailable(definition, Statistic::Value, &cell(), why)
        }
    });
    metrics
}

/// Share of planted errors that the judge noticed: failed, scored lower than the answer they were made from, or beaten by
/// it in both orders.
fn planted(judged: &Judged) -> Vec<Metric> {
    let mut kinds: Vec<&str> =
        judged.asked.iter().map(|asked| asked.planted.as_str()).filter(|kind| *kind != "no").collect();
    kinds.sort_unstable();
    kinds.dedup();
    let originals = judged.ratings("no");
    let share_of = |kind: &str| {
        let damaged = judged.ratings(kind);
        let is_caught = |item: &i64, rating: f64| match judged.form {
            JudgeForm::Verdict => Some(rating < 0.5),
            JudgeForm::Pair => Some(rating > 0.5),
            JudgeForm::Score => originals.get(item).map(|(original, _)| rating < *original),
        };
        let verdicts: Vec<bool> = damaged.iter().filter_map(|(item, (rating, _))| is_caught(item, *rating)).collect();
        let caught = verdicts.iter().filter(|caught| **caught).count();
        share(&define::JUDGE_CAUGHT, &cell().with("planted", kind), caught, verdicts.len())
    };
    kinds.into_iter().filter_map(share_of).collect()
}
