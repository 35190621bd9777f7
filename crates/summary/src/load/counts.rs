//! Small whole numbers, counted exactly: tokens in a frame, turns in a session.

use std::collections::BTreeMap;

use weighbridge_stats::stream::Moments;

/// Numbers below this are counted in a table.
const SMALL: usize = 1_024;

/// More different numbers than this above the table are counted as the largest of them: no server sends them.
const MAX_LARGE: usize = 65_536;

/// How often each number was seen.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    small: Vec<u64>,
    large: BTreeMap<u32, u64>,
    moments: Moments,
}

impl Default for Counts {
    fn default() -> Self {
        Self { small: vec![0; SMALL], large: BTreeMap::new(), moments: Moments::default() }
    }
}

impl Counts {
    pub(super) fn push_n(&mut self, number: u32, times: u64) {
        self.moments.push_n(f64::from(number), times);
        if let Some(count) = self.small.get_mut(number as usize) {
            *count += times;
        } else if times > 0 {
            let is_full = self.large.len() >= MAX_LARGE;
            let last = self.large.keys().next_back().copied().filter(|_| is_full).unwrap_or(number);
            let key = if self.large.contains_key(&number) { number } else { last };
            *self.large.entry(key).or_default() += times;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.small.iter_mut().zip(&other.small).for_each(|(own, count)| *own += count);
        for (number, count) in &other.large {
            *self.large.entry(*number).or_default() += count;
        }
        self.moments.merge(&other.moments);
    }

    pub(super) fn moments(&self) -> &Moments {
        &self.moments
    }

    /// Quantile of type 7; `None` without a number.
    pub(super) fn quantile(&self, q: f64) -> Option<f64> {
        let position = self.moments.count().checked_sub(1)? as f64 * q;
        let (below, share) = (position.floor(), position.fract());
        let low = self.at(below as u64)?;
        let high = self.at((below as u64 + 1).min(self.moments.count() - 1))?;
        Some(low + (high - low) * share)
    }

    /// The number of this rank, from 0.
    fn at(&self, rank: u64) -> Option<f64> {
        let small = self.small.iter().enumerate().map(|(number, count)| (number as f64, *count));
        let large = self.large.iter().map(|(number, count)| (f64::from(*number), *count));
        let mut before = 0;
        small.chain(large).find_map(|(number, count)| {
            before += count;
            (rank < before).then_some(number)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use weighbridge_stats::quantile_sorted;

    proptest! {
        #[test]
        fn quantiles_are_exact(numbers in prop::collection::vec(prop_oneof![0..9_u32, 1_000..3_000_u32], 1..80), q in 0.0..=1.0_f64) {
            let mut counts = Counts::default();
            numbers.iter().for_each(|&number| counts.push_n(number, 1));
            let mut sorted: Vec<f64> = numbers.iter().copied().map(f64::from).collect();
            sorted.sort_by(f64::total_cmp);
            prop_assert!((counts.quantile(q).unwrap() - quantile_sorted(&sorted, q).unwrap()).abs() < 1e-9);
        }
    }
}
