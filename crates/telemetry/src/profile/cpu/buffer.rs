//! Where the signal handler leaves what it saw: slots of fixed size, without locks or allocation.

use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Frames of a stack that are kept, from the innermost on.
pub(in crate::profile) const MOST_FRAMES: usize = 128;

/// Samples between two looks: at 99 a second and a look every 50 ms enough for two hundred busy processors.
const SLOTS: usize = 1024;

const FREE: u8 = 0;
const TAKEN: u8 = 1;
const READY: u8 = 2;

/// A stack as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::profile) struct RawStack {
    pub(in crate::profile) thread: String,
    /// Number of a `Stage`.
    pub(in crate::profile) stage: u8,
    /// The innermost first.
    pub(in crate::profile) addresses: Vec<u64>,
}

/// The slots. A slot is free, taken by a handler that writes it, or ready to be read, and only the handler that took it and
/// the one reader move it on; its fields are written before it becomes ready.
#[derive(Debug)]
pub(in crate::profile) struct Buffer {
    slots: Vec<Slot>,
    next: AtomicUsize,
    lost: AtomicU64,
}

#[derive(Debug)]
struct Slot {
    state: AtomicU8,
    stage: AtomicU8,
    frames: AtomicUsize,
    /// Nanoseconds since sampling began.
    at: AtomicU64,
    count: AtomicU64,
    /// Name of the thread, filled up with zeros.
    thread: [AtomicU64; 2],
    addresses: [AtomicU64; MOST_FRAMES],
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            state: AtomicU8::new(FREE),
            stage: AtomicU8::new(0),
            frames: AtomicUsize::new(0),
            at: AtomicU64::new(0),
            count: AtomicU64::new(0),
            thread: Default::default(),
            addresses: [const { AtomicU64::new(0) }; MOST_FRAMES],
        }
    }
}

/// What a handler tells beside the addresses.
#[derive(Clone, Copy, Debug)]
pub(in crate::profile) struct Mark {
    /// Nanoseconds since sampling began.
    pub(in crate::profile) at: u64,
    /// Name of the thread, filled up with zeros.
    pub(in crate::profile) thread: [u8; 16],
    /// Number of its stage.
    pub(in crate::profile) stage: u8,
    /// For how many samples this one stands.
    pub(in crate::profile) count: u64,
}

impl Buffer {
    pub(in crate::profile) fn new() -> Self {
        let slots = (0..SLOTS).map(|_| Slot::default()).collect();
        Self { slots, next: AtomicUsize::new(0), lost: AtomicU64::new(0) }
    }

    /// Forgets what is in it.
    pub(in crate::profile) fn clear(&self) {
        self.drain(|_, _, _| {});
        self.lost.store(0, Ordering::Relaxed);
    }

    /// Samples for which there was no free slot.
    pub(in crate::profile) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Takes a slot and fills it. `walk` is handed where to put each address and returns when it is told that there is no more
    /// room. It may be called from a signal handler: it takes no lock and no memory.
    pub(in crate::profile) fn put(&self, mark: Mark, walk: impl FnOnce(&mut dyn FnMut(u64) -> bool)) {
        let place = self.next.fetch_add(1, Ordering::Relaxed) % SLOTS;
        let Some(slot) = self.slots.get(place) else { return };
        if slot.state.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.lost.fetch_add(mark.count, Ordering::Relaxed);
            return;
        }
        let mut frames = 0;
        walk(&mut |address| {
            if let Some(kept) = slot.addresses.get(frames) {
                kept.store(address, Ordering::Relaxed);
                frames += 1;
            }
            frames < MOST_FRAMES
        });
        slot.frames.store(frames, Ordering::Relaxed);
        slot.at.store(mark.at, Ordering::Relaxed);
        slot.count.store(mark.count, Ordering::Relaxed);
        slot.stage.store(mark.stage, Ordering::Relaxed);
        let (halves, _) = mark.thread.as_chunks();
        for (kept, half) in slot.thread.iter().zip(halves) {
            kept.store(u64::from_le_bytes(*half), Ordering::Relaxed);
        }
        slot.state.store(READY, Ordering::Release);
    }

    /// Hands over what is ready. Only one thread calls this.
    pub(in crate::profile) fn drain(&self, mut taken: impl FnMut(RawStack, Duration, u64)) {
        for slot in &self.slots {
            if slot.state.load(Ordering::Acquire) != READY {
                continue;
            }
            let read = |value: &AtomicU64| value.load(Ordering::Relaxed);
            let frames = slot.frames.load(Ordering::Relaxed);
            let name: Vec<u8> = slot.thread.iter().flat_map(|half| read(half).to_le_bytes()).collect();
            let stack = RawStack {
                thread: String::from_utf8_lossy(name.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned(),
                stage: slot.stage.load(Ordering::Relaxed),
                addresses: slot.addresses.iter().take(frames).map(read).collect(),
            };
            let (at, count) = (Duration::from_nanos(read(&slot.at)), read(&slot.count));
            slot.state.store(FREE, Ordering::Release);
            taken(stack, at, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(at: u64) -> Mark {
        let mut thread = [0; 16];
        thread[..6].copy_from_slice(b"worker");
        Mark { at, thread, stage: 4, count: 1 }
    }

    #[test]
    fn what_is_put_is_drained_once_and_what_finds_no_room_is_counted() {
        let buffer = Buffer::new();
        for number in 0..SLOTS as u64 + 5 {
            buffer.put(mark(number), |put| {
                let mut address = number;
                while put(address) && address < number + 2 {
                    address += 1;
                }
            });
        }
        let mut drained = Vec::new();
        buffer.drain(|stack, at, count| drained.push((stack, at, count)));
        assert_eq!((drained.len(), buffer.lost()), (SLOTS, 5));
        let stack = RawStack { thread: "worker".to_owned(), stage: 4, addresses: vec![7, 8, 9] };
        assert_eq!(drained[7], (stack, Duration::from_nanos(7), 1));
        buffer.drain(|_, _, _| panic!("it was drained"));
        buffer.clear();
        assert_eq!(buffer.lost(), 0);
    }

    #[test]
    fn deep_stacks_end_at_the_limit() {
        let buffer = Buffer::new();
        buffer.put(mark(0), |put| while put(1) {});
        buffer.drain(|stack, _, _| assert_eq!(stack.addresses.len(), MOST_FRAMES));
    }

    #[test]
    fn many_writers_and_a_reader_lose_nothing_unseen() {
        let buffer = Buffer::new();
        let (writers, each) = (4_u64, 20_000_u64);
        let mut drained = 0;
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..writers)
                .map(|writer| {
                    let buffer = &buffer;
                    scope.spawn(move || {
                        for _ in 0..each {
                            // Each slot holds one writer's number only.
                            buffer.put(mark(writer), |put| while put(writer) {});
                        }
                    })
                })
                .collect();
            let mut drain = || {
                buffer.drain(|stack, at, count| {
                    drained += count;
                    assert!(stack.addresses.iter().all(|&address| u128::from(address) == at.as_nanos()));
                });
            };
            while !threads.iter().all(|thread| thread.is_finished()) {
                drain();
            }
            drain();
        });
        assert_eq!(drained + buffer.lost(), writers * each);
    }
}
