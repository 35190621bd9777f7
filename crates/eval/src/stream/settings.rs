//! How a stream is played and judged.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::EvalError;

/// Labels that mean that nothing is wrong, where none are named.
pub const BENIGN: [&str; 11] =
    ["benign", "normal", "norm", "legitimate", "ham", "clean", "false_positive", "none", "no", "0", "-"];

/// Largest number of events that may wait.
const MOST_WAITING: usize = 10_000_000;
/// Most workers of a route.
const MOST_WORKERS: usize = 1_024;
/// Most stretches in a window.
const MOST_STRETCHES: f64 = 10_000.0;

/// When events are released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Each as soon as there is room for it.
    #[default]
    Fastest,
    /// By their time stamps, so many times as fast as they happened.
    Speed(f64),
    /// At random times, so many a second on average (a Poisson process), whatever their time stamps.
    Rate(f64),
}

/// What happens to an event that finds a queue full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shed {
    /// It is turned away.
    #[default]
    Newest,
    /// The one that has waited longest is given up for it.
    Oldest,
    /// It waits outside, and so do all behind it; the wait counts.
    Block,
}

/// Which events a model sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// What the route is called: its sources as written, or `all`.
    pub name: String,
    /// Values of the column `source`; empty takes every event.
    pub sources: Vec<String>,
    /// The model.
    pub model: String,
}

impl Route {
    /// The route of every event.
    #[must_use]
    pub fn of_all(model: &str) -> Self {
        Self { name: "all".to_owned(), sources: Vec::new(), model: model.to_owned() }
    }

    /// Whether an event of this source takes it.
    #[must_use]
    pub fn takes(&self, source: Option<&str>) -> bool {
        self.sources.is_empty() || source.is_some_and(|source| self.sources.iter().any(|known| known == source))
    }
}

impl FromStr for Route {
    type Err = EvalError;

    /// `network=onnx:network`, `network,dns=onnx:network`, `*=tiny`.
    fn from_str(text: &str) -> Result<Self, EvalError> {
        let wrong = || EvalError::Setting {
            name: "the route",
            value: text.to_owned(),
            expected: "sources and a model, as `network=onnx:network`, `dns,network=onnx:network` or `*=tiny`",
        };
        let (sources, model) = text.split_once('=').ok_or_else(wrong)?;
        let names: Vec<String> = sources.split(',').map(|source| source.trim().to_owned()).collect();
        if model.trim().is_empty() || names.iter().any(String::is_empty) {
            return Err(wrong());
        }
        if names == ["*"] {
            return Ok(Self::of_all(model.trim()));
        }
        Ok(Self { name: sources.trim().to_owned(), sources: names, model: model.trim().to_owned() })
    }
}

/// A stretch of the events' time in which a model does not answer, on purpose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outage {
    /// Name of the route; `None` for all.
    pub route: Option<String>,
    /// Its start, seconds from the first event by the time stamps.
    pub start_s: f64,
    /// Its length, seconds by the time stamps.
    pub length_s: f64,
}

impl Outage {
    /// Whether a route is down at this time, seconds from the first event.
    #[must_use]
    pub fn holds(&self, route: &str, at_s: f64) -> bool {
        let is_of = self.route.as_deref().is_none_or(|own| own == route);
        is_of && (self.start_s..self.start_s + self.length_s).contains(&at_s)
    }
}

impl FromStr for Outage {
    type Err = EvalError;

    /// `2h+10m`, or `network=2h+10m` for one route.
    fn from_str(text: &str) -> Result<Self, EvalError> {
        let (route, span) = match text.split_once('=') {
            Some((route, span)) => (Some(route.trim().to_owned()), span),
            None => (None, text),
        };
        let parts = span.split_once('+').and_then(|(start, length)| {
            let parse = weighbridge_types::units::parse_duration;
            Some((parse(start).ok()?, parse(length).ok()?))
        });
        match parts.filter(|(_, length)| !length.is_zero()) {
            Some((start, length)) => Ok(Self { route, start_s: start.as_secs_f64(), length_s: length.as_secs_f64() }),
            None => Err(EvalError::Setting {
                name: "the outage",
                value: text.to_owned(),
                expected: "a start and a length of the events' time, as `2h+10m`, or `ROUTE=2h+10m`",
            }),
        }
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(route) = &self.route {
            write!(f, "{route}=")?;
        }
        write!(f, "{}s+{}s", self.start_s, self.length_s)
    }
}

