//! From the events of a generation to its timeline and outcome.

use futures_util::StreamExt;
use weighbridge_types::request::{FailureClass, FrameStamp, Outcome, Receipt, Timeline, Usage};
use weighbridge_types::time::Stamp;

use crate::contract::EventStream;
use crate::event::{EngineEvent, EventKind};

/// Frames for which room is made before a request starts, so that the timing path does not allocate.
const FRAMES_AT_FIRST: usize = 4096;

/// Folds the events of one generation. Pushing an event does not allocate while frames are within the room made.
#[derive(Debug)]
pub struct Collector {
    timeline: Timeline,
    usage: Option<Usage>,
    receipt: Option<Receipt>,
    outcome: Option<Outcome>,
    retry_after: Option<std::time::Duration>,
    resent: u32,
    text: Option<String>,
}

/// What became of one generation.
#[derive(Clone, Debug, PartialEq)]
pub struct Collected {
    /// Its stamps.
    pub timeline: Timeline,
    /// Token counts that the other side reported.
    pub usage: Option<Usage>,
    /// Which clock stamped the frames.
    pub receipt: Option<Receipt>,
    /// How it ended.
    pub outcome: Outcome,
    /// How long the server asks to wait before another try.
    pub retry_after: Option<std::time::Duration>,
    /// How often the client sent it once more by itself, because a kept connection had died.
    pub resent: u32,
    /// The text of all frames, when it was asked for.
    pub text: Option<String>,
}

impl Collector {
    /// Prepares for a request that was planned and released at these times.
    #[must_use]
    pub fn new(planned: Stamp, released: Stamp, max_tokens: u32) -> Self {
        let room = usize::try_from(max_tokens).map_or(FRAMES_AT_FIRST, |tokens| tokens.min(FRAMES_AT_FIRST));
        Self {
            timeline: Timeline { planned, released, frames: Vec::with_capacity(room), ..Timeline::default() },
            usage: None,
            receipt: None,
            outcome: None,
            retry_after: None,
            resent: 0,
            text: None,
        }
    }

    /// Keeps the text of the frames as well.
    #[must_use]
    pub fn keeping_text(mut self) -> Self {
        self.text = Some(String::new());
        self
    }

    /// Takes one event.
    pub fn push(&mut self, event: EngineEvent) {
        let at = Some(event.at);
        match event.kind {
            EventKind::Connected => self.timeline.connected = at,
            EventKind::Resent => self.resent += 1,
            EventKind::FirstByteWritten => self.timeline.first_byte_written = at,
            EventKind::Sent => self.timeline.sent = at,
            EventKind::Headers { .. } => self.timeline.headers = at,
            EventKind::Frame(frame) => {
                if frame.tokens > 0 {
                    let stamp = FrameStamp { at: event.at, tokens: frame.tokens, channel: frame.channel };
                    self.timeline.frames.push(stamp);
                }
                if let Some(text) = &mut self.text {
                    text.push_str(&frame.text);
                }
            }
            EventKind::Usage(usage) => self.usage = Some(usage),
            EventKind::Receipt(receipt) => self.receipt = Some(receipt),
            EventKind::Finished { reason } => self.end(event.at, Outcome::Succeeded { finish: reason }),
            EventKind::Failed(failure) => {
                self.retry_after = failure.retry_after;
                self.end(event.at, Outcome::Failed { class: failure.class, message: failure.message });
            }
        }
    }

    /// Frames so far.
    #[must_use]
    pub fn frame_count(&self) -> usize {
        self.timeline.frames.len()
    }

    /// Whether the generation has ended.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.outcome.is_some()
    }

    fn end(&mut self, at: Stamp, outcome: Outcome) {
        self.timeline.ended = Some(at);
        self.outcome = Some(outcome);
    }

    /// Ends a request whose deadline passed.
    pub fn time_out(&mut self, at: Stamp, limit: std::time::Duration) {
        let message = format!("no end within {} s", limit.as_secs_f64());
        self.end(at, Outcome::Failed { class: FailureClass::Timeout, message });
    }

    /// Ends a request that the driver gave up.
    pub fn cancel(&mut self, at: Stamp) {
        self.end(at, Outcome::Cancelled);
    }

    /// Closes the books. A stream that just stopped was truncated; a success without a token is none.
    #[must_use]
    pub fn finish(self) -> Collected {
        let fail = |class, message: &str| Outcome::Failed { class, message: message.to_owned() };
        let outcome = match self.outcome {
            None => fail(FailureClass::Truncated, "the stream stopped without an end"),
            Some(outcome) if outcome.is_success() && self.timeline.frames.is_empty() => {
                fail(FailureClass::Empty, "the answer holds no token")
            }
            Some(outcome) => outcome,
        };
        Collected {
            timeline: self.timeline,
            usage: self.usage,
            receipt: self.receipt,
            outcome,
            retry_after: self.retry_after,
            resent: self.resent,
            text: self.text,
        }
    }
}

/// Reads a stream to its end.
pub async fn collect(mut events: EventStream, mut collector: Collector) -> Collected {
    while let Some(event) = events.next().await {
        collector.push(event);
    }
    collector.finish()
}
