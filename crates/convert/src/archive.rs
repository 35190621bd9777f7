//! Walking ZIP archives without trusting them: member by member, within limits that count what is really unpacked.

use std::collections::HashSet;
use std::io::{self, Cursor, Read, Seek};

use crate::error::{Refusal, RefusalKind};
use crate::sniff::{Format, zip_kind};
use crate::zip::{Directory, Entry, Source, ZipError};

/// Bytes that may be unpacked of a member before its ratio is judged: a short text of blanks packs a thousand to one.
const RATIO_FREE_BYTES: u64 = 1 << 20;

/// Bounds of a walk. Archives in archives count into the same ones.
#[derive(Debug, Clone, Copy)]
pub struct ArchiveLimits {
    /// The most entries, of all archives together.
    pub entries: u64,
    /// The most bytes of one member, unpacked.
    pub entry_bytes: u64,
    /// The most bytes of all members, unpacked.
    pub total_bytes: u64,
    /// How many bytes one packed byte may become.
    pub ratio: u64,
    /// How many archives may lie in each other; 1 reads none within.
    pub depth: u32,
    /// The largest archive within an archive, which is held in memory.
    pub nested_bytes: u64,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self {
            entries: 10_000,
            entry_bytes: 500_000_000,
            total_bytes: 10_000_000_000,
            ratio: 100,
            depth: 3,
            nested_bytes: 64 << 20,
        }
    }
}

/// What became of the entries of an archive. The counts add up to [`entries`](Self::entries).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walk {
    /// All entries, of archives within as well.
    pub entries: u64,
    /// Files that were handed over and read without an error.
    pub files: u64,
    /// Folders, which hold nothing of their own.
    pub folders: u64,
    /// Archives within, whose entries are counted too.
    pub archives: u64,
    /// Entries that were not read, each with its path and the reason.
    pub refused: Vec<(String, Refusal)>,
    /// Bytes that were unpacked.
    pub bytes: u64,
}

/// Hands over each file of an archive: its path, with the paths of the archives that it is in before it, and its content.
///
/// Reading the content fails where it is damaged or goes beyond a limit; what was made of such a file must be thrown away, and
/// an error that `visit` returns makes the file a refused one. The walk goes on with the next. Memory is bounded by
/// [`ArchiveLimits::nested_bytes`] and the directory, whatever the archive holds.
///
/// # Errors
///
/// An archive that has no readable directory, or more entries than the limit.
pub fn walk(
    source: &mut (impl Read + Seek),
    limits: &ArchiveLimits,
    visit: &mut dyn FnMut(&str, &mut dyn Read) -> io::Result<()>,
) -> Result<Walk, Refusal> {
    let mut walker = Walker { limits: *limits, walk: Walk::default(), visit };
    walker.archive(source, "", 1)?;
    Ok(walker.walk)
}

struct Walker<'v> {
    limits: ArchiveLimits,
    walk: Walk,
    visit: &'v mut dyn FnMut(&str, &mut dyn Read) -> io::Result<()>,
}

/// What an entry turned out to be.
enum Became {
    File,
    Folder,
    Archive,
}

