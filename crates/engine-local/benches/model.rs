//! Speed of whole models: `cargo bench -p weighbridge-engine-local --bench model [-- --threads=N] [FILE or part of a name…]`.
//!
//! Without a file it measures random weights at real shapes, made once and kept in the target folder. A row has the prompt
//! (512 new tokens until the first token of the answer), and decoding by 1, 4 and 8 requests at once, each 64 tokens
//! after a prompt of 16. Figures are medians of five repetitions in tokens per second, and shares of the host's bound:
//! decoding alone cannot read its weights faster than memory gives them, a prompt in single precision cannot multiply
//! faster than the vector units. Both bounds are measured before and after each model, and the larger counts.
//!
//! Then what sharing is worth: the time to the first token of a prompt of 512 that was computed before, as a share of the
//! first time. And what a prompt of 2000 does to a stream that runs: the 99th percentile of its gaps meanwhile, over that of
//! gaps while nothing else runs; the model must have room for it.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(unsafe_code, reason = "the peak of the vector units needs their instructions")]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use weighbridge_engine::{Engine, EventKind, GenerateRequest, Prompt};
use weighbridge_engine_local::quant::BlockType;
use weighbridge_engine_local::synth::{Shape, synthesize};
use weighbridge_engine_local::{LocalEngine, LocalOptions};
use weighbridge_types::time::{Clock, Stamp};

const REPETITIONS: u32 = 5;
const PROMPT: u32 = 512;
const DECODED: u32 = 64;

/// Tokens of the prompt that arrives beside a stream.
const LONG_PROMPT: u32 = 2000;

/// Memory for beginnings of prompts.
const PREFIXES: u64 = 256 << 20;

const MODELS: [(Shape, BlockType); 5] = [
    (Shape::Gpt2Small, BlockType::F32),
    (Shape::Gpt2Small, BlockType::Q8_0),
    (Shape::Qwen25Half, BlockType::Q8_0),
    (Shape::Qwen25Half, BlockType::Q4_0),
    (Shape::Llama1B, BlockType::Q4K),
];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (flags, names): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let threads = flags.iter().find_map(|flag| flag.strip_prefix("--threads=")?.parse().ok());
    let options = LocalOptions { threads, prefix_bytes: PREFIXES, ..LocalOptions::default() };
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
        measure(&file, &options).await;
    }
}

/// The model in the target folder, written when it is not there.
fn made(shape: Shape, to: BlockType) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("{shape}-{to}.gguf"));
    if !file.exists() {
        println!("making {}", file.display());
        synthesize(shape, to, 0, &file).expect("the model can be written");
    }
    file
}

async fn measure(file: &Path, options: &LocalOptions) {
    let clock = Clock::start();
    let engine = LocalEngine::load(file, options.clone()).expect("the model can be loaded");
    generate(&engine, clock, 1, 0, 1).await;
    let ready = (clock.now() - Stamp::default()).as_secs_f64();
    let threads =
        options.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let mut host = Host::measure(clock, threads);
    let prompt = median(|repetition| prompt_rate(&engine, clock, repetition)).await;
    let mut decode = Vec::new();
    for requests in [1, 4, 8] {
        decode.push(median(|repetition| decode_rate(&engine, clock, requests, repetition)).await);
    }
    host = host.larger(Host::measure(clock, threads));
    let work = Work::of(&engine);
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    println!(
        "{name}, {threads} threads, ready in {ready:.2} s; host {:.1} GB/s, {:.0} GFLOP/s",
        host.bytes / 1e9,
        host.flops / 1e9
    );
    println!(
        "  prompt of {PROMPT}  {prompt:7.1} tokens/s  {:3.0} % of arithmetic",
        1e2 * prompt * work.prompt / host.flops
    );
    for (requests, rate) in [1, 4, 8].into_iter().zip(decode) {
        let steps = rate / f64::from(requests);
        println!(
            "  decode by {requests}    {rate:7.1} tokens/s  {:3.0} % of bandwidth",
            1e2 * steps * work.step / host.bytes
        );
    }
    sharing(&engine, clock).await;
    println!("  peak resident memory {:.0} MB, {:?}", peak_resident_bytes() / 1e6, engine.memory());
}

/// What a model asks of the host.
struct Work {
    /// Bytes of weights that a step reads.
    step: f64,
    /// Floating-point operations of a prompt, per token.
    prompt: f64,
}

impl Work {
    fn of(engine: &LocalEngine) -> Self {
        let file = engine.file();
        let is_matrix = |name: &str| name.starts_with("blk.") && !name.ends_with(".bias") && !name.contains("norm");
        let matrices: Vec<_> =
            file.tensors.iter().filter(|(name, _)| is_matrix(name)).map(|(_, tensor)| tensor).collect();
        let head = file.head().expect("a model has a head");
        let bytes = matrices.iter().map(|tensor| tensor.bytes().len()).sum::<usize>() + head.bytes().len();
        let products = matrices.iter().map(|tensor| tensor.value_count()).sum::<usize>();
        // A query meets half of the prompt's keys on average, and as many values.
        let attention = file.config.layers * 2 * file.config.query_width() * PROMPT as usize / 2;
        let head = head.value_count() / PROMPT as usize;
        Self { step: bytes as f64, prompt: 2.0 * (products + attention + head) as f64 }
    }
}

