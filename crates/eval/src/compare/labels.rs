//! Scores of labels that two sides gave to the same samples.

use std::collections::HashMap;

use weighbridge_stats::classify::{Average, Marginals};

use super::column::NO_LABEL;

/// Labels above which a table is not resampled: its cost grows with their square.
pub(super) const MOST_LABELS: usize = 64;

/// A score of a table of right and given labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LabelScore {
    /// F1 of the label 1, as lm-eval's `f1` over choices.
    ChoiceF1,
    /// Matthews correlation, 0 where a side is constant, as lm-eval's `mcc`.
    ChoiceMcc,
    /// Mean of F1 over the labels.
    MacroF1,
    /// Matthews correlation.
    Mcc,
    /// Mean recall over the labels that occur.
    BalancedAccuracy,
}

/// Samples that both sides answered: the right label and both given ones, as positions among the labels.
#[derive(Debug, Default)]
pub(super) struct Joint {
    codes: Vec<u64>,
    /// Truth, baseline, candidate of each pair; a given one that is no label is [`classes`](Self::classes).
    triples: Vec<[u32; 3]>,
}

impl Joint {
    /// Numbers the labels of pairs in the order in which they occur.
    pub(super) fn new(pairs: impl Iterator<Item = (u64, u64, u64)>) -> Self {
        let mut known: HashMap<u64, u32> = HashMap::new();
        let mut codes = Vec::new();
        let mut number = |code: u64| {
            if code == NO_LABEL {
                return u32::MAX;
            }
            *known.entry(code).or_insert_with(|| {
                codes.push(code);
                u32::try_from(codes.len() - 1).unwrap_or(u32::MAX)
            })
        };
        let triples: Vec<_> = pairs.map(|(truth, a, b)| [number(truth), number(a), number(b)]).collect();
        let classes = u32::try_from(codes.len()).unwrap_or(u32::MAX);
        let placed = |[truth, a, b]: [u32; 3]| [truth, a.min(classes), b.min(classes)];
        Self { triples: triples.into_iter().map(placed).collect(), codes }
    }

    pub(super) fn classes(&self) -> usize {
        self.codes.len()
    }

    /// Combinations that occur, with how often; `[classes][classes + 1][classes + 1]` has mostly empty cells.
    pub(super) fn cells(&self) -> Vec<([u32; 3], u64)> {
        let mut counts: HashMap<[u32; 3], u64> = HashMap::new();
        for &triple in &self.triples {
            *counts.entry(triple).or_default() += 1;
        }
        let mut cells: Vec<_> = counts.into_iter().collect();
        cells.sort_unstable();
        cells
    }

    pub(super) fn triples(&self) -> &[[u32; 3]] {
        &self.triples
    }

    /// The score of both sides over weighted triples. `tables` and `sums` are scratch space.
    pub(super) fn scores(
        &self,
        score: LabelScore,
        triples: impl Iterator<Item = ([u32; 3], f64)>,
        scratch: &mut Scratch,
    ) -> [f64; 2] {
        let (classes, width) = (self.classes(), self.classes() + 1);
        for table in &mut scratch.tables {
            table.clear();
            table.resize(classes * width, 0.0);
        }
        for ([truth, a, b], weight) in triples {
            for (table, given) in scratch.tables.iter_mut().zip([a, b]) {
                table[truth as usize * width + given as usize] += weight;
            }
        }
        [0, 1].map(|side| {
            scratch.sums.fill(classes, &scratch.tables[side]);
            self.score(score, &scratch.sums)
        })
    }

    fn score(&self, score: LabelScore, sums: &Marginals) -> f64 {
        let found = match score {
            LabelScore::ChoiceF1 => {
                let one = self.codes.iter().position(|&code| code == 1);
                return one.map_or(0.0, |one| sums.class(one).f1);
            }
            LabelScore::ChoiceMcc => return sums.mcc().unwrap_or(0.0),
            LabelScore::MacroF1 => sums.averaged(Average::Macro).map(|averaged| averaged.f1),
            LabelScore::Mcc => sums.mcc(),
            LabelScore::BalancedAccuracy => sums.balanced_accuracy(),
        };
        found.unwrap_or(f64::NAN)
    }
}

/// Room for the tables of one resample.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    tables: [Vec<f64>; 2],
    sums: Marginals,
}
