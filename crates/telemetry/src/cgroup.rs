//! Limits and usage of the process's control group, version 1 or 2.

use crate::mounts::{Mount, mounts};
use crate::root::SystemRoot;

/// Version 1 writes "no limit" as the largest page-aligned number, which no machine's memory reaches.
const NO_LIMIT: u64 = 1 << 62;

/// Reads the memory of a control group that is named by its folder, version 1 or 2.
#[derive(Clone, Debug)]
pub struct GroupProbe {
    root: SystemRoot,
    folder: String,
}

/// Memory of a control group, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupMemory {
    /// Memory without a file, of all processes in the group and below.
    pub anonymous_bytes: Option<u64>,
    /// All that is charged to the group: cached files and the kernel's own memory too.
    pub charged_bytes: Option<u64>,
}

impl GroupProbe {
    /// The group whose folder this is, such as `/sys/fs/cgroup/server`; `None` where no memory is counted there.
    #[must_use]
    pub fn new(root: &SystemRoot, folder: &str) -> Option<Self> {
        let probe = Self { root: root.clone(), folder: folder.trim_end_matches('/').to_owned() };
        probe.sample().anonymous_bytes.is_some().then_some(probe)
    }

    /// Memory now.
    #[must_use]
    pub fn sample(&self) -> GroupMemory {
        let stat = self.root.read(&format!("{}/memory.stat", self.folder)).unwrap_or_default();
        let of = |name: &str| stat_field(&stat, name);
        GroupMemory {
            anonymous_bytes: of("anon").or_else(|| of("total_rss")),
            charged_bytes: self.first(&["memory.current", "memory.usage_in_bytes"]),
        }
    }

    /// Memory limit, bytes: the lowest of the group and those above it. `None` without one.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        let mut lowest = None;
        let mut group = self.clone();
        while !group.folder.is_empty() {
            let limit = group.first(&["memory.max", "memory.limit_in_bytes"]).filter(|&limit| limit < NO_LIMIT);
            lowest = lowest.into_iter().chain(limit).min();
            group.folder.truncate(group.folder.rfind('/').unwrap_or_default());
        }
        lowest
    }

    /// The number in the first of these files that has one.
    fn first(&self, files: &[&str]) -> Option<u64> {
        files.iter().find_map(|file| read_number(&self.root, &format!("{}/{file}", self.folder)))
    }
}

/// The folders of one controller, from the process's own group up to the mount point.
struct Controller {
    is_v2: bool,
    folders: Vec<String>,
}

/// Memory limit in bytes: the lowest on the way up. `None` without one.
pub(crate) fn memory_limit(root: &SystemRoot) -> Option<u64> {
    let controller = controller(root, "memory")?;
    let name = if controller.is_v2 { "memory.max" } else { "memory.limit_in_bytes" };
    let limits = controller.folders.iter().filter_map(|folder| read_number(root, &format!("{folder}/{name}")));
    limits.filter(|&limit| limit < NO_LIMIT).min()
}

/// CPU limit in cores: the lowest on the way up. `None` without one.
pub(crate) fn cpu_limit(root: &SystemRoot) -> Option<f64> {
    let controller = controller(root, "cpu")?;
    let limit = |folder: &String| {
        let (quota, period) = if controller.is_v2 {
            let text = root.read(&format!("{folder}/cpu.max"))?;
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse::<f64>().ok()?, period.parse::<f64>().ok()?)
        } else {
            let read = |name: &str| root.read_line(&format!("{folder}/{name}"))?.parse::<f64>().ok();
            (read("cpu.cfs_quota_us")?, read("cpu.cfs_period_us")?)
        };
        (quota > 0.0 && period > 0.0).then_some(quota / period)
    };
    controller.folders.iter().filter_map(limit).min_by(f64::total_cmp)
}

