//! Watches another process, a server for example, with all its descendants, and a control group.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use weighbridge_types::definition as defs;
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::server::ProcessTreeSample;
use weighbridge_types::time::{Clock, Stamp};

use crate::TelemetryError;
use crate::bounded::Window;
use crate::cgroup::read_number;
use crate::figures;
use crate::probe::Pss;
use crate::process::{kib_field, number_field, parse_stat};
use crate::root::SystemRoot;
use crate::sampler::{PssPace, SamplerSettings};
use crate::ticker::{Rhythm, SamplerCost, Ticker};

/// Most processes of the host that are looked at.
const PROCESS_LIMIT: usize = 65_536;

/// What to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeTarget {
    /// Number of the first process.
    pub pid: u32,
    /// Folder of a control group under `/sys/fs/cgroup`, whose memory is read too; `None` for none.
    pub cgroup: Option<String>,
}

/// Takes samples of a process and its descendants.
///
/// A number that the kernel gave to a new process is not followed: the start time of the first process is kept.
#[derive(Clone, Debug)]
pub struct TreeProbe {
    root: SystemRoot,
    target: TreeTarget,
    cgroup_file: Option<String>,
    started: Option<u64>,
}

impl TreeProbe {
    /// Makes a probe of a process that runs now; one that does not gives samples of no process.
    #[must_use]
    pub fn new(root: &SystemRoot, target: TreeTarget) -> Self {
        let started = identity(root, target.pid).map(|identity| identity.started);
        let files = ["memory.current", "memory.usage_in_bytes"];
        let cgroup_file = target.cgroup.as_ref().and_then(|folder| {
            let mut files = files.iter().map(|file| format!("{}/{file}", folder.trim_end_matches('/')));
            files.find(|file| root.path(file).is_file())
        });
        Self { root: root.clone(), target, cgroup_file, started }
    }

    /// Takes one sample, stamped as given.
    #[must_use]
    pub fn sample(&self, at: Stamp, pss: Pss) -> ProcessTreeSample {
        let members = self.members();
        let of_each =
            |read: &dyn Fn(u32) -> Option<u64>| members.iter().filter_map(|&pid| read(pid)).reduce(u64::saturating_add);
        let status = |pid: u32| self.root.read(&format!("/proc/{pid}/status")).unwrap_or_default();
        let statuses: BTreeMap<u32, String> = members.iter().map(|&pid| (pid, status(pid))).collect();
        let pss_of = |pid: u32| kib_field(&self.root.read(&format!("/proc/{pid}/smaps_rollup"))?, "Pss");
        let cpu = members
            .iter()
            .filter_map(|pid| Some(parse_stat(&self.root.read(&format!("/proc/{pid}/stat"))?)?.cpu_seconds));
        ProcessTreeSample {
            at,
            processes: u32::try_from(members.len()).unwrap_or(u32::MAX),
            threads: of_each(&|pid| number_field(&statuses[&pid], "Threads")),
            rss_bytes: of_each(&|pid| kib_field(&statuses[&pid], "VmRSS")),
            anonymous_bytes: of_each(&|pid| kib_field(&statuses[&pid], "RssAnon")),
            pss_bytes: if pss == Pss::Read { of_each(&pss_of) } else { None },
            open_files: of_each(&|pid| self.open_files(pid)),
            cpu_seconds: cpu.reduce(|sum, seconds| sum + seconds),
            cgroup_bytes: self.cgroup_file.as_ref().and_then(|file| read_number(&self.root, file)),
        }
    }

    /// `None` where the folder belongs to another user and cannot be opened.
    fn open_files(&self, pid: u32) -> Option<u64> {
        let folder = format!("/proc/{pid}/fd");
        std::fs::read_dir(self.root.path(&folder)).ok().map(|entries| entries.count() as u64)
    }

    /// The first process and its descendants; none when it is gone.
    fn members(&self) -> BTreeSet<u32> {
        let is_first = |started| Some(started) == self.started;
        if !identity(&self.root, self.target.pid).is_some_and(|first| is_first(first.started)) {
            return BTreeSet::new();
        }
        let pids = self.root.names("/proc").into_iter().filter_map(|name| name.parse().ok());
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for pid in pids.take(PROCESS_LIMIT) {
            if let Some(found) = identity(&self.root, pid) {
                children.entry(found.parent).or_default().push(pid);
            }
        }
        let mut members = BTreeSet::from([self.target.pid]);
        let mut open = vec![self.target.pid];
        while let Some(pid) = open.pop() {
            let own = children.get(&pid).into_iter().flatten();
            open.extend(own.filter(|&&child| members.insert(child)));
        }
        members
    }
}

