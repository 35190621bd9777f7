//! What failed of late, by class.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use weighbridge_types::time::WallTime;

/// Failures that are remembered; beyond them the oldest are forgotten.
const FAULTS_KEPT: usize = 10_000;

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultClass {
    /// A time limit passed.
    Timeout,
    /// There was not enough memory.
    Memory,
    /// A model could not be loaded, or failed while it computed.
    Model,
    /// A server did not answer, or not as it should.
    Network,
    /// More was asked than is served: the queue was full, a rate used up, a breaker open.
    Overload,
    /// The request was wrong.
    Request,
}

impl FaultClass {
    /// Every class, in the order in which counts are shown.
    pub const ALL: [Self; 6] = [Self::Timeout, Self::Memory, Self::Model, Self::Network, Self::Overload, Self::Request];

    /// Its name in answers and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Memory => "memory",
            Self::Model => "model",
            Self::Network => "network",
            Self::Overload => "overload",
            Self::Request => "request",
        }
    }
}

/// A failure. It holds no text of prompts or answers and no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// When, milliseconds since 1970.
    pub unix_ms: u64,
    /// What kind.
    pub class: FaultClass,
    /// The model that was asked; `None` where it was not known.
    pub model: Option<String>,
    /// What was said.
    pub message: String,
}

/// Failures of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FaultCount {
    /// The class.
    pub class: FaultClass,
    /// How many.
    pub count: usize,
}

/// Failures in the order in which they happened.
#[derive(Debug, Default)]
pub struct FaultLog {
    faults: Mutex<VecDeque<Fault>>,
}

impl FaultLog {
    /// Remembers a failure.
    pub fn add(&self, fault: Fault) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        if faults.len() == FAULTS_KEPT {
            faults.pop_front();
        }
        faults.push_back(fault);
    }

    /// Failures of the time before `now`, the latest first.
    #[must_use]
    pub fn last(&self, span: Duration, now: WallTime) -> Vec<Fault> {
        let since = now.unix_millis().saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.iter().rev().take_while(|fault| fault.unix_ms >= since).cloned().collect()
    }

    /// How many of these are of each class; classes without one are counted as well.
    #[must_use]
    pub fn count(faults: &[Fault]) -> Vec<FaultCount> {
        let count = |class| FaultCount { class, count: faults.iter().filter(|fault| fault.class == class).count() };
        FaultClass::ALL.into_iter().map(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(unix_ms: u64, class: FaultClass) -> Fault {
        Fault { unix_ms, class, model: None, message: "m".to_owned() }
    }

    #[test]
    fn counts_are_those_of_the_span() {
        let log = FaultLog::default();
        for (at, class) in [(1_000, FaultClass::Model), (5_000, FaultClass::Timeout), (6_000, FaultClass::Timeout)] {
            log.add(fault(at, class));
        }
        let last = log.last(Duration::from_secs(2), WallTime::from_unix_millis(6_500));
        assert_eq!(last.iter().map(|fault| fault.unix_ms).collect::<Vec<_>>(), [6_000, 5_000]);
        let counts = FaultLog::count(&last);
        assert_eq!(counts.iter().map(|count| count.count).collect::<Vec<_>>(), [2, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let log = FaultLog::default();
        for at in 0..=FAULTS_KEPT as u64 {
            log.add(fault(at, FaultClass::Model));
        }
        let all = log.last(Duration::MAX, WallTime::from_unix_millis(u64::MAX));
        assert_eq!((all.len(), all.last().map(|fault| fault.unix_ms)), (FAULTS_KEPT, Some(1)));
    }
}
