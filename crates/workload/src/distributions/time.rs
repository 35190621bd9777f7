//! Times: how long people think, tools run and clients wait.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::draws::Draws;
use crate::spec::{ShownDuration, SpecError, SpecKind, SpecProblem, duration, number};

/// Longest time, and the one that a draw beyond it becomes: a day.
const TIME_MAX: Duration = Duration::from_secs(86_400);

/// A distribution of times. It is read from and printed as text; [`SpecError::hint`] lists the forms.
#[derive(Clone, Debug, PartialEq)]
pub enum TimeDistribution {
    /// Always the same.
    Fixed(Duration),
    /// Equally likely within a range.
    Uniform {
        /// The shortest.
        low: Duration,
        /// The longest.
        high: Duration,
    },
    /// Exponential.
    Exponential {
        /// Mean.
        mean: Duration,
    },
    /// Normal; a draw below zero is zero.
    Normal {
        /// Mean.
        mean: Duration,
        /// Standard deviation.
        deviation: Duration,
    },
    /// Normal in its logarithm.
    LogNormal {
        /// Median.
        median: Duration,
        /// Standard deviation of the natural logarithm.
        sigma: f64,
    },
}

impl Default for TimeDistribution {
    fn default() -> Self {
        Self::Fixed(Duration::ZERO)
    }
}

impl TimeDistribution {
    /// Checks every value.
    ///
    /// # Errors
    /// Names the first value that is out of range.
    pub fn check(&self) -> Result<(), SpecError> {
        let limited = |times: &[Duration]| match times.iter().find(|time| **time > TIME_MAX) {
            Some(time) => Err(SpecProblem::value(ShownDuration(*time), "at most a day")),
            None => Ok(()),
        };
        let checked = match self {
            Self::Fixed(time) | Self::Exponential { mean: time } => limited(&[*time]),
            Self::Uniform { low, high } if low > high => {
                let range = format!("{}..{}", ShownDuration(*low), ShownDuration(*high));
                Err(SpecProblem::value(range, "in order"))
            }
            Self::Uniform { low: first, high: second } | Self::Normal { mean: first, deviation: second } => {
                limited(&[*first, *second])
            }
            Self::LogNormal { median, sigma } => limited(&[*median]).and_then(|()| match sigma {
                0.0..=16.0 => Ok(()),
                _ => Err(SpecProblem::value(sigma, "a deviation from 0 to 16")),
            }),
        };
        checked.map_err(|problem| problem.in_text(SpecKind::Time, &self.to_string()))
    }

    pub(crate) fn draw(&self, draws: &mut Draws) -> Duration {
        let seconds = match self {
            Self::Fixed(time) => return *time,
            Self::Uniform { low, high } => low.as_secs_f64() + draws.unit() * high.saturating_sub(*low).as_secs_f64(),
            Self::Exponential { mean } => mean.as_secs_f64() * draws.exponential(),
            Self::Normal { mean, deviation } => mean.as_secs_f64() + deviation.as_secs_f64() * draws.normal(),
            Self::LogNormal { median, sigma } => median.as_secs_f64() * (sigma * draws.normal()).exp(),
        };
        Duration::try_from_secs_f64(seconds.max(0.0)).map_or(TIME_MAX, |time| time.min(TIME_MAX))
    }
}

impl FromStr for TimeDistribution {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let times = read(text.trim()).map_err(|problem| problem.in_text(SpecKind::Time, text))?;
        times.check().map_err(|error| error.problem.in_text(SpecKind::Time, text))?;
        Ok(times)
    }
}

fn read(text: &str) -> Result<TimeDistribution, SpecProblem> {
    let pair = |rest: &str| match rest.split_once(',') {
        Some((center, spread)) => Ok((center.to_owned(), spread.to_owned())),
        None => Err(SpecProblem::shape(rest, "`CENTER,DEVIATION`")),
    };
    match text.split_once(':') {
        Some(("exponential", mean)) => Ok(TimeDistribution::Exponential { mean: duration(mean)? }),
        Some(("normal", rest)) => {
            let (mean, deviation) = pair(rest)?;
            Ok(TimeDistribution::Normal { mean: duration(&mean)?, deviation: duration(&deviation)? })
        }
        Some(("lognormal", rest)) => {
            let (median, sigma) = pair(rest)?;
            Ok(TimeDistribution::LogNormal { median: duration(&median)?, sigma: number(&sigma)? })
        }
        Some((other, _)) => Err(SpecProblem::UnknownKind(other.to_owned())),
        None => match text.split_once("..") {
            Some((low, high)) => Ok(TimeDistribution::Uniform { low: duration(low)?, high: duration(high)? }),
            None => Ok(TimeDistribution::Fixed(duration(text)?)),
        },
    }
}

impl fmt::Display for TimeDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(time) => write!(f, "{}", ShownDuration(*time)),
            Self::Uniform { low, high } => write!(f, "{}..{}", ShownDuration(*low), ShownDuration(*high)),
            Self::Exponential { mean } => write!(f, "exponential:{}", ShownDuration(*mean)),
            Self::Normal { mean, deviation } => {
                write!(f, "normal:{},{}", ShownDuration(*mean), ShownDuration(*deviation))
            }
            Self::LogNormal { median, sigma } => write!(f, "lognormal:{},{sigma}", ShownDuration(*median)),
        }
    }
}
