//! From the flags of `load` to its settings.

use std::time::Duration;

use weighbridge_engine_http::{HttpOptions, Secret};
use weighbridge_load::{Axis, CacheSettings, LoadSettings, SearchSettings, Shape, Timeouts, Warmup};
use weighbridge_types::metric::Statistic;
use weighbridge_types::time::WallTime;
use weighbridge_types::units::parse_duration;

use super::{answers, recount};
use crate::arguments::{
    Arrival, CacheArguments, CapacityAxis, ClientArguments, DataArguments, LoadArguments, RunArguments, SoakArguments,
    StressArguments, TargetArguments,
};
use crate::failure::Failure;

/// Time of a load when neither a count nor a time is given.
const USUAL_SECONDS: f64 = 30.0;

/// Time of everything when a precision is asked for and neither a count nor a time is given.
const USUAL_UNTIL_SECONDS: f64 = 300.0;

/// Runs of each load at most when a precision is asked for.
const USUAL_UNTIL_RUNS: u32 = 48;

/// The reference of the target that the flags name.
pub(super) fn target(arguments: &TargetArguments) -> Result<String, Failure> {
    match (&arguments.target, &arguments.url) {
        (Some(target), _) => Ok(match &arguments.model {
            Some(model) if !target.contains('#') => format!("{target}#{model}"),
            _ => target.clone(),
        }),
        (None, Some(url)) => {
            let model = arguments.model.as_ref().map(|model| format!("#{model}")).unwrap_or_default();
            Ok(format!("{}:{url}{model}", arguments.backend))
        }
        (None, None) => {
            let hint = "name one, such as `tiny` or `vllm:http://127.0.0.1:8000`, or give `--url`";
            Err(Failure::usage("load nothing: no target was named", hint))
        }
    }
}

/// Settings of a `load` run.
pub(super) fn of_load(arguments: &LoadArguments) -> Result<LoadSettings, Failure> {
    let (shape, judge) = (&arguments.shape, &arguments.judge);
    let (shapes, most_in_flight) = shapes(arguments)?;
    let duration_s = match (&shape.duration, shape.requests) {
        (Some(text), _) => Some(time("duration", text)?.as_secs_f64()),
        // Answers are compared prompt by prompt: a count ends the load.
        (None, None) if shape.until.is_some() => Some(USUAL_UNTIL_SECONDS),
        (None, None) if !shapes.contains(&Shape::Trace) && !arguments.answers.check_answers => Some(USUAL_SECONDS),
        (None, _) => None,
    };
    let settings = LoadSettings {
        shapes,
        // One run knows nothing of the others: without a number, as many as there are looks for.
        runs: if shape.until.is_some() && shape.runs == 1 { USUAL_UNTIL_RUNS } else { shape.runs },
        until: shape.until.clone(),
        victim: shape.victim.clone(),
        sessions: shape.requests,
        duration_s,
        warmup: warmup(&shape.warmup)?,
        drain_s: time("drain", &shape.drain)?.as_secs_f64(),
        most_in_flight,
        drop_after_ms: match &shape.drop_after {
            Some(text) => Some(time("drop-after", text)?.as_secs_f64() * 1e3),
            None => None,
        },
        slo: objective(arguments),
        search: judge.capacity.map(|axis| SearchSettings {
            axis: match axis {
                CapacityAxis::Rate => Axis::Rate,
                CapacityAxis::Concurrency => Axis::Concurrency,
            },
            start: judge.start,
            most: judge.most.unwrap_or(match axis {
                CapacityAxis::Rate => 100_000.0,
                CapacityAxis::Concurrency => 4096.0,
            }),
            precision: 1.0 + judge.precision,
            loads: judge.max_loads,
        }),
        ..common(&arguments.data, &arguments.client, &arguments.run)?
    };
    Ok(answers::checked(settings, arguments))
}

