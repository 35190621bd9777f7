//! A comparison for people: on a console of 80 columns, and as Markdown.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use weighbridge_eval::compare::{Board, Comparison, Difference};

use super::table::digits;

/// Columns that a table uses at most; it is read in mails and logs.
const COLUMNS: usize = 80;

/// The text for a console; with `only_boards` no two sides are compared.
pub(super) fn console(comparison: &Comparison, only_boards: bool, columns: usize) -> String {
    let columns = columns.min(COLUMNS);
    let mut text = format!("weighbridge eval compare: {} sides\n\n", comparison.sides.len());
    let _ = writeln!(text, "{}\n", table(&sides(comparison), &[2, 3], columns));
    if !only_boards {
        for (title, rows) in sections(comparison) {
            let _ = writeln!(text, "{}\n{}\n", wrapped(&title, columns), table(&rows, &[1, 2, 3, 5], columns));
        }
    }
    for (title, rows) in comparison.boards.iter().map(board) {
        let _ = writeln!(text, "{}\n{}\n", wrapped(&title, columns), table(&rows, &[0, 2], columns));
    }
    if only_boards && comparison.boards.is_empty() {
        text.push_str("a leaderboard needs more than two sides\n");
    }
    for line in legend(comparison, only_boards) {
        let _ = writeln!(text, "{}", wrapped(&line, columns));
    }
    text
}

/// A line broken at spaces so that it fits; what follows is indented.
fn wrapped(line: &str, columns: usize) -> String {
    let mut text = String::new();
    let mut length = 0;
    for word in line.split(' ') {
        let width = word.chars().count();
        if length > 0 && length + 1 + width > columns {
            text.push_str("\n  ");
            length = 2;
        } else if length > 0 {
            text.push(' ');
            length += 1;
        }
        text.push_str(word);
        length += width;
    }
    text
}

/// The text for a page or a pull request.
pub(super) fn markdown(comparison: &Comparison) -> String {
    let mut text = String::from("# Comparison\n\n");
    text.push_str(&pipes(&sides(comparison)));
    for (title, rows) in sections(comparison) {
        let _ = write!(text, "\n## {}\n\n{}", escape(&title), pipes(&rows));
    }
    for (title, rows) in comparison.boards.iter().map(board) {
        let _ = write!(text, "\n## {}\n\n{}", escape(&title), pipes(&rows));
    }
    text.push('\n');
    for line in legend(comparison, false) {
        let _ = writeln!(text, "- {}", escape(&line));
    }
    text
}

/// Rows of a table, the head first.
type Rows = Vec<Vec<String>>;

fn sides(comparison: &Comparison) -> Rows {
    let mut rows = vec![["side", "from", "samples", "no answer"].map(str::to_owned).to_vec()];
    for side in &comparison.sides {
        rows.push(vec![side.name.clone(), side.source.clone(), side.samples.to_string(), side.failures.to_string()]);
    }
    rows
}

/// A table for each candidate and task against the first side.
fn sections(comparison: &Comparison) -> Vec<(String, Rows)> {
    let Some(first) = comparison.sides.first() else { return Vec::new() };
    let percent = percent(comparison.confidence);
    let mut sections: Vec<(String, Rows)> = Vec::new();
    for of in comparison.differences.iter().filter(|of| of.baseline == first.name) {
        let task = of.task.as_ref().map_or_else(String::new, |task| format!(", {task}"));
        let title = format!("{} against {}{task}: {} pairs", of.candidate, of.baseline, of.pairs);
        let title = match of.clusters {
            Some(clusters) => format!("{title} in {clusters} clusters"),
            None => title,
        };
        if sections.last().is_none_or(|last| last.0 != title) {
            let head = ["metric", "before", "after", "change", percent.as_str(), "p", "verdict"];
            sections.push((title, vec![head.map(str::to_owned).to_vec()]));
        }
        if let Some(section) = sections.last_mut() {
            section.1.push(row(of));
        }
    }
    sections
}

