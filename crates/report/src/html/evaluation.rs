//! What an evaluation shows beside its figures: curves, truth against answer, and failures to read.

use maud::{Markup, html};
use weighbridge_summary::Rows;
use weighbridge_types::exhibit::{Exhibit, Failure};
use weighbridge_types::sample::SampleOutcome;

use crate::chart::{Chart, confusion_chart, curve_charts};

/// Tasks whose charts stand on the page; failures are shown of all.
const MOST_TASKS: usize = 24;

/// What the log shows of each task.
pub(super) fn exhibits(rows: Option<&Rows>) -> Markup {
    let Some(rows) = rows else {
        return html! { p.note { "Curves, tables of labels and failures need the event log, which was not at hand." } };
    };
    html! {
        @for (index, exhibit) in rows.exhibits.iter().enumerate() {
            @let charts = if index < MOST_TASKS { charts(exhibit, index) } else { Vec::new() };
            @if !charts.is_empty() {
                @if let Some(task) = exhibit.cell.get("task") { h3 { (task) } }
                div.charts { @for chart in &charts { (chart.render()) } }
            }
        }
        @if rows.exhibits.len() > MOST_TASKS {
            p.note { "Charts of the first " (MOST_TASKS) " of " (rows.exhibits.len()) " tasks." }
        }
        (failures(&rows.exhibits))
    }
}

fn charts(exhibit: &Exhibit, index: usize) -> Vec<Chart> {
    let table = exhibit.confusion.as_ref().and_then(|confusion| confusion_chart(confusion, index));
    table.into_iter().chain(curve_charts(exhibit, index)).collect()
}

/// Failures by task and class, each closed until it is asked for.
fn failures(exhibits: &[Exhibit]) -> Markup {
    let shown: usize = exhibits.iter().map(|exhibit| exhibit.failures.len()).sum();
    let failed: u64 = exhibits.iter().map(|exhibit| exhibit.failed).sum();
    html! {
        @if shown > 0 {
            h3 #failures { "Failures" }
            p.soft {
                (shown) " of " (failed) " samples that were not answered right, of each class chosen by the hash of their id."
            }
            @for exhibit in exhibits {
                @for outcome in SampleOutcome::ALL {
                    @let of_class: Vec<&Failure> = exhibit.failures.iter().filter(|of| of.outcome == outcome).collect();
                    @if !of_class.is_empty() {
                        details.failures {
                            summary {
                                @if let Some(task) = exhibit.cell.get("task") { (task) ", " }
                                (words(outcome)) ": " (of_class.len())
                            }
                            @for failure in of_class { (one(failure)) }
                        }
                    }
                }
            }
        }
    }
}

fn one(failure: &Failure) -> Markup {
    let parts =
        [("prompt", &failure.prompt), ("target", &failure.target), ("answer", &failure.answer), ("why", &failure.why)];
    html! {
        article.failure {
            h4 { (failure.id) }
            dl {
                @for (name, text) in parts {
                    @if let Some(text) = text { dt { (name) } dd { pre { (text) } } }
                }
            }
        }
    }
}

const fn words(outcome: SampleOutcome) -> &'static str {
    match outcome {
        SampleOutcome::Right => "right",
        SampleOutcome::Wrong => "wrong",
        SampleOutcome::Answered => "answered",
        SampleOutcome::Unparsable => "no answer found in the text",
        SampleOutcome::Refused => "refused",
        SampleOutcome::Truncated => "cut off",
        SampleOutcome::TimedOut => "timed out",
        SampleOutcome::ServerError => "server error",
    }
}
