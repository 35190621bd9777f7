//! The report for a terminal, and for a pipe: readable without color and at any width from 60 columns on.

use unicode_width::UnicodeWidthStr;
use weighbridge_types::comparison::Comparison;
use weighbridge_types::history::History;
use weighbridge_types::memory_profile::MemoryProfile;
use weighbridge_types::performance::ResultsComparison;
use weighbridge_types::record::{Phase, Record};

use crate::view::comparison::Extent;
use crate::view::{self, Align, Column, Section, Table, Text, Tone, superscript};

/// A console this wide shows the detail tables too.
const DETAIL_WIDTH: usize = 100;
/// Spaces between columns.
const GAP: usize = 2;
/// Spaces before everything but headings.
const INDENT: usize = 2;

/// Columns of the console, held between 60 and 160: beyond it lines are too long to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width(usize);

impl Width {
    /// The width of a report that goes to no terminal.
    pub const PIPE: Self = Self(100);

    /// A width, moved into the supported range.
    #[must_use]
    pub fn new(columns: usize) -> Self {
        Self(columns.clamp(60, 160))
    }
}

/// Whether escape sequences may color the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// Plain text.
    Never,
    /// ANSI colors.
    Always,
}

/// The whole report of a run as console text, with a final newline.
#[must_use]
pub fn render(record: &Record, width: Width, color: Color) -> String {
    let mut page = Page { out: String::new(), width: width.0, color };
    page.heading(&format!("weighbridge {}: {}", record.kind, record.run_id), view::status_word(record.status));
    page.facts(&view::run_facts(record));
    page.table(&view::overview(record));
    for section in Phase::ALL.into_iter().filter_map(|phase| view::section(record, phase)) {
        page.section(&section);
    }
    page.targets(record);
    page.findings(record);
    if let Some(table) = view::projections(record) {
        page.heading("projections", "not measured here");
        for row in &table.rows {
            let text: Vec<&str> = row.iter().map(|text| text.text.as_str()).collect();
            page.wrapped("· ", 2, &text.join(": "));
        }
    }
    page.out.push('\n');
    page.wrapped("", 0, &format!("record  {}/record.json, with all {} figures", record.run_id, record.metrics.len()));
    page.out
}

/// A comparison as console text; `is_full` shows every metric.
#[must_use]
pub fn comparison(found: &Comparison, is_full: bool, width: Width, color: Color) -> String {
    let mut page = Page { out: String::new(), width: width.0, color };
    page.heading("weighbridge compare", found.verdict().name());
    page.table(&view::comparison::sides(found));
    if let Some(table) = view::comparison::mismatches(found) {
        page.out.push('\n');
        page.table(&table);
    }
    let extent = if is_full { Extent::Full } else { Extent::Brief };
    for contrast in &found.contrasts {
        let part = view::comparison::contrast(found, contrast, extent);
        page.heading(&part.title, "");
        if let Some((verdict, because)) = &part.lead {
            let painted = format!("{}: ", page.paint(&verdict.text, verdict.tone));
            page.wrapped(&painted, verdict.text.width() + 2, because);
        }
        for table in &part.tables {
            page.out.push('\n');
            page.table(table);
        }
    }
    page.out.push('\n');
    for note in &found.notes {
        page.wrapped("! ", 2, note);
    }
    page.wrapped("", 0, &view::comparison::rule(found));
    page.out
}

/// A history as console text; `is_full` shows metrics that did not move as well.
#[must_use]
pub fn history(found: &History, is_full: bool, width: Width, color: Color) -> String {
    let mut page = Page { out: String::new(), width: width.0, color };
    page.heading("weighbridge history", &format!("{} runs alike", found.runs.len()));
    let changes = view::history::changes(found);
    if changes.rows.is_empty() {
        page.line("  no metric moved and stayed, as far as both detectors see");
    } else {
        page.table(&changes);
    }
    if is_full {
        page.heading("where metrics stand", "");
        page.table(&view::history::courses(found));
    }
    page.out.push('\n');
    for note in &found.notes {
        page.wrapped("! ", 2, note);
    }
    page.out
}

