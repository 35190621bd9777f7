//! Figures that an older system published, as data: shown beside our own, never as our own.
//!
//! The source is the benchmark report of a five-phase campaign with GPT-2 (124 M parameters) on a CPU. Several of its
//! figures contradict each other; what is wrong stands in [`Reference::inconsistency`].

use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::metric::{Cell, Flag, Metric, Provenance, Statistic};
use weighbridge_types::record::Phase;

/// Where the figures come from.
pub const SOURCE: &str = "five-phase benchmark report of an older system, GPT-2 124M on CPU";

/// A published figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reference {
    /// Table of the source: `validation`, `latency`, `memory`, `throughput`, `gpu`.
    pub table: &'static str,
    /// What is figured.
    pub definition: Definition,
    /// Phase that measures it here.
    pub phase: Phase,
    /// Setting varied, with its value: `("input_tokens", "128")`.
    pub setting: Option<(&'static str, &'static str)>,
    /// The figure; of a range, its lower end.
    pub value: f64,
    /// Upper end of a published range.
    pub upper: Option<f64>,
    /// Published standard deviation.
    pub deviation: Option<f64>,
    /// What is wrong with it, as far as is known.
    pub inconsistency: Option<&'static str>,
}

impl Reference {
    /// The figure as a metric of provenance [`Provenance::Reference`].
    #[must_use]
    pub fn metric(&self) -> Metric {
        let cell = Cell::of(self.phase).with("reference", self.table);
        let cell = self.setting.map_or_else(|| cell.clone(), |(key, value)| cell.clone().with(key, value));
        let statistic = match self.definition.unit {
            "ms" | "tokens/s" if self.definition.name != define::OUTPUT_RATE.name => Statistic::Mean,
            _ => Statistic::Value,
        };
        let mut metric = Metric::measured(&self.definition, statistic, &cell, self.value, 0);
        metric.provenance = Provenance::Reference;
        metric.deviation = self.deviation;
        metric.interval_reason = Some(match self.inconsistency {
            Some(problem) => format!("{SOURCE}; inconsistent: {problem}"),
            None => format!("{SOURCE}; no interval was published"),
        });
        metric.flags.push(Flag::LowSample);
        metric
    }
}

const IMPOSSIBLE: &str = "TTFT above end-to-end latency at 512 tokens: impossible in one run";
const UNSTEADY: &str = "called stable, variance below 10 %, while the first row varies by 14 %";
const LEAK_UNITS: &str = "the same number is given per 100 iterations and per hour";
const STRADDLES: &str = "a target of 30 tokens/s is called met by 27 to 34";
const BEST_LEVEL: &str = "the best concurrency is given as 2 and as 2 to 4";

/// A published mean with its deviation.
const fn latency(
    definition: Definition,
    input: &'static str,
    value: f64,
    deviation: f64,
    inconsistency: Option<&'static str>,
) -> Reference {
    let setting = Some(("input_tokens", input));
    let deviation = Some(deviation);
    Reference {
        table: "latency",
        definition,
        phase: Phase::Latency,
        setting,
        value,
        upper: None,
        deviation,
        inconsistency,
    }
}

const fn single(table: &'static str, definition: Definition, phase: Phase, value: f64) -> Reference {
    Reference { table, definition, phase, setting: None, value, upper: None, deviation: None, inconsistency: None }
}

const fn level(definition: Definition, concurrency: &'static str, value: f64) -> Reference {
    let setting = Some(("concurrency", concurrency));
    Reference { setting, ..single("throughput", definition, Phase::Throughput, value) }
}

const fn doubtful(reference: Reference, inconsistency: &'static str) -> Reference {
    Reference { inconsistency: Some(inconsistency), ..reference }
}

const fn range(reference: Reference, upper: f64) -> Reference {
    Reference { upper: Some(upper), ..reference }
}

const MB: f64 = 1e6;

