//! The page of a history: a chart for each metric.

use maud::html;
use weighbridge_types::history::History;

use super::{data_table, shell};
use crate::chart::course_chart;
use crate::view::history::{changes, courses};

/// The page of a history.
#[must_use]
pub fn history(found: &History) -> String {
    let title = format!("History of {} runs", found.runs.len());
    let changes = changes(found);
    let charts: Vec<_> =
        found.courses.iter().enumerate().filter_map(|(place, course)| course_chart(found, course, place)).collect();
    let body = html! {
        header {
            h1 { (title) }
            @if let (Some(first), Some(last)) = (found.runs.first(), found.runs.last()) {
                p.lead { "From " (first.created_at) " (" code { (first.run_id) } ") to " (last.created_at) " (" code { (last.run_id) } ")." }
            }
            @for note in &found.notes { p.note { (note) } }
        }
        main {
            section #changes {
                h2 { "Where levels moved" }
                @if changes.rows.is_empty() { p { "No metric moved and stayed, as far as both detectors see." } }
                @else { (data_table(&changes, "")) }
            }
            section #courses {
                h2 { "Where metrics stand" }
                (data_table(&courses(found), ""))
            }
            section #charts {
                h2 { "From run to run" }
                div.charts { @for chart in &charts { (chart.render()) } }
            }
        }
        footer {
            p {
                "A level moved where a detector of means (energy distance and Welch's t) and one of ranks (Pettitt) agree within four "
                "runs. The latest five runs can show no change yet. Noise: deviation of single runs around the level."
            }
        }
    };
    shell(&title, &format!("weighbridge {}", env!("CARGO_PKG_VERSION")), &body)
}
