//! Whether memory grows: the one rule by which the check, the findings and the targets speak.

use weighbridge_stats::trend::Trend;
use weighbridge_types::definition as define;
use weighbridge_types::metric::Metric;
use weighbridge_types::record::Record;

use crate::load::{GROWTH, PROCESS};

/// Growth below this many bytes per request is of no practical weight: a page per sixteen requests.
pub const GROWTH_FLOOR: f64 = 256.0;

/// Growth that stops has a last third that grows by no more than this share of the whole.
const PLATEAU_SHARE: f64 = 0.25;

/// Significance of the trend test.
const SIGNIFICANCE: f64 = 0.05;

/// A slope with its interval, bytes per request.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Slope {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Slope {
    pub(crate) const fn of(trend: &Trend) -> Self {
        Self { value: trend.slope, low: trend.interval.low, high: trend.interval.high }
    }
}

/// What a series of memory readings says about growth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Theil–Sen slope of the whole series.
    pub whole: Slope,
    /// That of its last third.
    pub late: Slope,
    /// p value of the Mann–Kendall test of the whole, corrected for autocorrelation.
    pub p: f64,
}

/// What follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrowthVerdict {
    /// The interval of the slope includes zero, and the last third does not grow either.
    Flat,
    /// It grew while it settled, and the last third does not grow.
    LevelledOff,
    /// It grows to the end, by less than [`GROWTH_FLOOR`].
    Slow,
    /// It grows to the end, by more than [`GROWTH_FLOOR`], and the trend is significant.
    Leak,
    /// The readings do not decide.
    Unclear,
}

impl GrowthVerdict {
    /// Whether memory does not grow any more. What grows slowly grows.
    #[must_use]
    pub const fn is_clean(self) -> bool {
        matches!(self, Self::Flat | Self::LevelledOff)
    }

    /// The verdict in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Flat => "no growth: the interval includes zero, and the last third does not grow",
            Self::LevelledOff => "growth levelled off: the last third does not grow",
            Self::Slow => "slow growth to the end, under 256 bytes per request",
            Self::Leak => "growth to the end, above 256 bytes per request and significant",
            Self::Unclear => "the readings do not decide",
        }
    }
}

impl Growth {
    /// Growth as a record states it; `None` without its slopes and their intervals.
    #[must_use]
    pub fn of_record(record: &Record) -> Option<Self> {
        let find = |name: &str| record.metrics.iter().find(|metric| metric.name == name);
        Self::of(
            [&define::MEMORY_GROWTH, &define::MEMORY_GROWTH_LATE, &define::MEMORY_TREND]
                .map(|definition| find(definition.name)),
        )
    }

    /// Growth of a process under load, as the figures of a soak state it.
    #[must_use]
    pub fn of_soak(metrics: &[Metric], process: &str) -> Option<Self> {
        let is_of = |metric: &&Metric| metric.cell.get(PROCESS) == Some(process);
        Self::of(GROWTH.map(|definition| metrics.iter().filter(is_of).find(|metric| metric.name == definition.name)))
    }

    fn of([whole, late, p]: [Option<&Metric>; 3]) -> Option<Self> {
        let slope = |metric: &Metric| {
            let interval = metric.interval.as_ref()?;
            Some(Slope { value: metric.value?, low: interval.low, high: interval.high })
        };
        Some(Self { whole: slope(whole?)?, late: slope(late?)?, p: p?.value? })
    }

    /// Decides. A leak is a slope whose interval lies above the practical floor, with a significant trend and no
    /// plateau at the end: Mann–Kendall alone raises false alarms on memory series (Machida et al. 2013).
    #[must_use]
    pub fn verdict(&self) -> GrowthVerdict {
        if self.whole.low <= 0.0 {
            return if self.late.low <= 0.0 { GrowthVerdict::Flat } else { GrowthVerdict::Unclear };
        }
        if self.levels_off() {
            return GrowthVerdict::LevelledOff;
        }
        if self.whole.high < GROWTH_FLOOR {
            return GrowthVerdict::Slow;
        }
        let is_leak = self.whole.low > GROWTH_FLOOR && self.p < SIGNIFICANCE;
        if is_leak { GrowthVerdict::Leak } else { GrowthVerdict::Unclear }
    }

    /// Nothing shows that the last third grows, and its slope is far below that of the whole.
    fn levels_off(&self) -> bool {
        self.late.low <= 0.0 && self.late.value <= PLATEAU_SHARE * self.whole.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verdict_has_its_case() {
        let slope = |(low, high): (f64, f64)| Slope { value: f64::midpoint(low, high), low, high };
        let check = |whole, late, p, expected| {
            let growth = Growth { whole: slope(whole), late: slope(late), p };
            assert_eq!(growth.verdict(), expected, "{growth:?}");
        };
        check((-40.0, 30.0), (-50.0, 50.0), 0.9, GrowthVerdict::Flat);
        check((0.0, 0.0), (0.0, 0.0), 1.0, GrowthVerdict::Flat);
        check((-40.0, 30.0), (10.0, 50.0), 0.9, GrowthVerdict::Unclear);
        check((100.0, 900.0), (0.0, 20.0), 0.0, GrowthVerdict::LevelledOff);
        check((900.0, 1_100.0), (-10.0, 20.0), 0.0, GrowthVerdict::LevelledOff);
        check((100.0, 200.0), (90.0, 210.0), 0.0, GrowthVerdict::Slow);
        check((900.0, 1_100.0), (800.0, 1_200.0), 0.0, GrowthVerdict::Leak);
        // The last third grows slower than the whole, and grows.
        check((9e5, 1.1e6), (1e5, 2e5), 0.0, GrowthVerdict::Leak);
        check((9e5, 1.1e6), (1.0, 2.0), 0.0, GrowthVerdict::Leak);
        check((900.0, 1_100.0), (800.0, 1_200.0), 0.2, GrowthVerdict::Unclear);
        check((100.0, 900.0), (50.0, 900.0), 0.0, GrowthVerdict::Unclear);
    }
}
