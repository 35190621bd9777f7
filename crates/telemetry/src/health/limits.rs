//! When a reading is a breach.

use std::time::Duration;

use weighbridge_types::health::{HealthAlarm, HealthAlarmKind, HealthBreach, HealthSample};
use weighbridge_types::request::ClientFault;

use super::reactor::Lag;

/// Limits of a healthy client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HealthLimits {
    /// Longest lag of a reactor.
    pub reactor_lag: Duration,
    /// Most of a period that one reactor thread may run, as a share.
    pub reactor_busy: f64,
    /// Most of a period that one reactor thread may be ready and not run, as a share.
    pub run_queue_wait: f64,
    /// Most of the usable cores that the process may use, as a share; `None` where the engine runs in this process
    /// and is meant to use them.
    pub process_cpu: Option<f64>,
    /// Most of the host's time that the hypervisor may take, as a share.
    pub steal: f64,
    /// Largest move of the wall clock against the monotonic one.
    pub clock_step: Duration,
    /// Most open file descriptors, as a share of the limit.
    pub open_files: f64,
    /// Most TCP segments sent again, as a share of those sent.
    pub retransmits: f64,
    /// Most page faults with IO, per second.
    pub major_faults: f64,
}

impl Default for HealthLimits {
    /// A lag of 5 ms is a quarter of a usual gap between tokens. A thread that runs 90 % of its time keeps events
    /// waiting (at 90 % load a queue holds nine), one that waits a fifth of it shares its core. Steal of 5 % is where
    /// the calibration of the bench room warns. 10 ms of clock step are far above what NTP slews in a second (0.5 ms)
    /// and above the resolution of wall time here (1 ms).
    fn default() -> Self {
        Self {
            reactor_lag: Duration::from_millis(5),
            reactor_busy: 0.9,
            run_queue_wait: 0.2,
            process_cpu: Some(0.95),
            steal: 0.05,
            clock_step: Duration::from_millis(10),
            open_files: 0.9,
            retransmits: 0.01,
            major_faults: 100.0,
        }
    }
}

impl HealthLimits {
    /// The breach that a lag is, if it is one. In milliseconds.
    #[must_use]
    pub fn judge_lag(&self, lag: Lag) -> Option<HealthBreach> {
        (lag.length() > self.reactor_lag).then(|| HealthBreach {
            fault: ClientFault::ReactorLag,
            from: lag.from,
            to: lag.to,
            value: lag.length().as_secs_f64() * 1e3,
            limit: self.reactor_lag.as_secs_f64() * 1e3,
        })
    }

    /// The breaches in a period, at most one of each fault: the one that is furthest above its limit.
    #[must_use]
    pub fn judge(&self, sample: &HealthSample, usable_cores: Option<f64>) -> Vec<HealthBreach> {
        let cpu = sample.process_cpu.zip(usable_cores).map(|(cpu, cores)| cpu / cores);
        let saturated = [
            above(sample.reactor_busy, Some(self.reactor_busy)),
            above(sample.run_queue_wait, Some(self.run_queue_wait)),
            above(cpu, self.process_cpu),
        ];
        let worst = saturated.into_iter().flatten().max_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
        let steal = above(sample.steal_share, Some(self.steal));
        [(ClientFault::CpuSaturated, worst), (ClientFault::Steal, steal)]
            .into_iter()
            .filter_map(|(fault, found)| {
                found.map(|(value, limit)| HealthBreach { fault, from: sample.from, to: sample.to, value, limit })
            })
            .collect()
    }

