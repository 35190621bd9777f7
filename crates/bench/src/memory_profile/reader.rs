//! Whose memory is read, and how.

use std::sync::Mutex;

use weighbridge_telemetry::{GroupProbe, Heap, Probe, Pss, SystemRoot, TreeProbe, TreeTarget};
use weighbridge_types::memory_profile::Watched;
use weighbridge_types::time::Stamp;

use super::MemoryProfileError;

/// Memory at one moment, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// Resident anonymous memory.
    pub(super) floor_bytes: u64,
    /// Resident memory with files; of a control group, what is charged to it.
    pub(super) rss_bytes: Option<u64>,
    /// What the allocator of this process has given out.
    pub(super) heap_bytes: Option<u64>,
}

/// Reads the memory of what is watched.
#[derive(Debug)]
pub struct MemoryReader {
    watched: Watched,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Own(Box<Mutex<Probe>>),
    Tree(TreeProbe),
    Group(GroupProbe),
}

impl MemoryReader {
    /// A reader of what is watched.
    ///
    /// # Errors
    /// [`MemoryProfileError::Unreadable`] where the folder is no control group that counts memory.
    pub fn new(root: &SystemRoot, watched: Watched) -> Result<Self, MemoryProfileError> {
        let source = match &watched {
            Watched::ThisProcess => Source::Own(Box::new(Mutex::new(Probe::new(root)))),
            Watched::Process { pid } => Source::Tree(TreeProbe::new(root, TreeTarget { pid: *pid, cgroup: None })),
            Watched::ControlGroup { folder } => match GroupProbe::new(root, folder) {
                Some(probe) => Source::Group(probe),
                None => return Err(unreadable(&watched)),
            },
        };
        Ok(Self { watched, source })
    }

    /// What is watched.
    #[must_use]
    pub const fn watched(&self) -> &Watched {
        &self.watched
    }

    /// Memory limit of a control group that is watched, bytes.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        match &self.source {
            Source::Group(group) => group.limit(),
            Source::Own(_) | Source::Tree(_) => None,
        }
    }

    pub(super) fn read(&self, at: Stamp) -> Option<Reading> {
        match &self.source {
            Source::Own(probe) => {
                let sample = probe.lock().ok()?.sample(at, Pss::Skip);
                let heap_bytes = Heap::read().map(|heap| heap.used);
                Some(Reading { floor_bytes: sample.anonymous_bytes?, rss_bytes: sample.rss_bytes, heap_bytes })
            }
            Source::Tree(probe) => {
                let sample = probe.sample(at, Pss::Skip);
                Some(Reading { floor_bytes: sample.anonymous_bytes?, rss_bytes: sample.rss_bytes, heap_bytes: None })
            }
            Source::Group(probe) => {
                let sample = probe.sample();
                Some(Reading {
                    floor_bytes: sample.anonymous_bytes?,
                    rss_bytes: sample.charged_bytes,
                    heap_bytes: None,
                })
            }
        }
    }

    pub(super) fn whose(&self) -> String {
        whose(&self.watched)
    }

    pub(super) fn unreadable(&self) -> MemoryProfileError {
        unreadable(&self.watched)
    }
}

fn whose(watched: &Watched) -> String {
    match watched {
        Watched::ThisProcess => "this process".to_owned(),
        Watched::Process { pid } => format!("process {pid}"),
        Watched::ControlGroup { folder } => format!("control group `{folder}`"),
    }
}

fn unreadable(watched: &Watched) -> MemoryProfileError {
    let problem = match watched {
        Watched::ThisProcess => "the system does not tell it",
        Watched::Process { .. } => "there is no such process, or it belongs to somebody else",
        Watched::ControlGroup { .. } => "there is no `memory.stat` that counts its memory",
    };
    MemoryProfileError::Unreadable { whose: whose(watched), problem }
}
