//! Answers that a script spoils when many requests are in flight: what a server does whose batches mix, or that sheds load
//! in silence.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Which answers are spoiled, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spoil {
    /// What is done to them.
    pub kind: SpoilKind,
    /// Only while more requests than these are in flight; 0 spoils whatever is in flight.
    pub above: u32,
    /// Per cent of those, spread evenly over the requests.
    pub share: u32,
}

/// What is done to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpoilKind {
    /// It ends after half of its tokens, as if it were whole.
    Cut,
    /// It says something else from its second half on, as if another request's tokens had come in.
    Mix,
}

impl SpoilKind {
    /// Every kind with its name in a script.
    pub const NAMES: [(&'static str, Self); 2] = [("cut", Self::Cut), ("mix", Self::Mix)];

    /// Tokens of a spoiled answer of which `total` were wanted.
    #[must_use]
    pub const fn tokens(self, total: u32) -> u32 {
        match self {
            Self::Cut => total.div_ceil(2),
            Self::Mix => total,
        }
    }

    /// The word of the token of this number, from 0, of an answer of `total` tokens.
    #[must_use]
    pub const fn word(spoiled: Option<Self>, token: u32, total: u32) -> &'static str {
        match spoiled {
            Some(Self::Mix) if token >= total / 2 => "other ",
            Some(Self::Mix | Self::Cut) | None => "word ",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, kind)| kind)
    }
}

impl Spoil {
    /// What is done to the request of this number, from 1, while so many are in flight, itself among them.
    #[must_use]
    pub fn strikes(&self, number: u64, in_flight: u32) -> Option<SpoilKind> {
        // Whole requests of the share up to each number: one more where the next of them is due.
        let due = |number: u64| number * u64::from(self.share) / 100;
        (in_flight > self.above && due(number) > due(number - 1)).then_some(self.kind)
    }
}

/// Counts the requests in flight.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight(Arc<AtomicU32>);

/// A request in flight, until it is dropped.
#[derive(Debug)]
pub(super) struct Flying(Arc<AtomicU32>);

impl InFlight {
    /// One more; with how many there are.
    pub(super) fn enter(&self) -> (Flying, u32) {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        (Flying(Arc::clone(&self.0)), before + 1)
    }
}

impl Drop for Flying {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_spread_over_the_requests() {
        let check = |share: u32, expected: &[u64]| {
            let spoil = Spoil { kind: SpoilKind::Cut, above: 2, share };
            let struck: Vec<u64> = (1..=8).filter(|&number| spoil.strikes(number, 3).is_some()).collect();
            assert_eq!(struck, expected, "{share} %");
            assert!((1..=8).all(|number| spoil.strikes(number, 2).is_none()));
        };
        check(100, &[1, 2, 3, 4, 5, 6, 7, 8]);
        check(50, &[2, 4, 6, 8]);
        check(25, &[4, 8]);
        check(0, &[]);
    }

    #[test]
    fn requests_in_flight_are_counted_until_they_end() {
        let in_flight = InFlight::default();
        let (first, count) = in_flight.enter();
        let (_second, both) = in_flight.enter();
        drop(first);
        let (_third, again) = in_flight.enter();
        assert_eq!((count, both, again), (1, 2, 2));
    }
}
