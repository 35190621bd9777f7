//! Scoring whole files: what a user writes, and what comes out.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;
use weighbridge_eval::cwe::Hierarchy;
use weighbridge_eval::predictions::{Field, Form, Mapping, PredictionsError, read_from};
use weighbridge_eval::score::{Costs, Report, ScoreError, Settings, score_file};
use weighbridge_types::exhibit::MOST_OF_A_CLASS;
use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::Phase;

fn file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

fn score(name: &str, text: &str, settings: &Settings) -> Result<Report, ScoreError> {
    let folder = TempDir::new().unwrap();
    score_file(&file(&folder, name, text), settings)
}

fn metric<'r>(report: &'r Report, name: &str, settings: &[(&str, &str)]) -> &'r Metric {
    let cell = settings.iter().fold(Cell::of(Phase::Evaluate), |cell, (key, value)| cell.with(key, value));
    let found = report.figures.iter().find(|metric| metric.name == name && metric.cell == cell);
    found.unwrap_or_else(|| panic!("no {name} of {cell}"))
}

#[track_caller]
fn check(report: &Report, name: &str, settings: &[(&str, &str)], expected: f64) {
    let found = metric(report, name, settings).value.unwrap();
    assert!((found - expected).abs() < 1e-12, "{name}: {found}, expected {expected}");
}

/// A figure over all samples has no setting that says so.
const ANSWERED: (&str, &str) = ("over", "answered");

const SMALL: &str = r#"{"id":"a","target":"mal","prediction":"mal"}
{"id":"b","target":"ben","prediction":"mal"}

{"id":"c","target":"ben","prediction":"ben"}
{"id":"d","target":"mal","problem":"refused"}
{"id":"e","target":"mal","prediction":"mal"}
"#;

#[test]
fn failures_count_as_wrong_or_not_at_all() {
    let report = score("p.jsonl", SMALL, &Settings::default()).unwrap();
    check(&report, "accuracy", &[], 0.6);
    check(&report, "accuracy", &[ANSWERED], 0.75);
    check(&report, "recall", &[("label", "mal")], 2.0 / 3.0);
    check(&report, "precision", &[("label", "mal")], 2.0 / 3.0);
    check(&report, "samples", &[("outcome", "refused")], 1.0);
    check(&report, "samples", &[("outcome", "wrong")], 1.0);
    check(&report, "answered", &[], 0.8);
    let confusion = report.confusion.unwrap();
    assert_eq!(confusion.labels, ["ben", "mal"]);
    assert_eq!(confusion.counts, [[1.0, 1.0, 0.0], [0.0, 2.0, 1.0]]);
}

#[test]
fn forms_and_compressions_say_the_same() {
    let folder = TempDir::new().unwrap();
    let table = "id,target,prediction,problem\na,mal,mal,\nb,ben,\"mal\",\nc,ben,ben,\nd,mal,,refused\ne,mal,mal,\n";
    let csv = file(&folder, "p.csv", table);
    let tsv = file(&folder, "p.tsv", &table.replace(',', "\t"));
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(SMALL.as_bytes()).unwrap();
    let gz_path = folder.path().join("p.jsonl.gz");
    fs::write(&gz_path, gz.finish().unwrap()).unwrap();
    let zst = folder.path().join("p.jsonl.zst");
    fs::write(&zst, zstd::encode_all(SMALL.as_bytes(), 1).unwrap()).unwrap();
    let plain = score("p.jsonl", SMALL, &Settings::default()).unwrap();
    for path in [csv, tsv, gz_path, zst] {
        let report = score_file(&path, &Settings::default()).unwrap();
        assert_eq!(report.figures, plain.figures, "{}", path.display());
    }
}

