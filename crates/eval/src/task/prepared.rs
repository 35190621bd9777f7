//! A task with its data: documents become requests, one at a time and in any order.

use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use weighbridge_engine::{Message, Role};

use super::config::{OutputType, Source, TaskConfig};
use super::data::{Cache, DataName, Places, Rows, find_file, hex, locate, split_slice};
use super::error::TaskError;
use super::fewshot::{self, Pool};
use super::field::{Document, Field};
use super::filter::Filter;
use super::prompt::{self, Parts, Turn, delimited};
use super::scorer::{self, Given, Scorer};
use super::template::Context;
use super::value::Value;
use crate::check::Check;
use crate::domains;

/// How a task is to be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskSettings {
    /// Examples instead of the task's number. A task that says 0 keeps 0, as in lm-eval.
    pub num_fewshot: Option<usize>,
    /// Documents at most; below 1 a share of them.
    pub limit: Option<f64>,
    /// Seed of the examples.
    pub seed: i64,
    /// What stands before everything.
    pub system: Option<String>,
    /// The form of prompts.
    pub form: PromptForm,
}

/// lm-eval's seed of few-shot examples.
pub const FEWSHOT_SEED: i64 = 1234;

impl Default for TaskSettings {
    fn default() -> Self {
        Self { num_fewshot: None, limit: None, seed: FEWSHOT_SEED, system: None, form: PromptForm::Text }
    }
}

/// The form of prompts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PromptForm {
    /// Plain text.
    #[default]
    Text,
    /// A conversation with examples and question in one turn.
    Chat,
    /// A conversation in which every example is two turns.
    ChatTurns,
}

/// What stands before a continuation or a generated answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PromptText {
    /// Plain text.
    Text(String),
    /// A conversation.
    Chat(Vec<Message>),
}

impl PromptText {
    /// The text that is hashed and shown: a conversation as lines of JSON.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Chat(messages) => {
                let entry = |message: &Message| {
                    let text = |value: &str| Value::Text(value.to_owned());
                    let entries = [("role", text(message.role.name())), ("content", text(&message.content))];
                    Value::Dict(entries.map(|(key, value)| (key.to_owned(), value)).to_vec())
                };
                Value::List(messages.iter().map(entry).collect()).dumps()
            }
        }
    }
}

/// One request of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What stands before; `None` for the log-probability of a whole text.
    pub prompt: Option<PromptText>,
    /// The continuation whose log-probability is asked; `None` for a generated answer.
    pub continuation: Option<String>,
}

/// A document that is ready to be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Place among the documents of the task, from 0.
    pub doc_id: usize,
    /// The document.
    pub doc: Value,
    /// The right answer as the task gives it.
    pub target: Value,
    /// The choices, where there are any.
    pub choices: Option<Vec<String>>,
    /// The number of the right choice where questions stand for choices (several prompts, one continuation).
    pub question: Value,
    /// What a classifier is given: the task's own input, else the question.
    pub input: String,
    /// What is asked, in lm-eval's order.
    pub asks: Vec<Ask>,
    /// What the user says after each answer; the last answer is scored.
    pub follow_ups: Vec<String>,
    /// What must hold of an answer, where a metric of the task names a column of checks.
    pub checks: Vec<Check>,
}

/// Few-shot examples of every document.
#[derive(Debug)]
struct Examples {
    rows: Arc<Rows>,
    /// Places of the rows that are examples, after slices and transforms.
    pool: Vec<usize>,
    /// For each document its examples, as places in `pool`.
    drawn: Vec<Vec<u32>>,
    transform: Option<String>,
    text: Option<Field>,
    target: Option<Field>,
    choice: Option<Field>,
    prefix: Option<Field>,
}

/// Rows that are documents.
#[derive(Debug)]
enum Kept {
    Range(Range<usize>),
    Rows(Vec<usize>),
}

