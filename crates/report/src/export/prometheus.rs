//! Prometheus text exposition, version 0.0.4: gauges in base units, with a fixed set of labels.
//!
//! A figure without a value has no sample: an absent series is how Prometheus says unknown.

use std::collections::BTreeMap;

use weighbridge_types::metric::Metric;
use weighbridge_types::record::Record;

use super::ExportFile;
use crate::import::definitions;

/// Samples of one name, with the help text.
struct Family {
    help: String,
    lines: Vec<String>,
}

pub(super) fn export(record: &Record) -> ExportFile {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for metric in &record.metrics {
        add(&mut families, record, metric);
    }
    let mut out = info(record);
    for (name, family) in families {
        out.push_str(&format!("# HELP {name} {}\n# TYPE {name} gauge\n", help(&family.help)));
        for line in family.lines {
            out.push_str(&line);
            out.push('\n');
        }
    }
    ExportFile::text("weighbridge.prom", out)
}

/// What the run was: a constant 1 whose labels are joined to the figures by `run_id`.
fn info(record: &Record) -> String {
    let labels = [
        ("run_id", record.run_id.as_str()),
        ("kind", &record.kind),
        ("label", &record.label),
        ("model", &record.engine.model),
        ("engine", &record.engine.engine),
        ("quantization", record.engine.quantization.as_deref().unwrap_or_default()),
        ("version", &record.environment.build.version),
        ("environment", &record.environment.digest),
    ];
    let help = "What was run; always 1.";
    let name = "weighbridge_run_info";
    format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name}{} 1\n", label_set(&labels))
}

fn add(families: &mut BTreeMap<String, Family>, record: &Record, metric: &Metric) {
    let Some(value) = metric.value.filter(|value| value.is_finite()) else { return };
    let (suffix, scale) = base_unit(&metric.unit);
    let name = format!("weighbridge_{}{suffix}", identifier(&metric.name));
    let meaning = definitions::find(&metric.definition);
    let text =
        meaning.map_or_else(|| metric.definition.clone(), |meaning| format!("{}: {}", meaning.title, meaning.formula));
    let settings: Vec<String> =
        metric.cell.iter().filter(|(key, _)| *key != "phase").map(|(key, value)| format!("{key}={value}")).collect();
    let labels = label_set(&[
        ("run_id", record.run_id.as_str()),
        ("phase", metric.cell.get("phase").unwrap_or_default()),
        ("cell", &settings.join(" ")),
        ("statistic", metric.statistic.name()),
        ("definition", &metric.definition),
    ]);
    let mut put = |name: String, help: String, value: f64| {
        let family = families.entry(name.clone()).or_insert_with(|| Family { help, lines: Vec::new() });
        family.lines.push(format!("{name}{labels} {value}"));
    };
    if let Some(interval) = &metric.interval {
        let ends = [("low", interval.low), ("high", interval.high)];
        for (end, value) in ends.into_iter().filter(|(_, value)| value.is_finite()) {
            put(format!("{name}_{end}"), format!("{end} end of the interval of {name}"), value * scale);
        }
    }
    put(name, text, value * scale);
}

/// Suffix of a name, and what a value is multiplied by to be in Prometheus's base unit.
fn base_unit(unit: &str) -> (String, f64) {
    match unit {
        "ms" => ("_seconds".to_owned(), 1e-3),
        "s" => ("_seconds".to_owned(), 1.0),
        "ns" => ("_seconds".to_owned(), 1e-9),
        "%" => ("_ratio".to_owned(), 1e-2),
        "share" | "ratio" => ("_ratio".to_owned(), 1.0),
        other => (format!("_{}", identifier(&other.replace("/s", "_per_second").replace('/', "_per_"))), 1.0),
    }
}

/// Letters, digits and underscores.
fn identifier(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

fn label_set(labels: &[(&str, &str)]) -> String {
    let parts = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", label(value)));
    format!("{{{}}}", parts.collect::<Vec<_>>().join(","))
}

/// Escapes a label's value.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', " ")
}

/// Escapes a help text.
fn help(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_become_base_units() {
        let check = |unit: &str, suffix: &str| assert_eq!(base_unit(unit).0, suffix);
        check("ms", "_seconds");
        check("tokens/s", "_tokens_per_second");
        check("bytes/request", "_bytes_per_request");
        check("MiB/h", "_mib_per_h");
    }

    #[test]
    fn labels_are_escaped() {
        assert_eq!(label_set(&[("a", "x\"y\\\nz")]), "{a=\"x\\\"y\\\\\\nz\"}");
    }
}
