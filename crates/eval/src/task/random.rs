//! The random generator of Python's `random` module, so that few-shot examples are those that lm-eval draws.
//!
//! Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998), seeded and drawn from as CPython 3 does.

use std::collections::HashSet;

const STATE: usize = 624;
const PERIOD: usize = 397;

/// Python's `random.Random(seed)`, as far as sampling needs it.
#[derive(Clone)]
pub struct PythonRandom {
    state: [u32; STATE],
    next: usize,
}

impl std::fmt::Debug for PythonRandom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PythonRandom").field("next", &self.next).finish_non_exhaustive()
    }
}

impl PythonRandom {
    /// Seeds the generator with an integer; Python takes its absolute value.
    #[must_use]
    pub fn new(seed: i64) -> Self {
        let bytes = seed.unsigned_abs().to_le_bytes();
        let (low, high) = bytes.split_at(4);
        let word = |part: &[u8]| part.iter().rev().fold(0_u32, |word, &byte| word << 8 | u32::from(byte));
        let (low, high) = (word(low), word(high));
        if high == 0 { Self::from_words(&[low]) } else { Self::from_words(&[low, high]) }
    }

    /// `init_by_array` of the reference implementation.
    fn from_words(key: &[u32]) -> Self {
        let mut random = Self::from_word(19_650_218);
        let state = &mut random.state;
        let (mut i, mut j) = (1, 0);
        for _ in 0..STATE.max(key.len()) {
            let mixed = (state[i - 1] ^ state[i - 1] >> 30).wrapping_mul(1_664_525);
            state[i] = (state[i] ^ mixed).wrapping_add(key[j]).wrapping_add(index_word(j));
            i += 1;
            j = (j + 1) % key.len();
            if i >= STATE {
                state[0] = state[STATE - 1];
                i = 1;
            }
        }
        for _ in 1..STATE {
            let mixed = (state[i - 1] ^ state[i - 1] >> 30).wrapping_mul(1_566_083_941);
            state[i] = (state[i] ^ mixed).wrapping_sub(index_word(i));
            i += 1;
            if i >= STATE {
                state[0] = state[STATE - 1];
                i = 1;
            }
        }
        state[0] = 0x8000_0000;
        random
    }

    fn from_word(seed: u32) -> Self {
        let mut state = [0; STATE];
        state[0] = seed;
        for i in 1..STATE {
            let before: u32 = state[i - 1];
            state[i] = 1_812_433_253_u32.wrapping_mul(before ^ before >> 30).wrapping_add(index_word(i));
        }
        Self { state, next: STATE }
    }

