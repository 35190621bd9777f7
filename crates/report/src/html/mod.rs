//! One self-contained HTML page: no network, no script, readable in print, on a phone, in the light and in the dark.

mod comparison;
mod evaluation;
mod history;
mod numbers;
mod performance;
mod stream;
mod summary;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};
use weighbridge_summary::Rows;
use weighbridge_types::base64::base64;
use weighbridge_types::record::{Phase, Record};

use crate::chart::{self, Chart};
use crate::view::{self, Align, Section, Table, Text, Tone, superscript};

const STYLE: &str = include_str!("style.css");

pub use crate::chart::{LoadReading, LoadTraces};
pub use comparison::comparison;
pub use history::history;
pub use performance::{performance_comparison, performance_results};

/// The page of a run. With the rows of the event log the charts show every value; without them they show the record.
///
/// All text of the record is escaped. The page forbids itself everything but its own style sheet, so that a name that
/// slipped through could still load and run nothing.
#[must_use]
pub fn render(record: &Record, rows: Option<&Rows>) -> String {
    let has_load = record.phase(Phase::Load).is_some();
    let traces = rows.filter(|_| has_load).and_then(|rows| LoadTraces::of(record, rows));
    page(record, Log { rows, traces: traces.as_ref() })
}

/// The page of a load run whose log is too long to hold: what two readings of it, row by row, left.
#[must_use]
pub fn render_load(record: &Record, traces: &LoadTraces) -> String {
    page(record, Log { rows: None, traces: Some(traces) })
}

/// What is at hand of the event log.
#[derive(Clone, Copy)]
struct Log<'a> {
    rows: Option<&'a Rows>,
    traces: Option<&'a LoadTraces>,
}

fn page(record: &Record, log: Log<'_>) -> String {
    let title = format!("{}, {}", view::title(record), record.created_at.get(..10).unwrap_or_default());
    let sections: Vec<Section<'_>> = Phase::ALL.into_iter().filter_map(|phase| view::section(record, phase)).collect();
    let body = html! {
        (summary::head(record, &title))
        main {
            (summary::summary(record))
            @for section in &sections { (phase(section, record, log)) }
            @if let Some(table) = view::projections(record) {
                section #projections {
                    h2 { "Projections" }
                    p.soft { "Not measured here: projected by stated factors, or published elsewhere." }
                    (data_table(&table, ""))
                }
            }
            (numbers::environment(record))
            (numbers::every_number(record))
            (numbers::definitions(record))
        }
        (numbers::footer(record))
    };
    shell(&title, &format!("weighbridge {}", record.environment.build.version), &body)
}

/// A whole page, which may load and run nothing but its own style sheet.
fn shell(title: &str, generator: &str, body: &Markup) -> String {
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        base64(&Sha256::digest(STYLE))
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(generator);
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

fn phase(section: &Section<'_>, record: &Record, log: Log<'_>) -> Markup {
    let charts: Vec<Chart> = match section.phase {
        Phase::Validate | Phase::Evaluate => Vec::new(),
        Phase::Stream => chart::stream_charts(log.rows),
        Phase::Load => chart::load_run_charts(record, log.traces),
        Phase::Latency => chart::distributions(record, log.rows),
        Phase::Memory => chart::memory_charts(record, log.rows),
        Phase::Throughput => chart::load_charts(record),
        Phase::Quality => chart::tradeoffs(record).into_iter().chain(chart::task_chart(record)).collect(),
    };
    html! {
        section id=(section.phase.name()) {
            h2 { (capitalized(&section.title)) }
            p.soft { (section.summary) }
            @for note in &section.notes { p.note { (note) } }
            @if !section.checks.is_empty() { (checks(section)) }
            @if !charts.is_empty() { div.charts { @for chart in &charts { (chart.render()) } } }
            @if section.phase == Phase::Memory && charts.is_empty() {
                p.note { "Memory over time needs the event log, which was not at hand." }
            }
            @if section.phase == Phase::Load && log.traces.is_none() {
                p.note { "Charts over time need the event log, which was not at hand." }
            }
            @for table in &section.tables { (data_table(table, "")) }
            @if section.phase == Phase::Evaluate { (evaluation::exhibits(log.rows)) }
            @if section.phase == Phase::Stream { (stream::incidents(log.rows)) }
        }
    }
}

fn checks(section: &Section<'_>) -> Markup {
    html! {
        ul.checks {
            @for check in section.checks {
                @let (mark, word, tone) = match check.passed {
                    Some(true) => ("✓", "holds", "good"),
                    Some(false) => ("✗", "does not hold", "bad"),
                    None => ("?", "undecided", "doubt"),
                };
                li {
                    span.(tone) role="img" aria-label=(word) { (mark) }
                    span { strong { (check.name) } ": " (check.evidence) }
                }
            }
        }
    }
}

/// A table in a frame that scrolls sideways where the screen is narrow.
fn data_table(table: &Table, class: &str) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(if table.caption.is_empty() { "Table" } else { &table.caption }) {
            table class=[(!class.is_empty()).then_some(class)] {
                @if !table.caption.is_empty() { caption { (table.caption) } }
                thead { tr {
                    @for column in &table.columns {
                        th scope="col" class=[(column.align == Align::Right).then_some("number")] { (column.heading) }
                    }
                } }
                tbody { @for row in &table.rows { tr {
                    @for (index, (text, column)) in row.iter().zip(&table.columns).enumerate() {
                        @let class = cell_class(text, column.align);
                        @if index == 0 { th scope="row" class=[class] { (text.text) } }
                        @else { td class=[class] { (text.text) } }
                    }
                } } }
            }
        }
        @for (index, note) in table.notes.iter().enumerate() { p.note { (superscript(index + 1)) " " (note) } }
        @for remark in &table.remarks { p.note { (remark) } }
    }
}

fn cell_class(text: &Text, align: Align) -> Option<String> {
    let tone = tone_class(text.tone);
    let number = if align == Align::Right { "number" } else { "" };
    let class = format!("{number} {tone}");
    let class = class.trim();
    (!class.is_empty()).then(|| class.to_owned())
}

const fn tone_class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "",
        Tone::Strong => "strong",
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Doubt => "doubt",
        Tone::Faint => "faint",
    }
}

/// A word in a colored box.
fn badge(text: &Text) -> Markup {
    html! { span class=(format!("badge {}", tone_class(text.tone)).trim()) { (text.text) } }
}

/// `2 latency` → `2 Latency`.
fn capitalized(title: &str) -> String {
    let mut is_first = true;
    title
        .chars()
        .map(|c| {
            let starts = is_first && c.is_alphabetic();
            is_first &= !starts;
            if starts { c.to_ascii_uppercase() } else { c }
        })
        .collect()
}