/// What a load that names neither a concurrency nor a rate does, now that it is known whether its data has times.
pub(super) fn settled(mut settings: LoadSettings, is_timed: bool) -> LoadSettings {
    if !is_timed && settings.shapes.contains(&Shape::Trace) {
        settings.shapes = vec![Shape::Concurrency(1)];
        if settings.sessions.is_none() && settings.duration_s.is_none() {
            settings.duration_s = Some(USUAL_SECONDS);
        }
    }
    settings
}

/// Settings of a `stress` run: every client's rate together, and a share of successes as the objective.
pub(super) fn of_stress(arguments: &StressArguments) -> Result<LoadSettings, Failure> {
    if !(0.0..=1.0).contains(&arguments.success) {
        let what = format!("accept `{}` as success: it must be a share, 0 to 1", arguments.success);
        return Err(Failure::usage(what, "write 0.95 for 95 %"));
    }
    let rate = f64::from(arguments.clients) * arguments.rate;
    Ok(LoadSettings {
        shapes: vec![Shape::Arrivals(format!("poisson:{rate}"))],
        duration_s: Some(time("duration", &arguments.duration)?.as_secs_f64()),
        most_in_flight: Some(arguments.clients),
        slo: Some(format!("error<={}%", number((1.0 - arguments.success) * 100.0))),
        ..common(&arguments.data, &arguments.client, &arguments.run)?
    })
}

/// Settings of a `soak` run.
pub(super) fn of_soak(arguments: &SoakArguments) -> Result<LoadSettings, Failure> {
    let (shape, most_in_flight) = match arguments.rate {
        Some(rate) => (Shape::Arrivals(format!("poisson:{rate}")), Some(arguments.concurrency)),
        None => (Shape::Concurrency(arguments.concurrency), None),
    };
    Ok(LoadSettings {
        shapes: vec![shape],
        duration_s: Some(time("duration", &arguments.duration)?.as_secs_f64()),
        checkpoint_s: Some(time("checkpoint", &arguments.checkpoint)?.as_secs_f64()),
        failure_pause_ms: time("failure-pause", &arguments.failure_pause)?.as_secs_f64() * 1e3,
        most_in_flight,
        ..common(&arguments.data, &arguments.client, &arguments.run)?
    })
}

/// Settings of a cache benchmark.
pub(super) fn of_cache(arguments: &CacheArguments) -> Result<LoadSettings, Failure> {
    let CacheArguments { pairs, pool, isl, osl, seed, .. } = *arguments;
    let cache = CacheSettings { pairs, pool, input_tokens: isl, output_tokens: osl };
    let base = LoadSettings { seed, salt: Some(WallTime::now().unix_millis()), ..of_client(&arguments.client)? };
    Ok(cache.load(LoadSettings { percentiles: percentiles(&arguments.run)?, ..base })?)
}

/// What every load takes from the flags of the client.
fn of_client(client: &ClientArguments) -> Result<LoadSettings, Failure> {
    let defaults = LoadSettings::default();
    Ok(LoadSettings {
        request_timeout_s: time("timeout", &client.timeout)?.as_secs_f64(),
        timeouts: timeouts(client)?,
        lag_limit_ms: time("lag-limit", &client.lag_limit)?.as_secs_f64() * 1e3,
        disturbed_limit: client.disturbed_limit,
        retries: client.retries,
        reactors: client.client_threads.unwrap_or(defaults.reactors),
        ..defaults
    })
}

fn percentiles(run: &RunArguments) -> Result<Vec<Statistic>, Failure> {
    run.percentiles.iter().map(|text| percentile(text)).collect()
}

/// What every load takes from the flags of data and client.
fn common(data: &DataArguments, client: &ClientArguments, run: &RunArguments) -> Result<LoadSettings, Failure> {
    Ok(LoadSettings {
        data: spec(data),
        ignore_eos: !data.no_ignore_eos,
        temperature: data.temperature,
        keep_text: data.keep_text || data.tokenizer.is_some(),
        tokenizer: data.tokenizer.as_ref().map(|path| recount::name(path)),
        seed: data.seed,
        salt: (!data.no_salt).then(|| WallTime::now().unix_millis()),
        speed: data.speed,
        percentiles: percentiles(run)?,
        ..of_client(client)?
    })
}

