//! Bounds that a process sets itself.

use weighbridge_types::units::ByteSize;

use crate::failure::Failure;

/// Bounds what this process may take. Beyond it an allocation fails, and the process ends; files that are mapped to be read do
/// not count.
pub(crate) fn memory(limit: ByteSize) -> Result<(), Failure> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let bounds = Rlimit { current: Some(limit.0), maximum: Some(limit.0) };
    setrlimit(Resource::Data, bounds).map_err(|error| {
        let what = format!("bound the memory of this process to {} bytes: {error}", limit.0);
        Failure::usage(what, "give more memory, or leave the bound out")
    })
}
