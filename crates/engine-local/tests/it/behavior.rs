//! What the engine promises beside the right tokens: batches, cancellation, limits, memory, errors.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use weighbridge_engine::{
    Engine, EngineError, EventKind, GenerateRequest, MemorySource, Message, Prompt, Role, Sampling, ScoreRequest,
};
use weighbridge_engine_local::error::ModelError;
use weighbridge_engine_local::graph::BLOCK_TOKENS;
use weighbridge_engine_local::quant::BlockType;
use weighbridge_engine_local::synth::{Shape, synthesize};
use weighbridge_engine_local::{LocalEngine, LocalOptions};
use weighbridge_types::request::{FailureClass, FinishReason};
use weighbridge_types::time::Clock;

use crate::engine::{Answer, folder, generate, load, read, request};

const PROMPTS: [&str; 4] = ["the quick", "error: 42", "a request for the index page, an answer", "x"];

/// A model whose weights need every kind of quantized product.
fn synthetic(block_type: BlockType, threads: usize) -> LocalEngine {
    synthetic_with(block_type, LocalOptions { threads: threads.try_into().ok(), ..LocalOptions::default() })
}

fn synthetic_with(block_type: BlockType, options: LocalOptions) -> LocalEngine {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.gguf");
    synthesize(Shape::Tiny, block_type, 1, &file).unwrap();
    LocalEngine::load(&file, options).unwrap()
}

/// A prompt of tokens without a pattern; those of one family begin alike.
fn long(family: u32, len: u32, max_tokens: u32) -> GenerateRequest {
    let token = |place: u32| (place * 37 + if place < 100 { 0 } else { family * 11 }) % 250;
    let prompt = Prompt::Tokens((0..len).map(token).collect());
    let sampling = Sampling { temperature: 1.5, seed: u64::from(family), ..Sampling::default() };
    GenerateRequest { prompt, sampling, logprobs: Some(0), ..request("", max_tokens) }
}

fn words(answer: &Answer) -> (&[u32], &[f32]) {
    (&answer.tokens, &answer.log_probabilities)
}

