//! Agreement with scikit-learn 1.9.1 and statsmodels 0.15.0: `tests/vectors/make_classify.py` made the numbers.

use std::sync::LazyLock;

use serde_json::Value;
use weighbridge_stats::Confidence;
use weighbridge_stats::classify::{
    Average, ClassScores, Confusion, Marginals, Pairing, Ranking, Reliability, probability,
};
use weighbridge_stats::cluster::ClusterSums;

static VECTORS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../vectors/classify.json")).unwrap());

fn cases(name: &str) -> &'static [Value] {
    VECTORS[name].as_array().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn labels(value: &Value) -> Vec<Option<usize>> {
    value.as_array().unwrap().iter().map(|value| usize::try_from(value.as_i64().unwrap()).ok()).collect()
}

fn bools(value: &Value) -> Vec<bool> {
    labels(value).into_iter().map(|label| label == Some(1)).collect()
}

#[track_caller]
fn check(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "found {found}, expected {expected}");
}

#[track_caller]
fn check_all(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).for_each(|(&found, &expected)| check(found, expected));
}

fn marginals(case: &Value) -> Marginals {
    let classes = usize::try_from(case["classes"].as_u64().unwrap()).unwrap();
    let truth: Vec<usize> = labels(&case["truth"]).into_iter().map(Option::unwrap).collect();
    let predicted = labels(&case["predicted"]);
    if case["weights"].is_null() {
        return Confusion::new(classes, &truth, &predicted).unwrap().marginals();
    }
    let mut cells = vec![0.0; classes * (classes + 1)];
    for ((truth, predicted), weight) in truth.iter().zip(predicted).zip(numbers(&case["weights"])) {
        cells[truth * (classes + 1) + predicted.unwrap_or(classes)] += weight;
    }
    Marginals::of(classes, &cells)
}

#[test]
fn labels_score_as_scikit_learn_does() {
    for case in cases("labels") {
        let found = marginals(case);
        check(found.accuracy().unwrap(), case["accuracy"].as_f64().unwrap());
        check(found.balanced_accuracy().unwrap(), case["balanced_accuracy"].as_f64().unwrap());
        for average in Average::ALL {
            let of = found.averaged(average).unwrap();
            check_all(&[of.precision, of.recall, of.f1], &numbers(&case[average.name()]));
        }
        for (class, expected) in case["per_class"].as_array().unwrap().iter().enumerate() {
            let of = found.class(class);
            check_all(&[of.precision, of.recall, of.f1], &numbers(expected));
        }
        // scikit-learn says 0 where the coefficient does not exist.
        check(found.mcc().unwrap_or(0.0), case["mcc"].as_f64().unwrap());
        if let Some(kappa) = case["kappa"].as_f64() {
            check(found.kappa().unwrap(), kappa);
        }
    }
}

#[test]
fn coded_labels_count_as_numbers_do() {
    for case in cases("labels").iter().filter(|case| case["weights"].is_null()) {
        let classes = usize::try_from(case["classes"].as_u64().unwrap()).unwrap();
        let code = |label: Option<usize>| u32::try_from(label.unwrap_or(classes)).unwrap();
        let truth: Vec<u32> = labels(&case["truth"]).into_iter().map(code).collect();
        let predicted: Vec<u32> = labels(&case["predicted"]).into_iter().map(code).collect();
        assert_eq!(Confusion::of_codes(classes, &truth, &predicted).unwrap().marginals(), marginals(case));
    }
}

