//! Statistics of values that are seen once: moments, and means of groups that grow so that their number does not.

use crate::{StatsError, Summary, dependence};

/// Count, mean, spread and range, without keeping the values.
///
/// Sums are taken around the first value, so that squares stay small where the spread is small beside the mean; a sum of
/// n values loses about `√n · 10⁻¹⁶` of its size.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moments {
    n: u64,
    origin: f64,
    sum: f64,
    squares: f64,
    min: f64,
    max: f64,
}

impl Moments {
    /// Takes a value.
    pub fn push(&mut self, value: f64) {
        self.push_n(value, 1);
    }

    /// Takes a value `times` times.
    pub fn push_n(&mut self, value: f64, times: u64) {
        if times == 0 {
            return;
        }
        if self.n == 0 {
            *self = Self { origin: value, min: value, max: value, ..Self::default() };
        }
        let weight = times as f64;
        let from_origin = value - self.origin;
        self.n += times;
        self.sum += weight * from_origin;
        self.squares += weight * from_origin * from_origin;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Adds the values of another one.
    pub fn merge(&mut self, other: &Self) {
        if other.n == 0 {
            return;
        }
        if self.n == 0 {
            *self = *other;
            return;
        }
        let shift = other.origin - self.origin;
        let n = other.n as f64;
        self.squares += other.squares + 2.0 * shift * other.sum + n * shift * shift;
        self.sum += other.sum + n * shift;
        self.n += other.n;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Values taken.
    pub fn count(&self) -> u64 {
        self.n
    }

    /// Sum of the values.
    pub fn sum(&self) -> f64 {
        self.origin * self.n as f64 + self.sum
    }

    /// The description of the values; `None` without one.
    pub fn summary(&self) -> Option<Summary> {
        if self.n == 0 {
            return None;
        }
        let n = self.n as f64;
        let mean = (self.origin + self.sum / n).clamp(self.min, self.max);
        let spread = if self.max > self.min { (self.squares - self.sum * self.sum / n).max(0.0) } else { 0.0 };
        Some(Summary {
            n: usize::try_from(self.n).unwrap_or(usize::MAX),
            mean,
            sd: (self.n >= 2).then(|| (spread / (n - 1.0)).sqrt()),
            min: self.min,
            max: self.max,
            sum: self.sum(),
        })
    }
}

/// Means of consecutive values, all of the same number of values. When there are too many of them, neighbours are joined
/// and groups become twice as long: memory is flat, and the means still say how far the series remembers.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupMeans {
    size: u64,
    limit: usize,
    means: Vec<f64>,
    open: f64,
    open_count: u64,
}

impl GroupMeans {
    /// Keeps fewer than `limit` means, which is raised to 4.
    pub fn new(limit: usize) -> Self {
        Self { size: 1, limit: limit.max(4), means: Vec::new(), open: 0.0, open_count: 0 }
    }

    /// Takes the next value.
    pub fn push(&mut self, value: f64) {
        self.open += value;
        self.open_count += 1;
        if self.open_count == self.size {
            self.close();
        }
    }

    /// Takes the same value `times` times.
    pub fn push_n(&mut self, value: f64, times: u64) {
        let mut left = times;
        while left > 0 {
            let taken = left.min(self.size - self.open_count);
            self.open += value * taken as f64;
            self.open_count += taken;
            left -= taken;
            if self.open_count == self.size {
                self.close();
            }
        }
    }

    fn close(&mut self) {
        self.means.push(self.open / self.size as f64);
        (self.open, self.open_count) = (0.0, 0);
        if self.means.len() < self.limit {
            return;
        }
        let is_odd = self.means.len() % 2 == 1;
        let last = self.means[self.means.len() - 1];
        self.means = self.means.chunks_exact(2).map(|pair| 0.5 * (pair[0] + pair[1])).collect();
        if is_odd {
            (self.open, self.open_count) = (last * self.size as f64, self.size);
        }
        self.size *= 2;
    }

    /// The means of the complete groups, in order.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// Values in each group.
    pub fn group_size(&self) -> u64 {
        self.size
    }

    /// How many independent values the series is worth: its variance over the variance of its mean, which the groups
    /// tell. At least 1, at most its count.
    ///
    /// # Errors
    /// [`StatsError::Insufficient`] below two groups.
    pub fn effective_n(&self, moments: &Moments) -> Result<f64, StatsError> {
        let count = moments.count() as f64;
        let spread = moments.summary().and_then(|summary| summary.sd);
        let groups = Summary::new(&self.means)?;
        let (Some(spread), Some(between)) = (spread, groups.sd) else {
            return Err(StatsError::Insufficient { have: self.means.len(), need: 2 });
        };
        let of_mean = between * between / dependence::effective_n(&self.means)?;
        Ok(if of_mean > 0.0 { (spread * spread / of_mean).clamp(1.0, count.max(1.0)) } else { count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn groups_double_and_keep_the_mean() {
        let mut groups = GroupMeans::new(8);
        (0..1_024).for_each(|i| groups.push(f64::from(i)));
        assert_eq!((groups.group_size(), groups.means().len()), (256, 4));
        assert!((groups.means()[0] - 127.5).abs() < 1e-12);
    }

    #[test]
    fn an_odd_limit_loses_nothing() {
        let mut groups = GroupMeans::new(5);
        (0..64).for_each(|i| groups.push(f64::from(i)));
        let size = f64::from(u32::try_from(groups.group_size()).unwrap());
        for (index, mean) in (0_u32..).zip(groups.means()) {
            assert!((mean - (f64::from(index) * size + (size - 1.0) / 2.0)).abs() < 1e-12);
        }
    }

    #[test]
    fn repeated_values_are_worth_their_number_before() {
        let (mut moments, mut groups) = (Moments::default(), GroupMeans::new(1_024));
        let mut random = Random::stream(2, 0);
        for _ in 0..4_000 {
            let value = random.unit();
            moments.push_n(value, 10);
            groups.push_n(value, 10);
        }
        let worth = groups.effective_n(&moments).unwrap();
        assert!((2_500.0..=6_500.0).contains(&worth), "{worth}");
    }

    #[test]
    fn a_large_offset_keeps_its_spread() {
        let mut moments = Moments::default();
        (0..1_000).for_each(|i| moments.push(1e9 + f64::from(i % 2)));
        let summary = moments.summary().unwrap();
        assert!((summary.sd.unwrap() - 0.500_250_187_656_387).abs() < 1e-9, "{summary:?}");
        assert_eq!(Moments::default().summary(), None);
    }
}
