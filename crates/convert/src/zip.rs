//! ZIP archives, read as they lie: every entry is seen, also one whose name another has, and what an entry says of its size
//! is checked and not believed.

use std::io::{self, Read, Seek, SeekFrom};

use flate2::read::DeflateDecoder;
use memchr::memmem;

use crate::error::{Refusal, RefusalKind};

/// The end of the directory with the longest comment.
const TAIL_BYTES: u64 = 22 + 65_535;
/// The longest directory that is read: 64 MiB hold half a million entries.
const DIRECTORY_BYTES_MAX: u64 = 64 << 20;

/// What an archive is read from.
pub(crate) trait Source: Read + Seek {}
impl<T: Read + Seek> Source for T {}

/// The entries of an archive, in the order of its directory.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) entries: Vec<Entry>,
    /// Bytes before the archive, as in those that unpack themselves.
    base: u64,
}

/// One entry.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) packed_bytes: u64,
    /// As declared.
    pub(crate) bytes: u64,
    pub(crate) is_encrypted: bool,
    pub(crate) is_folder: bool,
    /// A link or another thing that is no file.
    pub(crate) is_special: bool,
    method: u16,
    crc: u32,
    offset: u64,
}

/// Why an archive or an entry cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ZipError {
    #[error("{0}")]
    Damaged(String),
    #[error("{0}")]
    Unsupported(String),
    #[error("a password is needed")]
    Encrypted,
    #[error("{0}")]
    TooLarge(String),
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

impl ZipError {
    /// As a refusal.
    pub(crate) fn refusal(&self) -> Refusal {
        let kind = match self {
            Self::Damaged(_) | Self::Io(_) => RefusalKind::Damaged,
            Self::Unsupported(_) => RefusalKind::Unsupported,
            Self::Encrypted => RefusalKind::Encrypted,
            Self::TooLarge(_) => RefusalKind::TooLarge,
        };
        Refusal::new(kind, self.to_string())
    }
}

impl Directory {
    /// Reads the directory at the end of an archive.
    pub(crate) fn read(source: &mut dyn Source) -> Result<Self, ZipError> {
        let length = source.seek(SeekFrom::End(0))?;
        let tail_start = length.saturating_sub(TAIL_BYTES);
        let tail = read_at(source, tail_start, length - tail_start)?;
        let end_at = memmem::rfind_iter(&tail, b"PK\x05\x06")
            .find(|at| tail.len() >= at + 22 && at + 22 + usize::from(u16_at(&tail, at + 20)) <= tail.len())
            .ok_or_else(|| ZipError::Damaged("the archive ends before its directory".into()))?;
        let end = &tail[end_at..];
        let end_position = tail_start + end_at as u64;
        let mut count = u64::from(u16_at(end, 10));
        let mut size = u64::from(u32_at(end, 12));
        let mut offset = u64::from(u32_at(end, 16));
        let mut directory_end = end_position;
        let is_large = count == 0xFFFF || size == 0xFFFF_FFFF || offset == 0xFFFF_FFFF;
        if let Some(record) = if is_large { zip64_end(source, end_position)? } else { None } {
            (count, size, offset, directory_end) = record;
        }
        let start = directory_end.checked_sub(size).filter(|start| *start >= offset);
        let start = start.ok_or_else(|| ZipError::Damaged("its directory lies outside of the archive".into()))?;
        if size > DIRECTORY_BYTES_MAX {
            return Err(ZipError::TooLarge(format!("a directory of {size} bytes, at most {DIRECTORY_BYTES_MAX}")));
        }
        let entries = parse_entries(&read_at(source, start, size)?)?;
        if entries.len() as u64 != count {
            return Err(ZipError::Damaged(format!("{} entries where {count} were announced", entries.len())));
        }
        Ok(Self { entries, base: start - offset })
    }

