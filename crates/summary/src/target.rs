//! How a limit on a figure is decided: while measuring, and again when a record is checked.

use std::fmt;

use weighbridge_types::definition::{self, Direction};
use weighbridge_types::metric::Metric;
use weighbridge_types::record::{Record, Verdict};

use crate::growth::Growth;

/// On which side of a limit a value must lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Bound {
    Below,
    AtMost,
    Above,
    AtLeast,
}

impl Bound {
    const ALL: [Self; 4] = [Self::Below, Self::AtMost, Self::Above, Self::AtLeast];

    /// Whether a value is on the right side.
    #[must_use]
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
        }
    }

    /// The side on which a better value lies, the limit included.
    pub(crate) const fn of(direction: Direction) -> Self {
        match direction {
            Direction::Lower | Direction::Neutral => Self::AtMost,
            Direction::Higher => Self::AtLeast,
        }
    }

    /// The sign as a keyboard has it, for what people type.
    pub(crate) const fn typed(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
        }
    }

    /// The sign before the limit.
    const fn sign(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "≤",
            Self::Above => ">",
            Self::AtLeast => "≥",
        }
    }

    const fn is_upper(self) -> bool {
        matches!(self, Self::Below | Self::AtMost)
    }
}

/// A value exceeds its target when it lies beyond the limit by this share: of the limit, or for shares and percentages of
/// the room between the limit and the end of the scale.
const MARGIN: f64 = 0.1;

/// Numbers from here on are written without decimals; below, only whole ones are.
const ROUNDED_FROM: f64 = 1000.0;

/// A limit, in the unit of its metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Which side is right.
    pub bound: Bound,
    /// The limit itself.
    pub value: f64,
}

/// A verdict and why.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Decision {
    pub verdict: Verdict,
    pub because: String,
}

impl Limit {
    /// Decides on a metric of a record; `None` where it has no value.
    ///
    /// Sizes and counts are facts of the run, everything else is decided by the two ends of its interval. Growth of
    /// memory is decided by [`Growth::verdict`] first: a slope that is over when the series ends must not be drawn out
    /// to hours, and one that goes on is not met by luck.
    #[must_use]
    pub fn decide(self, metric: &Metric, record: &Record) -> Option<Decision> {
        let growth = Growth::of_record(record).filter(|_| self.is_of_growth(metric)).map(|growth| growth.verdict());
        match growth.filter(|_| metric.value.is_some()) {
            None => self.by_interval(metric),
            Some(growth) if growth.is_clean() => {
                Some(Decision { verdict: Verdict::Met, because: growth.words().to_owned() })
            }
            Some(growth) => {
                let mut decision = self.by_interval(metric)?;
                if metric.interval.is_some() {
                    decision.because = format!("{}; {}", decision.because, growth.words());
                }
                Some(decision)
            }
        }
    }

    /// Decides on a metric by itself, growth like everything else; `None` where it has no value.
    #[must_use]
    pub fn by_interval(self, metric: &Metric) -> Option<Decision> {
        let value = metric.value?;
        if self.is_exact(metric) {
            return Some(Decision {
                verdict: self.holds(value, value),
                because: format!("counted: {}", rounded(value)),
            });
        }
        let Some(interval) = &metric.interval else {
            let why = metric.interval_reason.as_deref().unwrap_or("the metric has none");
            return Some(Decision { verdict: Verdict::Unclear, because: format!("no interval to decide by: {why}") });
        };
        let percent = 100.0 * interval.confidence;
        let because = format!("{percent:.0} % interval {} to {}", rounded(interval.low), rounded(interval.high));
        Some(Decision { verdict: self.holds(interval.low, interval.high), because })
    }

    /// As [`decide`](Self::decide), and tells what lies beyond the limit by a tenth from what merely keeps it.
    #[must_use]
    pub fn beyond_or_within(self, metric: &Metric, record: &Record) -> Option<Decision> {
        let decision = self.decide(metric, record)?;
        let further = Self { value: self.with_margin(&metric.unit), ..self };
        let is_beyond = further.decide(metric, record).is_some_and(|decision| decision.verdict == Verdict::Met);
        Some(if decision.verdict == Verdict::Met && is_beyond {
            let because = format!("{}; beyond {} as well", decision.because, rounded(further.value));
            Decision { verdict: Verdict::Exceeded, because }
        } else {
            decision
        })
    }

    /// The limit moved to the good side by the margin.
    fn with_margin(self, unit: &str) -> f64 {
        let whole = match unit {
            "share" => Some(1.0),
            "%" => Some(100.0),
            _ => None,
        };
        match whole {
            Some(whole) if !self.bound.is_upper() => self.value + MARGIN * (whole - self.value),
            _ if self.bound.is_upper() => self.value - MARGIN * self.value.abs(),
            _ => self.value + MARGIN * self.value.abs(),
        }
    }

    /// Decides by the two ends of an interval.
    fn holds(self, low: f64, high: f64) -> Verdict {
        match (self.bound.holds(low, self.value), self.bound.holds(high, self.value)) {
            (true, true) => Verdict::Met,
            (false, false) => Verdict::Missed,
            _ => Verdict::Unclear,
        }
    }

    /// A reliability of 100 % is a fact too: no interval of a share reaches it, and what it asks is that no request of
    /// this run failed.
    fn is_exact(self, metric: &Metric) -> bool {
        let is_whole = metric.name == definition::RELIABILITY.name && self.value >= 100.0;
        is_whole || ["bytes", "requests", "instances"].contains(&metric.unit.as_str())
    }

