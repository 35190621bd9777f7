//! What is said of results of `performance-benchmark`, and of their changes.

use weighbridge_types::performance::{
    BenchmarkResult, Change, ComparedFigure, FIGURES, Figure, ResultsComparison, TargetVerdict,
};

use super::{Column, Notes, Table, Text, Tone};
use crate::number::significant;

/// Digits of a figure.
const DIGITS: i32 = 4;

/// Results of one call.
#[derive(Clone, Copy, Debug)]
pub struct Results<'a> {
    /// Title of the report.
    pub title: &'a str,
    /// A result for each test.
    pub results: &'a [BenchmarkResult],
    /// Targets with what was reached.
    pub targets: &'a [TargetVerdict],
}

/// The host and program, of the first result that tells.
pub(crate) fn facts(results: &[BenchmarkResult]) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let mut models: Vec<&str> = results.iter().filter_map(|result| result.model.as_deref()).collect();
    models.dedup();
    if !models.is_empty() {
        facts.push(("model", models.join(", ")));
    }
    if let Some(result) = results.first() {
        facts.push(("time", result.timestamp.clone()));
    }
    if let Some(host) = results.iter().find_map(|result| result.environment.as_ref()) {
        let cpu = host.cpu_model.clone().unwrap_or_else(|| "unknown processor".to_owned());
        let build = &host.build;
        let commit = build.commit.as_ref().map(|commit| format!(", commit {commit}")).unwrap_or_default();
        facts.push(("host", cpu));
        facts.push(("program", format!("{} ({} build{commit})", build.version, build.profile)));
    }
    facts
}

/// A row for each test, a column for each figure that any of them has.
pub(crate) fn results(all: &[BenchmarkResult]) -> Table {
    let figures: Vec<&Figure> =
        FIGURES.iter().filter(|figure| all.iter().any(|result| (figure.of)(result).is_some())).collect();
    let mut columns = vec![Column::words("test"), Column::numbers("requests")];
    columns.extend(figures.iter().map(|figure| {
        let unit = if figure.unit.is_empty() { "%" } else { figure.unit };
        Column::numbers(format!("{}, {unit}", figure.title))
    }));
    let mut notes = Notes::default();
    let rows = all.iter().map(|result| {
        let mut row: Vec<Text> = vec![result.name().into(), result.n.to_string().into()];
        row.extend(figures.iter().map(|figure| match (figure.of)(result) {
            Some(value) => shown(value, figure.unit).into(),
            None => match result.unknown.get(figure.key) {
                Some(why) => Text::new(format!("n/a{}", notes.mark(why)), Tone::Faint),
                None => Text::new("—", Tone::Faint),
            },
        }));
        row
    });
    let rows = rows.collect();
    Table { columns, rows, notes: notes.into_vec(), ..Table::default() }
}

/// Levels of concurrency, where a result has any.
pub(crate) fn levels(result: &BenchmarkResult) -> Option<Table> {
    let columns = vec![
        Column::numbers("clients"),
        Column::numbers("requests"),
        Column::numbers("requests/s"),
        Column::numbers("gain"),
        Column::numbers("mean latency, ms"),
        Column::numbers("latency p99, ms"),
        Column::numbers("errors, %"),
    ];
    let first = result.levels.first()?.throughput_rps;
    let text = |value: Option<f64>, unit: &str| value.map_or("—".to_owned(), |value| shown(value, unit)).into();
    let rows = result.levels.iter().map(|level| {
        let gain = level.throughput_rps.zip(first.filter(|rate| *rate > 0.0)).map(|(rate, first)| rate / first);
        vec![
            level.concurrency.to_string().into(),
            level.n.to_string().into(),
            text(level.throughput_rps, "requests/s"),
            gain.map_or("—".to_owned(), |gain| format!("{gain:.2}×")).into(),
            text(level.avg_latency_ms, "ms"),
            text(level.p99_latency_ms, "ms"),
            text(level.error_rate, ""),
        ]
    });
    let caption = format!("{}: more and more clients", result.name());
    Some(Table { caption, columns, rows: rows.collect(), ..Table::default() })
}

