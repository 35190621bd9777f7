//! How the next token is chosen.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

use crate::event::Likely;
use crate::logits::{log_sum_exp, softmax};
use crate::request::Sampling;

/// Logits that hold a value that is not a number: the weights are damaged, or overflowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("choose a token: the logits are not finite numbers")]
pub struct LogitsError;

/// Chooses the tokens of one generation. The same seed and logits give the same tokens.
#[derive(Debug)]
pub struct Sampler {
    sampling: Sampling,
    random: ChaCha8Rng,
    /// Tokens whose logits are penalized; kept only where there is a penalty.
    seen: BTreeSet<u32>,
    candidates: Vec<Candidate>,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    token: u32,
    probability: f32,
}

impl Sampler {
    /// Starts from the seed. The tokens of the prompt count as seen.
    #[must_use]
    pub fn new(sampling: Sampling, prompt: &[u32]) -> Self {
        let random = ChaCha8Rng::seed_from_u64(sampling.seed);
        let mut sampler = Self { sampling, random, seen: BTreeSet::new(), candidates: Vec::new() };
        prompt.iter().for_each(|&token| sampler.note(token));
        sampler
    }

    /// Chooses a token. Order: repetition penalty, temperature, top-k, then top-p and min-p over what is left. The
    /// logits are changed.
    ///
    /// # Errors
    /// [`LogitsError`] where there is no number to choose by.
    pub fn choose(&mut self, logits: &mut [f32]) -> Result<u32, LogitsError> {
        self.penalize(logits);
        let likeliest = likeliest(logits).ok_or(LogitsError)?;
        let token = if self.sampling.temperature > 0.0 { self.draw(logits, likeliest) } else { likeliest };
        self.note(token);
        Ok(token)
    }

    fn note(&mut self, token: u32) {
        let is_penalized = (self.sampling.repetition_penalty - 1.0).abs() > 0.0;
        if is_penalized {
            self.seen.insert(token);
        }
    }

    /// Source: N. Keskar et al., "CTRL" (2019), with its fix for negative logits.
    fn penalize(&self, logits: &mut [f32]) {
        for &token in &self.seen {
            if let Some(logit) = logits.get_mut(token as usize) {
                let penalty = self.sampling.repetition_penalty;
                *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
            }
        }
    }

    fn draw(&mut self, logits: &mut [f32], likeliest: u32) -> u32 {
        let Sampling { temperature, top_k, top_p, min_p, .. } = self.sampling;
        let scale = 1.0 / temperature;
        let largest = logits[likeliest as usize];
        // Shifted first: a tiny temperature must not overflow.
        logits.iter_mut().for_each(|logit| *logit = (*logit - largest) * scale);
        softmax(logits);
        let least = min_p * logits[likeliest as usize];
        // Without top-k, tokens below this weigh less than `1 - top_p` together: none of them is in the nucleus.
        let floor = if top_k == 0 { (1.0 - top_p) / logits.len() as f32 } else { 0.0 };
        self.candidates.clear();
        for (token, &probability) in (0..).zip(&*logits) {
            // What cannot be drawn must not be what is left when rounding leaves nothing.
            if probability >= floor && probability > 0.0 {
                self.candidates.push(Candidate { token, probability });
            }
        }
        self.keep_likeliest(top_k as usize, top_p);
        self.candidates.retain(|candidate| candidate.probability >= least);
        let random = self.uniform();
        pick(&self.candidates, random).unwrap_or(likeliest)
    }

