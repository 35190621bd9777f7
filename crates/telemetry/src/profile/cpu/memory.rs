//! What may be asked of the kernel within a signal handler and within an allocation: no lock, no memory of our own.
#![expect(unsafe_code, reason = "they are system calls")]

use std::mem::{MaybeUninit, size_of_val};
use std::sync::atomic::{AtomicU32, Ordering};

use libc::c_void;

/// Bytes of the stack that are read at once. A power of two below the page size, so that a block lies in one page.
const BLOCK: u64 = 1024;

/// Number of this process; a child that was forked must not read its parent's memory.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// Memory of this process, read by blocks through the kernel, which refuses what is not mapped instead of ending the process.
pub(in crate::profile) struct Memory {
    /// The block starts here; `u64::MAX` while there is none.
    start: u64,
    words: [MaybeUninit<u64>; (BLOCK / 8) as usize],
}

impl Memory {
    /// Learns the number of this process, and whether the kernel lets it be read.
    ///
    /// # Errors
    /// What the kernel says.
    pub(in crate::profile) fn prepare() -> std::io::Result<()> {
        PROCESS.store(std::process::id(), Ordering::Relaxed);
        let mut memory = Self::new();
        let here = (&raw const memory) as u64;
        memory.word(here & !7).map(drop).ok_or_else(std::io::Error::last_os_error)
    }

    pub(in crate::profile) const fn new() -> Self {
        Self { start: u64::MAX, words: [MaybeUninit::uninit(); (BLOCK / 8) as usize] }
    }

    /// The word at an address that 8 divides.
    pub(in crate::profile) fn word(&mut self, at: u64) -> Option<u64> {
        let start = at & !(BLOCK - 1);
        if start != self.start && !self.fetch(start) {
            return None;
        }
        let word = self.words.get(((at - start) / 8) as usize)?;
        // SAFETY: `fetch` has filled every word of the block.
        Some(unsafe { word.assume_init() })
    }

    fn fetch(&mut self, start: u64) -> bool {
        self.start = u64::MAX;
        let length = size_of_val(&self.words);
        let local = libc::iovec { iov_base: self.words.as_mut_ptr().cast(), iov_len: length };
        let remote = libc::iovec { iov_base: start as *mut c_void, iov_len: length };
        let process = PROCESS.load(Ordering::Relaxed);
        // SAFETY: the kernel writes to `words`, which has this length, and checks every address that it reads. It is a
        // system call and nothing else.
        let read = unsafe {
            libc::syscall(
                libc::SYS_process_vm_readv,
                process,
                &raw const local,
                1_usize,
                &raw const remote,
                1_usize,
                0_usize,
            )
        };
        let is_whole = usize::try_from(read) == Ok(length);
        if is_whole {
            self.start = start;
        }
        is_whole
    }
}

/// Nanoseconds of the monotonic clock.
pub(in crate::profile) fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure lives through the call, which POSIX allows in a handler.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    (time.tv_sec.cast_unsigned()).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec.cast_unsigned())
}

pub(in crate::profile) fn thread_name() -> [u8; 16] {
    let mut name = [0_u8; 16];
    // SAFETY: the kernel writes 16 bytes at most, the last of which is 0. It is a system call and nothing else.
    unsafe { libc::syscall(libc::SYS_prctl, libc::PR_GET_NAME, name.as_mut_ptr(), 0, 0, 0) };
    name
}
