//! `cache`: whether kept answers are those that were written, what caches of ours are worth, and what they hold.

mod bench;
mod door;
mod stats;
mod worth;

use std::path::Path;

use serde_json::json;

use crate::arguments::{CacheBenchVerb, CacheStatsArguments, OutputFormat};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// `cache bench` of a cache of ours.
pub(super) fn bench(verb: &CacheBenchVerb, environment: &Environment) -> Result<Exit, Failure> {
    bench::run(verb, environment)
}

/// `cache stats`.
pub(super) fn stats(arguments: &CacheStatsArguments, environment: &Environment) -> Result<Exit, Failure> {
    stats::run(arguments, environment)
}

/// `cache verify`.
pub(super) fn verify(folder: &Path, format: OutputFormat) -> Result<Exit, Failure> {
    let report = weighbridge_cache::verify(folder)?;
    let is_whole = report.damaged == 0;
    match format {
        OutputFormat::Json => output::json(&json!({
            "files": report.files,
            "entries": report.entries,
            "bytes": report.bytes,
            "damaged": report.damaged,
            "torn": report.torn,
        }))?,
        OutputFormat::Console => {
            let (verdict, damaged) = if is_whole { ("✓", "none is damaged") } else { ("✗", "damaged") };
            let damaged = if is_whole { damaged.to_owned() } else { format!("{} are {damaged}", report.damaged) };
            let mut text = format!(
                "{verdict} {} answers in {} files, {} bytes: {damaged}\n",
                report.entries, report.files, report.bytes
            );
            if report.torn > 0 {
                text.push_str(&format!(
                    "! {} files end within an answer, as after a kill; it is cut off when the cache is next used\n",
                    report.torn
                ));
            }
            output::data(&text)?;
        }
    }
    Ok(if is_whole { Exit::Pass } else { Exit::GateFailed })
}
