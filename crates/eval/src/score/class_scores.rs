//! Figures of probabilities over several labels.

use serde_json::{Map, Value as Json};
use weighbridge_stats::classify::resample::unit_bootstrap;
use weighbridge_stats::classify::{Average, ClassScores, Pairing, Reliability, probability};
use weighbridge_stats::cluster::ClusterSums;
use weighbridge_stats::{Method, StatsError};
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::metric::{Cell, Metric};

use crate::predictions::{Field, PredictionsError, Row, Value};

use super::figure::{Scope, absent, estimated, figure};
use super::label_scores::of_replicates;
use super::labels::Labels;
use super::settings::Settings;
use super::tables::bounded;

/// How far the probabilities of a sample may be from adding up to 1: what printing with four digits costs.
const SUM_TOLERANCE: f64 = 1e-2;

/// Probabilities of the samples that have a true label.
#[derive(Debug, Default)]
pub(super) struct ClassProbabilities {
    /// The label of each column, by number.
    pub(super) columns: Vec<u32>,
    /// `[sample, column]`, row-major.
    values: Vec<f64>,
    /// The true label's column, and the position among the samples.
    samples: Vec<(u32, u32)>,
}

impl ClassProbabilities {
    pub(super) fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Takes a row; gives the label of the largest probability, the first of equals.
    pub(super) fn take(
        &mut self,
        row: &Row<'_>,
        labels: &mut Labels,
        (truth, sample): (u32, u64),
    ) -> Result<Option<u32>, PredictionsError> {
        let Value::Json(text) = row.get(Field::Probabilities) else {
            if row.get(Field::Probabilities).is_given() {
                return Err(row.refuse(Field::Probabilities, "an object of labels and probabilities"));
            }
            return Ok(None);
        };
        let refuse = |expected: &str| row.refuse(Field::Probabilities, expected);
        let object: Map<String, Json> =
            serde_json::from_str(text).map_err(|_| refuse("an object of labels and probabilities"))?;
        if self.columns.is_empty() {
            for label in object.keys() {
                self.columns.push(labels.named(row, Field::Probabilities, label)?);
            }
        }
        let mut given = vec![None; self.columns.len()];
        for (label, value) in &object {
            let column = labels.find(label).and_then(|code| self.columns.iter().position(|&known| known == code));
            let column = column.ok_or_else(|| refuse("the same labels in every line"))?;
            let value = value.as_f64().filter(|value| (0.0..=1.0).contains(value));
            given[column] = Some(value.ok_or_else(|| refuse("numbers from 0 to 1"))?);
        }
        let given: Option<Vec<f64>> = given.into_iter().collect();
        let given = given.ok_or_else(|| refuse("the same labels in every line"))?;
        if (given.iter().sum::<f64>() - 1.0).abs() > SUM_TOLERANCE {
            return Err(refuse("probabilities that add up to 1"));
        }
        let column = self.columns.iter().position(|&code| code == truth);
        let column = column.ok_or_else(|| refuse("a probability for the true label"))?;
        let place = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        self.samples.push((place(column), u32::try_from(sample).unwrap_or(u32::MAX)));
        let largest = given.iter().enumerate().fold(0, |best, (at, p)| if *p > given[best] { at } else { best });
        self.values.extend(given);
        Ok(Some(self.columns[largest]))
    }

    /// The figures of the samples that have probabilities; `unit` tells the independent unit of a sample.
    pub(super) fn figures(&self, units: usize, unit: &dyn Fn(u32) -> u32, settings: &Settings) -> Vec<Metric> {
        if self.is_empty() {
            return Vec::new();
        }
        let cell = Scope::AnsweredOnly.cell();
        let brier = |row: &[f64], truth: usize| probability::brier_multiclass(row, truth);
        let loss = |row: &[f64], truth: usize| probability::log_loss(row[truth]);
        let mut figures = self.area_figures(&cell, units, unit, settings);
        figures.push(self.mean(&define::BRIER, &cell, unit, brier, settings));
        figures.push(self.mean(&define::LOG_LOSS, &cell, unit, loss, settings));
        figures.push(self.calibration(&cell, settings));
        figures
    }

    fn rows(&self) -> impl Iterator<Item = (&[f64], &(u32, u32))> {
        self.values.chunks_exact(self.columns.len()).zip(&self.samples)
    }

