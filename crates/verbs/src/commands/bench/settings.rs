//! From arguments to settings: what the flags say, over the defaults of the mode.

use std::path::{Path, PathBuf};

use weighbridge_bench::{BenchSettings, Lengths, Mode, Targets};
use weighbridge_store::read_record;
use weighbridge_types::model_ref::ModelRef;
use weighbridge_types::record::{Phase, Record};

use super::super::runs;
use crate::arguments::BenchArguments;
use crate::failure::Failure;
use crate::registry::{self, Variants};

/// Arguments, resolved.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) model: ModelRef,
    pub(super) variants: Variants,
    pub(super) label: String,
    pub(super) settings: BenchSettings,
    /// Targets of the user's own file.
    pub(super) targets: Option<Targets>,
    /// Phases to run again when a run is continued: those that were named.
    pub(super) rerun: Vec<Phase>,
    /// The run to continue.
    pub(super) earlier: Option<Earlier>,
}

/// A run that is to be continued.
#[derive(Debug)]
pub(super) struct Earlier {
    pub(super) folder: PathBuf,
    pub(super) record: Record,
}

impl Resolved {
    pub(super) fn from_arguments(arguments: &BenchArguments) -> Result<Self, Failure> {
        let named = arguments.phases.iter().map(|name| phase(name)).collect::<Result<Vec<_>, _>>()?;
        let earlier = arguments.resume.as_deref().map(|run| Earlier::find(run, arguments)).transpose()?;
        let recorded = earlier.as_ref().map(|earlier| earlier.record.engine.model_ref.as_str());
        let reference = arguments.model.as_deref().or(arguments.model_flag.as_deref()).or(recorded);
        let model: ModelRef = reference.map_or(Ok(ModelRef::Tiny), str::parse)?;
        let (settings, label) = match &earlier {
            Some(earlier) => (earlier.settings(&named)?, earlier.record.label.clone()),
            None => {
                let label = arguments.label.clone().unwrap_or_else(|| default_label(&model));
                (settings(arguments, &named)?, label)
            }
        };
        Ok(Self {
            variants: variants(&arguments.variants)?,
            label,
            settings,
            targets: arguments.targets.as_deref().map(targets).transpose()?,
            rerun: named,
            earlier,
            model,
        })
    }
}

impl Earlier {
    fn find(run: &str, arguments: &BenchArguments) -> Result<Self, Failure> {
        let folder = runs::find(run, &arguments.results.output_dir)?;
        let record = read_record(&folder)?;
        Ok(Self { folder, record })
    }

    /// The settings of that run. Phases that it left out, and that are named now, are added.
    fn settings(&self, named: &[Phase]) -> Result<BenchSettings, Failure> {
        let settings = serde_json::from_value::<BenchSettings>(self.record.settings.clone());
        let mut settings = settings.map_err(|error| {
            let what = format!("read the settings of run `{}`: {error}", self.record.run_id);
            Failure::usage(what, "start a new run without `--resume`")
        })?;
        for phase in named {
            if !settings.phases.contains(phase) {
                settings.phases.push(*phase);
            }
        }
        Ok(settings)
    }
}

pub(super) fn settings(arguments: &BenchArguments, named: &[Phase]) -> Result<BenchSettings, Failure> {
    let mode = match (arguments.quick, arguments.full) {
        (true, _) => Mode::Quick,
        (_, true) => Mode::Full,
        _ => Mode::Standard,
    };
    let mut settings = BenchSettings::for_mode(mode);
    settings.runs = arguments.runs.unwrap_or(1);
    settings.seed = arguments.seed;
    if !named.is_empty() {
        settings.phases = named.to_vec();
    }
    if let Some(requests) = arguments.requests {
        settings.latency_requests = requests;
    }
    if !arguments.concurrency.is_empty() {
        settings.concurrency.clone_from(&arguments.concurrency);
    }
    if !arguments.lengths.is_empty() {
        settings.lengths = arguments.lengths.iter().map(|text| text.parse()).collect::<Result<Vec<Lengths>, _>>()?;
    }
    Ok(settings.checked()?)
}

fn phase(name: &str) -> Result<Phase, Failure> {
    let known = Phase::WEIGH_IN.into_iter().find(|phase| phase.name() == name.trim());
    known.ok_or_else(|| {
        let names = Phase::WEIGH_IN.map(Phase::name).join(", ");
        Failure::usage(format!("accept `{name}` as a phase: there is no such phase"), format!("take from {names}"))
    })
}

fn variants(names: &[String]) -> Result<Variants, Failure> {
    match names {
        [] => Ok(Variants::Usual),
        [none] if none == "none" => Ok(Variants::None),
        names => Ok(Variants::Of(names.iter().map(|name| registry::block_type(name)).collect::<Result<_, _>>()?)),
    }
}

fn targets(path: &Path) -> Result<Targets, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("read the targets file `{}`: {error}", path.display()), "name an existing file")
    })?;
    Targets::from_text(&text)
        .map_err(|error| Failure::usage(format!("use the targets file `{}`: {error}", path.display()), error.hint()))
}

/// A label from the model's name, in the characters that a folder's name may have.
pub(super) fn default_label(model: &ModelRef) -> String {
    let name = match model {
        ModelRef::Tiny => "tiny".to_owned(),
        ModelRef::Gguf(path)
        | ModelRef::Candle(path)
        | ModelRef::Safetensors(path)
        | ModelRef::LlamaCpp(path)
        | ModelRef::Onnx(path)
        | ModelRef::Ort(path) => path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned()),
        ModelRef::Endpoint(endpoint) => endpoint.model.clone().unwrap_or_else(|| endpoint.preset.name().to_owned()),
        ModelRef::Scripted(_) => "scripted".to_owned(),
    };
    let kept: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    let trimmed: String = kept.trim_matches(['-', '.']).chars().take(48).collect();
    if trimmed.is_empty() { "model".to_owned() } else { trimmed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_from_the_models_name() {
        let check = |reference: &str, expected: &str| {
            assert_eq!(default_label(&reference.parse().unwrap()), expected);
        };
        check("tiny", "tiny");
        check("gguf:a/My Model.Q8_0.gguf", "My-Model.Q8-0");
        check("openai:http://127.0.0.1:1#org/name", "org-name");
        check("vllm:http://127.0.0.1:1", "vllm");
        check("gguf:…", "model");
    }
}
