//! Markdown: tables and lists that read well as plain text and on a forge.

use weighbridge_types::comparison::Comparison;
use weighbridge_types::definition;
use weighbridge_types::performance::ResultsComparison;
use weighbridge_types::record::{Phase, Record};

use crate::console::finding_text;
use crate::number::{self, Scale};
use crate::view::comparison::Extent;
use crate::view::{self, Align, Section, Table, Tone, superscript};

/// The whole report of a run, with a final newline.
#[must_use]
pub fn render(record: &Record) -> String {
    let mut out = Document::new(&view::title(record));
    out.head(record);
    out.outcome(record);
    for section in Phase::ALL.into_iter().filter_map(|phase| view::section(record, phase)) {
        out.section(&section);
    }
    out.projections(record);
    out.numbers(record);
    out.definitions(record);
    out.text
}

/// A comparison, short enough for a pull request: what the verdict rests on, and what else changed.
#[must_use]
pub fn comparison(found: &Comparison) -> String {
    let mut out = Document::new(&format!("Comparison: {}", found.verdict()));
    out.table(&view::comparison::sides(found));
    if let Some(table) = view::comparison::mismatches(found) {
        out.table(&table);
    }
    for contrast in &found.contrasts {
        let part = view::comparison::contrast(found, contrast, Extent::Brief);
        out.heading(&part.title);
        if let Some((verdict, because)) = &part.lead {
            out.text.push_str(&format!("**{}**: {}\n\n", escape(&verdict.text), escape(because)));
        }
        for table in &part.tables {
            out.table(table);
        }
    }
    for note in &found.notes {
        out.item(None, note);
    }
    if !found.notes.is_empty() {
        out.end_list();
    }
    out.paragraph(&view::comparison::rule(found));
    out.text
}

/// Results of `performance-benchmark`.
#[must_use]
pub fn performance_results(found: view::performance::Results<'_>) -> String {
    let mut out = Document::new(found.title);
    for (label, text) in view::performance::facts(found.results) {
        out.item(None, &format!("{label}: {text}"));
    }
    out.end_list();
    out.heading("Results");
    out.table(&view::performance::results(found.results));
    for table in found.results.iter().filter_map(view::performance::levels) {
        out.table(&table);
    }
    if let Some(table) = view::performance::targets(found.targets) {
        out.heading("Targets");
        out.table(&table);
    }
    for note in found.results.iter().flat_map(|result| &result.notes) {
        out.item(None, note);
    }
    out.text
}

/// A comparison of results of `performance-benchmark`.
#[must_use]
pub fn performance_comparison(found: &ResultsComparison) -> String {
    let mut out = Document::new(&format!("Performance comparison: {}", view::performance::summary(found).text));
    out.paragraph(&format!("Changes up to {} % count as none.", found.threshold_percent));
    out.table(&view::performance::changes(found));
    for note in &found.notes {
        out.item(None, note);
    }
    out.text
}

/// A Markdown document under way.
pub(crate) struct Document {
    /// The text so far.
    pub(crate) text: String,
}

impl Document {
    /// Begins with a title.
    pub(crate) fn new(title: &str) -> Self {
        Self { text: format!("# {}\n\n", escape(title)) }
    }

    /// A paragraph of plain text.
    pub(crate) fn paragraph(&mut self, text: &str) {
        self.text.push_str(&escape(text));
        self.text.push_str("\n\n");
    }

    /// A heading of the second level.
    pub(crate) fn heading(&mut self, title: &str) {
        self.text.push_str(&format!("## {}\n\n", escape(title)));
    }

    /// A line of a list; a box before it when it can be done.
    pub(crate) fn item(&mut self, done: Option<bool>, text: &str) {
        let mark = match done {
            Some(true) => "[x] ",
            Some(false) => "[ ] ",
            None => "",
        };
        self.text.push_str(&format!("- {mark}{}\n", escape(text)));
    }

    /// Ends a list.
    pub(crate) fn end_list(&mut self) {
        self.text.push('\n');
    }

    /// What was weighed, on what, how far it came.
    pub(crate) fn head(&mut self, record: &Record) {
        self.item(None, &format!("run: {}, {}", record.run_id, view::status_word(record.status)));
        for (label, text) in view::run_facts(record) {
            self.item(None, &format!("{label}: {text}"));
        }
        self.end_list();
        self.table(&view::overview(record));
    }

