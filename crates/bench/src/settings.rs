//! Settings of a campaign, resolved: what the record keeps, and what repeats a run.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weighbridge_types::record::Phase;

/// How thorough a campaign is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Under half a minute for a small model.
    Quick,
    /// About two minutes.
    #[default]
    Standard,
    /// As long as 1,000 memory iterations and one more length take.
    Full,
}

/// Tokens in and tokens out of a request. Reads and prints as `128/64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lengths {
    /// Tokens of the prompt.
    pub input: u32,
    /// Tokens to generate.
    pub output: u32,
}

impl Lengths {
    /// Lengths that need no check here; [`BenchSettings::checked`] does it.
    #[must_use]
    pub const fn new(input: u32, output: u32) -> Self {
        Self { input, output }
    }
}

impl fmt::Display for Lengths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.input, self.output)
    }
}

impl FromStr for Lengths {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let parsed = text
            .split_once('/')
            .and_then(|(input, output)| Some(Self::new(input.trim().parse().ok()?, output.trim().parse().ok()?)));
        parsed.ok_or_else(|| SettingsError::new("lengths", text, "`INPUT/OUTPUT` in tokens, such as `128/64`"))
    }
}

/// Seconds that each phase may take per run before it stops to release requests. What is in flight still ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are the phases")]
pub struct Budgets {
    pub validate: u32,
    pub latency: u32,
    pub memory: u32,
    pub throughput: u32,
    pub quality: u32,
}

impl Budgets {
    /// The budget of a phase.
    #[must_use]
    pub fn of(&self, phase: Phase) -> Duration {
        Duration::from_secs(u64::from(match phase {
            Phase::Validate => self.validate,
            Phase::Latency => self.latency,
            Phase::Memory => self.memory,
            Phase::Throughput => self.throughput,
            Phase::Quality => self.quality,
            // No phase of a weigh-in.
            Phase::Load | Phase::Evaluate | Phase::Stream => 0,
        }))
    }
}

/// Settings of a campaign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BenchSettings {
    /// How thorough.
    pub mode: Mode,
    /// Phases to run.
    pub phases: Vec<Phase>,
    /// How often every phase is repeated, each time with other prompts. The run is the unit of replication.
    pub runs: u32,
    /// Seed of everything random.
    pub seed: u64,
    /// Lengths of the latency phase, shortest first.
    pub lengths: Vec<Lengths>,
    /// Requests measured per length at most.
    pub latency_requests: u32,
    /// Requests before measuring, per length or level at most.
    pub warmups: u32,
    /// Requests in flight, one level after the other.
    pub concurrency: Vec<u32>,
    /// Requests measured per level at most.
    pub throughput_requests: u32,
    /// Lengths of the throughput phase.
    pub throughput_lengths: Lengths,
    /// Requests of the memory phase at most.
    pub memory_requests: u32,
    /// Lengths of the memory phase.
    pub memory_lengths: Lengths,
    /// Items scored per task and variant at most.
    pub quality_items: u32,
    /// Time per phase and run.
    pub budgets_s: Budgets,
    /// A request that takes longer has failed, seconds.
    pub request_timeout_s: u32,
}

