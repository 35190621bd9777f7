//! Growth of memory over requests.

use weighbridge_stats::trend::{Trend, mann_kendall_hamed_rao, theil_sen, theil_sen_blocks};
use weighbridge_stats::{MIN_BATCHES, StatsError};
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::metric::{Cell, Metric, Provenance, Statistic};
use weighbridge_types::request::RequestRow;
use weighbridge_types::resource::ResourceSample;

use crate::basis::{Basis, CONFIDENCE};
use crate::estimate::{reason, stored};
use crate::growth::{Growth, Slope};

/// Means of consecutive readings where memory moves in steps: ten points give Sen's interval and hide no slow leak.
const STEP_MEANS: usize = 10;

/// The names of growth read after each request has drained.
const PER_REQUEST: [&Definition; 3] = [&define::MEMORY_GROWTH, &define::MEMORY_GROWTH_LATE, &define::MEMORY_TREND];

const MIB: f64 = 1_048_576.0;

/// Memory after a number of requests, nothing in flight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MemoryPoint {
    /// Requests served since the start of the series.
    pub served: f64,
    /// Resident anonymous memory, bytes.
    pub bytes: f64,
}

/// Memory after each request has drained: the last sample between its end and the next release.
///
/// Warm-up requests and their samples are left out, and so is the sample after a request that overlaps the next.
#[must_use]
pub fn memory_series(requests: &[&RequestRow], samples: &[ResourceSample]) -> Vec<MemoryPoint> {
    let mut rows: Vec<_> = requests.iter().filter(|row| !row.warmup).collect();
    rows.sort_by_key(|row| (row.timeline.released, row.id));
    let mut samples: Vec<_> = samples.iter().filter_map(|sample| Some((sample.at, sample.anonymous_bytes?))).collect();
    samples.sort_unstable();
    let mut points = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let Some(ended) = row.timeline.ended else { continue };
        let next = rows.get(index + 1).map(|row| row.timeline.released);
        let before_next = samples.partition_point(|&(at, _)| next.is_none_or(|next| at <= next));
        let drained = samples[..before_next].last().filter(|&&(at, _)| at >= ended);
        points.extend(drained.map(|&(_, bytes)| MemoryPoint { served: (index + 1) as f64, bytes: bytes as f64 }));
    }
    points
}

/// The trends that tell growth.
#[derive(Clone, Copy, Debug)]
pub struct MemoryTrends {
    whole: Trend,
    late: Trend,
    p: f64,
}

impl MemoryTrends {
    /// What they say.
    #[must_use]
    pub const fn growth(&self) -> Growth {
        Growth { whole: Slope::of(&self.whole), late: Slope::of(&self.late), p: self.p }
    }
}

/// Trends of a series: Theil–Sen with a block-bootstrap interval, the same of its last third with Sen's rank interval,
/// and Mann–Kendall after Hamed and Rao.
///
/// Memory often moves in a few large steps, and then remembers them for so long that no block bootstrap is valid. The
/// interval is then Sen's rank interval over ten means of consecutive readings.
///
/// # Errors
/// Below 30 points, or where the trend of so many points cannot be computed.
pub fn memory_trends(series: &[MemoryPoint], basis: &Basis) -> Result<MemoryTrends, StatsError> {
    if series.len() < MIN_BATCHES {
        return Err(StatsError::Insufficient { have: series.len(), need: MIN_BATCHES });
    }
    let served: Vec<f64> = series.iter().map(|point| point.served).collect();
    let bytes: Vec<f64> = series.iter().map(|point| point.bytes).collect();
    let blocks = theil_sen_blocks(&served, &bytes, CONFIDENCE, basis.resampling());
    let whole = match blocks {
        Err(StatsError::Insufficient { .. }) => {
            let means = |values: &[f64]| -> Vec<f64> {
                let size = values.len().div_ceil(STEP_MEANS);
                values.chunks(size).map(|part| part.iter().sum::<f64>() / part.len() as f64).collect()
            };
            theil_sen(&means(&served), &means(&bytes), CONFIDENCE)?
        }
        other => other?,
    };
    let test = mann_kendall_hamed_rao(&bytes)?;
    let last = series.len() - series.len() / 3;
    let late = theil_sen(&served[last..], &bytes[last..], CONFIDENCE)?;
    Ok(MemoryTrends { whole, late, p: test.p })
}

