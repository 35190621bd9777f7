//! Intervals, the confidence they hold at, and the method that made them.

use std::fmt;

use crate::StatsError;

/// How sure an interval is: the share of repetitions in which it would hold the true value, in (0, 1).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Confidence(f64);

impl Confidence {
    /// 90 %.
    pub const P90: Self = Self(0.90);
    /// 95 %, the default of every table.
    pub const P95: Self = Self(0.95);
    /// 99 %, the level of MLPerf's tail bounds.
    pub const P99: Self = Self(0.99);

    /// Checks a level.
    ///
    /// # Errors
    /// [`StatsError::OutOfRange`] outside (0, 1).
    pub fn new(level: f64) -> Result<Self, StatsError> {
        if level > 0.0 && level < 1.0 {
            Ok(Self(level))
        } else {
            Err(StatsError::OutOfRange { what: "a confidence", value: level, expected: "a number between 0 and 1" })
        }
    }

    /// The level as a share: 0.95 for 95 %.
    pub fn level(self) -> f64 {
        self.0
    }

    /// The chance of missing on one side of a two-sided interval: 0.025 for 95 %.
    pub fn tail(self) -> f64 {
        0.5 * (1.0 - self.0)
    }
}

/// How an interval was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Student's t on independent values.
    StudentT,
    /// Student's t on the means of non-overlapping batches of a dependent series.
    BatchMeans,
    /// Student's t on as many values as a dependent series is worth.
    EffectiveT,
    /// Percentiles of resamples made of fixed-length blocks.
    BlockBootstrap,
    /// Percentiles of resamples made of blocks with geometric lengths (Politis and Romano 1994).
    StationaryBootstrap,
    /// Percentiles of resamples of independent items.
    Bootstrap,
    /// Percentiles of resamples of independent pairs.
    PairedBootstrap,
    /// Percentiles of resamples taken level by level: runs, then values inside the runs.
    HierarchicalBootstrap,
    /// Two order statistics, chosen by the binomial distribution.
    OrderStatistic,
    /// Wilson's score interval of a proportion.
    Wilson,
    /// Clopper and Pearson's exact interval of a proportion.
    ClopperPearson,
    /// Student's t around the next value of a sample.
    Prediction,
    /// Welch's t for two independent samples.
    Welch,
    /// Two ranked pairwise slopes (Sen 1968).
    SenRank,
    /// Student's t around a least-squares coefficient.
    LeastSquares,
    /// Student's t around a least-squares coefficient of batch means.
    BatchSlope,
    /// Student's t around the mean step of a series that walks.
    MeanStep,
    /// Percentiles of resampled counts of independent items.
    CountBootstrap,
    /// Percentiles of resamples of independent clusters of items.
    ClusterBootstrap,
    /// Student's t over independent clusters (Liang and Zeger 1986).
    ClusterT,
    /// The normal distribution around the logit of an area under a ROC curve (DeLong 1988).
    DeLong,
    /// Adjusted counts and the delta method around a rate corrected for a judge's errors (Lang and Reiczigel 2014).
    LangReiczigel,
    /// Wilson's intervals of two shares of the same items, squared and added with their correlation (Newcombe 1998).
    NewcombePaired,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 23] = [
        Self::StudentT,
        Self::BatchMeans,
        Self::EffectiveT,
        Self::BlockBootstrap,
        Self::StationaryBootstrap,
        Self::Bootstrap,
        Self::PairedBootstrap,
        Self::HierarchicalBootstrap,
        Self::OrderStatistic,
        Self::Wilson,
        Self::ClopperPearson,
        Self::Prediction,
        Self::Welch,
        Self::SenRank,
        Self::LeastSquares,
        Self::BatchSlope,
        Self::MeanStep,
        Self::CountBootstrap,
        Self::ClusterBootstrap,
        Self::ClusterT,
        Self::DeLong,
        Self::LangReiczigel,
        Self::NewcombePaired,
    ];

    /// The name in records. Names are stored and never change.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StudentT => "student_t",
            Self::BatchMeans => "batch_means",
            Self::EffectiveT => "student_t_effective_n",
            Self::BlockBootstrap => "block_bootstrap",
            Self::StationaryBootstrap => "stationary_bootstrap",
            Self::Bootstrap => "bootstrap",
            Self::PairedBootstrap => "paired_bootstrap",
            Self::HierarchicalBootstrap => "hierarchical_bootstrap",
            Self::OrderStatistic => "order_statistic",
            Self::Wilson => "wilson",
            Self::ClopperPearson => "clopper_pearson",
            Self::Prediction => "student_t_prediction",
            Self::Welch => "welch",
            Self::SenRank => "sen_rank",
            Self::LeastSquares => "least_squares",
            Self::BatchSlope => "batch_least_squares",
            Self::MeanStep => "mean_step",
            Self::CountBootstrap => "count_bootstrap",
            Self::ClusterBootstrap => "cluster_bootstrap",
            Self::ClusterT => "cluster_t",
            Self::DeLong => "delong",
            Self::LangReiczigel => "lang_reiczigel",
            Self::NewcombePaired => "newcombe_paired",
        }
    }

    /// The method with this stored name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A range that holds the true value with a stated confidence. `low` ≤ `high`; the unit is that of the values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Two-sided confidence.
    pub confidence: Confidence,
    /// How it was made.
    pub method: Method,
}

impl Interval {
    /// Whether the value lies inside, ends included.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// `high − low`.
    pub fn width(&self) -> f64 {
        self.high - self.low
    }

    /// Half the width over the size of `center`: the precision that adaptive stopping looks at. `None` at zero.
    pub fn relative_half_width(&self, center: f64) -> Option<f64> {
        (center.abs() > 0.0).then(|| 0.5 * self.width() / center.abs())
    }

    /// The interval `center ± half_width`.
    pub(crate) fn around(center: f64, half_width: f64, confidence: Confidence, method: Method) -> Self {
        Self { low: center - half_width, high: center + half_width, confidence, method }
    }

    /// The smallest interval that holds this one and `value`.
    ///
    /// The percentiles of skewed resamples can leave the estimate itself out; such an interval would confuse every
    /// reader, and widening it errs on the safe side.
    pub(crate) fn holding(self, value: f64) -> Self {
        Self { low: self.low.min(value), high: self.high.max(value), ..self }
    }
}

/// A number, its interval, and how much data stands behind both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The estimate itself; always inside the interval.
    pub value: f64,
    /// Its interval.
    pub interval: Interval,
    /// Values behind it: requests, trials, items or runs, as the function says.
    pub n: usize,
    /// How many independent values carry as much information as the `n` dependent ones.
    /// `None` where the method takes the values as independent and does not look.
    pub n_effective: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_names_are_unique_and_read_back() {
        for method in Method::ALL {
            assert_eq!(Method::from_name(method.as_str()), Some(method));
        }
        assert_eq!(Method::from_name("guess"), None);
    }

    #[test]
    fn confidence_refuses_what_is_no_share() {
        for level in [0.0, 1.0, 95.0, -0.5, f64::NAN] {
            assert!(matches!(Confidence::new(level), Err(StatsError::OutOfRange { .. })), "{level}");
        }
        assert_eq!(Confidence::new(0.95), Ok(Confidence::P95));
    }

    #[test]
    fn precision_is_unknown_around_zero() {
        let interval = Interval::around(10.0, 1.0, Confidence::P95, Method::StudentT);
        assert_eq!(interval.relative_half_width(0.0), None);
        assert!((interval.relative_half_width(-10.0).unwrap() - 0.1).abs() < 1e-15);
    }
}
