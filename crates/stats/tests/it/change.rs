//! Change points: how often they are false, how often a step is found, and what must hold for every series.
//!
//! The shares are those of docs/reference/statistics.md. Print them with
//! `cargo test -p weighbridge-stats --test it change::errors -- --nocapture`. Seeded: they never change.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;
use weighbridge_stats::change::mean::mean_changes;
use weighbridge_stats::change::rank::rank_changes;
use weighbridge_stats::change::{ChangePoint, ChangeSettings, change_points, delta_iqr, prediction_interval};
use weighbridge_stats::family::benjamini_hochberg;
use weighbridge_stats::special::normal_quantile;
use weighbridge_stats::{Confidence, StatsError};

#[expect(clippy::print_stdout, reason = "the shares are for the documentation")]
mod errors {
    use super::*;

    const SERIES: usize = 1_000;

    /// A generator apart from the one in the library: Park and Miller's minimal standard.
    struct Noise(u64);

    impl Noise {
        fn uniform(&mut self) -> f64 {
            self.0 = self.0 * 48_271 % 2_147_483_647;
            self.0 as f64 / 2_147_483_647.0
        }

        fn normal(&mut self) -> f64 {
            normal_quantile(self.uniform())
        }

        /// A whole number from `low` to below `high`.
        fn place(&mut self, low: usize, high: usize) -> usize {
            let places = (low..high).collect::<Vec<_>>();
            let share = self.uniform();
            *places.iter().find(|&&place| share < (place - low + 1) as f64 / places.len() as f64).unwrap()
        }
    }

    #[derive(Debug, Clone, Copy)]
    enum Shape {
        Normal,
        LogNormal,
        /// One value in ten has five times the spread.
        Outliers,
        /// Each value remembers three tenths of the one before.
        Remembering,
    }

    /// Values around 100 whose deviation is `spread`, but for outliers.
    fn series(noise: &mut Noise, shape: Shape, spread: f64, n: usize) -> Vec<f64> {
        let mut last = noise.normal();
        let mut next = || {
            let value = noise.normal();
            match shape {
                Shape::Normal => value,
                Shape::LogNormal => ((0.5 * value).exp() - 1.133) / 0.604,
                Shape::Outliers => value * if noise.uniform() < 0.1 { 5.0 } else { 1.0 },
                Shape::Remembering => {
                    last = 0.3 * last + (1.0 - 0.09_f64).sqrt() * value;
                    last
                }
            }
        };
        (0..n).map(|_| 100.0 + spread * next()).collect()
    }

    /// Shares of series for which `is_hit` holds of the points of mean alone, rank alone, and both.
    fn shares(
        mut draw: impl FnMut(&mut Noise) -> (Vec<f64>, usize),
        is_hit: impl Fn(&[usize], usize) -> bool,
    ) -> [f64; 3] {
        let settings = ChangeSettings::default();
        let mut noise = Noise(20_261_127);
        let mut hits = [0_usize; 3];
        for _ in 0..SERIES {
            let (series, at) = draw(&mut noise);
            let both: Vec<usize> = change_points(&series, settings).unwrap().iter().map(|point| point.index).collect();
            let [mean, rank] = [mean_changes, rank_changes]
                .map(|detect| detect(&series, settings).unwrap().iter().map(|change| change.index).collect::<Vec<_>>());
            for (count, found) in hits.iter_mut().zip([&mean, &rank, &both]) {
                *count += usize::from(is_hit(found, at));
            }
        }
        hits.map(|count| count as f64 / SERIES as f64)
    }

    fn false_alarms(shape: Shape, n: usize) -> [f64; 3] {
        let found = shares(|noise| (series(noise, shape, 3.0, n), 0), |points, _| !points.is_empty());
        println!("stationary {shape:?}, {n} runs: mean {:.3}, rank {:.3}, both {:.3}", found[0], found[1], found[2]);
        found
    }

    /// A step at a random place that leaves at least `side` runs on both sides.
    fn found_steps(shape: Shape, step: f64, side: usize) -> [f64; 3] {
        let draw = |noise: &mut Noise| {
            let at = noise.place(side, 61 - side);
            let mut values = series(noise, shape, 3.0, 60);
            values[at..].iter_mut().for_each(|value| *value *= 1.0 + step);
            (values, at)
        };
        let found = shares(draw, |points, at| points.iter().any(|point| point.abs_diff(at) <= 2));
        println!(
            "step of {step}, {shape:?}, {side} runs beside: mean {:.3}, rank {:.3}, both {:.3}",
            found[0], found[1], found[2]
        );
        found
    }

    /// A step in the last `after` of 60 runs, and one run `off` deviations above the level before it.
    fn latest_steps(step: f64, after: usize, off: f64) -> [f64; 3] {
        let draw = |noise: &mut Noise| {
            let mut values = series(noise, Shape::Normal, 3.0, 60);
            values[60 - after..].iter_mut().for_each(|value| *value *= 1.0 + step);
            values[noise.place(60 - after - 28, 60 - after - 1)] += 3.0 * off;
            (values, 60 - after)
        };
        let found = shares(draw, |points, at| points.iter().any(|point| point.abs_diff(at) <= 2));
        println!(
            "step of {step} {after} runs ago, one {off} deviations off: mean {:.3}, rank {:.3}, both {:.3}",
            found[0], found[1], found[2]
        );
        found
    }