#[test]
fn each_trap_is_an_error_with_its_line() {
    let check = |name: &str, text: &str, expected: &str| {
        let error = score(name, text, &Settings::default()).unwrap_err();
        assert!(error.to_string().contains(expected), "{text}: {error}");
        assert!(!error.hint().is_empty());
    };
    let row = r#"{"id":"a","target":"x","prediction":"x"}"#;
    check("p.jsonl", "", "without rows");
    check("p.jsonl", " \n\n", "without rows");
    check("p.csv", "id,target\n", "without rows");
    check("p.jsonl", &format!("{row}\n\n{row}\n"), "line 3: its id `a` already stands in line 1");
    check("p.jsonl", "{\"target\":1,\"prediction\":1}\n{\"target\":\"1\",\"prediction\":1}", "text `1` of line 2");
    check("p.jsonl", "{\"target\":\"a\",\"score\":NaN}", "`NaN` as the score in line 1");
    check("p.csv", "target,score\n1,0.5\n0,nan\n", "`nan` as the score in line 3");
    check("p.csv", "target,score\n1,inf\n", "`inf` as the score in line 2");
    check("p.jsonl", "{\"target\":1,\"prediction\":true}", "`true` of line 1");
    check("p.jsonl", "{\"target\":\"a\",\"prediction\":{\"x\":1}}", "as the prediction in line 1");
    check("p.tsv", "target\tprediction\n\"a\tb\n", "record that begins in line 2: a quote is never closed");
    check("p.csv", "target,prediction\n\"a\"x,b\n", "record that begins in line 2: text follows a closing quote");
    check("p.jsonl", "{\"target\":\"a\",\"prediction\":\"b}\n", "expected a closing quote");
    check("p.jsonl", "{\"target\":0.5,\"prediction\":1}", "`0.5` as the target in line 1");
    check("p.jsonl", "{\"target\":\"a\",\"prediction\":\"b\",\"problem\":\"lost\"}", "`lost` as the problem");
    check("p.jsonl", "{\"target\":\"a\",\"prediction\":\"a\",\"problem\":\"wrong\"}", "line 1: its problem is `wrong`");
    check("p.jsonl", "{\"target\":\"a\"}", "no column holds the prediction");
    check("p.jsonl", "{\"x\":\"a\"}", "find a metric");
    check("p.jsonl", "{\"target\":\"a\"", "line 1 as a JSON object");
    check("p.jsonl", "[]", "line 1 as a JSON object");
    check("p.csv", "target,prediction\na,\"b\nc,d\n", "record that begins in line 2: a quote is never closed");
    check("p.csv", "target,prediction\na,b,c\n", "line 2: it has 3 fields");
    check("p.csv", "target,gold,prediction\na,b,c\n", "`target` and `gold` both stand for the target");
    check("p.txt", row, "form of");
    let mixed = "{\"target\":\"a\",\"prediction\":\"a\",\"weight\":1}\n{\"target\":\"a\",\"prediction\":\"a\"}";
    check("p.jsonl", mixed, "line 2: it has no weight");
}

#[test]
fn other_encodings_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("p.csv");
    fs::write(&path, b"target,prediction\na,b\nd\xE9,b\n").unwrap();
    let error = score_file(&path, &Settings::default()).unwrap_err();
    assert!(error.to_string().contains("line 3 as UTF-8: byte 2 is 0xE9"), "{error}");
}

#[test]
fn a_closed_set_of_labels_holds() {
    let settings = Settings { labels: vec!["ben".to_owned(), "other".to_owned()], ..Settings::default() };
    let error = score("p.jsonl", SMALL, &settings).unwrap_err();
    assert!(error.to_string().contains("`mal` as the target in line 1"), "{error}");
    let settings = Settings { positive: Some("none".to_owned()), ..Settings::default() };
    assert!(matches!(score("p.jsonl", SMALL, &settings), Err(ScoreError::Setting { .. })));
}

#[test]
fn one_class_gives_no_score_that_compares_two() {
    let text = "{\"target\":1,\"score\":0.5}\n{\"target\":1,\"score\":0.7}\n";
    let report = score("p.jsonl", text, &Settings::default()).unwrap();
    let area = metric(&report, "roc_auc", &[]);
    assert!(area.value.is_none() && area.reason.is_some());
    assert!(report.notes.iter().any(|note| note.contains("same true label")), "{:?}", report.notes);
}

