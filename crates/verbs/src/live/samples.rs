//! Events of known loads, for the tests of model and view.

use weighbridge_types::event::{Pulse, RunEvent};
use weighbridge_types::metric::Cell;
use weighbridge_types::record::Phase;
use weighbridge_types::request::{Channel, FailureClass, FinishReason, FrameStamp, Outcome, RequestRow, Timeline};
use weighbridge_types::time::Stamp;

use super::LiveSettings;
use super::model::LiveModel;

/// A model that was told nothing.
pub(super) fn model() -> LiveModel {
    let target = "scripted:ttft=20ms".to_owned();
    LiveModel::new(LiveSettings { target, disturbed_limit: 0.05, with_warmup: false, wanted: true }, true)
}

pub(super) fn at(ms: u64) -> Stamp {
    Stamp::from_nanos(ms * 1_000_000)
}

pub(super) fn pulse(number: u32, begin: u64, now: u64) -> RunEvent {
    RunEvent::Pulse(Pulse {
        what: "concurrency 8".to_owned(),
        number,
        count: 2,
        begin: at(begin),
        at: at(now),
        until: Some(at(begin + 30_000)),
        sessions: None,
        released: 5,
        in_flight: 8,
    })
}

/// A request of `tokens` tokens, the first after 20 ms, then one every 2 ms.
pub(super) fn row(begin: u64, tokens: u64, outcome: Outcome) -> RequestRow {
    let frame = |token| FrameStamp { at: at(begin + 20 + 2 * token), tokens: 1, channel: Channel::Answer };
    let timeline = Timeline {
        planned: at(begin),
        released: at(begin),
        frames: (0..tokens).map(frame).collect(),
        ended: Some(at(begin + 20 + 2 * tokens)),
        ..Timeline::default()
    };
    RequestRow::new(0, Cell::of(Phase::Load), 64, timeline, outcome)
}

pub(super) fn ok() -> Outcome {
    Outcome::Succeeded { finish: FinishReason::Length }
}

pub(super) fn failed(class: FailureClass) -> Outcome {
    Outcome::Failed { class, message: "it said\u{1b}[2J no\nsecond line".to_owned() }
}

pub(super) fn tell(model: &mut LiveModel, row: RequestRow) {
    model.take(&RunEvent::Request(Box::new(row)));
}

/// A second load after an ended first one: 25 s of ten requests a second, slower with time, and some failures.
pub(super) fn busy() -> LiveModel {
    let mut model = model();
    model.take(&pulse(1, 0, 0));
    (0..8).for_each(|begin| tell(&mut model, row(begin * 100, 8, ok())));
    model.take(&pulse(1, 0, 30_000));
    model.end_load();
    let begin = 40_000;
    for second in 0..=25 {
        model.take(&pulse(2, begin, begin + 1_000 * second));
        for request in 0..=second {
            tell(&mut model, row(begin + 1_000 * second + 10 * request, 8 + 8 * second, ok()));
        }
    }
    for class in [FailureClass::Timeout, FailureClass::RateLimited, FailureClass::Timeout] {
        tell(&mut model, row(begin + 20_000, 2, failed(class)));
    }
    let mut disturbed = row(begin, 2, ok());
    disturbed.client_faults = vec![weighbridge_types::request::ClientFault::ScheduleLag];
    tell(&mut model, disturbed);
    model
}
