//! How many files this process may have open: each connection is one.

use weighbridge_load::{LoadSettings, Shape};

use crate::failure::Failure;

/// Files that a run needs besides its connections: its records, its event loops, what it reads of the system.
const OWN_FILES: u64 = 48;

/// Raises this process's soft limit to the hard one, as a process may for itself, and refuses a load that needs more
/// connections than that. A load whose connections are not known beforehand may still run into the limit: then its
/// requests fail, and say why.
pub(crate) fn allow(settings: &LoadSettings) -> Result<(), Failure> {
    let Some(limit) = raised() else { return Ok(()) };
    let levels = settings.shapes.iter().map(|shape| match shape {
        Shape::Concurrency(level) => *level,
        Shape::Arrivals(_) | Shape::Trace => 0,
    });
    let most = u64::from(levels.max().unwrap_or(0));
    if most.saturating_add(OWN_FILES) <= limit {
        return Ok(());
    }
    let what =
        format!("hold `{most}` requests in flight: this process may have {limit} files open, connections among them");
    let within = limit.saturating_sub(OWN_FILES);
    let lower = if within > 0 { format!(", or lower `--concurrency` to {within}") } else { String::new() };
    Err(Failure::usage(what, format!("allow more with `ulimit -n {}`{lower}", most + OWN_FILES)))
}

/// The limit after it was raised; `None` where there is none, or it cannot be told.
#[cfg(unix)]
fn raised() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // A hard limit beyond reason is a system without one; some systems refuse to raise as far.
    let wanted = maximum.unwrap_or(MOST_FILES).min(MOST_FILES);
    if current.is_some_and(|current| current < wanted)
        && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_ok()
    {
        return Some(wanted);
    }
    current
}

/// More connections than one address has ports.
#[cfg(unix)]
const MOST_FILES: u64 = 1 << 17;

#[cfg(not(unix))]
fn raised() -> Option<u64> {
    None
}
