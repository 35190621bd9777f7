//! From a file to its report.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use weighbridge_types::definition as define;
use weighbridge_types::exhibit::{self, Confusion, Curves, Exhibit, Failure};
use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::Phase;

use crate::predictions::{Field, PredictionsError, Problem, Row, Totals, read};

use super::collect::Columns;
use super::distances::Distances;
use super::error::ScoreError;
use super::figure::{Scope, absent, counted, estimated, figure};
use super::label_scores::{MOST_LABELS, label_figures};
use super::ranking_scores::{Scored, calibration_figures, curves, in_scope, rank, ranking_figures};
use super::sets::Sets;
use super::settings::Settings;
use super::sums::Sums;
use super::tables::Table;
use super::text_scores::Texts;

/// What a file of predictions says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Samples.
    pub samples: u64,
    /// Samples without an answer.
    pub failures: u64,
    /// Samples that were not answered right, those without an answer among them.
    pub wrong: u64,
    /// Bytes read, decompressed.
    pub bytes: u64,
    /// Every figure.
    pub figures: Vec<Metric>,
    /// Truth against answer; only with labels, and not too many of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confusion: Option<Confusion>,
    /// Curves of the score; only with scores and a positive label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curves: Option<Curves>,
    /// Some of the samples that were not answered right.
    pub failed: Vec<Failure>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

impl Report {
    /// What a page shows beside the figures.
    #[must_use]
    pub fn exhibit(&self) -> Exhibit {
        Exhibit {
            cell: Cell::of(Phase::Evaluate),
            confusion: self.confusion.clone().filter(|of| of.labels.len() <= exhibit::MOST_LABELS),
            curves: self.curves.clone(),
            failures: self.failed.clone(),
            failed: self.wrong,
        }
    }
}

/// Scores a file.
///
/// # Errors
/// The first thing that is wrong with the file or the settings.
pub fn score_file(path: &Path, settings: &Settings) -> Result<Report, ScoreError> {
    let mut columns = Columns::new(settings);
    let mut texts = Texts::new(settings);
    let mut sets = Sets::default();
    let mut sums = Sums::default();
    let mut distances = Distances::default();
    let mut seen = String::new();
    let totals = read(path, settings.form, &settings.mapping, |row| {
        if seen.is_empty() {
            seen = row.columns();
        }
        texts.take(row, columns.rows)?;
        sets.take(row, columns.rows)?;
        sums.take(row, columns.rows)?;
        distances.take(row, columns.rows, settings)?;
        columns.take(row)
    })?;
    let has_nothing =
        columns.truth.is_empty() && texts.counted.is_empty() && sets.counted.is_empty() && sums.is_empty();
    let mut ids = columns.take_ids();
    let (repeated, report) = beside(
        ids.len() >= MANY,
        || weighbridge_stats::repeated_u64(&mut ids),
        || {
            if has_nothing {
                return Err(ScoreError::NothingToScore { columns: seen });
            }
            columns.finish()?;
            let positive = positive(&columns, settings)?;
            report(&mut columns, &Others { texts, sets, sums, distances }, totals, positive, settings)
        },
    );
    refuse_repeated(path, settings, &columns, &repeated)?;
    report
}

/// Samples from which on a thread is worth what it costs: as much as a thousand of them.
const MANY: usize = 50_000;

/// Does both, at the same time where it is `worth` a thread and one can be started.
fn beside<A: Send, B>(worth: bool, mut one: impl FnMut() -> A + Send, other: impl FnOnce() -> B) -> (A, B) {
    if !worth {
        return (one(), other());
    }
    let (found, made) = std::thread::scope(|scope| {
        let started = std::thread::Builder::new().spawn_scoped(scope, &mut one);
        let made = other();
        let join = |thread: std::thread::ScopedJoinHandle<'_, A>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        (started.ok().map(join), made)
    });
    (found.unwrap_or_else(one), made)
}

/// Equal hashes are a suspicion; the ids themselves decide.
fn refuse_repeated(
    path: &Path,
    settings: &Settings,
    columns: &Columns,
    repeated: &[u64],
) -> Result<(), PredictionsError> {
    if repeated.is_empty() {
        return Ok(());
    }
    let mut lines: HashMap<String, u64> = HashMap::new();
    read(path, settings.form, &settings.mapping, |row: &Row<'_>| {
        let Some(id) = row.text(Field::Id)? else { return Ok(()) };
        if repeated.binary_search(&columns.hash(id)).is_err() {
            return Ok(());
        }
        match lines.insert(id.to_owned(), row.line) {
            None => Ok(()),
            Some(first) => Err(PredictionsError::DuplicateId { line: row.line, first, id: id.to_owned() }),
        }
    })
    .map(drop)
}

