//! Judges with known habits: the figures say what they do.

use std::path::Path;

use weighbridge_eval::judge::{JudgeForm, JudgeSettings, Judged, answers, figures, questions};
use weighbridge_eval::task::Value;
use weighbridge_eval::task::data::Rows;
use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::Phase;
use weighbridge_types::request::FinishReason;
use weighbridge_types::sample::{SampleAnswer, SampleOutcome, SampleRow};

fn settings(form: JudgeForm) -> JudgeSettings {
    JudgeSettings { form, rubric: "Right.".to_owned(), repeats: 1, temperature: 0.0, max_tokens: 64, planted: true }
}

/// Asks a judge that sees the prompt, once for each repeat.
fn judged(form: JudgeForm, lines: &str, repeats: u32, judge: impl Fn(&str, u32) -> String) -> Vec<Metric> {
    let rows = Rows::of_bytes(Path::new("a.jsonl"), lines.as_bytes(), &Value::None).unwrap();
    let questions = questions(&answers(&rows, form, &[]).unwrap(), &settings(form));
    let mut judged = Judged::new(form, &questions);
    for (doc_id, question) in questions.iter().enumerate() {
        for repeat in 0..repeats {
            let text = judge(&question.get("prompt").unwrap().text(), repeat);
            judged.enter(&SampleRow {
                cell: Cell::of(Phase::Evaluate),
                id: String::new(),
                doc_id: doc_id as u64,
                repeat,
                answers: vec![SampleAnswer::Text { text, finish: FinishReason::Stop }],
                outcome: SampleOutcome::Answered,
                cached: false,
                document: None,
                scores: std::collections::BTreeMap::new(),
                problem: None,
                latency_ms: Some(1.0),
                input_tokens: Some(100),
                output_tokens: Some(10),
            });
        }
    }
    figures(&judged)
}

fn find<'a>(metrics: &'a [Metric], name: &str, planted: Option<&str>) -> &'a Metric {
    let found = metrics.iter().find(|metric| metric.name == name && metric.cell.get("planted") == planted);
    found.unwrap_or_else(|| panic!("no {name}"))
}

fn close(metrics: &[Metric], name: &str, expected: f64) {
    let value = find(metrics, name, None).value.unwrap();
    assert!((value - expected).abs() < 1e-9, "{name} is {value}, not {expected}");
}

/// Ten sums, every second one wrong, with true labels; the eleventh has no label.
fn sums() -> String {
    let line = |n: u32| {
        let (sum, label) = if n.is_multiple_of(2) { (n + n, "pass") } else { (n + n + 1, "fail") };
        let human = if n < 10 { format!(", \"human\": \"{label}\"") } else { String::new() };
        format!("{{\"question\": \"{n} + {n}?\", \"answer\": \"The sum is {sum} .\"{human}}}\n")
    };
    (0..11).map(line).collect()
}

/// Whether the answer in a prompt is the sum that the question asks for.
fn is_right(prompt: &str) -> bool {
    let after = |mark: &str| prompt.split(mark).nth(1).unwrap().trim().to_owned();
    let n: u32 = after("[Question]\n").split(' ').next().unwrap().parse().unwrap();
    after("[Answer]\n").lines().next().unwrap() == format!("The sum is {} .", n + n)
}

#[test]
fn a_judge_that_is_right_agrees_and_notices() {
    let judge = |prompt: &str, _| format!("So.\nVerdict: {}", if is_right(prompt) { "pass" } else { "fail" });
    let metrics = judged(JudgeForm::Verdict, &sums(), 1, judge);
    close(&metrics, "judge_pass_rate", 6.0 / 11.0);
    close(&metrics, "judge_agreement", 1.0);
    close(&metrics, "judge_kappa", 1.0);
    close(&metrics, "judge_alpha", 1.0);
    close(&metrics, "judge_corrected_rate", 6.0 / 11.0);
    close(&metrics, "judge_unparsable", 0.0);
    assert_eq!(find(&metrics, "judge_caught", Some("number")).value, Some(1.0));
    assert_eq!(find(&metrics, "judge_caught", Some("swapped")).value, Some(1.0));
}