/// Targets with what was measured.
pub(crate) fn targets(all: &[TargetVerdict]) -> Option<Table> {
    let columns = vec![
        Column::words("target"),
        Column::words("test"),
        Column::numbers("limit"),
        Column::numbers("measured"),
        Column::words("verdict"),
    ];
    let rows: Vec<Vec<Text>> = all
        .iter()
        .map(|target| {
            let (word, tone) = match target.reached {
                Some(true) => ("reached", Tone::Good),
                Some(false) => ("missed", Tone::Bad),
                None => ("not measured", Tone::Faint),
            };
            let measured = target.measured.map_or("—".to_owned(), |value| significant(value, DIGITS));
            vec![
                target.target.clone().into(),
                target.benchmark.clone().into(),
                significant(target.limit, DIGITS).into(),
                measured.into(),
                Text::new(word, tone),
            ]
        })
        .collect();
    (!rows.is_empty()).then(|| Table { columns, rows, ..Table::default() })
}

/// Every figure of two results with its change.
pub(crate) fn changes(found: &ResultsComparison) -> Table {
    let columns = vec![
        Column::words("test"),
        Column::words("figure"),
        Column::numbers("baseline"),
        Column::numbers("current"),
        Column::numbers("change, %"),
        Column::words("verdict"),
    ];
    let mut notes = Notes::default();
    let rows = found.figures.iter().map(|figure| change(figure, &mut notes));
    let rows = rows.collect();
    Table { columns, rows, notes: notes.into_vec(), ..Table::default() }
}

fn change(row: &ComparedFigure, notes: &mut Notes) -> Vec<Text> {
    let tone = match row.change {
        Change::Regression | Change::Missing => Tone::Bad,
        Change::Improvement => Tone::Good,
        Change::WithinNoise => Tone::Doubt,
        Change::Unchanged => Tone::Plain,
    };
    let known = FIGURES.iter().find(|figure| figure.key == row.figure);
    let (title, unit) = known.map_or((row.figure.as_str(), ""), |figure| (figure.title, figure.unit));
    let name = match (known, unit) {
        (None, _) => title.to_owned(),
        (Some(_), "") => format!("{title}, %"),
        (Some(_), unit) => format!("{title}, {unit}"),
    };
    let text = |value: Option<f64>| value.map_or("—".to_owned(), |value| shown(value, unit)).into();
    let signed = row.change_percent.map_or("—".to_owned(), |change| format!("{change:+.1}"));
    let is_plain = row.change == Change::Unchanged;
    let mark = if is_plain { String::new() } else { notes.mark(&row.because) };
    vec![
        row.benchmark.clone().into(),
        name.into(),
        text(row.baseline),
        text(row.current),
        signed.into(),
        Text::new(format!("{}{mark}", row.change.words()), tone),
    ]
}

/// The verdict in one line.
pub(crate) fn summary(found: &ResultsComparison) -> Text {
    let count = |change| found.count(change);
    let (regressions, missing) = (count(Change::Regression), count(Change::Missing));
    let mut parts = vec![match regressions {
        0 => "no regression".to_owned(),
        1 => "1 regression".to_owned(),
        many => format!("{many} regressions"),
    }];
    let others =
        [(missing, "missing"), (count(Change::Improvement), "better"), (count(Change::WithinNoise), "within noise")];
    parts.extend(others.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
    let tone = if regressions > 0 { Tone::Bad } else { Tone::Good };
    Text::new(format!("{} of {} figures", parts.join(", "), found.figures.len()), tone)
}

/// A figure in its unit; a share in per cent.
fn shown(value: f64, unit: &str) -> String {
    if unit.is_empty() { significant(100.0 * value, DIGITS) } else { significant(value, DIGITS) }
}
