//! Environment variables: the one place that reads them.

use std::env;
use std::path::PathBuf;

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
}

impl Environment {
    /// Reads the variables.
    #[expect(clippy::disallowed_methods, reason = "this file is the one place that reads the environment")]
    pub(crate) fn read() -> Self {
        let text = |name| env::var(name).ok().filter(|value: &String| !value.is_empty());
        Self {
            api_key: text("WEIGHBRIDGE_API_KEY"),
            openai_key: text("OPENAI_API_KEY"),
            anthropic_key: text("ANTHROPIC_API_KEY"),
            no_color: env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
            dumb_terminal: text("TERM").map_or(cfg!(unix), |term| term == "dumb"),
            columns: text("COLUMNS").and_then(|columns| columns.parse().ok()),
            ort_library: text("ORT_DYLIB_PATH").map(PathBuf::from),
            models: text("WEIGHBRIDGE_MODELS_DIR").map(PathBuf::from),
        }
    }
}
