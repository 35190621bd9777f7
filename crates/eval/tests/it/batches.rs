//! How many documents of a task are in flight, and how long one takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use tokio_util::sync::CancellationToken;
use weighbridge_engine::{Capabilities, Engine, EngineEvent, EventKind, EventStream, Frame, GenerateRequest};
use weighbridge_eval::runner::{EvalRun, EvalSettings, Identity, Plan};
use weighbridge_types::metric::Statistic;
use weighbridge_types::record::{EngineDescription, Record};
use weighbridge_types::request::{Channel, FinishReason};
use weighbridge_types::time::Clock;

use crate::support::{Memory, settings};

/// Every answer takes 20 ms.
const ANSWER: Duration = Duration::from_millis(20);

/// Counts the answers that are on their way.
#[derive(Debug, Default)]
struct Slow {
    now: Arc<AtomicUsize>,
    peak: Arc<AtomicUsize>,
}

impl Engine for Slow {
    fn describe(&self) -> EngineDescription {
        EngineDescription { engine: "slow".to_owned(), ..EngineDescription::default() }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn generate(&self, request: GenerateRequest) -> EventStream {
        let (now, peak, clock) = (self.now.clone(), self.peak.clone(), request.clock);
        let text = async move {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(ANSWER).await;
            now.fetch_sub(1, Ordering::SeqCst);
            let frame = Frame {
                channel: Channel::Answer,
                text: "42".to_owned(),
                tokens: 1,
                token_ids: Vec::new(),
                log_probabilities: Vec::new(),
                detail: None,
            };
            let kinds = [EventKind::Frame(frame), EventKind::Finished { reason: FinishReason::Stop }];
            futures_util::stream::iter(kinds.map(|kind| EngineEvent { at: clock.now(), kind }))
        };
        Box::pin(text.into_stream().flatten())
    }
}

async fn peak(settings: EvalSettings) -> (usize, Record) {
    let engine = Arc::new(Slow::default());
    let plan = Plan::prepare(&settings, engine.capabilities(), "slow").unwrap();
    let run = EvalRun {
        settings,
        plan,
        engine: engine.clone(),
        identity: Identity::default(),
        previous: None,
        cache: None,
        clock: Clock::start(),
        cancel: CancellationToken::new(),
    };
    let record = run.run(&mut Memory::default()).await.unwrap().record;
    (engine.peak.load(Ordering::SeqCst), record)
}

#[tokio::test(start_paused = true)]
async fn tasks_say_how_many_documents_are_in_flight() {
    let check = async |tasks: &[&str], concurrency, expected: usize| {
        let (peak, record) = peak(EvalSettings { concurrency, ..settings(tasks) }).await;
        assert_eq!(peak, expected, "{tasks:?}");
        assert_eq!(record.settings["batch_sizes"][tasks[0]], expected);
    };
    check(&["domain_integration_easy"], None, 8).await;
    check(&["domain_creativity_easy"], None, 16).await;
    // The run's own number counts before the task's.
    check(&["domain_creativity_easy"], Some(3), 3).await;
    // One task does not overrun the size of the next.
    check(&["domain_integration_easy", "domain_integration_hard"], None, 8).await;
}

#[tokio::test(start_paused = true)]
async fn a_document_takes_what_its_answer_takes() {
    let (_, record) = peak(settings(&["domain_integration_easy"])).await;
    let of = |name: &str, statistic| {
        let metric = record.metrics.iter().find(|metric| metric.name == name && metric.statistic == statistic);
        metric.and_then(|metric| metric.value).unwrap()
    };
    assert!((of("sample_latency", Statistic::P50) - 20.0).abs() < 1.0);
    assert!((of("sample_latency", Statistic::P95) - 20.0).abs() < 1.0);
    // 20 documents, 8 at a time, in three turns of 20 ms.
    assert!(
        (of("document_rate", Statistic::Value) - 20.0 / 0.06 * 60.0).abs() < 2_000.0,
        "{}",
        of("document_rate", Statistic::Value)
    );
}