    /// Opens an entry for reading.
    pub(crate) fn open<'s>(&self, source: &'s mut dyn Source, entry: &Entry) -> Result<Member<'s>, ZipError> {
        if entry.is_encrypted {
            return Err(ZipError::Encrypted);
        }
        let at = self.base.saturating_add(entry.offset);
        source.seek(SeekFrom::Start(at))?;
        let mut header = [0; 30];
        let is_header = source.read_exact(&mut header).is_ok() && header.starts_with(b"PK\x03\x04");
        if !is_header {
            return Err(ZipError::Damaged("an entry is not where the directory says".into()));
        }
        let skip = u64::from(u16_at(&header, 26)) + u64::from(u16_at(&header, 28));
        source.seek(SeekFrom::Start(at + 30 + skip))?;
        let packed = source.take(entry.packed_bytes);
        let inner = match entry.method {
            0 => Packing::Stored(packed),
            8 => Packing::Deflated(DeflateDecoder::new(packed)),
            method => return Err(ZipError::Unsupported(format!("packed by method {method}"))),
        };
        Ok(Member { inner, crc: crc32fast::Hasher::new(), read: 0, crc_wanted: entry.crc, bytes_wanted: entry.bytes })
    }
}

/// The content of an entry. Reading it fails at its end if length or checksum are not as declared.
#[derive(Debug)]
pub(crate) struct Member<'s> {
    inner: Packing<'s>,
    crc: crc32fast::Hasher,
    read: u64,
    crc_wanted: u32,
    bytes_wanted: u64,
}

enum Packing<'s> {
    Stored(io::Take<&'s mut dyn Source>),
    Deflated(DeflateDecoder<io::Take<&'s mut dyn Source>>),
}

impl std::fmt::Debug for Packing<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Stored(_) => "Stored",
            Self::Deflated(_) => "Deflated",
        })
    }
}

impl Read for Member<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.inner {
            Packing::Stored(inner) => inner.read(buffer)?,
            Packing::Deflated(inner) => inner.read(buffer)?,
        };
        self.crc.update(&buffer[..count]);
        self.read += count as u64;
        let ends_wrong = count == 0
            && !buffer.is_empty()
            && (self.read != self.bytes_wanted || self.crc.clone().finalize() != self.crc_wanted);
        if ends_wrong || self.read > self.bytes_wanted {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its length or checksum is not as declared"));
        }
        Ok(count)
    }
}

/// The directory of archives beyond 4 GiB or 65,535 entries: count, size, offset and where it ends.
fn zip64_end(source: &mut dyn Source, end_position: u64) -> Result<Option<(u64, u64, u64, u64)>, ZipError> {
    let Some(locator_at) = end_position.checked_sub(20) else { return Ok(None) };
    let locator = read_at(source, locator_at, 20)?;
    if !locator.starts_with(b"PK\x06\x07") {
        return Ok(None);
    }
    // Where the record says it is, or right before its locator, when something precedes the archive.
    for at in [u64_at(&locator, 8), locator_at.saturating_sub(56)] {
        if at.checked_add(56).is_none_or(|end| end > locator_at) {
            continue;
        }
        let record = read_at(source, at, 56)?;
        if record.starts_with(b"PK\x06\x06") {
            return Ok(Some((u64_at(&record, 32), u64_at(&record, 40), u64_at(&record, 48), at)));
        }
    }
    Err(ZipError::Damaged("the end of its directory is missing".into()))
}

fn parse_entries(directory: &[u8]) -> Result<Vec<Entry>, ZipError> {
    let mut entries = Vec::new();
    let mut rest = directory;
    while rest.starts_with(b"PK\x01\x02") && rest.len() >= 46 {
        let [name, extra, comment] = [28, 30, 32].map(|at| usize::from(u16_at(rest, at)));
        let end = 46 + name + extra + comment;
        if rest.len() < end {
            return Err(ZipError::Damaged("its directory ends within an entry".into()));
        }
        entries.push(parse_entry(rest, &rest[46..46 + name], &rest[46 + name..46 + name + extra]));
        rest = &rest[end..];
    }
    Ok(entries)
}