    fn mean(
        &self,
        definition: &'static Definition,
        cell: &Cell,
        unit: &dyn Fn(u32) -> u32,
        value: impl Fn(&[f64], usize) -> f64,
        settings: &Settings,
    ) -> Metric {
        let mut sums = ClusterSums::default();
        for (row, (truth, sample)) in self.rows() {
            sums.add(unit(*sample) as usize, value(row, *truth as usize), 1.0);
        }
        let mut metric = estimated(definition, cell, sums.mean(settings.confidence));
        if let Some(interval) = &mut metric.interval {
            // Neither of these losses can be negative.
            interval.low = interval.low.max(0.0);
        }
        metric
    }

    fn area_figures(&self, cell: &Cell, units: usize, unit: &dyn Fn(u32) -> u32, settings: &Settings) -> Vec<Metric> {
        let classes = self.columns.len();
        let truth: Vec<u32> = self.samples.iter().map(|(truth, _)| *truth).collect();
        let whole = areas(&ClassScores { classes, scores: &self.values, truth: &truth });
        let n = truth.len() as u64;
        let mut replicates = None;
        // Each of the four areas sorts the scores of each label.
        if let Some(resampling) = bounded(settings.resampling, 60 * n * classes as u64) {
            let (mut scores, mut drawn_truth) = (Vec::new(), Vec::new());
            replicates = Some(unit_bootstrap(units, resampling, whole.len(), |drawn, out| {
                scores.clear();
                drawn_truth.clear();
                for (row, (truth, sample)) in self.rows() {
                    let mut times = drawn[unit(*sample) as usize];
                    while times > 0.5 {
                        scores.extend_from_slice(row);
                        drawn_truth.push(*truth);
                        times -= 1.0;
                    }
                }
                for (slot, (_, area)) in
                    out.iter_mut().zip(areas(&ClassScores { classes, scores: &scores, truth: &drawn_truth }))
                {
                    *slot = area.unwrap_or(f64::NAN);
                }
            }));
        }
        let method = if units < self.samples.len() { Method::ClusterBootstrap } else { Method::Bootstrap };
        let mut figures = Vec::new();
        for (at, ((pairing, average), area)) in whole.into_iter().enumerate() {
            let cell = cell.clone().with("pairing", pairing).with("average", average);
            let Ok(value) = area else {
                figures.push(absent(&define::ROC_AUC, &cell, "a label has no sample"));
                continue;
            };
            let interval = match &mut replicates {
                Some(lists) => of_replicates(std::mem::take(&mut lists[at]), value, units, method, settings),
                None => Err(format!("{n} samples of {classes} labels are too many to resample")),
            };
            figures.push(figure(&define::ROC_AUC, &cell, value, n, interval));
        }
        figures
    }

    /// Calibration of the label that each sample is given.
    fn calibration(&self, cell: &Cell, settings: &Settings) -> Metric {
        let _ = settings;
        let mut reliability = Reliability::new(probability::DEFAULT_BINS);
        for (row, (truth, _)) in self.rows() {
            let largest = row.iter().enumerate().fold(0, |best, (at, p)| if *p > row[best] { at } else { best });
            let bin = reliability.bin_of(row[largest]);
            reliability.add_to(bin, row[largest], largest == *truth as usize, 1.0);
        }
        let cell = cell.clone().with("bins", probability::DEFAULT_BINS).with("of", "given label");
        match reliability.expected_error() {
            Some(value) => {
                let reason = "not resampled for several labels".to_owned();
                figure(&define::CALIBRATION_ERROR, &cell, value, self.samples.len() as u64, Err(reason))
            }
            None => absent(&define::CALIBRATION_ERROR, &cell, "no sample states a probability"),
        }
    }
}

/// Names of pairing and average, with the area.
type Area = ((&'static str, &'static str), Result<f64, StatsError>);

fn areas(scores: &ClassScores<'_>) -> [Area; 4] {
    let (rest, one) = (Pairing::OneVsRest, Pairing::OneVsOne);
    [
        (("ovr", "macro"), scores.roc_auc(rest, Average::Macro)),
        (("ovr", "weighted"), scores.roc_auc(rest, Average::Weighted)),
        (("ovo", "macro"), scores.roc_auc(one, Average::Macro)),
        (("ovo", "weighted"), scores.roc_auc(one, Average::Weighted)),
    ]
}
