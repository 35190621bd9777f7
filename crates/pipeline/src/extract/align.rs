//! Where a quoted text stands in a chunk: letter for letter, but for its marks, or word by word.

use std::ops::Range;

use super::Alignment;
use crate::words::{Word, words};

/// Words of a quotation that are compared; what is longer is compared by its first ones.
const QUOTE_WORDS: usize = 400;
/// Places in the chunk around which a fuzzy match is looked for.
const PLACES: usize = 16;

/// From when on a fuzzy match is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlignmentLimits {
    /// Least share of the quotation's words.
    pub coverage: f64,
    /// Least share of the words between the first and the last that were met.
    pub density: f64,
}

/// Finds quotations in one chunk.
#[derive(Debug)]
pub struct Aligner<'a> {
    text: &'a str,
    /// Letters and figures of the text in lower case, and the byte of each.
    letters: String,
    places: Vec<usize>,
    words: Vec<Word>,
}

impl<'a> Aligner<'a> {
    /// Prepares a chunk's text.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        let (letters, places) = letters_of(text);
        Self { text, letters, places, words: words(text) }
    }

    /// Where a quotation stands. Of several places the first at or after `near` is taken, else the first.
    #[must_use]
    pub fn find(&self, quote: &str, near: usize, limits: AlignmentLimits) -> Option<(Range<usize>, Alignment)> {
        let quote = quote.trim();
        if quote.is_empty() {
            return None;
        }
        let after = self.text.get(near..).and_then(|rest| rest.find(quote)).map(|at| near + at);
        if let Some(start) = after.or_else(|| self.text.find(quote)) {
            return Some((start..start + quote.len(), Alignment::Exact));
        }
        self.find_normalized(quote, near)
            .map(|range| (range, Alignment::Normalized))
            .or_else(|| self.find_fuzzy(quote, limits))
    }

    fn find_normalized(&self, quote: &str, near: usize) -> Option<Range<usize>> {
        let (letters, _) = letters_of(quote);
        if letters.is_empty() {
            return None;
        }
        let hits = self.letters.match_indices(&letters).map(|(at, _)| {
            let (first, last) = (self.places[at], self.places[at + letters.len() - 1]);
            let width = self.text[last..].chars().next().map_or(1, char::len_utf8);
            first..last + width
        });
        // Letters of two words may meet by chance: a match begins and ends where words do.
        let mut hits: Vec<Range<usize>> = hits.take(PLACES).filter(|range| self.is_whole(range)).collect();
        let at = hits.iter().position(|range| range.start >= near).unwrap_or(0);
        (!hits.is_empty()).then(|| hits.swap_remove(at))
    }

    fn is_whole(&self, range: &Range<usize>) -> bool {
        let joins = |one: Option<char>, two: Option<char>| {
            one.is_some_and(char::is_alphanumeric) && two.is_some_and(char::is_alphanumeric)
        };
        let inner = &self.text[range.clone()];
        !joins(self.text[..range.start].chars().next_back(), inner.chars().next())
            && !joins(inner.chars().next_back(), self.text[range.end..].chars().next())
    }

    /// The longest common subsequence of words, in windows around the rarest words of the quotation.
    fn find_fuzzy(&self, quote: &str, limits: AlignmentLimits) -> Option<(Range<usize>, Alignment)> {
        let mut wanted = words(quote);
        wanted.truncate(QUOTE_WORDS);
        if wanted.len() < 3 {
            return None;
        }
        let reach = (wanted.len() as f64 / limits.density.max(0.05)).ceil();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 400 words over 0.05")]
        let reach = reach as usize;
        let mut best: Option<(Range<usize>, f64, f64)> = None;
        for (place, offset) in self.rare_places(&wanted) {
            let start = place.saturating_sub(offset + reach - wanted.len().min(reach));
            let end = (place + reach).min(self.words.len());
            let window = &self.words[start..end];
            let Some((matched, first, last)) = common(&wanted, window) else { continue };
            let coverage = matched as f64 / wanted.len() as f64;
            let density = matched as f64 / (last - first + 1) as f64;
            let passes = coverage >= limits.coverage && density >= limits.density;
            if passes && best.as_ref().is_none_or(|(_, known, dense)| (coverage, density) > (*known, *dense)) {
                best = Some((window[first].range.start..window[last].range.end, coverage, density));
            }
        }
        best.map(|(range, coverage, density)| (range, Alignment::Fuzzy { coverage, density }))
    }

    /// Places in the chunk of the quotation's rarest words, with the word's place in the quotation.
    fn rare_places(&self, wanted: &[Word]) -> Vec<(usize, usize)> {
        let mut by_rarity: Vec<(usize, usize)> = Vec::new();
        for (offset, word) in wanted.iter().enumerate() {
            let count = self.words.iter().filter(|known| known.norm == word.norm).count();
            if count > 0 {
                by_rarity.push((count, offset));
            }
        }
        by_rarity.sort_unstable();
        let mut places = Vec::new();
        for (_, offset) in by_rarity {
            let hits = self.words.iter().enumerate().filter(|(_, known)| known.norm == wanted[offset].norm);
            for (place, _) in hits {
                if places.len() == PLACES {
                    return places;
                }
                places.push((place, offset));
            }
        }
        places
    }
}

