//! Samples where this process allocates memory.
//!
//! The program's allocator counts bytes down and notes a stack for each [`STRIDE`] of them, so that a function that allocates
//! twice as much is seen twice as often. What is freed again counts as well: this finds who keeps the allocator busy, not who
//! leaks. While nobody samples, an allocation costs one more read of memory.
#![expect(unsafe_code, reason = "an allocator is unsafe to write")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

use weighbridge_engine::stage::Stage;

use super::cpu::CpuError;
use super::cpu::buffer::{Buffer, Mark};
use super::cpu::gather::{Collector, Gathered};
use super::cpu::memory::{Memory, now, thread_name};
use super::cpu::walk::{Stopped, walk};
use super::runs::add_runs;
use super::stacks::{Period, Profile};

/// Bytes from one sample to the next, as other heap profilers have it: some hundred samples a second of a busy program.
const STRIDE: u64 = 512 << 10;

/// Where samples go; null while nobody samples. It is only ever set to a buffer that lives as long as the process.
static BUFFER: AtomicPtr<Buffer> = AtomicPtr::new(std::ptr::null_mut());
/// When sampling began, nanoseconds of the monotonic clock.
static BEGAN: AtomicU64 = AtomicU64::new(0);
static IS_RUNNING: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Bytes that this thread may allocate until its next sample.
    static LEFT: Cell<u64> = const { Cell::new(STRIDE) };
}

/// The system's allocator, which an [`AllocationProfiler`] can watch.
///
/// A program names it as its `#[global_allocator]`; libraries do not.
#[derive(Clone, Copy, Debug, Default)]
pub struct WatchedAllocator;

// SAFETY: memory is that of the system's allocator, with the layouts that the caller gives; counting neither allocates nor
// touches it.
unsafe impl GlobalAlloc for WatchedAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller keeps the contract of this function, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above; the memory came from the same allocator.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size.saturating_sub(layout.size()));
        // SAFETY: as above; the memory came from the same allocator.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[inline]
fn note(size: usize) {
    if !BUFFER.load(Ordering::Relaxed).is_null() {
        count(size as u64);
    }
}

/// Counts down, and samples when that reaches 0. It does not allocate, so that it does not call itself.
#[cold]
#[inline(never)]
fn count(size: u64) {
    let left = LEFT.get();
    if size < left {
        LEFT.set(left - size);
        return;
    }
    let over = size - left;
    LEFT.set(STRIDE - over % STRIDE);
    // SAFETY: the pointer is null or of a buffer that lives as long as the process (see `BUFFER`).
    let Some(buffer) = (unsafe { BUFFER.load(Ordering::Acquire).as_ref() }) else { return };
    let mark = Mark {
        at: now().saturating_sub(BEGAN.load(Ordering::Relaxed)),
        thread: thread_name(),
        stage: Stage::current().number(),
        count: 1 + over / STRIDE,
    };
    let (frame, mut memory) = (frame_pointer(), Memory::new());
    // This function's own frame tells who called it.
    let (Some(caller), Some(at)) = (memory.word(frame), memory.word(frame + 8)) else { return };
    buffer.put(mark, |put| walk(Stopped { at, frame: caller, stack: frame }, |at| memory.word(at), put));
}

/// The frame pointer of the function that this is put into.
#[inline(always)]
fn frame_pointer() -> u64 {
    let frame: u64;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: it reads a register.
    unsafe {
        std::arch::asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: it reads a register.
    unsafe {
        std::arch::asm!("mov {}, x29", out(reg) frame, options(nomem, nostack, preserves_flags));
    }
    frame & !7
}

/// Samples allocations of this process until it is stopped or dropped.
#[derive(Debug)]
pub struct AllocationProfiler {
    collector: Option<Collector>,
}

impl AllocationProfiler {
    /// Starts to sample. Nothing is seen where the program's allocator is another than [`WatchedAllocator`].
    ///
    /// # Errors
    /// When another sampler of allocations runs, or the system forbids to read the stack.
    pub fn start() -> Result<Self, CpuError> {
        static SLOTS: OnceLock<Buffer> = OnceLock::new();
        if IS_RUNNING.swap(true, Ordering::SeqCst) {
            return Err(CpuError::Busy);
        }
        // What has begun ends when it is dropped, also where the next step is refused.
        let mut profiler = Self { collector: None };
        Memory::prepare().map_err(|source| CpuError::Refused { call: "process_vm_readv", source })?;
        let buffer = SLOTS.get_or_init(Buffer::new);
        profiler.collector = Some(Collector::start(buffer)?);
        BEGAN.store(now(), Ordering::Relaxed);
        BUFFER.store((&raw const *buffer).cast_mut(), Ordering::Release);
        Ok(profiler)
    }

    /// Ends sampling and looks up the names of what was seen.
    #[must_use]
    pub fn stop(mut self) -> Profile {
        let mut profile = self.end().profile(Period::Allocated(STRIDE)).without_ends(is_of_allocation);
        add_runs(&mut profile, BEGAN.load(Ordering::Relaxed));
        profile
    }

    fn end(&mut self) -> Gathered {
        BUFFER.store(std::ptr::null_mut(), Ordering::Release);
        self.collector.take().map(Collector::stop).unwrap_or_default()
    }
}

/// Whether a function only hands an allocation on: who asked for it is below it.
fn is_of_allocation(name: &str) -> bool {
    const PARTS: [&str; 6] =
        ["profile::allocations::", "__rust_", "__rustc::", "alloc::alloc::", "alloc::raw_vec::", "GlobalAlloc"];
    PARTS.iter().any(|part| name.contains(part))
}

impl Drop for AllocationProfiler {
    fn drop(&mut self) {
        drop(self.end());
        IS_RUNNING.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[global_allocator]
    static ALLOCATOR: WatchedAllocator = WatchedAllocator;

    #[inline(never)]
    fn allocate_much(bytes: usize) {
        for _ in 0..bytes / 4096 {
            drop(black_box(Vec::<u8>::with_capacity(4096)));
        }
    }

    #[test]
    fn what_a_thread_allocates_is_counted_where_it_does() {
        const MIB: usize = 64;
        let profiler = AllocationProfiler::start().unwrap();
        assert!(matches!(AllocationProfiler::start(), Err(CpuError::Busy)));
        let work = std::thread::Builder::new().name("allocator".to_owned());
        work.spawn(|| {
            let _stage = Stage::Load.enter();
            allocate_much(MIB << 20);
            // A large piece stands for many samples.
            drop(black_box(vec![0_u8; MIB << 20]));
        })
        .unwrap()
        .join()
        .unwrap();
        let profile = profiler.stop();
        assert_eq!(profile.period(), Some(Period::Allocated(STRIDE)));
        let ours = |frames: &[&str]| frames[0] == "allocator" && frames.get(1) == Some(&"[load]");
        let stacks = profile.stacks();
        let counted = |wanted: &dyn Fn(&[&str]) -> bool| {
            stacks.iter().filter(|(frames, _)| ours(frames) && wanted(frames)).map(|(_, count)| count).sum::<u64>()
        };
        let small = counted(&|frames| frames.iter().any(|name| name.contains("allocate_much")));
        // 128 are due of each kind; what the thread allocates beside them is less than a sample.
        assert!((127..=129).contains(&small), "{small}: {stacks:?}");
        let all = counted(&|_| true);
        assert!((255..=258).contains(&all), "{all}: {stacks:?}");
    }
}
