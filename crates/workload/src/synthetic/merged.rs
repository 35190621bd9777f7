//! Several loads at once, each with its own arrivals: a victim beside an aggressor.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::arrivals::{ArrivalTimes, Arrivals};
use crate::spec::SpecError;
use crate::traffic::{Session, Traffic};

/// Sessions from one kept place to the next. A session before the last one asked for is found from there.
const KEPT_EVERY: u64 = 4096;

/// One of the loads.
#[derive(Clone, Debug)]
pub struct MergedPart {
    /// Its sessions.
    pub traffic: Arc<dyn Traffic>,
    /// When they begin. Times that its sessions bring along are replaced.
    pub arrivals: Arrivals,
    /// Seed of the arrivals.
    pub seed: u64,
    /// Name of its sessions; `None` leaves the one they have.
    pub group: Option<String>,
}

/// Several loads, merged in the order of their arrivals. Sessions bring their times along.
#[derive(Debug)]
pub struct Merged {
    parts: Vec<MergedPart>,
    /// A panic cannot leave a cursor half moved, since a copy is moved and then kept.
    places: Mutex<Places>,
}

#[derive(Debug)]
struct Places {
    /// The place of the session asked for last, and its neighbor.
    last: Cursor,
    /// Places of the sessions 0, `KEPT_EVERY`, and so on.
    kept: Vec<Cursor>,
}

/// A place in the merged order.
#[derive(Clone, Debug)]
struct Cursor {
    index: u64,
    parts: Vec<Head>,
}

/// The next session of one part.
#[derive(Clone, Debug)]
struct Head {
    times: ArrivalTimes,
    at: Option<Duration>,
    given: u64,
}

impl Merged {
    /// Merges loads.
    ///
    /// # Errors
    /// When the arrivals of one are out of range.
    pub fn new(parts: Vec<MergedPart>) -> Result<Self, SpecError> {
        for part in &parts {
            part.arrivals.check()?;
        }
        let heads = parts.iter().map(|part| {
            let mut times = part.arrivals.times(part.seed);
            let at = if part.traffic.count() == Some(0) { None } else { times.next() };
            Head { times, at, given: 0 }
        });
        let start = Cursor { index: 0, parts: heads.collect() };
        let places = Mutex::new(Places { last: start.clone(), kept: vec![start] });
        Ok(Self { parts, places })
    }

    /// The part, its own index and the time of a session.
    fn place(&self, index: u64) -> Option<(usize, u64, Duration)> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cursor = if places.last.index <= index && index - places.last.index < KEPT_EVERY {
            places.last.clone()
        } else {
            let kept = usize::try_from(index / KEPT_EVERY).unwrap_or(usize::MAX).min(places.kept.len() - 1);
            places.kept[kept].clone()
        };
        loop {
            if cursor.index == places.kept.len() as u64 * KEPT_EVERY {
                places.kept.push(cursor.clone());
            }
            let found = cursor.head()?;
            if cursor.index == index {
                places.last = cursor;
                return Some(found);
            }
            self.advance(&mut cursor, found.0);
        }
    }

    fn advance(&self, cursor: &mut Cursor, number: usize) {
        let head = &mut cursor.parts[number];
        head.given += 1;
        let is_over = self.parts[number].traffic.count().is_some_and(|count| head.given >= count);
        head.at = if is_over { None } else { head.times.next() };
        cursor.index += 1;
    }
}

impl Cursor {
    /// The part whose session is next; of several at the same time, the first.
    fn head(&self) -> Option<(usize, u64, Duration)> {
        let heads = self.parts.iter().enumerate();
        heads.filter_map(|(number, head)| Some((number, head.given, head.at?))).min_by_key(|(_, _, at)| *at)
    }
}

impl Traffic for Merged {
    fn session(&self, index: u64) -> Option<Session> {
        let (number, own, at) = self.place(index)?;
        let part = &self.parts[number];
        let session = part.traffic.session(own)?;
        let group = part.group.clone().or(session.group);
        Some(Session { at: Some(at), group, ..session })
    }

    /// The sum of the counts; `None` where a part has no end, or its arrivals may end before its sessions do.
    fn count(&self) -> Option<u64> {
        let counts = self.parts.iter().map(|part| match part.arrivals.end() {
            Some(_) => None,
            None => part.traffic.count(),
        });
        counts.sum()
    }
}
