//! A task whose user speaks again after each answer.

use tokio_util::sync::CancellationToken;
use weighbridge_eval::judge::{JudgeForm, run_answers};
use weighbridge_eval::runner::{EvalSettings, Export};
use weighbridge_types::sample::SampleAnswer;

use crate::support::{Memory, MockEngine, answer, run, settings};

const TASK: &str = r#"
task: talk
dataset_path: json
dataset_kwargs: {data_files: {test: talk.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{turns[0]}}"
doc_to_target: "{{turns}}"
generation_kwargs: {until: [], max_gen_toks: 8}
filter_list:
  - {name: one, filter: [{function: take_first}]}
  - {name: two, filter: [{function: take_first}]}
metric_list: [{metric: exact_match}]
metadata: {version: 1, follow_ups: "{{turns[1:]}}"}
"#;

fn talk() -> (tempfile::TempDir, EvalSettings) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("talk.yaml"), TASK).unwrap();
    std::fs::write(folder.path().join("talk.jsonl"), "{\"turns\": [\"Say it.\", \"Again.\", \"Why?\"]}\n").unwrap();
    let settings = EvalSettings { tasks_dirs: vec![folder.path().display().to_string()], ..settings(&["talk"]) };
    (folder, settings)
}

#[tokio::test]
async fn every_turn_follows_the_answers_before_it() {
    let (folder, settings) = talk();
    let mut journal = Memory::default();
    let ended = run(&settings, MockEngine::default(), CancellationToken::new(), None, &mut journal).await.unwrap();
    let first = answer("Say it.", 0);
    let second = answer(&format!("Say it.{first}\n\nAgain."), 0);
    let third = answer(&format!("Say it.{first}\n\nAgain.{second}\n\nWhy?"), 0);
    let said: Vec<&str> = journal.rows[0]
        .answers
        .iter()
        .map(|answer| match answer {
            SampleAnswer::Text { text, .. } => text.as_str(),
            SampleAnswer::LogProbability { .. } => panic!("no text"),
        })
        .collect();
    assert_eq!(said, [first.as_str(), &second, &third]);
    Export { plan: &ended.plan, record: &ended.record }.write(folder.path(), &mut journal).unwrap();
    let judged = run_answers(folder.path(), None, JudgeForm::Score, &[]).unwrap();
    assert_eq!((judged.answers.len(), judged.unanswered), (3, 0));
}

#[tokio::test]
async fn a_conversation_that_breaks_off_has_no_answer() {
    let (folder, settings) = talk();
    let mut journal = Memory::default();
    let engine = MockEngine { dies_at: Some(2), ..MockEngine::default() };
    let ended = run(&settings, engine, CancellationToken::new(), None, &mut journal).await.unwrap();
    assert!(journal.rows[0].answers.is_empty() && journal.rows[0].problem.is_some());
    Export { plan: &ended.plan, record: &ended.record }.write(folder.path(), &mut journal).unwrap();
    let error = run_answers(folder.path(), None, JudgeForm::Score, &[]).unwrap_err();
    assert!(error.to_string().contains("none"), "{error}");
}

#[test]
fn turns_belong_to_tasks_that_generate() {
    let (folder, settings) = talk();
    let path = folder.path().join("talk.yaml");
    std::fs::write(&path, TASK.replace("generate_until", "loglikelihood")).unwrap();
    let error = weighbridge_eval::runner::Plan::prepare(&settings, weighbridge_engine::Capabilities::default(), "mock");
    let error = error.unwrap_err().to_string();
    assert!(error.contains("metadata.follow_ups") && error.contains("generate_until"), "{error}");
}
