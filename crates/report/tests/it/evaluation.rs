//! The page of an evaluation: tables, curves, and failures to read.

use weighbridge_report::html::render;
use weighbridge_report::markdown;
use weighbridge_summary::Rows;
use weighbridge_types::definition as d;
use weighbridge_types::exhibit::{Confusion, Curves, Exhibit, Failure};
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::record::{Phase, Record};
use weighbridge_types::sample::SampleOutcome;

use crate::sample;

fn cell() -> Cell {
    Cell::of(Phase::Evaluate).with("task", "phishing")
}

fn record() -> Record {
    let mut record = sample::record();
    record.kind = "eval".to_owned();
    record.phases.truncate(1);
    record.phases[0].phase = Phase::Evaluate;
    let metric = |of: &d::Definition, cell: Cell, value: f64| Metric::measured(of, Statistic::Value, &cell, value, 200);
    record.metrics = vec![
        metric(&d::ACCURACY, cell(), 0.91),
        metric(&d::ACCURACY, cell().with("over", "answered"), 0.93),
        metric(&d::F1, cell().with("average", "macro"), 0.88),
        metric(&d::PRECISION, cell().with("label", "phish"), 0.85),
        metric(&d::RECALL, cell().with("label", "phish"), 0.8),
        metric(&d::ROC_AUC, cell(), 0.97),
        metric(&d::SAMPLES, cell().with("outcome", "right"), 182.0),
    ];
    record.findings.clear();
    record.targets.clear();
    record
}

fn exhibit() -> Exhibit {
    let failure = |id: &str, outcome, answer: Option<&str>| Failure {
        id: id.to_owned(),
        outcome,
        prompt: Some("<b>Dear customer</b>".to_owned()),
        target: Some("phish".to_owned()),
        answer: answer.map(str::to_owned),
        why: None,
    };
    Exhibit {
        cell: cell(),
        confusion: Some(Confusion {
            labels: vec!["ham".to_owned(), "phish".to_owned()],
            counts: vec![vec![100.0, 4.0, 0.0], vec![12.0, 82.0, 2.0]],
        }),
        curves: Some(Curves {
            positive: "phish".to_owned(),
            points: vec![(None, 0.0, 0.0, 1.0), (Some(0.9), 0.7, 0.02, 0.97), (Some(0.1), 1.0, 1.0, 0.48)],
            reliability: vec![(90.0, Some(0.1), Some(0.12)), (0.0, None, None), (110.0, Some(0.9), Some(0.86))],
        }),
        failures: vec![
            failure("m-7", SampleOutcome::Wrong, Some("ham")),
            failure("m-9", SampleOutcome::TimedOut, None),
        ],
        failed: 18,
    }
}

#[test]
fn the_page_shows_curves_tables_and_failures() {
    let page = render(&record(), Some(&Rows { exhibits: vec![exhibit()], ..Rows::default() }));
    for id in ["confusion-0", "roc-0", "pr-0", "reliability-0"] {
        assert!(page.contains(&format!("id=\"{id}-title\"")), "{id}");
    }
    for text in ["2 of 18 samples", "m-7", "wrong: 1", "timed out: 1", "truth phish, answer ham: 12", "no label"] {
        assert!(page.contains(text), "{text}");
    }
    // Prompts are text of others.
    assert!(page.contains("&lt;b&gt;Dear customer&lt;/b&gt;") && !page.contains("<b>Dear"));
    assert!(!page.contains(" style=\"") && !page.contains("<script"));
}

#[test]
fn without_a_log_the_page_says_what_it_lacks() {
    let page = render(&record(), None);
    assert!(page.contains("need the event log"));
    assert!(!page.contains("id=\"roc-0-title\""));
}

#[test]
fn figures_stand_in_a_table_of_their_kind() {
    let text = markdown::render(&record());
    for caption in ["By label", "Averages over labels", "What became of the samples", "Further figures"] {
        assert!(text.contains(caption), "{caption}\n{text}");
    }
    let further = text.split("Further figures").nth(1).and_then(|rest| rest.split("## Every number").next()).unwrap();
    assert!(further.contains("ROC-AUC") && !further.contains("| recall"), "{further}");
}

/// A table that lacks what it should hold is not drawn, and nothing breaks.
#[test]
fn an_empty_exhibit_shows_nothing() {
    let empty = Exhibit {
        confusion: Some(Confusion { labels: Vec::new(), counts: Vec::new() }),
        curves: Some(Curves { positive: String::new(), points: Vec::new(), reliability: Vec::new() }),
        failures: Vec::new(),
        failed: 0,
        ..exhibit()
    };
    let page = render(&record(), Some(&Rows { exhibits: vec![empty], ..Rows::default() }));
    assert!(!page.contains("id=\"confusion-0-title\"") && !page.contains("id=\"failures\""));
}
