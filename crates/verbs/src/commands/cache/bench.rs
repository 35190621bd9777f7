//! `cache bench` of our own caches: what each is worth, by asking everything once with it and once without it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use weighbridge_cache::{Cache, Limits};
use weighbridge_eval::score::{Settings, score_file};
use weighbridge_load::{ReuseFigure, Reused};
use weighbridge_server::NearAnswers;
use weighbridge_serving::{Loader, ModelPool, ModelSettings, PoolSettings};
use weighbridge_stats::proportion::wilson;
use weighbridge_stats::{Confidence, coin};
use weighbridge_types::model_ref::ModelRef;
use weighbridge_types::time::Clock;
use weighbridge_workload::{CacheWorkload, ReuseSettings, reuse_order, reuse_prompts};

use super::super::eval::score_kept;
use super::super::runtime;
use super::super::serve::cache::near_texts;
use super::super::serve::loader::ReferenceLoader;
use super::door::{Door, Pair, not_loaded};
use super::worth::{NearRow, Row, Worth};
use crate::arguments::{
    CacheBenchVerb, EvaluationBenchArguments, ModelBenchArguments, PredictionBenchArguments, ReuseArguments,
    WorkloadsBenchArguments,
};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::models_folder;
use crate::output;
use crate::registry::Registry;

/// Requests that are not measured: they open connections and wake the model.
const WARM_UP: u32 = 3;

/// Models in turns where none is named: more than fit.
const USUAL_MODELS: usize = 5;

pub(super) fn run(verb: &CacheBenchVerb, environment: &Environment) -> Result<Exit, Failure> {
    match verb {
        CacheBenchVerb::Workloads(arguments) => workloads(arguments, environment),
        CacheBenchVerb::Model(arguments) => model(arguments, environment),
        CacheBenchVerb::Prediction(arguments) => prediction(arguments, environment),
        CacheBenchVerb::Evaluation(arguments) => evaluation(arguments),
    }
}

fn reference(name: &str, environment: &Environment) -> Result<ModelRef, Failure> {
    Ok(models_folder::named(name, environment)?.parse()?)
}

fn workloads(arguments: &WorkloadsBenchArguments, environment: &Environment) -> Result<Exit, Failure> {
    let near = arguments.near.map(near_texts).transpose()?;
    // Each answer is computed beside it anyway, so that the service has nothing to check.
    let near = near.map(|settings| NearAnswers { settings, check_every: 0 });
    let registry = Registry::new(environment, arguments.local)?;
    let model = reference(&arguments.model, environment)?;
    let reuse = &arguments.reuse;
    let rows = runtime()?.block_on(async {
        let door = Door::open(vec![("model", model)], near, &registry).await?;
        let mut rows = Vec::new();
        for (workload, number) in CacheWorkload::ALL.into_iter().zip(0..) {
            // Texts of its own, so that none finds what another one left.
            let seed = reuse.seed.wrapping_add(number);
            let before = door.bytes();
            let pairs = ask_all(&door, &prompts(reuse, workload, seed), |text| chat(reuse, text), seed).await?;
            let measured: Vec<Reused> = pairs.iter().map(|pair| pair.row).collect();
            let mut row = Row::new(workload.name(), &measured, seed, door.bytes() - before)?;
            row.near = near.map(|_| near_row(&pairs));
            rows.push(row);
        }
        door.close();
        Ok::<_, Failure>(rows)
    })?;
    let models = [arguments.model.clone()];
    Worth { bench: "workloads", models: &models, seed: reuse.seed, rows, notes: Vec::new() }
        .print(arguments.output.output_format)
}

fn prompts(reuse: &ReuseArguments, workload: CacheWorkload, seed: u64) -> Vec<String> {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let ReuseArguments { requests, pool, words, .. } = *reuse;
    let settings = ReuseSettings { requests: number(requests), pool: number(pool), words: number(words), seed };
    reuse_prompts(workload, settings)
}

