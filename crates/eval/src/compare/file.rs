//! A side from a file of predictions.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::path::Path;
use std::sync::Arc;

use foldhash::fast::FixedState;
use sha2::{Digest, Sha256};
use weighbridge_types::definition::{self as define, Definition};

use super::column::{Column, NO_LABEL, SumScore, Values};
use super::error::CompareError;
use super::labels::LabelScore;
use super::side::{Samples, Side};
use crate::predictions::{Field, PredictionsError, Row, Value, read};
use crate::score::{Labels, Settings, count, problem, references};
use crate::text::bleu::{BleuCounts, ORDERS};
use crate::text::chrf::{Chrf, ChrfCounts};
use crate::text::matching::token_f1;
use crate::text::rouge::{Kind, Rouge};
use crate::text::ter::{Ter, TerCounts};

/// Numbers behind BLEU: two lengths, and shared and own n-grams by order.
const BLEU_WIDTH: usize = 2 + 2 * ORDERS;

/// Reads a file of predictions as one side. The settings say how it is read and what a text is compared by.
///
/// # Errors
/// When the file is wrong, or its samples have no ids of their own.
pub fn side_of_file(name: &str, path: &Path, settings: &Settings) -> Result<Side, CompareError> {
    let mut reader = FileReader::new(settings);
    let mut misfit = None;
    let read = read(path, settings.form, &settings.mapping, |row| {
        if misfit.is_none() {
            misfit = reader.identify(name, row)?;
        }
        reader.take(row)
    });
    read.map_err(|source| CompareError::Predictions { side: name.to_owned(), source })?;
    match misfit {
        Some(misfit) => Err(misfit),
        None => Ok(Side { name: name.to_owned(), source: path.display().to_string(), tasks: vec![reader.finish()] }),
    }
}

/// What is kept of the rows.
struct FileReader<'a> {
    settings: &'a Settings,
    samples: Samples,
    labels: Labels,
    hasher: FixedState,
    known: HashSet<u128>,
    accuracy: Vec<f64>,
    given: Vec<Option<(u64, u64)>>,
    passed: Vec<f64>,
    exact: Vec<f64>,
    words: Vec<f64>,
    bleu: Vec<f64>,
    chrf: Vec<f64>,
    ter: Vec<f64>,
    rouge: [Vec<f64>; Kind::ALL.len()],
    rouge_scorer: Rouge,
    likelihoods: Vec<f64>,
}