#[test]
fn rankings_score_as_scikit_learn_does() {
    for case in cases("ranking") {
        let (scores, truth) = (numbers(&case["scores"]), bools(&case["truth"]));
        let ranking = if case["weights"].is_null() {
            Ranking::new(&scores, &truth).unwrap()
        } else {
            Ranking::weighted(&scores, &truth, &numbers(&case["weights"])).unwrap()
        };
        check(ranking.roc_auc(), case["roc_auc"].as_f64().unwrap());
        check(ranking.average_precision(), case["average_precision"].as_f64().unwrap());
        let curve = ranking.curve();
        let of = |get: fn(&weighbridge_stats::classify::CurvePoint) -> f64| curve.iter().map(get).collect::<Vec<_>>();
        check_all(&of(|point| point.false_positive_rate), &numbers(&case["fpr"]));
        check_all(&of(|point| point.true_positive_rate), &numbers(&case["tpr"]));
        check_all(&of(|point| point.precision), &numbers(&case["precision"]));
        check_all(&of(|point| point.true_positive_rate), &numbers(&case["recall"]));
        check(ranking.fpr_at_tpr(0.95), case["fpr_at_95"].as_f64().unwrap());
        check(ranking.tpr_at_fpr(1e-3), case["tpr_at_1e-3"].as_f64().unwrap());
    }
}

#[test]
fn probabilities_score_as_scikit_learn_does() {
    for case in cases("probability") {
        let (stated, truth) = (numbers(&case["p"]), bools(&case["truth"]));
        let mut reliability = Reliability::new(usize::try_from(case["bins"].as_u64().unwrap()).unwrap());
        let (mut brier, mut loss) = (0.0, 0.0);
        for (&p, &happened) in stated.iter().zip(&truth) {
            reliability.add(p, happened, 1.0).unwrap();
            brier += probability::brier(p, happened) / stated.len() as f64;
            loss += probability::log_loss(if happened { p } else { 1.0 - p }) / stated.len() as f64;
        }
        check(brier, case["brier"].as_f64().unwrap());
        check(loss, case["log_loss"].as_f64().unwrap());
        let bins = reliability.bins().iter();
        let (confidence, accuracy): (Vec<f64>, Vec<f64>) =
            bins.filter_map(|bin| Some((bin.confidence()?, bin.accuracy()?))).unzip();
        check_all(&confidence, &numbers(&case["stated"]));
        check_all(&accuracy, &numbers(&case["happened"]));
    }
}

#[test]
fn clustered_means_equal_statsmodels() {
    for case in cases("cluster") {
        let mut sums = ClusterSums::default();
        for (value, group) in numbers(&case["values"]).into_iter().zip(labels(&case["groups"])) {
            sums.add(group.unwrap(), value, 1.0);
        }
        let found = sums.mean(Confidence::P95).unwrap();
        let expected = numbers(&case["interval"]);
        check(found.value, case["mean"].as_f64().unwrap());
        assert!((found.interval.low - expected[0]).abs() < 1e-9 && (found.interval.high - expected[1]).abs() < 1e-9);
    }
}

#[test]
fn several_classes_score_as_scikit_learn_does() {
    for case in cases("many") {
        let rows: Vec<Vec<f64>> = case["p"].as_array().unwrap().iter().map(numbers).collect();
        let truth: Vec<u32> =
            labels(&case["truth"]).into_iter().map(|label| u32::try_from(label.unwrap()).unwrap()).collect();
        let (classes, scores) = (rows[0].len(), rows.concat());
        let of = ClassScores { classes, scores: &scores, truth: &truth };
        for (pairing, name) in [(Pairing::OneVsRest, "ovr"), (Pairing::OneVsOne, "ovo")] {
            for average in [Average::Macro, Average::Weighted] {
                let expected = case[format!("{name}_{}", average.name())].as_f64().unwrap();
                check(of.roc_auc(pairing, average).unwrap(), expected);
            }
        }
        let n = truth.len() as f64;
        let brier = |(row, &truth): (&Vec<f64>, &u32)| probability::brier_multiclass(row, truth as usize) / n;
        check(rows.iter().zip(&truth).map(brier).sum(), case["brier"].as_f64().unwrap());
        let loss = |(row, &truth): (&Vec<f64>, &u32)| probability::log_loss(row[truth as usize]) / n;
        check(rows.iter().zip(&truth).map(loss).sum(), case["log_loss"].as_f64().unwrap());
    }
}
