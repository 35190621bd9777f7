//! Writing behind: answers wait in a bounded queue, and a thread writes them in batches.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::key::Key;
use crate::level::Kept;

/// Most answers that wait.
const MOST: usize = 4_096;
/// Most bytes that wait, except for one answer that is larger.
const MOST_BYTES: usize = 64 << 20;

/// An answer that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) key: Key,
    pub(super) kept: Kept,
    pub(super) ticket: u64,
}

/// The queue. Whoever finds it full waits for room: what was promised is not dropped.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// There is something to write, or nothing will come any more.
    ready: Condvar,
    /// There is room, or all is written.
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// Answers that are being written.
    writing: usize,
    waits: u64,
    is_closed: bool,
}

impl Queue {
    /// Adds an answer.
    pub(super) fn push(&self, waiting: Waiting) {
        let mut state = self.state();
        let length = waiting.kept.value.len();
        let is_full = |state: &State| {
            !state.waiting.is_empty() && (state.waiting.len() >= MOST || state.bytes + length > MOST_BYTES)
        };
        if is_full(&state) {
            state.waits += 1;
            let room = self.done.wait_while(state, |state| is_full(state));
            state = room.unwrap_or_else(PoisonError::into_inner);
        }
        state.bytes += length;
        state.waiting.push_back(waiting);
        self.ready.notify_one();
    }

    /// Waits for answers and takes some of together about `bytes`; none at the end.
    pub(super) fn take(&self, bytes: usize) -> Vec<Waiting> {
        let state = self.ready.wait_while(self.state(), |state| state.waiting.is_empty() && !state.is_closed);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        let (mut taken, mut sum) = (Vec::new(), 0);
        while let Some(next) = state.waiting.front() {
            sum += next.kept.value.len();
            if sum > bytes && !taken.is_empty() {
                break;
            }
            taken.extend(state.waiting.pop_front());
        }
        state.bytes -= taken.iter().map(|waiting| waiting.kept.value.len()).sum::<usize>();
        state.writing = taken.len();
        taken
    }

    /// What was taken last is written, or lost.
    pub(super) fn wrote(&self) {
        self.state().writing = 0;
        self.done.notify_all();
    }

    /// Waits until nothing waits.
    pub(super) fn flush(&self) {
        let busy = |state: &mut State| !state.waiting.is_empty() || state.writing > 0;
        drop(self.done.wait_while(self.state(), busy));
    }

    /// Lets the thread end once all is written.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.ready.notify_all();
    }

    /// Answers that are not written yet, and how often someone waited for room.
    pub(super) fn pending(&self) -> (u64, u64) {
        let state = self.state();
        ((state.waiting.len() + state.writing) as u64, state.waits)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
