//! Reads what the client used since the last reading.

use std::collections::BTreeMap;

use weighbridge_types::health::HealthSample;
use weighbridge_types::time::{Stamp, WallTime};

use super::network::{TcpCounts, tcp_counts};
use super::threads::{ThreadUse, threads};
use crate::process::{HostTicks, parse_host_ticks, parse_stat};
use crate::root::SystemRoot;

/// Reads periods one after the other. It looks at this process and its host and changes nothing.
#[derive(Clone, Debug)]
pub struct HealthWatch {
    root: SystemRoot,
    reactor_threads: Vec<String>,
    last: Reading,
}

#[derive(Clone, Debug)]
struct Reading {
    at: Stamp,
    wall: WallTime,
    threads: BTreeMap<u32, ThreadUse>,
    cpu_seconds: Option<f64>,
    major_faults: Option<u64>,
    ticks: Option<HostTicks>,
    tcp: Option<TcpCounts>,
}

impl Reading {
    fn take(root: &SystemRoot, reactor_threads: &[String], at: Stamp, wall: WallTime) -> Self {
        let times = root.read("/proc/self/stat").and_then(|text| parse_stat(&text));
        Self {
            at,
            wall,
            threads: threads(root, reactor_threads),
            cpu_seconds: times.as_ref().map(|times| times.cpu_seconds),
            major_faults: times.as_ref().map(|times| times.major_faults),
            ticks: root.read("/proc/stat").and_then(|text| parse_host_ticks(&text)),
            tcp: tcp_counts(root),
        }
    }
}

impl HealthWatch {
    /// Starts the first period. Reactor threads are those whose name starts with one of the prefixes; without a
    /// prefix every thread counts.
    #[must_use]
    pub fn start(root: &SystemRoot, reactor_threads: Vec<String>, at: Stamp, wall: WallTime) -> Self {
        let last = Reading::take(root, &reactor_threads, at, wall);
        Self { root: root.clone(), reactor_threads, last }
    }

    /// Ends a period and starts the next.
    pub fn sample(&mut self, at: Stamp, wall: WallTime) -> HealthSample {
        let now = Reading::take(&self.root, &self.reactor_threads, at, wall);
        let last = std::mem::replace(&mut self.last, now.clone());
        let seconds = (now.at - last.at).as_secs_f64();
        let per_second = |gain: f64| (seconds > 0.0).then(|| (gain / seconds).max(0.0));
        let reactors = Reactors::between(&last.threads, &now.threads);
        let shares = now.ticks.zip(last.ticks).and_then(|(now, last)| now.since(last));
        let tcp = |of: fn(TcpCounts) -> u64| Some(of(now.tcp?).saturating_sub(of(last.tcp?)));
        HealthSample {
            from: last.at,
            to: now.at,
            reactor_busy: reactors.run.and_then(per_second).map(|share| share.min(1.0)),
            run_queue_wait: reactors.waited.and_then(per_second).map(|share| share.min(1.0)),
            involuntary_switches: reactors.switched.and_then(|count| per_second(count as f64)),
            process_cpu: now.cpu_seconds.zip(last.cpu_seconds).and_then(|(now, last)| per_second(now - last)),
            steal_share: shares.map(|shares| shares.stolen),
            host_cpu_share: shares.map(|shares| shares.busy),
            runnable: self.root.read_line("/proc/loadavg").and_then(|line| runnable(&line)),
            major_faults: now.major_faults.zip(last.major_faults).map(|(now, last)| now.saturating_sub(last)),
            open_files_share: open_files_share(&self.root),
            clock_step_ms: Some(clock_step(&last, &now)),
            segments_sent: tcp(|counts| counts.sent),
            segments_again: tcp(|counts| counts.again),
            network_errors: tcp(|counts| counts.errors),
        }
    }
}

/// Gains of the reactor threads that lived through the period.
#[derive(Debug, Default, PartialEq)]
struct Reactors {
    run: Option<f64>,
    waited: Option<f64>,
    switched: Option<u64>,
}

impl Reactors {
    /// The most of run and wait, because one full thread holds up its own streams however idle the others are.
    fn between(last: &BTreeMap<u32, ThreadUse>, now: &BTreeMap<u32, ThreadUse>) -> Self {
        let pairs = || now.iter().filter_map(|(id, now)| Some((*now, *last.get(id)?)));
        Self {
            run: pairs().map(|(now, last)| now.run - last.run).max_by(f64::total_cmp),
            waited: pairs().filter_map(|(now, last)| Some(now.waited? - last.waited?)).max_by(f64::total_cmp),
            switched: pairs()
                .filter_map(|(now, last)| Some(now.switched?.saturating_sub(last.switched?)))
                .reduce(u64::saturating_add),
        }
    }
}

