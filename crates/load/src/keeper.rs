//! Takes rows from the reactors and keeps them at once; never while one is timed.
//!
//! Which of them the client disturbed is known a second or two later, and is kept in lines of its own: a kill loses no
//! row that waits for it, and none takes memory.

use std::time::Duration;

use weighbridge_types::event::{Pulse, RunEvent};
use weighbridge_types::record::Tally;
use weighbridge_types::request::{Outcome, RequestRow};
use weighbridge_types::time::Stamp;

use crate::drive::Driving;
use crate::error::LoadError;
use crate::journal::Journal;

/// How often watchers are told.
const PULSE_INTERVAL: Duration = Duration::from_millis(200);

/// So many failures in a row, and no success before them, show that the target cannot be measured.
const HOPELESS: u64 = 20;

/// Keeps the rows of one load.
pub(crate) struct Keeper {
    pulse: Pulse,
    last_pulse: Option<Stamp>,
    pub(crate) tally: Tally,
    /// Requests that were released and have ended.
    ended: u64,
    /// When failures became so many, and how many of the requests released before had not ended: each might still succeed.
    awaited: Option<(Stamp, u64)>,
    any_success: bool,
    last_failure: String,
}

impl Keeper {
    /// Starts to keep; `pulse` says what watchers are told of this load.
    pub(crate) fn new(pulse: Pulse) -> Self {
        Self {
            pulse,
            last_pulse: None,
            tally: Tally::default(),
            ended: 0,
            awaited: None,
            any_success: false,
            last_failure: String::new(),
        }
    }

    /// Keeps what has ended since the last call, and tells watchers how the load stands.
    pub(crate) fn keep(&mut self, driving: &Driving, now: Stamp, journal: &mut dyn Journal) -> Result<(), LoadError> {
        self.keep_rows(driving, journal)?;
        if self.ended >= HOPELESS {
            self.awaited.get_or_insert((now, driving.released().saturating_sub(self.ended)));
        }
        if self.last_pulse.is_none_or(|last| now - last >= PULSE_INTERVAL) {
            self.last_pulse = Some(now);
            self.pulse.at = now;
            self.pulse.released = driving.released();
            self.pulse.in_flight = driving.in_flight() as u64;
            journal.event(&RunEvent::Pulse(self.pulse.clone()))?;
        }
        Ok(())
    }

    /// Keeps what has ended since the last call.
    pub(crate) fn keep_rows(&mut self, driving: &Driving, journal: &mut dyn Journal) -> Result<(), LoadError> {
        for row in driving.take_rows(Vec::new()) {
            self.count(&row);
            journal.event(&RunEvent::Request(Box::new(row)))?;
        }
        Ok(())
    }

    fn count(&mut self, row: &RequestRow) {
        if row.outcome != Outcome::Dropped {
            self.ended += 1;
            if let Some((since, left)) = &mut self.awaited {
                *left = left.saturating_sub(u64::from(row.timeline.released <= *since));
            }
        }
        self.any_success |= row.outcome.is_success();
        if let (false, Outcome::Failed { message, .. }) = (self.any_success, &row.outcome) {
            self.last_failure.clone_from(message);
        }
        self.tally.count(row);
    }

    /// Why there is no hope of a success, if there is none: enough have failed, and so has all that was in flight beside
    /// them. Refusals are quick, answers take their time.
    pub(crate) fn hopeless(&self) -> Option<&str> {
        let is_known = self.awaited.is_some_and(|(_, left)| left == 0);
        self.futile().filter(|_| is_known)
    }

    /// Why nothing has succeeded, if something has failed and nothing has succeeded.
    pub(crate) fn futile(&self) -> Option<&str> {
        (!self.any_success && !self.last_failure.is_empty()).then_some(&self.last_failure)
    }
}
