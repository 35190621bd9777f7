//! What a reader must know of the watch of the server, and whether its prompt cache was as declared.

use weighbridge_telemetry::cache::{CacheEvidence, Prior, judge_cache};
use weighbridge_telemetry::{Watched, hits_by_usage};
use weighbridge_types::cache::{CacheHits, CacheProvenance, CacheState};
use weighbridge_types::record::Check;
use weighbridge_types::telemetry::{LoadWindow, Watch, WatchReport};

use crate::settings::LoadSettings;
use crate::watching::Place;

/// Name of the check on the prompt cache.
const CACHE: &str = "prompt cache as declared";

/// What was not watched, and what was watched with gaps. Of a target that is no endpoint nothing is missed.
pub(crate) fn notes(watched: &Watched, place: Place) -> Vec<String> {
    let is_endpoint = matches!(place, Place::ThisHost | Place::Elsewhere);
    let is_absent = |report: &&WatchReport| report.wall_seconds <= 0.0;
    let absent: Vec<String> = watched.reports().iter().filter(is_absent).filter_map(reason).collect();
    let mut notes = Vec::new();
    if is_endpoint && !absent.is_empty() {
        notes.push(format!("not watched: {}", absent.join("; ")));
    }
    let gaps = watched.reports().iter().filter(|report| report.wall_seconds > 0.0 && report.missed > 0);
    notes.extend(gaps.map(|report| {
        let why = report.problem.as_ref().map(|problem| format!("; the last time: {problem}")).unwrap_or_default();
        format!("{}: {} readings kept and {} missed{why}", name(report.watch), report.read, report.missed)
    }));
    notes
}

fn reason(report: &WatchReport) -> Option<String> {
    Some(format!("{} ({})", name(report.watch), report.problem.as_ref()?))
}

const fn name(watch: Watch) -> &'static str {
    match watch {
        Watch::Server => "metrics of the server",
        Watch::Dcgm => "graphics processors by their exporter",
        Watch::Gpu => "graphics processors",
        Watch::HostEnergy => "energy of the host",
        Watch::Tree => "processes of the server",
    }
}

/// Where the cache hits of a run came from.
pub(crate) fn provenance(
    watched: &Watched,
    windows: &[LoadWindow],
    settings: &LoadSettings,
    prior: Prior,
) -> CacheProvenance {
    judge_cache(&CacheEvidence {
        declared: settings.watch.cache,
        salted: settings.salt.is_some(),
        by_usage: hits_by_usage(windows),
        by_server: watched.cache_hits(),
        prior,
    })
}

/// Whether the cache was as declared; `None` where nothing is known of it and nothing was declared.
pub(crate) fn cache_check(found: &CacheProvenance) -> Option<Check> {
    let is_observed = found.by_usage.is_some() || found.by_server.is_some();
    let has_alarm = found.notes.iter().any(|note| note.rule.is_alarm());
    let is_declared = found.declared != CacheState::Uncontrolled;
    if !is_declared && !is_observed && !has_alarm {
        return None;
    }
    let hits = |who: &str, hits: Option<CacheHits>| {
        let share = hits.and_then(CacheHits::share)?;
        Some(format!("{:.1} % of prompt tokens cached by {who}", 100.0 * share))
    };
    let salted = if found.salted { "salted prompts" } else { "prompts without a salt" };
    let mut parts = vec![format!("declared {}, {salted}", found.declared.name())];
    parts.extend(hits("usage", found.by_usage));
    parts.extend(hits("the server's counters", found.by_server));
    parts.extend(found.notes.iter().map(|note| note.text.clone()));
    let passed = match (has_alarm, is_declared && is_observed) {
        (true, _) => Some(false),
        (false, true) => Some(true),
        (false, false) => None,
    };
    Some(Check { name: CACHE.to_owned(), passed, evidence: parts.join("; ") })
}

#[cfg(test)]
mod tests {
    use weighbridge_types::telemetry::Telemetry;

    use super::*;

    #[test]
    fn what_is_missing_is_told_of_endpoints() {
        let failed = WatchReport {
            wall_seconds: 5.0,
            read: 3,
            missed: 2,
            ..WatchReport::absent(Watch::Server, "connection refused")
        };
        let mut watched = Watched::default();
        watched.push(Telemetry::Watch(WatchReport::absent(Watch::Gpu, "no driver")));
        watched.push(Telemetry::Watch(failed));
        let gap = "metrics of the server: 3 readings kept and 2 missed; the last time: connection refused";
        assert_eq!(notes(&watched, Place::ThisHost), ["not watched: graphics processors (no driver)", gap]);
        assert_eq!(notes(&watched, Place::Nowhere), [gap]);
    }

    #[test]
    fn a_cache_is_judged_by_what_was_declared() {
        let check = |declared, cached: Option<(u64, u64)>, expected: Option<(Option<bool>, &str)>| {
            let mut settings = LoadSettings { salt: Some(1), ..LoadSettings::default() };
            settings.watch.cache = declared;
            let (from, to) = <(_, _)>::default();
            let window =
                LoadWindow { cell: Default::default(), from, to, output_tokens: 0, input_tokens: None, cached };
            let found = cache_check(&provenance(&Watched::default(), &[window], &settings, Prior::default()));
            assert_eq!(found.as_ref().map(|check| check.passed), expected.map(|expected| expected.0), "{found:?}");
            if let (Some(check), Some((_, part))) = (found, expected) {
                assert!(check.evidence.contains(part), "{}", check.evidence);
            }
        };
        check(CacheState::Uncontrolled, None, None);
        check(CacheState::Cold, None, Some((None, "neither usage nor the server")));
        check(CacheState::Cold, Some((0, 100)), Some((Some(true), "0.0 % of prompt tokens cached by usage")));
        check(CacheState::Cold, Some((50, 100)), Some((Some(false), "declared cold, and 50")));
        check(CacheState::Warm, Some((10, 100)), Some((Some(false), "only 10")));
    }
}
