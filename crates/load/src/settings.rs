//! The settings of a load, as resolved and as recorded.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weighbridge_summary::{Slo, Until};
use weighbridge_telemetry::WatchSettings;
use weighbridge_types::metric::{Cell, Statistic};
use weighbridge_types::record::Phase;
use weighbridge_workload::Arrivals;

use crate::answers::AnswerSettings;
use crate::cache::CacheSettings;
use crate::drive::DriveLimits;
use crate::error::LoadError;
use crate::retry::RetryPolicy;
use crate::search::Axis;
use crate::timeouts::Timeouts;
use crate::victim::Victim;

/// Most requests in flight that a client can be asked for: ports of one address end before.
const MOST_IN_FLIGHT: u32 = 60_000;

/// One load that a run puts on its target; a run makes one after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Closed loop: so many sessions at a time.
    Concurrency(u32),
    /// Open loop: sessions start as these arrivals say, whatever is in flight.
    Arrivals(String),
    /// Open loop: sessions start when the trace says.
    Trace,
}

impl Shape {
    /// The setting that tells this load from the others of its run, for the cell of its figures.
    #[must_use]
    pub fn setting(&self) -> (&'static str, String) {
        match self {
            Self::Concurrency(level) => ("concurrency", level.to_string()),
            Self::Arrivals(arrivals) => match arrivals.split_once(':') {
                Some((_, rate)) if rate.parse::<f64>().is_ok() => ("rate", rate.to_owned()),
                _ => ("arrivals", arrivals.clone()),
            },
            Self::Trace => ("arrivals", "trace".to_owned()),
        }
    }

    /// The cell of its figures.
    #[must_use]
    pub fn cell(&self) -> Cell {
        let (key, value) = self.setting();
        Cell::of(Phase::Load).with(key, value)
    }

    /// Whether sessions start whatever is in flight.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !matches!(self, Self::Concurrency(_))
    }
}

/// What is left out at the start of a load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Warmup {
    /// What the steady-state rule finds.
    #[default]
    Auto,
    /// So many sessions.
    Sessions(u64),
    /// So many seconds.
    Seconds(f64),
}

/// Settings of a load run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadSettings {
    /// The loads, in order.
    pub shapes: Vec<Shape>,
    /// How often each load is made, in rounds of all loads. The interval of a figure is then one between runs.
    pub runs: u32,
    /// What is asked, in words: the data set or the generator with its lengths.
    pub data: String,
    /// Sessions of each load at most; null leaves it to the duration or the trace.
    pub sessions: Option<u64>,
    /// Seconds of each load; null leaves it to the count or the trace.
    pub duration_s: Option<f64>,
    /// What is left out at the start.
    pub warmup: Warmup,
    /// Longest time of one request, seconds.
    pub request_timeout_s: f64,
    /// Longest waits within a request.
    pub timeouts: Timeouts,
    /// Longest time that requests in flight get to end after the last release, seconds.
    pub drain_s: f64,
    /// Most sessions in flight in open loop; null sets no bound.
    pub most_in_flight: Option<u32>,
    /// A request released later than this after its planned start is marked as disturbed by the client, ms.
    pub lag_limit_ms: f64,
    /// A request later than this is dropped instead of sent, ms; null sends it late.
    pub drop_after_ms: Option<f64>,
    /// Share of disturbed requests above which the whole run is no measurement.
    pub disturbed_limit: f64,
    /// Tries after a failed one.
    pub retries: u32,
    /// Whether engines that can are asked to go on after an end-of-sequence token.
    pub ignore_eos: bool,
    /// Sampling temperature.
    pub temperature: f32,
    /// Whether rows keep the generated text.
    pub keep_text: bool,
    /// The tokenizer that counts the answers again after the run, by its file's name; null for none, or the engine's own.
    pub tokenizer: Option<String>,
    /// Service-level objective, as `p99.ttft<200ms,error<1%`; null judges nothing.
    pub slo: Option<String>,
    /// The percentiles to compute, besides those of the objective; empty for all that the data carry.
    pub percentiles: Vec<Statistic>,
    /// A stream of small requests beside each load, as `rate=1,isl=64,osl=32`, which runs alone first; null for none.
    pub victim: Option<String>,
    /// What a cache benchmark sends, instead of the data; null for any other load.
    pub cache: Option<CacheSettings>,
    /// How the answers of every load are held against golden ones, made one request at a time before; null holds none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<AnswerSettings>,
    /// The precision to reach, as `p99.ttft±5%,request_throughput±2%`; then runs, sessions of each load and the duration
    /// of everything are the most that is spent on it. Null makes as many runs as the settings say.
    // Left out where it is not asked for: runs from before it could be are made alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Seconds between two checkpoints of a soak, whose trends over time and outages are told; null for any other load.
    pub checkpoint_s: Option<f64>,
    /// Pause of a place in closed loop after a failed session, ms: a server that is away is not hammered.
    pub failure_pause_ms: f64,
    /// The search for the largest load within the objective; null makes the loads as they stand.
    pub search: Option<SearchSettings>,
    /// Event loops of the client.
    pub reactors: u32,
    /// Seed of everything random.
    pub seed: u64,
    /// Changes every prompt, so that no cache of prefixes knows it; null leaves prompts as an earlier run sent them.
    pub salt: Option<u64>,
    /// How many times as fast a trace is played.
    pub speed: f64,
    /// What is watched of the server.
    #[serde(default)]
    pub watch: WatchSettings,
}

