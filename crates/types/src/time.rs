//! Time: the monotonic clock of a run, its stamps, and wall time as a label.

use std::fmt;
use std::ops::Sub;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Nanoseconds since the origin of the run's [`Clock`].
///
/// Stamps of one run share one origin, so that they can be subtracted; stamps of two runs cannot be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Stamp(u64);

impl Stamp {
    /// Makes a stamp from nanoseconds since the origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The stamp this much later; saturates after 584 years.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Stamp {
    type Output = Duration;

    /// The time from `earlier` to `self`; zero when `earlier` is in fact later.
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// The monotonic clock of one run.
///
/// It is made once, at the start of a run, and passed by value to whatever stamps. It reads tokio's clock, which is
/// the system's monotonic clock, except under paused test time, where it follows the test's time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: tokio::time::Instant,
}

impl Clock {
    /// Starts a clock whose origin is now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this type is the one place that reads the monotonic clock")]
    pub fn start() -> Self {
        Self { origin: tokio::time::Instant::now() }
    }

    /// The time since the origin.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this type is the one place that reads the monotonic clock")]
    pub fn now(&self) -> Stamp {
        let elapsed = tokio::time::Instant::now() - self.origin;
        Stamp(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The time since the origin, and beside it what the wall clock shows, as time since 1970. The kernel stamps what
    /// it receives on the wall clock; the pair is what brings such a stamp to this clock.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this type is the one place that reads the clocks")]
    pub fn now_beside_wall(&self) -> (Stamp, Duration) {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (self.now(), wall)
    }

    /// The instant of a stamp, for tokio's timers.
    #[must_use]
    pub fn instant(&self, stamp: Stamp) -> tokio::time::Instant {
        self.origin + Duration::from_nanos(stamp.0)
    }
}

/// Wall time in UTC with millisecond resolution: a label for people, never used to measure.
///
/// Its text form is RFC 3339, `2026-03-01T12:30:00.250Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime {
    unix_millis: u64,
}

impl WallTime {
    /// The present time; 1970 when the system clock stands before it.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this type is the one place that reads wall time")]
    pub fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { unix_millis: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX) }
    }

    /// Makes a wall time from milliseconds since 1970.
    #[must_use]
    pub const fn from_unix_millis(unix_millis: u64) -> Self {
        Self { unix_millis }
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn unix_millis(self) -> u64 {
        self.unix_millis
    }

    /// Reads what this type prints: RFC 3339 in UTC, `2026-03-01T12:30:00Z` with any decimals of a second. `None` for anything
    /// else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let (clock, decimals) = time.split_once('.').unwrap_or((time, "0"));
        let number = |text: &str, width: usize, least: u64, most: u64| {
            let is_plain = text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u64>().ok().filter(|value| is_plain && (least..=most).contains(value))
        };
        let mut parts = date.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let (year, month, day) = (number(year, 4, 1970, 9999)?, number(month, 2, 1, 12)?, number(day, 2, 1, 31)?);
        let mut clocks = clock.split(':');
        let (hour, minute, second) = (clocks.next()?, clocks.next()?, clocks.next()?);
        let (hour, minute, second) = (number(hour, 2, 0, 23)?, number(minute, 2, 0, 59)?, number(second, 2, 0, 59)?);
        if parts.next().is_some() || clocks.next().is_some() || decimals.is_empty() {
            return None;
        }
        let mut millis = 0;
        for (place, byte) in decimals.bytes().enumerate() {
            let digit = u64::from(byte.checked_sub(b'0').filter(|digit| *digit < 10)?);
            millis += [100, 10, 1].get(place).map_or(0, |weight| weight * digit);
        }
        // Days from civil, the other way round: see `fields`.
        let shifted_year = year - u64::from(month <= 2);
        let (era, year_of_era) = (shifted_year / 400, shifted_year % 400);
        let month_index = if month > 2 { month - 3 } else { month + 9 };
        let day_of_year = (153 * month_index + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
        let found = Self { unix_millis: seconds * 1000 + millis };
        // A day that its month does not have lands in the next one.
        (found.fields().0 == (year, month, day)).then_some(found)
    }

    /// The form used in file names, `20260301T123000Z`.
    #[must_use]
    pub fn compact(self) -> String {
        let (date, time) = self.fields();
        format!("{:04}{:02}{:02}T{:02}{:02}{:02}Z", date.0, date.1, date.2, time.0, time.1, time.2)
    }

    /// The date alone, `2026-03-01`.
    #[must_use]
    pub fn date(self) -> String {
        let (date, _) = self.fields();
        format!("{:04}-{:02}-{:02}", date.0, date.1, date.2)
    }

    /// Civil date and time of day. Algorithm: days from civil, Howard Hinnant, "chrono-compatible low-level date
    /// algorithms" (2013), for the proleptic Gregorian calendar.
    fn fields(self) -> ((u64, u64, u64), (u64, u64, u64)) {
        let seconds = self.unix_millis / 1000;
        let (days, second_of_day) = (seconds / 86_400, seconds % 86_400);
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_index = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_index + 2) / 5 + 1;
        let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        ((year, month, day), (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60))
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = self.fields();
        let millis = self.unix_millis % 1000;
        write!(f, "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{millis:03}Z", date.0, date.1, date.2, time.0, time.1, time.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_prints_rfc_3339() {
        let check = |millis, expected: &str| assert_eq!(WallTime::from_unix_millis(millis).to_string(), expected);
        check(0, "1970-01-01T00:00:00.000Z");
        check(951_782_400_000, "2000-02-29T00:00:00.000Z");
        check(1_772_368_200_250, "2026-03-01T12:30:00.250Z");
        check(4_107_542_399_999, "2100-02-28T23:59:59.999Z");
    }

    #[test]
    fn wall_time_is_read_as_it_is_printed() {
        for text in [
            "",
            "2026",
            "2026-02-30T00:00:00Z",
            "2026-3-1T00:00:00Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T00:00:00.Z",
            "2026-03-01T00:00:00+01:00",
            "1969-12-31T00:00:00Z",
            "2026-03-01T00:00:00.5xZ",
        ] {
            assert_eq!(WallTime::parse(text), None, "{text}");
        }
        let short = WallTime::parse("2026-03-01T12:30:00.2504999Z").unwrap();
        assert_eq!(short.unix_millis(), 1_772_368_200_250);
    }

    proptest::proptest! {
        #[test]
        fn wall_times_survive_their_text(millis in 0_u64..253_402_300_800_000) {
            let time = WallTime::from_unix_millis(millis);
            proptest::prop_assert_eq!(WallTime::parse(&time.to_string()), Some(time));
        }

        #[test]
        fn any_text_is_a_time_or_none(text in ".{0,30}") {
            let _ = WallTime::parse(&text);
        }
    }

    #[test]
    fn subtracting_a_later_stamp_gives_zero() {
        assert_eq!(Stamp::from_nanos(5) - Stamp::from_nanos(9), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_follows_paused_time() {
        let clock = Clock::start();
        tokio::time::sleep_until(clock.instant(Stamp::from_nanos(250_000_000))).await;
        assert_eq!(clock.now(), Stamp::from_nanos(250_000_000));
    }
}
