//! What the memory of this process consists of, so that what is counted can be set against what the kernel says.
#![expect(unsafe_code, reason = "the allocator tells of itself through a C function")]

use std::path::Path;

use crate::process::kib_field;
use crate::root::SystemRoot;

/// The proportional set size of this process by what its pages hold, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryParts {
    /// All of it: the sum of the three kinds below.
    pub pss: u64,
    /// The program and its libraries: code, constants, weights that are part of it.
    pub program: u64,
    /// Other mapped files, such as weights.
    pub files: u64,
    /// Memory without a file: the heap, blocks of keys and values, stacks.
    pub anonymous: u64,
    /// What the allocator says; `None` for an allocator that does not tell.
    pub heap: Option<Heap>,
}

/// The allocator's own account, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heap {
    /// Given out and not given back.
    pub used: u64,
    /// Given back, and kept for the next request. Pages of it may have gone back to the system.
    pub kept: u64,
}

impl Heap {
    /// Asks the allocator of this process; `None` for one that does not tell.
    #[must_use]
    pub fn read() -> Option<Self> {
        heap()
    }

    /// Gives back to the system what the allocator of this process keeps, as far as whole pages are free.
    ///
    /// # Errors
    /// Says why the allocator cannot be told to.
    pub fn trim() -> Result<(), &'static str> {
        trim()
    }
}

impl MemoryParts {
    /// Reads all mappings of this process; `None` where the system does not list them.
    #[must_use]
    pub fn read(root: &SystemRoot) -> Option<Self> {
        let heap = heap();
        let program = std::fs::read_link(root.path("/proc/self/exe")).ok();
        Some(Self { heap, ..parts(&root.read("/proc/self/smaps")?, program.as_deref()) })
    }
}

/// Adds up the mappings of `smaps`.
fn parts(smaps: &str, program: Option<&Path>) -> MemoryParts {
    let mut parts = MemoryParts::default();
    let mut kind = Kind::Anonymous;
    for line in smaps.lines() {
        if let Some(name) = mapping(line) {
            kind = Kind::of(name, program);
        } else if line.starts_with("Pss:") {
            let bytes = kib_field(line, "Pss").unwrap_or(0);
            parts.pss += bytes;
            match kind {
                Kind::Program => parts.program += bytes,
                Kind::File => parts.files += bytes,
                Kind::Anonymous => parts.anonymous += bytes,
            }
        }
    }
    parts
}

/// What a mapping holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Program,
    File,
    Anonymous,
}

impl Kind {
    fn of(name: &str, program: Option<&Path>) -> Self {
        let is_library = || name.rsplit('/').next().is_some_and(|file| file.ends_with(".so") || file.contains(".so."));
        match name.as_bytes().first() {
            Some(b'/') if program == Some(Path::new(name)) || is_library() => Self::Program,
            Some(b'/') => Self::File,
            // [heap], [stack] and named memory; the kernel's own pages have no size.
            _ => Self::Anonymous,
        }
    }
}

/// The name in the first line of a mapping, `start-end flags offset device inode name`; empty for memory without one, `None`
/// for any other line.
fn mapping(line: &str) -> Option<&str> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let is_address = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_address(start) || !is_address(end) {
        return None;
    }
    // Names may hold spaces, so only the four fields before are cut off.
    let name = (0..4).fold(rest, |rest, _| rest.trim_start().split_once(' ').map_or("", |(_, rest)| rest));
    Some(name.trim_start())
}

/// What glibc's allocator has given out, over all its arenas.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn heap() -> Option<Heap> {
    // SAFETY: the function takes nothing, locks each arena while it reads it, and returns numbers.
    let info = unsafe { libc::mallinfo2() };
    Some(Heap { used: (info.uordblks + info.hblkhd) as u64, kept: info.fordblks as u64 })
}

/// Has glibc's allocator give back free pages, of all its arenas.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn trim() -> Result<(), &'static str> {
    // SAFETY: the function takes a number, locks each arena while it works on it, and gives back only pages that nobody holds.
    let _ = unsafe { libc::malloc_trim(0) };
    Ok(())
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn heap() -> Option<Heap> {
    None
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim() -> Result<(), &'static str> {
    Err("the C library of this program has no `malloc_trim`")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
55d0a0000000-55d0a0100000 r-xp 00000000 fe:00 12345                      /opt/a b/weighbridge
Size:               1024 kB
Pss:                 400 kB
Pss_Dirty:             0 kB
7f0000000000-7f0000200000 r--s 00000000 fe:00 99                         /models/tiny f16.gguf (deleted)
Pss:                2048 kB
7f0000300000-7f0000301000 r-xp 00000000 fe:00 7                          /lib/libc.so.6
Pss:                   4 kB
55d0a2000000-55d0a3000000 rw-p 00000000 00:00 0                          [heap]
Pss:                 100 kB
7f0000400000-7f0000500000 rw-p 00000000 00:00 0 
Pss:                  28 kB
VmFlags: rd wr
";

    #[test]
    fn mappings_are_told_apart_by_their_names() {
        let parts = parts(SMAPS, Some(Path::new("/opt/a b/weighbridge")));
        let expected =
            MemoryParts { pss: 2580 << 10, program: 404 << 10, files: 2048 << 10, anonymous: 128 << 10, heap: None };
        assert_eq!(parts, expected);
        assert_eq!(super::parts("no mapping at all\nPss:\n", None), MemoryParts::default());
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn what_is_trimmed_is_resident_no_more() {
        let resident = || MemoryParts::read(&SystemRoot::host()).unwrap().anonymous;
        // Small enough for the heap and not for mappings of their own; one in sixteen is held, so that the top of the heap is.
        let mut blocks: Vec<Option<Vec<u8>>> = (0..16_384).map(|_| Some(vec![1_u8; 4_096])).collect();
        let full = resident();
        blocks.iter_mut().enumerate().filter(|(place, _)| place % 16 != 15).for_each(|(_, block)| *block = None);
        Heap::trim().unwrap();
        let trimmed = resident();
        // 60 MiB are free; other tests allocate beside this one, far less.
        assert!(full - trimmed > 30 << 20, "{full} to {trimmed}");
        drop(blocks);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_adds_up() {
        let root = SystemRoot::host();
        let before = MemoryParts::read(&root).unwrap();
        let held = vec![1_u8; 32 << 20];
        let after = MemoryParts::read(&root).unwrap();
        assert_eq!(after.pss, after.program + after.files + after.anonymous);
        assert!(after.program > 100_000, "{after:?}");
        // Other tests allocate and free beside this one, far less.
        assert!(after.anonymous - before.anonymous > 24 << 20, "{before:?} {after:?}");
        if let (Some(before), Some(after)) = (before.heap, after.heap) {
            assert!(after.used - before.used > 24 << 20, "{before:?} {after:?}");
        }
        drop(held);
    }
}
