//! Environment variables: the one place that reads them.

use std::env;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::output::Level;

/// What the environment says.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    /// `WEIGHBRIDGE_API_KEY`: key for any endpoint; wins over the two below.
    pub(crate) api_key: Option<String>,
    /// `OPENAI_API_KEY`: key for the OpenAI dialect.
    pub(crate) openai_key: Option<String>,
    /// `ANTHROPIC_API_KEY`: key for the Anthropic dialect.
    pub(crate) anthropic_key: Option<String>,
    /// `NO_COLOR`: any value switches color off.
    pub(crate) no_color: bool,
    /// `TERM`: the terminal cannot move its cursor when it is `dumb`, or not named where terminals are.
    pub(crate) dumb_terminal: bool,
    /// `COLUMNS`: width of the terminal, where it cannot be asked.
    pub(crate) columns: Option<u16>,
    /// `ORT_DYLIB_PATH`: the library of ONNX Runtime, for `ort:` models; without it the usual names are looked for.
    pub(crate) ort_library: Option<PathBuf>,
    /// `WEIGHBRIDGE_MODELS_DIR`: folder of models that are listed, and that may be named without a path.
    pub(crate) models: Option<PathBuf>,
    /// `INSTANCE_ID`, or `WEIGHBRIDGE_INSTANCE_ID` before it: the name of this instance among others that serve.
    pub(crate) instance: Option<String>,
    /// `MAX_CONCURRENT_MODELS`: models in memory at most, for `serve`; what is no number is left aside.
    pub(crate) max_models: Option<usize>,
    /// `WEIGHBRIDGE_LOG_LEVEL`: how much is said on stderr: error, warn, info (as usual) or debug.
    pub(crate) log_level: Level,
}

impl Environment {
    /// Reads the variables.
    ///
    /// # Errors
    /// When one has a value that it cannot have.
    #[expect(clippy::disallowed_methods, reason = "this file is the one place that reads the environment")]
    pub(crate) fn read() -> Result<Self, Failure> {
        let text = |name| env::var(name).ok().filter(|value: &String| !value.is_empty());
        Ok(Self {
            api_key: text("WEIGHBRIDGE_API_KEY"),
            openai_key: text("OPENAI_API_KEY"),
            anthropic_key: text("ANTHROPIC_API_KEY"),
            no_color: env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
            dumb_terminal: text("TERM").map_or(cfg!(unix), |term| term == "dumb"),
            columns: text("COLUMNS").and_then(|columns| columns.parse().ok()),
            ort_library: text("ORT_DYLIB_PATH").map(PathBuf::from),
            models: text("WEIGHBRIDGE_MODELS_DIR").map(PathBuf::from),
            instance: text("WEIGHBRIDGE_INSTANCE_ID").or_else(|| text("INSTANCE_ID")),
            max_models: text("MAX_CONCURRENT_MODELS").and_then(|count| count.parse().ok()).filter(|count| *count > 0),
            log_level: text("WEIGHBRIDGE_LOG_LEVEL").map_or(Ok(Level::default()), |name| level(&name))?,
        })
    }

    /// Lines on what was set, for whoever wonders; of a key only that there is one.
    pub(crate) fn settings(&self) -> Vec<String> {
        let key = |name: &'static str, key: &Option<String>| {
            key.as_ref().map(|_| format!("{name} is set, which is not shown (environment)"))
        };
        let path = |name: &'static str, path: &Option<PathBuf>| {
            path.as_ref().map(|path| format!("{name} = {} (environment)", path.display()))
        };
        let lines = [
            key("WEIGHBRIDGE_API_KEY", &self.api_key),
            key("OPENAI_API_KEY", &self.openai_key),
            key("ANTHROPIC_API_KEY", &self.anthropic_key),
            path("ORT_DYLIB_PATH", &self.ort_library),
            path("WEIGHBRIDGE_MODELS_DIR", &self.models),
        ];
        lines.into_iter().flatten().collect()
    }
}

fn level(name: &str) -> Result<Level, Failure> {
    Level::named(name).ok_or_else(|| {
        let known = Level::ALL.map(|(known, _)| known).join(", ");
        let what = format!("accept `{name}` as WEIGHBRIDGE_LOG_LEVEL: it is none of {known}");
        Failure::usage(what, "leave the variable out for `info`; `debug` says most")
    })
}
