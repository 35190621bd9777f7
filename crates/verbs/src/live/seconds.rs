//! What a load did in each of its last seconds: the series, and the latencies of the last ten.

use std::collections::VecDeque;
use std::time::Duration;

use weighbridge_stats::histogram::Histogram;
use weighbridge_types::request::RequestRow;

/// Seconds whose counts are kept: wider than most terminals have columns.
const SERIES: usize = 240;

/// Seconds whose latencies are kept apart; older ones are merged into one.
pub(crate) const RECENT: u64 = 10;

/// Seconds that a rate is the mean of.
pub(crate) const RATE_SECONDS: u64 = 5;

/// A row is told once its faults are known, up to about a second after its end. Rates leave that time out, for they would
/// be too low in it.
const SETTLING: Duration = Duration::from_millis(1_500);

/// Distributions of successful requests, in ms.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies {
    pub(crate) ttft: Histogram,
    pub(crate) itl: Histogram,
    pub(crate) e2e: Histogram,
}

impl Latencies {
    fn add(&mut self, row: &RequestRow, with_gaps: bool) {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let timeline = &row.timeline;
        timeline.ttft().into_iter().for_each(|time| self.ttft.push(ms(time)));
        timeline.e2e().into_iter().for_each(|time| self.e2e.push(ms(time)));
        if with_gaps {
            timeline.token_gaps().for_each(|(gap, tokens)| self.itl.push_n(ms(gap), u64::from(tokens)));
        }
    }

    fn merge(&mut self, other: &Self) {
        self.ttft.merge(&other.ttft);
        self.itl.merge(&other.itl);
        self.e2e.merge(&other.e2e);
    }
}

/// What ended in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Second {
    /// Requests that succeeded.
    pub(crate) requests: u64,
    /// Output tokens of those requests, all counted in the second of their end.
    pub(crate) tokens: u64,
    /// In flight when last told; `None` when nobody told.
    pub(crate) in_flight: Option<u64>,
}

/// The seconds of one load, from its first. Memory does not grow with time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seconds {
    series: VecDeque<Second>,
    /// Number of the first second in `series`.
    first: u64,
    recent: VecDeque<(u64, Latencies)>,
    older: Latencies,
}

impl Seconds {
    /// Counts a request that succeeded, `at` after the load's first moment.
    pub(crate) fn count(&mut self, at: Duration, tokens: u64) {
        if let Some(second) = self.second(at.as_secs()) {
            second.requests += 1;
            second.tokens += tokens;
        }
    }

    /// Keeps the latencies of a successful request that is no warm-up.
    pub(crate) fn measure(&mut self, at: Duration, row: &RequestRow, with_gaps: bool) {
        let number = at.as_secs();
        let newest = self.recent.back().map_or(0, |(second, _)| *second);
        if number + RECENT <= newest {
            self.older.add(row, with_gaps);
            return;
        }
        let place = self.recent.partition_point(|(second, _)| *second < number);
        if self.recent.get(place).is_none_or(|(second, _)| *second != number) {
            self.recent.insert(place, (number, Latencies::default()));
        }
        self.recent[place].1.add(row, with_gaps);
        while self.recent.front().is_some_and(|(second, _)| second + RECENT <= number) {
            let left = self.recent.pop_front();
            left.iter().for_each(|(_, latencies)| self.older.merge(latencies));
        }
    }

    /// Keeps what is in flight now.
    pub(crate) fn in_flight(&mut self, at: Duration, in_flight: u64) {
        if let Some(second) = self.second(at.as_secs()) {
            second.in_flight = Some(in_flight);
        }
    }

    fn second(&mut self, number: u64) -> Option<&mut Second> {
        let offset = usize::try_from(number.checked_sub(self.first)?).ok()?;
        if offset >= self.series.len() {
            // A gap longer than the whole series leaves nothing of it.
            let missing = (offset + 1 - self.series.len()).min(SERIES);
            self.series.extend(std::iter::repeat_n(Second::default(), missing));
            let surplus = self.series.len().saturating_sub(SERIES);
            self.series.drain(..surplus);
            self.first = number + 1 - self.series.len() as u64;
        }
        self.series.get_mut(usize::try_from(number - self.first).ok()?)
    }

    /// The seconds whose requests are all told, oldest first.
    pub(crate) fn settled(&self, now: Duration) -> impl Iterator<Item = Second> + '_ {
        let whole = now.saturating_sub(SETTLING).as_secs();
        let count = usize::try_from(whole.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.series.iter().copied().take(count)
    }

    /// Requests and output tokens per second, the mean of the last [`RATE_SECONDS`] that are settled. `None` before the
    /// first one.
    pub(crate) fn rates(&self, now: Duration) -> Option<(f64, f64)> {
        let whole = now.saturating_sub(SETTLING).as_secs();
        let from = whole.saturating_sub(RATE_SECONDS);
        let inside = |number: u64| (from..whole).contains(&number);
        let (mut requests, mut tokens) = (0, 0);
        for (_, second) in (self.first..).zip(&self.series).filter(|(number, _)| inside(*number)) {
            requests += second.requests;
            tokens += second.tokens;
        }
        let seconds = whole - from;
        (seconds > 0).then(|| (requests as f64 / seconds as f64, tokens as f64 / seconds as f64))
    }

    /// Latencies of the requests that ended in the last [`RECENT`] seconds, and of all.
    pub(crate) fn latencies(&self, now: Duration) -> (Latencies, Latencies) {
        let mut recent = Latencies::default();
        let mut all = self.older.clone();
        for (second, latencies) in &self.recent {
            all.merge(latencies);
            if second + RECENT > now.as_secs() {
                recent.merge(latencies);
            }
        }
        (recent, all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn rates_are_means_of_settled_seconds() {
        let mut seconds = Seconds::default();
        for at in 0..20 {
            (0..=at).for_each(|_| seconds.count(s(at), 10));
        }
        let check = |now: Duration, expected| assert_eq!(seconds.rates(now), expected, "{now:?}");
        check(s(0), None);
        check(Duration::from_millis(2_400), None);
        check(Duration::from_millis(2_500), Some((1.0, 10.0)));
        check(Duration::from_millis(3_500), Some((1.5, 15.0)));
        // Seconds 5 to 9 hold 6 to 10 requests.
        check(Duration::from_millis(11_500), Some((8.0, 80.0)));
        // A stall shows as one.
        check(s(60), Some((0.0, 0.0)));
    }

    #[test]
    fn series_keeps_its_length() {
        let mut seconds = Seconds::default();
        for at in [0, 1, 500, 501, 10_000_000] {
            seconds.count(s(at), 1);
            assert!(seconds.series.len() <= SERIES, "{at}");
        }
        assert_eq!(seconds.series.len(), SERIES);
        assert_eq!(seconds.series.iter().map(|second| second.requests).sum::<u64>(), 1);
        seconds.count(s(3), 1);
        assert_eq!(seconds.series.back().map(|second| second.requests), Some(1));
        assert_eq!(seconds.settled(s(10_000_003)).count(), SERIES);
    }
}