/// Where a text goes and as what.
type Asking = (&'static str, Value);

fn chat(reuse: &ReuseArguments, text: &str) -> Asking {
    let turn = json!([{"role": "user", "content": text}]);
    let body = json!({"model": "model", "temperature": 0, "max_tokens": reuse.osl, "messages": turn});
    ("/v1/chat/completions", body)
}

fn classify(text: &str) -> Asking {
    ("/api/v1/classify", json!({"model": "classifier", "input": text}))
}

/// Asks every text both ways; a coin says which comes first.
async fn ask_all(
    door: &Door,
    texts: &[String],
    asking: impl Fn(&str) -> Asking,
    seed: u64,
) -> Result<Vec<Pair>, Failure> {
    for number in 0..WARM_UP {
        let (path, body) = asking(&format!("warm up {number}"));
        door.pair(path, &body, true).await?;
    }
    let mut pairs = Vec::with_capacity(texts.len());
    for (text, number) in texts.iter().zip(0..) {
        let (path, body) = asking(text);
        pairs.push(door.pair(path, &body, coin(seed.wrapping_add(number))).await?);
    }
    Ok(pairs)
}

/// How often the answer to a near prompt is the model's own.
fn near_row(pairs: &[Pair]) -> NearRow {
    let near: Vec<&Pair> = pairs.iter().filter(|pair| pair.label == "HIT-NEAR").collect();
    let says = |answer: &Value| answer["choices"][0]["message"]["content"].clone();
    let equal = near.iter().filter(|pair| says(&pair.with) == says(&pair.without)).count();
    let share = wilson(equal, near.len(), Confidence::P95).ok();
    NearRow {
        hits: near.len(),
        equal_share: share.map(|share| ReuseFigure {
            value: share.value,
            low: Some(share.interval.low),
            high: Some(share.interval.high),
        }),
    }
}

fn prediction(arguments: &PredictionBenchArguments, environment: &Environment) -> Result<Exit, Failure> {
    let registry = Registry::new(environment, arguments.local)?;
    let names = [arguments.model.clone(), arguments.classifier.clone()];
    let model = reference(&arguments.model, environment)?;
    let classifier = reference(&arguments.classifier, environment)?;
    let reuse = &arguments.reuse;
    let rows = runtime()?.block_on(async {
        let door = Door::open(vec![("model", model), ("classifier", classifier)], None, &registry).await?;
        let texts = prompts(reuse, CacheWorkload::Repeated, reuse.seed);
        let measured = |pairs: Vec<Pair>| pairs.iter().map(|pair| pair.row).collect::<Vec<_>>();
        let answers = measured(ask_all(&door, &texts, |text| chat(reuse, text), reuse.seed).await?);
        let bytes = door.bytes();
        let classes = measured(ask_all(&door, &texts, classify, reuse.seed).await?);
        let rows = vec![
            Row::new("answers", &answers, reuse.seed, bytes)?,
            Row::new("classes", &classes, reuse.seed, door.bytes() - bytes)?,
        ];
        door.close();
        Ok::<_, Failure>(rows)
    })?;
    Worth { bench: "prediction", models: &names, seed: reuse.seed, rows, notes: Vec::new() }
        .print(arguments.output.output_format)
}

fn model(arguments: &ModelBenchArguments, environment: &Environment) -> Result<Exit, Failure> {
    let names = match arguments.models.is_empty() {
        true => vec!["tiny".to_owned(); USUAL_MODELS],
        false => arguments.models.clone(),
    };
    let registry = Registry::new(environment, arguments.local)?;
    let references: Vec<ModelRef> = names.iter().map(|name| reference(name, environment)).collect::<Result<_, _>>()?;
    let clock = Clock::start();
    let rows = runtime()?.block_on(async {
        let slots = references.iter().enumerate().map(|(place, reference)| {
            let loader = ReferenceLoader::new(&registry, reference.clone(), None);
            (ModelSettings::new(place.to_string()), Arc::new(loader) as Arc<dyn Loader>)
        });
        let settings = PoolSettings { max_models: Some(arguments.max_models), ..PoolSettings::default() };
        let pool = ModelPool::new(settings, slots.collect(), clock);
        let mut rows = Vec::new();
        let mut bytes = 0;
        for (place, number) in reuse_order(references.len(), arguments.requests, arguments.seed).into_iter().zip(0..) {
            let load = async { Ok::<_, Failure>(registry.timed_load(&references[place]).await? / 1e3) };
            let (with, without_s) = match coin(arguments.seed.wrapping_add(number)) {
                true => {
                    let without = load.await?;
                    (lease(&pool, place, clock).await?, without)
                }
                false => (lease(&pool, place, clock).await?, load.await?),
            };
            rows.push(Reused { is_hit: with.0, with_s: with.1, without_s });
            bytes = bytes.max(pool.states().iter().map(|state| state.bytes).sum::<u64>());
        }
        Ok::<_, Failure>(vec![Row::new("models", &rows, arguments.seed, bytes)?])
    })?;
    let notes = vec![
        "without the pool a model is loaded for each use and dropped; its file lies in the system's cache either way",
        "MB is the most that the models in the pool took by their own account",
    ];
    Worth { bench: "model", models: &names, seed: arguments.seed, rows, notes }.print(arguments.output.output_format)
}

/// Uses a model of a pool: whether it was there, and how long it took.
async fn lease(pool: &ModelPool, place: usize, clock: Clock) -> Result<(bool, f64), Failure> {
    let name = place.to_string();
    let is_there = pool.peek(&name).ok().flatten().is_some();
    let start = clock.now();
    let leased = pool.lease(&name).await;
    let seconds = (clock.now() - start).as_secs_f64();
    leased.map_err(not_loaded)?;
    Ok((is_there, seconds))
}

fn evaluation(arguments: &EvaluationBenchArguments) -> Result<Exit, Failure> {
    let scratch = tempfile::tempdir()?;
    let files = match arguments.files.is_empty() {
        true => made(scratch.path(), arguments)?,
        false => arguments.files.clone(),
    };
    let kept = scratch.path().join("cache");
    let cache = Cache::open(&kept, Limits::default())?;
    let (clock, settings) = (Clock::start(), Settings::default());
    let timed = |work: &dyn Fn() -> Result<bool, Failure>| -> Result<(bool, f64), Failure> {
        let start = clock.now();
        let is_hit = work()?;
        Ok((is_hit, (clock.now() - start).as_secs_f64()))
    };
    let mut rows = Vec::new();
    for (place, number) in reuse_order(files.len(), arguments.requests, arguments.seed).into_iter().zip(0..) {
        let file = &files[place];
        let with = || timed(&|| Ok(score_kept(&cache, file, &settings)?.1));
        let without = || timed(&|| Ok(score_file(file, &settings)?.samples == 0));
        let ((is_hit, with_s), (_, without_s)) = match coin(arguments.seed.wrapping_add(number)) {
            true => {
                let without = without()?;
                (with()?, without)
            }
            false => (with()?, without()?),
        };
        rows.push(Reused { is_hit, with_s, without_s });
    }
    let bytes = weighbridge_cache::verify(&kept)?.bytes;
    let rows = vec![Row::new("scores", &rows, arguments.seed, bytes)?];
    let names: Vec<String> = arguments.files.iter().map(|file| file.display().to_string()).collect();
    let notes = vec!["with the cache a file is read whole for its digest; MB is what kept scores take on disk"];
    Worth { bench: "evaluation", models: &names, seed: arguments.seed, rows, notes }
        .print(arguments.output.output_format)
}

/// Files of predictions that differ.
fn made(folder: &Path, arguments: &EvaluationBenchArguments) -> Result<Vec<PathBuf>, Failure> {
    const LABELS: [&str; 4] = ["benign", "phishing", "malware", "intrusion"];
    let mut files = Vec::new();
    for number in 0..arguments.pool {
        let path = folder.join(format!("{number}.jsonl"));
        let seed = arguments.seed.wrapping_add(number as u64);
        let (truth, said) = (reuse_order(4, arguments.samples, seed), reuse_order(4, arguments.samples, !seed));
        let mut text = String::new();
        for (sample, (truth, said)) in truth.into_iter().zip(said).enumerate() {
            // Two in three are right.
            let said = if sample % 3 == 0 { said } else { truth };
            let line = json!({"id": sample, "target": LABELS[truth], "prediction": LABELS[said]});
            let _ = writeln!(text, "{line}");
        }
        output::file(&path, text)?;
        files.push(path);
    }
    Ok(files)
}
