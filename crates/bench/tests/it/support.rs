//! Engines with a known truth, a sink that remembers, and campaigns made of both.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures_util::{StreamExt, stream};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use weighbridge_bench::{BenchSettings, Campaign, Identity, Lengths, Mode, Subject, Targets};
use weighbridge_engine::scripted::ScriptedEngine;
use weighbridge_engine::{
    BoxFuture, Capabilities, Engine, EngineError, EngineFactory, EventStream, GenerateRequest, MemoryReport, Prompt,
    ScoreRequest, ScoredContinuation,
};
use weighbridge_telemetry::SystemRoot;
use weighbridge_types::event::{RunEvent, Sink, SinkError};
use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::{EngineDescription, Phase, Record};
use weighbridge_types::request::RequestRow;
use weighbridge_types::time::Clock;
use weighbridge_workload::{Task, TaskSettings};

/// Bytes that the fake process holds before its first request.
const RESIDENT: u64 = 100 << 20;

/// A scripted engine that can also have a capacity, memory that leaks, and the right answers.
#[derive(Debug)]
pub(crate) struct TestEngine {
    script: ScriptedEngine,
    /// Requests served at once; the rest waits.
    capacity: Option<Arc<Semaphore>>,
    /// File that tells the memory of the process, and the bytes by which a request makes it grow.
    leak: Option<(PathBuf, u64)>,
    served: Mutex<u64>,
    /// Every prompt, in the order asked.
    pub(crate) prompts: Mutex<Vec<String>>,
    oracle: bool,
}

impl TestEngine {
    pub(crate) fn new(script: &str) -> Self {
        Self {
            script: ScriptedEngine::new(script.parse().unwrap()),
            capacity: None,
            leak: None,
            served: Mutex::new(0),
            prompts: Mutex::new(Vec::new()),
            oracle: false,
        }
    }

    pub(crate) fn with_capacity(self, requests: usize) -> Self {
        Self { capacity: Some(Arc::new(Semaphore::new(requests))), ..self }
    }

    pub(crate) fn leaking(self, root: &TempDir, bytes: u64) -> Self {
        Self { leak: Some((root.path().join("proc/self/status"), bytes)), ..self }
    }

    /// Scores right answers above wrong ones, each token with probability one quarter.
    pub(crate) fn knowing(self) -> Self {
        Self { oracle: true, ..self }
    }

    fn grow(&self) {
        let Some((file, bytes)) = &self.leak else { return };
        let mut served = self.served.lock().unwrap();
        *served += 1;
        // A page or so of noise, as real processes have.
        let noise = *served * 7_919 % 101 * 80;
        let held = (RESIDENT + *served * bytes + noise) / 1024;
        fs::write(file, format!("VmHWM:\t{held} kB\nVmRSS:\t{held} kB\nRssAnon:\t{held} kB\n")).unwrap();
    }
}

impl Engine for TestEngine {
    fn describe(&self) -> EngineDescription {
        EngineDescription { device: "cpu".to_owned(), model_digest: Some("d1".to_owned()), ..self.script.describe() }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { score: self.oracle, in_process: self.leak.is_some(), ..self.script.capabilities() }
    }

    fn generate(&self, request: GenerateRequest) -> EventStream {
        if let Prompt::Text(text) = &request.prompt {
            self.prompts.lock().unwrap().push(text.clone());
        }
        self.grow();
        let Some(capacity) = self.capacity.clone() else { return self.script.generate(request) };
        let script = ScriptedEngine::new("ttft=100ms,itl=10ms".parse().unwrap());
        let waiting = async move {
            let permit = capacity.acquire_owned().await.unwrap();
            script.generate(request).chain(stream::once(async move { drop(permit) }).filter_map(|()| async { None }))
        };
        Box::pin(stream::once(waiting).flatten())
    }

