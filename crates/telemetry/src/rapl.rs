//! Energy of the host's processors, from the counters that Linux shows under `/sys/class/powercap` (RAPL; the driver
//! `intel-rapl` serves AMD too).

use std::collections::BTreeMap;

use weighbridge_types::server::HostEnergySample;
use weighbridge_types::time::{Clock, Stamp};

use crate::TelemetryError;
use crate::cgroup::read_number;
use crate::root::SystemRoot;
use crate::ticker::{Rhythm, SamplerCost, Ticker};

const FOLDER: &str = "/sys/class/powercap";
/// Seconds between samples: a package counter of 2^32 units of 61 µJ wraps in some ten minutes at 400 W.
const INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);
/// Twenty minutes of them between two drains.
const CAPACITY: usize = 1_200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Package,
    Memory,
}

/// One counter.
#[derive(Clone, Debug)]
struct Zone {
    part: Part,
    file: String,
    /// Microjoules at which it starts again from 0.
    range: u64,
    last: u64,
    /// Microjoules since the meter was opened.
    total: u64,
}

/// Reads the energy since it was opened, wraps taken out. It must be read before a counter wraps twice.
#[derive(Clone, Debug)]
pub struct HostEnergyMeter {
    root: SystemRoot,
    zones: Vec<Zone>,
}

impl HostEnergyMeter {
    /// Finds the counters of packages and memory. Zones within a package (`core`, `uncore`) are part of it, and
    /// `psys` holds the packages; neither is added.
    ///
    /// # Errors
    /// The reason, when the host has no counter or does not let it be read.
    pub fn open(root: &SystemRoot) -> Result<Self, String> {
        let mut found: BTreeMap<String, Zone> = BTreeMap::new();
        let mut is_hidden = false;
        for zone in root.names(FOLDER).into_iter().filter(|name| name.starts_with("intel-rapl:")) {
            let name = root.read_line(&format!("{FOLDER}/{zone}/name")).unwrap_or_default();
            let part = match name.as_str() {
                "dram" => Part::Memory,
                name if name.starts_with("package") => Part::Package,
                _ => continue,
            };
            let file = format!("{FOLDER}/{zone}/energy_uj");
            let range = read_number(root, &format!("{FOLDER}/{zone}/max_energy_range_uj"));
            match read_number(root, &file).zip(range) {
                Some((last, range)) => drop(found.insert(zone, Zone { part, file, range, last, total: 0 })),
                None => is_hidden = true,
            }
        }
        let zones: Vec<Zone> = found.into_values().collect();
        if is_hidden {
            return Err("the energy counters may be read by root only (/sys/class/powercap/*/energy_uj)".to_owned());
        }
        if !zones.iter().any(|zone| zone.part == Part::Package) {
            return Err("the host shows no energy counter (/sys/class/powercap has no package)".to_owned());
        }
        Ok(Self { root: root.clone(), zones })
    }

    /// The energy since the meter was opened; `None` when a counter cannot be read any more.
    pub fn sample(&mut self, at: Stamp) -> Option<HostEnergySample> {
        for zone in &mut self.zones {
            let now = read_number(&self.root, &zone.file)?;
            zone.total = zone.total.saturating_add(since(zone.last, now, zone.range));
            zone.last = now;
        }
        let joules = |part| {
            let zones = self.zones.iter().filter(|zone| zone.part == part);
            zones.map(|zone| zone.total as f64 / 1e6).reduce(|sum, joules| sum + joules)
        };
        Some(HostEnergySample { at, package_joules: joules(Part::Package)?, memory_joules: joules(Part::Memory) })
    }
}

/// A counter that fell has wrapped once: it counts from 0 up to and with `range`.
fn since(earlier: u64, now: u64, range: u64) -> u64 {
    match now.checked_sub(earlier) {
        Some(gain) => gain,
        None => range.saturating_sub(earlier).saturating_add(now).saturating_add(1),
    }
}

/// What a sampler leaves when it is stopped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostEnergyReport {
    /// Samples not drained before, in order of time.
    pub samples: Vec<HostEnergySample>,
    /// Samples lost to a full buffer.
    pub dropped: u64,
    /// What sampling cost.
    pub cost: SamplerCost,
}

/// Reads the energy of the host's processors once a second until it is stopped or dropped.
#[derive(Debug)]
pub struct HostEnergySampler {
    ticker: Ticker<HostEnergySample>,
}

