//! Graphics processors, as NVIDIA's management library (NVML) tells them.

use nvml_wrapper::Nvml;
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
        match gpus(&SystemRoot::host()) {
            Ok(gpus) => assert!(!gpus.is_empty()),
            Err(reason) => assert!(!reason.is_empty()),
        }
    }
}
