//! `model load --together`: several models in one process at the same time, and requests to all of them at once.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use weighbridge_engine::{Engine, Follow, GenerateRequest, Prompt};
use weighbridge_engine_onnx::OnnxModel;
use weighbridge_telemetry::{MemoryParts, PeakMeter, PeakScope, SystemRoot, sample_now};
use weighbridge_types::model_ref::ModelRef;
use weighbridge_types::request::Outcome;
use weighbridge_types::time::Clock;
use weighbridge_types::units::{ByteSize, millis};

use super::super::runtime;
use crate::arguments::{LocalArguments, OutputFormat, TogetherArguments};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::registry::Registry;
use crate::{embedded, output};

/// What every request asks.
const PROMPT: &str = "Describe the harbor at dawn in one sentence.";

/// Why a model was not loaded, in the result.
const MEMORY_LIMIT: &str = "memory_limit";
const FAILED: &str = "failed";

/// One model of several.
#[derive(Debug, Serialize)]
struct Member {
    model: String,
    /// Reference given → engine ready, beside the others. Null when it failed.
    load_time_ms: Option<f64>,
    /// Bytes of its files, which admission counts; 0 for a model elsewhere.
    file_bytes: u64,
    /// `memory_limit` or `failed`; null when it was loaded.
    reason: Option<&'static str>,
    /// The same for people.
    problem: Option<String>,
    /// What it answered; null without requests, or where it writes no text.
    served: Option<Served>,
}

/// What became of requests.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Served {
    requests: usize,
    completed: usize,
    /// Of those that were completed; null when none was.
    mean_latency_ms: Option<f64>,
}

/// Memory of the process, bytes; what cannot be read is null.
#[derive(Debug, Serialize)]
struct Memory {
    /// Proportional set size before the models.
    pss_before: Option<u64>,
    /// The same at the end.
    pss_after: Option<u64>,
    /// Highest resident set size in between; null where the kernel does not let its mark be reset.
    rss_peak: Option<u64>,
    /// What the engines count themselves: weights that are mapped, of which only what is read becomes resident.
    weights_mapped: u64,
    weights_heap: u64,
    kv: u64,
    scratch: u64,
    /// What `pss_after` consists of; null where the system does not tell.
    parts: Option<Parts>,
}

/// Memory at the end by what holds it, bytes.
#[derive(Clone, Copy, Debug, Serialize)]
struct Parts {
    /// The program and its libraries, with the weights inside them.
    program: u64,
    /// Resident pages of mapped files.
    mapped_weights: u64,
    /// What is given out on the heap, weights and scratch among it.
    heap: u64,
    /// What the allocator keeps for later.
    heap_kept: u64,
    /// Keys and values.
    kv: u64,
    /// All of it less what stands above; negative where the heap has pages that were never touched.
    unattributed: i64,
    /// The same as a share of all.
    unattributed_share: f64,
}

impl Parts {
    fn new(parts: MemoryParts, kv: u64) -> Option<Self> {
        let heap = parts.heap?;
        let counted = parts.program + parts.files + heap.used + heap.kept + kv;
        let unattributed = parts.pss.cast_signed() - counted.cast_signed();
        Some(Self {
            program: parts.program,
            mapped_weights: parts.files,
            heap: heap.used,
            heap_kept: heap.kept,
            kv,
            unattributed,
            unattributed_share: unattributed as f64 / parts.pss as f64,
        })
    }
}

/// All of them.
#[derive(Debug, Serialize)]
struct Together {
    models: Vec<Member>,
    loaded: usize,
    /// Share of the models that were loaded.
    success_rate: f64,
    /// First reference given → last engine ready.
    load_time_ms: f64,
    memory_limit: Option<u64>,
    memory: Memory,
    /// All requests; null without.
    requests: Option<Served>,
    /// First request sent → last answer.
    requests_time_ms: Option<f64>,
    requests_per_second: Option<f64>,
}

pub(super) fn run(
    models: &[String],
    arguments: &TogetherArguments,
    format: OutputFormat,
    environment: &Environment,
) -> Result<Exit, Failure> {
    let registry = Registry::new(environment, LocalArguments::default())?;
    let models = models.iter().map(|name| name.parse::<ModelRef>()).collect::<Result<Vec<_>, _>>()?;
    let together = runtime()?.block_on(measure(&registry, &models, arguments))?;
    match format {
        OutputFormat::Json => output::json(&together)?,
        OutputFormat::Console => output::data(&text(&together))?,
    }
    let failed = together.models.iter().any(|member| member.reason == Some(FAILED));
    Ok(if failed || together.loaded == 0 { Exit::Invalid } else { Exit::Pass })
}

