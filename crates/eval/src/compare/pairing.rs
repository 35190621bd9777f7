//! Which samples of several sides are the same.

use foldhash::fast::FixedState;
use std::collections::HashMap;

use serde::Serialize;

use super::error::CompareError;
use super::side::{Samples, Side};

/// No sample of this side.
const ABSENT: u32 = u32::MAX;

/// How the samples of two sides in one task cover each other. The counts add up to the samples of either side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// The task; none for files of predictions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The first side.
    pub baseline: String,
    /// The second side.
    pub candidate: String,
    /// Samples that both sides have.
    pub paired: u64,
    /// Samples that only the first side has; left out.
    pub only_baseline: u64,
    /// Samples that only the second side has; left out.
    pub only_candidate: u64,
    /// Pairs whose samples were asked with other prompts or parameters.
    pub asked_otherwise: u64,
}

/// The samples of one task, by their keys.
#[derive(Debug)]
pub(super) struct Alignment<'a> {
    samples: Vec<Option<&'a Samples>>,
    /// For each side, the sample at each key's number.
    places: Vec<Vec<u32>>,
}

/// The samples that two sides have in common.
#[derive(Debug)]
pub(super) struct Pairs<'a> {
    pub(super) baseline: &'a Samples,
    pub(super) candidate: &'a Samples,
    /// Positions on either side.
    pub(super) places: Vec<(u32, u32)>,
    /// Number of each pair's cluster; empty when pairs are independent.
    pub(super) clusters: Vec<u32>,
    pub(super) cluster_count: usize,
}

impl<'a> Alignment<'a> {
    pub(super) fn new(sides: &'a [Side], task: &str) -> Self {
        let samples: Vec<Option<&Samples>> = sides.iter().map(|side| side.task(task)).collect();
        let mut numbers: HashMap<u128, usize, FixedState> = HashMap::with_hasher(FixedState::default());
        let mut places = Vec::new();
        for samples in &samples {
            let mut own = vec![ABSENT; numbers.len()];
            let keys = samples.map_or(&[][..], |samples| &samples.keys);
            for (place, key) in (0..).zip(keys) {
                let next = numbers.len();
                let number = *numbers.entry(*key).or_insert(next);
                if own.len() <= number {
                    own.resize(number + 1, ABSENT);
                }
                own[number] = place;
            }
            places.push(own);
        }
        Self { samples, places }
    }

    /// Pairs the samples of two sides. `None` where a side does not have the task.
    ///
    /// # Errors
    /// When a sample is not the same on both sides.
    pub(super) fn pairs(
        &self,
        sides: &[Side],
        (baseline, candidate): (usize, usize),
    ) -> Result<Option<Pairs<'a>>, CompareError> {
        let (Some(a), Some(b)) = (self.samples[baseline], self.samples[candidate]) else { return Ok(None) };
        let both = self.places[baseline].iter().zip(&self.places[candidate]);
        let both = both.filter(|(a, b)| **a != ABSENT && **b != ABSENT);
        let mut places: Vec<(u32, u32)> = both.map(|(&a, &b)| (a, b)).collect();
        places.sort_unstable();
        let disagree = |what, sample: u32| CompareError::Disagree {
            baseline: sides[baseline].name.clone(),
            candidate: sides[candidate].name.clone(),
            id: a.id(sample as usize),
            what,
        };
        for (what, of_a, of_b) in [("target", &a.targets, &b.targets), ("cluster", &a.clusters, &b.clusters)] {
            if of_a.is_empty() || of_b.is_empty() {
                continue;
            }
            if let Some(&(sample, _)) = places.iter().find(|&&(a, b)| of_a[a as usize] != of_b[b as usize]) {
                return Err(disagree(what, sample));
            }
        }
        let (clusters, cluster_count) = clusters(a, b, &places);
        Ok(Some(Pairs { baseline: a, candidate: b, places, clusters, cluster_count }))
    }
}

fn clusters(a: &Samples, b: &Samples, places: &[(u32, u32)]) -> (Vec<u32>, usize) {
    let of = |&(in_a, in_b): &(u32, u32)| match (a.clusters.is_empty(), b.clusters.is_empty()) {
        (false, _) => Some(a.clusters[in_a as usize]),
        (true, false) => Some(b.clusters[in_b as usize]),
        (true, true) => None,
    };
    let mut numbers: HashMap<u64, u32, FixedState> = HashMap::with_hasher(FixedState::default());
    let mut of_pair = Vec::new();
    for cluster in places.iter().filter_map(of) {
        let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        of_pair.push(*numbers.entry(cluster).or_insert(next));
    }
    (of_pair, numbers.len())
}

impl Pairs<'_> {
    pub(super) fn coverage(&self, sides: (&Side, &Side)) -> Coverage {
        let (a, b) = (self.baseline, self.candidate);
        let paired = self.places.len() as u64;
        let knows = !a.questions.is_empty() && !b.questions.is_empty();
        let differs = |&&(in_a, in_b): &&(u32, u32)| a.questions[in_a as usize] != b.questions[in_b as usize];
        Coverage {
            task: (!a.task.is_empty()).then(|| a.task.clone()),
            baseline: sides.0.name.clone(),
            candidate: sides.1.name.clone(),
            paired,
            only_baseline: a.keys.len() as u64 - paired,
            only_candidate: b.keys.len() as u64 - paired,
            asked_otherwise: if knows { self.places.iter().filter(differs).count() as u64 } else { 0 },
        }
    }
}