#[test]
fn a_judge_that_passes_everything_notices_nothing() {
    let metrics = judged(JudgeForm::Verdict, &sums(), 1, |_, _| "Verdict: pass".to_owned());
    close(&metrics, "judge_pass_rate", 1.0);
    close(&metrics, "judge_agreement", 0.5);
    close(&metrics, "judge_sensitivity", 1.0);
    close(&metrics, "judge_specificity", 0.0);
    close(&metrics, "judge_kappa", 0.0);
    assert_eq!(find(&metrics, "judge_caught", Some("number")).value, Some(0.0));
    // It tells good from bad no better than a coin, so that nothing stands behind its rate.
    assert_eq!(find(&metrics, "judge_corrected_rate", None).value, None);
}

#[test]
fn a_judge_without_the_form_decides_nothing() {
    let metrics = judged(JudgeForm::Verdict, &sums(), 1, |_, _| "I would say pass.".to_owned());
    close(&metrics, "judge_unparsable", 1.0);
    assert!(!metrics.iter().any(|metric| metric.name == "judge_pass_rate" || metric.name == "judge_kappa"));
}

#[test]
fn a_judge_that_takes_the_first_is_found_out() {
    let lines: String = (0..8)
        .map(|n| format!("{{\"question\": \"q{n}\", \"answer_a\": \"x{n}\", \"answer_b\": \"y{n}\"}}\n"))
        .collect();
    let metrics = judged(JudgeForm::Pair, &lines, 1, |_, _| "Verdict: A".to_owned());
    close(&metrics, "judge_win_rate", 0.5);
    close(&metrics, "judge_consistency", 0.0);
    close(&metrics, "judge_first", 1.0);
    // One that reads: x is better wherever it stands.
    let reads = |prompt: &str, _| format!("Verdict: {}", if prompt.contains("[Answer A]\nx") { "A" } else { "B" });
    let metrics = judged(JudgeForm::Pair, &lines, 1, reads);
    close(&metrics, "judge_win_rate", 1.0);
    close(&metrics, "judge_consistency", 1.0);
    close(&metrics, "judge_first", 0.5);
}

#[test]
fn repeats_show_how_steady_a_judge_is() {
    let lines: String = (1..=8)
        .map(|n| format!("{{\"question\": \"q\", \"answer\": \"a {n}\", \"human\": {}}}\n", n % 5 + 1))
        .collect();
    let score = |prompt: &str| {
        let answer = prompt.split("[Answer]\na ").nth(1).unwrap();
        answer.lines().next().unwrap().parse::<u32>().unwrap_or(0) % 5 + 1
    };
    let metrics = judged(JudgeForm::Score, &lines, 3, |prompt, _| format!("Score: {}", score(prompt)));
    close(&metrics, "judge_repeat_alpha", 1.0);
    close(&metrics, "judge_kappa", 1.0);
    let moody = |prompt: &str, repeat| format!("Score: {}", (score(prompt) + repeat * 2) % 5 + 1);
    let metrics = judged(JudgeForm::Score, &lines, 3, moody);
    assert!(find(&metrics, "judge_repeat_alpha", None).value.unwrap() < 0.5);
}

#[test]
fn groups_have_figures_of_their_own() {
    let line = |group: &str, answer: &str| {
        format!("{{\"question\": \"q\", \"answer\": \"{answer}\", \"group\": \"{group}\"}}\n")
    };
    let lines = [line("math", "good"), line("math", "bad"), line("art", "good")].concat();
    let say = |prompt: &str, _| if prompt.contains("[Answer]\ngood") { "Score: 5" } else { "Score: 2" }.to_owned();
    let metrics = judged(JudgeForm::Score, &lines, 1, say);
    let of = |group: Option<&str>| {
        let is_it = |metric: &&Metric| metric.name == "judge_score" && metric.cell.get("group") == group;
        metrics.iter().find(is_it).unwrap().value.unwrap().to_string()
    };
    assert_eq!([of(Some("math")), of(Some("art")), of(None)], ["3.5", "5", "4"]);
}