/// Settings of a capacity search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchSettings {
    /// What is varied.
    pub axis: Axis,
    /// The first load.
    pub start: f64,
    /// The largest load to try.
    pub most: f64,
    /// The bracket is narrow enough when its upper end is at most this factor above the lower one.
    pub precision: f64,
    /// Loads to try at most.
    pub loads: usize,
}

impl Default for LoadSettings {
    fn default() -> Self {
        Self {
            shapes: vec![Shape::Concurrency(1)],
            runs: 1,
            data: String::new(),
            sessions: None,
            duration_s: None,
            warmup: Warmup::Auto,
            request_timeout_s: 600.0,
            timeouts: Timeouts::default(),
            drain_s: 60.0,
            most_in_flight: None,
            lag_limit_ms: 5.0,
            drop_after_ms: None,
            disturbed_limit: 0.05,
            retries: 0,
            ignore_eos: true,
            temperature: 0.0,
            keep_text: false,
            tokenizer: None,
            slo: None,
            percentiles: Vec::new(),
            victim: None,
            cache: None,
            answers: None,
            until: None,
            checkpoint_s: None,
            failure_pause_ms: 0.0,
            search: None,
            reactors: u32::try_from(crate::reactor::Reactors::usual_count()).unwrap_or(1),
            seed: 42,
            salt: None,
            speed: 1.0,
            watch: WatchSettings::default(),
        }
    }
}

