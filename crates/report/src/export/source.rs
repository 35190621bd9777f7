//! Where the fields of another tool's file come from: cells, figures and rows of the record.

use serde_json::Value;
use weighbridge_summary::{Rows, figure_cell};
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::record::Record;
use weighbridge_types::request::RequestRow;

use super::{ExportError, ExportFormat};
use crate::import::definitions::meaning;
use crate::import::marker::Marker;
use crate::import::{KIND, Tool};

/// Refuses to write the figures of one tool under the names of another.
pub(super) fn own_figures(record: &Record, format: ExportFormat, tool: Tool) -> Result<(), ExportError> {
    if record.kind != KIND || is_import_of(record, tool) {
        return Ok(());
    }
    let found = record.settings.pointer("/import/tool").and_then(|tool| tool.as_str());
    Err(ExportError::ForeignFigures {
        run_id: record.run_id.clone(),
        format,
        tool: found.unwrap_or("another tool").to_owned(),
    })
}

/// Whether a record was imported from this tool.
pub(super) fn is_import_of(record: &Record, tool: Tool) -> bool {
    let found = record.settings.pointer("/import/tool").and_then(|tool| tool.as_str());
    record.kind == KIND && found == Some(tool.name())
}

/// Cells that hold a value of one of the fields, in the order of the record.
pub(super) fn cells(record: &Record, tool: Tool, fields: &[&str]) -> Vec<Cell> {
    let mut cells: Vec<Cell> = Vec::new();
    for metric in record.metrics.iter().filter(|metric| metric.value.is_some()) {
        let is_wanted = fields.iter().any(|field| fits(tool, field, metric));
        if is_wanted && !cells.contains(&metric.cell) {
            cells.push(metric.cell.clone());
        }
    }
    cells
}

/// Whether a figure can stand in a field: by its own definition, or by ours that comes nearest in the same unit.
fn fits(tool: Tool, field: &str, metric: &Metric) -> bool {
    let Some(meaning) = meaning(tool, field) else { return false };
    let near = meaning.closest.filter(|closest| closest.unit == meaning.definition.unit);
    metric.definition == meaning.definition.id() || near.is_some_and(|near| metric.definition == near.id())
}

/// The figures of a field in a cell.
pub(super) fn figures<'a>(record: &'a Record, tool: Tool, field: &str, cell: &Cell) -> Vec<&'a Metric> {
    record.metrics.iter().filter(|metric| metric.cell == *cell && fits(tool, field, metric)).collect()
}

/// One statistic of a field; the single value where it is no distribution.
pub(super) fn statistic<'a>(figures: &[&'a Metric], statistic: Statistic) -> Option<&'a Metric> {
    figures.iter().copied().find(|metric| metric.statistic == statistic)
}

/// The single value of a field in a cell.
pub(super) fn single(record: &Record, tool: Tool, field: &str, cell: &Cell) -> Option<f64> {
    statistic(&figures(record, tool, field, cell), Statistic::Value)?.value
}

/// Writes down which definition a field has, and on how many values it rests.
pub(super) fn mark(marker: &mut Marker, field: &str, metric: &Metric) {
    marker.definitions.insert(field.to_owned(), metric.definition.clone());
    if metric.n > 0 {
        marker.counts.insert(field.to_owned(), metric.n);
    }
}

/// Deviation that divides by n, from ours that divides by n − 1.
pub(super) fn population_deviation(metric: &Metric) -> Option<f64> {
    let n = metric.n as f64;
    metric.deviation.filter(|_| metric.n >= 2).map(|deviation| deviation * ((n - 1.0) / n).sqrt())
}

/// The measured requests of a cell, all runs together.
pub(super) fn rows_of<'a>(rows: Option<&'a Rows>, cell: &Cell) -> Vec<&'a RequestRow> {
    let rows = rows.into_iter().flat_map(|rows| &rows.requests);
    rows.filter(|row| !row.warmup && figure_cell(&row.cell) == *cell).collect()
}

/// Seconds of a span.
pub(super) fn seconds(span: std::time::Duration) -> f64 {
    // Nanoseconds below 2^53 are exact, and a quotient is rounded once: what comes back rounds to the same stamp.
    span.as_nanos() as f64 / 1e9
}

/// A whole number as JSON; null for none, or for one that is off scale.
pub(super) fn whole(value: Option<f64>) -> Value {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "range checked here")]
    value.filter(|value| (0.0..9e15).contains(value)).map_or(Value::Null, |value| (value.round() as u64).into())
}