impl Walker<'_> {
    fn archive(&mut self, source: &mut dyn Source, prefix: &str, depth: u32) -> Result<(), Refusal> {
        let directory = Directory::read(source).map_err(|error| error.refusal())?;
        let entries = self.walk.entries + directory.entries.len() as u64;
        if entries > self.limits.entries {
            return Err(too_large(format!("{entries} entries, at most {}", self.limits.entries)));
        }
        let length = source.seek(io::SeekFrom::End(0)).map_err(|error| ZipError::from(error).refusal())?;
        let packed = directory.entries.iter().fold(0_u64, |sum, entry| sum.saturating_add(entry.packed_bytes));
        if packed > length {
            // Entries that share their bytes unpack to any size.
            return Err(Refusal::new(
                RefusalKind::Damaged,
                format!("entries of {packed} bytes in an archive of {length}"),
            ));
        }
        self.walk.entries = entries;
        let mut names = HashSet::new();
        for entry in &directory.entries {
            let shown = format!("{prefix}{}", entry.name);
            let became = checked_path(entry, &mut names).and_then(|path| {
                if entry.is_folder {
                    return Ok(Became::Folder);
                }
                self.member(source, &directory, entry, &format!("{prefix}{path}"), depth)
            });
            match became {
                Ok(Became::File) => self.walk.files += 1,
                Ok(Became::Folder) => self.walk.folders += 1,
                Ok(Became::Archive) => self.walk.archives += 1,
                Err(refusal) => self.walk.refused.push((shown, refusal)),
            }
        }
        Ok(())
    }

    fn member(
        &mut self,
        source: &mut dyn Source,
        directory: &Directory,
        entry: &Entry,
        path: &str,
        depth: u32,
    ) -> Result<Became, Refusal> {
        let left = self.limits.total_bytes - self.walk.bytes.min(self.limits.total_bytes);
        // What an entry declares is not believed, but need not be unpacked to be refused.
        if entry.bytes > self.limits.entry_bytes {
            return Err(too_large(format!("{} bytes in one file, at most {}", entry.bytes, self.limits.entry_bytes)));
        }
        if left == 0 {
            return Err(too_large(format!("more than {} bytes in all", self.limits.total_bytes)));
        }
        let member = directory.open(source, entry).map_err(|error| error.refusal())?;
        let mut guard = Guard {
            inner: member,
            read: 0,
            entry_limit: self.limits.entry_bytes,
            total_limit: left,
            ratio_limit: entry.packed_bytes.saturating_mul(self.limits.ratio).saturating_add(RATIO_FREE_BYTES),
            limits: self.limits,
            exceeded: None,
        };
        let result = read_member(&mut guard, self.limits.nested_bytes);
        let outcome = match result {
            Ok(Content::Archive(bytes)) => {
                self.walk.bytes += guard.read;
                return self.nested(&bytes, path, depth);
            }
            Ok(Content::File(start)) => (self.visit)(path, &mut Cursor::new(start).chain(&mut guard)),
            Err(error) => Err(error),
        };
        self.walk.bytes += guard.read;
        match (guard.exceeded, outcome) {
            (Some(detail), _) => Err(too_large(detail)),
            (None, Ok(())) => Ok(Became::File),
            (None, Err(error)) => Err(Refusal::new(RefusalKind::Damaged, error.to_string())),
        }
    }

    fn nested(&mut self, bytes: &[u8], path: &str, depth: u32) -> Result<Became, Refusal> {
        if depth >= self.limits.depth {
            return Err(too_large(format!("more than {} archives in each other", self.limits.depth)));
        }
        self.archive(&mut Cursor::new(bytes), &format!("{path}/"), depth + 1)?;
        Ok(Became::Archive)
    }
}

/// What a member holds.
enum Content {
    /// An archive that is no document, whole.
    Archive(Vec<u8>),
    /// Anything else: what was read of it so far.
    File(Vec<u8>),
}

/// Looks whether a member is an archive, which must be held to be read.
fn read_member(guard: &mut Guard<'_>, nested_bytes: u64) -> io::Result<Content> {
    let mut bytes = Vec::new();
    guard.by_ref().take(4).read_to_end(&mut bytes)?;
    if !bytes.starts_with(b"PK\x03\x04") && !bytes.starts_with(b"PK\x05\x06") {
        return Ok(Content::File(bytes));
    }
    guard.by_ref().take(nested_bytes).read_to_end(&mut bytes)?;
    let is_whole = bytes.len() as u64 <= nested_bytes;
    let is_document = zip_kind(&bytes).is_ok_and(|format| format != Format::Zip);
    Ok(if is_whole && !is_document { Content::Archive(bytes) } else { Content::File(bytes) })
}

/// Counts what is unpacked and stops at the first limit.
#[derive(Debug)]
struct Guard<'s> {
    inner: crate::zip::Member<'s>,
    read: u64,
    entry_limit: u64,
    total_limit: u64,
    ratio_limit: u64,
    limits: ArchiveLimits,
    exceeded: Option<String>,
}

impl Read for Guard<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read += count as u64;
        let exceeded = if self.read > self.entry_limit {
            format!("more than {} bytes in one file", self.limits.entry_bytes)
        } else if self.read > self.total_limit {
            format!("more than {} bytes in all", self.limits.total_bytes)
        } else if self.read > self.ratio_limit {
            format!("more than {} bytes from each packed byte", self.limits.ratio)
        } else {
            return Ok(count);
        };
        self.exceeded = Some(exceeded.clone());
        Err(io::Error::new(io::ErrorKind::InvalidData, exceeded))
    }
}

