//! Figures of the graphics processors over a window.

use std::collections::BTreeMap;

use weighbridge_types::definition as defs;
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::server::{GpuSample, ThrottleReason};

use crate::bounded::Window;
use crate::figures;

const NOT_TOLD: &str = "the graphics processors do not tell it";

/// Utilization, memory, power, temperature, clock, throttling and errors over a window; energy is apart.
///
/// Devices are read one after the other; the n-th samples of all devices count as one moment. `absent` is the reason
/// for nulls where there is no sample at all.
#[must_use]
pub fn gpu_metrics(samples: &[GpuSample], window: Window, cell: &Cell, absent: &str) -> Vec<Metric> {
    let mut devices: BTreeMap<u32, Vec<&GpuSample>> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| window.contains(sample.at)) {
        devices.entry(sample.index).or_default().push(sample);
    }
    let absent = match (samples.is_empty(), devices.is_empty()) {
        (true, _) => absent,
        (false, true) => "no sample fell into the window",
        (false, false) => NOT_TOLD,
    };
    let rounds = devices.values().map(Vec::len).min().unwrap_or_default();
    let series = |of: fn(&GpuSample) -> Option<f64>, join: fn(f64, f64) -> f64| -> Vec<f64> {
        let moment = |round: usize| {
            let values: Option<Vec<f64>> = devices.values().map(|samples| of(samples[round])).collect();
            values?.into_iter().reduce(join)
        };
        (0..rounds).filter_map(moment).collect()
    };
    let sum = |a: f64, b: f64| a + b;
    let devices_count = devices.len().max(1) as f64;
    let mut utilization = series(|sample| sample.utilization, sum);
    utilization.iter_mut().for_each(|value| *value /= devices_count);
    let memory = series(|sample| sample.memory_used_bytes.map(|bytes| bytes as f64), sum);
    let power = series(|sample| sample.power_watts, sum);
    let clock = series(|sample| sample.sm_clock_mhz, f64::min);
    let least = clock.iter().copied().min_by(f64::total_cmp);
    vec![
        figures::mean(&defs::GPU_UTILIZATION, cell, &utilization, absent),
        figures::max(&defs::GPU_MEMORY, cell, &memory, absent),
        figures::mean(&defs::GPU_POWER, cell, &power, absent),
        figures::max(&defs::GPU_POWER, cell, &power, absent),
        figures::max(&defs::GPU_TEMPERATURE, cell, &series(|sample| sample.temperature_celsius, f64::max), absent),
        figures::mean(&defs::GPU_CLOCK, cell, &clock, absent),
        figures::one_of(&defs::GPU_CLOCK, Statistic::Min, cell, least, clock.len(), absent),
        throttled(&series(is_throttled, f64::max), cell, absent),
        figures::max(&defs::GPU_XID, cell, &series(|sample| sample.xid.map(|xid| xid as f64), f64::max), absent),
    ]
}

/// 1 where something holds the clocks down that is not the user's wish.
fn is_throttled(sample: &GpuSample) -> Option<f64> {
    let reasons = sample.throttle.as_ref()?;
    Some(if reasons.iter().any(|reason: &ThrottleReason| reason.slows_work()) { 1.0 } else { 0.0 })
}

fn throttled(moments: &[f64], cell: &Cell, absent: &str) -> Metric {
    let share = (!moments.is_empty()).then(|| 100.0 * moments.iter().sum::<f64>() / moments.len() as f64);
    figures::one_of(&defs::GPU_THROTTLED, Statistic::Value, cell, share, moments.len(), absent)
}

#[cfg(test)]
mod tests {
    use weighbridge_types::time::Stamp;

    use super::*;

    fn sample(at: u64, index: u32, power: f64, throttle: &[ThrottleReason]) -> GpuSample {
        GpuSample {
            at: Stamp::from_nanos(at),
            index,
            utilization: Some(power / 1000.0),
            memory_used_bytes: Some(100),
            power_watts: Some(power),
            sm_clock_mhz: Some(2000.0 - power),
            throttle: Some(throttle.to_vec()),
            ..GpuSample::default()
        }
    }

    #[test]
    fn devices_are_joined_moment_by_moment() {
        let samples = [
            sample(0, 0, 900.0, &[]),
            sample(10, 0, 100.0, &[ThrottleReason::Idle]),
            sample(11, 1, 300.0, &[]),
            sample(20, 0, 200.0, &[ThrottleReason::PowerCap]),
            sample(21, 1, 400.0, &[]),
        ];
        let window = Window { from: Stamp::from_nanos(5), to: Stamp::from_nanos(30) };
        let metrics = gpu_metrics(&samples, window, &Cell::default(), "");
        let check = |key: &str, expected: Option<f64>| {
            let metric = metrics.iter().find(|metric| metric.key() == key).unwrap();
            assert!(
                metric.value.zip(expected).map_or(metric.value == expected, |(a, b)| (a - b).abs() < 1e-9),
                "{metric:?}"
            );
        };
        check("gpu_utilization.mean", Some(0.25));
        check("gpu_memory.max", Some(200.0));
        check("gpu_power.mean", Some(500.0));
        check("gpu_power.max", Some(600.0));
        check("gpu_clock.min", Some(1600.0));
        check("gpu_throttled", Some(50.0));
        check("gpu_temperature.max", None);
        let none = gpu_metrics(&[], window, &Cell::default(), "no NVIDIA driver");
        assert!(none.iter().all(|metric| metric.reason.as_deref() == Some("no NVIDIA driver")));
    }
}
