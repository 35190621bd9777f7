//! The kernel's own high-water mark of resident memory.

use std::fs::OpenOptions;
use std::io::Write;

use crate::process::kib_field;
use crate::root::SystemRoot;

/// Since when a peak counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeakScope {
    /// Since the meter was started: the kernel allowed the mark to be reset.
    SinceReset,
    /// Since the process started: the mark could not be reset.
    SinceProcessStart,
}

/// Reads the highest resident set size since it was started, where the kernel allows that.
#[derive(Clone, Debug)]
pub struct PeakMeter {
    root: SystemRoot,
    scope: PeakScope,
}

impl PeakMeter {
    /// Resets the kernel's mark of this process (`5` to `/proc/self/clear_refs`) and starts to watch it.
    #[must_use]
    pub fn start(root: &SystemRoot) -> Self {
        let file = OpenOptions::new().write(true).open(root.path("/proc/self/clear_refs"));
        let reset = file.and_then(|mut file| file.write_all(b"5"));
        let scope = if reset.is_ok() { PeakScope::SinceReset } else { PeakScope::SinceProcessStart };
        Self { root: root.clone(), scope }
    }

    /// The highest resident set size in bytes, over the time that [`scope`](Self::scope) tells.
    #[must_use]
    pub fn read(&self) -> Option<u64> {
        peak_rss(&self.root)
    }

    /// Since when the peak counts.
    #[must_use]
    pub const fn scope(&self) -> PeakScope {
        self.scope
    }
}

/// The highest resident set size of this process (`VmHWM`) in bytes, since its start or the last reset.
#[must_use]
pub fn peak_rss(root: &SystemRoot) -> Option<u64> {
    kib_field(&root.read("/proc/self/status")?, "VmHWM")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake;

    #[test]
    fn without_the_switch_the_peak_is_of_the_whole_process() {
        let (_folder, root) = fake::root(&[("/proc/self/status", "VmHWM:\t 12 kB\n")]);
        let meter = PeakMeter::start(&root);
        assert_eq!((meter.scope(), meter.read()), (PeakScope::SinceProcessStart, Some(12 * 1024)));
    }

    #[test]
    fn the_switch_is_written() {
        let (_folder, root) = fake::root(&[("/proc/self/clear_refs", "")]);
        let meter = PeakMeter::start(&root);
        assert_eq!((meter.scope(), meter.read()), (PeakScope::SinceReset, None));
        assert_eq!(root.read("/proc/self/clear_refs").as_deref(), Some("5"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_host_counts_a_peak_that_is_gone() {
        const BYTES: usize = 64 << 20;
        let root = SystemRoot::host();
        drop(std::hint::black_box(vec![1_u8; BYTES]));
        assert!(peak_rss(&root).unwrap() > BYTES as u64);
    }
}