/// The path of an entry, if it is one that stays within the archive and that no entry before it had.
fn checked_path(entry: &Entry, names: &mut HashSet<String>) -> Result<String, Refusal> {
    let damaged = |what: &str| Err(Refusal::new(RefusalKind::Damaged, format!("its path {what}")));
    let path = entry.name.replace('\\', "/");
    if path.starts_with('/') {
        return damaged("begins at the root");
    }
    let has_drive = path.as_bytes().get(1) == Some(&b':') && path.as_bytes()[0].is_ascii_alphabetic();
    if has_drive {
        return damaged("names a drive");
    }
    let mut steps = Vec::new();
    for step in path.split('/') {
        match step {
            ".." => return damaged("leads out of the archive"),
            "." | "" => {}
            _ => steps.push(step),
        }
    }
    if steps.is_empty() || path.contains(|character: char| character.is_control()) {
        return damaged("is none");
    }
    if entry.is_special {
        return Err(Refusal::new(RefusalKind::Unsupported, "a link or another thing that is no file"));
    }
    let path = steps.join("/");
    // Two files of one name are read as different ones by different programs.
    if !names.insert(path.clone()) {
        return damaged("is that of an entry before it");
    }
    if !entry.is_folder && (steps[0] == "__MACOSX" || steps.last() == Some(&".DS_Store")) {
        return Err(Refusal::new(RefusalKind::Unsupported, "what macOS keeps beside files"));
    }
    Ok(path)
}

