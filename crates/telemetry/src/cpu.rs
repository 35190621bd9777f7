//! The processor: model, instruction-set extensions, counts, governor.

use crate::cgroup;
use crate::process::field;
use crate::root::SystemRoot;

/// Extensions that decide which inference kernels run: those of x86 and those of Arm.
const FLAGS_THAT_MATTER: [&str; 22] = [
    "amx_bf16",
    "amx_int8",
    "amx_tile",
    "asimd",
    "asimddp",
    "asimdhp",
    "avx",
    "avx2",
    "avx512_bf16",
    "avx512_fp16",
    "avx512_vnni",
    "avx512bw",
    "avx512f",
    "avx512vl",
    "avx_vnni",
    "bf16",
    "f16c",
    "fma",
    "i8mm",
    "neon",
    "sve",
    "sve2",
];

/// Names of Arm cores by implementer and part, as `lscpu` prints them; `cpuinfo` gives only the numbers.
const ARM_CORES: [(&str, &str, &str); 12] = [
    ("0x41", "0xd03", "Cortex-A53"),
    ("0x41", "0xd07", "Cortex-A57"),
    ("0x41", "0xd08", "Cortex-A72"),
    ("0x41", "0xd0b", "Cortex-A76"),
    ("0x41", "0xd0c", "Neoverse-N1"),
    ("0x41", "0xd40", "Neoverse-V1"),
    ("0x41", "0xd49", "Neoverse-N2"),
    ("0x41", "0xd4f", "Neoverse-V2"),
    ("0x41", "0xd84", "Neoverse-V3"),
    ("0x41", "0xd8e", "Neoverse-N3"),
    ("0xc0", "0xac3", "Ampere-1"),
    ("0xc0", "0xac4", "Ampere-1a"),
];

/// The model as `lscpu` names it; an Arm core outside the list is given by its numbers.
pub(crate) fn model(cpuinfo: &str) -> Option<String> {
    if let Some(name) = field(cpuinfo, "model name") {
        return Some(name.to_owned());
    }
    let (implementer, part) = (field(cpuinfo, "CPU implementer")?, field(cpuinfo, "CPU part")?);
    let known = ARM_CORES.iter().find(|core| (core.0, core.1) == (implementer, part));
    Some(known.map_or_else(|| format!("Arm {implementer}:{part}"), |core| core.2.to_owned()))
}

/// Extensions that matter, sorted.
pub(crate) fn flags(cpuinfo: &str) -> Vec<String> {
    let all = field(cpuinfo, "flags").or_else(|| field(cpuinfo, "Features")).unwrap_or_default();
    let has = |flag: &&str| all.split_whitespace().any(|word| word == *flag);
    FLAGS_THAT_MATTER.into_iter().filter(has).map(str::to_owned).collect()
}

/// Logical processors of the host.
pub(crate) fn cores_online(root: &SystemRoot) -> Option<u32> {
    count_list(&root.read_line("/sys/devices/system/cpu/online")?)
}

/// Logical processors that this process may use: its affinity, cut by the group's CPU limit rounded down, at least 1.
pub(crate) fn cores_usable(root: &SystemRoot) -> Option<u32> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most the number of processors")]
    Some(core_time(root)?.floor().max(1.0) as u32)
}

/// Seconds of processor time that this process may use in a second: its affinity, cut by the group's CPU limit.
pub(crate) fn core_time(root: &SystemRoot) -> Option<f64> {
    let status = root.read("/proc/self/status")?;
    let allowed = f64::from(count_list(field(&status, "Cpus_allowed_list")?)?);
    Some(cgroup::cpu_limit(root).map_or(allowed, |limit| limit.min(allowed)))
}

/// The frequency governor; several, where processors differ, separated by commas.
pub(crate) fn governor(root: &SystemRoot) -> Option<String> {
    let folder = "/sys/devices/system/cpu";
    let cpus = root.names(folder).into_iter().filter(|name| is_numbered(name, "cpu"));
    let mut governors: Vec<String> =
        cpus.filter_map(|cpu| root.read_line(&format!("{folder}/{cpu}/cpufreq/scaling_governor"))).collect();
    governors.sort_unstable();
    governors.dedup();
    (!governors.is_empty()).then(|| governors.join(","))
}

/// NUMA nodes.
pub(crate) fn numa_nodes(root: &SystemRoot) -> Option<u32> {
    let names = root.names("/sys/devices/system/node");
    let count = names.iter().filter(|name| is_numbered(name, "node")).count();
    u32::try_from(count).ok().filter(|&count| count > 0)
}

