//! How figures went from run to run.

use std::collections::BTreeMap;

use weighbridge_stats::change::{ChangeSettings, change_points, prediction_interval};
use weighbridge_stats::trend::theil_sen;
use weighbridge_stats::{Confidence, StatsError};
use weighbridge_types::definition::Direction;
use weighbridge_types::history::{Course, History, HistoryRun, LevelChange};
use weighbridge_types::metric::{Cell, MetricInterval};
use weighbridge_types::time::WallTime;

use crate::gate::direction;

/// Runs since the last change by which level, noise and trend are judged at most.
const MOST_RUNS: usize = 120;

const MILLIS_PER_DAY: f64 = 86_400_000.0;

/// A figure of a run.
#[derive(Clone, Copy, Debug)]
pub struct Point<'a> {
    /// `ttft.p99`.
    pub key: &'a str,
    /// Where it belongs.
    pub cell: &'a Cell,
    /// Unit of the value.
    pub unit: &'a str,
    /// Index of the run.
    pub run: usize,
    /// The value, finite.
    pub value: f64,
}

/// A unit, and a value for each run that has one.
type Series<'a> = (&'a str, Vec<(usize, f64)>);

/// A value that a metric must not reach.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// `ttft.p99`.
    pub key: String,
    /// In the unit of the metric.
    pub value: f64,
}

/// What the figures of runs that were made alike, in order of time, say of their course.
///
/// # Errors
/// [`StatsError`] for values that are not finite.
pub fn history<'a>(
    runs: Vec<HistoryRun>,
    points: impl IntoIterator<Item = Point<'a>>,
    limits: &[Limit],
) -> Result<History, StatsError> {
    // Days since the first run; `None` where a time cannot be read.
    let stamps: Vec<Option<u64>> =
        runs.iter().map(|run| Some(WallTime::parse(&run.created_at)?.unix_millis())).collect();
    let first = stamps.iter().flatten().copied().min().unwrap_or(0);
    let days: Vec<Option<f64>> =
        stamps.into_iter().map(|stamp| Some((stamp? - first) as f64 / MILLIS_PER_DAY)).collect();
    let mut series: BTreeMap<(&Cell, &str), Series<'_>> = BTreeMap::new();
    for point in points {
        let (_, values) = series.entry((point.cell, point.key)).or_insert((point.unit, Vec::new()));
        // A metric that stands twice in a run counts once.
        if values.last().is_none_or(|(run, _)| *run != point.run) {
            values.push((point.run, point.value));
        }
    }
    let courses = series.into_iter().map(|((cell, key), (unit, points))| {
        let limit = limits.iter().find(|limit| limit.key == key).map(|limit| limit.value);
        course(key, cell, unit, points, &days, limit)
    });
    let mut courses = courses.collect::<Result<Vec<Course>, _>>()?;
    courses.sort_by_key(|course| std::cmp::Reverse(course.changes.last().map(|change| change.run)));
    let mut notes = Vec::new();
    let need = ChangeSettings::default().min_runs();
    if runs.len() < need {
        notes.push(format!("{} runs alike: where a level moved is told from {need} on", runs.len()));
    }
    Ok(History { runs, courses, notes })
}

fn course(
    key: &str,
    cell: &Cell,
    unit: &str,
    points: Vec<(usize, f64)>,
    days: &[Option<f64>],
    limit: Option<f64>,
) -> Result<Course, StatsError> {
    let values: Vec<f64> = points.iter().map(|point| point.1).collect();
    let (found, unknown) = match change_points(&values, ChangeSettings::default()) {
        Ok(found) => (found, None),
        Err(StatsError::Insufficient { have, need }) => (Vec::new(), Some(format!("{have} runs, {need} are needed"))),
        Err(error) => return Err(error),
    };
    let way = direction(key);
    let changes: Vec<LevelChange> = found
        .iter()
        .map(|change| LevelChange {
            run: points[change.index].0,
            before: change.before,
            after: change.after,
            ratio: change.ratio,
            is_worse: match way {
                Direction::Neutral => None,
                Direction::Lower => Some(change.after > change.before),
                Direction::Higher => Some(change.after < change.before),
            },
            p: change.mean_p.max(change.rank_p),
        })
        .collect();
    let since = found.last().map_or(0, |change| change.index).max(points.len().saturating_sub(MOST_RUNS));
    let segment = &points[since..];
    let own: Vec<f64> = segment.iter().map(|point| point.1).collect();
    let mean = own.iter().sum::<f64>() / own.len() as f64;
    let deviation = (own.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (own.len() as f64 - 1.0)).sqrt();
    let next = prediction_interval(&own, Confidence::P95).ok();
    let dated: Vec<(f64, f64)> = segment.iter().filter_map(|&(run, value)| Some((days[run]?, value))).collect();
    let (x, y): (Vec<f64>, Vec<f64>) = dated.into_iter().unzip();
    let trend = theil_sen(&x, &y, Confidence::P95).ok().filter(|trend| !trend.interval.contains(0.0));
    let last = x.last().zip(trend).map(|(day, trend)| trend.intercept + trend.slope * day);
    let reach = trend.zip(last).zip(limit).and_then(|((trend, last), limit)| trend.reaches(last, limit));
    let shown = |interval: weighbridge_stats::Interval| MetricInterval {
        low: interval.low,
        high: interval.high,
        confidence: interval.confidence.level(),
        method: interval.method.as_str().to_owned(),
    };
    Ok(Course {
        key: key.to_owned(),
        cell: cell.clone(),
        unit: unit.to_owned(),
        points,
        changes,
        unknown,
        level: Some(mean).filter(|mean| mean.is_finite()),
        noise: Some((deviation / mean).abs()).filter(|noise| noise.is_finite()),
        next: next.map(|estimate| shown(estimate.interval)),
        per_day: trend.map(|trend| shown(trend.interval)),
        days_to_limit: reach.map(|reach| reach.value),
        limit,
    })
}
