//! Campaigns that do not go as planned: dead targets, slow models, wrong settings.

use std::sync::Arc;

use weighbridge_bench::{BenchError, BenchSettings, Budgets, Lengths};
use weighbridge_types::event::{RunEvent, Sink, SinkError};
use weighbridge_types::metric::{Cell, Flag};
use weighbridge_types::record::{Phase, Record, Status};
use weighbridge_types::request::{FailureClass, Outcome};

use crate::support::{Memory, TestEngine, campaign, root, settings, weigh};

#[tokio::test(start_paused = true)]
async fn a_target_that_answers_nothing_ends_the_campaign() {
    let (record, sink) = weigh(TestEngine::new("fail_every=1"), settings(&Phase::ALL)).await;
    assert_eq!(record.status, Status::Failed);
    let validate = record.phase(Phase::Validate).unwrap();
    assert_eq!(validate.status, Status::Failed);
    assert!(validate.notes[0].contains("scripted fault"), "{:?}", validate.notes);
    assert_eq!(record.phase(Phase::Latency).unwrap().status, Status::Pending);
    assert!(sink.rows.len() <= 4);
}

#[tokio::test(start_paused = true)]
async fn a_phase_gives_up_after_ten_failures() {
    let (record, sink) = weigh(TestEngine::new("fail_every=1"), settings(&[Phase::Throughput])).await;
    assert_eq!(record.phase(Phase::Throughput).unwrap().status, Status::Failed);
    assert_eq!(sink.rows.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_slow_model_still_ends_and_its_figures_say_how_few_they_rest_on() {
    let slow =
        BenchSettings { budgets_s: Budgets { latency: 10, ..settings(&[]).budgets_s }, ..settings(&[Phase::Latency]) };
    let (record, sink) = weigh(TestEngine::new("ttft=30s,itl=1s"), slow).await;
    assert_eq!(sink.rows.len(), 6, "one to warm up and two to measure, twice");
    let cell = Cell::of(Phase::Latency).with("input_tokens", 128).with("output_tokens", 64);
    let ttft = record.metric("ttft.mean", &cell).unwrap();
    assert_eq!((ttft.n, ttft.flags.contains(&Flag::LowSample)), (2, true));
    assert!(record.findings.iter().any(|finding| finding.rule == "few-samples"));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_has_failed() {
    let short = BenchSettings { request_timeout_s: 1, ..settings(&[Phase::Latency]) };
    let (_, sink) = weigh(TestEngine::new("ttft=500ms,itl=100ms"), short).await;
    let class = |row: &weighbridge_types::request::RequestRow| match row.outcome {
        Outcome::Failed { class, .. } => Some(class),
        _ => None,
    };
    assert!(!sink.rows.is_empty() && sink.rows.iter().all(|row| class(row) == Some(FailureClass::Timeout)));
}

#[tokio::test(start_paused = true)]
async fn wrong_settings_are_refused_before_anything_is_loaded() {
    let folder = root();
    let engine = Arc::new(TestEngine::new(""));
    let wrong = BenchSettings { lengths: vec![Lengths::new(0, 64)], ..settings(&[Phase::Latency]) };
    let error = campaign(&engine, wrong, &folder).run(None, &mut Memory::default()).await.unwrap_err();
    assert!(matches!(error, BenchError::Settings(_)), "{error}");
    assert!(error.to_string().contains("`0` as lengths.input") && !error.hint().is_empty());
    assert!(engine.prompts.lock().unwrap().is_empty());
}

/// A sink on a full disk.
struct Full;

impl Sink for Full {
    fn event(&mut self, _: &RunEvent) -> Result<(), SinkError> {
        Err(SinkError { problem: "no space left".to_owned(), hint: "free some".to_owned() })
    }

    fn checkpoint(&mut self, _: &Record) -> Result<(), SinkError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_ends_the_campaign_with_its_hint() {
    let folder = root();
    let engine = Arc::new(TestEngine::new(""));
    let error = campaign(&engine, settings(&[Phase::Latency]), &folder).run(None, &mut Full).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), error.hint().as_str()), ("keep the results: no space left", "free some"));
}