/// Parent and start of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    parent: u32,
    /// Ticks after boot.
    started: u64,
}

fn identity(root: &SystemRoot, pid: u32) -> Option<Identity> {
    parse_identity(&root.read(&format!("/proc/{pid}/stat"))?)
}

fn parse_identity(stat: &str) -> Option<Identity> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Identity { parent: fields.get(1)?.parse().ok()?, started: fields.get(19)?.parse().ok()? })
}

/// What a sampler leaves when it is stopped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TreeReport {
    /// Samples not drained before, in order of time.
    pub samples: Vec<ProcessTreeSample>,
    /// Samples lost to a full buffer.
    pub dropped: u64,
    /// What sampling cost.
    pub cost: SamplerCost,
}

/// Samples a process tree until it is stopped or dropped.
#[derive(Debug)]
pub struct TreeSampler {
    ticker: Ticker<ProcessTreeSample>,
}

impl TreeSampler {
    /// One sample a second: finding the descendants reads a file of every process of the host.
    #[must_use]
    pub fn settings() -> SamplerSettings {
        let second = Duration::from_secs(1);
        SamplerSettings { interval: second, pss_interval: Some(10 * second), capacity: 3_600 }
    }

    /// Starts to sample at once, on the run's clock.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(probe: TreeProbe, clock: Clock, settings: SamplerSettings) -> Result<Self, TelemetryError> {
        let rhythm = Rhythm { name: "tree-sampler", interval: settings.interval, capacity: settings.capacity };
        let mut pss = PssPace::new(settings.pss_interval);
        let root = probe.root.clone();
        let ticker = Ticker::start(&root, clock, rhythm, move |tick| Some(probe.sample(tick.at, pss.choose(tick))))?;
        Ok(Self { ticker })
    }

    /// Takes the samples gathered since the last call, in order of time.
    #[must_use]
    pub fn drain(&self) -> Vec<ProcessTreeSample> {
        self.ticker.drain()
    }

    /// Takes a last sample, stops, and hands over what is left.
    #[must_use]
    pub fn stop(self) -> TreeReport {
        let left = self.ticker.stop();
        TreeReport { samples: left.kept, dropped: left.dropped, cost: left.cost }
    }
}

/// Memory, threads, files and CPU of a watched process over a window. Growth is the work of the summary room.
#[must_use]
pub fn tree_metrics(samples: &[ProcessTreeSample], window: Window, cell: &Cell) -> Vec<Metric> {
    let inside: Vec<&ProcessTreeSample> =
        samples.iter().filter(|sample| window.contains(sample.at) && sample.processes > 0).collect();
    let why =
        if inside.is_empty() { "no sample of the process fell into the window" } else { "the host does not tell it" };
    let series = |of: fn(&ProcessTreeSample) -> Option<u64>| -> Vec<f64> {
        inside.iter().filter_map(|sample| of(sample)).map(|value| value as f64).collect()
    };
    let most = |definition, of| figures::max(definition, cell, &series(of), why);
    vec![
        most(&defs::TREE_RSS, |sample| sample.rss_bytes),
        most(&defs::TREE_PSS, |sample| sample.pss_bytes),
        most(&defs::TREE_CGROUP, |sample| sample.cgroup_bytes),
        most(&defs::TREE_THREADS, |sample| sample.threads),
        most(&defs::TREE_OPEN_FILES, |sample| sample.open_files),
        cpu_used(&inside, cell, why),
    ]
}

