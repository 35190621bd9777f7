//! The keys of a task file, with lm-eval's defaults.

use super::error::TaskError;
use super::literal;
use super::value::Value;

/// Mark that the loader puts before the name of a Python function.
pub(super) const FUNCTION: &str = "!function ";

/// Tokens of an answer at most, where a task does not say.
const MAX_TOKENS: u32 = 256;

/// What is asked of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputType {
    /// The log-probability of one continuation.
    LogLikelihood,
    /// The log-probability of a whole text.
    Rolling,
    /// The likeliest of several continuations.
    MultipleChoice,
    /// A text.
    Generate,
}

impl OutputType {
    const NAMES: [(&'static str, Self); 4] = [
        ("loglikelihood", Self::LogLikelihood),
        ("loglikelihood_rolling", Self::Rolling),
        ("multiple_choice", Self::MultipleChoice),
        ("generate_until", Self::Generate),
    ];

    /// Name in task files.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("generate_until", |(name, _)| name)
    }

    /// Metrics of a task that names none.
    #[must_use]
    pub fn default_metrics(self) -> &'static [&'static str] {
        match self {
            Self::LogLikelihood => &["perplexity", "acc"],
            Self::Rolling => &["word_perplexity", "byte_perplexity", "bits_per_byte"],
            Self::MultipleChoice => &["acc", "acc_norm"],
            Self::Generate => &["exact_match"],
        }
    }
}

/// How a text is made of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A template, or the name of a column.
    Text(String),
    /// A number, taken as it is.
    Int(i64),
    /// A list, taken as it is.
    List(Vec<Value>),
    /// A built-in function, as `folder/module.function`.
    Function(String),
}

/// A metric of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricConfig {
    /// Name: `acc`, `exact_match`, …
    pub name: String,
    /// How values of documents become one; `None` takes the metric's own way.
    pub aggregation: Option<String>,
    /// Whether more is better, where the task says so.
    pub higher_is_better: Option<bool>,
    /// Further options: `ignore_case`, `ignore_punctuation`, `ignore_numbers`, `regexes_to_ignore`.
    pub options: Value,
}

/// One step of a filter.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterStep {
    /// Name of the step: `regex`, `take_first`, …
    pub function: String,
    /// Its options.
    pub options: Value,
}

/// A named chain of steps from an answer to what is scored.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterConfig {
    /// Name in results.
    pub name: String,
    /// The steps, in order.
    pub steps: Vec<FilterStep>,
}

/// How texts are generated.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// Texts that end an answer.
    pub until: Vec<String>,
    /// Tokens at most.
    pub max_tokens: u32,
    /// Temperature; 0 without `do_sample`.
    pub temperature: f32,
    /// Share of probability kept.
    pub top_p: f32,
    /// As written, for the record and the hash of requests.
    pub written: Value,
}

/// Which examples stand before a question, and in what form.
#[derive(Clone, Debug, PartialEq)]
pub struct FewShotConfig {
    /// `default` draws at random, `first_n` takes the first.
    pub sampler: Sampler,
    /// Split that examples come from.
    pub split: Option<String>,
    /// Examples written in the task file; the split comes first.
    pub samples: Option<Vec<Value>>,
    /// Rows of the split that may be drawn.
    pub indices: Option<Vec<usize>>,
    /// Question of an example.
    pub doc_to_text: Option<Source>,
    /// Answer of an example.
    pub doc_to_target: Option<Source>,
    /// Choices of an example.
    pub doc_to_choice: Option<Source>,
    /// Beginning of an example's answer.
    pub gen_prefix: Option<String>,
    /// Between question and answer.
    pub target_delimiter: String,
    /// After an example.
    pub fewshot_delimiter: String,
}

/// How examples are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sampler {
    /// Python's `random.sample`.
    #[default]
    Default,
    /// The first ones.
    FirstN,
}

