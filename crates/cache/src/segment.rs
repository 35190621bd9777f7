//! The form of a file: a head, then entries one after the other.
//!
//! ```text
//! file  = "WBCACHE1" entry*
//! entry = length: u32 LE | checksum: u32 LE (CRC-32 of key and value) | key: 32 bytes | value: length bytes
//! ```
//!
//! Entries are only ever appended, each with one write. What a kill leaves is therefore whole entries and at most one torn
//! one at the end.

use std::io::{self, Read};

use crate::key::Key;

/// The first bytes of a file.
pub const HEAD: &[u8; 8] = b"WBCACHE1";
/// Bytes of an entry before its value.
pub const ENTRY_HEAD: usize = 4 + 4 + Key::LENGTH;
/// Longest value. A length beyond it is damage, so that a reader never asks for more memory than this.
pub const LONGEST: usize = 64 << 20;

/// One entry as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it begins in the file.
    pub offset: u64,
    /// The name of the answer.
    pub key: Key,
    /// The answer.
    pub value: Vec<u8>,
    /// Whether the bytes are those that were written.
    pub is_whole: bool,
}

/// How a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// With its last entry.
    Whole,
    /// Within an entry, or with bytes that are none: what lies before `end` is good.
    Torn {
        /// End of the last entry.
        end: u64,
    },
}

/// The bytes of an entry.
#[must_use]
pub fn entry(key: &Key, value: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(value.len()).ok().filter(|_| value.len() <= LONGEST)?;
    let mut bytes = Vec::with_capacity(ENTRY_HEAD + value.len());
    bytes.extend(length.to_le_bytes());
    bytes.extend(checksum(key, value).to_le_bytes());
    bytes.extend(key.0);
    bytes.extend(value);
    Some(bytes)
}

/// Reads the entries of a file from behind its head; `None` where the head is not that of such a file.
///
/// # Errors
/// What reading gives, or `each`.
pub fn read(mut file: impl Read, mut each: impl FnMut(Entry) -> io::Result<()>) -> io::Result<Option<Tail>> {
    let mut head = [0; HEAD.len()];
    match fill(&mut file, &mut head)? {
        0 => return Ok(Some(Tail::Torn { end: 0 })),
        length if head[..length] != HEAD[..length] => return Ok(None),
        length if length < HEAD.len() => return Ok(Some(Tail::Torn { end: 0 })),
        _ => {}
    }
    let mut offset = HEAD.len() as u64;
    loop {
        let mut head = [0; ENTRY_HEAD];
        match fill(&mut file, &mut head)? {
            0 => return Ok(Some(Tail::Whole)),
            ENTRY_HEAD => {}
            _ => return Ok(Some(Tail::Torn { end: offset })),
        }
        let number =
            |start: usize| u32::from_le_bytes([head[start], head[start + 1], head[start + 2], head[start + 3]]);
        let length = usize::try_from(number(0)).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Ok(Some(Tail::Torn { end: offset }));
        }
        let mut value = Vec::new();
        // Grows as bytes come: a wrong length does not take memory that the file does not fill.
        (&mut file).take(length as u64).read_to_end(&mut value)?;
        if value.len() < length {
            return Ok(Some(Tail::Torn { end: offset }));
        }
        let mut key = [0; Key::LENGTH];
        key.copy_from_slice(&head[8..]);
        let key = Key::from_bytes(key);
        let is_whole = checksum(&key, &value) == number(4);
        let size = (ENTRY_HEAD + length) as u64;
        each(Entry { offset, key, value, is_whole })?;
        offset += size;
    }
}

fn checksum(key: &Key, value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&key.0);
    hasher.update(value);
    hasher.finalize()
}

/// Whether an entry's bytes, read at its place, are those of this key; its value then.
pub(crate) fn value_of(bytes: &[u8], key: &Key) -> Option<Vec<u8>> {
    let mut found = None;
    let whole: Vec<u8> = HEAD.iter().chain(bytes).copied().collect();
    read(whole.as_slice(), |entry| {
        if entry.is_whole && entry.key == *key {
            found = Some(entry.value);
        }
        Ok(())
    })
    .ok()?;
    found
}

/// Fills a buffer as far as there are bytes.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> Key {
        Key::from_bytes([number; Key::LENGTH])
    }

    fn all(bytes: &[u8]) -> (Vec<Entry>, Option<Tail>) {
        let mut entries = Vec::new();
        let tail = read(bytes, |entry| {
            entries.push(entry);
            Ok(())
        });
        (entries, tail.unwrap())
    }

    proptest::proptest! {
        /// Cut anywhere, a file gives its whole entries and says where they end.
        #[test]
        fn every_prefix_is_read(values in proptest::collection::vec(proptest::collection::vec(0_u8.., 0..40), 0..6), cut in 0.0_f64..=1.0) {
            let mut bytes = HEAD.to_vec();
            let mut ends = vec![bytes.len()];
            for (number, value) in (0_u8..).zip(&values) {
                bytes.extend(entry(&key(number), value).unwrap());
                ends.push(bytes.len());
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place within the bytes")]
            let cut = (cut * bytes.len() as f64) as usize;
            let (entries, tail) = all(&bytes[..cut]);
            let whole = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
            proptest::prop_assert_eq!(entries.len(), whole);
            for (number, found) in entries.iter().enumerate() {
                proptest::prop_assert!(found.is_whole && found.value == values[number]);
            }
            let end = if cut < HEAD.len() { 0 } else { ends[whole] };
            let expected = if end == cut && cut > 0 { Tail::Whole } else { Tail::Torn { end: end as u64 } };
            proptest::prop_assert_eq!(tail, Some(expected));
        }

        /// Any bytes are read without a panic, and no entry that was changed passes for whole.
        #[test]
        fn a_changed_byte_is_noticed(value in proptest::collection::vec(0_u8.., 1..40), at in 8_usize..40, flip in 1_u8..) {
            let mut bytes = HEAD.to_vec();
            bytes.extend(entry(&key(7), &value).unwrap());
            let at = HEAD.len() + 4 + at % (bytes.len() - HEAD.len() - 4);
            bytes[at] ^= flip;
            let (entries, _) = all(&bytes);
            proptest::prop_assert!(entries.iter().all(|entry| !entry.is_whole));
        }

        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(0_u8.., 0..300)) {
            let _ = all(&bytes);
            let _ = all(&[HEAD.as_slice(), &bytes].concat());
        }
    }

    #[test]
    fn a_file_of_another_kind_is_told() {
        assert_eq!(all(b"SQLite format 3"), (Vec::new(), None));
        assert_eq!(all(b""), (Vec::new(), Some(Tail::Torn { end: 0 })));
        assert!(entry(&key(1), &vec![0; LONGEST + 1]).is_none());
    }
}