fn parse_entry(fixed: &[u8], name: &[u8], extra: &[u8]) -> Entry {
    let flags = u16_at(fixed, 8);
    let method = u16_at(fixed, 10);
    let mut bytes = u64::from(u32_at(fixed, 24));
    let mut packed_bytes = u64::from(u32_at(fixed, 20));
    let mut offset = u64::from(u32_at(fixed, 42));
    let mut large = extra_field(extra, 1);
    for field in [&mut bytes, &mut packed_bytes, &mut offset] {
        if *field == 0xFFFF_FFFF && large.len() >= 8 {
            *field = u64_at(large, 0);
            large = &large[8..];
        }
    }
    let attributes = u32_at(fixed, 38);
    // Unix and macOS keep the mode of the file in the upper half.
    let mode = if matches!(fixed[5], 3 | 19) { attributes >> 16 } else { 0 };
    let file_type = mode & 0o170_000;
    let name = crate::decode::decode(name, None).text.into_owned();
    Entry {
        is_encrypted: flags & 0x41 != 0 || method == 99,
        is_folder: name.ends_with(['/', '\\']) || file_type == 0o040_000,
        is_special: !matches!(file_type, 0 | 0o100_000 | 0o040_000),
        name,
        packed_bytes,
        bytes,
        method,
        crc: u32_at(fixed, 16),
        offset,
    }
}

fn extra_field(extra: &[u8], wanted: u16) -> &[u8] {
    let mut rest = extra;
    while rest.len() >= 4 {
        let length = usize::from(u16_at(rest, 2));
        let end = (4 + length).min(rest.len());
        if u16_at(rest, 0) == wanted {
            return &rest[4..end];
        }
        rest = &rest[end..];
    }
    &[]
}

fn read_at(source: &mut dyn Source, at: u64, length: u64) -> Result<Vec<u8>, ZipError> {
    source.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    source.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(ZipError::Damaged("the archive ends too early".into())) }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// Writes archives for tests, honest ones and others.
#[cfg(test)]
pub(crate) mod build {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    /// An archive under construction.
    #[derive(Debug, Default)]
    pub(crate) struct Zip {
        bytes: Vec<u8>,
        directory: Vec<u8>,
        count: u16,
    }

    impl Zip {
        pub(crate) fn new() -> Self {
            Self::default()
        }

        pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
            let content = content.as_ref();
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(content).unwrap();
            let packed = encoder.finish().unwrap();
            self.entry(name, 8, 0, 0, content, &packed, content.len())
        }

        pub(crate) fn stored(self, name: &str, content: &[u8]) -> Self {
            self.entry(name, 0, 0, 0, content, content, content.len())
        }

        pub(crate) fn encrypted(self, name: &str) -> Self {
            self.entry(name, 0, 1, 0, b"secret", b"secret", 6)
        }

        pub(crate) fn link(self, name: &str, target: &str) -> Self {
            self.entry(name, 0, 0, 0o120_777 << 16, target.as_bytes(), target.as_bytes(), target.len())
        }

        /// A deflated file that says that it is `declared` bytes long.
        pub(crate) fn liar(self, name: &str, content: &[u8], declared: usize) -> Self {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(content).unwrap();
            let packed = encoder.finish().unwrap();
            self.entry(name, 8, 0, 0, content, &packed, declared)
        }

