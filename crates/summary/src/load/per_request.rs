//! The figures that have one value per request.

use std::time::Duration;

use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::request::{Receipt, RequestRow};
use weighbridge_types::units::millis;

use crate::estimate::Shape;

/// A metric with one value per request that succeeded.
pub(super) struct PerRequest {
    pub(super) definition: &'static Definition,
    pub(super) shape: Shape,
    pub(super) value: fn(&RequestRow) -> Option<f64>,
    /// Why there is no value at all.
    pub(super) missing: &'static str,
}

pub(super) const NO_SUCCESS: &str = "no request of the window succeeded";
pub(super) const NO_GAP: &str = "no request of the window that succeeded has two output tokens";
const NO_ANSWER: &str = "no request of the window answered";
const NO_COUNT: &str = "nobody counted the prompts' tokens";
const IN_PROCESS: &str = "no request of the window was written to a connection";
const NO_HEADERS: &str = "no response of the window has headers";
const NO_CONNECT: &str = "no request of the window opened a connection";
const NO_DELAY: &str = "the kernel stamped no frame of the window";
const NO_RETRY: &str = "no request of the window took more than one try";

pub(super) static PER_REQUEST: [PerRequest; 25] = [
    of(&define::TTFT, Shape::Headline, NO_SUCCESS, |row| ms(row.timeline.ttft())),
    of(&define::TTFT_USER, Shape::Headline, NO_SUCCESS, |row| ms(row.timeline.ttft_user())),
    of(&define::TTFO, Shape::Full, NO_ANSWER, |row| ms(row.timeline.ttfo())),
    of(&define::THINK_TIME, Shape::Full, NO_ANSWER, |row| ms(row.timeline.think_time())),
    of(&define::TPOT, Shape::Headline, NO_GAP, |row| ms(row.tpot())),
    of(&define::NTPOT, Shape::Full, NO_SUCCESS, |row| ms(row.ntpot())),
    of(&define::E2E, Shape::Headline, NO_SUCCESS, |row| ms(row.timeline.e2e())),
    of(&define::E2E_SCHEDULED, Shape::Headline, NO_SUCCESS, |row| ms(row.timeline.e2e_scheduled())),
    of(&define::E2E_WIRE, Shape::Full, NO_SUCCESS, |row| ms(row.timeline.e2e_wire())),
    of(&define::INTERACTIVITY, Shape::Headline, NO_GAP, RequestRow::interactivity),
    of(&define::STALL_TIME, Shape::Full, NO_SUCCESS, |row| Some(millis(row.timeline.stalls().iter().sum()))),
    of(&define::INPUT_TOKENS, Shape::Full, NO_COUNT, |row| row.input_tokens().map(f64::from)),
    of(&define::OUTPUT_TOKENS, Shape::Full, NO_SUCCESS, |row| Some(row.output_tokens() as f64)),
    of(&define::SCHEDULE_LAG, Shape::Headline, NO_SUCCESS, |row| Some(millis(row.timeline.schedule_lag()))),
    of(&define::CONNECT_TIME, Shape::Full, NO_CONNECT, |row| ms(row.timeline.connect_time())),
    of(&define::CLIENT_DELAY, Shape::Full, IN_PROCESS, |row| ms(row.timeline.client_delay())),
    of(&define::CLIENT_QUEUE, Shape::Full, IN_PROCESS, |row| ms(row.timeline.client_queue())),
    of(&define::WRITE_TIME, Shape::Full, IN_PROCESS, |row| ms(row.timeline.write_time())),
    of(&define::HEADERS_TIME, Shape::Full, NO_HEADERS, |row| ms(row.timeline.time_to_headers())),
    of(&define::HEADERS_TO_TOKEN, Shape::Full, NO_HEADERS, |row| ms(row.timeline.headers_to_token())),
    of(&define::ANSWER_TIME, Shape::Full, NO_ANSWER, |row| ms(row.timeline.answer_time())),
    of(&define::TAIL_TIME, Shape::Full, NO_SUCCESS, |row| ms(row.timeline.tail_time())),
    of(&define::RECEIVE_DELAY, Shape::Full, NO_DELAY, |row| delay(row, |receipt| receipt.delay_mean_ns)),
    of(&define::RECEIVE_DELAY_MAX, Shape::Full, NO_DELAY, |row| delay(row, |receipt| receipt.delay_max_ns)),
    of(&define::RETRY_TIME, Shape::Full, NO_RETRY, |row| ms(row.retry_time())),
];

/// A prefill rate means something only where nothing else was in flight.
pub(super) static PREFILL: PerRequest = of(&define::PREFILL_RATE, Shape::Full, NO_COUNT, RequestRow::prefill_rate);

const fn of(
    definition: &'static Definition,
    shape: Shape,
    missing: &'static str,
    value: fn(&RequestRow) -> Option<f64>,
) -> PerRequest {
    PerRequest { definition, shape, value, missing }
}

fn ms(duration: Option<Duration>) -> Option<f64> {
    duration.map(millis)
}

fn delay(row: &RequestRow, of: fn(&Receipt) -> Option<u64>) -> Option<f64> {
    Some(of(row.receipt.as_ref()?)? as f64 / 1e6)
}
