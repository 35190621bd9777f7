//! A series of readings of every graphics processor.

use std::time::Duration;

use weighbridge_types::server::GpuSample;
use weighbridge_types::time::Clock;

use crate::TelemetryError;
use crate::gpu_device::GpuSource;
use crate::root::SystemRoot;
use crate::ticker::{Rhythm, SamplerCost, Ticker};

/// The driver renews its figures ten times a second at most; asking more often only costs.
const FASTEST: Duration = Duration::from_millis(100);

/// How often to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuSettings {
    /// Time between readings; not below 100 ms.
    pub interval: Duration,
    /// Most samples held between two calls of [`GpuSampler::drain`]; more are dropped and counted.
    pub capacity: usize,
}

impl Default for GpuSettings {
    /// Ten a second; 20 minutes of eight devices.
    fn default() -> Self {
        Self { interval: FASTEST, capacity: 96_000 }
    }
}

/// What a sampler leaves when it is stopped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GpuReport {
    /// Samples not drained before, in order of time, then of device.
    pub samples: Vec<GpuSample>,
    /// Samples lost to a full buffer.
    pub dropped: u64,
    /// What sampling cost.
    pub cost: SamplerCost,
}

/// Reads every graphics processor until it is stopped or dropped, from a thread of its own: a driver call may block.
#[derive(Debug)]
pub struct GpuSampler {
    ticker: Ticker<GpuSample>,
}

impl GpuSampler {
    /// Starts to read at once, on the run's clock.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(
        source: impl GpuSource + 'static,
        root: &SystemRoot,
        clock: Clock,
        settings: GpuSettings,
    ) -> Result<Self, TelemetryError> {
        let interval = settings.interval.max(FASTEST);
        let rhythm = Rhythm { name: "gpu-sampler", interval, capacity: settings.capacity };
        let read = move |_| {
            // Each device has its own stamp: with many devices a round takes milliseconds.
            (0..source.count()).map(|index| source.read(index, clock.now())).collect::<Vec<_>>()
        };
        Ok(Self { ticker: Ticker::start(root, clock, rhythm, read)? })
    }

    /// Takes the samples gathered since the last call.
    #[must_use]
    pub fn drain(&self) -> Vec<GpuSample> {
        self.ticker.drain()
    }

    /// Reads a last time, stops, and hands over what is left.
    #[must_use]
    pub fn stop(self) -> GpuReport {
        let left = self.ticker.stop();
        GpuReport { samples: left.kept, dropped: left.dropped, cost: left.cost }
    }
}

#[cfg(test)]
mod tests {
    use weighbridge_types::time::Stamp;

    use super::*;
    use crate::root::fake;

    struct Two;

    impl GpuSource for Two {
        fn count(&self) -> u32 {
            2
        }

        fn read(&self, index: u32, at: Stamp) -> GpuSample {
            GpuSample { at, index, power_watts: Some(100.0 * f64::from(index)), ..GpuSample::default() }
        }
    }

    #[test]
    fn every_device_is_read_at_start_and_end() {
        let (_folder, root) = fake::root(&[]);
        let sampler = GpuSampler::start(Two, &root, Clock::start(), GpuSettings::default()).unwrap();
        let report = sampler.stop();
        assert!(report.samples.len() >= 4);
        let devices: Vec<u32> = report.samples.iter().take(4).map(|sample| sample.index).collect();
        assert_eq!(devices, [0, 1, 0, 1]);
        assert!(report.samples.is_sorted_by(|a, b| a.at <= b.at));
        assert_eq!(report.dropped, 0);
    }
}
