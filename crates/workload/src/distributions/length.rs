//! Lengths in tokens.

use std::fmt;
use std::str::FromStr;

use crate::draws::Draws;
use crate::spec::{SpecError, SpecKind, SpecProblem, number, whole};

/// Longest prompt or answer that a load asks for, in tokens: the largest context that any public model takes. A longer
/// one is more likely a wrong column.
pub const TOKENS_MAX: u32 = 10_000_000;

/// Draws outside of the bounds before the nearest bound is taken. Bounds that hold a tenth of the distribution fail so
/// often once in a thousand times.
const REDRAWS: u32 = 64;

/// How long prompts or answers are, in tokens: a function of the seed and the index of the request.
///
/// It is read from and printed as text; [`SpecError::hint`] lists the forms.
#[derive(Clone, Debug, PartialEq)]
pub enum LengthDistribution {
    /// All the same.
    Fixed(u32),
    /// Each length of a range, both ends included, equally often.
    Uniform {
        /// The shortest.
        low: u32,
        /// The longest.
        high: u32,
    },
    /// Normal, rounded, drawn again while it is out of bounds. Bounds therefore move the mean, as those of any
    /// truncated distribution do.
    Normal {
        /// Mean before truncation.
        mean: f64,
        /// Standard deviation before truncation.
        deviation: f64,
        /// Shortest and longest.
        bounds: (u32, u32),
    },
    /// Normal in its logarithm, rounded, drawn again while it is out of bounds.
    LogNormal {
        /// Median before truncation.
        median: f64,
        /// Standard deviation of the natural logarithm.
        sigma: f64,
        /// Shortest and longest.
        bounds: (u32, u32),
    },
    /// Each of a list equally often; what stands twice comes twice as often.
    Choice(Vec<u32>),
}

impl LengthDistribution {
    /// Bounds that hold everything.
    pub const UNBOUNDED: (u32, u32) = (1, TOKENS_MAX);

    /// The lengths of vLLM's `--random-range-ratio`: uniform from `mean × (1 − ratio)` to `mean × (1 + ratio)`, rounded
    /// down and up.
    ///
    /// # Errors
    /// When the ratio is not from 0 to below 1, or a length is out of range.
    pub fn around(mean: u32, ratio: f64) -> Result<Self, SpecError> {
        if !(0.0..1.0).contains(&ratio) {
            let problem = SpecProblem::value(ratio, "a ratio from 0 to below 1");
            return Err(problem.in_text(SpecKind::Length, &mean.to_string()));
        }
        let mean = f64::from(mean);
        let (low, high) = (rounded((mean * (1.0 - ratio)).floor()), rounded((mean * (1.0 + ratio)).ceil()));
        let lengths = if low == high { Self::Fixed(low) } else { Self::Uniform { low, high } };
        lengths.check().map(|()| lengths)
    }

    /// Checks every value.
    ///
    /// # Errors
    /// Names the first value that is out of range.
    pub fn check(&self) -> Result<(), SpecError> {
        let in_order = |low: u32, high: u32| {
            length(low).and_then(|()| length(high))?;
            if low <= high { Ok(()) } else { Err(SpecProblem::value(format!("{low}..{high}"), "in order")) }
        };
        let positive = |value: f64| {
            let fits = value > 0.0 && value <= f64::from(TOKENS_MAX);
            if fits { Ok(()) } else { Err(SpecProblem::value(value, "above 0 and at most 10000000")) }
        };
        let spread = |value: f64, most: f64| {
            let fits = (0.0..=most).contains(&value);
            if fits { Ok(()) } else { Err(SpecProblem::value(value, "a deviation of 0 or more")) }
        };
        let checked = match self {
            Self::Fixed(value) => length(*value),
            Self::Uniform { low, high } => in_order(*low, *high),
            Self::Normal { mean, deviation, bounds } => positive(*mean)
                .and_then(|()| spread(*deviation, f64::from(TOKENS_MAX)))
                .and_then(|()| in_order(bounds.0, bounds.1)),
            Self::LogNormal { median, sigma, bounds } => positive(*median)
                // A deviation of 16 spans all lengths already.
                .and_then(|()| spread(*sigma, 16.0))
                .and_then(|()| in_order(bounds.0, bounds.1)),
            Self::Choice(values) if values.is_empty() => Err(SpecProblem::Missing("a length")),
            Self::Choice(values) => values.iter().try_for_each(|value| length(*value)),
        };
        checked.map_err(|problem| problem.in_text(SpecKind::Length, &self.to_string()))
    }

    /// The length of this index.
    #[must_use]
    pub fn sample(&self, seed: u64, index: u64) -> u32 {
        self.draw(&mut Draws::new(seed, "length", index))
    }

