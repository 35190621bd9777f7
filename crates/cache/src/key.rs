//! The name of an answer: a digest of the whole request.

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::CacheError;

/// SHA-256 of everything that decides an answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub(crate) [u8; Self::LENGTH]);

impl Key {
    /// Bytes of a key.
    pub const LENGTH: usize = 32;

    /// The digest of a request as canonical JSON: names are sorted, so that the order of fields does not matter.
    ///
    /// # Errors
    /// When the request has no form in JSON.
    pub fn of(request: &impl Serialize) -> Result<Self, CacheError> {
        // A value's objects are sorted maps; a struct's fields stand in the order of its declaration.
        let canonical = serde_json::to_value(request)?;
        Ok(Self(Sha256::digest(serde_json::to_vec(&canonical)?).into()))
    }

    /// Its digits.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().fold(String::with_capacity(2 * Self::LENGTH), |text, byte| text + &format!("{byte:02x}"))
    }

    pub(crate) fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_fields_does_not_matter_and_every_value_does() {
        #[derive(Serialize)]
        struct Request {
            prompt: &'static str,
            model: &'static str,
            repeat: u32,
        }
        let key = Key::of(&Request { prompt: "p", model: "m", repeat: 0 }).unwrap();
        assert_eq!(key, Key::of(&json!({"model": "m", "prompt": "p", "repeat": 0})).unwrap());
        for other in
            [json!({"model": "m", "prompt": "p", "repeat": 1}), json!({"model": "p", "prompt": "m", "repeat": 0})]
        {
            assert_ne!(key, Key::of(&other).unwrap());
        }
    }
}
