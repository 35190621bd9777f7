//! Prompts for a cache of whole answers: some come again as they were, some nearly so, some never.

use std::collections::HashSet;

use super::cache::CacheWorkload;
use crate::draws::Draws;
use crate::prompts::{PromptSettings, prompt_of_words};

/// Tries to vary a prompt in a way that was not used before, until a word is added instead.
const TRIES: u32 = 64;

/// What determines the prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReuseSettings {
    /// Prompts in all; at least 1.
    pub requests: u32,
    /// Prompts that come again, as they were or nearly so; at least 1.
    pub pool: u32,
    /// Words of each; at least 1.
    pub words: u32,
    /// Seed of texts and order.
    pub seed: u64,
}

/// The prompts of a workload in their order.
///
/// Repeated ones are drawn from a pool. Similar ones are a prompt of the pool whose form differs (case, white space, signs at its
/// end), and every second time a word without a digit as well; no two are equal. Of mixed ones half are repeated, a quarter similar,
/// a quarter new.
#[must_use]
pub fn reuse_prompts(workload: CacheWorkload, settings: ReuseSettings) -> Vec<String> {
    let ReuseSettings { requests, pool, words, seed } = settings;
    let text = |index: u64| prompt_of_words(words, &PromptSettings { seed, index, ..PromptSettings::default() }).text;
    let pool: Vec<String> = (0..u64::from(pool.max(1))).map(text).collect();
    let mut seen = HashSet::new();
    let mut draws = Draws::new(seed, workload.name(), 0);
    let mut prompts = Vec::new();
    for number in 0..u64::from(requests) {
        let drawn = &pool[draws.position(pool.len())];
        let kind = match (workload, number % 4) {
            (CacheWorkload::Repeated, _) | (CacheWorkload::Mixed, 0 | 2) => CacheWorkload::Repeated,
            (CacheWorkload::Similar, _) | (CacheWorkload::Mixed, 1) => CacheWorkload::Similar,
            (CacheWorkload::Mixed, _) => CacheWorkload::Mixed,
        };
        prompts.push(match kind {
            CacheWorkload::Repeated => drawn.clone(),
            CacheWorkload::Similar => varied(drawn, number, &mut draws, &mut seen),
            // Beyond the pool, so that it comes once.
            CacheWorkload::Mixed => text(u64::from(u32::MAX) + number),
        });
    }
    prompts
}

/// Which of some items is asked for, again and again: the k-th in proportion to 1 / k (Zipf), as models and files are used.
#[must_use]
pub fn reuse_order(items: usize, requests: usize, seed: u64) -> Vec<usize> {
    let weights: Vec<f64> = (1..=items.max(1)).map(|rank| 1.0 / rank as f64).collect();
    let all: f64 = weights.iter().sum();
    let mut draws = Draws::new(seed, "reuse order", 0);
    let mut draw = |_| {
        let mut left = draws.unit() * all;
        let place = weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        place.unwrap_or(0)
    };
    (0..requests).map(&mut draw).collect()
}

/// A prompt that says nearly the same, and that was not sent before.
fn varied(prompt: &str, number: u64, draws: &mut Draws, seen: &mut HashSet<String>) -> String {
    for _ in 0..TRIES {
        let mut words: Vec<String> = prompt.split_whitespace().map(str::to_owned).collect();
        if number % 2 == 1 {
            let plain = |word: &str| word.len() > 2 && word.chars().all(|sign| sign.is_ascii_alphabetic());
            let places: Vec<usize> = (0..words.len()).filter(|place| plain(&words[*place])).collect();
            if !places.is_empty() {
                let (to, from) = (places[draws.position(places.len())], places[draws.position(places.len())]);
                words[to] = words[from].clone();
            }
        }
        let place = draws.position(words.len());
        match draws.below(3) {
            0 => words[place] = words[place].to_uppercase(),
            1 => words[place].push_str("  "),
            _ => words[place].insert(0, '\n'),
        }
        let text = words.join(" ") + ["", ".", " !", "?"][draws.position(4)];
        if text != prompt && seen.insert(text.clone()) {
            return text;
        }
    }
    format!("{prompt} {number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: ReuseSettings = ReuseSettings { requests: 80, pool: 6, words: 40, seed: 7 };

    fn distinct(prompts: &[String]) -> usize {
        prompts.iter().collect::<HashSet<_>>().len()
    }

    #[test]
    fn workloads_come_again_as_they_say() {
        let of = |workload| reuse_prompts(workload, SETTINGS);
        let repeated = of(CacheWorkload::Repeated);
        assert_eq!((repeated.len(), distinct(&repeated)), (80, 6));
        let similar = of(CacheWorkload::Similar);
        assert_eq!(distinct(&similar), 80);
        assert!(similar.iter().all(|text| !repeated.contains(text)));
        let mixed = of(CacheWorkload::Mixed);
        let again = mixed.iter().filter(|text| repeated.contains(text)).count();
        assert_eq!((again, distinct(&mixed)), (40, 40 + 6));
        assert_eq!(of(CacheWorkload::Mixed), mixed);
        let other = ReuseSettings { seed: 8, ..SETTINGS };
        assert_ne!(reuse_prompts(CacheWorkload::Mixed, other), mixed);
    }

    #[test]
    fn a_similar_prompt_keeps_its_numbers() {
        let digits = |text: &str| -> Vec<String> {
            let words = text.split_whitespace().filter(|word| word.contains(|sign: char| sign.is_ascii_digit()));
            words.map(|word| word.trim_end_matches(['.', '?', '!']).to_lowercase()).collect()
        };
        let pool: Vec<Vec<String>> =
            reuse_prompts(CacheWorkload::Repeated, SETTINGS).iter().map(|text| digits(text)).collect();
        for text in reuse_prompts(CacheWorkload::Similar, SETTINGS) {
            assert!(pool.contains(&digits(&text)), "{text}");
        }
    }

    #[test]
    fn the_first_items_are_used_most() {
        let order = reuse_order(4, 1_200, 3);
        let counts: Vec<usize> = (0..4).map(|item| order.iter().filter(|used| **used == item).count()).collect();
        // 1 / k over 1 + 1/2 + 1/3 + 1/4 = 25/12.
        for (count, expected) in counts.iter().zip([576, 288, 192, 144]) {
            assert!(count.abs_diff(expected) < 60, "{counts:?}");
        }
        assert_eq!((reuse_order(1, 2, 0), reuse_order(0, 1, 0)), (vec![0, 0], vec![0]));
    }

    #[test]
    fn the_smallest_settings_make_prompts() {
        let smallest = ReuseSettings { requests: 3, pool: 0, words: 1, seed: 0 };
        for workload in CacheWorkload::ALL {
            let prompts = reuse_prompts(workload, smallest);
            assert!(prompts.len() == 3 && prompts.iter().all(|text| !text.is_empty()), "{workload}");
        }
    }
}