/// The file that tells the memory charged to the process's group; `None` where there is none.
pub(crate) fn memory_usage_file(root: &SystemRoot) -> Option<String> {
    let controller = controller(root, "memory")?;
    let name = if controller.is_v2 { "memory.current" } else { "memory.usage_in_bytes" };
    let mut files = controller.folders.iter().map(|folder| format!("{folder}/{name}"));
    files.find(|file| root.path(file).is_file())
}

/// What each group on the way up holds and cannot give up, and the lower of its limits, `memory.high` among them; bytes, and only
/// where there is a limit.
pub(crate) fn memory_shares(root: &SystemRoot) -> Vec<(u64, u64)> {
    let Some(controller) = controller(root, "memory") else { return Vec::new() };
    let (limits, usage): (&[&str], _) = match controller.is_v2 {
        true => (&["memory.max", "memory.high"], "memory.current"),
        false => (&["memory.limit_in_bytes"], "memory.usage_in_bytes"),
    };
    let share = |folder: &String| {
        let limits = limits.iter().filter_map(|name| read_number(root, &format!("{folder}/{name}")));
        let limit = limits.filter(|&limit| limit > 0 && limit < NO_LIMIT).min()?;
        let used = read_number(root, &format!("{folder}/{usage}"))?;
        Some((used.saturating_sub(cached(root, folder)), limit))
    };
    controller.folders.iter().filter_map(share).collect()
}

/// The file that tells how long the process's group waited for memory; version 1 has none.
pub(crate) fn memory_pressure_file(root: &SystemRoot) -> Option<String> {
    let controller = controller(root, "memory").filter(|controller| controller.is_v2)?;
    controller.folders.first().map(|folder| format!("{folder}/memory.pressure"))
}

/// Bytes of cached files that a group holds, which the kernel gives up.
pub(crate) fn cached(root: &SystemRoot, folder: &str) -> u64 {
    let stat = root.read(&format!("{folder}/memory.stat")).unwrap_or_default();
    // `file` in version 2, `cache` in version 1.
    stat_field(&stat, "file").or_else(|| stat_field(&stat, "cache")).unwrap_or(0)
}

fn stat_field(stat: &str, name: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?.trim().parse().ok()
}

pub(crate) fn read_number(root: &SystemRoot, path: &str) -> Option<u64> {
    root.read_line(path)?.parse().ok()
}

/// Finds a controller by the lines `id:controllers:path` of `/proc/self/cgroup` and the mount table. Version 1 comes
/// first: where both are mounted, a controller listed there is not in version 2.
fn controller(root: &SystemRoot, name: &str) -> Option<Controller> {
    let groups = root.read("/proc/self/cgroup")?;
    let lines: Vec<(&str, &str)> = groups.lines().filter_map(|line| line.split_once(':')?.1.split_once(':')).collect();
    let v1 = lines.iter().find(|(controllers, _)| lists(controllers, name));
    let (is_v2, path) = match v1 {
        Some((_, path)) => (false, path),
        None => (true, &lines.iter().find(|(controllers, _)| controllers.is_empty())?.1),
    };
    let is_ours = |mount: &Mount| match is_v2 {
        true => mount.file_system == "cgroup2",
        false => mount.file_system == "cgroup" && lists(&mount.options, name),
    };
    let mount = mounts(root).into_iter().find(is_ours)?;
    Some(Controller { is_v2, folders: folders(&mount, path) })
}

fn lists(options: &str, name: &str) -> bool {
    options.split(',').any(|option| option == name)
}

