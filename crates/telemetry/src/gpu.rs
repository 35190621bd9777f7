//! Graphics processors.

use weighbridge_types::environment::Gpu;

use crate::root::SystemRoot;

/// The graphics processors, or why there are none.
pub(crate) fn gpus(root: &SystemRoot) -> Result<Vec<Gpu>, String> {
    if !root.is_host() {
        return Err("devices are read on the host only".to_owned());
    }
    Err("no driver".to_owned())
}
