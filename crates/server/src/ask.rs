//! What is asked of a model, whatever dialect it came in.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use weighbridge_engine::constraint::{Document, Grammar};
use weighbridge_engine::{Message, Prompt, Sampling};

use crate::error::ApiError;
use crate::offer::Offer;

/// Answers to one prompt at most.
pub(crate) const MOST_CHOICES: u32 = 16;

/// Answers to all prompts of one request at most: they are computed at once, in one place of the queue.
pub(crate) const MOST_ANSWERS: usize = 128;

/// Likeliest tokens that are told at most, as many as OpenAI tells.
pub(crate) const MOST_LIKELIEST: u32 = 20;

/// A request for text.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) model: String,
    /// At least one; several are answered one after the other in the answer.
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) sampling: Sampling,
    /// Whether the request names the seed, so that its answer may be given again.
    pub(crate) is_seeded: bool,
    /// `None` leaves the length to the server.
    pub(crate) max_tokens: Option<u32>,
    pub(crate) stop: Vec<String>,
    /// Answers to each prompt.
    pub(crate) choices: u32,
    /// Likeliest tokens to tell beside each chosen one; `None` tells of neither.
    pub(crate) logprobs: Option<u32>,
    pub(crate) ignore_eos: bool,
    pub(crate) stream: bool,
    /// Whether a stream ends with its token counts.
    pub(crate) wants_usage: bool,
    pub(crate) format: Format,
    pub(crate) priority: i32,
    /// Tools that are offered; `None` where none are, and no turn tells of earlier calls.
    pub(crate) offer: Option<Offer>,
    /// What its client calls it: requests of two labels never get each other's answers for being alike.
    pub(crate) label: Option<String>,
}

/// What form the text must have.
#[derive(Debug, Clone)]
pub(crate) enum Format {
    Text,
    Json,
    Schema(Document),
}

impl Format {
    /// The grammar that holds an engine to it.
    pub(crate) fn grammar(&self) -> Result<Option<Arc<Grammar>>, ApiError> {
        match self {
            Self::Text => Ok(None),
            Self::Json => Ok(Some(Grammar::json())),
            Self::Schema(schema) => Grammar::ordered(schema.clone())
                .map(Some)
                .map_err(|error| ApiError::invalid(format!("failed to {error}; {}", error.hint()))),
        }
    }
}

/// Everything that decides an answer: equal ones have equal answers.
#[derive(Serialize)]
pub(crate) struct Canonical<'a> {
    version: u32,
    model: &'a str,
    revision: &'a str,
    prompt: Value,
    temperature: f32,
    top_k: u32,
    top_p: f32,
    min_p: f32,
    repetition_penalty: f32,
    seed: u64,
    max_tokens: u32,
    stop: &'a [String],
    choices: u32,
    logprobs: Option<u32>,
    ignore_eos: bool,
    format: Value,
    tools: Value,
}

impl Canonical<'_> {
    /// The same without the text that was asked last.
    pub(crate) fn without_last_text(mut self) -> Self {
        let asked = self.prompt.as_array_mut().and_then(|prompts| prompts.last_mut());
        match asked {
            Some(Value::Array(turns)) => {
                if let Some(content) = turns.last_mut().and_then(|turn| turn.get_mut(1)) {
                    *content = Value::Null;
                }
            }
            Some(prompt) => *prompt = Value::Null,
            None => {}
        }
        self
    }
}

impl Ask {
    /// The text that was asked last; `None` of tokens, and of several prompts.
    pub(crate) fn last_text(&self) -> Option<&str> {
        match self.prompts.as_slice() {
            [Prompt::Text(text)] => Some(text),
            [Prompt::Chat(turns)] => Some(&turns.last()?.content),
            _ => None,
        }
    }

    /// Whether its answer may be given again: it is the same whenever it is asked.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.is_seeded || self.sampling.temperature <= 0.0
    }

    /// The request as what its answer is kept under.
    pub(crate) fn canonical<'a>(&'a self, model: &'a str, revision: &'a str, max_tokens: u32) -> Canonical<'a> {
        Canonical {
            version: 2,
            model,
            revision,
            prompt: self.prompts.iter().map(canonical_prompt).collect(),
            temperature: self.sampling.temperature,
            top_k: self.sampling.top_k,
            top_p: self.sampling.top_p,
            min_p: self.sampling.min_p,
            repetition_penalty: self.sampling.repetition_penalty,
            // Without a temperature nothing is drawn.
            seed: if self.sampling.temperature > 0.0 { self.sampling.seed } else { 0 },
            max_tokens,
            stop: &self.stop,
            choices: self.choices,
            logprobs: self.logprobs,
            ignore_eos: self.ignore_eos,
            format: match &self.format {
                Format::Text => Value::Null,
                Format::Json => Value::Bool(true),
                Format::Schema(schema) => Value::String(schema.to_string()),
            },
            tools: self.offer.as_ref().map_or(Value::Null, Offer::canonical),
        }
    }

    /// Whether tools are offered.
    pub(crate) fn has_tools(&self) -> bool {
        self.offer.as_ref().is_some_and(|offer| !offer.tools.offered.is_empty())
    }

    /// The grammar that holds the answer to its form, or to a call.
    pub(crate) fn grammar(&self) -> Result<Option<Arc<Grammar>>, ApiError> {
        match self.offer.as_ref().and_then(Offer::schema) {
            None => self.format.grammar(),
            Some(schema) => Format::Schema(schema).grammar(),
        }
    }
}

fn canonical_prompt(prompt: &Prompt) -> Value {
    match prompt {
        Prompt::Text(text) => serde_json::json!({"text": text}),
        Prompt::Tokens(tokens) => serde_json::json!({"tokens": tokens}),
        Prompt::Chat(messages) => {
            let turn = |turn: &Message| serde_json::json!([turn.role.name(), turn.content]);
            Value::Array(messages.iter().map(turn).collect())
        }
    }
}
