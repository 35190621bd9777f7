//! Rates of a closed loop with the interval that Little's law gives them.

use weighbridge_stats::stream::GroupMeans;
use weighbridge_stats::{Dependence, StatsError};
use weighbridge_types::metric::MetricInterval;

use crate::basis::{CONFIDENCE, MIN_COUNT};
use crate::estimate::{LONGEST, within_run};

/// Name of the interval's method.
pub(crate) const METHOD: &str = "littles_law_ratio";

/// What requests brought, beside the time that each took, in the order of their end. Flat in the number of requests.
///
/// In closed loop L requests are in flight whatever happens, so that an amount per second is L times the ratio of what
/// a request brings to the time that it takes (Little 1961). The ratio is known as well as its residuals
/// `amount − ratio × time` are (Cochran 1977, 6.4). Counts per second of window would be blamed for the rhythm of a
/// closed loop: streams that start together end together, however steady the server is.
#[derive(Clone, Debug)]
pub(crate) struct ByLaw {
    amounts: GroupMeans,
    times: GroupMeans,
    amount: f64,
    seconds: f64,
    n: u64,
}

impl Default for ByLaw {
    fn default() -> Self {
        Self { amounts: GroupMeans::new(LONGEST), times: GroupMeans::new(LONGEST), amount: 0.0, seconds: 0.0, n: 0 }
    }
}

impl ByLaw {
    /// Takes a request that ended: what it brought, and the seconds from its release to its end.
    pub(crate) fn push(&mut self, amount: f64, seconds: f64) {
        self.amounts.push(amount);
        self.times.push(seconds);
        self.amount += amount;
        self.seconds += seconds;
        self.n += 1;
    }

    /// The interval around a rate that was counted, with `in_flight` requests held on average and the half width of that
    /// average's own interval. What the count differs from the law, at the edges of the window, is added whole.
    ///
    /// # Errors
    /// When too few requests ended, or none brought anything.
    pub(crate) fn interval(
        &self,
        counted: f64,
        in_flight: f64,
        in_flight_half: f64,
    ) -> Result<MetricInterval, StatsError> {
        if self.n < MIN_COUNT {
            return Err(StatsError::Insufficient { have: self.n as usize, need: MIN_COUNT as usize });
        }
        if self.amount <= 0.0 || self.seconds <= 0.0 || in_flight <= 0.0 {
            return Err(StatsError::Empty);
        }
        let ratio = self.amount / self.seconds;
        let groups = self.amounts.means().iter().zip(self.times.means());
        let residuals: Vec<f64> = groups.map(|(amount, time)| amount - ratio * time).collect();
        let of_residuals = 0.5 * within_run(&residuals, Dependence::Serial)?.interval.width();
        let spread = of_residuals * self.n as f64 / self.amount;
        let half_width = counted * spread.hypot(in_flight_half / in_flight) + (counted - in_flight * ratio).abs();
        Ok(MetricInterval {
            low: (counted - half_width).max(0.0),
            high: counted + half_width,
            confidence: CONFIDENCE.level(),
            method: METHOD.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests of a closed loop of `held` streams over `seconds`, each as long as `time` says; the rate that was
    /// counted, and its interval.
    fn closed_loop(held: usize, seconds: f64, mut time: impl FnMut() -> f64) -> (f64, MetricInterval) {
        let mut ends: Vec<(f64, f64)> = Vec::new();
        for _ in 0..held {
            let mut now = 0.0;
            while now < seconds {
                let took = time();
                now += took;
                ends.push((now, took));
            }
        }
        ends.retain(|(end, _)| *end < seconds);
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut by_law = ByLaw::default();
        ends.iter().for_each(|(_, took)| by_law.push(1.0, *took));
        let counted = ends.len() as f64 / seconds;
        (counted, by_law.interval(counted, held as f64, 0.0).unwrap())
    }

    #[test]
    fn streams_in_step_are_not_taken_for_noise() {
        let (counted, interval) = closed_loop(128, 4.0, || 0.205);
        let truth = 128.0 / 0.205;
        assert!(interval.low <= truth && truth <= interval.high, "{counted} {interval:?}");
        // The last round is cut off by the window; that is all.
        assert!(interval.high - interval.low <= 2.0 * 128.0 / 4.0, "{interval:?}");
    }

    #[test]
    fn the_interval_holds_the_truth_as_often_as_it_says() {
        // The minimal standard generator of Park and Miller (1988).
        let mut state = 7_u64;
        let mut unit = || {
            state = state * 48_271 % 2_147_483_647;
            state as f64 / 2_147_483_647.0
        };
        let (mut held, rounds) = (0, 400);
        for _ in 0..rounds {
            // Exponential times of mean 0.5 s: completions are a Poisson process of 16 a second.
            let (_, interval) = closed_loop(8, 60.0, || -0.5 * unit().ln());
            held += u32::from(interval.low <= 16.0 && 16.0 <= interval.high);
        }
        let share = f64::from(held) / f64::from(rounds);
        assert!((0.92..=0.995).contains(&share), "{share}");
    }

    #[test]
    fn nothing_gives_no_interval() {
        assert!(ByLaw::default().interval(1.0, 1.0, 0.0).is_err());
        let mut all_failed = ByLaw::default();
        (0..50).for_each(|_| all_failed.push(0.0, 1.0));
        assert!(all_failed.interval(0.0, 1.0, 0.0).is_err());
    }
}