fn too_large(detail: String) -> Refusal {
    Refusal::new(RefusalKind::TooLarge, detail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::zip::build::Zip;

    fn files(archive: &[u8], limits: &ArchiveLimits) -> (Vec<(String, usize)>, Walk) {
        let mut files = Vec::new();
        let walk = walk(&mut Cursor::new(archive), limits, &mut |path, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            files.push((path.to_owned(), bytes.len()));
            Ok(())
        });
        let walk = walk.unwrap();
        assert_eq!(walk.files + walk.folders + walk.archives + walk.refused.len() as u64, walk.entries);
        (files, walk)
    }

    #[track_caller]
    fn check_refused(archive: Zip, limits: &ArchiveLimits, kind: RefusalKind, detail: &str) {
        let (_, walk) = files(&archive.finish(), limits);
        let found: Vec<_> = walk.refused.iter().map(|(_, refusal)| (refusal.kind, refusal.detail.as_str())).collect();
        assert_eq!(found, [(kind, detail)]);
    }

    #[test]
    fn members_are_handed_over_one_by_one() {
        let docx = Zip::new().file("[Content_Types].xml", "").file("word/document.xml", "<a/>").finish();
        let inner = Zip::new().file("x.txt", "xy").stored("deep/", b"").finish();
        let archive = Zip::new()
            .file("a.txt", "hello")
            .stored("b/", b"")
            .file("b/c.docx", &docx)
            .file("d.zip", &inner)
            .stored("e", b"");
        let (found, walk) = files(&archive.finish(), &ArchiveLimits::default());
        let expected = [("a.txt", 5), ("b/c.docx", docx.len()), ("d.zip/x.txt", 2), ("e", 0)];
        assert_eq!(found, expected.map(|(path, length)| (path.to_owned(), length)));
        assert_eq!((walk.entries, walk.files, walk.folders, walk.archives), (7, 4, 2, 1));
        assert_eq!(walk.bytes, (5 + docx.len() + inner.len() + 2) as u64);
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        let cases = [
            ("../a", "its path leads out of the archive"),
            ("a/../../b", "its path leads out of the archive"),
            ("..\\a", "its path leads out of the archive"),
            ("/etc/passwd", "its path begins at the root"),
            ("\\\\server\\a", "its path begins at the root"),
            ("C:\\a", "its path names a drive"),
            ("a\nb", "its path is none"),
        ];
        for (name, detail) in cases {
            check_refused(Zip::new().file(name, "x"), &ArchiveLimits::default(), RefusalKind::Damaged, detail);
        }
        let twice = Zip::new().file("a", "x").file("./a", "y");
        check_refused(twice, &ArchiveLimits::default(), RefusalKind::Damaged, "its path is that of an entry before it");
        let link = Zip::new().link("a", "/etc/passwd");
        check_refused(
            link,
            &ArchiveLimits::default(),
            RefusalKind::Unsupported,
            "a link or another thing that is no file",
        );
        check_refused(
            Zip::new().encrypted("a"),
            &ArchiveLimits::default(),
            RefusalKind::Encrypted,
            "a password is needed",
        );
    }

    #[test]
    fn bombs_are_stopped_by_what_they_unpack_to() {
        let limits = ArchiveLimits { entry_bytes: 1000, total_bytes: 1500, ..ArchiveLimits::default() };
        let liar = Zip::new().liar("a", &[b'x'; 2000], 900);
        check_refused(liar, &limits, RefusalKind::Damaged, "its length or checksum is not as declared");
        check_refused(
            Zip::new().file("a", [b'x'; 2000]),
            &limits,
            RefusalKind::TooLarge,
            "2000 bytes in one file, at most 1000",
        );
        let many = Zip::new().file("a", [b'x'; 900]).file("b", [b'x'; 900]);
        check_refused(many, &limits, RefusalKind::TooLarge, "more than 1500 bytes in all");
        let flat = Zip::new().file("a", vec![b'x'; 3 << 20]);
        check_refused(
            flat,
            &ArchiveLimits::default(),
            RefusalKind::TooLarge,
            "more than 100 bytes from each packed byte",
        );
        let nested = Zip::new().file("b.zip", Zip::new().file("a", [b'x'; 900]).file("c", [b'x'; 900]).finish());
        check_refused(nested, &limits, RefusalKind::TooLarge, "more than 1500 bytes in all");
    }

    #[test]
    fn archives_in_archives_have_a_depth_and_share_their_count() {
        let mut archive = Zip::new().file("a", "x").finish();
        for _ in 0..5 {
            archive = Zip::new().file("z.zip", &archive).finish();
        }
        let (found, walk) = files(&archive, &ArchiveLimits::default());
        assert!(found.is_empty());
        assert_eq!(walk.refused[0].1.detail, "more than 3 archives in each other");
        let few = ArchiveLimits { entries: 3, ..ArchiveLimits::default() };
        let inner = Zip::new().file("a", "x").file("b", "x").file("c", "x").finish();
        check_refused(Zip::new().file("z.zip", inner), &few, RefusalKind::TooLarge, "4 entries, at most 3");
        let wide = Zip::new().file("a", "").file("b", "").file("c", "").file("d", "").finish();
        let refusal = walk_only(&wide, &few).unwrap_err();
        assert_eq!((refusal.kind, &*refusal.detail), (RefusalKind::TooLarge, "4 entries, at most 3"));
    }

    #[test]
    fn an_archive_within_that_is_too_large_to_hold_is_a_file() {
        let inner = Zip::new().stored("a", &[b'x'; 5000]).finish();
        let limits = ArchiveLimits { nested_bytes: 1000, ..ArchiveLimits::default() };
        let (found, _) = files(&Zip::new().stored("z.zip", &inner).finish(), &limits);
        assert_eq!(found, [("z.zip".to_owned(), inner.len())]);
    }

    fn walk_only(archive: &[u8], limits: &ArchiveLimits) -> Result<Walk, Refusal> {
        walk(&mut Cursor::new(archive), limits, &mut |_, content| io::copy(content, &mut io::sink()).map(|_| ()))
    }

    #[test]
    fn an_error_of_the_visitor_makes_a_file_a_refused_one() {
        let archive = Zip::new().file("a", "x").finish();
        let walk =
            walk(&mut Cursor::new(&archive), &ArchiveLimits::default(), &mut |_, _| Err(io::Error::other("no room")));
        assert_eq!(walk.unwrap().refused, [("a".to_owned(), Refusal::new(RefusalKind::Damaged, "no room"))]);
    }

    proptest! {
        #[test]
        fn mutated_archives_are_walked_or_refused(changes in prop::collection::vec((0_usize..400, any::<u8>()), 1..8)) {
            let inner = Zip::new().file("x.txt", "xy").finish();
            let mut archive = Zip::new().file("a.txt", "hello hello").file("d.zip", &inner).finish();
            for (at, value) in changes {
                let at = at % archive.len();
                archive[at] = value;
            }
            if let Ok(walk) = walk_only(&archive, &ArchiveLimits::default()) {
                prop_assert_eq!(walk.files + walk.folders + walk.archives + walk.refused.len() as u64, walk.entries);
            }
        }
    }
}
