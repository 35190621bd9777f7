//! `doctor`: whether this host is set up for what a model needs.

use std::fmt::Write as _;

use serde_json::json;
use weighbridge_telemetry::{GpuCheck, GpuSetup, GpuState, SystemRoot};

use crate::arguments::{Device, LocalArguments, OutputFormat};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::registry::Registry;

/// Bytes of a gigabyte, as makers count memory.
const GB: f64 = 1e9;

pub(super) fn gpu(format: OutputFormat, environment: &Environment) -> Result<Exit, Failure> {
    let read = GpuSetup::read(&SystemRoot::host());
    let checks = match &read {
        Ok(setup) => setup.checks(),
        Err(reason) => vec![GpuCheck { name: "driver", is_right: Some(false), found: reason.clone() }],
    };
    let in_process = serves_in_process(environment);
    match format {
        OutputFormat::Json => output::json(&json!({
            "gpu_available": read.is_ok(),
            "reason": read.as_ref().err(),
            "setup": read.as_ref().ok(),
            "checks": checks,
            "in_process": in_process,
        }))?,
        OutputFormat::Console => output::data(&text(read.as_ref().ok(), &checks, in_process))?,
    }
    let is_right = checks.iter().all(|check| check.is_right != Some(false));
    Ok(if is_right { Exit::Pass } else { Exit::GateFailed })
}

/// Whether models in this process can use a device: asked of those who would refuse it.
fn serves_in_process(environment: &Environment) -> bool {
    Registry::new(environment, LocalArguments { device: Device::Cuda, ..LocalArguments::default() }).is_ok()
}

/// `setup` is absent where there is no device.
fn text(setup: Option<&GpuSetup>, checks: &[GpuCheck], in_process: bool) -> String {
    let mut text = format!("weighbridge doctor gpu: gpu_available={}\n", setup.is_some());
    for check in checks {
        let mark = match check.is_right {
            Some(true) => '✓',
            Some(false) => '✗',
            None => '?',
        };
        let _ = writeln!(text, "  {mark} {:<13} {}", check.name, check.found);
    }
    for device in setup.iter().flat_map(|setup| &setup.devices) {
        describe(&mut text, device);
    }
    let models = match in_process {
        true => "models in this process can use a GPU with `--device cuda`",
        false => "models in this process compute on the processor; an endpoint can use a GPU",
    };
    let _ = writeln!(text, "\n  {models}");
    text
}

fn describe(text: &mut String, device: &GpuState) {
    let capability = device.compute_capability.as_deref().unwrap_or("unknown");
    let _ = writeln!(text, "\n  GPU {}: {}, compute capability {capability}", device.index, device.name);
    let Some(memory) = device.memory else { return };
    let parts = [
        ("available", memory.available_bytes),
        ("allocated", memory.allocated_bytes),
        ("reserved", memory.reserved_bytes),
        ("total", memory.total_bytes),
    ];
    for (name, bytes) in parts {
        let _ = writeln!(text, "    {name:<11} {:>8.2} GB", bytes as f64 / GB);
    }
}

#[cfg(test)]
mod tests {
    use weighbridge_telemetry::GpuMemory;

    use super::*;

    #[test]
    fn devices_are_told_with_their_memory() {
        let memory = GpuMemory {
            available_bytes: 70_000_000_000,
            allocated_bytes: 9_500_000_000,
            reserved_bytes: 500_000_000,
            total_bytes: 80_000_000_000,
        };
        let device = GpuState {
            name: "A device".to_owned(),
            compute_capability: Some("9.0".to_owned()),
            memory: Some(memory),
            ..GpuState::default()
        };
        let setup = GpuSetup { cuda: Some("12.4".to_owned()), devices: vec![device], ..GpuSetup::default() };
        let expected = "\
weighbridge doctor gpu: gpu_available=true
  ✓ driver        of an unknown version
  ✓ cuda          12.4
  ✓ memory        GPU 0: 12 % of its memory is taken, at most 85 % should be
  ? compute mode  GPU 0: tells no mode

  GPU 0: A device, compute capability 9.0
    available      70.00 GB
    allocated       9.50 GB
    reserved        0.50 GB
    total          80.00 GB

  models in this process compute on the processor; an endpoint can use a GPU
";
        assert_eq!(text(Some(&setup), &setup.checks(), false), expected);
    }
}
