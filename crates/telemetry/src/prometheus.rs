//! The text form in which servers expose their metrics: Prometheus 0.0.4 and OpenMetrics 1.0.

mod histogram;
mod labels;
mod parse;

pub use histogram::{BucketQuantile, HistogramDelta, HistogramError, histogram};
pub use labels::Labels;
pub use parse::{Exposition, MetricType, ParseError, Series, parse};
