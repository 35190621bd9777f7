//! Asking an engine: requests of a document become its answers, or a reason why there are none.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weighbridge_engine::{
    ClassifyRequest, Engine, EngineError, Follow, GenerateRequest, Prompt, Sampling, ScoreRequest,
};
use weighbridge_types::request::{FailureClass, FinishReason, Outcome};
use weighbridge_types::sample::{SampleAnswer, SampleOutcome};
use weighbridge_types::time::Clock;

use super::kept::KeptAnswers;
use super::letters;
use super::plan::{Mode, Planned, classes_of, text_of};
use super::settings::EvalSettings;
use crate::task::{PromptText, Sample};

/// First wait before another try, where the server names none; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Longest wait before another try, whatever a server asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What asks.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) settings: Arc<EvalSettings>,
    pub(crate) clock: Clock,
    pub(crate) cancel: CancellationToken,
    pub(crate) kept: Option<Arc<KeptAnswers>>,
}

/// What came of one document.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Asked {
    pub(crate) answers: Vec<SampleAnswer>,
    pub(crate) failure: Option<(SampleOutcome, String)>,
    pub(crate) latency: Duration,
    pub(crate) cached: bool,
    pub(crate) input_tokens: Option<u64>,
    pub(crate) output_tokens: Option<u64>,
}

/// One request that failed.
struct Problem {
    outcome: SampleOutcome,
    message: String,
    may_pass: bool,
    wait: Option<Duration>,
}

/// One text that came.
struct Generated {
    text: String,
    finish: FinishReason,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

impl Asker {
    /// Asks everything that a document asks, with further tries; `None` when the user gives up.
    pub(crate) async fn ask(&self, planned: &Planned, sample: &Sample, repeat: u32) -> Option<Asked> {
        let key = self.kept.as_ref().and_then(|kept| kept.key(&planned.sample_id(sample, &self.settings, repeat)));
        if let Some(found) = self.kept.as_ref().zip(key).and_then(|(kept, key)| kept.get(&key)) {
            return Some(found);
        }
        let mut wait = FIRST_WAIT;
        let mut tries = 0;
        loop {
            let start = self.clock.now();
            let result = tokio::select! {
                biased;
                result = self.once(planned, sample, repeat) => result,
                () = self.cancel.cancelled() => return None,
            };
            let latency = self.clock.now() - start;
            let problem = match result {
                Ok(asked) => {
                    let asked = Asked { latency, ..asked };
                    if let Some((kept, key)) = self.kept.as_ref().zip(key) {
                        kept.put(key, &asked);
                    }
                    return Some(asked);
                }
                Err(problem) => problem,
            };
            if !problem.may_pass || tries >= self.settings.retries {
                if self.cancel.is_cancelled() {
                    return None;
                }
                return Some(Asked { failure: Some((problem.outcome, problem.message)), latency, ..Asked::default() });
            }
            tries += 1;
            tokio::select! {
                () = tokio::time::sleep(problem.wait.unwrap_or(wait).min(LONGEST_WAIT)) => {}
                () = self.cancel.cancelled() => return None,
            }
            wait *= 2;
        }
    }

    async fn once(&self, planned: &Planned, sample: &Sample, repeat: u32) -> Result<Asked, Problem> {
        match planned.mode {
            Mode::Score => self.score(sample).await,
            Mode::Classify => self.classify(sample).await,
            Mode::Generate => self.converse(planned, sample, repeat).await,
            Mode::Letters => {
                let prompt = sample.asks.first().and_then(|ask| ask.prompt.clone());
                let prompt =
                    prompt.map(|prompt| letters::question(prompt, sample.choices.as_deref().unwrap_or_default()));
                self.generate(planned, prompt, repeat).await
            }
        }
    }

    /// Continuations of one prompt go in one request, in order.
    async fn score(&self, sample: &Sample) -> Result<Asked, Problem> {
        let mut asked = Asked::default();
        for group in sample.asks.chunk_by(|a, b| a.prompt == b.prompt) {
            let prompt = match group.first().and_then(|ask| ask.prompt.as_ref()) {
                Some(PromptText::Text(text)) => text.clone(),
                Some(chat @ PromptText::Chat(_)) => chat.shown(),
                None => String::new(),
            };
            // White space at the prompt's end belongs to the continuation, as lm-eval tokenizes them.
            let trimmed = prompt.trim_end_matches(crate::task::pattern::is_space);
            let space = &prompt[trimmed.len()..];
            let continuation =
                |ask: &crate::task::Ask| format!("{space}{}", ask.continuation.as_deref().unwrap_or_default());
            let request =
                ScoreRequest { prompt: trimmed.to_owned(), continuations: group.iter().map(continuation).collect() };
            let scored = tokio::time::timeout(self.settings.timeout(), self.engine.score(request)).await;
            let scored = scored.map_err(|_| self.late())?.map_err(|error| refused(&error))?;
            if scored.len() != group.len() {
                return Err(failed(format!("{} scores came for {} continuations", scored.len(), group.len())));
            }
            asked.answers.extend(scored.iter().map(|scored| SampleAnswer::LogProbability {
                value: scored.total(),
                is_greedy: scored.is_greedy,
                tokens: scored.tokens.len() as u64,
            }));
        }
        Ok(asked)
    }

