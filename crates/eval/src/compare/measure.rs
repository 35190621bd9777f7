//! What the pairs of two sides say in one metric.

use weighbridge_stats::classify::resample::{count_bootstrap, replicates_interval, unit_bootstrap};
use weighbridge_stats::cluster::ClusterSums;
use weighbridge_stats::compare::mcnemar_exact;
use weighbridge_stats::proportion::clopper_pearson;
use weighbridge_stats::{Interval, Method, Resampling, Summary};

use super::column::{Column, NO_LABEL, Values};
use super::labels::{Joint, LabelScore, MOST_LABELS, Scratch};
use super::pairing::Pairs;
use super::settings::{MissingAnswers, Settings};
use crate::score::bounded;

/// What one metric finds, before it is judged.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) values: [f64; 2],
    pub(super) pairs: usize,
    pub(super) error: Option<f64>,
    pub(super) unpaired_error: Option<f64>,
    pub(super) interval: Option<Interval>,
    pub(super) reason: Option<String>,
    pub(super) discordant: Option<[u64; 2]>,
    pub(super) test: Option<&'static str>,
    pub(super) p: Option<f64>,
}

/// Compares one metric of a pair of sides. `None` where no pair has a score on both sides.
pub(super) fn measure(pairs: &Pairs<'_>, columns: (&Column, &Column), settings: &Settings) -> Option<Found> {
    let of = Of { pairs, settings };
    let found = match (&columns.0.values, &columns.1.values) {
        (Values::Numbers(a), Values::Numbers(b)) => {
            let is_share = columns.0.is_share() && columns.1.is_share();
            of.numbers(a, b, is_share)
        }
        (Values::Sums { width, .. }, Values::Sums { .. }) => of.sums(columns, *width),
        (Values::Labels { values: a, score }, Values::Labels { values: b, .. }) => of.labels(a, b, *score),
        _ => return None,
    };
    // A figure that exists on neither side is none.
    (found.pairs > 0 && found.values.iter().any(|value| value.is_finite())).then_some(found)
}

/// The pairs of two sides, and how they are compared.
struct Of<'a> {
    pairs: &'a Pairs<'a>,
    settings: &'a Settings,
}

