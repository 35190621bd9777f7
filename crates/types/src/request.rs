//! One request: its outcome, its token counts, and the formulas that need more than its stamps.
//!
//! The formulas are those of the metric definitions in [`crate::definition`]. They are methods here and in
//! [`crate::timeline`], which holds the stamps, and nowhere else.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metric::Cell;
use crate::time::Stamp;
pub use crate::timeline::{Channel, FluidityTarget, FrameStamp, Timeline};

/// Why a request stopped producing tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended its answer, or a stop string was met.
    Stop,
    /// The token limit was reached.
    Length,
    /// The model calls a tool.
    ToolCalls,
    /// The server filtered the answer.
    ContentFilter,
    /// The server gave a reason of its own, or none.
    Other,
}

impl FinishReason {
    /// Name in files and cells.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Other => "other",
        }
    }
}

/// The class of a failure; reports count each apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// No connection.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// HTTP 429.
    RateLimited,
    /// Another HTTP status of 400 to 499.
    ClientError,
    /// HTTP status 500 to 599, or an error event in a stream.
    ServerError,
    /// The deadline of the whole request passed.
    Timeout,
    /// No connection in time.
    TimeoutConnect,
    /// No first token in time.
    TimeoutFirstToken,
    /// A stream that had begun was silent for too long.
    TimeoutStall,
    /// The stream ended without its terminator.
    Truncated,
    /// A success without a single token.
    Empty,
    /// The answer could not be understood: not the protocol's, not JSON, not text.
    Malformed,
    /// The engine in process reported an error.
    Engine,
}

impl FailureClass {
    /// Name in files and cells.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::RateLimited => "rate_limited",
            Self::ClientError => "client_error",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::TimeoutConnect => "timeout_connect",
            Self::TimeoutFirstToken => "timeout_first_token",
            Self::TimeoutStall => "timeout_stall",
            Self::Truncated => "truncated",
            Self::Empty => "empty",
            Self::Malformed => "malformed",
            Self::Engine => "engine",
        }
    }
}

/// What became of a request. Each ends in exactly one of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Outcome {
    /// The stream ended as it should, with at least one token.
    Succeeded {
        /// Why generation stopped.
        finish: FinishReason,
    },
    /// The request did not succeed.
    Failed {
        /// The class of the failure.
        class: FailureClass,
        /// What was said; never a secret.
        message: String,
    },
    /// The driver gave the request up.
    Cancelled,
    /// The schedule could not release it.
    Dropped,
}

impl Outcome {
    /// Whether the request counts in latency statistics.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Succeeded { .. })
    }
}

/// Token counts as the server, or the engine, reports them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Tokens of the prompt.
    pub input_tokens: u32,
    /// Generated tokens of all kinds.
    pub output_tokens: u32,
    /// Prompt tokens that came from a cache; `None` where the server does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input_tokens: Option<u32>,
    /// Generated tokens that were thinking; `None` where the server does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u32>,
}

/// Which clock stamped the bytes of an answer, and how long they lay in the kernel before they were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// The clock of the frames' stamps.
    pub clock: ReceiveClock,
    /// Mean time from the kernel's receipt to the read, nanoseconds; `None` where the kernel does not stamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_mean_ns: Option<u64>,
    /// The longest such time, nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_max_ns: Option<u64>,
}

/// The clock that stamps arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReceiveClock {
    /// The kernel, when the packet came in.
    Kernel,
    /// This program, when it had read the bytes.
    User,
}

/// Why a request's figures are in doubt: the client, not the server, was slow while it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientFault {
    /// The request was released later than the limit after its planned start.
    ScheduleLag,
    /// The client's event loop did not run for longer than the limit.
    ReactorLag,
    /// The client's own processor time was used up.
    CpuSaturated,
    /// The hypervisor took processor time away.
    Steal,
}

impl ClientFault {
    /// Name in files and cells.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScheduleLag => "schedule_lag",
            Self::ReactorLag => "reactor_lag",
            Self::CpuSaturated => "cpu_saturated",
            Self::Steal => "steal",
        }
    }
}

