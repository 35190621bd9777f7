//! Energy over a window, with the doubt that sampling and sensors leave, and what remains above idle.

use std::collections::BTreeMap;

use weighbridge_types::definition::{self as defs, Definition};
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::server::{GpuSample, HostEnergySample};
use weighbridge_types::time::Stamp;

use crate::bounded::{Bounded, Window, gain};
use crate::figures;

/// Relative error of the power sensor of NVIDIA's boards: ±5 %, as measured against external meters by Yang, Adámek
/// and Armour, "Part-time Power Measurements" (SC 2024, arXiv 2312.02741), who also found that some boards look at a
/// quarter of the time only.
const GPU_SENSOR_ERROR: f64 = 0.05;
/// Most of a window that may lie outside of the samples, as a share; beyond, the integral would be a guess.
const UNCOVERED_LIMIT: f64 = 0.1;

/// Which energy is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnergyScope {
    /// The boards of the graphics processors, without the host.
    Gpu,
    /// Processor packages and memory of the host, without devices, fans and the losses of the supply.
    Host,
}

/// Energy over a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Energy {
    /// Which energy.
    pub scope: EnergyScope,
    /// Joules, with bounds.
    pub joules: Bounded,
    /// How it was had: `energy_counter` or `power_integral`.
    pub method: &'static str,
    /// The window.
    pub window: Window,
}

impl Energy {
    /// Mean power in watts; `None` over a window of no length.
    #[must_use]
    pub fn watts(&self) -> Option<Bounded> {
        let seconds = self.window.seconds();
        (seconds > 0.0).then(|| self.joules.times(1.0 / seconds))
    }

    /// What remains when the mean power of an idle window is taken off for the length of this one:
    /// `joules − idle watts × seconds`. Both may be wrong at once, so that the bounds are wide where the load is
    /// small; the value may be below 0 there.
    #[must_use]
    pub fn above(&self, idle: &Self) -> Option<Bounded> {
        Some(self.joules.minus(idle.watts()?.times(self.window.seconds())))
    }
}

/// Energy of all graphics processors over a window: the gain of their counters, or the integral of their power where
/// one has no counter. The bounds hold the sampling error and the sensor's.
///
/// # Errors
/// The reason, when a device tells neither or the samples do not cover the window.
pub fn gpu_energy(samples: &[GpuSample], window: Window) -> Result<Energy, String> {
    let mut devices: BTreeMap<u32, Vec<&GpuSample>> = BTreeMap::new();
    for sample in samples {
        devices.entry(sample.index).or_default().push(sample);
    }
    if devices.is_empty() {
        return Err("no graphics processor was read".to_owned());
    }
    let mut total = Energy { scope: EnergyScope::Gpu, joules: Bounded::exact(0.0), method: "energy_counter", window };
    for (index, samples) in devices {
        let (joules, method) =
            device_energy(&samples, window).map_err(|reason| format!("graphics processor {index}: {reason}"))?;
        total.joules = total.joules.plus(joules);
        if method != total.method {
            total.method = method;
        }
    }
    total.joules = total.joules.widened(GPU_SENSOR_ERROR);
    Ok(total)
}

fn device_energy(samples: &[&GpuSample], window: Window) -> Result<(Bounded, &'static str), String> {
    let points = |of: fn(&GpuSample) -> Option<f64>| -> Vec<(Stamp, f64)> {
        samples.iter().filter_map(|sample| Some((sample.at, of(sample)?))).collect()
    };
    let counter = points(|sample| sample.energy_joules);
    match gain(&counter, window) {
        Ok(gain) if gain.is_whole => return Ok((gain.amount, "energy_counter")),
        _ => {}
    }
    let power = points(|sample| sample.power_watts);
    if power.is_empty() {
        return Err(match counter.is_empty() {
            true => "tells neither power nor energy".to_owned(),
            false => "its energy counter does not cover the window".to_owned(),
        });
    }
    Ok((integral(&power, window)?, "power_integral"))
}

/// Integral of power over a window by trapezoids. Between two samples the power may have been anything between
/// them, which gives the bounds; outside of the samples it may have been anything up to the most that was seen.
///
/// # Errors
/// The reason, when too much of the window lies outside of the samples.
pub fn integral(power: &[(Stamp, f64)], window: Window) -> Result<Bounded, String> {
    let (Some(first), Some(last)) = (power.first(), power.last()) else {
        return Err("no power was read".to_owned());
    };
    let uncovered = (first.0 - window.from).as_secs_f64() + (window.to - last.0).as_secs_f64();
    if uncovered > UNCOVERED_LIMIT * window.seconds() {
        return Err(format!("power was not read for {uncovered:.3} s of a window of {:.3} s", window.seconds()));
    }
    let most = power.iter().map(|point| point.1).fold(0.0, f64::max);
    let mut total = Bounded::exact(0.0);
    for pair in power.windows(2) {
        total = total.plus(piece(pair[0], pair[1], window));
    }
    let edges = (first.0 - window.from).as_secs_f64() * first.1 + (window.to - last.0).as_secs_f64() * last.1;
    Ok(total.plus(Bounded { value: edges, low: 0.0, high: uncovered * most }))
}

