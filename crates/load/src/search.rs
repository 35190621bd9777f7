//! Capacity search: which load to try next, and when to stop.
//!
//! Doubles the load until it is too much, then halves the gap on a logarithmic scale. The answer is a bracket: the
//! largest load that passed and the smallest that did not, with the reason for the stop. The search is pure: it knows
//! neither how a load is made nor how it is judged.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is searched along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Sessions per second, any positive number.
    Rate,
    /// Sessions in flight, whole numbers.
    Concurrency,
}

/// How a load did.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement {
    /// The target carries it within the objective.
    Passes,
    /// It does not; with the reason.
    Fails(String),
    /// The data do not decide; with the reason. Counts as too much, since a capacity is a promise.
    Unclear(String),
    /// The measurement is not valid, so that nothing above can be measured either; with the reason.
    Invalid(String),
}

/// Bounds of a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchLimits {
    /// The first load.
    pub start: f64,
    /// The largest load to try.
    pub most: f64,
    /// The bracket is narrow enough when its upper end is at most this factor above the lower one. Above 1.
    pub precision: f64,
    /// Loads to try at most.
    pub loads: usize,
}

/// A search under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    axis: Axis,
    limits: SearchLimits,
    tried: Vec<(f64, Judgement)>,
    low: Option<f64>,
    high: Option<f64>,
    invalid: Option<String>,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Capacity {
    /// The largest load that passed; `None` when none did.
    pub carried: Option<f64>,
    /// The smallest load that did not pass; `None` when none failed.
    pub too_much: Option<f64>,
    /// Why the search stopped.
    pub why: String,
    /// Every load tried, in order.
    pub tried: Vec<(f64, Judgement)>,
}

impl Search {
    /// Prepares a search.
    #[must_use]
    pub fn new(axis: Axis, limits: SearchLimits) -> Self {
        Self { axis, limits, tried: Vec::new(), low: None, high: None, invalid: None }
    }

    /// The next load to try; `None` when the search is over.
    #[must_use]
    pub fn next(&self) -> Option<f64> {
        if self.invalid.is_some() || self.tried.len() >= self.limits.loads {
            return None;
        }
        let next = match (self.low, self.high) {
            (None, None) => self.limits.start,
            (Some(low), None) if low >= self.limits.most => return None,
            (Some(low), None) => (low * 2.0).min(self.limits.most),
            (None, Some(high)) if high <= self.least() => return None,
            (None, Some(high)) => high / 2.0,
            (Some(low), Some(high)) if high <= low * self.limits.precision => return None,
            (Some(low), Some(high)) => (low * high).sqrt(),
        };
        let next = self.on_axis(next);
        // Whole numbers leave nothing between two neighbors.
        let is_new = self.tried.iter().all(|(load, _)| load.total_cmp(&next).is_ne());
        is_new.then_some(next)
    }

    /// Takes how the load did that [`next`](Search::next) gave.
    pub fn take(&mut self, load: f64, judgement: Judgement) {
        match &judgement {
            Judgement::Passes => self.low = Some(self.low.map_or(load, |low| low.max(load))),
            Judgement::Fails(_) | Judgement::Unclear(_) => {
                self.high = Some(self.high.map_or(load, |high| high.min(load)));
            }
            Judgement::Invalid(why) => self.invalid = Some(why.clone()),
        }
        self.tried.push((load, judgement));
    }

