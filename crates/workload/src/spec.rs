//! Texts that describe a part of a load, and what can be wrong with them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use weighbridge_types::units::parse_duration;

/// A text that describes no load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read the {kind} `{text}`: {problem}")]
pub struct SpecError {
    /// What it should describe.
    pub kind: SpecKind,
    /// The whole text.
    pub text: String,
    /// What is wrong with it.
    pub problem: SpecProblem,
}

impl SpecError {
    /// The forms that are understood.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self.kind {
            SpecKind::Arrivals => {
                "write `constant:10`, `poisson:10`, `gamma:10,burstiness=0.5`, `ramp:1..50,60s`, \
                 `stages:10@30s,0..50@1m,50`, `burst:64,every=5s`, `burst` (all at once), \
                 `diurnal:mean=10,amplitude=8,period=1h` or `times:0s,1.5s`; rates are requests per second, and \
                 `process=constant|poisson` or `burstiness=…` may follow a ramp, stages and diurnal"
            }
            SpecKind::Length => {
                "write `128`, `100..200`, `normal:512,64` (mean, deviation), `lognormal:512,0.5` (median, deviation of \
                 the logarithm), either with bounds such as `,16..2048`, or `128|512|1024`"
            }
            SpecKind::Time => {
                "write `2s`, `1s..5s`, `exponential:2s` (mean), `normal:2s,500ms` (mean, deviation) or \
                 `lognormal:2s,0.5` (median, deviation of the logarithm)"
            }
            SpecKind::Cancellation => "write `SHARE@WHEN`, such as `0.1@500ms` or `0.1@20frames`",
            SpecKind::SlowReaders => "write `SHARE@PAUSE`, such as `0.2@50ms`",
            SpecKind::Prefixes => "write `COUNTxTOKENS`, such as `8x1024`, or `8x1024@0.5` for half of the prompts",
            SpecKind::Synthetic => {
                "write `input=512,output=128` with, if wanted, `prefix=8x1024@0.5`, `turns=1..5`, `think=2s`, \
                 `fan_out=4`, `rounds=2`, `cancel=0.1@500ms`, `slow=0.2@50ms`, `group=NAME`, `weight=2` and \
                 `format=text|chat`; parts of a mixture stand between `;`. GuideLLM's `prompt_tokens`, \
                 `output_tokens` with `_stdev`, `_min`, `_max`, and `prefix_tokens`, `prefix_count` are understood"
            }
            SpecKind::Data => {
                "write `KIND:FILE` with the kind mooncake, weka, bailian, sharegpt, messages, burstgpt, azure or \
                 prompts, `events:RUN`, or synthetic lengths such as `input=512,output=128`; options follow a `?`: \
                 `mooncake:FILE?block=64&unit=s`, `sharegpt:FILE?mode=turns`, `burstgpt:FILE?model=GPT-4`"
            }
        }
    }
}

/// What a text should describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecKind {
    /// When sessions begin.
    Arrivals,
    /// A distribution of lengths.
    Length,
    /// A distribution of times.
    Time,
    /// A share of requests that are given up.
    Cancellation,
    /// A share of slow readers.
    SlowReaders,
    /// Prefixes that prompts share.
    Prefixes,
    /// A generated load.
    Synthetic,
    /// Where the requests come from.
    Data,
}

impl fmt::Display for SpecKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Arrivals => "arrivals",
            Self::Length => "lengths",
            Self::Time => "times",
            Self::Cancellation => "cancellations",
            Self::SlowReaders => "slow readers",
            Self::Prefixes => "shared prefixes",
            Self::Synthetic => "synthetic load",
            Self::Data => "data",
        })
    }
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecProblem {
    /// The kind before the colon is none.
    #[error("`{0}` is no known kind")]
    UnknownKind(String),
    /// A key is none.
    #[error("`{0}` is no known key")]
    UnknownKey(String),
    /// A key stands twice, or two keys say the same.
    #[error("`{0}` is said twice")]
    Twice(String),
    /// Something is left out.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value is not what it should be.
    #[error("`{value}` is not {expected}")]
    Value {
        /// The value as written.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A part cannot be taken apart.
    #[error("`{part}` is not written as {expected}")]
    Shape {
        /// The part as written.
        part: String,
        /// The form it should have.
        expected: &'static str,
    },
    /// A part is itself such a text, and wrong.
    #[error(transparent)]
    Part(Box<SpecError>),
}

impl SpecProblem {
    pub(crate) fn value(value: impl fmt::Display, expected: &'static str) -> Self {
        Self::Value { value: value.to_string(), expected }
    }

    pub(crate) fn shape(part: &str, expected: &'static str) -> Self {
        Self::Shape { part: part.to_owned(), expected }
    }

    pub(crate) fn in_text(self, kind: SpecKind, text: &str) -> SpecError {
        SpecError { kind, text: text.to_owned(), problem: self }
    }
}

impl From<SpecError> for SpecProblem {
    fn from(error: SpecError) -> Self {
        Self::Part(Box::new(error))
    }
}

/// A finite number. `inf`, `nan` and what Rust alone reads as a number are refused.
pub(crate) fn number(text: &str) -> Result<f64, SpecProblem> {
    let text = text.trim();
    let is_plain = text.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    let value = text.parse::<f64>().ok().filter(|value| is_plain && value.is_finite());
    value.ok_or_else(|| SpecProblem::value(text, "a finite number"))
}

pub(crate) fn whole<T: FromStr>(text: &str) -> Result<T, SpecProblem> {
    let text = text.trim();
    let is_plain = text.starts_with(|c: char| c.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain).ok_or_else(|| SpecProblem::value(text, "a whole number in range"))
}

pub(crate) fn duration(text: &str) -> Result<Duration, SpecProblem> {
    parse_duration(text).map_err(|_| SpecProblem::value(text.trim(), "a duration such as `30s` or `250ms`"))
}

/// A share from 0, exclusive, to 1.
pub(crate) fn share(text: &str) -> Result<f64, SpecProblem> {
    let value = number(text)?;
    if value > 0.0 && value <= 1.0 { Ok(value) } else { Err(SpecProblem::value(text, "a share above 0 and at most 1")) }
}

pub(crate) fn key_value(part: &str) -> Result<(&str, &str), SpecProblem> {
    let (key, value) = part.split_once('=').ok_or_else(|| SpecProblem::shape(part.trim(), "`key=value`"))?;
    Ok((key.trim(), value.trim()))
}

/// A duration as [`parse_duration`] reads it back, in the largest unit of which it is a whole number.
pub(crate) struct ShownDuration(pub(crate) Duration);

impl fmt::Display for ShownDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let units = [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000)];
        match units.into_iter().find(|(_, size)| nanos > 0 && nanos.is_multiple_of(*size)) {
            Some((unit, size)) => write!(f, "{}{unit}", nanos / size),
            None if nanos == 0 => f.write_str("0s"),
            None => write!(f, "{}.{:09}s", self.0.as_secs(), self.0.subsec_nanos()),
        }
    }
}