/// A task as its file says it.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskConfig {
    /// Name.
    pub task: String,
    /// Name for people.
    pub alias: Option<String>,
    /// `json`, `csv`, a folder, or the name of a data set.
    pub dataset_path: Option<String>,
    /// Part of the data set.
    pub dataset_name: Option<String>,
    /// Options of the data: `data_files`, `data_dir`.
    pub dataset_kwargs: Value,
    /// Split of training documents.
    pub training_split: Option<String>,
    /// Split of validation documents.
    pub validation_split: Option<String>,
    /// Split of test documents; it is evaluated where there is one, else the validation split.
    pub test_split: Option<String>,
    /// Name of a built-in transform of documents.
    pub process_docs: Option<String>,
    /// Name of a built-in scorer.
    pub process_results: Option<String>,
    /// The question.
    pub doc_to_text: Option<Source>,
    /// The right answer.
    pub doc_to_target: Option<Source>,
    /// The choices.
    pub doc_to_choice: Option<Source>,
    /// Text before everything.
    pub description: String,
    /// Between question and answer.
    pub target_delimiter: String,
    /// Between examples.
    pub fewshot_delimiter: String,
    /// Examples.
    pub fewshot: FewShotConfig,
    /// How many examples; `None` leaves it to the run.
    pub num_fewshot: Option<usize>,
    /// Metrics; `None` takes those of the output type.
    pub metrics: Option<Vec<MetricConfig>>,
    /// What is asked.
    pub output_type: OutputType,
    /// How texts are generated.
    pub generation: Generation,
    /// How often each document is asked.
    pub repeats: u32,
    /// Filters; `None` takes the first answer.
    pub filters: Option<Vec<FilterConfig>>,
    /// Beginning of the answer, put into the prompt.
    pub gen_prefix: Option<String>,
    /// `metadata.version`.
    pub version: Value,
    /// What a classifier is given, `metadata.classifier_input`; `None` gives it the question.
    pub classifier_input: Option<Source>,
    /// What the user says after each answer, `metadata.follow_ups`: a list of texts, each with the conversation before it.
    pub follow_ups: Option<Source>,
    /// The choice that is no attack, `metadata.benign_choice`: then the task is also scored as detection of attacks.
    pub benign_choice: Option<String>,
    /// `metadata.batch_size`: documents in flight at most, where the run does not say.
    pub batch_size: Option<usize>,
    /// What a reader must know: keys that were left aside.
    pub warnings: Vec<String>,
}

/// Keys that are known and have no effect here.
const IGNORED: [&str; 9] = [
    "should_decontaminate",
    "doc_to_decontamination_query",
    "doc_to_image",
    "doc_to_audio",
    "unsafe_code",
    "group",
    "group_alias",
    "task_list",
    "cache_dir",
];

/// Keys that are read.
const KNOWN: [&str; 28] = [
    "task",
    "task_alias",
    "tag",
    "include",
    "dataset_path",
    "dataset_name",
    "dataset_kwargs",
    "training_split",
    "validation_split",
    "test_split",
    "fewshot_split",
    "process_docs",
    "doc_to_text",
    "doc_to_target",
    "doc_to_choice",
    "description",
    "output_type",
    "metric_list",
    "filter_list",
    "generation_kwargs",
    "num_fewshot",
    "fewshot_config",
    "fewshot_delimiter",
    "target_delimiter",
    "gen_prefix",
    "repeats",
    "metadata",
    "process_results",
];

impl TaskConfig {
    /// Reads the keys of a task.
    ///
    /// # Errors
    /// Names the first key that needs Python or does not fit.
    pub fn from_value(value: &Value) -> Result<Self, TaskError> {
        let name = value.get("task").map(Value::text).unwrap_or_default();
        let keys = Keys { task: &name, value, path: "" };
        keys.refuse_python()?;
        let fewshot_delimiter = keys.text("fewshot_delimiter")?.unwrap_or_else(|| "\n\n".to_owned());
        let target_delimiter = keys.text("target_delimiter")?.unwrap_or_else(|| " ".to_owned());
        let output_type = output_type(&keys)?;
        let none = Value::Dict(Vec::new());
        let own = value.get("metadata").filter(|own| matches!(own, Value::Dict(_))).unwrap_or(&none);
        let metadata = Keys { task: &name, value: own, path: "metadata." };
        let mut config = Self {
            alias: keys.text("task_alias")?,
            dataset_path: keys.text("dataset_path")?,
            dataset_name: keys.text("dataset_name")?,
            dataset_kwargs: value.get("dataset_kwargs").cloned().unwrap_or(Value::None),
            training_split: keys.text("training_split")?,
            validation_split: keys.text("validation_split")?,
            test_split: keys.text("test_split")?,
            process_docs: keys.text("process_docs")?.map(|name| function_name(&name).to_owned()),
            process_results: keys.text("process_results")?.map(|name| function_name(&name).to_owned()),
            doc_to_text: keys.source("doc_to_text")?,
            doc_to_target: keys.source("doc_to_target")?,
            doc_to_choice: keys.source("doc_to_choice")?,
            description: keys.text("description")?.unwrap_or_default(),
            fewshot: fewshot(&keys, &target_delimiter, &fewshot_delimiter)?,
            num_fewshot: keys.count("num_fewshot")?,
            metrics: metrics(&keys)?,
            generation: generation(&keys, &fewshot_delimiter)?,
            repeats: keys.count("repeats")?.map_or(Ok(1), u32::try_from).unwrap_or(u32::MAX).max(1),
            filters: filters(&keys)?,
            gen_prefix: keys.text("gen_prefix")?,
            version: value.get("metadata").and_then(|data| data.get("version")).cloned().unwrap_or(Value::None),
            classifier_input: metadata.text("classifier_input")?.map(Source::Text),
            follow_ups: follow_ups(&metadata, output_type)?,
            benign_choice: metadata.text("benign_choice")?,
            batch_size: batch_size(&keys)?,
            warnings: Vec::new(),
            task: name.clone(),
            output_type,
            target_delimiter,
            fewshot_delimiter,
        };
        config.warnings = warnings(value, &config);
        Ok(config)
    }
}