    /// Applies top-k, and top-p to what it left. Ties go to the lower token, so that the order is total.
    fn keep_likeliest(&mut self, top_k: usize, top_p: f32) {
        let order = |a: &Candidate, b: &Candidate| b.probability.total_cmp(&a.probability).then(a.token.cmp(&b.token));
        let mut kept = 1.0;
        if top_k > 0 {
            if top_k < self.candidates.len() {
                self.candidates.select_nth_unstable_by(top_k - 1, order);
                self.candidates.truncate(top_k);
            }
            kept = total(&self.candidates);
        }
        if top_p < 1.0 {
            self.candidates.sort_unstable_by(order);
            let target = f64::from(top_p) * kept;
            let mut sum = 0.0;
            let below = |candidate: &&Candidate| {
                let is_below = sum < target;
                sum += f64::from(candidate.probability);
                is_below
            };
            let count = self.candidates.iter().take_while(below).count();
            self.candidates.truncate(count.max(1));
        }
        self.candidates.sort_unstable_by_key(|candidate| candidate.token);
    }

    /// A number from 0 to below 1, with the 53 bits that a double has.
    fn uniform(&mut self) -> f64 {
        (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn total(candidates: &[Candidate]) -> f64 {
    candidates.iter().map(|candidate| f64::from(candidate.probability)).sum()
}

/// The candidate at this share of the total; `None` without candidates.
fn pick(candidates: &[Candidate], share: f64) -> Option<u32> {
    let mut left = share * total(candidates);
    for candidate in candidates {
        left -= f64::from(candidate.probability);
        if left < 0.0 {
            return Some(candidate.token);
        }
    }
    candidates.last().map(|candidate| candidate.token)
}

/// The token with the largest logit, the lowest of equals; `None` where a logit is not a finite number.
#[must_use]
pub fn likeliest(logits: &[f32]) -> Option<u32> {
    let is_finite = logits.iter().all(|logit| logit.is_finite());
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, |a, b| if b > a { b } else { a });
    let place = logits.iter().position(|&logit| logit >= largest)?;
    u32::try_from(place).ok().filter(|_| is_finite)
}

/// Natural log-probability of a token under these logits.
#[must_use]
pub fn log_probability(logits: &[f32], token: u32) -> f64 {
    f64::from(logits[token as usize]) - log_sum_exp(logits)
}

/// The likeliest tokens under these logits with their log-probabilities, the likeliest first, the lower of equals before the higher;
/// `count` of them, or all.
#[must_use]
pub fn likeliest_tokens(logits: &[f32], count: usize) -> Vec<Likely> {
    let count = count.min(logits.len());
    if count == 0 {
        return Vec::new();
    }
    // By insertion: counts are small, and few of the tokens that come later are likelier than what is held.
    let mut best: Vec<(f32, u32)> = Vec::with_capacity(count + 1);
    for (token, &logit) in (0..).zip(logits) {
        if best.len() == count && best[count - 1].0 >= logit {
            continue;
        }
        let place = best.partition_point(|(other, _)| *other >= logit);
        best.insert(place, (logit, token));
        best.truncate(count);
    }
    let total = log_sum_exp(logits);
    #[expect(clippy::cast_possible_truncation, reason = "frames carry single precision")]
    let likely = |(logit, token)| Likely { token, log_probability: (f64::from(logit) - total) as f32 };
    best.into_iter().map(likely).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 6] = [1.0, 3.0, 2.0, -1.0, 2.5, 0.0];

    /// Share of each token among many draws.
    fn shares(sampling: &Sampling) -> [f64; 6] {
        const DRAWS: u32 = 20_000;
        let mut sampler = Sampler::new(Sampling { temperature: 1.0, ..sampling.clone() }, &[]);
        let mut shares = [0.0; 6];
        for _ in 0..DRAWS {
            shares[sampler.choose(&mut LOGITS.clone()).unwrap() as usize] += 1.0 / f64::from(DRAWS);
        }
        shares
    }

    /// Expected shares of the tokens that are kept.
    fn expected(kept: &[usize]) -> [f64; 6] {
        let total: f64 = kept.iter().map(|&token| f64::from(LOGITS[token]).exp()).sum();
        std::array::from_fn(|token| if kept.contains(&token) { f64::from(LOGITS[token]).exp() / total } else { 0.0 })
    }

    #[test]
    fn draws_follow_the_distribution_that_is_left() {
        let check = |sampling: Sampling, kept: &[usize]| {
            for (found, expected) in shares(&sampling).iter().zip(expected(kept)) {
                assert!((found - expected).abs() < 0.015, "{found} for {expected} with {sampling:?}");
                assert_eq!(*found > 0.0, expected > 0.0, "{sampling:?}");
            }
        };
        let plain = Sampling::default;
        check(plain(), &[0, 1, 2, 3, 4, 5]);
        check(Sampling { top_k: 2, ..plain() }, &[1, 4]);
        check(Sampling { top_k: 100, ..plain() }, &[0, 1, 2, 3, 4, 5]);
        // The three likeliest hold 0.45, 0.27 and 0.17 of the probability.
        check(Sampling { top_p: 0.5, ..plain() }, &[1, 4]);
        check(Sampling { top_p: 0.01, ..plain() }, &[1]);
        check(Sampling { min_p: 0.3, ..plain() }, &[1, 2, 4]);
        check(Sampling { min_p: 1.0, ..plain() }, &[1]);
        check(Sampling { top_k: 3, top_p: 0.9, ..plain() }, &[1, 2, 4]);
    }

    #[test]
    fn zero_temperature_takes_the_likeliest_and_ties_the_lower() {
        let mut sampler = Sampler::new(Sampling::default(), &[]);
        assert_eq!(sampler.choose(&mut LOGITS.clone()), Ok(1));
        assert_eq!(sampler.choose(&mut [0.5, 2.0, 2.0]), Ok(1));
    }

    #[test]
    fn seen_tokens_are_penalized() {
        let sampling = Sampling { repetition_penalty: 2.0, ..Sampling::default() };
        let mut sampler = Sampler::new(sampling, &[1]);
        let chosen: Vec<u32> = (0..3).map(|_| sampler.choose(&mut LOGITS.clone()).unwrap()).collect();
        assert_eq!(chosen, [4, 2, 1]);
    }

    #[test]
    fn the_seed_decides() {
        let draws = |seed| {
            let mut sampler = Sampler::new(Sampling { temperature: 2.0, seed, ..Sampling::default() }, &[]);
            (0..50).map(|_| sampler.choose(&mut LOGITS.clone()).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
    }

    #[test]
    fn a_tiny_temperature_does_not_overflow() {
        let mut sampler = Sampler::new(Sampling { temperature: f32::MIN_POSITIVE, ..Sampling::default() }, &[]);
        assert_eq!(sampler.choose(&mut LOGITS.clone()), Ok(1));
    }

    #[test]
    fn logits_that_are_no_numbers_are_an_error() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut sampler = Sampler::new(Sampling::default(), &[]);
            assert_eq!(sampler.choose(&mut [1.0, bad, 2.0]), Err(LogitsError));
        }
    }

    #[test]
    fn the_likeliest_come_first_and_ties_go_to_the_lower() {
        let check = |logits: &[f32], count: usize, expected: &[u32]| {
            let found = likeliest_tokens(logits, count);
            assert_eq!(found.iter().map(|likely| likely.token).collect::<Vec<_>>(), expected, "{logits:?}");
            for likely in found {
                assert!((f64::from(likely.log_probability) - log_probability(logits, likely.token)).abs() < 1e-6);
            }
        };
        check(&LOGITS, 0, &[]);
        check(&LOGITS, 1, &[1]);
        check(&LOGITS, 3, &[1, 4, 2]);
        check(&LOGITS, 99, &[1, 4, 2, 0, 5, 3]);
        check(&[2.0, 3.0, 3.0, 2.0, 2.0], 3, &[1, 2, 0]);
    }

    #[test]
    fn log_probabilities_sum_to_one() {
        let sum: f64 = (0..6).map(|token| log_probability(&LOGITS, token).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6);
    }
}