/// A memory profile as console text.
#[must_use]
pub fn memory_profile(profile: &MemoryProfile, width: Width, color: Color) -> String {
    let mut page = Page { out: String::new(), width: width.0, color };
    let verdict = view::memory_profile::verdict(profile);
    page.heading("weighbridge memory-profile", &verdict.text);
    page.facts(&view::memory_profile::facts(profile));
    page.table(&view::memory_profile::cycles(profile));
    page.out.push('\n');
    let painted = format!("{}: ", page.paint(&verdict.text, verdict.tone));
    page.wrapped(&painted, verdict.text.width() + 2, &profile.verdict.reason);
    page.facts(&view::memory_profile::figures(profile));
    if let Some(warning) = view::memory_profile::warning(profile) {
        page.wrapped("! ", 2, &warning);
    }
    match view::memory_profile::sites(profile) {
        Ok(sites) => {
            page.out.push('\n');
            page.table(&sites);
        }
        Err(Some(why)) => page.wrapped("! ", 2, &format!("where it was asked for is not known: {why}")),
        Err(None) => {}
    }
    for note in &profile.notes {
        page.wrapped("! ", 2, note);
    }
    page.wrapped("", 0, &view::memory_profile::rule(profile));
    page.out
}

/// Results of `performance-benchmark` as console text.
#[must_use]
pub fn performance_results(found: view::performance::Results<'_>, width: Width, color: Color) -> String {
    let mut page = Page { out: String::new(), width: width.0, color };
    page.heading(found.title, "");
    page.facts(&view::performance::facts(found.results));
    page.table(&view::performance::results(found.results));
    for table in found.results.iter().filter_map(view::performance::levels) {
        page.out.push('\n');
        page.table(&table);
    }
    if let Some(table) = view::performance::targets(found.targets) {
        page.heading("targets", "");
        page.table(&table);
    }
    page.out.push('\n');
    for note in found.results.iter().flat_map(|result| &result.notes) {
        page.wrapped("! ", 2, note);
    }
    page.out
}

/// A comparison of results of `performance-benchmark` as console text.
#[must_use]
pub fn performance_comparison(found: &ResultsComparison, width: Width, color: Color) -> String {
    let mut page = Page { out: String::new(), width: width.0, color };
    page.heading("weighbridge performance-benchmark compare", "");
    let summary = view::performance::summary(found);
    let summary = page.paint(&summary.text, summary.tone);
    page.line(&format!("{:INDENT$}{summary}", ""));
    page.out.push('\n');
    page.table(&view::performance::changes(found));
    page.out.push('\n');
    for note in &found.notes {
        page.wrapped("! ", 2, note);
    }
    page.out
}

/// Text that a terminal shows as it is: control characters and direction marks could forge what stands around them.
pub(crate) fn sanitize(text: &str) -> String {
    let is_forging = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_forging(c) { '\u{fffd}' } else { c }).collect()
}

struct Page {
    out: String,
    width: usize,
    color: Color,
}