fn warnings(value: &Value, config: &TaskConfig) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Value::Dict(entries) = value {
        for (key, value) in entries {
            let is_empty = matches!(value, Value::None | Value::Bool(false)) || *value == Value::Text(String::new());
            let is_known = KNOWN.contains(&key.as_str());
            if !is_known && !is_empty {
                let why = if IGNORED.contains(&key.as_str()) { "has no effect here" } else { "is not known" };
                warnings.push(format!("the key `{key}` {why}"));
            }
        }
    }
    if config.fewshot.indices.is_some() {
        warnings.push("`fewshot_indices` is honored; lm-eval 0.4.13 reads it and draws from every row".to_owned());
    }
    if config
        .filters
        .iter()
        .flatten()
        .flat_map(|filter| &filter.steps)
        .any(|step| !super::filter::is_known(&step.function))
    {
        warnings.push("it names a filter that is not known; running it is refused".to_owned());
    }
    warnings
}

fn follow_ups(metadata: &Keys<'_>, output_type: OutputType) -> Result<Option<Source>, TaskError> {
    let follow_ups = metadata.text("follow_ups")?;
    if follow_ups.is_some() && output_type != OutputType::Generate {
        return Err(metadata.misfit("follow_ups", "to stand in a task that generates, `output_type: generate_until`"));
    }
    Ok(follow_ups.map(Source::Text))
}

fn batch_size(keys: &Keys<'_>) -> Result<Option<usize>, TaskError> {
    let Some(metadata) = keys.value.get("metadata").filter(|value| **value != Value::None) else {
        return Ok(None);
    };
    let own = Keys { task: keys.task, value: metadata, path: "metadata." };
    match own.count("batch_size")? {
        Some(0) => Err(own.misfit("batch_size", "1 or more")),
        size => Ok(size),
    }
}

fn output_type(keys: &Keys<'_>) -> Result<OutputType, TaskError> {
    let Some(name) = keys.text("output_type")? else {
        return Ok(OutputType::Generate);
    };
    let known = OutputType::NAMES.iter().find(|(known, _)| *known == name);
    known.map(|(_, kind)| *kind).ok_or_else(|| {
        keys.misfit("output_type", "loglikelihood, loglikelihood_rolling, multiple_choice or generate_until")
    })
}

fn fewshot(keys: &Keys<'_>, target_delimiter: &str, fewshot_delimiter: &str) -> Result<FewShotConfig, TaskError> {
    let none = Value::Dict(Vec::new());
    let value = keys.value.get("fewshot_config").filter(|value| **value != Value::None).unwrap_or(&none);
    let own = Keys { task: keys.task, value, path: "fewshot_config." };
    own.refuse_python()?;
    let sampler = match own.text("sampler")?.as_deref() {
        None | Some("default") => Sampler::Default,
        Some("first_n") => Sampler::FirstN,
        Some(_) => return Err(own.misfit("sampler", "default or first_n")),
    };
    let samples = match value.get("samples") {
        None | Some(Value::None) => None,
        Some(Value::List(items)) => Some(items.clone()),
        Some(_) => return Err(own.misfit("samples", "a list of documents")),
    };
    let indices = match value.get("fewshot_indices") {
        None | Some(Value::None) => None,
        Some(Value::List(items)) => {
            let index = |item: &Value| item.as_int().and_then(|index| usize::try_from(index).ok());
            let indices: Option<Vec<usize>> = items.iter().map(index).collect();
            Some(indices.ok_or_else(|| own.misfit("fewshot_indices", "a list of row numbers"))?)
        }
        Some(_) => return Err(own.misfit("fewshot_indices", "a list of row numbers")),
    };
    // A key that stands in `fewshot_config` counts even when it is null, as in lm-eval.
    let has = |key: &str| value.get(key).is_some();
    let source = |key: &str| if has(key) { own.source(key) } else { keys.source(key) };
    let text = |key: &str| if has(key) { own.text(key) } else { keys.text(key) };
    Ok(FewShotConfig {
        sampler,
        split: if has("split") { own.text("split")? } else { keys.text("fewshot_split")? },
        samples,
        indices,
        doc_to_text: source("doc_to_text")?,
        doc_to_target: source("doc_to_target")?,
        doc_to_choice: source("doc_to_choice")?,
        gen_prefix: text("gen_prefix")?,
        target_delimiter: own.text("target_delimiter")?.unwrap_or_else(|| target_delimiter.to_owned()),
        fewshot_delimiter: own.text("fewshot_delimiter")?.unwrap_or_else(|| fewshot_delimiter.to_owned()),
    })
}

