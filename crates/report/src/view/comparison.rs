//! What is said of sides that were set against each other.

use weighbridge_types::comparison::{ComparedMetric, Comparison, Contrast, Verdict};
use weighbridge_types::definition;

use super::{Column, Notes, Table, Text, Tone, cell_words};
use crate::number::{self, Scale};

/// A heading with what stands below it.
pub(crate) struct Part {
    pub(crate) title: String,
    /// The verdict and what made it.
    pub(crate) lead: Option<(Text, String)>,
    pub(crate) tables: Vec<Table>,
}

/// How much of a contrast is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Metrics that gate, and others that changed.
    Brief,
    /// All that both sides have.
    Full,
}

/// The sides, the first of them the baseline.
pub(crate) fn sides(comparison: &Comparison) -> Table {
    let columns = vec![
        Column::words("side"),
        Column::words("model"),
        Column::numbers("runs"),
        Column::words("engine"),
        Column::words("commit"),
    ];
    let rows = comparison.sides.iter().enumerate().map(|(place, side)| {
        let name = if place == 0 { format!("{} (baseline)", side.name) } else { side.name.clone() };
        let commit = side.commit.clone().unwrap_or_else(|| "unknown".to_owned());
        vec![
            name.into(),
            side.model_ref.clone().into(),
            side.runs.len().to_string().into(),
            side.engine.clone().into(),
            commit.into(),
        ]
    });
    Table { columns, rows: rows.collect(), ..Table::default() }
}

/// In what sides differ that were compared all the same.
pub(crate) fn mismatches(comparison: &Comparison) -> Option<Table> {
    let columns =
        vec![Column::words("not alike"), Column::words("baseline"), Column::words("found"), Column::words("run")];
    let rows: Vec<Vec<Text>> = comparison
        .mismatches
        .iter()
        .map(|of| {
            vec![of.what.as_str().into(), of.expected.as_str().into(), of.found.as_str().into(), of.run.as_str().into()]
        })
        .collect();
    (!rows.is_empty()).then(|| Table { columns, rows, ..Table::default() })
}

/// A candidate against the baseline.
pub(crate) fn contrast(comparison: &Comparison, contrast: &Contrast, extent: Extent) -> Part {
    let baseline = comparison.sides.first().map_or("", |side| side.name.as_str());
    let lead = Some((Text::new(contrast.verdict.name(), tone(Some(contrast.verdict))), contrast.because.clone()));
    let title = format!("{} against {baseline}", contrast.candidate);
    let gating: Vec<&ComparedMetric> = contrast.rows.iter().filter(|row| row.gating).collect();
    let rest = contrast.rows.iter().filter(|row| !row.gating);
    let mut tables = Vec::new();
    if !gating.is_empty() {
        tables.push(metrics("what the verdict rests on", &gating, comparison));
    }
    match extent {
        Extent::Full => tables.push(metrics("other metrics", &rest.collect::<Vec<_>>(), comparison)),
        Extent::Brief => tables.extend(changed(&rest.collect::<Vec<_>>(), comparison)),
    }
    tables.retain(|table| !table.rows.is_empty());
    tables.extend(missing(contrast));
    Part { title, lead, tables }
}

/// Of the metrics that changed the one of each kind that says most, and how many more there are.
fn changed(rows: &[&ComparedMetric], comparison: &Comparison) -> Option<Table> {
    const MOST: usize = 12;
    let is_changed = |row: &&&ComparedMetric| matches!(row.verdict, Some(Verdict::Worse | Verdict::Better));
    let all: Vec<&ComparedMetric> = rows.iter().filter(is_changed).copied().collect();
    let mut kinds: Vec<&ComparedMetric> = Vec::new();
    for row in &all {
        let (name, statistic) = row.key.split_once('.').unwrap_or((&row.key, ""));
        let kind = kinds.iter_mut().find(|known| known.cell == row.cell && known.key.split('.').next() == Some(name));
        match kind {
            Some(known) if statistic == "p50" => *known = row,
            Some(_) => {}
            None => kinds.push(row),
        }
    }
    kinds.truncate(MOST);
    let mut table = metrics("other metrics that changed", &kinds, comparison);
    if all.len() > kinds.len() {
        table.remarks.push(format!("{} more changed: see `--all`, the page or the JSON form", all.len() - kinds.len()));
    }
    (!kinds.is_empty()).then_some(table)
}

fn metrics(caption: &str, rows: &[&ComparedMetric], comparison: &Comparison) -> Table {
    let percent = number::significant(100.0 * comparison.rule.confidence, 3);
    let columns = vec![
        Column::words("metric"),
        Column::numbers("baseline"),
        Column::numbers("candidate").attached(),
        Column::numbers("change"),
        Column::numbers("verdict"),
        Column::numbers(format!("{percent} % interval")),
        Column::numbers("would be seen"),
        Column::numbers("runs to decide"),
    ];
    let mut notes = Notes::default();
    let rows = rows.iter().map(|row| line(row, &mut notes)).collect();
    Table { caption: caption.to_owned(), columns, rows, notes: notes.into_vec(), ..Table::default() }
}