async fn median<F: Future<Output = f64>>(work: impl Fn(u32) -> F) -> f64 {
    let mut rates = Vec::new();
    for repetition in 0..REPETITIONS {
        rates.push(work(repetition).await);
    }
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

async fn prompt_rate(engine: &LocalEngine, clock: Clock, repetition: u32) -> f64 {
    let start = clock.now();
    let stamps = generate(engine, clock, PROMPT, 1000 + repetition, 1).await;
    f64::from(PROMPT) / (stamps[0] - start).as_secs_f64()
}

/// Tokens per second of all requests from the time that the last one had its first token.
async fn decode_rate(engine: &LocalEngine, clock: Clock, requests: u32, repetition: u32) -> f64 {
    let seed = |request| 2000 + repetition * 100 + request;
    let stamps = join_all((0..requests).map(|request| generate(engine, clock, 16, seed(request), DECODED))).await;
    let start = stamps.iter().map(|stamps| stamps[0]).max().expect("there are requests");
    // Those that began first end first; after that the batch is smaller.
    let end = stamps.iter().filter_map(|stamps| stamps.last().copied()).min().expect("there are tokens");
    let counted = stamps.iter().flatten().filter(|&&stamp| stamp > start && stamp <= end).count();
    counted as f64 / (end - start).as_secs_f64()
}

async fn sharing(engine: &LocalEngine, clock: Clock) {
    let first = median(|repetition| prompt_rate(engine, clock, 500 + repetition)).await;
    let again = median(|_| prompt_rate(engine, clock, 504)).await;
    println!("  prompt of {PROMPT} again, {:.1} % of the time", 1e2 * first / again);
    if engine.file().config.context_length < LONG_PROMPT as usize {
        return;
    }
    let alone = gaps(&generate(engine, clock, 16, 1, 150).await, Stamp::default(), None);
    let stream = generate(engine, clock, 16, 2, 300);
    let prompt = async {
        let start = clock.now();
        (start, generate(engine, clock, LONG_PROMPT, 3, 1).await[0])
    };
    let (stamps, (start, end)) = futures_util::future::join(stream, prompt).await;
    let beside = gaps(&stamps, start, Some(end));
    let (alone, beside) = (p99(alone), p99(beside));
    println!(
        "  a stream's gaps at p99: {:.1} ms alone, {:.1} ms beside a prompt of {LONG_PROMPT} that took {:.1} s: {:.1} times",
        1e3 * alone,
        1e3 * beside,
        (end - start).as_secs_f64(),
        beside / alone
    );
}

/// Seconds between tokens that lie in a time.
fn gaps(stamps: &[Stamp], start: Stamp, end: Option<Stamp>) -> Vec<f64> {
    let within = stamps.iter().copied().filter(|&stamp| stamp >= start && end.is_none_or(|end| stamp <= end));
    let within: Vec<Stamp> = within.collect();
    within.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect()
}

fn p99(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) * 99 / 100]
}

/// Generates and returns the stamps of the tokens. Prompts of different seeds differ from their first token on.
async fn generate(engine: &LocalEngine, clock: Clock, prompt: u32, seed: u32, max_tokens: u32) -> Vec<Stamp> {
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

/// The bounds of the host with a number of threads.
#[derive(Clone, Copy)]
struct Host {
    /// Bytes per second that threads read from memory.
    bytes: f64,
    /// Fused multiplications and additions of single precision, two operations each, per second.
    flops: f64,
}

impl Host {
    fn measure(clock: Clock, threads: usize) -> Self {
        const VALUES: usize = 64 << 20;
        const ROUNDS: usize = 1 << 22;
        let values = vec![1_u64; VALUES];
        let part = VALUES.div_ceil(threads);
        let read = best(clock, || {
            std::thread::scope(|scope| {
                for part in values.chunks(part) {
                    scope.spawn(move || black_box(part.iter().fold(0_u64, |sum, &value| sum.wrapping_add(value))));
                }
            });
        });
        let multiplied = best(clock, || {
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| black_box(multiply(ROUNDS)));
                }
            });
        });
        let operations = 2 * ROUNDS * ACCUMULATORS * 8 * threads;
        Self { bytes: (8 * VALUES) as f64 / read.as_secs_f64(), flops: operations as f64 / multiplied.as_secs_f64() }
    }

    fn larger(self, other: Self) -> Self {
        Self { bytes: self.bytes.max(other.bytes), flops: self.flops.max(other.flops) }
    }
}

fn best(clock: Clock, work: impl Fn()) -> Duration {
    let once = |_| {
        let start = clock.now();
        work();
        clock.now() - start
    };
    (0..REPETITIONS).map(once).min().expect("there are repetitions")
}

/// Independent chains: enough to hide the latency of the units.
const ACCUMULATORS: usize = 12;

fn multiply(rounds: usize) -> [[f32; 8]; ACCUMULATORS] {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the machine has the features.
        return unsafe { multiply_avx2(rounds) };
    }
    multiply_chains(rounds)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn multiply_avx2(rounds: usize) -> [[f32; 8]; ACCUMULATORS] {
    multiply_chains(rounds)
}

#[inline(always)]
fn multiply_chains(rounds: usize) -> [[f32; 8]; ACCUMULATORS] {
    let (factor, mut sums) = (black_box(0.999_f32), black_box([[0.5_f32; 8]; ACCUMULATORS]));
    for _ in 0..rounds {
        for sums in &mut sums {
            for sum in sums {
                *sum = sum.mul_add(factor, factor);
            }
        }
    }
    sums
}

/// Of this process so far; 0 where the system does not say.
fn peak_resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim_end_matches("kB").trim().parse::<f64>().unwrap_or_default() * 1024.0
}