/// Wall time that passed − monotonic time that passed. The wall clock is read to the millisecond.
fn clock_step(last: &Reading, now: &Reading) -> f64 {
    let wall = now.wall.unix_millis() as f64 - last.wall.unix_millis() as f64;
    wall - (now.at - last.at).as_secs_f64() * 1e3
}

/// The fourth word of `loadavg`, `running/all`; one of them is the reader itself.
fn runnable(line: &str) -> Option<u64> {
    line.split_ascii_whitespace().nth(3)?.split_once('/')?.0.parse().ok()
}

fn open_files_share(root: &SystemRoot) -> Option<f64> {
    let open = root.names("/proc/self/fd").len();
    let limits = root.read("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_ascii_whitespace().next()? {
        "unlimited" => Some(0.0),
        soft => soft.parse::<f64>().ok().filter(|&soft| soft > 0.0 && open > 0).map(|soft| open as f64 / soft),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::root::fake;

    const FILES: [(&str, &str); 9] = [
        ("/proc/self/stat", "7 (a) S 1 7 7 0 -1 4194304 105 0 3 0 250 50 0 0 20 0 1 0 100 0 0"),
        ("/proc/self/task/7/stat", "7 (reactor) S 1 7 7 0 -1 4194304 105 0 3 0 250 50 0 0 20 0 1 0 100 0 0"),
        ("/proc/self/task/7/schedstat", "1000000000 0 1"),
        ("/proc/self/task/7/status", "nonvoluntary_ctxt_switches:\t4\n"),
        ("/proc/stat", "cpu  100 0 50 800 50 0 0 0 0 0\n"),
        ("/proc/loadavg", "0.10 0.70 0.94 3/91 30082\n"),
        ("/proc/self/limits", "Limit  Soft Limit  Hard Limit  Units\nMax open files            8  20  files\n"),
        ("/proc/self/fd/0", ""),
        ("/proc/self/net/snmp", "Tcp: AttemptFails OutSegs RetransSegs InErrs\nTcp: 0 100 0 0\n"),
    ];

    #[test]
    fn a_period_holds_what_changed() {
        let (_folder, root) = fake::root(&FILES);
        let wall = WallTime::from_unix_millis;
        let mut watch = HealthWatch::start(&root, vec!["reactor".to_owned()], Stamp::from_nanos(0), wall(5_000));
        let write = |path: &str, text: &str| fs::write(root.path(path), text).unwrap();
        write("/proc/self/stat", "7 (a) S 1 7 7 0 -1 4194304 105 0 8 0 350 50 0 0 20 0 1 0 100 0 0");
        write("/proc/self/task/7/schedstat", "2500000000 500000000 9");
        write("/proc/self/task/7/status", "nonvoluntary_ctxt_switches:\t10\n");
        write("/proc/stat", "cpu  150 0 60 820 60 0 0 10 0 0\n");
        write("/proc/self/net/snmp", "Tcp: AttemptFails OutSegs RetransSegs InErrs\nTcp: 1 200 5 2\n");
        let two_seconds = Stamp::from_nanos(2_000_000_000);
        let expected = HealthSample {
            from: Stamp::default(),
            to: two_seconds,
            reactor_busy: Some(0.75),
            run_queue_wait: Some(0.25),
            involuntary_switches: Some(3.0),
            process_cpu: Some(0.5),
            steal_share: Some(0.1),
            host_cpu_share: Some(0.6),
            runnable: Some(3),
            major_faults: Some(5),
            open_files_share: Some(0.125),
            clock_step_ms: Some(-500.0),
            segments_sent: Some(100),
            segments_again: Some(5),
            network_errors: Some(3),
        };
        assert_eq!(watch.sample(two_seconds, wall(6_500)), expected);
        let empty = watch.sample(two_seconds, wall(6_500));
        assert_eq!((empty.reactor_busy, empty.process_cpu, empty.clock_step_ms), (None, None, Some(0.0)));
    }

    #[test]
    fn an_empty_root_tells_nothing() {
        let (_folder, root) = fake::root(&[]);
        let wall = WallTime::from_unix_millis(0);
        let mut watch = HealthWatch::start(&root, Vec::new(), Stamp::default(), wall);
        let sample = watch.sample(Stamp::default(), wall);
        assert_eq!(sample, HealthSample { clock_step_ms: Some(0.0), ..HealthSample::default() });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_host_tells_its_files_and_limits() {
        let share = open_files_share(&SystemRoot::host()).unwrap();
        assert!((0.0..1.0).contains(&share));
    }
}
