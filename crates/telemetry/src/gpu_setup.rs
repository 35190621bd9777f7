//! How graphics processors are set up: driver, memory, limits and modes.

use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::{Clock, ComputeMode};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{cuda_driver_version_major, cuda_driver_version_minor};
use serde::Serialize;

use crate::gpu;
use crate::root::SystemRoot;

/// Share of a device's memory above which a model may find none: the threshold at which engines clean up.
const FULL: f64 = 0.85;

/// The driver and its devices.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GpuSetup {
    /// Version of the driver; `None` where it does not tell.
    pub driver: Option<String>,
    /// Newest CUDA that the driver serves, as `12.4`; `None` where it serves none.
    pub cuda: Option<String>,
    /// The devices, by index.
    pub devices: Vec<GpuState>,
}

/// One device. What it does not tell is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GpuState {
    /// Its number in the driver.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Compute capability, as `9.0`.
    pub compute_capability: Option<String>,
    /// Its memory.
    pub memory: Option<GpuMemory>,
    /// Power that it may take now, watts.
    pub power_limit_watts: Option<f64>,
    /// Lowest and highest power limit that can be set, watts.
    pub power_limits_watts: Option<(f64, f64)>,
    /// Highest clock of the multiprocessors, MHz.
    pub sm_clock_max_mhz: Option<u32>,
    /// Highest clock of the memory, MHz.
    pub memory_clock_max_mhz: Option<u32>,
    /// Whether the driver stays loaded while nobody uses the device.
    pub is_persistent: Option<bool>,
    /// Which processes may use it, as the driver's tool names it: `DEFAULT`, `EXCLUSIVE_PROCESS`, `PROHIBITED`.
    pub compute_mode: Option<&'static str>,
}

/// Memory of a device, bytes. The three parts make the total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GpuMemory {
    /// What may still be taken.
    pub available_bytes: u64,
    /// What processes hold.
    pub allocated_bytes: u64,
    /// What the driver keeps for itself.
    pub reserved_bytes: u64,
    /// All of it.
    pub total_bytes: u64,
}

/// One thing that has to be right before a model can use a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GpuCheck {
    /// What is checked.
    pub name: &'static str,
    /// Whether it is right; `None` where nobody tells.
    pub is_right: Option<bool>,
    /// What was found.
    pub found: String,
}

impl GpuSetup {
    /// Asks NVIDIA's management library, which is loaded here.
    ///
    /// # Errors
    /// The reason, when there is no driver or no device.
    pub fn read(root: &SystemRoot) -> Result<Self, String> {
        let nvml = gpu::open(root)?;
        let setup = read(&nvml).map_err(|error| gpu::reason(&error))?;
        if setup.devices.is_empty() { Err(gpu::NO_DEVICE.to_owned()) } else { Ok(setup) }
    }

    /// Whether models can use the devices: CUDA in the driver, and for each device memory and the mode.
    #[must_use]
    pub fn checks(&self) -> Vec<GpuCheck> {
        let driver = self.driver.clone().unwrap_or_else(|| "of an unknown version".to_owned());
        let mut checks = vec![
            GpuCheck { name: "driver", is_right: Some(true), found: driver },
            GpuCheck {
                name: "cuda",
                is_right: Some(self.cuda.is_some()),
                found: self.cuda.clone().unwrap_or_else(|| "the driver serves none".to_owned()),
            },
        ];
        for device in &self.devices {
            checks.extend([device.memory_check(), device.mode_check()]);
        }
        checks
    }
}

impl GpuState {
    fn memory_check(&self) -> GpuCheck {
        let Some(memory) = self.memory.filter(|memory| memory.total_bytes > 0) else {
            let found = format!("GPU {} tells no memory", self.index);
            return GpuCheck { name: "memory", is_right: None, found };
        };
        let used = 1.0 - memory.available_bytes as f64 / memory.total_bytes as f64;
        let found = format!(
            "GPU {}: {:.0} % of its memory is taken, at most {:.0} % should be",
            self.index,
            1e2 * used,
            1e2 * FULL
        );
        GpuCheck { name: "memory", is_right: Some(used <= FULL), found }
    }

    fn mode_check(&self) -> GpuCheck {
        let found = format!("GPU {}: {}", self.index, self.compute_mode.unwrap_or("tells no mode"));
        GpuCheck { name: "compute mode", is_right: self.compute_mode.map(|mode| mode != PROHIBITED), found }
    }
}