/// All that figures and verdicts of a stream rest on, beside its events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamSettings {
    /// Where the events come from, for people.
    pub events: String,
    /// Who answers; empty where the verdicts stand in the file.
    pub routes: Vec<Route>,
    /// When events are released.
    pub pace: Pace,
    /// Length of the sliding window, seconds by the time stamps.
    pub window_s: f64,
    /// How far it slides at a time: the length of a stretch.
    pub slide_s: f64,
    /// How long a stretch stays open for events that come late, seconds by the time stamps.
    pub lateness_s: f64,
    /// Events that may wait for each route.
    pub queue: usize,
    /// What happens when more come.
    pub shed: Shed,
    /// Labels that mean that nothing is wrong; every other label is an attack.
    pub benign: Vec<String>,
    /// Probability or score of an attack from which on there is an alert; `None` takes the likeliest class.
    pub threshold: Option<f64>,
    /// Every event is an alert, as those of another detector are.
    pub all_alerts: bool,
    /// Classes that a model which writes text chooses from.
    pub labels: Vec<String>,
    /// An alert repeats another of its key within so many seconds by the time stamps.
    pub repeat_s: f64,
    /// Events of one name within so many seconds by the time stamps are one incident.
    pub incident_gap_s: f64,
    /// Alerts that analysts can look at in an hour.
    pub analyst_capacity: Option<f64>,
    /// Times in which models do not answer, on purpose.
    pub outages: Vec<Outage>,
    /// Time between probes of a model, seconds by the time stamps.
    pub probe_s: f64,
    /// Requests of each route at a time; `None` takes 2 for classifiers, 8 for other models.
    pub workers: Option<usize>,
    /// Longest time for one request, seconds.
    pub request_timeout_s: f64,
    /// Limits on figures, `verdict_latency.p99<2000`; one that is missed fails the run.
    pub targets: Vec<String>,
    /// Limits that belong to a made-up stream; they inform.
    pub scenario_targets: Vec<String>,
    /// Seed of everything random.
    pub seed: i64,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            events: String::new(),
            routes: Vec::new(),
            pace: Pace::Fastest,
            window_s: 300.0,
            slide_s: 60.0,
            lateness_s: 60.0,
            queue: 10_000,
            shed: Shed::Newest,
            benign: BENIGN.map(str::to_owned).to_vec(),
            threshold: None,
            all_alerts: false,
            labels: vec!["benign".to_owned(), "attack".to_owned()],
            repeat_s: 900.0,
            incident_gap_s: 600.0,
            analyst_capacity: None,
            outages: Vec::new(),
            probe_s: 60.0,
            workers: None,
            request_timeout_s: 60.0,
            targets: Vec::new(),
            scenario_targets: Vec::new(),
            seed: 1_234,
        }
    }
}

