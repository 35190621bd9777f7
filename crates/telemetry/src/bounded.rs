//! Numbers with bounds, and counters read between their samples.

use std::time::Duration;

use weighbridge_types::metric::{MetricInterval, Statistic};
use weighbridge_types::time::Stamp;

/// A span of the run that figures are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its start.
    pub from: Stamp,
    /// Its end.
    pub to: Stamp,
}

impl Window {
    /// How long it is.
    #[must_use]
    pub fn length(self) -> Duration {
        self.to - self.from
    }

    /// Its length in seconds.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.length().as_secs_f64()
    }

    /// Whether a moment lies in it, ends included.
    #[must_use]
    pub fn contains(self, at: Stamp) -> bool {
        (self.from..=self.to).contains(&at)
    }
}

/// A number that is known to lie between two bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounded {
    /// The best guess.
    pub value: f64,
    /// Not below this.
    pub low: f64,
    /// Not above this.
    pub high: f64,
}

/// Bounds that are not around their number.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("use the bounds {low} to {high} around {value}: each must be finite and the number between them")]
pub struct BoundsError {
    value: f64,
    low: f64,
    high: f64,
}

impl BoundsError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        "give the lower bound first, and the number between the two"
    }
}

impl Bounded {
    /// A number between two bounds.
    ///
    /// # Errors
    /// When one is not finite, or the number is not between the bounds.
    pub fn new(value: f64, low: f64, high: f64) -> Result<Self, BoundsError> {
        let is_sound = [value, low, high].iter().all(|number| number.is_finite()) && low <= value && value <= high;
        if is_sound { Ok(Self { value, low, high }) } else { Err(BoundsError { value, low, high }) }
    }

    /// A number without doubt.
    #[must_use]
    pub const fn exact(value: f64) -> Self {
        Self { value, low: value, high: value }
    }

    /// Times a factor of 0 or more.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { value: self.value * factor, low: self.low * factor, high: self.high * factor }
    }

    /// The sum; both may be wrong at once.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { value: self.value + other.value, low: self.low + other.low, high: self.high + other.high }
    }

    /// The difference; both may be wrong at once.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self { value: self.value - other.value, low: self.low - other.high, high: self.high - other.low }
    }

    /// The quotient by a number above 0; `None` when that may be 0. The dividend may be negative.
    #[must_use]
    pub fn over(self, divisor: Self) -> Option<Self> {
        if divisor.low <= 0.0 {
            return None;
        }
        let low = if self.low < 0.0 { divisor.low } else { divisor.high };
        let high = if self.high < 0.0 { divisor.high } else { divisor.low };
        Some(Self { value: self.value / divisor.value, low: self.low / low, high: self.high / high })
    }

    /// Wider by a share of each bound's size.
    #[must_use]
    pub fn widened(self, share: f64) -> Self {
        Self { value: self.value, low: self.low - self.low.abs() * share, high: self.high + self.high.abs() * share }
    }

    /// The interval of a metric. It is of bounds, not of chance, hence the confidence 1.
    #[must_use]
    pub fn interval(self, method: &str) -> MetricInterval {
        MetricInterval { low: self.low, high: self.high, confidence: 1.0, method: method.to_owned() }
    }
}

/// What a counter gained over a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gain {
    pub(crate) amount: Bounded,
    /// Whether samples lie on both sides of both ends. If not, the amount is of the part of the window that samples
    /// cover, and its bounds are not those of the whole.
    pub(crate) is_whole: bool,
}

/// Reads what a counter gained. Between two samples it is taken to rise evenly; the samples around each end bound
/// what it may be.
///
/// `points` are in order of time. Fails, with the reason, when they do not tell.
pub(crate) fn gain(points: &[(Stamp, f64)], window: Window) -> Result<Gain, String> {
    let first = points.partition_point(|point| point.0 <= window.from).saturating_sub(1);
    let last = points.partition_point(|point| point.0 < window.to);
    let near = points.get(first..points.len().min(last + 1)).unwrap_or_default();
    let (Some(start), Some(end)) = (edge(near, window.from), edge(near, window.to)) else {
        return Err("no sample was taken".to_owned());
    };
    if near.len() < 2 {
        return Err("fewer than two samples cover the window".to_owned());
    }
    if near.windows(2).any(|pair| pair[1].1 < pair[0].1) {
        return Err("the counter fell: what counts was restarted within the window".to_owned());
    }
    let inside = (end.before - start.after).max(0.0);
    let amount = Bounded { value: end.at - start.at, low: inside, high: end.after - start.before };
    Ok(Gain { amount, is_whole: start.is_inside && end.is_inside })
}

/// A counter at one moment, and its samples around that.
struct Edge {
    at: f64,
    before: f64,
    after: f64,
    is_inside: bool,
}

