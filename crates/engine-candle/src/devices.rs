//! The devices that candle can compute on.

use std::sync::{Mutex, PoisonError};

use candle_core::Device;
use weighbridge_engine::device::{DeviceError, DeviceKind, DeviceMemory, Devices};

/// The devices of this machine as far as this build can use them; each is opened once, when it is first asked for.
#[derive(Debug)]
pub struct CandleDevices {
    memory: fn(DeviceKind) -> DeviceMemory,
    opened: Mutex<Vec<(DeviceKind, Device)>>,
}

impl CandleDevices {
    /// Knows the memory of devices from `memory`: candle itself tells none.
    #[must_use]
    pub fn new(memory: fn(DeviceKind) -> DeviceMemory) -> Self {
        Self { memory, opened: Mutex::new(Vec::new()) }
    }

    /// The first device of a kind.
    pub(crate) fn open(&self, kind: DeviceKind) -> Result<Device, DeviceError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, device)) = opened.iter().find(|(known, _)| *known == kind) {
            return Ok(device.clone());
        }
        let device = match kind {
            DeviceKind::Cpu => Ok(Device::Cpu),
            DeviceKind::Cuda if !cfg!(feature = "cuda") => Err("this build has no CUDA: build with `--features cuda`"),
            DeviceKind::Metal if !cfg!(target_os = "macos") => {
                Err("Metal exists on Apple machines, and this is none: unsupported platform")
            }
            DeviceKind::Metal if !cfg!(feature = "metal") => {
                Err("this build has no Metal: build with `--features metal`")
            }
            DeviceKind::Cuda | DeviceKind::Metal => Ok(first(kind)?),
        };
        let device = device.map_err(|reason| DeviceError::Absent { kind, reason: reason.to_owned() })?;
        opened.push((kind, device.clone()));
        Ok(device)
    }
}

/// Opens a GPU.
fn first(kind: DeviceKind) -> Result<Device, DeviceError> {
    // The loader of the driver's library panics where there is none.
    let opened = std::panic::catch_unwind(|| match kind {
        DeviceKind::Cpu => Ok(Device::Cpu),
        DeviceKind::Cuda => Device::new_cuda(0),
        DeviceKind::Metal => Device::new_metal(0),
    });
    let absent = |reason: String| DeviceError::Absent { kind, reason };
    match opened {
        Ok(device) => device.map_err(|error| absent(error.to_string())),
        Err(_) => Err(absent("its driver cannot be loaded".to_owned())),
    }
}

impl Devices for CandleDevices {
    fn present(&self, kind: DeviceKind) -> Result<(), String> {
        match self.open(kind) {
            Ok(_) => Ok(()),
            Err(DeviceError::Absent { reason, .. }) => Err(reason),
            Err(error) => Err(error.to_string()),
        }
    }

    fn memory(&self, kind: DeviceKind) -> DeviceMemory {
        (self.memory)(kind)
    }

    fn synchronize(&self, kind: DeviceKind) -> Result<(), String> {
        let device = self.open(kind).map_err(|error| error.to_string())?;
        device.synchronize().map_err(|error| error.to_string())
    }

    /// Drivers keep freed memory until they are waited for; nothing else is kept here.
    fn clean_up(&self, kind: DeviceKind) -> Result<(), String> {
        self.synchronize(kind)
    }
}
