//! Intervals hold the truth about as often as they say, on data whose truth is known. Seeded: the shares never change.

use weighbridge_stats::adaptive::Looks;
use weighbridge_stats::hierarchical::{Center, Nest, ratio};
use weighbridge_stats::slope::dependent_slope;
use weighbridge_stats::special::normal_quantile;
use weighbridge_stats::{
    Confidence, Dependence, Estimate, Resampling, StatsError, effective_t_mean, mean_interval, quantile_interval,
    student_t_mean, trend,
};

/// A generator apart from the one under test: Park and Miller's minimal standard.
struct Noise(u64);

impl Noise {
    fn normal(&mut self) -> f64 {
        self.0 = self.0 * 48_271 % 2_147_483_647;
        normal_quantile(self.0 as f64 / 2_147_483_647.0)
    }

    /// `x = φ x' + noise` from its stationary distribution, whose deviation is `1 / √(1 − φ²)`.
    fn autoregressive(&mut self, phi: f64, n: usize) -> Vec<f64> {
        let mut last = self.normal() / (1.0 - phi * phi).sqrt();
        (0..n)
            .map(|_| {
                last = phi * last + self.normal();
                last
            })
            .collect()
    }
}

/// Share of the answered repetitions whose interval holds the truth; at least half must be answered.
#[track_caller]
fn check(
    repetitions: u64,
    truth: f64,
    expected: std::ops::RangeInclusive<f64>,
    mut run: impl FnMut(&mut Noise, u64) -> Result<Estimate, StatsError>,
) {
    let mut noise = Noise(20_240_521);
    let answers: Vec<Estimate> = (0..repetitions).filter_map(|index| run(&mut noise, index).ok()).collect();
    assert!(answers.len() as u64 * 2 >= repetitions, "only {} of {repetitions} answered", answers.len());
    let hits = answers.iter().filter(|estimate| estimate.interval.contains(truth)).count();
    let share = hits as f64 / answers.len() as f64;
    assert!(expected.contains(&share), "covered {share} of {}", answers.len());
}

#[test]
fn mean_of_few_independent_values() {
    check(2_000, 0.0, 0.93..=0.97, |noise, _| student_t_mean(&noise.autoregressive(0.0, 8), Confidence::P95));
}

#[test]
fn mean_of_a_dependent_series() {
    for phi in [0.0, 0.3, 0.6] {
        check(400, 0.0, 0.92..=0.98, |noise, _| {
            mean_interval(&noise.autoregressive(phi, 1_000), Dependence::Serial, Confidence::P95)
        });
    }
}

#[test]
fn mean_of_a_short_dependent_series() {
    for (phi, expected) in [(0.0, 0.93..=0.99), (0.3, 0.90..=0.98), (0.6, 0.86..=0.97)] {
        check(1_000, 0.0, expected, |noise, _| effective_t_mean(&noise.autoregressive(phi, 60), Confidence::P95));
    }
}

/// The reason for all of this: the same series taken as independent is right far less often than it says.
#[test]
fn mean_of_a_dependent_series_taken_as_independent() {
    check(400, 0.0, 0.5..=0.75, |noise, _| student_t_mean(&noise.autoregressive(0.6, 1_000), Confidence::P95));
}

#[test]
fn median_and_tail_of_a_dependent_series() {
    let sd = 1.25; // Of the stationary distribution at φ = 0.6.
    for (q, truth) in [(0.5, 0.0), (0.95, sd * normal_quantile(0.95))] {
        check(100, truth, 0.89..=0.99, |noise, seed| {
            let resampling = Resampling::new(seed).with_count(300);
            let series = noise.autoregressive(0.6, 1_000);
            quantile_interval(&series, q, Dependence::Serial, Confidence::P95, resampling)
        });
    }
}

#[test]
fn median_of_independent_values() {
    check(1_000, 0.0, 0.95..=0.985, |noise, seed| {
        let values = noise.autoregressive(0.0, 25);
        quantile_interval(&values, 0.5, Dependence::Independent, Confidence::P95, Resampling::new(seed))
    });
}

#[test]
fn slope_of_a_flat_dependent_series() {
    let x: Vec<f64> = (0..90).map(f64::from).collect();
    check(100, 0.0, 0.88..=1.0, |noise, seed| {
        let resampling = Resampling::new(seed).with_count(200);
        let y = noise.autoregressive(0.1, x.len());
        trend::trend(&x, &y, Dependence::Serial, Confidence::P95, resampling).map(|trend| Estimate {
            value: trend.slope,
            interval: trend.interval,
            n: trend.n,
            n_effective: None,
        })
    });
}

