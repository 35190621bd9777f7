//! Interrupting and continuing.

use std::sync::Arc;

use tempfile::TempDir;
use weighbridge_bench::{BenchError, BenchSettings, Previous};
use weighbridge_types::metric::Metric;
use weighbridge_types::record::{Phase, Record, Status};
use weighbridge_types::request::Outcome;

use crate::support::{Memory, TestEngine, campaign, root, settings};

const PHASES: [Phase; 3] = [Phase::Validate, Phase::Latency, Phase::Throughput];

async fn run(folder: &TempDir, settings: BenchSettings, previous: Option<Previous>, sink: &mut Memory) -> Record {
    let engine = Arc::new(TestEngine::new("ttft=100ms,itl=10ms"));
    let campaign = campaign(&engine, settings, folder);
    if let Some((_, cancel)) = &mut sink.cancel_after {
        *cancel = campaign.cancel.clone();
    }
    campaign.run(previous, sink).await.unwrap()
}

/// A campaign cancelled after this many rows.
async fn interrupted(folder: &TempDir, rows: usize) -> (Record, Memory) {
    let cancel_after = Some((rows, tokio_util::sync::CancellationToken::new()));
    let mut sink = Memory { cancel_after, ..Memory::default() };
    let record = run(folder, settings(&PHASES), None, &mut sink).await;
    (record, sink)
}

fn sorted(record: &Record) -> Vec<Metric> {
    let mut metrics = record.metrics.clone();
    metrics.sort_by_key(|metric| (metric.cell.clone(), metric.key()));
    metrics
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_run_continues_to_the_same_record() {
    let folder = root();
    let whole = run(&folder, settings(&PHASES), None, &mut Memory::default()).await;
    let (part, _) = interrupted(&folder, 10).await;
    assert_eq!(part.status, Status::Interrupted);
    assert_eq!(part.phase(Phase::Validate).unwrap().status, Status::Complete);
    assert_eq!(part.phase(Phase::Latency).unwrap().status, Status::Interrupted);
    assert_eq!(part.phase(Phase::Throughput).unwrap().status, Status::Pending);
    assert!(part.phase(Phase::Latency).unwrap().tally.adds_up());

    let previous = Previous { record: part, rerun: Vec::new() };
    let mut sink = Memory::default();
    let continued = run(&folder, settings(&PHASES), Some(previous), &mut sink).await;
    assert_eq!(continued.status, Status::Complete);
    assert_eq!(continued.phase(Phase::Latency).unwrap().attempt, 2);
    assert_eq!(continued.phase(Phase::Validate).unwrap().attempt, 1);
    assert!(sink.rows.iter().all(|row| row.cell.get("phase") != Some("validate")), "complete phases are kept");
    assert_eq!(sorted(&continued), sorted(&whole));
    assert_eq!(continued.findings, whole.findings);
    assert_eq!(continued.targets, whole.targets);
}

#[tokio::test(start_paused = true)]
async fn what_was_in_flight_is_cancelled_and_counted() {
    let folder = root();
    let engine = Arc::new(TestEngine::new("ttft=100ms,itl=10ms"));
    let campaign = campaign(&engine, settings(&[Phase::Throughput]), &folder);
    let cancel = campaign.cancel.clone();
    // The level with 4 in flight begins after 16.8 s of script.
    let stop = campaign.clock.instant(weighbridge_types::time::Stamp::from_nanos(13_650_000_000));
    tokio::spawn(async move {
        tokio::time::sleep_until(stop).await;
        cancel.cancel();
    });
    let mut sink = Memory::default();
    let record = campaign.run(None, &mut sink).await.unwrap();
    assert_eq!(record.status, Status::Interrupted);
    let tally = record.phase(Phase::Throughput).unwrap().tally;
    assert!(tally.adds_up() && tally.cancelled > 1, "{tally:?}");
    let cancelled = sink.rows.iter().filter(|row| row.outcome == Outcome::Cancelled && !row.warmup).count();
    assert_eq!(cancelled as u64, tally.cancelled);
    assert_eq!(sink.checkpoints.last().unwrap().status, Status::Interrupted);
}

#[tokio::test(start_paused = true)]
async fn a_phase_asked_for_again_replaces_its_figures() {
    let folder = root();
    let first = run(&folder, settings(&PHASES), None, &mut Memory::default()).await;
    let previous = Previous { record: first.clone(), rerun: vec![Phase::Latency] };
    let mut sink = Memory::default();
    let second = run(&folder, settings(&[Phase::Latency]), Some(previous), &mut sink).await;
    assert_eq!(second.phase(Phase::Latency).unwrap().attempt, 2);
    assert!(sink.rows.iter().all(|row| row.cell.get("phase") == Some("latency")));
    assert_eq!(second.metrics.len(), first.metrics.len());
    assert_eq!(second.status, Status::Complete);
}

#[tokio::test(start_paused = true)]
async fn a_record_of_something_else_is_refused() {
    let folder = root();
    let record = run(&folder, settings(&PHASES), None, &mut Memory::default()).await;
    let refuse = async |change: fn(&mut Record), settings: BenchSettings, expected: &str| {
        let mut record = record.clone();
        change(&mut record);
        let engine = Arc::new(TestEngine::new(""));
        let previous = Previous { record, rerun: Vec::new() };
        let run = campaign(&engine, settings, &folder).run(Some(previous), &mut Memory::default()).await;
        match run {
            Err(BenchError::Mismatch { what, .. }) => assert_eq!(what, expected),
            other => panic!("{expected}: {other:?}"),
        }
    };
    refuse(|record| record.engine.model_digest = Some("d2".to_owned()), settings(&PHASES), "model digest").await;
    refuse(|record| record.environment.digest = "h2".to_owned(), settings(&PHASES), "host").await;
    refuse(|record| record.schema_version = "0.9".to_owned(), settings(&PHASES), "schema").await;
    refuse(|_| {}, BenchSettings { seed: 7, ..settings(&PHASES) }, "setting seed").await;
}
