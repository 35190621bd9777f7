//! Who answers prompts: an engine behind a call that waits.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use weighbridge_engine::constraint::Grammar;
use weighbridge_engine::{Collector, Engine, GenerateRequest, Message, Prompt, Role, collect};
use weighbridge_types::request::{FailureClass, Outcome};
use weighbridge_types::time::Clock;

/// What a model is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// The prompt.
    pub prompt: String,
    /// The schema of the answer's JSON; `None` asks for words.
    pub schema: Option<Value>,
    /// Tokens of the answer at most.
    pub max_tokens: u32,
}

/// What it answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The text, cut off or not.
    pub text: String,
    /// Tokens of the prompt, where told.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer, where told.
    pub output_tokens: Option<u64>,
    /// Tries before this one.
    pub retries: u32,
}

/// A call that gave no answer, after all its tries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct ModelFailure {
    /// What was said.
    pub problem: String,
    /// Tries in all.
    pub tries: u32,
}

/// Who answers. Called from several threads at once; each call waits for its answer.
pub trait Model: Send + Sync + Debug {
    /// Name and revision: a result of one is none of another.
    fn name(&self) -> String;

    /// Answers a prompt.
    ///
    /// # Errors
    /// When no try gave an answer.
    fn ask(&self, ask: &Ask) -> Result<Reply, ModelFailure>;
}

/// An engine as a [`Model`]. Calls must not come from a thread of the runtime that the handle belongs to.
#[derive(Debug)]
pub struct EngineModel {
    engine: Arc<dyn Engine>,
    name: String,
    runtime: tokio::runtime::Handle,
    clock: Clock,
    /// Time of one try at most.
    timeout: Duration,
    /// Tries after the first at most; only failures that may pass are tried again.
    retries: u32,
}

/// The first wait before another try; it doubles, and a server's own wish comes first.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait before another try.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl EngineModel {
    /// Asks an engine. `name` is its reference with whatever tells its revision.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, name: String, runtime: tokio::runtime::Handle, clock: Clock) -> Self {
        Self { engine, name, runtime, clock, timeout: Duration::from_secs(600), retries: 3 }
    }

    /// With other limits than 600 seconds a try and 3 more tries.
    #[must_use]
    pub fn with_limits(self, timeout: Duration, retries: u32) -> Self {
        Self { timeout, retries, ..self }
    }

    fn request(&self, ask: &Ask) -> Result<GenerateRequest, ModelFailure> {
        let message = Message { role: Role::User, content: ask.prompt.clone() };
        let mut request = GenerateRequest::new(Prompt::Chat(vec![message]), ask.max_tokens, self.clock);
        if let Some(schema) = ask.schema.as_ref().filter(|_| self.engine.capabilities().constraint) {
            let grammar = Grammar::schema(schema);
            request.constraint = Some(grammar.map_err(|error| ModelFailure { problem: error.to_string(), tries: 0 })?);
        }
        Ok(request)
    }

    async fn answer(&self, request: GenerateRequest) -> Result<Reply, ModelFailure> {
        let mut tries = 0;
        loop {
            tries += 1;
            let now = self.clock.now();
            let collector = Collector::new(now, now, request.max_tokens).keeping_text();
            let deadline = self.clock.instant(now.after(self.timeout));
            let found =
                tokio::time::timeout_at(deadline, collect(self.engine.generate(request.clone()), collector)).await;
            let (problem, may_pass, wish) = match found {
                Err(_) => (format!("no end within {} s", self.timeout.as_secs_f64()), true, None),
                Ok(found) => match found.outcome {
                    Outcome::Failed { class, message } => (message, may_pass(class), found.retry_after),
                    Outcome::Cancelled | Outcome::Dropped => ("the call was given up".to_owned(), false, None),
                    Outcome::Succeeded { .. } => {
                        return Ok(Reply {
                            text: found.text.unwrap_or_default(),
                            prompt_tokens: found.usage.as_ref().map(|usage| u64::from(usage.input_tokens)),
                            output_tokens: found.usage.as_ref().map(|usage| u64::from(usage.output_tokens)),
                            retries: tries - 1,
                        });
                    }
                },
            };
            if !may_pass || tries > self.retries {
                return Err(ModelFailure { problem, tries });
            }
            let wait = wish.unwrap_or(FIRST_WAIT * 2_u32.pow((tries - 1).min(10))).min(LONGEST_WAIT);
            tokio::time::sleep_until(self.clock.instant(self.clock.now().after(wait))).await;
        }
    }
}

/// Whether a failure may be another time's success. A refused request stays refused.
const fn may_pass(class: FailureClass) -> bool {
    match class {
        FailureClass::Connect
        | FailureClass::RateLimited
        | FailureClass::ServerError
        | FailureClass::Timeout
        | FailureClass::TimeoutConnect
        | FailureClass::TimeoutFirstToken
        | FailureClass::TimeoutStall
        | FailureClass::Truncated
        | FailureClass::Empty => true,
        FailureClass::Tls | FailureClass::ClientError | FailureClass::Malformed | FailureClass::Engine => false,
    }
}

impl Model for EngineModel {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn ask(&self, ask: &Ask) -> Result<Reply, ModelFailure> {
        let request = self.request(ask)?;
        self.runtime.block_on(self.answer(request))
    }
}

#[cfg(test)]
mod tests {
    use weighbridge_engine::scripted::ScriptedEngine;

    use super::*;

    async fn answer(script: &str) -> Result<Reply, ModelFailure> {
        let clock = Clock::start();
        let engine = Arc::new(ScriptedEngine::new(script.parse().unwrap()));
        let model = EngineModel::new(engine, "scripted".to_owned(), tokio::runtime::Handle::current(), clock);
        let model = model.with_limits(Duration::from_secs(30), 3);
        let ask = Ask { prompt: "Say something.".to_owned(), schema: None, max_tokens: 4 };
        model.answer(model.request(&ask).unwrap()).await
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_answers_and_failures_that_may_pass_are_tried_again() {
        let reply = answer("ttft=20ms,itl=5ms").await.unwrap();
        assert!(!reply.text.is_empty() && reply.retries == 0, "{reply:?}");
        assert_eq!(answer("fail=error,fail_first=2").await.unwrap().retries, 2);
        assert_eq!(answer("fail=error").await.unwrap_err().tries, 4);
        assert_eq!(answer("fail=bad_request").await.unwrap_err().tries, 1);
        assert_eq!(answer("fail=stall").await.unwrap_err().tries, 4);
    }
}
