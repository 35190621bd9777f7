//! Samples this process during a piece of work, and writes what was seen.

use std::path::Path;

use weighbridge_telemetry::profile::{
    CpuError, CpuProfiler, HERTZ, Period, Profile, collapsed, flame_graph, hotspots, hotspots_text, pprof,
};

use crate::arguments::ProfileFlag;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Functions in the file of hotspots.
const HOTSPOTS: usize = 100;

/// Does the work of a verb, and samples what its flag asks for.
///
/// # Errors
/// As [`during`].
pub(crate) fn flagged<T>(
    flag: &ProfileFlag,
    name: &str,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let memory = format!("{name}_allocations");
    during(flag.folder(), name, || allocations_of(flag.allocations_folder(), &memory, work)?.0)
}

/// Does the work, and samples all threads of this process meanwhile when there is a folder: then `NAME_profile.svg`,
/// `NAME_profile.pb`, `NAME_profile.collapsed.txt` and `NAME_hotspots.txt` lie there afterwards, also when the work failed.
///
/// # Errors
/// That of the work; or when the folder cannot be written or this process cannot be sampled, before the work begins.
pub(crate) fn during<T>(
    folder: Option<&Path>,
    name: &str,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let Some(folder) = folder else { return work() };
    make(folder)?;
    let profiler = CpuProfiler::start(HERTZ).map_err(|error| refused(&error))?;
    let worked = work();
    conclude(&profiler.stop(), folder, name, "this process did not compute for a hundredth of a second");
    worked
}

/// What became of work, and where it allocated memory.
type Allocated<T> = (Result<T, Failure>, Option<Profile>);

/// Does the work, and samples where this process allocates memory meanwhile when there is a folder, as [`during`]; what was seen
/// comes back as well.
///
/// # Errors
/// When the folder cannot be written or this process cannot be sampled, before the work begins.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn allocations_of<T>(
    folder: Option<&Path>,
    name: &str,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<Allocated<T>, Failure> {
    use weighbridge_telemetry::profile::{AllocationProfiler, WatchedAllocator};

    #[global_allocator]
    static ALLOCATOR: WatchedAllocator = WatchedAllocator;

    let Some(folder) = folder else { return Ok((work(), None)) };
    make(folder)?;
    let profiler = AllocationProfiler::start().map_err(|error| refused(&error))?;
    let worked = work();
    let profile = profiler.stop();
    conclude(&profile, folder, name, "no thread allocated 512 KiB");
    Ok((worked, Some(profile)))
}

/// The same where allocations cannot be sampled.
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub(crate) fn allocations_of<T>(
    folder: Option<&Path>,
    _: &str,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<Allocated<T>, Failure> {
    if folder.is_some() { Err(refused(&CpuError::Unsupported)) } else { Ok((work(), None)) }
}

fn refused(error: &CpuError) -> Failure {
    Failure::from_error(Exit::Invalid, error, error.hint())
}

/// The work is done: what it says matters more than its profile, so that a profile that cannot be written is only told.
fn conclude(profile: &Profile, folder: &Path, name: &str, why_empty: &str) {
    if profile.total() == 0 {
        output::talk(&format!("note: no profile was written: {why_empty}"));
    } else if let Err(failure) = write(profile, folder, name) {
        output::fail(&failure.text());
    }
}

/// Makes the folder, and tells now whether a file can be written there.
pub(crate) fn make(folder: &Path) -> Result<(), Failure> {
    let made = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder).map(drop));
    made.map_err(|error| unwritable(folder, &error))
}

/// Writes a profile in every form, and says where and what the hottest function is.
pub(crate) fn write(profile: &Profile, folder: &Path, name: &str) -> Result<(), Failure> {
    let path = |end: &str| folder.join(format!("{name}_{end}"));
    let picture = path("profile.svg");
    output::file(&picture, flame_graph(&title(name, profile), profile))?;
    output::file(&path("profile.pb"), pprof::write(profile))?;
    output::file(&path("profile.collapsed.txt"), collapsed::write(profile))?;
    output::file(&path("hotspots.txt"), hotspots_text(profile, HOTSPOTS))?;
    let samples = profile.total();
    let hottest =
        hotspots(profile).first().map_or_else(String::new, |first| format!(", most of them in {}", first.name));
    output::talk(&format!("profile {}: {samples} samples{hottest}", picture.display()));
    Ok(())
}

/// What the flame graph of a profile is called.
pub(crate) fn title(name: &str, profile: &Profile) -> String {
    match profile.period() {
        Some(Period::Allocated(_)) => format!("{name}: where memory was allocated"),
        Some(Period::Processor(_)) => format!("{name}: where the processor was"),
        None => name.to_owned(),
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    let what = format!("write `{}`: {error}", path.display());
    Failure::usage(what, "name a folder that exists or can be made, and that can be written")
}