/// A container may see its group under another root than the mount shows; the mount point itself is then the group.
fn folders(mount: &Mount, path: &str) -> Vec<String> {
    let relative = path.strip_prefix(mount.root.trim_end_matches('/')).unwrap_or_default();
    let mut relative = relative.trim_end_matches('/');
    let mut folders = Vec::new();
    while !relative.is_empty() && relative.starts_with('/') {
        folders.push(format!("{}{relative}", mount.point));
        relative = relative.rsplit_once('/').map_or("", |(parent, _)| parent);
    }
    folders.push(mount.point.clone());
    folders
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake;

    const V2: &str = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    const V1: &str = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";

    fn check(files: &[(&str, &str)], memory: Option<u64>, cpu: Option<f64>, usage: Option<&str>) {
        let (_folder, root) = fake::root(files);
        assert_eq!(memory_limit(&root), memory);
        assert_eq!(cpu_limit(&root), cpu);
        assert_eq!(memory_usage_file(&root).as_deref(), usage);
    }

    #[test]
    fn version_2_takes_the_lowest_limit_on_the_way_up() {
        check(
            &[
                ("/proc/self/cgroup", "0::/a/b\n"),
                ("/proc/self/mountinfo", V2),
                ("/sys/fs/cgroup/a/memory.max", "1000\n"),
                ("/sys/fs/cgroup/a/b/memory.max", "max\n"),
                ("/sys/fs/cgroup/a/b/memory.current", "17\n"),
                ("/sys/fs/cgroup/a/cpu.max", "max 100000\n"),
                ("/sys/fs/cgroup/a/b/cpu.max", "150000 100000\n"),
            ],
            Some(1000),
            Some(1.5),
            Some("/sys/fs/cgroup/a/b/memory.current"),
        );
    }

    #[test]
    fn version_1_knows_its_unlimited_number() {
        check(
            &[
                ("/proc/self/cgroup", "8:memory:/x\n3:cpu,cpuacct:/\n0::/\n"),
                ("/proc/self/mountinfo", V1),
                ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "2048\n"),
                ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "17\n"),
                ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
                ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            ],
            Some(2048),
            None,
            Some("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
        );
    }

    #[test]
    fn a_container_that_sees_its_group_as_the_mount_root() {
        let table = "31 23 0:28 /docker/ab /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        for group in ["0::/docker/ab\n", "0::/\n", "0::/../other\n"] {
            check(
                &[
                    ("/proc/self/cgroup", group),
                    ("/proc/self/mountinfo", table),
                    ("/sys/fs/cgroup/memory.max", "512\n"),
                    ("/sys/fs/cgroup/cpu.max", "50000 100000\n"),
                ],
                Some(512),
                Some(0.5),
                None,
            );
        }
    }

    #[test]
    fn a_group_named_by_its_folder_tells_its_memory() {
        let (_folder, root) = fake::root(&[
            ("/sys/fs/cgroup/a/memory.max", "900\n"),
            ("/sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("/sys/fs/cgroup/a/b/memory.stat", "anon 17\nanon_thp 3\nfile 5\n"),
            ("/sys/fs/cgroup/a/b/memory.current", "23\n"),
            ("/sys/fs/cgroup/memory/x/memory.stat", "rss 3\ntotal_rss 7\n"),
            ("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n"),
        ]);
        let group = GroupProbe::new(&root, "/sys/fs/cgroup/a/b/").unwrap();
        assert_eq!(group.sample(), GroupMemory { anonymous_bytes: Some(17), charged_bytes: Some(23) });
        assert_eq!(group.limit(), Some(900));
        let first = GroupProbe::new(&root, "/sys/fs/cgroup/memory/x").unwrap();
        assert_eq!(
            (first.sample().anonymous_bytes, first.sample().charged_bytes, first.limit()),
            (Some(7), None, None)
        );
        assert!(GroupProbe::new(&root, "/sys/fs/cgroup/none").is_none());
    }

    #[test]
    fn odd_files_mean_unknown() {
        check(&[], None, None, None);
        let odd = [
            ("/proc/self/cgroup", "::::\nx\n0::/a"),
            ("/proc/self/mountinfo", V2),
            ("/sys/fs/cgroup/a/memory.max", "many"),
            ("/sys/fs/cgroup/a/cpu.max", "1 0"),
        ];
        check(&odd, None, None, None);
    }
}
