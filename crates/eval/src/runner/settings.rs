//! How an evaluation is run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::EvalError;

/// Requests in flight at most that may be asked for; each needs a connection.
const CONCURRENCY_LIMIT: usize = 4096;

/// Documents in flight, where neither the run nor a task says.
const CONCURRENCY: usize = 8;

/// How a choice is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChoiceMode {
    /// By log-probability where the engine gives it, else by letters.
    #[default]
    Auto,
    /// By log-probability, as lm-eval does.
    LogLikelihood,
    /// The model writes the letter of its choice.
    Letters,
}

/// The form of prompts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Plain text, as lm-eval without `--apply_chat_template`.
    #[default]
    Text,
    /// A conversation with examples and question in one turn.
    Chat,
    /// A conversation in which every example is two turns.
    ChatTurns,
}

/// What a model costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Prices {
    /// A million prompt tokens.
    pub input: Option<f64>,
    /// A million tokens of answers.
    pub output: Option<f64>,
    /// An hour of the machine that the model runs on.
    pub per_hour: Option<f64>,
}

/// How an evaluation is run. The record holds it, so that it can be resumed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalSettings {
    /// Tasks, groups, tags or files, as named.
    pub tasks: Vec<String>,
    /// Folders of task files.
    pub tasks_dirs: Vec<String>,
    /// Folders of data.
    pub data_dirs: Vec<String>,
    /// The model, as named.
    pub model: String,
    /// Examples instead of the tasks' numbers.
    pub num_fewshot: Option<usize>,
    /// Documents of each task at most; below 1 a share.
    pub limit: Option<f64>,
    /// Seed of the examples, and of sampled answers together with the repeat.
    pub seed: i64,
    /// Documents in flight at most; `None` leaves it to the tasks, and is 8 where they do not say.
    #[serde(default)]
    pub concurrency: Option<usize>,
    /// Longest time for one request, seconds.
    pub request_timeout_s: f64,
    /// Further tries of a request that met a failure which may pass.
    pub retries: u32,
    /// System text.
    pub system: Option<String>,
    /// The form of prompts.
    pub form: Form,
    /// How a choice is made.
    pub choices: ChoiceMode,
    /// Tokens of an answer at most instead of the tasks' numbers.
    pub max_tokens: Option<u32>,
    /// Failures in a row after which the run stops; it can be resumed.
    pub give_up_after: u32,
    /// What the model costs; `None` leaves the cost out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
    /// What a judge is asked, where the run is a judge's: its edge reads it back when the run goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<serde_json::Value>,
}

impl Default for EvalSettings {
    fn default() -> Self {
        Self {
            tasks: Vec::new(),
            tasks_dirs: Vec::new(),
            data_dirs: Vec::new(),
            model: String::new(),
            num_fewshot: None,
            limit: None,
            seed: crate::task::FEWSHOT_SEED,
            concurrency: None,
            request_timeout_s: 300.0,
            retries: 2,
            system: None,
            form: Form::Text,
            choices: ChoiceMode::Auto,
            max_tokens: None,
            give_up_after: 50,
            prices: None,
            judge: None,
        }
    }
}

impl EvalSettings {
    /// Checks every value.
    ///
    /// # Errors
    /// Names the first value that is out of range.
    pub fn checked(self) -> Result<Self, EvalError> {
        let misfit = |name, value: String, expected| Err(EvalError::Setting { name, value, expected });
        let prices = self.prices.unwrap_or_default();
        let wrong = [prices.input, prices.output, prices.per_hour]
            .into_iter()
            .flatten()
            .find(|price| !(0.0..=1e9).contains(price));
        if let Some(price) = wrong {
            return misfit("a price", price.to_string(), "a number from 0 to a thousand million");
        }
        if let Some(count) = self.concurrency.filter(|count| !(1..=CONCURRENCY_LIMIT).contains(count)) {
            return misfit("concurrency", count.to_string(), "1 to 4096");
        }
        if !(self.request_timeout_s > 0.0 && self.request_timeout_s <= 86_400.0) {
            return misfit(
                "request timeout",
                self.request_timeout_s.to_string(),
                "above 0 and at most a day, in seconds",
            );
        }
        if let Some(limit) = self.limit.filter(|limit| !(limit.is_finite() && *limit > 0.0)) {
            return misfit("limit", limit.to_string(), "a number of documents, or a share below 1");
        }
        if self.max_tokens == Some(0) {
            return misfit("max tokens", "0".to_owned(), "1 or more");
        }
        Ok(self)
    }

    /// Documents of a task in flight at most: the run's number, else the task's.
    pub(crate) fn batch_size(&self, task: &crate::task::TaskConfig) -> usize {
        self.concurrency.or(task.batch_size).unwrap_or(CONCURRENCY).min(CONCURRENCY_LIMIT)
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs_f64(self.request_timeout_s)
    }

    pub(crate) fn task_settings(&self) -> crate::task::TaskSettings {
        crate::task::TaskSettings {
            num_fewshot: self.num_fewshot,
            limit: self.limit,
            seed: self.seed,
            system: self.system.clone(),
            form: match self.form {
                Form::Text => crate::task::PromptForm::Text,
                Form::Chat => crate::task::PromptForm::Chat,
                Form::ChatTurns => crate::task::PromptForm::ChatTurns,
            },
        }
    }
}
