//! Model references: one string names a model everywhere.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// What to weigh, as a user writes it: `tiny`, `gguf:model.gguf`, `openai:http://127.0.0.1:8000/v1#name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelRef {
    /// The model inside the binary.
    Tiny,
    /// A GGUF file.
    Gguf(PathBuf),
    /// A GGUF file that candle computes.
    Candle(PathBuf),
    /// A folder with `config.json`, `tokenizer.json` and safetensors files.
    Safetensors(PathBuf),
    /// A GGUF file that llama.cpp runs.
    LlamaCpp(PathBuf),
    /// An ONNX file, a folder with one and its tokenizer, or the name of a shipped classifier.
    Onnx(PathBuf),
    /// The same, computed by an ONNX Runtime that is installed.
    Ort(PathBuf),
    /// A server, spoken to over HTTP.
    Endpoint(EndpointRef),
    /// The scripted engine, with its script as written after `scripted:`.
    Scripted(String),
}

/// A server and the model asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointRef {
    /// How the server talks.
    pub preset: Preset,
    /// Base URL; `None` takes the preset's default.
    pub url: Option<String>,
    /// Model name; `None` asks the server which one it has.
    pub model: Option<String>,
}

/// A kind of server: its dialect and its defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the servers' own")]
pub enum Preset {
    OpenAi,
    Anthropic,
    Ollama,
    Vllm,
    Tgi,
    Sglang,
    LlamaServer,
    Mlx,
}

impl Preset {
    /// Every preset, in the order that help texts list them.
    pub const ALL: [Self; 8] = [
        Self::OpenAi,
        Self::Anthropic,
        Self::Ollama,
        Self::Vllm,
        Self::Tgi,
        Self::Sglang,
        Self::LlamaServer,
        Self::Mlx,
    ];

    /// The name used in references.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Ollama => "ollama",
            Self::Vllm => "vllm",
            Self::Tgi => "tgi",
            Self::Sglang => "sglang",
            Self::LlamaServer => "llama-server",
            Self::Mlx => "mlx",
        }
    }
}

/// A model reference that names no known kind of model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("resolve the model reference `{text}`: {problem}")]
pub struct ModelRefError {
    text: String,
    problem: String,
}

impl ModelRefError {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> String {
        "write `tiny`, `gguf:FILE`, `candle:FILE`, `safetensors:FOLDER`, `llama-cpp:FILE`, `onnx:FILE`, \
         `ort:FILE`, `scripted:ttft=20ms,itl=5ms`, or `KIND:URL#MODEL` with a KIND of openai, anthropic, ollama, vllm, tgi, sglang, \
         llama-server or mlx"
            .to_owned()
    }
}

impl FromStr for ModelRef {
    type Err = ModelRefError;

    fn from_str(text: &str) -> Result<Self, ModelRefError> {
        let wrong = |problem: String| ModelRefError { text: text.to_owned(), problem };
        if text == "tiny" {
            return Ok(Self::Tiny);
        }
        let Some((kind, rest)) = text.split_once(':') else {
            return Err(wrong(match text.rsplit_once('.') {
                Some((_, kind @ ("gguf" | "onnx"))) => format!("a file needs its kind, `{kind}:{text}`"),
                _ => "no such kind of model".to_owned(),
            }));
        };
        if rest.is_empty() && !matches!(kind, "scripted" | "ollama" | "anthropic") {
            return Err(wrong(format!("nothing follows `{kind}:`")));
        }
        match kind {
            "gguf" => Ok(Self::Gguf(rest.into())),
            "candle" => Ok(Self::Candle(rest.into())),
            "safetensors" => Ok(Self::Safetensors(rest.into())),
            "llama-cpp" => Ok(Self::LlamaCpp(rest.into())),
            "onnx" => Ok(Self::Onnx(rest.into())),
            "ort" => Ok(Self::Ort(rest.into())),
            "scripted" => Ok(Self::Scripted(rest.to_owned())),
            _ => match Preset::ALL.into_iter().find(|preset| preset.name() == kind) {
                Some(preset) => Ok(Self::Endpoint(EndpointRef::parse(preset, rest))),
                None => Err(wrong(format!("no kind of model is called `{kind}`"))),
            },
        }
    }
}

impl EndpointRef {
    /// Splits `URL#MODEL`; text without `://` is a model name on the preset's default server.
    fn parse(preset: Preset, rest: &str) -> Self {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        if !rest.contains("://") {
            return Self { preset, url: None, model: some(rest) };
        }
        let (url, model) = rest.split_once('#').unwrap_or((rest, ""));
        Self { preset, url: some(url), model: some(model) }
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tiny => write!(f, "tiny"),
            Self::Gguf(path) => write!(f, "gguf:{}", path.display()),
            Self::Candle(path) => write!(f, "candle:{}", path.display()),
            Self::Safetensors(path) => write!(f, "safetensors:{}", path.display()),
            Self::LlamaCpp(path) => write!(f, "llama-cpp:{}", path.display()),
            Self::Onnx(path) => write!(f, "onnx:{}", path.display()),
            Self::Ort(path) => write!(f, "ort:{}", path.display()),
            Self::Scripted(script) => write!(f, "scripted:{script}"),
            Self::Endpoint(endpoint) => {
                let model = endpoint.model.as_deref().unwrap_or_default();
                match &endpoint.url {
                    Some(url) if model.is_empty() => write!(f, "{}:{url}", endpoint.preset.name()),
                    Some(url) => write!(f, "{}:{url}#{model}", endpoint.preset.name()),
                    None => write!(f, "{}:{model}", endpoint.preset.name()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_and_prints_back() {
        for text in [
            "tiny",
            "gguf:a/b.gguf",
            "candle:a/b.gguf",
            "safetensors:folder",
            "llama-cpp:a/b.gguf",
            "onnx:network",
            "onnx:a/b.onnx",
            "ort:a/b",
            "scripted:ttft=20ms,itl=5ms",
            "openai:http://127.0.0.1:8000/v1#name",
            "vllm:http://127.0.0.1:8000",
            "ollama:llama3",
            "anthropic:claude",
        ] {
            assert_eq!(text.parse::<ModelRef>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_reference_says_what_is_wrong() {
        let check = |text: &str, problem: &str| {
            let error = text.parse::<ModelRef>().unwrap_err();
            assert!(error.to_string().contains(problem), "{error}");
        };
        check("gpt4", "no such kind");
        check("model.gguf", "`gguf:model.gguf`");
        check("model.onnx", "`onnx:model.onnx`");
        check("onxx:model", "`onxx`");
        check("gguf:", "nothing follows");
        check("llama-cpp:", "nothing follows");
        check("llama_cpp:model.gguf", "`llama_cpp`");
    }
}
