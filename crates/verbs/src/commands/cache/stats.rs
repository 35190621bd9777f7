//! `cache stats`: what levels hold and were of use for, of a running service or of a folder.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::super::errors::ask_service;
use crate::arguments::{CacheStatsArguments, OutputFormat};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

pub(super) fn run(arguments: &CacheStatsArguments, environment: &Environment) -> Result<Exit, Failure> {
    let told = match &arguments.folder {
        Some(folder) => of_folder(folder)?,
        None => ask_service(&arguments.url, "/api/v1/cache", environment)?,
    };
    match arguments.output.output_format {
        OutputFormat::Json => output::json(&told)?,
        OutputFormat::Console => output::data(&table(&told))?,
    }
    Ok(Exit::Pass)
}

/// A folder as a level; what only a running process counts is unknown.
fn of_folder(folder: &Path) -> Result<Value, Failure> {
    let report = weighbridge_cache::verify(folder)?;
    let level = json!({"name": "folder", "entries": report.entries, "bytes": report.bytes, "damaged": report.damaged});
    Ok(json!({"levels": [level]}))
}

/// A row for each level, and a line for near texts and for what was made ready.
fn table(told: &Value) -> String {
    let mut text = format!(
        "{:<8} {:>9} {:>10} {:>10} {:>8} {:>9} {:>9} {:>7} {:>7} {:<7} {:>8} {:>8} {:>7}\n",
        "level",
        "entries",
        "MB",
        "of MB",
        "ttl s",
        "hits",
        "misses",
        "ratio",
        "target",
        "verdict",
        "promoted",
        "evicted",
        "pending"
    );
    for level in told["levels"].as_array().into_iter().flatten() {
        let count = |name: &str| level[name].as_u64().map_or("-".to_owned(), |count| count.to_string());
        let mb = |name: &str| level[name].as_f64().map_or("-".to_owned(), |bytes| format!("{:.3}", bytes / 1e6));
        let share = |name: &str| level[name].as_f64().map_or("-".to_owned(), |share| format!("{:.1} %", 100.0 * share));
        let verdict = level["meets_target"].as_bool().map_or("-", |meets| if meets { "met" } else { "below" });
        let _ = writeln!(
            text,
            "{:<8} {:>9} {:>10} {:>10} {:>8} {:>9} {:>9} {:>7} {:>7} {:<7} {:>8} {:>8} {:>7}",
            level["name"].as_str().unwrap_or("-"),
            count("entries"),
            mb("bytes"),
            mb("most_bytes"),
            count("ttl_s"),
            count("hits"),
            count("misses"),
            share("hit_ratio"),
            share("hit_target"),
            verdict,
            count("promoted"),
            count("evicted"),
            count("pending"),
        );
        if let Some(reason) = level["off"].as_str() {
            let _ = writeln!(text, "  off at present: {reason}");
        }
    }
    if let Some(near) = told["near"].as_object() {
        let share = &near["equal_share"];
        let percent = |name: &str| 100.0 * share[name].as_f64().unwrap_or_default();
        let drift = match share.is_null() {
            true => "none of them is checked yet".to_owned(),
            false => format!(
                "{} were checked, {:.1} % of them equal ({:.1} to {:.1})",
                near["checked"],
                percent("value"),
                percent("low"),
                percent("high")
            ),
        };
        let _ = writeln!(text, "near texts: {} known, {} answers given; {drift}", near["texts"], near["given"]);
    }
    if let Some(warm) = told["warm"].as_object() {
        let part = |name: &str| &warm[name];
        let _ = writeln!(
            text,
            "warming {}: {} models loaded, {} answers brought up, {} requests known, {} computed, {} failed",
            warm["state"].as_str().unwrap_or("-"),
            part("models"),
            part("brought_up"),
            part("known"),
            part("computed"),
            part("failed"),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_has_a_row_and_what_is_unknown_a_dash() {
        let memory = json!({"name": "memory", "entries": 3, "bytes": 1_500_000, "most_bytes": 8_000_000, "ttl_s": 3600,
            "hits": 9, "misses": 1, "hit_ratio": 0.9, "hit_target": 0.95, "meets_target": false, "promoted": 2,
            "evicted": 0, "pending": 0});
        let remote = json!({"name": "remote", "entries": null, "bytes": null, "hits": 0, "misses": 0, "hit_ratio": null,
            "hit_target": null, "meets_target": null, "promoted": 0, "evicted": 0, "pending": 0, "off": "refused"});
        let near =
            json!({"texts": 4, "given": 2, "checked": 1, "equal_share": {"value": 1.0, "low": 0.2, "high": 1.0}});
        let text = table(&json!({"levels": [memory, remote], "near": near, "warm": null}));
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        let expected =
            ["memory", "3", "1.500", "8.000", "3600", "9", "1", "90.0", "%", "95.0", "%", "below", "2", "0", "0"];
        assert_eq!(lines[1], expected);
        assert_eq!(lines[2][..7], ["remote", "-", "-", "-", "-", "0", "0"]);
        assert!(
            text.contains("off at present: refused")
                && text.contains("1 were checked, 100.0 % of them equal (20.0 to 100.0)")
        );
        assert!(!text.contains("warming"));
    }
}
