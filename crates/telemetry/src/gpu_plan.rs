//! What would make figures of a graphics processor repeatable: a plan to read, which nothing here carries out.

use serde::Serialize;

use crate::gpu_setup::GpuState;

/// Power that a device shall take at most, watts.
const POWER_LIMIT_WATTS: u32 = 450;

/// Clock at which its memory shall run, MHz.
const MEMORY_CLOCK_MHZ: u32 = 5600;

/// Clock at which its multiprocessors shall run, MHz.
const SM_CLOCK_MHZ: u32 = 2500;

/// The mode that keeps other processes away.
const EXCLUSIVE: &str = "EXCLUSIVE_PROCESS";

/// One setting of a device: what it is, what it would be, and how to get there and back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GpuAction {
    /// What is set.
    pub setting: &'static str,
    /// How it is set now; `None` where the device does not tell.
    pub now: Option<String>,
    /// How it would be set.
    pub planned: String,
    /// The command, to be run as root.
    pub command: String,
    /// The command that takes it back; `None` where it is not known what was set before.
    pub undo: Option<String>,
    /// Why this device would refuse it; `None` where nothing speaks against it.
    pub obstacle: Option<String>,
}

/// The five settings of a device, in the order in which they would be made: the driver must stay loaded for the others to last.
#[must_use]
pub fn gpu_plan(device: &GpuState) -> [GpuAction; 5] {
    let command = |flags: String| format!("nvidia-smi -i {} {flags}", device.index);
    let on_or_off = |is_on: bool| if is_on { "on" } else { "off" };
    let power = device.power_limit_watts;
    [
        GpuAction {
            setting: "persistence mode",
            now: device.is_persistent.map(|is_on| on_or_off(is_on).to_owned()),
            planned: on_or_off(true).to_owned(),
            command: command("--persistence-mode=1".to_owned()),
            undo: device.is_persistent.map(|is_on| command(format!("--persistence-mode={}", u8::from(is_on)))),
            obstacle: None,
        },
        GpuAction {
            setting: "power limit",
            now: power.map(|watts| format!("{watts:.0} W")),
            planned: format!("{POWER_LIMIT_WATTS} W"),
            command: command(format!("--power-limit={POWER_LIMIT_WATTS}")),
            undo: power.map(|watts| command(format!("--power-limit={watts}"))),
            obstacle: device.power_obstacle(),
        },
        GpuAction {
            setting: "memory clock",
            now: None,
            planned: format!("{MEMORY_CLOCK_MHZ} MHz"),
            command: command(format!("--lock-memory-clocks={MEMORY_CLOCK_MHZ}")),
            undo: Some(command("--reset-memory-clocks".to_owned())),
            obstacle: clock_obstacle(device.memory_clock_max_mhz, MEMORY_CLOCK_MHZ),
        },
        GpuAction {
            setting: "core clock",
            now: None,
            planned: format!("{SM_CLOCK_MHZ} MHz"),
            command: command(format!("--lock-gpu-clocks={SM_CLOCK_MHZ}")),
            undo: Some(command("--reset-gpu-clocks".to_owned())),
            obstacle: clock_obstacle(device.sm_clock_max_mhz, SM_CLOCK_MHZ),
        },
        GpuAction {
            setting: "compute mode",
            now: device.compute_mode.map(str::to_owned),
            planned: EXCLUSIVE.to_owned(),
            command: command(format!("--compute-mode={EXCLUSIVE}")),
            undo: device.compute_mode.map(|mode| command(format!("--compute-mode={mode}"))),
            obstacle: None,
        },
    ]
}

impl GpuState {
    fn power_obstacle(&self) -> Option<String> {
        let (least, most) = self.power_limits_watts?;
        let fits = (least..=most).contains(&f64::from(POWER_LIMIT_WATTS));
        (!fits).then(|| format!("it takes {least:.0} to {most:.0} W"))
    }
}

fn clock_obstacle(most: Option<u32>, planned: u32) -> Option<String> {
    most.filter(|&most| most < planned).map(|most| format!("it reaches {most} MHz"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_settings_have_commands_there_and_back() {
        let device = GpuState {
            index: 3,
            power_limit_watts: Some(320.0),
            power_limits_watts: Some((150.0, 480.0)),
            sm_clock_max_mhz: Some(3105),
            memory_clock_max_mhz: Some(10_501),
            is_persistent: Some(false),
            compute_mode: Some("DEFAULT"),
            ..GpuState::default()
        };
        let plan = gpu_plan(&device);
        let commands: Vec<_> = plan.iter().map(|action| (action.command.as_str(), action.undo.as_deref())).collect();
        let expected = [
            ("nvidia-smi -i 3 --persistence-mode=1", Some("nvidia-smi -i 3 --persistence-mode=0")),
            ("nvidia-smi -i 3 --power-limit=450", Some("nvidia-smi -i 3 --power-limit=320")),
            ("nvidia-smi -i 3 --lock-memory-clocks=5600", Some("nvidia-smi -i 3 --reset-memory-clocks")),
            ("nvidia-smi -i 3 --lock-gpu-clocks=2500", Some("nvidia-smi -i 3 --reset-gpu-clocks")),
            ("nvidia-smi -i 3 --compute-mode=EXCLUSIVE_PROCESS", Some("nvidia-smi -i 3 --compute-mode=DEFAULT")),
        ];
        assert_eq!(commands, expected);
        assert!(plan.iter().all(|action| action.obstacle.is_none()), "{plan:?}");
    }

    #[test]
    fn what_a_device_would_refuse_is_said() {
        let device = GpuState {
            power_limits_watts: Some((60.0, 70.0)),
            sm_clock_max_mhz: Some(1590),
            memory_clock_max_mhz: Some(5001),
            ..GpuState::default()
        };
        let obstacles: Vec<_> = gpu_plan(&device).into_iter().map(|action| action.obstacle).collect();
        let said = |text: &str| Some(text.to_owned());
        assert_eq!(
            obstacles,
            [None, said("it takes 60 to 70 W"), said("it reaches 5001 MHz"), said("it reaches 1590 MHz"), None]
        );
    }

    #[test]
    fn what_is_not_known_is_not_taken_back() {
        let undone: Vec<bool> = gpu_plan(&GpuState::default()).iter().map(|action| action.undo.is_some()).collect();
        assert_eq!(undone, [false, false, true, true, false]);
    }
}
