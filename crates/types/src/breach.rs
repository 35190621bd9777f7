//! Which requests the client disturbed: from the breaches of its health to marks on rows.
//!
//! A row is written when its request has ended, a breach when it has been seen, which is later. So the log holds both
//! as they came, and rows are marked when they are read: a reader first [takes](Marks::take) every line, then
//! [marks](Marks::mark) each row. Faults that the driver itself knew stand in the row already and stay there.

use std::collections::BTreeMap;

use crate::health::HealthBreach;
use crate::record::{LogLine, Phase};
use crate::request::{ClientFault, RequestRow};
use crate::time::Stamp;

/// Faults that a breach may be; schedule lag is of one request and judged by whoever releases it.
const FAULTS: [ClientFault; 4] =
    [ClientFault::ScheduleLag, ClientFault::ReactorLag, ClientFault::CpuSaturated, ClientFault::Steal];

/// Breaches, ordered so that the faults of a request are found in logarithmic time.
///
/// Breaches that touch are joined, so that a client which is sick all the time takes no memory for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BreachIndex {
    /// Spans of each fault that do not touch, in order of time.
    spans: [Vec<(Stamp, Stamp)>; FAULTS.len()],
}

impl BreachIndex {
    /// Orders breaches; they may come in any order and overlap.
    #[must_use]
    pub fn new(breaches: &[HealthBreach]) -> Self {
        let mut index = Self::default();
        breaches.iter().for_each(|breach| index.add(breach));
        index
    }

    /// Takes one more breach. Cheap where they come nearly in order of time.
    pub fn add(&mut self, breach: &HealthBreach) {
        let Some(kind) = FAULTS.iter().position(|fault| *fault == breach.fault) else { return };
        let (spans, from, to) = (&mut self.spans[kind], breach.from, breach.to.max(breach.from));
        let first = spans.partition_point(|span| span.1 < from);
        let after = first + spans[first..].partition_point(|span| span.0 <= to);
        let joined = spans[first..after].iter().fold((from, to), |sum, span| (sum.0.min(span.0), sum.1.max(span.1)));
        spans.splice(first..after, [joined]);
    }

    /// Faults of the client between two moments, ends included, sorted.
    #[must_use]
    pub fn faults(&self, from: Stamp, to: Stamp) -> Vec<ClientFault> {
        let touches = |spans: &Vec<(Stamp, Stamp)>| {
            let next = spans.partition_point(|span| span.1 < from);
            spans.get(next).is_some_and(|span| span.0 <= to)
        };
        FAULTS.into_iter().zip(&self.spans).filter(|(_, spans)| touches(spans)).map(|(fault, _)| fault).collect()
    }

    /// Adds to a row the faults of its life, from its planned start to its end; each stands there once, sorted.
    pub fn mark(&self, row: &mut RequestRow) {
        let (from, to) = row.life();
        let found = self.faults(from, to);
        if found.is_empty() {
            return;
        }
        row.client_faults.extend(found);
        row.client_faults.sort_unstable();
        row.client_faults.dedup();
    }
}

/// What the lines of a log say of the client, by phase. A phase that begins again forgets what its earlier attempt saw,
/// as its rows no longer count either, and its clock may be another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    phases: BTreeMap<Phase, BreachIndex>,
}

impl Marks {
    /// Takes a line: one of a breach, or of a phase's start. Others say nothing of the client.
    pub fn take(&mut self, line: &LogLine) {
        match line {
            LogLine::Breach { phase, breach } => self.phases.entry(*phase).or_default().add(breach),
            LogLine::PhaseStarted { phase, .. } => drop(self.phases.remove(phase)),
            _ => {}
        }
    }

    /// Marks a row with the breaches of its phase.
    pub fn mark(&self, row: &mut RequestRow) {
        let Some(name) = row.cell.get("phase").filter(|_| !self.phases.is_empty()) else { return };
        let index = self.phases.iter().find(|(phase, _)| phase.name() == name).map(|(_, index)| index);
        if let Some(index) = index {
            index.mark(row);
        }
    }

