//! The first reading: what happened when.

use std::collections::BinaryHeap;

use weighbridge_types::request::{Outcome, RequestRow};
use weighbridge_types::time::Stamp;

use super::cells::Cells;
use super::plan::{LoadPlan, Warmup};
use super::stages::{self, Stages};

/// Width of the first bins, as a power of two of nanoseconds: 1.05 ms.
const FIRST_SHIFT: u32 = 20;

/// More bins than this are joined two by two. A run of an hour then has bins of 2.1 s.
const MAX_BINS: usize = 2_048;

/// More requests than this cannot be named as warm-up: their ends are kept until the stages are found.
const MAX_WARMUP: u32 = 1_000_000;

/// What happened in one bin. Whole numbers, so that the order of rows cannot matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bin {
    pub(super) planned: u64,
    pub(super) released: u64,
    pub(super) succeeded: u64,
    /// Failed or dropped.
    pub(super) failed: u64,
    pub(super) tokens: u64,
    /// Releases less ends.
    change: i64,
    /// Nanoseconds in flight within this bin, of requests released here, less those that requests ended here leave out.
    partial: i64,
}

/// Bins of equal width that cover all stamps seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Bins {
    shift: u32,
    /// Number of the first bin, counted from the origin of the clock.
    first: u64,
    bins: Vec<Bin>,
}

impl Bins {
    /// The bin of a stamp.
    fn at(&mut self, stamp: Stamp) -> &mut Bin {
        let index = self.index(stamp);
        &mut self.bins[index]
    }

    fn index(&mut self, stamp: Stamp) -> usize {
        let nanos = stamp.as_nanos();
        let offset = (nanos >> self.shift).wrapping_sub(self.first);
        match usize::try_from(offset) {
            Ok(index) if index < self.bins.len() => index,
            _ => self.cover(nanos),
        }
    }

    #[cold]
    fn cover(&mut self, nanos: u64) -> usize {
        if self.bins.is_empty() {
            *self = Self { shift: FIRST_SHIFT, first: nanos >> FIRST_SHIFT, bins: vec![Bin::default()] };
        }
        loop {
            let number = nanos >> self.shift;
            let last = self.first + self.bins.len() as u64 - 1;
            let (low, high) = (number.min(self.first), number.max(last));
            if high - low < MAX_BINS as u64 {
                let missing = (self.first - low) as usize;
                self.bins.splice(0..0, std::iter::repeat_n(Bin::default(), missing));
                self.first = low;
                self.bins.resize((high - low) as usize + 1, Bin::default());
                return (number - low) as usize;
            }
            self.join();
        }
    }

    /// Makes bins twice as wide.
    fn join(&mut self) {
        let width = self.width_nanos();
        let mut joined: Vec<Bin> = Vec::with_capacity(self.bins.len() / 2 + 1);
        for (offset, bin) in self.bins.iter().enumerate() {
            let is_second = (self.first + offset as u64) % 2 == 1;
            match joined.last_mut() {
                Some(half) if is_second => half.take(bin, 0),
                _ if is_second => joined.push(*bin),
                _ => {
                    let mut half = Bin::default();
                    // What is in flight at the end of the first half stays so through the second.
                    half.take(bin, width);
                    joined.push(half);
                }
            }
        }
        self.bins = joined;
        self.first /= 2;
        self.shift += 1;
    }

    pub(super) fn width_nanos(&self) -> i64 {
        1 << self.shift
    }

    pub(super) fn start_of(&self, index: usize) -> Stamp {
        Stamp::from_nanos((self.first + index as u64) << self.shift)
    }

    pub(super) fn bins(&self) -> &[Bin] {
        &self.bins
    }

    /// Whole bins within two stamps, as a range of indices.
    pub(super) fn within(&self, from: Stamp, to: Stamp) -> std::ops::Range<usize> {
        let last = self.bins.len() as u64;
        let round_up = |nanos: u64| (nanos >> self.shift) + u64::from(nanos & ((1 << self.shift) - 1) > 0);
        let low = round_up(from.as_nanos()).saturating_sub(self.first).min(last);
        let high = (to.as_nanos() >> self.shift).saturating_sub(self.first).min(last);
        low as usize..(high as usize).max(low as usize)
    }

    /// Mean number of requests in flight, bin by bin.
    pub(super) fn in_flight(&self) -> Vec<f64> {
        let width = self.width_nanos();
        let mut level = 0;
        let mean = |bin: &Bin| {
            let area = i128::from(level) * i128::from(width) + i128::from(bin.partial);
            level += bin.change;
            area as f64 / width as f64
        };
        self.bins.iter().map(mean).collect()
    }
}

impl Bin {
    /// Adds a bin after whose end `rest` nanoseconds of this one follow.
    fn take(&mut self, other: &Self, rest: i64) {
        self.planned += other.planned;
        self.released += other.released;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.tokens += other.tokens;
        self.change += other.change;
        self.partial += other.partial + other.change * rest;
    }
}

/// What the first reading keeps of one load point.
#[derive(Clone, Debug, Default)]
pub(super) struct CellBins {
    pub(super) bins: Bins,
    /// First planned start, of any request.
    pub(super) start: Option<Stamp>,
    /// First and last planned start, and last release, of requests that are no warm-up.
    pub(super) first_planned: Option<Stamp>,
    pub(super) last_planned: Option<Stamp>,
    pub(super) last_released: Option<Stamp>,
    /// Last end of any request.
    pub(super) end: Option<Stamp>,
    /// Last end of a flagged request that succeeded.
    pub(super) warm: Option<Stamp>,
    /// The earliest requests by planned start, with the end of those that succeeded.
    earliest: BinaryHeap<(Stamp, u64, Option<Stamp>)>,
}

