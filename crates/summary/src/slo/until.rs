//! Precision asked for: how well a figure must be known before a load may end.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use weighbridge_types::definition::Definition;
use weighbridge_types::metric::Statistic;

use super::names::Named;
use super::parse::{MAX_BYTES, MAX_LIMITS, meaning, shortened, split_while};
use super::{SloError, SloScope};

/// Signs between a figure and its precision; the first is printed.
const SIGNS: [&str; 4] = ["±", "+/-", "+-", "-+"];

/// Per cent within which a precision lies: a smaller one is out of reach, a larger one says nothing.
const RANGE: std::ops::RangeInclusive<f64> = 0.01..=100.0;

/// The precision of one figure: half of its interval, as a share of its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Precision {
    named: &'static Named,
    scope: SloScope,
    percent: f64,
}

impl Precision {
    /// The metric.
    #[must_use]
    pub fn metric(&self) -> &'static Definition {
        self.named.definition
    }

    /// The percentile; `None` for the mean, for another statistic, and for a figure of the window.
    #[must_use]
    pub fn percentile(&self) -> Option<f64> {
        let SloScope::Statistic(statistic) = self.scope else { return None };
        Statistic::GRID.iter().find(|(of_grid, _)| *of_grid == statistic).map(|(_, q)| *q)
    }

    /// Key of the figure, `ttft.p99`.
    #[must_use]
    pub fn key(&self) -> String {
        match self.scope {
            SloScope::Figure => self.metric().name.to_owned(),
            SloScope::Statistic(statistic) => format!("{}.{}", self.metric().name, statistic.name()),
            SloScope::Request => format!("{}.{}", self.metric().name, Statistic::Mean.name()),
        }
    }

    /// Half of the interval at most, as a share of the value.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.percent / 100.0
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope {
            SloScope::Statistic(statistic) => write!(f, "{}.", statistic.name())?,
            SloScope::Request => f.write_str("mean.")?,
            SloScope::Figure => {}
        }
        write!(f, "{}{}{}%", self.named.name, SIGNS[0], self.percent)
    }
}

/// The figures that must be known, each with its precision. Prints in a form that it reads again.
///
/// ```
/// use weighbridge_summary::Until;
/// let until: Until = "ttft.p99+-5%, request_throughput±2%".parse()?;
/// assert_eq!(until.to_string(), "p99.ttft±5%,request_throughput±2%");
/// # Ok::<(), weighbridge_summary::UntilError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Until(Vec<Precision>);

impl Until {
    /// Each of them, at least one.
    #[must_use]
    pub fn all(&self) -> &[Precision] {
        &self.0
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, precision) in self.0.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma}{precision}")?;
        }
        Ok(())
    }
}

impl From<Until> for String {
    fn from(until: Until) -> Self {
        until.to_string()
    }
}

impl TryFrom<String> for Until {
    type Error = UntilError;

    fn try_from(text: String) -> Result<Self, UntilError> {
        text.parse()
    }
}

impl FromStr for Until {
    type Err = UntilError;

    fn from_str(text: &str) -> Result<Self, UntilError> {
        if text.len() > MAX_BYTES {
            return Err(UntilError::TooLong { what: "bytes", limit: MAX_BYTES });
        }
        let is_separator = |c: char| c.is_whitespace() || c == ',' || c == ';';
        let mut all: Vec<Precision> = Vec::new();
        for term in text.split(is_separator).filter(|term| !term.is_empty()) {
            let precision = precision(term)?;
            if all.iter().any(|other| other.key() == precision.key()) {
                return Err(UntilError::Twice { key: precision.key() });
            }
            all.push(precision);
            if all.len() > MAX_LIMITS {
                return Err(UntilError::TooLong { what: "figures", limit: MAX_LIMITS });
            }
        }
        if all.is_empty() { Err(UntilError::Empty) } else { Ok(Self(all)) }
    }
}