impl Kept {
    fn len(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::Rows(rows) => rows.len(),
        }
    }

    fn get(&self, place: usize) -> Option<usize> {
        match self {
            Self::Range(range) => range.clone().nth(place),
            Self::Rows(rows) => rows.get(place).copied(),
        }
    }

    fn into_rows(self) -> Vec<usize> {
        match self {
            Self::Range(range) => range.collect(),
            Self::Rows(rows) => rows,
        }
    }
}

/// A task with its data.
#[derive(Debug)]
pub struct Task {
    /// Its keys.
    pub config: TaskConfig,
    /// Filters, at least one.
    pub filters: Vec<Filter>,
    /// Whether the first document's question is a number: then each choice is a prompt of its own.
    pub multiple_inputs: bool,
    /// Whether the first document has several right answers.
    pub multiple_targets: bool,
    rows: Arc<Rows>,
    /// Rows that are documents.
    kept: Kept,
    /// Documents that are asked.
    count: usize,
    pub(super) scorer: Option<Scorer>,
    examples: Option<Examples>,
    shots: usize,
    settings: TaskSettings,
    text: Option<Field>,
    target: Option<Field>,
    choice: Option<Field>,
    description: Option<Field>,
    prefix: Option<Field>,
    input: Option<Field>,
    follow_ups: Option<Field>,
}

impl Task {
    /// Reads the data of a task and prepares everything that its documents share.
    ///
    /// # Errors
    /// When data is missing or damaged, or a key cannot be used on the first document.
    pub fn prepare(
        config: TaskConfig,
        settings: &TaskSettings,
        places: &Places,
        cache: &mut Cache,
    ) -> Result<Self, TaskError> {
        let split = config.test_split.as_ref().or(config.validation_split.as_ref());
        let missing = || TaskError::NoData {
            task: config.task.clone(),
            problem: "it names neither `test_split` nor `validation_split`".to_owned(),
        };
        let split = split.ok_or_else(missing)?.clone();
        let (rows, kept) = read_split(&config, &split, config.process_docs.as_deref(), places, cache)?;
        if kept.len() == 0 {
            let problem = format!("the split `{split}` holds no document");
            return Err(TaskError::NoData { task: config.task.clone(), problem });
        }
        let columns = columns(&config, &rows, &kept);
        let field = |key, source: Option<&Source>| field(&config.task, key, source, &columns);
        let plain = |key, text: &str| {
            let source = (!text.is_empty()).then(|| Source::Text(text.to_owned()));
            field(key, source.as_ref())
        };
        let filters = match &config.filters {
            None => vec![Filter::first()],
            Some(filters) => {
                filters.iter().map(|filter| Filter::new(&config.task, filter)).collect::<Result<_, _>>()?
            }
        };
        // 0 in a task file is kept; it says that examples stand in the prompt already.
        let shots = match (config.num_fewshot, settings.num_fewshot) {
            (Some(0), _) => 0,
            (own, asked) => asked.or(own).unwrap_or(0),
        };
        let mut task = Self {
            filters,
            multiple_inputs: false,
            multiple_targets: false,
            count: limited(kept.len(), settings.limit),
            scorer: config.process_results.as_deref().and_then(scorer::find),
            examples: None,
            shots,
            settings: settings.clone(),
            text: field("doc_to_text", config.doc_to_text.as_ref())?,
            target: field("doc_to_target", config.doc_to_target.as_ref())?,
            choice: field("doc_to_choice", config.doc_to_choice.as_ref())?,
            description: plain("description", &config.description)?,
            prefix: plain("gen_prefix", config.gen_prefix.as_deref().unwrap_or_default())?,
            input: field("metadata.classifier_input", config.classifier_input.as_ref())?,
            follow_ups: field("metadata.follow_ups", config.follow_ups.as_ref())?,
            rows,
            kept,
            config: config.clone(),
        };
        if shots > 0 {
            task.examples = Some(task.draw_examples(&split, &columns, places, cache)?);
        }
        task.look_at_first()?;
        Ok(task)
    }

    /// Documents that are asked.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Documents that there are, asked or not.
    #[must_use]
    pub fn available(&self) -> usize {
        self.kept.len()
    }

