//! Records of the kernel's `perf_event` ring, as far as samples need them.

use std::time::Duration;

/// A stack that the kernel has walked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PerfSample {
    pub(super) thread: u32,
    /// On the kernel's clock.
    pub(super) at: Duration,
    /// The innermost first.
    pub(super) addresses: Vec<u64>,
}

/// What a stretch of the ring holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PerfRecords {
    pub(super) samples: Vec<PerfSample>,
    /// Samples for which the ring had no room.
    pub(super) lost: u64,
}

/// Kinds of records.
const LOST: u32 = 2;
const SAMPLE: u32 = 9;
/// Addresses from here on say whose addresses follow; they are no places.
const CONTEXT: u64 = u64::MAX - 4095;

impl PerfRecords {
    /// Adds what a stretch of whole records holds. A sample has the fields thread, time and call chain, in this order. What is
    /// odd is passed over.
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        while let Some((head, _)) = bytes.split_first_chunk::<8>() {
            let [kind @ .., _, _, _, _] = head;
            let kind = u32::from_le_bytes(*kind);
            let size = usize::from(u16::from_le_bytes([head[6], head[7]]));
            let Some((record, rest)) = bytes.split_at_checked(size).filter(|_| size >= 8) else { return };
            let words: Vec<u64> = record[8..].as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
            match kind {
                SAMPLE => self.samples.extend(sample(&words)),
                LOST => self.lost = self.lost.saturating_add(words.get(1).copied().unwrap_or(0)),
                _ => {}
            }
            bytes = rest;
        }
    }
}

fn sample(words: &[u64]) -> Option<PerfSample> {
    let [process_and_thread, at, count, addresses @ ..] = words else { return None };
    let thread = u32::try_from(process_and_thread >> 32).ok()?;
    let addresses = addresses.get(..usize::try_from(*count).ok()?)?;
    let addresses: Vec<u64> = addresses.iter().copied().filter(|address| *address < CONTEXT).collect();
    (!addresses.is_empty()).then(|| PerfSample { thread, at: Duration::from_nanos(*at), addresses })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(kind: u32, words: &[u64]) -> Vec<u8> {
        let size = u16::try_from(8 + 8 * words.len()).unwrap();
        let head = kind.to_le_bytes().into_iter().chain([2, 0]).chain(size.to_le_bytes());
        head.chain(words.iter().flat_map(|word| word.to_le_bytes())).collect()
    }

    #[test]
    fn samples_and_losses_are_read_and_the_rest_passed_over() {
        let user = u64::MAX - 511;
        let bytes = [
            record(SAMPLE, &[7 << 32 | 5, 1_000, 3, user, 0x10, 0x20]),
            record(3, &[1, 2, 3]),
            record(LOST, &[9, 4]),
            record(SAMPLE, &[7 << 32 | 5, 1_000, 9, 0x10]),
            record(SAMPLE, &[7 << 32 | 5, 1_000, 1, user]),
            record(SAMPLE, &[8 << 32 | 5, 2_000, 1, 0x30]),
        ];
        let mut records = PerfRecords::default();
        records.read(&bytes.concat());
        let sample = |thread, at, addresses| PerfSample { thread, at: Duration::from_nanos(at), addresses };
        let samples = vec![sample(7, 1_000, vec![0x10, 0x20]), sample(8, 2_000, vec![0x30])];
        assert_eq!(records, PerfRecords { samples, lost: 4 });
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0_u8..12) {
            let mut bytes = bytes;
            if let [first, ..] = &mut bytes[..] {
                *first = kind;
            }
            PerfRecords::default().read(&bytes);
        }
    }
}
