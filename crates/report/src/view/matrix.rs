//! Tables of metrics: one per figure and setting, marks for what must be known.

use std::cmp::Ordering;

use weighbridge_types::definition::{self, Definition};
use weighbridge_types::metric::{Cell, Flag, Metric, Provenance, Statistic};
use weighbridge_types::record::{Phase, Record};

use super::{Column, Notes, Table, Text, Tone};
use crate::number::{self, Scale};

/// Settings whose value says enough without their name.
const PLAIN_SETTINGS: [&str; 10] =
    ["concurrency", "rate", "arrivals", "task", "variant", "projection", "label", "average", "outcome", "route"];

/// A statistic of a metric that a table shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measure {
    /// The metric.
    pub(crate) definition: &'static Definition,
    /// The statistics, best first: the first that the record holds is shown.
    pub(crate) statistics: &'static [Statistic],
    /// Its heading.
    pub(crate) heading: &'static str,
}

impl Measure {
    /// The mean, or the single value, of a metric.
    pub(crate) const fn typical(definition: &'static Definition, heading: &'static str) -> Self {
        Self { definition, statistics: &[Statistic::Mean, Statistic::Value], heading }
    }

    /// One percentile.
    pub(crate) const fn at(
        definition: &'static Definition,
        statistics: &'static [Statistic],
        heading: &'static str,
    ) -> Self {
        Self { definition, statistics, heading }
    }

    /// The metric of a cell.
    pub(crate) fn find<'a>(&self, record: &'a Record, cell: &Cell) -> Option<&'a Metric> {
        let of_cell = |metric: &&Metric| metric.name == self.definition.name && metric.cell == *cell;
        self.statistics.iter().find_map(|statistic| {
            record.metrics.iter().find(|metric| of_cell(metric) && metric.statistic == *statistic)
        })
    }

    /// The scale that suits every cell.
    pub(crate) fn scale(&self, record: &Record, cells: &[Cell]) -> Scale {
        let values = cells.iter().filter_map(|cell| self.find(record, cell)?.value);
        Scale::of(self.definition.unit, values.fold(0.0, |largest, value| value.abs().max(largest)))
    }

    /// Heading and unit: `TTFT, ms`; the unit alone where it says it all.
    pub(crate) fn title(&self, scale: &Scale) -> String {
        match (self.heading, scale.unit.as_str()) {
            ("", unit) => unit.to_owned(),
            (heading, "tokens/s") => format!("{heading}, tok/s"),
            (heading, "" | "requests" | "instances" | "samples" | "coefficient" | "cost") => heading.to_owned(),
            (heading, unit) => format!("{heading}, {unit}"),
        }
    }
}

/// The cells of a phase that hold one of the measures, in ascending order.
pub(crate) fn cells_with(record: &Record, phase: Phase, measures: &[Measure]) -> Vec<Cell> {
    cells(record, phase, |metric| measures.iter().any(|measure| measure.definition.name == metric.name))
}

/// The cells of a phase that hold a metric of this name, in ascending order.
pub(crate) fn cells_with_any(record: &Record, phase: Phase, name: &str) -> Vec<Cell> {
    cells(record, phase, |metric| metric.name == name)
}

fn cells(record: &Record, phase: Phase, is_shown: impl Fn(&Metric) -> bool) -> Vec<Cell> {
    let mut cells: Vec<Cell> = Vec::new();
    for metric in record.metrics_of(phase).filter(|metric| is_shown(metric)) {
        if !cells.contains(&metric.cell) {
            cells.push(metric.cell.clone());
        }
    }
    cells.sort_by(compare_cells);
    cells
}

/// The order of cells: setting by setting, numbers by size.
pub(crate) fn compare_cells(a: &Cell, b: &Cell) -> Ordering {
    let keys = |cell: &Cell| cell.iter().map(|(key, _)| key.to_owned()).collect::<Vec<_>>();
    let compare = |key: &str| {
        let (left, right) = (a.get(key).unwrap_or_default(), b.get(key).unwrap_or_default());
        match (left.parse::<f64>(), right.parse::<f64>()) {
            (Ok(left), Ok(right)) => left.total_cmp(&right),
            _ => left.cmp(right),
        }
    };
    keys(a)
        .cmp(&keys(b))
        .then_with(|| keys(a).iter().map(|key| compare(key)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal))
}

