//! `errors`: what a running service says failed.

use std::time::Duration;

use serde_json::Value;
use weighbridge_engine_http::Pages;
use weighbridge_types::model_ref::ModelRef;

use super::runtime;
use crate::arguments::{ErrorsArguments, LocalArguments, OutputFormat};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::registry::Registry;

/// Longest wait for the service.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn run(arguments: &ErrorsArguments, environment: &Environment) -> Result<Exit, Failure> {
    let last = weighbridge_types::units::parse_duration(&arguments.last)
        .map_err(|error| Failure::usage(error.to_string(), "write `--last 1h`"))?;
    let model: ModelRef = format!("openai:{}", arguments.url).parse()?;
    let pages = Registry::new(environment, LocalArguments::default())?.pages(&model)?;
    let Some(pages) = pages else { return Err(Failure::usage("ask the service", "name its URL")) };
    let page = runtime()?.block_on(fetch(&pages, &format!("/api/v1/errors?last={}s", last.as_secs())))?;
    let told: Value = serde_json::from_slice(&page)?;
    if arguments.output.output_format == OutputFormat::Json {
        output::data(&serde_json::to_string_pretty(&told)?)?;
        return Ok(Exit::Pass);
    }
    let mut text = format!("{} failures within {}\n", told["count"], arguments.last);
    for (class, count) in told["by_class"].as_object().into_iter().flatten() {
        text.push_str(&format!("  {class:<9} {count:>6}\n"));
    }
    for fault in told["latest"].as_array().into_iter().flatten().take(10) {
        let part = |name: &str| fault[name].as_str().unwrap_or("-").to_owned();
        text.push_str(&format!("  {} [{}] {}\n", part("class"), part("model"), part("message")));
    }
    output::data(&text)?;
    Ok(Exit::Pass)
}

async fn fetch(pages: &Pages, place: &str) -> Result<Vec<u8>, Failure> {
    Ok(pages.get(place, PATIENCE).await?)
}
