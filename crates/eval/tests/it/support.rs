//! A model made of hashes, and a journal in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use weighbridge_engine::{
    BoxFuture, Capabilities, Engine, EngineError, EngineEvent, EventKind, EventStream, Frame, GenerateRequest, Prompt,
    RequestFailure, ScoreRequest, ScoredContinuation,
};
use weighbridge_eval::EvalError;
use weighbridge_eval::runner::{EvalRun, EvalSettings, Evaluated, Identity, Journal, Plan};
use weighbridge_types::event::{RunEvent, Sink, SinkError};
use weighbridge_types::record::{EngineDescription, Record};
use weighbridge_types::request::{Channel, FailureClass, FinishReason};
use weighbridge_types::sample::SampleRow;
use weighbridge_types::time::Clock;

/// Bytes are tokens; the log-probability of one is a hash of the eight before it.
#[derive(Debug, Default)]
pub(crate) struct MockEngine {
    pub(crate) asked: AtomicU64,
    /// Another number is another model.
    pub(crate) salt: u64,
    /// Requests from this number on fail.
    pub(crate) dies_at: Option<u64>,
    /// Requests from this number on give the run up.
    pub(crate) cancels_at: Option<(u64, CancellationToken)>,
}

impl MockEngine {
    fn fails(&self) -> bool {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        if let Some((at, cancel)) = &self.cancels_at
            && number >= *at
        {
            cancel.cancel();
        }
        self.dies_at.is_some_and(|at| number >= at)
    }
}

/// What another model hashes besides; nothing for the first one, whose numbers the vectors hold.
fn salted(salt: u64) -> String {
    if salt == 0 { String::new() } else { format!("|{salt}") }
}

fn log_probability(before: &[u8], token: u8, salt: u64) -> f64 {
    let hash = Sha256::new().chain_update(before).chain_update(format!("|{token}{}", salted(salt))).finalize();
    let number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    -f64::from(number % 4000) / 1000.0 - 0.001
}

fn score(prompt: &str, continuation: &str, salt: u64) -> ScoredContinuation {
    let text = format!("{prompt}{continuation}").into_bytes();
    let places = prompt.len().max(1)..text.len();
    let mut scored = ScoredContinuation { tokens: Vec::new(), log_probabilities: Vec::new(), is_greedy: true };
    for place in places {
        scored.tokens.push(u32::from(text[place]));
        scored.log_probabilities.push(log_probability(&text[place.saturating_sub(8)..place], text[place], salt));
        scored.is_greedy &= place % 3 != 0;
    }
    scored
}

/// The remainder of a hash as one large number.
fn remainder(hash: &[u8], divisor: u32) -> u32 {
    hash.iter().fold(0, |rest, &byte| (rest * 256 + u32::from(byte)) % divisor)
}

pub(crate) fn answer(prompt: &str, salt: u64) -> String {
    let hash = Sha256::digest(format!("{prompt}{}", salted(salt)));
    let rest = |divisor| remainder(&hash, divisor);
    match rest(4) {
        0 => format!(" so it is #### {}", rest(20)),
        1 => format!(" it is {} or ${}.50", rest(9), rest(13)),
        2 => " I cannot say".to_owned(),
        _ => format!(" #### 1,{:03}", rest(100)),
    }
}

impl Engine for MockEngine {
    fn describe(&self) -> EngineDescription {
        EngineDescription { engine: "mock".to_owned(), model: "hashes".to_owned(), ..EngineDescription::default() }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { score: true, ..Capabilities::default() }
    }

    fn generate(&self, request: GenerateRequest) -> EventStream {
        let at = request.clock.now();
        if self.fails() {
            let failure =
                RequestFailure { class: FailureClass::ServerError, message: "gone".to_owned(), retry_after: None };
            return Box::pin(futures_util::stream::iter([EngineEvent { at, kind: EventKind::Failed(failure) }]));
        }
        let Prompt::Text(prompt) = request.prompt else { panic!("a conversation") };
        let frame = Frame {
            channel: Channel::Answer,
            text: answer(&prompt, self.salt),
            tokens: 1,
            token_ids: Vec::new(),
            log_probabilities: Vec::new(),
            detail: None,
        };
        let kinds = [EventKind::Frame(frame), EventKind::Finished { reason: FinishReason::Stop }];
        Box::pin(futures_util::stream::iter(kinds.map(|kind| EngineEvent { at, kind })))
    }

    fn score(&self, request: ScoreRequest) -> BoxFuture<'_, Result<Vec<ScoredContinuation>, EngineError>> {
        let (fails, salt) = (self.fails(), self.salt);
        Box::pin(async move {
            if fails {
                return Err(EngineError::Failed { problem: "gone".to_owned() });
            }
            Ok(request.continuations.iter().map(|text| score(&request.prompt, text, salt)).collect())
        })
    }
}

/// Keeps rows and the last record.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) rows: Vec<SampleRow>,
    pub(crate) record: Option<Record>,
}

impl Sink for Memory {
    fn event(&mut self, event: &RunEvent) -> Result<(), SinkError> {
        if let RunEvent::Sample(row) = event {
            self.rows.push((**row).clone());
        }
        Ok(())
    }

    fn checkpoint(&mut self, record: &Record) -> Result<(), SinkError> {
        self.record = Some(record.clone());
        Ok(())
    }
}

impl Journal for Memory {
    fn rows(&mut self, each: &mut dyn FnMut(SampleRow)) -> Result<(), SinkError> {
        self.rows.iter().cloned().for_each(each);
        Ok(())
    }
}

pub(crate) fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data")
}

pub(crate) fn settings(tasks: &[&str]) -> EvalSettings {
    EvalSettings {
        tasks: tasks.iter().map(|&task| task.to_owned()).collect(),
        tasks_dirs: vec![data().display().to_string()],
        retries: 0,
        ..EvalSettings::default()
    }
}

/// Runs an evaluation; `previous` goes on with a journal that holds rows.
pub(crate) async fn run(
    settings: &EvalSettings,
    engine: MockEngine,
    cancel: CancellationToken,
    previous: Option<Record>,
    journal: &mut Memory,
) -> Result<Evaluated, EvalError> {
    let engine = Arc::new(engine);
    let plan = Plan::prepare(settings, engine.capabilities(), "mock")?;
    let identity = Identity { run_id: "run".to_owned(), label: "test".to_owned(), ..Identity::default() };
    let run = EvalRun {
        settings: settings.clone(),
        plan,
        engine,
        identity,
        previous,
        cache: None,
        clock: Clock::start(),
        cancel,
    };
    run.run(journal).await
}
