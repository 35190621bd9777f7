//! What is asked of an engine.

use std::sync::Arc;

use weighbridge_types::time::{Clock, Stamp};

use crate::constraint::Grammar;
use crate::error::EngineError;
use crate::tools::Tools;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the chat protocols' own")]
pub enum Role {
    System,
    User,
    Assistant,
    Tool,
}

impl Role {
    /// Name in chat protocols and templates.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// The input of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// Text to continue. The engine adds the beginning-of-sequence token where the model wants one.
    Text(String),
    /// Tokens to continue, taken as they are. Engines behind HTTP refuse it unless their protocol has it.
    Tokens(Vec<u32>),
    /// A conversation, rendered by the model's chat template.
    Chat(Vec<Message>),
}

/// How the next token is chosen. The default is greedy.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// 0 takes the likeliest token; otherwise logits are divided by it. 0 to 100.
    pub temperature: f32,
    /// Keeps the k likeliest tokens; 0 keeps all.
    pub top_k: u32,
    /// Keeps the smallest set of tokens whose probability reaches this. Above 0, at most 1.
    pub top_p: f32,
    /// Drops tokens less likely than this share of the likeliest. 0 to 1.
    pub min_p: f32,
    /// Divides positive and multiplies negative logits of tokens seen already; 1 leaves them. Above 0, at most 100.
    pub repetition_penalty: f32,
    /// Seed of the draw.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.0, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0, seed: 0 }
    }
}

/// A sampling value that is out of range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("accept {name} `{value}`: it must be {range}")]
pub struct SamplingError {
    /// Name of the value.
    pub name: &'static str,
    /// The value.
    pub value: f32,
    /// Its range.
    pub range: &'static str,
}

impl Sampling {
    /// Checks every value.
    ///
    /// # Errors
    /// Names the first value that is out of range or not a number.
    pub fn check(&self) -> Result<(), SamplingError> {
        let checks = [
            ("temperature", self.temperature, (0.0..=100.0).contains(&self.temperature), "0 to 100"),
            ("top_p", self.top_p, self.top_p > 0.0 && self.top_p <= 1.0, "above 0 and at most 1"),
            ("min_p", self.min_p, (0.0..=1.0).contains(&self.min_p), "0 to 1"),
            (
                "repetition_penalty",
                self.repetition_penalty,
                self.repetition_penalty > 0.0 && self.repetition_penalty <= 100.0,
                "above 0 and at most 100",
            ),
        ];
        match checks.into_iter().find(|(_, _, fits, _)| !fits) {
            Some((name, value, _, range)) => Err(SamplingError { name, value, range }),
            None => Ok(()),
        }
    }
}

/// A generation to be made and timed.
#[derive(Clone, Debug)]
pub struct GenerateRequest {
    /// The input.
    pub prompt: Prompt,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Output tokens at most, at least 1.
    pub max_tokens: u32,
    /// Whether to go on after an end-of-sequence token, so that exactly `max_tokens` come. Engines that cannot do
    /// so say it in their capabilities.
    pub ignore_eos: bool,
    /// Texts that end the generation; they are not part of the answer.
    pub stop: Vec<String>,
    /// What the text must be: the generation ends when it is complete and nothing but white space could follow, also under
    /// `ignore_eos`. An engine that cannot hold it says so in its capabilities and refuses the request. `None` leaves the text free.
    pub constraint: Option<Arc<Grammar>>,
    /// Tools that the conversation offers and what its turns hold of earlier calls. An engine that cannot offer any says so in its
    /// capabilities and refuses the request. `None` offers none.
    pub tools: Option<Arc<Tools>>,
    /// Number of likeliest tokens to report with log-probabilities at each step; `None` reports none.
    pub logprobs: Option<u32>,
    /// Who goes first where an engine cannot serve all at once: a lower number does, as in vLLM; 0 is usual. Engines without
    /// priorities leave it aside.
    pub priority: i32,
    /// When the answer is worth nothing any more: engines that know deadlines give the request up then, as timed out.
    pub deadline: Option<Stamp>,
    /// The run's clock, on which the engine stamps its events.
    pub clock: Clock,
}

