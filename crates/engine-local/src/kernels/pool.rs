//! The threads of one engine.
//!
//! A decode step hands out about a hundred jobs of some ten microseconds each, so threads look for the next job for a
//! while before they sleep. Each has a share of a job, whose parts it takes in order; then it helps the others with theirs.
//! A thread that the system has set aside delays nobody: a job is closed when its parts are claimed, and late threads stay
//! out.
#![expect(unsafe_code, reason = "threads that outlive a job borrow its closure and its output while it runs")]

use std::any::Any;
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, Thread};

use weighbridge_engine::stage::Stage;

use super::cores::Cores;

/// Looks for what a thread waits for before it sleeps: some 50 µs, longer than any gap within a decode step. Where
/// more threads want to run than there are cores, sleeping lets the awaited one run.
const LOOKS_BEFORE_SLEEP: u32 = 4000;

/// `state` holds the number of helpers inside the job, below this; whether the caller sleeps until they are out;
/// whether helpers may enter; and the number of the job.
const ASLEEP: u64 = 1 << 31;
const OPEN: u64 = 1 << 32;
const NUMBER: u64 = 1 << 33;

type Task<'a> = dyn Fn(usize) + Sync + 'a;

/// A set of threads that share one job at a time. The calling thread takes part.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    helpers: Vec<JoinHandle<()>>,
}

/// Columns `range` of some rows of a row-major matrix, for one part of a job.
#[derive(Debug)]
pub struct Columns<'a, T> {
    /// Which columns.
    pub range: Range<usize>,
    /// Of which rows.
    pub rows: Range<usize>,
    /// First value of the matrix.
    start: *mut T,
    /// Columns of the matrix.
    width: usize,
    matrix: PhantomData<&'a mut [T]>,
}

impl<T> Columns<'_, T> {
    /// These columns of one row.
    ///
    /// # Panics
    /// When this part does not have the row.
    pub fn row_mut(&mut self, row: usize) -> &mut [T] {
        assert!(self.rows.contains(&row), "row {row} of {:?}", self.rows);
        // SAFETY: the constructor checked that the matrix has these rows of `width` values and that the range lies within
        // the width. No other part has these columns of these rows, and `&mut self` keeps this part to one row at a time.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.width + self.range.start), self.range.len()) }
    }
}

impl Pool {
    /// Starts threads so that `threads` compute, the caller included; at least 1.
    ///
    /// # Errors
    /// When the system refuses a thread, or its core.
    pub fn new(threads: usize, cores: Option<&Cores>) -> std::io::Result<Self> {
        let next = (0..threads.max(1)).map(|_| Next::default()).collect();
        let mut pool = Self { shared: Arc::new(Shared { next, ..Shared::default() }), helpers: Vec::new() };
        for number in 1..threads.max(1) {
            let shared = Arc::clone(&pool.shared);
            let builder = std::thread::Builder::new().name(format!("compute-{number}"));
            let (cores, (told, placed)) = (cores.cloned(), std::sync::mpsc::sync_channel(1));
            pool.helpers.push(builder.spawn(move || {
                // Whoever waits for this goes on only when it has come.
                let is_placed = cores.map_or(Ok(()), |cores| cores.pin(number));
                let works = is_placed.is_ok();
                if told.send(is_placed).is_ok() && works {
                    shared.help(number);
                }
            })?);
            placed.recv().unwrap_or_else(|_| Err(std::io::Error::other("a thread ended before it began")))?;
        }
        Ok(pool)
    }

    /// The calling thread alone.
    #[must_use]
    pub fn alone() -> Self {
        Self { shared: Arc::new(Shared { next: Box::default(), ..Shared::default() }), helpers: Vec::new() }
    }

