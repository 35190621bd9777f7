//! One request: its stamps, its outcome, and every latency formula.
//!
//! The formulas are those of the metric definitions in [`crate::definition`]. They are methods here and nowhere else.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metric::Cell;
use crate::time::Stamp;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Text of the answer.
    Answer,
    /// Thinking that precedes the answer.
    Reasoning,
    /// Arguments of a tool call.
    ToolCall,
}

/// The arrival of generated tokens. Role-only, empty, keep-alive and usage-only frames are never recorded as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameStamp {
    /// When the bytes of the frame were received, before they were parsed.
    pub at: Stamp,
    /// Generated tokens in the frame, at least 1.
    pub tokens: u32,
    /// What the frame carries.
    pub channel: Channel,
}

/// The stamps of one request.
///
/// Invariant, held by the collector: planned ≤ released ≤ first byte written ≤ first frame ≤ last frame ≤ ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Timeline {
    /// When the schedule wanted the request to start.
    pub planned: Stamp,
    /// When the driver handed it to the engine.
    pub released: Stamp,
    /// When the connection stood; `None` in process, and where a kept connection was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected: Option<Stamp>,
    /// First byte of the request written; `None` in process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_written: Option<Stamp>,
    /// Last byte of the request written; `None` in process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Stamp>,
    /// Response headers received; `None` in process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Stamp>,
    /// Every arrival of tokens, in order.
    #[serde(with = "crate::frame_code")]
    #[schemars(with = "Vec<crate::frame_code::FrameCode>")]
    pub frames: Vec<FrameStamp>,
    /// When the terminator, or the failure, was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Stamp>,
}

impl Timeline {
    /// The origin of latencies: the first byte written, or the release to an engine in process.
    #[must_use]
    pub fn origin(&self) -> Stamp {
        self.first_byte_written.unwrap_or(self.released)
    }

    /// Tokens summed over the frames.
    #[must_use]
    pub fn frame_tokens(&self) -> u64 {
        self.frames.iter().map(|frame| u64::from(frame.tokens)).sum()
    }

    /// Time to first token (TTFT): first frame with a token of any kind − origin. `None` without a token.
    #[must_use]
    pub fn ttft(&self) -> Option<Duration> {
        Some(self.frames.first()?.at - self.origin())
    }

    /// TTFT from the intended start: first frame − planned. What a user feels in open loop.
    #[must_use]
    pub fn ttft_user(&self) -> Option<Duration> {
        Some(self.frames.first()?.at - self.planned)
    }

    /// Time to first answer token (TTFO): first answer frame − origin. `None` when nothing was answered.
    #[must_use]
    pub fn ttfo(&self) -> Option<Duration> {
        Some(self.first_answer()? - self.origin())
    }

    /// Time from the first token of any kind to the first answer token.
    #[must_use]
    pub fn think_time(&self) -> Option<Duration> {
        Some(self.first_answer()? - self.frames.first()?.at)
    }

    fn first_answer(&self) -> Option<Stamp> {
        self.frames.iter().find(|frame| frame.channel == Channel::Answer).map(|frame| frame.at)
    }

    /// End to end: last token frame − origin. A usage frame or terminator after it does not count.
    #[must_use]
    pub fn e2e(&self) -> Option<Duration> {
        Some(self.frames.last()?.at - self.origin())
    }

    /// End to end from the intended start: last token frame − planned.
    #[must_use]
    pub fn e2e_scheduled(&self) -> Option<Duration> {
        Some(self.frames.last()?.at - self.planned)
    }

    /// End to end on the wire: terminator − origin.
    #[must_use]
    pub fn e2e_wire(&self) -> Option<Duration> {
        Some(self.ended? - self.origin())
    }

    /// First to last token frame.
    #[must_use]
    pub fn decode_time(&self) -> Option<Duration> {
        Some(self.frames.last()?.at - self.frames.first()?.at)
    }

