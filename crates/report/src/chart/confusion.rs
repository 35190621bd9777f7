//! Truth against answer as a map whose cells are shaded by their share of the row.

use maud::html;
use weighbridge_types::exhibit::Confusion;

use super::{Chart, LETTER, WIDTH, px};
use crate::number;

/// Up to this many labels the cells hold their counts; more cells are too small, and only pointing at them tells.
const MOST_WITH_COUNTS: usize = 12;
/// Longest label that is written out.
const LONGEST: usize = 16;
/// Height of a cell with a count in it, and of one without.
const ROW: f64 = 24.0;
const SMALL_ROW: f64 = 14.0;

/// The map of one task.
pub(crate) fn confusion_chart(confusion: &Confusion, index: usize) -> Option<Chart> {
    let has_strays = confusion.counts.iter().any(|row| row.last().is_some_and(|stray| *stray > 0.0));
    let columns = confusion.labels.len() + usize::from(has_strays);
    if confusion.labels.is_empty() || confusion.counts.len() != confusion.labels.len() {
        return None;
    }
    let names: Vec<String> = confusion.labels.iter().map(|label| shortened(label)).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let is_small = confusion.labels.len() > MOST_WITH_COUNTS;
    let row_height = if is_small { SMALL_ROW } else { ROW };
    let left = 26.0 + LETTER * longest as f64;
    let width = (WIDTH - left - 8.0) / columns as f64;
    // Heads stand upright where they would meet their neighbours.
    let longest_head = if has_strays { longest.max(NO_LABEL.len()) } else { longest };
    let is_upright = LETTER * longest_head as f64 + 6.0 > width;
    let top = 22.0 + if is_upright { LETTER * longest_head as f64 } else { 14.0 };
    let heads = names.iter().map(String::as_str).chain(has_strays.then_some(NO_LABEL));
    let head = |at: usize| left + width * (at as f64 + 0.5);
    let said = |truth: usize, answer: usize, count: f64| {
        let answer = confusion.labels.get(answer).map_or(NO_LABEL, String::as_str);
        format!("truth {}, answer {answer}: {}", confusion.labels[truth], plain(count))
    };
    let described = most_confused(confusion).map_or_else(
        || "Every answer is right".to_owned(),
        |(truth, answer, count)| format!("Most frequent mistake: {}", said(truth, answer, count)),
    );
    Some(Chart {
        id: format!("confusion-{index}"),
        title: "Truth by row, answer by column".to_owned(),
        description: described,
        height: top + row_height * confusion.labels.len() as f64 + 8.0,
        marks: html! {
            text.label x=(px(left + width * columns as f64 / 2.0)) y="11" text-anchor="middle" { "answer" }
            text.label x="0" y="0" text-anchor="middle"
                transform=(format!("translate(11 {}) rotate(-90)", px(top + row_height * names.len() as f64 / 2.0))) { "truth" }
            @for (at, name) in heads.enumerate() {
                @if is_upright {
                    text.tick x="0" y="0" text-anchor="start"
                        transform=(format!("translate({} {}) rotate(-90)", px(head(at) + 4.0), px(top - 5.0))) { (name) }
                } @else {
                    text.tick x=(px(head(at))) y=(px(top - 6.0)) text-anchor="middle" { (name) }
                }
            }
            @for (truth, row) in confusion.counts.iter().enumerate() {
                @let sum = row.iter().sum::<f64>();
                @let y = top + row_height * truth as f64;
                text.tick x=(px(left - 5.0)) y=(px(y + row_height / 2.0 + 4.0)) text-anchor="end" { (names[truth]) }
                @for (answer, &count) in row.iter().enumerate().take(columns) {
                    @let x = left + width * answer as f64;
                    @let share = if sum > 0.0 { count / sum } else { 0.0 };
                    rect.cell.(if truth == answer { "right" } else { "wrong" }) x=(px(x + 0.5)) y=(px(y + 0.5))
                        width=(px(width - 1.0)) height=(px(row_height - 1.0)) fill-opacity=(format!("{:.2}", 0.04 + 0.66 * share)) {
                        title { (said(truth, answer, count)) }
                    }
                    @if !is_small && count > 0.0 {
                        text.count x=(px(x + width / 2.0)) y=(px(y + row_height / 2.0 + 4.0)) text-anchor="middle" { (plain(count)) }
                    }
                }
            }
        },
    })
}

const NO_LABEL: &str = "no label";

/// The wrong cell that holds most.
fn most_confused(confusion: &Confusion) -> Option<(usize, usize, f64)> {
    let cells = confusion
        .counts
        .iter()
        .enumerate()
        .flat_map(|(truth, row)| row.iter().enumerate().map(move |(answer, &count)| (truth, answer, count)));
    let wrong = cells.filter(|(truth, answer, count)| truth != answer && *count > 0.0);
    wrong.reduce(|most, cell| if cell.2 > most.2 { cell } else { most })
}

fn plain(count: f64) -> String {
    if count.fract() == 0.0 { format!("{count}") } else { number::significant(count, 3) }
}

fn shortened(label: &str) -> String {
    match label.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &label[..end]),
        None => label.to_owned(),
    }
}
