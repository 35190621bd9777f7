//! Samples another process, by the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, ErrorKind};
use std::os::fd::OwnedFd;
use std::time::Duration;

use weighbridge_types::time::Clock;

use super::perf_records::PerfRecords;
use super::perf_ring::{Ring, open, processors};
use super::stacks::{Period, Profile};
use super::symbols::Symbols;

/// Time between two looks into the rings.
const LOOK: Duration = Duration::from_millis(100);

/// Samples that are kept of one process; the rest is counted as lost.
const MOST_SAMPLES: usize = 1_000_000;

/// A process that could not be sampled.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is none with this number.
    #[error("sample process `{pid}`: there is no such process")]
    NoProcess {
        /// The number.
        pid: u32,
    },
    /// The kernel does not let this user.
    #[error(
        "sample process `{pid}`: the kernel refused `perf_event_open` ({source}); kernel.perf_event_paranoid is `{paranoid}`"
    )]
    Refused {
        /// The number of the process.
        pid: u32,
        /// What the setting is now; `unknown` where it cannot be read.
        paranoid: String,
        /// What the kernel said.
        source: Error,
    },
    /// The kernel has no room or no support.
    #[error("sample process `{pid}`: {source}")]
    System {
        /// The number of the process.
        pid: u32,
        /// What the kernel said.
        source: Error,
    },
}

impl ProcessError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NoProcess { .. } => "`ps` lists the processes; in a container only its own are seen",
            Self::Refused { .. } => {
                "run as the user of the process, or as root; above 2, lower it with `sysctl kernel.perf_event_paranoid=2`; a container also needs CAP_PERFMON, or a seccomp profile that allows `perf_event_open`"
            }
            Self::System { .. } => {
                "each thread needs an open file for each processor: raise `ulimit -n`; locked memory is limited by `sysctl kernel.perf_event_mlock_kb`"
            }
        }
    }
}

/// Samples all threads of a process, `hertz` times in a second of processor time, until `duration` has passed, the process has
/// ended or `is_over`. Stacks are those of its own code, walked by the kernel along frame pointers: of a program that was built
/// without them only the innermost function is sure.
///
/// # Errors
/// When there is no such process, or the kernel does not let it be sampled.
pub fn profile_process(
    pid: u32,
    hertz: u32,
    duration: Duration,
    clock: Clock,
    is_over: &dyn Fn() -> bool,
) -> Result<Profile, ProcessError> {
    let hertz = hertz.max(1);
    let mut events = Events::open(pid, hertz)?;
    let mut names = BTreeMap::new();
    let mut symbols = Symbols::of_process(Some(pid));
    let (start, mut records, mut unkept) = (clock.now(), PerfRecords::default(), 0);
    loop {
        let is_last = clock.now() - start >= duration || is_over() || threads(pid).is_empty();
        for ring in &mut events.rings {
            records.read(&ring.take());
        }
        unkept += records.samples.len().saturating_sub(MOST_SAMPLES) as u64;
        records.samples.truncate(MOST_SAMPLES);
        for sample in &records.samples {
            names.entry(sample.thread).or_insert_with(|| thread_name(pid, sample.thread));
        }
        // Libraries that were loaded meanwhile; what is gone with the process was read before.
        let now = Symbols::of_process(Some(pid));
        if !now.is_empty() {
            symbols = now;
        }
        if is_last {
            break;
        }
        std::thread::sleep(LOOK.min(duration));
    }
    let mut profile = profile(&records, &names, &mut symbols, Duration::from_secs(1) / hertz);
    profile.add_lost(records.lost + unkept);
    Ok(profile)
}

