//! The one error type of this room.

/// Why a statistic could not be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StatsError {
    /// There was no value at all.
    #[error("describe an empty sample")]
    Empty,
    /// A value is NaN, infinite, or so large that its square is.
    #[error("use value {index} of the sample, `{value}`: not a finite number of usable size")]
    NotFinite {
        /// Position of the first such value.
        index: usize,
        /// The value itself.
        value: f64,
    },
    /// An argument lies outside its domain.
    #[error("accept `{value}` as {what}: expected {expected}")]
    OutOfRange {
        /// What the argument stands for.
        what: &'static str,
        /// The value given.
        value: f64,
        /// The domain, in words.
        expected: &'static str,
    },
    /// Two slices that belong together differ in length.
    #[error("pair {left} values with {right}")]
    LengthMismatch {
        /// Length of the first slice.
        left: usize,
        /// Length of the second slice.
        right: usize,
    },
    /// The method is not valid for so few values.
    #[error("form an interval from {have} values: at least {need} are needed")]
    Insufficient {
        /// Values at hand.
        have: usize,
        /// Values that the method needs, as far as the data at hand can tell.
        need: usize,
    },
    /// The work grows with the square of the count, and the count is above the bound.
    #[error("compare {have} values pairwise: at most {max} are allowed")]
    TooMany {
        /// Values at hand.
        have: usize,
        /// The bound.
        max: usize,
    },
    /// Every x is the same, so no slope exists.
    #[error("fit a slope: all x values are equal")]
    NoSpread,
    /// A ratio or a logarithm needs positive values.
    #[error("take the logarithm of `{value}`")]
    NotPositive {
        /// The first value that is not positive.
        value: f64,
    },
}

impl StatsError {
    /// Advice for the reader of the message.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty => "check that at least one request succeeded",
            Self::NotFinite { .. } => "leave out unknown values before summarizing; unknown is not a number",
            Self::OutOfRange { .. } => "pass a value inside the stated range",
            Self::LengthMismatch { .. } => "pass one y for each x, one prediction for each truth",
            Self::Insufficient { .. } => "measure more requests, or repeat the run",
            Self::TooMany { .. } => "thin the series first, for example to one value per cycle",
            Self::NoSpread => "measure at two or more different x values",
            Self::NotPositive { .. } => "compare differences instead of ratios",
        }
    }

    /// Whether more data would help.
    pub fn is_insufficient(&self) -> bool {
        matches!(self, Self::Empty | Self::Insufficient { .. })
    }
}
