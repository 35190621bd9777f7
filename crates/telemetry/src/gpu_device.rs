//! What can be read of a graphics processor: a trait, so that the logic is tested without one, and NVML behind it.

use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::{Clock as NvmlClock, TemperatureSensor};
use nvml_wrapper::error::NvmlError;
use weighbridge_types::server::{GpuSample, ThrottleReason};
use weighbridge_types::time::Stamp;

use crate::gpu;
use crate::root::SystemRoot;

/// Graphics processors that can be read. Called from one thread, ten times a second at most.
pub trait GpuSource: Send {
    /// Number of devices.
    fn count(&self) -> u32;

    /// Reads one device, stamped as given. What the device does not tell is `None`.
    fn read(&self, index: u32, at: Stamp) -> GpuSample;
}

/// The bits of NVML's and DCGM's throttle reasons (`nvmlClocksThrottleReason…` in nvml.h), in the order of
/// [`ThrottleReason`].
const REASONS: [(u64, ThrottleReason); 9] = [
    (0x001, ThrottleReason::Idle),
    (0x002, ThrottleReason::Setting),
    (0x100, ThrottleReason::Setting),
    (0x004, ThrottleReason::PowerCap),
    (0x008, ThrottleReason::HardwareSlowdown),
    (0x010, ThrottleReason::SyncBoost),
    (0x020, ThrottleReason::ThermalSoftware),
    (0x040, ThrottleReason::ThermalHardware),
    (0x080, ThrottleReason::PowerBrake),
];

/// The reasons in a bit mask, sorted; bits without a name are left out.
pub(crate) fn throttle_reasons(bits: u64) -> Vec<ThrottleReason> {
    let mut reasons: Vec<_> = REASONS.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, reason)| *reason).collect();
    reasons.dedup();
    reasons
}

/// The devices of NVIDIA's management library, loaded at run time and opened once: opening it again at each reading
/// would take longer than the reading and skew it.
#[derive(Debug)]
pub struct NvmlSource {
    nvml: Nvml,
    count: u32,
}

impl NvmlSource {
    /// Opens the library of the host.
    ///
    /// # Errors
    /// The reason, when there is no driver or no device.
    pub fn open(root: &SystemRoot) -> Result<Self, String> {
        let nvml = gpu::open(root)?;
        match nvml.device_count() {
            Ok(0) => Err(gpu::NO_DEVICE.to_owned()),
            Ok(count) => Ok(Self { nvml, count }),
            Err(error) => Err(gpu::reason(&error)),
        }
    }

    fn try_read(&self, index: u32, at: Stamp) -> Result<GpuSample, NvmlError> {
        let device = self.nvml.device_by_index(index)?;
        let clock = |kind| device.clock_info(kind).ok().map(f64::from);
        Ok(GpuSample {
            at,
            index,
            utilization: device.utilization_rates().ok().map(|rates| f64::from(rates.gpu) / 100.0),
            memory_used_bytes: device.memory_info().ok().map(|memory| memory.used),
            power_watts: device.power_usage().ok().map(|milliwatts| f64::from(milliwatts) / 1e3),
            energy_joules: device.total_energy_consumption().ok().map(|millijoules| millijoules as f64 / 1e3),
            temperature_celsius: device.temperature(TemperatureSensor::Gpu).ok().map(f64::from),
            sm_clock_mhz: clock(NvmlClock::SM),
            memory_clock_mhz: clock(NvmlClock::Memory),
            throttle: device.current_throttle_reasons().ok().map(|reasons| throttle_reasons(reasons.bits())),
            // The library tells errors as events only; DCGM keeps the last one.
            xid: None,
        })
    }
}

impl GpuSource for NvmlSource {
    fn count(&self) -> u32 {
        self.count
    }

    fn read(&self, index: u32, at: Stamp) -> GpuSample {
        self.try_read(index, at).unwrap_or_else(|_| GpuSample { at, index, ..GpuSample::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake;

    #[test]
    fn reasons_are_named_once() {
        let check = |bits, expected: &[ThrottleReason]| assert_eq!(throttle_reasons(bits), expected, "{bits:#x}");
        check(0, &[]);
        check(0x102, &[ThrottleReason::Setting]);
        check(0x1_0000_0045, &[ThrottleReason::Idle, ThrottleReason::PowerCap, ThrottleReason::ThermalHardware]);
        assert!(throttle_reasons(u64::MAX).is_sorted());
    }

    #[test]
    fn without_a_driver_there_is_a_reason() {
        let (_folder, root) = fake::root(&[]);
        assert!(NvmlSource::open(&root).unwrap_err().contains("another root"));
        match NvmlSource::open(&SystemRoot::host()) {
            Ok(source) => assert_eq!(source.read(0, Stamp::from_nanos(3)).at, Stamp::from_nanos(3)),
            Err(reason) => assert!(!reason.is_empty()),
        }
    }
}
