//! The pages of results of `performance-benchmark`, and of their changes.

use maud::{Markup, html};
use weighbridge_types::performance::ResultsComparison;

use super::{badge, data_table, shell};
use crate::view::Table;
use crate::view::performance::{self as view, Results};

fn generator() -> String {
    format!("weighbridge {}", env!("CARGO_PKG_VERSION"))
}

/// The page of results: every figure, and the targets.
#[must_use]
pub fn performance_results(found: Results<'_>) -> String {
    let body = html! {
        header {
            h1 { (found.title) }
            dl.facts { @for (label, text) in view::facts(found.results) { dt { (label) } dd { (text) } } }
        }
        main {
            section #results { h2 { "Results" } (data_table(&view::results(found.results), "")) (levels(found)) }
            @if let Some(table) = view::targets(found.targets) {
                section #targets { h2 { "Targets" } (data_table(&table, "")) }
            }
            @let notes: Vec<&String> = found.results.iter().flat_map(|result| &result.notes).collect();
            @if !notes.is_empty() { section #notes { h2 { "Notes" } @for note in notes { p.note { (note) } } } }
        }
        footer {
            @for result in found.results {
                @if let Some(record) = &result.record { p { "Every request of " (result.name()) ": " (record) } }
            }
        }
    };
    shell(found.title, &generator(), &body)
}

fn levels(found: Results<'_>) -> Markup {
    let tables: Vec<Table> = found.results.iter().filter_map(view::levels).collect();
    html! { @for table in &tables { (data_table(table, "")) } }
}

/// The page of a comparison of results.
#[must_use]
pub fn performance_comparison(found: &ResultsComparison) -> String {
    let title = "Performance comparison";
    let body = html! {
        header {
            h1 { (title) }
            p { (badge(&view::summary(found))) " Changes up to " (found.threshold_percent) " % count as none." }
            @for note in &found.notes { p.note { (note) } }
        }
        main { section #figures { h2 { "Figures" } (data_table(&view::changes(found), "")) } }
    };
    shell(title, &generator(), &body)
}
