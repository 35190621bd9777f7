//! A prefix cache of known effect, so that a cache benchmark has a truth to find.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Words of a block: as in servers, only whole blocks are found again.
const BLOCK_WORDS: u32 = 16;

/// Blocks kept; a cache that is full forgets all, which is enough for a script.
const MOST_BLOCKS: usize = 1 << 20;

/// The beginnings of the prompts seen so far.
#[derive(Debug, Default)]
pub struct PrefixCache {
    /// Hashes of prompts up to the end of each block.
    seen: Mutex<HashSet<u64>>,
}

impl PrefixCache {
    /// How many words of a prompt, whole blocks from its beginning, were seen before; from now on all of them are.
    #[must_use]
    pub fn look_up(&self, prompt: &str) -> u32 {
        let words: Vec<&str> = prompt.split_whitespace().collect();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST_BLOCKS {
            seen.clear();
        }
        let mut hasher = DefaultHasher::new();
        let (mut found, mut is_known) = (0, true);
        for block in words.chunks_exact(BLOCK_WORDS as usize) {
            block.hash(&mut hasher);
            is_known &= !seen.insert(hasher.finish());
            if is_known {
                found += BLOCK_WORDS;
            }
        }
        found
    }
}

/// Time to the first frame of a prompt of which `cached` words of `input` were found: the share `left` (per cent) of the
/// whole time for what was found, all of it for the rest.
#[must_use]
pub fn cached_ttft(ttft: Duration, left: u32, cached: u32, input: u32) -> Duration {
    let share = f64::from(cached.min(input)) / f64::from(input.max(1));
    ttft.mul_f64(1.0 - share * (1.0 - f64::from(left.min(100)) / 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_blocks_from_the_beginning_are_found_again() {
        let cache = PrefixCache::default();
        let prompt = |words: std::ops::Range<u32>| words.map(|word| format!("w{word} ")).collect::<String>();
        let check = |prompt: &str, expected| assert_eq!(cache.look_up(prompt), expected, "{prompt}");
        check(&prompt(0..40), 0);
        check(&prompt(0..40), 32);
        check(&prompt(0..20), 16);
        check(&format!("{}{}", prompt(0..16), prompt(90..130)), 16);
        check(&prompt(1..40), 0);
        check("", 0);
    }

    #[test]
    fn what_was_found_takes_its_share_of_the_time() {
        let check = |left, cached, input, expected| {
            let found = cached_ttft(Duration::from_millis(100), left, cached, input);
            assert_eq!(found, Duration::from_millis(expected), "{left} {cached}/{input}");
        };
        check(20, 0, 64, 100);
        check(20, 64, 64, 20);
        check(20, 32, 64, 60);
        check(100, 64, 64, 100);
        check(20, 80, 64, 20);
        check(20, 0, 0, 100);
    }
}