impl HostEnergySampler {
    /// Starts to read at once, on the run's clock.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(mut meter: HostEnergyMeter, clock: Clock) -> Result<Self, TelemetryError> {
        let rhythm = Rhythm { name: "energy-sampler", interval: INTERVAL, capacity: CAPACITY };
        let root = meter.root.clone();
        Ok(Self { ticker: Ticker::start(&root, clock, rhythm, move |tick| meter.sample(tick.at))? })
    }

    /// Takes the samples gathered since the last call.
    #[must_use]
    pub fn drain(&self) -> Vec<HostEnergySample> {
        self.ticker.drain()
    }

    /// Reads a last time, stops, and hands over what is left.
    #[must_use]
    pub fn stop(self) -> HostEnergyReport {
        let left = self.ticker.stop();
        HostEnergyReport { samples: left.kept, dropped: left.dropped, cost: left.cost }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake;

    fn zone(name: &str, kind: &str, energy: &str) -> Vec<(String, String)> {
        let path = |file: &str| format!("{FOLDER}/{name}/{file}");
        let texts = [("name", kind), ("energy_uj", energy), ("max_energy_range_uj", "999999")];
        texts.map(|(file, text)| (path(file), format!("{text}\n"))).to_vec()
    }

    fn root(zones: &[(&str, &str, &str)]) -> (tempfile::TempDir, SystemRoot) {
        let files: Vec<_> = zones.iter().flat_map(|(name, kind, energy)| zone(name, kind, energy)).collect();
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        fake::root(&files)
    }

    #[test]
    fn packages_and_memory_add_up_and_wraps_are_taken_out() {
        let (_folder, root) = root(&[
            ("intel-rapl:0", "package-0", "900000"),
            ("intel-rapl:0:0", "core", "5"),
            ("intel-rapl:0:1", "dram", "0"),
            ("intel-rapl:1", "package-1", "100"),
            ("intel-rapl:2", "psys", "7"),
            ("intel-rapl-mmio:0", "package-0", "900000"),
        ]);
        let mut meter = HostEnergyMeter::open(&root).unwrap();
        let write = |zone: &str, energy: &str| {
            std::fs::write(root.path(&format!("{FOLDER}/{zone}/energy_uj")), energy).unwrap();
        };
        write("intel-rapl:0", "400000\n");
        write("intel-rapl:0:1", "250000\n");
        write("intel-rapl:0:0", "999\n");
        let first = meter.sample(Stamp::from_nanos(3)).unwrap();
        let expected = HostEnergySample { at: Stamp::from_nanos(3), package_joules: 0.5, memory_joules: Some(0.25) };
        assert_eq!(first, expected);
        write("intel-rapl:0", "500000\n");
        assert!((meter.sample(Stamp::from_nanos(4)).unwrap().package_joules - 0.6).abs() < 1e-12);
        write("intel-rapl:1", "odd\n");
        assert_eq!(meter.sample(Stamp::from_nanos(5)), None);
    }

    #[test]
    fn wraps_count_the_whole_range() {
        let check = |earlier, now, range, expected| assert_eq!(since(earlier, now, range), expected);
        check(5, 9, 99, 4);
        check(5, 5, 99, 0);
        check(90, 9, 99, 19);
        check(99, 0, 99, 1);
        check(u64::MAX, 0, 0, 1);
    }

    #[test]
    fn without_counters_there_is_a_reason() {
        let check = |zones: &[(&str, &str, &str)], expected: &str| {
            let (_folder, root) = root(zones);
            let reason = HostEnergyMeter::open(&root).unwrap_err();
            assert!(reason.contains(expected), "{reason}");
        };
        check(&[], "no energy counter");
        check(&[("intel-rapl:0:0", "core", "5"), ("other", "package-0", "5")], "no energy counter");
        check(&[("intel-rapl:0", "package-0", "")], "root only");
    }

    #[test]
    fn a_sampler_reads_at_start_and_end() {
        let (_folder, root) = root(&[("intel-rapl:0", "package-0", "1")]);
        let sampler = HostEnergySampler::start(HostEnergyMeter::open(&root).unwrap(), Clock::start()).unwrap();
        assert!(sampler.stop().samples.len() >= 2);
    }
}
