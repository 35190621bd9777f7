//! Whether a figure is where it should be: a target and a critical level for each of seven metrics.

use serde::{Deserialize, Serialize};

/// What is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Documents per hour, end to end: target 20 and more, critical below 10.
    DocumentsPerHour,
    /// Peak of memory as a share of the budget, per cent: target 85 to 95, critical above 95.
    MemoryPercent,
    /// Seconds of unloading one model and loading another: target below 5, critical above 20.
    ModelSwitchSeconds,
    /// Mean score of the items: target 0.692 to 0.792, critical below 0.690.
    Quality,
    /// Failed among admitted documents, per cent: target below 2, critical above 5.
    ErrorPercent,
    /// Mean share of the processor, per cent: target 70 to 85, critical above 95.
    CpuPercent,
    /// Mean share of the GPU, per cent: target 40 to 60, critical below 20 and above 80.
    GpuPercent,
}

/// Where a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Where it should be.
    Target,
    /// Neither there nor critical.
    Warning,
    /// Critical.
    Critical,
    /// There is no figure.
    NotAvailable,
}

/// A figure and where it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetVerdict {
    /// What was judged.
    pub target: Target,
    /// The figure; `None` where there is none.
    pub value: Option<f64>,
    /// Its interval, where it has one.
    pub interval: Option<(f64, f64)>,
    /// Where it is.
    pub level: Level,
    /// Whether both ends of the interval are on the same level; `None` without one.
    pub is_certain: Option<bool>,
}

/// Bounds of a target. A bound that is `None` is open.
struct Bounds {
    /// The least of the target, included.
    low: Option<f64>,
    /// The greatest of the target, and whether it is included.
    high: Option<(f64, bool)>,
    critical_below: Option<f64>,
    critical_above: Option<f64>,
}

impl Target {
    /// Every target.
    pub const ALL: [Self; 7] = [
        Self::DocumentsPerHour,
        Self::MemoryPercent,
        Self::ModelSwitchSeconds,
        Self::Quality,
        Self::ErrorPercent,
        Self::CpuPercent,
        Self::GpuPercent,
    ];

    fn bounds(self) -> Bounds {
        let bounds = |low, high, critical_below, critical_above| Bounds { low, high, critical_below, critical_above };
        match self {
            // More than 30 is not worse than 30.
            Self::DocumentsPerHour => bounds(Some(20.0), None, Some(10.0), None),
            Self::MemoryPercent => bounds(Some(85.0), Some((95.0, true)), None, Some(95.0)),
            Self::ModelSwitchSeconds => bounds(None, Some((5.0, false)), None, Some(20.0)),
            Self::Quality => bounds(Some(0.692), Some((0.792, true)), Some(0.690), None),
            Self::ErrorPercent => bounds(None, Some((2.0, false)), None, Some(5.0)),
            Self::CpuPercent => bounds(Some(70.0), Some((85.0, true)), None, Some(95.0)),
            Self::GpuPercent => bounds(Some(40.0), Some((60.0, true)), Some(20.0), Some(80.0)),
        }
    }

    /// Where a figure is.
    #[must_use]
    pub fn level(self, value: f64) -> Level {
        if value.is_nan() {
            return Level::NotAvailable;
        }
        let bounds = self.bounds();
        let is_critical = bounds.critical_below.is_some_and(|bound| value < bound)
            || bounds.critical_above.is_some_and(|bound| value > bound);
        let reaches_low = bounds.low.is_none_or(|low| value >= low);
        let keeps_high = bounds.high.is_none_or(|(high, is_in)| value < high || (is_in && value <= high));
        match () {
            () if is_critical => Level::Critical,
            () if reaches_low && keeps_high => Level::Target,
            () => Level::Warning,
        }
    }

    /// Judges a figure with its interval.
    #[must_use]
    pub fn judge(self, value: Option<f64>, interval: Option<(f64, f64)>) -> TargetVerdict {
        let level = value.map_or(Level::NotAvailable, |value| self.level(value));
        let is_certain = interval.map(|(low, high)| self.level(low) == level && self.level(high) == level);
        TargetVerdict { target: self, value, interval, level, is_certain }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_change_at_their_bounds() {
        use Level::{Critical, Target as InTarget, Warning};
        let check = |target: Target, rows: &[(f64, Level)]| {
            for (value, expected) in rows {
                assert_eq!(target.level(*value), *expected, "{target:?} {value}");
            }
        };
        check(
            Target::DocumentsPerHour,
            &[(9.99, Critical), (10.0, Warning), (19.99, Warning), (20.0, InTarget), (500.0, InTarget)],
        );
        check(
            Target::MemoryPercent,
            &[(50.0, Warning), (84.9, Warning), (85.0, InTarget), (95.0, InTarget), (95.1, Critical), (96.0, Critical)],
        );
        check(Target::ModelSwitchSeconds, &[(4.99, InTarget), (5.0, Warning), (20.0, Warning), (20.01, Critical)]);
        check(
            Target::Quality,
            &[
                (0.689, Critical),
                (0.690, Warning),
                (0.692, InTarget),
                (0.742, InTarget),
                (0.792, InTarget),
                (0.793, Warning),
            ],
        );
        check(
            Target::ErrorPercent,
            &[(0.0, InTarget), (1.99, InTarget), (2.0, Warning), (3.0, Warning), (5.0, Warning), (5.01, Critical)],
        );
        check(
            Target::CpuPercent,
            &[(69.9, Warning), (70.0, InTarget), (85.0, InTarget), (85.1, Warning), (95.0, Warning), (95.1, Critical)],
        );
        check(
            Target::GpuPercent,
            &[(19.9, Critical), (20.0, Warning), (40.0, InTarget), (60.0, InTarget), (80.0, Warning), (80.1, Critical)],
        );
    }

    #[test]
    fn intervals_say_how_certain_a_level_is() {
        let judge = |value, interval| Target::Quality.judge(value, interval);
        assert_eq!(judge(Some(0.74), Some((0.72, 0.76))).is_certain, Some(true));
        assert_eq!(judge(Some(0.70), Some((0.68, 0.72))).is_certain, Some(false));
        assert_eq!(judge(None, None).level, Level::NotAvailable);
        assert_eq!(Target::GpuPercent.level(f64::NAN), Level::NotAvailable);
    }
}
