//! Validate: is this set-up fit to be measured? Seven checks, each with its evidence.

use weighbridge_summary::tally;
use weighbridge_telemetry::calibration_kernel;
use weighbridge_types::definition as define;
use weighbridge_types::event::SinkError;
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::record::{Check, LogLine, Phase};
use weighbridge_types::request::{Outcome, RequestRow};
use weighbridge_types::units::{ByteSize, millis};

use crate::context::{Context, Output};
use crate::driver::{Load, Stop};
use crate::settings::Lengths;

/// Requests of the quick benchmark: enough to see failures, quick enough to come first.
const REQUESTS: u32 = 3;
const LENGTHS: Lengths = Lengths::new(64, 32);

/// Generating a token reads every weight once, so that memory bandwidth bounds the rate. An engine that does not reach
/// this share of the bound is a debug build, short of threads, or on a busy host.
const LEAST_OF_BOUND: f64 = 0.10;

pub(crate) async fn run(context: &mut Context<'_>, output: &mut Output) -> Result<(), SinkError> {
    if context.run == 1 {
        calibrate(context, output).await;
    }
    let prompts = context.prompts(0);
    let load = Load {
        cell: context.cell(),
        what: "quick benchmark".to_owned(),
        warmups: prompts.prepare(LENGTHS, 0, 1),
        requests: prompts.prepare(LENGTHS, 1, REQUESTS),
        concurrency: 1,
        budget: context.budget(),
        least: 1,
    };
    let driven = context.drive(load).await?;
    output.rows.requests.extend(driven.rows);
    output.stop = driven.stop.or_else(|| nothing_succeeded(&output.rows.requests));
    Ok(())
}

/// A target that answers nothing is not worth four more phases.
fn nothing_succeeded(rows: &[RequestRow]) -> Option<Stop> {
    if rows.iter().any(|row| row.outcome.is_success()) {
        return None;
    }
    rows.iter().rev().find_map(|row| match &row.outcome {
        Outcome::Failed { message, .. } => Some(Stop::Hopeless(message.clone())),
        _ => None,
    })
}

/// Measures the host's memory bandwidth, for engines that use it.
async fn calibrate(context: &Context<'_>, output: &mut Output) {
    let cell = Cell::of(Phase::Validate);
    let unavailable = |why: String| Metric::unavailable(&define::CALIBRATION_RATE, Statistic::Value, &cell, why);
    if !context.loaded.capabilities.in_process {
        output.metrics.push(unavailable("the engine does not compute in this process".to_owned()));
        return;
    }
    let (root, clock) = (context.root.clone(), context.clock);
    let kernel = tokio::task::spawn_blocking(move || calibration_kernel(&root, &clock)).await;
    output.metrics.push(match kernel {
        Ok(Ok(found)) => {
            let rate = found.gigabytes_per_second();
            Metric::measured(&define::CALIBRATION_RATE, Statistic::Value, &cell, rate, 1)
        }
        Ok(Err(error)) => unavailable(error.to_string()),
        Err(error) => unavailable(error.to_string()),
    });
}

/// The seven checks, and the figures of loading.
pub(crate) fn conclude(context: &Context<'_>, metrics: &[Metric], output: &mut Output) {
    output.metrics.extend(load_metrics(context));
    let rows = &output.rows.requests;
    output.checks = vec![
        environment(context),
        engine_loads(context),
        quick_benchmark(rows),
        report_works(context, metrics),
        data_format(rows),
        no_errors(rows),
        performance(context, metrics.iter().chain(&output.metrics)),
    ];
}

fn load_metrics(context: &Context<'_>) -> [Metric; 2] {
    let cell = Cell::of(Phase::Validate);
    let loaded = context.loaded;
    let first = match &loaded.cold_first_token {
        Ok(time) => Metric::measured(&define::FIRST_TOKEN_COLD, Statistic::Value, &cell, millis(*time), 1),
        Err(why) => Metric::unavailable(&define::FIRST_TOKEN_COLD, Statistic::Value, &cell, why.clone()),
    };
    [Metric::measured(&define::LOAD_TIME, Statistic::Value, &cell, millis(loaded.load_time), 1), first]
}

fn check(name: &str, passed: impl Into<Option<bool>>, evidence: impl Into<String>) -> Check {
    Check { name: name.to_owned(), passed: passed.into(), evidence: evidence.into() }
}

