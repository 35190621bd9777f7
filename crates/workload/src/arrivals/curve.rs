//! Rates that change with time, the number of arrivals that they plan, and the inverse of it.

use std::time::Duration;

use super::schedule::Stage;

/// How the rate of a stage goes from its first to its last value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Curve {
    /// The rate grows by the same amount each second.
    #[default]
    Linear,
    /// The rate grows by the same factor each second. A rate that grows linearly with the number of requests sent does
    /// so.
    Exponential,
    /// The mean time between arrivals grows or shrinks by the same amount each second. A rate that grows exponentially
    /// with the number of requests sent does so.
    Hyperbolic,
}

/// A stage as numbers: seconds, and requests per second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// Length; infinite for a stage without end.
    pub(super) seconds: f64,
    from: f64,
    /// What changes per second: the rate, its logarithm, or its reciprocal.
    slope: f64,
    curve: Curve,
}

impl Segment {
    pub(super) fn of(stage: &Stage) -> Self {
        let seconds = stage.duration.map_or(f64::INFINITY, |duration| duration.as_secs_f64());
        let (from, to) = (stage.from, stage.to);
        let change = match stage.curve {
            Curve::Linear => to - from,
            Curve::Exponential => (to / from).ln(),
            Curve::Hyperbolic => to.recip() - from.recip(),
        };
        Self { seconds, from, slope: change / seconds, curve: stage.curve }
    }

    /// Requests per second at this time within the segment.
    pub(super) fn rate(&self, seconds: f64) -> f64 {
        let change = self.slope * seconds;
        match self.curve {
            Curve::Linear => self.from + change,
            Curve::Exponential => self.from * change.exp(),
            Curve::Hyperbolic => self.from / (1.0 + self.from * change),
        }
    }

    /// Arrivals planned from the beginning of the segment to this time: the integral of the rate.
    pub(super) fn count(&self, seconds: f64) -> f64 {
        let (from, slope) = (self.from, self.slope);
        if slope == 0.0 {
            return from * seconds;
        }
        match self.curve {
            Curve::Linear => seconds * (from + 0.5 * slope * seconds),
            Curve::Exponential => from / slope * (slope * seconds).exp_m1(),
            Curve::Hyperbolic => (from * slope * seconds).ln_1p() / slope,
        }
    }

    /// The time at which `count` arrivals are planned: the inverse of [`Segment::count`].
    pub(super) fn seconds_at(&self, count: f64) -> f64 {
        let (from, slope) = (self.from, self.slope);
        if count <= 0.0 {
            return 0.0;
        }
        if slope == 0.0 {
            return count / from;
        }
        let seconds = match self.curve {
            // The stable form of the quadratic's root: no difference of nearly equal numbers.
            Curve::Linear => 2.0 * count / (from + (from * from + 2.0 * slope * count).max(0.0).sqrt()),
            Curve::Exponential => (slope * count / from).ln_1p() / slope,
            Curve::Hyperbolic => (slope * count).exp_m1() / (from * slope),
        };
        seconds.min(self.seconds)
    }
}

/// A rate that rises and falls as a sine, and begins at its mean, rising.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wave {
    pub(super) mean: f64,
    pub(super) amplitude: f64,
    pub(super) period: f64,
}

impl Wave {
    pub(super) fn new(mean: f64, amplitude: f64, period: Duration) -> Self {
        Self { mean, amplitude, period: period.as_secs_f64() }
    }

    pub(super) fn rate(&self, seconds: f64) -> f64 {
        self.mean + self.amplitude * self.angle(seconds).sin()
    }

    pub(super) fn count(&self, seconds: f64) -> f64 {
        self.mean * seconds + self.swing() * (1.0 - self.angle(seconds).cos())
    }

    /// The inverse of [`Wave::count`]: Newton's steps, kept within a bracket that is halved where a step leaves it.
    pub(super) fn seconds_at(&self, count: f64) -> f64 {
        // The cosine's term lies between 0 and twice the swing.
        let mut low = ((count - 2.0 * self.swing()) / self.mean).max(0.0);
        let mut high = count / self.mean;
        let mut seconds = 0.5 * (low + high);
        // Halving alone needs 60 steps for a bracket of any width; Newton's steps end it after about five.
        for _ in 0..80 {
            let excess = self.count(seconds) - count;
            if excess > 0.0 {
                high = seconds;
            } else {
                low = seconds;
            }
            let step = seconds - excess / self.rate(seconds);
            let next = if step > low && step < high { step } else { 0.5 * (low + high) };
            let is_settled = (next - seconds).abs() <= 1e-15 * next;
            seconds = next;
            if is_settled {
                break;
            }
        }
        seconds
    }

    fn angle(&self, seconds: f64) -> f64 {
        // The fraction of the period first: the sine of a large number loses digits.
        std::f64::consts::TAU * (seconds / self.period).fract()
    }

    fn swing(&self) -> f64 {
        self.amplitude * self.period / std::f64::consts::TAU
    }
}
