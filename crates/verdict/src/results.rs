//! Results of `performance-benchmark` against those of a baseline.
//!
//! A result is one run, and one run does not tell what runs differ by. The parts of a run, one after the other, tell how much
//! the host wandered meanwhile: a change that is smaller than that is never called a regression. A result without parts, or
//! whose figures are not those of its parts, is judged by the threshold alone, and the row says so.

use weighbridge_stats::proportion::wilson;
use weighbridge_stats::{Confidence, StatsError};
use weighbridge_types::definition::Direction;
use weighbridge_types::performance::{
    BenchmarkResult, Change, ComparedFigure, FIGURES, Figure, PERFORMANCE_VERSION, ResultsComparison,
};

/// A mean is that of its parts when it differs from theirs by no more than this share.
const OF_PARTS: f64 = 0.02;

/// Any other figure of a whole, such as a percentile, lies between the smallest and the largest of its parts, or beyond them by
/// no more than this share.
const BEYOND_PARTS: f64 = 0.10;

/// Results that cannot be set against each other.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResultsError {
    /// A threshold outside its domain.
    #[error("compare with a threshold of {value} %: it must be a number from 0 on")]
    Threshold {
        /// As it was given.
        value: f64,
    },
    /// A side without results.
    #[error("compare with the {side}: it holds no result")]
    Empty {
        /// Which.
        side: &'static str,
    },
    /// A result of a later program.
    #[error("read the {side}: it has version {version}, this program reads 1")]
    Version {
        /// Which.
        side: &'static str,
        /// Its version.
        version: String,
    },
    /// No test is on both sides.
    #[error("compare the results: the baseline has {baseline}, and the current side has {current}")]
    NothingInCommon {
        /// Tests of the baseline.
        baseline: String,
        /// Tests of the current side.
        current: String,
    },
    /// A figure that is no number.
    #[error("compare `{figure}` of {benchmark}: the {side} has `{value}`, which is no measurement")]
    Figure {
        /// Which side.
        side: &'static str,
        /// The test.
        benchmark: String,
        /// Key of the figure.
        figure: &'static str,
        /// Its value.
        value: f64,
    },
    /// A statistic could not be computed.
    #[error(transparent)]
    Stats(#[from] StatsError),
}

impl ResultsError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Threshold { .. } => "write 10 % as `--threshold 10`",
            Self::Empty { .. } => "make results with `weighbridge performance-benchmark baseline` or `benchmark`",
            Self::Version { .. } => "use the program that wrote it, or a later one",
            Self::NothingInCommon { .. } => "compare results of the same type, such as two of `inference`",
            Self::Figure { .. } => "the file was edited or damaged: make the result again",
            Self::Stats(_) => "this is a bug: report it with both files",
        }
    }
}

/// Sets every result of the current side against its like of the baseline. A test that only the baseline has is missing
/// where the current side is a set of results too; a single result is compared for itself.
///
/// # Errors
/// [`ResultsError`].
pub fn compare_results(
    baseline: &[BenchmarkResult],
    current: &[BenchmarkResult],
    threshold_percent: f64,
) -> Result<ResultsComparison, ResultsError> {
    if !(threshold_percent >= 0.0 && threshold_percent.is_finite()) {
        return Err(ResultsError::Threshold { value: threshold_percent });
    }
    check("baseline", baseline)?;
    check("current side", current)?;
    let mut figures = Vec::new();
    let mut used = vec![false; baseline.len()];
    let mut notes = Vec::new();
    for result in current {
        let Some(place) = like(baseline, &used, result) else {
            figures.push(absent(result, "the baseline has no such test"));
            continue;
        };
        used[place] = true;
        notes.extend(unlike(&baseline[place], result));
        for figure in &FIGURES {
            figures.extend(row(figure, &baseline[place], result, threshold_percent)?);
        }
    }
    if !used.contains(&true) {
        let names = |side: &[BenchmarkResult]| side.iter().map(BenchmarkResult::name).collect::<Vec<_>>().join(", ");
        return Err(ResultsError::NothingInCommon { baseline: names(baseline), current: names(current) });
    }
    if current.len() > 1 {
        let left = baseline.iter().zip(&used).filter(|(_, used)| !**used);
        figures.extend(left.map(|(result, _)| absent(result, "the current side has no such test")));
    }
    notes.dedup();
    Ok(ResultsComparison { schema_version: PERFORMANCE_VERSION.to_owned(), threshold_percent, figures, notes })
}

fn check(side: &'static str, results: &[BenchmarkResult]) -> Result<(), ResultsError> {
    if results.is_empty() {
        return Err(ResultsError::Empty { side });
    }
    let newer = results.iter().find(|result| result.schema_version.split('.').next() != Some("1"));
    match newer {
        Some(result) => Err(ResultsError::Version { side, version: result.schema_version.clone() }),
        None => Ok(()),
    }
}