    pub(crate) fn draw(&self, draws: &mut Draws) -> u32 {
        match self {
            Self::Fixed(value) => *value,
            Self::Uniform { low, high } => draws.between(*low, *high),
            Self::Normal { mean, deviation, bounds } => truncated(*bounds, || mean + deviation * draws.normal()),
            Self::LogNormal { median, sigma, bounds } => truncated(*bounds, || median * (sigma * draws.normal()).exp()),
            Self::Choice(values) => values.get(draws.position(values.len())).copied().unwrap_or(1),
        }
    }

    /// The mean, before truncation.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match self {
            Self::Fixed(value) => f64::from(*value),
            Self::Uniform { low, high } => 0.5 * (f64::from(*low) + f64::from(*high)),
            Self::Normal { mean, .. } => *mean,
            Self::LogNormal { median, sigma, .. } => median * (0.5 * sigma * sigma).exp(),
            Self::Choice(values) => values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64,
        }
    }

    /// The longest that can come.
    #[must_use]
    pub fn longest(&self) -> u32 {
        match self {
            Self::Fixed(value) => *value,
            Self::Uniform { high, .. } => *high,
            Self::Normal { bounds, .. } | Self::LogNormal { bounds, .. } => bounds.1,
            Self::Choice(values) => values.iter().copied().max().unwrap_or(1),
        }
    }
}

fn truncated((low, high): (u32, u32), mut draw: impl FnMut() -> f64) -> u32 {
    for _ in 0..REDRAWS {
        let value = draw().round();
        if value >= f64::from(low) && value <= f64::from(high) {
            return rounded(value);
        }
    }
    rounded(draw()).clamp(low, high)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range of lengths")]
fn rounded(value: f64) -> u32 {
    value.round().clamp(0.0, f64::from(TOKENS_MAX)) as u32
}

fn length(value: u32) -> Result<(), SpecProblem> {
    if (1..=TOKENS_MAX).contains(&value) {
        return Ok(());
    }
    Err(SpecProblem::value(value, "a length from 1 to 10000000 tokens"))
}

impl FromStr for LengthDistribution {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let lengths = read(text.trim()).map_err(|problem| problem.in_text(SpecKind::Length, text))?;
        lengths.check().map_err(|error| error.problem.in_text(SpecKind::Length, text))?;
        Ok(lengths)
    }
}

fn read(text: &str) -> Result<LengthDistribution, SpecProblem> {
    if let Some((kind, rest)) = text.split_once(':') {
        let form = "`CENTER,DEVIATION` or `CENTER,DEVIATION,LOW..HIGH`";
        let mut parts = rest.split(',').map(str::trim);
        let (center, spread) = parts.next().zip(parts.next()).ok_or_else(|| SpecProblem::shape(rest, form))?;
        let bounds = parts.next().map_or(Ok(LengthDistribution::UNBOUNDED), range)?;
        if parts.next().is_some() {
            return Err(SpecProblem::shape(rest, form));
        }
        let (center, spread) = (number(center)?, number(spread)?);
        return match kind.trim() {
            "normal" => Ok(LengthDistribution::Normal { mean: center, deviation: spread, bounds }),
            "lognormal" => Ok(LengthDistribution::LogNormal { median: center, sigma: spread, bounds }),
            other => Err(SpecProblem::UnknownKind(other.to_owned())),
        };
    }
    if text.contains("..") {
        let (low, high) = range(text)?;
        return Ok(LengthDistribution::Uniform { low, high });
    }
    if text.contains('|') {
        return Ok(LengthDistribution::Choice(text.split('|').map(whole).collect::<Result<_, _>>()?));
    }
    Ok(LengthDistribution::Fixed(whole(text)?))
}

fn range(text: &str) -> Result<(u32, u32), SpecProblem> {
    let (low, high) = text.split_once("..").ok_or_else(|| SpecProblem::shape(text, "`LOW..HIGH`"))?;
    Ok((whole(low)?, whole(high)?))
}

impl fmt::Display for LengthDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, center, spread, bounds) = match self {
            Self::Fixed(value) => return write!(f, "{value}"),
            Self::Uniform { low, high } => return write!(f, "{low}..{high}"),
            Self::Choice(values) => {
                for (place, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if place > 0 { "|" } else { "" })?;
                }
                return Ok(());
            }
            Self::Normal { mean, deviation, bounds } => ("normal", mean, deviation, bounds),
            Self::LogNormal { median, sigma, bounds } => ("lognormal", median, sigma, bounds),
        };
        write!(f, "{kind}:{center},{spread}")?;
        if *bounds == Self::UNBOUNDED { Ok(()) } else { write!(f, ",{}..{}", bounds.0, bounds.1) }
    }
}
