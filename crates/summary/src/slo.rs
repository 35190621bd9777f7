//! Service level objectives: limits on single requests and on figures, as people write them.
//!
//! `p99.ttft<200ms,p95.tpot<30ms,error<1%` limits figures; `ttft<200ms` limits every single request, and what share of
//! the requests must keep such limits is a setting of the load. The spellings of vLLM (`--goodput ttft:200 tpot:50
//! e2el:1000`) and AIPerf (`time_to_first_token:200`) are read too: a bare number after a colon is in the unit of the
//! metric, ms for a time.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::metric::Statistic;
use weighbridge_types::request::RequestRow;

use crate::target::Bound;

mod error;
mod judge;
mod names;
mod parse;
#[cfg(test)]
mod tests;
mod until;

pub use error::SloError;
pub(crate) use judge::Wanted;
use names::Named;
pub use until::{Precision, Until, UntilError};

/// What a limit speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SloScope {
    /// Each single request.
    Request,
    /// A statistic over the requests of the window.
    Statistic(Statistic),
    /// A figure of the window that has no statistics: a rate, a share.
    Figure,
}

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SloLimit {
    named: &'static Named,
    scope: SloScope,
    bound: Bound,
    value: f64,
}

impl SloLimit {
    /// The metric.
    #[must_use]
    pub fn metric(&self) -> &'static Definition {
        self.named.definition
    }

    /// What it speaks of.
    #[must_use]
    pub fn scope(&self) -> SloScope {
        self.scope
    }

    /// Which side is right.
    #[must_use]
    pub fn bound(&self) -> Bound {
        self.bound
    }

    /// The limit, in the unit of the metric's definition.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Key of the metric that decides, `ttft.p99`; `None` for a limit on single requests.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        match self.scope {
            SloScope::Request => None,
            SloScope::Figure if self.metric() == &define::IN_FLIGHT_SLOPE => {
                Some(format!("{}.{}", self.metric().name, Statistic::Slope.name()))
            }
            SloScope::Figure => Some(self.metric().name.to_owned()),
            SloScope::Statistic(statistic) => Some(format!("{}.{}", self.metric().name, statistic.name())),
        }
    }

    /// Whether a request keeps the limit; false where its value is unknown, because a promise about it was not kept.
    #[must_use]
    pub fn is_kept(&self, row: &RequestRow) -> bool {
        let value = self.named.of_request.and_then(|value| value(row));
        value.is_some_and(|value| self.bound.holds(value, self.value))
    }

    fn is_percentile(&self) -> bool {
        let SloScope::Statistic(statistic) = self.scope else { return false };
        Statistic::GRID.iter().any(|(of_grid, _)| *of_grid == statistic)
    }
}

impl fmt::Display for SloLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let SloScope::Statistic(statistic) = self.scope {
            write!(f, "{}.", statistic.name())?;
        }
        let value = self.named.kind.print(self.value);
        write!(f, "{}{}{value}", self.named.name, self.bound.typed())
    }
}

/// The limits that a service has to keep. Prints in a form that it reads again.
///
/// ```
/// use weighbridge_summary::Slo;
/// let slo: Slo = "p99.ttft<200ms, error<1%".parse()?;
/// assert_eq!(slo.to_string(), "p99.ttft<200ms,error<1%");
/// # Ok::<(), weighbridge_summary::SloError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slo {
    limits: Vec<SloLimit>,
}

impl Slo {
    /// The limits, in the order written.
    #[must_use]
    pub fn limits(&self) -> &[SloLimit] {
        &self.limits
    }

    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// The limits that make a single request good: those on single requests, or, where there are none, those on
    /// percentiles, each of which is a limit on some share of the requests.
    pub fn of_requests(&self) -> impl Iterator<Item = &SloLimit> {
        let is_explicit = self.limits.iter().any(|limit| limit.scope == SloScope::Request);
        self.limits.iter().filter(move |limit| match limit.scope {
            SloScope::Request => true,
            SloScope::Statistic(_) => !is_explicit && limit.is_percentile(),
            SloScope::Figure => false,
        })
    }

    /// Whether a request succeeded and keeps every limit of [`of_requests`](Self::of_requests). A value that is unknown
    /// keeps no limit; one that no limit speaks of does not matter.
    #[must_use]
    pub fn is_good(&self, row: &RequestRow) -> bool {
        row.outcome.is_success() && self.of_requests().all(|limit| limit.is_kept(row))
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, limit) in self.limits.iter().enumerate() {
            let separator = if index > 0 { "," } else { "" };
            write!(f, "{separator}{limit}")?;
        }
        Ok(())
    }
}

impl FromStr for Slo {
    type Err = SloError;

    fn from_str(text: &str) -> Result<Self, SloError> {
        parse::limits(text).map(|limits| Self { limits })
    }
}

impl TryFrom<String> for Slo {
    type Error = SloError;

    /// As [`FromStr`], and the empty text is the empty objective: that is how one is stored.
    fn try_from(text: String) -> Result<Self, SloError> {
        if text.is_empty() { Ok(Self::default()) } else { text.parse() }
    }
}

impl From<Slo> for String {
    fn from(slo: Slo) -> Self {
        slo.to_string()
    }
}
