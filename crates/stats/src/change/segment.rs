//! What both detectors share: windows, candidates, and the merge that leaves significant points only.

use std::cmp::Ordering;

use super::{Change, ChangeSettings};
use crate::{StatsError, sample};

/// Within a window a split passes at this many times the significance (Hunter does the same): it may be blurred by
/// another change in the window, and is judged again between its neighbors.
const CANDIDATE_FACTOR: f64 = 10.0;

/// The statistic of one detector.
pub(super) trait Detector {
    /// Length of the first part of the split whose statistic is largest, the first of equals; both parts hold at least
    /// `min_segment` values. `None` where all values are equal. `values` holds at least two shortest segments.
    fn best_split(&self, values: &[f64], min_segment: usize) -> Option<usize>;

    /// Two-sided p value of two segments of two values or more being alike, 0 to 1, not corrected for the search.
    fn p(&self, before: &[f64], after: &[f64]) -> f64;

    /// Whether the step between two segments is large enough to matter.
    fn is_large(&self, before: &[f64], after: &[f64]) -> bool;
}

/// All changes that a detector sees, ascending.
pub(super) fn changes(
    detector: &impl Detector,
    series: &[f64],
    settings: ChangeSettings,
) -> Result<Vec<Change>, StatsError> {
    settings.check()?;
    sample::check_at_least(series, settings.min_runs())?;
    let candidates = apart(candidates(detector, series, settings), settings.min_segment);
    Ok(merge(detector, series, candidates, settings))
}

/// Candidates of all windows, each with its corrected p value, in no order and some of them twice.
///
/// Windows start half a window apart, so that each run but those at the ends has a quarter of a window on both sides in
/// one of them; the last ends with the series.
fn candidates(detector: &impl Detector, series: &[f64], settings: ChangeSettings) -> Vec<(f64, usize)> {
    let threshold = (CANDIDATE_FACTOR * settings.significance).min(1.0);
    let window = settings.window.min(series.len());
    let last = series.len() - window;
    let mut found = Vec::new();
    let mut parts = Vec::new();
    for start in (0..last).step_by(settings.window / 2).chain([last]) {
        parts.push((start, start + window));
        while let Some((from, to)) = parts.pop() {
            if to - from < settings.min_runs() {
                continue;
            }
            let Some(length) = detector.best_split(&series[from..to], settings.min_segment) else { continue };
            let place = from + length;
            let p = corrected_p(detector, &series[from..place], &series[place..to], settings.min_segment);
            if p <= threshold {
                found.push((p, place));
                parts.extend([(from, place), (place, to)]);
            }
        }
    }
    found
}

/// Of candidates closer to each other than a segment, the surest; ascending.
fn apart(mut candidates: Vec<(f64, usize)>, min_segment: usize) -> Vec<usize> {
    candidates.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut kept = std::collections::BTreeSet::new();
    for (_, place) in candidates {
        let near = place.saturating_sub(min_segment - 1)..place + min_segment;
        if kept.range(near).next().is_none() {
            kept.insert(place);
        }
    }
    kept.into_iter().collect()
}

/// Judges each point against its neighbors, drops the weakest that fails, and judges its neighbors anew, until none
/// fails.
fn merge(detector: &impl Detector, series: &[f64], places: Vec<usize>, settings: ChangeSettings) -> Vec<Change> {
    let mut places = places;
    let judge = |places: &[usize], position: usize| {
        let index = places[position];
        let from = if position == 0 { 0 } else { places[position - 1] };
        let to = places.get(position + 1).copied().unwrap_or(series.len());
        let runs_before = (index - from).min(settings.window);
        let runs_after = (to - index).min(settings.window);
        let mut change = Change { index, runs_before, runs_after, p: 1.0 };
        let (before, after) = change.sides(series);
        change.p = corrected_p(detector, before, after, settings.min_segment);
        let holds = change.p <= settings.significance && detector.is_large(before, after);
        (change, holds)
    };
    let mut judged: Vec<(Change, bool)> = (0..places.len()).map(|position| judge(&places, position)).collect();
    while let Some(weakest) = weakest(&judged) {
        places.remove(weakest);
        judged.remove(weakest);
        for position in [weakest.checked_sub(1), Some(weakest)].into_iter().flatten() {
            if position < places.len() {
                judged[position] = judge(&places, position);
            }
        }
    }
    judged.into_iter().map(|(change, _)| change).collect()
}

/// Position of the largest p value among those that fail.
fn weakest(judged: &[(Change, bool)]) -> Option<usize> {
    let failing = judged.iter().enumerate().filter(|(_, (_, holds))| !holds);
    failing.max_by(|(_, (a, _)), (_, (b, _))| a.p.partial_cmp(&b.p).unwrap_or(Ordering::Equal)).map(|(at, _)| at)
}

/// The p value times the number of places where the split could have been.
fn corrected_p(detector: &impl Detector, before: &[f64], after: &[f64], min_segment: usize) -> f64 {
    let splits = (before.len() + after.len()).saturating_sub(2 * min_segment) + 1;
    (splits as f64 * detector.p(before, after)).min(1.0)
}
