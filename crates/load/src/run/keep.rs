//! What a run keeps beside its rows: what was seen of the client, its host and the server.

use weighbridge_telemetry::Sampler;
use weighbridge_types::event::{RunEvent, Sink};
use weighbridge_types::record::Phase;
use weighbridge_types::telemetry::Telemetry;

use super::Runner;
use crate::error::LoadError;
use crate::observe::Observers;
use crate::soak::Overheard;

impl Runner<'_> {
    /// Keeps what was seen of this process, its host and the server.
    pub(super) fn keep_samples(&mut self) -> Result<(), LoadError> {
        for sample in self.sampler.as_ref().map(Sampler::drain).unwrap_or_default() {
            let mut watched = Overheard { journal: &mut *self.journal, watch: self.watch.as_mut() };
            watched.event(&RunEvent::Resource { phase: Phase::Load, sample })?;
        }
        let seen = self.observers.as_mut().map(Observers::drain).unwrap_or_default();
        self.keep_seen(seen)
    }

    fn keep_seen(&mut self, seen: Vec<Telemetry>) -> Result<(), LoadError> {
        for seen in seen {
            let mut watched = Overheard { journal: &mut *self.journal, watch: self.watch.as_mut() };
            watched.event(&RunEvent::Telemetry { phase: Phase::Load, seen })?;
        }
        Ok(())
    }

    /// The record of a soak is written anew from time to time, so that a crash loses little.
    pub(super) fn checkpoint_if_due(&mut self) -> Result<(), LoadError> {
        let (now, basis) = (self.run.clock.now(), self.basis());
        match &mut self.watch {
            Some(watch) if watch.is_due(now) => watch.checkpoint(now, &mut self.record, &basis, self.journal),
            _ => Ok(()),
        }
    }

    /// Keeps what the monitor has seen of this client; it marks rows before and after it in the log.
    pub(super) fn keep_breaches(&mut self) -> Result<(), LoadError> {
        for breach in self.health.fresh_breaches() {
            self.journal.event(&RunEvent::Breach { phase: Phase::Load, breach })?;
        }
        Ok(())
    }

    /// Ends the watch of the server, so that all of it is in the log when figures are made.
    pub(super) async fn stop_observers(&mut self) -> Result<(), LoadError> {
        let seen = match self.observers.take() {
            Some(observers) => observers.stop().await,
            None => Vec::new(),
        };
        self.keep_seen(seen)
    }
}