#[test]
fn failed_samples_rank_worst_or_not_at_all() {
    let text = "{\"target\":1,\"score\":0.9}\n{\"target\":0,\"score\":0.2}\n{\"target\":1,\"problem\":\"timed_out\"}\n";
    let report = score("p.jsonl", text, &Settings::default()).unwrap();
    check(&report, "roc_auc", &[], 0.5);
    check(&report, "roc_auc", &[ANSWERED], 1.0);
}

#[test]
fn probabilities_give_a_label_and_scores() {
    let row = |id: u32, target: &str, p: [f64; 3]| {
        let [a, b, c] = p;
        format!("{{\"id\":{id},\"target\":\"{target}\",\"probabilities\":{{\"a\":{a},\"b\":{b},\"c\":{c}}}}}\n")
    };
    let text = [
        row(1, "a", [0.6, 0.3, 0.1]),
        row(2, "b", [0.5, 0.25, 0.25]),
        row(3, "c", [0.2, 0.2, 0.6]),
        row(4, "b", [0.1, 0.8, 0.1]),
    ];
    let report = score("p.jsonl", &text.concat(), &Settings::default()).unwrap();
    check(&report, "accuracy", &[], 0.75);
    // Against the rest: a 1, b 1 (0.25 and 0.8 above 0.3 and 0.2 but once: 3 of 4), c 1.
    check(&report, "roc_auc", &[ANSWERED, ("pairing", "ovr"), ("average", "macro")], (1.0 + 0.75 + 1.0) / 3.0);
    let loss = -(0.6_f64.ln() + 0.25_f64.ln() + 0.6_f64.ln() + 0.8_f64.ln()) / 4.0;
    check(&report, "log_loss", &[ANSWERED], loss);
    let bad = row(1, "a", [0.6, 0.3, 0.3]);
    assert!(score("p.jsonl", &bad, &Settings::default()).unwrap_err().to_string().contains("add up to 1"));
}

#[test]
fn alerts_are_counted_by_the_day() {
    let text = "target,prediction,timestamp\n1,1,0\n0,1,43200\n0,0,86400\n";
    let report = score("p.csv", text, &Settings::default()).unwrap();
    check(&report, "alerts_per_day", &[], 2.0);
    check(&report, "false_alerts_per_day", &[], 1.0);
}

/// Copies of a sample in one cluster add no certainty; without the cluster they would.
#[test]
fn clusters_keep_copies_from_narrowing_intervals() {
    let rows = |with_cluster: bool| {
        let mut text = String::new();
        for copy in 0..8 {
            for item in 0..20 {
                let prediction = if item % 3 == 0 { "b" } else { "a" };
                let cluster = if with_cluster { format!(",\"cluster\":{item}") } else { String::new() };
                let id = copy * 100 + item;
                text += &format!("{{\"id\":{id},\"target\":\"a\",\"prediction\":\"{prediction}\"{cluster}}}\n");
            }
        }
        text
    };
    let width = |with_cluster: bool| {
        let report = score("p.jsonl", &rows(with_cluster), &Settings::default()).unwrap();
        let interval = metric(&report, "accuracy", &[]).interval.clone().unwrap();
        interval.high - interval.low
    };
    assert!(width(true) > 2.0 * width(false), "{} {}", width(true), width(false));
}

