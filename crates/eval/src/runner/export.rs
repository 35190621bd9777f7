//! lm-eval's results JSON and sample JSONL, for viewers and tools that read them.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use weighbridge_types::record::Record;
use weighbridge_types::sample::{SampleAnswer, SampleOutcome, SampleRow};

use super::book::Book;
use super::figures::{self, group_figures, tasks_of};
use super::plan::{Plan, Planned, outcome_of, text_of};
use super::run::Journal;
use crate::error::EvalError;
use crate::task::score::{DETECTION, FilterScores, Score, higher_is_better};
use crate::task::{Sample, Value};

/// Folder of the export within a run's folder.
const FOLDER: &str = "lm-eval";

/// Writes the export of a run. Its files hold nothing of the clock: the same answers give the same bytes.
#[derive(Debug)]
pub struct Export<'a> {
    /// What was asked.
    pub plan: &'a Plan,
    /// The record of the run.
    pub record: &'a Record,
}

/// The lines of one task, in the order of answers, with where each document's stand.
struct Unsorted {
    file: BufWriter<File>,
    path: PathBuf,
    end: u64,
    /// For each filter the beginning and length of each document's line.
    lines: Vec<Vec<(u64, u32)>>,
}

impl Export<'_> {
    /// Reads the log once and writes `lm-eval/results.json` and `lm-eval/samples_TASK.jsonl`.
    ///
    /// # Errors
    /// When the log cannot be read or a file cannot be written.
    pub fn write(&self, folder: &Path, journal: &mut dyn Journal) -> Result<PathBuf, EvalError> {
        let folder = folder.join(FOLDER);
        std::fs::create_dir_all(&folder).map_err(at(&folder))?;
        let mut tasks: Vec<Unsorted> =
            self.plan.tasks.iter().map(|planned| Unsorted::new(&folder, planned)).collect::<Result<_, _>>()?;
        let book = self.each(journal, |place, document| tasks[place].write(&self.plan.tasks[place], document))?;
        for (planned, unsorted) in self.plan.tasks.iter().zip(tasks) {
            unsorted.sort(&folder.join(format!("samples_{}.jsonl", file_name(&planned.task.config.task))))?;
        }
        let path = folder.join("results.json");
        let text = results(self.plan, &book, self.record).dumps();
        std::fs::write(&path, text + "\n").map_err(at(&path))?;
        Ok(folder)
    }

    /// Calls `take` with each answered document and the place of its task.
    fn each(
        &self,
        journal: &mut dyn Journal,
        mut take: impl FnMut(usize, &Document<'_>) -> Result<(), EvalError>,
    ) -> Result<Book, EvalError> {
        let tasks = &self.plan.tasks;
        let mut book = Book::new(self.plan);
        let mut pending: Vec<Vec<SampleRow>> = tasks.iter().map(|_| Vec::new()).collect();
        let mut problem = None;
        journal.rows(&mut |row| {
            let task = row.cell.get("task").unwrap_or_default();
            let Some(place) = tasks.iter().position(|planned| planned.task.config.task == task) else { return };
            let Some(rows) = whole(&tasks[place], &mut pending[place], row) else { return };
            if problem.is_none() {
                let taken = Document::of(&tasks[place], &rows).and_then(|document| {
                    let Some(document) = document else { return Ok(()) };
                    document.enter(&tasks[place], &mut book.tasks[place]);
                    take(place, &document)
                });
                problem = taken.err();
            }
        })?;
        problem.map_or(Ok(book), Err)
    }
}

/// The rows of a document when this one completes them; those of its repeats come one after the other.
fn whole(planned: &Planned, pending: &mut Vec<SampleRow>, row: SampleRow) -> Option<Vec<SampleRow>> {
    if pending.first().is_some_and(|first| first.doc_id != row.doc_id || row.repeat == 0) {
        pending.clear();
    }
    pending.push(row);
    let repeats = if planned.mode == super::plan::Mode::Generate { planned.task.config.repeats } else { 1 };
    (pending.len() >= repeats as usize).then(|| std::mem::take(pending))
}

/// A document with its answers and scores.
struct Document<'a> {
    sample: Sample,
    rows: &'a [SampleRow],
    scores: Vec<FilterScores>,
    outcome: SampleOutcome,
}