fn profile(records: &PerfRecords, threads: &BTreeMap<u32, String>, symbols: &mut Symbols, period: Duration) -> Profile {
    // The innermost address is where the processor was; those above are where calls return to, one past the call.
    let call = |(place, &at): (usize, &u64)| at.saturating_sub(u64::from(place > 0));
    let addresses: BTreeSet<u64> =
        records.samples.iter().flat_map(|sample| sample.addresses.iter().enumerate().map(call)).collect();
    let names = symbols.names(&addresses);
    let start = records.samples.iter().map(|sample| sample.at).min().unwrap_or_default();
    let mut profile = Profile::new(Some(Period::Processor(period)));
    for sample in &records.samples {
        let thread = threads.get(&sample.thread).map_or("?", String::as_str);
        let mut frames: Vec<&str> = sample.addresses.iter().enumerate().map(|frame| &*names[&call(frame)]).collect();
        frames.push(thread);
        frames.reverse();
        profile.add(frames, sample.at - start, 1);
    }
    profile
}

/// What the kernel samples: a ring for each processor, shared by the threads.
struct Events {
    rings: Vec<Ring>,
    /// Events besides those that the rings hold; each is sampled while it is open.
    _others: Vec<OwnedFd>,
}

impl Events {
    fn open(pid: u32, hertz: u32) -> Result<Self, ProcessError> {
        let threads = threads(pid);
        if threads.is_empty() {
            return Err(ProcessError::NoProcess { pid });
        }
        let (mut rings, mut others) = (Vec::new(), Vec::new());
        for processor in 0..processors() {
            let mut ring: Option<Ring> = None;
            for &thread in &threads {
                let event = match open(thread, processor, hertz) {
                    Ok(event) => event,
                    // The thread has ended, or the processor is offline.
                    Err(error) if matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENODEV)) => continue,
                    Err(error) => return Err(refused(pid, error)),
                };
                match &ring {
                    None => ring = Some(Ring::new(event).map_err(|error| refused(pid, error))?),
                    Some(ring) => {
                        ring.share(&event).map_err(|error| refused(pid, error))?;
                        others.push(event);
                    }
                }
            }
            rings.extend(ring);
        }
        if rings.is_empty() { Err(ProcessError::NoProcess { pid }) } else { Ok(Self { rings, _others: others }) }
    }
}

fn refused(pid: u32, source: Error) -> ProcessError {
    if source.kind() != ErrorKind::PermissionDenied {
        return ProcessError::System { pid, source };
    }
    let paranoid = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid");
    let paranoid = paranoid.map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned());
    ProcessError::Refused { pid, paranoid, source }
}

/// Threads of a process; none where it has ended.
fn threads(pid: u32) -> Vec<u32> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn thread_name(pid: u32, thread: u32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/task/{thread}/comm"));
    name.map_or_else(|_| format!("thread {thread}"), |name| name.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_not_there_is_named() {
        let error = profile_process(u32::MAX - 1, 99, Duration::from_secs(1), Clock::start(), &|| false).unwrap_err();
        assert_eq!(error.to_string(), "sample process `4294967294`: there is no such process");
    }

    #[test]
    fn a_refusal_names_the_setting() {
        let error = refused(7, Error::from_raw_os_error(libc::EACCES));
        assert!(error.to_string().contains("kernel.perf_event_paranoid is `"), "{error}");
        assert!(error.hint().contains("sysctl kernel.perf_event_paranoid=2"));
        assert!(matches!(refused(7, Error::from_raw_os_error(libc::EMFILE)), ProcessError::System { .. }));
    }

    #[test]
    fn a_busy_process_is_seen() {
        let mut busy = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let sampled = profile_process(busy.id(), 199, Duration::from_millis(400), Clock::start(), &|| false);
        busy.kill().unwrap();
        busy.wait().unwrap();
        let profile = match sampled {
            Ok(profile) => profile,
            Err(error @ (ProcessError::Refused { .. } | ProcessError::System { .. })) => {
                println!("skipped: {error}");
                return;
            }
            Err(error) => panic!("{error}"),
        };
        assert!(profile.total() > 5, "{} samples", profile.total());
        let stacks = profile.stacks();
        assert!(stacks.keys().all(|frames| frames.len() > 1 && !frames[0].is_empty()), "{stacks:?}");
    }
}
