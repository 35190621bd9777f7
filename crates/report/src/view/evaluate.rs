//! What an evaluation says: the figures of tasks and groups, of labels and their averages, and what became of the samples.

use weighbridge_types::definition::{self as d, Definition};
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::record::{Phase, Record};

use super::matrix::{Measure, cells_by_measures, cells_with, list};
use super::{Column, Table, Text, Tone, detection};

const FIGURES: &[Measure] = &[
    Measure::typical(&d::ACCURACY, "acc"),
    Measure::typical(&d::BALANCED_ACCURACY, "balanced"),
    Measure::typical(&d::MCC, "mcc"),
    Measure::typical(&d::KAPPA, "kappa"),
    Measure::typical(&d::ACC_NORM, "acc_norm"),
    Measure::typical(&d::ACC_BYTES, "acc_bytes"),
    Measure::typical(&d::ACC_MUTUAL_INFO, "acc_mutual_info"),
    Measure::typical(&d::EXACT_MATCH, "exact_match"),
    Measure::typical(&d::TARGET_PERPLEXITY, "perplexity"),
    Measure::typical(&d::WORD_PERPLEXITY, "word_perplexity"),
    Measure::typical(&d::BYTE_PERPLEXITY, "byte_perplexity"),
    Measure::typical(&d::BITS_PER_BYTE, "bits_per_byte"),
    Measure::typical(&d::CHOICE_BRIER, "brier_score"),
    Measure::typical(&d::EXPECTED_COST, "expected cost"),
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

/// Figures that a label has, and that averages are taken of.
const OF_LABELS: &[Measure] = &[
    Measure::typical(&d::PRECISION, "precision"),
    Measure::typical(&d::RECALL, "recall"),
    Measure::typical(&d::F1, "f1"),
    Measure::typical(&d::FPR, "fpr"),
];

const OUTCOMES: &[Measure] = &[Measure::typical(&d::SAMPLES, "count")];

/// The tables of an evaluation.
pub(super) fn tables(record: &Record) -> Vec<Table> {
    let is_label = |cell: &Cell| cell.get("label").is_some();
    vec![
        domains(record),
        table(
            record,
            "task",
            "How far forms were kept, and how much answers to one prompt differ",
            FORMS,
            is_of_domain,
        ),
        table(
            record,
            "task",
            "Figures with their 95 % intervals; a sample without an answer counts as wrong",
            FIGURES,
            |cell| !is_of_domain(cell) && !detection::is_of(cell),
        ),
        table(record, "averaged over labels", "Averages over labels", OF_LABELS, |cell| !is_label(cell)),
        table(record, "label", "By label", OF_LABELS, |cell| is_label(cell) && !detection::is_of(cell)),
        detection::whether(record),
        detection::found(record),
        list(
            "The judge: what it says, and how far it can be believed",
            record.metrics_of(Phase::Evaluate).filter(is_of_judge),
        ),
        list("Further figures", record.metrics_of(Phase::Evaluate).filter(|metric| !has_table(metric))),
        table(record, "task", "Time of a document from its first request to its last answer", TIMES, |cell| {
            !is_of_domain(cell) || cell.get("group").is_some()
        }),
        table(record, "task and outcome", "What became of the samples", OUTCOMES, |_| true),
    ]
}

fn table(record: &Record, label: &str, caption: &str, measures: &[Measure], is_shown: impl Fn(&Cell) -> bool) -> Table {
    let mut cells = cells_with(record, Phase::Evaluate, measures);
    cells.retain(is_shown);
    let mut table = cells_by_measures(record, label, measures, &cells);
    table.caption = caption.to_owned();
    // A cell without settings is the whole: a scored file has no task.
    for whole in table.rows.iter_mut().filter_map(|row| row.first_mut()).filter(|first| first.text.is_empty()) {
        whole.text.push_str("all");
    }
    table
}

/// Whether a figure stands in a table of its own kind.
fn has_table(metric: &&Metric) -> bool {
    let is_of = |of: &Definition| of.name == metric.name;
    let tables = [FORMS, FIGURES, OF_LABELS, TIMES, OUTCOMES];
    detection::is_of(&metric.cell)
        || is_of_judge(metric)
        || tables.into_iter().flatten().any(|measure| is_of(measure.definition))
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
    let caption = "Right answers, % with 95 % intervals; no answer counts as wrong".to_owned();
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
