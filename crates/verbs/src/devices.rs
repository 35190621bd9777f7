//! Devices of this machine as far as this build can use them, and the engine that computes on them.

use std::sync::Arc;

use weighbridge_engine::Engine;
#[cfg(not(feature = "candle"))]
use weighbridge_engine::device::Devices;
use weighbridge_engine::device::{DeviceKind, DeviceMemory};
use weighbridge_telemetry::{SystemRoot, gpu_memory};
use weighbridge_types::model_ref::ModelRef;

use crate::failure::Failure;

/// The devices of a build with candle.
#[cfg(feature = "candle")]
pub(crate) type HostDevices = weighbridge_engine_candle::CandleDevices;

/// The devices of a build without candle: the processor.
#[cfg(not(feature = "candle"))]
#[derive(Debug)]
pub(crate) struct HostDevices;

/// The devices of this host.
pub(crate) fn of_host() -> HostDevices {
    #[cfg(feature = "candle")]
    return HostDevices::new(memory);
    #[cfg(not(feature = "candle"))]
    HostDevices
}

/// Memory of the first device of a kind.
fn memory(kind: DeviceKind) -> DeviceMemory {
    match kind {
        DeviceKind::Cpu => DeviceMemory::unknown("the processor uses the memory of the host"),
        DeviceKind::Metal => DeviceMemory::unknown("Metal shares the memory of the host"),
        DeviceKind::Cuda => match gpu_memory(&SystemRoot::host()) {
            Err(reason) => DeviceMemory::unknown(reason),
            Ok(memory) => DeviceMemory {
                available: Some(memory.free),
                allocated: memory.own,
                reserved: Some(memory.reserved),
                total: Some(memory.total),
                reason: memory.own.is_none().then(|| "the driver does not list this process".to_owned()),
            },
        },
    }
}

#[cfg(not(feature = "candle"))]
impl Devices for HostDevices {
    fn present(&self, kind: DeviceKind) -> Result<(), String> {
        match kind {
            DeviceKind::Cpu => Ok(()),
            DeviceKind::Metal if cfg!(not(target_os = "macos")) => {
                Err("Metal exists on Apple machines, and this is none: unsupported platform".to_owned())
            }
            DeviceKind::Cuda | DeviceKind::Metal => {
                Err(format!("this build computes on the processor only, build with `--features {kind}`"))
            }
        }
    }

    fn memory(&self, kind: DeviceKind) -> DeviceMemory {
        memory(kind)
    }

    /// The processor is never ahead of who asks.
    fn synchronize(&self, _: DeviceKind) -> Result<(), String> {
        Ok(())
    }

    /// Nothing is kept.
    fn clean_up(&self, _: DeviceKind) -> Result<(), String> {
        Ok(())
    }
}

/// Refuses a model of candle in a build without it.
pub(crate) fn check_candle(model: &ModelRef) -> Result<(), Failure> {
    if cfg!(feature = "candle") {
        return Ok(());
    }
    Err(Failure::usage(
        format!("load `{model}`: this build has no candle"),
        "build with `cargo build --release --features candle`, or name the file as `gguf:FILE`",
    ))
}

/// Loads a GGUF file with candle, or the model inside the program.
#[cfg(feature = "candle")]
pub(crate) fn load(
    model: &ModelRef,
    devices: Arc<HostDevices>,
    device: DeviceKind,
) -> Result<Arc<dyn Engine>, Failure> {
    use weighbridge_engine::device::MemoryGuard;
    use weighbridge_engine_candle::{CandleEngine, CandleOptions};
    use weighbridge_engine_local::engine::prompt_reader;
    use weighbridge_engine_local::weights::ModelFile;

    use crate::embedded;

    // Opening it checks the file: candle trusts much of what it says.
    let path = match model {
        ModelRef::Gguf(path) | ModelRef::Candle(path) => Some(path),
        _ => None,
    };
    let file = path.map_or_else(|| ModelFile::from_static(embedded::tiny()), |path| ModelFile::open(path))?;
    let options = CandleOptions {
        reader: prompt_reader(&file)?,
        devices,
        device,
        guard: MemoryGuard::default(),
        model_ref: Some(model.to_string()),
    };
    drop(file);
    Ok(Arc::new(match path {
        Some(path) => CandleEngine::load(path, options)?,
        None => CandleEngine::from_bytes("tiny", embedded::tiny(), options)?,
    }))
}

/// Refuses: this build has no candle.
#[cfg(not(feature = "candle"))]
pub(crate) fn load(model: &ModelRef, _: Arc<HostDevices>, _: DeviceKind) -> Result<Arc<dyn Engine>, Failure> {
    check_candle(model)?;
    Err(Failure::usage(format!("load `{model}` on a GPU: this build has no candle"), "leave `--device` out"))
}
