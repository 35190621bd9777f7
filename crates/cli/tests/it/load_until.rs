//! Loads that go on until a figure is known as well as was asked.

use std::path::Path;

use weighbridge_types::metric::Cell;
use weighbridge_types::record::{Phase, Record};

use crate::support::{Ran, passes, run};

fn load(folder: &Path, arguments: &[&str]) -> Ran {
    let usual = ["load", "scripted:ttft=5ms,itl=1ms", "-c", "2", "--isl", "4", "--osl", "4", "--disturbed-limit", "1"];
    run(folder, &[&usual[..], arguments, &["--output-format", "json"]].concat())
}

#[test]
fn a_load_ends_when_its_figures_are_known_as_was_asked() {
    let folder = tempfile::tempdir().unwrap();
    let ran = load(folder.path(), &["--until", "mean.e2e±30%,request_throughput+-40%"]);
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    let record = Record::from_json(&ran.stdout).unwrap();
    let cell = Cell::of(Phase::Load).with("concurrency", 2).with("of", "e2e.mean");
    let reached = record.metric("run_precision", &cell).unwrap();
    assert!(reached.value.unwrap() <= 0.3 && reached.n >= 5, "{reached:?}");
    assert_eq!(record.settings["until"], "mean.e2e±30%,request_throughput+-40%");
    assert_eq!(record.targets.len(), 2);
    passes(folder.path(), &["report", "check", "latest"]);
    let shown = passes(folder.path(), &["report", "show", "latest"]).stdout;
    assert!(shown.contains("as precise as asked after"), "{shown}");
}

#[test]
fn a_budget_that_does_not_last_leaves_it_open() {
    let folder = tempfile::tempdir().unwrap();
    let ran = load(folder.path(), &["--until", "p99.e2e±0.01%", "-n", "60"]);
    assert_eq!(ran.code, Some(3), "{}\n{}", ran.stdout, ran.stderr);
    let record = Record::from_json(&ran.stdout).unwrap();
    assert!(record.phase(Phase::Load).unwrap().tally.scheduled <= 60);
    let found = &record.findings.iter().find(|finding| finding.rule == "precision").unwrap().text;
    assert!(found.contains("asked for p99.e2e±0.01%"), "{found}");
}

#[test]
fn what_is_no_precision_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str], part: &str| {
        let ran = load(folder.path(), arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}\n{}", ran.stderr);
        assert!(ran.stderr.contains(part), "`{part}` is not in\n{}", ran.stderr);
    };
    refused(&["--until", "p99.ttft<5%"], "`p99.ttft<5%`");
    refused(&["--until", "p99.tfft±5%"], "the nearest is `ttft`");
    refused(&["--until", "ttft±5%", "--check-answers"], "--check-answers");
}
