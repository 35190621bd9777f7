//! Clusters of similar texts, and the part of the data set that a cluster goes to.

use serde::{Deserialize, Serialize};

use super::index::SimilarTexts;
use crate::digest::hash64;
use crate::settings::SplitSettings;

/// Sets that are joined (union-find). The least number of a set stands for it, in whatever order sets were joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clusters {
    parents: Vec<usize>,
}

impl Clusters {
    /// As many sets as numbers.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self { parents: (0..count).collect() }
    }

    /// Adds a set of its own, and says its number.
    pub fn add(&mut self) -> usize {
        self.parents.push(self.parents.len());
        self.parents.len() - 1
    }

    /// The least number of a number's set.
    #[must_use]
    pub fn root(&self, mut number: usize) -> usize {
        while self.parents[number] != number {
            number = self.parents[number];
        }
        number
    }

    /// Joins the sets of two numbers.
    pub fn join(&mut self, one: usize, two: usize) {
        let (one, two) = (self.root(one), self.root(two));
        let (least, other) = (one.min(two), one.max(two));
        self.parents[other] = least;
    }

    /// The root of every number.
    #[must_use]
    pub fn roots(&mut self) -> Vec<usize> {
        for number in 0..self.parents.len() {
            // Parents are smaller, so that theirs is known already.
            self.parents[number] = self.parents[self.parents[number]];
        }
        self.parents.clone()
    }
}

/// Clusters of texts whose similarity is at least a value, directly or by way of others: the root of every text.
#[must_use]
pub fn cluster_texts<'a>(texts: impl IntoIterator<Item = &'a str>, similarity: f64) -> Vec<usize> {
    let mut index = SimilarTexts::new();
    let mut clusters = Clusters::default();
    for text in texts {
        let (shingles, signature) = index.sign(text);
        let number = clusters.add();
        for candidate in index.candidates(&shingles, &signature) {
            let is_joined = clusters.root(candidate as usize) == clusters.root(number);
            if !is_joined && index.similarity(candidate, &shingles) >= similarity {
                clusters.join(candidate as usize, number);
            }
        }
        index.insert((shingles, signature));
    }
    clusters.roots()
}

/// A part of the data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// To learn from.
    Train,
    /// To choose by.
    Validation,
    /// To judge by.
    Test,
}

impl Split {
    /// Every part.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The name in files and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// The part that a cluster goes to, by a hash of its name: it stays when others come and go.
#[must_use]
pub fn split_of(cluster: &str, seed: u64, settings: &SplitSettings) -> Split {
    let draw = hash64(cluster.as_bytes(), seed) as f64 / u64::MAX as f64;
    match draw {
        draw if draw < settings.train => Split::Train,
        draw if draw < settings.train + settings.validation => Split::Validation,
        _ => Split::Test,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_number_stands_for_a_set() {
        let mut clusters = Clusters::new(6);
        clusters.join(4, 5);
        clusters.join(5, 2);
        clusters.join(0, 1);
        assert_eq!(clusters.roots(), [0, 0, 2, 3, 2, 2]);
    }

    #[test]
    fn splits_keep_to_their_shares_and_to_their_names() {
        let settings = SplitSettings::default();
        let mut counts = [0; 3];
        for number in 0..10_000 {
            let split = split_of(&number.to_string(), 7, &settings);
            assert_eq!(split, split_of(&number.to_string(), 7, &settings));
            counts[split as usize] += 1;
        }
        assert!((7800..8200).contains(&counts[0]) && (850..1150).contains(&counts[1]), "{counts:?}");
    }

    proptest::proptest! {
        #[test]
        fn the_order_of_joins_does_not_matter(mut joins in proptest::collection::vec((0_usize..12, 0_usize..12), 0..20)) {
            let roots = |joins: &[(usize, usize)]| {
                let mut clusters = Clusters::new(12);
                joins.iter().for_each(|(one, two)| clusters.join(*one, *two));
                clusters.roots()
            };
            let forward = roots(&joins);
            joins.reverse();
            proptest::prop_assert_eq!(forward, roots(&joins));
        }
    }
}
