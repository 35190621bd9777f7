//! The form of a file: a head, then entries one after the other.
//!
//! ```text
//! file  = "WBCACHE2" entry*
//! entry = length: u32 | checksum: u32 (CRC-32 of all other bytes) | raw_length: u32 | cost_ms: u32 | tag: u32
//!       | stored_ms: u64 | expires_ms: u64 | key: 32 bytes | value: length bytes                          (all LE)
//! ```
//!
//! A value of fewer bytes than `raw_length` is a zstd frame. Version 1 is read and no longer written:
//!
//! ```text
//! file  = "WBCACHE1" entry*
//! entry = length: u32 | checksum: u32 (CRC-32 of key and value) | key: 32 bytes | value: length bytes     (all LE)
//! ```
//!
//! Entries are only ever appended, one or several with one write. What a kill leaves is therefore whole entries and at most one
//! torn one at the end.

use std::io::{self, Read};

use bytes::Bytes;

use crate::key::Key;
use crate::level::Kept;
use crate::pack;
use crate::tag::Tag;

/// The first bytes of a file of version 1.
pub const HEAD: &[u8; 8] = b"WBCACHE1";
/// The first bytes of a file of version 2.
pub const HEAD_2: &[u8; 8] = b"WBCACHE2";
/// Longest value. A length beyond it is damage, so that a reader never asks for more memory than this.
pub const LONGEST: usize = 64 << 20;
/// Bytes of an entry before its value.
pub const ENTRY_HEAD: usize = 5 * 4 + 2 * 8 + Key::LENGTH;

/// Which form the entries of a file have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Key and value.
    One,
    /// With compression, cost, tag and expiry.
    Two,
}

impl Version {
    fn of(head: &[u8]) -> Option<Self> {
        [(Self::One, HEAD), (Self::Two, HEAD_2)]
            .into_iter()
            .find(|(_, form)| form[..head.len()] == *head)
            .map(|it| it.0)
    }

    fn entry_head(self) -> usize {
        match self {
            Self::One => 2 * 4 + Key::LENGTH,
            Self::Two => ENTRY_HEAD,
        }
    }
}

/// What is known of a value besides its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// Bytes before compression.
    pub raw_length: u32,
    /// What computing it took.
    pub cost_ms: u32,
    /// Its type and version.
    pub tag: Tag,
    /// When it was kept, in milliseconds since 1970; 0 in version 1.
    pub stored_ms: u64,
    /// From when on it is not given out; `u64::MAX` is never.
    pub expires_ms: u64,
}

/// One entry as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it begins in the file.
    pub offset: u64,
    /// Its bytes in the file, head included.
    pub size: u64,
    /// The name of the answer.
    pub key: Key,
    /// What is known of the answer.
    pub about: About,
    /// The answer as it was written, perhaps compressed.
    pub packed: Vec<u8>,
    /// Whether the bytes are those that were written.
    pub is_whole: bool,
}

