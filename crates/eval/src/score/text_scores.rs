//! Figures of texts: counted as they are read, so that no text stays in memory.

use weighbridge_stats::proportion::wilson;
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::metric::{Cell, Metric};

use crate::predictions::{Field, PredictionsError, Row, Value};
use crate::text::bleu::{Bleu, BleuCounts};
use crate::text::chrf::{Chrf, ChrfCounts};
use crate::text::matching::{Normalization, edit_similarity, token_f1};
use crate::text::rouge::{Kind, Rouge};
use crate::text::ter::{Ter, TerCounts};

use super::corpus::{Corpus, Counted};
use super::figure::{Scope, absent, estimated};
use super::settings::Settings;

/// Most references of one text.
const MOST_REFERENCES: usize = 64;

/// Scores per text whose mean is the figure: exact match, token F1, edit similarity, then ROUGE.
const MEANS: usize = 3 + Kind::ALL.len();

/// Everything that is kept of the texts.
#[derive(Debug)]
pub(super) struct Texts {
    bleu: Bleu,
    normalization: Normalization,
    rouge: Rouge,
    wants: Wants,
    bleu_counts: Vec<BleuCounts>,
    chrf_counts: Vec<[ChrfCounts; 2]>,
    ter_counts: Vec<TerCounts>,
    means: Vec<[f64; MEANS]>,
    /// References of each text where all have as many; 0 where they differ.
    references: Option<usize>,
    pub(super) counted: Counted,
}

/// Which metrics are computed; each costs time.
#[derive(Debug, Clone, Copy)]
struct Wants {
    bleu: bool,
    chrf: bool,
    ter: bool,
    rouge: bool,
    edits: bool,
}

impl Texts {
    pub(super) fn new(settings: &Settings) -> Self {
        let wants = |definition: &Definition| settings.wants(definition.name);
        Self {
            bleu: settings.bleu,
            normalization: settings.normalization,
            rouge: Rouge::new(true),
            wants: Wants {
                bleu: wants(&define::BLEU),
                chrf: wants(&define::CHRF),
                ter: wants(&define::TER),
                rouge: wants(&define::ROUGE),
                edits: wants(&define::EDIT_SIMILARITY),
            },
            bleu_counts: Vec::new(),
            chrf_counts: Vec::new(),
            ter_counts: Vec::new(),
            means: Vec::new(),
            references: None,
            counted: Counted::default(),
        }
    }

    /// Takes the text of a row, if it has references. A sample without text counts as an empty one.
    pub(super) fn take(&mut self, row: &Row<'_>, sample: u64) -> Result<(), PredictionsError> {
        if !row.get(Field::References).is_given() {
            return Ok(());
        }
        let given = references(row)?;
        let list: Vec<&str> = given.iter().map(String::as_str).collect();
        let is_failed = row.get(Field::Problem).is_given() || !row.get(Field::Text).is_given();
        let text = if is_failed { "" } else { row.text(Field::Text)?.unwrap_or_default() };
        self.references = match self.references {
            None => Some(list.len()),
            Some(count) if count == list.len() => Some(count),
            Some(_) => Some(0),
        };
        self.counted.push(sample, !is_failed);
        self.count(text, &list);
        Ok(())
    }

    fn count(&mut self, text: &str, references: &[&str]) {
        let Wants { bleu, chrf, ter, rouge, edits } = self.wants;
        if bleu {
            self.bleu_counts.push(self.bleu.counts(text, references));
        }
        if chrf {
            // The first orders of chrF++ are those of chrF; with several references each may choose another one.
            let plus = Chrf::PLUS_PLUS.counts(text, references);
            let plain = if references.len() == 1 { plus } else { Chrf::default().counts(text, references) };
            self.chrf_counts.push([plain, plus]);
        }
        if ter {
            self.ter_counts.push(Ter::default().counts(text, references));
        }
        let mut means = [0.0; MEANS];
        means[0] = f64::from(u8::from(self.normalization.is_match(text, references)));
        means[1] = token_f1(text, references);
        if edits {
            means[2] = edit_similarity(text, references);
        }
        if rouge {
            for (slot, of) in means[3..].iter_mut().zip(self.rouge.score(text, references)) {
                *slot = of.f;
            }
        }
        self.means.push(means);
    }