/// Bytes of all last-level caches of the host; `None` where the system does not say.
pub(crate) fn last_level_cache(root: &SystemRoot) -> Option<u64> {
    let folder = "/sys/devices/system/cpu";
    let mut shared: Vec<(String, u64)> = Vec::new();
    for cpu in root.names(folder).into_iter().filter(|name| is_numbered(name, "cpu")) {
        let caches = format!("{folder}/{cpu}/cache");
        let last = root.names(&caches).into_iter().filter(|name| is_numbered(name, "index")).max()?;
        let size = parse_cache_size(&root.read_line(&format!("{caches}/{last}/size"))?)?;
        shared.push((root.read_line(&format!("{caches}/{last}/shared_cpu_list"))?, size));
    }
    shared.sort_unstable();
    shared.dedup();
    (!shared.is_empty()).then(|| shared.iter().map(|(_, size)| size).sum())
}

fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `32768K`, `2M`.
fn parse_cache_size(text: &str) -> Option<u64> {
    let (number, scale) = match text.as_bytes().last()? {
        b'K' => (&text[..text.len() - 1], 1 << 10),
        b'M' => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    number.parse::<u64>().ok()?.checked_mul(scale)
}

/// Counts a list such as `0-3,8,10-11`; `None` when it is not one.
fn count_list(text: &str) -> Option<u32> {
    let mut count: u32 = 0;
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        count = count.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake;

    #[test]
    fn models_read_as_lscpu_prints_them() {
        let check = |cpuinfo: &str, expected: Option<&str>| assert_eq!(model(cpuinfo).as_deref(), expected);
        check("processor\t: 0\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n", Some("AMD EPYC"));
        check("CPU implementer\t: 0x41\nCPU part\t: 0xd0c\n", Some("Neoverse-N1"));
        check("CPU implementer\t: 0x41\nCPU part\t: 0xfff\n", Some("Arm 0x41:0xfff"));
        check("", None);
    }

    #[test]
    fn flags_are_whole_words() {
        assert_eq!(flags("flags\t\t: fpu avx2 sse avx512f avx512fx fma\n"), ["avx2", "avx512f", "fma"]);
        assert_eq!(flags("Features\t: fp asimd asimddp\n"), ["asimd", "asimddp"]);
        assert!(flags("").is_empty());
        assert!(FLAGS_THAT_MATTER.is_sorted());
    }

    #[test]
    fn lists_are_counted() {
        let check = |text: &str, expected| assert_eq!(count_list(text), expected, "{text}");
        check("0", Some(1));
        check("0-3,8,10-11", Some(7));
        check("3-0", None);
        check("0-4294967295", None);
        check("", None);
    }

    #[test]
    fn usable_cores_are_cut_by_the_limit() {
        let check = |cpu_max: &str, expected| {
            let (_folder, root) = fake::root(&[
                ("/proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-7\n"),
                ("/proc/self/cgroup", "0::/\n"),
                ("/proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
                ("/sys/fs/cgroup/cpu.max", cpu_max),
            ]);
            assert_eq!(cores_usable(&root), Some(expected), "{cpu_max}");
        };
        check("max 100000", 8);
        check("250000 100000", 2);
        check("50000 100000", 1);
        check("9900000 100000", 8);
    }

    #[test]
    fn caches_shared_by_cores_count_once() {
        let cpu = |index: u32, cache: &str| format!("/sys/devices/system/cpu/cpu{index}/cache/{cache}");
        let paths: Vec<String> = [0, 1, 2]
            .into_iter()
            .flat_map(|index| {
                [cpu(index, "index3/size"), cpu(index, "index3/shared_cpu_list"), cpu(index, "index0/size")]
            })
            .collect();
        let texts = ["32768K", "0-1", "32K", "32768K", "0-1", "32K", "32M", "2", "32K"];
        let files: Vec<(&str, &str)> = paths.iter().map(String::as_str).zip(texts).collect();
        let (_folder, root) = fake::root(&files);
        assert_eq!(last_level_cache(&root), Some(64 << 20));
    }

    #[test]
    fn differing_governors_are_all_named() {
        let (_folder, root) = fake::root(&[
            ("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "schedutil\n"),
            ("/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance\n"),
            ("/sys/devices/system/node/node0/x", ""),
            ("/sys/devices/system/node/node1/x", ""),
            ("/sys/devices/system/node/online", "0-1"),
        ]);
        assert_eq!(governor(&root).as_deref(), Some("performance,schedutil"));
        assert_eq!(numa_nodes(&root), Some(2));
    }
}
