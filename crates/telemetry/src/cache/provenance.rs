//! The rules.

use weighbridge_types::cache::{CacheHits, CacheNote, CacheProvenance, CacheRule, CacheState};
use weighbridge_types::definition as defs;
use weighbridge_types::metric::{Cell, Metric, Statistic};

use super::sent::Prior;
use crate::figures;

/// Hits up to this share are those of a chat template's head, which all prompts share.
const COLD_LIMIT: f64 = 0.05;
/// Below this share a cache is not warm: servers cache whole blocks, so that a warm one misses each prompt's end.
const WARM_LIMIT: f64 = 0.5;
/// Shares of usage and server that differ by more are of different requests, or counted differently.
const DISAGREEMENT_LIMIT: f64 = 0.1;

/// What is known of the cache of one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CacheEvidence {
    /// What the run declares.
    pub declared: CacheState,
    /// Whether each prompt began with words of its own run.
    pub salted: bool,
    /// Hits by usage, over the requests that tell them; `None` where none does.
    pub by_usage: Option<CacheHits>,
    /// Hits by the server's counters over the window; `None` where unknown.
    pub by_server: Option<CacheHits>,
    /// What the server was sent before.
    pub prior: Prior,
}

/// Judges a run's cache by the rules of [`CacheRule`], alarms first.
#[must_use]
pub fn judge_cache(evidence: &CacheEvidence) -> CacheProvenance {
    let mut notes: Vec<CacheNote> =
        findings(evidence).into_iter().map(|(rule, text)| CacheNote { rule, text }).collect();
    notes.sort_by_key(|note| (!note.rule.is_alarm(), note.rule));
    CacheProvenance {
        declared: evidence.declared,
        salted: evidence.salted,
        by_usage: evidence.by_usage,
        by_server: evidence.by_server,
        notes,
    }
}

/// The share of cached prompt tokens by usage, as a metric.
#[must_use]
pub fn cache_metric(hits: Option<CacheHits>, cell: &Cell) -> Metric {
    let share = hits.and_then(CacheHits::share);
    figures::one_of(&defs::CACHE_HIT, Statistic::Value, cell, share, 1, "no request's usage tells its cached tokens")
}

fn findings(evidence: &CacheEvidence) -> Vec<(CacheRule, String)> {
    let usage = evidence.by_usage.and_then(CacheHits::share);
    let server = evidence.by_server.and_then(CacheHits::share);
    let mut found = Vec::new();
    // Usage is of this run's requests; the server's counters are of everybody's.
    match usage.or(server) {
        Some(share) => found.extend(against_declared(evidence, share)),
        None => found.push((CacheRule::Unobserved, "neither usage nor the server tells cache hits".to_owned())),
    }
    if let Some((usage, server)) = usage.zip(server).filter(|(a, b)| (a - b).abs() > DISAGREEMENT_LIMIT) {
        let text =
            format!("{} of prompt tokens were cached by usage and {} by the server", percent(usage), percent(server));
        found.push((CacheRule::CountsDisagree, text));
    }
    found.extend(before(evidence));
    match evidence.declared {
        CacheState::Cold if !evidence.salted => {
            let text = "prompts without a salt may be in the cache from before".to_owned();
            found.push((CacheRule::ColdWithoutSalt, text));
        }
        CacheState::Uncontrolled => {
            let text = "the state of the cache was not declared: TTFT compares with no other run's".to_owned();
            found.push((CacheRule::Undeclared, text));
        }
        CacheState::Cold | CacheState::Warm | CacheState::Mixed => {}
    }
    found
}

/// A salt says that nothing is found as much as a cold cache does; a mixed workload may hit within its own run.
fn against_declared(evidence: &CacheEvidence, share: f64) -> Option<(CacheRule, String)> {
    let found = percent(share);
    match evidence.declared {
        CacheState::Cold if share > COLD_LIMIT => {
            Some((CacheRule::ColdButHits, format!("declared cold, and {found} of prompt tokens were cached")))
        }
        CacheState::Warm if share < WARM_LIMIT => {
            Some((CacheRule::WarmButMisses, format!("declared warm, and only {found} of prompt tokens were cached")))
        }
        CacheState::Uncontrolled if evidence.salted && share > COLD_LIMIT => {
            Some((CacheRule::SaltedButHits, format!("prompts were salted, and {found} of prompt tokens were cached")))
        }
        _ => None,
    }
}