    /// The figures of one form; `unit` tells the independent unit of a sample.
    pub(super) fn figures(
        &self,
        scope: Scope,
        units: usize,
        unit: &dyn Fn(u32) -> u32,
        settings: &Settings,
    ) -> Vec<Metric> {
        let kept = self.counted.of(scope, unit);
        let cell = scope.cell();
        if kept.is_empty() {
            return vec![absent(&define::EXACT_MATCH, &cell, "no text was given")];
        }
        let corpus = Corpus { kept: &kept, units, settings };
        let mut figures = self.mean_figures(&corpus, &cell);
        let references = self.references.unwrap_or(0);
        let signed = |signature: String| cell.clone().with("signature", signature);
        if self.wants.bleu {
            let add = |sum: &mut BleuCounts, at: usize, times: f64| sum.add(&self.bleu_counts[at], times);
            let cell = signed(self.bleu.signature(references));
            figures.push(corpus.figure(&define::BLEU, &cell, add, |sum| self.bleu.score(sum)));
        }
        for (which, chrf) in [Chrf::default(), Chrf::PLUS_PLUS].into_iter().enumerate().filter(|_| self.wants.chrf) {
            let add = |sum: &mut ChrfCounts, at: usize, times: f64| sum.add(&self.chrf_counts[at][which], times);
            figures.push(corpus.figure(&define::CHRF, &signed(chrf.signature(references)), add, |sum| chrf.score(sum)));
        }
        if self.wants.ter {
            let ter = Ter::default();
            let add = |sum: &mut TerCounts, at: usize, times: f64| sum.add(&self.ter_counts[at], times);
            figures.push(corpus.figure(&define::TER, &signed(ter.signature(references)), add, |sum| ter.score(sum)));
        }
        figures
    }

    fn mean_figures(&self, corpus: &Corpus<'_>, cell: &Cell) -> Vec<Metric> {
        let kind = |kind: Kind| cell.clone().with("kind", kind.name());
        let mut list: Vec<(usize, &'static Definition, Cell)> =
            vec![(0, &define::EXACT_MATCH, cell.clone()), (1, &define::TOKEN_F1, cell.clone())];
        if self.wants.edits {
            list.push((2, &define::EDIT_SIMILARITY, cell.clone()));
        }
        if self.wants.rouge {
            list.extend(Kind::ALL.into_iter().enumerate().map(|(at, of)| (3 + at, &define::ROUGE, kind(of))));
        }
        let mean = |(at, definition, cell): &(usize, &'static Definition, Cell)| {
            corpus.mean(definition, cell, |text| self.means[text][*at])
        };
        let mut figures: Vec<Metric> = list.iter().map(mean).collect();
        if corpus.units >= self.counted.len() {
            // A share of independent texts has an interval that holds its level also near 0 and 1.
            let right = corpus.kept.iter().filter(|(at, _)| self.means[*at][0] > 0.5).count();
            figures[0] =
                estimated(&define::EXACT_MATCH, cell, wilson(right, corpus.kept.len(), corpus.settings.confidence));
        }
        figures
    }
}

/// The references of a row: a text, or a list of them.
pub(crate) fn references(row: &Row<'_>) -> Result<Vec<String>, PredictionsError> {
    let list = match row.get(Field::References) {
        Value::Json(text) => serde_json::from_str::<Vec<String>>(text)
            .map_err(|_| row.refuse(Field::References, "a text or a list of texts"))?,
        _ => vec![row.text(Field::References)?.unwrap_or_default().to_owned()],
    };
    if list.is_empty() || list.len() > MOST_REFERENCES {
        return Err(row.refuse(Field::References, format!("from 1 to {MOST_REFERENCES} texts")));
    }
    Ok(list)
}