    fn score(&self, request: ScoreRequest) -> BoxFuture<'_, Result<Vec<ScoredContinuation>, EngineError>> {
        let right = (0..64).flat_map(|index| Task::ALL.map(|task| task.item(&TaskSettings::held_out(SEED), index)));
        let right =
            right.into_iter().find(|item| item.prompt == request.prompt).map(|item| item.continuation(item.answer));
        let score = |text: &String| {
            let share: f64 = if right.as_ref() == Some(text) || right.is_none() { 0.25 } else { 0.01 };
            ScoredContinuation { tokens: vec![1, 2], log_probabilities: vec![share.ln(); 2], is_greedy: false }
        };
        let scores = request.continuations.iter().map(score).collect();
        Box::pin(async move { Ok(scores) })
    }

    fn memory(&self) -> Option<MemoryReport> {
        self.leak.as_ref().map(|_| MemoryReport {
            weights_expected: 1000,
            weights_mapped: 1010,
            kv_per_token: 8,
            kv_held: 8 * 80,
            scratch_held: 60,
            ..MemoryReport::default()
        })
    }
}

pub(crate) const SEED: u64 = 42;

/// A sink that remembers, and can pull the plug after a number of requests.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) rows: Vec<RequestRow>,
    pub(crate) checkpoints: Vec<Record>,
    pub(crate) cancel_after: Option<(usize, CancellationToken)>,
}

impl Sink for Memory {
    fn event(&mut self, event: &RunEvent) -> Result<(), SinkError> {
        if let RunEvent::Request(row) = event {
            self.rows.push((**row).clone());
        }
        if let Some((count, cancel)) = &self.cancel_after
            && self.rows.len() >= *count
        {
            cancel.cancel();
        }
        Ok(())
    }

    fn checkpoint(&mut self, record: &Record) -> Result<(), SinkError> {
        self.checkpoints.push(record.clone());
        Ok(())
    }
}

/// Small counts, so that a test's campaign is over at once.
pub(crate) fn settings(phases: &[Phase]) -> BenchSettings {
    BenchSettings {
        phases: phases.to_vec(),
        lengths: vec![Lengths::new(128, 64), Lengths::new(512, 16)],
        latency_requests: 12,
        throughput_requests: 40,
        throughput_lengths: Lengths::new(64, 11),
        memory_requests: 60,
        quality_items: 4,
        budgets_s: weighbridge_bench::Budgets {
            validate: 600,
            latency: 600,
            memory: 600,
            throughput: 600,
            quality: 600,
        },
        seed: SEED,
        ..BenchSettings::for_mode(Mode::Quick)
    }
}

/// A folder that looks like a system with nothing to tell.
pub(crate) fn root() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("proc/self")).unwrap();
    fs::write(folder.path().join("proc/self/status"), format!("RssAnon:\t{} kB\n", RESIDENT >> 10)).unwrap();
    folder
}

pub(crate) fn campaign(engine: &Arc<TestEngine>, settings: BenchSettings, folder: &TempDir) -> Campaign {
    let engine: Arc<dyn Engine> = Arc::clone(engine) as _;
    let load: EngineFactory = Arc::new(move || {
        let engine = Arc::clone(&engine);
        Box::pin(async move { Ok(engine) })
    });
    Campaign {
        settings,
        subject: Subject { model_ref: "scripted:".to_owned(), load, variants: Vec::new() },
        identity: Identity { run_id: "run".to_owned(), ..Identity::default() },
        targets: Targets::default(),
        root: SystemRoot::at(folder.path()),
        clock: Clock::start(),
        cancel: CancellationToken::new(),
        sampling: None,
        check_record: None,
    }
}

/// Runs a campaign of some phases on an engine.
pub(crate) async fn weigh(engine: TestEngine, settings: BenchSettings) -> (Record, Memory) {
    let folder = root();
    let mut sink = Memory::default();
    let record = campaign(&Arc::new(engine), settings, &folder).run(None, &mut sink).await.unwrap();
    (record, sink)
}

pub(crate) fn value(record: &Record, key: &str, cell: &Cell) -> Option<f64> {
    record.metric(key, cell).and_then(|metric| metric.value)
}

pub(crate) fn figure<'a>(record: &'a Record, key: &str) -> &'a Metric {
    record.metrics.iter().find(|metric| metric.key() == key).unwrap_or_else(|| panic!("no {key}"))
}