fn metrics(keys: &Keys<'_>) -> Result<Option<Vec<MetricConfig>>, TaskError> {
    let items = match keys.value.get("metric_list") {
        None | Some(Value::None) => return Ok(None),
        Some(Value::List(items)) => items,
        Some(_) => return Err(keys.misfit("metric_list", "a list of metrics")),
    };
    let read = |item: &Value| {
        let own = Keys { task: keys.task, value: item, path: "metric_list." };
        own.refuse_python()?;
        let name = own.text("metric")?.ok_or_else(|| keys.misfit("metric_list", "entries with `metric`"))?;
        let mut options = item.clone();
        if let Value::Dict(entries) = &mut options {
            entries.retain(|(key, _)| {
                !["metric", "aggregation", "higher_is_better", "hf_evaluate"].contains(&key.as_str())
            });
        }
        let higher_is_better = match item.get("higher_is_better") {
            Some(Value::Bool(higher)) => Some(*higher),
            _ => None,
        };
        Ok(MetricConfig { name, aggregation: own.text("aggregation")?, higher_is_better, options })
    };
    items.iter().map(read).collect::<Result<_, _>>().map(Some)
}

fn filters(keys: &Keys<'_>) -> Result<Option<Vec<FilterConfig>>, TaskError> {
    let items = match keys.value.get("filter_list") {
        None | Some(Value::None) => return Ok(None),
        Some(Value::List(items)) => items,
        Some(_) => return Err(keys.misfit("filter_list", "a list of filters")),
    };
    let read = |item: &Value| {
        let own = Keys { task: keys.task, value: item, path: "filter_list." };
        let name = own.text("name")?.ok_or_else(|| keys.misfit("filter_list", "entries with `name` and `filter`"))?;
        let steps =
            item.get("filter").and_then(Value::as_list).ok_or_else(|| own.misfit("filter", "a list of steps"))?;
        let step = |step: &Value| {
            let inner = Keys { task: keys.task, value: step, path: "filter_list.filter." };
            inner.refuse_python()?;
            let function = inner.text("function")?.ok_or_else(|| own.misfit("filter", "steps with `function`"))?;
            let mut options = step.clone();
            if let Value::Dict(entries) = &mut options {
                entries.retain(|(key, _)| key != "function");
            }
            Ok(FilterStep { function, options })
        };
        Ok(FilterConfig { name, steps: steps.iter().map(step).collect::<Result<_, TaskError>>()? })
    };
    items.iter().map(read).collect::<Result<_, _>>().map(Some)
}

fn generation(keys: &Keys<'_>, fewshot_delimiter: &str) -> Result<Generation, TaskError> {
    let default_until = || Value::List(vec![Value::Text(fewshot_delimiter.to_owned())]);
    let written = match keys.value.get("generation_kwargs") {
        None | Some(Value::None) => Value::Dict(vec![
            ("temperature".to_owned(), Value::Float(0.0)),
            ("do_sample".to_owned(), Value::Bool(false)),
            ("max_gen_toks".to_owned(), Value::Int(i64::from(MAX_TOKENS))),
            ("until".to_owned(), default_until()),
        ]),
        Some(Value::Dict(entries)) => {
            let mut written = Value::Dict(entries.clone());
            if written.get("until").is_none() {
                written.set("until", default_until());
            }
            if let Some(temperature) = written.get("temperature").and_then(number) {
                written.set("temperature", Value::Float(temperature));
            }
            written
        }
        Some(_) => return Err(keys.misfit("generation_kwargs", "a mapping")),
    };
    let own = Keys { task: keys.task, value: &written, path: "generation_kwargs." };
    own.refuse_python()?;
    let until = match written.get("until") {
        None | Some(Value::None) => Vec::new(),
        Some(Value::Text(text)) => vec![text.clone()],
        Some(Value::List(items)) => items.iter().map(Value::text).collect(),
        Some(_) => return Err(own.misfit("until", "a text or a list of texts")),
    };
    let max_tokens = ["max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens"]
        .into_iter()
        .find_map(|key| own.count(key).transpose())
        .transpose()?
        .map_or(MAX_TOKENS, |count| u32::try_from(count).unwrap_or(u32::MAX).max(1));
    let is_greedy = written.get("do_sample") == Some(&Value::Bool(false));
    let real = |key: &str, default: f64| written.get(key).and_then(number).unwrap_or(default);
    let temperature = if is_greedy { 0.0 } else { real("temperature", 0.0) };
    Ok(Generation { until, max_tokens, temperature: as_f32(temperature), top_p: as_f32(real("top_p", 1.0)), written })
}

