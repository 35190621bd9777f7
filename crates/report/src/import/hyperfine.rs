//! hyperfine `--export-json`: wall time of commands, in seconds, with the values of each run.

use serde_json::Value;
use weighbridge_types::metric::{Cell, Statistic};
use weighbridge_types::record::Phase;

use super::draft::Draft;
use super::figures::{self, Entry, number, text};
use super::{Format, ImportError, Tool};

/// Longest command that names a cell.
const LONGEST_COMMAND: usize = 160;

/// Words of a flag or variable whose value is a secret.
const SECRETS: [&str; 6] = ["key", "token", "secret", "password", "authorization", "bearer"];

pub(super) fn read(document: &Value) -> Result<Draft, ImportError> {
    let results = document["results"].as_array().filter(|results| !results.is_empty());
    let Some(results) = results else {
        return Err(ImportError::Missing { format: Format::Hyperfine, missing: "a result under `results`".to_owned() });
    };
    let mut draft = Draft::new(Tool::Hyperfine);
    let mut total = 0.0;
    for (index, result) in results.iter().enumerate() {
        let Some(command) = text(result, "command") else {
            let missing = format!("`command` of result {}", index + 1);
            return Err(ImportError::Missing { format: Format::Hyperfine, missing });
        };
        let mut cell = Cell::of(Phase::Load).with("command", masked(command));
        for (name, value) in result["parameters"].as_object().into_iter().flatten().take(16) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            cell = cell.with(&format!("parameter_{name}"), value);
        }
        total += one(&mut draft, result, &cell);
    }
    draft.duration_s = Some(total).filter(|total| total.is_finite());
    draft.sheet.note("the duration is the sum of the timed runs");
    Ok(draft)
}

/// Puts the figures of a command on the sheet, and returns the seconds of its runs.
fn one(draft: &mut Draft, result: &Value, cell: &Cell) -> f64 {
    let times: Vec<f64> = result["times"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_f64)
        .filter(|time| *time >= 0.0)
        .collect();
    let n = times.len() as u64;
    let failures =
        result["exit_codes"].as_array().into_iter().flatten().filter(|code| code.as_i64() != Some(0)).count();
    if failures > 0 {
        draft.sheet.note(format!("{failures} runs of a command did not exit with 0, and are within its times"));
    }
    let figures = [
        ("time", Statistic::Mean, "mean"),
        ("time", Statistic::P50, "median"),
        ("time", Statistic::Min, "min"),
        ("time", Statistic::Max, "max"),
        ("user", Statistic::Mean, "user"),
        ("system", Statistic::Mean, "system"),
    ];
    for (field, statistic, key) in figures {
        let entry = Entry { field, statistic, cell, reading: number(result.get(key), key), scale: 1e3, n };
        if let Some(metric) = draft.sheet.put(entry).filter(|_| key == "mean") {
            figures::spread(metric, number(result.get("stddev"), "stddev").ok().map(|deviation| deviation * 1e3));
        }
    }
    times.iter().sum()
}

/// The command, cut to a length, with what looks like a secret replaced.
fn masked(command: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut hides_next = false;
    for word in command.split_whitespace() {
        let lower = word.to_ascii_lowercase();
        let is_secret = SECRETS.iter().any(|secret| lower.contains(secret));
        match word.split_once(['=', ':']).filter(|_| is_secret) {
            _ if hides_next => words.push("***".to_owned()),
            Some((name, _)) => words.push(format!("{name}=***")),
            None => words.push(word.to_owned()),
        }
        hides_next = is_secret && (!word.contains('=') || lower.contains("authorization") || lower.contains("bearer"));
    }
    words.join(" ").chars().take(LONGEST_COMMAND).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_a_command_are_masked() {
        let check = |command: &str, expected: &str| assert_eq!(masked(command), expected);
        check("sleep 0.1", "sleep 0.1");
        check("run --api-key abc -n 3", "run --api-key *** -n 3");
        check("API_KEY=abc run", "API_KEY=*** run");
        check("curl -H 'Authorization: Bearer abc' url", "curl -H 'Authorization=*** *** *** url");
        check("curl --token=abc url", "curl --token=*** url");
    }
}
