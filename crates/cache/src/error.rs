//! What can go wrong with a cache.

use std::io;
use std::path::{Path, PathBuf};

/// A cache that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The file system refused.
    #[error("{action} `{}`: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file is of another form.
    #[error("read `{}`: it is no file of a cache, or one of another version", path.display())]
    Form {
        /// The file.
        path: PathBuf,
    },
    /// An answer is too long.
    #[error("keep an answer of {bytes} bytes: at most {limit} are kept")]
    TooLong {
        /// Its bytes.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// A request has no form in JSON.
    #[error("name a request: {0}")]
    Request(#[from] serde_json::Error),
}

impl CacheError {
    pub(crate) fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free some space, or give the cache a smaller bound; what it holds is valid"
            }
            Self::Io { .. } => "name a folder that can be made and written",
            Self::Form { .. } => "name the folder of a cache, or move the file away",
            Self::TooLong { .. } => "ask for shorter answers, or leave the cache out",
            Self::Request(_) => "report this as a bug",
        }
    }
}