/// The mode in which no process may use a device.
const PROHIBITED: &str = "PROHIBITED";

fn read(nvml: &Nvml) -> Result<GpuSetup, NvmlError> {
    let cuda = nvml.sys_cuda_driver_version().ok();
    let devices: Result<Vec<_>, _> = (0..nvml.device_count()?).map(|index| read_device(nvml, index)).collect();
    Ok(GpuSetup {
        driver: nvml.sys_driver_version().ok(),
        cuda: cuda
            .map(|version| format!("{}.{}", cuda_driver_version_major(version), cuda_driver_version_minor(version))),
        devices: devices?,
    })
}

fn read_device(nvml: &Nvml, index: u32) -> Result<GpuState, NvmlError> {
    let device = nvml.device_by_index(index)?;
    let watts = |milliwatts: u32| f64::from(milliwatts) / 1e3;
    let memory = device.memory_info().ok().map(|memory| GpuMemory {
        available_bytes: memory.free,
        allocated_bytes: memory.used,
        reserved_bytes: memory.reserved,
        total_bytes: memory.total,
    });
    let limits = device.power_management_limit_constraints().ok();
    let capability = device.cuda_compute_capability().ok();
    Ok(GpuState {
        index,
        name: device.name()?,
        compute_capability: capability.map(|capability| format!("{}.{}", capability.major, capability.minor)),
        memory,
        power_limit_watts: device.power_management_limit().ok().map(watts),
        power_limits_watts: limits.map(|limits| (watts(limits.min_limit), watts(limits.max_limit))),
        sm_clock_max_mhz: device.max_clock_info(Clock::SM).ok(),
        memory_clock_max_mhz: device.max_clock_info(Clock::Memory).ok(),
        is_persistent: device.is_in_persistent_mode().ok(),
        compute_mode: device.compute_mode().ok().map(mode_name),
    })
}

/// The name that the driver's tool takes.
const fn mode_name(mode: ComputeMode) -> &'static str {
    match mode {
        ComputeMode::Default => "DEFAULT",
        ComputeMode::ExclusiveThread => "EXCLUSIVE_THREAD",
        ComputeMode::Prohibited => PROHIBITED,
        ComputeMode::ExclusiveProcess => "EXCLUSIVE_PROCESS",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake;

    fn device(available_bytes: u64, compute_mode: Option<&'static str>) -> GpuState {
        let memory = GpuMemory { available_bytes, total_bytes: 100, ..GpuMemory::default() };
        GpuState { memory: Some(memory), compute_mode, ..GpuState::default() }
    }

    #[test]
    fn checks_say_what_is_wrong() {
        let check = |setup: &GpuSetup, expected: &[(&str, Option<bool>)]| {
            let found: Vec<_> = setup.checks().iter().map(|check| (check.name, check.is_right)).collect();
            assert_eq!(found, expected);
        };
        let right = GpuSetup {
            driver: Some("550.1".to_owned()),
            cuda: Some("12.4".to_owned()),
            devices: vec![device(15, Some("DEFAULT")), device(14, Some("PROHIBITED"))],
        };
        let devices = [
            ("memory", Some(true)),
            ("compute mode", Some(true)),
            ("memory", Some(false)),
            ("compute mode", Some(false)),
        ];
        check(&right, &[&[("driver", Some(true)), ("cuda", Some(true))], &devices[..]].concat());
        let silent = GpuSetup { devices: vec![GpuState::default()], ..GpuSetup::default() };
        let unknown = [("memory", None), ("compute mode", None)];
        check(&silent, &[&[("driver", Some(true)), ("cuda", Some(false))], &unknown[..]].concat());
        assert!(right.checks()[4].found.contains("86 %"), "{:?}", right.checks()[4]);
    }

    #[test]
    fn without_a_driver_there_is_a_reason() {
        let (_folder, root) = fake::root(&[]);
        assert!(GpuSetup::read(&root).unwrap_err().contains("another root"));
        match GpuSetup::read(&SystemRoot::host()) {
            Ok(setup) => assert!(!setup.devices.is_empty()),
            Err(reason) => assert!(!reason.is_empty()),
        }
    }
}
