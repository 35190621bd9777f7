//! The thread that releases events at their times.

use std::sync::Arc;
use std::time::Duration;

use weighbridge_types::time::Stamp;

use super::desk::Lost;
use super::error::StreamError;
use super::event::{EventFile, Incoming};
use super::lane::{Job, Pending, Shared, VerdictRow};
use super::settings::Pace;
use crate::task::random::PythonRandom;

/// Longest sleep before the next look at whether the user gave up.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

/// Where events come from.
pub trait Events: Send {
    /// Hands every event on, in order, until `take` says no.
    ///
    /// # Errors
    /// What is wrong with the events.
    fn play(&mut self, take: &mut dyn FnMut(&Incoming<'_>) -> bool) -> Result<(), StreamError>;
}

impl Events for EventFile {
    fn play(&mut self, take: &mut dyn FnMut(&Incoming<'_>) -> bool) -> Result<(), StreamError> {
        self.read(take)?;
        Ok(())
    }
}

/// Releases all events.
pub(super) fn play(shared: &Arc<Shared>, events: &mut dyn Events) -> Result<(), StreamError> {
    let mut player = Player {
        shared,
        random: PythonRandom::new(shared.settings.seed),
        due: Stamp::default(),
        line: 0,
        problem: None,
    };
    events.play(&mut |event| player.take(event))?;
    match player.problem {
        Some(problem) => Err(problem),
        None if player.line == 0 && !shared.cancel.is_cancelled() => Err(StreamError::Empty),
        None => Ok(()),
    }
}

struct Player<'a> {
    shared: &'a Arc<Shared>,
    random: PythonRandom,
    /// Planned arrival of the last event.
    due: Stamp,
    line: u64,
    problem: Option<StreamError>,
}

impl Player<'_> {
    /// Takes an event; false when no more are wanted.
    fn take(&mut self, event: &Incoming<'_>) -> bool {
        self.line = event.line.max(1);
        match self.release(event) {
            Ok(goes_on) => goes_on,
            Err(problem) => {
                self.problem = Some(problem);
                false
            }
        }
    }

    fn release(&mut self, event: &Incoming<'_>) -> Result<bool, StreamError> {
        let shared = self.shared;
        let Some(time_s) = self.wait(event)? else { return Ok(false) };
        if shared.lanes.is_empty() {
            let is_alert = self.verdict_of(event)?;
            let mut desk = shared.desk();
            let ticket = desk.arrive(event, time_s, 0);
            desk.answered(&ticket, is_alert, None);
            return Ok(!shared.cancel.is_cancelled());
        }
        let lanes: Vec<usize> =
            (0..shared.lanes.len()).filter(|lane| shared.lanes[*lane].route.takes(event.source)).collect();
        let backlog = shared.lanes.iter().map(|lane| lane.queue.len()).sum();
        let ticket = shared.desk().arrive(event, time_s, backlog);
        if lanes.is_empty() {
            shared.desk().lost(&ticket, Lost::Unrouted);
            if shared.verdicts.is_some() {
                let mut row = VerdictRow::of(event, time_s);
                row.lose(Lost::Unrouted);
                shared.write(&row);
            }
            return Ok(!shared.cancel.is_cancelled());
        }
        let Some(text) = event.text else {
            shared.desk().lost(&ticket, Lost::Failed);
            return Err(StreamError::NoText { line: event.line });
        };
        let row = shared.verdicts.is_some().then(|| VerdictRow::of(event, time_s));
        let pending = Arc::new(Pending::new(ticket, self.due, lanes.len(), row));
        for lane in lanes {
            let job = Job { event: pending.clone(), text: text.to_owned() };
            let given_up = shared.lanes[lane].queue.push(job);
            shared.give_up(lane, given_up);
        }
        Ok(!shared.cancel.is_cancelled())
    }

    /// Waits for the planned arrival of an event; gives its time stamp, or nothing when the user gave up.
    fn wait(&mut self, event: &Incoming<'_>) -> Result<Option<f64>, StreamError> {
        let shared = self.shared;
        let now = shared.clock.now();
        let is_first = shared.begun.get().is_none();
        let has_no_time = || StreamError::NoTime { line: event.line };
        let stamp = match shared.settings.pace {
            Pace::Rate(_) => event.time_s,
            Pace::Fastest | Pace::Speed(_) => Some(event.time_s.ok_or_else(has_no_time)?),
        };
        let (start, origin_s) = *shared.begun.get_or_init(|| (now, stamp.unwrap_or(0.0)));
        if is_first {
            self.due = start;
        }
        match shared.settings.pace {
            Pace::Fastest => self.due = now,
            Pace::Speed(speed) => {
                let offset_s = ((stamp.unwrap_or(origin_s) - origin_s) / speed).max(0.0);
                let offset = Duration::try_from_secs_f64(offset_s).unwrap_or(Duration::MAX);
                // An event before its time, by a stamp out of order, comes with the one before it.
                self.due = self.due.max(start.after(offset));
            }
            Pace::Rate(rate) => {
                let gap_s = if is_first { 0.0 } else { -(1.0 - self.random.random()).ln() / rate };
                self.due = self.due.after(Duration::from_secs_f64(gap_s));
            }
        }
        loop {
            let left = self.due - shared.clock.now();
            if shared.cancel.is_cancelled() {
                return Ok(None);
            }
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(LONGEST_SLEEP));
        }
        Ok(Some(stamp.unwrap_or_else(|| (self.due - start).as_secs_f64())))
    }

    /// The verdict that stands in the file.
    fn verdict_of(&self, event: &Incoming<'_>) -> Result<bool, StreamError> {
        let settings = &self.shared.settings;
        if settings.all_alerts {
            return Ok(true);
        }
        match (event.score, event.prediction) {
            (Some(score), _) if settings.threshold.is_some() || event.prediction.is_none() => {
                Ok(score >= settings.threshold.unwrap_or(0.5))
            }
            (_, Some(prediction)) => Ok(!settings.is_benign(prediction)),
            (_, None) => Err(StreamError::NoVerdict { line: event.line }),
        }
    }
}
