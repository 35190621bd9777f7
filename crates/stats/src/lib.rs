//! Pure statistics: quantiles, intervals, tests, trends.
//!
//! This room turns `&[f64]` into numbers that can be believed. It knows nothing of requests, tokens or time; the
//! caller says what a value means and whether the values depend on each other ([`Dependence`]).
//!
//! - [`Summary`], [`Sorted`] and [`PercentileGrid`] describe a sample.
//! - [`mean_interval`] and [`quantile_interval`] choose a valid method, or say how many values are missing.
//! - [`tail`] bounds a percentile the way MLPerf does; [`proportion`] bounds a share.
//! - [`trend`] finds growth; [`fit`] finds scaling; [`compare`], [`hierarchical`] and [`runs`] weigh one side
//!   against another.
//! - [`steady`] finds where a series settles; [`slope`] whether a queue grows; [`kolmogorov`] compares distributions.
//! - [`change`] finds where the level of a history moved; it asks two detectors and believes what both say.
//! - [`histogram`] and [`stream`] describe series that are too long to keep.
//! - [`classify`] scores labels, rankings and probabilities; [`cluster`] averages values that come in groups.
//! - [`family`] corrects many tests at once, and tells what a test can see.
//!
//! Every interval carries the name of its [`Method`]. Too little data is [`StatsError::Insufficient`], with the count
//! that would do, and never a narrow interval. The price: at small counts callers see more reasons than numbers.
//!
//! Resampling is seeded ([`Resampling`]); replicate `i` draws from a stream of its own, so a result never depends on
//! the order or the number of threads in which replicates are computed.
//!
//! ```
//! use weighbridge_stats::{Confidence, Dependence, mean_interval};
//!
//! let latencies_ms = [20.1, 19.8, 20.4, 20.0, 19.9, 20.3];
//! let mean = mean_interval(&latencies_ms, Dependence::Independent, Confidence::P95)?;
//! assert_eq!(mean.interval.method.as_str(), "student_t");
//! assert!(mean.interval.contains(20.0));
//! # Ok::<(), weighbridge_stats::StatsError>(())
//! ```

pub mod adaptive;
pub mod change;
pub mod classify;
pub mod cluster;
pub mod compare;
pub mod dependence;
pub mod family;
pub mod fit;
pub mod hierarchical;
pub mod histogram;
pub mod kolmogorov;
pub mod proportion;
pub mod runs;
pub mod slope;
pub mod special;
pub mod steady;
pub mod stream;
pub mod tail;
pub mod trend;

mod agreement;
mod binomial;
mod bootstrap;
mod error;
mod interval;
mod mean;
mod quantile;
mod quantile_interval;
mod radix;
mod random;
mod sample;
mod summary;

pub use agreement::{CorrectedRate, Count, Distance, JudgeCounts, cohen_kappa, corrected_rate, krippendorff_alpha};
pub use bootstrap::{BlockScheme, Resampling};
pub use dependence::Dependence;
pub use error::StatsError;
pub use interval::{Confidence, Estimate, Interval, Method};
pub use mean::{MIN_BATCHES, batch_means, effective_t_mean, mean_interval, student_t_mean};
pub use quantile::{PERCENTS, Percentile, PercentileGrid, Sorted, quantile_sorted};
pub use quantile_interval::{
    block_bootstrap_quantile, order_statistic_quantile, order_statistic_ranks, quantile_interval,
};
pub use radix::{repeated_u64, sort_u64};
pub use random::coin;
pub use summary::Summary;
