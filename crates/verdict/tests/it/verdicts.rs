//! Verdicts on made-up records.

use weighbridge_types::comparison::{ComparedMetric, Comparison, Verdict};
use weighbridge_types::definition::{FAILED, MODEL_BYTES, OUTPUT_RATE, REQUESTS, TTFT};
use weighbridge_types::metric::Statistic;
use weighbridge_types::record::{Record, Status};
use weighbridge_verdict::{Settings, Side, VerdictError, compare};

use crate::made::{record, settings, side};

const QUIET: [f64; 6] = [100.0, 101.0, 99.5, 100.5, 100.2, 99.8];

fn times(factor: f64) -> Vec<f64> {
    QUIET.iter().rev().map(|value| value * factor).collect()
}

fn two(candidate: &[f64], settings: &Settings) -> Comparison {
    compare(&[side("old", &QUIET), side("new", candidate)], &[], settings).unwrap()
}

fn row(found: &Comparison) -> &ComparedMetric {
    &found.contrasts[0].rows[0]
}

#[test]
fn the_interval_decides_and_not_the_value() {
    let check = |factor: f64, expected| {
        let found = two(&times(factor), &settings());
        assert_eq!(found.verdict(), expected, "{factor}: {:?}", row(&found));
        assert!((row(&found).ratio.unwrap() - factor).abs() < 1e-9);
    };
    check(1.2, Verdict::Worse);
    check(0.8, Verdict::Better);
    check(1.01, Verdict::Equivalent);
    // Near the margin nothing is certain.
    check(1.05, Verdict::Inconclusive);
}

#[test]
fn what_is_open_says_what_would_settle_it() {
    let found = two(&times(1.055), &settings());
    let row = row(&found);
    let needed = row.runs_needed.unwrap();
    assert!(needed > 6 && needed < 1_000, "{needed}");
    assert!(row.detectable.unwrap() > 0.05 && row.detectable.unwrap() < 0.08, "{:?}", row.detectable);
    assert!(found.notes.iter().any(|note| note.contains("not known")), "{:?}", found.notes);
}

#[test]
fn more_is_better_where_the_metric_says_so() {
    let side = |name: &str, factor: f64| Side {
        name: name.to_owned(),
        runs: (0..5)
            .map(|run| {
                record(&format!("{name}{run}"), &[(&OUTPUT_RATE, Statistic::Value, factor * (50.0 + f64::from(run)))])
            })
            .collect(),
    };
    let verdict = |factor| compare(&[side("old", 1.0), side("new", factor)], &[], &settings()).unwrap();
    let (slower, faster) = (verdict(0.7), verdict(1.4));
    assert_eq!((slower.verdict(), faster.verdict()), (Verdict::Worse, Verdict::Better));
    // Shown as the candidate stands to the baseline, whichever way is better.
    let interval = row(&slower).interval.as_ref().unwrap();
    assert!(
        (row(&slower).ratio.unwrap() - 0.7).abs() < 1e-9
            && interval.low < 0.7
            && interval.high > 0.7
            && interval.high < 1.0
    );
    assert!(row(&slower).probability_worse.unwrap() > 0.99);
}

#[test]
fn one_run_a_side_decides_nothing() {
    let found = compare(&[side("old", &[100.0]), side("new", &[300.0])], &[], &settings()).unwrap();
    let row = row(&found);
    assert_eq!((found.verdict(), row.runs_needed, &row.interval), (Verdict::Inconclusive, Some(5), &None));
    assert!(row.interval_reason.is_some() && (row.ratio.unwrap() - 3.0).abs() < 1e-9);
    assert!(found.notes[0].contains("at least 5 runs"), "{:?}", found.notes);
}

#[test]
fn a_baseline_of_zero_has_a_difference_and_no_ratio() {
    let side = |name: &str, failed: f64| Side {
        name: name.to_owned(),
        runs: (0..5).map(|run| record(&format!("{name}{run}"), &[(&FAILED, Statistic::Value, failed)])).collect(),
    };
    let found = compare(&[side("old", 0.0), side("new", 3.0)], &[], &settings()).unwrap();
    assert_eq!((found.verdict(), row(&found).ratio, row(&found).margin), (Verdict::Worse, None, 0.0));
    assert!((row(&found).difference - 3.0).abs() < 1e-12);
    let same = compare(&[side("old", 0.0), side("new", 0.0)], &[], &settings()).unwrap();
    assert_eq!(same.verdict(), Verdict::Equivalent);
}

#[test]
fn a_metric_that_one_side_lacks_is_told_and_never_passed_over() {
    let mut without = side("new", &times(1.0));
    without.runs[2].metrics[0].value = None;
    without.runs[2].metrics[0].reason = Some("the server sent no frames".to_owned());
    let other = |runs: &mut Vec<Record>| {
        for run in runs {
            run.metrics.extend(record("", &[(&MODEL_BYTES, Statistic::Value, 5.0)]).metrics);
        }
    };
    let mut old = side("old", &QUIET);
    other(&mut old.runs);
    other(&mut without.runs);
    let found = compare(&[old, without], &[], &settings()).unwrap();
    let missing = &found.contrasts[0].missing[0];
    assert!(missing.gating && missing.side == "new" && missing.reason.contains("no frames"), "{missing:?}");
    assert_eq!(found.verdict(), Verdict::Inconclusive);
    assert!(found.contrasts[0].because.contains("ttft.p50"), "{}", found.contrasts[0].because);
}