impl StreamSettings {
    /// Checks every range.
    ///
    /// # Errors
    /// Names the first setting that is out of range, and what it must be.
    pub fn checked(self) -> Result<Self, EvalError> {
        let refuse = |name: &'static str, value: String, expected: &'static str| {
            Err(EvalError::Setting { name, value, expected })
        };
        let is_time = |seconds: f64| seconds.is_finite() && seconds > 0.0;
        if !is_time(self.slide_s) {
            return refuse("the slide", format!("{}s", self.slide_s), "longer than nothing");
        }
        let stretches = self.window_s / self.slide_s;
        if !(1.0..=MOST_STRETCHES).contains(&stretches) || (stretches - stretches.round()).abs() > 1e-6 {
            let value = format!("{}s", self.window_s);
            return refuse("the window", value, "a whole number of slides, 1 to 10000 of them");
        }
        match self.pace {
            Pace::Speed(speed) if !is_time(speed) => {
                return refuse("the speed", speed.to_string(), "a number above 0, or `max`");
            }
            Pace::Rate(rate) if !is_time(rate) => {
                return refuse("the rate", rate.to_string(), "a number of events a second above 0");
            }
            Pace::Fastest if !self.outages.is_empty() => {
                let value = self.outages[0].to_string();
                return refuse("the outage", value, "played in time: give `--speed` a number, or `--rate`");
            }
            _ => {}
        }
        let known = |outage: &&Outage| {
            outage.route.as_ref().is_some_and(|name| self.routes.iter().all(|route| route.name != *name))
        };
        if let Some(outage) = self.outages.iter().find(known) {
            return refuse("the outage", outage.to_string(), "of a route that there is, as written in `--route`");
        }
        if self.queue == 0 || self.queue > MOST_WAITING {
            return refuse("the queue", self.queue.to_string(), "1 to 10000000 events");
        }
        if self.workers.is_some_and(|workers| workers == 0 || workers > MOST_WORKERS) {
            return refuse("the workers", self.workers.unwrap_or_default().to_string(), "1 to 1024");
        }
        if self.threshold.is_some_and(|threshold| !threshold.is_finite()) {
            return refuse("the threshold", self.threshold.unwrap_or_default().to_string(), "a finite number");
        }
        if self.analyst_capacity.is_some_and(|alerts| !alerts.is_finite() || alerts < 0.0) {
            let value = self.analyst_capacity.unwrap_or_default().to_string();
            return refuse("the analysts' capacity", value, "a number of alerts an hour, 0 or more");
        }
        if !is_time(self.probe_s) || !is_time(self.request_timeout_s) {
            return refuse("the time between probes, or for a request", "0s".to_owned(), "longer than nothing");
        }
        let names: std::collections::BTreeSet<&str> = self.routes.iter().map(|route| route.name.as_str()).collect();
        if names.len() < self.routes.len() {
            let twice = self
                .routes
                .iter()
                .enumerate()
                .find(|(place, route)| self.routes.iter().take(*place).any(|other| other.name == route.name));
            let value = twice.map(|(_, route)| route.name.clone()).unwrap_or_default();
            return refuse(
                "the route",
                value,
                "named once; join models of one source in other words, as `a` and `a,b`",
            );
        }
        Ok(self)
    }

    /// Whether a label means that nothing is wrong.
    #[must_use]
    pub fn is_benign(&self, label: &str) -> bool {
        self.benign.iter().any(|known| known.eq_ignore_ascii_case(label.trim()))
    }

    /// Seconds of the clock for one second by the time stamps; `None` where the two are not bound together.
    #[must_use]
    pub fn wall_per_second(&self) -> Option<f64> {
        match self.pace {
            Pace::Fastest => None,
            Pace::Speed(speed) => Some(1.0 / speed),
            Pace::Rate(_) => Some(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_and_outages_are_read() {
        let route: Route = "dns,network=onnx:network".parse().unwrap();
        assert!(route.takes(Some("dns")) && route.takes(Some("network")) && !route.takes(Some("email")));
        assert!(!route.takes(None) && "*=tiny".parse::<Route>().unwrap().takes(None));
        for bad in ["network", "=x", "a=", "a,,b=x", ""] {
            assert!(bad.parse::<Route>().is_err(), "{bad}");
        }
        let outage: Outage = "network=2h+10m".parse().unwrap();
        assert!(
            outage.holds("network", 7_200.0) && !outage.holds("network", 7_800.0) && !outage.holds("email", 7_300.0)
        );
        assert!("90s+1s".parse::<Outage>().unwrap().holds("any", 90.5));
        for bad in ["2h", "2h+", "2h+0s", "x+1m", "1m+-1m"] {
            assert!(bad.parse::<Outage>().is_err(), "{bad}");
        }
    }

    #[test]
    fn settings_out_of_range_are_named() {
        type Change = fn(&mut StreamSettings);
        let check = |change: Change, expected: &str| {
            let mut settings = StreamSettings::default();
            change(&mut settings);
            let error = settings.checked().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        assert!(StreamSettings::default().checked().is_ok());
        check(|s| s.slide_s = 0.0, "slide");
        check(|s| s.window_s = 90.0, "window");
        check(|s| s.pace = Pace::Speed(-1.0), "speed");
        check(|s| s.pace = Pace::Rate(f64::NAN), "rate");
        check(|s| s.queue = 0, "queue");
        check(|s| s.workers = Some(0), "workers");
        check(|s| s.threshold = Some(f64::INFINITY), "threshold");
        check(|s| s.outages = vec!["1m+1m".parse().unwrap()], "in time");
        check(|s| s.routes = vec![Route::of_all("a"), Route::of_all("b")], "named once");
        check(
            |s| {
                s.pace = Pace::Speed(1.0);
                s.outages = vec!["x=1m+1m".parse().unwrap()];
            },
            "route that there is",
        );
    }
}
