//! The kernel's `perf_event` interface: the part that the compiler cannot check.
#![expect(unsafe_code, reason = "the interface is a system call and memory that is shared with the kernel")]

use std::io::{Error, Result};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU64, Ordering};

/// Pages of a ring, a power of two: 256 KiB hold two seconds of one processor with the deepest stacks, and stay below what the
/// kernel lets a user lock.
const PAGES: usize = 64;

/// `PERF_TYPE_SOFTWARE` with `PERF_COUNT_SW_CPU_CLOCK`: works in virtual machines, which often have no counters.
const SOFTWARE_CLOCK: (u32, u64) = (1, 0);
/// Thread, time and call chain, in the order in which `perf_records` reads them.
const SAMPLE_FIELDS: u64 = 1 << 1 | 1 << 2 | 1 << 5;
/// `inherit` (threads that come later), `exclude_kernel`, `exclude_hv`, `freq`.
const FLAGS: u64 = 1 << 1 | 1 << 5 | 1 << 6 | 1 << 10;
/// `PERF_FLAG_FD_CLOEXEC`.
const CLOSE_ON_EXEC: u64 = 8;
/// `PERF_EVENT_IOC_SET_OUTPUT`.
const SET_OUTPUT: libc::Ioctl = 0x2405;
/// Where the kernel tells how much it has written, and is told how much was read, in words from the start.
const HEAD_WORD: usize = 128;
const TAIL_WORD: usize = 129;

/// Samples a thread, and those that it will start, on one processor.
///
/// # Errors
/// What the kernel says.
pub(super) fn open(thread: u32, processor: usize, hertz: u32) -> Result<OwnedFd> {
    // `perf_event_attr` of 128 bytes, field by field; what is not named is 0.
    let mut attributes = [0_u64; 16];
    let (kind, config) = SOFTWARE_CLOCK;
    attributes[0] = u64::from(kind) | (size_of_val(&attributes) as u64) << 32;
    attributes[1] = config;
    attributes[2] = u64::from(hertz);
    attributes[3] = SAMPLE_FIELDS;
    attributes[5] = FLAGS;
    // SAFETY: the attributes have the size that they name and live through the call; -1 is no group.
    let number =
        unsafe { libc::syscall(libc::SYS_perf_event_open, attributes.as_ptr(), thread, processor, -1, CLOSE_ON_EXEC) };
    let number = i32::try_from(number).ok().filter(|number| *number >= 0).ok_or_else(Error::last_os_error)?;
    // SAFETY: the kernel has just opened it for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Where the kernel puts the samples of one processor.
#[derive(Debug)]
pub(super) struct Ring {
    event: OwnedFd,
    start: NonNull<u64>,
    length: usize,
}

impl Ring {
    /// Makes a ring for an event.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn new(event: OwnedFd) -> Result<Self> {
        // SAFETY: it only asks for a number.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).map_err(|_| Error::last_os_error())?;
        let length = (1 + PAGES) * page;
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the kernel chooses where; nothing of ours lies there.
        let start = unsafe { libc::mmap(null_mut(), length, rights, libc::MAP_SHARED, event.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(Error::last_os_error)?;
        Ok(Self { event, start, length })
    }

    /// Lets another event of the same processor put its samples here.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn share(&self, event: &OwnedFd) -> Result<()> {
        // SAFETY: both are events that are open.
        let done = unsafe { libc::ioctl(event.as_raw_fd(), SET_OUTPUT, self.event.as_raw_fd()) };
        if done < 0 { Err(Error::last_os_error()) } else { Ok(()) }
    }

    /// Takes out what was written since the last time: whole records.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let head = self.word(HEAD_WORD).load(Ordering::Acquire);
        let tail = self.word(TAIL_WORD).load(Ordering::Relaxed);
        let page = self.length / (1 + PAGES);
        let (first, words) = (page / 8, (PAGES * page / 8) as u64);
        // Records are whole words; heads and tails only grow, and the ring is as long as a power of two.
        let written = (tail / 8..head / 8).take(PAGES * page / 8);
        let place = |word: u64| first + usize::try_from(word % words).unwrap_or(0);
        let bytes = written.flat_map(|word| self.word(place(word)).load(Ordering::Relaxed).to_le_bytes()).collect();
        self.word(TAIL_WORD).store(head, Ordering::Release);
        bytes
    }

    fn word(&self, number: usize) -> &AtomicU64 {
        assert!(number < self.length / 8, "word {number} of a ring of {} bytes", self.length);
        // SAFETY: the word lies within the mapping, which is aligned to a page and lives as long as `self`. The kernel
        // writes there as well, which is why it is read as an atomic.
        unsafe { AtomicU64::from_ptr(self.start.as_ptr().add(number)) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nobody else has a reference into it.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// Processors that the system has, also those that are offline.
pub(super) fn processors() -> usize {
    // SAFETY: it only asks for a number.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_NPROCESSORS_CONF) }).unwrap_or(1)
}
