//! Two targets in turns, on a host that is made up.

use weighbridge_types::comparison::Verdict;
use weighbridge_types::definition::TTFT;
use weighbridge_types::metric::Statistic;
use weighbridge_types::record::Record;
use weighbridge_verdict::VerdictError;
use weighbridge_verdict::ab::{Arm, End, Names, Outcome, Plan, Turn};

use crate::made::{Seeded, record, settings};

const NAMES: Names<'static> = Names { a: "one", b: "two" };

fn plan() -> Plan {
    Plan { settings: settings(), most: 24, precision: 0.02, self_test: 3 }
}

/// Runs a plan on a host that becomes slower all the time, by 1 % a run; B takes `factor` times as long as A.
fn run(plan: &Plan, factor: f64, noise: f64) -> (Outcome, Vec<Turn>) {
    let (mut random, mut turns) = (Seeded(5), Vec::new());
    let measure = |turn: Turn| -> Result<Option<Record>, VerdictError> {
        let host = 1.01_f64.powi(i32::try_from(turns.len()).unwrap()) * (noise * random.normal()).exp();
        turns.push(turn);
        let own = if turn.arm == Arm::B && !turn.is_self_test { factor } else { 1.0 };
        Ok(Some(record(&format!("run-{}", turns.len()), &[(&TTFT, Statistic::P50, 100.0 * host * own)])))
    };
    (plan.run(NAMES, measure).unwrap(), turns)
}

#[test]
fn a_drift_that_both_meet_cancels_out() {
    let (found, turns) = run(&plan(), 1.1, 0.005);
    let comparison = found.comparison.unwrap();
    assert_eq!((comparison.verdict(), found.end), (Verdict::Worse, End::Precise));
    assert!(comparison.rule.paired && found.blocks < 24, "{}", found.blocks);
    // The runs of a block share their seed, every block has its own, and the order is not always the same.
    assert!(turns.chunks(2).all(|block| block[0].seed == block[1].seed && block[0].arm != block[1].arm));
    let first = |arm| turns.chunks(2).filter(|block| block[0].arm == arm).count();
    assert!(first(Arm::A) > 0 && first(Arm::B) > 0);
    assert_eq!(turns.iter().filter(|turn| turn.is_self_test).count(), 6);
}

#[test]
fn equal_targets_are_equivalent() {
    let (found, _) = run(&plan(), 1.0, 0.005);
    assert_eq!(found.comparison.unwrap().verdict(), Verdict::Equivalent);
}

#[test]
fn it_ends_at_the_last_block_where_noise_is_too_much() {
    let (found, _) = run(&Plan { most: 6, self_test: 0, ..plan() }, 1.0, 0.2);
    assert_eq!((found.end, found.blocks), (End::Blocks, 6));
    assert_eq!(found.comparison.unwrap().verdict(), Verdict::Inconclusive);
}

#[test]
fn a_host_that_tells_equal_targets_apart_is_not_believed() {
    let mut count = 0;
    let measure = |turn: Turn| -> Result<Option<Record>, VerdictError> {
        count += 1;
        // Whatever is called B is slow, although it is A.
        let value = if turn.arm == Arm::B { 200.0 } else { 100.0 };
        Ok(Some(record(&format!("run-{count}"), &[(&TTFT, Statistic::P50, value)])))
    };
    let found = plan().run(NAMES, measure).unwrap();
    assert!(found.end == End::SelfTest && found.comparison.is_none());
    assert_eq!(found.self_test.unwrap().verdict(), Verdict::Worse);
}

#[test]
fn what_is_stopped_keeps_whole_blocks() {
    let mut count = 0;
    let measure = |turn: Turn| -> Result<Option<Record>, VerdictError> {
        count += 1;
        let value = if turn.arm == Arm::B { 150.0 } else { 100.0 };
        Ok((count <= 9).then(|| record(&format!("run-{count}"), &[(&TTFT, Statistic::P50, value)])))
    };
    let found = Plan { self_test: 0, ..plan() }.run(NAMES, measure).unwrap();
    assert_eq!((found.end, found.blocks), (End::Stopped, 4));
    assert_eq!(found.comparison.unwrap().sides[0].runs.len(), 4);
}

#[test]
fn wrong_plans_are_refused_before_a_run_is_made() {
    let check = |plan: Plan, expected: &str| {
        let never = |_| -> Result<Option<Record>, VerdictError> { panic!("no run is made") };
        let error = plan.run(NAMES, never).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(Plan { most: 1, ..plan() }, "blocks of 1");
    check(Plan { precision: 0.0, ..plan() }, "precision of 0");
    check(Plan { precision: f64::NAN, ..plan() }, "NaN");
}

/// With looks in between, equal targets are still seldom told apart.
#[test]
fn looking_several_times_does_not_find_what_is_not_there() {
    let mut wrong = 0;
    for seed in 0..300 {
        let mut random = Seeded(seed * 7_919 + 3);
        let mut count = 0;
        let mut plan = Plan { self_test: 0, precision: 0.000_1, ..plan() };
        plan.settings.threshold = 0.0;
        let measure = |_: Turn| -> Result<Option<Record>, VerdictError> {
            count += 1;
            Ok(Some(record(
                &format!("run-{count}"),
                &[(&TTFT, Statistic::P50, 100.0 * (0.03 * random.normal()).exp())],
            )))
        };
        let found = plan.run(NAMES, measure).unwrap().comparison.unwrap();
        wrong += u32::from(matches!(found.verdict(), Verdict::Worse | Verdict::Better));
    }
    assert!(wrong <= 15, "{wrong} of 300");
}
