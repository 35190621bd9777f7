//! Whether a run is a measurement of its target, or of its client.

use std::collections::BTreeMap;

use weighbridge_telemetry::health::HealthReport;
use weighbridge_types::health::HealthAlarmKind;
use weighbridge_types::record::{Check, Record, Tally};
use weighbridge_types::request::ClientFault;

use crate::health::{Breached, Health};
use crate::settings::LoadSettings;

/// Name of the check that decides.
const FIT: &str = "client fit to measure";

/// How the note begins that says why nothing succeeded.
const FUTILE: &str = "no request succeeded: ";

/// The note of a load in which nothing succeeded.
pub(crate) fn futile_note(why: &str) -> String {
    format!("{FUTILE}{why}")
}

/// The check: the share of measured requests that the client disturbed, against the limit.
pub(crate) fn check(
    health: &Health,
    report: &HealthReport,
    tally: &Tally,
    disturbed: u64,
    settings: &LoadSettings,
) -> Check {
    let Check { name, passed, mut evidence } = check_of_log(tally, disturbed, settings);
    for (fault, Breached { count, worst, limit }) in health.breached() {
        let (name, unit) = match fault {
            ClientFault::ScheduleLag => ("schedule lag", "ms"),
            ClientFault::ReactorLag => ("event loop held up", "ms"),
            ClientFault::CpuSaturated => ("client processor saturated", "share"),
            ClientFault::Steal => ("processor time stolen", "share"),
        };
        evidence.push_str(&format!("; {name} {count} times, worst {worst:.2} {unit}, limit {limit:.2}"));
    }
    if let Some(lag) = report.lag_max {
        evidence.push_str(&format!("; longest lag of an event loop {:.2} ms", lag.length().as_secs_f64() * 1e3));
    }
    let passed = match &health.blind {
        Some(why) => {
            evidence = format!("nobody watched the client: {why}");
            None
        }
        None => passed,
    };
    Check { name, passed, evidence }
}

/// The check as far as the log tells: without the monitor's own words.
pub(crate) fn check_of_log(tally: &Tally, disturbed: u64, settings: &LoadSettings) -> Check {
    let share = if tally.scheduled > 0 { disturbed as f64 / tally.scheduled as f64 } else { 0.0 };
    let evidence = format!(
        "{disturbed} of {} requests ran while the client was late or short of processor time ({:.1} %, limit {:.1} %)",
        tally.scheduled,
        100.0 * share,
        100.0 * settings.disturbed_limit
    );
    Check { name: FIT.to_owned(), passed: Some(share <= settings.disturbed_limit), evidence }
}

/// What a reader should know of the client besides.
pub(crate) fn notes(health: &Health, report: &HealthReport) -> Vec<String> {
    let mut worst: BTreeMap<HealthAlarmKind, (u64, f64, f64)> = BTreeMap::new();
    for alarm in &health.alarms {
        let entry = worst.entry(alarm.kind).or_insert((0, alarm.value, alarm.limit));
        *entry = (entry.0 + 1, if alarm.value.abs() > entry.1.abs() { alarm.value } else { entry.1 }, alarm.limit);
    }
    let mut notes: Vec<String> = worst
        .into_iter()
        .map(|(kind, (count, value, limit))| {
            let what = match kind {
                HealthAlarmKind::ClockStep => "the wall clock was set (ms)",
                HealthAlarmKind::OpenFiles => "open files near the limit (share)",
                HealthAlarmKind::Retransmits => "TCP segments sent again (share)",
                HealthAlarmKind::MajorFaults => "waits for pages from storage (per second)",
            };
            format!("{what}: {count} times, worst {value:.2}, limit {limit:.2}")
        })
        .collect();
    if report.dropped > 0 {
        notes.push(format!("{} events of the client's health were lost to a full buffer", report.dropped));
    }
    notes
}

/// Why no request of a run succeeded, with what was said last, if it was given up for that.
#[must_use]
pub fn futile_reason(record: &Record) -> Option<&str> {
    let mut notes = record.phases.iter().flat_map(|phase| &phase.notes);
    notes.find(|note| note.starts_with(FUTILE)).map(String::as_str)
}

/// Why a record is no valid measurement of its target, if the client was the bottleneck.
#[must_use]
pub fn invalid_reason(record: &Record) -> Option<&str> {
    let checks = record.phases.iter().flat_map(|phase| &phase.checks);
    checks
        .into_iter()
        .find(|check| check.name == FIT && check.passed == Some(false))
        .map(|check| check.evidence.as_str())
}