        #[expect(clippy::too_many_arguments, reason = "the fields of an entry")]
        fn entry(
            mut self,
            name: &str,
            method: u16,
            flags: u16,
            attributes: u32,
            content: &[u8],
            packed: &[u8],
            bytes: usize,
        ) -> Self {
            let offset = u32::try_from(self.bytes.len()).unwrap();
            let mut common = Vec::new();
            common.extend_from_slice(&flags.to_le_bytes());
            common.extend_from_slice(&method.to_le_bytes());
            common.extend_from_slice(&[0; 4]);
            common.extend_from_slice(&crc32fast::hash(content).to_le_bytes());
            common.extend_from_slice(&u32::try_from(packed.len()).unwrap().to_le_bytes());
            common.extend_from_slice(&u32::try_from(bytes).unwrap().to_le_bytes());
            common.extend_from_slice(&u16::try_from(name.len()).unwrap().to_le_bytes());
            common.extend_from_slice(&[0, 0]);
            self.bytes.extend_from_slice(b"PK\x03\x04\x14\0");
            self.bytes.extend_from_slice(&common);
            self.bytes.extend_from_slice(name.as_bytes());
            self.bytes.extend_from_slice(packed);
            self.directory.extend_from_slice(b"PK\x01\x02\x14\x03\x14\0");
            self.directory.extend_from_slice(&common);
            self.directory.extend_from_slice(&[0; 6]);
            self.directory.extend_from_slice(&attributes.to_le_bytes());
            self.directory.extend_from_slice(&offset.to_le_bytes());
            self.directory.extend_from_slice(name.as_bytes());
            self.count += 1;
            self
        }

        pub(crate) fn finish(mut self) -> Vec<u8> {
            let offset = u32::try_from(self.bytes.len()).unwrap();
            let size = u32::try_from(self.directory.len()).unwrap();
            self.bytes.append(&mut self.directory);
            self.bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
            for number in [self.count, self.count] {
                self.bytes.extend_from_slice(&number.to_le_bytes());
            }
            self.bytes.extend_from_slice(&size.to_le_bytes());
            self.bytes.extend_from_slice(&offset.to_le_bytes());
            self.bytes.extend_from_slice(&[0, 0]);
            self.bytes
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn content(archive: &[u8], name: &str) -> Result<Vec<u8>, String> {
        let mut source = Cursor::new(archive);
        let directory = Directory::read(&mut source).map_err(|error| error.to_string())?;
        let entry = directory.entries.iter().find(|entry| entry.name == name).ok_or("no such entry")?;
        let mut bytes = Vec::new();
        let mut member = directory.open(&mut source, entry).map_err(|error| error.to_string())?;
        member.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    #[test]
    fn entries_are_read_and_checked() {
        let archive =
            build::Zip::new().file("a.txt", "hello hello hello").stored("b/c.txt", b"x").encrypted("d").finish();
        assert_eq!(content(&archive, "a.txt").unwrap(), b"hello hello hello");
        assert_eq!(content(&archive, "b/c.txt").unwrap(), b"x");
        assert_eq!(content(&archive, "d").unwrap_err(), "a password is needed");
        let behind_a_program = [b"MZ program".as_slice(), &archive].concat();
        assert_eq!(content(&behind_a_program, "b/c.txt").unwrap(), b"x");
    }

    #[test]
    fn an_entry_that_lies_about_its_length_is_cut_where_it_lies() {
        let archive = build::Zip::new().liar("a", &[b'x'; 1000], 10).finish();
        assert_eq!(content(&archive, "a").unwrap_err(), "its length or checksum is not as declared");
        let mut archive = build::Zip::new().stored("a", b"hello").finish();
        archive[31] ^= 1;
        assert_eq!(content(&archive, "a").unwrap_err(), "its length or checksum is not as declared");
    }

    #[test]
    fn a_truncated_archive_is_damaged() {
        let archive = build::Zip::new().file("a", "hello").finish();
        for length in 0..archive.len() {
            assert!(content(&archive[..length], "a").is_err(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn mutated_archives_are_read_or_refused(changes in prop::collection::vec((0_usize..200, any::<u8>()), 1..8)) {
            let mut archive = build::Zip::new().file("a.txt", "hello hello hello").stored("b", b"x").finish();
            for (at, value) in changes {
                let at = at % archive.len();
                archive[at] = value;
            }
            drop(content(&archive, "a.txt"));
        }
    }
}
