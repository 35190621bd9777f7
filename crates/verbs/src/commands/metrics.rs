//! `metrics export`: the state of this host, and the figures of the newest run, for other programs.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use weighbridge_report::export::{ExportFormat as Form, export as exported};
use weighbridge_store::read_record;
use weighbridge_telemetry::{Probe, Pss, SystemRoot, host_memory};
use weighbridge_types::record::Record;
use weighbridge_types::time::{Clock, WallTime};

use super::runs;
use crate::arguments::{MetricsExportArguments, MetricsFormat};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Time over which the share of the processor is taken.
const LOOK: Duration = Duration::from_millis(200);

/// A gauge: name, what it tells, value.
type Gauge = (&'static str, &'static str, Option<f64>);

pub(super) fn export(arguments: &MetricsExportArguments) -> Result<Exit, Failure> {
    let gauges = gauges();
    let record = newest(&arguments.results.output_dir)?;
    let text = match arguments.format {
        MetricsFormat::Prometheus => prometheus(&gauges, record.as_ref())?,
        MetricsFormat::Json => as_json(&gauges, record.as_ref())?,
    };
    match &arguments.output {
        Some(path) => output::file(path, text)?,
        None => output::data(&text)?,
    }
    Ok(Exit::Pass)
}

/// The newest run of the folder, where there is one.
fn newest(results: &Path) -> Result<Option<Record>, Failure> {
    let is_empty = !results.is_dir();
    match runs::find("latest", results) {
        Ok(folder) if !is_empty => Ok(Some(read_record(&folder)?)),
        _ => Ok(None),
    }
}

fn gauges() -> [Gauge; 6] {
    let root = SystemRoot::host();
    let (mut probe, clock) = (Probe::new(&root), Clock::start());
    probe.sample(clock.now(), Pss::Skip);
    std::thread::sleep(LOOK);
    let sample = probe.sample(clock.now(), Pss::Skip);
    let memory = host_memory(&root);
    [
        ("host_cpu_utilization_ratio", "Share of the processor's time in use, all processes.", sample.host_cpu_share),
        ("host_cpu_steal_ratio", "Share of the processor's time given to others.", sample.steal_share),
        ("host_memory_used_bytes", "Memory of the host in use.", memory.map(|memory| memory.used as f64)),
        ("host_memory_total_bytes", "Memory of the host.", memory.map(|memory| memory.total as f64)),
        (
            "host_memory_utilization_ratio",
            "Share of the host's memory in use.",
            memory.map(|memory| memory.used as f64 / memory.total as f64),
        ),
        (
            "process_resident_memory_bytes",
            "Resident memory of this program.",
            sample.rss_bytes.map(|bytes| bytes as f64),
        ),
    ]
}

/// A figure that is not known has no sample.
fn prometheus(gauges: &[Gauge], record: Option<&Record>) -> Result<String, Failure> {
    let known = gauges.iter().filter_map(|(name, help, value)| Some((name, help, (*value)?)));
    let lines = known.map(|(name, help, value)| {
        let name = format!("weighbridge_{name}");
        format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n")
    });
    let mut text: String = lines.collect();
    if let Some(record) = record {
        for file in exported(record, None, Form::Prometheus)? {
            text.push_str(&String::from_utf8_lossy(&file.bytes));
        }
    }
    Ok(text)
}

fn as_json(gauges: &[Gauge], record: Option<&Record>) -> Result<String, Failure> {
    let host: serde_json::Map<String, serde_json::Value> =
        gauges.iter().map(|(name, _, value)| ((*name).to_owned(), json!(value))).collect();
    let run = record.map(|record| {
        json!({
            "run_id": record.run_id,
            "kind": record.kind,
            "label": record.label,
            "model": record.engine.model_ref,
            "metrics": record.metrics,
        })
    });
    let all = json!({ "timestamp": WallTime::now().to_string(), "host": host, "run": run });
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}
