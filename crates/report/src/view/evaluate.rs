//! What an evaluation says: the figures of tasks and groups, and what became of the documents.

use weighbridge_types::definition as d;
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::record::{Phase, Record};

use super::matrix::{Measure, cells_by_measures, cells_with, list};
use super::{Column, Table, Text, Tone};

const FIGURES: &[Measure] = &[
    Measure::typical(&d::ACCURACY, "acc"),
    Measure::typical(&d::ACC_NORM, "acc_norm"),
    Measure::typical(&d::ACC_BYTES, "acc_bytes"),
    Measure::typical(&d::ACC_MUTUAL_INFO, "acc_mutual_info"),
    Measure::typical(&d::TASK_EXACT_MATCH, "exact_match"),
    Measure::typical(&d::TASK_PERPLEXITY, "perplexity"),
    Measure::typical(&d::WORD_PERPLEXITY, "word_perplexity"),
    Measure::typical(&d::BYTE_PERPLEXITY, "byte_perplexity"),
    Measure::typical(&d::TASK_BITS_PER_BYTE, "bits_per_byte"),
    Measure::typical(&d::CHOICE_BRIER, "brier_score"),
    Measure::typical(&d::CHOICE_F1, "f1"),
    Measure::typical(&d::CHOICE_MCC, "mcc"),
];

/// Figures beside accuracy that domain tasks have.
const FORMS: &[Measure] = &[
    Measure::typical(&d::CHECKS_MET, "checks met"),
    Measure::typical(&d::DISTINCT_1, "different words"),
    Measure::typical(&d::DISTINCT_2, "different pairs"),
];

const TIMES: &[Measure] = &[
    Measure::at(&d::SAMPLE_LATENCY, &[Statistic::P50], "p50"),
    Measure::at(&d::SAMPLE_LATENCY, &[Statistic::P95], "p95"),
    Measure::typical(&d::DOCUMENT_RATE, "rate"),
];

/// What the names of the domains' tasks and groups begin with.
const DOMAIN: &str = "domain_";

/// How the names of a domain's tasks end.
const DIFFICULTIES: [&str; 3] = ["easy", "medium", "hard"];

const DOCUMENTS: &[Measure] = &[Measure::typical(&d::DOCUMENTS, "count")];

/// The tables of an evaluation.
pub(super) fn tables(record: &Record) -> Vec<Table> {
    let of = |measures: &'static [Measure], label: &str, caption: &str, is_shown: &dyn Fn(&Cell) -> bool| {
        let mut cells = cells_with(record, Phase::Evaluate, measures);
        cells.retain(is_shown);
        Table { caption: caption.to_owned(), ..cells_by_measures(record, label, measures, &cells) }
    };
    vec![
        domains(record),
        of(FORMS, "task", "How far forms were kept, and how much answers to one prompt differ", &is_of_domain),
        of(
            FIGURES,
            "task",
            "Figures with their 95 % intervals; a document without an answer counts as wrong",
            &|cell| !is_of_domain(cell),
        ),
        list(
            "The judge: what it says, and how far it can be believed",
            record.metrics_of(Phase::Evaluate).filter(is_of_judge),
        ),
        of(TIMES, "task", "Time of a document from its first request to its last answer", &|cell| {
            !is_of_domain(cell) || cell.get("group").is_some()
        }),
        of(DOCUMENTS, "task and outcome", "What became of the documents", &|_| true),
    ]
}

fn is_of_judge(metric: &&Metric) -> bool {
    metric.name.starts_with("judge_")
}

fn is_of_domain(cell: &Cell) -> bool {
    cell.get("group").or_else(|| cell.get("task")).is_some_and(is_of_domain_name)
}

/// Accuracy by domain and difficulty, in percent so that four intervals fit a line.
fn domains(record: &Record) -> Table {
    let find = |key: &str, name: &str| {
        let cell = Cell::of(Phase::Evaluate).with(key, name);
        Measure::typical(&d::ACCURACY, "").find(record, &cell)
    };
    let mut rows = Vec::new();
    let groups = record.metrics_of(Phase::Evaluate).filter(|metric| metric.name == d::ACCURACY.name);
    for group in groups.filter_map(|metric| metric.cell.get("group")).filter(|group| is_of_domain_name(group)) {
        let shown = group.strip_prefix(DOMAIN).unwrap_or("all");
        let mut row = vec![Text::new(shown, Tone::Strong)];
        row.extend(DIFFICULTIES.map(|difficulty| percent(find("task", &format!("{group}_{difficulty}")))));
        row.push(percent(find("group", group)));
        rows.push(row);
    }
    let mut columns = vec![Column::words("domain")];
    columns.extend(DIFFICULTIES.into_iter().chain(["all"]).map(Column::numbers));
    let caption = "Right answers, % with 95 % intervals; a document without an answer counts as wrong".to_owned();
    Table { caption, columns, rows, ..Table::default() }
}

fn is_of_domain_name(name: &str) -> bool {
    name == "domains" || name.starts_with(DOMAIN)
}

/// `45 (26–66)`.
fn percent(metric: Option<&Metric>) -> Text {
    let Some((metric, value)) = metric.and_then(|metric| Some((metric, metric.value?))) else {
        return Text::new("·", Tone::Faint);
    };
    let whole = |share: f64| format!("{:.0}", 100.0 * share);
    match &metric.interval {
        Some(interval) => format!("{} ({}–{})", whole(value), whole(interval.low), whole(interval.high)).into(),
        None => whole(value).into(),
    }
}