    fn word(&mut self) -> u32 {
        if self.next >= STATE {
            self.twist();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= word << 7 & 0x9d2c_5680;
        word ^= word << 15 & 0xefc6_0000;
        word ^ word >> 18
    }

    fn twist(&mut self) {
        for i in 0..STATE {
            let joined = self.state[i] & 0x8000_0000 | self.state[(i + 1) % STATE] & 0x7fff_ffff;
            let odd = if joined & 1 == 0 { 0 } else { 0x9908_b0df };
            self.state[i] = self.state[(i + PERIOD) % STATE] ^ joined >> 1 ^ odd;
        }
        self.next = 0;
    }

    /// `random()`: 53 bits in [0, 1).
    pub fn random(&mut self) -> f64 {
        let (high, low) = (self.word() >> 5, self.word() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// `getrandbits(count)` for up to 64 bits: words come lowest first, the last one cut from its top.
    fn bits(&mut self, count: u32) -> u64 {
        match count {
            0 => 0,
            1..=32 => u64::from(self.word() >> (32 - count)),
            _ => {
                let low = u64::from(self.word());
                low | u64::from(self.word() >> (64 - count)) << 32
            }
        }
    }

    /// `randrange(limit)`: 0 to `limit - 1`; 0 for a limit of 0.
    pub fn below(&mut self, limit: usize) -> usize {
        if limit == 0 {
            return 0;
        }
        let count = usize::BITS - limit.leading_zeros();
        loop {
            // Below the limit it fits.
            let drawn = usize::try_from(self.bits(count)).unwrap_or(usize::MAX);
            if drawn < limit {
                return drawn;
            }
        }
    }

    /// `shuffle(items)`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i + 1);
            items.swap(i, j);
        }
    }

    /// `sample(range(population), count)`; at most as many as there are.
    pub fn sample(&mut self, population: usize, count: usize) -> Vec<usize> {
        let count = count.min(population);
        if population <= pool_limit(count) {
            let mut pool: Vec<usize> = (0..population).collect();
            let draw = |drawn: usize| {
                let j = self.below(population - drawn);
                let chosen = pool[j];
                pool[j] = pool[population - drawn - 1];
                chosen
            };
            return (0..count).map(draw).collect();
        }
        let mut taken = HashSet::with_capacity(count);
        let draw = |_| {
            loop {
                let j = self.below(population);
                if taken.insert(j) {
                    return j;
                }
            }
        };
        (0..count).map(draw).collect()
    }
}

/// The population up to which Python keeps a list instead of a set: `21 + 4 ** ceil(log(3 k, 4))` above five.
fn pool_limit(count: usize) -> usize {
    let mut limit: usize = 1;
    if count <= 5 {
        return 21;
    }
    while limit < count.saturating_mul(3) {
        limit = limit.saturating_mul(4);
    }
    limit.saturating_add(21)
}

/// Indices of the state, far below 2^32.
fn index_word(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Vectors: CPython 3.11.7, `random.Random(seed)`, printed by `getrandbits(32)`, `random()`, `randrange(n)`,
    // `sample(range(n), k)` and `shuffle(list(range(20)))`.

    #[test]
    fn words_are_pythons() {
        let check = |seed, expected: [u64; 4]| {
            let mut random = PythonRandom::new(seed);
            assert_eq!([(); 4].map(|()| random.bits(32)), expected, "seed {seed}");
        };
        check(0, [3_626_764_237, 1_654_615_998, 3_255_389_356, 3_823_568_514]);
        check(1234, [4_150_886_329, 3_342_196_574, 1_892_932_127, 501_869_158]);
        check(-1234, [4_150_886_329, 3_342_196_574, 1_892_932_127, 501_869_158]);
        check((1 << 40) + 7, [2_635_837_658, 3_209_733_218, 3_500_038_837, 4_028_389_051]);
    }

    #[test]
    fn numbers_are_pythons() {
        let mut random = PythonRandom::new(1234);
        let expected: [f64; 3] = [0.966_453_535_692_138_8, 0.440_732_599_175_352_7, 0.007_491_470_058_587_191];
        assert_eq!([(); 3].map(|()| random.random().to_bits()), expected.map(f64::to_bits));
        let mut random = PythonRandom::new(1234);
        let limits = [1, 2, 3, 10, 1000, 1 << 31, 1 << 33];
        assert_eq!(limits.map(|limit| random.below(limit)), [0, 0, 0, 1, 932, 150_006_740, 360_511_942]);
    }

    #[test]
    fn samples_are_pythons() {
        let check = |population, count, expected: &[usize]| {
            assert_eq!(PythonRandom::new(1234).sample(population, count), expected, "{count} of {population}");
        };
        check(3, 2, &[1, 0]);
        check(100, 5, &[99, 56, 14, 0, 11]);
        check(1000, 5, &[989, 796, 451, 119, 7]);
        check(8, 8, &[7, 0, 6, 5, 4, 2, 3, 1]);
        check(50, 10, &[49, 28, 7, 0, 5, 37, 2, 42, 45, 6]);
        check(85, 6, &[56, 14, 0, 11, 74, 4]);
        check(86, 6, &[56, 14, 0, 11, 74, 4]);
        let many = [
            6374, 3610, 957, 61, 742, 7462, 6610, 4769, 286, 5501, 5677, 687, 806, 6279, 2905, 1939, 142, 252, 6461,
            129, 2835, 5311, 5105, 3966, 5044,
        ];
        check(7473, 25, &many);
        let mut random = PythonRandom::new(1234);
        random.sample(1000, 5);
        assert_eq!(random.sample(1000, 5), [92, 932, 965, 961, 826]);
    }

    #[test]
    fn a_shuffle_is_pythons() {
        let mut items: Vec<usize> = (0..20).collect();
        PythonRandom::new(1234).shuffle(&mut items);
        assert_eq!(items, [19, 13, 4, 9, 16, 7, 6, 8, 17, 18, 5, 12, 15, 11, 10, 1, 2, 0, 3, 14]);
    }

    #[test]
    fn nothing_to_draw_from_is_no_loop() {
        let mut random = PythonRandom::new(1);
        assert_eq!((random.below(0), random.sample(0, 3), random.sample(2, 9).len()), (0, vec![], 2));
    }
}