/// A cell for people: `128/64`, `4`, `run=2`; empty for a phase as a whole.
pub(crate) fn cell_label(cell: &Cell) -> String {
    let mut parts = Vec::new();
    let lengths = (cell.get("input_tokens"), cell.get("output_tokens"));
    if let (Some(input), Some(output)) = lengths {
        parts.push(format!("{input}/{output}"));
    }
    for (key, value) in cell.iter() {
        match key {
            "phase" => {}
            "input_tokens" | "output_tokens" if lengths.0.is_some() && lengths.1.is_some() => {}
            _ if PLAIN_SETTINGS.contains(&key) => parts.push(value.to_owned()),
            _ => parts.push(format!("{key}={value}")),
        }
    }
    parts.join(" ")
}

/// A cell within a sentence: `2 in flight`, `rate 10`, `128/64`.
pub(crate) fn cell_words(cell: &Cell) -> String {
    let label = cell_label(cell);
    let is_all = |key: &str| cell.get(key) == Some(label.as_str());
    match label.as_str() {
        level if is_all("concurrency") => format!("{level} in flight"),
        rate if is_all("rate") => format!("rate {rate}"),
        _ => label,
    }
}

/// The title of a metric's definition with its statistic: `time to first token, p99`.
pub(crate) fn metric_title(metric: &Metric) -> String {
    let title = definition::find(&metric.name).map_or(metric.name.as_str(), |definition| definition.title);
    match metric.statistic {
        Statistic::Mean | Statistic::Value | Statistic::Slope => title.to_owned(),
        statistic => format!("{title}, {}", statistic.name()),
    }
}

/// The text of a metric in a table, with marks for missing values, missing intervals and doubts.
pub(crate) fn entry(metric: Option<&Metric>, scale: &Scale, notes: &mut Notes) -> Text {
    let Some(metric) = metric else { return Text::new("·", Tone::Faint) };
    let Some(text) = number::bare_figure(metric, scale) else {
        return Text::new(format!("n/a{}", notes.mark(&without_count(number::reason(metric)))), Tone::Faint);
    };
    let mut text = Text::from(text);
    if let (None, Some(reason)) = (&metric.interval, &metric.interval_reason) {
        text.text = format!("{}{}", text.text, notes.mark(&format!("no interval: {}", without_count(reason))));
        text.tone = if metric.flags.contains(&Flag::LowSample) { Tone::Doubt } else { text.tone };
    } else if metric.flags.contains(&Flag::LowSample) {
        text.tone = Tone::Doubt;
        text.text = format!("{}{}", text.text, notes.mark(flag_text(Flag::LowSample)));
    }
    text
}

/// A reason without the count that begins it, which differs from cell to cell and stands beside every number:
/// `24 values; an interval needs 30` → `an interval needs 30 values`.
fn without_count(reason: &str) -> String {
    let rest = reason.trim_start_matches(|c: char| c.is_ascii_digit());
    match rest.strip_prefix(" values; ").filter(|_| rest.len() < reason.len()) {
        Some(rest) if rest.ends_with(|c: char| c.is_ascii_digit()) => format!("{rest} values"),
        Some(rest) => rest.to_owned(),
        None => reason.to_owned(),
    }
}

/// A doubt, in words.
pub(crate) const fn flag_text(flag: Flag) -> &'static str {
    match flag {
        Flag::LowSample => "fewer values than this statistic needs",
        Flag::Scripted => "the answers come from a script",
        Flag::SyntheticWeights => "the weights are seeded random numbers",
        Flag::FrameCounted => "tokens counted by frames: the server reported no usage",
        Flag::ApproximateLength => "prompt length approximate: no tokenizer at hand",
        Flag::Disturbed => "the host was disturbed while measuring",
        Flag::Histogram => "percentiles from a histogram, within 0.05 %",
        Flag::Unsteady => "the load did not stand still, or not long enough to tell",
    }
}

/// The word for where a number comes from.
pub(crate) const fn provenance_word(provenance: Provenance) -> &'static str {
    match provenance {
        Provenance::Measured => "measured",
        Provenance::Derived => "derived",
        Provenance::Projected => "projected",
        Provenance::Reference => "reference",
        Provenance::Unavailable => "unavailable",
    }
}

