//! Hashes: a stable one of 64 bits for sets and signatures, and SHA-256 for names of content.

use serde::Serialize;
use sha2::{Digest, Sha256};

/// Odd constants with well spread bits (those of splitmix64).
const FIRST: u64 = 0x9e37_79b9_7f4a_7c15;
const SECOND: u64 = 0xbf58_476d_1ce4_e5b9;
const THIRD: u64 = 0x94d0_49bb_1331_11eb;

/// Spreads the bits of a number: the finalizer of splitmix64, a bijection.
#[must_use]
pub(crate) const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(SECOND);
    let value = (value ^ (value >> 27)).wrapping_mul(THIRD);
    value ^ (value >> 31)
}

/// A hash that is the same on every machine and in every version: what is stored and what is drawn depends on it.
#[must_use]
pub fn hash64(bytes: &[u8], seed: u64) -> u64 {
    let mut state = mix(seed.wrapping_add(FIRST) ^ (bytes.len() as u64).wrapping_mul(THIRD));
    let mut words = bytes.chunks_exact(8);
    for word in words.by_ref() {
        let mut eight = [0; 8];
        eight.copy_from_slice(word);
        state = mix(state ^ u64::from_le_bytes(eight)).wrapping_add(FIRST);
    }
    let mut tail = [0; 8];
    let rest = words.remainder();
    tail[..rest.len()].copy_from_slice(rest);
    mix(state ^ u64::from_le_bytes(tail))
}

/// SHA-256 in hexadecimal: the name of a content.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The first 16 digits of the SHA-256 of a text: enough to see that a span no longer holds what it held.
#[must_use]
pub fn span_hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes())[..8])
}

/// SHA-256 of a value as JSON with sorted names, so that the order of fields does not matter.
#[must_use]
pub fn digest_of(value: &impl Serialize) -> String {
    // What is digested here are settings and keys of our own, all of which have a form in JSON.
    let canonical = serde_json::to_value(value).unwrap_or(serde_json::Value::Null);
    sha256_hex(canonical.to_string().as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    digits.map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_stable() {
        // Stored signatures and splits rest on these: a change of them is a change of every data set.
        assert_eq!(hash64(b"", 0), 5_197_578_548_964_807_871);
        assert_eq!(hash64(b"weighbridge", 7), hash64(b"weighbridge", 7));
        assert_ne!(hash64(b"weighbridge", 7), hash64(b"weighbridge", 8));
        assert_ne!(hash64(b"a", 0), hash64(b"a\0", 0));
    }

    #[test]
    fn digests_do_not_depend_on_the_order_of_fields() {
        assert_eq!(digest_of(&serde_json::json!({"a": 1, "b": 2})), digest_of(&serde_json::json!({"b": 2, "a": 1})));
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(span_hash("abc"), "ba7816bf8f01cfea");
    }
}
