//! Graphics processors, as NVIDIA's management library (NVML) tells them.

use nvml_wrapper::Nvml;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use weighbridge_types::environment::Gpu;

use crate::root::SystemRoot;

/// The graphics processors, or why there are none. NVML is loaded here, at run time; other makers' devices are not
/// read. It asks the driver of the machine itself, hence only for the host's own root.
pub(crate) fn gpus(root: &SystemRoot) -> Result<Vec<Gpu>, String> {
    match read(&open(root)?) {
        Ok(gpus) if gpus.is_empty() => Err(NO_DEVICE.to_owned()),
        Ok(gpus) => Ok(gpus),
        Err(error) => Err(reason(&error)),
    }
}

/// Memory of a graphics processor, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuRoom {
    /// All of it.
    pub total: u64,
    /// What nobody holds.
    pub free: u64,
    /// What the driver keeps for itself.
    pub reserved: u64,
    /// What this process holds; `None` where the driver does not list it, as from within a container.
    pub own: Option<u64>,
}

/// Memory of the first graphics processor. Asks the driver anew each time.
///
/// # Errors
/// The reason, when there is no driver or no device.
pub fn gpu_memory(root: &SystemRoot) -> Result<GpuRoom, String> {
    let nvml = open(root)?;
    if nvml.device_count().map_err(|error| reason(&error))? == 0 {
        return Err(NO_DEVICE.to_owned());
    }
    let read = || {
        let device = nvml.device_by_index(0)?;
        let memory = device.memory_info()?;
        let held = device.running_compute_processes().ok().and_then(|processes| {
            let own = processes.into_iter().find(|process| process.pid == std::process::id())?;
            match own.used_gpu_memory {
                UsedGpuMemory::Used(bytes) => Some(bytes),
                UsedGpuMemory::Unavailable => None,
            }
        });
        Ok(GpuRoom { total: memory.total, free: memory.free, reserved: memory.reserved, own: held })
    };
    read().map_err(|error| reason(&error))
}

pub(crate) const NO_DEVICE: &str = "the NVIDIA driver reports no device";

/// Loads NVML, or says why not.
pub(crate) fn open(root: &SystemRoot) -> Result<Nvml, String> {
    if !root.is_host() {
        return Err("devices are not read for another root".to_owned());
    }
    Nvml::init().map_err(|error| reason(&error))
}

fn read(nvml: &Nvml) -> Result<Vec<Gpu>, NvmlError> {
    let driver = nvml.sys_driver_version().ok();
    let gpu = |index| {
        let device = nvml.device_by_index(index)?;
        let memory_bytes = device.memory_info().ok().map(|memory| memory.total);
        Ok(Gpu { name: device.name()?, memory_bytes, driver: driver.clone() })
    };
    (0..nvml.device_count()?).map(gpu).collect()
}

pub(crate) fn reason(error: &NvmlError) -> String {
    match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => {
            "no NVIDIA driver: its management library is not installed".to_owned()
        }
        error => format!("the NVIDIA driver does not answer: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake;

    #[test]
    fn an_empty_list_has_a_reason() {
        let (_folder, fake) = fake::root(&[]);
        assert!(gpus(&fake).unwrap_err().contains("another root"));
        assert!(reason(&NvmlError::LibraryNotFound).contains("no NVIDIA driver"));
        assert!(reason(&NvmlError::DriverNotLoaded).contains("does not answer"));
        assert!(gpu_memory(&fake).unwrap_err().contains("another root"));
        match gpu_memory(&SystemRoot::host()) {
            Ok(memory) => assert!(memory.free <= memory.total && memory.total > 0, "{memory:?}"),
            Err(reason) => assert!(!reason.is_empty()),
        }
        match gpus(&SystemRoot::host()) {
            Ok(gpus) => assert!(!gpus.is_empty()),
            Err(reason) => assert!(!reason.is_empty()),
        }
    }
}
