//! One reported number, with everything that is needed to believe it.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::definition::Definition;

/// Where a figure belongs: the phase, and the settings varied within it (`concurrency=4`, `input_tokens=128`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Cell(BTreeMap<String, String>);

impl Cell {
    /// The cell of a phase, without varied settings.
    #[must_use]
    pub fn of(phase: crate::record::Phase) -> Self {
        Self::default().with("phase", phase.name())
    }

    /// The cell with one more setting.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.0.insert(key.to_owned(), value.to_string());
        self
    }

    /// The value of a setting.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Every setting, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl Ord for Cell {
    /// By the settings in the order of their names; numbers by their size, so that 16 comes before 128.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_value = |a: &str, b: &str| match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(x), Ok(y)) => x.total_cmp(&y).then_with(|| a.cmp(b)),
            // Numbers come before words, so that the order is one order.
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => a.cmp(b),
        };
        let (mut ours, mut others) = (self.iter(), other.iter());
        loop {
            match (ours.next(), others.next()) {
                (None, None) => return Ordering::Equal,
                (None, Some(_)) => return Ordering::Less,
                (Some(_), None) => return Ordering::Greater,
                (Some((key, value)), Some((other_key, other_value))) => {
                    let order = key.cmp(other_key).then_with(|| by_value(value, other_value));
                    if order.is_ne() {
                        return order;
                    }
                }
            }
        }
    }
}

impl PartialOrd for Cell {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Cell {
    /// `concurrency=4 phase=throughput`, empty for the whole run.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.iter().enumerate() {
            if index > 0 {
                write!(f, " ")?;
            }
            write!(f, "{key}={value}")?;
        }
        Ok(())
    }
}

/// Which statistic of the underlying values a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Statistic {
    Mean,
    Min,
    P1,
    P5,
    P10,
    P25,
    P50,
    P75,
    P90,
    P95,
    P99,
    #[serde(rename = "p99.9")]
    P999,
    #[serde(rename = "p99.99")]
    P9999,
    Max,
    /// A slope of a fit.
    Slope,
    /// A single value: a count, a size, a share.
    Value,
}

impl Statistic {
    /// The percentile grid, in order.
    pub const GRID: [(Self, f64); 11] = [
        (Self::P1, 0.01),
        (Self::P5, 0.05),
        (Self::P10, 0.10),
        (Self::P25, 0.25),
        (Self::P50, 0.50),
        (Self::P75, 0.75),
        (Self::P90, 0.90),
        (Self::P95, 0.95),
        (Self::P99, 0.99),
        (Self::P999, 0.999),
        (Self::P9999, 0.9999),
    ];

    /// The name used in files and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Min => "min",
            Self::P1 => "p1",
            Self::P5 => "p5",
            Self::P10 => "p10",
            Self::P25 => "p25",
            Self::P50 => "p50",
            Self::P75 => "p75",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
            Self::P9999 => "p99.99",
            Self::Max => "max",
            Self::Slope => "slope",
            Self::Value => "value",
        }
    }
}

/// Where a number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// Observed in this run.
    Measured,
    /// Computed from measured values by a stated formula.
    Derived,
    /// Extrapolated from measured values with stated factors.
    Projected,
    /// Taken from a published source; never a result of this run.
    Reference,
    /// Not to be had here; the value is null and a reason is given.
    Unavailable,
}

/// An interval for a figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricInterval {
    /// Lower end, in the metric's unit.
    pub low: f64,
    /// Upper end, in the metric's unit.
    pub high: f64,
    /// Confidence level, 0 to 1.
    pub confidence: f64,
    /// How it was computed, for example `batch_means`.
    pub method: String,
}