impl Entry {
    /// The answer; `None` where its bytes are not those that were written.
    #[must_use]
    pub fn kept(self) -> Option<Kept> {
        if self.is_whole { kept(self.about, self.packed.into()) } else { None }
    }
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

/// Appends an entry of version 2 to `bytes`, and says what is known of it; `None`, and nothing is appended, where it is too long.
pub fn append(bytes: &mut Vec<u8>, key: &Key, kept: &Kept) -> Option<About> {
    let raw_length = u32::try_from(kept.value.len()).ok().filter(|_| kept.value.len() <= LONGEST)?;
    let packed = pack::pack(&kept.value);
    let value = packed.as_deref().unwrap_or(&kept.value);
    let length = u32::try_from(value.len()).ok()?;
    let Kept { tag, cost_ms, stored_ms, expires_ms, .. } = *kept;
    let start = bytes.len();
    bytes.reserve(ENTRY_HEAD + value.len());
    bytes.extend(length.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(raw_length.to_le_bytes());
    bytes.extend(cost_ms.to_le_bytes());
    bytes.extend(tag.0.to_le_bytes());
    bytes.extend(stored_ms.to_le_bytes());
    bytes.extend(expires_ms.to_le_bytes());
    bytes.extend(key.0);
    bytes.extend(value);
    let checksum = checksum(Version::Two, &bytes[start..start + ENTRY_HEAD], value);
    bytes[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
    Some(About { raw_length, cost_ms, tag, stored_ms, expires_ms })
}

/// Reads the entries of a file from behind its head; `None` where the head is not that of such a file.
///
/// # Errors
/// What reading gives, or `each`.
pub fn read(mut file: impl Read, each: impl FnMut(Entry) -> io::Result<()>) -> io::Result<Option<(Version, Tail)>> {
    let mut head = [0; HEAD.len()];
    let length = fill(&mut file, &mut head)?;
    let Some(version) = Version::of(&head[..length]) else { return Ok(None) };
    if length < HEAD.len() {
        // Whoever goes on with it writes the newest form.
        return Ok(Some((Version::Two, Tail::Torn { end: 0 })));
    }
    Ok(Some((version, read_on(file, version, HEAD.len() as u64, each)?)))
}

/// Reads entries from behind another one, which ends at `offset` of its file.
pub(crate) fn read_on(
    mut file: impl Read,
    version: Version,
    mut offset: u64,
    mut each: impl FnMut(Entry) -> io::Result<()>,
) -> io::Result<Tail> {
    loop {
        let mut head = [0; ENTRY_HEAD];
        let head = &mut head[..version.entry_head()];
        match fill(&mut file, head)? {
            0 => return Ok(Tail::Whole),
            length if length < head.len() => return Ok(Tail::Torn { end: offset }),
            _ => {}
        }
        let length = usize::try_from(number(head, 0)).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Ok(Tail::Torn { end: offset });
        }
        let mut packed = Vec::new();
        // Grows as bytes come: a wrong length does not take memory that the file does not fill.
        (&mut file).take(length as u64).read_to_end(&mut packed)?;
        if packed.len() < length {
            return Ok(Tail::Torn { end: offset });
        }
        let (key, about) = parts(version, head);
        let is_whole = checksum(version, head, &packed) == number(head, 4);
        let size = (head.len() + length) as u64;
        each(Entry { offset, size, key, about, packed, is_whole })?;
        offset += size;
    }
}

/// Reads the one entry that lies in these bytes, if it is whole and that of the key.
pub(crate) fn find(bytes: Vec<u8>, version: Version, key: &Key) -> Option<Kept> {
    let bytes = Bytes::from(bytes);
    let (head, packed) = bytes.split_at_checked(version.entry_head())?;
    let (found, about) = parts(version, head);
    let is_whole = found == *key && number(head, 0) as usize == packed.len();
    let is_whole = is_whole && checksum(version, head, packed) == number(head, 4);
    if is_whole { kept(about, bytes.slice(version.entry_head()..)) } else { None }
}

/// Unpacks the value of a whole entry; `None` where it is not what the head says, or longer than any that is kept.
fn kept(about: About, packed: Bytes) -> Option<Kept> {
    let About { raw_length, cost_ms, tag, stored_ms, expires_ms } = about;
    let raw_length = usize::try_from(raw_length).ok().filter(|length| *length <= LONGEST)?;
    let value = match packed.len() {
        length if length == raw_length => packed,
        length if length < raw_length => pack::unpack(&packed, raw_length).ok()?.into(),
        _ => return None,
    };
    Some(Kept { value, tag, cost_ms, stored_ms, expires_ms })
}

/// A number in the head of an entry.
fn number(head: &[u8], start: usize) -> u32 {
    u32::from_le_bytes([head[start], head[start + 1], head[start + 2], head[start + 3]])
}

fn long_number(head: &[u8], start: usize) -> u64 {
    u64::from(number(head, start)) | u64::from(number(head, start + 4)) << 32
}

/// What the head of an entry says besides length and checksum.
fn parts(version: Version, head: &[u8]) -> (Key, About) {
    let mut key = [0; Key::LENGTH];
    key.copy_from_slice(&head[head.len() - Key::LENGTH..]);
    let about = match version {
        Version::One => {
            About { raw_length: number(head, 0), cost_ms: 0, tag: Tag::BYTES, stored_ms: 0, expires_ms: u64::MAX }
        }
        Version::Two => About {
            raw_length: number(head, 8),
            cost_ms: number(head, 12),
            tag: Tag(number(head, 16)),
            stored_ms: long_number(head, 20),
            expires_ms: long_number(head, 28),
        },
    };
    (Key::from_bytes(key), about)
}

fn checksum(version: Version, head: &[u8], packed: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    if version == Version::Two {
        hasher.update(&head[..4]);
    }
    hasher.update(&head[8..]);
    hasher.update(packed);
    hasher.finalize()
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
    use proptest::collection::vec;
    use proptest::{prop_assert, prop_assert_eq};

    use super::*;

    fn key(number: u8) -> Key {
        Key::from_bytes([number; Key::LENGTH])
    }

    fn an_answer(value: &[u8]) -> Kept {
        let value = Bytes::copy_from_slice(value);
        Kept { value, tag: Tag::new(3, 2), cost_ms: 1_500, stored_ms: 1 << 40, expires_ms: (1 << 40) + 9 }
    }

    /// An entry of version 1, as it was written.
    fn old(key: &Key, value: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(value.len()).unwrap().to_le_bytes().to_vec();
        bytes.extend(crc32fast::hash(&[&key.0, value].concat()).to_le_bytes());
        [bytes.as_slice(), &key.0, value].concat()
    }

    fn all(bytes: &[u8]) -> (Vec<Entry>, Option<Tail>) {
        let mut entries = Vec::new();
        let tail = read(bytes, |entry| {
            entries.push(entry);
            Ok(())
        });
        (entries, tail.unwrap().map(|(_, tail)| tail))
    }

    proptest::proptest! {
        /// Cut anywhere, a file gives its whole entries and says where they end; in both versions.
        #[test]
        fn every_prefix_is_read(values in vec(vec(0_u8..3, 0..200), 0..6), cut in 0.0_f64..=1.0, is_old: bool) {
            let mut bytes = if is_old { HEAD } else { HEAD_2 }.to_vec();
            let mut ends = vec![bytes.len()];
            for (number, value) in (0_u8..).zip(&values) {
                if is_old {
                    bytes.extend(old(&key(number), value));
                } else {
                    append(&mut bytes, &key(number), &an_answer(value)).unwrap();
                }
                ends.push(bytes.len());
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place within the bytes")]
            let cut = (cut * bytes.len() as f64) as usize;
            let (entries, tail) = all(&bytes[..cut]);
            let whole = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
            prop_assert_eq!(entries.len(), whole);
            let end = if cut < HEAD.len() { 0 } else { ends[whole] };
            let expected = if end == cut && cut > 0 { Tail::Whole } else { Tail::Torn { end: end as u64 } };
            prop_assert_eq!(tail, Some(expected));
            for (number, found) in entries.into_iter().enumerate() {
                let found = found.kept().unwrap();
                prop_assert_eq!(&found.value[..], &values[number][..]);
                prop_assert!(is_old || found == an_answer(&values[number]));
            }
        }

        /// Any bytes are read without a panic, and no entry that was changed passes for whole.
        #[test]
        fn a_changed_byte_is_noticed(value in vec(0_u8..3, 1..200), at in 4_usize.., flip in 1_u8..) {
            let mut bytes = HEAD_2.to_vec();
            append(&mut bytes, &key(7), &an_answer(&value)).unwrap();
            // Behind the length: another one reads other bytes as the value, which the next tests cover.
            let at = HEAD.len() + 4 + at % (bytes.len() - HEAD.len() - 4);
            bytes[at] ^= flip;
            let (entries, _) = all(&bytes);
            prop_assert!(entries.iter().all(|entry| !entry.is_whole));
            prop_assert_eq!(find(bytes[HEAD.len()..].to_vec(), Version::Two, &key(7)), None);
        }

        #[test]
        fn any_bytes_are_read(bytes in vec(0_u8.., 0..300)) {
            for head in [b"".as_slice(), HEAD, HEAD_2] {
                for entry in all(&[head, &bytes].concat()).0 {
                    let _ = entry.kept();
                }
            }
            let _ = (find(bytes.clone(), Version::One, &key(1)), find(bytes, Version::Two, &key(1)));
        }

        /// What is read at its place is what was written, and nobody else's.
        #[test]
        fn an_entry_is_found_by_its_key(value in vec(0_u8..3, 0..2_000)) {
            let mut bytes = Vec::new();
            let about = append(&mut bytes, &key(7), &an_answer(&value)).unwrap();
            prop_assert_eq!(about.raw_length as usize, value.len());
            prop_assert_eq!(find(bytes.clone(), Version::Two, &key(7)), Some(an_answer(&value)));
            prop_assert_eq!(find(bytes, Version::Two, &key(8)), None);
            prop_assert_eq!(find(old(&key(7), &value), Version::One, &key(7)).unwrap().value, value);
        }
    }

    #[test]
    fn text_takes_fewer_bytes() {
        let mut bytes = Vec::new();
        append(&mut bytes, &key(1), &an_answer("the quick brown fox ".repeat(200).as_bytes())).unwrap();
        assert!(bytes.len() < 200, "{}", bytes.len());
    }

    #[test]
    fn a_file_of_another_kind_is_told() {
        assert_eq!(all(b"SQLite format 3"), (Vec::new(), None));
        assert_eq!(all(b""), (Vec::new(), Some(Tail::Torn { end: 0 })));
        assert!(append(&mut Vec::new(), &key(1), &an_answer(&vec![0; LONGEST + 1])).is_none());
    }
}
