//! What figures of a stream rest on, bounded whatever its length: blocks of stretches, hours, and incidents.

use std::collections::{BTreeMap, VecDeque};

use weighbridge_types::resource::ResourceSample;
use weighbridge_types::stream::{Incident, Pane};

/// Blocks at most; when there are more, neighbors become one. They are what intervals are resampled from.
const MOST_BLOCKS: usize = 256;

/// Incidents that are kept for figures, at most; further ones are counted.
const MOST_INCIDENTS: usize = 100_000;

/// Seconds of an hour.
const HOUR_S: f64 = 3_600.0;

/// Adds up what a log says of a stream; the run and the check use the same sums.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    pub(super) blocks: Vec<Pane>,
    /// Stretches in a block.
    per_block: u64,
    in_last: u64,
    /// Alerts by hour from the first event.
    pub(super) hours: BTreeMap<u64, u64>,
    first_s: Option<f64>,
    pub(super) incidents: Vec<Incident>,
    pub(super) further_incidents: u64,
    pub(super) usage: Usage,
}

/// Memory and CPU over the run.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    pub(super) samples: u64,
    pub(super) rss_sum: f64,
    pub(super) rss_peak: Option<f64>,
    pub(super) rss_first: Option<f64>,
    pub(super) cpu_most: Option<f64>,
    pub(super) cpu_least: Option<f64>,
    /// First and last reading: seconds of the run, CPU seconds.
    pub(super) cpu: Option<[(f64, f64); 2]>,
}

impl Ledger {
    /// Takes a stretch. They come in the order of their starts.
    pub(super) fn pane(&mut self, pane: &Pane) {
        let first = *self.first_s.get_or_insert(pane.start_s);
        let alerts = pane.answered.alerts();
        if alerts > 0 {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and saturates")]
            let hour = ((pane.start_s - first).max(0.0) / HOUR_S) as u64;
            *self.hours.entry(hour).or_default() += alerts;
        }
        match self.blocks.last_mut() {
            Some(last) if self.in_last < self.per_block => {
                last.add(pane);
                self.in_last += 1;
            }
            last => {
                // Time without events belongs to what came before it.
                if let Some(last) = last {
                    last.length_s = last.length_s.max(pane.start_s - last.start_s);
                }
                self.blocks.push(pane.clone());
                self.in_last = 1;
            }
        }
        if self.blocks.len() > MOST_BLOCKS {
            self.halve();
        }
    }

    fn halve(&mut self) {
        let is_even = self.blocks.len().is_multiple_of(2);
        let before = self.per_block.max(1);
        let mut halved: Vec<Pane> = Vec::with_capacity(MOST_BLOCKS);
        for pair in self.blocks.chunks(2) {
            let mut sum = pair[0].clone();
            pair.iter().skip(1).for_each(|other| sum.add(other));
            halved.push(sum);
        }
        self.in_last += if is_even { before } else { 0 };
        self.per_block = 2 * before;
        self.blocks = halved;
    }

    /// Takes an incident that is over.
    pub(super) fn incident(&mut self, incident: Incident) {
        if self.incidents.len() < MOST_INCIDENTS {
            self.incidents.push(incident);
        } else {
            self.further_incidents += 1;
        }
    }

    /// Takes a sample of this process.
    pub(super) fn sample(&mut self, sample: &ResourceSample) {
        let usage = &mut self.usage;
        if let Some(rss) = sample.rss_bytes.map(|bytes| bytes as f64) {
            usage.samples += 1;
            usage.rss_sum += rss;
            usage.rss_first.get_or_insert(rss);
            usage.rss_peak = Some(usage.rss_peak.map_or(rss, |peak| peak.max(rss)));
        }
        let at = sample.at.as_nanos() as f64 / 1e9;
        let Some(seconds) = sample.cpu_seconds else { return };
        if let Some([_, (last_at, last)]) = usage.cpu
            && at > last_at
        {
            let used = (seconds - last) / (at - last_at);
            usage.cpu_most = Some(usage.cpu_most.map_or(used, |most| most.max(used)));
            usage.cpu_least = Some(usage.cpu_least.map_or(used, |least| least.min(used)));
        }
        usage.cpu = Some([usage.cpu.map_or((at, seconds), |[first, _]| first), (at, seconds)]);
    }

    /// The sum of all stretches.
    #[must_use]
    pub(super) fn total(&self) -> Pane {
        let mut total = Pane::default();
        self.blocks.iter().for_each(|block| total.add(block));
        total
    }

