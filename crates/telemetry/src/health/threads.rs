//! What each thread of this process used, from `/proc/self/task`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::process::{number_field, parse_stat};
use crate::root::SystemRoot;

/// Most threads that are read; a client with more has another problem.
const THREAD_LIMIT: usize = 1_024;

/// Counters of one thread since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ThreadUse {
    /// Seconds run: in nanoseconds where the kernel keeps them, else in ticks of 10 ms.
    pub(super) run: f64,
    /// Seconds ready and not run; `None` where the kernel does not keep them.
    pub(super) waited: Option<f64>,
    /// Times taken off a core while ready.
    pub(super) switched: Option<u64>,
}

/// Threads of this room: they sleep most of the time and wait for a core as any other, which holds up no stream.
const OWN: [&str; 6] = ["sampler", "gpu-sampler", "tree-sampler", "energy-sampler", "health-monitor", "calibration"];

/// Threads whose name starts with one of the prefixes, by number; all but those of this room without a prefix.
pub(super) fn threads(root: &SystemRoot, prefixes: &[String]) -> BTreeMap<u32, ThreadUse> {
    let ids = root.names("/proc/self/task").into_iter().filter_map(|name| name.parse().ok());
    ids.take(THREAD_LIMIT).filter_map(|id| Some((id, read(root, id, prefixes)?))).collect()
}

fn read(root: &SystemRoot, id: u32, prefixes: &[String]) -> Option<ThreadUse> {
    let folder = format!("/proc/self/task/{id}");
    let stat = root.read(&format!("{folder}/stat"))?;
    // The kernel cuts a thread's name to 15 letters.
    let name = stat.split_once('(')?.1.rsplit_once(')')?.0;
    let is_ours = |prefix: &String| prefix.starts_with(name) && name.len() == 15 || name.starts_with(prefix.as_str());
    let is_chosen = if prefixes.is_empty() { !OWN.contains(&name) } else { prefixes.iter().any(is_ours) };
    if !is_chosen {
        return None;
    }
    let exact = root.read(&format!("{folder}/schedstat")).and_then(|text| parse_schedstat(&text));
    let switched = root.read(&format!("{folder}/status"));
    let switched = switched.and_then(|status| number_field(&status, "nonvoluntary_ctxt_switches"));
    match exact {
        Some((run, waited)) => Some(ThreadUse { run: run.as_secs_f64(), waited: Some(waited.as_secs_f64()), switched }),
        None => Some(ThreadUse { run: parse_stat(&stat)?.cpu_seconds, waited: None, switched }),
    }
}

/// `run wait slices`, the first two in nanoseconds (Documentation/scheduler/sched-stats.rst).
fn parse_schedstat(text: &str) -> Option<(Duration, Duration)> {
    let mut words = text.split_ascii_whitespace().map(|word| word.parse().ok());
    Some((Duration::from_nanos(words.next()??), Duration::from_nanos(words.next()??)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake;

    const STAT: &str = "7 (reactor-0) S 1 7 7 0 -1 4194304 105 0 3 0 250 50 0 0 20 0 1 0 100 0 0";

    #[test]
    fn threads_are_chosen_by_name() {
        let long = STAT.replace("reactor-0", "a-very-long-nam");
        let own = STAT.replace("reactor-0", "health-monitor");
        let files = [
            ("/proc/self/task/7/stat", STAT),
            ("/proc/self/task/7/schedstat", "1500000000 250000000 12\n"),
            ("/proc/self/task/7/status", "voluntary_ctxt_switches:\t9\nnonvoluntary_ctxt_switches:\t4\n"),
            ("/proc/self/task/8/stat", long.as_str()),
            ("/proc/self/task/9/stat", "odd"),
            ("/proc/self/task/6/stat", own.as_str()),
            ("/proc/self/task/x/stat", STAT),
        ];
        let (_folder, root) = fake::root(&files);
        let check = |prefixes: &[&str], expected: &[u32]| {
            let prefixes: Vec<String> = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
            assert_eq!(threads(&root, &prefixes).into_keys().collect::<Vec<_>>(), expected, "{prefixes:?}");
        };
        check(&[], &[7, 8]);
        check(&["reactor"], &[7]);
        check(&["a-very-long-name-of-a-thread", "x"], &[8]);
        check(&["other"], &[]);
        let found = threads(&root, &[]);
        assert_eq!(found[&7], ThreadUse { run: 1.5, waited: Some(0.25), switched: Some(4) });
        assert_eq!(found[&8], ThreadUse { run: 3.0, waited: None, switched: None });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_host_tells_this_thread() {
        assert!(!threads(&SystemRoot::host(), &[]).is_empty());
    }
}
