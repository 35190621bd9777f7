//! Texts that are nearly equal to one that was answered: opt-in, because near is not equal.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::key::Key;

/// Words of a feature.
const GRAM: usize = 3;
/// Bands of a hash, each a byte of it: two hashes that differ in fewer bits than there are bands are equal in one of them.
const BANDS: u8 = 8;
/// Bits of a hash.
const BITS: u32 = 64;
/// Words that turn a meaning around, in English and German. The `t` is what punctuation leaves of `don't`.
const NEGATIONS: [&str; 12] =
    ["not", "no", "never", "none", "nor", "without", "cannot", "t", "nicht", "kein", "keine", "ohne"];
/// Most texts of one band that are compared, the latest first: texts of one mold all share bands.
const CANDIDATES: usize = 1_024;

/// How near is near.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NearSettings {
    /// Most bits, of 64, that hashes may differ by; at most 7, up to which every such text is found.
    pub most_distance: u32,
    /// Most texts that are known; the oldest go first.
    pub most_entries: usize,
}

impl NearSettings {
    /// Texts whose hashes are equal in at least this share of their bits; `None` for a share that is not above 0.875 and at most 1.
    #[must_use]
    pub fn at_least(share: f64) -> Option<Self> {
        let most_distance = (0..u32::from(BANDS)).rev().find(|bits| similarity(*bits) >= share)?;
        let least = similarity(u32::from(BANDS));
        (share > least && share <= 1.0).then(|| Self { most_distance, ..Self::default() })
    }
}

impl Default for NearSettings {
    fn default() -> Self {
        Self { most_distance: 3, most_entries: 100_000 }
    }
}

/// A text that is near.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NearHit {
    /// Under which key its answer was kept.
    pub key: Key,
    /// Bits that the hashes differ by; 0 also for texts that differ only in case, white space and punctuation.
    pub distance: u32,
}

impl NearHit {
    /// The share of the bits that are equal.
    #[must_use]
    pub fn similarity(&self) -> f64 {
        similarity(self.distance)
    }
}

fn similarity(distance: u32) -> f64 {
    1.0 - f64::from(distance) / f64::from(BITS)
}

/// What lookups of near texts found; they are counted apart from those of equal requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct NearReport {
    /// Lookups.
    pub lookups: u64,
    /// Those that found a text; its answer may be gone.
    pub hits: u64,
    /// Texts that are known.
    pub entries: u64,
}

/// Texts by SimHash, for many threads.
///
/// A scope is the digest of all that must be equal: model, parameters and, where texts have labels, the label. Texts of two scopes
/// never meet, nor do texts whose words with digits, or whose negations, differ: another number is another question.
#[derive(Debug)]
pub struct Near {
    settings: NearSettings,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Entry>,
    /// The number of the first entry; they are numbered as they come.
    first: u64,
    /// Numbers of entries by scope, band and its bits.
    bands: HashMap<(Key, u8, u8), VecDeque<u64>>,
    lookups: u64,
    hits: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    scope: Key,
    print: Print,
    key: Key,
}

/// What is known of a text.
#[derive(Debug, Clone, Copy)]
struct Print {
    hash: u64,
    /// A hash of the words that must be equal.
    fixed: u64,
}

impl Print {
    fn of(text: &str) -> Option<Self> {
        let normal = normalize(text);
        let hash = hash_of(&normal)?;
        let is_fixed = |word: &&str| NEGATIONS.contains(word) || word.contains(|sign: char| sign.is_ascii_digit());
        let fixed: Vec<&str> = normal.split(' ').filter(is_fixed).collect();
        Some(Self { hash, fixed: mix(&fixed) })
    }
}

impl Near {
    /// Knows no text.
    #[must_use]
    pub fn new(settings: NearSettings) -> Self {
        Self { settings, state: Mutex::default() }
    }

    /// Notes that the answer to a text is kept under a key. A text without words is not noted.
    pub fn insert(&self, scope: Key, text: &str, key: Key) {
        if let Some(print) = Print::of(text) {
            self.insert_print(Entry { scope, print, key });
        }
    }

    /// The nearest text of a scope; of equally near ones the latest.
    #[must_use]
    pub fn find(&self, scope: Key, text: &str) -> Option<NearHit> {
        let found = Print::of(text).and_then(|print| self.find_print(scope, print));
        let mut state = self.state();
        state.lookups += 1;
        state.hits += u64::from(found.is_some());
        found
    }

    /// What lookups found.
    #[must_use]
    pub fn report(&self) -> NearReport {
        let state = self.state();
        NearReport { lookups: state.lookups, hits: state.hits, entries: state.entries.len() as u64 }
    }

