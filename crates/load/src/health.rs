//! The client's health beside a load: what was breached. The log keeps it, and marks with it the rows that it touches.

use std::collections::BTreeMap;
use std::time::Duration;

use weighbridge_telemetry::SystemRoot;
use weighbridge_telemetry::health::{
    HealthEvents, HealthLimits, HealthMonitor, HealthReport, HealthSettings, ReactorProbe,
};
use weighbridge_types::health::{HealthAlarm, HealthBreach, HealthSample};
use weighbridge_types::request::ClientFault;
use weighbridge_types::time::{Clock, Stamp};

use crate::setup::Setup;

/// The monitor reads once a second; longer than two of its periods is a hang.
const LONGEST_SETTLING: Duration = Duration::from_millis(2500);

/// Time between two looks at whether the faults are known.
const SETTLING_LOOK: Duration = Duration::from_millis(20);

/// The breaches of one fault, together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Breached {
    pub(crate) count: u64,
    /// The worst value, in the unit of the limit.
    pub(crate) worst: f64,
    pub(crate) limit: f64,
}

/// A monitor of the reactors, and what it has seen so far.
#[derive(Debug)]
pub(crate) struct Health {
    monitor: Option<HealthMonitor>,
    clock: Clock,
    /// Breaches that the log does not hold yet.
    fresh: Vec<HealthBreach>,
    breached: BTreeMap<ClientFault, Breached>,
    pub(crate) samples: Vec<HealthSample>,
    pub(crate) alarms: Vec<HealthAlarm>,
    /// Why nobody watches, if nobody does.
    pub(crate) blind: Option<String>,
}

impl Health {
    /// Starts to watch the reactors of a setup. A host that refuses is measured without, and the run says so.
    pub(crate) fn start(setup: &Setup, root: &SystemRoot, clock: Clock) -> Self {
        let probes: Vec<ReactorProbe> = setup.reactors.handles().iter().map(|_| ReactorProbe::new(clock)).collect();
        for (handle, probe) in setup.reactors.handles().iter().zip(&probes) {
            handle.spawn(probe.clone().serve());
        }
        let in_process = setup.engines.iter().any(|engine| engine.capabilities().in_process);
        let limits = HealthLimits::default();
        // A model in this process is meant to use every core.
        let limits = HealthLimits { process_cpu: limits.process_cpu.filter(|_| !in_process), ..limits };
        let settings =
            HealthSettings { reactor_threads: vec!["reactor-".to_owned()], limits, ..HealthSettings::default() };
        let (monitor, blind) = match HealthMonitor::start(root, clock, settings, probes) {
            Ok(monitor) => (Some(monitor), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Self {
            monitor,
            clock,
            fresh: Vec::new(),
            breached: BTreeMap::new(),
            samples: Vec::new(),
            alarms: Vec::new(),
            blind,
        }
    }

    /// Takes what was seen, and says up to when every fault is known.
    fn settled(&mut self) -> Stamp {
        let Some(monitor) = &self.monitor else { return self.clock.now() };
        let settled = monitor.settled();
        let events = monitor.drain();
        self.take(events);
        settled
    }

    /// Breaches seen since the last call: they are for the log.
    pub(crate) fn fresh_breaches(&mut self) -> Vec<HealthBreach> {
        self.settled();
        std::mem::take(&mut self.fresh)
    }

    /// Waits until every fault before `end` is known; a monitor that hangs is not waited for.
    pub(crate) async fn settle(&mut self, end: Stamp) {
        let deadline = self.clock.instant(end.after(LONGEST_SETTLING));
        while self.settled() <= end && self.clock.instant(self.clock.now()) < deadline {
            tokio::time::sleep(SETTLING_LOOK).await;
        }
    }

    fn take(&mut self, events: HealthEvents) {
        self.samples.extend(events.samples);
        self.alarms.extend(events.alarms);
        for breach in events.breaches {
            let HealthBreach { value, limit, .. } = breach;
            let breached = self.breached.entry(breach.fault).or_insert(Breached { count: 0, worst: value, limit });
            *breached = Breached { count: breached.count + 1, worst: breached.worst.max(value), limit };
            self.fresh.push(breach);
        }
    }

    /// Every breach so far, by fault.
    pub(crate) fn breached(&self) -> &BTreeMap<ClientFault, Breached> {
        &self.breached
    }

    /// Stops watching and hands over what is left, but for the breaches, which are [fresh](Self::fresh_breaches).
    pub(crate) fn stop(&mut self) -> HealthReport {
        let mut report = self.monitor.take().map(HealthMonitor::stop).unwrap_or_default();
        self.take(std::mem::take(&mut report.events));
        report
    }
}