/// How an endpoint is spoken to.
pub(super) fn http(client: &ClientArguments) -> Result<HttpOptions, Failure> {
    let headers = client.header.iter().map(|field| {
        let (name, value) = field.split_once(':').ok_or_else(|| {
            let what = "accept a header field without `:`".to_owned();
            Failure::usage(what, "write `--header 'NAME: VALUE'`")
        })?;
        Ok((name.trim().to_owned(), Secret::new(value.trim())))
    });
    let extra_body = match &client.extra_body {
        None => serde_json::Map::new(),
        Some(text) => serde_json::from_str(text).map_err(|error| {
            let hint = "write an object, such as `--extra-body '{\"top_k\": 20}'`";
            Failure::usage(format!("accept the extra body as a JSON object: {error}"), hint)
        })?,
    };
    if let Some(file) = client.ca_file.as_ref().filter(|file| !file.is_file()) {
        let what = format!("trust the certificates of `{}`: there is no such file", file.display());
        return Err(Failure::usage(what, "name a PEM file with `--ca-file`"));
    }
    let (whole, timeouts) = (time("timeout", &client.timeout)?, timeouts(client)?);
    let (first_token, stall) = (timeouts.first_token(whole), timeouts.stall());
    Ok(HttpOptions {
        ca_file: client.ca_file.clone(),
        connect_timeout: timeouts.connect(),
        first_byte_timeout: first_token,
        first_token_timeout: Some(first_token),
        stall_timeout: Some(stall),
        // What counts is tokens: bytes alone may be silent for as long as either wait.
        idle_timeout: first_token.max(stall),
        total_timeout: whole,
        headers: headers.collect::<Result<_, Failure>>()?,
        extra_body,
        reuse_connections: !client.no_keep_alive,
        kernel_stamps: !client.no_kernel_stamps,
        // Every stream keeps its connection.
        idle_connections: usize::from(u16::MAX),
        ..HttpOptions::default()
    })
}

/// How long each phase of a request may take.
fn timeouts(client: &ClientArguments) -> Result<Timeouts, Failure> {
    let first_token = client.first_token_timeout.as_deref().map(|text| time("first-token-timeout", text));
    Ok(Timeouts {
        connect_s: time("connect-timeout", &client.connect_timeout)?.as_secs_f64(),
        first_token_s: first_token.transpose()?.map(|wait| wait.as_secs_f64()),
        stall_s: time("stall-timeout", &client.stall_timeout)?.as_secs_f64(),
    })
}

/// A percentile as `99`, `99.9` or `p99`.
fn percentile(text: &str) -> Result<Statistic, Failure> {
    let name = format!("p{}", text.trim().trim_start_matches('p'));
    let known = || Statistic::GRID.iter().map(|(statistic, _)| *statistic);
    known().find(|statistic| statistic.name() == name).ok_or_else(|| {
        let names: Vec<&str> = known().map(|statistic| statistic.name().trim_start_matches('p')).collect();
        Failure::usage(format!("compute the percentile `{text}`"), format!("there are {}", names.join(", ")))
    })
}