fn precision(term: &str) -> Result<Precision, UntilError> {
    let wrong = |expected| UntilError::Syntax { term: shortened(term), expected };
    let found = SIGNS.iter().find_map(|sign| term.split_once(sign));
    let (name, share) = found.ok_or_else(|| wrong("a `±` (or `+-`) between the figure and its precision"))?;
    let (number, unit) = split_while(share, |c| c.is_ascii_digit() || c == '.');
    let number: f64 = number.parse().map_err(|_| wrong("a number after the `±`"))?;
    let percent = match unit {
        "%" => number,
        "" => number * 100.0,
        _ => return Err(wrong("a percentage such as `5%`, or a share such as `0.05`")),
    };
    if !RANGE.contains(&percent) {
        return Err(UntilError::Range { term: shortened(term) });
    }
    let (named, scope) = meaning(name).map_err(UntilError::Figure)?;
    Ok(Precision { named, scope, percent })
}

/// Why a precision could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UntilError {
    /// Nothing was written.
    #[error("read a precision from an empty text")]
    Empty,
    /// More than anyone writes.
    #[error("read a precision of more than {limit} {what}")]
    TooLong {
        /// Bytes, or figures.
        what: &'static str,
        /// The most that is read.
        limit: usize,
    },
    /// A term is not figure, sign and share.
    #[error("read `{term}` as a precision: expected {expected}")]
    Syntax {
        /// The term.
        term: String,
        /// What should stand there.
        expected: &'static str,
    },
    /// The share is none that a load could reach, or one that says nothing.
    #[error("accept the precision `{term}`: it must be 0.01 % to 100 %")]
    Range {
        /// The term.
        term: String,
    },
    /// The figure is none.
    #[error(transparent)]
    Figure(SloError),
    /// Two precisions of one figure.
    #[error("ask for the precision of `{key}` twice")]
    Twice {
        /// The figure.
        key: String,
    },
}

impl UntilError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Empty | Self::Syntax { .. } | Self::Range { .. } => {
                "write figures with their precision, such as `p99.ttft±5%,request_throughput±2%`".to_owned()
            }
            Self::TooLong { .. } => "keep to the figures that matter".to_owned(),
            Self::Figure(error) => error.hint(),
            Self::Twice { .. } => "keep the stricter one".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn precisions_are_read_and_printed() {
        let check = |text: &str, expected: Result<&str, &str>| match (text.parse::<Until>(), expected) {
            (Ok(until), Ok(expected)) => assert_eq!(until.to_string(), expected, "{text}"),
            (Err(error), Err(part)) => {
                assert!(error.to_string().contains(part), "{text}: {error}");
                assert!(!error.hint().is_empty());
            }
            (found, expected) => panic!("{text}: {found:?}, expected {expected:?}"),
        };
        check("p99.ttft±5%", Ok("p99.ttft±5%"));
        check("ttft.p99+-5%; mean.e2e+/-2.5%", Ok("p99.ttft±5%,mean.e2e±2.5%"));
        check("ttft±0.05", Ok("mean.ttft±5%"));
        check("qps±1%", Ok("request_throughput±1%"));
        check("", Err("empty"));
        check("p99.ttft", Err("`p99.ttft`"));
        check("p99.ttft<5%", Err("a `±`"));
        check("p99.ttft±5ms", Err("percentage"));
        check("p99.ttft±x", Err("a number"));
        check("p99.ttft±0%", Err("0.01 % to 100 %"));
        check("p99.ttft±200%", Err("0.01 % to 100 %"));
        check("p99.tfft±5%", Err("the nearest is `ttft`"));
        check("p99.request_throughput±5%", Err("one figure of the window"));
        check("ttft±5%,mean.ttft±2%", Err("twice"));
    }

    #[test]
    fn a_figure_names_its_key_and_percentile() {
        let until: Until = "p99.ttft±5%,e2e±10%,request_throughput±2%".parse().unwrap();
        let keys: Vec<String> = until.all().iter().map(Precision::key).collect();
        assert_eq!(keys, ["ttft.p99", "e2e.mean", "request_throughput"]);
        let percentiles: Vec<_> = until.all().iter().map(Precision::percentile).collect();
        assert_eq!(percentiles, [Some(0.99), None, None]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(p99|mean|ttft|qps|e2e|[.,±+%/ -]|[0-9]){0,12}") {
            if let Ok(until) = text.parse::<Until>() {
                prop_assert_eq!(until.to_string().parse::<Until>(), Ok(until));
            }
        }

        #[test]
        fn what_is_printed_reads_again(percent in 0.01..100.0_f64) {
            let until: Until = format!("p95.tpot±{percent}%,tps±{percent}%").parse().unwrap();
            prop_assert_eq!(until.to_string().parse::<Until>(), Ok(until));
        }
    }
}
