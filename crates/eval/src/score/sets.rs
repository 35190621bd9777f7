//! Figures of sets: members, spans of a text, ATT&CK techniques.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use weighbridge_stats::Resampling;
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::metric::{Cell, Metric};

use crate::predictions::{Field, PredictionsError, Row, Value};

use super::corpus::{Corpus, Counted};
use super::figure::Scope;
use super::settings::Settings;

/// Resamples behind an interval, while a task runs.
const RESAMPLES: u32 = 1_000;

/// How much a given set has in common with the right one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overlap {
    /// Members that were given.
    pub given: u64,
    /// Members that are right.
    pub there: u64,
    /// Members that are both.
    pub both: u64,
}

impl Overlap {
    /// Whether all was found and nothing else was given.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.both == self.given && self.both == self.there
    }

    /// `2 · both / (given + there)`; 1 where both sets are empty.
    #[must_use]
    pub fn f1(&self) -> f64 {
        Counts::from(*self).f1()
    }
}

impl std::iter::Sum for Overlap {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |a, b| Self {
            given: a.given + b.given,
            there: a.there + b.there,
            both: a.both + b.both,
        })
    }
}

/// Figures of what many samples have in common with what is right, each sample with whether it has an answer: pooled and
/// averaged, in both forms. The seed of resamples is fixed, so that the same answers give the same intervals.
pub(crate) fn overlap_figures(
    definition: &'static Definition,
    samples: &[(Overlap, bool)],
    cell: &Cell,
) -> Vec<Metric> {
    let settings = Settings { resampling: Resampling::new(42).with_count(RESAMPLES), ..Settings::default() };
    let counts: Vec<Counts> = samples.iter().map(|(overlap, _)| Counts::from(*overlap)).collect();
    let mut figures = Vec::new();
    for scope in Scope::of(samples.iter().all(|sample| sample.1)) {
        let kept = scope.kept(samples.iter().map(|sample| sample.1));
        if !kept.is_empty() {
            let corpus = Corpus { kept: &kept, units: samples.len(), settings: &settings };
            averages(&corpus, definition, &scope.within(cell), &counts, &mut figures);
        }
    }
    figures
}

/// The pooled F1 and the mean of the samples'.
fn averages(corpus: &Corpus<'_>, definition: &Definition, cell: &Cell, counts: &[Counts], into: &mut Vec<Metric>) {
    let add = |sum: &mut Counts, at: usize, times: f64| sum.add(&counts[at], times);
    into.push(corpus.figure(definition, &cell.clone().with("average", "micro"), add, Counts::f1));
    into.push(corpus.mean(definition, &cell.clone().with("average", "samples"), |at| counts[at].f1()));
}

/// Members of a predicted set, of the true one, of both.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Counts {
    given: f64,
    there: f64,
    both: f64,
}

impl From<Overlap> for Counts {
    fn from(overlap: Overlap) -> Self {
        Self { given: overlap.given as f64, there: overlap.there as f64, both: overlap.both as f64 }
    }
}

impl Counts {
    fn of<T: Ord>(given: &BTreeSet<T>, there: &BTreeSet<T>) -> Self {
        let both = given.intersection(there).count() as f64;
        Self { given: given.len() as f64, there: there.len() as f64, both }
    }

    fn add(&mut self, other: &Self, times: f64) {
        self.given += times * other.given;
        self.there += times * other.there;
        self.both += times * other.both;
    }

    /// `2 · both / (given + there)`; 1 where both sets are empty: nothing was to be found, and nothing was.
    fn f1(&self) -> f64 {
        let sum = self.given + self.there;
        if sum > 0.0 { 2.0 * self.both / sum } else { 1.0 }
    }
}

/// The counts of each sample whose target is a list.
#[derive(Debug, Default)]
pub(super) struct Sets {
    members: Vec<Counts>,
    techniques: Vec<Counts>,
    parents: Vec<Counts>,
    /// Samples whose members all are techniques.
    technique_samples: usize,
    has_spans: bool,
    pub(super) counted: Counted,
}

