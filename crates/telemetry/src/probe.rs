//! One sample of the process and its host.

use weighbridge_types::resource::ResourceSample;
use weighbridge_types::time::{Clock, Stamp};

use crate::cgroup;
use crate::process::{HostTicks, kib_field, number_field, parse_host_ticks, parse_stat};
use crate::root::SystemRoot;

/// Whether a sample reads the proportional set size, which walks all mappings and is dear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Pss {
    Read,
    Skip,
}

/// Takes samples of this process and its host. Shares are over the time since its last sample.
#[derive(Clone, Debug)]
pub struct Probe {
    root: SystemRoot,
    cgroup_file: Option<String>,
    last_ticks: Option<HostTicks>,
}

impl Probe {
    /// Makes a probe. Its first sample has no shares.
    #[must_use]
    pub fn new(root: &SystemRoot) -> Self {
        Self { root: root.clone(), cgroup_file: cgroup::memory_usage_file(root), last_ticks: None }
    }

    /// Takes one sample, stamped as given.
    pub fn sample(&mut self, at: Stamp, pss: Pss) -> ResourceSample {
        let read = |path: &str| self.root.read(path).unwrap_or_default();
        let (status, io) = (read("/proc/self/status"), read("/proc/self/io"));
        let times = parse_stat(&read("/proc/self/stat"));
        let ticks = parse_host_ticks(&read("/proc/stat"));
        let pss_bytes = match pss {
            Pss::Read => kib_field(&read("/proc/self/smaps_rollup"), "Pss"),
            Pss::Skip => None,
        };
        let shares = ticks.zip(self.last_ticks).and_then(|(now, earlier)| now.since(earlier));
        self.last_ticks = ticks;
        ResourceSample {
            at,
            rss_bytes: kib_field(&status, "VmRSS"),
            anonymous_bytes: kib_field(&status, "RssAnon"),
            pss_bytes,
            cgroup_bytes: self.cgroup_file.as_ref().and_then(|file| cgroup::read_number(&self.root, file)),
            cpu_seconds: times.as_ref().map(|times| times.cpu_seconds),
            steal_share: shares.map(|shares| shares.stolen),
            host_cpu_share: shares.map(|shares| shares.busy),
            minor_faults: times.as_ref().map(|times| times.minor_faults),
            major_faults: times.as_ref().map(|times| times.major_faults),
            read_bytes: number_field(&io, "read_bytes"),
            written_bytes: number_field(&io, "write_bytes"),
        }
    }
}

/// Takes a single sample, PSS included; shares need two samples and are `None`.
#[must_use]
pub fn sample_now(root: &SystemRoot, clock: &Clock) -> ResourceSample {
    Probe::new(root).sample(clock.now(), Pss::Read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake;

    #[test]
    fn a_sample_holds_what_the_files_say() {
        let files = [
            ("/proc/self/status", "VmRSS:\t    8 kB\nRssAnon:\t    4 kB\n"),
            ("/proc/self/stat", "7 (a) S 1 7 7 0 -1 4194304 105 0 3 0 250 50 0 0 20 0 1 0 100 0 0"),
            ("/proc/self/io", "rchar: 1\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 3\n"),
            ("/proc/self/smaps_rollup", "00-ff ---p 00:00 0 [rollup]\nRss: 8 kB\nPss: 6 kB\nPss_Dirty: 5 kB\n"),
            ("/proc/stat", "cpu  100 0 50 800 50 0 0 0 0 0\n"),
        ];
        let (_folder, root) = fake::root(&files);
        let mut probe = Probe::new(&root);
        let sample = probe.sample(Stamp::from_nanos(5), Pss::Read);
        let expected = ResourceSample {
            at: Stamp::from_nanos(5),
            rss_bytes: Some(8192),
            anonymous_bytes: Some(4096),
            pss_bytes: Some(6144),
            cpu_seconds: Some(3.0),
            minor_faults: Some(105),
            major_faults: Some(3),
            read_bytes: Some(4096),
            written_bytes: Some(8192),
            ..ResourceSample::default()
        };
        assert_eq!(sample, expected);
        std::fs::write(root.path("/proc/stat"), "cpu  150 0 60 820 60 0 0 10 0 0\n").unwrap();
        let second = probe.sample(Stamp::from_nanos(6), Pss::Skip);
        assert_eq!((second.host_cpu_share, second.steal_share, second.pss_bytes), (Some(0.6), Some(0.1), None));
    }

    #[test]
    fn an_empty_root_gives_an_empty_sample() {
        let (_folder, root) = fake::root(&[]);
        assert_eq!(Probe::new(&root).sample(Stamp::default(), Pss::Read), ResourceSample::default());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_host_tells_its_memory_and_time() {
        let sample = sample_now(&SystemRoot::host(), &Clock::start());
        assert!(sample.rss_bytes.unwrap() > 100_000);
        assert!(sample.anonymous_bytes.unwrap() <= sample.rss_bytes.unwrap());
        assert!(sample.cpu_seconds.is_some() && sample.minor_faults.unwrap() > 0);
    }
}