/// The result of the baseline that is of the same test: of the same back end and model where there is one, else the first of
/// its type.
fn like(baseline: &[BenchmarkResult], used: &[bool], result: &BenchmarkResult) -> Option<usize> {
    let of_type = || {
        let all = baseline.iter().enumerate().zip(used).filter(|(_, used)| !**used).map(|(place, _)| place);
        all.filter(|(_, other)| other.benchmark_type == result.benchmark_type)
    };
    let is_same = |other: &BenchmarkResult| match (&result.backend, &other.backend) {
        (Some(ours), Some(theirs)) => ours == theirs,
        _ => result.model.is_some() && result.model == other.model,
    };
    let same = of_type().find(|(_, other)| is_same(other));
    let has_two_backends = |other: &BenchmarkResult| result.backend.is_some() && other.backend.is_some();
    same.or_else(|| of_type().find(|(_, other)| !has_two_backends(other))).map(|(place, _)| place)
}

/// What makes two results of one test hard to compare.
fn unlike(baseline: &BenchmarkResult, current: &BenchmarkResult) -> Vec<String> {
    let name = current.name();
    let mut notes = Vec::new();
    if let (Some(ours), Some(theirs)) = (&baseline.environment, &current.environment)
        && ours.digest != theirs.digest
    {
        notes.push(format!("{name}: the baseline was measured on another host or system"));
    }
    if let (Some(ours), Some(theirs)) = (&baseline.model, &current.model)
        && ours != theirs
    {
        notes.push(format!("{name}: the baseline is of `{ours}`, the current result of `{theirs}`"));
    }
    if baseline.scripted || current.scripted {
        notes.push(format!("{name}: answers of a script weigh this program, and no model"));
    }
    notes
}

fn absent(result: &BenchmarkResult, why: &str) -> ComparedFigure {
    ComparedFigure {
        benchmark: result.name(),
        figure: "benchmark".to_owned(),
        unit: String::new(),
        baseline: None,
        current: None,
        change_percent: None,
        noise_percent: None,
        change: Change::Missing,
        because: why.to_owned(),
    }
}

/// One figure; `None` where neither side has it.
fn row(
    figure: &Figure,
    baseline: &BenchmarkResult,
    current: &BenchmarkResult,
    threshold_percent: f64,
) -> Result<Option<ComparedFigure>, ResultsError> {
    let (ours, theirs) = ((figure.of)(baseline), (figure.of)(current));
    for (side, value) in [("baseline", ours), ("current side", theirs)] {
        if let Some(value) = value.filter(|value| !(value.is_finite() && *value >= 0.0)) {
            return Err(ResultsError::Figure { side, benchmark: current.name(), figure: figure.key, value });
        }
    }
    let mut row = ComparedFigure {
        benchmark: current.name(),
        figure: figure.key.to_owned(),
        unit: figure.unit.to_owned(),
        baseline: ours,
        current: theirs,
        change_percent: None,
        noise_percent: None,
        change: Change::Missing,
        because: String::new(),
    };
    let why = |side: &BenchmarkResult, name: &str| match side.unknown.get(figure.key) {
        Some(reason) => format!("the {name} does not know it: {reason}"),
        None => format!("the {name} does not have it"),
    };
    let (before, now) = match (ours, theirs) {
        (Some(before), Some(now)) => (before, now),
        (None, None) => return Ok(None),
        (None, Some(_)) => return Ok(Some(ComparedFigure { because: why(baseline, "baseline"), ..row })),
        (Some(_), None) => return Ok(Some(ComparedFigure { because: why(current, "current side"), ..row })),
    };
    if figure.key == "error_rate" {
        (row.change, row.because) = errors(baseline, current, (before, now))?;
        row.change_percent = (before > 0.0).then(|| 100.0 * (now / before - 1.0));
        return Ok(Some(row));
    }
    if before <= 0.0 {
        row.because = "the baseline is zero, which has no ratio".to_owned();
        return Ok(Some(row));
    }
    let change = 100.0 * (now / before - 1.0);
    row.change_percent = Some(change);
    let worse = if figure.direction == Direction::Higher { -change } else { change };
    let parts = (parts(figure, baseline), parts(figure, current));
    let noise = [parts.0, parts.1].into_iter().flatten().map(spread).reduce(f64::max);
    let overlap = matches!(parts, (Some(ours), Some(theirs)) if overlaps(ours, theirs));
    row.noise_percent = noise;
    (row.change, row.because) = judge(worse, threshold_percent, noise, overlap);
    Ok(Some(row))
}

