//! Following a generation to its end, or to the moment when it is given up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;
use weighbridge_types::request::Channel;
use weighbridge_types::time::{Clock, Stamp};

use crate::collect::{Collected, Collector};
use crate::contract::{Engine, EventStream};
use crate::event::EventKind;
use crate::request::GenerateRequest;

/// How a client treats an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behavior {
    /// When it gives up, if it does.
    pub cancel: Option<CancelAfter>,
    /// Pause after each frame before the next one is read: a slow reader.
    pub read_pause: Option<Duration>,
}

/// When a client gives a request up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelAfter {
    /// This long after its release.
    Time(Duration),
    /// After so many frames.
    Frames(u32),
}

/// Follows generations until they end, time out or are given up.
#[derive(Clone, Debug)]
pub struct Follow {
    /// Clock of the run.
    pub clock: Clock,
    /// Longest time from release to end.
    pub limit: Duration,
    /// Gives every generation up.
    pub cancel: CancellationToken,
}

impl Follow {
    /// Asks an engine now, reads to the end, and keeps the text of the answer; thinking is no part of it.
    pub async fn answer(&self, engine: &dyn Engine, request: GenerateRequest) -> (Collected, String) {
        let (now, most) = (self.clock.now(), request.max_tokens);
        let text = Arc::new(Mutex::new(String::new()));
        let kept = text.clone();
        let events = engine.generate(request).inspect(move |event| {
            if let EventKind::Frame(frame) = &event.kind
                && frame.channel == Channel::Answer
            {
                kept.lock().unwrap_or_else(PoisonError::into_inner).push_str(&frame.text);
            }
        });
        let collected = self.until_end(Box::pin(events), Collector::new(now, now, most), now).await;
        let text = std::mem::take(&mut *text.lock().unwrap_or_else(PoisonError::into_inner));
        (collected, text)
    }

    /// Reads a generation released at `start` to its end.
    pub async fn until_end(&self, events: EventStream, collector: Collector, start: Stamp) -> Collected {
        self.behaving(events, collector, start, Behavior::default()).await
    }

    /// Reads a generation released at `start` as a client of this behavior does.
    pub async fn behaving(
        &self,
        mut events: EventStream,
        mut collector: Collector,
        start: Stamp,
        behavior: Behavior,
    ) -> Collected {
        let patience = match behavior.cancel {
            Some(CancelAfter::Time(patience)) => patience,
            _ => Duration::MAX,
        };
        let deadline = tokio::time::sleep_until(self.clock.instant(start.after(self.limit.min(patience))));
        // Made once: they are polled only when no event is there.
        let cancelled = self.cancel.cancelled();
        tokio::pin!(deadline, cancelled);
        loop {
            // An event that is there counts, even if the user gives up at the same moment.
            tokio::select! {
                biased;
                event = events.next() => match event {
                    Some(event) => collector.push(event),
                    None => break,
                },
                () = &mut cancelled => {
                    collector.cancel(self.clock.now());
                    break;
                }
                () = &mut deadline => {
                    if patience < self.limit {
                        collector.cancel(self.clock.now());
                    } else {
                        collector.time_out(self.clock.now(), self.limit);
                    }
                    break;
                }
            }
            if let Some(CancelAfter::Frames(count)) = behavior.cancel
                && collector.frame_count() >= count as usize
                && !collector.has_ended()
            {
                collector.cancel(self.clock.now());
                break;
            }
            if let Some(pause) = behavior.read_pause
                && !collector.has_ended()
            {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.cancel.cancelled() => {}
                }
            }
        }
        collector.finish()
    }
}

#[cfg(test)]
mod tests {
    use weighbridge_types::request::Outcome;

    use super::*;
    use crate::contract::Engine;
    use crate::request::{GenerateRequest, Prompt};
    use crate::scripted::ScriptedEngine;

    async fn follow(limit_ms: u64, behavior: Behavior) -> Collected {
        let engine = ScriptedEngine::new("ttft=100ms,itl=10ms,tokens=10".parse().unwrap());
        let clock = Clock::start();
        let follow = Follow { clock, limit: Duration::from_millis(limit_ms), cancel: CancellationToken::new() };
        let events = engine.generate(GenerateRequest::new(Prompt::Text(String::new()), 10, clock));
        let start = clock.now();
        follow.behaving(events, Collector::new(start, start, 10), start, behavior).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_gives_up_when_it_said_it_would() {
        let cancel = |cancel| Behavior { cancel: Some(cancel), ..Behavior::default() };
        let by_time = follow(1000, cancel(CancelAfter::Time(Duration::from_millis(125)))).await;
        assert_eq!((by_time.outcome, by_time.timeline.frames.len()), (Outcome::Cancelled, 3));
        let by_frames = follow(1000, cancel(CancelAfter::Frames(4))).await;
        assert_eq!((by_frames.outcome, by_frames.timeline.frames.len()), (Outcome::Cancelled, 4));
        let too_late = follow(1000, cancel(CancelAfter::Time(Duration::from_secs(5)))).await;
        assert!(too_late.outcome.is_success());
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_is_a_failure() {
        let late = follow(50, Behavior::default()).await;
        assert!(matches!(late.outcome, Outcome::Failed { .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_reads_everything() {
        let slow = Behavior { read_pause: Some(Duration::from_millis(30)), ..Behavior::default() };
        let read = follow(10_000, slow).await;
        assert_eq!((read.outcome.is_success(), read.timeline.frames.len()), (true, 10));
    }
}
