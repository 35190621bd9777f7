//! Attack detection: a task's choices as benign or attack, whatever kind of attack.

use weighbridge_stats::classify::Marginals;
use weighbridge_stats::classify::resample::{count_bootstrap, replicates_intervals};
use weighbridge_stats::proportion::wilson;
use weighbridge_stats::{Confidence, Method, Resampling};
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::metric::{Cell, Metric};

use super::figure::{Scope, absent, estimated, figure};
use super::ranking_scores::{Scored, in_scope, rank, ranking_figures};
use super::settings::Settings;

/// Resamples behind the intervals of F1 and MCC, and of ranking figures of few documents.
const RESAMPLES: u32 = 1_000;

/// Documents times resamples that ranking figures may cost; they are computed again at each checkpoint of a run.
const MOST_DRAWS: usize = 10_000_000;

/// What the class of attacks is called in cells.
const ATTACK: &str = "attack";

/// One document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detected {
    /// Whether the right choice is an attack.
    pub is_attack: bool,
    /// Whether the given choice is an attack; an answer that names no choice raises no alarm.
    pub is_flagged: bool,
    /// How sure the model is of an attack: `ln Σ p(attack choices) − ln p(benign)`; `None` where it gives no probabilities.
    pub suspicion: Option<f64>,
}

/// Log-odds of an attack from the log-probabilities of all choices.
#[must_use]
pub(crate) fn suspicion(log_probabilities: &[f64], benign: usize) -> Option<f64> {
    let quiet = *log_probabilities.get(benign)?;
    let others = || log_probabilities.iter().enumerate().filter(|(place, _)| *place != benign).map(|(_, value)| *value);
    let most = others().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = others().map(|value| (value - most).exp()).sum();
    Some(most + sum.ln() - quiet).filter(|value| value.is_finite())
}

/// The figures of documents, each with whether it has an answer, in both forms: one without an answer raises no alarm, and
/// ranks as badly as it can.
pub(crate) fn figures(samples: &[(Detected, bool)], cell: &Cell) -> Vec<Metric> {
    let mut list = Vec::new();
    for scope in Scope::of(samples.iter().all(|sample| sample.1)) {
        let is_in = |sample: &&(Detected, bool)| *scope == Scope::FailuresAsWrong || sample.1;
        let kept: Vec<(Detected, bool)> = samples.iter().filter(is_in).copied().collect();
        list.extend(form(&kept, &scope.within(cell)));
    }
    list
}

/// FPR, precision, recall, F1 and MCC; where every answer has a suspicion also ROC-AUC, average precision, and rates at
/// fixed rates. The seed of resamples is fixed, so that the same answers give the same intervals.
fn form(samples: &[(Detected, bool)], cell: &Cell) -> Vec<Metric> {
    let cell = cell.clone().with("label", ATTACK);
    let detected: Vec<Detected> = samples.iter().map(|sample| sample.0).collect();
    let mut figures = label_figures(&detected, &cell);
    let scored: Vec<Scored> = (0..).zip(&detected).map(|(unit, sample)| scored(sample, unit)).collect();
    let mut answered = samples.iter().filter(|sample| sample.1).peekable();
    if answered.peek().is_some() && answered.all(|(sample, _)| sample.suspicion.is_some()) {
        let affordable = u32::try_from(MOST_DRAWS / samples.len().max(1)).unwrap_or(RESAMPLES);
        let resampling = Resampling::new(42).with_count(affordable.min(RESAMPLES));
        let settings = Settings { resampling, ..Settings::default() };
        let samples = in_scope(scored.iter().copied(), Scope::FailuresAsWrong);
        let units = (scored.len(), false);
        let ranked = ranking_figures(&samples, &rank(&samples), units, Scope::FailuresAsWrong, &settings);
        figures.extend(ranked.into_iter().map(|mut metric| {
            let rates = ["fpr", "tpr"].into_iter().filter_map(|key| Some((key, metric.cell.get(key)?.to_owned())));
            metric.cell = rates.fold(cell.clone(), |cell, (key, rate)| cell.with(key, rate));
            metric
        }));
    } else {
        figures.push(absent(&define::ROC_AUC, &cell, "the answers carry no probabilities"));
    }
    figures
}

fn scored(sample: &Detected, unit: u32) -> Scored {
    Scored { score: sample.suspicion, is_positive: sample.is_attack, weight: 1.0, unit }
}

