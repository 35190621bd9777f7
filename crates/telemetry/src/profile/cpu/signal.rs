//! The timer, its signal and the handler: the part that the compiler cannot check.
#![expect(unsafe_code, reason = "signal handlers and timers are calls of the C library")]

use std::io::Error;
use std::mem::zeroed;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::time::Duration;

use libc::{c_int, c_void};
use weighbridge_engine::stage::Stage;

use super::CpuError;
use super::buffer::{Buffer, Mark};
use super::memory::{Memory, now, thread_name};
use super::walk::{Stopped, walk};
use crate::profile::runs;
use crate::profile::stacks::Profile;

/// Where the handler puts samples; null while nothing is sampled. It is only ever set to a buffer that lives as long as the
/// process.
static BUFFER: AtomicPtr<Buffer> = AtomicPtr::new(null_mut());
/// When sampling began, nanoseconds of the monotonic clock.
static BEGAN: AtomicU64 = AtomicU64::new(0);

/// Puts a sample into the buffer for each `period` of processor time.
pub(super) fn start(buffer: &'static Buffer, period: Duration) -> Result<(), CpuError> {
    Memory::prepare().map_err(|source| CpuError::Refused { call: "process_vm_readv", source })?;
    BEGAN.store(now(), Ordering::Relaxed);
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

/// Adds to what was sampled the runs that were measured meanwhile.
pub(super) fn add_runs(profile: &mut Profile) {
    runs::add_runs(profile, BEGAN.load(Ordering::Relaxed));
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
        count: 1,
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