fn row(of: &Difference) -> Vec<String> {
    let interval = match (&of.interval, &of.interval_reason) {
        (Some(interval), _) => format!("{} to {}", signed(interval.low), signed(interval.high)),
        (None, Some(reason)) => reason.clone(),
        (None, None) => String::new(),
    };
    let p = of.p_adjusted.map_or_else(|| "-".to_owned(), probability);
    vec![
        of.title.clone(),
        number(of.baseline_value),
        number(of.candidate_value),
        signed(of.difference),
        interval,
        p,
        of.verdict.name().to_owned(),
    ]
}

fn board(board: &Board) -> (String, Rows) {
    let task = board.task.as_ref().map_or_else(String::new, |task| format!(", {task}"));
    let mut rows = vec![["rank", "side", "value", "group"].map(str::to_owned).to_vec()];
    for place in &board.places {
        let rank = if place.rank_best == place.rank_worst {
            place.rank_best.to_string()
        } else {
            format!("{} to {}", place.rank_best, place.rank_worst)
        };
        rows.push(vec![rank, place.side.clone(), number(place.value), place.group.to_string()]);
    }
    (format!("leaderboard by {}{task}", board.title), rows)
}

/// What stands below the tables.
fn legend(comparison: &Comparison, only_boards: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let first = comparison.sides.first().map(|side| side.name.as_str());
    let judged = comparison.differences.iter().filter(|of| Some(of.baseline.as_str()) == first && !only_boards);
    for of in judged {
        let mut parts = Vec::new();
        if let Some([before, after]) = of.discordant {
            parts.push(format!("right only before {before}, only after {after}"));
        }
        if let Some(least) = of.detectable {
            parts.push(format!("smallest detectable change {}", number(least)));
        }
        if let Some(pairs) = of.pairs_needed.filter(|pairs| *pairs > of.pairs as f64) {
            parts.push(format!("to see this change takes about {pairs:.0} pairs"));
        }
        if !parts.is_empty() {
            let task = of.task.as_ref().map_or_else(String::new, |task| format!(" in {task}"));
            let whose = if comparison.sides.len() > 2 { format!("{}, ", of.candidate) } else { String::new() };
            lines.push(format!("{whose}{}{task}: {}", of.title, parts.join("; ")));
        }
    }
    let margin = if comparison.margin > 0.0 { format!(", margin ±{}", comparison.margin) } else { String::new() };
    lines.push(format!("p values: {} tests corrected together (Holm){margin}", comparison.tests));
    lines.extend(comparison.notes.iter().map(|note| format!("note: {note}")));
    lines
}

fn table(rows: &Rows, right: &[usize], columns: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(columns).unwrap_or(u16::MAX));
    let mut rows = rows.iter();
    if let Some(head) = rows.next() {
        table.set_header(head);
    }
    rows.for_each(|row| {
        table.add_row(row);
    });
    for &column in right {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn pipes(rows: &Rows) -> String {
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().map(|cell| escape(cell)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if at == 0 {
            let _ = writeln!(text, "|{}", "---|".repeat(row.len()));
        }
    }
    text
}

/// Text that Markdown shows as it is.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for char in text.chars() {
        if matches!(char, '|' | '*' | '_' | '`' | '<' | '[' | '\\') {
            out.push('\\');
        }
        out.push(if char.is_control() { ' ' } else { char });
    }
    out
}

fn percent(confidence: f64) -> String {
    format!("{:.3} %", 100.0 * confidence).replace(".000", "")
}

fn probability(p: f64) -> String {
    if p < 0.0001 { "<0.0001".to_owned() } else { format!("{p:.4}") }
}

fn signed(value: f64) -> String {
    if value < 0.0 { format!("−{}", number(-value)) } else { format!("+{}", number(value)) }
}

fn number(value: f64) -> String {
    if value.is_finite() { digits(value) } else { "unknown".to_owned() }
}