impl<'a> Document<'a> {
    /// `None` for a document that the task does not have.
    fn of(planned: &Planned, rows: &'a [SampleRow]) -> Result<Option<Self>, EvalError> {
        let doc_id = rows.first().and_then(|row| usize::try_from(row.doc_id).ok()).unwrap_or(usize::MAX);
        if doc_id >= planned.task.len() {
            return Ok(None);
        }
        let sample = planned.task.sample(doc_id)?;
        let failed = rows.iter().find(|row| row.answers.is_empty());
        let (scores, outcome) = match (failed, planned.score(&sample, rows)) {
            (Some(failed), _) => (planned.task.missed(&sample), failed.outcome),
            (None, Ok(scores)) => {
                let outcome = outcome_of(&scores, rows);
                (scores, outcome)
            }
            // A filter that needs too many steps on this answer has not understood it.
            (None, Err(_)) => (planned.task.missed(&sample), SampleOutcome::Unparsable),
        };
        Ok(Some(Self { sample, rows, scores, outcome }))
    }

    fn enter(&self, planned: &Planned, book: &mut super::book::TaskBook) {
        let filters: Vec<&str> = planned.task.filters.iter().map(|filter| filter.name.as_str()).collect();
        book.enter(self.sample.doc_id, self.outcome, &self.scores, &filters);
    }
}

/// The first prompts of each task, as they would be asked.
///
/// # Errors
/// When a document does not fit its task.
pub fn preview(plan: &Plan, documents: usize) -> Result<Vec<(String, Sample)>, EvalError> {
    let mut samples = Vec::new();
    for planned in &plan.tasks {
        for doc_id in 0..documents.min(planned.task.len()) {
            samples.push((planned.task.config.task.clone(), planned.task.sample(doc_id)?));
        }
    }
    Ok(samples)
}

/// The files of samples in the folder of a run, by task.
#[must_use]
pub fn sample_files(run: &Path) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(run.join(FOLDER)).into_iter().flatten().flatten();
    let named = |path: PathBuf| {
        let task = path.file_name()?.to_str()?.strip_prefix("samples_")?.strip_suffix(".jsonl")?.to_owned();
        Some((task, path))
    };
    let mut files: Vec<_> = entries.filter_map(|entry| named(entry.path())).collect();
    files.sort();
    files
}

/// A name that is one file on every system.
fn file_name(task: &str) -> String {
    task.chars().map(|char| if char.is_alphanumeric() || "-_.".contains(char) { char } else { '_' }).collect()
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> EvalError + '_ {
    move |source| EvalError::Write { path: path.to_owned(), source }
}

impl Unsorted {
    fn new(folder: &Path, planned: &Planned) -> Result<Self, EvalError> {
        let path = folder.join(format!(".samples_{}.part", file_name(&planned.task.config.task)));
        let options = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let file = BufWriter::new(options.map_err(at(&path))?);
        let lines = vec![vec![(0, 0); planned.task.len()]; planned.task.filters.len()];
        Ok(Self { file, path, end: 0, lines })
    }

    /// Writes the lines of a document, one for each filter.
    fn write(&mut self, planned: &Planned, document: &Document<'_>) -> Result<(), EvalError> {
        let Document { sample, rows, scores, outcome } = document;
        for (place, filter) in planned.task.filters.iter().enumerate() {
            let line = line(planned, sample, rows, &filter.name, scores.get(place), outcome.name());
            let text = line.dumps_line() + "\n";
            self.file.write_all(text.as_bytes()).map_err(at(&self.path))?;
            self.lines[place][sample.doc_id] = (self.end, u32::try_from(text.len()).unwrap_or(u32::MAX));
            self.end += text.len() as u64;
        }
        Ok(())
    }

    /// Copies the lines in the order of filters and documents.
    fn sort(self, path: &Path) -> Result<(), EvalError> {
        let mut from = self.file.into_inner().map_err(|error| at(&self.path)(error.into_error()))?;
        let mut to = BufWriter::new(File::create(path).map_err(at(path))?);
        let mut text = Vec::new();
        for (start, length) in self.lines.into_iter().flatten().filter(|(_, length)| *length > 0) {
            text.resize(length as usize, 0);
            from.seek(SeekFrom::Start(start)).map_err(at(&self.path))?;
            from.read_exact(&mut text).map_err(at(&self.path))?;
            to.write_all(&text).map_err(at(path))?;
        }
        to.flush().map_err(at(path))?;
        std::fs::remove_file(&self.path).map_err(at(&self.path))
    }
}

