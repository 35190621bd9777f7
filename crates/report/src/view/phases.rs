//! What each phase says.

use weighbridge_types::definition as d;
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::record::{Check, Phase, Record};

use super::header::{phase_title, status_word};
use super::matrix::{self, Measure, cells_by_measures, cells_with, entry, measures_by_cells};
use super::{Column, Notes, Table, Text, Tone};
use crate::number::{self, Scale};

/// The part of a report about one phase.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    /// Which.
    pub(crate) phase: Phase,
    /// `2 latency`.
    pub(crate) title: String,
    /// Status, duration and tally in one line.
    pub(crate) summary: String,
    /// Checks with their evidence.
    pub(crate) checks: &'a [Check],
    /// Its tables.
    pub(crate) tables: Vec<Table>,
    /// What a reader must know.
    pub(crate) notes: Vec<String>,
}

const LATENCY: &[Measure] = &[
    Measure::typical(&d::TTFT, "TTFT"),
    Measure::typical(&d::TTFO, "TTFO"),
    Measure::typical(&d::ITL, "ITL"),
    Measure::typical(&d::TPOT, "TPOT"),
    Measure::typical(&d::E2E, "E2E"),
    Measure::typical(&d::PREFILL_RATE, "prefill"),
    Measure::typical(&d::DECODE_RATE, "decode"),
    Measure::typical(&d::TTFT_GROWTH, "TTFT growth"),
    Measure::typical(&d::FAILED, "failed"),
];

const PERCENTILES: &[Measure] = &[
    Measure::at(&d::TTFT, &[Statistic::P50], "TTFT p50"),
    Measure::at(&d::TTFT, &[Statistic::P90], "TTFT p90"),
    Measure::at(&d::TTFT, &[Statistic::P95], "TTFT p95"),
    Measure::at(&d::TTFT, &[Statistic::P99], "TTFT p99"),
    Measure::at(&d::ITL, &[Statistic::P50], "ITL p50"),
    Measure::at(&d::ITL, &[Statistic::P90], "ITL p90"),
    Measure::at(&d::ITL, &[Statistic::P95], "ITL p95"),
    Measure::at(&d::ITL, &[Statistic::P99], "ITL p99"),
    Measure::at(&d::E2E, &[Statistic::P50], "E2E p50"),
    Measure::at(&d::E2E, &[Statistic::P90], "E2E p90"),
    Measure::at(&d::E2E, &[Statistic::P95], "E2E p95"),
    Measure::at(&d::E2E, &[Statistic::P99], "E2E p99"),
];

const LOAD: &[Measure] = &[
    Measure::typical(&d::REQUEST_RATE, ""),
    Measure::typical(&d::OUTPUT_RATE, ""),
    Measure::typical(&d::E2E, "E2E"),
    Measure::at(&d::E2E, &[Statistic::P90], "E2E p90"),
    Measure::typical(&d::FAILED, "failed"),
];

const SCALING: &[Measure] = &[
    Measure::typical(&d::SCALING, "scaling"),
    Measure::typical(&d::MARGINAL_GAIN, "gain"),
    Measure::typical(&d::LATENCY_GROWTH, "E2E growth"),
    Measure::typical(&d::TTFT, "TTFT"),
    Measure::typical(&d::RELIABILITY, "reliability"),
];

/// Figures that the list of the memory phase shows, in its order. Those of its requests stand among all numbers.
const MEMORY: &[&d::Definition] = &[
    &d::WEIGHTS_EXPECTED,
    &d::WEIGHTS_MAPPED,
    &d::WEIGHTS_HEAP,
    &d::KV_PER_TOKEN,
    &d::KV_CACHE_PEAK,
    &d::REQUEST_HIGH_WATER,
    &d::RSS_AFTER_LOAD,
    &d::RSS_LOAD_DELTA,
    &d::RSS_REQUEST_DELTA,
    &d::RSS_PEAK,
    &d::MEMORY_GROWTH,
    &d::MEMORY_GROWTH_LATE,
    &d::MEMORY_GROWTH_HOURLY,
    &d::INSTANCES,
    &d::REQUESTS,
    &d::CPU_USED,
    &d::STEAL,
    &d::SAMPLER_COST,
];

const VARIANT: &[(&d::Definition, &str)] = &[
    (&d::MODEL_BYTES, "size"),
    (&d::DECODE_RATE, "decode"),
    (&d::ITEM_RATE, ""),
    (&d::PERPLEXITY, "perplexity"),
    (&d::ACCURACY, "accuracy, all tasks"),
    (&d::MACRO_F1, "macro F1, all tasks"),
];

