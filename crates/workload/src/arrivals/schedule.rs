//! What a schedule is, and what it plans.

use std::sync::Arc;
use std::time::Duration;

use super::curve::{Curve, Segment, Wave};
use super::times::ArrivalTimes;
use crate::spec::{SpecError, SpecKind, SpecProblem};

/// Fastest accepted rate: beyond it two arrivals would have the same nanosecond.
const RATE_MAX: f64 = 1e9;

/// Range of the burstiness: outside of it nearly all arrivals fall together, or none deviates from the clock.
const BURSTINESS: (f64, f64) = (1e-3, 1e6);

/// When sessions begin.
///
/// It is read from and printed as text; [`SpecError::hint`] lists the forms. Values that [`Arrivals::check`] refuses
/// plan nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// One every `1 / rate` seconds, the first at once.
    Constant {
        /// Sessions per second.
        rate: f64,
    },
    /// Independent arrivals: exponential waiting times.
    Poisson {
        /// Sessions per second.
        rate: f64,
    },
    /// Gamma distributed waiting times.
    Gamma {
        /// Sessions per second.
        rate: f64,
        /// Shape of the gamma distribution: 1 is Poisson, less comes in bursts, more is more even.
        burstiness: f64,
    },
    /// Rates that change from stage to stage. The schedule ends with its last stage.
    Stages {
        /// The stages, in order.
        stages: Vec<Stage>,
        /// How arrivals are spread; it runs on from one stage to the next.
        process: Process,
    },
    /// So many at the same instant, again and again, the first at once.
    Bursts {
        /// Sessions of a burst.
        size: u32,
        /// Time from burst to burst.
        every: Duration,
    },
    /// All at the beginning; an infinite rate.
    AtOnce,
    /// A rate that rises and falls as a sine: `mean + amplitude × sin(2π × time / period)`.
    Diurnal {
        /// Mean sessions per second.
        mean: f64,
        /// Greatest deviation from it, at most the mean.
        amplitude: f64,
        /// Time from peak to peak.
        period: Duration,
        /// How arrivals are spread.
        process: Process,
    },
    /// At these times, in order.
    Times(Arc<[Duration]>),
}

/// How arrivals are spread around their planned rate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Process {
    /// Evenly.
    Constant,
    /// Independently of each other, as many users do.
    #[default]
    Poisson,
    /// With gamma distributed waiting times.
    Gamma {
        /// As in [`Arrivals::Gamma`].
        burstiness: f64,
    },
}

/// A part of a schedule whose rate stays or changes steadily.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// How long; `None` has no end and can only be the last.
    pub duration: Option<Duration>,
    /// Sessions per second at its beginning.
    pub from: f64,
    /// Sessions per second at its end.
    pub to: f64,
    /// How the rate changes in between.
    pub curve: Curve,
}

impl Stage {
    /// A stage of one rate.
    #[must_use]
    pub const fn steady(rate: f64, duration: Option<Duration>) -> Self {
        Self { duration, from: rate, to: rate, curve: Curve::Linear }
    }

    /// A stage whose rate changes by the same amount each second.
    #[must_use]
    pub const fn ramp(from: f64, to: f64, duration: Duration) -> Self {
        Self { duration: Some(duration), from, to, curve: Curve::Linear }
    }
}

impl Arrivals {
    /// The schedule of vLLM's `--request-rate` and `--burstiness`: an infinite rate is everything at once.
    ///
    /// # Errors
    /// When a value is out of range.
    pub fn of_request_rate(rate: f64, burstiness: f64) -> Result<Self, SpecError> {
        let is_poisson = (burstiness - 1.0).abs() < f64::EPSILON;
        let arrivals = match (rate, is_poisson) {
            (f64::INFINITY, _) => Self::AtOnce,
            (_, true) => Self::Poisson { rate },
            (_, false) => Self::Gamma { rate, burstiness },
        };
        arrivals.check().map(|()| arrivals)
    }

    /// The schedule of vLLM's `--ramp-up-strategy`: the rate follows the number of requests sent, not the time. It
    /// stays at `to` after `requests` of them.
    ///
    /// `strategy` is [`Curve::Linear`] or [`Curve::Exponential`], over the requests. Their time is
    /// `requests × ln(to / from) / (to − from)`, and `requests × (1 / from − 1 / to) / ln(to / from)`.
    ///
    /// # Errors
    /// When a rate is out of range or 0, or the strategy is another curve.
    pub fn ramp_over_requests(from: f64, to: f64, requests: u64, strategy: Curve) -> Result<Self, SpecError> {
        let (count, log) = (requests as f64, (to / from).ln());
        let is_level = (to - from).abs() <= f64::EPSILON * from;
        let (seconds, curve) = match strategy {
            _ if is_level => (count / from, Curve::Linear),
            Curve::Linear => (count * log / (to - from), Curve::Exponential),
            Curve::Exponential => (count * (from.recip() - to.recip()) / log, Curve::Hyperbolic),
            Curve::Hyperbolic => {
                let problem = SpecProblem::value("hyperbolic", "`linear` or `exponential`");
                return Err(problem.in_text(SpecKind::Arrivals, "ramp over requests"));
            }
        };
        let Ok(duration) = Duration::try_from_secs_f64(seconds) else {
            let problem = SpecProblem::value(format!("{from}..{to}"), "two rates above 0");
            return Err(problem.in_text(SpecKind::Arrivals, "ramp over requests"));
        };
        let ramp = Stage { duration: Some(duration), from, to, curve };
        let stages = vec![ramp, Stage::steady(to, None)];
        let arrivals = Self::Stages { stages, process: Process::Poisson };
        arrivals.check().map(|()| arrivals)
    }