    #[test]
    fn reversing_mirrors_most_points() {
        let settings = ChangeSettings::default();
        let mut noise = Noise(7);
        let places = |values: &[f64]| -> Vec<usize> {
            change_points(values, settings).unwrap().iter().map(|point| point.index).collect()
        };
        let mirrored = (0..SERIES).filter(|_| {
            let mut values = series(&mut noise, Shape::Normal, 2.0, 90);
            values[20..55].iter_mut().for_each(|value| *value *= 1.1);
            let found = places(&values);
            values.reverse();
            let back = places(&values);
            found.len() == back.len() && found.iter().zip(back.iter().rev()).all(|(a, b)| a.abs_diff(90 - b) <= 2)
        });
        let share = mirrored.count() as f64 / SERIES as f64;
        println!("reversed series with mirrored points: {share:.3}");
        assert!(share >= 0.95, "{share}");
    }

    #[test]
    fn false_alarms_are_rare() {
        for shape in [Shape::Normal, Shape::LogNormal, Shape::Outliers] {
            let [_, _, both] = false_alarms(shape, 60);
            assert!(both <= 0.05, "{shape:?}: {both}");
        }
        false_alarms(Shape::Normal, 20);
        false_alarms(Shape::Normal, 300);
        false_alarms(Shape::Remembering, 60);
    }

    #[test]
    fn steps_are_found() {
        let [_, _, both] = found_steps(Shape::Normal, 0.10, 10);
        assert!(both >= 0.90, "{both}");
        found_steps(Shape::Normal, -0.10, 10);
        found_steps(Shape::Normal, 0.10, 5);
        found_steps(Shape::Normal, 0.05, 10);
        found_steps(Shape::LogNormal, 0.10, 10);
        found_steps(Shape::Outliers, 0.10, 10);
        for after in 5..=8 {
            latest_steps(0.10, after, 0.0);
        }
        // What the rank detector is there for, and what asking both costs.
        for off in [5.0, 10.0, 20.0] {
            let [_, rank, _] = latest_steps(0.10, 30, off);
            assert!(rank >= 0.90, "{rank}");
        }
    }
}

static VECTORS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../vectors/change.json")).unwrap());

fn cases(name: &str) -> &'static [Value] {
    VECTORS[name].as_array().unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

/// Equal to 1e-10 of the larger of the number and one.
#[track_caller]
fn check(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-10 * expected.abs().max(1.0), "found {found}, expected {expected}");
}

/// `make_change.py`: `scipy.stats.false_discovery_control`.
#[test]
fn false_discoveries_equal_scipy() {
    for case in cases("false_discoveries") {
        let (found, expected) = (benjamini_hochberg(&numbers(&case["p"])), numbers(&case["adjusted"]));
        assert_eq!(found.len(), expected.len());
        found.iter().zip(&expected).for_each(|(&found, &expected)| check(found, expected));
    }
    assert!(benjamini_hochberg(&[]).is_empty());
}

/// The fifteen p values of the example of Benjamini and Hochberg (1995), who reject the first four at 5 %.
#[test]
fn the_paper_rejects_four() {
    let p = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719, 0.6528, 0.759,
        1.0,
    ];
    assert_eq!(benjamini_hochberg(&p).iter().filter(|&&p| p <= 0.05).count(), 4);
}

/// `make_change.py`: `scipy.stats.t.interval`, `scipy.stats.iqr`.
#[test]
fn limits_of_the_next_value_equal_scipy() {
    for case in cases("predictions") {
        let confidence = Confidence::new(number(&case["level"])).unwrap();
        let next = prediction_interval(&numbers(&case["values"]), confidence).unwrap();
        check(next.interval.low, number(&case["low"]));
        check(next.interval.high, number(&case["high"]));
    }
    for case in cases("delta_iqrs") {
        let limits = delta_iqr(&numbers(&case["values"]), 1.5).unwrap();
        check(limits.median, number(&case["median"]));
        check(limits.iqr, number(&case["iqr"]));
        check(limits.high, limits.median + 1.5 * limits.iqr);
    }
}

fn settings() -> impl Strategy<Value = ChangeSettings> {
    (2_usize..8, 0_usize..40, 0.001..0.5_f64, 0.0..0.2_f64, 0_usize..6).prop_map(
        |(min_segment, more, significance, min_change, distance)| ChangeSettings {
            window: 2 * min_segment + more,
            min_segment,
            significance,
            min_change,
            distance,
        },
    )
}

/// Noise around levels that change, or coarse counts full of ties.
fn history() -> impl Strategy<Value = Vec<f64>> {
    let levels = vec((1..40_usize, -50.0..50.0_f64), 1..6);
    let noisy = (levels, vec(-1.0..1.0_f64, 200)).prop_map(|(levels, noise)| {
        let runs = levels.into_iter().flat_map(|(count, level)| std::iter::repeat_n(level, count));
        runs.zip(noise).map(|(level, noise)| level + noise).collect::<Vec<f64>>()
    });
    prop_oneof![noisy, vec((0..4_i32).prop_map(f64::from), 1..120)]
}

