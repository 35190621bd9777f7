//! The figures for people.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use weighbridge_eval::score::Report;
use weighbridge_types::definition;
use weighbridge_types::exhibit::Confusion;
use weighbridge_types::metric::{Cell, Metric};

/// A table of truth against answer is printed up to this many labels; the JSON form holds it at any size.
const MOST_LABELS: usize = 12;

/// Every figure that has a value, the table of labels, and the notes.
pub(super) fn render(report: &Report, columns: usize) -> String {
    let mut text = format!("weighbridge eval score: {} samples\n", report.samples);
    let _ = writeln!(text, "{}\n", figures(&report.figures, columns));
    if let Some(confusion) = report.confusion.as_ref().filter(|confusion| confusion.labels.len() <= MOST_LABELS) {
        let _ = writeln!(text, "truth by row, answer by column\n{}\n", labels(confusion, columns));
    }
    for metric in report.figures.iter().filter(|metric| metric.value.is_none()) {
        let reason = metric.reason.as_deref().unwrap_or("unknown");
        let _ = writeln!(text, "no {}: {reason}", name(metric));
    }
    for note in &report.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

fn figures(figures: &[Metric], columns: usize) -> Table {
    let mut table = empty(columns);
    table.set_header(["metric", "of", "value", "95 %", "n"].map(str::to_owned).into_iter().enumerate().map(
        |(at, head)| {
            if at == 3 { confidence(figures).unwrap_or(head) } else { head }
        },
    ));
    for metric in figures {
        let Some(value) = metric.value else { continue };
        let interval = match &metric.interval {
            Some(interval) => format!("{} to {}", number(interval.low), number(interval.high)),
            None => String::new(),
        };
        table.add_row([title(metric), of(&metric.cell), number(value), interval, metric.n.to_string()]);
    }
    for column in [2, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The confidence that the intervals hold at, for the head of their column.
fn confidence(figures: &[Metric]) -> Option<String> {
    let interval = figures.iter().find_map(|metric| metric.interval.as_ref())?;
    Some(format!("{:.3} %", 100.0 * interval.confidence).replace(".000", ""))
}

fn labels(confusion: &Confusion, columns: usize) -> Table {
    let mut table = empty(columns);
    let heads = confusion.labels.iter().cloned().chain(["no label".to_owned()]);
    table.set_header([String::new()].into_iter().chain(heads));
    for (label, row) in confusion.labels.iter().zip(&confusion.counts) {
        table.add_row([label.clone()].into_iter().chain(row.iter().map(|count| format!("{count}"))));
    }
    table
}

/// A table without lines, as wide as the terminal at most.
pub(super) fn empty(columns: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(columns).unwrap_or(u16::MAX));
    table
}

fn name(metric: &Metric) -> String {
    let of = of(&metric.cell);
    if of.is_empty() { title(metric) } else { format!("{} ({of})", title(metric)) }
}

fn title(metric: &Metric) -> String {
    definition::find(&metric.name).map_or_else(|| metric.name.clone(), |definition| definition.title.to_owned())
}

/// The settings of a cell, without the phase.
fn of(cell: &Cell) -> String {
    let part = |(key, value): (&str, &str)| match (key, value) {
        ("phase", _) => None,
        ("over", value) => Some(format!("{value} only")),
        ("label" | "average", value) => Some(value.to_owned()),
        (key, value) => Some(format!("{key} {value}")),
    };
    cell.iter().filter_map(part).collect::<Vec<_>>().join(", ")
}

/// As [`digits`], without any where the number is a count.
fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() >= 2.0 { format!("{value}") } else { digits(value) }
}

/// Four digits behind the point where the number is small, fewer where it is large.
pub(super) fn digits(value: f64) -> String {
    if value.abs() >= 100.0 {
        format!("{value:.1}")
    } else if value.abs() >= 10.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.4}")
    }
}
