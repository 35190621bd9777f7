//! Where `/proc` and `/sys` are read.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Most bytes taken from one file. `cpuinfo` of 1,024 processors has about 2 MiB; nothing else comes near.
const FILE_LIMIT: u64 = 8 << 20;

/// Room for most files under `/proc` in one read; growing from nothing would take a dozen.
const FILE_USUAL: usize = 8 << 10;

/// The folder that stands for `/`: the host's own, or a fake one made by a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemRoot {
    root: PathBuf,
}

impl SystemRoot {
    /// The host itself.
    #[must_use]
    pub fn host() -> Self {
        Self::at("/")
    }

    /// A folder that holds `proc` and `sys`.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Whether this is the host's own root, where devices may be asked too.
    pub(crate) fn is_host(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where an absolute path of the system lies.
    pub(crate) fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// The text of a file; `None` when it cannot be read.
    pub(crate) fn read(&self, absolute: &str) -> Option<String> {
        let mut bytes = Vec::with_capacity(FILE_USUAL);
        File::open(self.path(absolute)).ok()?.take(FILE_LIMIT).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The text of a file of one word or line, without the space around it; `None` when it is absent or empty.
    pub(crate) fn read_line(&self, absolute: &str) -> Option<String> {
        let text = self.read(absolute)?;
        Some(text.trim().to_owned()).filter(|line| !line.is_empty())
    }

    /// The names in a folder; empty when it cannot be read.
    pub(crate) fn names(&self, absolute: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(absolute)) else {
            return Vec::new();
        };
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }
}

#[cfg(test)]
pub(crate) mod fake {
    use super::*;

    /// A root that holds the given files and lives as long as the returned folder.
    pub(crate) fn root(files: &[(&str, &str)]) -> (tempfile::TempDir, SystemRoot) {
        let folder = tempfile::tempdir().unwrap();
        let root = SystemRoot::at(folder.path());
        for (path, text) in files {
            let path = root.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        (folder, root)
    }
}
