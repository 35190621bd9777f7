//! `model load`: how long models take until they are ready.

use serde::Serialize;
use weighbridge_types::model_ref::ModelRef;

use super::super::runtime;
use crate::arguments::{LocalArguments, OutputFormat};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::registry::Registry;

/// One model timed.
#[derive(Serialize)]
struct Loaded {
    model: String,
    /// Reference given → engine ready; for an endpoint: client set up and models listed. Null when it failed.
    load_time_ms: Option<f64>,
    /// Why there is no time.
    reason: Option<String>,
}

pub(super) fn run(models: &[String], format: OutputFormat, environment: &Environment) -> Result<Exit, Failure> {
    let registry = Registry::new(environment, LocalArguments::default())?;
    let all = ["tiny", "ollama:", "openai:http://127.0.0.1:8000/v1", "mlx:http://127.0.0.1:8080"].map(str::to_owned);
    let names = if models == ["all"] { &all[..] } else { models };
    let models = names.iter().map(|name| name.parse::<ModelRef>()).collect::<Result<Vec<_>, _>>()?;
    let loaded = runtime()?.block_on(async {
        let mut loaded = Vec::new();
        for model in &models {
            loaded.push(time(&registry, model).await);
        }
        loaded
    });
    match format {
        OutputFormat::Json => output::json(&loaded)?,
        OutputFormat::Console => {
            let lines: Vec<String> = loaded.iter().map(line).collect();
            output::data(&lines.join("\n"))?;
        }
    }
    let any = loaded.iter().any(|loaded| loaded.load_time_ms.is_some());
    Ok(if any { Exit::Pass } else { Exit::Invalid })
}

async fn time(registry: &Registry, model: &ModelRef) -> Loaded {
    let (load_time_ms, reason) = match registry.timed_load(model).await {
        Ok(elapsed) => (Some(elapsed), None),
        Err(failure) => (None, Some(format!("could not {}", failure.into_parts().0))),
    };
    Loaded { model: model.to_string(), load_time_ms, reason }
}

fn line(loaded: &Loaded) -> String {
    match (loaded.load_time_ms, &loaded.reason) {
        (Some(ms), _) => format!("{:<40} {ms:>10.2} ms", loaded.model),
        (None, reason) => format!("{:<40} {:>10}     {}", loaded.model, "n/a", reason.as_deref().unwrap_or_default()),
    }
}
