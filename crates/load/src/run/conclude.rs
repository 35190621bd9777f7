//! The end of a run: figures over all its loads, and what follows from them.

use weighbridge_types::definition as define;
use weighbridge_types::event::RunEvent;
use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::{MetricPointer, Phase, Record, Status};
use weighbridge_types::time::{Stamp, WallTime};

use super::{Runner, answers, until, victim};
use crate::error::LoadError;
use crate::ledger::{self, Recount};
use crate::{cache, capacity, figures, note, seen, sent, soak, validity};

impl Runner<'_> {
    /// Who counts tokens again, if the log has texts.
    fn recount(&self) -> Option<Recount> {
        let own = || {
            let tokenizer = self.setup.engines[0].tokenizer()?;
            Some(Recount { name: "the engine's tokenizer".to_owned(), tokenizer })
        };
        self.settings.keep_text.then(|| self.run.recount.clone().or_else(own)).flatten()
    }

    /// Figures over all loads at once, as a validator computes them, and what follows.
    pub(super) fn conclude(mut self, start: Stamp, from: u64) -> Result<Record, LoadError> {
        let report = self.health.stop();
        self.keep_breaches()?;
        let basis = self.basis();
        let recount = self.recount();
        let to = self.journal.mark()?;
        // A run of a single load has read its log already.
        let cached = self.read.take().filter(|read| (read.from, read.to) == (from, to) && recount.is_none());
        let (figures, watched) = match cached {
            Some(read) => (read.figures, read.watched),
            None => figures::read_recounted(self.journal, from, &self.plan, &basis, recount.as_ref())?,
        };
        self.record.metrics = figures.metrics;
        self.record.metrics.extend(watched.metrics(&figures.windows, &self.settings.watch));
        let counted_by = recount.as_ref().map(|recount| recount.name.as_str());
        self.record.findings.extend(ledger::findings(&self.record, counted_by));
        if let Some((axis, capacity)) = &self.capacity {
            let metric = capacity::metric(*axis, capacity, &Cell::of(Phase::Load));
            self.record.findings.push(capacity::finding(*axis, capacity, &metric));
            capacity::keep_verdicts(&mut self.record.targets, *axis, capacity);
            self.record.metrics.push(metric);
        }
        self.record.findings.extend(victim::findings(&self.record));
        self.record.findings.extend(cache::findings(&self.record));
        self.record.findings.extend(answers::findings(&self.record));
        self.record.findings.extend(until::findings(&self.record));
        if self.watch.is_some() {
            self.record.findings.extend(soak::findings(&self.record));
        }
        let profile = self.run.calibration_of(&self.setup.description);
        self.record.calibration =
            profile.map(|profile| note::afterwards(profile, &self.settings, &self.record.metrics));
        let seconds = (self.run.clock.now() - start).as_secs_f64();
        self.record.duration_s = seconds;
        self.record.updated_at = WallTime::now().to_string();
        let tally = self.record.phases[0].tally;
        let check = validity::check(&self.health, &report, &tally, figures.disturbed, &self.settings);
        let model = &self.setup.description.model;
        let (prior, unknown) = sent::prior(&self.run.watching, &watched, &self.settings, model);
        let provenance = seen::provenance(&watched, &figures.windows, &self.settings, prior);
        let load = &mut self.record.phases[0];
        load.checks.push(check);
        load.checks.extend(seen::cache_check(&provenance));
        load.notes.extend(unknown);
        load.notes.extend(seen::notes(&watched, self.run.watching.place));
        load.notes.extend(figures.notes);
        load.notes.extend(validity::notes(&self.health, &report));
        load.key_metric = key_metric(&self.record.metrics);
        load.duration_s = Some(seconds);
        if load.status == Status::Running {
            load.status = Status::Complete;
        }
        self.record.status = load.status;
        self.journal.checkpoint(&self.record)?;
        let (result, metrics) = (Box::new(self.record.phases[0].clone()), self.record.metrics.clone());
        self.journal.event(&RunEvent::PhaseFinished { result, metrics })?;
        Ok(self.record)
    }
}

/// The figure that stands for the run in the overview: the capacity, or else the greatest throughput.
pub(crate) fn key_metric(metrics: &[Metric]) -> Option<MetricPointer> {
    let known = |name: &'static str| metrics.iter().filter(move |metric| metric.name == name && metric.value.is_some());
    let capacity = known(define::CAPACITY.name).chain(known(define::CAPACITY_CONCURRENCY.name)).next();
    let busiest = || {
        let value = |metric: &&Metric| metric.value.unwrap_or_default();
        known(define::REQUEST_THROUGHPUT.name).max_by(|a, b| value(a).total_cmp(&value(b)))
    };
    let chosen = capacity.or_else(busiest)?;
    Some(MetricPointer { key: chosen.key(), cell: chosen.cell.clone() })
}
