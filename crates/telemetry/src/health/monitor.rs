//! The monitor: one thread that pings the reactors and reads the host.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use weighbridge_types::health::{HealthAlarm, HealthBreach, HealthSample};
use weighbridge_types::time::{Clock, Stamp, WallTime};

use super::limits::HealthLimits;
use super::reactor::{Lag, ReactorProbe};
use super::watch::HealthWatch;
use crate::TelemetryError;
use crate::cpu;
use crate::root::SystemRoot;
use crate::ticker::{Rhythm, SamplerCost, Tick, Ticker, lock};

/// Most lags kept for the figures; beyond, every other one is dropped and only every second is kept from then on.
const LAG_LIMIT: usize = 16_384;

/// How the monitor runs.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthSettings {
    /// Time between pings of each reactor.
    pub ping_interval: Duration,
    /// Time between readings of process and host.
    pub sample_interval: Duration,
    /// Prefixes of the names of the reactor threads; empty for every thread of the process but those of this room.
    pub reactor_threads: Vec<String>,
    /// Limits of a healthy client.
    pub limits: HealthLimits,
    /// Most events held between two calls of [`HealthMonitor::drain`]; more are dropped and counted.
    pub capacity: usize,
}

impl Default for HealthSettings {
    /// A hundred pings a second see a stall of 10 ms for sure. One reading a second, because the kernel counts stolen
    /// and busy time in ticks of 10 ms: below that a single tick is more than the limit. The capacity is 20 minutes
    /// of a client that is sick all the time.
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_millis(10),
            sample_interval: Duration::from_secs(1),
            reactor_threads: Vec::new(),
            limits: HealthLimits::default(),
            capacity: 130_000,
        }
    }
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HealthEvents {
    /// Times in which requests are in doubt.
    pub breaches: Vec<HealthBreach>,
    /// What a reader should know besides.
    pub alarms: Vec<HealthAlarm>,
    /// One reading of each period.
    pub samples: Vec<HealthSample>,
}

/// What a monitor leaves when it is stopped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HealthReport {
    /// What was seen and not drained before.
    pub events: HealthEvents,
    /// Lags of all reactors, in order of answer; thinned out evenly in a long run.
    pub lags: Vec<Lag>,
    /// The longest of all lags, thinned out or not.
    pub lag_max: Option<Lag>,
    /// Events lost to a full buffer.
    pub dropped: u64,
    /// What monitoring cost.
    pub cost: SamplerCost,
}

/// Watches this client until it is stopped or dropped.
#[derive(Debug)]
pub struct HealthMonitor {
    ticker: Ticker<Event>,
    lags: Arc<Mutex<LagSeries>>,
    settled: Arc<AtomicU64>,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Breach(HealthBreach),
    Alarm(HealthAlarm),
    Sample(HealthSample),
}

impl HealthMonitor {
    /// Starts to watch at once, on the run's clock. Each probe must be served on its reactor.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(
        root: &SystemRoot,
        clock: Clock,
        settings: HealthSettings,
        probes: Vec<ReactorProbe>,
    ) -> Result<Self, TelemetryError> {
        let rhythm = Rhythm { name: "health-monitor", interval: settings.ping_interval, capacity: settings.capacity };
        let (lags, settled) = (Arc::new(Mutex::new(LagSeries::default())), Arc::new(AtomicU64::new(0)));
        let start = clock.now();
        let mut worker = Worker {
            watch: HealthWatch::start(root, settings.reactor_threads, start, WallTime::now()),
            usable_cores: cpu::core_time(root),
            limits: settings.limits,
            interval: settings.sample_interval,
            last: start,
            probes,
            lags: Arc::clone(&lags),
            settled: Arc::clone(&settled),
            next_settled: None,
        };
        let ticker = Ticker::start(root, clock, rhythm, move |tick| worker.tick(tick))?;
        Ok(Self { ticker, lags, settled })
    }

    /// Takes what was seen since the last call.
    #[must_use]
    pub fn drain(&self) -> HealthEvents {
        HealthEvents::of(self.ticker.drain())
    }

    /// Every breach that began before this moment has been handed out or can be drained: a request that ended before it
    /// can be marked for good. It runs behind by one reading, and by as long as a reactor is blocked.
    #[must_use]
    pub fn settled(&self) -> Stamp {
        Stamp::from_nanos(self.settled.load(Ordering::Acquire))
    }

    /// Reads a last time, stops, and hands over what is left.
    #[must_use]
    pub fn stop(self) -> HealthReport {
        let left = self.ticker.stop();
        let mut lags = lock(&self.lags);
        HealthReport {
            events: HealthEvents::of(left.kept),
            lags: std::mem::take(&mut lags.kept),
            lag_max: lags.longest,
            dropped: left.dropped,
            cost: left.cost,
        }
    }
}

impl HealthEvents {
    fn of(events: Vec<Event>) -> Self {
        let mut sorted = Self::default();
        for event in events {
            match event {
                Event::Breach(breach) => sorted.breaches.push(breach),
                Event::Alarm(alarm) => sorted.alarms.push(alarm),
                Event::Sample(sample) => sorted.samples.push(sample),
            }
        }
        sorted
    }
}

struct Worker {
    watch: HealthWatch,
    usable_cores: Option<f64>,
    limits: HealthLimits,
    interval: Duration,
    last: Stamp,
    probes: Vec<ReactorProbe>,
    lags: Arc<Mutex<LagSeries>>,
    settled: Arc<AtomicU64>,
    /// What `settled` becomes once the events of the last tick can be drained.
    next_settled: Option<Stamp>,
}

