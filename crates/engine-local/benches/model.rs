//! Speed of whole models: `cargo bench -p weighbridge-engine-local --bench model [-- --threads=N FILE...]`.
//!
//! Without a file it measures random weights at the shape of GPT-2 (124 M parameters), in Q8_0 and in F32. Each figure
//! is the best of several repetitions: on a machine that others use too, only the best says what the code can do. The
//! processor time beside it, all threads together, depends less on others; with one thread it is the work itself.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use weighbridge_engine::{Engine, EventKind, GenerateRequest, Prompt};
use weighbridge_engine_local::quant::BlockType;
use weighbridge_engine_local::synth::{Shape, synthesize};
use weighbridge_engine_local::{LocalEngine, LocalOptions};
use weighbridge_types::time::{Clock, Stamp};

const REPETITIONS: u32 = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (flags, files): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let threads = flags.iter().find_map(|flag| flag.strip_prefix("--threads=")?.parse().ok());
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let files = if files.is_empty() { make_models(folder.path()) } else { files.into_iter().map(Into::into).collect() };
    for file in files {
        println!("{}", file.display());
        measure(&file, LocalOptions { threads, ..LocalOptions::default() }).await;
    }
}

fn make_models(folder: &Path) -> Vec<PathBuf> {
    let make = |block_type: BlockType| {
        let file = folder.join(format!("gpt2-124m-{block_type}.gguf"));
        synthesize(Shape::Gpt2Small, block_type, 0, &file).expect("the model can be written");
        file
    };
    [BlockType::Q8_0, BlockType::F32].map(make).to_vec()
}

async fn measure(file: &Path, options: LocalOptions) {
    let clock = Clock::start();
    let engine = LocalEngine::load(file, options).expect("the model can be loaded");
    print("load", Cost { wall: clock.now() - Stamp::default(), processor: Duration::ZERO }, 1.0, "load");
    run(&engine, clock, 16, 1).await;
    print(
        "load and first token",
        Cost { wall: clock.now() - Stamp::default(), processor: Duration::ZERO },
        1.0,
        "load",
    );
    for prompt in [128, 512] {
        let cost = best(clock, async || drop(run(&engine, clock, prompt, 1).await)).await;
        print(&format!("first token after {prompt}"), cost, 1.0, "token");
    }
    for context in [16, 900] {
        let first = best(clock, async || drop(run(&engine, clock, context, 1).await)).await;
        let all = best(clock, async || drop(run(&engine, clock, context, 33).await)).await;
        let cost = Cost { wall: all.wall - first.wall, processor: all.processor - first.processor };
        print(&format!("decode after {context}"), cost, 32.0, "token");
    }
    for concurrency in [1, 2, 4, 8] {
        let together = async || {
            let requests = (0..concurrency).map(|_| run(&engine, clock, 128, 30));
            futures_util::future::join_all(requests).await;
        };
        let cost = best(clock, together).await;
        print(&format!("{concurrency} at once, 128/30 tokens"), cost, f64::from(concurrency), "request");
    }
    println!("  peak resident memory {:.0} MB, {:?}", peak_resident_bytes() / 1e6, engine.memory());
}

/// What something took.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    processor: Duration,
}

async fn best(clock: Clock, work: impl AsyncFn()) -> Cost {
    let mut best = Cost { wall: Duration::MAX, processor: Duration::MAX };
    for _ in 0..REPETITIONS {
        let (start, processor) = (clock.now(), processor_time());
        work().await;
        best.wall = best.wall.min(clock.now() - start);
        best.processor = best.processor.min(processor_time().saturating_sub(processor));
    }
    best
}

fn print(what: &str, cost: Cost, count: f64, unit: &str) {
    let (wall, processor) = (cost.wall.as_secs_f64() / count, cost.processor.as_secs_f64() / count);
    println!(
        "  {what:28} {:9.2} ms/{unit} {:9.2} {unit}s/s {:9.2} ms processor time",
        1e3 * wall,
        1.0 / wall,
        1e3 * processor
    );
}

/// Generates and returns the stamps of the tokens.
async fn run(engine: &LocalEngine, clock: Clock, prompt: u32, max_tokens: u32) -> Vec<Stamp> {
    let prompt = Prompt::Tokens((0..prompt).map(|token| token * 37 % 256).collect());
    let request = GenerateRequest { ignore_eos: true, ..GenerateRequest::new(prompt, max_tokens, clock) };
    let mut stamps = Vec::new();
    let mut events = engine.generate(request);
    while let Some(event) = events.next().await {
        match event.kind {
            EventKind::Frame(_) => stamps.push(event.at),
            EventKind::Failed(failure) => panic!("failed to {}", failure.message),
            _ => {}
        }
    }
    stamps
}

/// Of this process so far; 0 where the system does not say.
fn peak_resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim_end_matches("kB").trim().parse::<f64>().unwrap_or_default() * 1024.0
}

/// Of all threads of this process so far; zero where the system does not say.
fn processor_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanos = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}
