//! `eval stream`: events as they happened, through models, to what a security desk needs to know.

use std::io::{IsTerminal, Write};

use serde_json::json;
use tokio_util::sync::CancellationToken;
use weighbridge_eval::EvalError;
use weighbridge_eval::predictions::Mapping;
use weighbridge_eval::runner::Identity;
use weighbridge_eval::stream::{
    BENIGN, EventFile, Events, KIND, Outage, Pace, Route, SCENARIO_PROFILE, Scenario, Shed, StreamRun, StreamSettings,
    Target, TimeUnit,
};
use weighbridge_store::{Index, RunFolder};
use weighbridge_telemetry::{SystemRoot, fingerprint};
use weighbridge_types::latency_counts::quantile_ms;
use weighbridge_types::model_ref::ModelRef;
use weighbridge_types::record::{Record, Status, Verdict};
use weighbridge_types::stream::Pane;
use weighbridge_types::time::{Clock, WallTime};

use super::super::bench::{REPORT_FILE, cancel_on_interrupt};
use super::super::{runs, runtime};
use super::record::label;
use crate::arguments::{ScenarioArgument, ShedArgument, StreamArguments, TimeUnitArgument};
use crate::build::build;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;
use crate::readers::Readers;
use crate::registry::Registry;

/// How fast a made-up stream is played: a day in a minute.
const SCENARIO_SPEED: f64 = 1_440.0;

/// Events with what belongs to them.
struct Source {
    events: Box<dyn Events>,
    settings: StreamSettings,
}

pub(super) fn run(arguments: &StreamArguments, environment: &Environment) -> Result<Exit, Failure> {
    let Source { events, settings } = source(arguments)?;
    let settings = settings.checked()?;
    Target::all(&settings).map_err(EvalError::from)?;
    let clock = Clock::start();
    let registry = Registry::new(environment, arguments.local)?;
    let runtime = runtime()?;
    let cancel = CancellationToken::new();
    runtime.spawn(cancel_on_interrupt(cancel.clone()));
    let mut engines = Vec::new();
    for route in &settings.routes {
        let model: ModelRef = route.model.parse()?;
        engines.push(runtime.block_on(registry.load(&model))?);
    }
    let results = &arguments.results.output_dir;
    let name = arguments.label.clone().unwrap_or_else(|| label(settings.events.split('.').next().unwrap_or("events")));
    let folder = RunFolder::create(results, KIND, &name, WallTime::now())?;
    let path = folder.path().to_owned();
    let identity = Identity {
        run_id: folder.run_id().to_owned(),
        label: name,
        environment: fingerprint(&SystemRoot::host(), build(), results),
    };
    let mut journal = Readers::start(folder, Progress::new(std::io::stderr().is_terminal()))?;
    let stream = StreamRun { settings, events, engines, identity, verdicts: arguments.verdicts.clone(), clock, cancel };
    let is_followed = arguments.follow;
    let mut unprinted = None;
    let mut each = |window: &Pane| {
        if is_followed && unprinted.is_none() {
            unprinted = print(window).err();
        }
    };
    let ended = runtime.block_on(stream.run(&mut journal, &mut each));
    runtime.shutdown_background();
    let closed = journal.close();
    journal.view.clear();
    let record = ended?;
    closed?;
    unprinted.map_or(Ok(()), Err)?;
    output::write(&path.join(REPORT_FILE), runs::page(&path, &record)?)?;
    Index::open(results)?.register(&path)?;
    if is_followed {
        runs::say_where(&path);
    } else {
        runs::print(&record, &path, arguments.output.output_format, environment)?;
    }
    Ok(exit(&record))
}

fn source(arguments: &StreamArguments) -> Result<Source, Failure> {
    let mut settings = settings(arguments);
    if let Some(ScenarioArgument::Soc) = arguments.scenario {
        let scenario = Scenario::soc(arguments.hours, &arguments.data_dir, arguments.seed)?;
        settings.events = format!("soc-{}h", arguments.hours);
        if settings.routes.is_empty() {
            settings.routes = Scenario::routes();
        }
        let is_timed = arguments.rate.is_some() || arguments.speed.is_some();
        if !is_timed {
            settings.pace = Pace::Speed(SCENARIO_SPEED);
        }
        if settings.outages.is_empty() && settings.pace != Pace::Fastest {
            settings.outages = scenario.outages();
            settings.probe_s = probe_s(arguments, &settings.outages);
        }
        settings.scenario_targets = Scenario::targets();
        return Ok(Source { events: Box::new(scenario), settings });
    }
    let path = arguments.file.clone().unwrap_or_default();
    let file = EventFile {
        path,
        form: arguments.format.map(super::form),
        mapping: Mapping::parse(arguments.map.iter().map(String::as_str))?,
        unit: match arguments.time_unit {
            TimeUnitArgument::S => TimeUnit::Seconds,
            TimeUnitArgument::Ms => TimeUnit::Milliseconds,
            TimeUnitArgument::Us => TimeUnit::Microseconds,
            TimeUnitArgument::Ns => TimeUnit::Nanoseconds,
        },
    };
    settings.events = file.name();
    Ok(Source { events: Box::new(file), settings })
}