    /// Examples before each question.
    #[must_use]
    pub const fn shots(&self) -> usize {
        self.shots
    }

    /// SHA-256 of the data files, hexadecimal.
    #[must_use]
    pub fn data_digest(&self) -> &str {
        self.rows.digest()
    }

    /// The form of prompts.
    #[must_use]
    pub const fn form(&self) -> PromptForm {
        self.settings.form
    }

    /// Makes the requests of a document.
    ///
    /// # Errors
    /// When the document does not fit the task's keys.
    pub fn sample(&self, doc_id: usize) -> Result<Sample, TaskError> {
        let doc = self.document(doc_id)?;
        let context = Context::new(&doc);
        let document = Document { doc: &doc, context: &context };
        let has_choices = self.choice.is_some();
        let question = self.read(doc_id, self.text.as_ref(), Value::Text(String::new()), |field| {
            field.question(document, has_choices)
        })?;
        let target =
            self.read(doc_id, self.target.as_ref(), Value::None, |field| field.target(document, has_choices))?;
        let choices = match &self.choice {
            Some(_) => Some(self.read(doc_id, self.choice.as_ref(), Vec::new(), |field| field.choices(document))?),
            None => None,
        };
        let asks = self.asks(doc_id, document, &question, &target, choices.as_deref())?;
        let own = self.read(doc_id, self.input.as_ref(), None, |field| field.plain(document).map(Some))?;
        let input = own.unwrap_or_else(|| question.text());
        let checks = self.checks(doc_id, &doc)?;
        let follow_ups = self.read(doc_id, self.follow_ups.as_ref(), Vec::new(), |field| field.choices(document))?;
        Ok(Sample { doc_id, target, choices, question, input, asks, follow_ups, checks, doc })
    }

    /// The prompt of the next turn: what was asked, what came, and what the user says then. In plain text they are joined
    /// as examples are.
    #[must_use]
    pub fn next_turn(&self, prompt: &PromptText, answer: &str, follow_up: &str) -> PromptText {
        match prompt {
            PromptText::Text(text) => {
                let answered = delimited(text, answer, &self.config.target_delimiter);
                PromptText::Text(format!("{answered}{}{follow_up}", self.config.fewshot_delimiter))
            }
            PromptText::Chat(messages) => {
                let mut messages = messages.clone();
                match messages.last_mut() {
                    // The beginning of the answer stood in the prompt.
                    Some(begun) if begun.role == Role::Assistant => begun.content.push_str(answer),
                    _ => messages.push(Message { role: Role::Assistant, content: answer.to_owned() }),
                }
                messages.push(Message { role: Role::User, content: follow_up.to_owned() });
                PromptText::Chat(messages)
            }
        }
    }

    /// The prompts of a document that is generated: the first, and for each answer the one that follows it.
    #[must_use]
    pub fn turns(&self, sample: &Sample, answers: &[&str]) -> Vec<PromptText> {
        let mut prompts: Vec<PromptText> = sample.asks.first().and_then(|ask| ask.prompt.clone()).into_iter().collect();
        for (follow_up, answer) in sample.follow_ups.iter().zip(answers) {
            prompts.extend(prompts.last().map(|prompt| self.next_turn(prompt, answer, follow_up)));
        }
        prompts
    }

    /// The checks of a document, in the column that the option `checks` of a metric names.
    fn checks(&self, doc_id: usize, doc: &Value) -> Result<Vec<Check>, TaskError> {
        let metrics = self.config.metrics.iter().flatten();
        let Some(column) = metrics.filter_map(|metric| metric.options.get("checks")?.as_text()).next() else {
            return Ok(Vec::new());
        };
        let value = doc.get(column).ok_or_else(|| self.problem(doc_id, format!("it has no column `{column}`")))?;
        Check::list(value).map_err(|problem| self.problem(doc_id, problem))
    }

