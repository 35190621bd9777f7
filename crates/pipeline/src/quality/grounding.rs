//! How far the words of an answer stand in the bytes that it cites.

use std::collections::HashMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::extract::lcs;
use crate::words::{Word, WordKind, words};

/// Words of an answer and of its evidence that are compared; more would cost time and change little.
const WORDS_AT_MOST: usize = 800;
/// A hard word stands in its place if a neighbor of its is also its neighbor in the source, so many words of content away at most.
const NEIGHBORS: usize = 2;
/// What an answer is worth at most that holds a number, a name or a turn that its source does not.
const CAP: f64 = 0.5;

/// Pairs of words that turn a statement around without a negator.
const OPPOSITES: &[(&str, &str)] = &[
    ("enabl", "disabl"),
    ("tru", "fals"),
    ("requir", "optional"),
    ("allow", "forbid"),
    ("valid", "invalid"),
    ("increas", "decreas"),
    ("always", "not"),
    ("minimum", "maximum"),
    ("supported", "unsupported"),
    ("possibl", "impossibl"),
    ("mor", "les"),
];

/// The text that an answer cites: the spans in the order of the source.
#[derive(Clone, Debug)]
pub struct Evidence {
    words: Vec<Word>,
    counts: HashMap<String, usize>,
}

impl Evidence {
    /// Prepares the cited texts.
    #[must_use]
    pub fn new<'a>(spans: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = Vec::new();
        for span in spans {
            all.extend(words(span));
        }
        all.truncate(WORDS_AT_MOST);
        let mut counts = HashMap::new();
        for word in &all {
            *counts.entry(word.norm.clone()).or_insert(0) += 1;
        }
        Self { words: all, counts }
    }

    fn count(&self, word: &Word) -> usize {
        self.counts.get(&word.norm).copied().unwrap_or(0)
    }

    /// Share of a text's words of content that stand in the evidence; `None` for a text without any.
    #[must_use]
    pub fn share_of(&self, text: &str) -> Option<f64> {
        let asked: Vec<Word> = words(text).into_iter().filter(Word::has_content).collect();
        let met = asked.iter().filter(|word| self.count(word) > 0).count();
        (!asked.is_empty()).then(|| met as f64 / asked.len() as f64)
    }
}

/// What was found of an answer's words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grounding {
    /// Share of the answer's words of content that the evidence bears, times the quality of the alignment, capped at 0.5
    /// where a hard word or a turn is not borne. 0 for an answer without words of content, unless it stands in the source as it is.
    pub value: f64,
    /// The share before the cap.
    pub share: f64,
    /// Numbers, names and identifiers that the evidence does not bear in their place.
    pub unsupported: Vec<String>,
    /// Whether a negation or an opposite is on one side alone.
    pub is_turned: bool,
}

impl Grounding {
    /// Whether the cap was put on.
    #[must_use]
    pub fn is_capped(&self) -> bool {
        self.is_turned || !self.unsupported.is_empty()
    }
}

/// Grounds an answer in its evidence. `quality` is that of the alignment of the spans.
///
/// A word of content is borne where it occurs in the evidence. A number, a name or an identifier must also stand in its place: within the
/// longest common sequence of words, or on the same side of a word that it also stands beside in the evidence, unless
/// the evidence has another such word in that very place; and no more often than there. That is what tells
/// `from 5 to 10` from `from 10 to 10`.
#[must_use]
pub fn ground(answer: &str, evidence: &Evidence, quality: f64) -> Grounding {
    let mut asked = words(answer);
    asked.truncate(WORDS_AT_MOST);
    let bearing = |word: &&Word| word.kind != WordKind::Stop;
    let mine: Vec<Word> = asked.iter().filter(bearing).cloned().collect();
    let theirs: Vec<Word> = evidence.words.iter().filter(bearing).cloned().collect();
    let pairs = lcs(&mine, &theirs);
    let mut partner = vec![None; mine.len()];
    for (one, two) in &pairs {
        partner[*one] = Some(*two);
    }
    let mut unsupported = Vec::new();
    let (mut borne, mut all) = (0_usize, 0_usize);
    let mut used: HashMap<&str, usize> = HashMap::new();
    for (at, word) in mine.iter().enumerate().filter(|(_, word)| word.has_content()) {
        all += 1;
        let times = used.entry(word.norm.as_str()).or_insert(0);
        *times += 1;
        let occurs = evidence.count(word) > 0;
        let is_borne = if is_hard(answer, word, evidence) {
            let stands = || has_shared_neighbor(&mine, at, &theirs) && !is_substituted(&mine, at, &theirs, &partner);
            occurs && *times <= evidence.count(word) && (partner[at].is_some() || stands())
        } else {
            occurs
        };
        borne += usize::from(is_borne);
        if !is_borne && is_hard(answer, word, evidence) {
            unsupported.push(answer[word.range.clone()].to_owned());
        }
    }
    let is_turned = is_turned(&mine, &theirs, &partner);
    let share = if all == 0 { stands_as_it_is(&asked, evidence) } else { borne as f64 / all as f64 };
    let value = share * quality;
    let is_capped = is_turned || !unsupported.is_empty();
    Grounding { value: if is_capped { value.min(CAP) } else { value }, share, unsupported, is_turned }
}

