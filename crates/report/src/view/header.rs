//! The head of a report: what was weighed, on what, how far it came.

use weighbridge_types::record::{MetricPointer, Phase, Record, Status};
use weighbridge_types::units::ByteSize;

use super::matrix::cell_words;
use super::{Column, Table, Text, Tone};
use crate::number;

/// What was done to which model, for the title of a page.
pub(crate) fn title(record: &Record) -> String {
    let model = &record.engine.model;
    match record.kind.as_str() {
        "load" => format!("{model} under load"),
        "stress" => format!("{model} under stress"),
        "soak" => format!("{model} in a soak"),
        "cache" => format!("what caching does for {model}"),
        "cold-start" => format!("{model} started cold"),
        _ => format!("{model} weighed"),
    }
}

/// The head line's facts, as label and text.
pub(crate) fn run_facts(record: &Record) -> Vec<(&'static str, String)> {
    let engine = &record.engine;
    let mut facts = vec![("model", model(record))];
    if engine.model_ref != engine.model {
        facts.push(("reference", engine.model_ref.clone()));
    }
    let version = engine.engine_version.as_deref().unwrap_or("version n/a");
    let options: String = engine.options.iter().map(|(name, value)| format!(", {name} {value}")).collect();
    facts.push(("engine", format!("{} {version} on {}{options}", engine.engine, engine.device)));
    facts.push(("host", host(record)));
    facts.push(("build", build(record)));
    facts.extend(client(record).map(|client| ("client", client)));
    facts.push(("seed", format!("{}{}", record.seed, mode(record))));
    if !record.label.is_empty() {
        facts.push(("label", record.label.clone()));
    }
    facts.push(("started", record.created_at.clone()));
    facts.push(("duration", duration(record)));
    facts
}

fn model(record: &Record) -> String {
    let engine = &record.engine;
    let mut parts: Vec<String> = Vec::new();
    parts.extend(engine.architecture.clone());
    match engine.parameters {
        Some(parameters) => parts.push(format!("{} parameters", number::count(parameters))),
        None => parts.push("parameters n/a".to_owned()),
    }
    parts.extend(engine.quantization.clone());
    parts.extend(engine.model_bytes.map(|bytes| ByteSize(bytes).to_string()));
    parts.extend(engine.context_length.map(|length| format!("context {length}")));
    if engine.synthetic_weights {
        parts.push("weights are seeded random numbers".to_owned());
    }
    if engine.scripted {
        parts.push("answers come from a script".to_owned());
    }
    format!("{} ({})", engine.model, parts.join(", "))
}

/// How far the client's stamps can be trusted, where a client stood between the figures and the target.
fn client(record: &Record) -> Option<String> {
    let is_measured = ["load", "stress", "soak"].contains(&record.kind.as_str()) && record.engine.engine == "http";
    let note = record.calibration.as_ref().map(ToString::to_string);
    is_measured.then(|| note.unwrap_or_else(|| "not calibrated: run `weighbridge calibrate`".to_owned()))
}

/// The environment in one line.
pub(crate) fn host(record: &Record) -> String {
    let environment = &record.environment;
    let mut parts = vec![environment.cpu_model.clone().unwrap_or_else(|| "CPU n/a".to_owned())];
    parts.push(match (environment.cores_usable, environment.cores_online) {
        (Some(usable), Some(online)) if usable != online => format!("{usable} of {online} cores"),
        (Some(cores), _) | (None, Some(cores)) => format!("{cores} cores"),
        (None, None) => "cores n/a".to_owned(),
    });
    parts.extend(environment.memory_bytes.map(|bytes| ByteSize(bytes).to_string()));
    parts.extend(environment.cgroup_memory_limit_bytes.map(|bytes| format!("limit {}", ByteSize(bytes))));
    parts.extend(environment.gpus.iter().map(|gpu| gpu.name.clone()));
    parts.extend(environment.os.clone());
    parts.extend(environment.kernel.as_ref().map(|kernel| format!("kernel {kernel}")));
    parts.extend(environment.virtualization.clone());
    parts.join(", ")
}

fn build(record: &Record) -> String {
    let build = &record.environment.build;
    let commit = build.commit.as_deref().map_or(String::new(), |commit| format!(" ({commit})"));
    let doubt = if build.profile == "debug" { ": figures of a debug build are worth nothing" } else { "" };
    format!("weighbridge {}{commit}, {} build for {}{doubt}", build.version, build.profile, build.target)
}