    /// Threads that compute, the caller included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.helpers.len() + 1
    }

    /// Splits the columns of a row-major matrix into runs of `chunk` and calls `task` once for each, on all threads.
    /// Returns when all are done.
    ///
    /// # Panics
    /// When `out` is no whole number of rows of `width`, when `chunk` is 0, or when `task` panics.
    pub fn for_columns<T: Send>(
        &mut self,
        out: &mut [T],
        width: usize,
        chunk: usize,
        task: impl Fn(Columns<'_, T>) + Sync,
    ) {
        self.for_tiles(out, width, (usize::MAX, chunk), task);
    }

    /// As [`for_columns`](Self::for_columns), for tiles of some rows and columns.
    ///
    /// # Panics
    /// When `out` is no whole number of rows of `width`, when a tile is empty, or when `task` panics.
    pub fn for_tiles<T: Send>(
        &mut self,
        out: &mut [T],
        width: usize,
        (tall, wide): (usize, usize),
        task: impl Fn(Columns<'_, T>) + Sync,
    ) {
        let is_whole = tall > 0 && wide > 0 && out.len().is_multiple_of(width);
        assert!(is_whole, "{} values in rows of {width} by tiles of {tall} x {wide}", out.len());
        let (start, rows) = (Start(out.as_mut_ptr()), out.len() / width);
        let (down, across) = (rows.div_ceil(tall), width.div_ceil(wide));
        let part = |index: usize| {
            let (row, column) = (index / across * tall, index % across * wide);
            let rows = row..row.saturating_add(tall).min(rows);
            let range = column..(column + wide).min(width);
            task(Columns { range, rows, start: start.get(), width, matrix: PhantomData });
        };
        self.run(down * across, &part);
    }

    fn run(&mut self, parts: usize, task: &Task<'_>) {
        if parts <= 1 || self.helpers.is_empty() {
            return (0..parts).for_each(task);
        }
        let shared = &*self.shared;
        shared.parts.store(parts, Ordering::Relaxed);
        shared.stage.store(Stage::current().number(), Ordering::Relaxed);
        for (thread, next) in shared.next.iter().enumerate() {
            next.0.store(shared.first_of(thread), Ordering::Relaxed);
        }
        // SAFETY: only the lifetime changes. Threads enter a job only while it is open; `Closing` closes it and waits
        // for those inside before `task` ends, also when a part panics here. `&mut self` keeps other jobs out.
        let task: &'static Task<'static> = unsafe { std::mem::transmute::<&Task<'_>, &'static Task<'static>>(task) };
        // SAFETY: no job is open, so that no thread reads the cell.
        unsafe { *shared.task.get() = Some(task) };
        let number = (shared.state.load(Ordering::Relaxed) & !(NUMBER - 1)).wrapping_add(NUMBER);
        shared.state.store(number | OPEN, Ordering::SeqCst);
        if shared.sleepers.load(Ordering::SeqCst) > 0 {
            self.helpers.iter().for_each(|helper| helper.thread().unpark());
        }
        let closing = Closing(shared);
        shared.take_parts(0, task);
        drop(closing);
        let panic = shared.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for helper in self.helpers.drain(..) {
            helper.thread().unpark();
            // A panic of a task was handed to the caller; the thread itself has none.
            drop(helper.join());
        }
    }
}

/// Carries the matrix to the threads.
struct Start<T>(*mut T);

impl<T> Start<T> {
    fn get(&self) -> *mut T {
        self.0
    }
}

// SAFETY: parts reach disjoint columns only, and `T: Send` lets another thread write them.
unsafe impl<T: Send> Sync for Start<T> {}

/// A part's number on a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
struct Next(AtomicUsize);

#[derive(Default)]
struct Shared {
    /// Job number, open flag, and threads inside.
    state: AtomicU64,
    task: UnsafeCell<Option<&'static Task<'static>>>,
    parts: AtomicUsize,
    /// What the caller is at, so that helpers are at the same.
    stage: AtomicU8,
    /// For each thread, the next part of its share.
    next: Box<[Next]>,
    sleepers: AtomicUsize,
    stop: AtomicBool,
    /// Who sleeps until the job is over.
    caller: Mutex<Option<Thread>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `task` is written while no job is open and read by threads that entered an open one; entering acquires what
// opening released.
unsafe impl Sync for Shared {}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Shared {
    /// Life of a helper: enter each job once.
    fn help(&self, thread: usize) {
        let mut last = 0;
        while let Some(state) = self.wait_for_job(last) {
            let entered = self.state.compare_exchange(state, state + 1, Ordering::Acquire, Ordering::Relaxed).is_ok();
            if !entered {
                continue;
            }
            last = state & !(NUMBER - 1);
            let _stage = Stage::of_number(self.stage.load(Ordering::Relaxed)).enter();
            // SAFETY: this thread is inside an open job, so that the cell is not written.
            if let Some(task) = unsafe { *self.task.get() }
                && let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.take_parts(thread, task)))
            {
                *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
            }
            self.leave();
        }
    }

    fn leave(&self) {
        let before = self.state.fetch_sub(1, Ordering::AcqRel);
        let is_last = before & (ASLEEP - 1) == 1;
        if is_last && before & ASLEEP != 0 {
            let caller = self.caller.lock().unwrap_or_else(PoisonError::into_inner).take();
            caller.iter().for_each(Thread::unpark);
        }
    }

    /// The state of an open job with another number; `None` when the pool ends.
    fn wait_for_job(&self, last: u64) -> Option<u64> {
        let open = || {
            let state = self.state.load(Ordering::SeqCst);
            (state & OPEN != 0 && state & !(NUMBER - 1) != last).then_some(state)
        };
        loop {
            for _ in 0..LOOKS_BEFORE_SLEEP {
                if let Some(state) = open() {
                    return Some(state);
                }
                std::hint::spin_loop();
            }
            if self.stop.load(Ordering::SeqCst) {
                return None;
            }
            self.sleepers.fetch_add(1, Ordering::SeqCst);
            // The caller opens a job and then counts sleepers; this thread counts itself and then looks. One sees the
            // other.
            if open().is_none() && !self.stop.load(Ordering::SeqCst) {
                std::thread::park();
            }
            self.sleepers.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// First part of a thread's share.
    fn first_of(&self, thread: usize) -> usize {
        self.parts.load(Ordering::Relaxed) * thread / self.next.len()
    }

    /// Takes the parts of this thread's share in order, which memory likes, and then what is left of the others'.
    fn take_parts(&self, thread: usize, task: &Task<'_>) {
        let threads = self.next.len();
        for share in (thread..threads).chain(0..thread) {
            let end = self.first_of(share + 1);
            loop {
                let part = self.next[share].0.fetch_add(1, Ordering::Relaxed);
                if part >= end {
                    break;
                }
                task(part);
            }
        }
    }
}

/// Closes the job when dropped and waits until no thread is inside.
struct Closing<'a>(&'a Shared);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let shared = self.0;
        shared.state.fetch_and(!OPEN, Ordering::Relaxed);
        let is_empty = || shared.state.load(Ordering::Acquire) & (ASLEEP - 1) == 0;
        for _ in 0..LOOKS_BEFORE_SLEEP {
            if is_empty() {
                return;
            }
            std::hint::spin_loop();
        }
        *shared.caller.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::current());
        shared.state.fetch_or(ASLEEP, Ordering::AcqRel);
        while !is_empty() {
            std::thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_visited_once() {
        for threads in [1, 2, 5] {
            let mut pool = Pool::new(threads, None).unwrap();
            for (rows, width, chunk) in [(1, 1, 1), (3, 100, 7), (2, 8, 100), (4, 1000, 1)] {
                let mut out = vec![0_u32; rows * width];
                pool.for_columns(&mut out, width, chunk, |mut columns| {
                    for row in 0..rows {
                        columns.row_mut(row).iter_mut().for_each(|value| *value += 1);
                    }
                });
                assert!(out.iter().all(|&count| count == 1), "{threads} threads, {rows} x {width} by {chunk}");
            }
        }
    }

    #[test]
    fn many_jobs_in_a_row_and_after_sleep() {
        let mut pool = Pool::new(3, None).unwrap();
        let mut out = vec![0_u64; 64];
        for _ in 0..2000 {
            pool.for_columns(&mut out, 64, 4, |mut columns| columns.row_mut(0).iter_mut().for_each(|v| *v += 1));
        }
        assert!(out.iter().all(|&count| count == 2000));
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let mut pool = Pool::new(2, None).unwrap();
        let mut out = vec![0_u8; 64];
        let failed = catch_unwind(AssertUnwindSafe(|| {
            pool.for_columns(&mut out, 64, 1, |columns| assert!(columns.range.start != 40, "planned"));
        }));
        assert!(failed.is_err());
        pool.for_columns(&mut out, 64, 1, |mut columns| columns.row_mut(0)[0] = 1);
        assert!(out.iter().all(|&value| value == 1));
    }
}