    /// The log-probability of each choice's class, as a continuation would have it.
    async fn classify(&self, sample: &Sample) -> Result<Asked, Problem> {
        let classes = self.engine.classes();
        let places = classes_of(sample, &classes)
            .map_err(|choice| failed(format!("the choice `{choice}` is no class: {}", classes.join(", "))))?;
        let request = ClassifyRequest { inputs: vec![sample.input.clone()] };
        let classified = tokio::time::timeout(self.settings.timeout(), self.engine.classify(request)).await;
        let classified = classified.map_err(|_| self.late())?.map_err(|error| refused(&error))?;
        let [classified] = &classified[..] else {
            return Err(failed(format!("{} answers came for one text", classified.len())));
        };
        let values = &classified.log_probabilities;
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let answer = |place: usize| {
            let value = *values.get(place)?;
            Some(SampleAnswer::LogProbability { value, is_greedy: value >= most, tokens: 0 })
        };
        let answers: Option<Vec<_>> = places.into_iter().map(answer).collect();
        let answers = answers.ok_or_else(|| failed("it gave no figure for one of its classes".to_owned()))?;
        Ok(Asked { answers, ..Asked::default() })
    }

    /// One answer, or one for each turn of the user; each prompt holds the answers before it.
    async fn converse(&self, planned: &Planned, sample: &Sample, repeat: u32) -> Result<Asked, Problem> {
        let mut prompt = sample.asks.first().and_then(|ask| ask.prompt.clone());
        let mut asked = self.generate(planned, prompt.clone(), repeat).await?;
        for follow_up in &sample.follow_ups {
            let answer = asked.answers.last().and_then(text_of).unwrap_or_default();
            prompt = prompt.map(|prompt| planned.task.next_turn(&prompt, answer, follow_up));
            let next = self.generate(planned, prompt.clone(), repeat).await?;
            asked.answers.extend(next.answers);
            let sum = |a: Option<u64>, b: Option<u64>| a.zip(b).map(|(a, b)| a + b);
            asked.input_tokens = sum(asked.input_tokens, next.input_tokens);
            asked.output_tokens = sum(asked.output_tokens, next.output_tokens);
        }
        Ok(asked)
    }

    async fn generate(&self, planned: &Planned, prompt: Option<PromptText>, repeat: u32) -> Result<Asked, Problem> {
        let prompt = match prompt.unwrap_or(PromptText::Text(String::new())) {
            PromptText::Text(text) => Prompt::Text(text),
            PromptText::Chat(messages) => Prompt::Chat(messages),
        };
        let generation = &planned.task.config.generation;
        let max_tokens = planned.max_tokens(&self.settings);
        let mut request = GenerateRequest::new(prompt, max_tokens, self.clock);
        request.sampling = Sampling {
            temperature: generation.temperature,
            top_p: generation.top_p,
            seed: self.settings.seed.unsigned_abs().wrapping_add(u64::from(repeat)),
            ..Sampling::default()
        };
        if planned.mode == Mode::Generate {
            request.stop = generation.until.iter().filter(|text| !text.is_empty()).cloned().collect();
        }
        let generated = self.follow(request).await?;
        Ok(Asked {
            answers: vec![SampleAnswer::Text { text: generated.text, finish: generated.finish }],
            input_tokens: generated.input_tokens,
            output_tokens: generated.output_tokens,
            ..Asked::default()
        })
    }

    /// Reads an answer; thinking is no part of it.
    async fn follow(&self, request: GenerateRequest) -> Result<Generated, Problem> {
        let follow = Follow { clock: self.clock, limit: self.settings.timeout(), cancel: self.cancel.clone() };
        let (collected, text) = follow.answer(self.engine.as_ref(), request).await;
        let finish = match collected.outcome {
            Outcome::Succeeded { finish: FinishReason::ContentFilter } => {
                return Err(Problem {
                    outcome: SampleOutcome::Refused,
                    message: "the server filtered the answer".to_owned(),
                    may_pass: false,
                    wait: None,
                });
            }
            Outcome::Succeeded { finish } => finish,
            // A model that ends at once has answered with nothing.
            Outcome::Failed { class: FailureClass::Empty, .. } => FinishReason::Stop,
            Outcome::Failed { class, message } => return Err(failure(class, message, collected.retry_after)),
            Outcome::Cancelled | Outcome::Dropped => return Err(failed("the request was given up".to_owned())),
        };
        let tokens = collected.usage.map(|usage| (u64::from(usage.input_tokens), u64::from(usage.output_tokens)));
        Ok(Generated {
            text,
            finish,
            input_tokens: tokens.map(|tokens| tokens.0),
            output_tokens: tokens.map(|tokens| tokens.1),
        })
    }

    fn late(&self) -> Problem {
        let message = format!("no end within {} s", self.settings.request_timeout_s);
        Problem { outcome: SampleOutcome::TimedOut, message, may_pass: true, wait: None }
    }
}

fn failed(message: String) -> Problem {
    Problem { outcome: SampleOutcome::ServerError, message, may_pass: false, wait: None }
}

fn refused(error: &EngineError) -> Problem {
    failed(error.to_string())
}

fn failure(class: FailureClass, message: String, wait: Option<Duration>) -> Problem {
    let outcome = match class {
        FailureClass::Timeout => SampleOutcome::TimedOut,
        _ => SampleOutcome::ServerError,
    };
    let may_pass = !matches!(class, FailureClass::ClientError | FailureClass::Tls);
    Problem { outcome, message: format!("{}: {message}", class.name()), may_pass, wait }
}
