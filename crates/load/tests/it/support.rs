//! A load on the scripted engine, under paused time.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use weighbridge_engine::scripted::ScriptedEngine;
use weighbridge_engine::{Engine, Prompt, Sampling};
use weighbridge_load::{Drive, DriveLimits, DriveReport, Pace, Pacing, RetryPolicy};
use weighbridge_types::metric::Cell;
use weighbridge_types::record::Phase;
use weighbridge_types::request::RequestRow;
use weighbridge_types::time::Clock;
use weighbridge_workload::{PlannedTurn, Session, Traffic};

/// Sessions made by a function.
pub(crate) struct Made<F>(pub(crate) F);

impl<F> std::fmt::Debug for Made<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Made")
    }
}

impl<F: Fn(u64) -> Option<Session> + Send + Sync> Traffic for Made<F> {
    fn session(&self, index: u64) -> Option<Session> {
        self.0(index)
    }
}

pub(crate) fn turn(tokens: u32) -> PlannedTurn {
    PlannedTurn::new(Prompt::Text("word word".to_owned()), Some(2), tokens)
}

/// Requests of so many tokens, without end.
pub(crate) fn requests(tokens: u32) -> Arc<dyn Traffic> {
    Arc::new(Made(move |_| Some(Session::single(turn(tokens)))))
}

pub(crate) fn drive(traffic: Arc<dyn Traffic>, pace: Pace, limits: DriveLimits) -> Drive {
    Drive {
        cell: Cell::of(Phase::Load),
        traffic,
        first: 0,
        warmup_sessions: 0,
        pace,
        probe: None,
        limits,
        retry: RetryPolicy::default(),
        sampling: Sampling::default(),
        ignore_eos: true,
        keep_text: false,
        pacing: Pacing::Timer,
        clock: Clock::start(),
        cancel: CancellationToken::new(),
    }
}

/// Drives a load to its end on the test's runtime; rows in the order of their ids.
pub(crate) async fn run(drive: Drive, script: &str) -> (Vec<RequestRow>, DriveReport) {
    let engine: Arc<dyn Engine> = Arc::new(ScriptedEngine::new(script.parse().expect("the script is sound")));
    let driving = drive.start(&[engine], &[Handle::current()]).expect("threads are to be had");
    driving.wait().await;
    let mut rows = driving.take_rows(Vec::new());
    rows.sort_by_key(|row| row.id);
    (rows, driving.report())
}

pub(crate) fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
