//! Times in buckets of equal ratio: small enough to be kept for every stretch of a stream, and added up exactly.

use std::time::Duration;

/// Buckets in each power of two.
const PER_OCTAVE: f64 = 32.0;

/// The bucket of a time. Times below a microsecond are one microsecond.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
#[must_use]
pub fn bucket(time: Duration) -> u16 {
    let micros = time.as_secs_f64() * 1e6;
    (micros.max(1.0).log2() * PER_OCTAVE).clamp(0.0, f64::from(u16::MAX)) as u16
}

/// Middle of a bucket, milliseconds.
#[must_use]
pub fn middle_ms(bucket: u16) -> f64 {
    ((f64::from(bucket) + 0.5) / PER_OCTAVE).exp2() / 1e3
}

/// The quantile of weighted counts by bucket, milliseconds: the first bucket at which the counts reach the share. `None`
/// without counts.
#[must_use]
pub fn quantile_ms(counts: impl Iterator<Item = (u16, f64)> + Clone, share: f64) -> Option<f64> {
    let total: f64 = counts.clone().map(|(_, count)| count).sum();
    let mut reached = 0.0;
    let mut last = None;
    for (bucket, count) in counts.filter(|(_, count)| *count > 0.0) {
        reached += count;
        last = Some(bucket);
        if reached >= share * total {
            break;
        }
    }
    last.map(middle_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_times_within_their_error() {
        for micros in [1_u64, 2, 999, 1_000, 123_456, 60_000_000] {
            let time = Duration::from_micros(micros);
            let ratio = middle_ms(bucket(time)) / (time.as_secs_f64() * 1e3);
            assert!((ratio - 1.0).abs() < 0.011, "{micros}: {ratio}");
        }
        assert_eq!(bucket(Duration::ZERO), 0);
        assert!(bucket(Duration::MAX) < u16::MAX);
    }

    #[test]
    fn quantiles_are_those_of_the_counts() {
        let counts = [(10_u16, 90.0), (20, 9.0), (30, 1.0)];
        let at = |share| quantile_ms(counts.into_iter(), share);
        assert_eq!(at(0.5), Some(middle_ms(10)));
        assert_eq!(at(0.9), Some(middle_ms(10)));
        assert_eq!(at(0.95), Some(middle_ms(20)));
        assert_eq!(at(1.0), Some(middle_ms(30)));
        assert_eq!(quantile_ms(std::iter::empty(), 0.5), None);
    }
}
