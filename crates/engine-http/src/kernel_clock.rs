//! Bringing the kernel's receive stamps to the clock of a run.
//!
//! The kernel stamps on the wall clock, which can be set while a run goes on. Both clocks are read together at each
//! read; what cannot be right is dropped, and the read's own time stands in its place.

use std::time::Duration;

use weighbridge_types::time::Stamp;

/// What the difference of the two clocks may change by between two readings. Covers a reader that was interrupted
/// between its two clocks; the stamp then would be wrong by as much.
const JITTER_NANOS: u64 = 50_000;

/// The kernel slews the wall clock by 500 parts per million at most (adjtimex); twice that is a step.
const SLEW_DIVISOR: u64 = 1000;

/// Places the kernel's stamps of one connection on the run's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StampPlacer {
    /// The run's clock at the last reading, and what the wall clock was ahead of it, nanoseconds.
    last: Option<(Stamp, i128)>,
}

impl StampPlacer {
    /// Takes a reading of both clocks and says whether the wall clock kept pace since the last one.
    pub(crate) fn note(&mut self, now: Stamp, wall: Duration) -> bool {
        let ahead = i128::try_from(wall.as_nanos()).unwrap_or(i128::MAX) - i128::from(now.as_nanos());
        let Some((before, ahead_before)) = self.last.replace((now, ahead)) else { return true };
        let elapsed = now.as_nanos().saturating_sub(before.as_nanos());
        (ahead - ahead_before).unsigned_abs() <= u128::from(JITTER_NANOS + elapsed / SLEW_DIVISOR)
    }

    /// The run's time of a stamp of the wall clock, given what both clocks show now. `None` where the wall clock was
    /// set since the last reading, or where the stamp lies in the future or before `earliest`.
    pub(crate) fn place(&mut self, now: Stamp, wall: Duration, stamped: Duration, earliest: Stamp) -> Option<Stamp> {
        let kept_pace = self.note(now, wall);
        let delay = u64::try_from(wall.checked_sub(stamped)?.as_nanos()).ok()?;
        let at = Stamp::from_nanos(now.as_nanos().checked_sub(delay)?);
        (kept_pace && at >= earliest).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const YEAR: u64 = 1_750_000_000_000_000_000;

    fn us(micros: u64) -> Stamp {
        Stamp::from_nanos(micros * 1000)
    }

    fn wall(micros: u64) -> Duration {
        Duration::from_nanos(YEAR + micros * 1000)
    }

    #[test]
    fn a_stamp_is_placed_before_the_read() {
        let mut placer = StampPlacer::default();
        assert!(placer.note(us(100), wall(100)));
        assert_eq!(placer.place(us(300), wall(300), wall(280), us(100)), Some(us(280)));
        assert_eq!(placer.place(us(300), wall(300), wall(300), us(280)), Some(us(300)));
    }

    #[test]
    fn what_cannot_be_right_is_dropped() {
        let check = |name: &str, read: (u64, u64), stamped: u64, earliest: u64| {
            let mut placer = StampPlacer::default();
            placer.note(us(1000), wall(1000));
            let placed = placer.place(us(read.0), wall(read.1), wall(stamped), us(earliest));
            assert_eq!(placed, None, "{name}");
        };
        check("after the read", (2000, 2000), 2001, 0);
        check("before the stamp before it", (2000, 2000), 1400, 1500);
        check("the clock was set ahead", (2000, 2100), 2090, 0);
        check("the clock was set back", (2000, 1900), 1890, 0);
        check("set back by an hour, stamped before", (2000, 2000), 3_600_000_000, 0);
    }

    #[test]
    fn stamps_count_again_after_a_step() {
        let mut placer = StampPlacer::default();
        placer.note(us(1000), wall(1000));
        assert_eq!(placer.place(us(2000), wall(9000), wall(8990), us(0)), None);
        assert_eq!(placer.place(us(3000), wall(10_000), wall(9990), us(0)), Some(us(2990)));
    }

    #[test]
    fn slewing_is_no_step() {
        let mut placer = StampPlacer::default();
        placer.note(us(0), wall(0));
        // Ten seconds at 500 parts per million.
        assert_eq!(placer.place(us(10_000_000), wall(10_005_000), wall(10_004_990), us(0)), Some(us(9_999_990)));
    }

    proptest! {
        #[test]
        fn placed_stamps_lie_between_the_last_one_and_the_read(
            now in 0u64..1 << 50, wall in any::<u32>(), stamped in any::<u32>(), earliest in 0u64..1 << 50,
        ) {
            let time = |nanos: u32| Duration::from_nanos(YEAR + u64::from(nanos));
            let (now, earliest) = (Stamp::from_nanos(now), Stamp::from_nanos(earliest));
            if let Some(at) = StampPlacer::default().place(now, time(wall), time(stamped), earliest) {
                prop_assert!(earliest <= at && at <= now);
            }
        }
    }
}