    fn asks(
        &self,
        doc_id: usize,
        document: Document<'_>,
        question: &Value,
        target: &Value,
        choices: Option<&[String]>,
    ) -> Result<Vec<Ask>, TaskError> {
        let fail = |problem: &str| self.problem(doc_id, problem.to_owned());
        if self.config.output_type == OutputType::Rolling {
            return Ok(vec![Ask { prompt: None, continuation: Some(target.text()) }]);
        }
        let prefix = self.read(doc_id, self.prefix.as_ref(), String::new(), |field| field.plain(document))?;
        let mut turns = self.beginning(doc_id, document)?;
        let delimiter = self.continuation_delimiter(&prefix);
        let parts =
            Parts { prefix: Some(&prefix), target_delimiter: &self.config.target_delimiter, ..Parts::default() };
        if self.multiple_inputs {
            let choices = choices.ok_or_else(|| fail("several inputs need `doc_to_choice`"))?;
            let continuation = format!("{delimiter}{}", target.text());
            let ask = |choice: &String| {
                let own = Parts { question: choice, target_delimiter: "", ..parts };
                let turns = [&turns[..], &own.turns()[..]].concat();
                Ask { prompt: Some(self.prompt(&turns)), continuation: Some(continuation.clone()) }
            };
            return Ok(choices.iter().map(ask).collect());
        }
        let question = question.as_text().ok_or_else(|| fail("`doc_to_text` gives no text"))?;
        turns.extend(Parts { question, ..parts }.turns());
        let prompt = self.prompt(&turns);
        let continuations: Vec<Option<String>> = match self.config.output_type {
            OutputType::Generate | OutputType::Rolling => vec![None],
            OutputType::LogLikelihood => vec![Some(target.text())],
            OutputType::MultipleChoice => {
                let choices = choices.ok_or_else(|| fail("multiple choice needs `doc_to_choice`"))?;
                if choices.is_empty() {
                    return Err(fail("it has no choices"));
                }
                choices.iter().map(|choice| Some(format!("{delimiter}{choice}"))).collect()
            }
        };
        let ask =
            |continuation: &Option<String>| Ask { prompt: Some(prompt.clone()), continuation: continuation.clone() };
        let mut asks: Vec<Ask> = continuations.iter().map(ask).collect();
        if self.config.output_type == OutputType::MultipleChoice && self.uses_metric("acc_mutual_info") {
            let alone = |continuation: &Option<String>| Ask {
                prompt: Some(PromptText::Text(String::new())),
                continuation: continuation.clone(),
            };
            asks.extend(continuations.iter().map(alone));
        }
        Ok(asks)
    }

    /// Whether the task names a metric.
    #[must_use]
    pub fn uses_metric(&self, name: &str) -> bool {
        self.metric_names().any(|metric| metric == name)
    }

    /// Names of its metrics.
    pub fn metric_names(&self) -> impl Iterator<Item = &str> {
        let own = self.config.metrics.iter().flatten().map(|metric| metric.name.as_str());
        let default = if self.config.metrics.is_none() { self.config.output_type.default_metrics() } else { &[] };
        own.chain(default.iter().copied())
    }

    /// In a conversation the template of the model delimits; only a prefix without white space needs more.
    fn continuation_delimiter(&self, prefix: &str) -> &str {
        let ends_open = !prefix.is_empty() && !prefix.ends_with(super::pattern::is_space);
        if self.settings.form == PromptForm::Text || ends_open { &self.config.target_delimiter } else { "" }
    }

    fn prompt(&self, turns: &[Turn]) -> PromptText {
        match self.settings.form {
            PromptForm::Text => PromptText::Text(prompt::text(turns)),
            PromptForm::Chat => PromptText::Chat(prompt::conversation(turns, false)),
            PromptForm::ChatTurns => PromptText::Chat(prompt::conversation(turns, true)),
        }
    }