fn points(series: &[f64], settings: ChangeSettings) -> Vec<ChangePoint> {
    match change_points(series, settings) {
        Ok(points) => points,
        Err(error) => {
            assert!(error.is_insufficient() && series.len() < settings.min_runs(), "{error:?}");
            Vec::new()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_comes_nothing_panics(series in vec(any::<f64>(), 0..80), settings in settings()) {
        let is_usable = series.iter().all(|value| value.abs() < 1e150);
        let found = change_points(&series, settings);
        prop_assert!(is_usable || matches!(found, Err(StatsError::NotFinite { .. })), "{:?}", found);
        let _ = prediction_interval(&series, Confidence::P95);
        let _ = delta_iqr(&series, settings.significance);
    }

    #[test]
    fn what_is_not_finite_is_named(mut series in vec(-1e3..1e3_f64, 1..60), at in any::<Index>(), settings in settings()) {
        for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let index = at.index(series.len());
            series[index] = wrong;
            let error = change_points(&series, settings).unwrap_err();
            prop_assert!(matches!(error, StatsError::NotFinite { index: found, .. } if found == index), "{:?}", error);
        }
    }

    #[test]
    fn points_are_apart_significant_and_inside(series in history(), settings in settings()) {
        let found = points(&series, settings);
        let mut last = 0;
        for point in &found {
            prop_assert!(point.index >= last + settings.min_segment, "{:?}", found);
            prop_assert!(point.index + settings.min_segment <= series.len(), "{:?}", found);
            prop_assert!(point.mean_p <= settings.significance && point.rank_p <= settings.significance);
            prop_assert!(point.mean_p >= 0.0 && point.rank_p >= 0.0);
            prop_assert!(point.index.abs_diff(point.rank_index) <= settings.distance);
            if let Some(ratio) = point.ratio {
                prop_assert!(ratio.max(1.0 / ratio) >= 1.0 + settings.min_change - 1e-12, "{:?}", point);
            }
            last = point.index;
        }
    }

    /// Powers of two, which round nothing: every statistic scales exactly.
    #[test]
    fn the_unit_does_not_matter(series in history(), settings in settings(), power in -200..200_i32) {
        let factor = 2.0_f64.powi(power);
        let scaled: Vec<f64> = series.iter().map(|value| value * factor).collect();
        let (found, scaled) = (points(&series, settings), points(&scaled, settings));
        prop_assert_eq!(found.len(), scaled.len());
        for (a, b) in found.iter().zip(&scaled) {
            prop_assert_eq!((a.index, a.rank_index, a.ratio), (b.index, b.rank_index, b.ratio));
            prop_assert_eq!((a.mean_p, a.rank_p), (b.mean_p, b.rank_p));
        }
    }

    /// The same values from their mirror image: down is found as surely as up.
    #[test]
    fn the_sign_does_not_matter(series in history(), settings in settings()) {
        let negative: Vec<f64> = series.iter().map(|value| -value).collect();
        let places = |series: &[f64]| points(series, settings).iter().map(|point| point.index).collect::<Vec<_>>();
        prop_assert_eq!(places(&series), places(&negative));
    }

    #[test]
    fn a_constant_series_has_no_change(value in -1e6..1e6_f64, n in 4..200_usize, settings in settings()) {
        prop_assert_eq!(points(&vec![value; n], settings), []);
    }

    /// A step that no noise reaches is the same place from either end, also where several windows see it. Ranks do not
    /// know how large a step is, and may put it elsewhere: `errors::reversing_mirrors_most_points` is about both.
    #[test]
    fn reversing_mirrors_clear_steps(
        sides in (5..70_usize, 5..70_usize),
        noise in vec(-1.0..1.0_f64, 140),
        up in prop_oneof![Just(40.0), Just(-40.0)],
    ) {
        let (before, after) = sides;
        let level = |run: usize| if run < before { 100.0 } else { 100.0 + up };
        let mut series: Vec<f64> = (0..before + after).map(|run| level(run) + noise[run]).collect();
        let settings = ChangeSettings { min_change: 0.2, ..ChangeSettings::default() };
        let places = |series: &[f64]| -> Vec<usize> {
            mean_changes(series, settings).unwrap().iter().map(|change| change.index).collect()
        };
        prop_assert_eq!(places(&series), [before]);
        series.reverse();
        prop_assert_eq!(places(&series), [after]);
    }

    /// A point two windows back does not move, appear or go when runs are appended.
    #[test]
    fn old_points_stay_as_runs_are_appended(series in history(), more in history()) {
        let settings = ChangeSettings::default();
        let longer = [series.as_slice(), &more].concat();
        let old = |found: Vec<ChangePoint>| {
            let settled = series.len().saturating_sub(4 * settings.window);
            found.into_iter().map(|point| point.index).filter(|&index| index < settled).collect::<Vec<_>>()
        };
        prop_assert_eq!(old(points(&series, settings)), old(points(&longer, settings)));
    }
}
