//! `performance-benchmark monitor`: processor and memory of this host, sample by sample.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use tokio::time;
use tokio_util::sync::CancellationToken;
use weighbridge_telemetry::{Probe, Pss, SystemRoot, host_memory};
use weighbridge_types::performance::PerformanceTargets;
use weighbridge_types::time::{Clock, WallTime};

use super::super::bench::cancel_on_interrupt;
use super::super::runtime;
use super::targets;
use crate::arguments::{MonitorArguments, MonitorFormat};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Level};

/// One sample. Shares are 0 to 1; null where the system does not tell.
#[derive(Clone, Debug, Serialize)]
struct Sample {
    timestamp: String,
    /// Share of the processor's time in use since the sample before, all processes.
    cpu_utilization: Option<f64>,
    /// Share of the processor's time that the hypervisor gave to others.
    cpu_steal: Option<f64>,
    /// Share of the host's memory in use.
    memory_utilization: Option<f64>,
    memory_used_mb: Option<f64>,
    /// Limits that are crossed.
    alerts: Vec<String>,
}

pub(super) fn run(arguments: &MonitorArguments) -> Result<Exit, Failure> {
    let limits = targets(arguments.targets.as_deref())?;
    let mut file = arguments.output.as_deref().map(create).transpose()?;
    let mut emit = |text: &str| -> Result<(), Failure> {
        output::data(text)?;
        if let (Some(file), Some(path)) = (&mut file, &arguments.output) {
            writeln!(file, "{text}").and_then(|()| file.flush()).map_err(|error| output::unwritable(path, &error))?;
        }
        Ok(())
    };
    if let Some(heading) = heading(arguments.format) {
        emit(heading)?;
    }
    let cancel = CancellationToken::new();
    let runtime = runtime()?;
    runtime.spawn(cancel_on_interrupt(cancel.clone()));
    runtime.block_on(watch(arguments, &limits, &cancel, &mut emit))?;
    runtime.shutdown_background();
    Ok(if cancel.is_cancelled() { Exit::Interrupted } else { Exit::Pass })
}

/// Takes samples at fixed times until the end, or until it is stopped.
async fn watch(
    arguments: &MonitorArguments,
    limits: &PerformanceTargets,
    cancel: &CancellationToken,
    emit: &mut dyn FnMut(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let root = SystemRoot::host();
    let (mut probe, clock) = (Probe::new(&root), Clock::start());
    // The first reading is what the first sample counts from.
    probe.sample(clock.now(), Pss::Skip);
    let mut ticks = time::interval(Duration::from_secs(arguments.interval));
    ticks.tick().await;
    let count = if arguments.duration == 0 { u64::MAX } else { (arguments.duration / arguments.interval).max(1) };
    let mut crossed: Vec<String> = Vec::new();
    for _ in 0..count {
        tokio::select! {
            _ = ticks.tick() => {}
            () = cancel.cancelled() => break,
        }
        let read = probe.sample(clock.now(), Pss::Skip);
        let memory = host_memory(&root);
        let mut sample = Sample {
            timestamp: WallTime::now().to_string(),
            cpu_utilization: read.host_cpu_share,
            cpu_steal: read.steal_share,
            memory_utilization: memory.map(|memory| memory.used as f64 / memory.total as f64),
            memory_used_mb: memory.map(|memory| memory.used as f64 / 1e6),
            alerts: Vec::new(),
        };
        sample.alerts = alerts(&sample, limits);
        emit(&line(&sample, arguments.format)?)?;
        for alert in sample.alerts.iter().filter(|alert| !crossed.contains(alert)) {
            output::say(Level::Warn, &format!("alert: {alert} at {}", sample.timestamp));
        }
        for alert in crossed.iter().filter(|alert| !sample.alerts.contains(alert)) {
            output::say(Level::Warn, &format!("over:  {alert} at {}", sample.timestamp));
        }
        crossed = sample.alerts;
    }
    Ok(())
}

fn alerts(sample: &Sample, limits: &PerformanceTargets) -> Vec<String> {
    let all = [
        ("cpu_utilization", sample.cpu_utilization, limits.cpu_utilization),
        ("memory_utilization", sample.memory_utilization, limits.memory_utilization),
    ];
    let over = all.into_iter().filter(|(_, value, limit)| value.is_some_and(|value| value > *limit));
    over.map(|(name, _, limit)| format!("{name} above {limit}")).collect()
}

const fn heading(format: MonitorFormat) -> Option<&'static str> {
    match format {
        MonitorFormat::Json => None,
        MonitorFormat::Csv => Some("timestamp,cpu_utilization,cpu_steal,memory_utilization,memory_used_mb,alerts"),
        MonitorFormat::Console => Some("time                      cpu, %  stolen, %  memory, %  memory, MB  alerts"),
    }
}

fn line(sample: &Sample, format: MonitorFormat) -> Result<String, Failure> {
    let text = |value: Option<f64>, scale: f64, decimals: usize| {
        value.map_or(String::new(), |value| format!("{:.decimals$}", value * scale))
    };
    let alerts = sample.alerts.join("; ");
    Ok(match format {
        MonitorFormat::Json => serde_json::to_string(sample)?,
        MonitorFormat::Csv => format!(
            "{},{},{},{},{},{alerts}",
            sample.timestamp,
            text(sample.cpu_utilization, 1.0, 4),
            text(sample.cpu_steal, 1.0, 4),
            text(sample.memory_utilization, 1.0, 4),
            text(sample.memory_used_mb, 1.0, 1),
        ),
        MonitorFormat::Console => format!(
            "{}  {:>6}  {:>9}  {:>9}  {:>10}  {alerts}",
            sample.timestamp,
            text(sample.cpu_utilization, 100.0, 1),
            text(sample.cpu_steal, 100.0, 1),
            text(sample.memory_utilization, 100.0, 1),
            text(sample.memory_used_mb, 1.0, 0),
        )
        .trim_end()
        .to_owned(),
    })
}

fn create(path: &Path) -> Result<File, Failure> {
    File::create(path).map_err(|error| output::unwritable(path, &error))
}