    /// System text, description and examples.
    fn beginning(&self, doc_id: usize, document: Document<'_>) -> Result<Vec<Turn>, TaskError> {
        let description = self.read(doc_id, self.description.as_ref(), String::new(), |field| field.plain(document))?;
        let system = self.settings.system.as_deref().unwrap_or_default();
        let system = delimited(system, &description, &self.config.fewshot_delimiter);
        let mut turns = Vec::new();
        if !system.is_empty() {
            turns.push(Turn::new(Role::System, system, ""));
        }
        if let Some(examples) = &self.examples {
            for &place in examples.drawn.get(doc_id).into_iter().flatten() {
                turns.extend(self.example(doc_id, examples, place)?);
            }
        }
        Ok(turns)
    }

    fn example(&self, doc_id: usize, examples: &Examples, place: u32) -> Result<Vec<Turn>, TaskError> {
        let gone = || self.problem(doc_id, "an example cannot be read".to_owned());
        let row = *usize::try_from(place).ok().and_then(|place| examples.pool.get(place)).ok_or_else(gone)?;
        let doc = document_of(&examples.rows, row, examples.transform.as_deref()).ok_or_else(gone)?;
        let context = Context::new(&doc);
        let document = Document { doc: &doc, context: &context };
        let has_choices = self.choice.is_some();
        let mut question = self.read(doc_id, examples.text.as_ref(), Value::Text(String::new()), |field| {
            field.question(document, has_choices)
        })?;
        let answer =
            self.read(doc_id, examples.target.as_ref(), Value::None, |field| field.target(document, has_choices))?;
        let mut choices = match &examples.choice {
            Some(_) => self.read(doc_id, examples.choice.as_ref(), Vec::new(), |field| field.choices(document))?,
            None => Vec::new(),
        };
        let prefix = self.read(doc_id, examples.prefix.as_ref(), String::new(), |field| field.plain(document))?;
        if self.multiple_inputs {
            let choice = question.as_int().and_then(|index| choice_at(&choices, index));
            question = Value::Text(choice.ok_or_else(gone)?.to_owned());
            choices = Vec::new();
        }
        let answer = match &answer {
            Value::Int(index) if !choices.is_empty() => choice_at(&choices, *index).map(str::to_owned),
            Value::List(items) => items.first().map(Value::text),
            Value::None => None,
            other => Some(other.text()),
        };
        let fewshot = &self.config.fewshot;
        let parts = Parts {
            question: &question.text(),
            answer: answer.as_deref(),
            prefix: Some(&prefix),
            target_delimiter: &fewshot.target_delimiter,
            end_delimiter: &fewshot.fewshot_delimiter,
        };
        Ok(parts.turns())
    }

    fn read<T>(
        &self,
        doc_id: usize,
        field: Option<&Field>,
        absent: T,
        read: impl FnOnce(&Field) -> Result<T, String>,
    ) -> Result<T, TaskError> {
        let Some(field) = field else {
            return Ok(absent);
        };
        read(field).map_err(|problem| TaskError::Template {
            task: self.config.task.clone(),
            key: field.key.to_owned(),
            row: Some(doc_id),
            problem,
        })
    }

    fn document(&self, doc_id: usize) -> Result<Value, TaskError> {
        let row = self.kept.get(doc_id);
        let doc = row.and_then(|row| document_of(&self.rows, row, self.config.process_docs.as_deref()));
        doc.ok_or_else(|| self.problem(doc_id, "it cannot be read".to_owned()))
    }

    fn problem(&self, row: usize, problem: String) -> TaskError {
        TaskError::Document { task: self.config.task.clone(), row, problem }
    }

    /// What the first document is decides how all are read, as in lm-eval.
    fn look_at_first(&mut self) -> Result<(), TaskError> {
        let doc = self.document(0)?;
        let context = Context::new(&doc);
        let document = Document { doc: &doc, context: &context };
        let has_choices = self.choice.is_some();
        let question = self.read(0, self.text.as_ref(), Value::None, |field| field.question(document, has_choices))?;
        let target = self.read(0, self.target.as_ref(), Value::None, |field| field.target(document, has_choices))?;
        self.multiple_inputs = has_choices && matches!(question, Value::Int(_));
        self.multiple_targets = matches!(target, Value::List(_));
        if self.scorer.is_some() {
            self.scorer_scores(&self.sample(0)?, Given::Nothing).map_err(|problem| self.problem(0, problem))?;
        }
        Ok(())
    }

