//! `memory plan` and `memory report`.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use weighbridge_telemetry::{SystemRoot, host_memory};
use weighbridge_types::units::ByteSize;

use super::errors::ask_service;
use crate::arguments::{MemoryPlanArguments, MemoryReportArguments, MemoryVerb, OutputFormat};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// The usual shares, per cent.
const USUAL: [(&str, u64); 4] = [("models", 31), ("processing", 39), ("cache", 20), ("system", 10)];

/// What the numbers of a scheme are for, in its order.
const OF_SCHEME: [&str; 4] = ["system", "model", "evaluation", "cache"];

pub(super) fn run(verb: &MemoryVerb, environment: &Environment) -> Result<Exit, Failure> {
    match verb {
        MemoryVerb::Plan(arguments) => plan(arguments),
        MemoryVerb::Report(arguments) => report(arguments, environment),
    }
}

fn plan(arguments: &MemoryPlanArguments) -> Result<Exit, Failure> {
    let total = match arguments.total {
        Some(total) => total.0,
        None => host_memory(&SystemRoot::host())
            .map(|memory| memory.total)
            .ok_or_else(|| Failure::usage("read the memory of this host", "name it, `--total 16GiB`"))?,
    };
    let shares = arguments.scheme.as_deref().map_or(Ok(USUAL), scheme)?;
    let sizes = split(total, &shares);
    if arguments.output.output_format == OutputFormat::Json {
        let share =
            |((name, percent), bytes): (&(&str, u64), &u64)| json!({"name": name, "percent": percent, "bytes": bytes});
        let all: Vec<Value> = shares.iter().zip(&sizes).map(share).collect();
        output::json(&json!({"total_bytes": total, "shares": all}))?;
        return Ok(Exit::Pass);
    }
    let mut text = format!("{} in four shares\n", ByteSize(total));
    for ((name, percent), bytes) in shares.iter().zip(sizes) {
        let _ = writeln!(text, "  {name:<11} {percent:>3} %  {:>10}", ByteSize(bytes).to_string());
    }
    output::data(&text)?;
    Ok(Exit::Pass)
}

/// Four numbers that sum to 100.
fn scheme(text: &str) -> Result<[(&'static str, u64); 4], Failure> {
    let wrong = || {
        let what = format!("accept `{text}` as a scheme: it must be four whole numbers that sum to 100");
        Failure::usage(what, "write system-model-evaluation-cache, such as `--scheme 20-50-20-10`")
    };
    let numbers: Vec<u64> = text.split('-').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
    let [a, b, c, d] = numbers[..] else { return Err(wrong()) };
    if [a, b, c, d].iter().any(|share| *share > 100) || a + b + c + d != 100 {
        return Err(wrong());
    }
    Ok([(OF_SCHEME[0], a), (OF_SCHEME[1], b), (OF_SCHEME[2], c), (OF_SCHEME[3], d)])
}

/// Bytes of each share, rounded down; what that leaves goes to the largest, so that they sum to the whole.
fn split(total: u64, shares: &[(&str, u64); 4]) -> [u64; 4] {
    let mut sizes = shares.map(|(_, percent)| total / 100 * percent + total % 100 * percent / 100);
    let left = total - sizes.iter().sum::<u64>();
    let largest = (0..4).max_by_key(|&place| shares[place].1).unwrap_or(0);
    sizes[largest] += left;
    sizes
}

fn report(arguments: &MemoryReportArguments, environment: &Environment) -> Result<Exit, Failure> {
    let told = ask_service(&arguments.url, "/api/v1/memory", environment)?;
    if arguments.output.output_format == OutputFormat::Json {
        output::json(&told)?;
        return Ok(Exit::Pass);
    }
    let empty = Map::new();
    let part = |name: &str| told[name].as_f64().map_or("unknown".to_owned(), |mb| format!("{mb:.1} MiB"));
    let mut text = format!("{} models in memory\n", told["models_count"]);
    for (label, name) in [
        ("models", "model_memory_mb"),
        ("cache", "cache_memory_mb"),
        ("system", "system_memory_mb"),
        ("total", "total_memory_mb"),
    ] {
        let _ = writeln!(text, "  {label:<8} {:>14}", part(name));
    }
    for (model, bytes) in told["by_model"].as_object().unwrap_or(&empty) {
        let _ = writeln!(text, "  model {model}: {}", ByteSize(bytes.as_u64().unwrap_or(0)));
    }
    output::data(&text)?;
    Ok(Exit::Pass)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_sum_to_the_whole() {
        for total in [0, 1, 99, 1_000, 16 << 30, u64::MAX / 100] {
            assert_eq!(split(total, &USUAL).iter().sum::<u64>(), total);
        }
        assert_eq!(split(1_000, &scheme("20-50-20-10").ok().unwrap()), [200, 500, 200, 100]);
        for wrong in ["", "100", "20-50-20-20", "a-b-c-d", "20-50-20-10-0", "18446744073709551615-1-0-0"] {
            assert!(scheme(wrong).is_err(), "{wrong}");
        }
    }
}
