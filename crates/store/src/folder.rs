//! The folder of one run.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use weighbridge_types::time::WallTime;

use crate::StoreError;

/// Name of the record within a run's folder.
pub(crate) const RECORD_FILE: &str = "record.json";
/// Name of the event log within a run's folder.
pub(crate) const LOG_FILE: &str = "events.jsonl.zst";
/// Runs of one kind and label that may begin within one second; more would be a loop gone wild.
const SAME_SECOND_LIMIT: u32 = 1000;

/// The folder of one run, locked for this process.
///
/// The lock lies on the event log itself: the kernel gives it back when the process ends, however it ends, so that a
/// killed run can be resumed at once and no lock is ever stale.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    run_id: String,
    log: File,
}

impl RunFolder {
    /// Makes `<results>/<time>-<kind>-<label>/` and locks it. A second run of the same name and second gets `-2`.
    ///
    /// Call it before anything is measured: it proves that the results can be written.
    ///
    /// # Errors
    /// When a name is not allowed, or the folder cannot be made and written.
    pub fn create(results: &Path, kind: &str, label: &str, at: WallTime) -> Result<Self, StoreError> {
        check_name(kind)?;
        check_name(label)?;
        fs::create_dir_all(results).map_err(StoreError::io("create the folder", results))?;
        let name = format!("{}-{kind}-{label}", at.compact());
        for number in 1..=SAME_SECOND_LIMIT {
            let run_id = if number == 1 { name.clone() } else { format!("{name}-{number}") };
            let path = results.join(&run_id);
            match fs::create_dir(&path) {
                Ok(()) => return Self::lock(path, run_id),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(StoreError::io("create the folder", &path)(error)),
            }
        }
        let exists = io::Error::from(io::ErrorKind::AlreadyExists);
        Err(StoreError::io("create the folder", &results.join(name))(exists))
    }

    /// Opens a run to resume it, and locks it. The path is the folder's, or its record's.
    ///
    /// # Errors
    /// When there is no run, another process is writing it, or it cannot be written.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let folder = folder_of(path);
        if !folder.join(RECORD_FILE).is_file() && !folder.join(LOG_FILE).is_file() {
            return Err(StoreError::NoRun { path: path.to_owned() });
        }
        // The name may be `.`; the run is named after the folder itself.
        let folder = folder.canonicalize().map_err(StoreError::io("open the folder", path))?;
        let run_id = folder.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let run_id = run_id.ok_or_else(|| StoreError::NoRun { path: path.to_owned() })?;
        Self::lock(folder, run_id)
    }

    fn lock(path: PathBuf, run_id: String) -> Result<Self, StoreError> {
        let log_path = path.join(LOG_FILE);
        let mut options = OpenOptions::new();
        let log = options.create(true).read(true).append(true).open(&log_path);
        let log = log.map_err(StoreError::io("open", &log_path))?;
        match log.try_lock() {
            Ok(()) => Ok(Self { path, run_id, log }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path }),
            Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &log_path)(error)),
        }
    }

    /// Where the folder is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Name of the run: the folder's name.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Where the record is, or will be.
    #[must_use]
    pub fn record_path(&self) -> PathBuf {
        self.path.join(RECORD_FILE)
    }

    /// Where the event log is.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.path.join(LOG_FILE)
    }

    /// The open, locked log.
    pub(crate) fn log(&self) -> &File {
        &self.log
    }
}

/// The run's folder for a path that names it or one of its files.
pub(crate) fn folder_of(path: &Path) -> &Path {
    let is_file_of_run = path.file_name().is_some_and(|name| name == RECORD_FILE || name == LOG_FILE);
    match path.parent() {
        Some(parent) if is_file_of_run && parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) if is_file_of_run => parent,
        _ => path,
    }
}

fn check_name(name: &str) -> Result<(), StoreError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let starts_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if starts_well && name.len() <= 64 && name.bytes().all(is_allowed) {
        Ok(())
    } else {
        Err(StoreError::Name { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: WallTime = WallTime::from_unix_millis(1_772_368_200_250);

    #[test]
    fn names_are_checked() {
        let check = |name: &str, allowed| assert_eq!(check_name(name).is_ok(), allowed, "{name}");
        check("qwen2.5-0.5b_q8", true);
        check("", false);
        check("../up", false);
        check(".hidden", false);
        check("-flag", false);
        check("a/b", false);
        check("größe", false);
        check(&"x".repeat(65), false);
    }

    #[test]
    fn the_name_tells_time_kind_and_label_and_is_unique() {
        let results = tempfile::tempdir().unwrap();
        let first = RunFolder::create(results.path(), "bench", "tiny", NOON).unwrap();
        let second = RunFolder::create(results.path(), "bench", "tiny", NOON).unwrap();
        assert_eq!(first.run_id(), "20260301T123000Z-bench-tiny");
        assert_eq!(second.run_id(), "20260301T123000Z-bench-tiny-2");
        assert!(first.log_path().is_file() && first.path().ends_with(first.run_id()));
    }

    #[test]
    fn one_writer_at_a_time() {
        let results = tempfile::tempdir().unwrap();
        let first = RunFolder::create(results.path(), "bench", "tiny", NOON).unwrap();
        let path = first.path().to_owned();
        assert!(matches!(RunFolder::open(&path), Err(StoreError::Locked { .. })));
        drop(first);
        assert_eq!(RunFolder::open(&path).unwrap().run_id(), "20260301T123000Z-bench-tiny");
        assert!(RunFolder::open(&path.join(RECORD_FILE)).is_ok());
    }

    #[test]
    fn a_folder_without_a_run_is_refused() {
        let results = tempfile::tempdir().unwrap();
        let error = RunFolder::open(results.path()).unwrap_err();
        assert!(matches!(error, StoreError::NoRun { .. }));
        assert!(error.hint().contains("history"));
    }

    #[test]
    fn a_file_in_the_way_is_a_typed_error_with_advice() {
        let results = tempfile::tempdir().unwrap();
        let file = results.path().join("results");
        fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("below")] {
            let error = RunFolder::create(&path, "bench", "tiny", NOON).unwrap_err();
            assert!(error.hint().contains("--output-dir"), "{error}: {}", error.hint());
        }
    }
}