    /// Targets and findings.
    pub(crate) fn outcome(&mut self, record: &Record) {
        let targets = view::targets(record);
        if !targets.is_empty() {
            self.heading("Targets");
            self.paragraph("The bound of the interval decides, not the point.");
            self.text.push_str("| target | limit | observed | verdict | because |\n|---|---|---|---|---|\n");
            for line in targets {
                let cells = [&line.name, &line.limit, &line.observed, &line.verdict.text, &line.because];
                self.row(cells.into_iter().map(String::as_str));
            }
            self.end_list();
        }
        for group in view::findings(record) {
            self.heading(group.title);
            for finding in group.findings {
                self.item(None, &finding_text(finding));
            }
            self.end_list();
        }
    }

    /// Figures that were not measured here.
    pub(crate) fn projections(&mut self, record: &Record) {
        if let Some(table) = view::projections(record) {
            self.heading("Projections");
            self.table(&table);
        }
    }

    /// A phase with its checks and tables.
    pub(crate) fn section(&mut self, section: &Section<'_>) {
        self.heading(&section.title);
        self.paragraph(&section.summary);
        for check in section.checks {
            let evidence = format!("{}: {}", check.name, check.evidence);
            match check.passed {
                Some(passed) => self.item(Some(passed), &evidence),
                None => self.item(Some(false), &format!("undecided, {evidence}")),
            }
        }
        if !section.checks.is_empty() {
            self.end_list();
        }
        for table in &section.tables {
            self.table(table);
        }
        for note in &section.notes {
            self.paragraph(&format!("Note: {note}"));
        }
    }

    fn table(&mut self, table: &Table) {
        if !table.caption.is_empty() {
            self.paragraph(&table.caption);
        }
        self.row(table.columns.iter().map(|column| column.heading.as_str()));
        for column in &table.columns {
            self.text.push_str(if column.align == Align::Right { "|--:" } else { "|---" });
        }
        self.text.push_str("|\n");
        for row in &table.rows {
            self.text.push('|');
            for cell in row {
                let text = escape(&cell.text);
                let text = if cell.tone == Tone::Strong { format!("**{text}**") } else { text };
                self.text.push_str(&format!(" {text} |"));
            }
            self.text.push('\n');
        }
        self.end_list();
        for (index, note) in table.notes.iter().enumerate() {
            self.paragraph(&format!("{} {note}", superscript(index + 1)));
        }
        for remark in &table.remarks {
            self.paragraph(remark);
        }
    }

    fn row<'a>(&mut self, cells: impl Iterator<Item = &'a str>) {
        self.text.push('|');
        for cell in cells {
            self.text.push_str(&format!(" {} |", escape(cell)));
        }
        self.text.push('\n');
    }

    /// Every metric of the record.
    pub(crate) fn numbers(&mut self, record: &Record) {
        self.heading("Every number");
        self.text.push_str("| figure | where | value | n | n eff. | interval | method | CV % | origin |\n");
        self.text.push_str("|---|---|--:|--:|--:|--:|---|--:|---|\n");
        for metric in &record.metrics {
            let scale = Scale::of_metric(metric);
            let interval = match &metric.interval {
                Some(interval) => number::ends(interval, &scale),
                None => metric.interval_reason.clone().unwrap_or_default(),
            };
            let cells = [
                metric.key(),
                metric.cell.to_string(),
                number::value(metric),
                metric.n.to_string(),
                metric.n_effective.map(|n| number::significant(n, 3)).unwrap_or_default(),
                interval,
                metric.interval.as_ref().map(|interval| interval.method.clone()).unwrap_or_default(),
                metric.cv.map(number::percent).unwrap_or_default(),
                view::provenance_word(metric.provenance).to_owned(),
            ];
            self.row(cells.iter().map(String::as_str));
        }
        self.end_list();
    }

    /// What the metrics mean.
    pub(crate) fn definitions(&mut self, record: &Record) {
        self.heading("Definitions");
        let is_used = |name: &str| record.metrics.iter().any(|metric| metric.name == name);
        for definition in definition::ALL.iter().filter(|definition| is_used(definition.name)) {
            let text =
                format!("{} ({}, {}): {}", definition.title, definition.id(), definition.unit, definition.formula);
            self.item(None, &text);
        }
    }
}

/// Text that Markdown shows as it is: marks are escaped, tags cannot open, lines cannot break.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in crate::console::sanitize(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_a_cell() {
        assert_eq!(escape("a|b <b>*x*\n"), "a\\|b &lt;b>\\*x\\*\u{fffd}");
    }
}
