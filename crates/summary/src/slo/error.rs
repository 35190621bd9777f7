//! Objectives that cannot be read.

use weighbridge_types::metric::Statistic;

/// Why an objective could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SloError {
    /// Nothing was written.
    #[error("read an objective from an empty text")]
    Empty,
    /// More text, or more limits, than anyone writes.
    #[error("read an objective of more than {limit} {what}")]
    TooLong {
        /// Bytes, or limits.
        what: &'static str,
        /// The most that is read.
        limit: usize,
    },
    /// A term is not name, sign, number and unit.
    #[error("read `{term}` as a limit: expected {expected} after `{read}`")]
    Syntax {
        /// The term.
        term: String,
        /// What was understood of it.
        read: String,
        /// What should follow.
        expected: &'static str,
    },
    /// No metric has this name.
    #[error("find a metric `{name}`{}", nearest.map(|nearest| format!("; the nearest is `{nearest}`")).unwrap_or_default())]
    UnknownMetric {
        /// The name written.
        name: String,
        /// The nearest name that can be limited.
        nearest: Option<&'static str>,
    },
    /// The number has no unit, or one that is not the metric's.
    #[error("read `{value}` as a limit of `{metric}`: expected {expected}")]
    Value {
        /// Number and unit as written.
        value: String,
        /// The metric.
        metric: &'static str,
        /// What may be written.
        expected: &'static str,
    },
    /// A rate or a share has no percentiles.
    #[error("take the {} of `{metric}`: it is one figure of the window", statistic.name())]
    NoStatistic {
        /// The metric.
        metric: &'static str,
        /// The statistic written.
        statistic: Statistic,
    },
    /// The sign asks for a bad service.
    #[error("ask for `{metric}` {sign} a limit: it is better when it is {better}")]
    WrongSide {
        /// The metric.
        metric: &'static str,
        /// The sign written.
        sign: &'static str,
        /// Which way is better.
        better: &'static str,
    },
    /// Two limits on the same thing.
    #[error("limit `{name}` twice")]
    Twice {
        /// What is limited.
        name: String,
    },
}

impl SloError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Empty | Self::Syntax { .. } => {
                "write limits such as `p99.ttft<200ms,p95.tpot<30ms,error<1%`".to_owned()
            }
            Self::TooLong { .. } => "keep to the limits that matter".to_owned(),
            Self::UnknownMetric { .. } => {
                let names: Vec<&str> = super::names::ALL.iter().map(|named| named.name).collect();
                format!("limits can be on {}", names.join(", "))
            }
            Self::Value { expected, .. } => format!("write {expected}"),
            Self::NoStatistic { metric, .. } => format!("leave the statistic out: `{metric}`"),
            Self::WrongSide { .. } => "turn the sign around".to_owned(),
            Self::Twice { .. } => "keep the stricter one".to_owned(),
        }
    }
}
