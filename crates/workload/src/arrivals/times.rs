//! The arrivals of a schedule, one after the other.

use std::sync::Arc;
use std::time::Duration;

use super::curve::Wave;
use super::schedule::{Arrivals, Plan, Process};
use crate::draws::Draws;

/// Beginnings of sessions, from [`Arrivals::times`]. A clone goes on from the same place.
#[derive(Clone, Debug)]
pub struct ArrivalTimes {
    kind: Kind,
    /// Arrivals given out.
    given: u64,
    /// The last one, which the next one does not precede.
    last: Duration,
}

#[derive(Clone, Debug)]
enum Kind {
    /// A process of rate 1, stretched.
    Stretched(Box<UnitProcess>, Stretch),
    Bursts {
        size: u64,
        every: Duration,
    },
    AtOnce,
    Times(Arc<[Duration]>),
    Nothing,
}

/// How the time of a process of rate 1 becomes seconds.
#[derive(Clone, Debug)]
enum Stretch {
    Rate(f64),
    Plan(Arc<Plan>),
    Wave(Wave),
}

impl ArrivalTimes {
    pub(super) fn new(arrivals: &Arrivals, seed: u64) -> Self {
        let stretched = |process, stretch| Kind::Stretched(Box::new(UnitProcess::new(process, seed)), stretch);
        let kind = match arrivals {
            _ if arrivals.check().is_err() => Kind::Nothing,
            Arrivals::Constant { rate } => stretched(Process::Constant, Stretch::Rate(*rate)),
            Arrivals::Poisson { rate } => stretched(Process::Poisson, Stretch::Rate(*rate)),
            Arrivals::Gamma { rate, burstiness } => {
                stretched(Process::Gamma { burstiness: *burstiness }, Stretch::Rate(*rate))
            }
            Arrivals::Stages { stages, process } => stretched(*process, Stretch::Plan(Arc::new(Plan::new(stages)))),
            Arrivals::Diurnal { mean, amplitude, period, process } => {
                stretched(*process, Stretch::Wave(Wave::new(*mean, *amplitude, *period)))
            }
            Arrivals::Bursts { size, every } => Kind::Bursts { size: u64::from(*size), every: *every },
            Arrivals::AtOnce => Kind::AtOnce,
            Arrivals::Times(times) => Kind::Times(Arc::clone(times)),
        };
        Self { kind, given: 0, last: Duration::ZERO }
    }
}

impl Iterator for ArrivalTimes {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let at = match &mut self.kind {
            Kind::Stretched(process, stretch) => {
                let count = process.next(self.given);
                let seconds = match stretch {
                    Stretch::Rate(rate) => count / *rate,
                    Stretch::Plan(plan) => plan.seconds_at(count)?,
                    Stretch::Wave(wave) => wave.seconds_at(count),
                };
                Duration::try_from_secs_f64(seconds).ok()?
            }
            Kind::Bursts { size, every } => {
                let nanos = every.as_nanos() * u128::from(self.given / *size);
                Duration::from_nanos(u64::try_from(nanos).ok()?)
            }
            Kind::AtOnce => Duration::ZERO,
            Kind::Times(times) => *times.get(usize::try_from(self.given).ok()?)?,
            Kind::Nothing => return None,
        };
        self.given += 1;
        self.last = self.last.max(at);
        Some(self.last)
    }
}

/// Arrivals of rate 1. An even process begins at once; of a random one, the first waits as the others do.
#[derive(Clone, Debug)]
struct UnitProcess {
    process: Process,
    draws: Draws,
    sum: f64,
}

impl UnitProcess {
    fn new(process: Process, seed: u64) -> Self {
        Self { process, draws: Draws::new(seed, "arrivals", 0), sum: 0.0 }
    }

    /// The time of arrival number `index`; to be asked for in order.
    fn next(&mut self, index: u64) -> f64 {
        match self.process {
            Process::Constant => return index as f64,
            Process::Poisson => self.sum += self.draws.exponential(),
            Process::Gamma { burstiness } => self.sum += self.draws.gamma(burstiness) / burstiness,
        }
        self.sum
    }
}
