//! MLPerf LoadGen `mlperf_log_summary.txt`: `name : value` lines, times in nanoseconds, percentiles by nearest rank.
//!
//! Line names as `loadgen/results.cc` at 05a9cec writes them.

use std::collections::BTreeMap;

use weighbridge_types::metric::{Cell, Statistic};
use weighbridge_types::record::Phase;

use super::draft::Draft;
use super::figures::{self, Entry, Reading};
use super::{Format, ImportError, Tool};

/// Lines of a summary; a real one has about a hundred.
const MOST_LINES: usize = 10_000;

/// Names of single values and the fields they are.
const VALUES: [(&str, &str); 8] = [
    ("Completed samples per second", "completed_samples_per_second"),
    ("Scheduled samples per second", "scheduled_samples_per_second"),
    ("Samples per second", "samples_per_second"),
    ("Completed tokens per second", "completed_tokens_per_second"),
    ("Tokens per second", "tokens_per_second"),
    ("QPS w/ loadgen overhead", "qps_with_overhead"),
    ("Samples per second (inferred)", "samples_per_second"),
    ("Tokens per second (inferred)", "tokens_per_second"),
];

/// Settings kept.
const SETTINGS: [&str; 9] = [
    "SUT name",
    "Scenario",
    "Mode",
    "target_qps",
    "target_latency (ns)",
    "ttft_latency (ns)",
    "tpot_latency (ns)",
    "min_duration (ms)",
    "min_query_count",
];

pub(super) fn read(text: &str) -> Result<Draft, ImportError> {
    let lines = lines(text)?;
    let Some(result) = lines.get("Result is") else {
        return Err(ImportError::Missing { format: Format::Loadgen, missing: "`Result is`".to_owned() });
    };
    let mut draft = Draft::new(Tool::Loadgen);
    draft.settings.insert("Result is".to_owned(), (*result).into());
    for name in SETTINGS {
        if let Some(value) = lines.get(name) {
            draft.settings.insert(name.to_owned(), (*value).into());
        }
    }
    let scenario = *lines.get("Scenario").unwrap_or(&"unknown");
    draft.engine = lines.get("SUT name").map(|name| (*name).to_owned());
    let cell = Cell::of(Phase::Load).with("scenario", scenario.to_ascii_lowercase());
    for (name, value) in &lines {
        if let Some((field, statistic)) = latency(name) {
            let reading = number(value).map(|nanos| nanos / 1e6);
            draft.sheet.put(Entry { field, statistic, cell: &cell, reading, scale: 1.0, n: 0 });
        }
    }
    for (name, field) in VALUES {
        if let Some(value) = lines.get(name) {
            draft.sheet.value(field, &cell, number(value), 0);
        }
    }
    validity(&mut draft, &lines, result);
    Ok(draft)
}

fn validity(draft: &mut Draft, lines: &BTreeMap<&str, &str>, result: &str) {
    draft.sheet.note("percentiles are by nearest rank; how many samples they rest on is not in the summary");
    draft.sheet.note("the summary counts no requests and names no duration: there is no tally");
    if result != "VALID" {
        draft.is_failed = true;
        draft.sheet.note(format!("the tool's verdict is {result}: its own rules for a valid result are not met"));
    }
    for name in [
        "Performance constraints satisfied",
        "Min duration satisfied",
        "Min queries satisfied",
        "Early stopping satisfied",
    ] {
        if lines.get(name).is_some_and(|word| word.eq_ignore_ascii_case("no")) {
            draft.sheet.note(format!("not satisfied: {name}"));
        }
    }
    if lines.get("Mode").is_some_and(|mode| mode.contains("Accuracy")) {
        draft.sheet.note("suspicious: an accuracy run; its speed is not meant to be read");
    }
}

/// `name : value` lines; the first of a name counts.
fn lines(text: &str) -> Result<BTreeMap<&str, &str>, ImportError> {
    let mut found = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        if index >= MOST_LINES {
            return Err(ImportError::TooLarge {
                format: Format::Loadgen,
                what: "the number of lines",
                limit: MOST_LINES,
            });
        }
        if let Some((name, value)) = line.split_once(':') {
            found.entry(name.trim()).or_insert_with(|| value.trim());
        }
    }
    Ok(found)
}

/// `99.90 percentile first token latency (ns)` → field and statistic.
fn latency(name: &str) -> Option<(&'static str, Statistic)> {
    let body = name.strip_suffix("(ns)")?.trim().to_ascii_lowercase();
    let (statistic, subject) = match body.split_once(" percentile ") {
        Some((percent, subject)) => (figures::percentile(percent.trim().parse().ok()?)?, subject.to_owned()),
        None => {
            let (word, subject) = body.split_once(' ')?;
            let statistic = match word {
                "min" => Statistic::Min,
                "max" => Statistic::Max,
                "mean" => Statistic::Mean,
                _ => return None,
            };
            (statistic, subject.to_owned())
        }
    };
    let field = match subject.trim() {
        "latency" => "latency",
        "first token latency" => "first_token",
        "time to output token" | "tpot" => "tpot",
        _ => return None,
    };
    Some((field, statistic))
}

fn number(text: &str) -> Reading {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(format!("`{}` is no finite number", text.chars().take(40).collect::<String>())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_latencies() {
        let check = |name: &str, expected| assert_eq!(latency(name), expected, "{name}");
        check("Mean latency (ns)", Some(("latency", Statistic::Mean)));
        check("99.90 percentile latency (ns)", Some(("latency", Statistic::P999)));
        check("50.00 percentile first token latency (ns)", Some(("first_token", Statistic::P50)));
        check("99.00 percentile time to output token (ns)", Some(("tpot", Statistic::P99)));
        check("97.00 percentile latency (ns)", None);
        check("target_latency (ns)", None);
    }
}