/// The energy between two samples, as far as it lies in the window.
fn piece(start: (Stamp, f64), end: (Stamp, f64), window: Window) -> Bounded {
    let (from, to) = (start.0.max(window.from), end.0.min(window.to));
    let (span, seconds) = ((end.0 - start.0).as_secs_f64(), (to - from).as_secs_f64());
    if span <= 0.0 || seconds <= 0.0 {
        return Bounded::exact(0.0);
    }
    let at = |moment: Stamp| start.1 + (end.1 - start.1) * (moment - start.0).as_secs_f64() / span;
    let value = (at(from) + at(to)) / 2.0 * seconds;
    Bounded { value, low: start.1.min(end.1) * seconds, high: start.1.max(end.1) * seconds }
}

/// Energy of the host's processors over a window.
///
/// # Errors
/// The reason, when the samples do not cover the window.
pub fn host_energy(samples: &[HostEnergySample], window: Window) -> Result<Energy, String> {
    let joules = |sample: &HostEnergySample| sample.package_joules + sample.memory_joules.unwrap_or_default();
    let points: Vec<_> = samples.iter().map(|sample| (sample.at, joules(sample))).collect();
    let found = gain(&points, window)?;
    if !found.is_whole {
        return Err("the energy counter was not read at both ends of the window".to_owned());
    }
    Ok(Energy { scope: EnergyScope::Host, joules: found.amount, method: "energy_counter", window })
}

/// Energy, energy above idle, and both per output token: four metrics. An unknown part is null with its reason.
///
/// J/token = integral of power over the window / output tokens of the window.
#[must_use]
pub fn energy_metrics(
    scope: EnergyScope,
    energy: &Result<Energy, String>,
    idle: &Result<Energy, String>,
    output_tokens: &Result<Bounded, String>,
    cell: &Cell,
) -> Vec<Metric> {
    let [whole, net, per_token, net_per_token] = match scope {
        EnergyScope::Gpu => {
            [&defs::ENERGY_GPU, &defs::ENERGY_GPU_NET, &defs::GPU_JOULES_PER_TOKEN, &defs::GPU_JOULES_PER_TOKEN_NET]
        }
        EnergyScope::Host => {
            [&defs::ENERGY_HOST, &defs::ENERGY_HOST_NET, &defs::HOST_JOULES_PER_TOKEN, &defs::HOST_JOULES_PER_TOKEN_NET]
        }
    };
    let method = energy.as_ref().map_or("", |energy| energy.method);
    let joules = energy.as_ref().map(|energy| energy.joules).map_err(Clone::clone);
    let above = energy.as_ref().map_err(Clone::clone).and_then(|energy| {
        let idle = idle.as_ref().map_err(|reason| format!("the idle power is unknown: {reason}"))?;
        energy.above(idle).ok_or_else(|| "the idle window has no length".to_owned())
    });
    let per = |joules: &Result<Bounded, String>| {
        let (joules, tokens) = (joules.as_ref().map_err(Clone::clone)?, output_tokens.as_ref().map_err(Clone::clone)?);
        joules.over(*tokens).ok_or_else(|| "no output token is certain in the window".to_owned())
    };
    vec![
        or_null(whole, cell, &joules, method),
        or_null(net, cell, &above, method),
        or_null(per_token, cell, &per(&joules), method),
        or_null(net_per_token, cell, &per(&above), method),
    ]
}

