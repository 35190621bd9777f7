//! What a model in this process took from the host's processors.

use weighbridge_engine::Capabilities;
use weighbridge_telemetry::{
    Bounded, EnergyScope, HostEnergyMeter, HostEnergySampler, SystemRoot, Window, energy_metrics, host_energy,
};
use weighbridge_types::definition as define;
use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::Phase;
use weighbridge_types::server::HostEnergySample;
use weighbridge_types::time::Clock;

use super::book::{Book, Tokens};

/// Reads the energy counters of the host while a model in this process answers; `None` for one that is elsewhere.
#[derive(Debug)]
pub(super) struct Energy {
    sampler: Option<Result<HostEnergySampler, String>>,
    /// The first reading and the last: counters only grow.
    ends: Vec<HostEnergySample>,
}

impl Energy {
    pub(super) fn start(capabilities: Capabilities, clock: Clock) -> Self {
        let started = || {
            let meter = HostEnergyMeter::open(&SystemRoot::host())?;
            HostEnergySampler::start(meter, clock).map_err(|error| error.to_string())
        };
        Self { sampler: capabilities.in_process.then(started), ends: Vec::new() }
    }

    /// Takes the readings since the last call, so that no buffer fills up in a long run.
    pub(super) fn look(&mut self) {
        if let Some(Ok(sampler)) = &self.sampler {
            let read = sampler.drain();
            self.keep(read);
        }
    }

    fn keep(&mut self, read: Vec<HostEnergySample>) {
        self.ends.extend(read);
        if let [first, .., last] = self.ends[..] {
            self.ends = vec![first, last];
        }
    }

    /// Energy of this part of the run, and of an output token.
    pub(super) fn stop(&mut self, book: &Book) -> Vec<Metric> {
        let Some(sampler) = self.sampler.take() else { return Vec::new() };
        let energy = sampler.and_then(|sampler| {
            self.keep(sampler.stop().samples);
            let [first, .., last] = self.ends[..] else { return Err("the counters were read once only".to_owned()) };
            host_energy(&self.ends, Window { from: first.at, to: last.at })
        });
        let mut tokens = Tokens::default();
        book.tasks.iter().for_each(|task| tokens.add(task.tokens()));
        let output = if tokens.output > 0 && tokens.uncounted == 0 {
            Ok(Bounded::exact(tokens.output as f64))
        } else {
            Err("no tokens were generated, or not all were counted".to_owned())
        };
        let idle = Err("no idle time was measured".to_owned());
        let wanted = [define::ENERGY_HOST.name, define::HOST_JOULES_PER_TOKEN.name];
        let metrics = energy_metrics(EnergyScope::Host, &energy, &idle, &output, &Cell::of(Phase::Evaluate));
        metrics.into_iter().filter(|metric| wanted.contains(&metric.name.as_str())).collect()
    }
}
