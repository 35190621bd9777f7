//! What is said of a history.

use weighbridge_types::history::{Course, History};

use super::{Column, Table, Text, Tone, cell_words};
use crate::number::{self, Scale};

/// Where a metric belongs, with its name: `ttft.p99, 4 in flight`.
pub(crate) fn place(course: &Course) -> String {
    let words = cell_words(&course.cell);
    let phase = course.cell.get("phase").unwrap_or_default();
    let place = if words.is_empty() { phase } else { &words };
    format!("{}, {place}", course.key).trim_end_matches(", ").to_owned()
}

/// Every change, the latest first.
pub(crate) fn changes(history: &History) -> Table {
    let columns = vec![
        Column::words("metric"),
        Column::numbers("before"),
        Column::numbers("after").attached(),
        Column::numbers("change"),
        Column::numbers("is"),
        Column::words("first run of the new level"),
        Column::words("commit"),
    ];
    let mut rows: Vec<(usize, Vec<Text>)> = Vec::new();
    for course in &history.courses {
        for change in &course.changes {
            let scale = Scale::of(&course.unit, change.before.abs().max(change.after.abs()));
            let figure = |value: f64| number::significant(scale.apply(value), 4);
            let share = change.ratio.map_or_else(
                || "n/a".to_owned(),
                |ratio| {
                    let share = 100.0 * (ratio - 1.0);
                    format!("{}{} %", if share > 0.0 { "+" } else { "" }, number::fixed(share, 1))
                },
            );
            let (word, tone) = match change.is_worse {
                Some(true) => ("worse", Tone::Bad),
                Some(false) => ("better", Tone::Good),
                None => ("a fact", Tone::Faint),
            };
            let run = history.runs.get(change.run);
            let commit = run.and_then(|run| run.commit.clone()).unwrap_or_else(|| "unknown".to_owned());
            rows.push((
                change.run,
                vec![
                    place(course).into(),
                    figure(change.before).into(),
                    scale.label(&figure(change.after)).into(),
                    share.into(),
                    Text::new(word, tone),
                    run.map_or("", |run| run.run_id.as_str()).into(),
                    commit.into(),
                ],
            ));
        }
    }
    rows.sort_by_key(|(run, _)| std::cmp::Reverse(*run));
    Table { columns, rows: rows.into_iter().map(|(_, row)| row).collect(), ..Table::default() }
}

/// Where each metric stands now, and where it leads.
pub(crate) fn courses(history: &History) -> Table {
    let columns = vec![
        Column::words("metric"),
        Column::numbers("runs"),
        Column::numbers("level"),
        Column::numbers("noise"),
        Column::numbers("next run, 95 %"),
        Column::numbers("per day"),
        Column::numbers("days to limit"),
    ];
    let rows = history.courses.iter().map(|course| {
        let level = course.level.unwrap_or(0.0);
        let scale = Scale::of(&course.unit, level.abs());
        let figure = |value: f64| number::significant(scale.apply(value), 4);
        let none = || "·".to_owned();
        let range = |interval: &weighbridge_types::metric::MetricInterval| {
            scale.label(&format!("{} to {}", figure(interval.low), figure(interval.high)))
        };
        vec![
            place(course).into(),
            course.points.len().to_string().into(),
            course.level.map_or_else(none, |level| scale.label(&figure(level))).into(),
            course.noise.map_or_else(none, |noise| format!("{} %", number::percent(noise))).into(),
            course.next.as_ref().map_or_else(none, range).into(),
            course.per_day.as_ref().map_or_else(none, range).into(),
            course.days_to_limit.map_or_else(none, |days| number::significant(days, 3)).into(),
        ]
    });
    Table { columns, rows: rows.collect(), ..Table::default() }
}