/// A number with bounds, or null with the reason.
pub(crate) fn or_null(definition: &Definition, cell: &Cell, number: &Result<Bounded, String>, method: &str) -> Metric {
    match number {
        Ok(number) => figures::bounded(definition, cell, *number, method),
        Err(reason) => Metric::unavailable(definition, Statistic::Value, cell, reason),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Stamp {
        Stamp::from_nanos(millis * 1_000_000)
    }

    fn window(from: u64, to: u64) -> Window {
        Window { from: at(from), to: at(to) }
    }

    fn near(a: Bounded, b: (f64, f64, f64)) -> bool {
        [(a.value, b.0), (a.low, b.1), (a.high, b.2)].iter().all(|(a, b)| (a - b).abs() < 1e-9)
    }

    #[test]
    fn power_is_integrated_over_the_window() {
        let check = |power: &[(u64, f64)], from, to, expected: Result<(f64, f64, f64), &str>| {
            let power: Vec<_> = power.iter().map(|&(millis, watts)| (at(millis), watts)).collect();
            match (integral(&power, window(from, to)), expected) {
                (Ok(found), Ok(expected)) => assert!(near(found, expected), "{found:?} {expected:?}"),
                (Err(reason), Err(expected)) => assert!(reason.contains(expected), "{reason}"),
                (found, expected) => panic!("{found:?} {expected:?}"),
            }
        };
        let ramp = [(0, 100.0), (1000, 100.0), (2000, 300.0), (3000, 300.0)];
        check(&ramp, 0, 3000, Ok((600.0, 500.0, 700.0)));
        check(&ramp, 1500, 3000, Ok((425.0, 350.0, 450.0)));
        // 100 ms after the last sample: as much as the last said, none, or the most.
        check(&ramp, 2000, 3100, Ok((330.0, 300.0, 330.0)));
        check(&ramp, 2000, 4000, Err("was not read for 1.000 s"));
        check(&ramp[1..], 0, 3000, Err("was not read"));
        check(&[], 0, 3000, Err("no power"));
        check(&[(0, 100.0)], 0, 3000, Err("was not read"));
    }

    fn gpu(index: u32, millis: u64, power: Option<f64>, energy: Option<f64>) -> GpuSample {
        GpuSample { at: at(millis), index, power_watts: power, energy_joules: energy, ..GpuSample::default() }
    }

    #[test]
    fn counters_come_before_power() {
        let samples = [
            gpu(0, 0, Some(999.0), Some(1000.0)),
            gpu(1, 0, Some(100.0), None),
            gpu(0, 1000, Some(999.0), Some(1200.0)),
            gpu(1, 1000, Some(100.0), None),
        ];
        let found = gpu_energy(&samples, window(0, 1000)).unwrap();
        assert!(near(found.joules, (300.0, 285.0, 315.0)), "{found:?}");
        assert_eq!(found.method, "power_integral");
        let only = gpu_energy(&[samples[0].clone(), samples[2].clone()], window(0, 1000)).unwrap();
        assert_eq!((only.method, only.scope), ("energy_counter", EnergyScope::Gpu));
        assert!(gpu_energy(&[], window(0, 1)).unwrap_err().contains("no graphics processor"));
        let silent = gpu_energy(&[gpu(3, 0, None, None)], window(0, 1)).unwrap_err();
        assert!(silent.contains("processor 3: tells neither"), "{silent}");
    }

    #[test]
    fn idle_power_is_taken_off() {
        let energy = |joules: (f64, f64, f64), to| Energy {
            scope: EnergyScope::Gpu,
            joules: Bounded { value: joules.0, low: joules.1, high: joules.2 },
            method: "energy_counter",
            window: window(0, to),
        };
        let (load, idle) = (energy((1000.0, 950.0, 1050.0), 10_000), energy((60.0, 50.0, 70.0), 1_000));
        assert!(near(load.above(&idle).unwrap(), (400.0, 250.0, 550.0)));
        let tokens = Ok(Bounded { value: 100.0, low: 90.0, high: 100.0 });
        let metrics = energy_metrics(EnergyScope::Gpu, &Ok(load), &Ok(idle), &tokens, &Cell::default());
        let values: Vec<_> = metrics.iter().map(|metric| metric.value).collect();
        assert_eq!(values, [Some(1000.0), Some(400.0), Some(10.0), Some(4.0)]);
        assert!(metrics.iter().all(|metric| metric.interval.is_some()));
        let unknown = Err("no counter".to_owned());
        let no_tokens = Err("no counter".to_owned());
        let metrics = energy_metrics(EnergyScope::Host, &Ok(load), &unknown, &no_tokens, &Cell::default());
        let reasons: Vec<_> = metrics.iter().map(|metric| metric.reason.as_deref().unwrap_or("-")).collect();
        let idle_unknown = "the idle power is unknown: no counter";
        assert_eq!(reasons, ["-", idle_unknown, "no counter", idle_unknown]);
        assert_eq!(metrics[2].name, "joules_per_token_host");
    }

    #[test]
    fn the_hosts_energy_adds_its_memory() {
        let sample =
            |millis, package_joules, memory_joules| HostEnergySample { at: at(millis), package_joules, memory_joules };
        let samples = [sample(0, 1.0, Some(0.5)), sample(1000, 11.0, Some(2.5)), sample(2000, 21.0, Some(4.5))];
        let found = host_energy(&samples, window(500, 2000)).unwrap();
        assert!(near(found.joules, (18.0, 12.0, 24.0)), "{found:?}");
        assert!(host_energy(&samples, window(0, 3000)).unwrap_err().contains("both ends"));
        assert!(host_energy(&[], window(0, 3000)).unwrap_err().contains("no sample"));
    }

    proptest! {
        #[test]
        fn the_integral_lies_within_its_bounds(
            watts in prop::collection::vec(0.0..500.0, 2..20), from in 0_u64..500, length in 1_u64..2_000,
        ) {
            let power: Vec<_> = watts.iter().zip(0..).map(|(&watts, index)| (at(100 * index), watts)).collect();
            if let Ok(found) = integral(&power, window(from, from + length)) {
                prop_assert!(found.low <= found.value + 1e-9 && found.value <= found.high + 1e-9, "{found:?}");
            }
        }
    }
}
