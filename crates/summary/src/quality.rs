//! Figures of scored items.

use std::collections::BTreeSet;

use weighbridge_stats::classify::macro_f1_interval;
use weighbridge_stats::proportion::wilson;
use weighbridge_types::definition as define;
use weighbridge_types::metric::{Cell, Flag, Metric, Statistic};
use weighbridge_types::record::ItemRow;

use crate::basis::{Basis, CONFIDENCE, MIN_COUNT};
use crate::estimate::set_interval;

/// F1 of a label means little on fewer items than this; tasks whose every item has labels of its own stay below it.
const MIN_SUPPORT: usize = 4;

/// Accuracy and macro F1 of the items of one cell. An item without an answer is wrong.
#[must_use]
pub fn quality_metrics(items: &[&ItemRow], cell: &Cell, basis: &Basis) -> Vec<Metric> {
    let n = items.len();
    let right = items.iter().filter(|item| item.given.as_deref() == Some(&item.expected)).count();
    let mut accuracy = match wilson(right, n, CONFIDENCE) {
        Ok(share) => {
            let mut metric = Metric::measured(&define::ACCURACY, Statistic::Value, cell, share.value, n as u64);
            set_interval(&mut metric, Ok(share), None);
            metric
        }
        Err(_) => Metric::unavailable(&define::ACCURACY, Statistic::Value, cell, "no item was scored"),
    };
    let mut f1 = macro_f1(items, cell, basis);
    for metric in [&mut accuracy, &mut f1] {
        if metric.value.is_some() && metric.n < MIN_COUNT {
            metric.flags.push(Flag::LowSample);
        }
        basis.mark(metric);
    }
    vec![accuracy, f1]
}

fn macro_f1(items: &[&ItemRow], cell: &Cell, basis: &Basis) -> Metric {
    let given = items.iter().filter_map(|item| item.given.as_deref());
    let expected: BTreeSet<&str> = items.iter().map(|item| item.expected.as_str()).collect();
    if items.len() < MIN_SUPPORT * expected.len().max(1) {
        let reason = format!("{} items over {} labels: too few for each", items.len(), expected.len());
        return Metric::unavailable(&define::MACRO_F1, Statistic::Value, cell, reason);
    }
    let labels: Vec<&str> = expected.iter().copied().chain(given).collect::<BTreeSet<_>>().into_iter().collect();
    let number = |label: &str| labels.binary_search(&label).ok();
    let truth: Vec<usize> = items.iter().filter_map(|item| number(&item.expected)).collect();
    let predicted: Vec<Option<usize>> = items.iter().map(|item| number(item.given.as_deref()?)).collect();
    match macro_f1_interval(labels.len(), &truth, &predicted, CONFIDENCE, basis.resampling()) {
        Ok(estimate) => {
            let value = estimate.value;
            let mut metric = Metric::measured(&define::MACRO_F1, Statistic::Value, cell, value, items.len() as u64);
            set_interval(&mut metric, Ok(estimate), None);
            metric
        }
        Err(error) => Metric::unavailable(&define::MACRO_F1, Statistic::Value, cell, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weighbridge_types::record::Phase;

    fn items(pairs: &[(&str, Option<&str>)]) -> Vec<ItemRow> {
        let item = |&(expected, given): &(&str, Option<&str>)| ItemRow {
            cell: Cell::of(Phase::Quality),
            item: String::new(),
            expected: expected.to_owned(),
            given: given.map(str::to_owned),
            problem: None,
        };
        pairs.iter().map(item).collect()
    }

    fn figures(pairs: &[(&str, Option<&str>)]) -> Vec<Metric> {
        let rows = items(pairs);
        quality_metrics(&rows.iter().collect::<Vec<_>>(), &Cell::of(Phase::Quality), &Basis::default())
    }

    #[test]
    fn accuracy_and_f1_of_a_known_table() {
        // Confusion: a right 3 of 4, b right 4 of 4 and once given for a. F1: 6/7 and 8/9.
        let a = [("a", Some("a")), ("a", Some("a")), ("a", Some("a")), ("a", Some("b"))];
        let pairs = [&a[..], &[("b", Some("b")); 4]].concat();
        let metrics = figures(&pairs);
        assert_eq!(metrics[0].value, Some(0.875));
        assert!((metrics[1].value.unwrap() - (6.0 / 7.0 + 8.0 / 9.0) / 2.0).abs() < 1e-12);
        assert!(metrics.iter().all(|metric| metric.interval.is_some()));
    }

    #[test]
    fn no_answer_is_wrong() {
        assert_eq!(figures(&[("a", None), ("a", Some("a"))])[0].value, Some(0.5));
    }

    #[test]
    fn labels_of_their_own_have_no_f1() {
        let metrics = figures(&[("one", Some("one")), ("two", Some("two")), ("three", Some("one"))]);
        assert_eq!(metrics[1].value, None);
        assert!(metrics[1].reason.as_deref().unwrap().contains("too few"));
    }
}