    /// What was found so far.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        Capacity { carried: self.low, too_much: self.high, why: self.why(), tried: self.tried.clone() }
    }

    fn why(&self) -> String {
        if let Some(why) = &self.invalid {
            return format!("the measurement is not valid beyond this: {why}");
        }
        match (self.low, self.high) {
            (Some(low), Some(high)) if high <= low * self.limits.precision => {
                format!("the bracket is narrow enough: its ends differ by {:.1} %", (high / low - 1.0) * 100.0)
            }
            (Some(_), Some(_)) if self.axis == Axis::Concurrency && self.next().is_none() => {
                "no whole number lies between".to_owned()
            }
            (Some(low), None) if low >= self.limits.most => {
                format!("the largest load that was to be tried, {}, still passes", shown(self.limits.most))
            }
            (None, Some(high)) if high <= self.least() => {
                format!("even {} is too much: {}", shown(high), self.last_reason())
            }
            _ => format!("{} loads were tried, the most allowed", self.tried.len()),
        }
    }

    fn last_reason(&self) -> String {
        let reason = self.tried.iter().rev().find_map(|(_, judgement)| match judgement {
            Judgement::Fails(why) | Judgement::Unclear(why) => Some(why.clone()),
            Judgement::Passes | Judgement::Invalid(_) => None,
        });
        reason.unwrap_or_default()
    }

    /// The least load worth trying: one in flight, or a sixty-fourth of the first rate.
    fn least(&self) -> f64 {
        match self.axis {
            Axis::Concurrency => 1.0,
            Axis::Rate => self.limits.start / 64.0,
        }
    }

    fn on_axis(&self, load: f64) -> f64 {
        match self.axis {
            Axis::Concurrency => load.round().max(1.0),
            // Four digits: what a person would write, and the same in every cell.
            Axis::Rate => {
                let scale = 10_f64.powi(3 - digits(load));
                (load * scale).round() / scale
            }
        }
    }
}

/// Decimal exponent of a positive number.
#[expect(clippy::cast_possible_truncation, reason = "an exponent is small")]
fn digits(value: f64) -> i32 {
    value.abs().log10().floor() as i32
}

/// A load as a person writes it.
fn shown(load: f64) -> String {
    format!("{load}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(axis: Axis, start: f64, most: f64, judge: impl Fn(f64) -> Judgement) -> Capacity {
        let mut search = Search::new(axis, SearchLimits { start, most, precision: 1.05, loads: 30 });
        while let Some(load) = search.next() {
            search.take(load, judge(load));
        }
        search.capacity()
    }

    fn limit_at(capacity: f64) -> impl Fn(f64) -> Judgement {
        move |load| if load <= capacity { Judgement::Passes } else { Judgement::Fails("too slow".to_owned()) }
    }

    #[test]
    fn the_bracket_holds_the_capacity() {
        for capacity in [1.0, 3.3, 17.0, 100.0, 999.0, 4321.0] {
            let found = search(Axis::Rate, 1.0, 1e6, limit_at(capacity));
            let (low, high) = (found.carried.unwrap(), found.too_much.unwrap());
            assert!(low <= capacity && capacity < high && high <= low * 1.051, "{capacity}: {found:?}");
            assert!(found.why.contains("narrow enough"), "{}", found.why);
        }
    }

    #[test]
    fn whole_numbers_end_at_neighbors() {
        let found = search(Axis::Concurrency, 1.0, 1e6, limit_at(6.0));
        assert_eq!((found.carried, found.too_much), (Some(6.0), Some(7.0)));
        assert!(found.why.contains("whole number"), "{}", found.why);
    }

    #[test]
    fn the_reason_for_the_stop_is_told() {
        let check = |found: Capacity, carried: Option<f64>, part: &str| {
            assert_eq!(found.carried, carried);
            assert!(found.why.contains(part), "{}", found.why);
        };
        check(search(Axis::Rate, 1.0, 64.0, limit_at(1e9)), Some(64.0), "still passes");
        check(search(Axis::Concurrency, 4.0, 64.0, limit_at(0.0)), None, "even 1 is too much: too slow");
        let client = |load: f64| {
            if load < 10.0 { Judgement::Passes } else { Judgement::Invalid("the client is the bottleneck".to_owned()) }
        };
        check(search(Axis::Rate, 1.0, 1e6, client), Some(8.0), "the client is the bottleneck");
        let mut few = Search::new(Axis::Rate, SearchLimits { start: 1.0, most: 1e6, precision: 1.01, loads: 3 });
        while let Some(load) = few.next() {
            few.take(load, limit_at(2.5)(load));
        }
        check(few.capacity(), Some(2.0), "3 loads were tried");
    }

    #[test]
    fn what_is_unclear_is_no_promise() {
        let judge = |load: f64| if load < 5.0 { Judgement::Passes } else { Judgement::Unclear("wide".to_owned()) };
        let found = search(Axis::Concurrency, 1.0, 100.0, judge);
        assert_eq!(found.carried, Some(4.0));
    }
}
