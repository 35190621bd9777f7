//! How much memory this process may still take.

use crate::cgroup;
use crate::process::kib_field;
use crate::root::SystemRoot;

/// Kept for everybody else: one part in this many of all memory.
const RESERVE: u64 = 20;

/// Bytes that this process may take before the host or its control group runs short: what is available less one part in
/// twenty of all. Cached files count as available, because the kernel gives them up. `None` where the system tells neither.
#[must_use]
pub fn free_memory(root: &SystemRoot) -> Option<u64> {
    let meminfo = root.read("/proc/meminfo").unwrap_or_default();
    let host = room(kib_field(&meminfo, "MemAvailable"), kib_field(&meminfo, "MemTotal"));
    let limit = cgroup::memory_limit(root);
    let group = room(limit.zip(group_usage(root)).map(|(limit, used)| limit.saturating_sub(used)), limit);
    host.into_iter().chain(group).min()
}

/// Memory of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostMemory {
    /// Bytes in use: all but what the kernel says is available.
    pub used: u64,
    /// All bytes.
    pub total: u64,
}

/// The memory of the host; `None` where the system does not tell.
#[must_use]
pub fn host_memory(root: &SystemRoot) -> Option<HostMemory> {
    let meminfo = root.read("/proc/meminfo")?;
    let total = kib_field(&meminfo, "MemTotal").filter(|total| *total > 0)?;
    let available = kib_field(&meminfo, "MemAvailable")?;
    Some(HostMemory { used: total.saturating_sub(available), total })
}

fn room(available: Option<u64>, total: Option<u64>) -> Option<u64> {
    available.zip(total).map(|(available, total)| available.saturating_sub(total / RESERVE))
}

/// What the group holds and cannot give up.
fn group_usage(root: &SystemRoot) -> Option<u64> {
    let file = cgroup::memory_usage_file(root)?;
    let folder = file.rsplit_once('/')?.0;
    Some(cgroup::read_number(root, &file)?.saturating_sub(cgroup::cached(root, folder)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake;

    const MEMINFO: (&str, &str) = ("/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 400 kB\n");

    #[test]
    fn the_host_keeps_a_reserve() {
        let (_folder, root) = fake::root(&[MEMINFO]);
        assert_eq!(free_memory(&root), Some(350 << 10));
        let (_folder, root) = fake::root(&[("/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 40 kB\n")]);
        assert_eq!(free_memory(&root), Some(0));
        let (_folder, root) = fake::root(&[]);
        assert_eq!(free_memory(&root), None);
    }

    #[test]
    fn what_is_not_available_is_in_use() {
        let (_folder, root) = fake::root(&[MEMINFO]);
        assert_eq!(host_memory(&root), Some(HostMemory { used: 600 << 10, total: 1000 << 10 }));
        let (_folder, root) = fake::root(&[]);
        assert_eq!(host_memory(&root), None);
    }

    #[test]
    fn a_group_counts_what_it_cannot_give_up() {
        let (_folder, root) = fake::root(&[
            MEMINFO,
            ("/proc/self/cgroup", "0::/a\n"),
            ("/proc/self/mountinfo", "30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n"),
            ("/sys/fs/cgroup/a/memory.max", "200000\n"),
            ("/sys/fs/cgroup/a/memory.current", "150000\n"),
            ("/sys/fs/cgroup/a/memory.stat", "anon 50000\nfile 60000\n"),
        ]);
        assert_eq!(free_memory(&root), Some(200_000 - 90_000 - 10_000));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_host_has_some() {
        assert!(free_memory(&SystemRoot::host()).unwrap() > 1 << 20);
    }
}