fn text(value: impl Into<String>) -> Value {
    Value::Text(value.into())
}

fn dict(entries: Vec<(&str, Value)>) -> Value {
    Value::Dict(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// One line of the samples, with lm-eval's keys; `outcome` and `id` are added.
fn line(
    planned: &Planned,
    sample: &Sample,
    rows: &[SampleRow],
    filter: &str,
    scores: Option<&FilterScores>,
    outcome: &str,
) -> Value {
    let mut arguments = Value::Dict(Vec::new());
    for (index, ask) in sample.asks.iter().enumerate() {
        let first = ask.prompt.as_ref().map(|prompt| text(prompt.shown()));
        let second = match &ask.continuation {
            Some(continuation) => text(continuation.clone()),
            None => planned.task.config.generation.written.clone(),
        };
        let entries = first.into_iter().chain([second]).enumerate();
        let entries = entries.map(|(place, value)| (format!("arg_{place}"), value)).collect();
        arguments.set(&format!("gen_args_{index}"), Value::Dict(entries));
    }
    // Turns after the first are requests of their own; their prompts are those of the first repeat.
    let said: Vec<&str> = rows.iter().take(1).flat_map(|row| &row.answers).filter_map(text_of).collect();
    let turns = if sample.follow_ups.is_empty() { Vec::new() } else { planned.task.turns(sample, &said) };
    for (index, prompt) in turns.iter().enumerate().skip(1).take(said.len().saturating_sub(1)) {
        let entries = [text(prompt.shown()), planned.task.config.generation.written.clone()].into_iter().enumerate();
        let entries = entries.map(|(place, value)| (format!("arg_{place}"), value)).collect();
        arguments.set(&format!("gen_args_{index}"), Value::Dict(entries));
    }
    let responses = responses(rows);
    let filtered = scores.map_or_else(Vec::new, |scores| scores.filtered.iter().map(as_texts).collect());
    let metrics = scores.map_or_else(Vec::new, |scores| scores.scores.clone());
    let mut line = dict(vec![
        ("doc_id", Value::Int(i64::try_from(sample.doc_id).unwrap_or(i64::MAX))),
        ("doc", sample.doc.clone()),
        ("target", text(sample.target.text())),
        ("arguments", arguments),
        ("resps", Value::List(responses)),
        ("filtered_resps", Value::List(filtered)),
        ("filter", text(filter)),
        ("metrics", Value::List(metrics.iter().map(|(name, _)| text(name.clone())).collect())),
        ("doc_hash", text(sample.doc_hash())),
        ("prompt_hash", text(sample.prompt_hash())),
        ("target_hash", text(sample.target_hash())),
    ]);
    for (name, score) in &metrics {
        line.set(name, score_value(*score));
    }
    line.set("outcome", text(outcome));
    line.set("id", text(rows.first().map(|row| row.id.clone()).unwrap_or_default()));
    line
}

/// Answers by request, each a list over repeats.
fn responses(rows: &[SampleRow]) -> Vec<Value> {
    let count = rows.first().map_or(0, |row| row.answers.len());
    let shown = |answer: &SampleAnswer| match answer {
        SampleAnswer::Text { text: answer, .. } => text(answer.clone()),
        SampleAnswer::LogProbability { value, is_greedy, .. } => {
            as_texts(&Value::List(vec![Value::Float(*value), Value::Bool(*is_greedy)]))
        }
    };
    let of_request =
        |request: usize| Value::List(rows.iter().filter_map(|row| row.answers.get(request)).map(shown).collect());
    (0..count).map(of_request).collect()
}

/// lm-eval writes every value within answers as text.
fn as_texts(value: &Value) -> Value {
    match value {
        Value::List(items) => Value::List(items.iter().map(as_texts).collect()),
        other => text(other.text()),
    }
}

fn score_value(score: Score) -> Value {
    match score {
        Score::Number(value) => Value::Float(value),
        Score::Weighted(sum, units) => Value::List(vec![Value::Float(sum), Value::Float(units)]),
        Score::Detection(detected) => dict(vec![
            ("attack", Value::Bool(detected.is_attack)),
            ("flagged", Value::Bool(detected.is_flagged)),
            ("suspicion", detected.suspicion.map_or(Value::None, Value::Float)),
        ]),
        Score::Leaning(leaning) => {
            let parts = [leaning.is_right, leaning.is_biased, leaning.is_known];
            Value::List(parts.map(|is| Value::Float(f64::from(u8::from(is)))).to_vec())
        }
        Score::Overlap(overlap) => {
            let count = |count: u64| Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
            dict(vec![("given", count(overlap.given)), ("there", count(overlap.there)), ("both", count(overlap.both))])
        }
        Score::Labels(gold, given) => Value::List(vec![Value::Int(gold), Value::Int(given)]),
    }
}

fn number(value: Option<f64>) -> Value {
    value.map_or_else(|| text("N/A"), Value::Float)
}

fn count(value: usize) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn results(plan: &Plan, book: &Book, record: &Record) -> Value {
    let empty = || Value::Dict(Vec::new());
    let (mut results, mut versions, mut shots, mut better, mut samples) = (empty(), empty(), empty(), empty(), empty());
    for (planned, task) in plan.tasks.iter().zip(&book.tasks) {
        let config = &planned.task.config;
        let alias = config.alias.clone().unwrap_or_else(|| config.task.clone());
        let asked = Value::Int(i64::try_from(task.asked()).unwrap_or(i64::MAX));
        let mut entry =
            dict(vec![("name", text(config.task.clone())), ("alias", text(alias)), ("sample_len", asked.clone())]);
        let mut own_better = empty();
        for column in task.columns().iter().filter(|column| column.metric != DETECTION) {
            let figure = task.figures(column).all;
            entry.set(&format!("{},{}", column.metric, column.filter), number(figure.value));
            entry.set(&format!("{}_stderr,{}", column.metric, column.filter), number(figure.error));
            own_better.set(&column.metric, Value::Bool(higher_is_better(&column.metric)));
        }
        results.set(&config.task, entry);
        versions.set(&config.task, config.version.clone());
        shots.set(&config.task, count(planned.task.shots()));
        better.set(&config.task, own_better);
        samples.set(&config.task, dict(vec![("original", count(planned.task.available())), ("effective", asked)]));
    }
    let (mut groups, mut subtasks) = (empty(), empty());
    for group in &plan.groups {
        let alias = group.alias.clone().unwrap_or_else(|| group.name.clone());
        let mut entry = dict(vec![("alias", text(alias)), ("name", text(group.name.clone()))]);
        let parts: Vec<_> = group_figures(&plan.groups, &tasks_of(plan, book))
            .into_iter()
            .filter(|part| part.group == group.name)
            .collect();
        let asked = |(planned, task): (&Planned, &super::book::TaskBook)| {
            if group.tasks.contains(&planned.task.config.task) { task.asked() } else { 0 }
        };
        let asked: u64 = plan.tasks.iter().zip(&book.tasks).map(asked).sum();
        let mut counts = empty();
        if !group.metrics.is_empty() {
            entry.set("sample_len", Value::Int(i64::try_from(asked).unwrap_or(i64::MAX)));
        }
        for part in &parts {
            let key = format!("{},{}", part.metric, part.filter);
            entry.set(&key, number(part.figure.value));
            entry.set(&format!("{}_stderr,{}", part.metric, part.filter), number(part.figure.error));
            counts.set(&key, Value::Int(i64::try_from(part.figure.n).unwrap_or(i64::MAX)));
        }
        if !parts.is_empty() {
            entry.set("sample_count", counts);
        }
        results.set(&group.name, entry.clone());
        groups.set(&group.name, entry);
        subtasks.set(&group.name, Value::List(group.tasks.iter().map(|task| text(task.clone())).collect()));
    }
    let model =
        dict(vec![("model", text(record.engine.engine.clone())), ("model_name", text(record.engine.model.clone()))]);
    dict(vec![
        ("results", results),
        ("groups", groups),
        ("group_subtasks", subtasks),
        ("versions", versions),
        ("n-shot", shots),
        ("higher_is_better", better),
        ("n-samples", samples),
        ("config", model),
        ("notes", Value::List(figures::notes(plan).into_iter().map(text).collect())),
    ])
}
