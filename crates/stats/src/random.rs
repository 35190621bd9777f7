//! The generator behind every resampling: xoshiro256++ seeded through splitmix64.
//!
//! Both are by Blackman and Vigna (public domain, <https://prng.di.unimi.it>). They are written out here because forty
//! lines are cheaper than a dependency, and because a stored seed must give the same interval for years.

/// A fair coin: whether the first toss of a seed shows heads.
#[must_use]
pub fn coin(seed: u64) -> bool {
    Random::stream(seed, 0).below(2) == 1
}

/// A seeded stream of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: [u64; 4],
}

impl Random {
    /// Opens stream number `index` of a seed. Streams of one seed are independent for every practical purpose.
    pub(crate) fn stream(seed: u64, index: u64) -> Self {
        let mut seeder = SplitMix { state: seed };
        let mut seeder = SplitMix { state: seeder.next() ^ index };
        Self { state: std::array::from_fn(|_| seeder.next()) }
    }

    pub(crate) fn next(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// A whole number below `limit`, without bias beyond 2⁻⁶⁴·limit (multiply and shift, Lemire 2019). `limit` ≥ 1.
    #[expect(clippy::cast_possible_truncation, reason = "the high half of the product is below `limit`, a usize")]
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.next()) * limit as u128) >> 64) as usize
    }

    /// A number in [0, 1), in steps of 2⁻⁵³.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

struct SplitMix {
    state: u64,
}

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First outputs of the reference C program `xoshiro256plusplus.c` from the state {1, 2, 3, 4}.
    #[test]
    fn xoshiro_equals_its_reference() {
        let mut random = Random { state: [1, 2, 3, 4] };
        let expected = [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386];
        assert_eq!(expected.map(|_| random.next()), expected);
    }

    /// First outputs of the reference C program `splitmix64.c` from the state 1234567.
    #[test]
    fn splitmix_equals_its_reference() {
        let mut seeder = SplitMix { state: 1_234_567 };
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(expected.map(|_| seeder.next()), expected);
    }

    #[test]
    fn below_is_even_and_in_range() {
        let mut random = Random::stream(7, 0);
        let mut counts = [0_u32; 5];
        for _ in 0..50_000 {
            counts[random.below(5)] += 1;
        }
        assert!(counts.iter().all(|&count| count.abs_diff(10_000) < 400), "{counts:?}");
    }

    #[test]
    fn streams_differ() {
        assert_ne!(Random::stream(7, 0).next(), Random::stream(7, 1).next());
        assert_ne!(Random::stream(7, 0).next(), Random::stream(8, 0).next());
    }
}