/// The label that scores speak of: the given one, or 1 or true of two labels.
fn positive(columns: &Columns, settings: &Settings) -> Result<Option<u32>, ScoreError> {
    if let Some(label) = &settings.positive {
        return columns.labels.find(label).map(Some).ok_or_else(|| ScoreError::Setting {
            setting: "the positive label",
            value: label.clone(),
            what: "it does not occur".to_owned(),
        });
    }
    let is_binary = columns.labels.names().len() <= 2;
    Ok(["1", "true"].iter().find_map(|label| columns.labels.find(label)).filter(|_| is_binary))
}

/// How many alerts a desk would see in a day, where samples carry time stamps.
fn alert_figures(columns: &Columns, positive: u32) -> Vec<Metric> {
    const DAY: f64 = 86_400.0;
    let Some((first, last)) = columns.times else { return Vec::new() };
    let cell = Cell::of(Phase::Evaluate);
    let list = [(&define::ALERTS_PER_DAY, false), (&define::FALSE_ALERTS_PER_DAY, true)];
    if last <= first {
        return list.map(|(of, _)| absent(of, &cell, "all time stamps are the same")).to_vec();
    }
    let pairs = columns.answers.iter().zip(&columns.truth);
    let alerts: Vec<bool> =
        pairs.filter(|(answer, _)| **answer == positive).map(|(_, truth)| *truth == positive).collect();
    let reason = "alerts come in bursts: one period says nothing of the next";
    let rate = |count: usize| count as f64 / ((last - first) / DAY);
    list.map(|(of, only_false)| {
        let count = if only_false { alerts.iter().filter(|is_true| !**is_true).count() } else { alerts.len() };
        figure(of, &cell, rate(count), columns.rows, Err(reason.to_owned()))
    })
    .to_vec()
}

/// The figures of both forms; without failures the second form would repeat the first.
fn both_forms(has_failures: bool, mut of: impl FnMut(Scope) -> Vec<Metric>) -> Vec<Metric> {
    let mut figures = of(Scope::FailuresAsWrong);
    if has_failures {
        figures.extend(of(Scope::AnsweredOnly));
    }
    figures
}

/// What is not about labels.
struct Others {
    texts: Texts,
    sets: Sets,
    sums: Sums,
    distances: Distances,
}

impl Others {
    fn figures(&self, columns: &Columns, settings: &Settings) -> Vec<Metric> {
        let rows = usize::try_from(columns.rows).unwrap_or(usize::MAX);
        let units = if columns.clusters.is_empty() { rows } else { columns.cluster_count };
        let unit = |sample: u32| columns.clusters.get(sample as usize).copied().unwrap_or(sample);
        let mut figures = Vec::new();
        figures.extend(columns.probabilities.figures(units, &unit, settings));
        if !self.texts.counted.is_empty() {
            let of = |scope| self.texts.figures(scope, units, &unit, settings);
            figures.extend(both_forms(self.texts.counted.has_failures(), of));
        }
        let of = |scope| self.sets.figures(scope, units, &unit, settings);
        figures.extend(both_forms(self.sets.counted.has_failures(), of));
        let of = |scope| self.sums.share_right(scope, units, &unit, settings);
        figures.extend(both_forms(self.sums.has_failures(), of));
        figures.extend(self.sums.figures(units, &unit, settings));
        figures.extend(self.distances.figures(units, &unit, settings));
        figures
    }
}

fn report(
    columns: &mut Columns,
    others: &Others,
    totals: Totals,
    positive: Option<u32>,
    settings: &Settings,
) -> Result<Report, ScoreError> {
    let decided = decide(columns, positive, settings);
    let columns = &*columns;
    let mut figures = counts(columns, settings);
    let mut notes = notes(columns);
    notes.extend(decided);
    let order = columns.labels.order();
    let names: Vec<String> = order.iter().map(|&code| columns.labels.names()[code as usize].to_string()).collect();
    let is_true = columns.true_labels();
    let costs = settings.costs.as_ref().filter(|_| !columns.truth.is_empty());
    let truths: Vec<bool> = order.iter().map(|&code| is_true[code as usize]).collect();
    let costs = costs.map(|costs| costs.over(&names, &truths)).transpose()?;
    let mut confusion = None;
    if !columns.truth.is_empty() {
        figures.extend(both_forms(columns.failures() > 0, |scope| {
            let table = Table::new(columns, scope, &order);
            if scope == Scope::FailuresAsWrong && names.len() <= MOST_LABELS {
                confusion = Some(Confusion { labels: names.clone(), counts: table.rows() });
            }
            label_figures(&table, scope, &names, costs.as_ref(), settings)
        }));
    }
    if names.len() > MOST_LABELS {
        notes.push(format!("{} labels: no figures for each, and no table", names.len()));
    }
    let mut curve = None;
    match positive {
        Some(positive) if !columns.scores.is_empty() => {
            let samples = scored(columns, positive);
            let count = columns.scores.len();
            let units = if columns.clusters.is_empty() { count } else { columns.cluster_count };
            let units = (units, units != count);
            let has_failures = samples.clone().any(|sample| sample.score.is_none());
            let answered = in_scope(samples.clone(), Scope::AnsweredOnly);
            let (calibrated, ranking) = beside(
                count >= MANY,
                || calibration_figures(&samples, units, settings),
                || {
                    let ranking = rank(&answered);
                    // Without failures the samples of both forms are the same.
                    let mut scope = Scope::FailuresAsWrong;
                    if has_failures {
                        let all = in_scope(samples.clone(), scope);
                        figures.extend(ranking_figures(&all, &rank(&all), units, scope, settings));
                        scope = Scope::AnsweredOnly;
                    }
                    figures.extend(ranking_figures(&answered, &ranking, units, scope, settings));
                    ranking
                },
            );
            figures.extend(calibrated);
            curve = curves(&answered, &ranking, &columns.labels.names()[positive as usize]);
        }
        None if !columns.scores.is_empty() => {
            let reason = "scores speak of one label, and which one is not known: name it with `--positive`";
            figures.push(absent(&define::ROC_AUC, &Scope::FailuresAsWrong.cell(), reason));
        }
        Some(_) | None => {}
    }
    if let Some(positive) = positive {
        figures.extend(alert_figures(columns, positive));
    }
    figures.extend(others.figures(columns, settings));
    figures.retain(|metric| settings.wants(&metric.name));
    let (samples, bytes, failures) = (totals.rows, totals.bytes, columns.failures());
    let (failed, wrong) = (columns.chosen.clone().finish().0, columns.problems.iter().sum());
    Ok(Report { samples, failures, wrong, bytes, figures, confusion, curves: curve, failed, notes })
}

