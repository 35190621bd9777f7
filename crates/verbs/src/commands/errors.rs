//! `errors`: what a running service says failed.

use std::time::Duration;

use serde_json::Value;
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
    let told = ask_service(&arguments.url, &format!("/api/v1/errors?last={}s", last.as_secs()), environment)?;
    if arguments.output.output_format == OutputFormat::Json {
        output::json(&told)?;
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

/// What a running service says at a place.
pub(super) fn ask_service(url: &str, place: &str, environment: &Environment) -> Result<Value, Failure> {
    let model: ModelRef = format!("openai:{url}").parse()?;
    let Some(pages) = Registry::new(environment, LocalArguments::default())?.pages(&model)? else {
        return Err(Failure::usage(
            format!("ask `{url}`"),
            "write the URL of a service, such as http://127.0.0.1:8700",
        ));
    };
    let page = runtime()?.block_on(async { pages.get(place, PATIENCE).await })?;
    Ok(serde_json::from_slice(&page)?)
}