impl CellBins {
    fn push(&mut self, row: &RequestRow, keep: u32) {
        let line = &row.timeline;
        let (is_success, is_dropped) = (row.outcome.is_success(), row.outcome == Outcome::Dropped);
        self.start = Some(self.start.map_or(line.planned, |start| start.min(line.planned)));
        self.end = self.end.max(line.ended);
        if row.warmup {
            self.warm = self.warm.max(line.ended.filter(|_| is_success));
            return;
        }
        self.first_planned = Some(self.first_planned.map_or(line.planned, |first| first.min(line.planned)));
        self.last_planned = self.last_planned.max(Some(line.planned));
        self.bins.at(line.planned).planned += 1;
        if !is_dropped {
            self.last_released = self.last_released.max(Some(line.released));
            self.in_flight(line.released, line.ended);
        }
        if let Some(ended) = line.ended.filter(|_| is_success) {
            self.bins.at(ended).succeeded += 1;
            self.tokens(row);
        } else if matches!(row.outcome, Outcome::Failed { .. } | Outcome::Dropped) {
            self.bins.at(line.ended.unwrap_or(line.planned)).failed += 1;
        }
        if keep > 0 {
            self.earliest.push((line.planned, row.id, line.ended.filter(|_| is_success)));
            if self.earliest.len() > keep as usize {
                self.earliest.pop();
            }
        }
    }

    /// Two entries, however long the request took.
    fn in_flight(&mut self, released: Stamp, ended: Option<Stamp>) {
        let mut step = |at: Stamp, by: i64| {
            // The index first: covering the stamp may widen the bins.
            let index = self.bins.index(at);
            let left = self.bins.width_nanos() - (at.as_nanos() & (self.bins.width_nanos() as u64 - 1)) as i64;
            let bin = &mut self.bins.bins[index];
            bin.change += by;
            bin.partial += by * left;
        };
        step(released, 1);
        if let Some(ended) = ended {
            step(ended, -1);
        }
        self.bins.at(released).released += 1;
    }

    fn tokens(&mut self, row: &RequestRow) {
        let total = row.output_tokens();
        let (Some(first), Some(last)) = (row.timeline.frames.first(), row.timeline.frames.last()) else { return };
        // Both stamps are covered before their bins are compared: covering one may move the other's.
        self.bins.index(last.at);
        let of_first = self.bins.index(first.at);
        if self.bins.index(last.at) == of_first {
            self.bins.at(last.at).tokens += total;
            return;
        }
        for (at, tokens) in row.timeline.scaled_tokens(total) {
            self.bins.at(at).tokens += tokens;
        }
    }

    /// Last end of the earliest requests that succeeded.
    pub(super) fn end_of_earliest(&self) -> Option<Stamp> {
        self.earliest.iter().filter_map(|(_, _, ended)| *ended).max()
    }
}

/// The first reading of an event log: counts by time for each load point. Up to 2,048 bins, 112 KiB, for each.
///
/// Rows of the same log in any order give the same answer.
#[derive(Clone, Debug)]
pub struct TimeBins {
    plan: LoadPlan,
    keep: u32,
    cells: Cells<CellBins>,
}

impl TimeBins {
    /// Begins a reading.
    #[must_use]
    pub fn new(plan: &LoadPlan) -> Self {
        let keep = match plan.warmup {
            Warmup::Requests(count) => count.min(MAX_WARMUP),
            Warmup::Auto | Warmup::None | Warmup::Time(_) => 0,
        };
        Self { plan: plan.clone(), keep, cells: Cells::default() }
    }

    /// Takes a row of the load.
    pub fn push(&mut self, row: &RequestRow) {
        self.cells.entry(&row.cell, CellBins::default).push(row, self.keep);
    }

    /// Warm-up, window and drain of each load point.
    #[must_use]
    pub fn stages(&self) -> Stages {
        Stages::new(self.cells.iter().map(|(cell, bins)| (cell.clone(), stages::find(bins, &self.plan))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::row;
    use proptest::prelude::*;

    fn of(rows: &[RequestRow]) -> Bins {
        let mut bins = CellBins::default();
        rows.iter().for_each(|row| bins.push(row, 0));
        bins.bins
    }

    proptest! {
        /// Any spans, in any order: nothing is lost, and the area in flight is the sum of the durations.
        #[test]
        fn bins_keep_every_request_and_every_nanosecond(
            spans in prop::collection::vec((0..4_000_000_u64, 1..90_000_u64), 1..60), turn in 0..60_usize,
        ) {
            let mut rows: Vec<RequestRow> =
                (0..).zip(&spans).map(|(id, &(start, ttft))| row(id, start, (ttft, 20, 3))).collect();
            let bins = of(&rows);
            let area: f64 = bins.in_flight().iter().sum::<f64>() * bins.width_nanos() as f64 / 1e9;
            let expected: f64 = rows.iter().map(|row| (row.timeline.ended.unwrap() - row.timeline.released).as_secs_f64()).sum();
            prop_assert!((area - expected).abs() < 1e-6 * expected.max(1.0), "{} {}", area, expected);
            let sum = |of: fn(&Bin) -> u64| bins.bins().iter().map(of).sum::<u64>();
            let count = rows.len() as u64;
            prop_assert_eq!([sum(|b| b.planned), sum(|b| b.released), sum(|b| b.succeeded)], [count; 3]);
            prop_assert_eq!(sum(|b| b.tokens), 3 * count);
            prop_assert!(bins.bins().len() <= MAX_BINS);
            rows.rotate_left(turn % spans.len());
            prop_assert_eq!(&of(&rows), &bins);
            rows.reverse();
            prop_assert_eq!(&of(&rows), &bins);
        }
    }
}