/// What a phase says; `None` when the run does not have it.
pub(crate) fn section(record: &Record, phase: Phase) -> Option<Section<'_>> {
    let result = record.phase(phase)?;
    let mut tables = match phase {
        Phase::Validate => Vec::new(),
        Phase::Evaluate => super::evaluate::tables(record),
        Phase::Stream => super::stream::tables(record),
        Phase::Load => super::load::tables(record),
        Phase::Latency => latency(record),
        Phase::Memory => memory(record),
        Phase::Throughput => throughput(record),
        Phase::Quality => quality(record),
    };
    if !matches!(phase, Phase::Memory | Phase::Stream) {
        let caption = if tables.is_empty() { "" } else { "Further figures" };
        tables.push(matrix::list(caption, rest(record, phase)));
    }
    tables.retain(|table| !table.rows.is_empty());
    let mut summary = vec![status_word(result.status).to_owned()];
    summary.extend(result.duration_s.map(number::duration));
    if result.attempt > 1 {
        summary.push(format!("attempt {}", result.attempt));
    }
    let tally = &result.tally;
    if tally.scheduled > 0 {
        let words = match phase {
            Phase::Evaluate => "samples were answered",
            Phase::Stream => "events have a verdict",
            _ => "requests succeeded",
        };
        summary.push(format!("{} of {} {words}", tally.succeeded, tally.scheduled));
        let counts = [("failed", tally.failed), ("cancelled", tally.cancelled), ("dropped", tally.dropped)];
        summary.extend(counts.iter().filter(|(_, count)| *count > 0).map(|(word, count)| format!("{count} {word}")));
    }
    Some(Section {
        phase,
        title: section_title(record, phase),
        summary: summary.join(", "),
        checks: &result.checks,
        tables,
        notes: result.notes.clone(),
    })
}

/// A stress and a soak are loads with an aim of their own, and their part of a report says which.
fn section_title(record: &Record, phase: Phase) -> String {
    match record.kind.as_str() {
        kind @ ("stress" | "soak" | "cache") if phase == Phase::Load => kind.to_owned(),
        "cold-start" if phase == Phase::Load => "cold start".to_owned(),
        _ => phase_title(phase),
    }
}

fn latency(record: &Record) -> Vec<Table> {
    let cells = varied(cells_with(record, Phase::Latency, LATENCY));
    let caption = "By input/output tokens: mean and its 95 % interval; CV = deviation / mean".to_owned();
    let means = measures_by_cells(record, caption, LATENCY, &cells);
    let mut percentiles = measures_by_cells(record, "Percentiles".to_owned(), PERCENTILES, &cells);
    drop_empty_columns(&mut percentiles);
    percentiles.is_detail = true;
    vec![means, percentiles]
}

fn memory(record: &Record) -> Vec<Table> {
    let is_shown = |metric: &&Metric| {
        matches!(metric.statistic, Statistic::Mean | Statistic::Value | Statistic::Slope | Statistic::Max)
    };
    let of = |definition: &&d::Definition| {
        let name = definition.name;
        record.metrics_of(Phase::Memory).filter(move |metric| metric.name == name).filter(is_shown)
    };
    vec![matrix::list("", MEMORY.iter().flat_map(of))]
}

fn throughput(record: &Record) -> Vec<Table> {
    let cells = varied(cells_with(record, Phase::Throughput, LOAD));
    let mut load = cells_by_measures(record, "in flight", LOAD, &cells);
    let mut scaling = cells_by_measures(record, "in flight", SCALING, &cells);
    scaling.caption = "Against one in flight; the gain is over the level below".to_owned();
    let knee = record.metrics_of(Phase::Throughput).find(|metric| metric.name == d::KNEE.name);
    if let Some(knee) = knee {
        mark_knee(&mut load, knee);
        load.remarks.push(knee_words(knee));
    }
    vec![load, scaling]
}

fn knee_words(knee: &Metric) -> String {
    match knee.value {
        Some(level) => format!("knee: {} in flight; {}", number::significant(level, 3), d::KNEE.formula),
        None => format!("knee: n/a ({}); {}", number::reason(knee), d::KNEE.formula),
    }
}

/// Writes `knee` beside the level that is it.
fn mark_knee(table: &mut Table, knee: &Metric) {
    let Some(level) = knee.value.map(|value| number::significant(value, 3)) else { return };
    for row in &mut table.rows {
        if row[0].text == level {
            row[0].text = format!("knee {level}");
        }
    }
}

/// The variants of the quality phase, largest first where their size is known; one without a name when there is none.
pub(crate) fn variants(record: &Record) -> Vec<Option<&str>> {
    let mut variants: Vec<Option<&str>> = settings(record, "variant").into_iter().map(Some).collect();
    let size = |variant: &Option<&str>| {
        quality_metric(record, &d::MODEL_BYTES, None, *variant).and_then(|metric| metric.value).unwrap_or(0.0)
    };
    variants.sort_by(|a, b| size(b).total_cmp(&size(a)));
    if variants.is_empty() {
        variants.push(None);
    }
    variants
}

/// The tasks of the quality phase, in the order of the record.
pub(crate) fn tasks(record: &Record) -> Vec<&str> {
    settings(record, "task")
}

fn settings<'a>(record: &'a Record, key: &str) -> Vec<&'a str> {
    let mut values = Vec::new();
    for value in record.metrics_of(Phase::Quality).filter_map(|metric| metric.cell.get(key)) {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values
}

