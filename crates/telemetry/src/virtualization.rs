//! Hypervisor and container, as far as they show.

use crate::process::field;
use crate::root::SystemRoot;

/// What the process runs in, outermost first: `kvm, docker`. `None` when nothing shows.
pub(crate) fn virtualization(root: &SystemRoot, cpuinfo: &str) -> Option<String> {
    let parts: Vec<String> = [hypervisor(root, cpuinfo), container(root)].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The hypervisor's kind, and the machine's name where the firmware tells it: `kvm (Amazon EC2 m7i.large)`.
fn hypervisor(root: &SystemRoot, cpuinfo: &str) -> Option<String> {
    let flagged = field(cpuinfo, "flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
    let kind = root.read_line("/sys/hypervisor/type").or_else(|| clock_of_guest(root));
    if kind.is_none() && !flagged {
        return None;
    }
    let kind = kind.unwrap_or_else(|| "hypervisor".to_owned());
    let machine: Vec<String> = ["/sys/class/dmi/id/sys_vendor", "/sys/class/dmi/id/product_name"]
        .into_iter()
        .filter_map(|path| root.read_line(path))
        .collect();
    Some(if machine.is_empty() { kind } else { format!("{kind} ({})", machine.join(" ")) })
}

/// A guest's clock source names its hypervisor.
fn clock_of_guest(root: &SystemRoot) -> Option<String> {
    let clocks = root.read_line("/sys/devices/system/clocksource/clocksource0/available_clocksource")?;
    let kind = |clock: &str| match clock {
        "kvm-clock" => Some("kvm"),
        "xen" => Some("xen"),
        clock if clock.starts_with("hyperv") => Some("hyper-v"),
        _ => None,
    };
    clocks.split_whitespace().find_map(kind).map(str::to_owned)
}

fn container(root: &SystemRoot) -> Option<String> {
    if let Some(name) = root.read_line("/run/systemd/container") {
        return Some(name);
    }
    let groups = root.read("/proc/self/cgroup").unwrap_or_default();
    let by_group = [("kubepods", "kubernetes"), ("docker", "docker"), ("libpod", "podman"), ("lxc", "lxc")];
    let by_file = [("/.dockerenv", "docker"), ("/run/.containerenv", "podman")];
    let in_group = by_group.into_iter().find(|(word, _)| groups.contains(word));
    let in_file = || by_file.into_iter().find(|(path, _)| root.path(path).exists());
    in_group.or_else(in_file).map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake;

    #[test]
    fn guests_and_containers_show() {
        let check = |cpuinfo: &str, files: &[(&str, &str)], expected: Option<&str>| {
            let (_folder, root) = fake::root(files);
            assert_eq!(virtualization(&root, cpuinfo).as_deref(), expected);
        };
        let clock = "/sys/devices/system/clocksource/clocksource0/available_clocksource";
        let guest = "flags : fpu hypervisor avx\n";
        check("flags : fpu avx\n", &[(clock, "tsc hpet\n")], None);
        check(guest, &[], Some("hypervisor"));
        check(guest, &[(clock, "kvm-clock tsc\n")], Some("kvm"));
        check(guest, &[("/sys/class/dmi/id/sys_vendor", "Acme\n")], Some("hypervisor (Acme)"));
        check("", &[("/proc/self/cgroup", "0::/kubepods/burstable/pod1\n")], Some("kubernetes"));
        check(guest, &[(clock, "tsc kvm-clock"), ("/.dockerenv", "")], Some("kvm, docker"));
    }
}
