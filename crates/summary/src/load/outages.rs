//! Outages: from the first failure to the first of several successes in a row.

use std::time::Duration;

use weighbridge_types::time::Stamp;

/// So many failures in a row are an outage; fewer are errors.
const FAILURES: u32 = 3;

/// So many successes in a row end one; the first of them is when the service was back.
const SUCCESSES: u32 = 5;

/// Outages that are kept one by one; of more, the count and the time are known.
const KEPT: usize = 64;

/// Outages told in words.
const TOLD: usize = 16;

/// Time in which requests failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outage {
    /// End of the first request that failed.
    start: Stamp,
    /// End of the first request of the successes that ended it; `None` while it lasts.
    back: Option<Stamp>,
    /// Requests that failed.
    failed: u64,
}

impl Outage {
    /// From the first failure to the first of the successes.
    pub(super) fn recovery(&self) -> Option<Duration> {
        Some(self.back? - self.start)
    }
}

/// The outages of a run, found as requests end. Flat memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Outages {
    kept: Vec<Outage>,
    count: u64,
    down: Duration,
    /// The one under way.
    open: Option<Outage>,
    /// Failures in a row, and the end of the first of them, while none is under way.
    failures: u32,
    first_failure: Stamp,
    /// Successes in a row, and the end of the first of them, while one is under way.
    successes: u32,
    first_success: Stamp,
    requests: u64,
}

impl Outages {
    /// Takes the end of a request, in the order of the log.
    pub(super) fn push(&mut self, ended: Stamp, is_success: bool) {
        self.requests += 1;
        match (&mut self.open, is_success) {
            (None, true) => self.failures = 0,
            (None, false) => {
                if self.failures == 0 {
                    self.first_failure = ended;
                }
                self.failures += 1;
                if self.failures == FAILURES {
                    let failed = u64::from(FAILURES);
                    self.open = Some(Outage { start: self.first_failure, back: None, failed });
                    self.count += 1;
                    self.successes = 0;
                }
            }
            (Some(open), false) => {
                open.failed += 1;
                self.successes = 0;
            }
            (Some(open), true) => {
                if self.successes == 0 {
                    self.first_success = ended;
                }
                self.successes += 1;
                if self.successes == SUCCESSES {
                    let outage = Outage { back: Some(self.first_success.max(open.start)), ..*open };
                    self.down += outage.recovery().unwrap_or_default();
                    if self.kept.len() < KEPT {
                        self.kept.push(outage);
                    }
                    self.open = None;
                    self.failures = 0;
                }
            }
        }
    }

    /// The outages that ended, the first of them.
    pub(super) fn kept(&self) -> &[Outage] {
        &self.kept
    }

    /// All of them.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Requests looked at.
    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    /// Time in outages, the one under way up to `now`.
    pub(super) fn downtime(&self, now: Stamp) -> Duration {
        self.down + self.open.map_or(Duration::ZERO, |open| now - open.start)
    }

    /// In words, counted from the origin.
    pub(super) fn notes(&self, origin: Stamp) -> Vec<String> {
        let seconds = |at: Stamp| (at - origin).as_secs_f64();
        let words = |outage: &Outage| {
            let (start, failed) = (seconds(outage.start), outage.failed);
            match (outage.back, outage.recovery()) {
                (Some(back), Some(recovery)) => format!(
                    "outage from {start:.3} s to {:.3} s: {failed} requests failed, recovered in {:.3} s",
                    seconds(back),
                    recovery.as_secs_f64()
                ),
                _ => format!("outage from {start:.3} s to the end: {failed} requests failed, not recovered"),
            }
        };
        let told = self.kept.iter().take(TOLD).chain(&self.open);
        let mut notes: Vec<String> = told.map(words).collect();
        let more = self.count.saturating_sub(notes.len() as u64);
        if more > 0 {
            notes.push(format!("{more} more outages"));
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays `+` and `-`, one per second; starts and ends of the outages in seconds.
    fn play(text: &str) -> (Vec<(u64, Option<u64>)>, u64) {
        let mut outages = Outages::default();
        let second = |index: usize| Stamp::from_nanos(index as u64 * 1_000_000_000);
        for (index, outcome) in text.chars().enumerate() {
            outages.push(second(index), outcome == '+');
        }
        let seconds = |stamp: Stamp| stamp.as_nanos() / 1_000_000_000;
        let told = outages.kept.iter().chain(&outages.open);
        let found = told.map(|outage| (seconds(outage.start), outage.back.map(seconds))).collect();
        (found, outages.downtime(second(text.len())).as_secs())
    }

    #[test]
    fn outages_begin_with_three_failures_and_end_with_five_successes() {
        let check = |text: &str, expected: &[(u64, Option<u64>)], downtime: u64| {
            assert_eq!(play(text), (expected.to_vec(), downtime), "{text}");
        };
        check("+++++++", &[], 0);
        check("+-+--+-+", &[], 0);
        check("++---+++++", &[(2, Some(5))], 3);
        check("++---++--+++++++", &[(2, Some(9))], 7);
        check("---+++++---+++++", &[(0, Some(3)), (8, Some(11))], 6);
        check("++----", &[(2, None)], 4);
        check("++---++++", &[(2, None)], 7);
    }
}
