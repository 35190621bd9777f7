//! `bench switch`: how long one model takes to go and another one to come, as the model service does it.

use std::sync::Arc;
use std::time::Duration;

use comfy_table::{Table, presets};
use futures_util::StreamExt;
use serde::Serialize;
use weighbridge_engine::{ClassifyRequest, EmbedRequest, Engine, EventKind, GenerateRequest, Prompt};
use weighbridge_serving::{ModelPool, ModelSettings, PoolSettings, ServeError};
use weighbridge_stats::Sorted;
use weighbridge_types::model_ref::ModelRef;
use weighbridge_types::time::Clock;
use weighbridge_types::units::millis;

use crate::arguments::{OutputFormat, SwitchArguments};
use crate::commands::load::settings::time;
use crate::commands::runtime;
use crate::commands::serve::ReferenceLoader;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::registry::Registry;

/// Asked after every switch: short, so that its time is that of a model's first use.
const PROMPT: &str = "Hello";

/// Longest wait for a model to go; nobody else has it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of all switches.
#[derive(Serialize)]
struct Report {
    from: String,
    to: String,
    cycles: u32,
    target_ms: f64,
    critical_ms: f64,
    verdict: Verdict,
    directions: Vec<Direction>,
    switches: Vec<Switch>,
}

/// By the slowest switch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// Below the target.
    Met,
    /// Above the target.
    Missed,
    /// Above what is critical.
    Critical,
}

/// One switch.
#[derive(Serialize)]
struct Switch {
    cycle: u32,
    to: String,
    unload_ms: f64,
    load_ms: f64,
    /// Both.
    switch_ms: f64,
    /// From the question to its first token, or to the classes or the vector; not part of the switch.
    first_answer_ms: f64,
}

/// All switches to one model. The middle of all, and the slowest.
#[derive(Serialize)]
struct Direction {
    to: String,
    n: usize,
    unload_ms_p50: f64,
    load_ms_p50: f64,
    switch_ms_p50: f64,
    switch_ms_max: f64,
    first_answer_ms_p50: f64,
    first_answer_ms_max: f64,
    verdict: Verdict,
}

pub(super) fn run(arguments: &SwitchArguments, environment: &Environment) -> Result<Exit, Failure> {
    if !(1..=1000).contains(&arguments.cycles) {
        let what = format!("accept `{}` as cycles: it must be 1 to 1000", arguments.cycles);
        return Err(Failure::usage(what, "five show whether switches are alike"));
    }
    let (target, critical) = (time("target", &arguments.target)?, time("critical", &arguments.critical)?);
    let names = [&arguments.from, &arguments.to];
    let registry = Registry::new(environment, arguments.local)?;
    let mut models = Vec::new();
    for (place, name) in ["from", "to"].into_iter().zip(names) {
        let reference: ModelRef = crate::models_folder::named(name, environment)?.parse()?;
        if matches!(reference, ModelRef::Endpoint(_)) {
            let what = format!("switch to or from `{name}`: it is not loaded in this process");
            return Err(Failure::usage(what, "name two models that are, such as tiny and gguf:FILE"));
        }
        let loader = ReferenceLoader::new(&registry, reference, None);
        models.push((ModelSettings::new(place), Arc::new(loader) as _));
    }
    let clock = Clock::start();
    let pool = ModelPool::new(PoolSettings::default(), models, clock);
    let switches = runtime()?.block_on(measure(&pool, names, arguments.cycles, clock))?;
    let directions: Vec<Direction> = [&arguments.to, &arguments.from]
        .into_iter()
        .enumerate()
        .filter_map(|(place, to)| direction(to, switches.iter().skip(place).step_by(2), target, critical))
        .collect();
    let verdict = directions.iter().map(|direction| direction.verdict).max().unwrap_or(Verdict::Met);
    let report = Report {
        from: arguments.from.clone(),
        to: arguments.to.clone(),
        cycles: arguments.cycles,
        target_ms: millis(target),
        critical_ms: millis(critical),
        verdict,
        directions,
        switches,
    };
    match arguments.output.output_format {
        OutputFormat::Json => output::json(&report)?,
        OutputFormat::Console => output::data(&text(&report))?,
    }
    Ok(if verdict == Verdict::Met { Exit::Pass } else { Exit::GateFailed })
}

/// There and back, so often.
async fn measure(pool: &ModelPool, names: [&String; 2], cycles: u32, clock: Clock) -> Result<Vec<Switch>, Failure> {
    pool.load("from").await.map_err(failed)?;
    first_answer(pool, "from", names[0], clock).await?;
    let mut switches = Vec::new();
    for cycle in 1..=cycles {
        for (from, to, name) in [("from", "to", names[1]), ("to", "from", names[0])] {
            let report = pool.switch(from, to, PATIENCE).await.map_err(failed)?;
            let first_answer_ms = millis(first_answer(pool, to, name, clock).await?);
            let (unload_ms, load_ms) = (millis(report.unload_time), millis(report.load_time));
            let switch_ms = unload_ms + load_ms;
            switches.push(Switch { cycle, to: name.clone(), unload_ms, load_ms, switch_ms, first_answer_ms });
        }
    }
    Ok(switches)
}