fn line(row: &ComparedMetric, notes: &mut Notes) -> Vec<Text> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let (ours, theirs) = (mean(&row.baseline), mean(&row.candidate));
    let scale = Scale::of(&row.unit, ours.abs().max(theirs.abs()));
    let figure = |value: f64| number::significant(scale.apply(value), 4);
    let by = scale.of_difference();
    let interval = match (&row.interval, &row.interval_reason) {
        (Some(interval), _) => {
            let (low, high) = (change_of(row, interval.low, &by), change_of(row, interval.high, &by));
            match low.rsplit_once(' ') {
                // The unit once, behind.
                Some((bare, unit)) if high.ends_with(unit) => format!("{bare} to {high}"),
                _ => format!("{low} to {high}"),
            }
        }
        (None, Some(reason)) => format!("n/a{}", notes.mark(reason)),
        (None, None) => "n/a".to_owned(),
    };
    let value = row.ratio.unwrap_or(row.difference);
    let change = change_of(row, value, &by);
    let verdict = match row.verdict {
        Some(verdict) => {
            let mark = if row.margin_is_noise {
                notes.mark("the margin is what equal runs differ by on this host, which is more than the threshold")
            } else {
                String::new()
            };
            Text::new(format!("{verdict}{mark}"), tone(Some(verdict)))
        }
        None => Text::new("a fact", Tone::Faint),
    };
    let seen = row.detectable.map_or_else(
        || "·".to_owned(),
        |least| match row.ratio {
            Some(_) => format!("{} %", number::significant(100.0 * least, 2)),
            None => by.label(&number::significant(by.apply(least), 2)),
        },
    );
    let words = cell_words(&row.cell);
    let phase = row.cell.get("phase").unwrap_or_default();
    let place = if words.is_empty() { phase } else { &words };
    vec![
        format!("{}, {place}", row.key).trim_end_matches(", ").into(),
        figure(ours).into(),
        scale.label(&figure(theirs)).into(),
        change.into(),
        verdict,
        interval.into(),
        seen.into(),
        row.runs_needed.map_or_else(|| "·".to_owned(), |runs| runs.to_string()).into(),
    ]
}

/// A ratio as a signed share, or a difference with its unit.
fn change_of(row: &ComparedMetric, value: f64, scale: &Scale) -> String {
    let signed = |value: f64, text: String| if value > 0.0 { format!("+{text}") } else { text };
    if row.ratio.is_some() {
        let share = 100.0 * (value - 1.0);
        return format!("{} %", signed(share, number::fixed(share, 1)));
    }
    let value = scale.apply(value);
    scale.label(&signed(value, number::significant(value, 3)))
}

fn missing(contrast: &Contrast) -> Option<Table> {
    let columns = vec![Column::words("missing"), Column::words("where"), Column::words("on"), Column::words("because")];
    let rows: Vec<Vec<Text>> = contrast
        .missing
        .iter()
        .map(|of| {
            let tone = if of.gating { Tone::Bad } else { Tone::Plain };
            vec![
                Text::new(of.key.clone(), tone),
                cell_words(&of.cell).into(),
                of.side.as_str().into(),
                of.reason.as_str().into(),
            ]
        })
        .collect();
    (!rows.is_empty()).then(|| Table { columns, rows, ..Table::default() })
}

/// How it was decided, in a line.
pub(crate) fn rule(comparison: &Comparison) -> String {
    let rule = &comparison.rule;
    let noise = match rule.noise_runs {
        0 => String::new(),
        runs => format!(", or what equal runs differ by on this host where that is more ({runs} runs)"),
    };
    let pairs = if rule.paired { " Runs of a pair are compared with each other." } else { "" };
    format!(
        "A change is worse where the whole interval lies beyond {} %{noise}. The unit is the run.{pairs} {} resamples, seed {}; p values \
         of gating metrics are corrected together (Holm), those of the others to {} % of false finds. `would be seen`: the \
         smallest worsening found with a chance of {} %.",
        number::significant(100.0 * rule.threshold, 3),
        rule.resamples,
        rule.seed,
        number::significant(100.0 * (1.0 - rule.confidence), 2),
        number::significant(100.0 * rule.power, 3),
    )
}

/// What a shape's chart is called: `time to first token, 4 in flight`.
pub(crate) fn shape_title(name: &str, cell: &weighbridge_types::metric::Cell) -> String {
    let title = definition::find(name).map_or(name, |definition| definition.title);
    let phase = cell.get("phase").unwrap_or_default();
    let words = cell_words(cell);
    if words.is_empty() { format!("{title}, {phase}") } else { format!("{title}, {phase}, {words}") }
}

fn tone(verdict: Option<Verdict>) -> Tone {
    match verdict {
        Some(Verdict::Better) => Tone::Good,
        Some(Verdict::Worse) => Tone::Bad,
        Some(Verdict::Inconclusive) => Tone::Doubt,
        Some(Verdict::Equivalent) | None => Tone::Plain,
    }
}