/// Growth per request and per hour at the measured rate, what decides whether it counts, and growth of resident memory
/// over the phase.
#[must_use]
pub fn memory_metrics(requests: &[&RequestRow], samples: &[ResourceSample], cell: &Cell, basis: &Basis) -> Vec<Metric> {
    let series = memory_series(requests, samples);
    let [growth, late, trend] = growth_metrics(&series, cell, basis, PER_REQUEST);
    let hourly = hourly_metric(&growth, requests, cell);
    let mut metrics = vec![growth, late, trend, hourly, resident_delta(requests, samples, cell)];
    for metric in &mut metrics {
        basis.mark(metric);
    }
    metrics
}

/// The three figures that decide whether memory grows, under the names of whoever read it.
pub(crate) fn growth_metrics(
    series: &[MemoryPoint],
    cell: &Cell,
    basis: &Basis,
    [growth, late, p]: [&Definition; 3],
) -> [Metric; 3] {
    let trends = match memory_trends(series, basis) {
        Ok(trends) => trends,
        Err(error) => {
            let why = if series.is_empty() { "no memory was read between requests".to_owned() } else { reason(&error) };
            let missing = |definition, statistic| Metric::unavailable(definition, statistic, cell, why.clone());
            return [missing(growth, Statistic::Slope), missing(late, Statistic::Slope), missing(p, Statistic::Value)];
        }
    };
    let n = series.len() as u64;
    let slope = |definition, trend: &Trend, n| {
        let metric = Metric::measured(definition, Statistic::Slope, cell, trend.slope, n);
        let interval = stored(&trend.interval, metric.value, None);
        metric.with_interval(interval)
    };
    // The whole may rest on means; it is of every reading all the same.
    [
        slope(growth, &trends.whole, n),
        slope(late, &trends.late, trends.late.n as u64),
        Metric::measured(p, Statistic::Value, cell, trends.p, n),
    ]
}

/// Growth per request × requests per hour, as served one after the other in this phase.
fn hourly_metric(growth: &Metric, requests: &[&RequestRow], cell: &Cell) -> Metric {
    let definition = &define::MEMORY_GROWTH_HOURLY;
    let rows = || requests.iter().filter(|row| !row.warmup);
    let start = rows().map(|row| row.timeline.released).min();
    let end = rows().filter_map(|row| row.timeline.ended).max();
    let seconds = start.zip(end).map(|(start, end)| (end - start).as_secs_f64()).filter(|&seconds| seconds > 0.0);
    let (Some(slope), Some(seconds)) = (growth.value, seconds) else {
        let reason = growth.reason.clone().unwrap_or_else(|| "no request ended".to_owned());
        return Metric::unavailable(definition, Statistic::Value, cell, reason);
    };
    let factor = rows().count() as f64 / seconds * 3600.0 / MIB;
    let mut metric = Metric::measured(definition, Statistic::Value, cell, slope * factor, growth.n)
        .with_provenance(Provenance::Derived);
    metric.interval = growth.interval.clone().map(|mut interval| {
        interval.low *= factor;
        interval.high *= factor;
        interval
    });
    metric
}

