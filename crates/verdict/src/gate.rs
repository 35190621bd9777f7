//! Which metrics a verdict rests on.

use weighbridge_types::definition::{self, Direction};
use weighbridge_types::record::Record;

use crate::VerdictError;
use crate::cells::Key;

/// A metric that gates, in every cell or in some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    key: String,
    /// Settings that the cell must have.
    cell: Vec<(String, String)>,
}

impl Gate {
    /// Reads `ttft.p99`, `p99.ttft` or `ttft.p99@concurrency=4,phase=throughput`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (key, cell) = text.split_once('@').unwrap_or((text, ""));
        let key = match key.split_once('.') {
            Some((statistic, name)) if definition::find(statistic).is_none() && definition::find(name).is_some() => {
                format!("{name}.{statistic}")
            }
            _ => key.to_owned(),
        };
        let settings = cell.split(',').filter(|setting| !setting.is_empty());
        let pair = |setting: &str| {
            let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
            (name.trim().to_owned(), value.trim().to_owned())
        };
        Self { key: key.trim().to_owned(), cell: settings.map(pair).collect() }
    }

    /// Whether it speaks of a metric.
    #[must_use]
    pub fn is_of(&self, (cell, key): &Key) -> bool {
        *key == self.key && self.cell.iter().all(|(name, value)| cell.get(name) == Some(value))
    }
}

/// What decides which metrics gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gates {
    /// The metric that stands for each phase of the baseline, and how many requests succeeded.
    Usual(Vec<Key>),
    /// What the user names.
    Named(Vec<Gate>),
}

impl Gates {
    /// The usual ones of a record, or those that are named.
    ///
    /// # Errors
    /// [`VerdictError::UnknownGate`] for one that the baseline does not have.
    pub(crate) fn new(named: &[String], baseline: &Record, known: &[&Key]) -> Result<Self, VerdictError> {
        if named.is_empty() {
            let pointers = baseline.phases.iter().filter_map(|phase| phase.key_metric.as_ref());
            let mut usual: Vec<Key> = pointers.map(|pointer| (pointer.cell.clone(), pointer.key.clone())).collect();
            usual.retain(|(_, key)| direction(key) != Direction::Neutral);
            let reliability = known.iter().filter(|(_, key)| key == "reliability");
            usual.extend(reliability.map(|key| (*key).clone()));
            return Ok(Self::Usual(usual));
        }
        let gates: Vec<(&String, Gate)> = named.iter().map(|text| (text, Gate::parse(text))).collect();
        for (text, gate) in &gates {
            if !known.iter().any(|key| gate.is_of(key)) {
                let mut keys: Vec<&str> = known.iter().map(|(_, key)| key.as_str()).collect();
                keys.sort_unstable();
                keys.dedup();
                return Err(VerdictError::UnknownGate { gate: (*text).clone(), known: keys.join(", ") });
            }
        }
        Ok(Self::Named(gates.into_iter().map(|(_, gate)| gate).collect()))
    }

    /// Whether a metric gates.
    pub(crate) fn is_of(&self, key: &Key) -> bool {
        match self {
            Self::Usual(usual) => usual.contains(key),
            Self::Named(gates) => gates.iter().any(|gate| gate.is_of(key)),
        }
    }
}

/// Which way a metric should move, by its key.
pub(crate) fn direction(key: &str) -> Direction {
    let name = key.split_once('.').map_or(key, |(name, _)| name);
    definition::find(name).map_or(Direction::Neutral, |definition| definition.direction)
}

#[cfg(test)]
mod tests {
    use weighbridge_types::metric::Cell;

    use super::*;

    #[test]
    fn gates_read_both_orders_and_cells() {
        let cell = Cell::default().with("concurrency", 4).with("phase", "throughput");
        let key = (cell, "ttft.p99".to_owned());
        for text in ["ttft.p99", "p99.ttft", "ttft.p99@concurrency=4", "p99.ttft@concurrency=4,phase=throughput"] {
            assert!(Gate::parse(text).is_of(&key), "{text}");
        }
        for text in ["ttft.p50", "ttft", "ttft.p99@concurrency=8", "ttft.p99@concurrency", "p99"] {
            assert!(!Gate::parse(text).is_of(&key), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in ".{0,40}") {
            let _ = Gate::parse(&text);
        }
    }
}
