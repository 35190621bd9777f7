//! An imported record for a terminal: whose figures they are stands first, and each names its definition.

use std::collections::BTreeSet;

use serde_json::Value;
use unicode_width::UnicodeWidthStr;
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::record::Record;

use super::definitions;
use crate::console::{Color, sanitize};
use crate::number::{self, Scale};
use crate::view;

/// Statistics that have a column of their own.
const COLUMNS: [Statistic; 5] = [Statistic::Mean, Statistic::P50, Statistic::P90, Statistic::P99, Statistic::Max];

/// The report of an imported record as console text, with a final newline. Lines are at most `columns` wide where
/// words allow.
#[must_use]
pub fn render(record: &Record, columns: usize, color: Color) -> String {
    let mut page = Page { out: String::new(), columns: columns.clamp(60, 160), color };
    page.heading(&format!("weighbridge import: {}", record.run_id), view::status_word(record.status));
    page.facts(record);
    let cells: BTreeSet<&Cell> = record.metrics.iter().map(|metric| &metric.cell).collect();
    for cell in cells {
        page.cell(record, cell);
    }
    page.notes(record);
    page.definitions(record);
    page.out
}

/// A fact of the import: `tool`, `format`, `tool_version`.
fn fact<'a>(record: &'a Record, key: &str) -> Option<&'a str> {
    record.settings.get("import")?.get(key)?.as_str()
}

struct Page {
    out: String,
    columns: usize,
    color: Color,
}

impl Page {
    fn strong(&self, text: &str) -> String {
        match self.color {
            Color::Always => format!("\u{1b}[1m{text}\u{1b}[0m"),
            Color::Never => text.to_owned(),
        }
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn heading(&mut self, title: &str, aside: &str) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        let title = self.strong(&sanitize(title));
        self.line(&format!("{title}  {}", sanitize(aside)));
    }

    /// A label with wrapped text beside it.
    fn wrapped(&mut self, label: &str, width: usize, text: &str) {
        let mut line = format!("  {label:width$}");
        let mut used = 2 + width;
        for (index, word) in sanitize(text).split_whitespace().enumerate() {
            if index > 0 && used + 1 + word.width() > self.columns {
                self.line(&line);
                line = " ".repeat(2 + width);
                used = 2 + width;
            } else if index > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += word.width();
        }
        self.line(&line);
    }

    fn facts(&mut self, record: &Record) {
        let tool = fact(record, "tool").unwrap_or("another tool");
        let version = fact(record, "tool_version").unwrap_or("unknown");
        self.wrapped("figures of", 12, &format!("{tool}, version {version}; weighbridge did not measure them"));
        self.wrapped("model", 12, &record.engine.model);
        self.wrapped("engine", 12, &record.engine.engine);
        let digest: String = fact(record, "sha256").unwrap_or("unknown").chars().take(16).collect();
        self.wrapped("file", 12, &format!("format {}, sha256 {digest}…", fact(record, "format").unwrap_or("unknown")));
        let started = record.phases.iter().find_map(|phase| phase.started_at.as_deref());
        self.wrapped("started", 12, started.unwrap_or("not in the file"));
        for phase in &record.phases {
            let duration = phase.duration_s.map_or_else(|| "not in the file".to_owned(), number::duration);
            self.wrapped("duration", 12, &duration);
            let tally = &phase.tally;
            if tally.scheduled > 0 {
                let words = format!(
                    "{} scheduled, {} succeeded, {} failed, {} cancelled",
                    tally.scheduled, tally.succeeded, tally.failed, tally.cancelled
                );
                self.wrapped("requests", 12, &words);
            }
        }
        let source = record.settings.get("source").and_then(Value::as_object).into_iter().flatten();
        let settings: Vec<String> = source.map(|(key, value)| format!("{key}={}", plain(value))).collect();
        if !settings.is_empty() {
            self.wrapped("settings", 12, &settings.join(" "));
        }
    }

