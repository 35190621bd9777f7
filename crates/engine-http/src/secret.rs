//! Keys that must not be seen.

use std::fmt;
use std::sync::Arc;

/// What stands in the place of a key.
const REDACTED: &str = "[key]";

/// Characters of a key that tell something. Providers begin theirs with up to eight that all keys share, `sk-proj-`.
const LEAST_TELLING: usize = 10;

/// A key for a server. It prints as `[key]`, has no serialized form, and is taken out of what servers say.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a key; white space around it, as a file's last line has it, is no part of it.
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self(key.trim().into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// The text with the key taken out, also where the server cut it short.
    pub(crate) fn redact(&self, text: &str) -> String {
        let shortest = LEAST_TELLING.min(self.0.len());
        let ends = (shortest..=self.0.len()).rev().filter(|&end| end > 0 && self.0.is_char_boundary(end));
        ends.fold(text.to_owned(), |text, end| text.replace(&self.0[..end], REDACTED))
    }
}

/// The text with all secrets taken out.
pub(crate) fn redact_all(secrets: &[Secret], text: &str) -> String {
    secrets.iter().fold(text.to_owned(), |text, secret| secret.redact(&text))
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_print() {
        let key = Secret::new("sk-123\n");
        assert_eq!(format!("{key} {key:?}"), "[key] [key]");
        assert_eq!(key.redact("wrong key sk-123!"), "wrong key [key]!");
        assert_eq!(Secret::new("sk-0123456789abcdef").redact("wrong key sk-0123456789ab"), "wrong key [key]");
        assert_eq!(Secret::new(" ").redact("as it was"), "as it was");
    }
}