#[test]
fn runs_that_were_not_made_alike_are_refused_unless_forced() {
    let mut other = side("new", &times(1.2));
    other.runs[1].settings["lengths"][0]["input"] = serde_json::json!(512);
    other.runs[3].environment.digest = "another".to_owned();
    other.runs[3].environment.cpu_model = Some("another".to_owned());
    // A seed may differ: each repetition takes its own.
    other.runs[4].settings["seed"] = serde_json::json!(5);
    let sides = [side("old", &QUIET), other];
    let refused = compare(&sides, &[], &settings()).unwrap_err();
    let VerdictError::NotAlike { mismatches } = &refused else { panic!("{refused}") };
    let what: Vec<(&str, &str)> = mismatches.iter().map(|found| (found.what.as_str(), found.run.as_str())).collect();
    let expected =
        [("settings.lengths[0].input", "new-1"), ("environment.cpu_model", "new-3"), ("environment.digest", "new-3")];
    assert_eq!(what, expected);
    assert!(refused.to_string().contains("512") && refused.hint().contains("--force"), "{refused}");
    let forced = compare(&sides, &[], &Settings { force: true, ..settings() }).unwrap();
    assert_eq!((forced.verdict(), forced.mismatches.len()), (Verdict::Worse, 3));
}

#[test]
fn the_noise_of_the_host_widens_the_margin() {
    // Equal runs that differ by up to a tenth.
    let known: Vec<Record> = (0..24)
        .map(|run| record(&format!("known{run}"), &[(&TTFT, Statistic::P50, 100.0 + 8.0 * f64::from(run % 3))]))
        .collect();
    let quiet = two(&times(1.08), &settings());
    let sides = [side("old", &QUIET), side("new", &times(1.08))];
    let noisy = compare(&sides, &known, &settings()).unwrap();
    assert_eq!((quiet.verdict(), row(&quiet).margin_is_noise, quiet.rule.noise_runs), (Verdict::Worse, false, 0));
    assert!(
        row(&noisy).margin_is_noise && row(&noisy).margin > 0.05 && noisy.rule.noise_runs == 24,
        "{:?}",
        row(&noisy)
    );
    assert_ne!(noisy.verdict(), Verdict::Worse);
    // Runs of another model tell nothing of this one's noise.
    let mut other = known;
    other.iter_mut().for_each(|run| run.engine.model_ref = "another".to_owned());
    assert_eq!(compare(&sides, &other, &settings()).unwrap().rule.noise_runs, 0);
}

#[test]
fn gates_can_be_named_and_must_exist() {
    let named = |gate: &str| Settings { gates: vec![gate.to_owned()], ..settings() };
    let sides = [side("old", &QUIET), side("new", &times(1.2))];
    assert_eq!(compare(&sides, &[], &named("p50.ttft@phase=load")).unwrap().verdict(), Verdict::Worse);
    let unknown = compare(&sides, &[], &named("ttft.p98")).unwrap_err().to_string();
    assert!(unknown.contains("`ttft.p98`") && unknown.contains("ttft.p50"), "{unknown}");
}

#[test]
fn facts_have_no_verdict() {
    let run = |id: &str, ttft: f64| record(id, &[(&TTFT, Statistic::P50, ttft), (&REQUESTS, Statistic::Value, ttft)]);
    let side = |name: &str, factor: f64| Side {
        name: name.to_owned(),
        runs: QUIET.iter().enumerate().map(|(place, value)| run(&format!("{name}{place}"), factor * value)).collect(),
    };
    let found = compare(&[side("old", 1.0), side("new", 1.0)], &[], &settings()).unwrap();
    let fact = found.contrasts[0].rows.iter().find(|row| row.key == "requests").unwrap();
    assert!(fact.verdict.is_none() && !fact.gating && fact.interval.is_some());
}

#[test]
fn wrong_sides_and_settings_are_refused() {
    let check = |sides: &[Side], settings: &Settings, expected: &str| {
        let error = compare(sides, &[], settings).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let (old, new) = (side("old", &QUIET), side("new", &QUIET));
    check(std::slice::from_ref(&old), &settings(), "1 side");
    check(&[old.clone(), old.clone()], &settings(), "with itself");
    check(&[old.clone(), Side { name: "none".to_owned(), runs: Vec::new() }], &settings(), "`none`");
    check(&[old.clone(), new.clone()], &Settings { threshold: -0.1, ..settings() }, "-0.1");
    check(&[old.clone(), new.clone()], &Settings { threshold: f64::NAN, ..settings() }, "NaN");
    check(&[old.clone(), new.clone()], &Settings { power: 1.0, ..settings() }, "power");
    let mut other = new;
    other.runs.iter_mut().for_each(|run| run.metrics[0].name = "e2e".to_owned());
    check(&[old, other], &settings(), "no metric in common");
}

#[test]
fn records_that_are_not_whole_are_marked() {
    let mut new = side("new", &times(1.0));
    new.runs[0].status = Status::Interrupted;
    new.runs[1].engine.scripted = true;
    let found = compare(&[side("old", &QUIET), new], &[], &settings()).unwrap();
    assert!(found.notes.iter().any(|note| note.contains("`new-0` did not end")), "{:?}", found.notes);
    assert!(found.notes.iter().any(|note| note.contains("`new` is of the scripted")), "{:?}", found.notes);
}

#[test]
fn values_that_are_no_numbers_count_as_missing() {
    let mut new = side("new", &times(1.0));
    new.runs[0].metrics[0].value = Some(f64::NAN);
    let error = compare(&[side("old", &QUIET), new], &[], &settings()).unwrap_err();
    assert!(matches!(error, VerdictError::NothingInCommon { .. }), "{error}");
}
