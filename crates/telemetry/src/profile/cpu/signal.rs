//! The timer, its signal and the handler: the part that the compiler cannot check.
#![expect(unsafe_code, reason = "signal handlers and timers are calls of the C library")]

use std::io::Error;
use std::mem::{MaybeUninit, size_of_val, zeroed};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use libc::{c_int, c_void};
use weighbridge_engine::stage::Stage;

use super::CpuError;
use super::buffer::{Buffer, Mark};
use super::walk::{Stopped, walk};

/// Bytes of the stack that are read at once. A power of two below the page size, so that a block lies in one page.
const BLOCK: u64 = 1024;

/// Where the handler puts samples; null while nothing is sampled. It is only ever set to a buffer that lives as long as the
/// process.
static BUFFER: AtomicPtr<Buffer> = AtomicPtr::new(null_mut());
/// When sampling began, nanoseconds of the monotonic clock.
static BEGAN: AtomicU64 = AtomicU64::new(0);
/// Number of this process; a child that was forked must not read its parent's memory.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// Puts a sample into the buffer for each `period` of processor time.
pub(super) fn start(buffer: &'static Buffer, period: Duration) -> Result<(), CpuError> {
    PROCESS.store(std::process::id(), Ordering::Relaxed);
    BEGAN.store(now(), Ordering::Relaxed);
    let mut probe = Memory::new();
    let here = (&raw const probe) as u64;
    if probe.word(here & !7).is_none() {
        return Err(refused("process_vm_readv"));
    }
    install()?;
    BUFFER.store((&raw const *buffer).cast_mut(), Ordering::Release);
    set_timer(period).inspect_err(|_| BUFFER.store(null_mut(), Ordering::Release))
}

/// Ends it. The handler stays: a signal that is still on its way would end the process.
pub(super) fn stop() {
    // Ending a timer that is known to the kernel is not refused.
    let _ = set_timer(Duration::ZERO);
    BUFFER.store(null_mut(), Ordering::Release);
}

fn refused(call: &'static str) -> CpuError {
    CpuError::Refused { call, source: Error::last_os_error() }
}

fn install() -> Result<(), CpuError> {
    // SAFETY: `sigaction` is a plain structure, for which zeros are valid.
    let (mut wanted, mut before): (libc::sigaction, libc::sigaction) = unsafe { (zeroed(), zeroed()) };
    // SAFETY: both pointers are null or of a structure that lives through the call.
    if unsafe { libc::sigaction(libc::SIGPROF, null(), &raw mut before) } != 0 {
        return Err(refused("sigaction"));
    }
    let ours = handle as extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) as usize;
    if before.sa_sigaction == ours {
        return Ok(());
    }
    if before.sa_sigaction != libc::SIG_DFL && before.sa_sigaction != libc::SIG_IGN {
        return Err(CpuError::SignalTaken);
    }
    wanted.sa_sigaction = ours;
    // System calls go on after the handler. There is no second signal within the handler: a signal blocks itself.
    wanted.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
    // SAFETY: `wanted` is whole, and its handler does only what is allowed within one (see there).
    if unsafe { libc::sigaction(libc::SIGPROF, &raw const wanted, null_mut()) } != 0 {
        return Err(refused("sigaction"));
    }
    Ok(())
}

fn set_timer(period: Duration) -> Result<(), CpuError> {
    let time = libc::timeval {
        tv_sec: libc::time_t::try_from(period.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_usec: libc::suseconds_t::from(period.subsec_micros()),
    };
    let timer = libc::itimerval { it_interval: time, it_value: time };
    // SAFETY: the timer is whole and lives through the call; the old one is not asked for.
    if unsafe { libc::setitimer(libc::ITIMER_PROF, &raw const timer, null_mut()) } != 0 {
        return Err(refused("setitimer"));
    }
    Ok(())
}

/// Runs on the thread that used the processor, between any two of its instructions. It takes no lock and no memory, calls only
/// the kernel, reads foreign memory only through the kernel, and leaves `errno` as it was.
extern "C" fn handle(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the pointer is null or of a buffer that lives as long as the process (see `BUFFER`), and is shared by
    // reference only.
    let Some(buffer) = (unsafe { BUFFER.load(Ordering::Acquire).as_ref() }) else { return };
    // SAFETY: the kernel hands a handler with SA_SIGINFO a context of this type, which lives until it returns.
    let Some(context) = (unsafe { context.cast::<libc::ucontext_t>().as_ref() }) else { return };
    // SAFETY: the location of this thread's `errno` is valid for as long as the thread lives.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { *errno };
    let mark = Mark {
        at: now().saturating_sub(BEGAN.load(Ordering::Relaxed)),
        thread: thread_name(),
        stage: Stage::current().number(),
    };
    let mut memory = Memory::new();
    buffer.put(mark, |put| walk(stopped(context), |at| memory.word(at), put));
    // SAFETY: as above.
    unsafe { *errno = before };
}

#[cfg(target_arch = "x86_64")]
fn stopped(context: &libc::ucontext_t) -> Stopped {
    let register = |number: c_int| context.uc_mcontext.gregs[number as usize].cast_unsigned();
    Stopped { at: register(libc::REG_RIP), frame: register(libc::REG_RBP), stack: register(libc::REG_RSP) }
}

#[cfg(target_arch = "aarch64")]
fn stopped(context: &libc::ucontext_t) -> Stopped {
    let registers = &context.uc_mcontext;
    Stopped { at: registers.pc, frame: registers.regs[29], stack: registers.sp }
}

/// Nanoseconds of the monotonic clock.
fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure lives through the call, which POSIX allows in a handler.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    (time.tv_sec.cast_unsigned()).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec.cast_unsigned())
}

fn thread_name() -> [u8; 16] {
    let mut name = [0_u8; 16];
    // SAFETY: the kernel writes 16 bytes at most, the last of which is 0. It is a system call and nothing else.
    unsafe { libc::syscall(libc::SYS_prctl, libc::PR_GET_NAME, name.as_mut_ptr(), 0, 0, 0) };
    name
}

/// Memory of this process, read by blocks through the kernel, which refuses what is not mapped instead of ending the process.
struct Memory {
    /// The block starts here; `u64::MAX` while there is none.
    start: u64,
    words: [MaybeUninit<u64>; (BLOCK / 8) as usize],
}

impl Memory {
    const fn new() -> Self {
        Self { start: u64::MAX, words: [MaybeUninit::uninit(); (BLOCK / 8) as usize] }
    }

    /// The word at an address that 8 divides.
    fn word(&mut self, at: u64) -> Option<u64> {
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