    /// Marks the row of a line, where it is one.
    pub fn mark_line(&self, line: &mut LogLine) {
        if let LogLine::Request(row) = line {
            self.mark(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metric::Cell;
    use crate::request::{Outcome, Timeline};

    fn stamp(nanos: u64) -> Stamp {
        Stamp::from_nanos(nanos)
    }

    fn breach(fault: ClientFault, from: u64, to: u64) -> HealthBreach {
        HealthBreach { fault, from: stamp(from), to: stamp(to), value: 1.0, limit: 0.0 }
    }

    fn row(phase: Phase, planned: u64, ended: u64) -> RequestRow {
        let timeline = Timeline { planned: stamp(planned), ended: Some(stamp(ended)), ..Timeline::default() };
        RequestRow::new(0, Cell::of(phase), 1, timeline, Outcome::Cancelled)
    }

    #[test]
    fn requests_take_the_faults_of_their_life() {
        let index = BreachIndex::new(&[
            breach(ClientFault::Steal, 50, 60),
            breach(ClientFault::ReactorLag, 10, 20),
            breach(ClientFault::ReactorLag, 15, 30),
        ]);
        let check = |from, to, expected: &[ClientFault]| assert_eq!(index.faults(stamp(from), stamp(to)), expected);
        check(0, 9, &[]);
        check(0, 10, &[ClientFault::ReactorLag]);
        check(25, 26, &[ClientFault::ReactorLag]);
        check(31, 49, &[]);
        check(30, 50, &[ClientFault::ReactorLag, ClientFault::Steal]);
        check(61, 99, &[]);
        assert!(FAULTS.is_sorted());
    }

    #[test]
    fn a_fault_of_the_driver_stays_and_none_stands_twice() {
        let index = BreachIndex::new(&[breach(ClientFault::ScheduleLag, 0, 9), breach(ClientFault::ReactorLag, 0, 9)]);
        let mut row = row(Phase::Load, 5, 7);
        row.client_faults = vec![ClientFault::ScheduleLag];
        index.mark(&mut row);
        index.mark(&mut row);
        assert_eq!(row.client_faults, [ClientFault::ScheduleLag, ClientFault::ReactorLag]);
    }

    #[test]
    fn breaches_mark_rows_of_their_phase_and_of_its_last_attempt() {
        let line = |phase, from, to| LogLine::Breach { phase, breach: breach(ClientFault::Steal, from, to) };
        let mut marks = Marks::default();
        for line in [
            LogLine::PhaseStarted { phase: Phase::Load, attempt: 1 },
            line(Phase::Load, 10, 20),
            line(Phase::Latency, 10, 20),
            LogLine::PhaseStarted { phase: Phase::Load, attempt: 2 },
            line(Phase::Load, 30, 40),
        ] {
            marks.take(&line);
        }
        let check = |phase, planned, ended, expected: &[ClientFault]| {
            let mut line = LogLine::Request(Box::new(row(phase, planned, ended)));
            marks.mark_line(&mut line);
            let LogLine::Request(row) = line else { unreachable!("a row stays a row") };
            assert_eq!(row.client_faults, expected, "{phase} {planned}–{ended}");
        };
        check(Phase::Load, 12, 15, &[]);
        check(Phase::Load, 12, 30, &[ClientFault::Steal]);
        check(Phase::Latency, 12, 15, &[ClientFault::Steal]);
        check(Phase::Memory, 12, 15, &[]);
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_scan_finds(
            spans in prop::collection::vec((0_usize..4, 0_u64..100, 0_u64..20), 0..20), from in 0_u64..120, length in 0_u64..30,
        ) {
            let breaches: Vec<_> =
                spans.into_iter().map(|(fault, from, length)| breach(FAULTS[fault], from, from + length)).collect();
            let to = from + length;
            let touched = |fault| breaches.iter().any(|breach: &HealthBreach| {
                breach.fault == fault && breach.from <= stamp(to) && breach.to >= stamp(from)
            });
            let expected: Vec<_> = FAULTS.into_iter().filter(|&fault| touched(fault)).collect();
            let index = BreachIndex::new(&breaches);
            prop_assert_eq!(index.faults(stamp(from), stamp(to)), expected);
            let apart = |spans: &Vec<(Stamp, Stamp)>| spans.windows(2).all(|pair| pair[0].1 < pair[1].0);
            prop_assert!(index.spans.iter().all(apart), "{:?}", index);
        }
    }
}
