//! The thread that writes at the due times.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::{ErrorKind, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use tokio::sync::oneshot;
use weighbridge_types::time::{Clock, Stamp};

use super::log::{Played, Written};
use super::plan::Ending;
use super::stream::PlannedWrite;

/// Time before a due write that is spent spinning. Linux wakes a sleeper up to 50 µs late by default (its timer
/// slack), and some more for the switch.
const SPIN: Duration = Duration::from_micros(120);

/// Pause before another try to write to a client that does not read.
const FULL_SOCKET_PAUSE: Duration = Duration::from_millis(1);

/// Writes of an endless stream that are logged.
const ENDLESS_LOGGED: usize = 1024;

/// An answer to be played.
pub(super) struct Play {
    pub(super) socket: Arc<TcpStream>,
    pub(super) writes: VecDeque<PlannedWrite>,
    pub(super) ending: Ending,
    pub(super) played: Played,
    /// Told what becomes of the connection when the answer was written.
    pub(super) done: oneshot::Sender<Ending>,
}

/// Plays until nobody can hand in more; what is left then is dropped.
pub(super) fn run(queue: &Receiver<Play>, clock: Clock, log: impl Fn(Played)) {
    let mut schedule = Schedule::default();
    loop {
        let arrived = match schedule.next_due() {
            None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => match (due - clock.now()).checked_sub(SPIN) {
                Some(wait) if !wait.is_zero() => queue.recv_timeout(wait),
                _ => spin_until(due, clock, queue),
            },
        };
        match arrived {
            Ok(play) => schedule.insert(play),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                if schedule.next_due().is_some_and(|due| due <= clock.now()) {
                    schedule.write_next(clock, &log);
                }
            }
        }
    }
}

fn spin_until(due: Stamp, clock: Clock, queue: &Receiver<Play>) -> Result<Play, RecvTimeoutError> {
    loop {
        match queue.try_recv() {
            Ok(play) => return Ok(play),
            Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
            Err(TryRecvError::Empty) if clock.now() >= due => return Err(RecvTimeoutError::Timeout),
            Err(TryRecvError::Empty) => std::hint::spin_loop(),
        }
    }
}

/// Plays under way, by the time of their next write.
#[derive(Default)]
struct Schedule {
    heap: BinaryHeap<Reverse<(Stamp, usize)>>,
    /// Slots that the heap points into.
    plays: Vec<Option<Box<Play>>>,
    free: Vec<usize>,
}

impl Schedule {
    fn next_due(&self) -> Option<Stamp> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }

    fn insert(&mut self, play: Play) {
        let due = play.next_due();
        self.put(due, Box::new(play));
    }

    fn put(&mut self, due: Stamp, play: Box<Play>) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.plays.push(None);
            self.plays.len() - 1
        });
        self.plays[slot] = Some(play);
        self.heap.push(Reverse((due, slot)));
    }

    fn write_next(&mut self, clock: Clock, log: &impl Fn(Played)) {
        let Some(Reverse((due, slot))) = self.heap.pop() else { return };
        self.free.push(slot);
        let Some(mut play) = self.plays[slot].take() else { return };
        match play.write(clock.now(), due) {
            Progress::Continue(due) => self.put(due, play),
            Progress::Finished => play.finish(log),
        }
    }
}

enum Progress {
    Continue(Stamp),
    Finished,
}

impl Play {
    fn next_due(&self) -> Stamp {
        self.writes.front().map_or(self.played.received, |write| self.played.received.after(write.after))
    }

    /// Writes what is due, or the rest of it.
    fn write(&mut self, now: Stamp, due: Stamp) -> Progress {
        let Some(planned) = self.writes.front_mut() else { return Progress::Finished };
        match (&*self.socket).write(&planned.bytes[planned.sent..]) {
            Ok(count) => {
                if planned.sent == 0 {
                    self.played.writes.push(Written { due, at: now, tokens: planned.tokens });
                }
                planned.sent += count;
                if planned.sent == planned.bytes.len() {
                    self.end_write();
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Progress::Continue(now.after(FULL_SOCKET_PAUSE));
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => {
                self.played.abandoned = true;
                self.ending = Ending::Close;
                return Progress::Finished;
            }
        }
        if self.writes.is_empty() { Progress::Finished } else { Progress::Continue(self.next_due()) }
    }

    /// Takes the write that went out off the list; the last one of an endless stream comes again.
    fn end_write(&mut self) {
        let Some(gone) = self.writes.pop_front() else { return };
        if let (Ending::Endless(pace), true) = (self.ending, self.writes.is_empty()) {
            self.writes.push_back(PlannedWrite { after: gone.after + pace, sent: 0, ..gone });
            // An endless log would need endless memory.
            self.played.writes.truncate(ENDLESS_LOGGED);
        }
    }

    fn finish(self, log: &impl Fn(Played)) {
        // It fails where the client has closed already.
        if self.ending == Ending::Close {
            let _ = self.socket.shutdown(Shutdown::Both);
        }
        drop(self.socket);
        log(self.played);
        // Nobody listens when the connection has ended.
        let _ = self.done.send(self.ending);
    }
}
