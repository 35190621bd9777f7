//! A run that was stopped anywhere ends as one that was not.

use tokio_util::sync::CancellationToken;
use weighbridge_eval::runner::{EvalSettings, Evaluated, Export};
use weighbridge_types::record::{Record, Status};

use crate::support::{Memory, MockEngine, run, settings};

/// Everything of a run that does not come from the clock: the files of the export, the figures and the counts.
fn kept(evaluated: &Evaluated, journal: &mut Memory) -> (Vec<(String, String)>, String) {
    let folder = tempfile::tempdir().unwrap();
    let export = Export { plan: &evaluated.plan, record: &evaluated.record };
    let path = export.write(folder.path(), journal).unwrap();
    let mut files: Vec<(String, String)> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap()))
        .collect();
    files.sort();
    let Record { metrics, phases, status, .. } = &evaluated.record;
    let metrics: Vec<_> =
        metrics.iter().filter(|metric| !["sample_latency", "document_rate"].contains(&metric.name.as_str())).collect();
    (files, format!("{status:?} {:?} {}", phases[0].tally, serde_json::to_string(&metrics).unwrap()))
}

fn some() -> EvalSettings {
    settings(&["demo_all", "demo_gen", "demo_roll"])
}

async fn whole() -> (Evaluated, Memory) {
    let mut journal = Memory::default();
    let evaluated = run(&some(), MockEngine::default(), CancellationToken::new(), None, &mut journal).await.unwrap();
    (evaluated, journal)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_run_goes_on_and_ends_with_the_same_bytes() {
    let (evaluated, mut journal) = whole().await;
    let expected = kept(&evaluated, &mut journal);
    let mut running = evaluated.record.clone();
    running.status = Status::Running;
    // A kill leaves the rows up to some frame; every prefix of the log is one that may be left.
    for left in [0, 1, 2, 17, 60, 95, journal.rows.len() - 1, journal.rows.len()] {
        let mut again = Memory { rows: journal.rows[..left].to_vec(), record: None };
        let resumed =
            run(&some(), MockEngine::default(), CancellationToken::new(), Some(running.clone()), &mut again).await;
        assert_eq!(again.rows.len(), journal.rows.len(), "after {left} rows every document has one row");
        assert_eq!(kept(&resumed.unwrap(), &mut again), expected, "after {left} rows");
    }
}

#[tokio::test]
async fn an_interrupted_run_goes_on() {
    let (evaluated, mut journal) = whole().await;
    let expected = kept(&evaluated, &mut journal);
    let (mut part, cancel) = (Memory::default(), CancellationToken::new());
    let engine = MockEngine { cancels_at: Some((50, cancel.clone())), ..MockEngine::default() };
    let stopped = run(&some(), engine, cancel, None, &mut part).await.unwrap();
    assert_eq!(stopped.record.status, Status::Interrupted);
    assert!(part.rows.len() < journal.rows.len());
    let resumed = run(&some(), MockEngine::default(), CancellationToken::new(), Some(stopped.record), &mut part).await;
    assert_eq!(kept(&resumed.unwrap(), &mut part), expected);
}

#[tokio::test]
async fn a_dead_endpoint_ends_the_run_and_its_documents_are_asked_again() {
    let (evaluated, mut journal) = whole().await;
    let expected = kept(&evaluated, &mut journal);
    let mut part = Memory::default();
    let engine = MockEngine { dies_at: Some(60), ..MockEngine::default() };
    let dying = EvalSettings { give_up_after: 5, concurrency: Some(1), ..some() };
    let stopped = run(&dying, engine, CancellationToken::new(), None, &mut part).await.unwrap();
    assert_eq!((stopped.record.status, stopped.record.phases[0].tally.failed), (Status::Failed, 5));
    assert!(stopped.record.phases[0].notes.iter().any(|note| note.contains("gone")));
    let resumed = run(&dying, MockEngine::default(), CancellationToken::new(), Some(stopped.record), &mut part).await;
    assert_eq!(kept(&resumed.unwrap(), &mut part), expected);
}

#[tokio::test]
async fn other_questions_are_not_taken_for_the_same() {
    let (evaluated, mut journal) = whole().await;
    let changed = EvalSettings { num_fewshot: Some(1), ..some() };
    let error =
        run(&changed, MockEngine::default(), CancellationToken::new(), Some(evaluated.record), &mut journal).await;
    assert!(error.unwrap_err().to_string().contains("changed since it began"));
}
