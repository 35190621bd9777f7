//! The stamps of one request, and every latency formula that follows from them alone.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
