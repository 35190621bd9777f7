//! A file that appears whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{ModelError, Result};

/// Large enough that a quantized row chunk is one system call.
const BUFFER_BYTES: usize = 1 << 20;

/// Writes beside the target and renames at the end; removes the unfinished file when dropped.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    target: PathBuf,
    partial: PathBuf,
    file: BufWriter<File>,
    written: u64,
}

impl AtomicFile {
    pub(crate) fn create(target: &Path) -> Result<Self> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        // The process id keeps two writers of one target apart; the last rename wins whole.
        let partial = target.with_file_name(format!(".{name}.{}.partial", std::process::id()));
        let file = File::create(&partial).map_err(|error| failed(target, 0, error))?;
        Ok(Self { target: target.to_owned(), partial, file: BufWriter::with_capacity(BUFFER_BYTES, file), written: 0 })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| failed(&self.target, self.written, error))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Bytes written so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Makes the file durable and gives it its name; returns its size.
    pub(crate) fn commit(mut self) -> Result<u64> {
        let finish = |this: &mut Self| {
            this.file.flush()?;
            this.file.get_ref().sync_all()?;
            fs::rename(&this.partial, &this.target)?;
            sync_folder(&this.target)
        };
        finish(&mut self).map_err(|error| failed(&self.target, self.written, error))?;
        Ok(self.written)
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        // After a commit there is nothing left to remove; after a failure there is no better answer.
        let _ = fs::remove_file(&self.partial);
    }
}

/// The rename is durable once the folder is.
#[cfg(unix)]
fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_file: &Path) -> io::Result<()> {
    Ok(())
}

fn failed(path: &Path, written: u64, source: io::Error) -> ModelError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ModelError::DiskFull { path: path.to_owned(), written }
        }
        _ => ModelError::Io { action: "write", path: path.to_owned(), source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("model.gguf");
        let mut file = AtomicFile::create(&target).unwrap();
        file.write(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_full_disk_is_named() {
        let error = failed(Path::new("out.gguf"), 4096, io::ErrorKind::StorageFull.into());
        assert_eq!(error.to_string(), "write `out.gguf`: the disk is full after 4096 bytes");
    }

    /// `/dev/full` answers every write with "no space left".
    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_without_space_is_a_full_disk() {
        let folder = tempfile::tempdir().unwrap();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut file = AtomicFile::create(&folder.path().join("model.gguf")).unwrap();
        file.file = BufWriter::with_capacity(1, full);
        assert!(matches!(file.write(b"some bytes"), Err(ModelError::DiskFull { .. })));
    }
}
