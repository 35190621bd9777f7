//! The pacer: releases sessions at their planned instants.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;
use weighbridge_types::time::{Clock, Stamp};

use crate::supply::{Numbered, Supply};

/// Starts, as offsets from the start of the load, never falling.
pub type Starts = Box<dyn Iterator<Item = Duration> + Send>;

/// How the pacer waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pacing {
    /// A thread that sleeps in the kernel: wakes within some 60 µs.
    #[default]
    Thread,
    /// The runtime's timers, which count whole milliseconds, and follow paused time in tests.
    Timer,
}

/// A session on its way to a reactor.
pub(crate) struct Due {
    pub(crate) planned: Stamp,
    pub(crate) session: Numbered,
}

/// Sends each session to a reactor, in turn, when its planned instant has come.
pub(crate) struct Pacer {
    pub(crate) clock: Clock,
    pub(crate) begin: Stamp,
    /// No session is released that was planned at or after this.
    pub(crate) until: Option<Stamp>,
    pub(crate) supply: Arc<Supply>,
    /// Where the traffic does not say when a session starts.
    pub(crate) starts: Starts,
    pub(crate) reactors: Vec<Sender<Due>>,
    pub(crate) cancel: CancellationToken,
}

/// The longest sleep, so that a cancelled run does not wait for a start that is hours away.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

/// Asks the kernel not to put this thread's wake-ups together with others: by default a sleeper wakes up to 50 µs late,
/// which moves a whole schedule. Where the system refuses, the lag shows it.
fn wake_punctually() {
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_timerslack(1);
}

impl Pacer {
    fn next(&mut self) -> Option<Due> {
        let session = self.supply.next()?;
        let start = session.1.at.or_else(|| self.starts.next())?;
        let planned = self.begin.after(start);
        self.until.is_none_or(|until| planned < until).then_some(Due { planned, session })
    }

    /// Waits on this thread until the starts are over, or the run is cancelled.
    pub(crate) fn run_thread(mut self) {
        wake_punctually();
        for reactor in 0.. {
            let Some(due) = self.next() else { return };
            loop {
                if self.cancel.is_cancelled() {
                    return;
                }
                let left = due.planned - self.clock.now();
                if left.is_zero() {
                    break;
                }
                std::thread::sleep(left.min(LONGEST_SLEEP));
            }
            // A full queue means that the reactor is far behind; the plan keeps its time, and the row shows the lag.
            if self.reactors[reactor % self.reactors.len()].blocking_send(due).is_err() {
                return;
            }
        }
    }

    /// Waits on the runtime's timers.
    pub(crate) async fn run_timer(mut self) {
        for reactor in 0.. {
            let Some(due) = self.next() else { return };
            tokio::select! {
                () = self.cancel.cancelled() => return,
                () = tokio::time::sleep_until(self.clock.instant(due.planned)) => {}
            }
            if self.reactors[reactor % self.reactors.len()].send(due).await.is_err() {
                return;
            }
        }
    }
}