fn edge(points: &[(Stamp, f64)], at: Stamp) -> Option<Edge> {
    let next = points.partition_point(|point| point.0 < at);
    let after = points.get(next);
    let before = match after {
        Some(after) if after.0 == at => Some(after),
        _ => next.checked_sub(1).and_then(|index| points.get(index)),
    };
    let (before, after, is_inside) = match (before, after) {
        (Some(before), Some(after)) => (before, after, true),
        (Some(only), None) | (None, Some(only)) => (only, only, false),
        (None, None) => return None,
    };
    let span = (after.0 - before.0).as_secs_f64();
    let share = if span > 0.0 && is_inside { (at - before.0).as_secs_f64() / span } else { 0.0 };
    Some(Edge { at: before.1 + (after.1 - before.1) * share, before: before.1, after: after.1, is_inside })
}

/// Statistics read from buckets or samples: the grid that a server's figures show.
pub(crate) const QUANTILES: [(Statistic, f64); 4] =
    [(Statistic::P50, 0.5), (Statistic::P90, 0.9), (Statistic::P95, 0.95), (Statistic::P99, 0.99)];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stamp(seconds: u64) -> Stamp {
        Stamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn gains_are_read_between_samples() {
        let check = |points: &[(u64, f64)], from, to, expected: Result<(f64, f64, f64, bool), &str>| {
            let points: Vec<_> = points.iter().map(|&(at, value)| (stamp(at), value)).collect();
            let found = gain(&points, Window { from: stamp(from), to: stamp(to) });
            let found = found.map(|gain| (gain.amount.value, gain.amount.low, gain.amount.high, gain.is_whole));
            match expected {
                Ok(expected) => assert_eq!(found, Ok(expected), "{points:?} {from} {to}"),
                Err(reason) => assert!(found.unwrap_err().contains(reason)),
            }
        };
        let rising = [(0, 0.0), (10, 100.0), (20, 300.0), (30, 300.0)];
        check(&rising, 10, 20, Ok((200.0, 200.0, 200.0, true)));
        check(&rising, 5, 15, Ok((150.0, 0.0, 300.0, true)));
        check(&rising, 5, 25, Ok((250.0, 200.0, 300.0, true)));
        check(&rising, 10, 40, Ok((200.0, 200.0, 200.0, false)));
        check(&rising[1..], 0, 20, Ok((200.0, 200.0, 200.0, false)));
        check(&rising, 20, 30, Ok((0.0, 0.0, 0.0, true)));
        check(&rising, 40, 50, Err("fewer than two samples"));
        check(&[(5, 1.0)], 0, 10, Err("fewer than two samples"));
        check(&[], 0, 10, Err("no sample"));
        check(&[(0, 5.0), (5, 9.0), (10, 2.0)], 0, 10, Err("restarted"));
        check(&[(0, 9.0), (1, 1.0), (5, 5.0), (10, 7.0)], 5, 10, Ok((2.0, 2.0, 2.0, true)));
    }

    #[test]
    fn arithmetic_keeps_the_worst_case() {
        let number = |value, low, high| Bounded::new(value, low, high).unwrap();
        let check = |found: Option<Bounded>, expected: Option<Bounded>| assert_eq!(found, expected);
        check(number(6.0, 4.0, 8.0).over(number(2.0, 1.0, 4.0)), Some(number(3.0, 1.0, 8.0)));
        check(number(-1.0, -2.0, -1.0).over(number(2.0, 1.0, 4.0)), Some(number(-0.5, -2.0, -0.25)));
        check(number(6.0, 4.0, 8.0).over(number(1.0, 0.0, 4.0)), None);
        check(Some(number(6.0, 4.0, 8.0).minus(number(2.0, 1.0, 3.0))), Some(number(4.0, 1.0, 7.0)));
        check(Some(number(6.0, 4.0, 8.0).plus(number(2.0, 1.0, 3.0))), Some(number(8.0, 5.0, 11.0)));
        check(Some(number(1.0, -10.0, 10.0).widened(0.1)), Some(number(1.0, -11.0, 11.0)));
        let error = Bounded::new(1.0, 2.0, 3.0).unwrap_err();
        assert!(error.to_string().contains("2 to 3 around 1") && !error.hint().is_empty());
        assert!(Bounded::new(f64::NAN, 0.0, 1.0).is_err());
    }

    proptest! {
        #[test]
        fn a_gain_lies_within_its_bounds(
            mut steps in prop::collection::vec((0_u64..9, 0_u32..100), 0..12), from in 0_u64..60, length in 0_u64..60,
        ) {
            let (mut at, mut total) = (0, 0.0);
            let points: Vec<_> = steps.drain(..).map(|(step, more)| {
                at += step;
                total += f64::from(more);
                (stamp(at), total)
            }).collect();
            if let Ok(found) = gain(&points, Window { from: stamp(from), to: stamp(from + length) }) {
                let amount = found.amount;
                prop_assert!(amount.value >= 0.0 && amount.high <= total);
                if found.is_whole {
                    prop_assert!(amount.low <= amount.value + 1e-9 && amount.value <= amount.high + 1e-9, "{amount:?}");
                }
            }
        }
    }
}