impl GenerateRequest {
    /// A greedy request.
    #[must_use]
    pub fn new(prompt: Prompt, max_tokens: u32, clock: Clock) -> Self {
        Self {
            prompt,
            sampling: Sampling::default(),
            max_tokens,
            ignore_eos: false,
            stop: Vec::new(),
            constraint: None,
            tools: None,
            logprobs: None,
            priority: 0,
            deadline: None,
            clock,
        }
    }

    /// Checks every value that does not depend on the model.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`] names the value.
    pub fn check(&self) -> Result<(), EngineError> {
        let invalid = |problem: String| Err(EngineError::InvalidRequest { problem });
        if let Err(error) = self.sampling.check() {
            return invalid(error.to_string());
        }
        if self.max_tokens == 0 {
            return invalid("max_tokens is `0`, it must be at least 1".to_owned());
        }
        if self.stop.iter().any(String::is_empty) {
            return invalid("a stop string is empty".to_owned());
        }
        Ok(())
    }

    /// Refuses a constraint and tools, for an engine that knows neither.
    ///
    /// # Errors
    /// [`EngineError::Unsupported`] where there is one.
    pub fn check_free(&self, engine: &str) -> Result<(), EngineError> {
        match self.constraint {
            None => self.check_toolless(engine),
            Some(_) => {
                let operation = "hold the text of an answer to a grammar";
                Err(EngineError::Unsupported { operation, engine: engine.to_owned() })
            }
        }
    }

    /// Refuses tools, for an engine that cannot offer them.
    ///
    /// # Errors
    /// [`EngineError::Unsupported`] where there are some.
    pub fn check_toolless(&self, engine: &str) -> Result<(), EngineError> {
        match self.tools {
            None => Ok(()),
            Some(_) => Err(EngineError::Unsupported { operation: "offer tools", engine: engine.to_owned() }),
        }
    }
}

/// Texts to be scored as continuations of one prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreRequest {
    /// The prompt; may be empty for a text scored from its beginning.
    pub prompt: String,
    /// The continuations. Each is tokenized together with the prompt, as the model would see it.
    pub continuations: Vec<String>,
}

/// The log-probabilities of one continuation.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredContinuation {
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// Natural log-probability of each token given everything before it. The first token of a text without a prompt
    /// and without a beginning-of-sequence token has no context and is left out, with its token.
    pub log_probabilities: Vec<f64>,
    /// Whether each token is the likeliest at its place.
    pub is_greedy: bool,
}

impl ScoredContinuation {
    /// Natural log-probability of the whole continuation.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.log_probabilities.iter().sum()
    }
}

/// Texts to be classified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassifyRequest {
    /// The texts.
    pub inputs: Vec<String>,
}

/// What a classifier makes of one text.
#[derive(Clone, Debug, PartialEq)]
pub struct Classified {
    /// Natural log-probability of each class, in the order of the engine's classes; finite.
    pub log_probabilities: Vec<f64>,
}

/// Texts to be embedded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmbedRequest {
    /// The texts.
    pub inputs: Vec<String>,
}

/// What an encoder makes of one text.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    /// The vector, of length 1; all of an engine have the same number of dimensions.
    pub vector: Vec<f32>,
    /// Tokens that were read, special ones counted.
    pub tokens: u32,
    /// Whether the text was longer than the model reads, so that its end has no effect.
    pub is_truncated: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampling_values_are_checked() {
        let check = |change: fn(&mut Sampling), expected: Option<&str>| {
            let mut sampling = Sampling::default();
            change(&mut sampling);
            assert_eq!(sampling.check().err().map(|error| error.name), expected);
        };
        check(|_| {}, None);
        check(|s| s.temperature = -0.1, Some("temperature"));
        check(|s| s.temperature = f32::NAN, Some("temperature"));
        check(|s| s.top_p = 0.0, Some("top_p"));
        check(|s| s.min_p = f32::INFINITY, Some("min_p"));
        check(|s| s.repetition_penalty = 0.0, Some("repetition_penalty"));
    }
}
