//! Projection: what a GPU would do, by factors that an older system published. Never a measurement.

use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::metric::{Cell, Metric, Provenance, Statistic};
use weighbridge_types::record::{Phase, Record};

/// The cell setting that marks a projected figure.
const SETTING: &str = "projection";

/// A factor range from CPU to GPU, as published beside the figures in [`crate::reference`].
struct Factor {
    definition: Definition,
    statistic: Statistic,
    phase: Phase,
    low: f64,
    high: f64,
    /// Whether the figure shrinks by the factor.
    divides: bool,
}

const FACTORS: [Factor; 5] = [
    Factor {
        definition: define::TTFT,
        statistic: Statistic::Mean,
        phase: Phase::Latency,
        low: 7.0,
        high: 14.0,
        divides: true,
    },
    Factor {
        definition: define::DECODE_RATE,
        statistic: Statistic::Mean,
        phase: Phase::Latency,
        low: 7.0,
        high: 12.0,
        divides: false,
    },
    Factor {
        definition: define::REQUEST_RATE,
        statistic: Statistic::Value,
        phase: Phase::Throughput,
        low: 36.0,
        high: 72.0,
        divides: false,
    },
    // Published as a gain of 0.3 to 0.5: a GPU needs more.
    Factor {
        definition: define::RSS_PEAK,
        statistic: Statistic::Value,
        phase: Phase::Memory,
        low: 0.5,
        high: 0.3,
        divides: true,
    },
    Factor {
        definition: define::KNEE,
        statistic: Statistic::Value,
        phase: Phase::Throughput,
        low: 4.0,
        high: 8.0,
        divides: false,
    },
];

/// Replaces the projected figures of a record. Only runs that computed on a CPU have any.
pub(crate) fn project(record: &mut Record) {
    record.metrics.retain(|metric| metric.cell.get(SETTING).is_none());
    if record.engine.device != "cpu" {
        return;
    }
    let projected: Vec<Metric> = FACTORS.iter().filter_map(|factor| factor.project(record)).collect();
    record.metrics.extend(projected);
}

impl Factor {
    /// The careful end of the range becomes the value; the reason names both ends and the factors.
    fn project(&self, record: &Record) -> Option<Metric> {
        let of_phase = record.metrics_of(self.phase);
        let mut bases = of_phase.filter(|m| m.name == self.definition.name && m.statistic == self.statistic);
        // Where a figure has many cells, that of the overview; otherwise the only one.
        let overview = record.phase(self.phase)?.key_metric.as_ref().map(|pointer| &pointer.cell);
        let base = bases.find(|m| Some(&m.cell) == overview || m.cell == Cell::of(self.phase))?;
        let value = base.value?;
        let times = |factor: f64| if self.divides { value / factor } else { value * factor };
        let cell = base.cell.iter().filter(|(key, _)| *key != "phase");
        let cell = cell.fold(Cell::default(), |cell, (key, value)| cell.with(key, value)).with(SETTING, "gpu");
        let mut metric = Metric::measured(&self.definition, self.statistic, &cell, times(self.low), base.n)
            .with_provenance(Provenance::Projected);
        metric.interval_reason = Some(format!(
            "projected: {:.4} to {:.4} {} by published factors of {} to {}",
            times(self.low),
            times(self.high),
            metric.unit,
            self.low,
            self.high
        ));
        metric.flags.clone_from(&base.flags);
        Some(metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::tests::record;

    #[test]
    fn a_projection_is_labelled_and_made_anew() {
        let peak = Metric::measured(&define::RSS_PEAK, Statistic::Value, &Cell::of(Phase::Memory), 1e9, 1);
        let mut record = record(vec![peak]);
        record.phases = vec![crate::campaign::pending(Phase::Memory)];
        project(&mut record);
        project(&mut record);
        assert_eq!(record.metrics.len(), 2);
        let projected = &record.metrics[1];
        assert_eq!((projected.value, projected.provenance), (Some(2e9), Provenance::Projected));
        assert_eq!(projected.cell.get("projection"), Some("gpu"));
        assert!(projected.interval_reason.as_deref().unwrap().starts_with("projected"));
        record.engine.device = "cuda".to_owned();
        project(&mut record);
        assert_eq!(record.metrics.len(), 1);
    }
}
