//! The environment fingerprint: what a run was measured on.

use std::path::Path;

use sha2::{Digest, Sha256};
use weighbridge_types::environment::{Build, Environment};

use crate::root::SystemRoot;
use crate::{cgroup, cpu, gpu, mounts, process, virtualization};

/// Reads what this process runs on. Whatever cannot be read is `None`.
///
/// `results` is the folder that takes the results; it need not exist yet.
#[must_use]
pub fn fingerprint(root: &SystemRoot, build: Build, results: &Path) -> Environment {
    let cpuinfo = root.read("/proc/cpuinfo").unwrap_or_default();
    let meminfo = root.read("/proc/meminfo").unwrap_or_default();
    let (gpus, gpus_reason) = match gpu::gpus(root) {
        Ok(gpus) => (gpus, None),
        Err(reason) => (Vec::new(), Some(reason)),
    };
    let mut environment = Environment {
        os: os_name(root),
        kernel: root.read_line("/proc/sys/kernel/osrelease"),
        cpu_model: cpu::model(&cpuinfo),
        cores_usable: cpu::cores_usable(root),
        cores_online: cpu::cores_online(root),
        cpu_flags: cpu::flags(&cpuinfo),
        governor: cpu::governor(root),
        numa_nodes: cpu::numa_nodes(root),
        memory_bytes: process::kib_field(&meminfo, "MemTotal"),
        cgroup_memory_limit_bytes: cgroup::memory_limit(root),
        cgroup_cpu_limit: cgroup::cpu_limit(root),
        virtualization: virtualization::virtualization(root, &cpuinfo),
        storage: mounts::storage(root, results),
        gpus,
        gpus_reason,
        build,
        digest: String::new(),
    };
    environment.digest = digest(&environment);
    environment
}

/// SHA-256 over what makes two hosts equal in speed: processor, counts, governor, memory, limits, graphics
/// processors. Kernel, distribution, storage and build are left out: they change on one host and are compared apart.
/// Memory counts in whole GiB, because each kernel keeps another few MiB to itself.
fn digest(environment: &Environment) -> String {
    let gpus: Vec<_> = environment.gpus.iter().map(|gpu| (&gpu.name, gpu.memory_bytes)).collect();
    // The debug form of options, numbers, texts and lists quotes what it holds, so that no two hosts share a text.
    let text = format!(
        "{:?}",
        (
            "weighbridge-environment-1",
            &environment.cpu_model,
            environment.cores_usable,
            environment.cores_online,
            &environment.cpu_flags,
            &environment.governor,
            environment.numa_nodes,
            environment.memory_bytes.map(|bytes| (bytes + (1 << 29)) >> 30),
            environment.cgroup_memory_limit_bytes,
            environment.cgroup_cpu_limit,
            &environment.virtualization,
            gpus,
        )
    );
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn os_name(root: &SystemRoot) -> Option<String> {
    let release = root.read("/etc/os-release")?;
    let value = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    let name = value.trim().trim_matches(['"', '\'']);
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake;

    const HOST: [(&str, &str); 8] = [
        ("/etc/os-release", "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"),
        ("/proc/sys/kernel/osrelease", "6.1.0-1\n"),
        ("/proc/cpuinfo", "processor : 0\nmodel name : AMD EPYC\nflags : fpu avx2 fma hypervisor\n"),
        ("/proc/meminfo", "MemTotal:       16384000 kB\nMemFree: 1 kB\n"),
        ("/proc/self/status", "Cpus_allowed_list:\t0-1\n"),
        ("/proc/self/mountinfo", "27 1 254:0 / / rw - ext4 /dev/vda rw\n"),
        ("/sys/devices/system/cpu/online", "0-1\n"),
        ("/sys/devices/system/node/node0/x", ""),
    ];

    #[test]
    fn a_host_is_read_whole() {
        let (_folder, root) = fake::root(&HOST);
        let build = Build { version: "1.2.3".to_owned(), ..Build::default() };
        let found = fingerprint(&root, build.clone(), Path::new("/results"));
        let expected = Environment {
            os: Some("Debian GNU/Linux 12 (bookworm)".to_owned()),
            kernel: Some("6.1.0-1".to_owned()),
            cpu_model: Some("AMD EPYC".to_owned()),
            cores_usable: Some(2),
            cores_online: Some(2),
            cpu_flags: vec!["avx2".to_owned(), "fma".to_owned()],
            numa_nodes: Some(1),
            memory_bytes: Some(16_384_000 * 1024),
            virtualization: Some("hypervisor".to_owned()),
            storage: Some("ext4 on /dev/vda".to_owned()),
            gpus_reason: found.gpus_reason.clone(),
            build,
            digest: found.digest.clone(),
            ..Environment::default()
        };
        assert_eq!(found, expected);
        assert!(found.gpus_reason.is_some());
        assert_eq!(found.digest.len(), 64);
    }

    #[test]
    fn the_digest_follows_the_hardware_and_not_the_kernel() {
        let digest_with = |path: &str, text: &str| {
            let (_folder, root) = fake::root(&HOST);
            std::fs::write(root.path(path), text).unwrap();
            fingerprint(&root, Build::default(), Path::new("/")).digest
        };
        let same = digest_with("/etc/os-release", HOST[0].1);
        assert_eq!(digest_with("/proc/sys/kernel/osrelease", "6.2.0\n"), same);
        assert_eq!(digest_with("/proc/meminfo", "MemTotal:       16380000 kB\n"), same);
        assert_ne!(digest_with("/proc/meminfo", "MemTotal:       8192000 kB\n"), same);
        assert_ne!(digest_with("/proc/self/status", "Cpus_allowed_list:\t0\n"), same);
    }

    #[test]
    fn an_empty_root_gives_unknowns() {
        let (_folder, root) = fake::root(&[]);
        let found = fingerprint(&root, Build::default(), Path::new("results"));
        let expected = Environment {
            gpus_reason: found.gpus_reason.clone(),
            digest: found.digest.clone(),
            ..Environment::default()
        };
        assert_eq!(found, expected);
    }
}
