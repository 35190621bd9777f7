//! Quality: the shipped tasks, by variant, side by side with speed and size.

use std::sync::Arc;

use weighbridge_engine::{Collector, Engine, Follow, GenerateRequest, Prompt, ScoreRequest};
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::event::{RunEvent, SinkError};
use weighbridge_types::metric::{Cell, Metric, MetricInterval, Statistic};
use weighbridge_types::record::{ItemRow, Phase};
use weighbridge_types::request::Outcome;
use weighbridge_types::time::Stamp;
use weighbridge_workload::{Task, TaskItem, TaskSettings};

use crate::context::{Context, Output};
use crate::driver::{Load, Stop};
use crate::load::Loaded;
use crate::settings::Lengths;
use crate::subject::Variant;

/// Requests that show a variant's speed beside its quality.
const SPEED_REQUESTS: u32 = 3;
const SPEED_LENGTHS: Lengths = Lengths::new(64, 32);

/// Tokens of an answer at most, where labels are not scored but generated.
const ANSWER_TOKENS: u32 = 16;

/// Share of a variant's time after which no more item is begun; the rest is for perplexity and speed.
const ITEM_SHARE: f64 = 0.7;

/// Texts whose perplexity is taken, at most.
const PERPLEXITY_TEXTS: u64 = 20;

/// A variant that is ready.
struct Ready {
    name: String,
    engine: Arc<dyn Engine>,
    file_bytes: Option<u64>,
    cell: Cell,
}

pub(crate) async fn run(context: &mut Context<'_>, output: &mut Output) -> Result<(), SinkError> {
    let variants = context.subject.variants.clone();
    let count = u32::try_from(variants.len().max(1)).unwrap_or(u32::MAX);
    let share = context.budget() / count;
    // Every variant gets the same items: as many rounds as the first had time for.
    let mut rounds = u64::from(context.settings.quality_items);
    if variants.is_empty() {
        let loaded = context.loaded;
        let name = loaded.description.quantization.clone().unwrap_or_else(|| loaded.description.model.clone());
        let cell = context.cell().with("variant", &name);
        let file_bytes = loaded.description.model_bytes;
        let ready = Ready { name, engine: Arc::clone(&loaded.engine), file_bytes, cell };
        let until = context.clock.now().after(share);
        weigh(context, &ready, &mut rounds, until, output).await?;
    }
    for variant in &variants {
        if output.stop.is_some() {
            break;
        }
        let until = context.clock.now().after(share);
        load_and_weigh(context, variant, &mut rounds, until, output).await?;
    }
    if context.run == 1 {
        output.metrics.extend(chance(context.settings.seed, rounds));
    }
    Ok(())
}

async fn load_and_weigh(
    context: &mut Context<'_>,
    variant: &Variant,
    rounds: &mut u64,
    until: Stamp,
    output: &mut Output,
) -> Result<(), SinkError> {
    let loaded = Loaded::load(&variant.load, &context.subject.model_ref, context.root, context.clock).await;
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            let cell = Cell::of(Phase::Quality).with("variant", &variant.name);
            output.metrics.push(Metric::unavailable(&define::ACCURACY, Statistic::Value, &cell, error.to_string()));
            output.notes.push(format!("left out {}: {error}", variant.name));
            return Ok(());
        }
    };
    let ready = Ready {
        name: variant.name.clone(),
        engine: loaded.engine,
        file_bytes: variant.file_bytes,
        cell: context.cell().with("variant", &variant.name),
    };
    weigh(context, &ready, rounds, until, output).await
}

/// Items, perplexity, speed and size of one variant.
async fn weigh(
    context: &mut Context<'_>,
    variant: &Ready,
    rounds: &mut u64,
    until: Stamp,
    output: &mut Output,
) -> Result<(), SinkError> {
    items(context, variant, rounds, until, output).await?;
    if output.stop.is_some() {
        return Ok(());
    }
    if context.run == 1 {
        let cell = Cell::of(Phase::Quality).with("variant", &variant.name);
        output.metrics.push(size(variant, &cell));
        output.metrics.push(perplexity(context, variant, until, &cell).await);
    }
    speed(context, variant, until, output).await
}