    fn is_of_growth(self, metric: &Metric) -> bool {
        let names = [definition::MEMORY_GROWTH.name, definition::MEMORY_GROWTH_HOURLY.name];
        names.contains(&metric.name.as_str()) && self.bound.is_upper() && self.value > 0.0
    }

    /// Reads what [`Display`](fmt::Display) and a unit make: the limit, and half a step of its last digit. `None` when
    /// it is written in another unit.
    #[must_use]
    pub fn parse(text: &str, unit: &str) -> Option<(Self, f64)> {
        let text = text.trim();
        let (bound, rest) = Bound::ALL.iter().find_map(|bound| Some((*bound, text.strip_prefix(bound.sign())?)))?;
        let (number, found) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
        let value: f64 = number.parse().ok().filter(|value: &f64| (found.trim() == unit) && value.is_finite())?;
        let decimals = number.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let is_exact = decimals == 0 && value.abs() < ROUNDED_FROM;
        let step = i32::try_from(decimals).ok().filter(|_| !is_exact).map_or(0.0, |n| 0.5 * 0.1_f64.powi(n));
        Some((Self { bound, value }, step))
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = self.bound.sign();
        let is_whole = self.value.fract().abs() < f64::EPSILON;
        if is_whole { write!(f, "{sign} {:.0}", self.value) } else { write!(f, "{sign} {}", rounded(self.value)) }
    }
}

/// Four significant digits, or whole numbers above that.
#[must_use]
pub fn rounded(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if size >= ROUNDED_FROM => format!("{value:.0}"),
        _ if size >= 100.0 => format!("{value:.1}"),
        _ if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weighbridge_types::environment::Environment;
    use weighbridge_types::fresh::Fresh;
    use weighbridge_types::metric::{Cell, MetricInterval, Statistic};
    use weighbridge_types::record::{EngineDescription, Phase};

    use super::*;

    #[test]
    fn what_lies_beyond_a_limit_by_a_tenth_exceeds_it() {
        let check = |bound, limit: f64, definition: &definition::Definition, (low, high): (f64, f64), expected| {
            let interval = MetricInterval { low, high, confidence: 0.95, method: "wilson".to_owned() };
            let cell = Cell::default();
            let metric = Metric::measured(definition, Statistic::Value, &cell, 0.5 * (low + high), 100);
            let metric = metric.with_interval(interval);
            let limit = Limit { bound, value: limit };
            let record = Fresh {
                run_id: String::new(),
                kind: String::new(),
                label: String::new(),
                settings: serde_json::Value::Null,
                seed: 0,
                engine: EngineDescription::default(),
                environment: Environment::default(),
            };
            let decision = limit.beyond_or_within(&metric, &record.record(Phase::Stream)).unwrap();
            assert_eq!(decision.verdict, expected, "{limit} {low} {high}");
        };
        let (latency, share, percent) = (&definition::E2E, &definition::ACCURACY, &definition::UPTIME);
        check(Bound::Below, 2_000.0, latency, (1_000.0, 1_700.0), Verdict::Exceeded);
        check(Bound::Below, 2_000.0, latency, (1_000.0, 1_900.0), Verdict::Met);
        check(Bound::Below, 2_000.0, latency, (1_000.0, 2_900.0), Verdict::Unclear);
        check(Bound::Below, 2_000.0, latency, (2_100.0, 2_900.0), Verdict::Missed);
        check(Bound::Above, 0.9, share, (0.92, 0.95), Verdict::Exceeded);
        check(Bound::Above, 0.9, share, (0.905, 0.95), Verdict::Met);
        check(Bound::Above, 95.0, percent, (95.6, 99.0), Verdict::Exceeded);
        check(Bound::Above, 1_000.0, &definition::VERDICTS_PER_HOUR, (1_050.0, 1_200.0), Verdict::Met);
    }

    #[test]
    fn a_written_limit_is_read_back() {
        let check = |text: &str, unit: &str, expected: Option<(Bound, f64, f64)>| {
            let read = Limit::parse(text, unit).map(|(limit, step)| (limit.bound, limit.value, step));
            assert_eq!(read, expected, "{text}");
        };
        check("< 300 ms", "ms", Some((Bound::Below, 300.0, 0.0)));
        check("≥ 100 %", "%", Some((Bound::AtLeast, 100.0, 0.0)));
        check("< 4096 bytes", "bytes", Some((Bound::Below, 4096.0, 0.5)));
        check("< 9.5 MiB/h", "MiB/h", Some((Bound::Below, 9.5, 0.05)));
        check("< 2 GB", "bytes", None);
        check("about 3 ms", "ms", None);
        check("< nan ms", "ms", None);
        check("", "ms", None);
    }

    proptest! {
        #[test]
        fn any_limit_survives_within_its_step(value in -1e9_f64..1e9, index in 0_usize..4) {
            let limit = Limit { bound: Bound::ALL[index], value };
            let (read, step) = Limit::parse(&format!("{limit} ms"), "ms").unwrap();
            prop_assert!(read.bound == limit.bound && (read.value - value).abs() <= step * 1.001);
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in ".{0,40}", unit in ".{0,4}") {
            let _ = Limit::parse(&text, &unit);
        }
    }
}
