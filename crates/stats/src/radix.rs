//! Sorting of whole numbers without comparisons.

/// Bits of a digit: 2048 counters fit the first-level cache, and six digits cover 64 bits.
const BITS: u32 = 11;
/// Values of a digit.
const BUCKETS: usize = 1 << BITS;
/// Digits of a number.
const DIGITS: usize = 6;
/// Fewer numbers than this sort faster by comparison.
const SMALL: usize = 1_500;

/// Sorts ascending, with least-significant digits first; a digit that all numbers share costs nothing. Linear time and
/// as much memory again.
pub fn sort_u64(values: &mut Vec<u64>) {
    if values.len() < SMALL {
        values.sort_unstable();
        return;
    }
    let mut counts = vec![0_usize; DIGITS * BUCKETS];
    for &value in values.iter() {
        for index in 0..DIGITS {
            counts[index * BUCKETS + digit(value, index)] += 1;
        }
    }
    let mut target = vec![0_u64; values.len()];
    for (index, counts) in counts.chunks_exact_mut(BUCKETS).enumerate() {
        if counts[digit(values[0], index)] == values.len() {
            continue;
        }
        let mut start = 0;
        for count in counts.iter_mut() {
            let next = start + *count;
            *count = start;
            start = next;
        }
        for &value in values.iter() {
            let place = &mut counts[digit(value, index)];
            target[*place] = value;
            *place += 1;
        }
        std::mem::swap(values, &mut target);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "masked to eleven bits")]
fn digit(value: u64, index: usize) -> usize {
    (value >> (index as u32 * BITS)) as usize & (BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn sorts_as_comparison_does() {
        for (n, mask) in [(0, u64::MAX), (1, u64::MAX), (1_499, u64::MAX), (5_000, u64::MAX), (5_000, 7), (4_000, 0)] {
            let mut random = Random::stream(1, n);
            let mut values: Vec<u64> = (0..n).map(|_| random.next() & mask).collect();
            let mut expected = values.clone();
            expected.sort_unstable();
            sort_u64(&mut values);
            assert_eq!(values, expected, "{n} {mask}");
        }
    }
}