    fn draw_examples(
        &self,
        split: &str,
        columns: &[String],
        places: &Places,
        cache: &mut Cache,
    ) -> Result<Examples, TaskError> {
        let config = &self.config;
        let own = &config.fewshot;
        let transform = config.process_docs.clone();
        let from = own.split.as_ref().or(config.training_split.as_ref()).or(config.validation_split.as_ref());
        let (rows, mut pool, transform) = match (&own.split, &own.samples) {
            (None, Some(samples)) => {
                let rows = Arc::new(Rows::of_values(samples));
                let pool = (0..rows.len()).collect();
                (rows, pool, None)
            }
            _ => {
                let from = from.map_or(split, String::as_str);
                let (rows, pool) = read_split(config, from, transform.as_deref(), places, cache)?;
                (rows, pool.into_rows(), transform)
            }
        };
        if let Some(indices) = &own.indices {
            pool = indices.iter().filter_map(|&index| pool.get(index).copied()).collect();
        }
        let digest = |rows: &Rows, row: usize| rows.row_digest(row).unwrap_or_default();
        let digests: Vec<[u8; 32]> = pool.iter().map(|&row| digest(&rows, row)).collect();
        // A document must not be its own example where both come from the test split, or neither split is named.
        let is_same = own.split == config.test_split;
        let documents = (0..self.count).map(|doc_id| {
            is_same.then(|| self.kept.get(doc_id).map(|row| digest(&self.rows, row)).unwrap_or_default())
        });
        let pool_of = Pool { rows: &digests, sampler: own.sampler };
        let drawn = fewshot::draw(&pool_of, self.shots, self.settings.seed, documents);
        let too_few = || TaskError::FewShot { task: config.task.clone(), wanted: self.shots, available: digests.len() };
        let field = |key, source: Option<&Source>| field(&config.task, key, source, columns);
        let prefix = own.gen_prefix.as_ref().filter(|text| !text.is_empty()).map(|text| Source::Text(text.clone()));
        Ok(Examples {
            drawn: drawn.ok_or_else(too_few)?,
            text: field("fewshot_config.doc_to_text", own.doc_to_text.as_ref())?,
            target: field("fewshot_config.doc_to_target", own.doc_to_target.as_ref())?,
            choice: field("fewshot_config.doc_to_choice", own.doc_to_choice.as_ref())?,
            prefix: field("fewshot_config.gen_prefix", prefix.as_ref())?,
            rows,
            pool,
            transform,
        })
    }
}

/// A choice by its number; a negative one counts from the end, as in Python.
pub(super) fn choice_at(choices: &[String], index: i64) -> Option<&str> {
    let place = if index < 0 { index + i64::try_from(choices.len()).ok()? } else { index };
    choices.get(usize::try_from(place).ok()?).map(String::as_str)
}

fn field(
    task: &str,
    key: &'static str,
    source: Option<&Source>,
    columns: &[String],
) -> Result<Option<Field>, TaskError> {
    let fail = |problem| TaskError::Template { task: task.to_owned(), key: key.to_owned(), row: None, problem };
    source.map(|source| Field::new(key, source, columns)).transpose().map_err(fail)
}

fn document_of(rows: &Rows, row: usize, transform: Option<&str>) -> Option<Value> {
    let doc = rows.get(row)?;
    match transform {
        Some(name) => super::transform::apply_to_row(name, &doc, row),
        None => Some(doc),
    }
}

/// Columns of the documents after the transform.
fn columns(config: &TaskConfig, rows: &Rows, kept: &Kept) -> Vec<String> {
    let first = kept.get(0).and_then(|row| document_of(rows, row, config.process_docs.as_deref()));
    match (&config.process_docs, first) {
        (Some(_), Some(Value::Dict(entries))) => entries.into_iter().map(|(key, _)| key).collect(),
        _ => rows.columns().to_vec(),
    }
}