/// One round asks one item of each task, so that time that runs out leaves the tasks balanced.
async fn items(
    context: &mut Context<'_>,
    variant: &Ready,
    rounds: &mut u64,
    until: Stamp,
    output: &mut Output,
) -> Result<(), SinkError> {
    let start = context.clock.now();
    let stop_at = start.after((until - start).mul_f64(ITEM_SHARE));
    let settings = TaskSettings::held_out(item_seed(context));
    let mut done = 0;
    for round in 0..*rounds {
        if round > 0 && context.clock.now() >= stop_at {
            *rounds = round;
            break;
        }
        for task in Task::ALL {
            let item = task.item(&settings, round);
            let Some(row) = ask(context, variant, task, &item).await else {
                output.stop = Some(Stop::Interrupted);
                return Ok(());
            };
            context.emit(&RunEvent::Item(row.clone()))?;
            output.rows.items.push(row);
            done += 1;
        }
        let total = usize::try_from(*rounds).unwrap_or(usize::MAX).saturating_mul(Task::ALL.len());
        context.progress(&variant.name, done, total)?;
    }
    let seconds = (context.clock.now() - start).as_secs_f64();
    if context.run == 1 && seconds > 0.0 {
        let cell = Cell::of(Phase::Quality).with("variant", &variant.name);
        let rate = done as f64 / seconds;
        output.metrics.push(Metric::measured(&define::ITEM_RATE, Statistic::Value, &cell, rate, done as u64));
    }
    Ok(())
}

/// Other items in every repetition.
fn item_seed(context: &Context<'_>) -> u64 {
    context.settings.seed.wrapping_add(u64::from(context.run - 1))
}

/// Asks one item; `None` when the user gives up.
async fn ask(context: &Context<'_>, variant: &Ready, task: Task, item: &TaskItem) -> Option<ItemRow> {
    let answer = async {
        if variant.engine.capabilities().score {
            likeliest(variant, item).await
        } else {
            generated(context, variant, item).await
        }
    };
    let answer = tokio::select! {
        biased;
        answer = answer => answer,
        () = context.cancel.cancelled() => return None,
    };
    let (given, problem) = match answer {
        Ok(position) => (item.choices.get(position).cloned(), None),
        Err(problem) => (None, Some(problem)),
    };
    let cell = variant.cell.clone().with("task", task.name());
    Some(ItemRow { cell, item: item.id.clone(), expected: item.answer_text().to_owned(), given, problem })
}

/// The label whose tokens are likeliest together, as the model would write it.
async fn likeliest(variant: &Ready, item: &TaskItem) -> Result<usize, String> {
    let continuations = (0..item.choices.len()).map(|position| item.continuation(position)).collect();
    let request = ScoreRequest { prompt: item.prompt.clone(), continuations };
    let scores = variant.engine.score(request).await.map_err(|error| error.to_string())?;
    let best = scores.iter().enumerate().max_by(|a, b| a.1.total().total_cmp(&b.1.total()));
    best.map(|(position, _)| position).ok_or_else(|| "the engine scored nothing".to_owned())
}

/// The label that the answer begins with.
async fn generated(context: &Context<'_>, variant: &Ready, item: &TaskItem) -> Result<usize, String> {
    let now = context.clock.now();
    let request = GenerateRequest::new(Prompt::Text(item.prompt.clone()), ANSWER_TOKENS, context.clock);
    let collector = Collector::new(now, now, ANSWER_TOKENS).keeping_text();
    let limit = context.settings.request_timeout();
    let follow = Follow { clock: context.clock, limit, cancel: context.cancel.clone() };
    let answer = follow.until_end(variant.engine.generate(request), collector, now).await;
    if let Outcome::Failed { message, .. } = answer.outcome {
        return Err(message);
    }
    let text = answer.text.unwrap_or_default();
    item.parse_answer(&text).ok_or_else(|| format!("`{}` begins with no label", text.trim()))
}

fn size(variant: &Ready, cell: &Cell) -> Metric {
    match variant.file_bytes {
        Some(bytes) => Metric::measured(&define::MODEL_BYTES, Statistic::Value, cell, bytes as f64, 1),
        None => unavailable(&define::MODEL_BYTES, cell, "the model has no file here"),
    }
}

fn unavailable(definition: &Definition, cell: &Cell, why: &str) -> Metric {
    Metric::unavailable(definition, Statistic::Value, cell, why)
}

/// `exp(−mean log-probability per token)` of held-out items with their answers. The interval is Student's t over texts
/// of the mean surprise, weighted by tokens, taken through exp.
async fn perplexity(context: &Context<'_>, variant: &Ready, until: Stamp, cell: &Cell) -> Metric {
    if !variant.engine.capabilities().score {
        return unavailable(&define::PERPLEXITY, cell, "the engine does not give log-probabilities");
    }
    let settings = TaskSettings::held_out(item_seed(context));
    let mut texts = Vec::new();
    for index in 0..PERPLEXITY_TEXTS {
        if (index > 1 && context.clock.now() >= until) || context.cancel.is_cancelled() {
            break;
        }
        let task = Task::ALL[usize::try_from(index).unwrap_or_default() % Task::ALL.len()];
        let item = task.item(&settings, index);
        let text = format!("{}{}", item.prompt, item.completion());
        let request = ScoreRequest { prompt: String::new(), continuations: vec![text] };
        match variant.engine.score(request).await {
            Ok(scores) => texts.extend(scores.first().map(|score| (-score.total(), score.tokens.len() as f64))),
            Err(error) => return unavailable(&define::PERPLEXITY, cell, &error.to_string()),
        }
    }
    perplexity_of(&texts, cell)
}