/// A process that ended took its CPU seconds with it, so that a fall makes the figure unknown.
fn cpu_used(inside: &[&ProcessTreeSample], cell: &Cell, why: &str) -> Metric {
    let points: Vec<(Stamp, f64)> = inside.iter().filter_map(|sample| Some((sample.at, sample.cpu_seconds?))).collect();
    let unknown = |why: &str| Metric::unavailable(&defs::TREE_CPU, Statistic::Value, cell, why);
    if points.windows(2).any(|pair| pair[1].1 < pair[0].1) {
        return unknown("a process of the tree ended within the window");
    }
    match (points.first(), points.last()) {
        (Some(first), Some(last)) if last.0 > first.0 => {
            let cores = (last.1 - first.1) / (last.0 - first.0).as_secs_f64();
            figures::one_of(&defs::TREE_CPU, Statistic::Value, cell, Some(cores), points.len(), why)
        }
        (Some(_), _) => unknown("fewer than two samples fell into the window"),
        (None, _) => unknown(why),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::root::fake;

    fn stat(pid: u32, parent: u32, ticks: u32, started: u32) -> (String, String) {
        let text = format!("{pid} (a b) S {parent} 7 7 0 -1 4194304 1 0 0 0 {ticks} 0 0 0 20 0 1 0 {started} 0 0");
        (format!("/proc/{pid}/stat"), text)
    }

    fn status(pid: u32, kib: u32) -> (String, String) {
        (format!("/proc/{pid}/status"), format!("VmRSS:\t{kib} kB\nRssAnon:\t1 kB\nThreads:\t3\n"))
    }

    fn root(files: &[(String, String)]) -> (tempfile::TempDir, SystemRoot) {
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        fake::root(&files)
    }

    fn tree() -> Vec<(String, String)> {
        let mut files = vec![stat(10, 1, 100, 5), stat(11, 10, 50, 6), stat(12, 11, 25, 7), stat(20, 1, 900, 8)];
        files.extend([status(10, 4), status(11, 8), status(20, 999)]);
        files.push(("/proc/10/fd/0".to_owned(), String::new()));
        files.push(("/proc/10/smaps_rollup".to_owned(), "Pss: 3 kB\n".to_owned()));
        files.push(("/sys/fs/cgroup/server/memory.current".to_owned(), "77\n".to_owned()));
        files
    }

    fn target(pid: u32) -> TreeTarget {
        TreeTarget { pid, cgroup: Some("/sys/fs/cgroup/server/".to_owned()) }
    }

    #[test]
    fn a_tree_is_added_up() {
        let (_folder, root) = root(&tree());
        let probe = TreeProbe::new(&root, target(10));
        let expected = ProcessTreeSample {
            at: Stamp::from_nanos(4),
            processes: 3,
            threads: Some(6),
            rss_bytes: Some(12 << 10),
            anonymous_bytes: Some(2 << 10),
            pss_bytes: Some(3 << 10),
            open_files: Some(1),
            cpu_seconds: Some(1.75),
            cgroup_bytes: Some(77),
        };
        assert_eq!(probe.sample(Stamp::from_nanos(4), Pss::Read), expected);
        assert_eq!(probe.sample(Stamp::from_nanos(4), Pss::Skip).pss_bytes, None);
    }

    #[test]
    fn a_number_given_to_a_new_process_is_not_followed() {
        let (_folder, root) = root(&tree());
        let probe = TreeProbe::new(&root, target(10));
        std::fs::write(root.path("/proc/10/stat"), stat(10, 1, 100, 99).1).unwrap();
        let sample = probe.sample(Stamp::default(), Pss::Read);
        assert_eq!((sample.processes, sample.rss_bytes, sample.cgroup_bytes), (0, None, Some(77)));
        assert_eq!(TreeProbe::new(&root, target(33)).sample(Stamp::default(), Pss::Read).processes, 0);
    }

    #[test]
    fn figures_are_of_the_window() {
        let sample = |at: u64, rss, cpu| ProcessTreeSample {
            at: Stamp::from_nanos(at * 1_000_000_000),
            processes: 1,
            rss_bytes: Some(rss),
            cpu_seconds: Some(cpu),
            ..ProcessTreeSample::default()
        };
        let window = Window { from: Stamp::from_nanos(1_000_000_000), to: Stamp::from_nanos(5_000_000_000) };
        let check = |samples: &[ProcessTreeSample], index: usize, expected: Result<f64, &str>| {
            let metric = &tree_metrics(samples, window, &Cell::default())[index];
            match expected {
                Ok(value) => assert_eq!(metric.value, Some(value)),
                Err(reason) => assert!(metric.reason.as_ref().unwrap().contains(reason), "{metric:?}"),
            }
        };
        let samples = [sample(0, 99, 0.0), sample(1, 10, 1.0), sample(3, 30, 5.0), sample(5, 20, 9.0)];
        check(&samples, 0, Ok(30.0));
        check(&samples, 1, Err("does not tell"));
        check(&samples, 5, Ok(2.0));
        check(&samples[..2], 5, Err("fewer than two"));
        check(&[sample(1, 1, 5.0), sample(2, 1, 4.0)], 5, Err("ended"));
        check(&[], 5, Err("no sample"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_a_tree() {
        let root = SystemRoot::host();
        let probe = TreeProbe::new(&root, TreeTarget { pid: std::process::id(), cgroup: None });
        let sampler = TreeSampler::start(probe, Clock::start(), TreeSampler::settings()).unwrap();
        let report = sampler.stop();
        assert!(report.samples.len() >= 2);
        let first = report.samples[0];
        assert!(first.processes >= 1 && first.rss_bytes.unwrap() > 100_000 && first.open_files.unwrap() > 0);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,120}") {
            let _ = (parse_identity(&text), parse_identity(&format!("1 (x) {text}")));
        }
    }
}
