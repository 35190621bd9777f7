//! What profiling costs, and what it shows: `cargo bench -p weighbridge-engine-local --bench profiling_benchmark`.
//!
//! First a profile of generations by the model of the program is written to the target folder, as a flame graph and for pprof,
//! and its hottest functions are printed. Then the cost: the same generations without and with sampling, in turns, so that what
//! disturbs one side disturbs the other; the figures are medians of the ratios of each pair, of processor time, which neighbors
//! disturb little, and of time, with the intervals of their ranks. Last, by criterion, the time to write the forms.
//!
//! With `CRITERION_PROFILER=pprof` each benchmark is profiled for five seconds instead of timed; its flame graph is put beside
//! criterion's own files, as `profile/profile.svg`.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::Criterion;
use criterion::profiler::Profiler;
use futures_util::StreamExt;
use nix::sys::resource::{UsageWho, getrusage};
use tokio::runtime::Runtime;
use weighbridge_engine::{Engine, EventKind, GenerateRequest, Prompt};
use weighbridge_engine_local::{LocalEngine, LocalOptions};
use weighbridge_telemetry::profile::{CpuProfiler, HERTZ, Profile, collapsed, flame_graph, hotspots_text, pprof, read};
use weighbridge_types::time::{Clock, Stamp};

/// Pairs of the cost. Many short ones find less than few long ones of what changes on a host meanwhile.
const PAIRS: usize = 400;
/// Tokens of a prompt and of an answer, and answers at once of one side of a pair: a tenth of a second of work.
const PROMPT: u32 = 64;
const ANSWER: u32 = 64;
const REQUESTS: u32 = 4;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    #[expect(clippy::disallowed_methods, reason = "a bench has no command line of its own")]
    let is_profiled = std::env::var("CRITERION_PROFILER").is_ok_and(|name| name == "pprof");
    if is_profiled {
        criterion = criterion.with_profiler(Sampled(None)).profile_time(Some(Duration::from_secs(5)));
    }
    let bench = Bench::new();
    let (_, profile) = bench.generate_sampled();
    if !is_profiled {
        let svg = write(&profile, Path::new(env!("CARGO_TARGET_TMPDIR")), "inference_profile");
        println!("{}: {}", svg.display(), hotspots_text(&profile, 10));
        bench.print_cost();
    }
    criterion.bench_function("generate", |bencher| bencher.iter(|| bench.generate(1)));
    criterion.bench_function("flame graph", |bencher| bencher.iter(|| flame_graph("bench", black_box(&profile))));
    criterion.bench_function("pprof", |bencher| bencher.iter(|| pprof::write(black_box(&profile))));
    let lines = collapsed::write(&profile);
    criterion.bench_function("read collapsed", |bencher| bencher.iter(|| read(black_box(lines.as_bytes()))));
    criterion.final_summary();
}

/// A model and who waits for it.
struct Bench {
    engine: LocalEngine,
    runtime: Runtime,
    clock: Clock,
}

impl Bench {
    fn new() -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tiny/tiny-f16.gguf");
        // One thread: threads that wait for one another would measure the neighbors of this process.
        let options = LocalOptions { threads: NonZeroUsize::new(1), ..LocalOptions::default() };
        Self {
            engine: LocalEngine::load(file, options).expect("the model of the program can be loaded"),
            runtime: tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made"),
            clock: Clock::start(),
        }
    }

    /// Answers requests at once.
    fn generate(&self, requests: u32) {
        let answers = (0..requests).map(|seed| async move {
            let tokens = (0..PROMPT).map(|token| (token * 37 + seed * 11) % 997).collect();
            let request = GenerateRequest::new(Prompt::Tokens(tokens), ANSWER, self.clock);
            let mut events = self.engine.generate(GenerateRequest { ignore_eos: true, ..request });
            while let Some(event) = events.next().await {
                assert!(!matches!(event.kind, EventKind::Failed(_)), "{event:?}");
            }
        });
        self.runtime.block_on(futures_util::future::join_all(answers));
    }

    fn generate_sampled(&self) -> (Cost, Profile) {
        let start = Cost::until_now(self.clock);
        let profiler = CpuProfiler::start(HERTZ).expect("this process can be sampled");
        self.generate(REQUESTS);
        // Names are looked up once at the end of a run, however long it was; that is not the rate's cost.
        let cost = Cost::until_now(self.clock).since(start);
        (cost, profiler.stop())
    }

    fn generate_plain(&self) -> Cost {
        let start = Cost::until_now(self.clock);
        self.generate(REQUESTS);
        Cost::until_now(self.clock).since(start)
    }

    fn print_cost(&self) {
        let (mut samples, mut ratios) = (0, [Vec::new(), Vec::new()]);
        for pair in 0..PAIRS {
            // Who comes first changes, so that a drift within a pair cancels out.
            let before = (pair % 2 == 0).then(|| self.generate_plain());
            let (sampled, profile) = self.generate_sampled();
            let plain = before.unwrap_or_else(|| self.generate_plain());
            samples += profile.total();
            ratios[0].push(sampled.processor / plain.processor);
            ratios[1].push(sampled.time / plain.time);
        }
        println!(
            "sampling at {HERTZ} Hz, {PAIRS} pairs, {samples} samples: median of the ratios and its interval (95 %)"
        );
        for (of, ratios) in ["processor time", "time"].into_iter().zip(&mut ratios) {
            ratios.sort_by(f64::total_cmp);
            // Ranks of the interval of a median: n/2 ± 1.96·√n/2.
            let (middle, half_width) = (PAIRS as f64 / 2.0, (1.96 * (PAIRS as f64).sqrt() / 2.0).ceil());
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ranks of some dozen")]
            let percent = |at: f64| 100.0 * (ratios[at.clamp(0.0, PAIRS as f64 - 1.0) as usize] - 1.0);
            let (low, high) = (percent(middle - half_width), percent(middle + half_width));
            println!("  {of:<14}  {:+.2} %  ({low:+.2} to {high:+.2} %)", percent(middle));
        }
    }
}

/// What this process has used so far, seconds.
#[derive(Clone, Copy)]
struct Cost {
    processor: f64,
    time: f64,
}

impl Cost {
    fn until_now(clock: Clock) -> Self {
        let usage = getrusage(UsageWho::RUSAGE_SELF).expect("the kernel counts processor time");
        let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        let processor = seconds(usage.user_time()) + seconds(usage.system_time());
        Self { processor, time: (clock.now() - Stamp::default()).as_secs_f64() }
    }

    fn since(self, start: Self) -> Self {
        Self { processor: self.processor - start.processor, time: self.time - start.time }
    }
}

/// Criterion's hook: samples while a benchmark is profiled.
struct Sampled(Option<CpuProfiler>);

impl Profiler for Sampled {
    fn start_profiling(&mut self, _: &str, _: &Path) {
        self.0 = Some(CpuProfiler::start(HERTZ).expect("this process can be sampled"));
    }

    fn stop_profiling(&mut self, _: &str, folder: &Path) {
        if let Some(profiler) = self.0.take() {
            println!("{}", write(&profiler.stop(), folder, "profile").display());
        }
    }
}

/// Writes `NAME.svg` and `NAME.pb`, and returns the first.
fn write(profile: &Profile, folder: &Path, name: &str) -> PathBuf {
    let path = |end: &str| folder.join(format!("{name}.{end}"));
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path("svg"), flame_graph(name, profile)))
        .and_then(|()| std::fs::write(path("pb"), pprof::write(profile)));
    written.expect("the folder can be written");
    path("svg")
}