    /// The alarms of a period.
    #[must_use]
    pub fn alarms(&self, sample: &HealthSample) -> Vec<HealthAlarm> {
        let seconds = (sample.to - sample.from).as_secs_f64();
        let step = sample.clock_step_ms.map(f64::abs);
        let again = sample.segments_again.zip(sample.segments_sent).filter(|&(_, sent)| sent > 0);
        let again = again.map(|(again, sent)| again as f64 / sent as f64);
        let faults = sample.major_faults.filter(|_| seconds > 0.0).map(|faults| faults as f64 / seconds);
        [
            (HealthAlarmKind::ClockStep, above(step, Some(self.clock_step.as_secs_f64() * 1e3))),
            (HealthAlarmKind::OpenFiles, above(sample.open_files_share, Some(self.open_files))),
            (HealthAlarmKind::Retransmits, above(again, Some(self.retransmits))),
            (HealthAlarmKind::MajorFaults, above(faults, Some(self.major_faults))),
        ]
        .into_iter()
        .filter_map(|(kind, found)| {
            found.map(|(value, limit)| HealthAlarm { kind, from: sample.from, to: sample.to, value, limit })
        })
        .collect()
    }
}

/// Value and limit, where the value is above it.
fn above(value: Option<f64>, limit: Option<f64>) -> Option<(f64, f64)> {
    value.zip(limit).filter(|(value, limit)| value > limit)
}

#[cfg(test)]
mod tests {
    use weighbridge_types::time::Stamp;

    use super::*;

    fn stamp(nanos: u64) -> Stamp {
        Stamp::from_nanos(nanos)
    }

    #[test]
    fn periods_are_judged_by_the_limits() {
        let limits = HealthLimits::default();
        let check = |sample: HealthSample, expected: &[(ClientFault, f64, f64)]| {
            let found = limits.judge(&sample, Some(2.0));
            let found: Vec<_> = found.iter().map(|breach| (breach.fault, breach.value, breach.limit)).collect();
            assert_eq!(found, expected, "{sample:?}");
        };
        let sample = HealthSample::default();
        check(sample, &[]);
        check(HealthSample { reactor_busy: Some(0.9), steal_share: Some(0.05), ..sample }, &[]);
        check(HealthSample { reactor_busy: Some(0.99), ..sample }, &[(ClientFault::CpuSaturated, 0.99, 0.9)]);
        check(
            HealthSample { reactor_busy: Some(0.99), run_queue_wait: Some(0.4), ..sample },
            &[(ClientFault::CpuSaturated, 0.4, 0.2)],
        );
        check(HealthSample { process_cpu: Some(1.96), ..sample }, &[(ClientFault::CpuSaturated, 0.98, 0.95)]);
        check(HealthSample { steal_share: Some(0.5), ..sample }, &[(ClientFault::Steal, 0.5, 0.05)]);
        let in_process = HealthLimits { process_cpu: None, ..limits };
        assert!(in_process.judge(&HealthSample { process_cpu: Some(2.0), ..sample }, Some(2.0)).is_empty());
        assert!(limits.judge(&HealthSample { process_cpu: Some(2.0), ..sample }, None).is_empty());
    }

    #[test]
    fn surroundings_raise_alarms() {
        let sample = HealthSample {
            to: stamp(1_000_000_000),
            clock_step_ms: Some(-12.0),
            open_files_share: Some(0.95),
            segments_sent: Some(100),
            segments_again: Some(2),
            major_faults: Some(101),
            ..HealthSample::default()
        };
        let found = HealthLimits::default().alarms(&sample);
        let found: Vec<_> = found.iter().map(|alarm| (alarm.kind, alarm.value)).collect();
        let expected = [
            (HealthAlarmKind::ClockStep, 12.0),
            (HealthAlarmKind::OpenFiles, 0.95),
            (HealthAlarmKind::Retransmits, 0.02),
            (HealthAlarmKind::MajorFaults, 101.0),
        ];
        assert_eq!(found, expected);
        assert!(HealthLimits::default().alarms(&HealthSample::default()).is_empty());
    }

    #[test]
    fn lags_are_judged_in_milliseconds() {
        let limits = HealthLimits::default();
        let lag = |nanos: u64| limits.judge_lag(Lag { from: stamp(10), to: stamp(10 + nanos) });
        assert_eq!(lag(5_000_000), None);
        let breach = lag(6_000_000).unwrap();
        assert_eq!((breach.fault, breach.value, breach.limit), (ClientFault::ReactorLag, 6.0, 5.0));
    }
}