    /// How late the scheduler released the request: released − planned.
    #[must_use]
    pub fn schedule_lag(&self) -> Duration {
        self.released - self.planned
    }

    /// Time until the connection stood: connected − released. `None` where a kept connection was used.
    #[must_use]
    pub fn connect_time(&self) -> Option<Duration> {
        Some(self.connected? - self.released)
    }

    /// Time in the client before the first byte: first byte written − connected, or − released on a kept connection.
    #[must_use]
    pub fn client_delay(&self) -> Option<Duration> {
        Some(self.first_byte_written? - self.connected.unwrap_or(self.released))
    }

    /// Time in the client's queue, pool and socket: last byte written − released.
    #[must_use]
    pub fn client_queue(&self) -> Option<Duration> {
        Some(self.sent? - self.released)
    }

    /// Time of writing the request: last byte written − first byte written.
    #[must_use]
    pub fn write_time(&self) -> Option<Duration> {
        Some(self.sent? - self.first_byte_written?)
    }

    /// Wait for the response: headers received − last byte written; zero when the server answers before it has read all.
    #[must_use]
    pub fn time_to_headers(&self) -> Option<Duration> {
        Some(self.headers? - self.sent?)
    }

    /// First token frame − headers received.
    #[must_use]
    pub fn headers_to_token(&self) -> Option<Duration> {
        Some(self.frames.first()?.at - self.headers?)
    }

    /// First answer frame to last token frame.
    #[must_use]
    pub fn answer_time(&self) -> Option<Duration> {
        Some(self.frames.last()?.at - self.first_answer()?)
    }

    /// Last token frame to the terminator.
    #[must_use]
    pub fn tail_time(&self) -> Option<Duration> {
        Some(self.ended? - self.frames.last()?.at)
    }

    /// Gaps between consecutive frames in nanoseconds, each with the tokens of the frame that ends it, at least 1.
    ///
    /// What [`chunk_gaps`](Self::chunk_gaps) and [`token_gaps`](Self::token_gaps) are made of: a run has hundreds of
    /// millions of them.
    pub fn frame_gaps(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        let nanos = |frame: &FrameStamp| frame.at.as_nanos();
        self.frames.windows(2).map(move |pair| (nanos(&pair[1]).saturating_sub(nanos(&pair[0])), pair[1].tokens.max(1)))
    }