    fn cell(&mut self, record: &Record, cell: &Cell) {
        let words: Vec<String> =
            cell.iter().filter(|(key, _)| *key != "phase").map(|(key, value)| format!("{key}={value}")).collect();
        self.heading("figures", &words.join(" "));
        let metrics: Vec<&Metric> = record.metrics.iter().filter(|metric| metric.cell == *cell).collect();
        let mut ids: Vec<&str> = Vec::new();
        for metric in &metrics {
            if !ids.contains(&metric.definition.as_str()) {
                ids.push(&metric.definition);
            }
        }
        let mut rows = vec![["figure", "mean", "p50", "p90", "p99", "max", "", "n"].map(str::to_owned)];
        let mut reasons: Vec<(String, String)> = Vec::new();
        for id in ids {
            let of_id: Vec<&Metric> = metrics.iter().copied().filter(|metric| metric.definition == id).collect();
            if of_id.iter().all(|metric| metric.value.is_none()) {
                let reason = of_id.first().map(|metric| number::reason(metric).to_owned());
                reasons.push((id.to_owned(), reason.unwrap_or_default()));
                continue;
            }
            rows.push(row(id, &of_id));
        }
        self.table(&rows);
        for (id, reason) in reasons {
            self.wrapped("n/a", 5, &format!("{id}: {reason}"));
        }
    }

    /// Words to the left, numbers to the right.
    fn table(&mut self, rows: &[[String; 8]]) {
        let width = |column: usize| rows.iter().map(|row| sanitize(&row[column]).width()).max().unwrap_or(0);
        let widths: [usize; 8] = std::array::from_fn(width);
        for row in rows {
            let mut line = String::from("  ");
            for (column, text) in row.iter().enumerate() {
                if widths[column] == 0 {
                    continue;
                }
                let text = sanitize(text);
                let padding = " ".repeat(widths[column] - text.width());
                let is_words = matches!(column, 0 | 6);
                line.push_str(&if is_words { format!("{text}{padding}  ") } else { format!("{padding}{text}  ") });
            }
            self.line(&line);
        }
    }

    fn notes(&mut self, record: &Record) {
        let notes: Vec<&String> = record.phases.iter().flat_map(|phase| &phase.notes).collect();
        if notes.is_empty() {
            return;
        }
        self.heading("notes", "what was unknown, mapped or suspicious");
        for note in notes {
            self.wrapped("!", 2, note);
        }
    }

    fn definitions(&mut self, record: &Record) {
        let ids: BTreeSet<&str> = record.metrics.iter().map(|metric| metric.definition.as_str()).collect();
        self.heading("definitions", "figures of different definitions do not compare");
        for id in ids {
            let text = match (definitions::foreign(id), definitions::find(id)) {
                (Some(meaning), _) => {
                    let near = meaning.closest.map_or_else(
                        || meaning.why.to_owned(),
                        |closest| format!("near our {}, but {}", closest.id(), meaning.why),
                    );
                    format!("{id}: {}. {near}.", meaning.definition.formula)
                }
                (None, Some(ours)) => format!("{id}: {}. Equal to ours.", ours.formula),
                (None, None) => format!("{id}: not known to this version."),
            };
            self.wrapped("·", 2, &text);
        }
    }
}

fn row(id: &str, metrics: &[&Metric]) -> [String; 8] {
    let largest =
        metrics.iter().filter_map(|metric| metric.value).fold(0.0, |largest: f64, value| value.abs().max(largest));
    let unit = metrics.first().map_or("", |metric| metric.unit.as_str());
    let scale = Scale::of(unit, largest);
    let find = |statistic| metrics.iter().copied().find(|metric| metric.statistic == statistic);
    let figure = |statistic| find(statistic).and_then(|metric| number::bare_figure(metric, &scale)).unwrap_or_default();
    let single = || [Statistic::Value, Statistic::Slope].into_iter().find_map(find);
    let mut row: [String; 8] = Default::default();
    row[0] = id.to_owned();
    for (column, statistic) in COLUMNS.into_iter().enumerate() {
        row[column + 1] = figure(statistic);
    }
    if row[1].is_empty() {
        row[1] = single().and_then(|metric| number::bare_figure(metric, &scale)).unwrap_or_default();
    }
    row[6] = scale.unit.clone();
    row[7] = metrics.iter().map(|metric| metric.n).max().filter(|n| *n > 0).map(|n| n.to_string()).unwrap_or_default();
    row
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