/// Sending before is what makes a cache warm, and a salt makes new prompts of old ones.
fn before(evidence: &CacheEvidence) -> Option<(CacheRule, String)> {
    let prior = evidence.prior;
    if evidence.salted || evidence.declared == CacheState::Warm {
        return None;
    }
    if prior.same_start > 0 {
        let text = format!("the same prompts were sent to this start of the server {} times before", prior.same_start);
        Some((CacheRule::Contaminated, text))
    } else if prior.unknown_start > 0 {
        let text = format!(
            "the same prompts were sent to this server {} times before, and whether it was restarted is not known",
            prior.unknown_start
        );
        Some((CacheRule::PerhapsContaminated, text))
    } else {
        None
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(found: f64, of: f64) -> Option<CacheHits> {
        Some(CacheHits { found, of })
    }

    #[test]
    fn rules_fire_by_what_was_declared_and_seen() {
        let check = |evidence: CacheEvidence, expected: &[CacheRule]| {
            let found = judge_cache(&evidence);
            let rules: Vec<_> = found.notes.iter().map(|note| note.rule).collect();
            assert_eq!(rules, expected, "{evidence:?}");
            assert!(found.notes.iter().all(|note| !note.text.is_empty()));
        };
        let of = |declared, salted| CacheEvidence {
            declared,
            salted,
            by_usage: hits(0.0, 100.0),
            ..CacheEvidence::default()
        };
        let prior = |same_start, unknown_start| Prior { same_start, unknown_start, other_start: 9 };
        use CacheRule as R;
        use CacheState as S;
        check(of(S::Cold, true), &[]);
        check(of(S::Cold, false), &[R::ColdWithoutSalt]);
        check(of(S::Uncontrolled, false), &[R::Undeclared]);
        check(of(S::Mixed, false), &[]);
        check(of(S::Warm, false), &[R::WarmButMisses]);
        check(CacheEvidence { by_usage: hits(90.0, 100.0), ..of(S::Warm, false) }, &[]);
        check(CacheEvidence { by_usage: hits(5.0, 100.0), ..of(S::Cold, true) }, &[]);
        check(CacheEvidence { by_usage: hits(6.0, 100.0), ..of(S::Cold, true) }, &[R::ColdButHits]);
        check(CacheEvidence { by_usage: hits(60.0, 100.0), ..of(S::Mixed, true) }, &[]);
        check(
            CacheEvidence { by_usage: hits(60.0, 100.0), ..of(S::Uncontrolled, true) },
            &[R::SaltedButHits, R::Undeclared],
        );
        check(CacheEvidence { by_usage: None, ..of(S::Cold, true) }, &[R::Unobserved]);
        check(CacheEvidence { by_usage: None, by_server: hits(50.0, 100.0), ..of(S::Cold, true) }, &[R::ColdButHits]);
        check(CacheEvidence { by_server: hits(50.0, 100.0), ..of(S::Mixed, true) }, &[R::CountsDisagree]);
        check(CacheEvidence { by_server: hits(0.0, 0.0), ..of(S::Mixed, true) }, &[]);
        check(CacheEvidence { prior: prior(1, 1), ..of(S::Cold, false) }, &[R::Contaminated, R::ColdWithoutSalt]);
        check(CacheEvidence { prior: prior(0, 1), ..of(S::Mixed, false) }, &[R::PerhapsContaminated]);
        check(CacheEvidence { prior: prior(0, 0), ..of(S::Mixed, false) }, &[]);
        check(CacheEvidence { prior: prior(3, 3), ..of(S::Mixed, true) }, &[]);
    }

    #[test]
    fn the_share_is_a_metric() {
        assert_eq!(cache_metric(hits(25.0, 100.0), &Cell::default()).value, Some(0.25));
        assert_eq!(cache_metric(None, &Cell::default()).value, None);
    }
}