impl Sets {
    /// Takes a row whose target is a list.
    pub(super) fn take(&mut self, row: &Row<'_>, sample: u64) -> Result<(), PredictionsError> {
        let Value::Json(target) = row.get(Field::Target) else { return Ok(()) };
        let there = members(target).ok_or_else(|| row.refuse(Field::Target, "a label or a list"))?;
        let is_answered = row.get(Field::Prediction).is_given() && !row.get(Field::Problem).is_given();
        let given = match row.get(Field::Prediction) {
            _ if !is_answered => Vec::new(),
            Value::Json(list) => members(list).ok_or_else(|| row.refuse(Field::Prediction, "a list"))?,
            // Free text names techniques here and there; any other answer is a set of one.
            _ => {
                let text = row.text(Field::Prediction)?.unwrap_or_default();
                let named = techniques_in(text);
                if named.is_empty() { vec![Json::from(text)] } else { named.into_iter().map(Json::from).collect() }
            }
        };
        self.has_spans |= there.iter().any(|member| member.is_array() || member.is_object());
        let texts = |list: &[Json]| list.iter().map(Json::to_string).collect::<BTreeSet<String>>();
        self.members.push(Counts::of(&texts(&given), &texts(&there)));
        let named =
            |list: &[Json]| list.iter().filter_map(Json::as_str).flat_map(techniques_in).collect::<BTreeSet<String>>();
        let (ours, theirs) = (named(&given), named(&there));
        self.technique_samples += usize::from(theirs.len() == there.len());
        self.techniques.push(Counts::of(&ours, &theirs));
        let parents = |list: &BTreeSet<String>| list.iter().map(|id| id[..5].to_owned()).collect::<BTreeSet<String>>();
        self.parents.push(Counts::of(&parents(&ours), &parents(&theirs)));
        self.counted.push(sample, is_answered);
        Ok(())
    }

    /// The figures of one form; `unit` tells the independent unit of a sample.
    pub(super) fn figures(
        &self,
        scope: Scope,
        units: usize,
        unit: &dyn Fn(u32) -> u32,
        settings: &Settings,
    ) -> Vec<Metric> {
        let kept = self.counted.of(scope, unit);
        if kept.is_empty() {
            return Vec::new();
        }
        let corpus = Corpus { kept: &kept, units, settings };
        let are_techniques = self.technique_samples == self.counted.len();
        let of_members = if self.has_spans { &define::SPAN_F1 } else { &define::SET_F1 };
        let mut list: Vec<(&Definition, Option<&str>, &[Counts])> = vec![(of_members, None, &self.members)];
        if are_techniques {
            list.push((&define::TECHNIQUE_F1, Some("whole"), &self.techniques));
            list.push((&define::TECHNIQUE_F1, Some("parents"), &self.parents));
        }
        let mut figures = Vec::new();
        for (definition, ids, counts) in list {
            let cell = ids.map_or_else(|| scope.cell(), |ids| scope.cell().with("ids", ids));
            averages(&corpus, definition, &cell, counts, &mut figures);
        }
        figures
    }
}

fn members(list: &str) -> Option<Vec<Json>> {
    serde_json::from_str(list).ok()
}

/// The ATT&CK techniques that a text names: `T1059`, `T1059.001`, in any case.
fn techniques_in(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let digits = |from: usize, count: usize| {
        bytes.get(from..from + count).is_some_and(|part| part.iter().all(u8::is_ascii_digit))
            && !bytes.get(from + count).is_some_and(u8::is_ascii_digit)
    };
    let mut found = Vec::new();
    for at in 0..bytes.len() {
        let begins = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
        if begins && bytes[at].eq_ignore_ascii_case(&b't') && digits(at + 1, 4) {
            let has_part = bytes.get(at + 5) == Some(&b'.') && digits(at + 6, 3);
            let end = if has_part { at + 9 } else { at + 5 };
            found.push(text[at..end].to_ascii_uppercase());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn techniques_are_found_in_text() {
        let check = |text: &str, expected: &[&str]| assert_eq!(techniques_in(text), expected, "{text}");
        check("T1059.001", &["T1059.001"]);
        check("uses t1059 (T1027.12) and T10590", &["T1059", "T1027"]);
        check("AT1059 T105", &[]);
    }

    #[test]
    fn two_empty_sets_agree() {
        assert!((Counts::default().f1() - 1.0).abs() < 1e-15);
    }

    proptest! {
        #[test]
        fn any_text_can_be_searched(text in ".*") {
            let _ = techniques_in(&text);
        }
    }
}