/// Every published figure, in the order of its tables.
pub const ALL: &[Reference] = &[
    single("validation", define::TTFT, Phase::Validate, 1396.97),
    single("validation", define::DECODE_RATE, Phase::Validate, 34.05),
    single("validation", define::E2E, Phase::Validate, 1470.80),
    single("validation", define::REQUEST_RATE, Phase::Validate, 1.28),
    single("validation", define::FAILED, Phase::Validate, 0.0),
    latency(define::TTFT, "128", 1918.48, 379.31, None),
    latency(define::TTFT, "512", 3161.94, 2043.96, Some(IMPOSSIBLE)),
    latency(define::TTFT, "1024", 3597.98, 3498.70, None),
    latency(define::DECODE_RATE, "128", 30.54, 4.42, Some(UNSTEADY)),
    latency(define::DECODE_RATE, "512", 28.38, 0.43, Some(STRADDLES)),
    latency(define::DECODE_RATE, "1024", 27.34, 0.60, Some(STRADDLES)),
    latency(define::E2E, "128", 2242.09, 292.14, None),
    latency(define::E2E, "512", 1715.72, 1564.45, Some(IMPOSSIBLE)),
    latency(define::E2E, "1024", 4927.99, 4388.66, None),
    single("memory", define::RSS_LOAD_DELTA, Phase::Memory, 84.34 * MB),
    single("memory", define::REQUEST_HIGH_WATER, Phase::Memory, 161.48 * MB),
    doubtful(single("memory", define::MEMORY_GROWTH, Phase::Memory, 0.0051 * MB), LEAK_UNITS),
    single("memory", define::RSS_PEAK, Phase::Memory, 730.0 * MB),
    level(define::REQUEST_RATE, "1", 0.84),
    level(define::REQUEST_RATE, "2", 1.26),
    level(define::REQUEST_RATE, "4", 1.38),
    level(define::OUTPUT_RATE, "1", 25.24),
    level(define::OUTPUT_RATE, "2", 37.88),
    level(define::OUTPUT_RATE, "4", 41.46),
    level(define::E2E, "1", 1188.43),
    level(define::E2E, "2", 1581.48),
    level(define::E2E, "4", 2364.73),
    level(define::FAILED, "1", 0.0),
    level(define::FAILED, "2", 0.0),
    level(define::FAILED, "4", 0.0),
    level(define::SCALING, "2", 1.5),
    level(define::SCALING, "4", 1.64),
    doubtful(single("throughput", define::KNEE, Phase::Throughput, 2.0), BEST_LEVEL),
    range(single("gpu", define::TTFT, Phase::Latency, 100.0), 200.0),
    range(single("gpu", define::DECODE_RATE, Phase::Latency, 200.0), 400.0),
    range(single("gpu", define::REQUEST_RATE, Phase::Throughput, 50.0), 100.0),
    range(single("gpu", define::RSS_PEAK, Phase::Memory, 2e9), 4e9),
    range(single("gpu", define::KNEE, Phase::Throughput, 16.0), 32.0),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn value(definition: &Definition, setting: (&str, &str)) -> f64 {
        let found = ALL.iter().find(|of| of.definition == *definition && of.setting == Some(setting));
        found.unwrap().value
    }

    #[test]
    fn a_published_figure_is_never_a_measurement() {
        assert!(ALL.iter().all(|reference| reference.metric().provenance == Provenance::Reference));
    }

    #[test]
    fn the_impossible_rows_are_flagged() {
        let is_flagged = |input| {
            let of_row = ALL.iter().filter(|of| of.setting == Some(("input_tokens", input)));
            of_row.filter(|of| of.definition != define::DECODE_RATE).all(|of| of.inconsistency == Some(IMPOSSIBLE))
        };
        for input in ["128", "512", "1024"] {
            let setting = ("input_tokens", input);
            assert_eq!(is_flagged(input), value(&define::TTFT, setting) > value(&define::E2E, setting), "{input}");
        }
    }

    #[test]
    fn the_published_curve_has_one_knee() {
        let levels =
            ["1", "2", "4"].map(|level| (level.parse().unwrap(), value(&define::REQUEST_RATE, ("concurrency", level))));
        assert_eq!(weighbridge_summary::knee(&levels), Ok(2));
    }
}