fn resident_delta(requests: &[&RequestRow], samples: &[ResourceSample], cell: &Cell) -> Metric {
    let definition = &define::RSS_REQUEST_DELTA;
    let start = requests.iter().filter(|row| !row.warmup).map(|row| row.timeline.released).min();
    let known: Vec<_> = samples.iter().filter_map(|sample| Some((sample.at, sample.rss_bytes?))).collect();
    let before = known.iter().filter(|&&(at, _)| start.is_some_and(|start| at <= start)).max();
    match (before, known.iter().max()) {
        (Some(&(from, first)), Some(&(to, last))) if to > from => {
            Metric::measured(definition, Statistic::Value, cell, last as f64 - first as f64, 2)
        }
        _ => Metric::unavailable(definition, Statistic::Value, cell, "resident memory was not read before and after"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::GrowthVerdict;
    use crate::request::tests::{at, row};

    /// A series with deterministic noise of a page or two around a line.
    fn series(n: u32, slope: f64) -> Vec<MemoryPoint> {
        (1..=n)
            .map(|i| MemoryPoint {
                served: f64::from(i),
                bytes: 5e7 + slope * f64::from(i) + f64::from(i * 7_919 % 101) * 80.0,
            })
            .collect()
    }

    fn verdict(series: &[MemoryPoint]) -> GrowthVerdict {
        memory_trends(series, &Basis::default()).unwrap().growth().verdict()
    }

    #[test]
    fn a_planted_leak_is_found_and_a_clean_run_is_not() {
        let check = |slope, expected| assert_eq!(verdict(&series(200, slope)), expected, "{slope}");
        check(1_048_576.0, GrowthVerdict::Leak);
        check(2_000.0, GrowthVerdict::Leak);
        check(0.0, GrowthVerdict::Flat);
        let leaking = memory_trends(&series(200, 1_048_576.0), &Basis::default()).unwrap();
        assert!((leaking.growth().whole.value / 1_048_576.0 - 1.0).abs() < 0.01);
    }

    #[test]
    fn growth_that_levels_off_is_no_leak() {
        let mut warming = series(200, 4_000.0);
        for point in &mut warming {
            point.bytes -= 4_000.0 * (point.served - 80.0).max(0.0);
        }
        assert!(verdict(&warming).is_clean());
    }

    #[test]
    fn growth_that_slows_down_and_goes_on_is_a_leak() {
        let mut slowing = series(300, 100_000.0);
        for point in &mut slowing {
            point.bytes -= 90_000.0 * (point.served - 150.0).max(0.0);
        }
        assert_eq!(verdict(&slowing), GrowthVerdict::Leak);
    }

    #[test]
    fn a_page_now_and_then_is_slow_growth_and_not_none() {
        let mut creeping = series(300, 0.0);
        for point in &mut creeping {
            point.bytes = 5e7 + (point.served / 40.0).floor() * 4_096.0;
        }
        assert_eq!(verdict(&creeping), GrowthVerdict::Slow);
    }

    #[test]
    fn one_step_in_a_flat_series_is_no_leak() {
        let mut stepped = series(300, 0.0);
        for point in stepped.iter_mut().filter(|point| point.served > 120.0) {
            point.bytes += 262_144.0;
        }
        assert!(verdict(&stepped).is_clean());
    }

    #[test]
    fn a_sample_counts_after_its_request_has_drained() {
        let rows = [row(0, 0, (10, 10, 2)), row(1, 100, (10, 10, 2)), row(2, 200, (10, 10, 2))];
        let sample =
            |ms, bytes| ResourceSample { at: at(ms), anonymous_bytes: Some(bytes), ..ResourceSample::default() };
        let samples = [sample(10, 1), sample(50, 2), sample(60, 3), sample(115, 4), sample(230, 5)];
        let points = memory_series(&rows.iter().collect::<Vec<_>>(), &samples);
        let seen: Vec<_> = points.iter().map(|point| (point.served, point.bytes)).collect();
        assert_eq!(seen, [(1.0, 3.0), (3.0, 5.0)]);
    }

    #[test]
    fn a_slope_counts_every_reading() {
        let stepped: Vec<MemoryPoint> = (1..=300)
            .map(|i| MemoryPoint { served: f64::from(i), bytes: if i > 120 { 262_144.0 } else { 0.0 } })
            .collect();
        let [whole, late, trend] = growth_metrics(&stepped, &Cell::default(), &Basis::default(), PER_REQUEST);
        assert_eq!((whole.n, late.n, trend.n), (300, 100, 300));
    }

    #[test]
    fn too_few_readings_give_a_reason() {
        let [metric, ..] = growth_metrics(&series(5, 0.0), &Cell::default(), &Basis::default(), PER_REQUEST);
        assert_eq!((metric.value, metric.reason.as_deref()), (None, Some("5 values; an interval needs 30")));
    }
}
