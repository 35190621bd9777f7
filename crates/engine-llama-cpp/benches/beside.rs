//! Both engines on the same files: `cargo bench -p weighbridge-engine-llama-cpp --features llama-cpp [-- --threads=N]
//! [--repetitions=N] [FILE or part of a name…]`.
//!
//! Without a file it measures random weights at real shapes, made once and kept in the target folder. The cells are those of
//! the bench of our own engine: a prompt of 512 until the first token of its answer, then decoding by 1, 4 and 8 requests at
//! once, each 64 tokens after a prompt of 16. The engines take turns in every repetition, so that both meet what else the
//! machine does; figures are medians in tokens per second.
//!
//! llama.cpp has the vector instructions that the compiler may use: build with `RUSTFLAGS="-C target-cpu=native"`.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use futures_util::future::join_all;
use weighbridge_engine::{Engine, EventKind, GenerateRequest, Prompt};
use weighbridge_engine_llama_cpp::{LlamaCppEngine, LlamaCppOptions};
use weighbridge_engine_local::quant::BlockType;
use weighbridge_engine_local::synth::{Shape, synthesize};
use weighbridge_engine_local::{LocalEngine, LocalOptions};
use weighbridge_types::time::{Clock, Stamp};

const REPETITIONS: u32 = 5;
const PROMPT: u32 = 512;
const DECODED: u32 = 64;

const MODELS: [(Shape, BlockType); 4] = [
    (Shape::Gpt2Small, BlockType::Q8_0),
    (Shape::Qwen25Half, BlockType::Q8_0),
    (Shape::Qwen25Half, BlockType::Q4_0),
    (Shape::Llama1B, BlockType::Q4K),
];

/// What is measured in turns.
#[derive(Clone, Copy)]
enum Cell {
    Prompt,
    Decode(u32),
}

const CELLS: [Cell; 4] = [Cell::Prompt, Cell::Decode(1), Cell::Decode(4), Cell::Decode(8)];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (flags, names): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let flag = |name: &str| flags.iter().find_map(|flag| flag.strip_prefix(name)?.parse::<u32>().ok());
    let threads = flag("--threads=").and_then(|threads| NonZeroUsize::new(threads as usize));
    let repetitions = flag("--repetitions=").unwrap_or(REPETITIONS).max(1);
    let (files, parts): (Vec<String>, Vec<String>) = names.into_iter().partition(|name| Path::new(name).is_file());
    let mut files: Vec<PathBuf> = files.into_iter().map(Into::into).collect();
    if files.is_empty() {
        let wanted = |(shape, to): &(Shape, BlockType)| {
            let name = format!("{shape} {to}");
            parts.is_empty() || parts.iter().any(|part| name.contains(part))
        };
        files.extend(MODELS.iter().filter(|model| wanted(model)).map(|&(shape, to)| made(shape, to)));
    }
    for file in files {
        measure(&file, threads, repetitions).await;
    }
}

/// The model in the target folder, written when it is not there.
fn made(shape: Shape, to: BlockType) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{shape}-{to}.gguf"));
    if !file.exists() {
        println!("making {}", file.display());
        synthesize(shape, to, 0, &file).expect("the model can be written");
    }
    file
}

async fn measure(file: &Path, threads: Option<NonZeroUsize>, repetitions: u32) {
    let clock = Clock::start();
    let local = LocalOptions { threads, ..LocalOptions::default() };
    let local = LocalEngine::load(file, local).expect("the model can be loaded");
    let llama_cpp = LlamaCppOptions { threads, ..LlamaCppOptions::default() };
    let llama_cpp = LlamaCppEngine::load(file, llama_cpp).expect("llama.cpp can load the model");
    let engines: [(&str, &dyn Engine); 2] = [("ours", &local), ("llama.cpp", &llama_cpp)];
    println!("{}, medians of {repetitions}", file.file_stem().unwrap_or_default().to_string_lossy());
    for (_, engine) in engines {
        generate(engine, clock, 64, 0, 4).await;
    }
    let mut medians = [const { Vec::new() }; 2];
    for cell in CELLS {
        let mut rates = [const { Vec::new() }; 2];
        for repetition in 0..repetitions {
            for (rates, (_, engine)) in rates.iter_mut().zip(engines) {
                rates.push(rate(engine, clock, cell, repetition).await);
            }
        }
        for (medians, mut rates) in medians.iter_mut().zip(rates) {
            rates.sort_by(f64::total_cmp);
            medians.push(rates[rates.len() / 2]);
        }
    }
    println!("  {:<10}{:>12}{:>12}{:>12}{:>12}", "tokens/s", "prompt 512", "decode 1", "decode 4", "decode 8");
    for ((name, _), medians) in engines.iter().zip(&medians) {
        let figures: String = medians.iter().map(|rate| format!("{rate:>12.1}")).collect();
        println!("  {name:<10}{figures}");
    }
}

async fn rate(engine: &dyn Engine, clock: Clock, cell: Cell, repetition: u32) -> f64 {
    match cell {
        Cell::Prompt => {
            let start = clock.now();
            let stamps = generate(engine, clock, PROMPT, 1000 + repetition, 1).await;
            f64::from(PROMPT) / (stamps[0] - start).as_secs_f64()
        }
        Cell::Decode(requests) => {
            let seed = |request| 2000 + repetition * 100 + request;
            let asked = (0..requests).map(|request| generate(engine, clock, 16, seed(request), DECODED));
            let stamps = join_all(asked).await;
            // From the first token of the last until the first has ended: all of them run.
            let start = stamps.iter().map(|stamps| stamps[0]).max().expect("there are requests");
            let end = stamps.iter().filter_map(|stamps| stamps.last().copied()).min().expect("there are tokens");
            let counted = stamps.iter().flatten().filter(|&&stamp| stamp > start && stamp <= end).count();
            counted as f64 / (end - start).as_secs_f64()
        }
    }
}

/// Generates and returns the stamps of the tokens. Prompts of different seeds differ from their first token on.
async fn generate(engine: &dyn Engine, clock: Clock, prompt: u32, seed: u32, max_tokens: u32) -> Vec<Stamp> {
    let prompt = Prompt::Tokens((0..prompt).map(|token| (token * 37 + seed * 11) % 9973).collect());
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
