//! The order in which several loads are repeated.

use crate::draws::Draws;

/// The order of `count` loads in round number `round`, a permutation of `0..count`.
///
/// Each round holds every load once, in an order of its own: whatever drifts over the run, such as a host that grows warm,
/// then falls on all loads alike instead of on the last one. It is a function of the seed and the round alone
/// (Fisher–Yates).
#[must_use]
pub fn round_order(count: usize, seed: u64, round: u32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut draws = Draws::new(seed, "rounds", u64::from(round));
    for last in (1..count).rev() {
        order.swap(last, draws.position(last + 1));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_load_is_in_every_round_once(count in 0_usize..40, seed: u64, round in 1_u32..9) {
            let mut order = round_order(count, seed, round);
            prop_assert_eq!(&order, &round_order(count, seed, round));
            order.sort_unstable();
            prop_assert_eq!(order, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn rounds_differ_and_no_load_is_always_last() {
        let lasts: Vec<usize> = (1..=40).filter_map(|round| round_order(4, 42, round).pop()).collect();
        assert!((0..4).all(|load| lasts.contains(&load)), "{lasts:?}");
    }
}
