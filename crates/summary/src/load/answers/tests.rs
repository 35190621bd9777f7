use proptest::prelude::*;
use weighbridge_types::record::Verdict;
use weighbridge_types::request::{Timeline, Usage};

use super::*;

const PLAN: AnswersPlan = AnswersPlan { tolerance: 0.05, score_tolerance: 0.05, rule: AnswerRule::Contains };

fn level() -> Cell {
    Cell::of(Phase::Load).with("concurrency", 8)
}

fn row(cell: &Cell, id: u64, text: &str, finish: FinishReason) -> RequestRow {
    let tokens = u32::try_from(text.split_whitespace().count()).unwrap();
    RequestRow {
        text: Some(text.to_owned()),
        usage: Some(Usage { output_tokens: tokens, ..Usage::default() }),
        ..RequestRow::new(id, cell.clone(), 8, Timeline::default(), Outcome::Succeeded { finish })
    }
}

/// Golden answers to 100 prompts, the same again, and what `answer` says of each under load.
fn run(answer: impl Fn(u64) -> (&'static str, FinishReason)) -> Answers {
    let mut answers = Answers::default();
    for pass in [GOLDEN, NOISE] {
        (0..100).for_each(|id| answers.push(&row(&answers_pass(pass), id, "a b c d", FinishReason::Length), &PLAN));
    }
    // The order in which they end is another.
    for id in (0..100).rev() {
        let (text, finish) = answer(id);
        answers.push(&row(&level(), id, text, finish), &PLAN);
    }
    answers
}

fn figures(answers: &Answers) -> Vec<Metric> {
    answers.figures(&LoadPlan::default(), &Basis::default())
}

fn value(metrics: &[Metric], key: &str) -> f64 {
    let of = |metric: &&Metric| metric.cell == level() && metric.key() == key;
    metrics.iter().find(of).unwrap_or_else(|| panic!("no {key}")).value.unwrap()
}

fn verdicts(metrics: &[Metric]) -> Vec<Verdict> {
    PLAN.judge(metrics, &level()).iter().map(|target| target.verdict).collect()
}

#[test]
fn answers_that_are_the_same_are_judged_the_same() {
    let metrics = figures(&run(|_| ("a b c d", FinishReason::Length)));
    assert!((value(&metrics, "golden_match") - 1.0).abs() < 1e-12);
    assert!((value(&metrics, "quality_drift_p") - 1.0).abs() < 1e-12);
    assert_eq!(verdicts(&metrics), [Verdict::Met]);
    let nowhere = metrics.iter().find(|metric| metric.name == "first_divergence" && metric.cell == level()).unwrap();
    assert_eq!(nowhere.reason.as_deref(), Some("every answer equals its golden one"));
}

#[test]
fn answers_that_are_cut_are_told_with_place_length_and_end() {
    let metrics = figures(&run(|id| match id % 4 {
        0 => ("a b", FinishReason::Stop),
        _ => ("a b c d", FinishReason::Length),
    }));
    let expected = [
        ("golden_match", 0.75),
        ("quality_drift", 0.25),
        ("first_divergence.p50", 3.0),
        ("finish_changed", 0.25),
        ("answer_length_shift.mean", -0.5),
    ];
    for (key, expected) in expected {
        assert!((value(&metrics, key) - expected).abs() < 1e-12, "{key}");
    }
    assert!(value(&metrics, "quality_drift_p") < 1e-6);
    assert_eq!(verdicts(&metrics), [Verdict::Missed]);
    let ends =
        metrics.iter().filter(|metric| metric.name == "finish_share" && metric.cell.get("concurrency") == Some("8"));
    let ends: Vec<_> = ends.map(|metric| (metric.cell.get("finish").unwrap(), metric.value.unwrap())).collect();
    assert_eq!(ends, [("length", 0.75), ("stop", 0.25)]);
}

#[test]
fn a_few_changed_answers_leave_it_open() {
    let metrics =
        figures(&run(|id| if id < 5 { ("a b c x", FinishReason::Length) } else { ("a b c d", FinishReason::Length) }));
    assert_eq!(verdicts(&metrics), [Verdict::Unclear]);
}

/// A target whose answers differ one at a time just as much: what differs under load is its own noise.
#[test]
fn noise_of_the_target_itself_is_no_drift() {
    let mut answers = Answers::default();
    let noisy = |id: u64, from: u64| if id % 100 < from { "a x" } else { "a b c d" };
    for id in 0..400 {
        answers.push(&row(&answers_pass(GOLDEN), id, "a b c d", FinishReason::Length), &PLAN);
        answers.push(&row(&answers_pass(NOISE), id, noisy(id, 40), FinishReason::Length), &PLAN);
        answers.push(&row(&level(), id, noisy(id + 1, 40), FinishReason::Length), &PLAN);
    }
    let metrics = figures(&answers);
    assert!((value(&metrics, "golden_match") - 0.6).abs() < 1e-12);
    assert!(value(&metrics, "quality_drift").abs() < 1e-12);
    assert_eq!(verdicts(&metrics), [Verdict::Met]);
}

#[test]
fn expected_answers_that_are_lost_are_counted_apart() {
    let mut answers = Answers::default();
    let expecting = |cell: &Cell, id, text| RequestRow {
        expected: Some("Paris".to_owned()),
        ..row(cell, id, text, FinishReason::Stop)
    };
    for id in 0..100 {
        answers.push(&expecting(&answers_pass(GOLDEN), id, "It is Paris."), &PLAN);
        answers.push(&expecting(&answers_pass(NOISE), id, "It is Paris."), &PLAN);
        // Other words, the same answer; every fifth is wrong.
        let text = if id % 5 == 0 { "It is" } else { "Paris, of course." };
        answers.push(&expecting(&level(), id, text), &PLAN);
    }
    let metrics = figures(&answers);
    assert!((value(&metrics, "answer_score") - 0.8).abs() < 1e-12);
    assert!((value(&metrics, "score_drift") - 0.2).abs() < 1e-12);
    assert_eq!(verdicts(&metrics), [Verdict::Missed, Verdict::Missed]);
}

#[test]
fn a_load_without_answers_is_unclear_and_says_why() {
    let mut answers = run(|_| ("a b c d", FinishReason::Length));
    answers.passes.insert(level(), Pass::default());
    let metrics = figures(&answers);
    let judged = PLAN.judge(&metrics, &level());
    assert_eq!(judged[0].verdict, Verdict::Unclear);
    assert!(judged[0].because.contains("both passes"), "{judged:?}");
}

#[test]
fn the_first_difference_is_counted_in_characters() {
    let check = |a: &str, b: &str, expected| assert_eq!(first_difference(a, b), expected, "{a} {b}");
    check("", "", None);
    check("wörd", "wörd", None);
    check("wörd", "wörk", Some(3));
    check("€🦀a", "€🦀", Some(2));
    check("", "a", Some(0));
}

proptest! {
    #[test]
    fn differences_are_symmetric_and_within_the_shorter_text(a in "[abö]{0,6}", b in "[abö]{0,6}") {
        let found = first_difference(&a, &b);
        prop_assert_eq!(found, first_difference(&b, &a));
        prop_assert_eq!(found.is_none(), a == b);
        prop_assert!(found.is_none_or(|place| place <= a.chars().count().min(b.chars().count())));
    }
}
