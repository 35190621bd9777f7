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
    sort_digits(values, 0);
}

/// Sorts by the digits from this one on.
fn sort_digits(values: &mut Vec<u64>, from: usize) {
    let mut counts = vec![0_usize; DIGITS * BUCKETS];
    for &value in values.iter() {
        for index in from..DIGITS {
            counts[index * BUCKETS + digit(value, index)] += 1;
        }
    }
    let mut target = vec![0_u64; values.len()];
    for (index, counts) in counts.chunks_exact_mut(BUCKETS).enumerate().skip(from) {
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

/// The values that stand more than once, ascending, each once: cheaper than a sort where values are spread evenly, as
/// hashes are. The order of `values` is lost.
pub fn repeated_u64(values: &mut Vec<u64>) -> Vec<u64> {
    let mut repeated = Vec::new();
    if values.len() < SMALL {
        values.sort_unstable();
        collect_repeated(values, &mut repeated);
    } else {
        sort_digits(values, DIGITS - HIGH_DIGITS);
        let high = |value: u64| value >> LOW_BITS;
        for run in values.chunk_by_mut(|a, b| high(*a) == high(*b)).filter(|run| run.len() > 1) {
            run.sort_unstable();
            collect_repeated(run, &mut repeated);
        }
    }
    repeated
}

/// Digits by which values are told apart at first: 31 bits and more, so that few of a hundred million hashes share them.
const HIGH_DIGITS: usize = 3;
/// Bits below them.
const LOW_BITS: u32 = 33;
const _: () = assert!(LOW_BITS as usize == (DIGITS - HIGH_DIGITS) * BITS as usize, "the digits begin there");

fn collect_repeated(sorted: &[u64], repeated: &mut Vec<u64>) {
    for pair in sorted.windows(2) {
        if pair[0] == pair[1] && repeated.last() != Some(&pair[0]) {
            repeated.push(pair[0]);
        }
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
    fn what_stands_twice_is_found() {
        for (n, mask) in [(0, u64::MAX), (1_000, 511), (1_000, u64::MAX), (9_000, 4_095), (9_000, u64::MAX), (3_000, 0)]
        {
            let mut random = Random::stream(2, n);
            let mut values: Vec<u64> = (0..n).map(|_| random.next() & mask).collect();
            // Values that share their high digits and differ below, and one that stands three times.
            values.extend((0..n / 100).map(|low| u64::MAX - low));
            values.extend(values.first().copied().into_iter().flat_map(|first| [first, first]));
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let mut expected: Vec<u64> =
                sorted.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
            expected.dedup();
            assert_eq!(repeated_u64(&mut values), expected, "{n} {mask}");
        }
    }

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
