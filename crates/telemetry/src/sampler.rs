//! A series of samples of this process and its host at a fixed rate, taken by a thread of its own.

use std::time::Duration;

use weighbridge_types::resource::ResourceSample;
use weighbridge_types::time::{Clock, Stamp};

use crate::TelemetryError;
use crate::probe::{Probe, Pss};
use crate::root::SystemRoot;
use crate::ticker::{Rhythm, SamplerCost, Tick, Ticker};

/// How often to sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamplerSettings {
    /// Time between samples.
    pub interval: Duration,
    /// Least time between samples that read the proportional set size; `None` never reads it.
    pub pss_interval: Option<Duration>,
    /// Most samples held between two calls of [`Sampler::drain`]; more are dropped and counted.
    pub capacity: usize,
}

impl Default for SamplerSettings {
    /// Ten samples a second show a peak of a single request; one PSS a second, because the kernel walks every
    /// mapping for it. The capacity is 20 minutes.
    fn default() -> Self {
        Self { interval: Duration::from_millis(100), pss_interval: Some(Duration::from_secs(1)), capacity: 12_000 }
    }
}

/// What a sampler leaves when it is stopped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SamplerReport {
    /// Samples not drained before, in order of time.
    pub samples: Vec<ResourceSample>,
    /// Samples lost to a full buffer.
    pub dropped: u64,
    /// What sampling cost.
    pub cost: SamplerCost,
}

/// Samples this process and its host until it is stopped or dropped.
#[derive(Debug)]
pub struct Sampler {
    ticker: Ticker<ResourceSample>,
}

impl Sampler {
    /// Starts to sample at once, on the run's clock.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(root: &SystemRoot, clock: Clock, settings: SamplerSettings) -> Result<Self, TelemetryError> {
        let rhythm = Rhythm { name: "sampler", interval: settings.interval, capacity: settings.capacity };
        let mut probe = Probe::new(root);
        let mut pss = PssPace::new(settings.pss_interval);
        let ticker = Ticker::start(root, clock, rhythm, move |tick| Some(probe.sample(tick.at, pss.choose(tick))))?;
        Ok(Self { ticker })
    }

    /// Takes the samples gathered since the last call, in order of time.
    #[must_use]
    pub fn drain(&self) -> Vec<ResourceSample> {
        self.ticker.drain()
    }

    /// What sampling has cost so far.
    #[must_use]
    pub fn cost(&self) -> SamplerCost {
        self.ticker.cost()
    }

    /// Takes a last sample, stops, and hands over what is left.
    #[must_use]
    pub fn stop(self) -> SamplerReport {
        let left = self.ticker.stop();
        SamplerReport { samples: left.kept, dropped: left.dropped, cost: left.cost }
    }
}

/// When the proportional set size is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PssPace {
    interval: Option<Duration>,
    due: Stamp,
}

impl PssPace {
    pub(crate) fn new(interval: Option<Duration>) -> Self {
        Self { interval, due: Stamp::default() }
    }

    /// The last sample skips it: whoever stops a sampler waits for it.
    pub(crate) fn choose(&mut self, tick: Tick) -> Pss {
        match self.interval {
            Some(interval) if tick.at >= self.due && !tick.is_last => {
                self.due = tick.at.after(interval);
                Pss::Read
            }
            _ => Pss::Skip,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake;

    fn settings(capacity: usize) -> SamplerSettings {
        SamplerSettings { interval: Duration::from_micros(200), pss_interval: None, capacity }
    }

    #[test]
    fn samples_come_in_order_and_drain_once() {
        let (_folder, root) = fake::root(&[("/proc/self/status", "VmRSS: 4 kB\n")]);
        let sampler = Sampler::start(&root, Clock::start(), settings(10_000)).unwrap();
        let mut samples = Vec::new();
        while samples.len() < 5 {
            samples.extend(sampler.drain());
        }
        samples.extend(sampler.stop().samples);
        assert!(samples.len() >= 6);
        assert!(samples.is_sorted_by(|a, b| a.at < b.at));
        assert!(samples.iter().all(|sample| sample.rss_bytes == Some(4096)));
    }

    #[test]
    fn a_full_buffer_is_counted() {
        let (_folder, root) = fake::root(&[]);
        let sampler = Sampler::start(&root, Clock::start(), settings(1)).unwrap();
        let report = sampler.stop();
        assert_eq!(report.samples.len(), 1);
        assert!(report.dropped >= 1);
        assert_eq!(report.cost.cpu, None);
        assert_eq!(report.cost.percent(), None);
    }

    #[test]
    fn the_dear_figure_comes_at_its_own_rate() {
        let mut pace = PssPace::new(Some(Duration::from_nanos(100)));
        let mut check = |at, is_last, expected| {
            assert_eq!(pace.choose(Tick { at: Stamp::from_nanos(at), is_last }), expected, "{at}");
        };
        check(0, false, Pss::Read);
        check(99, false, Pss::Skip);
        check(130, false, Pss::Read);
        check(229, false, Pss::Skip);
        check(230, true, Pss::Skip);
        assert_eq!(PssPace::new(None).choose(Tick { at: Stamp::default(), is_last: false }), Pss::Skip);
    }
}