    /// Gaps between consecutive frames, whatever they carry (inter-chunk latency, ICL).
    pub fn chunk_gaps(&self) -> impl Iterator<Item = Duration> + '_ {
        self.frame_gaps().map(|(gap, _)| Duration::from_nanos(gap))
    }

    /// Inter-token latency: each gap divided over the tokens of the frame that ends it, once per frame.
    ///
    /// A frame of k tokens after a gap g counts k tokens of g/k each; the pair is `(g/k, k)`.
    pub fn token_gaps(&self) -> impl Iterator<Item = (Duration, u32)> + '_ {
        self.frame_gaps().map(|(gap, tokens)| (Duration::from_nanos(gap / u64::from(tokens)), tokens))
    }

    /// Stalls: gaps longer than `max(4 × the request's median gap, 250 ms)`.
    #[must_use]
    pub fn stalls(&self) -> Vec<Duration> {
        // Nearly every request has none, and then its median is not needed.
        if self.frame_gaps().all(|(gap, _)| gap <= SHORTEST_STALL_NANOS) {
            return Vec::new();
        }
        let mut gaps: Vec<Duration> = self.chunk_gaps().collect();
        gaps.sort_unstable();
        let Some(median) = gaps.get(gaps.len() / 2) else {
            return Vec::new();
        };
        let limit = (*median * 4).max(Duration::from_nanos(SHORTEST_STALL_NANOS));
        gaps.retain(|gap| *gap > limit);
        gaps
    }

    /// Fluidity index: deadlines of tokens met / (met + missed), with `first` as the target of the TTFT.
    ///
    /// The first token is due `first` after the origin, each later one `target.tbt` after the deadline before it, so that
    /// being early is saved for later. A token that is late by x misses `1 + floor(x / tbt)` deadlines, and the next one is
    /// due `tbt` after it. `None` without a token and for a `tbt` of zero. After Etalon, arXiv 2407.07000.
    #[must_use]
    pub fn fluidity(&self, target: &FluidityTarget, input_tokens: Option<u32>) -> Option<f64> {
        let every = u64::try_from(target.tbt.as_nanos()).ok().filter(|&every| every > 0)?;
        let mut due = self.origin().after(target.first_token(input_tokens)).as_nanos();
        let (mut met, mut missed) = (0_u64, 0_u64);
        for frame in &self.frames {
            let (at, tokens) = (frame.at.as_nanos(), u64::from(frame.tokens.max(1)));
            if at <= due {
                met += 1;
            } else {
                missed += 1 + (at - due) / every;
                due = at;
            }
            // The other tokens of the frame came before they were due.
            met += tokens - 1;
            due = due.saturating_add(every.saturating_mul(tokens));
        }
        (met + missed > 0).then(|| met as f64 / (met + missed) as f64)
    }

    /// The stamp of each frame with its tokens, scaled in whole numbers so that all frames together give `total`.
    pub fn scaled_tokens(&self, total: u64) -> impl Iterator<Item = (Stamp, u64)> + '_ {
        let held = self.frame_tokens();
        let (mut before, mut given) = (0, 0);
        self.frames.iter().map(move |frame| {
            if held == total {
                return (frame.at, u64::from(frame.tokens));
            }
            before += u64::from(frame.tokens);
            let due = share_of(total, before, held);
            let tokens = due - given;
            given = due;
            (frame.at, tokens)
        })
    }

    /// Tokens with a stamp in `from..to`, when the frames hold `total` between them: see
    /// [`scaled_tokens`](Self::scaled_tokens).
    #[must_use]
    pub fn tokens_between(&self, from: Stamp, to: Stamp, total: u64) -> u64 {
        let (Some(first), Some(last)) = (self.frames.first(), self.frames.last()) else { return 0 };
        if last.at < from || first.at >= to {
            return 0;
        }
        if first.at >= from && last.at < to {
            return total;
        }
        self.scaled_tokens(total).filter(|(at, _)| (from..to).contains(at)).map(|(_, tokens)| tokens).sum()
    }

    /// Whether the stamps are in the order that the invariant asks for.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        // A server may answer before it has read the whole request, so `sent` is not compared.
        let start = [Some(self.planned), Some(self.released), self.first_byte_written];
        let frames = self.frames.iter().map(|frame| frame.at);
        start.into_iter().flatten().chain(frames).chain(self.ended).is_sorted()
    }
}

/// A gap up to this long is no stall, however regular the rest of the stream.
const SHORTEST_STALL_NANOS: u64 = 250_000_000;

/// The first `part` of `held` parts of a total, in whole numbers.
fn share_of(total: u64, part: u64, held: u64) -> u64 {
    let share = u128::from(total) * u128::from(part) / u128::from(held.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// What a reader of a stream expects: the targets of [`Timeline::fluidity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FluidityTarget {
    /// Time to first token of an empty prompt.
    pub ttft: Duration,
    /// What each prompt token may add to it.
    #[serde(default)]
    pub ttft_per_input_token: Duration,
    /// Time between tokens.
    pub tbt: Duration,
}

impl FluidityTarget {
    /// The target of the TTFT of a prompt; a prompt that nobody counted is taken as empty.
    #[must_use]
    pub fn first_token(&self, input_tokens: Option<u32>) -> Duration {
        self.ttft.saturating_add(self.ttft_per_input_token.saturating_mul(input_tokens.unwrap_or(0)))
    }
}

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
