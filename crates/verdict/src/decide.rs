//! One metric: the effect between two sides, and what follows from its interval.

use weighbridge_stats::StatsError;
use weighbridge_stats::runs::{Effect, Scale, effect, paired_effect};
use weighbridge_types::comparison::Verdict;
use weighbridge_types::definition::Direction;

use crate::compare::Settings;

/// More runs than anybody makes: then no number is told.
const MOST_RUNS: f64 = 10_000.0;

/// An effect, turned so that larger is worse.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decision {
    worsening: Effect,
    is_turned: bool,
    /// Share for a ratio, in the unit for a difference.
    pub(crate) margin: f64,
    pub(crate) verdict: Verdict,
    /// One-sided p value of the change that is seen: that the true one does not go beyond the margin.
    pub(crate) p: f64,
}

/// How large a change must be to count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Margin {
    /// The user's, a share.
    pub(crate) threshold: f64,
    /// What equal sides differ by on this host, a share.
    pub(crate) noise: Option<f64>,
}

impl Margin {
    pub(crate) fn is_noise(self) -> bool {
        self.noise.is_some_and(|noise| noise > self.threshold)
    }

    fn share(self) -> f64 {
        self.noise.map_or(self.threshold, |noise| noise.max(self.threshold))
    }
}

impl Decision {
    /// Decides on one metric.
    pub(crate) fn new(
        (baseline, candidate): (&[f64], &[f64]),
        direction: Direction,
        margin: Margin,
        settings: &Settings,
    ) -> Result<Self, StatsError> {
        let is_turned = direction == Direction::Higher;
        let (from, to) = if is_turned { (candidate, baseline) } else { (baseline, candidate) };
        let has_ratio = baseline.iter().chain(candidate).all(|&value| value > 0.0);
        let scale = if has_ratio { Scale::Ratio } else { Scale::Difference };
        let effect = if settings.paired { paired_effect } else { effect };
        let worsening = effect(from, to, scale, settings.confidence, settings.resampling)?;
        let margin = match scale {
            Scale::Ratio => margin.share(),
            // A share of zero is nothing: then every change counts that the interval tells from none.
            Scale::Difference => margin.share() * (baseline.iter().sum::<f64>() / baseline.len() as f64).abs(),
        };
        let (least, most) = bounds(scale, margin);
        let (low, high) = (worsening.interval.low, worsening.interval.high);
        let verdict = if low > most {
            Verdict::Worse
        } else if high < least {
            Verdict::Better
        } else if low >= least && high <= most {
            Verdict::Equivalent
        } else {
            Verdict::Inconclusive
        };
        let is_worse = worsening.value > if scale == Scale::Ratio { 1.0 } else { 0.0 };
        let p = if is_worse { worsening.p_above(most) } else { worsening.p_below(least) };
        Ok(Self { worsening, is_turned, margin, verdict, p })
    }

    /// Candidate / baseline, or candidate − baseline, with the ends of the interval.
    pub(crate) fn shown(&self) -> (f64, f64, f64) {
        let Effect { scale, value, interval, .. } = self.worsening;
        match (self.is_turned, scale) {
            (false, _) => (value, interval.low, interval.high),
            (true, Scale::Ratio) => (value.recip(), interval.high.recip(), interval.low.recip()),
            (true, Scale::Difference) => (-value, -interval.high, -interval.low),
        }
    }

    pub(crate) fn has_ratio(&self) -> bool {
        self.worsening.scale == Scale::Ratio
    }

    pub(crate) fn method(&self) -> &'static str {
        self.worsening.interval.method.as_str()
    }

    pub(crate) fn probability_worse(&self) -> f64 {
        self.worsening.probability_larger
    }

    /// The smallest worsening that would have been found with this power: a share for a ratio, in the unit for a difference.
    pub(crate) fn detectable(&self, power: f64) -> f64 {
        let beyond = self.worsening.detectable(power);
        match self.worsening.scale {
            Scale::Ratio => (self.margin.ln_1p() + beyond).exp_m1(),
            Scale::Difference => self.margin + beyond,
        }
    }

    /// Runs a side that would decide it, if what is seen is the truth.
    pub(crate) fn runs_needed(&self, runs: usize, power: f64) -> Option<u64> {
        let (seen, margin) = match self.worsening.scale {
            Scale::Ratio => (self.worsening.value.ln().abs(), self.margin.ln_1p()),
            Scale::Difference => (self.worsening.value.abs(), self.margin),
        };
        let needed = self.worsening.runs_for(seen - margin, runs, power)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count up to the limit")]
        (needed <= MOST_RUNS).then_some(needed as u64)
    }
}

/// Between what a change counts as none.
fn bounds(scale: Scale, margin: f64) -> (f64, f64) {
    match scale {
        Scale::Ratio => (1.0 / (1.0 + margin), 1.0 + margin),
        Scale::Difference => (-margin, margin),
    }
}
