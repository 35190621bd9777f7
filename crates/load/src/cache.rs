//! The cache benchmark: what a cache of prefixes saves, told from pairs of a new prompt and one sent before.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weighbridge_summary::{AGAIN, USE};
use weighbridge_types::definition as define;
use weighbridge_types::metric::{Cell, Metric, MetricInterval};
use weighbridge_types::record::{Finding, FindingKind, MetricPointer, Record};
use weighbridge_workload::{CACHE_WARMUP, CacheTrafficSettings};

use crate::error::LoadError;
use crate::settings::{LoadSettings, Shape, Warmup};

/// A saving below this share is of no practical weight.
const LEAST_SAVING: f64 = 0.05;

/// Hit share that a cache should reach for prompts that repeat.
const WANTED_HITS: f64 = 0.8;

/// Settings of a cache benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CacheSettings {
    /// Pairs of a new prompt and one sent before, for each workload.
    pub pairs: u32,
    /// Prompts, and shared beginnings, that are sent again in turn.
    pub pool: u32,
    /// Tokens of each prompt.
    pub input_tokens: u32,
    /// Tokens of each answer.
    pub output_tokens: u32,
}

impl CacheSettings {
    /// The load that plays it: one request at a time, so that nothing but the cache tells two of a pair apart.
    ///
    /// # Errors
    /// Names the first setting that is out of range.
    pub fn load(self, base: LoadSettings) -> Result<LoadSettings, LoadError> {
        let checks = [
            ("pairs", self.pairs, 2, 100_000),
            ("pool", self.pool, 1, 1_000),
            ("isl", self.input_tokens, 4, 1_000_000),
            ("osl", self.output_tokens, 1, 100_000),
        ];
        for (setting, value, least, most) in checks {
            if !(least..=most).contains(&value) {
                let problem = format!("it must be {least} to {most}");
                return Err(LoadError::Setting { setting, value: value.to_string(), problem });
            }
        }
        Ok(LoadSettings {
            shapes: vec![Shape::Concurrency(1)],
            data: format!("input={},output={}", self.input_tokens, self.output_tokens),
            // The traffic ends by itself.
            sessions: Some(u64::MAX >> 1),
            warmup: Warmup::Sessions(CACHE_WARMUP),
            cache: Some(self),
            ..base
        })
    }

    /// What is sent.
    #[must_use]
    pub fn traffic(self, seed: u64, salt: u64) -> CacheTrafficSettings {
        let Self { pairs, pool, input_tokens, output_tokens } = self;
        CacheTrafficSettings { pairs, pool, input_tokens, output_tokens, seed, salt }
    }
}

/// Whether a server caches, by the interval of the ratio of hit to miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caching {
    Yes,
    No,
    Unclear,
}

/// It caches when it surely saves more than the practical floor, and does not when it surely saves less.
fn caching(interval: &MetricInterval) -> Caching {
    let limit = 1.0 - LEAST_SAVING;
    match (interval.high < limit, interval.low > limit) {
        (true, _) => Caching::Yes,
        (_, true) => Caching::No,
        _ => Caching::Unclear,
    }
}

/// The verdict of each workload.
pub(crate) fn findings(record: &Record) -> Vec<Finding> {
    let of_ratio = |metric: &&Metric| metric.name == define::CACHE_TTFT_RATIO.name;
    record.metrics.iter().filter(of_ratio).map(|ratio| finding(record, ratio)).collect()
}

fn finding(record: &Record, ratio: &Metric) -> Finding {
    let workload = ratio.cell.get("workload").unwrap_or("whole").to_owned();
    let told = ratio.value.zip(ratio.interval.as_ref());
    let (kind, mut text) = match told {
        None => {
            let why = ratio.reason.as_ref().or(ratio.interval_reason.as_ref()).cloned().unwrap_or_default();
            (FindingKind::Limitation, format!("{workload}: unclear whether the server caches: {why}"))
        }
        Some((value, interval)) => {
            let range = format!(
                "{value:.3} times the time to first token of a new one ({:.3} to {:.3})",
                interval.low, interval.high
            );
            match caching(interval) {
                Caching::Yes => {
                    (FindingKind::Strength, format!("{workload}: the server caches; a prompt sent again takes {range}"))
                }
                Caching::No => (
                    FindingKind::Weakness,
                    format!("{workload}: the server does not cache; a prompt sent again takes {range}"),
                ),
                Caching::Unclear => (
                    FindingKind::Limitation,
                    format!("{workload}: unclear whether the server caches; a prompt sent again takes {range}"),
                ),
            }
        }
    };
    let mut evidence = vec![MetricPointer { key: ratio.key(), cell: ratio.cell.clone() }];
    text.push_str(&match hits(record, &ratio.cell) {
        Some((share, pointer)) => {
            evidence.push(pointer);
            let wanted = if workload == "repeated" {
                let word = if share > WANTED_HITS { "over" } else { "not over" };
                format!(", {word} {:.0} %", 100.0 * WANTED_HITS)
            } else {
                String::new()
            };
            format!("; it reports {:.0} % of those prompts' tokens as cached{wanted}", 100.0 * share)
        }
        None => "; it does not report cached tokens".to_owned(),
    });
    Finding { rule: "prefix-cache".to_owned(), kind, priority: None, impact: None, text, evidence }
}

/// Share of the tokens that the server reports as cached, of prompts sent again.
fn hits(record: &Record, workload: &Cell) -> Option<(f64, MetricPointer)> {
    let metric = record.metric(define::CACHE_HIT.name, &workload.clone().with(USE, AGAIN))?;
    Some((metric.value?, MetricPointer { key: metric.key(), cell: metric.cell.clone() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_decides_whether_it_caches() {
        let check = |low: f64, high: f64, expected| {
            let interval = MetricInterval { low, high, confidence: 0.95, method: String::new() };
            assert_eq!(caching(&interval), expected, "{low} to {high}");
        };
        check(0.15, 0.25, Caching::Yes);
        check(0.90, 0.94, Caching::Yes);
        check(0.80, 1.05, Caching::Unclear);
        check(0.96, 1.04, Caching::No);
        check(0.93, 0.97, Caching::Unclear);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let sound = CacheSettings { pairs: 30, pool: 4, input_tokens: 512, output_tokens: 4 };
        let check = |settings: CacheSettings, part: &str| {
            let error = settings.load(LoadSettings::default()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        check(CacheSettings { pairs: 0, ..sound }, "pairs");
        check(CacheSettings { pool: 0, ..sound }, "pool");
        check(CacheSettings { input_tokens: 1, ..sound }, "isl");
        check(CacheSettings { output_tokens: 0, ..sound }, "osl");
        assert!(sound.load(LoadSettings::default()).unwrap().checked().is_ok());
    }
}
