//! The documents of a campaign: dated phase reports, progress tracker, final report, and one file per kind of result.

use serde::Serialize;
use serde_json::Value;
use weighbridge_summary::Rows;
use weighbridge_types::metric::Metric;
use weighbridge_types::record::{
    EngineDescription, Finding, ItemRow, Phase, PhaseResult, Record, Status, TargetResult,
};
use weighbridge_types::request::RequestRow;
use weighbridge_types::resource::ResourceSample;

use crate::markdown::Document;
use crate::number;
use crate::view::{self, Step};
use crate::{html, json};

/// File names with their contents, all of one run: what the edge writes under `reports/` in the run's folder.
#[must_use]
pub fn documents(record: &Record, rows: Option<&Rows>) -> Vec<(String, String)> {
    let names = Names::of(record);
    let mut files: Vec<(String, String)> = Vec::new();
    for (index, phase) in Phase::WEIGH_IN.into_iter().enumerate() {
        let name = format!("benchmark_phase_{}_{}_{}.md", index + 1, view::phase_topic(phase), names.date);
        files.push((name, phase_report(record, phase)));
    }
    files.push((format!("benchmark_progress_{}.md", names.date), progress(record)));
    files.push((format!("benchmark_final_report_{}.md", names.date), final_report(record)));
    for (prefix, phase) in [
        ("", Phase::Validate),
        ("latency_", Phase::Latency),
        ("memory_", Phase::Memory),
        ("throughput_", Phase::Throughput),
    ] {
        files.push((format!("{prefix}{}_{}.json", names.model, names.time), phase_json(record, rows, phase)));
    }
    files.push((format!("comprehensive_benchmark_{}.json", names.time), comprehensive_json(record, rows)));
    files.push((format!("benchmark_report_{}.html", names.time), html::render(record, rows)));
    files
}

/// The changing parts of file names.
struct Names {
    /// `2026-03-01`.
    date: String,
    /// `20260301_123000`.
    time: String,
    /// The model's name, without what a file name must not hold.
    model: String,
}

impl Names {
    fn of(record: &Record) -> Self {
        let digits: String = record.created_at.chars().filter(char::is_ascii_digit).collect();
        let time = match (digits.get(..8), digits.get(8..14)) {
            (Some(date), Some(time)) => format!("{date}_{time}"),
            _ => "undated".to_owned(),
        };
        let date = record.created_at.get(..10).filter(|date| date.bytes().all(|b| b.is_ascii_digit() || b == b'-'));
        let keep = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '-' };
        let model: String = record.engine.model.chars().map(keep).take(80).collect();
        let model = model.trim_matches(['.', '-']).to_owned();
        Self {
            date: date.unwrap_or("undated").to_owned(),
            time,
            model: if model.is_empty() { "model".to_owned() } else { model },
        }
    }
}

fn phase_report(record: &Record, phase: Phase) -> String {
    let mut document = Document::new(&format!("Phase {}: {}", view::phase_title(phase), record.engine.model));
    document.paragraph(&format!("Run {}, {}.", record.run_id, record.created_at));
    document.paragraph(&format!("Measured on {}.", view::host(record)));
    match view::section(record, phase) {
        Some(section) => document.section(&section),
        None => document.paragraph("This run does not have the phase."),
    }
    document.text
}

fn progress(record: &Record) -> String {
    let mut document = Document::new(&format!("Progress: {}", record.engine.model));
    document.paragraph(&format!("Run {}, {}.", record.run_id, view::status_word(record.status)));
    document.heading("Phases");
    for phase in Phase::WEIGH_IN {
        let result = record.phase(phase);
        let status = result.map_or(Status::Pending, |result| result.status);
        let took = result.and_then(|result| result.duration_s).map(|s| format!(", {}", number::duration(s)));
        let planned = result.and_then(|result| result.estimated_s);
        let planned = planned.map(|seconds| format!(", estimated {}", number::duration(seconds)));
        let times = took.unwrap_or_default() + &planned.unwrap_or_default();
        let text = format!("{}: {}{times}", view::phase_title(phase), view::status_word(status));
        document.item(Some(status == Status::Complete), &text);
    }
    document.end_list();
    steps(&mut document, record);
    document.text
}

fn steps(document: &mut Document, record: &Record) {
    document.heading("Next steps");
    let steps = view::next_steps(record);
    for horizon in ["now", "this week", "within two weeks", "within a month"] {
        let due: Vec<&Step> = steps.iter().filter(|step| step.horizon == horizon).collect();
        if due.is_empty() {
            continue;
        }
        document.text.push_str(&format!("### {horizon}\n\n"));
        for step in due {
            document.item(Some(step.is_done), &step.text);
        }
        document.end_list();
    }
}

fn final_report(record: &Record) -> String {
    let mut document = Document::new(&format!("Final report: {}", record.engine.model));
    document.head(record);
    document.outcome(record);
    for section in Phase::ALL.into_iter().filter_map(|phase| view::section(record, phase)) {
        document.section(&section);
    }
    document.projections(record);
    steps(&mut document, record);
    document.text
}

/// A phase's file: which run it belongs to, its result, its figures and its raw rows.
#[derive(Serialize)]
struct PhaseDocument<'a> {
    schema_version: &'a str,
    run_id: &'a str,
    created_at: &'a str,
    settings: &'a Value,
    seed: u64,
    engine: &'a EngineDescription,
    result: Option<&'a PhaseResult>,
    metrics: Vec<&'a Metric>,
    requests: Option<Vec<&'a RequestRow>>,
    samples: Option<Vec<&'a ResourceSample>>,
}

fn phase_json(record: &Record, rows: Option<&Rows>, phase: Phase) -> String {
    let is_of_phase = |row: &&RequestRow| row.cell.get("phase") == Some(phase.name());
    let document = PhaseDocument {
        schema_version: &record.schema_version,
        run_id: &record.run_id,
        created_at: &record.created_at,
        settings: &record.settings,
        seed: record.seed,
        engine: &record.engine,
        result: record.phase(phase),
        metrics: record.metrics_of(phase).collect(),
        requests: rows.map(|rows| rows.requests.iter().filter(is_of_phase).collect()),
        samples: rows
            .map(|rows| rows.samples.iter().filter(|(of, _)| *of == phase).map(|(_, sample)| sample).collect()),
    };
    json::pretty(&document)
}

/// Everything in one file: the record, what follows from it, and the raw rows it can be recomputed from.
#[derive(Serialize)]
struct ComprehensiveDocument<'a> {
    record: &'a Record,
    targets: &'a [TargetResult],
    findings: &'a [Finding],
    requests: Option<&'a [RequestRow]>,
    items: Option<&'a [ItemRow]>,
    samples: Option<Vec<PhaseSample<'a>>>,
}

#[derive(Serialize)]
struct PhaseSample<'a> {
    phase: Phase,
    #[serde(flatten)]
    sample: &'a ResourceSample,
}

fn comprehensive_json(record: &Record, rows: Option<&Rows>) -> String {
    let document = ComprehensiveDocument {
        record,
        targets: &record.targets,
        findings: &record.findings,
        requests: rows.map(|rows| rows.requests.as_slice()),
        items: rows.map(|rows| rows.items.as_slice()),
        samples: rows
            .map(|rows| rows.samples.iter().map(|(phase, sample)| PhaseSample { phase: *phase, sample }).collect()),
    };
    json::compact(&document)
}