fn label_figures(samples: &[Detected], cell: &Cell) -> Vec<Metric> {
    let count = |is_attack: bool, is_flagged: bool| {
        samples.iter().filter(|sample| sample.is_attack == is_attack && sample.is_flagged == is_flagged).count()
    };
    let (hits, misses, alarms, quiet) =
        (count(true, true), count(true, false), count(false, true), count(false, false));
    let share = |definition: &Definition, successes: usize, trials: usize, reason: &str| match trials {
        0 => absent(definition, cell, reason),
        _ => estimated(definition, cell, wilson(successes, trials, Confidence::P95)),
    };
    let mut figures = vec![
        share(&define::FPR, alarms, alarms + quiet, "every document is an attack"),
        share(&define::PRECISION, hits, hits + alarms, "nothing was flagged"),
        share(&define::RECALL, hits, hits + misses, "no document is an attack"),
    ];
    // Truth by row and answer by column; the third column is of answers that are no label.
    let cells = [quiet, alarms, 0, misses, hits, 0].map(|count| count as f64);
    let statistics = |sums: &Marginals| {
        let f1 = sums.is_present(1).then(|| sums.class(1).f1);
        [f1, sums.mcc()].map(|value| value.unwrap_or(f64::NAN))
    };
    let values = statistics(&Marginals::of(2, &cells));
    let counts = [quiet, alarms, 0, misses, hits, 0].map(|count| count as u64);
    let mut sums = Marginals::default();
    let resampling = Resampling::new(42).with_count(RESAMPLES);
    let replicates = count_bootstrap(&counts, resampling, 2, |drawn, out| {
        sums.fill(2, drawn);
        out.copy_from_slice(&statistics(&sums));
    });
    let intervals =
        replicates_intervals(replicates, &values, samples.len(), Confidence::P95, Method::CountBootstrap).into_iter();
    for ((definition, value), interval) in [&define::F1, &define::MCC].into_iter().zip(values).zip(intervals) {
        figures.push(if value.is_nan() {
            absent(definition, cell, "truth or answers know one of the two only")
        } else {
            figure(definition, cell, value, samples.len() as u64, interval.map_err(|error| error.to_string()))
        });
    }
    figures
}

#[cfg(test)]
mod tests {
    use weighbridge_types::record::Phase;

    use super::*;

    fn value(figures: &[Metric], name: &str) -> Option<f64> {
        figures.iter().find(|metric| metric.name == name).and_then(|metric| metric.value)
    }

    fn sample(is_attack: bool, score: f64) -> Detected {
        Detected { is_attack, is_flagged: score > 0.0, suspicion: Some(score) }
    }

    // Vectors: scikit-learn 1.9, `f1_score`, `matthews_corrcoef` and `roc_auc_score` of the same ten documents.
    #[test]
    fn figures_equal_those_of_scikit_learn() {
        let samples = [
            sample(true, 3.0),
            sample(true, 2.0),
            sample(true, -0.5),
            sample(true, 1.0),
            sample(false, 0.5),
            sample(false, -1.0),
            sample(false, -2.0),
            sample(false, -3.0),
            sample(false, -0.7),
            sample(false, -0.2),
        ];
        let figures = figures(&samples.map(|sample| (sample, true)), &Cell::of(Phase::Evaluate));
        let check = |name: &str, expected: f64| {
            let found = value(&figures, name).unwrap();
            assert!((found - expected).abs() < 1e-12, "{name}: {found}");
        };
        check("fpr", 1.0 / 6.0);
        check("precision", 0.75);
        check("recall", 0.75);
        check("f1", 0.75);
        check("mcc", 0.583_333_333_333_333_4);
        check("roc_auc", 22.0 / 24.0);
        let at = |rate: &str| {
            let found =
                figures.iter().find(|metric| metric.name == "tpr_at_fpr" && metric.cell.get("fpr") == Some(rate));
            found.and_then(|metric| metric.value)
        };
        assert_eq!(at("0.001"), Some(0.75));
    }

    #[test]
    fn what_cannot_be_said_is_absent() {
        let figures =
            |samples: [Detected; 2]| super::figures(&samples.map(|sample| (sample, true)), &Cell::of(Phase::Evaluate));
        let only_attacks = figures([sample(true, 1.0), sample(true, -1.0)]);
        assert_eq!(value(&only_attacks, "fpr"), None);
        assert_eq!(value(&only_attacks, "mcc"), None);
        assert_eq!(value(&only_attacks, "recall"), Some(0.5));
        let letters = [Detected { is_attack: true, is_flagged: false, suspicion: None }, sample(false, -1.0)];
        assert_eq!(value(&figures(letters), "roc_auc"), None);
    }

    #[test]
    fn a_document_without_an_answer_is_missed_or_left_out() {
        let lost = Detected { is_attack: true, is_flagged: false, suspicion: None };
        let samples =
            [(sample(true, 2.0), true), (sample(false, -1.0), true), (sample(false, 1.0), true), (lost, false)];
        let found = figures(&samples, &Cell::of(Phase::Evaluate));
        let of = |name: &str, over: Option<&str>| {
            let is = |metric: &&Metric| metric.name == name && metric.cell.get("over") == over;
            found.iter().find(is).and_then(|metric| metric.value)
        };
        assert_eq!((of("recall", None), of("recall", Some("answered"))), (Some(0.5), Some(1.0)));
        assert_eq!((of("fpr", None), of("fpr", Some("answered"))), (Some(0.5), Some(0.5)));
        assert_eq!((of("roc_auc", None), of("roc_auc", Some("answered"))), (Some(0.5), Some(1.0)));
    }

    #[test]
    fn suspicion_is_the_log_odds_of_any_attack() {
        let logs = [0.5_f64.ln(), 0.3_f64.ln(), 0.2_f64.ln()];
        assert!(suspicion(&logs, 0).unwrap().abs() < 1e-12);
        assert!((suspicion(&logs, 1).unwrap() - (0.7_f64 / 0.3).ln()).abs() < 1e-12);
        assert_eq!(suspicion(&logs, 3), None);
        assert_eq!(suspicion(&[f64::NEG_INFINITY, 0.0], 0), None);
    }
}