#[test]
fn mistakes_have_a_cost() {
    let costs = Costs::parse("truth,ben,mal,no_answer\nben,0,1,2\nmal,20,0,5\n").unwrap();
    let settings = Settings { costs: Some(costs), ..Settings::default() };
    let report = score("p.jsonl", SMALL, &settings).unwrap();
    // One false alarm and one refusal among five samples; one false alarm among the four with an answer.
    check(&report, "expected_cost", &[], (1.0 + 5.0) / 5.0);
    check(&report, "expected_cost", &[ANSWERED], 1.0 / 4.0);
    assert!(metric(&report, "expected_cost", &[]).interval.is_some());
    let costs = Costs::of_misses(vec![("mal".to_owned(), 20.0)]);
    let settings = Settings { costs: Some(costs), ..Settings::default() };
    check(&score("p.jsonl", SMALL, &settings).unwrap(), "expected_cost", &[], (1.0 + 20.0) / 5.0);
    let costs = Costs::parse("truth,ben\nben,0\n").unwrap();
    let settings = Settings { costs: Some(costs), ..Settings::default() };
    let error = score("p.jsonl", SMALL, &settings).unwrap_err();
    assert!(error.to_string().contains("use `mal` as a label of the costs"), "{error}");
}

#[test]
fn weaknesses_have_a_distance() {
    let text = "{\"target\":\"CWE-79\",\"prediction\":\"CWE-79\"}\n\
        {\"target\":\"CWE-89\",\"prediction\":\"not CWE-89 but CWE-79\"}\n\
        {\"target\":\"CWE-89\",\"prediction\":\"no idea\"}\n\
        {\"target\":\"CWE-89\",\"problem\":\"refused\"}\n";
    let weaknesses = Hierarchy::parse("child,parent\n79,74\n89,943\n943,74\n").unwrap();
    let settings = Settings { weaknesses: Some(weaknesses), ..Settings::default() };
    let report = score("p.jsonl", text, &settings).unwrap();
    check(&report, "cwe_distance", &[("unread", "2")], 1.5);
    let report = score("p.jsonl", text, &Settings::default()).unwrap();
    let without = metric(&report, "cwe_distance", &[("unread", "4")]);
    assert!(without.value.is_none() && without.reason.as_ref().unwrap().contains("--cwe"));
}

#[test]
fn spans_and_sets_are_compared_by_their_members() {
    let text = "{\"target\":[[0,3,\"ORG\"],[5,9,\"CVE\"]],\"prediction\":[[0,3,\"ORG\"],[5,8,\"CVE\"]]}\n\
        {\"target\":[[1,2,\"ORG\"]],\"problem\":\"truncated\"}\n";
    let report = score("p.jsonl", text, &Settings::default()).unwrap();
    check(&report, "span_f1", &[("average", "micro")], 2.0 * 1.0 / (2.0 + 3.0));
    check(&report, "span_f1", &[("average", "samples")], 0.25);
    check(&report, "span_f1", &[ANSWERED, ("average", "micro")], 0.5);
    let text = "{\"target\":[\"T1059.001\"],\"prediction\":\"It used T1059.003.\"}\n";
    let report = score("p.jsonl", text, &Settings::default()).unwrap();
    check(&report, "technique_f1", &[("ids", "whole"), ("average", "micro")], 0.0);
    check(&report, "technique_f1", &[("ids", "parents"), ("average", "micro")], 1.0);
}

/// Answers that are free text are labels of their own: figures over all of them stay exact, and memory does not grow
/// with their square.
#[test]
fn many_labels_cost_no_table() {
    let mut text = String::new();
    for index in 0..60_000 {
        let (target, prediction) =
            (index % 3, if index % 4 == 0 { format!("text {index}") } else { (index % 3).to_string() });
        text += &format!("{{\"target\":\"{target}\",\"prediction\":\"{prediction}\"}}\n");
    }
    let report = score("p.jsonl", &text, &Settings::default()).unwrap();
    check(&report, "accuracy", &[], 0.75);
    check(&report, "balanced_accuracy", &[], 0.75);
    check(&report, "recall", &[("average", "weighted")], 0.75);
    assert!(report.confusion.is_none());
    assert!(report.notes.iter().any(|note| note.starts_with("15003 labels")), "{:?}", report.notes);
}