/// `, quick mode` where the settings name the mode.
fn mode(record: &Record) -> String {
    let named = record.settings.get("mode").and_then(serde_json::Value::as_str).map(|mode| format!(", {mode} mode"));
    let flag = record.settings.get("quick").and_then(serde_json::Value::as_bool);
    named.or_else(|| flag.filter(|quick| *quick).map(|_| ", quick mode".to_owned())).unwrap_or_default()
}

fn duration(record: &Record) -> String {
    let estimates: Option<Vec<f64>> =
        record.phases.iter().filter(|phase| phase.duration_s.is_some()).map(|phase| phase.estimated_s).collect();
    let actual = number::duration(record.duration_s);
    match estimates {
        Some(list) if !list.is_empty() => {
            format!("{actual}, sum of the phases (estimated {})", number::duration(list.iter().sum()))
        }
        _ => format!("{actual}, sum of the phases"),
    }
}

/// One row per phase: status, duration, the figure that stands for it.
pub(crate) fn overview(record: &Record) -> Table {
    let columns =
        vec![Column::words("phase"), Column::words("status"), Column::numbers("time"), Column::words("key figure")];
    let rows = record.phases.iter().map(|result| {
        let time = |seconds: Option<f64>| seconds.map_or_else(|| "n/a".to_owned(), number::duration);
        let key = match &result.key_metric {
            Some(pointer) => key_figure(record, pointer),
            None if !result.checks.is_empty() => checks_passed(&result.checks),
            None => result.notes.first().cloned().unwrap_or_else(|| "none".to_owned()),
        };
        vec![
            Text::new(phase_title(result.phase), Tone::Strong),
            status_text(result.status),
            time(result.duration_s).into(),
            key.into(),
        ]
    });
    Table { caption: "Phases".to_owned(), rows: rows.collect(), columns, ..Table::default() }
}

fn checks_passed(checks: &[weighbridge_types::record::Check]) -> String {
    let passed = checks.iter().filter(|check| check.passed == Some(true)).count();
    format!("{passed} of {} checks hold", checks.len())
}

/// `20.1 ± 0.4 ms time to first token (128/64)`.
fn key_figure(record: &Record, pointer: &MetricPointer) -> String {
    let Some(metric) = record.metric(&pointer.key, &pointer.cell) else {
        return format!("{}: not in the record", pointer.key);
    };
    let place = cell_words(&pointer.cell);
    let place = if place.is_empty() { place } else { format!(" ({place})") };
    let title = super::metric_title(metric);
    // The unit of a rate says what its title says.
    if title.ends_with(&metric.unit.replace("/s", " per second")) {
        return format!("{}{place}", number::figure(metric));
    }
    format!("{} {title}{place}", number::figure(metric))
}

/// The word for a status, with its tone.
fn status_text(status: Status) -> Text {
    let tone = match status {
        Status::Complete => Tone::Good,
        Status::Failed => Tone::Bad,
        Status::Running | Status::Interrupted => Tone::Doubt,
        Status::Pending | Status::Skipped => Tone::Faint,
    };
    Text::new(status_word(status), tone)
}

/// The word for a status.
pub(crate) const fn status_word(status: Status) -> &'static str {
    match status {
        Status::Pending => "not begun",
        Status::Running => "unfinished",
        Status::Complete => "complete",
        Status::Interrupted => "interrupted",
        Status::Failed => "failed",
        Status::Skipped => "skipped",
    }
}

/// Number of a phase in the campaign, from 1, and its name: `2 latency`.
pub(crate) fn phase_title(phase: Phase) -> String {
    match Phase::WEIGH_IN.iter().position(|known| *known == phase) {
        Some(index) => format!("{} {}", index + 1, phase.name()),
        None => phase.name().to_owned(),
    }
}

/// The subject of a phase, as document names write it.
pub(crate) const fn phase_topic(phase: Phase) -> &'static str {
    match phase {
        Phase::Validate => "validation",
        Phase::Latency => "latency",
        Phase::Memory => "memory",
        Phase::Throughput => "throughput",
        Phase::Quality => "quality",
        Phase::Load => "load",
        Phase::Evaluate => "evaluation",
        Phase::Stream => "stream",
    }
}