    /// Seconds from the first sample of this process to the last.
    pub(super) fn sampled_s(&self) -> f64 {
        self.usage.cpu.map_or(0.0, |[(from, _), (to, _)]| to - from)
    }

    /// Events that arrived.
    #[must_use]
    pub(super) fn events(&self) -> u64 {
        self.blocks.iter().map(|block| block.events).sum()
    }
}

/// The last stretches: what a sliding window holds.
#[derive(Debug)]
pub(super) struct Sliding {
    length_s: f64,
    panes: VecDeque<Pane>,
}

impl Sliding {
    pub(super) fn new(length_s: f64) -> Self {
        Self { length_s, panes: VecDeque::new() }
    }

    /// Slides to the end of a stretch; gives the sum of what lies in the window.
    pub(super) fn slide(&mut self, pane: &Pane) -> Pane {
        let end_s = pane.start_s + pane.length_s;
        self.panes.push_back(pane.clone());
        // Half a stretch of room for the rounding of sums.
        let from_s = end_s - self.length_s - 0.5 * pane.length_s;
        while self.panes.front().is_some_and(|first| first.start_s < from_s) {
            self.panes.pop_front();
        }
        let mut sum = Pane::default();
        self.panes.iter().for_each(|pane| sum.add(pane));
        (sum.start_s, sum.length_s) = (end_s - self.length_s, self.length_s);
        sum
    }
}

#[cfg(test)]
mod tests {
    use weighbridge_types::stream::Answered;
    use weighbridge_types::time::Stamp;

    use super::*;

    fn pane(number: u32) -> Pane {
        Pane {
            start_s: 1e9 + 60.0 * f64::from(number),
            length_s: 60.0,
            events: 2,
            answered: Answered { hits: 1, quiet: 1, ..Answered::default() },
            ..Pane::default()
        }
    }

    fn hours(ledger: &Ledger) -> f64 {
        ledger.blocks.iter().map(|block| block.length_s).sum::<f64>() / HOUR_S
    }

    #[test]
    fn many_stretches_become_few_blocks_without_loss() {
        for count in [1_u32, 255, 256, 257, 1_000, 5_000] {
            let mut ledger = Ledger::default();
            (0..count).for_each(|number| ledger.pane(&pane(number)));
            let total = ledger.total();
            assert_eq!((total.events, total.answered.hits), (2 * u64::from(count), u64::from(count)));
            assert!(ledger.blocks.len() <= MOST_BLOCKS);
            assert!((hours(&ledger) - f64::from(count) / 60.0).abs() < 1e-9);
            let sizes: Vec<u64> = ledger.blocks.iter().map(|block| block.events).collect();
            let (last, rest) = sizes.split_last().unwrap();
            assert!(rest.iter().all(|size| size == &sizes[0]) && last <= &sizes[0], "{count}: {sizes:?}");
        }
    }

    #[test]
    fn time_without_events_counts() {
        let mut ledger = Ledger::default();
        [0, 1, 600].into_iter().for_each(|number| ledger.pane(&pane(number)));
        assert!((hours(&ledger) - 601.0 / 60.0).abs() < 1e-9);
        assert_eq!(ledger.hours, BTreeMap::from([(0, 2), (10, 1)]));
    }

    #[test]
    fn a_window_holds_the_last_stretches() {
        let mut sliding = Sliding::new(180.0);
        let events: Vec<u64> = [0, 1, 2, 3, 9].map(|number| sliding.slide(&pane(number)).events).to_vec();
        assert_eq!(events, [2, 4, 6, 6, 2]);
    }

    #[test]
    fn use_of_memory_and_cpu_is_summed_up() {
        let mut ledger = Ledger::default();
        for (at, rss, cpu) in [(0_u64, 100, 0.0), (1, 300, 0.5), (2, 200, 2.0)] {
            let at = Stamp::from_nanos(at * 1_000_000_000);
            ledger.sample(&ResourceSample { at, rss_bytes: Some(rss), cpu_seconds: Some(cpu), ..Default::default() });
        }
        let usage = &ledger.usage;
        assert_eq!((usage.rss_first, usage.rss_peak, usage.samples), (Some(100.0), Some(300.0), 3));
        assert_eq!((usage.cpu_least, usage.cpu_most), (Some(0.5), Some(1.5)));
    }
}
