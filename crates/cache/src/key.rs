//! The name of an answer: a digest of the whole request.

use std::fmt;
use std::io::{self, Read};

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

    /// The digest of a call: the name of the function, its arguments in their order, and named ones, whose order does not matter.
    /// Arguments of two types have two digests: `1`, `1.0`, `"1"` and `true` all differ.
    ///
    /// # Errors
    /// When an argument has no form in JSON.
    pub fn of_call(function: &str, positional: &impl Serialize, named: &impl Serialize) -> Result<Self, CacheError> {
        Self::of(&("call", function, positional, named))
    }

    /// The digest of what a reader gives, which a name keeps apart from other uses of the same bytes. It is not put into memory.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_reader(name: &str, reader: &mut dyn Read) -> io::Result<Self> {
        let mut digest = Sha256::new();
        digest.update((name.len() as u64).to_le_bytes());
        digest.update(name);
        let mut room = vec![0; 64 << 10];
        loop {
            match reader.read(&mut room) {
                Ok(0) => return Ok(Self(digest.finalize().into())),
                Ok(count) => digest.update(&room[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
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
    fn calls_differ_by_everything_but_the_order_of_names() {
        let call = |positional: serde_json::Value, named: serde_json::Value| {
            Key::of_call("score", &positional, &named).unwrap()
        };
        assert_eq!(call(json!([1]), json!({"a": 1, "b": 2})), call(json!([1]), json!({"b": 2, "a": 1})));
        let keys = [
            call(json!([1]), json!({})),
            call(json!([1.0]), json!({})),
            call(json!(["1"]), json!({})),
            call(json!([true]), json!({})),
            call(json!([null]), json!({})),
            call(json!([[1]]), json!({})),
            call(json!([]), json!({"a": 1})),
            call(json!([1, 2]), json!({})),
            call(json!([2, 1]), json!({})),
            Key::of_call("other", &json!([1]), &json!({})).unwrap(),
        ];
        let mut distinct = keys.to_vec();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), keys.len());
        assert_eq!((keys[0].hex().len(), &keys[0].hex()[..16]), (64, format!("{:?}", keys[0]).trim_end_matches('…')));
    }

    #[test]
    fn bytes_have_a_key_under_each_name() {
        let key = |name: &str, bytes: &[u8]| Key::of_reader(name, &mut { bytes }).unwrap();
        let long = vec![7; 200 << 10];
        assert_eq!(key("score", &long), key("score", &long));
        let keys =
            [key("score", &long), key("score", &long[1..]), key("scor", b"e"), key("score", b""), key("", b"score")];
        assert!((0..keys.len()).all(|place| !keys[place + 1..].contains(&keys[place])));
    }

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