/// The form of published model outputs: a flag within an object, and no label.
#[test]
fn flags_of_right_and_wrong_are_scored() {
    let mapping = Mapping::parse(["passed=run.is_correct", "text=run.solution", "prompt=question"]).unwrap();
    let settings = Settings { mapping, ..Settings::default() };
    let text = "{\"question\":\"q1\",\"run\":{\"is_correct\":true,\"solution\":\"s1\"}}\n\
        {\"question\":\"q2\",\"run\":{\"is_correct\":false,\"solution\":\"s2\"}}\n\
        {\"question\":\"q3\",\"problem\":\"refused\"}\n\
        {\"question\":\"q4\",\"run\":{\"is_correct\":true,\"solution\":\"s4\"}}\n";
    let report = score("p.jsonl", text, &settings).unwrap();
    check(&report, "accuracy", &[], 0.5);
    check(&report, "accuracy", &[ANSWERED], 2.0 / 3.0);
    assert!(metric(&report, "accuracy", &[]).interval.is_some());
    let wrong = &report.exhibit().failures[0];
    assert_eq!((wrong.prompt.as_deref(), wrong.answer.as_deref()), (Some("q2"), Some("s2")));
    let table = "passed\ntrue\nFalse\n";
    check(&score("p.csv", table, &Settings::default()).unwrap(), "accuracy", &[], 0.5);
}

#[test]
fn failures_are_kept_to_be_read() {
    let mut text =
        String::from("{\"id\":0,\"target\":\"a\",\"problem\":\"refused\",\"why\":\"policy\",\"prompt\":\"Q?\"}\n");
    for index in 1..400 {
        let prediction = if index % 2 == 0 { "a" } else { "b" };
        text += &format!("{{\"id\":{index},\"target\":\"a\",\"prediction\":\"{prediction}\"}}\n");
    }
    let exhibit = score("p.jsonl", &text, &Settings::default()).unwrap().exhibit();
    assert_eq!((exhibit.failed, exhibit.failures.len()), (201, 1 + MOST_OF_A_CLASS));
    let refused = &exhibit.failures[0];
    assert_eq!(
        (refused.id.as_str(), refused.prompt.as_deref(), refused.why.as_deref()),
        ("0", Some("Q?"), Some("policy"))
    );
    assert_eq!((refused.target.as_deref(), refused.answer.as_deref()), (Some("a"), None));
    assert!(exhibit.failures[1..].iter().all(|failure| failure.answer.as_deref() == Some("b")));
    assert_eq!(exhibit.confusion.unwrap().labels, ["a", "b"]);
}

#[cfg(not(feature = "parquet"))]
#[test]
fn parquet_needs_its_feature() {
    let error = score("p.parquet", "PAR1", &Settings::default()).unwrap_err();
    assert!(error.to_string().contains("p.parquet`: this program was built without the feature `parquet`"), "{error}");
    assert!(error.hint().contains("--features parquet"), "{}", error.hint());
}

#[test]
fn a_label_that_is_never_given_is_told() {
    let text = "{\"target\":\"a\",\"prediction\":\"a\"}\n{\"target\":\"b\",\"prediction\":\"a\"}\n";
    let report = score("p.jsonl", text, &Settings::default()).unwrap();
    check(&report, "precision", &[("label", "b")], 0.0);
    assert!(report.notes.iter().any(|note| note.contains("1 labels were never predicted")), "{:?}", report.notes);
}

proptest! {
    /// No input panics, in any form, whole or after a good start; lines only grow.
    #[test]
    fn any_bytes_are_rows_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), start in any::<bool>()) {
        let mut input = if start { b"{\"id\":1,\"target\":\"a\"}\n".to_vec() } else { Vec::new() };
        input.extend(bytes);
        for form in Form::ALL {
            let mut last = 0;
            let found = read_from(input.as_slice(), form, &Mapping::default(), |row| {
                assert!(row.line > last);
                last = row.line;
                let _ = (row.text(Field::Id), row.number(Field::Score));
                Ok(())
            });
            if let Err(error) = found {
                prop_assert!(!error.to_string().is_empty() && !error.hint().is_empty());
                let is_open = matches!(error, PredictionsError::Open { .. });
                prop_assert!(!is_open);
            }
        }
    }
}
