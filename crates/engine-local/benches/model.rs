//! Speed of whole models: `cargo bench -p weighbridge-engine-local --bench model [-- FILE...]`.
//!
//! Without a file it measures random weights at the shape of GPT-2 (124 M parameters), in Q8_0 and in F32. Each figure
//! is the best of several repetitions: on a machine that others use too, only the best says what the code can do.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use weighbridge_engine::{Engine, EventKind, GenerateRequest, Prompt};
use weighbridge_engine_local::quant::BlockType;
use weighbridge_engine_local::synth::{Shape, synthesize};
use weighbridge_engine_local::{LocalEngine, LocalOptions};
use weighbridge_types::time::{Clock, Stamp};

const REPETITIONS: usize = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let files: Vec<PathBuf> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).map(Into::into).collect();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let files = if files.is_empty() { make_models(folder.path()) } else { files };
    for file in files {
        measure(&file).await;
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

async fn measure(file: &Path) {
    let clock = Clock::start();
    let engine = LocalEngine::load(file, LocalOptions::default()).expect("the model can be loaded");
    println!("{}", file.display());
    println!("  load                      {:8.1} ms", clock.now().as_nanos() as f64 / 1e6);
    run(&engine, clock, 16, 2).await;
    println!("  load and first answer     {:8.1} ms", clock.now().as_nanos() as f64 / 1e6);
    for prompt in [128, 512] {
        let mut best = Duration::MAX;
        for _ in 0..REPETITIONS {
            let start = clock.now();
            best = best.min(run(&engine, clock, prompt, 1).await[0] - start);
        }
        println!("  TTFT, {prompt} tokens          {:8.1} ms", best.as_secs_f64() * 1e3);
    }
    for context in [16, 900] {
        let mut best = 0.0_f64;
        for _ in 0..REPETITIONS {
            let stamps = run(&engine, clock, context, 65).await;
            best = best.max(64.0 / (stamps[64] - stamps[0]).as_secs_f64());
        }
        println!("  decode after {context:3} tokens    {best:8.1} tokens/s");
    }
    for concurrency in [1, 2, 4, 8] {
        let mut best = 0.0_f64;
        for _ in 0..REPETITIONS {
            let start = clock.now();
            let requests = (0..concurrency).map(|_| run(&engine, clock, 128, 30));
            futures_util::future::join_all(requests).await;
            best = best.max(f64::from(concurrency) / (clock.now() - start).as_secs_f64());
        }
        println!("  {concurrency} at once, 128/30 tokens  {best:8.2} requests/s");
    }
    println!("  peak resident memory      {:8.1} MB", peak_resident_bytes() / 1e6);
    println!("  {:?}", engine.memory());
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