    /// Checks every value.
    ///
    /// # Errors
    /// Names the first value that is out of range.
    pub fn check(&self) -> Result<(), SpecError> {
        let problem = match self {
            Self::Constant { rate } | Self::Poisson { rate } => check_rate(*rate),
            Self::Gamma { rate, burstiness } => check_rate(*rate).and_then(|()| check_burstiness(*burstiness)),
            Self::Stages { stages, process } => check_stages(stages).and_then(|()| check_process(*process)),
            Self::Bursts { size: 0, .. } => Err(SpecProblem::value(0, "a size above 0")),
            Self::Bursts { every, .. } => check_span(*every),
            Self::AtOnce => Ok(()),
            Self::Diurnal { mean, amplitude, period, process } => check_rate(*mean)
                .and_then(|()| match amplitude {
                    0.0.. if amplitude <= mean => Ok(()),
                    _ => Err(SpecProblem::value(amplitude, "an amplitude from 0 to the mean")),
                })
                .and_then(|()| check_span(*period))
                .and_then(|()| check_process(*process)),
            Self::Times(times) if times.is_sorted() => Ok(()),
            Self::Times(_) => Err(SpecProblem::value("times", "in order")),
        };
        problem.map_err(|problem| problem.in_text(SpecKind::Arrivals, &self.to_string()))
    }

    /// The beginnings of the sessions, counted from the start of the load; they never decrease. Endless, except for
    /// stages that end and for given times.
    #[must_use]
    pub fn times(&self, seed: u64) -> ArrivalTimes {
        ArrivalTimes::new(self, seed)
    }

    /// Sessions per second planned at this time; of bursts, their mean. `None` where no rate is planned: for given
    /// times, and all at once.
    #[must_use]
    pub fn rate_at(&self, at: Duration) -> Option<f64> {
        match self {
            Self::Stages { stages, .. } => Some(Plan::new(stages).rate(at.as_secs_f64())),
            Self::Diurnal { mean, amplitude, period, .. } => {
                Some(Wave::new(*mean, *amplitude, *period).rate(at.as_secs_f64()))
            }
            Self::Times(_) => None,
            _ => self.mean_rate(),
        }
    }

    /// Mean sessions per second over the schedule; for one that ends in a stage without end, the rate of that.
    /// `None` for all at once, and for fewer than two given times.
    #[must_use]
    pub fn mean_rate(&self) -> Option<f64> {
        match self {
            Self::Constant { rate } | Self::Poisson { rate } | Self::Gamma { rate, .. } => Some(*rate),
            Self::Stages { stages, .. } => match stages.last()? {
                Stage { duration: None, to, .. } => Some(*to),
                _ => {
                    let plan = Plan::new(stages);
                    Some(plan.count(f64::INFINITY) / plan.seconds())
                }
            },
            Self::Bursts { size, every } => Some(f64::from(*size) / every.as_secs_f64()),
            Self::AtOnce => None,
            Self::Diurnal { mean, .. } => Some(*mean),
            Self::Times(times) => {
                let span = times.last()?.checked_sub(*times.first()?)?;
                let gaps = times.len() - 1;
                (gaps > 0 && !span.is_zero()).then(|| gaps as f64 / span.as_secs_f64())
            }
        }
    }

    /// Sessions planned before this time: exactly for bursts and given times, else the integral of the rate, which
    /// the count of a random process has as its mean. `None` for all at once, which is as many as there are.
    #[must_use]
    pub fn count_until(&self, end: Duration) -> Option<f64> {
        let seconds = end.as_secs_f64();
        match self {
            Self::Constant { rate } => Some((rate * seconds).ceil()),
            Self::Poisson { rate } | Self::Gamma { rate, .. } => Some(rate * seconds),
            Self::Stages { stages, .. } => Some(Plan::new(stages).count(seconds)),
            Self::Bursts { size, every } => {
                Some(end.as_nanos().div_ceil(every.as_nanos().max(1)) as f64 * f64::from(*size))
            }
            Self::AtOnce => None,
            Self::Diurnal { mean, amplitude, period, .. } => Some(Wave::new(*mean, *amplitude, *period).count(seconds)),
            Self::Times(times) => Some(times.partition_point(|at| *at < end) as f64),
        }
    }

    /// When the schedule ends by itself; `None` if it does not.
    #[must_use]
    pub fn end(&self) -> Option<Duration> {
        match self {
            Self::Stages { stages, .. } => stages.iter().map(|stage| stage.duration).sum(),
            Self::Times(times) => Some(times.last().copied().unwrap_or_default()),
            _ => None,
        }
    }

