//! Scores of a metric by document, in little memory.

use crate::task::score::Score;

/// Stands for no score.
const NONE: u8 = u8::MAX;

/// A score for each document, or none.
///
/// Most metrics have few different scores: they stand in a table then, and a document takes a byte.
#[derive(Debug)]
pub(super) enum Scores {
    Few { table: Vec<Score>, places: Vec<u8> },
    Many(Vec<Option<Score>>),
}

impl Scores {
    /// Without a score, of so many documents.
    pub(super) fn new(documents: usize) -> Self {
        Self::Few { table: Vec::new(), places: vec![NONE; documents] }
    }

    pub(super) fn get(&self, document: usize) -> Option<Score> {
        match self {
            Self::Few { table, places } => table.get(usize::from(*places.get(document)?)).copied(),
            Self::Many(scores) => scores.get(document).copied().flatten(),
        }
    }

    /// Takes the score of a document away.
    pub(super) fn clear(&mut self, document: usize) {
        match self {
            Self::Few { places, .. } => places[document] = NONE,
            Self::Many(scores) => scores[document] = None,
        }
    }

    pub(super) fn set(&mut self, document: usize, score: Score) {
        if let Self::Few { table, places } = self {
            let known = table.iter().position(|known| is_same(*known, score));
            let place = known.unwrap_or(table.len());
            if let Ok(place) = u8::try_from(place)
                && place != NONE
            {
                if known.is_none() {
                    table.push(score);
                }
                places[document] = place;
                return;
            }
            *self = Self::Many(self.iter().collect());
        }
        if let Self::Many(scores) = self {
            scores[document] = Some(score);
        }
    }

    /// The scores in the order of documents.
    pub(super) fn iter(&self) -> impl Iterator<Item = Option<Score>> + Clone + '_ {
        let documents = match self {
            Self::Few { places, .. } => places.len(),
            Self::Many(scores) => scores.len(),
        };
        (0..documents).map(|document| self.get(document))
    }
}

/// Numbers are told apart by their bits, so that a sum does not depend on which of two zeros came first.
fn is_same(one: Score, other: Score) -> bool {
    match (one, other) {
        (Score::Number(one), Score::Number(other)) => one.to_bits() == other.to_bits(),
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn scores_come_back_be_they_few_or_many(
            entered in prop::collection::vec((0_usize..300, prop::option::of(0_u32..600)), 0..900),
        ) {
            let (mut scores, mut expected) = (Scores::new(300), vec![None; 300]);
            for (document, score) in entered {
                expected[document] = score.map(|score| Score::Number(f64::from(score)));
                match expected[document] {
                    Some(score) => scores.set(document, score),
                    None => scores.clear(document),
                }
            }
            prop_assert_eq!(scores.iter().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_table_that_is_full_gives_way() {
        let mut scores = Scores::new(256);
        (0..255).for_each(|document| scores.set(document, Score::Number(document as f64)));
        assert!(matches!(scores, Scores::Few { .. }));
        scores.set(255, Score::Number(-0.0));
        assert!(matches!(scores, Scores::Many(_)));
        assert_eq!(scores.iter().flatten().count(), 256);
    }
}
