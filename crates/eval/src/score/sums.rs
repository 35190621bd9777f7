//! Figures of log-probabilities and of repeated attempts.

use weighbridge_stats::proportion::wilson;
use weighbridge_types::definition as define;
use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::Phase;

use crate::predictions::{Field, PredictionsError, Problem, Row, Value};

use super::corpus::{Corpus, Counted};
use super::figure::{Scope, absent, estimated};
use super::settings::Settings;

/// Attempts at which pass@k is told, as far as every problem has so many.
const ATTEMPTS: [u32; 5] = [1, 5, 10, 50, 100];

/// Log-probability, tokens and bytes of a text.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Likelihood {
    log_probability: f64,
    tokens: f64,
    bytes: f64,
}

/// What is kept of each sample that has log-probabilities or attempts.
#[derive(Debug, Default)]
pub(super) struct Sums {
    likelihoods: Vec<(u32, Likelihood)>,
    attempts: Vec<(u32, u32, u32)>,
    /// Whether each sample was right, where the file says that and nothing more.
    rights: Vec<bool>,
    judged: Counted,
    has_rights: bool,
    lacks_tokens: bool,
    lacks_bytes: bool,
}

impl Sums {
    pub(super) fn is_empty(&self) -> bool {
        self.likelihoods.is_empty() && self.attempts.is_empty() && !self.has_rights
    }

    pub(super) fn take(&mut self, row: &Row<'_>, sample: u64) -> Result<(), PredictionsError> {
        let own = [Field::Problem, Field::Passed, Field::LogProbability, Field::Attempts];
        if !row.has_any(&own) {
            return Ok(());
        }
        let problem = row.text(Field::Problem)?;
        let is_failed = problem.and_then(Problem::from_name).is_some_and(|problem| !problem.is_answered());
        if let Some(is_right) = is_right(row).or(problem.map(|_| false)) {
            self.has_rights |= row.get(Field::Passed).is_given();
            self.rights.push(is_right);
            self.judged.push(sample, !is_failed);
        }
        let sample = u32::try_from(sample).unwrap_or(u32::MAX);
        if let Some(log_probability) = row.number(Field::LogProbability)? {
            if log_probability > 0.0 {
                return Err(row.refuse(Field::LogProbability, "a natural logarithm of a probability, at most 0"));
            }
            let tokens = count(row, Field::Tokens)?.map(f64::from);
            let text = row.text(Field::Text)?.map(|text| text.len() as f64);
            let bytes = count(row, Field::Bytes)?.map(f64::from).or(text);
            self.lacks_tokens |= tokens.is_none();
            self.lacks_bytes |= bytes.is_none();
            let (tokens, bytes) = (tokens.unwrap_or_default(), bytes.unwrap_or_default());
            self.likelihoods.push((sample, Likelihood { log_probability, tokens, bytes }));
        }
        if let Some(attempts) = count(row, Field::Attempts)? {
            let passed = count(row, Field::Passed)?.ok_or_else(|| row.refuse(Field::Passed, "a count"))?;
            if passed > attempts || attempts == 0 {
                return Err(
                    row.refuse(Field::Passed, format!("at most its {attempts} attempts, of which there is one"))
                );
            }
            self.attempts.push((sample, attempts, passed));
        }
        Ok(())
    }

    /// Whether a sample has no answer.
    pub(super) fn has_failures(&self) -> bool {
        self.has_rights && self.judged.has_failures()
    }

    /// The share of samples that the file says are right.
    pub(super) fn share_right(
        &self,
        scope: Scope,
        units: usize,
        unit: &dyn Fn(u32) -> u32,
        settings: &Settings,
    ) -> Vec<Metric> {
        if !self.has_rights {
            return Vec::new();
        }
        let kept = self.judged.of(scope, unit);
        let right = |at: usize| f64::from(u8::from(self.rights[at]));
        if units < self.judged.len() {
            return vec![Corpus { kept: &kept, units, settings }.mean(&define::ACCURACY, &scope.cell(), right)];
        }
        let count = kept.iter().filter(|(at, _)| self.rights[*at]).count();
        vec![estimated(&define::ACCURACY, &scope.cell(), wilson(count, kept.len(), settings.confidence))]
    }