    /// The same schedule with all rates multiplied by a factor above 0. The ends of stages and the period of a wave
    /// stay; bursts and given times move closer together.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let shrink = |time: Duration| Duration::try_from_secs_f64(time.as_secs_f64() / factor).unwrap_or(Duration::MAX);
        let mut scaled = self.clone();
        match &mut scaled {
            Self::Constant { rate } | Self::Poisson { rate } | Self::Gamma { rate, .. } => *rate *= factor,
            Self::Stages { stages, .. } => {
                for stage in stages {
                    stage.from *= factor;
                    stage.to *= factor;
                }
            }
            Self::Bursts { every, .. } => *every = shrink(*every),
            Self::AtOnce => {}
            Self::Diurnal { mean, amplitude, .. } => {
                *mean *= factor;
                *amplitude *= factor;
            }
            Self::Times(times) => *times = times.iter().map(|at| shrink(*at)).collect(),
        }
        scaled
    }
}

/// The segments of a schedule of stages, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Each with the seconds and the count at which it begins.
    segments: Vec<(f64, f64, Segment)>,
}

impl Plan {
    pub(super) fn new(stages: &[Stage]) -> Self {
        let (mut seconds, mut count) = (0.0, 0.0);
        let mut segments = Vec::with_capacity(stages.len());
        for stage in stages {
            let segment = Segment::of(stage);
            segments.push((seconds, count, segment));
            count += segment.count(segment.seconds);
            seconds += segment.seconds;
        }
        Self { segments }
    }

    /// The time at which this many arrivals are planned; `None` after the last stage.
    pub(super) fn seconds_at(&self, count: f64) -> Option<f64> {
        let place = self.segments.partition_point(|(_, first, _)| *first <= count).checked_sub(1)?;
        let (start, first, segment) = self.segments[place];
        // Of two stages with the same first count, the earlier one plans nothing, so that the later one is right.
        let within = count - first;
        let is_over = place + 1 == self.segments.len() && within >= segment.count(segment.seconds);
        (!is_over).then(|| start + segment.seconds_at(within))
    }

    fn rate(&self, seconds: f64) -> f64 {
        let place = self.segments.partition_point(|(start, _, _)| *start <= seconds).saturating_sub(1);
        match self.segments.get(place) {
            Some((start, _, segment)) if seconds - start < segment.seconds => segment.rate(seconds - start),
            _ => 0.0,
        }
    }

    fn count(&self, seconds: f64) -> f64 {
        let place = self.segments.partition_point(|(start, _, _)| *start < seconds).saturating_sub(1);
        self.segments
            .get(place)
            .map_or(0.0, |(start, first, segment)| first + segment.count((seconds - start).min(segment.seconds)))
    }

    fn seconds(&self) -> f64 {
        self.segments.last().map_or(0.0, |(start, _, segment)| start + segment.seconds)
    }
}

fn check_rate(rate: f64) -> Result<(), SpecProblem> {
    if rate > 0.0 && rate <= RATE_MAX {
        return Ok(());
    }
    let expected = "a rate above 0 and at most 1000000000 per second (`burst` sends all at once)";
    // Written out, the largest numbers have hundreds of digits.
    if rate > 1e15 {
        Err(SpecProblem::value(format_args!("{rate:e}"), expected))
    } else {
        Err(SpecProblem::value(rate, expected))
    }
}

fn check_span(span: Duration) -> Result<(), SpecProblem> {
    if span.is_zero() { Err(SpecProblem::value("0s", "a time above 0")) } else { Ok(()) }
}

fn check_burstiness(burstiness: f64) -> Result<(), SpecProblem> {
    if (BURSTINESS.0..=BURSTINESS.1).contains(&burstiness) {
        return Ok(());
    }
    Err(SpecProblem::value(burstiness, "a burstiness from 0.001 to 1000000"))
}

fn check_process(process: Process) -> Result<(), SpecProblem> {
    match process {
        Process::Constant | Process::Poisson => Ok(()),
        Process::Gamma { burstiness } => check_burstiness(burstiness),
    }
}

fn check_stages(stages: &[Stage]) -> Result<(), SpecProblem> {
    let mut is_silent = true;
    for (place, stage) in stages.iter().enumerate() {
        for rate in [stage.from, stage.to] {
            if !(0.0..=RATE_MAX).contains(&rate) {
                return Err(SpecProblem::value(rate, "a rate from 0 to 1000000000 per second"));
            }
            if rate > 0.0 {
                is_silent = false;
            } else if stage.curve != Curve::Linear {
                return Err(SpecProblem::value(rate, "above 0, which this curve needs"));
            }
        }
        match stage.duration {
            Some(duration) => check_span(duration)?,
            None if place + 1 < stages.len() => return Err(SpecProblem::Missing("the duration of a stage")),
            None if stage.from.to_bits() != stage.to.to_bits() || stage.from == 0.0 => {
                return Err(SpecProblem::value(stage.to, "one rate above 0, which a stage without end needs"));
            }
            None => {}
        }
    }
    if is_silent { Err(SpecProblem::Missing("a rate above 0")) } else { Ok(()) }
}