/// Doubts about a figure that its reader must see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// Fewer values than the statistic needs.
    LowSample,
    /// The figure is of the scripted engine, which generates by a script.
    Scripted,
    /// The weights are seeded random numbers: speed is real, text is not.
    SyntheticWeights,
    /// Token counts come from frames; the server did not report usage.
    FrameCounted,
    /// The prompt's length is approximate: no tokenizer was at hand.
    ApproximateLength,
    /// The host was disturbed while measuring (steal, a busy neighbor).
    Disturbed,
    /// A percentile read from a histogram with a relative error of at most 0.05 %: there were too many values to keep.
    Histogram,
    /// The load did not stand still within the measured window, or it was too short to tell.
    Unsteady,
}

/// One reported number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Metric {
    /// Name of the metric, for example `ttft`. Its definition is looked up under `definition`.
    pub name: String,
    /// Name and version of the formula, for example `ttft/1`.
    pub definition: String,
    /// Which statistic this is.
    pub statistic: Statistic,
    /// Where it belongs.
    pub cell: Cell,
    /// Unit of value, interval and deviation: `ms`, `tokens/s`, `bytes`, …
    pub unit: String,
    /// The number; null when it could not be had, and then `reason` says why.
    pub value: Option<f64>,
    /// Why there is no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many observations it rests on.
    pub n: u64,
    /// How many independent observations those are worth; `None` when not estimated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_effective: Option<f64>,
    /// Sample standard deviation (n − 1) of the observations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviation: Option<f64>,
    /// Coefficient of variation: deviation / mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cv: Option<f64>,
    /// Interval of the value; `None` when the data do not support one, and then `interval_reason` says why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<MetricInterval>,
    /// Why there is no interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_reason: Option<String>,
    /// Where the number comes from.
    pub provenance: Provenance,
    /// Doubts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
}

impl Metric {
    /// A measured value without an interval yet.
    #[must_use]
    pub fn measured(definition: &Definition, statistic: Statistic, cell: &Cell, value: f64, n: u64) -> Self {
        Self {
            name: definition.name.to_owned(),
            definition: definition.id(),
            statistic,
            cell: cell.clone(),
            unit: definition.unit.to_owned(),
            value: value.is_finite().then_some(value),
            reason: (!value.is_finite()).then(|| "the computation gave no finite number".to_owned()),
            n,
            n_effective: None,
            deviation: None,
            cv: None,
            interval: None,
            interval_reason: None,
            provenance: if value.is_finite() { Provenance::Measured } else { Provenance::Unavailable },
            flags: Vec::new(),
        }
    }

    /// A metric that could not be had, with the reason.
    #[must_use]
    pub fn unavailable(definition: &Definition, statistic: Statistic, cell: &Cell, reason: impl Into<String>) -> Self {
        Self {
            value: None,
            reason: Some(reason.into()),
            provenance: Provenance::Unavailable,
            ..Self::measured(definition, statistic, cell, 0.0, 0)
        }
    }

    /// The metric with another origin.
    #[must_use]
    pub fn with_provenance(mut self, provenance: Provenance) -> Self {
        self.provenance = provenance;
        self
    }

    /// The metric with an interval.
    #[must_use]
    pub fn with_interval(mut self, interval: MetricInterval) -> Self {
        self.interval = Some(interval);
        self
    }

    /// Name and statistic, as tables and targets write it: `ttft.p99`; a single value is its name alone.
    #[must_use]
    pub fn key(&self) -> String {
        match self.statistic {
            Statistic::Value => self.name.clone(),
            statistic => format!("{}.{}", self.name, statistic.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_in_the_order_of_their_numbers() {
        let cell = |setting: &str| Cell::default().with("concurrency", setting);
        let mut cells: Vec<Cell> = ["128", "auto", "16", "1", "1.0", "2"].map(cell).to_vec();
        cells.push(Cell::default());
        cells.sort();
        let order: Vec<&str> = cells.iter().map(|cell| cell.get("concurrency").unwrap_or("-")).collect();
        assert_eq!(order, ["-", "1", "1.0", "2", "16", "128", "auto"]);
    }
}