/// A debug build measures the compiler's settings, not the model.
fn environment(context: &Context<'_>) -> Check {
    let host = &context.record.environment;
    let is_optimized = host.build.profile == "release";
    let cpu = host.cpu_model.as_deref().unwrap_or("unknown CPU");
    let cores = host.cores_usable.map_or_else(|| "unknown cores".to_owned(), |cores| format!("{cores} usable cores"));
    let memory = host.memory_bytes.map_or_else(|| "unknown memory".to_owned(), |bytes| ByteSize(bytes).to_string());
    let evidence = format!("{cpu}, {cores}, {memory}; {} build", host.build.profile);
    let matters = context.loaded.capabilities.in_process;
    check("environment", !host.digest.is_empty() && (is_optimized || !matters), evidence)
}

fn engine_loads(context: &Context<'_>) -> Check {
    let loaded = context.loaded;
    let ready = format!("`{}` ready after {:.1} ms", loaded.description.model, millis(loaded.load_time));
    match &loaded.cold_first_token {
        Ok(time) => check("modules load", true, format!("{ready}, first token after {:.1} ms", millis(*time))),
        Err(why) => check("modules load", false, format!("{ready}; no first token: {why}")),
    }
}

fn quick_benchmark(rows: &[RequestRow]) -> Check {
    let counts = tally(rows);
    let is_ordered = rows.iter().all(|row| row.timeline.is_ordered() && row.timeline.ttft() <= row.timeline.e2e());
    let evidence = format!(
        "{} of {} requests succeeded; stamps {}",
        counts.succeeded,
        counts.scheduled,
        if is_ordered { "in order, E2E at least TTFT in each" } else { "out of order" }
    );
    check("quick benchmark runs", counts.succeeded > 0 && is_ordered, evidence)
}

/// Gives the record with the figures so far to whoever writes reports.
fn report_works(context: &Context<'_>, metrics: &[Metric]) -> Check {
    let name = "report works";
    let mut record = context.record.clone();
    record.metrics.extend(metrics.iter().cloned());
    match context.check_record {
        None => check(name, None, "no report was asked for"),
        Some(check_record) => match check_record(&record) {
            Ok(evidence) => check(name, true, evidence),
            Err(problem) => check(name, false, problem),
        },
    }
}

/// Rows and record must read back as what was written.
fn data_format(rows: &[RequestRow]) -> Check {
    let is_kept = |row: &RequestRow| {
        let line = LogLine::Request(Box::new(row.clone()));
        let text = serde_json::to_string(&line).ok();
        text.and_then(|text| serde_json::from_str::<LogLine>(&text).ok()) == Some(line)
    };
    let kept = rows.iter().filter(|row| is_kept(row)).count();
    check("data format valid", kept == rows.len(), format!("{kept} of {} rows read back as written", rows.len()))
}

fn no_errors(rows: &[RequestRow]) -> Check {
    let counts = tally(rows);
    let first = rows.iter().find_map(|row| match &row.outcome {
        Outcome::Failed { message, .. } => Some(format!("; first: {message}")),
        _ => None,
    });
    let evidence = format!("{} of {} requests failed{}", counts.failed, counts.scheduled, first.unwrap_or_default());
    check("no errors", counts.failed == 0 && counts.scheduled > 0, evidence)
}

/// The decode rate against what the host's memory bandwidth allows.
fn performance<'m>(context: &Context<'_>, metrics: impl Iterator<Item = &'m Metric> + Clone) -> Check {
    let name = "performance reasonable";
    let value = |key: &str| metrics.clone().find(|metric| metric.key() == key).and_then(|metric| metric.value);
    let weights = context.loaded.engine.memory().map(|memory| memory.weights_mapped + memory.weights_heap);
    let (Some(bytes), Some(bandwidth)) = (weights.filter(|&bytes| bytes > 0), value("calibration_rate")) else {
        return check(name, None, "not decided: the bound needs the engine's weights in this process");
    };
    let Some(rate) = value("decode_rate.mean") else {
        return check(name, false, "no decode rate was measured");
    };
    let bound = bandwidth * 1e9 / bytes as f64;
    let evidence = format!(
        "decode {rate:.1} tokens/s; at least {:.1} expected, {:.0} % of the {bound:.0} tokens/s at which {bandwidth:.1} GB/s \
         read {} of weights",
        LEAST_OF_BOUND * bound,
        100.0 * LEAST_OF_BOUND,
        ByteSize(bytes)
    );
    check(name, rate >= LEAST_OF_BOUND * bound, evidence)
}
