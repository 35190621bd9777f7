//! What the server wrote down.

use std::time::Duration;

use weighbridge_types::time::Stamp;

/// An answer as it was played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// Path of the request.
    pub path: String,
    /// The prompt, or the last message, at most 64 characters of it: enough to tell requests apart.
    pub prompt: String,
    /// When the last byte of the request was read.
    pub received: Stamp,
    /// Every write, in order.
    pub writes: Vec<Written>,
    /// Whether the client went away before the end.
    pub abandoned: bool,
    /// Whether a scripted fault struck it.
    pub faulted: bool,
}

/// A write as it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// When the script wanted it.
    pub due: Stamp,
    /// When it was handed to the kernel: just before the call.
    pub at: Stamp,
    /// Tokens that it completes; 0 for headers, odd frames and ends.
    pub tokens: u32,
}

impl Played {
    /// The writes that complete tokens.
    pub fn token_writes(&self) -> impl Iterator<Item = &Written> {
        self.writes.iter().filter(|write| write.tokens > 0)
    }

    /// Request read to first token written. `None` without a token.
    #[must_use]
    pub fn ttft(&self) -> Option<Duration> {
        Some(self.token_writes().next()?.at - self.received)
    }
}
