//! A study for people.

use std::fmt::Write as _;

use comfy_table::Table;
use weighbridge_eval::compare::Board;
use weighbridge_eval::matrix::{CellEnd, Standing, StudyReport};

use super::super::table::empty;

/// Columns that a table uses at most; it is read in mails and logs.
const COLUMNS: usize = 80;

pub(super) fn console(
    report: &StudyReport,
    standings: &[Standing],
    costs: &serde_json::Value,
    columns: usize,
) -> String {
    let columns = columns.min(COLUMNS);
    let count = report.cells.len();
    let mut text =
        format!("weighbridge eval matrix: {}, {} of {count} cells complete\n", report.study, report.complete);
    for cell in &report.cells {
        let why = match &cell.end {
            CellEnd::Complete => continue,
            CellEnd::MemoryLimit => "more memory than it may take",
            CellEnd::Failed(reason) => reason,
            CellEnd::Pending => "not run yet",
        };
        let _ = writeln!(text, "  {} × {}: {why}", cell.model, cell.task);
    }
    let seconds = |phase: &str| costs["phases"][phase].as_f64().unwrap_or_default();
    let _ = writeln!(
        text,
        "\nload {:.1} s, prepare {:.1} s, execute {:.1} s (summed over cells), analyse {:.2} s",
        seconds("load_s"),
        seconds("prepare_s"),
        seconds("execute_s"),
        seconds("analyse_s"),
    );
    if let Some(rate) = costs["rows_per_s"].as_f64() {
        let _ = writeln!(
            text,
            "{} rows in {:.1} s: {rate:.0} rows/s",
            costs["rows"],
            costs["cells_wall_s"].as_f64().unwrap_or_default()
        );
    }
    if let Some(found) = &report.consistency {
        let _ = writeln!(
            text,
            "repeated: {} of {} cells and {} of {} rows are the same",
            found.same_cells, found.cells, found.same_rows, found.rows
        );
    }
    for board in report.comparison.iter().flat_map(|comparison| &comparison.boards) {
        let _ = writeln!(text, "\n{}", boards(board, columns));
    }
    if let Some(reason) = &report.no_comparison {
        let _ = writeln!(text, "\nno comparison: {reason}");
    }
    if !standings.is_empty() {
        let _ = writeln!(text, "\nquality, latency and cost\n{}", front(standings, columns));
    }
    text
}

fn boards(board: &Board, columns: usize) -> String {
    let mut table = empty(columns);
    table.set_header(["rank", "model", "value", "group"]);
    for place in &board.places {
        let rank = if place.rank_best == place.rank_worst {
            place.rank_best.to_string()
        } else {
            format!("{} to {}", place.rank_best, place.rank_worst)
        };
        table.add_row([rank, place.side.clone(), format!("{:.4}", place.value), place.group.to_string()]);
    }
    let task = board.task.as_ref().map_or_else(String::new, |task| format!(", {task}"));
    format!("{}{task}\n{table}", board.title)
}

fn front(standings: &[Standing], columns: usize) -> Table {
    let mut table = empty(columns);
    table.set_header(["model", "quality", "latency ms", "cost", "on the front", "beaten by"]);
    let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.6}"));
    for standing in standings {
        let member = if standing.on_front { "yes" } else { "no" };
        table.add_row([
            standing.model.clone(),
            format!("{:.4}", standing.quality),
            standing.latency_ms.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}")),
            shown(standing.cost),
            format!("{member}, {:.0} % of resamples", 100.0 * standing.membership),
            standing.dominated_by.join(", "),
        ]);
    }
    table
}
