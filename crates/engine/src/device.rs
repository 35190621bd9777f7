//! Devices that compute: which one is taken, how much of its memory, and in which order work is laid on it.
//!
//! Knows no driver. What a machine has is told by [`Devices`], which the edge implements and tests fake.

use std::fmt;

mod guard;
mod lanes;

pub use guard::MemoryGuard;
pub use lanes::{LANES, Lanes};

/// A kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// The processor.
    Cpu,
    /// A graphics processor of NVIDIA.
    Cuda,
    /// A graphics processor of Apple.
    Metal,
}

impl DeviceKind {
    /// The name in flags and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Memory of a device, bytes. `None` is a figure that nobody tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceMemory {
    /// What may still be taken.
    pub available: Option<u64>,
    /// What this process holds.
    pub allocated: Option<u64>,
    /// What the driver or another process keeps for itself.
    pub reserved: Option<u64>,
    /// All of it.
    pub total: Option<u64>,
    /// Why a figure is absent; `None` where all are there.
    pub reason: Option<String>,
}

impl DeviceMemory {
    /// Nothing is known, for this reason.
    #[must_use]
    pub fn unknown(reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::default() }
    }

    /// Share of all memory that is taken, by whomever; `None` where either figure is unknown.
    #[must_use]
    pub fn used_fraction(&self) -> Option<f64> {
        let (available, total) = (self.available?, self.total.filter(|&total| total > 0)?);
        Some(1.0 - available as f64 / total as f64)
    }
}

/// The devices of a machine. The first of each kind is meant. Asked before a model is loaded and before a request is begun,
/// from whichever thread does that.
pub trait Devices: Send + Sync + fmt::Debug {
    /// Whether there is such a device that this build can use.
    ///
    /// # Errors
    /// Why not, as a whole clause: `this build has no CUDA`.
    fn present(&self, kind: DeviceKind) -> Result<(), String>;

    /// What is known of its memory.
    fn memory(&self, kind: DeviceKind) -> DeviceMemory;

    /// Waits until everything that was begun on it is done.
    ///
    /// # Errors
    /// What the driver said.
    fn synchronize(&self, kind: DeviceKind) -> Result<(), String>;

    /// Gives back memory that is kept for later.
    ///
    /// # Errors
    /// What the driver said.
    fn clean_up(&self, kind: DeviceKind) -> Result<(), String>;
}

/// What a user asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The fastest that is there.
    Auto,
    /// This kind and no other.
    Kind(DeviceKind),
}

/// The device that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its kind.
    pub kind: DeviceKind,
    /// What the user is to be told: why no graphics processor was taken.
    pub warning: Option<String>,
}

/// A device that cannot be used as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// It was asked for and is not there.
    #[error("use the device `{kind}`: {reason}")]
    Absent {
        /// The kind.
        kind: DeviceKind,
        /// Why it cannot be used.
        reason: String,
    },
    /// The process would hold more of its memory than it may.
    #[error(
        "take `{needed}` bytes of the device `{kind}`: this process holds {allocated} and may hold {limit} of its {total} bytes"
    )]
    OverFraction {
        /// The kind.
        kind: DeviceKind,
        /// Bytes that were asked for, in whole pieces.
        needed: u64,
        /// Bytes that the process holds.
        allocated: u64,
        /// Bytes that it may hold.
        limit: u64,
        /// Bytes of the device.
        total: u64,
    },
    /// The driver failed.
    #[error("use the device `{kind}`: {problem}")]
    Driver {
        /// The kind.
        kind: DeviceKind,
        /// What it said.
        problem: String,
    },
}

impl DeviceError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Absent { .. } => "take `--device auto`, or leave `--device` out to compute on the processor",
            Self::OverFraction { .. } => "take a smaller model or a stronger quantization, or compute on the processor",
            Self::Driver { .. } => "see what the driver says of itself: `nvidia-smi`",
        }
    }
}