async fn measure(registry: &Registry, models: &[ModelRef], arguments: &TogetherArguments) -> Result<Together, Failure> {
    let (root, clock) = (SystemRoot::host(), Clock::start());
    let pss = || sample_now(&root, &clock).pss_bytes;
    let pss_before = pss();
    let peak = PeakMeter::start(&root);
    let limit = arguments.memory_limit.map(|limit| limit.0);
    let mut admitted = 0;
    // Admission is in the order of the arguments; those that are let in load at the same time.
    let admissions: Vec<(u64, bool)> = models
        .iter()
        .map(|model| {
            let bytes = file_bytes(model);
            let fits = limit.is_none_or(|limit| admitted + bytes <= limit);
            admitted += if fits { bytes } else { 0 };
            (bytes, fits)
        })
        .collect();
    let start = clock.now();
    let loads = models.iter().zip(&admissions).map(|(model, &(_, fits))| async move {
        if !fits {
            return (None, None);
        }
        let loaded = registry.load(model).await;
        (Some(loaded), Some(millis(clock.now() - start)))
    });
    let loaded = join_all(loads).await;
    let load_time_ms = millis(clock.now() - start);
    let mut engines: Vec<Option<Arc<dyn Engine>>> = Vec::new();
    let mut members = Vec::new();
    for ((model, (file_bytes, _)), (loaded, time)) in models.iter().zip(admissions).zip(loaded) {
        let (engine, reason, problem) = match loaded {
            None => (None, Some(MEMORY_LIMIT), Some(no_room(file_bytes, limit.unwrap_or_default()))),
            Some(Ok(engine)) => (Some(engine), None, None),
            Some(Err(failure)) => (None, Some(FAILED), Some(format!("could not {}", failure.into_parts().0))),
        };
        let load_time_ms = time.filter(|_| engine.is_some());
        members.push(Member { model: model.to_string(), load_time_ms, file_bytes, reason, problem, served: None });
        engines.push(engine);
    }
    let (requests, requests_time) = serve(&engines, &mut members, arguments, clock).await;
    let memory = memory(&engines, &root, pss_before, peak.read().filter(|_| peak.scope() == PeakScope::SinceReset));
    let count = engines.iter().flatten().count();
    Ok(Together {
        loaded: count,
        success_rate: count as f64 / models.len() as f64,
        load_time_ms,
        memory_limit: limit,
        memory,
        requests,
        requests_time_ms: requests_time,
        requests_per_second: requests.zip(requests_time).map(|(served, time)| served.completed as f64 / time * 1e3),
        models: members,
    })
}

/// Asks every model that writes text at the same time; all together, and the time that it took.
async fn serve(
    engines: &[Option<Arc<dyn Engine>>],
    members: &mut [Member],
    arguments: &TogetherArguments,
    clock: Clock,
) -> (Option<Served>, Option<f64>) {
    let Some(requests) = arguments.requests else { return (None, None) };
    let follow = Follow { clock, limit: arguments.request_timeout(), cancel: CancellationToken::new() };
    let start = clock.now();
    let ask = |engine: Arc<dyn Engine>| {
        let follow = follow.clone();
        async move {
            let request = GenerateRequest::new(Prompt::Text(PROMPT.to_owned()), arguments.max_tokens, clock);
            let begin = clock.now();
            let (collected, _) = follow.answer(engine.as_ref(), request).await;
            let is_done = matches!(collected.outcome, Outcome::Succeeded { .. });
            is_done.then(|| millis(clock.now() - begin))
        }
    };
    let of_engine = |engine: &Option<Arc<dyn Engine>>| {
        let engine = engine.clone().filter(|engine| !engine.capabilities().classify && !engine.capabilities().embed);
        async move {
            let engine = engine?;
            Some(join_all((0..requests).map(|_| ask(engine.clone()))).await)
        }
    };
    let answers = join_all(engines.iter().map(of_engine)).await;
    let time = millis(clock.now() - start);
    for (member, answers) in members.iter_mut().zip(&answers) {
        member.served = answers.as_deref().map(served);
    }
    let all: Vec<Option<f64>> = answers.into_iter().flatten().flatten().collect();
    if all.is_empty() { (None, None) } else { (Some(served(&all)), Some(time)) }
}

fn served(latencies: &[Option<f64>]) -> Served {
    let completed = latencies.iter().flatten().count();
    let sum: f64 = latencies.iter().flatten().sum();
    let mean_latency_ms = (completed > 0).then(|| sum / completed as f64);
    Served { requests: latencies.len(), completed, mean_latency_ms }
}