impl Of<'_> {
    fn is_left_out(&self, a: u32, b: u32) -> bool {
        let is_answered = |answered: &[bool], at: u32| answered.get(at as usize).copied().unwrap_or(true);
        self.settings.missing == MissingAnswers::AreLeftOut
            && !(is_answered(&self.pairs.baseline.answered, a) && is_answered(&self.pairs.candidate.answered, b))
    }

    /// Pairs with both places and their independent unit.
    fn each(&self) -> impl Iterator<Item = (u32, u32, u32)> + '_ {
        let unit = |at: usize| self.pairs.clusters.get(at).copied().unwrap_or(u32::try_from(at).unwrap_or(u32::MAX));
        let all = self.pairs.places.iter().enumerate().map(move |(at, &(a, b))| (a, b, unit(at)));
        all.filter(|&(a, b, _)| !self.is_left_out(a, b))
    }

    fn is_clustered(&self) -> bool {
        !self.pairs.clusters.is_empty()
    }

    fn numbers(&self, a: &[f64], b: &[f64], is_share: bool) -> Found {
        // Without an answer there is no score; a share of right answers counts it as wrong.
        let is_wrong = is_share && self.settings.missing == MissingAnswers::AreWrong;
        let value = |values: &[f64], at: u32| match values[at as usize] {
            value if value.is_finite() => Some(value),
            _ => is_wrong.then_some(0.0),
        };
        let mut sums = ClusterSums::default();
        let mut sides = [Vec::new(), Vec::new()];
        for (at_a, at_b, unit) in self.each() {
            let (Some(x), Some(y)) = (value(a, at_a), value(b, at_b)) else { continue };
            sums.add(unit as usize, y - x, 1.0);
            sides[0].push(x);
            sides[1].push(y);
        }
        let pairs = sides[0].len();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / pairs.max(1) as f64;
        let mut found = Found { values: [mean(&sides[0]), mean(&sides[1])], pairs, ..Found::default() };
        let test = match sums.test(self.settings.confidence) {
            Ok(test) => test,
            Err(error) => {
                found.reason = Some(error.to_string());
                return found;
            }
        };
        found.error = Some(test.error);
        found.unpaired_error = unpaired_error(&sides);
        if is_share {
            let count = |of: [f64; 2]| {
                let is = |(x, y): (&f64, &f64)| x.to_bits() == of[0].to_bits() && y.to_bits() == of[1].to_bits();
                sides[0].iter().zip(&sides[1]).filter(|&pair| is(pair)).count() as u64
            };
            found.discordant = Some([count([1.0, 0.0]), count([0.0, 1.0])]);
        }
        match (found.discordant, self.is_clustered()) {
            (Some([only_a, only_b]), false) => {
                found.test = Some("mcnemar_exact");
                found.p = Some(mcnemar_exact(only_a, only_b));
            }
            (_, is_clustered) => {
                found.test = Some(if is_clustered { "cluster_t" } else { "paired_t" });
                found.p = test.p;
            }
        }
        let method = if self.is_clustered() { Method::ClusterT } else { Method::StudentT };
        match (test.p, found.discordant) {
            (Some(_), _) => found.interval = Some(Interval { method, ..test.estimate.interval }),
            (None, Some([0, 0])) if !self.is_clustered() => found.interval = self.no_discordant_pair(pairs),
            (None, _) => found.reason = Some("every pair differs by the same: no spread can be seen".to_owned()),
        }
        found
    }

    /// Sides that agree on every pair may still differ on pairs like the next one: the difference is at most the share of
    /// discordant pairs, of which none was seen among so many.
    fn no_discordant_pair(&self, pairs: usize) -> Option<Interval> {
        let bound = clopper_pearson(0, pairs, self.settings.confidence).ok()?.interval;
        Some(Interval { low: -bound.high, ..bound })
    }

    fn sums(&self, columns: (&Column, &Column), width: usize) -> Found {
        let (Values::Sums { values: a, score, .. }, Values::Sums { values: b, .. }) =
            (&columns.0.values, &columns.1.values)
        else {
            return Found::default();
        };
        let has = |&(at_a, at_b, _): &(u32, u32, u32)| columns.0.has(at_a as usize) && columns.1.has(at_b as usize);
        let kept: Vec<(u32, u32, u32)> = self.each().filter(has).collect();
        let mut total = vec![0.0; 2 * width];
        let add = |total: &mut [f64], (at_a, at_b, _): (u32, u32, u32), times: f64| {
            let (of_a, of_b) = total.split_at_mut(width);
            for (values, at, sums) in [(a, at_a, of_a), (b, at_b, of_b)] {
                let start = at as usize * width;
                for (sum, value) in sums.iter_mut().zip(&values[start..start + width]) {
                    *sum += times * value;
                }
            }
        };
        let scores = |total: &[f64]| [score(&total[..width]), score(&total[width..])];
        kept.iter().for_each(|&pair| add(&mut total, pair, 1.0));
        let values = scores(&total);
        let units = self.units(kept.len());
        let cost = (2 * width * kept.len() + units) as u64;
        self.resampled(values, kept.len(), units, cost, |resampling| {
            let unit = self.unit_numbers(&kept);
            unit_bootstrap(units, resampling, 1, |drawn, out| {
                total.fill(0.0);
                for (&pair, &unit) in kept.iter().zip(&unit) {
                    let times = drawn[unit];
                    if times > 0.0 {
                        add(&mut total, pair, times);
                    }
                }
                let [x, y] = scores(&total);
                out[0] = y - x;
            })
            .remove(0)
        })
    }

    fn labels(&self, a: &[Option<(u64, u64)>], b: &[Option<(u64, u64)>], score: LabelScore) -> Found {
        let is_wrong = self.settings.missing == MissingAnswers::AreWrong;
        let given = |of: Option<(u64, u64)>| of.filter(|of| is_wrong || of.1 != NO_LABEL);
        let mut kept = Vec::new();
        let mut triples = Vec::new();
        for pair in self.each() {
            let sides = (given(a[pair.0 as usize]), given(b[pair.1 as usize]));
            if let (Some((truth, of_a)), Some((_, of_b))) = sides {
                kept.push(pair);
                triples.push((truth, of_a, of_b));
            }
        }
        let joint = Joint::new(triples.into_iter());
        let mut scratch = Scratch::default();
        let values = joint.scores(score, joint.triples().iter().map(|&triple| (triple, 1.0)), &mut scratch);
        if joint.classes() > MOST_LABELS {
            let reason = format!("{} labels: too many to resample their tables", joint.classes());
            return Found { values, pairs: kept.len(), reason: Some(reason), ..Found::default() };
        }
        let units = self.units(kept.len());
        let table = 2 * (joint.classes() * (joint.classes() + 1)) as u64;
        if self.is_clustered() {
            let unit = self.unit_numbers(&kept);
            return self.resampled(values, kept.len(), units, kept.len() as u64 + table, |resampling| {
                unit_bootstrap(units, resampling, 1, |drawn, out| {
                    let drawn = joint.triples().iter().zip(&unit).map(|(&triple, &unit)| (triple, drawn[unit]));
                    let [x, y] = joint.scores(score, drawn, &mut scratch);
                    out[0] = y - x;
                })
                .remove(0)
            });
        }
        let cells = joint.cells();
        let counts: Vec<u64> = cells.iter().map(|cell| cell.1).collect();
        // A binomial draw costs about as much as ten visits.
        self.resampled(values, kept.len(), units, 10 * cells.len() as u64 + table, |resampling| {
            count_bootstrap(&counts, resampling, 1, |drawn, out| {
                let drawn = cells.iter().zip(drawn).map(|(cell, &times)| (cell.0, times));
                let [x, y] = joint.scores(score, drawn, &mut scratch);
                out[0] = y - x;
            })
            .remove(0)
        })
    }

    /// Independent units among so many pairs.
    fn units(&self, pairs: usize) -> usize {
        if self.is_clustered() { self.pairs.cluster_count } else { pairs }
    }

    /// The unit of each kept pair, from 0.
    fn unit_numbers(&self, kept: &[(u32, u32, u32)]) -> Vec<usize> {
        let is_clustered = self.is_clustered();
        kept.iter().enumerate().map(|(at, pair)| if is_clustered { pair.2 as usize } else { at }).collect()
    }

    /// Interval, standard error and p value from resampled pairs. `cost` is what one resample visits.
    fn resampled(
        &self,
        values: [f64; 2],
        pairs: usize,
        units: usize,
        cost: u64,
        replicates: impl FnOnce(Resampling) -> Vec<f64>,
    ) -> Found {
        let mut found = Found { values, pairs, ..Found::default() };
        let difference = values[1] - values[0];
        if pairs == 0 || !difference.is_finite() {
            found.reason = Some("the figure does not exist on one side".to_owned());
            return found;
        }
        let Some(resampling) = bounded(self.settings.resampling, cost) else {
            found.reason = Some(format!("{pairs} pairs are too many to resample"));
            return found;
        };
        let list = replicates(resampling);
        let method = if self.is_clustered() { Method::ClusterBootstrap } else { Method::PairedBootstrap };
        let finite: Vec<f64> = list.iter().copied().filter(|value| value.is_finite()).collect();
        let interval = replicates_interval(list, difference, units, self.settings.confidence, method);
        match interval {
            Ok(interval) if interval.width() > 0.0 => {
                found.interval = Some(interval);
                found.error = Summary::new(&finite).ok().and_then(|summary| summary.sd);
                found.test = Some(method.as_str());
                found.p = Some(direction_p(&finite));
            }
            Ok(_) => found.reason = Some("every resample differs by the same: no spread can be seen".to_owned()),
            Err(error) => found.reason = Some(error.to_string()),
        }
        found
    }
}

/// Two-sided p value from resampled differences: twice the share on the smaller side of zero, counting the data
/// themselves as one more resample (Davison and Hinkley 1997, 4.2), so that it is never 0.
fn direction_p(differences: &[f64]) -> f64 {
    let below = differences.iter().filter(|&&value| value <= 0.0).count();
    let above = differences.iter().filter(|&&value| value >= 0.0).count();
    (2.0 * (below.min(above) + 1) as f64 / (differences.len() + 1) as f64).min(1.0)
}

/// `√(s²_a / n + s²_b / n)`.
fn unpaired_error(sides: &[Vec<f64>; 2]) -> Option<f64> {
    let share = |values: &Vec<f64>| {
        let deviation = Summary::new(values).ok()?.sd?;
        Some(deviation * deviation / values.len() as f64)
    };
    Some((share(&sides[0])? + share(&sides[1])?).sqrt())
}