/// Five runs a side, each with luck of its own, and forty values a run.
#[test]
fn ratio_of_two_sides_of_five_runs() {
    let side = |noise: &mut Noise| {
        Nest::of_runs((0..5).map(|_| {
            let level = 100.0 + 3.0 * noise.normal();
            (0..40).map(|_| level + 5.0 * noise.normal()).collect()
        }))
    };
    check(300, 1.0, 0.93..=1.0, |noise, seed| {
        let (a, b) = (side(noise), side(noise));
        let resampling = Resampling::new(seed).with_count(300);
        ratio(&a, &b, Center::Mean, Confidence::P95, resampling).map(|ratio| Estimate {
            value: ratio.value,
            interval: ratio.interval,
            n: 5,
            n_effective: None,
        })
    });
}

fn slope_of(y: &[f64]) -> Result<Estimate, StatsError> {
    let x: Vec<f64> = (0..y.len()).map(|i| i as f64).collect();
    let found = dependent_slope(&x, y, Confidence::P95)?;
    Ok(Estimate { value: found.slope, interval: found.interval, n: found.n, n_effective: None })
}

/// Stationary series around a line, from white noise to a memory of a tenth of the series.
#[test]
fn slope_of_a_queue_that_is_stable() {
    for (phi, expected) in [(0.0, 0.92..=0.98), (0.6, 0.92..=0.99), (0.9, 0.90..=1.0)] {
        check(500, 0.25, expected, |noise, _| {
            let series = noise.autoregressive(phi, 240);
            slope_of(&series.iter().enumerate().map(|(i, y)| y + 0.25 * i as f64).collect::<Vec<_>>())
        });
    }
}

/// Sums of noise with a drift: what is in flight where arrivals outrun the server.
#[test]
fn slope_of_a_queue_that_walks() {
    check(500, 0.5, 0.90..=0.98, |noise, _| {
        let mut level = 0.0;
        let walk: Vec<f64> = (0..240)
            .map(|_| {
                level += 0.5 + noise.normal();
                level
            })
            .collect();
        slope_of(&walk)
    });
}

/// The share of flat series that are called growing, and of growing queues that are found.
#[test]
fn a_growing_queue_is_told_from_a_stable_one() {
    let mut noise = Noise(7);
    let mut grows = |drift: f64, phi: f64| {
        let found = (0..200).filter(|_| {
            let steps = noise.autoregressive(0.0, 240);
            let mut level = 0.0;
            let series: Vec<f64> = steps
                .iter()
                .map(|step| {
                    level = phi * level + drift + step;
                    level
                })
                .collect();
            slope_of(&series).is_ok_and(|slope| slope.interval.low > 0.0)
        });
        found.count()
    };
    let (stable, overloaded) = (grows(0.0, 0.7), grows(0.5, 1.0));
    assert!(stable <= 10 && overloaded >= 190, "{stable} {overloaded}");
}

/// A run that goes on until the mean of its runs is known within a share, looked at as `is_look` says: the share of
/// repetitions whose last interval holds the truth, and the mean number of runs. Between runs 6 % lie, and within a run
/// what a hundred requests that spread by half leave over.
fn stopped(precision: f64, confidence: Confidence, is_look: impl Fn(usize) -> bool) -> (f64, f64) {
    const REPETITIONS: u32 = 4_000;
    const MOST: usize = 48;
    let mut noise = Noise(20_261_127);
    let (mut hits, mut runs) = (0, 0);
    for _ in 0..REPETITIONS {
        let mut values = Vec::new();
        let last = loop {
            values.push(100.0 * (1.0 + 0.06 * noise.normal() + 0.5 / 10.0 * noise.normal()));
            if !is_look(values.len()) && values.len() < MOST {
                continue;
            }
            let estimate = student_t_mean(&values, confidence).unwrap();
            let is_precise =
                estimate.interval.relative_half_width(estimate.value).is_some_and(|half| half <= precision);
            if is_precise || values.len() == MOST {
                break estimate;
            }
        };
        hits += u32::from(last.interval.contains(100.0));
        runs += u32::try_from(values.len()).unwrap();
    }
    (f64::from(hits) / f64::from(REPETITIONS), f64::from(runs) / f64::from(REPETITIONS))
}

#[test]
fn a_run_that_stops_when_it_is_precise_covers_what_it_says() {
    let looks = Looks::up_to(48);
    for precision in [0.15, 0.1, 0.07, 0.05, 0.03] {
        let (covered, runs) = stopped(precision, looks.confidence(Confidence::P95), |count| looks.contains(count));
        println!("±{precision}: covered {covered:.4} after {runs:.1} runs");
        assert!(covered >= 0.95, "±{precision}: covered {covered} after {runs} runs");
    }
    // Who looks after every run from the second on stops where the spread looks small.
    let (naive, runs) = stopped(0.07, Confidence::P95, |count| count >= 2);
    println!("naive: covered {naive:.4} after {runs:.1} runs");
    assert!(naive < 0.90, "covered {naive}");
}