impl BenchSettings {
    /// The defaults of a mode.
    #[must_use]
    pub fn for_mode(mode: Mode) -> Self {
        let lengths = vec![Lengths::new(128, 64), Lengths::new(512, 128), Lengths::new(1024, 256)];
        let standard = Self {
            mode,
            phases: Phase::WEIGH_IN.to_vec(),
            runs: 1,
            seed: 42,
            lengths,
            // The budget ends a cell sooner on most models; values that remember each other need hundreds for an interval.
            latency_requests: 400,
            warmups: 2,
            concurrency: vec![1, 2, 4, 8],
            // Batch means need 30 values; a few more keep an interval when requests remember each other a little.
            throughput_requests: 300,
            throughput_lengths: Lengths::new(128, 32),
            memory_requests: 300,
            memory_lengths: Lengths::new(64, 16),
            quality_items: 40,
            budgets_s: Budgets { validate: 4, latency: 48, memory: 14, throughput: 32, quality: 20 },
            request_timeout_s: 300,
        };
        match mode {
            Mode::Standard => standard,
            Mode::Quick => Self {
                latency_requests: 10,
                warmups: 1,
                concurrency: vec![1, 2, 4],
                throughput_requests: 32,
                memory_requests: 60,
                quality_items: 10,
                budgets_s: Budgets { validate: 2, latency: 8, memory: 5, throughput: 6, quality: 5 },
                request_timeout_s: 120,
                ..standard
            },
            Mode::Full => Self {
                lengths: [standard.lengths.clone(), vec![Lengths::new(2048, 512)]].concat(),
                latency_requests: 1000,
                warmups: 3,
                throughput_requests: 1000,
                memory_requests: 1000,
                quality_items: 200,
                budgets_s: Budgets { validate: 10, latency: 600, memory: 600, throughput: 300, quality: 300 },
                request_timeout_s: 600,
                ..standard
            },
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// Names the first setting that is out of range, with its value and its range.
    pub fn checked(self) -> Result<Self, SettingsError> {
        let count = |name: &'static str, value: u32, range: RangeInclusive<u32>| {
            if range.contains(&value) {
                return Ok(());
            }
            Err(SettingsError::new(name, value, format!("{} to {}", range.start(), range.end())))
        };
        let pair = |names: [&'static str; 2], lengths: &Lengths| {
            count(names[0], lengths.input, 1..=1_000_000)?;
            count(names[1], lengths.output, 2..=100_000)
        };
        count("runs", self.runs, 1..=100)?;
        count("latency_requests", self.latency_requests, 1..=100_000)?;
        count("warmups", self.warmups, 0..=1_000)?;
        count("throughput_requests", self.throughput_requests, 1..=100_000)?;
        // The trend of memory compares all pairs of readings.
        count("memory_requests", self.memory_requests, 1..=4_000)?;
        count("quality_items", self.quality_items, 1..=10_000)?;
        count("request_timeout_s", self.request_timeout_s, 1..=86_400)?;
        pair(["throughput_lengths.input", "throughput_lengths.output"], &self.throughput_lengths)?;
        pair(["memory_lengths.input", "memory_lengths.output"], &self.memory_lengths)?;
        for lengths in &self.lengths {
            pair(["lengths.input", "lengths.output"], lengths)?;
        }
        for level in &self.concurrency {
            count("concurrency", *level, 1..=1_024)?;
        }
        for phase in Phase::WEIGH_IN {
            let seconds = u32::try_from(self.budgets_s.of(phase).as_secs()).unwrap_or(u32::MAX);
            count("budgets_s", seconds, 1..=86_400)?;
        }
        ascending("lengths", &self.lengths, |lengths| lengths.input)?;
        ascending("concurrency", &self.concurrency, |level| *level)?;
        if self.phases.is_empty() {
            return Err(SettingsError::new(
                "phases",
                "",
                "one or more of validate, latency, memory, throughput, quality",
            ));
        }
        Ok(self)
    }

    /// The phases asked for, each once, in the order of a campaign.
    pub(crate) fn phases_in_order(&self) -> Vec<Phase> {
        Phase::WEIGH_IN.into_iter().filter(|phase| self.phases.contains(phase)).collect()
    }

    /// Share of the latency phase's time for each length, by tokens: about as many requests of each then fit.
    pub(crate) fn latency_shares(&self) -> Vec<f64> {
        let tokens = |lengths: &Lengths| f64::from(lengths.input) + f64::from(lengths.output);
        let all: f64 = self.lengths.iter().map(tokens).sum();
        self.lengths.iter().map(|lengths| tokens(lengths) / all).collect()
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.request_timeout_s))
    }

    /// The settings as far as they decide what is measured: a campaign may continue with other phases.
    pub(crate) fn same_measurement(&self) -> Self {
        Self { phases: Phase::WEIGH_IN.to_vec(), ..self.clone() }
    }
}

/// Lists name cells, so that they hold no value twice, and growth is told against the first.
fn ascending<T: fmt::Display>(name: &'static str, list: &[T], key: fn(&T) -> u32) -> Result<(), SettingsError> {
    if !list.is_empty() && list.is_sorted_by(|a, b| key(a) < key(b)) {
        return Ok(());
    }
    let text: Vec<String> = list.iter().map(ToString::to_string).collect();
    Err(SettingsError::new(name, text.join(","), "one or more values, ascending, none twice"))
}

/// A setting that is out of range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("accept `{value}` as {name}: it must be {range}")]
pub struct SettingsError {
    /// Name of the setting.
    pub name: &'static str,
    /// The value given.
    pub value: String,
    /// What it may be.
    pub range: String,
}

impl SettingsError {
    fn new(name: &'static str, value: impl fmt::Display, range: impl Into<String>) -> Self {
        Self { name, value: value.to_string(), range: range.into() }
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        "correct the value; `weighbridge bench --help` lists the flags with their defaults"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modes_hold_their_own_limits() {
        for mode in [Mode::Quick, Mode::Standard, Mode::Full] {
            assert!(BenchSettings::for_mode(mode).checked().is_ok(), "{mode:?}");
        }
        let seconds = |mode| {
            let budgets = BenchSettings::for_mode(mode).budgets_s;
            Phase::WEIGH_IN.map(|phase| budgets.of(phase).as_secs()).iter().sum::<u64>()
        };
        assert!(seconds(Mode::Quick) < 30 && seconds(Mode::Standard) <= 120);
        assert_eq!(BenchSettings::for_mode(Mode::Full).memory_requests, 1000);
    }

    #[test]
    fn a_wrong_value_is_named_with_its_range() {
        let check = |change: fn(&mut BenchSettings), expected: &str| {
            let mut settings = BenchSettings::for_mode(Mode::Quick);
            change(&mut settings);
            assert_eq!(settings.checked().unwrap_err().to_string(), format!("accept {expected}"));
        };
        check(|s| s.runs = 0, "`0` as runs: it must be 1 to 100");
        check(|s| s.latency_requests = u32::MAX, "`4294967295` as latency_requests: it must be 1 to 100000");
        check(|s| s.lengths[0].output = 1, "`1` as lengths.output: it must be 2 to 100000");
        check(
            |s| s.concurrency = vec![2, 1],
            "`2,1` as concurrency: it must be one or more values, ascending, none twice",
        );
        check(|s| s.lengths.clear(), "`` as lengths: it must be one or more values, ascending, none twice");
        check(|s| s.concurrency = vec![0], "`0` as concurrency: it must be 1 to 1024");
        check(|s| s.budgets_s.memory = 0, "`0` as budgets_s: it must be 1 to 86400");
    }

    #[test]
    fn lengths_read_and_print() {
        assert_eq!("512/128".parse::<Lengths>().unwrap().to_string(), "512/128");
        for wrong in ["512", "a/b", "512/-1", ""] {
            assert_eq!(wrong.parse::<Lengths>().unwrap_err().value, wrong);
        }
    }
}
