//! Histories of made-up runs.

use weighbridge_types::history::{History, HistoryRun};
use weighbridge_types::metric::Cell;
use weighbridge_types::time::WallTime;
use weighbridge_verdict::history::{Limit, Point, history};

use crate::made::{Seeded, cell};

const DAY: u64 = 86_400_000;

/// A run a day, with the value that `of` gives to its index.
fn made(runs: usize, key: &str, of: impl Fn(usize, &mut Seeded) -> f64) -> History {
    let mut random = Seeded(11);
    let cell = cell();
    let names = (0..runs).map(|run| HistoryRun {
        run_id: format!("run-{run}"),
        created_at: WallTime::from_unix_millis(1_700_000_000_000 + run as u64 * DAY).to_string(),
        commit: None,
    });
    let values: Vec<f64> = (0..runs).map(|run| of(run, &mut random)).collect();
    let points = values.iter().enumerate().map(|(run, &value)| Point { key, cell: &cell, unit: "ms", run, value });
    history(names.collect(), points, &[Limit { key: key.to_owned(), value: 200.0 }]).unwrap()
}

#[test]
fn a_step_is_found_where_it_is_and_said_to_be_worse_or_better() {
    for (key, is_worse) in [("ttft.p50", Some(true)), ("output_rate", Some(false)), ("requests", None)] {
        let found = made(60, key, |run, random| if run < 40 { 100.0 } else { 115.0 } + random.normal());
        let course = &found.courses[0];
        let [change] = &course.changes[..] else { panic!("{:?}", course.changes) };
        assert_eq!((change.run, change.is_worse), (40, is_worse), "{key}");
        assert!((change.ratio.unwrap() - 1.15).abs() < 0.02 && change.p < 0.01);
        // Level, noise and the next run are those of the new level.
        assert!((course.level.unwrap() - 115.0).abs() < 1.0 && course.noise.unwrap() < 0.02);
        let next = course.next.as_ref().unwrap();
        assert!(next.low > 110.0 && next.high < 120.0, "{next:?}");
    }
}

#[test]
fn a_slow_rise_says_when_it_reaches_the_limit() {
    let found = made(12, "ttft.p50", |run, random| 100.0 + run as f64 + 0.05 * random.normal());
    let course = &found.courses[0];
    let per_day = course.per_day.as_ref().unwrap();
    assert!(per_day.low > 0.9 && per_day.high < 1.1, "{per_day:?}");
    // From 111 on the last day to 200.
    assert!((course.days_to_limit.unwrap() - 89.0).abs() < 3.0, "{:?}", course.days_to_limit);
}

#[test]
fn few_runs_say_that_changes_are_unknown_and_not_that_there_are_none() {
    let found = made(4, "ttft.p50", |run, _| 100.0 + run as f64);
    assert!(found.courses[0].unknown.as_ref().is_some_and(|why| why.contains("10 are needed")));
    assert!(found.notes[0].contains("4 runs"), "{:?}", found.notes);
    let one = made(1, "ttft.p50", |_, _| 100.0);
    assert_eq!((one.courses[0].noise, &one.courses[0].next), (None, &None));
}

#[test]
fn times_that_cannot_be_read_and_gaps_do_no_harm() {
    let cells = [Cell::default(), cell()];
    let names = |run: usize| HistoryRun { run_id: run.to_string(), created_at: "yesterday".to_owned(), commit: None };
    let points = (0..30)
        .filter(|run| run % 3 > 0)
        .flat_map(|run| cells.iter().map(move |cell| Point { key: "ttft.p50", cell, unit: "ms", run, value: 5.0 }));
    let found = history((0..30).map(names).collect(), points, &[]).unwrap();
    assert_eq!((found.courses.len(), found.courses[0].points.len(), &found.courses[0].per_day), (2, 20, &None));
}

proptest::proptest! {
    #[test]
    fn any_finite_values_have_a_history(values in proptest::collection::vec(-1e9_f64..1e9, 1..60)) {
        let found = made(values.len(), "ttft.p50", |run, _| values[run]);
        proptest::prop_assert_eq!(found.courses[0].points.len(), values.len());
    }
}