fn judge(worse: f64, threshold: f64, noise: Option<f64>, overlap: bool) -> (Change, String) {
    if worse.abs() <= threshold {
        return (Change::Unchanged, format!("within {threshold} %"));
    }
    match noise {
        Some(noise) if worse.abs() <= noise => {
            (Change::WithinNoise, format!("beyond {threshold} %, but parts of one run differ by {noise:.1} %"))
        }
        _ if overlap => (Change::WithinNoise, format!("beyond {threshold} %, but parts of both runs overlap")),
        _ => {
            let change = if worse > 0.0 { Change::Regression } else { Change::Improvement };
            let chance = match noise {
                Some(noise) => format!("and beyond the {noise:.1} % that parts of one run differ by"),
                None => "what a run's parts differ by is not known".to_owned(),
            };
            (change, format!("beyond {threshold} %, {chance}"))
        }
    }
}

/// The parts of a figure; `None` where there are none, or where it is not the figure of its parts.
fn parts<'a>(figure: &Figure, result: &'a BenchmarkResult) -> Option<&'a [f64]> {
    let parts = result.parts.get(figure.key).filter(|parts| parts.len() > 1)?;
    let value = (figure.of)(result)?;
    let (low, high) = ends(parts);
    let is_of_parts = match figure.key {
        "avg_latency_ms" => {
            let mean = parts.iter().sum::<f64>() / parts.len() as f64;
            mean > 0.0 && (value / mean - 1.0).abs() <= OF_PARTS
        }
        _ => (low * (1.0 - BEYOND_PARTS)..=high * (1.0 + BEYOND_PARTS)).contains(&value),
    };
    (is_of_parts && low > 0.0 && high.is_finite()).then_some(parts)
}

fn ends(parts: &[f64]) -> (f64, f64) {
    parts.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), &part| (low.min(part), high.max(part)))
}

/// By how many percent parts differ at most.
fn spread(parts: &[f64]) -> f64 {
    let (low, high) = ends(parts);
    100.0 * (high / low - 1.0)
}

/// Whether parts of one side lie among those of the other. Of five and five parts that differ by chance alone, all of one side
/// lie beyond all of the other in 2 of 252 orders.
fn overlaps(ours: &[f64], theirs: &[f64]) -> bool {
    let ((low, high), (other_low, other_high)) = (ends(ours), ends(theirs));
    low <= other_high && other_low <= high
}

