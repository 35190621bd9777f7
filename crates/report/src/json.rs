//! Machine forms: the record itself, and its metrics as CSV.

use serde::Serialize;
use weighbridge_types::metric::Metric;
use weighbridge_types::record::Record;

use crate::view::provenance_word;

/// The record as pretty JSON with a final newline: the same document as `record.json`.
#[must_use]
pub fn render(record: &Record) -> String {
    pretty(record)
}

/// Every metric as a line of CSV (RFC 4180), with a header.
#[must_use]
pub fn csv(record: &Record) -> String {
    let mut out = String::from(
        "run_id,phase,cell,metric,statistic,definition,value,unit,n,n_effective,deviation,cv,low,high,confidence,method,\
         provenance,reason\r\n",
    );
    for metric in &record.metrics {
        out.push_str(&line(record, metric));
        out.push_str("\r\n");
    }
    out
}

fn line(record: &Record, metric: &Metric) -> String {
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let interval = metric.interval.as_ref();
    let reason = metric.reason.as_ref().or(metric.interval_reason.as_ref());
    let fields = [
        record.run_id.clone(),
        metric.cell.get("phase").unwrap_or_default().to_owned(),
        metric.cell.to_string(),
        metric.name.clone(),
        metric.statistic.name().to_owned(),
        metric.definition.clone(),
        number(metric.value),
        metric.unit.clone(),
        metric.n.to_string(),
        number(metric.n_effective),
        number(metric.deviation),
        number(metric.cv),
        number(interval.map(|interval| interval.low)),
        number(interval.map(|interval| interval.high)),
        number(interval.map(|interval| interval.confidence)),
        interval.map(|interval| interval.method.clone()).unwrap_or_default(),
        provenance_word(metric.provenance).to_owned(),
        reason.cloned().unwrap_or_default(),
    ];
    fields.map(|field| quoted(&field)).join(",")
}

/// A field in quotes where it needs them. A leading sign of a formula gets an apostrophe: spreadsheets run formulas.
fn quoted(field: &str) -> String {
    let is_formula = field.starts_with(['=', '+', '@', '-', '\t', '\r']) && field.parse::<f64>().is_err();
    let field = if is_formula { format!("'{field}") } else { field.to_owned() };
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

/// Pretty JSON with a final newline. The stored types hold no map with keys other than text, so nothing can fail.
pub(crate) fn pretty(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// The same on one line.
pub(crate) fn compact(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_and_formulas_are_text() {
        let check = |field: &str, expected: &str| assert_eq!(quoted(field), expected);
        check("plain", "plain");
        check("a,b", "\"a,b\"");
        check("say \"x\"", "\"say \"\"x\"\"\"");
        check("=1+1", "'=1+1");
        check("-1.5", "-1.5");
    }
}