fn memory(
    engines: &[Option<Arc<dyn Engine>>],
    root: &SystemRoot,
    pss_before: Option<u64>,
    rss_peak: Option<u64>,
) -> Memory {
    let found = MemoryParts::read(root);
    let mut memory = Memory {
        pss_before,
        pss_after: found.map(|parts| parts.pss),
        rss_peak,
        weights_mapped: 0,
        weights_heap: 0,
        kv: 0,
        scratch: 0,
        parts: None,
    };
    for report in engines.iter().flatten().filter_map(|engine| engine.memory()) {
        memory.weights_mapped += report.weights_mapped;
        memory.weights_heap += report.weights_heap;
        memory.kv += report.kv_held + report.kv_idle;
        memory.scratch += report.scratch_held;
    }
    memory.parts = found.and_then(|parts| Parts::new(parts, memory.kv));
    memory
}

fn no_room(bytes: u64, limit: u64) -> String {
    format!("its {} do not fit beside the models before it below {}", ByteSize(bytes), ByteSize(limit))
}

/// Bytes of a model's files; 0 where it is not here, or cannot be read, which loading will tell.
fn file_bytes(model: &ModelRef) -> u64 {
    match model {
        ModelRef::Tiny => embedded::tiny().len() as u64,
        ModelRef::Onnx(path) | ModelRef::Ort(path) if path.to_str().and_then(embedded::classifier).is_some() => {
            path.to_str().and_then(embedded::classifier).map_or(0, |(_, bytes)| bytes.len() as u64)
        }
        ModelRef::Onnx(path) | ModelRef::Ort(path) => OnnxModel::bytes_on_disk(path),
        ModelRef::Gguf(path) | ModelRef::Candle(path) | ModelRef::LlamaCpp(path) => size_of(path),
        ModelRef::Safetensors(folder) => {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let weights = entries.map(|entry| entry.path());
            weights
                .filter(|path| path.extension().is_some_and(|end| end == "safetensors"))
                .map(|path| size_of(&path))
                .sum()
        }
        ModelRef::Endpoint(_) | ModelRef::Scripted(_) => 0,
    }
}

fn size_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn text(together: &Together) -> String {
    let bytes = |bytes: Option<u64>| bytes.map_or_else(|| "n/a".to_owned(), |bytes| ByteSize(bytes).to_string());
    let mut lines: Vec<String> = together.models.iter().map(line).collect();
    lines.push(String::new());
    lines.push(format!(
        "{} of {} loaded at the same time in {:.1} ms, {:.0} %",
        together.loaded,
        together.models.len(),
        together.load_time_ms,
        1e2 * together.success_rate
    ));
    let memory = &together.memory;
    lines.push(format!(
        "memory: {} before, {} after (PSS), highest {} (RSS)",
        bytes(memory.pss_before),
        bytes(memory.pss_after),
        bytes(memory.rss_peak),
    ));
    lines.push(format!(
        "counted by the engines: weights {} mapped (resident where they were read)\n  and {} allocated, keys and values {}, \
         scratch {}",
        ByteSize(memory.weights_mapped),
        ByteSize(memory.weights_heap),
        ByteSize(memory.kv),
        ByteSize(memory.scratch)
    ));
    lines.extend(memory.parts.map(|parts| {
        format!(
            "what is resident: mapped weights {}, heap {}, kept by the allocator {},\n  keys and values {}, the program {}; not \
             attributed {:+.1} %",
            ByteSize(parts.mapped_weights),
            ByteSize(parts.heap),
            ByteSize(parts.heap_kept),
            ByteSize(parts.kv),
            ByteSize(parts.program),
            1e2 * parts.unattributed_share
        )
    }));
    if let (Some(served), Some(time), Some(rate)) =
        (together.requests, together.requests_time_ms, together.requests_per_second)
    {
        let latency = served.mean_latency_ms.map_or_else(|| "n/a".to_owned(), |mean| format!("{mean:.1} ms"));
        lines.push(format!(
            "{} of {} requests at once in {:.2} s: mean latency {latency}, {rate:.1}/s",
            served.completed,
            served.requests,
            time / 1e3
        ));
    }
    lines.join("\n")
}

fn line(member: &Member) -> String {
    let time = member.load_time_ms.map_or_else(|| "n/a".to_owned(), |time| format!("{time:.2} ms"));
    let mut line = format!("{:<40} {time:>12}  {:>10}", member.model, ByteSize(member.file_bytes).to_string());
    if let Some(problem) = &member.problem {
        line.push_str(&format!("  {problem}"));
    }
    if let Some(served) = member.served {
        let latency = served.mean_latency_ms.map_or_else(|| "n/a".to_owned(), |mean| format!("{mean:.1} ms"));
        line.push_str(&format!("  {} of {} requests, mean {latency}", served.completed, served.requests));
    }
    line
}