/// Shares of failures have no useful ratio: one from nothing is infinitely more.
fn errors(
    baseline: &BenchmarkResult,
    current: &BenchmarkResult,
    (before, now): (f64, f64),
) -> Result<(Change, String), ResultsError> {
    if baseline.n == 0 || current.n == 0 {
        // A file that does not say how many requests it rests on.
        let change = if now > before { Change::Regression } else { Change::Unchanged };
        return Ok((change, "the shares as they are: how many requests there were is not known".to_owned()));
    }
    let interval = |share: f64, n: u64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of requests")]
        let failed = (share * n as f64).round().clamp(0.0, n as f64) as usize;
        Ok::<_, ResultsError>(wilson(failed, usize::try_from(n).unwrap_or(usize::MAX), Confidence::P95)?.interval)
    };
    let (ours, theirs) = (interval(before, baseline.n)?, interval(now, current.n)?);
    Ok(if theirs.low > ours.high {
        (Change::Regression, "more failed than the intervals of both shares allow".to_owned())
    } else if theirs.high < ours.low {
        (Change::Improvement, "fewer failed than the intervals of both shares allow".to_owned())
    } else {
        (Change::Unchanged, "the intervals of both shares overlap".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weighbridge_types::performance::BenchmarkType;

    use super::*;

    fn result(latency: f64, rate: f64) -> BenchmarkResult {
        BenchmarkResult {
            n: 100,
            avg_latency_ms: Some(latency),
            throughput_rps: Some(rate),
            error_rate: Some(0.0),
            ..BenchmarkResult::new(BenchmarkType::Inference, String::new())
        }
    }

    fn change(found: &ResultsComparison, figure: &str) -> Change {
        found.figures.iter().find(|row| row.figure == figure).unwrap().change
    }

    #[test]
    fn the_threshold_is_held_to_the_point_in_both_directions() {
        let of = |latency, rate| compare_results(&[result(100.0, 50.0)], &[result(latency, rate)], 10.0).unwrap();
        assert_eq!(change(&of(110.1, 50.0), "avg_latency_ms"), Change::Regression);
        assert_eq!(change(&of(109.9, 50.0), "avg_latency_ms"), Change::Unchanged);
        assert_eq!(change(&of(89.0, 50.0), "avg_latency_ms"), Change::Improvement);
        assert_eq!(change(&of(100.0, 44.9), "throughput_rps"), Change::Regression);
        assert_eq!(change(&of(100.0, 56.0), "throughput_rps"), Change::Improvement);
    }

    #[test]
    fn a_change_that_parts_of_a_run_show_as_well_is_noise() {
        let with = |latency: f64, parts: [f64; 3]| {
            let mut result = result(latency, 50.0);
            result.parts.insert("avg_latency_ms".to_owned(), parts.to_vec());
            result
        };
        let baseline = with(100.0, [90.0, 100.0, 110.0]);
        let found =
            compare_results(std::slice::from_ref(&baseline), &[with(115.0, [114.0, 115.0, 116.0])], 10.0).unwrap();
        assert_eq!(change(&found, "avg_latency_ms"), Change::WithinNoise);
        let found =
            compare_results(std::slice::from_ref(&baseline), &[with(130.0, [129.0, 130.0, 131.0])], 10.0).unwrap();
        assert_eq!(change(&found, "avg_latency_ms"), Change::Regression);
        // A figure that was written over is not that of its parts.
        let quiet = with(100.0, [99.5, 100.0, 100.5]);
        let found = compare_results(&[quiet], &[with(110.1, [90.0, 100.0, 110.0])], 10.0).unwrap();
        assert_eq!(change(&found, "avg_latency_ms"), Change::Regression);
    }

    #[test]
    fn what_a_side_lacks_is_said() {
        let mut current = result(100.0, 50.0);
        current.throughput_rps = None;
        current.unknown.insert("throughput_rps".to_owned(), "nothing ended".to_owned());
        let found = compare_results(&[result(100.0, 50.0)], &[current], 10.0).unwrap();
        let row = found.figures.iter().find(|row| row.figure == "throughput_rps").unwrap();
        assert_eq!(row.change, Change::Missing);
        assert!(row.because.contains("nothing ended"));
        let zero = compare_results(&[result(0.0, 50.0)], &[result(1.0, 50.0)], 10.0).unwrap();
        assert_eq!(change(&zero, "avg_latency_ms"), Change::Missing);
    }

    #[test]
    fn failures_from_none_are_found_by_their_count() {
        let with = |share: f64| BenchmarkResult { error_rate: Some(share), ..result(100.0, 50.0) };
        let of = |share| change(&compare_results(&[with(0.0)], &[with(share)], 10.0).unwrap(), "error_rate");
        assert_eq!(of(0.01), Change::Unchanged);
        assert_eq!(of(0.2), Change::Regression);
    }

    #[test]
    fn a_single_result_is_set_against_its_like_of_many() {
        let of =
            |backend: &str, latency| BenchmarkResult { backend: Some(backend.to_owned()), ..result(latency, 50.0) };
        let memory = BenchmarkResult::new(BenchmarkType::Memory, String::new());
        let baseline = [of("gguf", 100.0), of("onnx", 10.0), memory];
        let found = compare_results(&baseline, &[result(100.0, 50.0)], 10.0).unwrap();
        assert_eq!(found.count(Change::Regression) + found.count(Change::Missing), 0);
        let found = compare_results(&baseline, &[of("onnx", 10.0), of("gguf", 100.0)], 10.0).unwrap();
        assert_eq!((found.count(Change::Regression), found.count(Change::Missing)), (0, 1));
        let other = BenchmarkResult::new(BenchmarkType::Cache, String::new());
        assert!(matches!(compare_results(&baseline, &[other], 10.0), Err(ResultsError::NothingInCommon { .. })));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let one = [result(100.0, 50.0)];
        assert!(matches!(compare_results(&one, &one, -1.0), Err(ResultsError::Threshold { .. })));
        assert!(matches!(compare_results(&one, &one, f64::NAN), Err(ResultsError::Threshold { .. })));
        assert!(matches!(compare_results(&one, &[], 1.0), Err(ResultsError::Empty { .. })));
        let newer = BenchmarkResult { schema_version: "2.0".to_owned(), ..result(1.0, 1.0) };
        assert!(matches!(compare_results(&one, &[newer], 1.0), Err(ResultsError::Version { .. })));
        assert!(matches!(compare_results(&one, &[result(-1.0, 1.0)], 1.0), Err(ResultsError::Figure { .. })));
    }

    proptest! {
        #[test]
        fn equal_results_never_regress(latency in 0.001..1e6_f64, rate in 0.001..1e6_f64, threshold in 0.0..100.0_f64) {
            let one = [result(latency, rate)];
            let found = compare_results(&one, &one, threshold).unwrap();
            prop_assert_eq!(found.count(Change::Unchanged), found.figures.len());
        }
    }
}
