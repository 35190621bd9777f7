//! SQL of the common kind: `sqlite3 results.sqlite < weighbridge.sql` fills two tables.

use weighbridge_types::metric::Metric;
use weighbridge_types::record::Record;

use super::ExportFile;

const TABLES: &str = "\
CREATE TABLE IF NOT EXISTS weighbridge_runs (
  run_id TEXT PRIMARY KEY, kind TEXT NOT NULL, label TEXT NOT NULL, created_at TEXT NOT NULL, status TEXT NOT NULL,
  model TEXT NOT NULL, engine TEXT NOT NULL, quantization TEXT, environment_digest TEXT NOT NULL,
  program_version TEXT NOT NULL, seed TEXT NOT NULL, duration_s REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS weighbridge_metrics (
  run_id TEXT NOT NULL, phase TEXT NOT NULL, cell TEXT NOT NULL, metric TEXT NOT NULL, statistic TEXT NOT NULL,
  definition TEXT NOT NULL, unit TEXT NOT NULL, value REAL, n INTEGER NOT NULL, n_effective REAL, deviation REAL,
  cv REAL, low REAL, high REAL, confidence REAL, method TEXT, provenance TEXT NOT NULL, reason TEXT,
  PRIMARY KEY (run_id, cell, metric, statistic)
);
";

pub(super) fn export(record: &Record) -> ExportFile {
    let mut out = String::from(TABLES);
    out.push_str("BEGIN;\n");
    let id = text(&record.run_id);
    out.push_str(&format!("DELETE FROM weighbridge_metrics WHERE run_id = {id};\n"));
    out.push_str(&format!("DELETE FROM weighbridge_runs WHERE run_id = {id};\n"));
    out.push_str(&insert("weighbridge_runs", &run(record)));
    for metric in &record.metrics {
        out.push_str(&insert("weighbridge_metrics", &row(record, metric)));
    }
    out.push_str("COMMIT;\n");
    ExportFile::text("weighbridge.sql", out)
}

fn insert(table: &str, values: &[String]) -> String {
    format!("INSERT INTO {table} VALUES ({});\n", values.join(", "))
}

fn run(record: &Record) -> Vec<String> {
    let engine = &record.engine;
    vec![
        text(&record.run_id),
        text(&record.kind),
        text(&record.label),
        text(&record.created_at),
        text(crate::view::status_word(record.status)),
        text(&engine.model),
        text(&engine.engine),
        optional(engine.quantization.as_deref()),
        text(&record.environment.digest),
        text(&record.environment.build.version),
        // A seed may be larger than the integers of SQL.
        text(&record.seed.to_string()),
        number(Some(record.duration_s)),
    ]
}

fn row(record: &Record, metric: &Metric) -> Vec<String> {
    let interval = metric.interval.as_ref();
    vec![
        text(&record.run_id),
        text(metric.cell.get("phase").unwrap_or_default()),
        text(&metric.cell.to_string()),
        text(&metric.name),
        text(metric.statistic.name()),
        text(&metric.definition),
        text(&metric.unit),
        number(metric.value),
        i64::try_from(metric.n).unwrap_or(i64::MAX).to_string(),
        number(metric.n_effective),
        number(metric.deviation),
        number(metric.cv),
        number(interval.map(|interval| interval.low)),
        number(interval.map(|interval| interval.high)),
        number(interval.map(|interval| interval.confidence)),
        optional(interval.map(|interval| interval.method.as_str())),
        text(crate::view::provenance_word(metric.provenance)),
        optional(metric.reason.as_deref().or(metric.interval_reason.as_deref())),
    ]
}

/// A text in quotes. A quote is doubled, which is all that standard SQL knows; what no text column takes is replaced.
fn text(text: &str) -> String {
    format!("'{}'", text.replace('\0', "\u{fffd}").replace('\'', "''"))
}

fn optional(value: Option<&str>) -> String {
    value.map_or_else(|| "NULL".to_owned(), text)
}

/// A number with an exponent, so that it is a real one in every dialect; NULL without one.
fn number(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or_else(|| "NULL".to_owned(), |value| format!("{value:e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_leave_their_quotes() {
        assert_eq!(text("it's'); DROP TABLE x; --"), "'it''s''); DROP TABLE x; --'");
        assert_eq!(
            (number(Some(0.1)), number(Some(f64::NAN)), number(None)),
            ("1e-1".into(), "NULL".into(), "NULL".into())
        );
    }
}