impl LoadSettings {
    /// Checks every value.
    ///
    /// # Errors
    /// Names the first setting that is out of range.
    pub fn checked(self) -> Result<Self, LoadError> {
        if self.shapes.is_empty() {
            return Err(setting("concurrency", "nothing", "at least one load is needed"));
        }
        if !(1..=100).contains(&self.runs) {
            return Err(setting("runs", self.runs, "it must be 1 to 100"));
        }
        if self.runs > 1 && self.search.is_some() {
            return Err(setting("runs", self.runs, "a search repeats no load: leave `--runs` or `--capacity` out"));
        }
        if let Some(victim) = &self.victim {
            victim.parse::<Victim>()?;
            if self.duration_s.is_none() || self.search.is_some() {
                let problem = "a victim runs for the time of each load: it needs `--duration`, and no `--capacity`";
                return Err(setting("victim", victim, problem));
            }
        }
        if let Some(answers) = &self.answers {
            answers.check(&self)?;
        }
        if let Some(until) = &self.until {
            until.parse::<Until>()?;
            let has_trace = self.shapes.contains(&Shape::Trace);
            if self.search.is_some() || self.victim.is_some() || self.answers.is_some() || has_trace {
                let problem = "it repeats loads of a size: name them with `--concurrency` or `--rate`, and leave \
                               `--capacity`, `--victim` and `--check-answers` out";
                return Err(setting("until", until, problem));
            }
            if self.runs < 2 {
                return Err(setting("runs", self.runs, "an interval between runs needs two, five are the pilot"));
            }
        }
        for shape in &self.shapes {
            match shape {
                Shape::Concurrency(level) if !(1..=MOST_IN_FLIGHT).contains(level) => {
                    return Err(setting("concurrency", level, "it must be 1 to 60000"));
                }
                Shape::Arrivals(arrivals) => arrivals.parse::<Arrivals>().map(drop)?,
                Shape::Concurrency(_) | Shape::Trace => {}
            }
        }
        let is_endless = self.sessions.is_none() && self.duration_s.is_none();
        if is_endless && self.shapes.iter().any(|shape| *shape != Shape::Trace) {
            return Err(setting("duration", "nothing", "a load needs `--requests` or `--duration`"));
        }
        if self.sessions == Some(0) {
            return Err(setting("requests", 0, "it must be 1 or more"));
        }
        if self.most_in_flight == Some(0) {
            return Err(setting("max-in-flight", 0, "it must be 1 or more"));
        }
        if !(1..=64).contains(&self.reactors) {
            return Err(setting("client-threads", self.reactors, "it must be 1 to 64"));
        }
        self.timeouts.check()?;
        let year = 366.0 * 86_400.0;
        let seconds = [
            ("duration", self.duration_s.unwrap_or(1.0), 1e-3),
            ("timeout", self.request_timeout_s, 1e-3),
            ("drain", self.drain_s, 0.0),
            ("checkpoint", self.checkpoint_s.unwrap_or(1.0), 0.1),
            ("failure-pause", self.failure_pause_ms / 1e3, 0.0),
            ("lag-limit", self.lag_limit_ms / 1e3, 0.0),
            ("drop-after", self.drop_after_ms.unwrap_or(1.0) / 1e3, 0.0),
        ];
        for (name, value, least) in seconds {
            if !(least..=year).contains(&value) {
                return Err(setting(name, format!("{value} s"), "it must be a positive time of at most a year"));
            }
        }
        if let Warmup::Seconds(value) = self.warmup
            && !(0.0..=year).contains(&value)
        {
            return Err(setting("warmup", value, "it must be a positive time of at most a year"));
        }
        if !(1e-6..=1e6).contains(&self.speed) {
            return Err(setting("speed", self.speed, "it must be a positive factor"));
        }
        if let Some(price) = self.watch.price_per_hour
            && !(price > 0.0 && price <= 1e6)
        {
            return Err(setting("price-per-hour", price, "it must be above 0 and at most 1000000"));
        }
        if let Some(slo) = &self.slo {
            slo.parse::<Slo>()?;
        }
        if let Some(search) = &self.search {
            search.check(self.slo.is_some())?;
        }
        if !(0.0..=1.0).contains(&self.disturbed_limit) {
            return Err(setting("disturbed-limit", self.disturbed_limit, "it must be a share, 0 to 1"));
        }
        if !(0.0..=100.0).contains(&self.temperature) {
            return Err(setting("temperature", self.temperature, "it must be 0 to 100"));
        }
        Ok(self)
    }

    /// How long the loads take together by the settings; `None` where a count or a trace ends them, or a search goes on.
    pub(crate) fn expected_length(&self) -> Option<Duration> {
        let seconds = self.duration_s.filter(|_| self.search.is_none())?;
        // With a precision to reach, it is the time of everything.
        let loads = if self.until.is_some() { 1 } else { self.shapes.len() };
        Some(Duration::from_secs_f64(seconds * loads as f64))
    }

    /// Whether a search varies the rate.
    pub(crate) fn searches_rates(&self) -> bool {
        self.search.is_some_and(|search| search.axis == Axis::Rate)
    }

