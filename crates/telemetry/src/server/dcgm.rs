//! The names of NVIDIA's DCGM exporter. Names and units: NVIDIA/dcgm-exporter etc/default-counters.csv. A scrape does
//! not make the exporter measure; it hands out the last collection, every 30 seconds unless set otherwise.

use std::collections::BTreeMap;

use weighbridge_types::server::GpuSample;
use weighbridge_types::time::Stamp;

use crate::gpu_device::throttle_reasons;
use crate::prometheus::{Exposition, Series};

/// An exposition without a graphics processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read the GPU metrics: no `DCGM_FI_DEV_…` series with a `gpu` label")]
pub struct DcgmError;

impl DcgmError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        "point the address at dcgm-exporter, port 9400 unless set otherwise"
    }
}

/// Reads one sample of each graphics processor, by number.
///
/// A processor cut into instances tells its memory per instance, which is added up. One shared by containers repeats
/// its series for each, of which the first counts.
///
/// # Errors
/// When there is none.
pub fn read_dcgm(exposition: &Exposition<'_>, at: Stamp) -> Result<Vec<GpuSample>, DcgmError> {
    let mut devices: BTreeMap<u32, Device> = BTreeMap::new();
    for series in &exposition.series {
        let Some(name) = series.name.strip_prefix("DCGM_FI_DEV_") else {
            continue;
        };
        let index = series.labels.get("gpu").and_then(|index| index.parse().ok());
        if let Some(index) = index.filter(|_| series.value.is_finite() && series.value >= 0.0) {
            devices.entry(index).or_default().take(name, series);
        }
    }
    if devices.is_empty() {
        return Err(DcgmError);
    }
    Ok(devices.into_iter().map(|(index, device)| device.sample(at, index)).collect())
}

#[derive(Default)]
struct Device {
    sample: GpuSample,
    /// MiB of each instance; the whole device has an empty name.
    memory: BTreeMap<String, f64>,
}

impl Device {
    fn take(&mut self, name: &str, series: &Series<'_>) {
        let value = series.value;
        let sample = &mut self.sample;
        let place = match name {
            "GPU_UTIL" => return set(&mut sample.utilization, value / 100.0),
            "FB_USED" => {
                let instance = series.labels.get("GPU_I_ID").unwrap_or_default();
                self.memory.entry(instance.to_owned()).or_insert(value);
                return;
            }
            "TOTAL_ENERGY_CONSUMPTION" => return set(&mut sample.energy_joules, value / 1e3),
            "CLOCK_THROTTLE_REASONS" | "CLOCKS_EVENT_REASONS" => {
                sample.throttle.get_or_insert_with(|| throttle_reasons(to_bits(value)));
                return;
            }
            "XID_ERRORS" => {
                sample.xid.get_or_insert(to_bits(value));
                return;
            }
            "POWER_USAGE" => &mut sample.power_watts,
            "GPU_TEMP" => &mut sample.temperature_celsius,
            "SM_CLOCK" => &mut sample.sm_clock_mhz,
            "MEM_CLOCK" => &mut sample.memory_clock_mhz,
            _ => return,
        };
        set(place, value);
    }

    fn sample(self, at: Stamp, index: u32) -> GpuSample {
        let memory: f64 = self.memory.values().sum();
        let bytes = (!self.memory.is_empty()).then(|| to_bits(memory * 1024.0 * 1024.0));
        GpuSample { at, index, memory_used_bytes: bytes, ..self.sample }
    }
}

fn set(place: &mut Option<f64>, value: f64) {
    place.get_or_insert(value);
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; a cast saturates")]
fn to_bits(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use weighbridge_types::server::ThrottleReason;

    use super::*;
    use crate::prometheus::parse;

    #[test]
    fn names_become_one_sample_per_device() {
        let text = "DCGM_FI_DEV_GPU_UTIL{gpu=\"0\",UUID=\"GPU-1\",modelName=\"H100\"} 97\n\
                    DCGM_FI_DEV_FB_USED{gpu=\"0\"} 2\nDCGM_FI_DEV_FB_USED{gpu=\"0\",pod=\"b\"} 2\n\
                    DCGM_FI_DEV_POWER_USAGE{gpu=\"0\"} 345.5\nDCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu=\"0\"} 2500\n\
                    DCGM_FI_DEV_GPU_TEMP{gpu=\"0\"} 61\nDCGM_FI_DEV_SM_CLOCK{gpu=\"0\"} 1980\n\
                    DCGM_FI_DEV_MEM_CLOCK{gpu=\"0\"} 2619\nDCGM_FI_DEV_XID_ERRORS{gpu=\"0\"} 79\n\
                    DCGM_FI_DEV_CLOCKS_EVENT_REASONS{gpu=\"0\"} 5\n\
                    DCGM_FI_DEV_FB_USED{gpu=\"1\",GPU_I_ID=\"1\"} 3\nDCGM_FI_DEV_FB_USED{gpu=\"1\",GPU_I_ID=\"2\"} 4\n\
                    DCGM_FI_DEV_GPU_UTIL{gpu=\"1\"} NaN\nDCGM_FI_DEV_GPU_UTIL 3\n";
        let found = read_dcgm(&parse(text.as_bytes()).unwrap(), Stamp::from_nanos(7)).unwrap();
        let first = GpuSample {
            at: Stamp::from_nanos(7),
            index: 0,
            utilization: Some(0.97),
            memory_used_bytes: Some(2 << 20),
            power_watts: Some(345.5),
            energy_joules: Some(2.5),
            temperature_celsius: Some(61.0),
            sm_clock_mhz: Some(1980.0),
            memory_clock_mhz: Some(2619.0),
            throttle: Some(vec![ThrottleReason::Idle, ThrottleReason::PowerCap]),
            xid: Some(79),
        };
        let second =
            GpuSample { at: Stamp::from_nanos(7), index: 1, memory_used_bytes: Some(7 << 20), ..GpuSample::default() };
        assert_eq!(found, [first, second]);
    }

    #[test]
    fn another_exporter_is_refused() {
        let error = read_dcgm(&parse(b"a 1\n").unwrap(), Stamp::default()).unwrap_err();
        assert!(error.to_string().contains("DCGM_FI_DEV"));
        assert!(error.hint().contains("9400"));
    }
}
