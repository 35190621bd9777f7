//! `system plan`: settings of this host that make figures repeatable. They are printed and never made.

use std::fmt::Write as _;

use serde_json::json;
use weighbridge_telemetry::{GpuAction, GpuSetup, GpuState, SystemRoot, gpu_plan};

use crate::arguments::OutputFormat;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

pub(super) fn plan_gpu(format: OutputFormat) -> Result<Exit, Failure> {
    let setup = GpuSetup::read(&SystemRoot::host()).map_err(|reason| {
        Failure::usage(
            format!("plan settings of a GPU: {reason}"),
            "see `weighbridge doctor gpu`; plan on the host that has it",
        )
    })?;
    let plans: Vec<_> = setup.devices.iter().map(|device| (device, gpu_plan(device))).collect();
    match format {
        OutputFormat::Json => {
            let plan = |(device, actions): &(&GpuState, [GpuAction; 5])| json!({ "index": device.index, "name": device.name, "actions": actions });
            output::json(&json!({ "devices": plans.iter().map(plan).collect::<Vec<_>>() }))?;
        }
        OutputFormat::Console => {
            let texts: Vec<String> = plans.iter().map(|(device, actions)| text(device, actions)).collect();
            output::data(&texts.join("\n"))?;
        }
    }
    Ok(Exit::Pass)
}

fn text(device: &GpuState, actions: &[GpuAction]) -> String {
    let mut text = format!("weighbridge system plan gpu: GPU {}, {}; nothing is changed\n", device.index, device.name);
    for action in actions {
        let now = action.now.as_deref().unwrap_or("unknown");
        let _ = writeln!(text, "\n  {}: {now} → {}", action.setting, action.planned);
        if let Some(obstacle) = &action.obstacle {
            let _ = writeln!(text, "    ! this device would refuse it: {obstacle}");
        }
        let _ = writeln!(text, "    {}", action.command);
        let back = action.undo.as_deref().unwrap_or("not known: note how it is set before");
        let _ = writeln!(text, "    back: {back}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_actions_are_printed_with_their_commands() {
        let device = GpuState {
            index: 1,
            name: "A device".to_owned(),
            power_limits_watts: Some((60.0, 70.0)),
            ..GpuState::default()
        };
        let text = text(&device, &gpu_plan(&device));
        let expected = "\
weighbridge system plan gpu: GPU 1, A device; nothing is changed

  persistence mode: unknown → on
    nvidia-smi -i 1 --persistence-mode=1
    back: not known: note how it is set before

  power limit: unknown → 450 W
    ! this device would refuse it: it takes 60 to 70 W
    nvidia-smi -i 1 --power-limit=450
    back: not known: note how it is set before

  memory clock: unknown → 5600 MHz
    nvidia-smi -i 1 --lock-memory-clocks=5600
    back: nvidia-smi -i 1 --reset-memory-clocks

  core clock: unknown → 2500 MHz
    nvidia-smi -i 1 --lock-gpu-clocks=2500
    back: nvidia-smi -i 1 --reset-gpu-clocks

  compute mode: unknown → EXCLUSIVE_PROCESS
    nvidia-smi -i 1 --compute-mode=EXCLUSIVE_PROCESS
    back: not known: note how it is set before
";
        assert_eq!(text, expected);
    }
}