    /// When one of the loads ends.
    #[must_use]
    pub fn limits(&self) -> DriveLimits {
        DriveLimits {
            sessions: self.sessions,
            duration: self.duration_s.map(Duration::from_secs_f64),
            request_timeout: Duration::from_secs_f64(self.request_timeout_s),
            drain: Duration::from_secs_f64(self.drain_s),
            lag_limit: Duration::from_secs_f64(self.lag_limit_ms / 1e3),
            failure_pause: Duration::from_secs_f64(self.failure_pause_ms / 1e3),
            drop_after: self.drop_after_ms.map(|ms| Duration::from_secs_f64(ms / 1e3)),
        }
    }

    /// When a failed request is tried again.
    #[must_use]
    pub fn retry(&self) -> RetryPolicy {
        RetryPolicy { most: self.retries, ..RetryPolicy::default() }
    }
}

impl SearchSettings {
    fn check(&self, has_objective: bool) -> Result<(), LoadError> {
        if !has_objective {
            return Err(setting("capacity", "no objective", "a search needs `--slo`"));
        }
        if !(self.start > 0.0 && self.start <= 1e6) {
            return Err(setting("start", self.start, "it must be above 0 and at most 1000000"));
        }
        if !(self.most >= self.start && self.most <= 1e6) {
            return Err(setting("most", self.most, "it must be at least the start and at most 1000000"));
        }
        if !(self.precision > 1.0 && self.precision <= 3.0) {
            return Err(setting("precision", self.precision - 1.0, "it must be above 0 and at most 2"));
        }
        if !(1..=1000).contains(&self.loads) {
            return Err(setting("max-loads", self.loads, "it must be 1 to 1000"));
        }
        Ok(())
    }
}

fn setting(setting: &'static str, value: impl ToString, problem: &str) -> LoadError {
    LoadError::Setting { setting, value: value.to_string(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> LoadSettings {
        LoadSettings { duration_s: Some(1.0), ..LoadSettings::default() }
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let check = |change: fn(&mut LoadSettings), part: &str| {
            let mut settings = sound();
            change(&mut settings);
            let error = settings.checked().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        check(|s| s.shapes.clear(), "at least one load");
        check(|s| s.shapes = vec![Shape::Concurrency(0)], "accept `0` as concurrency");
        check(|s| s.shapes = vec![Shape::Concurrency(70_000)], "`70000`");
        check(|s| s.duration_s = None, "--duration");
        check(|s| s.duration_s = Some(-1.0), "duration");
        check(|s| s.duration_s = Some(f64::NAN), "NaN");
        check(|s| s.sessions = Some(0), "requests");
        check(|s| s.victim = Some("rate=x".to_owned()), "rate");
        check(|s| s.runs = 0, "`0` as runs");
        check(|s| s.request_timeout_s = 0.0, "timeout");
        check(|s| s.warmup = Warmup::Seconds(-1.0), "warmup");
        check(|s| s.disturbed_limit = 1.5, "disturbed-limit");
        check(|s| s.temperature = f32::NAN, "temperature");
        check(|s| s.reactors = 0, "client-threads");
        check(|s| s.watch.price_per_hour = Some(f64::NAN), "price-per-hour");
        check(|s| s.watch.price_per_hour = Some(0.0), "above 0");
        assert_eq!(sound().checked().unwrap(), sound());
    }

    #[test]
    fn a_load_is_known_by_what_is_varied() {
        let check = |shape: Shape, expected: (&str, &str)| {
            assert_eq!(shape.setting(), (expected.0, expected.1.to_owned()));
        };
        check(Shape::Concurrency(8), ("concurrency", "8"));
        check(Shape::Arrivals("poisson:12.5".to_owned()), ("rate", "12.5"));
        check(Shape::Arrivals("ramp:1..5,60s".to_owned()), ("arrivals", "ramp:1..5,60s"));
        check(Shape::Trace, ("arrivals", "trace"));
    }
}