    fn insert_print(&self, entry: Entry) {
        let mut state = self.state();
        let state = &mut *state;
        let number = state.first + state.entries.len() as u64;
        state.entries.push_back(entry);
        for band in 0..BANDS {
            state.bands.entry((entry.scope, band, bits(entry.print.hash, band))).or_default().push_back(number);
        }
        while state.entries.len() > self.settings.most_entries {
            let Some(oldest) = state.entries.pop_front() else { return };
            state.first += 1;
            for band in 0..BANDS {
                let name = (oldest.scope, band, bits(oldest.print.hash, band));
                if let Some(numbers) = state.bands.get_mut(&name) {
                    // It is the oldest of every band as well.
                    numbers.pop_front();
                    if numbers.is_empty() {
                        state.bands.remove(&name);
                    }
                }
            }
        }
    }

    fn find_print(&self, scope: Key, print: Print) -> Option<NearHit> {
        let state = self.state();
        let numbers = (0..BANDS).filter_map(|band| state.bands.get(&(scope, band, bits(print.hash, band))));
        let numbers = numbers.flat_map(|numbers| numbers.iter().rev().take(CANDIDATES));
        let near = numbers.filter_map(|number| {
            let entry = state.entries.get(usize::try_from(number - state.first).ok()?)?;
            let distance = (entry.print.hash ^ print.hash).count_ones();
            let is_near = distance <= self.settings.most_distance.min(u32::from(BANDS) - 1);
            (is_near && entry.print.fixed == print.fixed).then_some((distance, *number, entry.key))
        });
        let (distance, _, key) = near.min_by_key(|(distance, number, _)| (*distance, std::cmp::Reverse(*number)))?;
        Some(NearHit { key, distance })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bits(hash: u64, band: u8) -> u8 {
    hash.to_le_bytes()[usize::from(band)]
}

/// A text in lower case, its words apart by one space, without punctuation. What changes a meaning stays: symbols such as `<`, and a
/// sign or point before a digit.
#[must_use]
pub fn normalize(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        let is_of_number = matches!(sign, '-' | '.' | ',') && signs.peek().is_some_and(char::is_ascii_digit);
        let is_symbol = matches!(sign, '$' | '+' | '<' | '=' | '>' | '^' | '|' | '~');
        let is_punctuation = (sign.is_ascii_punctuation() && !is_symbol)
            || matches!(sign, '\u{2010}'..='\u{2027}' | '\u{3001}'..='\u{301f}');
        if is_of_number || !(is_punctuation || sign.is_whitespace() || sign.is_control()) {
            normal.extend(sign.to_lowercase());
        } else if !normal.is_empty() && !normal.ends_with(' ') {
            normal.push(' ');
        }
    }
    normal.truncate(normal.trim_end().len());
    normal
}

/// SimHash of 64 bits over the runs of three words of a normalized text: each bit is what most of them have. `None` without words.
///
/// M. Charikar, "Similarity estimation techniques from rounding algorithms" (2002).
#[must_use]
pub fn simhash(text: &str) -> Option<u64> {
    hash_of(&normalize(text))
}

fn hash_of(normal: &str) -> Option<u64> {
    let words: Vec<&str> = normal.split(' ').filter(|word| !word.is_empty()).collect();
    let mut votes = [0_i64; 64];
    for gram in words.windows(GRAM.min(words.len()).max(1)) {
        let hash = mix(gram);
        for (bit, vote) in votes.iter_mut().enumerate() {
            *vote += if hash >> bit & 1 == 1 { 1 } else { -1 };
        }
    }
    let hash = votes.iter().enumerate().fold(0, |hash, (bit, vote)| hash | u64::from(*vote > 0) << bit);
    (!words.is_empty()).then_some(hash)
}

/// A fixed hash, the same in every process: FNV-1a, then a finalizer, because its upper bits are weak.
fn mix(words: &[&str]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for word in words {
        for byte in word.bytes().chain([b' ']) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::{prop_assert, prop_assert_eq};

    use super::*;

    fn key(number: u64) -> Key {
        Key::of(&number).unwrap()
    }

    fn near(most_entries: usize) -> Near {
        Near::new(NearSettings { most_entries, ..NearSettings::default() })
    }

    #[test]
    fn texts_are_normalized() {
        let check = |text, expected| assert_eq!(normalize(text), expected);
        check("  Is this  an ATTACK?!\n", "is this an attack");
        check("“Straße” — x", "straße x");
        check("a < b, a > b", "a < b a > b");
        check("-5 or 3.5, not 5. 1,000", "-5 or 3.5 not 5 1,000");
        check(" ?! ", "");
    }

    #[test]
    fn only_the_flag_makes_a_similar_text_a_hit() {
        let long = "The service on host 10.0.0.7 failed a login for user admin from address 192.168.1.9, which the policy \
                    of the site forbids at night; the operator has seen eleven of those within one hour and asks whether \
                    this is an attack or a forgotten password, and what should be done about it before the morning.";
        let near = near(10);
        near.insert(key(0), long, key(1));
        let same = long.to_uppercase().replace(", ", " -  ");
        assert_eq!(near.find(key(0), &same), Some(NearHit { key: key(1), distance: 0 }));
        // Another scope: another label, model or parameter.
        assert_eq!(near.find(key(9), &same), None);
        assert_eq!(near.find(key(0), "The weather is fine today, and nobody failed to log in."), None);
        assert_eq!(near.find(key(0), " ?! "), None);
        assert_eq!(near.report(), NearReport { lookups: 4, hits: 1, entries: 1 });
    }

    #[test]
    fn of_short_texts_each_word_counts() {
        let near = near(10);
        near.insert(key(0), "What is 2 + 2?", key(1));
        assert_eq!(near.find(key(0), "What is 2 + 3?"), None);
        assert_eq!(near.find(key(0), "what is 2 + 2").map(|hit| hit.key), Some(key(1)));
    }

    #[test]
    fn another_number_or_a_negation_is_another_question_however_long_the_text() {
        let long = "the service on the host failed a login for user admin from an address which the policy of the site forbids \
                    at night and the operator has seen 11 of those within one hour and asks whether this is an attack or a \
                    forgotten password and what should be done about it before the morning comes to the team of the site "
            .repeat(3);
        let near = Near::new(NearSettings::at_least(0.9).unwrap());
        near.insert(key(0), &long, key(1));
        let found = |from: &str, to: &str| near.find(key(0), &long.replacen(from, to, 1)).map(|hit| hit.key);
        assert_eq!(found("team", "crew"), Some(key(1)));
        assert_eq!(found("seen 11", "seen 12"), None);
        assert_eq!(found("this is an attack", "this is not an attack"), None);
        assert_eq!(found("policy", "policy 7"), None);
    }

    #[test]
    fn a_share_of_bits_is_a_distance() {
        let check = |share, expected| {
            assert_eq!(NearSettings::at_least(share).map(|settings| settings.most_distance), expected, "{share}");
        };
        check(1.0, Some(0));
        check(0.99, Some(0));
        check(0.95, Some(3));
        check(0.9, Some(6));
        check(0.88, Some(7));
        check(0.875, None);
        check(1.01, None);
        check(f64::NAN, None);
    }

    proptest::proptest! {
        /// Every hash within the distance is found, none beyond it, and the nearest first.
        #[test]
        fn all_within_the_distance_are_found(hash: u64, flips in vec(0_u32..64, 0..12), others in vec(0_u64.., 0..50)) {
            let near = Near::new(NearSettings { most_distance: 7, most_entries: 1_000 });
            let print = |hash| Print { hash, fixed: 0 };
            for (number, other) in (2..).zip(&others) {
                near.insert_print(Entry { scope: key(0), print: print(*other), key: key(number) });
            }
            near.insert_print(Entry { scope: key(0), print: print(hash), key: key(1) });
            let asked = flips.iter().fold(hash, |hash, bit| hash ^ 1 << bit);
            let all = others.iter().chain([&hash]).map(|known| (known ^ asked).count_ones());
            let expected = all.min().filter(|distance| *distance <= 7);
            prop_assert_eq!(near.find_print(key(0), print(asked)).map(|hit| hit.distance), expected);
            prop_assert_eq!(near.find_print(key(5), print(asked)), None);
        }

        /// The oldest go, with all that is known of them.
        #[test]
        fn the_bound_holds(hashes in vec(0_u64..8, 1..60)) {
            let near = near(5);
            let print = |hash| Print { hash, fixed: 0 };
            for (number, hash) in (0..).zip(&hashes) {
                near.insert_print(Entry { scope: key(0), print: print(*hash), key: key(number) });
                let state = near.state();
                let listed: usize = state.bands.values().map(VecDeque::len).sum();
                prop_assert!(state.entries.len() <= 5 && listed == 8 * state.entries.len());
            }
            let last = hashes.len() - 1;
            prop_assert_eq!(near.find_print(key(0), print(hashes[last])), Some(NearHit { key: key(last as u64), distance: 0 }));
        }

        #[test]
        fn any_text_has_a_hash_that_its_form_does_not_change(text in "\\PC{0,60}") {
            let normal = normalize(&text);
            prop_assert_eq!(simhash(&text).is_some(), !normal.is_empty());
            prop_assert_eq!(normalize(&normal), normal);
        }
    }
}