fn settings(arguments: &StreamArguments) -> StreamSettings {
    let benign = match arguments.benign.as_slice() {
        [] => BENIGN.map(str::to_owned).to_vec(),
        own => own.to_vec(),
    };
    let routes = match &arguments.model {
        Some(model) => vec![Route::of_all(model)],
        None => arguments.route.clone(),
    };
    StreamSettings {
        events: String::new(),
        routes,
        pace: arguments.rate.map_or_else(|| arguments.speed.unwrap_or_default(), Pace::Rate),
        window_s: arguments.window.as_secs_f64(),
        slide_s: arguments.slide.as_secs_f64(),
        lateness_s: arguments.lateness.as_secs_f64(),
        queue: arguments.queue,
        shed: match arguments.shed {
            ShedArgument::Newest => Shed::Newest,
            ShedArgument::Oldest => Shed::Oldest,
            ShedArgument::Block => Shed::Block,
        },
        benign,
        threshold: arguments.threshold,
        all_alerts: arguments.all_alerts,
        labels: arguments.labels.clone(),
        repeat_s: arguments.repeat_window.as_secs_f64(),
        incident_gap_s: arguments.incident_gap.as_secs_f64(),
        analyst_capacity: arguments.analyst_capacity,
        outages: arguments.outage.clone(),
        probe_s: probe_s(arguments, &arguments.outage),
        workers: arguments.workers,
        request_timeout_s: arguments.request_timeout,
        targets: arguments.target.clone(),
        scenario_targets: Vec::new(),
        seed: arguments.seed,
    }
}

/// Seconds between probes of a model: several in each outage, as far as the clock allows.
fn probe_s(arguments: &StreamArguments, outages: &[Outage]) -> f64 {
    let lengths = outages.iter().map(|outage| outage.length_s).filter(|length| *length > 0.0);
    let usual = || lengths.fold(StreamSettings::default().probe_s, |usual, length| usual.min(length / 4.0));
    arguments.probe_interval.map_or_else(usual, |given| given.as_secs_f64())
}

/// Prints a window as one line.
fn print(window: &Pane) -> Result<(), Failure> {
    let answered = &window.answered;
    let unanswered = window.unanswered();
    let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
    let latency = |at: f64| quantile_ms(window.latencies.iter().map(|&(bucket, count)| (bucket, count as f64)), at);
    let attacks = answered.hits + answered.misses + unanswered.attacks;
    let benign = answered.alarms + answered.quiet + unanswered.benign;
    let line = json!({
        "end": window.start_s + window.length_s,
        "window_s": window.length_s,
        "events": window.events,
        "alerts": answered.alerts(),
        "recall": share(answered.hits, attacks),
        "precision": share(answered.hits, answered.hits + answered.alarms),
        "fpr": share(answered.alarms, benign),
        "shed": window.shed.events(),
        "failed": window.failed.events(),
        "unrouted": window.unrouted.events(),
        "late": window.late,
        "out_of_order": window.out_of_order,
        "backlog_max": window.backlog_max,
        "latency_p50_ms": latency(0.5),
        "latency_p99_ms": latency(0.99),
    });
    let mut out = std::io::stdout().lock();
    let printed = writeln!(out, "{line}").and_then(|()| out.flush());
    printed.map_err(|error| {
        Failure::usage(format!("print a window: {error}"), "read standard output to its end, or leave `--follow` out")
    })
}

fn exit(record: &Record) -> Exit {
    let own = record.targets.iter().filter(|target| target.profile != SCENARIO_PROFILE);
    let own: Vec<Verdict> = own.map(|target| target.verdict).collect();
    match record.status {
        Status::Interrupted => Exit::Interrupted,
        Status::Failed => Exit::Invalid,
        _ if record.phases.iter().all(|phase| phase.tally.succeeded == 0) => {
            output::fail("no event has a verdict: there is no measurement");
            Exit::Invalid
        }
        _ if own.contains(&Verdict::Missed) => Exit::GateFailed,
        _ if own.iter().any(|verdict| matches!(verdict, Verdict::Unclear | Verdict::NotApplicable)) => {
            Exit::Inconclusive
        }
        _ => Exit::Pass,
    }
}