/// Makes answers of scores where the file has no others; tells so.
fn decide(columns: &mut Columns, positive: Option<u32>, settings: &Settings) -> Option<String> {
    let positive = positive.filter(|_| columns.only_scores())?;
    let negative = (0..).take(columns.labels.names().len()).find(|&code| code != positive)?;
    columns.decide(settings.threshold, positive, negative);
    let threshold = settings.threshold;
    Some(format!("no predictions: samples with a score of at least {threshold} are taken as positive"))
}

fn scored(columns: &Columns, positive: u32) -> impl Iterator<Item = Scored> + Clone {
    let sample = move |(index, (&truth, &score)): (usize, (&u32, &f64))| Scored {
        score: (!score.is_nan()).then_some(score),
        is_positive: truth == positive,
        weight: columns.weights.get(index).copied().unwrap_or(1.0),
        unit: columns.clusters.get(index).copied().unwrap_or_else(|| u32::try_from(index).unwrap_or(u32::MAX)),
    };
    columns.truth.iter().zip(&columns.scores).enumerate().map(sample)
}

fn counts(columns: &Columns, settings: &Settings) -> Vec<Metric> {
    let mut figures = vec![counted(&define::SAMPLES, &Cell::of(Phase::Evaluate), columns.rows, columns.rows)];
    let outcomes = Problem::ALL.map(|problem| (problem.name(), columns.problems[problem.index()]));
    for (outcome, count) in [("right", columns.right())].into_iter().chain(outcomes).filter(|(_, count)| *count > 0) {
        let cell = Cell::of(Phase::Evaluate).with("outcome", outcome);
        figures.push(counted(&define::SAMPLES, &cell, count, columns.rows));
    }
    let failed = columns.failures();
    let to_count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let share = weighbridge_stats::proportion::wilson(
        to_count(columns.rows - failed),
        to_count(columns.rows),
        settings.confidence,
    );
    figures.push(estimated(&define::ANSWERED, &Cell::of(Phase::Evaluate), share));
    figures
}

fn notes(columns: &Columns) -> Vec<String> {
    let mut notes = Vec::new();
    if columns.silent > 0 {
        notes
            .push(format!("{} samples have neither a prediction nor a problem: counted as unparsable", columns.silent));
    }
    if !columns.has_ids() {
        notes.push("no ids: samples that stand twice could not be found".to_owned());
    }
    let is_true = columns.true_labels();
    let strangers: Vec<&str> = columns
        .labels
        .names()
        .iter()
        .zip(&is_true)
        .filter(|(_, is_true)| !**is_true)
        .map(|(name, _)| &**name)
        .collect();
    if !strangers.is_empty() {
        let shown: Vec<&str> = strangers.iter().copied().take(5).collect();
        notes.push(format!("{} labels were predicted and never are the truth: {}", strangers.len(), shown.join(", ")));
    }
    let mut is_given = vec![false; is_true.len()];
    columns.answers.iter().for_each(|&code| {
        if let Some(given) = is_given.get_mut(code as usize) {
            *given = true;
        }
    });
    let unheard = is_true.iter().zip(&is_given).filter(|(is_true, is_given)| **is_true && !**is_given).count();
    if unheard > 0 && !columns.truth.is_empty() {
        notes.push(format!("{unheard} labels were never predicted: their precision divides by zero and counts as 0"));
    }
    if is_true.iter().filter(|is_true| **is_true).count() == 1 {
        notes.push("every sample has the same true label: scores that compare labels say nothing".to_owned());
    }
    notes
}
