//! What a host profile says of one run.

use weighbridge_types::calibration::{CalibratedErrors, CalibrationNote};
use weighbridge_types::definition as define;
use weighbridge_types::metric::Metric;
use weighbridge_types::request::ReceiveClock;

use crate::profile::{HostProfile, Truth};
use crate::settings::{LoadSettings, Shape};

/// The note at the start of a run, before it is known how it went.
pub(crate) fn beforehand(profile: &HostProfile, settings: &LoadSettings) -> CalibrationNote {
    note(profile, ReceiveClock::Kernel, planned(settings))
}

/// The note once the figures are known.
pub(crate) fn afterwards(profile: &HostProfile, settings: &LoadSettings, metrics: &[Metric]) -> CalibrationNote {
    let values = |name: &'static str| metrics.iter().filter(move |metric| metric.name == name).filter_map(|m| m.value);
    let least_stamped = values(define::KERNEL_STAMPED.name)
        .fold(None, |least: Option<f64>, value| Some(least.map_or(value, |least| least.min(value))));
    let is_kernel = least_stamped.is_some_and(|share| share >= NEARLY_ALL);
    let clock = if is_kernel { ReceiveClock::Kernel } else { ReceiveClock::User };
    let seen = whole(values(define::CONCURRENCY.name).fold(0.0, f64::max).ceil());
    note(profile, clock, planned(settings).max(seen))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates, and nothing is negative")]
fn whole(requests: f64) -> Option<u32> {
    (requests >= 1.0).then_some(requests as u32)
}

/// Share of answers that the kernel must have stamped: a p99 then does not rest on the others.
const NEARLY_ALL: f64 = 0.99;

/// Most requests in flight of the closed loops; `None` where there is none.
fn planned(settings: &LoadSettings) -> Option<u32> {
    let levels = settings.shapes.iter().filter_map(|shape| match shape {
        Shape::Concurrency(level) => Some(*level),
        Shape::Arrivals(_) | Shape::Trace => None,
    });
    levels.max()
}

fn note(profile: &HostProfile, clock: ReceiveClock, in_flight: Option<u32>) -> CalibrationNote {
    let graded = profile.by(clock);
    CalibrationNote {
        id: profile.id.clone(),
        calibrated_at: profile.created_at.clone(),
        clock,
        grade: graded.as_ref().map(|graded| graded.grade),
        bias_bound_ms: graded.as_ref().map(|graded| graded.bias_bound_ms),
        in_flight,
        errors: graded.zip(in_flight).and_then(|(graded, in_flight)| nearest(&graded.truth, in_flight)),
    }
}

/// The errors at the streams nearest above, or at the most there are.
fn nearest(truth: &[Truth], in_flight: u32) -> Option<CalibratedErrors> {
    let row = truth.iter().find(|row| row.streams >= in_flight).or(truth.last())?;
    Some(CalibratedErrors {
        streams: row.streams,
        ttft_bias_ms: row.ttft.bias_ms,
        ttft_p99_ms: row.ttft.p99_ms,
        itl_bias_ms: row.itl.bias_ms,
        itl_p99_ms: row.itl.p99_ms,
    })
}

#[cfg(test)]
mod tests {
    use weighbridge_types::environment::Environment;
    use weighbridge_types::metric::{Cell, Statistic};
    use weighbridge_types::record::Phase;

    use super::*;
    use crate::profile::{Cost, ErrorFigures, Graded, Lag};

    fn truth(streams: u32, bias_ms: f64) -> Truth {
        let figures = ErrorFigures { n: 1000, bias_ms, p50_ms: 0.01, p99_ms: Some(0.1), max_ms: 0.2 };
        Truth { streams, requests: 1000, ttft: figures, itl: figures }
    }

    fn profile(user: bool) -> HostProfile {
        let Graded { truth: rows, clean_streams, grade, bias_bound_ms } =
            Graded::of(vec![truth(1, 0.01), truth(128, 0.02), truth(512, 0.03)]);
        HostProfile {
            id: "p".to_owned(),
            created_at: "2026-03-01T00:00:00.000Z".to_owned(),
            environment: Environment::default(),
            reactors: 1,
            clock: ReceiveClock::Kernel,
            truth: rows,
            clean_streams,
            cost: Cost {
                streams: 1,
                tokens: 1,
                requests: 1,
                requests_per_s: 1.0,
                frames_per_s: 1.0,
                cpu_s_per_1000: None,
                cpu_us_per_frame: None,
            },
            lag: Lag { rate: 1.0, n: 1, p50_ms: 0.0, p99_ms: None, max_ms: 0.0 },
            grade,
            bias_bound_ms,
            user: user.then(|| Graded::of(vec![truth(64, 0.5)])),
        }
    }

    fn metric(definition: &'static define::Definition, value: f64) -> Metric {
        Metric::measured(definition, Statistic::Value, &Cell::of(Phase::Load), value, 1)
    }

    #[test]
    fn a_run_quotes_the_row_nearest_above_it_by_the_clock_that_stamped() {
        let check = |user: bool, level: u32, stamped: f64, expected: (ReceiveClock, Option<u32>)| {
            let settings = LoadSettings { shapes: vec![Shape::Concurrency(level)], ..LoadSettings::default() };
            let note = afterwards(&profile(user), &settings, &[metric(&define::KERNEL_STAMPED, stamped)]);
            assert_eq!((note.clock, note.errors.map(|errors| errors.streams)), expected, "{level} {stamped}");
        };
        use ReceiveClock::{Kernel, User};
        check(true, 1, 1.0, (Kernel, Some(1)));
        check(true, 2, 1.0, (Kernel, Some(128)));
        check(true, 128, 0.995, (Kernel, Some(128)));
        check(true, 4000, 1.0, (Kernel, Some(512)));
        check(true, 2, 0.5, (User, Some(64)));
        check(false, 2, 0.0, (User, None));
    }

    #[test]
    fn an_open_loop_is_known_by_what_was_in_flight() {
        let settings =
            LoadSettings { shapes: vec![Shape::Arrivals("poisson:9".to_owned())], ..LoadSettings::default() };
        assert_eq!(beforehand(&profile(true), &settings).errors, None);
        let metrics = [metric(&define::KERNEL_STAMPED, 1.0), metric(&define::CONCURRENCY, 1.2)];
        let note = afterwards(&profile(true), &settings, &metrics);
        assert_eq!((note.in_flight, note.errors.unwrap().streams), (Some(2), 128));
        assert_eq!(afterwards(&profile(true), &settings, &[]).clock, ReceiveClock::User, "no answer was stamped");
    }
}
