//! How much of a device's memory may be taken.

use super::{DeviceError, DeviceKind, DeviceMemory, Devices};

/// Keeps a device's memory from running out.
///
/// Before memory is taken it is looked at: above the threshold what is kept for later is given back, once, and it is looked
/// again. A process that would then hold more than its fraction is refused. What nobody tells is not guarded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MemoryGuard {
    /// Share of the device, taken by whomever, above which memory is given back first.
    pub threshold: f64,
    /// Share of the device that this process may hold.
    pub process_fraction: f64,
    /// Memory is counted in whole pieces of so many bytes: drivers hand it out in large ones, and smaller pieces leave holes.
    pub split_bytes: u64,
}

impl Default for MemoryGuard {
    /// 85 % before cleaning up, 90 % for this process, pieces of 128 MiB.
    fn default() -> Self {
        Self { threshold: 0.85, process_fraction: 0.9, split_bytes: 128 << 20 }
    }
}

impl MemoryGuard {
    /// The bytes that are counted for a need: whole pieces.
    #[must_use]
    pub fn in_pieces(&self, bytes: u64) -> u64 {
        let piece = self.split_bytes.max(1);
        bytes.div_ceil(piece).saturating_mul(piece)
    }

    /// Lets so many more bytes be taken, after a cleanup where the device is nearly full. Returns what it saw last.
    ///
    /// # Errors
    /// [`DeviceError::OverFraction`], and [`DeviceError::Driver`] when the cleanup fails.
    pub fn admit(&self, kind: DeviceKind, bytes: u64, devices: &dyn Devices) -> Result<DeviceMemory, DeviceError> {
        let driver = |problem| DeviceError::Driver { kind, problem };
        let mut memory = devices.memory(kind);
        if memory.used_fraction().is_some_and(|used| used > self.threshold) {
            devices.synchronize(kind).map_err(driver)?;
            devices.clean_up(kind).map_err(driver)?;
            memory = devices.memory(kind);
        }
        let (Some(allocated), Some(total)) = (memory.allocated, memory.total) else { return Ok(memory) };
        let needed = if bytes == 0 { 0 } else { self.in_pieces(bytes) };
        let limit = self.limit(total);
        if allocated.saturating_add(needed) > limit {
            return Err(DeviceError::OverFraction { kind, needed, allocated, limit, total });
        }
        Ok(memory)
    }

    /// Bytes that this process may hold, rounded down.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share between 0 and 1 of a u64")]
    fn limit(&self, total: u64) -> u64 {
        (total as f64 * self.process_fraction.clamp(0.0, 1.0)) as u64
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::device::fake::FakeDevices;

    const GIB: u64 = 1 << 30;

    /// A device of 100 GiB of which so many are taken, and by this process.
    fn taken(used: u64, allocated: u64) -> DeviceMemory {
        DeviceMemory {
            available: Some((100 - used) * GIB),
            allocated: Some(allocated * GIB),
            reserved: Some(0),
            total: Some(100 * GIB),
            reason: None,
        }
    }

    fn devices(memory: Vec<DeviceMemory>) -> FakeDevices {
        FakeDevices { kinds: vec![DeviceKind::Cuda], memory: Mutex::new(memory), ..FakeDevices::default() }
    }

    #[test]
    fn memory_is_given_back_above_the_threshold_once() {
        let check = |used: u64, calls: &[&str]| {
            let devices = devices(vec![taken(used, 0), taken(86, 0)]);
            MemoryGuard::default().admit(DeviceKind::Cuda, GIB, &devices).unwrap();
            assert_eq!(devices.calls(), calls, "{used} %");
        };
        check(84, &["look"]);
        check(85, &["look"]);
        // Still above it afterwards, and not asked again.
        check(86, &["look", "synchronize", "clean up", "look"]);
        check(99, &["look", "synchronize", "clean up", "look"]);
    }

    #[test]
    fn what_counts_is_seen_after_the_cleanup() {
        let devices = devices(vec![taken(99, 99), taken(50, 50)]);
        let seen = MemoryGuard::default().admit(DeviceKind::Cuda, 20 * GIB, &devices).unwrap();
        assert_eq!(seen, taken(50, 50));
    }

    #[test]
    fn a_process_is_refused_beyond_its_fraction() {
        let guard = MemoryGuard::default();
        let admit = |allocated, bytes| {
            guard.admit(DeviceKind::Cuda, bytes, &devices(vec![taken(allocated, allocated)])).map(drop)
        };
        assert_eq!(admit(80, 10 * GIB), Ok(()));
        // One byte more takes a whole piece more.
        let error = admit(80, 10 * GIB + 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "take `10871635968` bytes of the device `cuda`: this process holds 85899345920 and may hold 96636764160 of its \
             107374182400 bytes"
        );
        assert!(matches!(admit(91, 0), Err(DeviceError::OverFraction { needed: 0, .. })));
    }

    #[test]
    fn what_nobody_tells_is_not_guarded() {
        let unknown = DeviceMemory::unknown("the driver tells none");
        let devices = devices(vec![unknown.clone()]);
        assert_eq!(MemoryGuard::default().admit(DeviceKind::Metal, u64::MAX, &devices), Ok(unknown));
        assert_eq!(devices.calls(), ["look"]);
    }

    #[test]
    fn needs_are_counted_in_whole_pieces() {
        let guard = MemoryGuard::default();
        let piece = 128 << 20;
        for (bytes, expected) in [(0, 0), (1, piece), (piece, piece), (piece + 1, 2 * piece)] {
            assert_eq!(guard.in_pieces(bytes), expected, "{bytes}");
        }
        assert_eq!(guard.in_pieces(u64::MAX), u64::MAX);
    }
}
