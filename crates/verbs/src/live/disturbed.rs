//! Requests that the client disturbed, counted as they become known.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use weighbridge_types::breach::BreachIndex;
use weighbridge_types::health::HealthBreach;
use weighbridge_types::request::{ClientFault, RequestRow};
use weighbridge_types::time::Stamp;

/// A breach is told at most two readings of a second, and a little, after the requests that it touches have ended.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// Requests kept to be marked later: four seconds of 30,000 a second, 3 MiB. Beyond, the count is of those that are left;
/// the report counts all.
const RECENT: usize = 1 << 17;

/// Requests come nearly in the order of their end: each reactor's in its own order, some ten milliseconds apart.
const DISORDER: Duration = Duration::from_secs(1);

/// A request that has ended, for the breaches that are told after it.
#[derive(Clone, Copy, Debug)]
struct Lived {
    from: Stamp,
    to: Stamp,
    /// A bit for each fault that is counted already.
    faults: u8,
}

/// Measured requests of a run, and those that the client disturbed.
#[derive(Clone, Debug, Default)]
pub(super) struct Disturbed {
    breaches: BreachIndex,
    recent: VecDeque<Lived>,
    pub(super) measured: u64,
    pub(super) disturbed: u64,
    pub(super) faults: BTreeMap<ClientFault, u64>,
}

impl Disturbed {
    /// Takes a request that is no warm-up.
    pub(super) fn row(&mut self, row: &RequestRow) {
        let (from, to) = row.life();
        let mut lived = Lived { from, to, faults: 0 };
        self.measured += 1;
        let known = self.breaches.faults(from, to);
        for &fault in row.client_faults.iter().chain(&known) {
            self.count(&mut lived, fault);
        }
        while self.recent.len() >= RECENT || self.recent.front().is_some_and(|old| to - old.to > TOLD_WITHIN) {
            self.recent.pop_front();
        }
        self.recent.push_back(lived);
    }

    /// Takes a breach: requests that ended before it was told are looked through again.
    pub(super) fn breach(&mut self, breach: &HealthBreach) {
        self.breaches.add(breach);
        let mut recent = std::mem::take(&mut self.recent);
        for lived in recent.iter_mut().rev() {
            if breach.from - lived.to > DISORDER {
                break;
            }
            if lived.from <= breach.to && breach.from <= lived.to {
                self.count(lived, breach.fault);
            }
        }
        self.recent = recent;
    }

    fn count(&mut self, lived: &mut Lived, fault: ClientFault) {
        let bit = 1 << fault as u8;
        if lived.faults & bit == 0 {
            self.disturbed += u64::from(lived.faults == 0);
            *self.faults.entry(fault).or_default() += 1;
            lived.faults |= bit;
        }
    }
}

#[cfg(test)]
mod tests {
    use weighbridge_types::metric::Cell;
    use weighbridge_types::record::Phase;
    use weighbridge_types::request::{Outcome, Timeline};

    use super::*;

    fn stamp(ms: u64) -> Stamp {
        Stamp::from_nanos(ms * 1_000_000)
    }

    fn row(from: u64, to: u64) -> RequestRow {
        let line = Timeline { planned: stamp(from), ended: Some(stamp(to)), ..Timeline::default() };
        RequestRow::new(0, Cell::of(Phase::Load), 1, line, Outcome::Cancelled)
    }

    fn breach(fault: ClientFault, from: u64, to: u64) -> HealthBreach {
        HealthBreach { fault, from: stamp(from), to: stamp(to), value: 1.0, limit: 0.0 }
    }

    #[test]
    fn a_breach_marks_requests_before_and_after_it_was_told_once_each() {
        let mut seen = Disturbed::default();
        seen.row(&row(0, 100));
        seen.row(&row(50, 900));
        let mut late = row(800, 950);
        late.client_faults = vec![ClientFault::ScheduleLag];
        seen.row(&late);
        seen.breach(&breach(ClientFault::Steal, 90, 200));
        seen.breach(&breach(ClientFault::Steal, 150, 300));
        seen.breach(&breach(ClientFault::ReactorLag, 850, 860));
        // One that was long in flight.
        seen.row(&row(120, 30_000));
        assert_eq!((seen.measured, seen.disturbed), (4, 4));
        let expected = [(ClientFault::ScheduleLag, 1), (ClientFault::ReactorLag, 3), (ClientFault::Steal, 3)];
        assert_eq!(seen.faults, expected.into());
        assert_eq!(seen.recent.len(), 1, "the others are too old for a breach to come");
    }
}