impl Worker {
    fn tick(&mut self, tick: Tick) -> Vec<Event> {
        if let Some(settled) = self.next_settled.take() {
            self.settled.store(settled.as_nanos(), Ordering::Release);
        }
        let mut events = Vec::new();
        // Before the answers are taken: one that comes in between is then still counted as open.
        let open = self.probes.iter().filter_map(ReactorProbe::open_since).min();
        for lag in self.probes.iter().filter_map(ReactorProbe::ping) {
            lock(&self.lags).keep(lag);
            events.extend(self.limits.judge_lag(lag).map(Event::Breach));
        }
        if tick.is_last {
            // A ping without an answer has been late for as long as it is open.
            let open = self.probes.iter().filter_map(|probe| probe.open_since().filter(|&from| from < tick.at));
            let late = open.filter_map(|from| self.limits.judge_lag(Lag { from, to: tick.at }));
            events.extend(late.map(Event::Breach));
        }
        if tick.at - self.last >= self.interval || tick.is_last && tick.at > self.last {
            self.read(tick.at, &mut events);
            self.next_settled = Some(open.map_or(tick.at, |open| open.min(tick.at)));
        }
        events
    }

    fn read(&mut self, at: Stamp, events: &mut Vec<Event>) {
        let sample = self.watch.sample(at, WallTime::now());
        self.last = at;
        events.extend(self.limits.judge(&sample, self.usable_cores).into_iter().map(Event::Breach));
        events.extend(self.limits.alarms(&sample).into_iter().map(Event::Alarm));
        events.push(Event::Sample(sample));
    }
}

/// Lags in bounded memory. Thinning is even in time, so that quantiles stay those of the whole run.
#[derive(Clone, Debug)]
struct LagSeries {
    kept: Vec<Lag>,
    /// Every how manieth is kept.
    stride: u64,
    seen: u64,
    longest: Option<Lag>,
}

impl Default for LagSeries {
    fn default() -> Self {
        Self { kept: Vec::new(), stride: 1, seen: 0, longest: None }
    }
}

impl LagSeries {
    fn keep(&mut self, lag: Lag) {
        if self.longest.is_none_or(|longest| longest.length() < lag.length()) {
            self.longest = Some(lag);
        }
        if self.seen.is_multiple_of(self.stride) {
            if self.kept.len() == LAG_LIMIT {
                let mut index = 0;
                self.kept.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.stride *= 2;
            }
            if self.seen.is_multiple_of(self.stride) {
                self.kept.push(lag);
            }
        }
        self.seen += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake;

    fn lag(from: u64, length: u64) -> Lag {
        Lag { from: Stamp::from_nanos(from), to: Stamp::from_nanos(from + length) }
    }

    #[test]
    fn lags_are_thinned_out_evenly() {
        let mut series = LagSeries::default();
        let count = 2 * LAG_LIMIT as u64 + 10;
        (0..count).for_each(|index| series.keep(lag(index, u64::from(index == 7))));
        assert_eq!(series.longest, Some(lag(7, 1)));
        assert!(series.kept.len() <= LAG_LIMIT);
        let gaps: Vec<u64> =
            series.kept.windows(2).map(|pair| pair[1].from.as_nanos() - pair[0].from.as_nanos()).collect();
        assert!(gaps.iter().all(|&gap| gap == series.stride), "{:?}", &gaps[..4]);
        assert_eq!(series.stride, 4);
    }

    #[test]
    fn a_watched_reactor_answers_and_the_rest_is_judged() {
        let (_folder, root) = fake::root(&[("/proc/stat", "cpu  100 0 50 800 50 0 0 0 0 0\n")]);
        let clock = Clock::start();
        let settings = HealthSettings {
            ping_interval: Duration::from_micros(200),
            sample_interval: Duration::from_millis(1),
            limits: HealthLimits { reactor_lag: Duration::ZERO, ..HealthLimits::default() },
            ..HealthSettings::default()
        };
        let probe = ReactorProbe::new(clock);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        runtime.spawn(probe.clone().serve());
        let monitor = HealthMonitor::start(&root, clock, settings, vec![probe]).unwrap();
        let mut seen = HealthEvents::default();
        while seen.breaches.len() < 3 || seen.samples.len() < 3 {
            let more = monitor.drain();
            seen.breaches.extend(more.breaches);
            seen.samples.extend(more.samples);
        }
        assert!(monitor.settled() > Stamp::default());
        let report = monitor.stop();
        assert!(report.lags.len() >= 3 && report.lag_max.is_some());
        assert!(!report.events.samples.is_empty());
        assert!(seen.samples.windows(2).all(|pair| pair[0].to == pair[1].from));
    }

    #[test]
    fn a_ping_without_an_answer_is_a_breach_at_the_end() {
        let (_folder, root) = fake::root(&[]);
        let clock = Clock::start();
        let probe = ReactorProbe::new(clock);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let task = runtime.spawn(probe.clone().serve());
        runtime.block_on(async { tokio::task::yield_now().await });
        let settings = HealthSettings {
            limits: HealthLimits { reactor_lag: Duration::ZERO, ..HealthLimits::default() },
            ..HealthSettings::default()
        };
        // Nobody drives this runtime any more.
        let monitor = HealthMonitor::start(&root, clock, settings, vec![probe]).unwrap();
        let report = monitor.stop();
        assert_eq!(report.events.breaches.len(), 1, "{report:?}");
        assert!(report.lags.is_empty());
        task.abort();
    }
}
