//! A bounded queue between the events and a model.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::settings::Shed;

/// Jobs that wait for the workers of one route.
#[derive(Debug)]
pub(super) struct Queue<J> {
    state: Mutex<State<J>>,
    /// Something came, or nothing will.
    filled: Notify,
    /// Something went.
    room: Condvar,
    capacity: usize,
    shed: Shed,
}

#[derive(Debug)]
struct State<J> {
    jobs: VecDeque<J>,
    is_closed: bool,
}

impl<J> Queue<J> {
    pub(super) fn new(capacity: usize, shed: Shed) -> Self {
        let state = State { jobs: VecDeque::new(), is_closed: false };
        Self { state: Mutex::new(state), filled: Notify::new(), room: Condvar::new(), capacity, shed }
    }

    fn state(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Jobs that wait.
    pub(super) fn len(&self) -> usize {
        self.state().jobs.len()
    }

    /// Adds a job; gives back the one that is turned away or given up, if any. Where events wait outside, this waits.
    pub(super) fn push(&self, job: J) -> Option<J> {
        let mut state = self.state();
        let mut given_up = None;
        while state.jobs.len() >= self.capacity && !state.is_closed {
            match self.shed {
                Shed::Newest => return Some(job),
                Shed::Oldest => given_up = state.jobs.pop_front(),
                Shed::Block => state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
        if state.is_closed {
            return Some(job);
        }
        state.jobs.push_back(job);
        drop(state);
        self.filled.notify_one();
        given_up
    }

    /// Nothing more will come; what waits is still handed out.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.room.notify_all();
        self.filled.notify_waiters();
        self.filled.notify_one();
    }

    /// Takes out what waits, without handing it to a worker.
    pub(super) fn drain(&self) -> Vec<J> {
        let jobs = self.state().jobs.drain(..).collect();
        self.room.notify_all();
        jobs
    }

    /// Takes the oldest jobs, at most so many; waits for one. `None` at the end.
    pub(super) async fn take(&self, most: usize) -> Option<Vec<J>> {
        loop {
            let notified = self.filled.notified();
            {
                let mut state = self.state();
                let count = state.jobs.len().min(most);
                if count > 0 {
                    let taken = state.jobs.drain(..count).collect();
                    let (is_more, is_closed) = (!state.jobs.is_empty(), state.is_closed);
                    drop(state);
                    self.room.notify_all();
                    // A word for each job may have come as one; the next worker is told of what is left.
                    if is_more || is_closed {
                        self.filled.notify_one();
                    }
                    return Some(taken);
                }
                if state.is_closed {
                    drop(state);
                    self.filled.notify_one();
                    return None;
                }
            }
            notified.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_full_queue_sheds_as_it_was_told() {
        let newest = Queue::new(2, Shed::Newest);
        assert_eq!([1, 2, 3].map(|job| newest.push(job)), [None, None, Some(3)]);
        assert_eq!(newest.take(9).await, Some(vec![1, 2]));
        let oldest = Queue::new(2, Shed::Oldest);
        assert_eq!([1, 2, 3].map(|job| oldest.push(job)), [None, None, Some(1)]);
        assert_eq!(oldest.take(1).await, Some(vec![2]));
        oldest.close();
        assert_eq!((oldest.push(4), oldest.take(9).await, oldest.take(9).await), (Some(4), Some(vec![3]), None));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_job_is_taken_once_by_some_worker() {
        let queue = Arc::new(Queue::new(8, Shed::Block));
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let queue = queue.clone();
                tokio::spawn(async move {
                    let mut seen = Vec::new();
                    while let Some(jobs) = queue.take(3).await {
                        seen.extend(jobs);
                    }
                    seen
                })
            })
            .collect();
        let fill = queue.clone();
        std::thread::spawn(move || {
            (0..5_000).for_each(|job| assert_eq!(fill.push(job), None));
            fill.close();
        });
        let mut seen = Vec::new();
        for worker in workers {
            seen.extend(worker.await.unwrap());
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..5_000).collect::<Vec<i32>>());
    }
}
