//! Settings of a run that holds its answers against golden ones.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weighbridge_summary::{AnswerRule, AnswersPlan};

use crate::error::LoadError;
use crate::settings::{LoadSettings, Shape};

/// Prompts asked where nothing is said. Without one changed answer their interval still reaches 3.7 % of them, below the
/// usual tolerance.
const USUAL_PROMPTS: u64 = 100;

/// Fewer prompts decide nothing: McNemar's test and the interval of the difference part.
const LEAST_PROMPTS: u64 = 20;

/// Golden answers are held in memory while figures are made.
const MOST_PROMPTS: u64 = 20_000;

/// How answers under load are held against golden ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AnswerSettings {
    /// Share of the answers that a load may change beyond what differs at one request at a time, 0 to 1.
    pub tolerance: f64,
    /// Share of the expected answers that a load may lose, 0 to 1.
    pub score_tolerance: f64,
    /// Whether an answer must be the expected one and nothing else; else it is enough that it holds it.
    pub exact: bool,
}

impl Default for AnswerSettings {
    fn default() -> Self {
        Self { tolerance: 0.05, score_tolerance: 0.05, exact: false }
    }
}

impl AnswerSettings {
    /// The load that asks so: the same prompts at every load, greedily, each to the end that the model gives it, texts kept.
    #[must_use]
    pub fn load(self, base: LoadSettings) -> LoadSettings {
        LoadSettings {
            sessions: Some(base.sessions.unwrap_or(USUAL_PROMPTS)),
            salt: None,
            keep_text: true,
            answers: Some(self),
            ..base
        }
    }

    /// What the figures depend on.
    pub(crate) fn plan(self) -> AnswersPlan {
        let Self { tolerance, score_tolerance, exact } = self;
        AnswersPlan { tolerance, score_tolerance, rule: if exact { AnswerRule::Exact } else { AnswerRule::Contains } }
    }

    pub(crate) fn check(&self, load: &LoadSettings) -> Result<(), LoadError> {
        let refused = |setting, value: String, problem: &str| {
            Err(LoadError::Setting { setting, value, problem: problem.to_owned() })
        };
        for (setting, share) in [("answer-tolerance", self.tolerance), ("score-tolerance", self.score_tolerance)] {
            if !(0.0..=1.0).contains(&share) {
                return refused(setting, share.to_string(), "it must be a share, 0 to 1");
            }
        }
        if load.temperature > 0.0 {
            let problem = "answers are compared, so each must be the likeliest one: leave `--temperature` out";
            return refused("temperature", load.temperature.to_string(), problem);
        }
        let prompts = load.sessions.unwrap_or_default();
        if !(LEAST_PROMPTS..=MOST_PROMPTS).contains(&prompts) {
            let problem = "answers are compared prompt by prompt: it must be 20 to 20000";
            return refused("requests", prompts.to_string(), problem);
        }
        let has_trace = load.shapes.contains(&Shape::Trace);
        if load.runs > 1 || load.victim.is_some() || load.search.is_some() || load.cache.is_some() || has_trace {
            let problem = "each load asks every prompt once: leave `--runs`, `--victim` and `--capacity` out, and name loads \
                           with `--concurrency` or `--rate`";
            return refused("check-answers", "this load".to_owned(), problem);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let sound = || AnswerSettings::default().load(LoadSettings::default());
        let check = |change: fn(&mut LoadSettings), part: &str| {
            let mut settings = sound();
            change(&mut settings);
            let error = settings.checked().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        check(|s| s.temperature = 0.7, "`0.7` as temperature");
        check(|s| s.sessions = Some(19), "20 to 20000");
        check(|s| s.runs = 2, "--runs");
        check(|s| s.shapes = vec![Shape::Trace], "--concurrency");
        check(|s| s.answers = Some(AnswerSettings { tolerance: 1.5, ..AnswerSettings::default() }), "answer-tolerance");
        check(|s| s.answers = Some(AnswerSettings { score_tolerance: f64::NAN, ..AnswerSettings::default() }), "NaN");
        assert_eq!(sound().checked().unwrap().sessions, Some(100));
    }
}
