//! Rows and records to store.

use weighbridge_types::environment::Environment;
use weighbridge_types::event::RunEvent;
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::record::{
    EngineDescription, ItemRow, MetricPointer, Phase, PhaseResult, Record, SCHEMA_VERSION, Status, Tally,
};
use weighbridge_types::request::{Channel, FinishReason, FrameStamp, Outcome, RequestRow, Timeline};
use weighbridge_types::time::{Stamp, WallTime};

/// The moment at which every run of the tests begins.
pub(crate) const NOON: WallTime = WallTime::from_unix_millis(1_772_368_200_250);

/// A request of the given phase with one frame per token, about 20 ms apart.
pub(crate) fn request(phase: Phase, id: u64, tokens: u64) -> RunEvent {
    let released = 1_000_000_000 * (id + 1) + id * id % 7919;
    let frame = |token: u64| FrameStamp {
        at: Stamp::from_nanos(
            released + 200_000_000 + token * 20_000_000 + (token * 7_654_321 + id * 123_457) % 900_001,
        ),
        tokens: 1,
        channel: Channel::Answer,
    };
    RunEvent::Request(Box::new(RequestRow {
        planned_input_tokens: Some(128),
        ..RequestRow::new(
            id,
            Cell::of(phase).with("input_tokens", 128).with("concurrency", 4),
            u32::try_from(tokens).unwrap(),
            Timeline {
                planned: Stamp::from_nanos(released - 1000),
                released: Stamp::from_nanos(released),
                frames: (0..tokens).map(frame).collect(),
                ended: Some(frame(tokens).at),
                ..Timeline::default()
            },
            Outcome::Succeeded { finish: FinishReason::Length },
        )
    }))
}

/// A scored item of the quality phase.
pub(crate) fn item(name: &str) -> RunEvent {
    RunEvent::Item(ItemRow {
        cell: Cell::of(Phase::Quality).with("task", "triage"),
        item: name.to_owned(),
        expected: "benign".to_owned(),
        given: Some("attack".to_owned()),
        problem: None,
    })
}

/// A record with one finished phase and its key metric.
pub(crate) fn record(run_id: &str, label: &str, ttft_ms: f64) -> Record {
    let cell = Cell::of(Phase::Latency).with("input_tokens", 128);
    let metric = Metric::measured(&weighbridge_types::definition::TTFT, Statistic::Mean, &cell, ttft_ms, 30);
    let phase = PhaseResult {
        phase: Phase::Latency,
        status: Status::Complete,
        attempt: 1,
        started_at: Some(NOON.to_string()),
        duration_s: Some(12.5),
        estimated_s: None,
        key_metric: Some(MetricPointer { key: metric.key(), cell }),
        tally: Tally { scheduled: 30, succeeded: 30, ..Tally::default() },
        checks: Vec::new(),
        notes: Vec::new(),
    };
    Record {
        schema_version: SCHEMA_VERSION.to_string(),
        run_id: run_id.to_owned(),
        kind: "bench".to_owned(),
        label: label.to_owned(),
        created_at: NOON.to_string(),
        updated_at: NOON.to_string(),
        status: Status::Running,
        settings: serde_json::json!({"runs": 30}),
        seed: 7,
        engine: EngineDescription { engine: "local".to_owned(), model: "tiny".to_owned(), ..Default::default() },
        environment: Environment { digest: "ab".repeat(32), ..Environment::default() },
        calibration: None,
        phases: vec![phase],
        duration_s: 12.5,
        metrics: vec![metric],
        targets: Vec::new(),
        findings: Vec::new(),
    }
}