#[tokio::test]
async fn prompts_that_begin_alike_are_computed_once_and_answer_the_same() {
    let plain = synthetic(BlockType::Q8_0, 2);
    let keeping = synthetic_with(BlockType::Q8_0, LocalOptions { prefix_bytes: 64 << 20, ..LocalOptions::default() });
    // Again, another that shares 100 tokens, a conversation that goes on, a beginning of the first.
    for (family, len, cached) in [(1, 300, 0), (1, 300, 299), (2, 300, 100), (1, 310, 300), (1, 170, 169)] {
        let (alone, kept) =
            (generate(&plain, long(family, len, 20)).await, generate(&keeping, long(family, len, 20)).await);
        assert_eq!(words(&alone), words(&kept), "{family} {len}");
        assert_eq!(alone.usage.unwrap().cached_input_tokens, None);
        assert_eq!(kept.usage.unwrap().cached_input_tokens, Some(cached), "{family} {len}");
    }
    let memory = keeping.memory().unwrap();
    assert!(memory.kv_idle > 0 && memory.kv_idle <= 64 << 20, "{memory:?}");
    let text = "the index page of the server was lost".repeat(4);
    let score =
        || ScoreRequest { prompt: text.clone(), continuations: vec![" again".to_owned(), " and an end".to_owned()] };
    let expected = plain.score(score()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(keeping.score(score()).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn little_memory_delays_requests_and_loses_none() {
    let plain = synthetic(BlockType::Q4_0, 2);
    let block = BLOCK_TOKENS as u64 * plain.memory().unwrap().kv_per_token;
    // One request needs up to five blocks, with one for a copy.
    for prefix_bytes in [0, 3 * block] {
        let options = LocalOptions { kv_limit: Some(7 * block), prefix_bytes, ..LocalOptions::default() };
        let tight = synthetic_with(BlockType::Q4_0, options);
        let ask = |number: u32| long(number, 60 + 30 * (number % 5), 70);
        let together = join_all((0..9).map(|number| generate(&tight, ask(number)))).await;
        for (number, together) in (0..).zip(&together) {
            assert_eq!(words(&generate(&plain, ask(number)).await), words(together), "{number}");
        }
        let memory = tight.memory().unwrap();
        assert!(memory.kv_peak <= 7 * block, "{memory:?}");
        let refused = generate(&tight, long(0, 400, 100)).await.failure.unwrap();
        assert!(refused.contains("hold 500 tokens") && refused.contains("the limit is"), "{refused}");
    }
}

/// A host whose memory this engine shares with others.
#[derive(Debug, Default)]
struct Host {
    free: u64,
    engine: OnceLock<Arc<LocalEngine>>,
}

impl MemorySource for Host {
    fn free(&self) -> Option<u64> {
        let held = self.engine.get().and_then(|engine| engine.memory()).map_or(0, |memory| memory.kv_held);
        Some(self.free.saturating_sub(held))
    }
}

fn on_a_host(free: u64) -> Arc<LocalEngine> {
    let host = Arc::new(Host { free, engine: OnceLock::new() });
    let memory = Some(Arc::clone(&host) as Arc<dyn MemorySource>);
    let engine = Arc::new(synthetic_with(BlockType::Q8_0, LocalOptions { memory, ..LocalOptions::default() }));
    host.engine.set(Arc::clone(&engine)).unwrap();
    engine
}

#[tokio::test]
async fn memory_that_runs_short_halves_the_batch_and_loses_no_request() {
    let plain = synthetic(BlockType::Q8_0, 2);
    let block = BLOCK_TOKENS as u64 * plain.memory().unwrap().kv_per_token;
    let engine = on_a_host(7 * block);
    // Each comes to three blocks, so that two fit.
    let ask = |family: u32| long(family, 100, 80);
    let together = join_all((0..6).map(|family| generate(&engine, ask(family)))).await;
    for (family, together) in (0..6).zip(&together) {
        let alone = generate(&plain, ask(family)).await;
        assert_eq!(words(&alone), words(together), "{family}");
    }
    let memory = engine.memory().unwrap();
    assert!(memory.kv_held == 0 && memory.kv_peak > 3 * block && memory.kv_peak <= 7 * block, "{memory:?}");
}

#[tokio::test]
async fn a_request_without_any_memory_ends_with_the_reason() {
    let engine = on_a_host(1000);
    let last = engine.generate(request("a", 5)).collect::<Vec<_>>().await.pop().unwrap().kind;
    let EventKind::Failed(failure) = last else { panic!("{last:?}") };
    assert!(failure.message.contains("more bytes for keys and values are not free"), "{}", failure.message);
}

#[tokio::test]
async fn a_storm_of_cancellations_leaves_no_memory_held() {
    let block = BLOCK_TOKENS as u64 * synthetic(BlockType::Q8_0, 1).memory().unwrap().kv_per_token;
    let options = LocalOptions { kv_limit: Some(20 * block), prefix_bytes: 4 * block, ..LocalOptions::default() };
    let engine = synthetic_with(BlockType::Q8_0, options);
    let mut streams = Vec::new();
    for number in 0..60 {
        let mut stream = engine.generate(long(number % 7, 20 + 13 * (number % 11), 40));
        for _ in 0..number % 4 {
            stream.next().await.unwrap();
        }
        streams.push(stream);
        if number % 3 == 2 {
            drop(streams.swap_remove(number as usize % streams.len()));
        }
    }
    drop(streams);
    // The dropped ones are gone before this one begins.
    generate(&engine, request("b", 3)).await;
    generate(&engine, request("b", 1)).await;
    let memory = engine.memory().unwrap();
    assert!(memory.kv_held <= block && memory.kv_idle <= 4 * block && memory.kv_peak <= 20 * block, "{memory:?}");
}

#[tokio::test]
async fn a_stream_goes_on_beside_a_long_prompt_and_neither_changes() {
    let engine = synthetic(BlockType::Q8_0, 2);
    let alone = [generate(&engine, long(1, 20, 80)).await, generate(&engine, long(2, 900, 5)).await];
    let mut stream = engine.generate(long(1, 20, 80));
    let mut first = vec![stream.next().await.unwrap()];
    let beside = generate(&engine, long(2, 900, 5)).await;
    let mut tokens = Vec::new();
    while let Some(event) = stream.next().await {
        first.push(event);
    }
    for event in first {
        if let EventKind::Frame(frame) = event.kind {
            tokens.extend(frame.token_ids);
        }
    }
    assert_eq!((&tokens, words(&beside)), (&alone[0].tokens, words(&alone[1])));
}

#[tokio::test]
async fn an_urgent_request_goes_before_those_that_wait() {
    let engine = synthetic(BlockType::Q8_0, 2);
    let clock = Clock::start();
    let ask = |family: u32, priority: i32| GenerateRequest { priority, clock, ..long(family, 300, 1) };
    let usual: Vec<_> = (1..9).map(|family| engine.generate(ask(family, 0))).collect();
    let first = |mut stream: weighbridge_engine::EventStream| async move { stream.next().await.unwrap().at };
    let urgent = first(engine.generate(ask(20, -1)));
    let (urgent, usual) = futures_util::future::join(urgent, join_all(usual.into_iter().map(first))).await;
    assert!(usual.iter().filter(|at| **at > urgent).count() >= 4, "{urgent:?} of {usual:?}");
}

#[tokio::test]
async fn a_request_whose_deadline_passes_ends_as_timed_out() {
    let engine = synthetic(BlockType::Q8_0, 2);
    let clock = Clock::start();
    let deadline = Some(clock.now().after(Duration::from_millis(30)));
    let mut late = engine.generate(GenerateRequest { deadline, clock, ..long(1, 20, 1000) });
    let mut last = None;
    while let Some(event) = late.next().await {
        last = Some(event.kind);
    }
    let Some(EventKind::Failed(failure)) = last else { panic!("{last:?}") };
    assert_eq!(failure.class, FailureClass::Timeout);
    assert!(failure.message.contains("deadline"), "{}", failure.message);
    assert_eq!(generate(&engine, long(1, 20, 5)).await.tokens.len(), 5);
}

#[tokio::test]
async fn a_request_answers_the_same_alone_and_in_a_batch() {
    let synthetic = [(BlockType::Q8_0, 2), (BlockType::Q4_0, 1), (BlockType::Q4K, 2)].map(|(to, n)| synthetic(to, n));
    for engine in [load("qwen2"), load("qwen3moe")].into_iter().chain(synthetic) {
        let ask = |prompt: &&str| GenerateRequest { logprobs: Some(0), ..request(prompt, 24) };
        let mut alone = Vec::new();
        for prompt in &PROMPTS {
            alone.push(generate(&engine, ask(prompt)).await);
        }
        let together = join_all(PROMPTS.iter().map(|prompt| generate(&engine, ask(prompt)))).await;
        for (alone, together) in alone.iter().zip(&together) {
            assert_eq!((&alone.tokens, &alone.log_probabilities), (&together.tokens, &together.log_probabilities));
            assert_eq!(alone.text, together.text);
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn pinned_threads_stay_on_cores_of_their_own() {
    let threads = std::thread::available_parallelism().unwrap().get().min(2);
    let options = LocalOptions { threads: threads.try_into().ok(), pin: true, ..LocalOptions::default() };
    let engine = synthetic_with(BlockType::Q8_0, options);
    assert_eq!(engine.describe().options.get("pinned").map(String::as_str), Some("true"));
    let plain = generate(&synthetic(BlockType::Q8_0, threads), long(1, 40, 10)).await;
    assert_eq!(words(&generate(&engine, long(1, 40, 10)).await), words(&plain));
    // Threads of other tests are free to move, so that those with one core are this engine's.
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let field = |task: &Path, name: &str| {
        let status = std::fs::read_to_string(task.join("status")).unwrap_or_default();
        status.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned())).unwrap_or_default()
    };
    let mut cores: Vec<(String, String)> = tasks
        .map(|task| (field(&task, "Name:"), field(&task, "Cpus_allowed_list:")))
        .filter(|(name, cores)| (name == "model" || name.starts_with("compute-")) && cores.parse::<usize>().is_ok())
        .collect();
    cores.sort();
    cores.dedup_by_key(|(_, core)| core.clone());
    assert_eq!(cores.len(), threads, "{cores:?}");
    let options = LocalOptions { threads: 1_000.try_into().ok(), pin: true, ..LocalOptions::default() };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.gguf");
    synthesize(Shape::Tiny, BlockType::Q8_0, 1, &file).unwrap();
    let error = LocalEngine::load(&file, options).unwrap_err();
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert!(reason.starts_with("1000 threads want a core each"), "{error}: {reason}");
}

#[tokio::test]
async fn a_dropped_stream_frees_its_memory() {
    let engine = synthetic(BlockType::Q8_0, 2);
    let mut long = engine.generate(request("a", 200));
    assert!(matches!(long.next().await.unwrap().kind, EventKind::Frame(_)));
    let block = BLOCK_TOKENS as u64 * engine.memory().unwrap().kv_per_token;
    while engine.memory().unwrap().kv_held < 2 * block {
        long.next().await.unwrap();
    }
    drop(long);
    // The dropped one's blocks are freed before this answer begins.
    generate(&engine, request("b", 3)).await;
    generate(&engine, request("b", 1)).await;
    let memory = engine.memory().unwrap();
    assert!(memory.kv_held <= block && memory.kv_idle == 0, "{memory:?}");
    assert!(memory.kv_peak >= 2 * block && memory.scratch_held > 0);
}

#[tokio::test]
async fn memory_is_counted_by_arithmetic() {
    let engine = load("qwen2");
    let config = &engine.file().config;
    let memory = engine.memory().unwrap();
    assert_eq!(memory.kv_per_token, (config.layers * 2 * config.kv_heads * config.head_dim * 4) as u64);
    assert_eq!(memory.weights_expected, memory.weights_mapped + memory.weights_heap);
    assert_eq!((memory.kv_held, memory.kv_peak), (0, 0));
}

#[tokio::test]
async fn refusals_are_events() {
    let engine = load("gpt2");
    let check = async |change: fn(&mut GenerateRequest), expected: &str| {
        let mut request = request("the quick", 4);
        change(&mut request);
        let answer = generate(&engine, request).await;
        let message = answer.failure.unwrap_or_default();
        assert!(message.contains(expected), "`{message}` for `{expected}`");
        assert_eq!((answer.tokens.len(), answer.finish), (0, None));
    };
    check(|r| r.max_tokens = 0, "max_tokens is `0`").await;
    check(|r| r.max_tokens = 125, "fit 129 tokens into a context of 128 tokens").await;
    check(|r| r.max_tokens = u32::MAX, "into a context of 128 tokens").await;
    check(|r| r.sampling.temperature = f32::NAN, "temperature `NaN`").await;
    check(|r| r.sampling.top_p = -1.0, "top_p `-1`").await;
    check(|r| r.stop = vec![String::new()], "a stop string is empty").await;
    check(|r| r.prompt = Prompt::Tokens(vec![]), "the prompt has no token").await;
    check(|r| r.prompt = Prompt::Text(String::new()), "the prompt has no token").await;
    check(|r| r.prompt = Prompt::Tokens(vec![1, 300]), "token `300` is not below 300").await;
    // The longest that fits.
    assert_eq!(generate(&engine, request("the quick", 124)).await.tokens.len(), 124);
}

#[tokio::test]
async fn an_answer_ends_at_a_stop_string_or_an_end_token() {
    let engine = load("qwen3");
    let whole = generate(&engine, request("the quick", 32)).await;
    assert_eq!(whole.finish, Some(FinishReason::Length));
    assert_eq!(whole.usage.unwrap().output_tokens, 32);
    let stop = "over";
    assert!(whole.text.contains(stop), "{}", whole.text);
    let stopped = generate(&engine, GenerateRequest { stop: vec![stop.to_owned()], ..request("the quick", 32) }).await;
    assert_eq!(stopped.finish, Some(FinishReason::Stop));
    assert_eq!(Some(stopped.text.as_str()), whole.text.split(stop).next());
    let ended = GenerateRequest { ignore_eos: false, ..hot(3, 120) };
    let eos = engine.tokenizer().unwrap().eos()[0];
    for seed in 0..40 {
        let answer = generate(&engine, GenerateRequest { sampling: hot(seed, 1).sampling, ..ended.clone() }).await;
        assert!(!answer.tokens.contains(&eos));
        let is_full = answer.tokens.len() == 120;
        assert_eq!(answer.finish, Some(if is_full { FinishReason::Length } else { FinishReason::Stop }));
    }
}

/// A request whose tokens are drawn almost evenly.
fn hot(seed: u64, max_tokens: u32) -> GenerateRequest {
    let sampling = Sampling { temperature: 20.0, seed, ..Sampling::default() };
    GenerateRequest { sampling, ..request("the quick", max_tokens) }
}

#[tokio::test]
async fn the_seed_decides_what_is_drawn() {
    let engine = load("qwen2");
    let mut answers: Vec<Answer> = Vec::new();
    for seed in [5, 5, 6] {
        answers.push(generate(&engine, hot(seed, 20)).await);
    }
    assert_eq!(answers[0].tokens, answers[1].tokens);
    assert_ne!(answers[0].tokens, answers[2].tokens);
}

#[tokio::test]
async fn conversations_are_rendered_by_the_models_template() {
    let engine = load("qwen2");
    let messages = vec![Message { role: Role::User, content: "the fox".to_owned() }];
    let chat = GenerateRequest { prompt: Prompt::Chat(messages), ..request("", 8) };
    let chat = generate(&engine, chat).await;
    let text = generate(&engine, request("user: the fox\nassistant:", 8)).await;
    assert_eq!((chat.tokens, chat.usage), (text.tokens, text.usage));
}

#[tokio::test]
async fn continuations_score_as_the_whole_text_does() {
    let engine = load("gpt2");
    let prompt = "the server was";
    let continuations = vec![" lost".to_owned(), " the length of the answer".to_owned(), String::new()];
    let request = ScoreRequest { prompt: prompt.to_owned(), continuations: continuations.clone() };
    let scored = engine.score(request).await.unwrap();
    assert!(scored[2].tokens.is_empty() && scored[2].log_probabilities.is_empty());
    for (scored, continuation) in scored.iter().zip(&continuations).take(2) {
        let text = format!("{prompt}{continuation}");
        let request = ScoreRequest { prompt: String::new(), continuations: vec![text] };
        let whole = engine.score(request).await.unwrap().remove(0);
        assert!(whole.tokens.ends_with(&scored.tokens));
        let tail = &whole.log_probabilities[whole.tokens.len() - scored.tokens.len()..];
        assert_eq!(scored.log_probabilities, tail);
    }
    let too_long = ScoreRequest { prompt: "x".repeat(200), continuations: vec!["y".to_owned()] };
    assert!(matches!(engine.score(too_long).await, Err(EngineError::ContextOverflow { context: 128, .. })));
}

#[tokio::test]
async fn several_models_run_at_once() {
    let engines = [load("gpt2"), load("qwen2"), load("qwen3")];
    let mut alone = Vec::new();
    for engine in &engines {
        alone.push(generate(engine, request("the quick", 30)).await.tokens);
    }
    let together = join_all(engines.iter().map(|engine| generate(engine, request("the quick", 30)))).await;
    let together: Vec<_> = together.into_iter().map(|answer| answer.tokens).collect();
    assert_eq!(alone, together);
}

#[tokio::test]
async fn dropping_the_engine_ends_what_runs() {
    let engine = synthetic(BlockType::F16, 1);
    let mut running = engine.generate(request("a", 400));
    assert!(running.next().await.is_some());
    drop(engine);
    let answer = read(running).await;
    assert!(answer.tokens.len() >= 399 || answer.failure.is_some_and(|message| message.contains("stopped")));
}

#[test]
fn a_broken_file_is_a_typed_error() {
    let whole = std::fs::read(folder("formats/gpt2.gguf")).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &whole[..whole.len() / 2]).unwrap();
    let load = |path: &Path| LocalEngine::load(path, weighbridge_engine_local::LocalOptions::default());
    assert!(matches!(load(file.path()), Err(ModelError::Broken { .. })));
    assert!(matches!(load(Path::new("no/such/file.gguf")), Err(ModelError::Io { .. })));
}

#[tokio::test]
async fn stamps_are_on_the_clock_of_the_request() {
    let engine = load("gpt2");
    let clock = Clock::start();
    let before = clock.now();
    let mut events = engine.generate(GenerateRequest { clock, ..request("the quick", 3) });
    let mut last = before;
    while let Some(event) = events.next().await {
        assert!(event.at >= last && event.at <= clock.now());
        last = event.at;
    }
}