impl Page {
    fn paint(&self, text: &str, tone: Tone) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Strong => "1",
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Doubt => "33",
            Tone::Faint => "2",
        };
        match self.color {
            Color::Never => text.to_owned(),
            Color::Always => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn heading(&mut self, title: &str, aside: &str) {
        let title = sanitize(title);
        let aside = sanitize(aside);
        let room = self.width.saturating_sub(title.width());
        let line = if aside.width() + GAP <= room {
            format!("{}{aside:>room$}", self.paint(&title, Tone::Strong))
        } else {
            format!("{}  {aside}", self.paint(&title, Tone::Strong))
        };
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.line(&line);
    }

    fn facts(&mut self, facts: &[(&str, String)]) {
        let label_width = facts.iter().map(|(label, _)| label.width()).max().unwrap_or(0) + GAP;
        for (label, text) in facts {
            let label = self.paint(&format!("{label:label_width$}"), Tone::Faint);
            self.wrapped(&label, label_width, text);
        }
        self.out.push('\n');
    }

    /// A first word or mark with wrapped text beside it.
    fn wrapped(&mut self, label: &str, label_width: usize, text: &str) {
        let room = self.width.saturating_sub(INDENT + label_width).max(20);
        let mut lead = label.to_owned();
        for line in wrap(&sanitize(text), room) {
            self.line(&format!("{:INDENT$}{lead}{line}", ""));
            lead = " ".repeat(label_width);
        }
    }

    fn section(&mut self, section: &Section<'_>) {
        self.heading(&section.title, &section.summary);
        for check in section.checks {
            let (mark, tone) = match check.passed {
                Some(true) => ("✓", Tone::Good),
                Some(false) => ("✗", Tone::Bad),
                None => ("?", Tone::Doubt),
            };
            let name_width = section.checks.iter().map(|check| check.name.width()).max().unwrap_or(0).min(28);
            let lead = format!("{} {:name_width$}  ", self.paint(mark, tone), sanitize(&check.name));
            self.wrapped(&lead, name_width + 4, &check.evidence);
        }
        let is_wide = self.width >= DETAIL_WIDTH;
        let tables = section.tables.iter().filter(|table| is_wide || !table.is_detail);
        for (index, table) in tables.enumerate() {
            if index > 0 || !section.checks.is_empty() {
                self.out.push('\n');
            }
            self.table(table);
        }
        for note in &section.notes {
            self.wrapped("! ", 2, note);
        }
    }

    fn table(&mut self, table: &Table) {
        if !table.caption.is_empty() {
            let caption = self.paint(&table.caption, Tone::Faint);
            self.line(&format!("{:INDENT$}{caption}", ""));
        }
        let widths = column_widths(table);
        for (index, block) in blocks(&table.columns, &widths, self.width).into_iter().enumerate() {
            if index > 0 {
                self.out.push('\n');
            }
            let head: Vec<Text> =
                table.columns.iter().map(|column| Text::new(column.heading.clone(), Tone::Faint)).collect();
            self.row(table, &head, &block, &widths);
            for row in &table.rows {
                self.row(table, row, &block, &widths);
            }
        }
        for (index, note) in table.notes.iter().enumerate() {
            let mark = format!("{} ", superscript(index + 1));
            self.wrapped(&mark, mark.width(), note);
        }
        for remark in &table.remarks {
            self.wrapped("", 0, remark);
        }
    }

    fn row(&mut self, table: &Table, row: &[Text], block: &[usize], widths: &[usize]) {
        let mut line = " ".repeat(INDENT);
        for (position, &index) in block.iter().enumerate() {
            if position > 0 {
                line.push_str(&" ".repeat(GAP));
            }
            let text = sanitize(&row[index].text);
            let is_last = position + 1 == block.len();
            let align = table.columns[index].align;
            let text = if is_last && align == Align::Left { shorten(&text, self.width, &line) } else { text };
            let padding = " ".repeat(widths[index].saturating_sub(text.width()));
            let painted = self.paint(&text, row[index].tone);
            line.push_str(&match align {
                Align::Left => format!("{painted}{padding}"),
                Align::Right => format!("{padding}{painted}"),
            });
        }
        self.line(&line);
    }

    fn targets(&mut self, record: &Record) {
        let targets = view::targets(record);
        if targets.is_empty() {
            return;
        }
        self.heading("targets", "the interval decides, not the point");
        let longest = targets.iter().map(|line| line.verdict.text.len()).max().unwrap_or_default();
        let width = 8.max(longest + 1);
        for line in targets {
            let word = self.paint(&format!("{:width$}", line.verdict.text), line.verdict.tone);
            let name = &line.name;
            self.wrapped(
                &word,
                width,
                &format!("{name}: {}, observed {}; {}", line.limit, line.observed, line.because),
            );
        }
    }

    fn findings(&mut self, record: &Record) {
        for group in view::findings(record) {
            self.heading(&group.title.to_lowercase(), "");
            for finding in group.findings {
                self.wrapped("· ", 2, &finding_text(finding));
            }
        }
    }
}

