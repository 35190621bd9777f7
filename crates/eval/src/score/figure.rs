//! Figures with their intervals, or the reason for none.

use weighbridge_stats::{Estimate, Interval, StatsError};
use weighbridge_types::definition::Definition;
use weighbridge_types::metric::{Cell, Flag, Metric, MetricInterval, Statistic};
use weighbridge_types::record::Phase;

/// Fewer samples than this cannot carry a score.
const MIN_COUNT: u64 = 30;

/// Which samples a figure is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    /// All; one without an answer counts as wrong.
    FailuresAsWrong,
    /// Those with an answer.
    AnsweredOnly,
}

impl Scope {
    /// The forms that there are: one, where every sample has an answer.
    pub(super) fn of(all_answered: bool) -> &'static [Self] {
        if all_answered { &[Self::FailuresAsWrong] } else { &[Self::FailuresAsWrong, Self::AnsweredOnly] }
    }

    /// The samples of this form as positions that are units of their own, by whether each has an answer.
    pub(super) fn kept(self, answered: impl Iterator<Item = bool>) -> Vec<(usize, u32)> {
        let in_form = |(_, is_answered): &(u32, bool)| self == Self::FailuresAsWrong || *is_answered;
        (0..).zip(answered).filter(in_form).map(|(unit, _)| (unit as usize, unit)).collect()
    }

    /// A place, for this form.
    pub(super) fn within(self, cell: &Cell) -> Cell {
        match self {
            Self::FailuresAsWrong => cell.clone(),
            Self::AnsweredOnly => cell.clone().with("over", "answered"),
        }
    }

    /// The place of a figure: that of all samples has no setting, as in a run.
    pub(super) fn cell(self) -> Cell {
        self.within(&Cell::of(Phase::Evaluate))
    }
}

/// A figure with its interval.
pub(super) fn figure(
    definition: &Definition,
    cell: &Cell,
    value: f64,
    n: u64,
    interval: Result<Interval, String>,
) -> Metric {
    let mut metric = Metric::measured(definition, Statistic::Value, cell, value, n);
    match interval {
        Ok(interval) if interval.width() <= 0.0 => {
            metric.interval_reason =
                Some("every resample or sample has the same value: no spread can be seen".to_owned());
        }
        Ok(interval) => {
            metric.interval = Some(MetricInterval {
                low: interval.low,
                high: interval.high,
                confidence: interval.confidence.level(),
                method: interval.method.as_str().to_owned(),
            });
        }
        Err(reason) => metric.interval_reason = Some(reason),
    }
    if n < MIN_COUNT {
        metric.flags.push(Flag::LowSample);
    }
    metric
}

/// A figure whose value and interval come together.
pub(super) fn estimated(definition: &Definition, cell: &Cell, estimate: Result<Estimate, StatsError>) -> Metric {
    match estimate {
        Ok(estimate) => figure(definition, cell, estimate.value, estimate.n as u64, Ok(estimate.interval)),
        Err(error) => absent(definition, cell, &error.to_string()),
    }
}

/// A figure that could not be had.
pub(super) fn absent(definition: &Definition, cell: &Cell, reason: &str) -> Metric {
    Metric::unavailable(definition, Statistic::Value, cell, reason)
}

/// A count among `n` samples.
pub(super) fn counted(definition: &Definition, cell: &Cell, count: u64, n: u64) -> Metric {
    let mut metric = Metric::measured(definition, Statistic::Value, cell, count as f64, n);
    metric.interval_reason = Some("a count".to_owned());
    metric
}
