//! The page of a comparison.

use maud::{Markup, html};
use weighbridge_types::comparison::{ComparedMetric, Comparison, Contrast, Shape, Verdict};

use super::{badge, data_table, shell};
use crate::chart;
use crate::view::Text;
use crate::view::comparison::{Extent, contrast, mismatches, rule, sides};

/// Distributions that are drawn of a candidate at most: a page with hundreds of charts is read by nobody.
const MOST_SHAPES: usize = 12;

/// The page of a comparison: every metric, with the distributions of those that the verdict rests on first.
#[must_use]
pub fn comparison(found: &Comparison) -> String {
    let names: Vec<&str> = found.sides.iter().map(|side| side.name.as_str()).collect();
    let title = format!("Comparison of {}: {}", names.join(", "), found.verdict());
    let body = html! {
        header {
            h1 { (title) }
            (data_table(&sides(found), ""))
            @if let Some(table) = mismatches(found) { (data_table(&table, "")) }
            @for note in &found.notes { p.note { (note) } }
        }
        main {
            @for (place, of) in found.contrasts.iter().enumerate() { (candidate(found, of, place)) }
        }
        footer {
            p { (rule(found)) }
            @for (place, side) in found.sides.iter().enumerate() {
                p { (if place == 0 { "Baseline " } else { "Candidate " }) (side.name) ": " (side.runs.join(", ")) "." }
            }
        }
    };
    shell(&title, &format!("weighbridge {}", env!("CARGO_PKG_VERSION")), &body)
}

fn candidate(found: &Comparison, of: &Contrast, place: usize) -> Markup {
    let part = contrast(found, of, Extent::Full);
    let of_shape = |shape: &&Shape, is_wanted: fn(&ComparedMetric) -> bool| {
        let is_its_own =
            |row: &ComparedMetric| row.cell == shape.cell && row.key.split('.').next() == Some(&shape.name);
        of.rows.iter().any(|row| is_its_own(row) && is_wanted(row))
    };
    let is_changed = |row: &ComparedMetric| matches!(row.verdict, Some(Verdict::Worse | Verdict::Better));
    let mut shapes: Vec<&Shape> =
        of.shapes.iter().filter(|shape| of_shape(shape, |row| row.gating) || of_shape(shape, is_changed)).collect();
    shapes.sort_by_key(|shape| !of_shape(shape, |row| row.gating));
    let left_out = of.shapes.len() - shapes.len().min(MOST_SHAPES);
    shapes.truncate(MOST_SHAPES);
    let baseline = found.sides.first().map_or("", |side| side.name.as_str());
    let charts = shapes.iter().enumerate().flat_map(|(index, shape)| {
        chart::shift_charts(shape, (baseline, &of.candidate), &format!("shape-{place}-{index}"))
    });
    let charts: Vec<chart::Chart> = charts.collect();
    let (gating, others) = part.tables.split_at(part.tables.len().min(1));
    html! {
        section id=(format!("candidate-{place}")) {
            h2 { (part.title) }
            @if let Some((verdict, because)) = &part.lead {
                p { (badge(&Text::new(verdict.text.clone(), verdict.tone))) " " (because) }
            }
            @for table in gating { (data_table(table, "")) }
            @if !charts.is_empty() {
                p.soft { "Percentiles of the requests, each the median over the runs of its side." }
                div.charts { @for chart in &charts { (chart.render()) } }
            }
            @if left_out > 0 { p.note { (left_out) " further distributions, unchanged or less important, are in the JSON form." } }
            @for table in others { (data_table(table, "")) }
        }
    }
}
