//! How short of memory the host and this process's control group are.

use serde::Serialize;

use crate::cgroup;
use crate::free_memory::host_memory;
use crate::root::SystemRoot;

/// How short memory is: of the host or of the control group, whichever is shorter of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct MemoryPressure {
    /// Share of the memory that is in use and that the kernel cannot give up; of a group, of `memory.high` or its limit, whichever is
    /// lower. `None` where the system does not tell.
    pub used_share: Option<f64>,
    /// Share of the last ten seconds in which at least one task waited for memory: `some avg10` of the kernel's pressure stall
    /// information (Documentation/accounting/psi.rst). `None` where the kernel keeps none.
    pub stalled_share: Option<f64>,
}

/// Reads it now.
#[must_use]
pub fn memory_pressure(root: &SystemRoot) -> MemoryPressure {
    let host = host_memory(root).map(|memory| share(memory.used, memory.total));
    let groups = cgroup::memory_shares(root).into_iter();
    let stalls = std::iter::once("/proc/pressure/memory".to_owned()).chain(cgroup::memory_pressure_file(root));
    let stalled = stalls.filter_map(|file| some_avg10(&root.read(&file)?));
    MemoryPressure {
        used_share: groups.map(|(used, limit)| share(used, limit)).chain(host).max_by(f64::total_cmp),
        stalled_share: stalled.max_by(f64::total_cmp),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no exact bytes")]
fn share(used: u64, all: u64) -> f64 {
    used as f64 / all as f64
}

/// `some avg10` as a share; it is written in percent.
fn some_avg10(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let percent: f64 = line.split(' ').find_map(|field| field.strip_prefix("avg10="))?.parse().ok()?;
    Some(percent / 100.0).filter(|share| (0.0..=1.0).contains(share))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake;

    const MEMINFO: (&str, &str) = ("/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 400 kB\n");
    const GROUP: [(&str, &str); 2] = [
        ("/proc/self/cgroup", "0::/a/b\n"),
        ("/proc/self/mountinfo", "30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n"),
    ];

    fn check(files: &[(&str, &str)], used: Option<f64>, stalled: Option<f64>) {
        let (_folder, root) = fake::root(files);
        assert_eq!(memory_pressure(&root), MemoryPressure { used_share: used, stalled_share: stalled }, "{files:?}");
    }

    #[test]
    fn the_host_tells_its_own() {
        let some = "some avg10=12.50 avg60=0.00 avg300=0.00 total=1\nfull avg10=9.00 avg60=0.00 avg300=0.00 total=1\n";
        check(&[], None, None);
        check(&[MEMINFO], Some(0.6), None);
        check(&[MEMINFO, ("/proc/pressure/memory", some)], Some(0.6), Some(0.125));
        for wrong in
            ["", "some", "some avg10=", "some avg10=many", "full avg10=1.00", "some avg10=NaN", "some avg10=-1"]
        {
            check(&[("/proc/pressure/memory", wrong)], None, None);
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_stands_there_is_a_share_or_nothing(text in "(some )?(avg10=)?[ -~\n]{0,40}", percent in 0.0..100.0_f64) {
            let found = some_avg10(&text);
            proptest::prop_assert!(found.is_none_or(|share| (0.0..=1.0).contains(&share)));
            let written = format!("some avg10={percent:.2} avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00\n");
            let read = some_avg10(&written).unwrap();
            proptest::prop_assert!((read * 100.0 - percent).abs() <= 0.0051);
        }
    }

    #[test]
    fn a_group_counts_where_it_is_shorter() {
        let own = [
            ("/sys/fs/cgroup/a/b/memory.max", "1000\n"),
            ("/sys/fs/cgroup/a/b/memory.high", "800\n"),
            ("/sys/fs/cgroup/a/b/memory.current", "700\n"),
            ("/sys/fs/cgroup/a/b/memory.stat", "anon 500\nfile 100\n"),
            ("/sys/fs/cgroup/a/b/memory.pressure", "some avg10=25.00 avg60=0.00 avg300=0.00 total=1\n"),
            ("/proc/pressure/memory", "some avg10=1.00 avg60=0.00 avg300=0.00 total=1\n"),
        ];
        check(&[&[MEMINFO], &GROUP[..], &own[..]].concat(), Some(0.75), Some(0.25));
        let above = [
            ("/sys/fs/cgroup/a/b/memory.high", "max\n"),
            ("/sys/fs/cgroup/a/b/memory.current", "700\n"),
            ("/sys/fs/cgroup/a/memory.max", "1000\n"),
            ("/sys/fs/cgroup/a/memory.current", "900\n"),
        ];
        check(&[&[MEMINFO], &GROUP[..], &above[..]].concat(), Some(0.9), None);
        check(
            &[&GROUP[..], &[("/sys/fs/cgroup/a/memory.max", "0\n"), ("/sys/fs/cgroup/a/memory.current", "1\n")]]
                .concat(),
            None,
            None,
        );
    }

    #[test]
    fn version_1_has_limits_and_no_stalls() {
        let files = [
            ("/proc/self/cgroup", "4:memory:/a\n"),
            ("/proc/self/mountinfo", "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"),
            ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1000\n"),
            ("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "900\n"),
            ("/sys/fs/cgroup/memory/a/memory.stat", "cache 400\nrss 500\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "5000\n"),
        ];
        check(&files, Some(0.5), None);
    }
}
