//! The loads of a run, one after the other or again and again.

use weighbridge_summary::figure_cell;
use weighbridge_types::metric::Cell;
use weighbridge_types::record::Tally;
use weighbridge_workload::round_order;

use super::{Runner, add, end_early};
use crate::error::LoadError;
use crate::figures;
use crate::settings::Shape;

impl Runner<'_> {
    /// Makes every load as often as the settings say; `from` is where the run's lines begin in the log.
    pub(super) async fn make_loads(&mut self, from: u64) -> Result<(), LoadError> {
        let (shapes, runs) = (self.settings.shapes.clone(), self.settings.runs);
        let with_victim = self.settings.victim.is_some();
        let loads = u32::try_from(shapes.len()).unwrap_or(u32::MAX).saturating_add(u32::from(with_victim));
        let count = loads.saturating_mul(runs);
        if runs > 1 || with_victim {
            return self.make_rounds(from, &shapes, count).await;
        }
        for shape in shapes {
            if self.make(shape, count).await?.loaded.stop.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Rounds of all loads, each in a seeded order of its own. Figures rest on all repetitions, and are made anew when a
    /// round is whole.
    async fn make_rounds(&mut self, from: u64, shapes: &[Shape], count: u32) -> Result<(), LoadError> {
        for round in 1..=self.settings.runs {
            let repetition = (self.settings.runs > 1).then_some(round);
            let (tally, is_over) = self.round(repetition, count).await?;
            self.close_round(from, shapes, tally)?;
            if is_over {
                break;
            }
        }
        Ok(())
    }

    /// One round of all loads, in a seeded order where it is repeated; with whether the run is over.
    pub(super) async fn round(&mut self, repetition: Option<u32>, count: u32) -> Result<(Tally, bool), LoadError> {
        let (mut tally, shapes) = (Tally::default(), self.settings.shapes.clone());
        let order = match repetition {
            None => (0..shapes.len()).collect(),
            Some(round) => round_order(shapes.len(), self.settings.seed, round),
        };
        let victim = self.settings.victim.is_some().then_some(Turn::Victim);
        for turn in victim.into_iter().chain(order.into_iter().map(Turn::Load)) {
            let loaded = match turn {
                Turn::Victim => self.victim_alone(count, repetition).await?,
                Turn::Load(index) => self.load(shapes[index].clone(), count, repetition).await?,
            };
            if matches!(turn, Turn::Load(_)) {
                self.next = loaded.report.next;
            }
            add(&mut tally, loaded.tally);
            if let Some(stop) = &loaded.stop {
                end_early(&mut self.record.phases[0], stop);
                return Ok((tally, true));
            }
        }
        Ok((tally, false))
    }

    fn close_round(&mut self, from: u64, shapes: &[Shape], tally: Tally) -> Result<(), LoadError> {
        let basis = self.basis();
        self.record.metrics = figures::read(self.journal, from, &self.plan, &basis)?.0.metrics;
        let (metrics, plan) = (&self.record.metrics, &self.plan);
        let verdicts = shapes.iter().flat_map(|shape| plan.slo.judge(metrics, &shape.cell(), plan.good_share));
        self.record.targets = verdicts.collect();
        add(&mut self.record.phases[0].tally, tally);
        self.journal.checkpoint(&self.record)?;
        Ok(())
    }
}

/// What comes next in a round.
#[derive(Clone, Copy)]
enum Turn {
    /// The victim, beside nothing.
    Victim,
    /// The load of this number.
    Load(usize),
}

/// The cell of a load's rows: that of its figures, and which repetition it is.
pub(super) fn row_cell(shape: &Shape, round: Option<u32>) -> Cell {
    let cell = shape.cell();
    debug_assert_eq!(figure_cell(&cell), cell, "only the repetition tells rows of one load apart");
    match round {
        Some(round) => cell.with("run", round),
        None => cell,
    }
}