/// Takes the device that is wanted. [`Wanted::Auto`] takes CUDA, else Metal, else the processor with a warning.
///
/// # Errors
/// [`DeviceError::Absent`] for a named device that is not there.
pub fn choose(wanted: Wanted, devices: &dyn Devices) -> Result<Chosen, DeviceError> {
    match wanted {
        Wanted::Kind(kind) => match devices.present(kind) {
            Ok(()) => Ok(Chosen { kind, warning: None }),
            Err(reason) => Err(DeviceError::Absent { kind, reason }),
        },
        Wanted::Auto => {
            let mut reasons = Vec::new();
            for kind in [DeviceKind::Cuda, DeviceKind::Metal] {
                match devices.present(kind) {
                    Ok(()) => return Ok(Chosen { kind, warning: None }),
                    Err(reason) => reasons.push(format!("{kind}: {reason}")),
                }
            }
            let warning = format!("computing on the processor, no GPU can be used ({})", reasons.join("; "));
            Ok(Chosen { kind: DeviceKind::Cpu, warning: Some(warning) })
        }
    }
}

#[cfg(test)]
mod fake {
    use std::sync::Mutex;

    use super::*;

    /// A machine with these devices, whose memory after each cleanup is the next one listed.
    #[derive(Debug, Default)]
    pub(super) struct FakeDevices {
        pub(super) kinds: Vec<DeviceKind>,
        pub(super) memory: Mutex<Vec<DeviceMemory>>,
        pub(super) calls: Mutex<Vec<&'static str>>,
    }

    impl FakeDevices {
        pub(super) fn calls(&self) -> Vec<&'static str> {
            self.calls.lock().unwrap().clone()
        }
    }

    impl Devices for FakeDevices {
        fn present(&self, kind: DeviceKind) -> Result<(), String> {
            if self.kinds.contains(&kind) { Ok(()) } else { Err(format!("there is no {kind} here")) }
        }

        fn memory(&self, _: DeviceKind) -> DeviceMemory {
            self.calls.lock().unwrap().push("look");
            self.memory.lock().unwrap()[0].clone()
        }

        fn synchronize(&self, _: DeviceKind) -> Result<(), String> {
            self.calls.lock().unwrap().push("synchronize");
            Ok(())
        }

        fn clean_up(&self, _: DeviceKind) -> Result<(), String> {
            self.calls.lock().unwrap().push("clean up");
            let mut memory = self.memory.lock().unwrap();
            if memory.len() > 1 {
                memory.remove(0);
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fake::FakeDevices;
    use super::*;

    #[test]
    fn auto_takes_cuda_else_metal_else_the_processor_with_a_warning() {
        use DeviceKind::{Cpu, Cuda, Metal};
        let check = |kinds: &[DeviceKind], expected: DeviceKind| {
            let devices = FakeDevices { kinds: kinds.to_vec(), ..FakeDevices::default() };
            let chosen = choose(Wanted::Auto, &devices).unwrap();
            assert_eq!(chosen.kind, expected, "{kinds:?}");
            assert_eq!(chosen.warning.is_some(), expected == Cpu, "{:?}", chosen.warning);
            chosen.warning
        };
        check(&[Cpu, Metal, Cuda], Cuda);
        check(&[Cpu, Metal], Metal);
        let warning = check(&[Cpu], Cpu).unwrap();
        assert!(warning.contains("no cuda here") && warning.contains("no metal here"), "{warning}");
    }

    #[test]
    fn a_named_device_is_taken_or_refused() {
        let devices = FakeDevices { kinds: vec![DeviceKind::Cpu], ..FakeDevices::default() };
        let chosen = choose(Wanted::Kind(DeviceKind::Cpu), &devices).unwrap();
        assert_eq!(chosen, Chosen { kind: DeviceKind::Cpu, warning: None });
        for kind in [DeviceKind::Cuda, DeviceKind::Metal] {
            let error = choose(Wanted::Kind(kind), &devices).unwrap_err();
            assert_eq!(error.to_string(), format!("use the device `{kind}`: there is no {kind} here"));
        }
    }
}