/// The statement, led by priority and impact where it has them.
pub(crate) fn finding_text(finding: &weighbridge_types::record::Finding) -> String {
    let impact = finding.impact.as_ref().map(|impact| format!("{impact} impact"));
    let marks: Vec<String> = finding.priority.clone().into_iter().chain(impact).collect();
    if marks.is_empty() { finding.text.clone() } else { format!("{} ({})", finding.text, marks.join(", ")) }
}

fn column_widths(table: &Table) -> Vec<usize> {
    let of_column = |(index, column): (usize, &Column)| {
        let cells = table.rows.iter().map(|row| sanitize(&row[index].text).width());
        cells.chain([column.heading.width()]).max().unwrap_or(0)
    };
    table.columns.iter().enumerate().map(of_column).collect()
}

/// Splits the columns into blocks that fit; each block repeats the first column.
fn blocks(columns: &[Column], widths: &[usize], width: usize) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (index, column) in columns.iter().enumerate().skip(1) {
        match groups.last_mut() {
            Some(group) if column.attached => group.push(index),
            _ => groups.push(vec![index]),
        }
    }
    let label_width = INDENT + widths.first().copied().unwrap_or(0);
    let mut blocks: Vec<Vec<usize>> = Vec::new();
    let mut used = usize::MAX;
    for group in groups {
        let need: usize = group.iter().map(|&index| widths[index] + GAP).sum();
        // The last column of words may be shortened, so it does not open a block of its own.
        let is_words = group.iter().all(|&index| columns[index].align == Align::Left);
        match blocks.last_mut() {
            Some(block) if used.saturating_add(need) <= width || is_words => {
                used = used.saturating_add(need);
                block.extend(group);
            }
            _ => {
                used = label_width + need;
                blocks.push([0].into_iter().chain(group).collect());
            }
        }
    }
    blocks
}

/// Cuts the last text of a line to the width, with an ellipsis.
fn shorten(text: &str, width: usize, line: &str) -> String {
    let used = visible_width(line);
    if used + text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        if used + kept.width() + 2 > width {
            break;
        }
        kept.push(c);
    }
    format!("{}…", kept.trim_end())
}

/// Width without escape sequences, which all end in `m`.
fn visible_width(line: &str) -> usize {
    let mut width = 0;
    for (index, piece) in line.split('\u{1b}').enumerate() {
        let shown = if index == 0 { piece } else { piece.split_once('m').map_or("", |(_, rest)| rest) };
        width += shown.width();
    }
    width
}

/// Breaks text at spaces into lines of at most `room` columns; a longer word stays whole.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line_width = lines.last().map_or(0, |line| line.width());
        match lines.last_mut() {
            Some(line) if line_width == 0 => line.push_str(word),
            Some(line) if line_width + 1 + word.width() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_wraps_at_spaces() {
        let check = |text: &str, expected: &[&str]| assert_eq!(wrap(text, 8), expected);
        check("", &[""]);
        check("one two three", &["one two", "three"]);
        check("immeasurably long", &["immeasurably", "long"]);
    }

    #[test]
    fn control_characters_are_shown_as_such() {
        assert_eq!(sanitize("a\u{1b}[31mb\n\u{202e}c"), "a\u{fffd}[31mb\u{fffd}\u{fffd}c");
    }

    #[test]
    fn wide_tables_split_and_repeat_their_labels() {
        let columns = vec![
            Column::words(""),
            Column::numbers("a"),
            Column::numbers("CV").attached(),
            Column::numbers("b"),
            Column::numbers("CV").attached(),
        ];
        let check = |width, expected: &[&[usize]]| assert_eq!(blocks(&columns, &[10, 10, 4, 10, 4], width), expected);
        check(80, &[&[0, 1, 2, 3, 4]]);
        check(40, &[&[0, 1, 2], &[0, 3, 4]]);
    }
}