/// From `(−log-probability, tokens)` of each text.
fn perplexity_of(texts: &[(f64, f64)], cell: &Cell) -> Metric {
    let (surprise, tokens) = texts.iter().fold((0.0, 0.0), |sum, text| (sum.0 + text.0, sum.1 + text.1));
    if tokens <= 0.0 {
        return unavailable(&define::PERPLEXITY, cell, "no text was scored");
    }
    let mean = surprise / tokens;
    let mut metric = Metric::measured(&define::PERPLEXITY, Statistic::Value, cell, mean.exp(), texts.len() as u64);
    let mean_tokens = tokens / texts.len() as f64;
    let residuals: Vec<f64> = texts.iter().map(|(surprise, tokens)| (surprise - mean * tokens) / mean_tokens).collect();
    match weighbridge_stats::student_t_mean(&residuals, weighbridge_stats::Confidence::P95) {
        Ok(estimate) => {
            let half_width = 0.5 * estimate.interval.width();
            metric.interval = Some(MetricInterval {
                low: (mean - half_width).exp(),
                high: (mean + half_width).exp(),
                confidence: estimate.interval.confidence.level(),
                method: estimate.interval.method.as_str().to_owned(),
            });
        }
        Err(error) => metric.interval_reason = Some(error.to_string()),
    }
    metric
}

/// A few requests of the variant, so that its speed stands beside its quality.
async fn speed(context: &mut Context<'_>, variant: &Ready, until: Stamp, output: &mut Output) -> Result<(), SinkError> {
    if context.fits(SPEED_LENGTHS).is_err() {
        return Ok(());
    }
    let prompts = context.prompts(0);
    let load = Load {
        cell: variant.cell.clone(),
        what: format!("{} speed", variant.name),
        warmups: prompts.prepare(SPEED_LENGTHS, 0, 1),
        requests: prompts.prepare(SPEED_LENGTHS, 1, SPEED_REQUESTS),
        concurrency: 1,
        budget: until - context.clock.now(),
        least: 1,
    };
    let driven = context.drive_engine(variant.engine.as_ref(), load).await?;
    output.rows.requests.extend(driven.rows);
    // A variant that cannot generate has its quality all the same.
    output.stop = driven.stop.filter(|stop| *stop == Stop::Interrupted);
    Ok(())
}

/// Accuracy of guessing, for each task and over all.
fn chance(seed: u64, rounds: u64) -> Vec<Metric> {
    let settings = TaskSettings::held_out(seed);
    let cell = Cell::of(Phase::Quality);
    let mean = |task: Task| (0..rounds).map(|index| task.item(&settings, index).chance()).sum::<f64>() / rounds as f64;
    let by_task: Vec<(Task, f64)> = Task::ALL.into_iter().map(|task| (task, mean(task))).collect();
    let overall = by_task.iter().map(|(_, chance)| chance).sum::<f64>() / by_task.len() as f64;
    let metric = |cell: &Cell, value, n| Metric::measured(&define::CHANCE, Statistic::Value, cell, value, n);
    let tasks = by_task.iter().map(|(task, chance)| metric(&cell.clone().with("task", task.name()), *chance, rounds));
    tasks.chain([metric(&cell, overall, rounds * Task::ALL.len() as u64)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perplexity_of_equal_tokens_is_their_inverse_probability() {
        let text = (8.0 * 4.0_f64.ln(), 8.0);
        let metric = perplexity_of(&[text, text, text], &Cell::default());
        assert!((metric.value.unwrap() - 4.0).abs() < 1e-12);
        let interval = metric.interval.unwrap();
        assert!((interval.low - 4.0).abs() < 1e-9 && (interval.high - 4.0).abs() < 1e-9);
        assert_eq!(perplexity_of(&[], &Cell::default()).value, None);
    }

    #[test]
    fn chance_is_that_of_the_choices() {
        let metrics = chance(1, 4);
        assert_eq!(metrics.len(), Task::ALL.len() + 1);
        assert!(metrics.iter().all(|metric| metric.value.is_some_and(|share| share > 0.0 && share < 1.0)));
    }
}
