//! Engines side by side, each with a timeline that is known.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use weighbridge_bench::engines::{Candidate, Comparison, EnginesRun};
use weighbridge_bench::{BenchError, BenchSettings, Identity, Lengths, Mode};
use weighbridge_engine::{Engine, EngineFactory, SubjectError};
use weighbridge_telemetry::SystemRoot;
use weighbridge_types::comparison::Verdict;
use weighbridge_types::record::{Record, Status};
use weighbridge_types::time::Clock;

use crate::support::{Memory, TestEngine, root};

fn candidate(name: &str, script: &str) -> Candidate {
    of(name, &Arc::new(TestEngine::new(script)))
}

fn of(name: &str, engine: &Arc<TestEngine>) -> Candidate {
    let engine: Arc<dyn Engine> = Arc::clone(engine) as _;
    let load: EngineFactory = Arc::new(move || {
        let engine = Arc::clone(&engine);
        Box::pin(async move { Ok(engine) })
    });
    Candidate { name: name.to_owned(), model_ref: "scripted:".to_owned(), load: Ok(load) }
}

fn absent(name: &str, why: &str) -> Candidate {
    Candidate { name: name.to_owned(), model_ref: String::new(), load: Err(why.to_owned()) }
}

fn run_of(candidates: Vec<Candidate>, folder: &tempfile::TempDir) -> EnginesRun {
    let settings = BenchSettings {
        runs: 5,
        lengths: vec![Lengths::new(16, 11)],
        latency_requests: 2,
        warmups: 1,
        concurrency: vec![4],
        throughput_requests: 8,
        throughput_lengths: Lengths::new(16, 11),
        ..BenchSettings::for_mode(Mode::Quick)
    };
    EnginesRun {
        settings,
        candidates,
        threshold: 0.05,
        identity: Identity { run_id: "run".to_owned(), ..Identity::default() },
        root: SystemRoot::at(folder.path()),
        clock: Clock::start(),
        cancel: CancellationToken::new(),
    }
}

async fn compare(candidates: Vec<Candidate>) -> (Record, Comparison, Memory) {
    let (folder, mut sink) = (root(), Memory::default());
    let (record, comparison) = run_of(candidates, &folder).run(&mut sink).await.unwrap();
    (record, comparison, sink)
}

#[tokio::test(start_paused = true)]
async fn faster_equal_and_slower_engines_are_told_apart() {
    let (record, found, sink) = compare(vec![
        candidate("first", "ttft=100ms,itl=10ms"),
        candidate("slower", "ttft=200ms,itl=20ms"),
        candidate("same", "ttft=100ms,itl=10ms"),
        candidate("twice", "ttft=50ms,itl=5ms"),
        absent("other", "this build has none"),
    ])
    .await;
    let verdicts = |name: &str| -> Vec<(&str, Option<Verdict>)> {
        let engine = found.engines.iter().find(|engine| engine.engine == name).unwrap();
        engine.figures.iter().map(|figure| (figure.measure, figure.verdict)).collect()
    };
    let all = |verdict| ["ttft", "tpot", "e2e", "output_rate"].map(|measure| (measure, verdict)).to_vec();
    assert_eq!(verdicts("first"), all(None));
    assert_eq!(verdicts("slower"), all(Some(Verdict::Worse)));
    assert_eq!(verdicts("same"), all(Some(Verdict::Equivalent)));
    assert_eq!(verdicts("twice"), all(Some(Verdict::Better)));
    assert_eq!(found.fallback_order, ["twice", "first", "same", "slower"]);
    let speed = |name: &str| found.engines.iter().find(|engine| engine.engine == name).and_then(|engine| engine.speed);
    assert!((speed("twice").unwrap() - 2.0).abs() < 1e-2 && (speed("slower").unwrap() - 0.5).abs() < 1e-2);
    assert_eq!((found.engines[4].absent.as_deref(), speed("other")), (Some("this build has none"), None));

    // 100 ms to the first of eleven tokens, 10 ms between them.
    let e2e = &found.engines[0].figures[2];
    assert_eq!((e2e.rounds, e2e.at.as_str()), (5, "input_tokens=16 output_tokens=11"));
    assert!((e2e.value.unwrap() - 200.0).abs() < 1.0, "{e2e:?}");
    assert_eq!(record.status, Status::Complete);
    assert!(record.phases[0].notes.iter().any(|note| note == "other took no part: this build has none"));
    // Four engines, five rounds, a warm-up and two alone, then eight.
    assert_eq!(sink.rows.len(), 4 * 5 * (3 + 8));
}

#[tokio::test(start_paused = true)]
async fn turns_change_and_the_texts_are_the_same() {
    let (a, b) = (Arc::new(TestEngine::new("ttft=1ms,itl=1ms")), Arc::new(TestEngine::new("ttft=2ms,itl=1ms")));
    let (_, _, sink) = compare(vec![of("a", &a), of("b", &b)]).await;
    let mut order: Vec<(&str, &str)> = Vec::new();
    for row in &sink.rows {
        let place = (row.cell.get("run").unwrap(), row.cell.get("engine").unwrap());
        if row.cell.get("phase") == Some("latency") && order.last() != Some(&place) {
            order.push(place);
        }
    }
    let first: Vec<&str> = order.iter().step_by(2).map(|(_, engine)| *engine).collect();
    assert_eq!(order.len(), 10, "{order:?}");
    assert!(first.iter().filter(|engine| **engine == "a").count().abs_diff(2) <= 1, "{first:?}");
    let prompts = |engine: &TestEngine| engine.prompts.lock().unwrap().clone();
    let (asked, other) = (prompts(&a), prompts(&b));
    assert_eq!((asked.len(), &asked), (1 + 5 * 11, &other));
    let mut texts = asked;
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 1 + 5 * 11, "no cache of prefixes answers for a model");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_fails_comes_last_and_stops_nobody() {
    let (_, found, _) = compare(vec![
        candidate("dead", "ttft=1ms,itl=1ms,fail_every=1"),
        candidate("sometimes", "ttft=1ms,itl=1ms,fail_every=5"),
        candidate("sound", "ttft=100ms,itl=10ms"),
    ])
    .await;
    assert_eq!(found.fallback_order, ["sound", "sometimes"]);
    let dead = &found.engines[0];
    assert!(dead.requests > 0 && dead.failed == dead.requests, "{dead:?}");
    assert!(dead.figures.iter().all(|figure| figure.value.is_none() && figure.verdict.is_none()));
}

#[tokio::test(start_paused = true)]
async fn without_any_engine_the_reasons_are_given() {
    let folder = root();
    let run = run_of(vec![absent("a", "no file"), absent("b", "no build")], &folder);
    let error = run.run(&mut Memory::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "compare engines: a: no file; b: no build");

    let load: EngineFactory = Arc::new(|| {
        Box::pin(async {
            let hint = "start the server".to_owned();
            Err(SubjectError { problem: "reach the server".to_owned(), hint })
        })
    });
    let gone = Candidate { name: "gone".to_owned(), model_ref: String::new(), load: Ok(load) };
    let error = run_of(vec![gone], &folder).run(&mut Memory::default()).await.unwrap_err();
    assert!(matches!(error, BenchError::Subject(_)), "{error:?}");
}
