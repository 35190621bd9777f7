//! CPU profiles: which functions the processor was in, sampled many times a second.
//!
//! A [`Profile`] is a bag of weighted stacks. It is read and written as collapsed text ([`collapsed`]) and as pprof's
//! protobuf ([`pprof`]), drawn as a flame graph ([`flame_graph`], and [`difference_graph`] of two), and listed as
//! [`hotspots`].
//!
//! [`CpuProfiler`] samples this process; frames of a thread that an engine has marked begin with its stage.
//! [`AllocationProfiler`] samples what it allocates.
//! [`profile_process`] samples another one.
//!
//! All forms are our own and small. The usual crate for flame graphs has a licence that this project does not take, and
//! code that pulls a protobuf compiler for one message costs more than the message.

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod allocations;
pub mod collapsed;
mod cpu;
mod error;
mod flame;
mod hotspots;
mod names;
#[cfg(target_os = "linux")]
mod perf_records;
#[cfg(target_os = "linux")]
mod perf_ring;
pub mod pprof;
#[cfg(target_os = "linux")]
mod process;
mod runs;
mod sites;
mod speed;
mod stacks;
mod stages;
mod svg;
mod symbols;
mod wire;

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub use allocations::{AllocationProfiler, WatchedAllocator};
pub use cpu::{CpuError, CpuProfiler, HERTZ};
pub use error::FormError;
pub use flame::{difference_graph, flame_graph};
pub use hotspots::{Hotspot, difference_text, hotspots, hotspots_text};
#[cfg(target_os = "linux")]
pub use process::{ProcessError, profile_process};
pub use runs::note_run;
pub use sites::allocation_sites;
pub use speed::{BySpeed, Span, by_speed};
pub use stacks::{Period, Profile, ProfiledRun, Sample};
pub use stages::stage_shares;
pub use symbols::{ElfSymbols, ReadAt};

/// Reads a profile of either form: pprof, also when compressed with gzip, or collapsed text.
///
/// # Errors
/// When the bytes are neither, or hold no sample.
pub fn read(bytes: &[u8]) -> Result<Profile, FormError> {
    let inflated = pprof::inflate(bytes)?;
    let bytes = inflated.as_deref().unwrap_or(bytes);
    let profile = match text(bytes) {
        Some(text) => collapsed::read(text)?,
        None => pprof::read(bytes)?,
    };
    if profile.total() == 0 { Err(FormError::Empty) } else { Ok(profile) }
}

/// The bytes as text, where they can be: a protobuf message of any use has bytes that no line of text has.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let is_odd = |char: char| char.is_control() && !matches!(char, '\n' | '\r' | '\t');
    (!text.chars().any(is_odd)).then_some(text)
}