/// A number with as few digits as say it.
fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The loads, and the bound of those in flight.
fn shapes(arguments: &LoadArguments) -> Result<(Vec<Shape>, Option<u32>), Failure> {
    let shape = &arguments.shape;
    let open: Vec<String> = match shape.rate.is_empty() {
        true => shape.arrivals.clone(),
        false => shape.rate.iter().map(|rate| arrivals(arguments, rate)).collect::<Result<_, _>>()?,
    };
    if !open.is_empty() {
        let most = match shape.concurrency[..] {
            [] => None,
            [most] => Some(most),
            _ => {
                let what = "take several concurrencies together with a rate";
                return Err(Failure::usage(what, "with `--rate`, `--concurrency` is the most in flight: name one"));
            }
        };
        return Ok((open.into_iter().map(Shape::Arrivals).collect(), most));
    }
    // Nothing said: as a trace says, where there is one with times; else one at a time.
    let levels = shape.concurrency.iter().map(|level| Shape::Concurrency(*level));
    let shapes = if shape.concurrency.is_empty() { vec![Shape::Trace] } else { levels.collect() };
    Ok((shapes, None))
}

fn arrivals(arguments: &LoadArguments, rate: &str) -> Result<String, Failure> {
    if matches!(rate, "inf" | "infinity") {
        let is_endless = arguments.shape.requests.is_none() && arguments.data.data.is_none();
        if is_endless {
            let what = "send all requests at once: how many was not said";
            return Err(Failure::usage(what, "give `--requests`; `--concurrency` bounds how many are in flight"));
        }
        return Ok("burst".to_owned());
    }
    Ok(match (arguments.shape.arrival, arguments.shape.burstiness) {
        (Arrival::Poisson, None) => format!("poisson:{rate}"),
        (Arrival::Constant, None) => format!("constant:{rate}"),
        (Arrival::Poisson | Arrival::Gamma, Some(burstiness)) => format!("gamma:{rate},burstiness={burstiness}"),
        (Arrival::Gamma, None) => {
            return Err(Failure::usage("spread gamma arrivals", "give `--burstiness`; 1 is Poisson"));
        }
        (Arrival::Constant, Some(_)) => {
            return Err(Failure::usage(
                "spread constant arrivals in bursts",
                "leave `--burstiness` or `--arrival` out",
            ));
        }
    })
}

/// What is asked, in one text; the record keeps it.
fn spec(data: &DataArguments) -> String {
    if let Some(spec) = &data.data {
        return spec.clone();
    }
    let lengths = |mean: &str, deviation: Option<f64>| match (deviation, data.range_ratio) {
        (Some(deviation), _) => format!("normal:{mean},{deviation}"),
        (None, Some(ratio)) => match mean.parse::<f64>() {
            Ok(value) => format!("{:.0}..{:.0}", (value * (1.0 - ratio)).max(1.0), value * (1.0 + ratio)),
            Err(_) => mean.to_owned(),
        },
        (None, None) => mean.to_owned(),
    };
    let (input, output) = (lengths(&data.isl, data.isl_stddev), lengths(&data.osl, data.osl_stddev));
    let prefix = data.prefix_len.map(|tokens| format!(",prefix=1x{tokens}")).unwrap_or_default();
    format!("input={input},output={output}{prefix}")
}

/// The objective, in our form or in that of other tools.
fn objective(arguments: &LoadArguments) -> Option<String> {
    let judge = &arguments.judge;
    let foreign = (!judge.goodput.is_empty()).then(|| judge.goodput.join(" "));
    judge.slo.clone().or(foreign)
}

fn warmup(text: &str) -> Result<Warmup, Failure> {
    if text == "auto" {
        return Ok(Warmup::Auto);
    }
    match text.parse() {
        Ok(sessions) => Ok(Warmup::Sessions(sessions)),
        Err(_) => Ok(Warmup::Seconds(time("warmup", text)?.as_secs_f64())),
    }
}

/// A time as `30s`; a number alone is seconds.
pub(in crate::commands) fn time(flag: &str, text: &str) -> Result<Duration, Failure> {
    let with_unit = if text.parse::<f64>().is_ok() { format!("{text}s") } else { text.to_owned() };
    parse_duration(&with_unit).map_err(|error| {
        Failure::usage(format!("accept `{text}` as --{flag}: {error}"), "write a time such as `30s`, `250ms` or `2m`")
    })
}
