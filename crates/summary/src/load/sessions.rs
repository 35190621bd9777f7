//! Conversations: how long they take and how many turns they have.

use std::collections::HashMap;

use weighbridge_types::request::RequestRow;
use weighbridge_types::time::Stamp;

/// Most conversations that are held open. The log does not say which turn is the last one; when there are more, those
/// that have been silent for the longest are taken as over.
const MAX_OPEN: usize = 65_536;

/// A conversation as far as it has been read.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// Planned start of the first turn; `None` until it was read.
    first: Option<Stamp>,
    end: Stamp,
    turns: u32,
}

/// A conversation that is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Closed {
    pub(super) first: Stamp,
    pub(super) seconds: f64,
    pub(super) turns: u32,
}

/// The conversations of one load point.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    open: HashMap<u64, Open>,
}

impl Sessions {
    /// Takes a turn; hands over the conversations that had to be taken as over, in a fixed order.
    pub(super) fn push(&mut self, row: &RequestRow) -> Vec<Closed> {
        let Some(turn) = row.turn else { return Vec::new() };
        let end = row.timeline.ended.unwrap_or(row.timeline.released);
        let open = self.open.entry(turn.session).or_insert(Open { first: None, end, turns: 0 });
        open.end = open.end.max(end);
        open.turns += 1;
        if turn.turn == 0 {
            open.first = Some(row.timeline.planned);
        }
        if self.open.len() > MAX_OPEN { self.close(MAX_OPEN / 2) } else { Vec::new() }
    }

    /// Every conversation that is left.
    pub(super) fn finish(&mut self) -> Vec<Closed> {
        self.close(self.open.len())
    }

    fn close(&mut self, count: usize) -> Vec<Closed> {
        let mut oldest: Vec<(Stamp, u64)> = self.open.iter().map(|(session, open)| (open.end, *session)).collect();
        oldest.sort_unstable();
        let taken = oldest.into_iter().take(count).filter_map(|(_, session)| self.open.remove(&session));
        let closed = |open: Open| {
            let first = open.first?;
            Some(Closed { first, seconds: (open.end - first).as_secs_f64(), turns: open.turns })
        };
        taken.filter_map(closed).collect()
    }
}
