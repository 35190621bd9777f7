//! A second process: the test binary itself, told by its environment to play one part.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

const FOLDER: &str = "WEIGHBRIDGE_CACHE_TEST_FOLDER";

/// Held while a child is started: until it runs its own program it has a copy of every open file, and of its lock.
pub(crate) static STARTING: Mutex<()> = Mutex::new(());

/// Starts this binary as a child that runs one test only, on a folder.
pub(crate) fn start(test: &str, folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact"]).env(FOLDER, folder).stdout(Stdio::null());
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    command.spawn().unwrap()
}

/// The folder to work on, when this process is such a child.
#[expect(clippy::disallowed_methods, reason = "the one way to tell a child of the test harness what to do")]
pub(crate) fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}
