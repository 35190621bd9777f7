//! Records with given figures, and seeded noise.

use weighbridge_stats::Resampling;
use weighbridge_types::definition::{self, Definition};
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::record::{EngineDescription, MetricPointer, Phase, PhaseResult, Record, Status, Tally};
use weighbridge_verdict::{Settings, Side};

/// Settings with the default threshold.
pub(crate) fn settings() -> Settings {
    Settings { resampling: Resampling::new(7), ..Settings::default() }
}

pub(crate) fn cell() -> Cell {
    Cell::of(Phase::Load)
}

/// A record with one value for each of these metrics.
pub(crate) fn record(id: &str, values: &[(&Definition, Statistic, f64)]) -> Record {
    let metrics = values
        .iter()
        .map(|(definition, statistic, value)| Metric::measured(definition, *statistic, &cell(), *value, 100));
    let metrics: Vec<Metric> = metrics.collect();
    let key_metric = metrics.first().map(|metric| MetricPointer { key: metric.key(), cell: metric.cell.clone() });
    let phase = PhaseResult {
        phase: Phase::Load,
        status: Status::Complete,
        attempt: 1,
        started_at: None,
        duration_s: None,
        estimated_s: None,
        key_metric,
        tally: Tally::default(),
        checks: Vec::new(),
        notes: Vec::new(),
    };
    Record {
        schema_version: "1.0".to_owned(),
        run_id: id.to_owned(),
        kind: "load".to_owned(),
        label: String::new(),
        created_at: String::new(),
        updated_at: String::new(),
        status: Status::Complete,
        settings: serde_json::json!({ "concurrency": 4, "lengths": [{ "input": 128 }], "seed": 1 }),
        seed: 1,
        engine: EngineDescription {
            engine: "local".to_owned(),
            model_ref: "tiny".to_owned(),
            ..EngineDescription::default()
        },
        environment: weighbridge_types::environment::Environment::default(),
        calibration: None,
        phases: vec![phase],
        duration_s: 1.0,
        metrics,
        targets: Vec::new(),
        findings: Vec::new(),
    }
}

/// A side with one median of the time to first token per run.
pub(crate) fn side(name: &str, medians: &[f64]) -> Side {
    let run = |(place, value): (usize, &f64)| {
        record(&format!("{name}-{place}"), &[(&definition::TTFT, Statistic::P50, *value)])
    };
    Side { name: name.to_owned(), runs: medians.iter().enumerate().map(run).collect() }
}

/// Seeded random numbers (SplitMix64), independent of those of the code under test.
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    /// In (0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64 + f64::EPSILON
    }

    /// Of the standard normal distribution (Box and Muller 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}