#[expect(clippy::cast_possible_truncation, reason = "sampling values need no more than single precision")]
fn as_f32(value: f64) -> f32 {
    value as f32
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(value) => Some(*value as f64),
        Value::Float(value) => Some(*value),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// The name behind the loader's mark: `folder/module.function`.
fn function_name(name: &str) -> &str {
    name.strip_prefix(FUNCTION).unwrap_or(name)
}

/// Typed reading of one mapping.
struct Keys<'a> {
    task: &'a str,
    value: &'a Value,
    /// Before a key's name in messages.
    path: &'a str,
}

impl Keys<'_> {
    fn misfit(&self, key: &str, expected: &str) -> TaskError {
        let value = self.value.get(key).map(Value::repr).unwrap_or_default();
        TaskError::Key {
            task: self.task.to_owned(),
            key: format!("{}{key}", self.path),
            value: value.chars().take(120).collect(),
            expected: expected.to_owned(),
        }
    }

    /// Refuses Python, but for functions that are built in.
    fn refuse_python(&self) -> Result<(), TaskError> {
        let Value::Dict(entries) = self.value else {
            return Ok(());
        };
        for (key, value) in entries {
            let code = value.as_text().unwrap_or_default();
            let is_function = code.starts_with(FUNCTION);
            let is_python = match key.as_str() {
                "class" | "custom_dataset" | "use_prompt" => *value != Value::None,
                "process_results" => *value != Value::None && super::scorer::find(function_name(code)).is_none(),
                "aggregation" => is_function && !super::scorer::is_aggregation(function_name(code)),
                "process_docs" | "doc_to_text" | "doc_to_target" | "doc_to_choice" => {
                    is_function && !super::transform::is_known(function_name(code))
                }
                _ => is_function,
            };
            if is_python {
                let (task, key) = (self.task.to_owned(), format!("{}{key}", self.path));
                return Err(TaskError::Python { task, key, code: function_name(&value.text()).to_owned() });
            }
        }
        Ok(())
    }

    /// A text; numbers and truth values are taken as YAML wrote them.
    fn text(&self, key: &str) -> Result<Option<String>, TaskError> {
        match self.value.get(key) {
            None | Some(Value::None) => Ok(None),
            Some(Value::List(_) | Value::Dict(_)) => Err(self.misfit(key, "a text")),
            Some(value) => Ok(Some(value.text())),
        }
    }

    fn count(&self, key: &str) -> Result<Option<usize>, TaskError> {
        match self.value.get(key) {
            None | Some(Value::None) => Ok(None),
            Some(value) => {
                let count = value.as_int().or_else(|| value.as_text()?.parse().ok());
                let count = count.and_then(|count| usize::try_from(count).ok());
                count.map(Some).ok_or_else(|| self.misfit(key, "a whole number, 0 or more"))
            }
        }
    }

    fn source(&self, key: &str) -> Result<Option<Source>, TaskError> {
        Ok(match self.value.get(key) {
            None | Some(Value::None) => None,
            Some(Value::Text(text)) => Some(match text.strip_prefix(FUNCTION) {
                Some(name) => Source::Function(name.to_owned()),
                None => Source::Text(text.clone()),
            }),
            Some(Value::Int(number)) => Some(Source::Int(*number)),
            Some(Value::Bool(value)) => Some(Source::Int(i64::from(*value))),
            Some(Value::List(items)) => Some(Source::List(items.clone())),
            // The values of a mapping are the choices.
            Some(Value::Dict(entries)) => Some(Source::List(entries.iter().map(|(_, value)| value.clone()).collect())),
            Some(Value::Float(_)) => return Err(self.misfit(key, "a template, the name of a column, or a list")),
        })
    }
}

/// Reads a template's output as a list or mapping of choices.
pub(super) fn choices_of(text: &str) -> Result<Value, literal::LiteralError> {
    literal::parse(text.trim_start_matches([' ', '\t']))
}
