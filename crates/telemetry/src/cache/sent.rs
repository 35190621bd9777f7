//! What was sent to which start of a server: lines of JSON in a file of the results folder, each written once.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Bytes read from the end of the file: some 30,000 runs. Older ones are no longer in any cache.
const READ_LIMIT: u64 = 8 << 20;

/// Prompts that a run sent: the same seed and data set make the same prompts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Scheme, host and port of the server. Credentials in it are taken out before it is written or compared.
    pub server: String,
    /// What tells one start of the server from another, for example its `process_start_time_seconds`; `None` where it
    /// does not say.
    pub server_start: Option<String>,
    /// The model that was asked for.
    pub model: String,
    /// The seed of the prompts.
    pub seed: u64,
    /// A digest of the data set and of the settings that shape prompts.
    pub dataset: String,
    /// When, for people.
    pub at: String,
}

/// How often the same prompts were sent to the same server and model before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prior {
    /// To the same start of it.
    pub same_start: u64,
    /// To a start that is not known to be this one or another.
    pub unknown_start: u64,
    /// To another start, whose cache is gone.
    pub other_start: u64,
}

/// The record could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{action} the record of prompts sent, `{path}`: {source}")]
pub struct SendLogError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl SendLogError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        "make the results folder writable, or choose another"
    }
}

/// Counts earlier sends of the same prompts. A file that does not exist tells none; a line that is torn or of a newer
/// form is left out.
///
/// # Errors
/// When the file exists and cannot be read.
pub fn prior_sends(path: &Path, sent: &Sent) -> Result<Prior, SendLogError> {
    let text = match read_end(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Prior::default()),
        Err(source) => return Err(SendLogError { action: "read", path: path.to_owned(), source }),
    };
    let key = |sent: &Sent| (without_credentials(&sent.server), sent.model.clone(), sent.seed, sent.dataset.clone());
    let ours = key(sent);
    let mut prior = Prior::default();
    for earlier in text.lines().filter_map(|line| serde_json::from_str::<Sent>(line).ok()) {
        if key(&earlier) != ours {
            continue;
        }
        match (&earlier.server_start, &sent.server_start) {
            (Some(earlier), Some(now)) if earlier == now => prior.same_start += 1,
            (Some(_), Some(_)) => prior.other_start += 1,
            _ => prior.unknown_start += 1,
        }
    }
    Ok(prior)
}

/// Adds one run to the record. Written in one piece at the end of the file, so that runs beside each other do not
/// overwrite what the other wrote.
///
/// # Errors
/// When the file cannot be written.
pub fn append_sent(path: &Path, sent: &Sent) -> Result<(), SendLogError> {
    let fail = |source| SendLogError { action: "write", path: path.to_owned(), source };
    let sent = Sent { server: without_credentials(&sent.server), ..sent.clone() };
    let mut line = serde_json::to_string(&sent).map_err(|error| fail(error.into()))?;
    // The line break first ends a line that a crash has torn.
    line.insert(0, '\n');
    line.push('\n');
    let mut file = OpenOptions::new().append(true).create(true).open(path).map_err(fail)?;
    file.write_all(line.as_bytes()).map_err(fail)
}

fn read_end(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(READ_LIMIT);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(READ_LIMIT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `http://name:word@host:1/` without `name:word@`.
fn without_credentials(server: &str) -> String {
    let (scheme, rest) = server.split_once("://").map_or(("", server), |(scheme, rest)| (scheme, rest));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if scheme.is_empty() { format!("{host}{path}") } else { format!("{scheme}://{host}{path}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sent(start: Option<&str>, seed: u64) -> Sent {
        Sent {
            server: "http://me:secret@host:1".to_owned(),
            server_start: start.map(str::to_owned),
            model: "m".to_owned(),
            seed,
            dataset: "abc".to_owned(),
            at: "2026-03-01T12:30:00Z".to_owned(),
        }
    }

    #[test]
    fn earlier_sends_are_counted_by_the_servers_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sent.jsonl");
        let prior = |same_start, unknown_start, other_start| Prior { same_start, unknown_start, other_start };
        let check = |now: &Sent, expected: Prior| assert_eq!(prior_sends(&path, now).unwrap(), expected);
        check(&sent(Some("a"), 1), prior(0, 0, 0));
        append_sent(&path, &sent(Some("a"), 1)).unwrap();
        std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + "{\"torn").unwrap();
        append_sent(&path, &sent(Some("b"), 1)).unwrap();
        append_sent(&path, &sent(None, 1)).unwrap();
        append_sent(&path, &sent(Some("a"), 2)).unwrap();
        check(&sent(Some("a"), 1), prior(1, 1, 1));
        check(&sent(None, 1), prior(0, 3, 0));
        check(&sent(Some("c"), 1), prior(0, 1, 2));
        check(&Sent { server: "http://host:1".to_owned(), ..sent(Some("a"), 2) }, prior(1, 0, 0));
        check(&Sent { dataset: "abd".to_owned(), ..sent(Some("a"), 1) }, prior(0, 0, 0));
        assert!(!std::fs::read_to_string(&path).unwrap().contains("secret"));
    }

    #[test]
    fn errors_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = append_sent(&folder.path().join("no/sent.jsonl"), &sent(None, 1)).unwrap_err();
        assert!(error.to_string().contains("no/sent.jsonl") && !error.hint().is_empty());
        assert!(prior_sends(folder.path(), &sent(None, 1)).is_err());
    }

    #[test]
    fn credentials_are_taken_out() {
        let check = |text: &str, expected: &str| assert_eq!(without_credentials(text), expected);
        check("http://a:b@host:1/v1?x=@", "http://host:1/v1?x=@");
        check("a@host", "host");
        check("host:1/a@b", "host:1/a@b");
        check("", "");
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("sent.jsonl");
            std::fs::write(&path, bytes).unwrap();
            prop_assert_eq!(prior_sends(&path, &sent(None, 1)).unwrap(), Prior::default());
        }
    }
}