/// A capital may be due to the answer's own sentence: a name counts as one unless the evidence has the word in any form,
/// and a word that begins a sentence if the evidence has it as a name.
fn is_hard(answer: &str, word: &Word, evidence: &Evidence) -> bool {
    let known = || evidence.words.iter().find(|known| known.norm == word.norm);
    match word.kind {
        WordKind::Number | WordKind::Identifier => true,
        WordKind::Name => known().is_none_or(Word::is_hard),
        WordKind::Plain => {
            answer[word.range.clone()].starts_with(char::is_uppercase) && known().is_some_and(Word::is_hard)
        }
        WordKind::Stop | WordKind::Negator => false,
    }
}

fn has_shared_neighbor(mine: &[Word], at: usize, theirs: &[Word]) -> bool {
    let before = |at: usize| at.saturating_sub(NEIGHBORS)..at;
    let after = |words: &[Word], at: usize| (at + 1).min(words.len())..(at + NEIGHBORS + 1).min(words.len());
    let shares = |one: Range<usize>, two: Range<usize>| {
        mine[one].iter().any(|word| theirs[two.clone()].iter().any(|other| other.norm == word.norm))
    };
    let mut places = theirs.iter().enumerate().filter(|(_, word)| word.norm == mine[at].norm);
    places.any(|(place, _)| shares(before(at), before(place)) || shares(after(mine, at), after(theirs, place)))
}

/// Whether the evidence has another hard word just where the answer has this one, between the same two words.
fn is_substituted(mine: &[Word], at: usize, theirs: &[Word], partner: &[Option<usize>]) -> bool {
    let before = partner[..at].iter().rposition(Option::is_some);
    let after = partner[at..].iter().position(Option::is_some).map(|offset| at + offset);
    let start = before.map_or(0, |before| before + 1);
    let end = after.unwrap_or(mine.len());
    let width = end - start;
    let (low, high) = match (before.and_then(|at| partner[at]), after.and_then(|at| partner[at])) {
        (Some(low), Some(high)) => (low + 1, high),
        (Some(low), None) => (low + 1, (low + 1 + width).min(theirs.len())),
        (None, Some(high)) => (high.saturating_sub(width), high),
        (None, None) => return false,
    };
    let is_narrow = width <= NEIGHBORS && high.saturating_sub(low) <= NEIGHBORS;
    let gap = &mine[start..end];
    let is_other = |word: &Word| word.is_hard() && gap.iter().all(|own| own.norm != word.norm);
    is_narrow && theirs[low.min(high)..high].iter().any(is_other)
}

/// Whether a negator stands on one side alone, within what the two have in common, or a word has its opposite there.
fn is_turned(mine: &[Word], theirs: &[Word], partner: &[Option<usize>]) -> bool {
    let matched: Vec<usize> = partner.iter().flatten().copied().collect();
    let (Some(&first), Some(&last)) = (matched.first(), matched.last()) else {
        return mine.iter().any(|word| word.kind == WordKind::Negator);
    };
    let alone = |place: usize| theirs[place].kind == WordKind::Negator && !matched.contains(&place);
    // One place before and after the common words still speaks of them.
    let around = first.saturating_sub(1)..(last + 2).min(theirs.len());
    let added = mine.iter().zip(partner).any(|(word, partner)| word.kind == WordKind::Negator && partner.is_none());
    let dropped = around.clone().any(alone);
    let holds = |words: &[Word], norm: &str| words.iter().any(|word| word.norm == norm);
    let window = &theirs[around];
    let opposed = OPPOSITES.iter().any(|(one, two)| {
        let swapped =
            |one: &str, two: &str| holds(mine, one) && !holds(window, one) && holds(window, two) && !holds(mine, two);
        swapped(one, two) || swapped(two, one)
    });
    added || dropped || opposed
}

/// An answer of stop words alone, `yes` or `it is`, is borne if all of them are.
fn stands_as_it_is(asked: &[Word], evidence: &Evidence) -> f64 {
    let is_there = !asked.is_empty() && asked.iter().all(|word| evidence.count(word) > 0);
    if is_there { 1.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_source_bears_is_told_from_what_it_does_not() {
        let source = "The cache keeps answers for 3600 seconds, from level 5 to level 10. Alice Miller does not run `max_size` there.";
        let evidence = Evidence::new([source]);
        let check = |answer: &str, is_borne: bool| {
            let found = ground(answer, &evidence, 1.0);
            assert_eq!(found.value > 0.6, is_borne, "{answer}: {found:?}");
        };
        check("The cache keeps answers for 3600 seconds.", true);
        check("Answers are kept by the cache for 3600 seconds.", true);
        check("3600 seconds", true);
        check("The cache keeps answers for 7200 seconds.", false);
        check("It goes from level 5 to level 10.", true);
        check("It goes from level 10 to level 10.", false);
        check("The cache does not keep answers for 3600 seconds.", false);
        check("Alice Miller runs `max_size` there.", false);
        check("Alice Miller does not run `max_size` there.", true);
        check("Then Bob Miller does not run `max_size` there.", false);
        check("Alice Miller does not run `min_size` there.", false);
        check("Grass is green and the sky is blue.", false);
        check("", false);
    }

    #[test]
    fn opposites_turn_a_statement() {
        let evidence = Evidence::new(["The switch is enabled for all users."]);
        assert!(ground("The switch is disabled for all users.", &evidence, 1.0).is_turned);
        assert!(!ground("The switch is enabled for all users.", &evidence, 1.0).is_turned);
    }

    #[test]
    fn a_fuzzy_alignment_counts_less() {
        let evidence = Evidence::new(["The cache keeps answers."]);
        assert!((ground("The cache keeps answers.", &evidence, 0.8).value - 0.8).abs() < 1e-9);
    }
}