fn quality(record: &Record) -> Vec<Table> {
    let variants = variants(record);
    let mut tables = vec![variant_table(record, &variants)];
    let tasks = tasks(record);
    let titles = ["Accuracy by task, %", "Macro F1 by task, %"];
    for ((definition, caption), is_detail) in [&d::ACCURACY, &d::MACRO_F1].into_iter().zip(titles).zip([false, true]) {
        let mut table = task_table(record, definition, &tasks, &variants);
        table.caption = caption.to_owned();
        table.is_detail = is_detail;
        tables.push(table);
    }
    tables
}

fn variant_table(record: &Record, variants: &[Option<&str>]) -> Table {
    let mut notes = Notes::default();
    let mut columns = vec![Column::words("")];
    columns.extend(variants.iter().map(|variant| Column::numbers(variant.unwrap_or("the model"))));
    let mut rows = Vec::new();
    for (definition, heading) in VARIANT {
        let metrics: Vec<_> =
            variants.iter().map(|variant| quality_metric(record, definition, None, *variant)).collect();
        if metrics.iter().all(Option::is_none) {
            continue;
        }
        let largest = metrics.iter().flatten().filter_map(|metric| metric.value).fold(0.0, f64::max);
        let scale = Scale::of(definition.unit, largest);
        let title = match (*heading, scale.unit.as_str()) {
            ("", unit) => unit.to_owned(),
            (heading, "") => heading.to_owned(),
            (heading, unit) => format!("{heading}, {}", if unit == "tokens/s" { "tok/s" } else { unit }),
        };
        let mut row = vec![Text::from(title)];
        row.extend(metrics.into_iter().map(|metric| entry(metric, &scale, &mut notes)));
        rows.push(row);
    }
    Table { columns, rows, notes: notes.into_vec(), ..Table::default() }
}

fn task_table(record: &Record, definition: &d::Definition, tasks: &[&str], variants: &[Option<&str>]) -> Table {
    let mut notes = Notes::default();
    let scale = Scale::of(definition.unit, 1.0);
    let mut columns = vec![Column::words("task"), Column::numbers("chance")];
    columns.extend(variants.iter().map(|variant| Column::numbers(variant.unwrap_or("the model"))));
    let mut rows = Vec::new();
    for task in tasks {
        let metrics: Vec<_> =
            variants.iter().map(|variant| quality_metric(record, definition, Some(task), *variant)).collect();
        let has_value = metrics.iter().flatten().any(|metric| metric.value.is_some());
        if metrics.iter().all(Option::is_none) || (!has_value && *definition == d::MACRO_F1) {
            continue;
        }
        let chance =
            record.metrics_of(Phase::Quality).find(|m| m.name == d::CHANCE.name && m.cell.get("task") == Some(task));
        let chance = chance.and_then(|metric| number::bare_figure(metric, &scale)).unwrap_or_default();
        let mut row = vec![Text::from(*task), Text::new(chance, Tone::Faint)];
        row.extend(metrics.into_iter().map(|metric| entry(metric, &scale, &mut notes)));
        rows.push(row);
    }
    Table { columns, rows, notes: notes.into_vec(), ..Table::default() }
}

/// A figure of the quality phase: of one task, or of a variant as a whole.
pub(crate) fn quality_metric<'a>(
    record: &'a Record,
    definition: &d::Definition,
    task: Option<&str>,
    variant: Option<&str>,
) -> Option<&'a Metric> {
    record.metrics_of(Phase::Quality).find(|metric| {
        metric.name == definition.name
            && matches!(metric.statistic, Statistic::Value | Statistic::Mean)
            && metric.cell.get("task") == task
            && metric.cell.get("variant") == variant
    })
}

/// Figures of a phase as a whole that its tables do not show. Those of its requests stand among all numbers.
fn rest(record: &Record, phase: Phase) -> impl Iterator<Item = &Metric> {
    const SINGLE: [&d::Definition; 8] = [
        &d::LOAD_TIME,
        &d::FIRST_TOKEN_COLD,
        &d::CALIBRATION_RATE,
        &d::TTFT_SLOPE,
        &d::CHANCE,
        &d::CPU_USED,
        &d::STEAL,
        &d::SAMPLER_COST,
    ];
    record.metrics_of(phase).filter(|metric| {
        SINGLE.iter().any(|definition| definition.name == metric.name) && matrix::cell_label(&metric.cell).is_empty()
    })
}

/// The cells with settings, or the phase as a whole when it varies none.
fn varied(mut cells: Vec<Cell>) -> Vec<Cell> {
    if cells.iter().any(|cell| !matrix::cell_label(cell).is_empty()) {
        cells.retain(|cell| !matrix::cell_label(cell).is_empty());
    }
    cells
}

pub(super) fn drop_empty_columns(table: &mut Table) {
    let is_kept: Vec<bool> =
        (0..table.columns.len()).map(|index| table.rows.iter().any(|row| !row[index].text.is_empty())).collect();
    let mut kept = is_kept.iter();
    table.columns.retain(|_| *kept.next().unwrap_or(&true));
    for row in &mut table.rows {
        let mut kept = is_kept.iter();
        row.retain(|_| *kept.next().unwrap_or(&true));
    }
}