/// A request's place in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Turn {
    /// Number of the session within the run, from 0.
    pub session: u64,
    /// Number of the turn within the session, from 0.
    pub turn: u32,
}

/// One request as recorded: a line of the event log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestRow {
    /// Number of the request within its run, from 0.
    pub id: u64,
    /// Where it belongs: the phase and the settings varied.
    pub cell: Cell,
    /// Whether it is a warm-up request, which enters no figure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warmup: bool,
    /// Prompt tokens as the workload counted them; `None` when no tokenizer was at hand.
    pub planned_input_tokens: Option<u32>,
    /// Output tokens asked for at most.
    pub requested_output_tokens: u32,
    /// Token counts as reported by the other side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The stamps.
    pub timeline: Timeline,
    /// What became of it.
    pub outcome: Outcome,
    /// Its place in a conversation of several turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
    /// Tries before the one that the stamps after `released` tell of; latencies from the planned start include them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: u32,
    /// Which clock stamped the answer; `None` in process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// What was wrong with the client while the request ran. As written, only what the driver itself saw; a reader of
    /// the log adds what the log says of the client, see [`Marks`](crate::breach::Marks).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub client_faults: Vec<ClientFault>,
    /// The generated text, where the run keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The answer that the data set expects, where it names one and the run keeps texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl RequestRow {
    /// A row without any of the optional facts.
    #[must_use]
    pub fn new(id: u64, cell: Cell, requested_output_tokens: u32, timeline: Timeline, outcome: Outcome) -> Self {
        Self {
            id,
            cell,
            warmup: false,
            planned_input_tokens: None,
            requested_output_tokens,
            usage: None,
            timeline,
            outcome,
            turn: None,
            retries: 0,
            receipt: None,
            client_faults: Vec::new(),
            text: None,
            expected: None,
        }
    }

    /// From the planned start to the end: the time in which a breach of the client's health marks the request.
    #[must_use]
    pub fn life(&self) -> (Stamp, Stamp) {
        (self.timeline.planned, self.timeline.ended.unwrap_or(self.timeline.released))
    }

    /// Generated tokens: as reported by the other side, else summed over the frames.
    #[must_use]
    pub fn output_tokens(&self) -> u64 {
        self.usage.map_or_else(|| self.timeline.frame_tokens(), |usage| u64::from(usage.output_tokens))
    }

    /// Prompt tokens: as reported by the other side, else as planned.
    #[must_use]
    pub fn input_tokens(&self) -> Option<u32> {
        self.usage.map(|usage| usage.input_tokens).or(self.planned_input_tokens)
    }

    /// Mean time per output token after the first (TPOT).
    ///
    /// Formula: `(last token − first token) / (output tokens − 1)`. `None` below two output tokens, where no gap
    /// exists. Some tools divide by all tokens and count TTFT in; such figures do not compare.
    #[must_use]
    pub fn tpot(&self) -> Option<Duration> {
        let gap_count = self.output_tokens().checked_sub(1).filter(|&gaps| gaps > 0)?;
        Some(self.timeline.decode_time()? / u32::try_from(gap_count).ok()?)
    }

    /// Normalized time per output token (NTPOT): `(last token − origin) / output tokens`.
    #[must_use]
    pub fn ntpot(&self) -> Option<Duration> {
        let tokens = u32::try_from(self.output_tokens()).ok().filter(|&tokens| tokens > 0)?;
        Some(self.timeline.e2e()? / tokens)
    }

    /// Decode rate of the stream, tokens/s: `(output tokens − 1) / (last token − first token)`.
    #[must_use]
    pub fn decode_rate(&self) -> Option<f64> {
        let tpot = self.tpot()?.as_secs_f64();
        (tpot > 0.0).then(|| 1.0 / tpot)
    }

    /// Interactivity, tokens/s: `1 / TPOT`, the [`decode_rate`](Self::decode_rate) that one user sees.
    #[must_use]
    pub fn interactivity(&self) -> Option<f64> {
        self.decode_rate()
    }

    /// Time that earlier tries took: first byte of the last try written − released. `None` when the first try was the last.
    #[must_use]
    pub fn retry_time(&self) -> Option<Duration> {
        (self.retries > 0).then_some(self.timeline.first_byte_written? - self.timeline.released)
    }

    /// Fluidity index of the request; see [`Timeline::fluidity`].
    #[must_use]
    pub fn fluidity(&self, target: &FluidityTarget) -> Option<f64> {
        self.timeline.fluidity(target, self.input_tokens())
    }

    /// Whether the frames hold another number of tokens than the server reported; `None` without a report.
    #[must_use]
    pub fn has_token_disagreement(&self) -> Option<bool> {
        Some(u64::from(self.usage?.output_tokens) != self.timeline.frame_tokens())
    }

    /// Prefill rate, tokens/s: `uncached prompt tokens / TTFT`. Meaningful only for a single stream.
    #[must_use]
    pub fn prefill_rate(&self) -> Option<f64> {
        let cached = self.usage.and_then(|usage| usage.cached_input_tokens).unwrap_or(0);
        let uncached = self.input_tokens()?.saturating_sub(cached);
        let ttft = self.timeline.ttft()?.as_secs_f64();
        (ttft > 0.0 && uncached > 0).then(|| f64::from(uncached) / ttft)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(ms: u64) -> Stamp {
        Stamp::from_nanos(ms * 1_000_000)
    }

    fn frame(ms: u64, tokens: u32, channel: Channel) -> FrameStamp {
        FrameStamp { at: millis(ms), tokens, channel }
    }

    fn row() -> RequestRow {
        let timeline = Timeline {
            planned: millis(90),
            released: millis(95),
            first_byte_written: Some(millis(100)),
            frames: vec![
                frame(200, 1, Channel::Reasoning),
                frame(220, 1, Channel::Reasoning),
                frame(300, 2, Channel::Answer),
                frame(700, 1, Channel::Answer),
            ],
            ended: Some(millis(710)),
            ..Timeline::default()
        };
        let outcome = Outcome::Succeeded { finish: FinishReason::Stop };
        RequestRow { planned_input_tokens: Some(50), ..RequestRow::new(0, Cell::default(), 8, timeline, outcome) }
    }

    #[test]
    fn formulas_hold_on_a_known_timeline() {
        let row = row();
        let line = &row.timeline;
        let ms = |value| Some(Duration::from_millis(value));
        assert_eq!(line.ttft(), ms(100));
        assert_eq!(line.ttft_user(), ms(110));
        assert_eq!(line.ttfo(), ms(200));
        assert_eq!(line.think_time(), ms(100));
        assert_eq!(line.e2e(), ms(600));
        assert_eq!(line.e2e_wire(), ms(610));
        assert_eq!(line.schedule_lag(), Duration::from_millis(5));
        assert_eq!(row.output_tokens(), 5);
        assert_eq!(row.tpot(), ms(125));
        assert_eq!(row.ntpot(), ms(120));
        assert_eq!(row.prefill_rate(), Some(500.0));
        let gaps: Vec<_> = line.token_gaps().collect();
        assert_eq!(gaps[1], (Duration::from_millis(40), 2));
        assert_eq!(line.stalls(), vec![Duration::from_millis(400)]);
        assert!(line.is_ordered());
    }

    #[test]
    fn the_parts_of_a_request_add_up() {
        let mut row = row();
        row.timeline.connected = Some(millis(98));
        row.timeline.sent = Some(millis(104));
        row.timeline.headers = Some(millis(150));
        let line = &row.timeline;
        let ms = |value| Some(Duration::from_millis(value));
        let parts = [
            Some(line.schedule_lag()),
            line.connect_time(),
            line.client_delay(),
            line.write_time(),
            line.time_to_headers(),
            line.headers_to_token(),
            line.think_time(),
            line.answer_time(),
            line.tail_time(),
        ];
        assert_eq!(parts, [ms(5), ms(3), ms(2), ms(4), ms(46), ms(50), ms(100), ms(400), ms(10)]);
        let sum: Duration = parts.into_iter().flatten().sum();
        assert_eq!(Some(sum), line.ended.map(|end| end - line.planned));
        assert_eq!(line.client_queue(), ms(9));
        row.timeline.connected = None;
        assert_eq!((row.timeline.connect_time(), row.timeline.client_delay()), (None, ms(5)));
    }

    /// Tokens at 100, 120, 200 (two) and 600 ms after the origin, the first due after `ttft`.
    #[test]
    fn fluidity_saves_what_came_early_and_counts_what_was_missed() {
        let check = |ttft, tbt, expected: Option<f64>| {
            let (ttft, tbt) = (Duration::from_millis(ttft), Duration::from_millis(tbt));
            let target = FluidityTarget { ttft, ttft_per_input_token: Duration::ZERO, tbt };
            assert_eq!(row().fluidity(&target), expected, "{target:?}");
        };
        check(100, 200, Some(1.0));
        // Due at 100, 150, 200, 250 and 300: the last one is 300 ms late and misses 7 deadlines.
        check(100, 50, Some(4.0 / 11.0));
        // The first is 40 late and misses 1; then due at 200, 300, 400 and 500, and the last misses 2.
        check(60, 100, Some(3.0 / 6.0));
        check(100, 0, None);
        let prompt = FluidityTarget {
            ttft: Duration::from_millis(60),
            ttft_per_input_token: Duration::from_millis(1),
            tbt: Duration::from_millis(200),
        };
        assert_eq!(row().fluidity(&prompt), Some(1.0));
    }

    #[test]
    fn tokens_of_a_window_are_scaled_to_the_reported_count() {
        let line = row().timeline;
        let check = |from, to, total, expected| {
            assert_eq!(line.tokens_between(millis(from), millis(to), total), expected);
        };
        check(0, 1000, 5, 5);
        check(0, 1000, 11, 11);
        check(200, 300, 5, 2);
        check(300, 700, 5, 2);
        check(200, 300, 10, 4);
        check(300, 701, 10, 6);
        check(800, 900, 10, 0);
    }

    #[test]
    fn names_are_those_of_the_stored_form() {
        let class = serde_json::to_value(FailureClass::RateLimited).unwrap();
        assert_eq!(class.as_str(), Some(FailureClass::RateLimited.name()));
        let finish = serde_json::to_value(FinishReason::ToolCalls).unwrap();
        assert_eq!(finish.as_str(), Some(FinishReason::ToolCalls.name()));
        let fault = serde_json::to_value(ClientFault::CpuSaturated).unwrap();
        assert_eq!(fault.as_str(), Some(ClientFault::CpuSaturated.name()));
    }

    #[test]
    fn retries_have_a_time_of_their_own() {
        let mut row = row();
        assert_eq!(row.retry_time(), None);
        row.retries = 2;
        assert_eq!(row.retry_time(), Some(Duration::from_millis(5)));
        assert_eq!(row.has_token_disagreement(), None);
        row.usage = Some(Usage { output_tokens: 5, ..Usage::default() });
        assert_eq!(row.has_token_disagreement(), Some(false));
    }

    #[test]
    fn one_token_has_a_ttft_and_no_tpot() {
        let mut row = row();
        row.timeline.frames.truncate(1);
        assert!(row.timeline.ttft().is_some());
        assert_eq!((row.tpot(), row.decode_rate()), (None, None));
    }

    #[test]
    fn no_token_means_unknown_not_zero() {
        let mut row = row();
        row.timeline.frames.clear();
        let line = &row.timeline;
        assert_eq!((line.ttft(), line.ttfo(), line.e2e(), row.ntpot()), (None, None, None, None));
    }

    #[test]
    fn the_servers_token_count_wins_over_frames() {
        let mut row = row();
        row.usage =
            Some(Usage { input_tokens: 40, output_tokens: 11, cached_input_tokens: Some(20), reasoning_tokens: None });
        assert_eq!(row.tpot(), Some(Duration::from_millis(50)));
        assert_eq!(row.prefill_rate(), Some(200.0));
    }

    #[test]
    fn rows_read_back_as_written() {
        let row = row();
        let text = serde_json::to_string(&row).unwrap();
        assert!(
            text.contains(r#"[[200000000,1,"reasoning"],[20000000,1,"reasoning"],[80000000,2],400000000]"#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<RequestRow>(&text).unwrap(), row);
    }
}
