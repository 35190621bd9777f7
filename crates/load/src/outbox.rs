//! Rows on their way from the reactors to whoever keeps them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use weighbridge_types::request::RequestRow;

/// Rows that may wait to be taken. A keeper that is behind by this many holds the load up, which is counted.
const CAPACITY: usize = 1 << 17;

/// Rows put by many tasks and taken in bulk, so that no request wakes a thread.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    rows: Mutex<Vec<RequestRow>>,
    waits: AtomicU64,
}

impl Outbox {
    /// Puts a row. Waits while the outbox is full; the request that it tells of has ended by then.
    pub(crate) async fn put(&self, row: RequestRow) {
        let mut row = Some(row);
        loop {
            {
                let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
                if rows.len() < CAPACITY {
                    rows.extend(row.take());
                    return;
                }
            }
            self.waits.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// Takes what is there; `room` is left in its place.
    pub(crate) fn take(&self, room: Vec<RequestRow>) -> Vec<RequestRow> {
        std::mem::replace(&mut *self.rows.lock().unwrap_or_else(PoisonError::into_inner), room)
    }

    /// How often a row had to wait.
    pub(crate) fn waits(&self) -> u64 {
        self.waits.load(Ordering::Relaxed)
    }
}
