//! Named baselines: the runs that later ones are held against, with where they come from.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use weighbridge_types::record::Record;

use crate::folder::RECORD_FILE;
use crate::record::read_record;
use crate::{StoreError, atomic};

/// Name of the file within the results folder.
const FILE: &str = "baselines.json";
/// Version of its form.
const VERSION: u32 = 1;

/// A run of a baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineRun {
    /// Name of the run's folder.
    pub run_id: String,
    /// SHA-256 of its record when it became part of the baseline, hexadecimal.
    pub digest: String,
}

/// How a baseline came to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Wall time, RFC 3339.
    pub at: String,
    /// Commit of the program that measured.
    pub commit: Option<String>,
    /// Why, in the words of whoever set it.
    pub because: Option<String>,
    /// What the comparison with the one before said; null for a first one.
    pub verdict: Option<String>,
    /// The runs.
    pub runs: Vec<BaselineRun>,
}

/// A baseline of a host and a branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// Its name.
    pub name: String,
    /// Branch that it stands for.
    pub branch: String,
    /// Digest of the host's environment: figures of another host do not compare.
    pub host: String,
    /// The host in words.
    pub host_words: String,
    /// Kind of its runs.
    pub kind: String,
    /// What it is now.
    pub current: Provenance,
    /// What it was before, the latest last.
    #[serde(default)]
    pub before: Vec<Provenance>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    version: u32,
    baselines: Vec<Baseline>,
}

/// The baselines of a results folder, held by one writer at a time.
#[derive(Debug)]
pub struct Baselines {
    results: PathBuf,
    stored: Stored,
    /// Released when dropped.
    _lock: Option<File>,
}

impl Baselines {
    /// Reads the baselines of a results folder; none where there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or was written by a newer program.
    pub fn read(results: &Path) -> Result<Self, StoreError> {
        Self::load(results, None)
    }

    /// The same for a change: waits until no other process changes them.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when the folder cannot be written.
    pub fn edit(results: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(results).map_err(StoreError::io("create the folder", results))?;
        let path = results.join("baselines.lock");
        let open = || {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        let lock = open().map_err(StoreError::io("lock", &path))?;
        Self::load(results, Some(lock))
    }

    fn load(results: &Path, lock: Option<File>) -> Result<Self, StoreError> {
        let path = results.join(FILE);
        let stored = if path.exists() {
            let text = fs::read_to_string(&path).map_err(StoreError::io("read", &path))?;
            let damaged = |problem: String| StoreError::Baselines { path: path.clone(), problem };
            let stored: Stored = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
            if stored.version > VERSION {
                return Err(damaged(format!("it has version {}, and this program knows {VERSION}", stored.version)));
            }
            stored
        } else {
            Stored { version: VERSION, baselines: Vec::new() }
        };
        Ok(Self { results: results.to_owned(), stored, _lock: lock })
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Baseline] {
        &self.stored.baselines
    }

    /// Those of a name, of one branch where it is given.
    pub fn named<'a>(&'a self, name: &'a str, branch: Option<&'a str>) -> impl Iterator<Item = &'a Baseline> {
        let is_it = move |of: &&Baseline| of.name == name && branch.is_none_or(|branch| of.branch == branch);
        self.stored.baselines.iter().filter(is_it)
    }

    /// The one of a name, a branch and a host.
    #[must_use]
    pub fn find(&self, name: &str, branch: &str, host: &str) -> Option<&Baseline> {
        self.stored.baselines.iter().find(|of| of.name == name && of.branch == branch && of.host == host)
    }

    /// Keeps a baseline: a first one, or in the place of the one of the same name, branch and host, which is remembered.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put(&mut self, mut baseline: Baseline) -> Result<(), StoreError> {
        let is_it =
            |of: &&mut Baseline| (&of.name, &of.branch, &of.host) == (&baseline.name, &baseline.branch, &baseline.host);
        match self.stored.baselines.iter_mut().find(is_it) {
            Some(old) => {
                baseline.before.clone_from(&old.before);
                baseline.before.push(old.current.clone());
                *old = baseline;
            }
            None => self.stored.baselines.push(baseline),
        }
        let path = self.results.join(FILE);
        let json =
            serde_json::to_vec_pretty(&self.stored).map_err(|error| StoreError::io("write", &path)(error.into()))?;
        atomic::replace(&path, &[json.as_slice(), b"\n"].concat())
    }

    /// The records of a baseline's runs.
    ///
    /// # Errors
    /// When one is gone, cannot be read, or is not what it was when the baseline was set.
    pub fn records(&self, baseline: &Baseline) -> Result<Vec<Record>, StoreError> {
        let read = |run: &BaselineRun| {
            let folder = self.results.join(&run.run_id);
            let record = read_record(&folder)?;
            if digest(&folder)? != run.digest {
                return Err(StoreError::Doctored { path: folder });
            }
            Ok(record)
        };
        baseline.current.runs.iter().map(read).collect()
    }

    /// The runs of these names as part of a baseline.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn runs<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<Vec<BaselineRun>, StoreError> {
        let run = |name: &str| Ok(BaselineRun { run_id: name.to_owned(), digest: digest(&self.results.join(name))? });
        names.into_iter().map(run).collect()
    }
}

/// SHA-256 of a run's record.
fn digest(folder: &Path) -> Result<String, StoreError> {
    let path = folder.join(RECORD_FILE);
    let bytes = fs::read(&path).map_err(StoreError::io("read", &path))?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(host: &str, because: &str) -> Baseline {
        let current = Provenance {
            at: "2026-01-01T00:00:00Z".to_owned(),
            commit: None,
            because: Some(because.to_owned()),
            verdict: None,
            runs: Vec::new(),
        };
        Baseline {
            name: "nightly".to_owned(),
            branch: "main".to_owned(),
            host: host.to_owned(),
            host_words: "a host".to_owned(),
            kind: "load".to_owned(),
            current,
            before: Vec::new(),
        }
    }

    #[test]
    fn a_new_one_remembers_the_one_before_and_hosts_stay_apart() {
        let folder = tempfile::tempdir().unwrap();
        let mut all = Baselines::edit(folder.path()).unwrap();
        all.put(baseline("a", "first")).unwrap();
        all.put(baseline("b", "other host")).unwrap();
        all.put(baseline("a", "second")).unwrap();
        drop(all);
        let all = Baselines::read(folder.path()).unwrap();
        let found = all.find("nightly", "main", "a").unwrap();
        assert_eq!(found.current.because.as_deref(), Some("second"));
        assert_eq!(found.before[0].because.as_deref(), Some("first"));
        assert_eq!(
            (all.all().len(), all.named("nightly", None).count(), all.named("nightly", Some("dev")).count()),
            (2, 2, 0)
        );
    }

    #[test]
    fn damaged_and_newer_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Baselines::read(folder.path()).unwrap().all().is_empty());
        for text in ["", "{", "{\"version\": 1}", "{\"version\": 9, \"baselines\": []}"] {
            fs::write(folder.path().join(FILE), text).unwrap();
            let error = Baselines::read(folder.path()).unwrap_err();
            assert!(matches!(error, StoreError::Baselines { .. }) && error.to_string().contains(FILE), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}") {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(FILE), text).unwrap();
            let _ = Baselines::read(folder.path());
        }
    }
}
