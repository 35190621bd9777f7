//! Who changed what: a line for each call that administers the service, also for one that was refused.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use weighbridge_types::time::WallTime;

use crate::error::ApiError;

/// Calls that are remembered; beyond them the oldest are forgotten. The log of the process has them all.
const DEEDS_KEPT: usize = 10_000;

/// A call that administers the service. It holds the name of a key and never the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Deed {
    /// When, milliseconds since 1970.
    pub(crate) unix_ms: u64,
    /// Name of the key; `None` of one that is not known, or of none.
    pub(crate) key: Option<String>,
    /// Where the connection comes from, which is a proxy where one stands between; `None` without a connection.
    pub(crate) address: Option<String>,
    /// What was asked: `load` or `unload`.
    pub(crate) what: &'static str,
    /// Of which model, as it was asked.
    pub(crate) model: String,
    /// `ok`, or the code of the refusal.
    pub(crate) result: &'static str,
}

impl Deed {
    pub(crate) fn new<T>(
        key: Option<&str>,
        peer: Option<SocketAddr>,
        what: &'static str,
        model: &str,
        result: &Result<T, ApiError>,
    ) -> Self {
        Self {
            unix_ms: WallTime::now().unix_millis(),
            key: key.map(str::to_owned),
            address: peer.map(|peer| peer.ip().to_string()),
            what,
            model: model.to_owned(),
            result: result.as_ref().map_or_else(|error| error.code, |_| "ok"),
        }
    }

    /// The line of the log: JSON, so that no name that a client made up is another line.
    pub(crate) fn line(&self) -> String {
        format!("audit: {}", serde_json::to_string(self).unwrap_or_default())
    }
}

/// What was done, in the order in which it was done.
#[derive(Debug, Default)]
pub(crate) struct AuditLog {
    deeds: Mutex<VecDeque<Deed>>,
}

impl AuditLog {
    pub(crate) fn add(&self, deed: Deed) {
        let mut deeds = self.deeds.lock().unwrap_or_else(PoisonError::into_inner);
        if deeds.len() == DEEDS_KEPT {
            deeds.pop_front();
        }
        deeds.push_back(deed);
    }

    /// What was done in the time before `now`, the latest first, at most `most`; and how many there were.
    pub(crate) fn last(&self, span: Duration, now: WallTime, most: usize) -> (Vec<Deed>, usize) {
        let since = now.unix_millis().saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
        let deeds = self.deeds.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = || deeds.iter().rev().take_while(|deed| deed.unix_ms >= since);
        (recent().take(most).cloned().collect(), recent().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_made_up_stays_one_line() {
        let refused: Result<(), ApiError> = Err(ApiError::invalid("no"));
        let deed = Deed::new(None, None, "load", "x\naudit: {\"key\":\"ops\"}", &refused);
        assert_eq!(deed.line().lines().count(), 1, "{}", deed.line());
        assert!(deed.line().ends_with(r#""result":"invalid_request"}"#), "{}", deed.line());
    }

    #[test]
    fn the_latest_come_first_and_the_oldest_are_forgotten() {
        let log = AuditLog::default();
        let deed = |unix_ms| Deed { unix_ms, ..Deed::new(Some("ops"), None, "load", "m", &Ok(())) };
        (0..=DEEDS_KEPT as u64).for_each(|at| log.add(deed(at)));
        let (last, count) = log.last(Duration::MAX, WallTime::from_unix_millis(u64::MAX), 2);
        assert_eq!((last, count), (vec![deed(10_000), deed(9_999)], DEEDS_KEPT));
        let (last, count) = log.last(Duration::from_millis(5), WallTime::from_unix_millis(10_004), 50);
        assert_eq!((last.len(), count), (2, 2));
    }
}