/// Words in common in their order, and the first and the last of the window among them.
fn common(wanted: &[Word], window: &[Word]) -> Option<(usize, usize, usize)> {
    let pairs = lcs(wanted, window);
    Some((pairs.len(), pairs.first()?.1, pairs.last()?.1))
}

/// The longest common subsequence of two lists of words: pairs of places, in order.
#[must_use]
pub(crate) fn lcs(one: &[Word], two: &[Word]) -> Vec<(usize, usize)> {
    let width = two.len() + 1;
    let mut lengths = vec![0_u32; (one.len() + 1) * width];
    for i in (0..one.len()).rev() {
        for j in (0..two.len()).rev() {
            lengths[i * width + j] = if one[i].norm == two[j].norm {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut pairs = Vec::new();
    while i < one.len() && j < two.len() {
        if one[i].norm == two[j].norm {
            pairs.push((i, j));
            i += 1;
            j += 1;
        } else if lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

fn letters_of(text: &str) -> (String, Vec<usize>) {
    let mut letters = String::with_capacity(text.len());
    let mut places = Vec::with_capacity(text.len());
    for (at, char) in text.char_indices().filter(|(_, char)| char.is_alphanumeric()) {
        for lower in char.to_lowercase() {
            letters.push(lower);
            places.extend(std::iter::repeat_n(at, lower.len_utf8()));
        }
    }
    (letters, places)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: AlignmentLimits = AlignmentLimits { coverage: 0.75, density: 1.0 / 3.0 };

    #[test]
    fn quotations_are_found() {
        let text = "The **cache** keeps answers for 3600 seconds.\nIt never keeps failures, whatever they are.";
        let aligner = Aligner::new(text);
        let check = |quote: &str, expected: Option<(&str, &str)>| {
            let found = aligner.find(quote, 0, LIMITS).map(|(range, how)| {
                let how = match how {
                    Alignment::Exact => "exact",
                    Alignment::Normalized => "normalized",
                    Alignment::Fuzzy { .. } => "fuzzy",
                };
                (&text[range], how)
            });
            assert_eq!(found, expected, "{quote}");
        };
        check("answers for 3600", Some(("answers for 3600", "exact")));
        check("the cache keeps answers", Some(("The **cache** keeps answers", "normalized")));
        check(
            "the cache keeps all answers for 3600 seconds",
            Some(("The **cache** keeps answers for 3600 seconds", "fuzzy")),
        );
        check("a store holds replies for an hour", None);
        check("swers for", Some(("swers for", "exact")));
        check("Keeps ans", None);
        check("", None);
    }

    #[test]
    fn the_place_after_the_last_one_is_taken() {
        let aligner = Aligner::new("one two one two");
        assert_eq!(aligner.find("one", 1, LIMITS), Some((8..11, Alignment::Exact)));
        assert_eq!(aligner.find("One", 1, LIMITS), Some((8..11, Alignment::Normalized)));
        assert_eq!(aligner.find("one", 99, LIMITS), Some((0..3, Alignment::Exact)));
    }

    proptest::proptest! {
        #[test]
        fn what_is_found_lies_in_the_text(text in "[a-cäßİ .*\n]{0,80}", quote in "[a-cÄäß .]{0,30}", near in 0_usize..100) {
            if let Some((range, how)) = Aligner::new(&text).find(&quote, near, LIMITS) {
                proptest::prop_assert!(text.get(range.clone()).is_some());
                if how == Alignment::Exact {
                    proptest::prop_assert_eq!(&text[range], quote.trim());
                }
            }
        }
    }
}