impl<'a> FileReader<'a> {
    fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            samples: Samples::default(),
            labels: Labels::new(&settings.labels),
            hasher: FixedState::default(),
            known: HashSet::new(),
            accuracy: Vec::new(),
            given: Vec::new(),
            passed: Vec::new(),
            exact: Vec::new(),
            words: Vec::new(),
            bleu: Vec::new(),
            chrf: Vec::new(),
            ter: Vec::new(),
            rouge: Default::default(),
            rouge_scorer: Rouge::new(true),
            likelihoods: Vec::new(),
        }
    }

    /// Enters the id of a row; an id that is missing or stands twice is what is wrong.
    fn identify(&mut self, side: &str, row: &Row<'_>) -> Result<Option<CompareError>, PredictionsError> {
        let (side, line) = (side.to_owned(), row.line);
        let Some(id) = row.text(Field::Id)? else { return Ok(Some(CompareError::NoId { side, line })) };
        let digest = Sha256::digest(id);
        let key = digest.iter().take(16).fold(0, |key, &byte| key << 8 | u128::from(byte));
        if !self.known.insert(key) {
            return Ok(Some(CompareError::RepeatedId { side, line, id: id.to_owned() }));
        }
        self.samples.keys.push(key);
        self.samples.ids.push(id.into());
        Ok(None)
    }

    fn take(&mut self, row: &Row<'_>) -> Result<(), PredictionsError> {
        if row.get(Field::Weight).is_given() {
            return Err(row.refuse(Field::Weight, "left out: in a comparison every pair counts the same"));
        }
        let problem = problem(row)?;
        let is_failed = problem.is_some_and(|problem| !problem.is_answered());
        let mut is_answered = !is_failed;
        let at = self.samples.answered.len();
        let is_set = matches!(row.get(Field::Target), Value::Json(_));
        let target = if is_set { None } else { self.labels.code(row, Field::Target)? };
        if let Some(target) = target {
            let given = if is_failed { None } else { self.labels.code(row, Field::Prediction)? };
            let is_wrong = problem.is_some() && !is_failed;
            is_answered &= given.is_some() || is_wrong;
            let target = self.code(target);
            pad(&mut self.samples.targets, at, 0);
            self.samples.targets.push(target);
            pad(&mut self.accuracy, at, f64::NAN);
            self.accuracy.push(match given {
                Some(given) => f64::from(u8::from(self.code(given) == target)),
                None if is_wrong => 0.0,
                None => f64::NAN,
            });
            pad(&mut self.given, at, None);
            self.given.push(Some((target, given.map_or(NO_LABEL, |given| self.code(given)))));
        }
        if let Some(name) = row.text(Field::Cluster)? {
            pad(&mut self.samples.clusters, at, 0);
            self.samples.clusters.push(self.hasher.hash_one(name));
        }
        if let Some(attempts) = count(row, Field::Attempts)? {
            let passed = count(row, Field::Passed)?.ok_or_else(|| row.refuse(Field::Passed, "a count"))?;
            if passed > attempts || attempts == 0 {
                return Err(row.refuse(Field::Passed, "at most the attempts, of which there is one or more"));
            }
            pad(&mut self.passed, at, f64::NAN);
            self.passed.push(f64::from(passed) / f64::from(attempts));
        }
        self.likelihood(row, at)?;
        is_answered &= self.text(row, at, is_failed)?;
        self.samples.answered.push(is_answered);
        Ok(())
    }

    /// A label's digest, which is the same in every file.
    fn code(&self, label: u32) -> u64 {
        let name = self.labels.names().get(label as usize).map_or("", |name| name);
        self.hasher.hash_one(name).min(NO_LABEL - 1)
    }

    fn likelihood(&mut self, row: &Row<'_>, at: usize) -> Result<(), PredictionsError> {
        let Some(log_probability) = row.number(Field::LogProbability)? else { return Ok(()) };
        let Some(tokens) = count(row, Field::Tokens)? else { return Ok(()) };
        pad(&mut self.likelihoods, 2 * at, f64::NAN);
        self.likelihoods.extend([log_probability, f64::from(tokens)]);
        Ok(())
    }

    /// Counts a text against its references; whether there was one, or none was expected.
    fn text(&mut self, row: &Row<'_>, at: usize, is_failed: bool) -> Result<bool, PredictionsError> {
        if !row.get(Field::References).is_given() {
            return Ok(true);
        }
        let references = references(row)?;
        let list: Vec<&str> = references.iter().map(String::as_str).collect();
        let text = if is_failed { None } else { row.text(Field::Text)? };
        let shown = text.unwrap_or_default();
        pad(&mut self.exact, at, f64::NAN);
        pad(&mut self.words, at, f64::NAN);
        let score = |value: f64| if text.is_some() { value } else { f64::NAN };
        self.exact.push(score(f64::from(u8::from(self.settings.normalization.is_match(shown, &list)))));
        self.words.push(score(token_f1(shown, &list)));
        // A missing text counts as an empty one, as when a file is scored.
        if self.settings.wants(define::BLEU.name) {
            let counts = self.settings.bleu.counts(shown, &list);
            pad(&mut self.bleu, BLEU_WIDTH * at, f64::NAN);
            self.bleu
                .extend([counts.length, counts.reference_length].into_iter().chain(counts.correct).chain(counts.total));
        }
        if self.settings.wants(define::CHRF.name) {
            let counts = Chrf::default().counts(shown, &list);
            let counts = counts.0.as_flattened();
            pad(&mut self.chrf, counts.len() * at, f64::NAN);
            self.chrf.extend_from_slice(counts);
        }
        if self.settings.wants(define::TER.name) {
            let TerCounts { edits, reference_length } = Ter::default().counts(shown, &list);
            pad(&mut self.ter, 2 * at, f64::NAN);
            self.ter.extend([edits, reference_length]);
        }
        if self.settings.wants(define::ROUGE.name) {
            for (values, of) in self.rouge.iter_mut().zip(self.rouge_scorer.score(shown, &list)) {
                pad(values, at, f64::NAN);
                values.push(of.f);
            }
        }
        Ok(text.is_some())
    }

    fn finish(mut self) -> Samples {
        let rows = self.samples.answered.len();
        for list in [&mut self.samples.targets, &mut self.samples.clusters] {
            if !list.is_empty() {
                list.resize(rows, 0);
            }
        }
        let mut columns = Vec::new();
        let mut add =
            |definition: &'static Definition, values: Values| columns.push(Column { definition, filter: None, values });
        let numbers = [
            (&define::ACCURACY, self.accuracy),
            (&define::PASS_AT_K, self.passed),
            (&define::EXACT_MATCH, self.exact),
            (&define::TOKEN_F1, self.words),
        ];
        for (definition, mut values) in numbers {
            if values.iter().any(|value| value.is_finite()) {
                values.resize(rows, f64::NAN);
                add(definition, Values::Numbers(values));
            }
        }
        self.given.resize(rows, None);
        if self.given.iter().any(Option::is_some) {
            let scores = [
                (&define::MACRO_F1, LabelScore::MacroF1),
                (&define::BALANCED_ACCURACY, LabelScore::BalancedAccuracy),
                (&define::MCC, LabelScore::Mcc),
            ];
            for (definition, score) in scores {
                add(definition, Values::Labels { values: self.given.clone(), score });
            }
        }
        let bleu = self.settings.bleu;
        let chrf_width = ChrfCounts::default().0.as_flattened().len();
        let sums: [(&'static Definition, usize, Vec<f64>, SumScore); 4] = [
            (&define::BLEU, BLEU_WIDTH, self.bleu, Arc::new(move |sums| bleu.score(&bleu_counts(sums)))),
            (&define::CHRF, chrf_width, self.chrf, Arc::new(|sums| Chrf::default().score(&chrf_counts(sums)))),
            (&define::TER, 2, self.ter, Arc::new(|sums| Ter::default().score(&ter_counts(sums)))),
            (&define::PERPLEXITY, 2, self.likelihoods, Arc::new(|sums| (-sums[0] / sums[1]).exp())),
        ];
        for (definition, width, mut values, score) in sums {
            if !values.is_empty() {
                values.resize(width * rows, f64::NAN);
                add(definition, Values::Sums { width, values, score });
            }
        }
        for (kind, mut values) in Kind::ALL.into_iter().zip(self.rouge) {
            if !values.is_empty() {
                values.resize(rows, f64::NAN);
                let filter = Some(kind.name().to_owned());
                columns.push(Column { definition: &define::ROUGE, filter, values: Values::Numbers(values) });
            }
        }
        self.samples.columns = columns;
        self.samples
    }
}

/// Fills up what earlier rows did not have.
fn pad<T: Clone>(list: &mut Vec<T>, to: usize, with: T) {
    if list.len() < to {
        list.resize(to, with);
    }
}

fn bleu_counts(sums: &[f64]) -> BleuCounts {
    let order = |start: usize| std::array::from_fn(|order| sums[start + order]);
    BleuCounts { length: sums[0], reference_length: sums[1], correct: order(2), total: order(2 + ORDERS) }
}

fn ter_counts(sums: &[f64]) -> TerCounts {
    TerCounts { edits: sums[0], reference_length: sums[1] }
}

fn chrf_counts(sums: &[f64]) -> ChrfCounts {
    let mut counts = ChrfCounts::default();
    counts.0.as_flattened_mut().copy_from_slice(sums);
    counts
}