/// A table with a row per measure and a column per cell, each followed by its coefficient of variation.
pub(crate) fn measures_by_cells(record: &Record, caption: String, measures: &[Measure], cells: &[Cell]) -> Table {
    let mut notes = Notes::default();
    let mut columns = vec![Column::words("")];
    for cell in cells {
        columns.push(Column::numbers(cell_label(cell)));
        columns.push(Column::numbers("CV %").attached());
    }
    let mut rows = Vec::new();
    let mut left_out = Vec::new();
    for measure in measures {
        let metrics = || cells.iter().filter_map(|cell| measure.find(record, cell));
        if metrics().next().is_some() && metrics().all(|metric| metric.value.is_none()) && is_percentile(measure) {
            left_out.push(measure.heading);
            continue;
        }
        if cells.iter().all(|cell| measure.find(record, cell).is_none()) || says_what_ttft_says(record, measure, cells)
        {
            continue;
        }
        let scale = measure.scale(record, cells);
        let mut row = vec![Text::from(measure.title(&scale))];
        for cell in cells {
            let metric = measure.find(record, cell);
            row.push(entry(metric, &scale, &mut notes));
            row.push(variation(metric));
        }
        rows.push(row);
    }
    let remarks =
        if left_out.is_empty() { Vec::new() } else { vec![format!("too few values for: {}", left_out.join(", "))] };
    Table { caption, columns, rows, notes: notes.into_vec(), remarks, ..Table::default() }
}

fn is_percentile(measure: &Measure) -> bool {
    Statistic::GRID.iter().any(|(statistic, _)| measure.statistics == [*statistic])
}

/// Without thinking before the answer, the first answer token is the first token.
fn says_what_ttft_says(record: &Record, measure: &Measure, cells: &[Cell]) -> bool {
    let ttft = Measure { definition: &definition::TTFT, ..*measure };
    let value = |measure: &Measure, cell| measure.find(record, cell).and_then(|metric| metric.value);
    measure.definition.name == definition::TTFO.name
        && cells.iter().all(|cell| value(measure, cell) == value(&ttft, cell))
}

fn variation(metric: Option<&Metric>) -> Text {
    Text::new(metric.and_then(|metric| metric.cv).map(number::percent).unwrap_or_default(), Tone::Faint)
}

/// A table with a row per cell and a column per measure.
pub(crate) fn cells_by_measures(record: &Record, label: &str, measures: &[Measure], cells: &[Cell]) -> Table {
    let mut notes = Notes::default();
    let shown: Vec<_> = measures
        .iter()
        .filter(|measure| cells.iter().any(|cell| measure.find(record, cell).is_some()))
        .map(|measure| (measure, measure.scale(record, cells)))
        .collect();
    let mut columns = vec![Column::numbers(label)];
    columns.extend(shown.iter().map(|(measure, scale)| Column::numbers(measure.title(scale))));
    let row = |cell: &Cell, notes: &mut Notes| {
        let mut row = vec![Text::new(cell_label(cell), Tone::Strong)];
        row.extend(shown.iter().map(|(measure, scale)| entry(measure.find(record, cell), scale, notes)));
        row
    };
    let rows = cells.iter().map(|cell| row(cell, &mut notes)).collect();
    Table { caption: String::new(), columns, rows, notes: notes.into_vec(), ..Table::default() }
}

/// A table of single figures: title, value with interval, count.
pub(crate) fn list<'a>(caption: &str, metrics: impl Iterator<Item = &'a Metric>) -> Table {
    let mut notes = Notes::default();
    let columns =
        vec![Column::words("figure"), Column::numbers("value"), Column::words("unit").attached(), Column::numbers("n")];
    let row = |metric: &Metric, notes: &mut Notes| {
        let scale = Scale::of_metric(metric);
        let place = cell_words(&metric.cell);
        let place = if place.is_empty() { place } else { format!(" ({place})") };
        let count = if metric.value.is_some() { metric.n.to_string() } else { String::new() };
        vec![
            Text::from(format!("{}{place}", metric_title(metric))),
            entry(Some(metric), &scale, notes),
            Text::new(if metric.value.is_some() { scale.unit.as_str() } else { "" }, Tone::Faint),
            Text::new(count, Tone::Faint),
        ]
    };
    let rows = metrics.map(|metric| row(metric, &mut notes)).collect();
    Table { caption: caption.to_owned(), columns, rows, notes: notes.into_vec(), ..Table::default() }
}