/// A split, and the rows of it that are documents.
fn read_split(
    config: &TaskConfig,
    split: &str,
    transform: Option<&str>,
    places: &Places,
    cache: &mut Cache,
) -> Result<(Arc<Rows>, Kept), TaskError> {
    let (name, slice) = split_slice(split);
    let path = config.dataset_path.as_deref().unwrap_or_default();
    let rows =
        if path == domains::DATASET { shipped(config, name)? } else { read_files(config, path, name, places, cache)? };
    let (from, to) = slice.unwrap_or((None, None));
    let range = from.unwrap_or(0).min(rows.len())..to.unwrap_or(rows.len()).min(rows.len());
    let kept = match transform {
        None => Kept::Range(range),
        Some(_) => Kept::Rows(range.filter(|row| document_of(&rows, *row, transform).is_some()).collect()),
    };
    Ok((rows, kept))
}

fn read_files(
    config: &TaskConfig,
    path: &str,
    split: &str,
    places: &Places,
    cache: &mut Cache,
) -> Result<Arc<Rows>, TaskError> {
    let data =
        DataName { task: &config.task, path, name: config.dataset_name.as_deref(), options: &config.dataset_kwargs };
    let files = locate(&data, split, places)?;
    let rows = cache.read(files, &config.dataset_kwargs)?;
    let Some(join) = config.dataset_kwargs.get("join") else {
        return Ok(rows);
    };
    let misfit = || TaskError::Key {
        task: config.task.clone(),
        key: "dataset_kwargs.join".to_owned(),
        value: join.repr(),
        expected: "a mapping with `file` and `by`, and perhaps `optional: true`".to_owned(),
    };
    let is_optional = match join.get("optional") {
        None => false,
        Some(Value::Bool(is_optional)) => *is_optional,
        Some(_) => return Err(misfit()),
    };
    let text = |key| join.get(key).and_then(Value::as_text).ok_or_else(misfit);
    let (file, by) = (find_file(&data, text("file")?, places)?, text("by")?);
    let others = cache.read(vec![file.clone()], &Value::None)?;
    rows.joined(&others, by, is_optional).map(Arc::new).map_err(|problem| TaskError::Data {
        path: file,
        place: format!("its column `{by}`"),
        problem,
    })
}

/// A set of the binary.
fn shipped(config: &TaskConfig, split: &str) -> Result<Arc<Rows>, TaskError> {
    let problem = |problem| TaskError::Shipped { task: config.task.clone(), problem };
    let options = domains::Options::of_value(&config.dataset_kwargs).map_err(problem)?;
    let name = config.dataset_name.as_deref().unwrap_or_default();
    let rows = domains::rows(name, split, &options).map_err(problem)?;
    Ok(Arc::new(Rows::of_values(&rows)))
}

/// lm-eval's limit: a share below 1, else a number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the share is of a length, and not negative"
)]
fn limited(available: usize, limit: Option<f64>) -> usize {
    match limit {
        None => available,
        Some(limit) if limit < 1.0 => ((available as f64 * limit).ceil() as usize).min(available),
        Some(limit) => (limit as usize).min(available),
    }
}

impl Sample {
    /// SHA-256 of the document as lm-eval logs it.
    #[must_use]
    pub fn doc_hash(&self) -> String {
        hash(&self.doc.dumps())
    }

    /// SHA-256 of the first request's prompt as lm-eval logs it; of a whole text its own.
    #[must_use]
    pub fn prompt_hash(&self) -> String {
        let Some(ask) = self.asks.first() else {
            return hash("");
        };
        match &ask.prompt {
            Some(prompt) => hash(&prompt.shown()),
            None => hash(ask.continuation.as_deref().unwrap_or_default()),
        }
    }

    /// SHA-256 of the target's text as lm-eval logs it.
    #[must_use]
    pub fn target_hash(&self) -> String {
        hash(&self.target.text())
    }
}

pub(super) fn hash(text: &str) -> String {
    hex(&Sha256::digest(text))
}