fn failed(error: ServeError) -> Failure {
    let hint = error.hint();
    Failure::new(Exit::Invalid, error.to_string(), hint)
}

/// Asks a model that was just loaded, in the way that it can be asked.
async fn first_answer(pool: &ModelPool, place: &str, name: &str, clock: Clock) -> Result<Duration, Failure> {
    let lease = pool.lease(place).await.map_err(failed)?;
    let engine: &Arc<dyn Engine> = lease.engine();
    let no_answer = |why: String| Failure::new(Exit::Invalid, format!("get an answer of `{name}`: {why}"), "");
    let start = clock.now();
    let inputs = vec![PROMPT.to_owned()];
    let capabilities = engine.capabilities();
    if capabilities.classify {
        engine.classify(ClassifyRequest { inputs }).await.map_err(|error| no_answer(error.to_string()))?;
        return Ok(clock.now() - start);
    }
    if capabilities.embed {
        engine.embed(EmbedRequest { inputs }).await.map_err(|error| no_answer(error.to_string()))?;
        return Ok(clock.now() - start);
    }
    let mut events = engine.generate(GenerateRequest::new(Prompt::Text(PROMPT.to_owned()), 1, clock));
    while let Some(event) = events.next().await {
        match event.kind {
            EventKind::Frame(_) | EventKind::Finished { .. } => return Ok(event.at - start),
            EventKind::Failed(failure) => return Err(no_answer(failure.message)),
            _ => {}
        }
    }
    Err(no_answer("it ended without one".to_owned()))
}

fn direction<'a>(
    to: &str,
    switches: impl Iterator<Item = &'a Switch>,
    target: Duration,
    critical: Duration,
) -> Option<Direction> {
    let switches: Vec<&Switch> = switches.collect();
    let of = |value: fn(&Switch) -> f64| Sorted::new(switches.iter().map(|switch| value(switch)).collect()).ok();
    let switch = of(|switch| switch.switch_ms)?;
    let first = of(|switch| switch.first_answer_ms)?;
    let switch_ms_max = *switch.values().last()?;
    Some(Direction {
        to: to.to_owned(),
        n: switches.len(),
        unload_ms_p50: of(|switch| switch.unload_ms)?.median(),
        load_ms_p50: of(|switch| switch.load_ms)?.median(),
        switch_ms_p50: switch.median(),
        switch_ms_max,
        first_answer_ms_p50: first.median(),
        first_answer_ms_max: *first.values().last()?,
        verdict: judge(switch_ms_max, target, critical),
    })
}

fn judge(switch_ms: f64, target: Duration, critical: Duration) -> Verdict {
    if switch_ms > millis(critical) {
        Verdict::Critical
    } else if switch_ms >= millis(target) {
        Verdict::Missed
    } else {
        Verdict::Met
    }
}

fn text(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "to",
        "n",
        "unload p50",
        "load p50",
        "switch p50",
        "switch max",
        "first answer p50",
        "max",
        "",
    ]);
    for direction in &report.directions {
        let ms = |value: f64| format!("{value:.1} ms");
        let verdict = match direction.verdict {
            Verdict::Met => "met",
            Verdict::Missed => "missed",
            Verdict::Critical => "critical",
        };
        table.add_row([
            direction.to.clone(),
            direction.n.to_string(),
            ms(direction.unload_ms_p50),
            ms(direction.load_ms_p50),
            ms(direction.switch_ms_p50),
            ms(direction.switch_ms_max),
            ms(direction.first_answer_ms_p50),
            ms(direction.first_answer_ms_max),
            verdict.to_owned(),
        ]);
    }
    format!(
        "{} cycles between {} and {}; the slowest switch is to stay below {:.1} s, {:.1} s are critical\n{}\n\
         After the first load, files come from memory as far as the host keeps them there.\n",
        report.cycles,
        report.from,
        report.to,
        report.target_ms / 1e3,
        report.critical_ms / 1e3,
        table.trim_fmt()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_judged_by_its_two_bounds() {
        let judge = |ms| judge(ms, Duration::from_secs(5), Duration::from_secs(20));
        assert!(judge(4_999.0) == Verdict::Met && judge(5_000.0) == Verdict::Missed);
        assert!(judge(20_000.0) == Verdict::Missed && judge(20_001.0) == Verdict::Critical);
        assert!(Verdict::Met < Verdict::Missed && Verdict::Missed < Verdict::Critical);
    }
}