    pub(super) fn figures(&self, units: usize, unit: &dyn Fn(u32) -> u32, settings: &Settings) -> Vec<Metric> {
        let mut figures = Vec::new();
        let cell = Cell::of(Phase::Evaluate);
        if !self.likelihoods.is_empty() {
            figures.extend(self.likelihood_figures(&cell, units, unit, settings));
        }
        let kept: Vec<(usize, u32)> =
            self.attempts.iter().enumerate().map(|(at, (sample, ..))| (at, unit(*sample))).collect();
        let corpus = Corpus { kept: &kept, units, settings };
        let fewest = self.attempts.iter().map(|of| of.1).min().unwrap_or(0);
        for k in ATTEMPTS.into_iter().filter(|&k| k <= fewest) {
            let value = |at: usize| pass_at_k(self.attempts[at].1, self.attempts[at].2, k);
            figures.push(corpus.mean(&define::PASS_AT_K, &cell.clone().with("k", k), value));
        }
        figures
    }

    fn likelihood_figures(
        &self,
        cell: &Cell,
        units: usize,
        unit: &dyn Fn(u32) -> u32,
        settings: &Settings,
    ) -> Vec<Metric> {
        let kept: Vec<(usize, u32)> =
            self.likelihoods.iter().enumerate().map(|(at, (sample, _))| (at, unit(*sample))).collect();
        let corpus = Corpus { kept: &kept, units, settings };
        let add = |sum: &mut Likelihood, at: usize, times: f64| {
            let one = &self.likelihoods[at].1;
            sum.log_probability += times * one.log_probability;
            sum.tokens += times * one.tokens;
            sum.bytes += times * one.bytes;
        };
        let perplexity = |sum: &Likelihood| (-sum.log_probability / sum.tokens).exp();
        let bits = |sum: &Likelihood| -sum.log_probability / (std::f64::consts::LN_2 * sum.bytes);
        let perplexity = if self.lacks_tokens {
            absent(&define::PERPLEXITY, cell, "some samples have no `tokens`")
        } else {
            corpus.figure(&define::PERPLEXITY, cell, add, perplexity)
        };
        let bits = if self.lacks_bytes {
            absent(&define::BITS_PER_BYTE, cell, "some samples have neither `bytes` nor `text`")
        } else {
            corpus.figure(&define::BITS_PER_BYTE, cell, add, bits)
        };
        vec![perplexity, bits]
    }
}

/// `1 − C(n − c, k) / C(n, k)`: the chance that one of `k` attempts passes, drawn from `n` of which `c` passed
/// (Chen et al. 2021). `k` is at most `n`.
fn pass_at_k(attempts: u32, passed: u32, k: u32) -> f64 {
    if attempts - passed < k {
        return 1.0;
    }
    let fail: f64 = (attempts - passed + 1..=attempts).map(|i| 1.0 - f64::from(k) / f64::from(i)).product();
    1.0 - fail
}

/// Whether the file says that the sample is right: a truth value in `passed`, without attempts and without a label.
pub(super) fn is_right(row: &Row<'_>) -> Option<bool> {
    let has_more = [Field::Attempts, Field::Target, Field::References].iter().any(|field| row.get(*field).is_given());
    match row.get(Field::Passed) {
        _ if has_more => None,
        Value::Bool(is_right) => Some(*is_right),
        Value::Cell(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::Cell(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

pub(crate) fn count(row: &Row<'_>, field: Field) -> Result<Option<u32>, PredictionsError> {
    let Some(number) = row.number(field)? else { return Ok(None) };
    if number.fract().abs() > 0.0 || !(0.0..=f64::from(u32::MAX)).contains(&number) {
        return Err(row.refuse(field, "a whole number that is not negative"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number in the range")]
    let whole = number as u32;
    Ok(Some(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against `1 − C(n − c, k) / C(n, k)` by hand: 1 − C(7, 3) / C(10, 3) = 1 − 35/120.
    #[test]
    fn pass_at_k_is_the_closed_form() {
        assert!((pass_at_k(10, 3, 3) - (1.0 - 35.0 / 120.0)).abs() < 1e-15);
        assert!((pass_at_k(10, 0, 5)).abs() < 1e-15);
        assert!((pass_at_k(10, 8, 5) - 1.0).abs() < 1e-15);
        assert!((pass_at_k(4, 1, 1) - 0.25).abs() < 1e-15);
    }
}
