//! The files beside a graph that say how texts become its input: those that exporters write.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::OnnxError;

/// Where a graph lies in a folder: as `optimum` writes it, and as sentence-transformers does.
const GRAPHS: [&str; 2] = ["model.onnx", "onnx/model.onnx"];

/// Largest file of settings or words, bytes; the largest known tokenizers have some 30 MB.
const LARGEST: u64 = 256 << 20;

/// Tokens that are read where no file says how many the model can.
const USUAL_POSITIONS: usize = 512;

/// Models whose positions begin after the id of the padding token.
const PADDED_POSITIONS: [&str; 4] = ["roberta", "xlm-roberta", "camembert", "mpnet"];

/// What the names of decoders end with.
const DECODERS: [&str; 2] = ["ForCausalLM", "LMHeadModel"];

/// A graph with the files beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folder {
    /// The graph.
    pub(crate) graph: PathBuf,
    /// Where the other files are.
    root: PathBuf,
}

/// What `config.json` says, as far as it is needed.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Config {
    pub(crate) model_type: Option<String>,
    #[serde(default)]
    architectures: Vec<String>,
    pub(crate) vocab_size: Option<usize>,
    pub(crate) pad_token_id: Option<i32>,
    #[serde(alias = "n_positions")]
    max_position_embeddings: Option<usize>,
    eos_token_id: Option<Ends>,
}

/// Tokens that end a text.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Ends {
    One(u32),
    Many(Vec<u32>),
}

/// How the vectors of tokens become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The mean of all tokens, special ones counted.
    Mean,
    /// The vector of the first token.
    Cls,
}

impl Folder {
    /// Finds the graph that a path names, a file or a folder.
    pub(crate) fn find(path: &Path) -> Result<Self, OnnxError> {
        if !path.is_dir() {
            let parent = path.parent().unwrap_or(Path::new(""));
            let root = if parent.ends_with("onnx") && !parent.join("config.json").exists() {
                parent.parent().unwrap_or(parent)
            } else {
                parent
            };
            return Ok(Self { graph: path.to_owned(), root: root.to_owned() });
        }
        let graph = GRAPHS.iter().map(|name| path.join(name)).find(|graph| graph.is_file());
        let graph = graph.ok_or_else(|| OnnxError::Missing { path: path.to_owned(), file: "model.onnx" })?;
        Ok(Self { graph, root: path.to_owned() })
    }

    /// Whether `config.json` lies beside the graph.
    pub(crate) fn has_settings(&self) -> bool {
        self.root.join("config.json").is_file()
    }

    /// Whether the settings name a decoder; true where they name nothing.
    pub(crate) fn may_be_decoder(&self) -> bool {
        let names = self.config().map(|config| config.architectures).unwrap_or_default();
        names.is_empty() || names.iter().any(|name| DECODERS.iter().any(|ending| name.ends_with(ending)))
    }

    /// The text of `tokenizer.json`.
    pub(crate) fn tokenizer(&self) -> Result<String, OnnxError> {
        self.text("tokenizer.json")?
            .ok_or_else(|| OnnxError::Missing { path: self.root.clone(), file: "tokenizer.json" })
    }

    /// `config.json`.
    pub(crate) fn config(&self) -> Result<Config, OnnxError> {
        self.json("config.json")?.ok_or_else(|| OnnxError::Missing { path: self.root.clone(), file: "config.json" })
    }

    /// Tokens of a text that are read at most: what sentence-transformers' settings or else the tokenizer's say, but no more
    /// than the model has positions.
    pub(crate) fn limit(&self, config: &Config, of_tokenizer: Option<usize>) -> Result<usize, OnnxError> {
        #[derive(Deserialize)]
        struct Sentences {
            max_seq_length: Option<usize>,
        }
        let sentences: Option<Sentences> = self.json("sentence_bert_config.json")?;
        let positions = config.positions();
        let wanted = sentences.and_then(|sentences| sentences.max_seq_length).or(of_tokenizer).unwrap_or(positions);
        if wanted == 0 || positions == 0 {
            let problem = format!("it reads {wanted} tokens of {positions} positions; expected at least one");
            return Err(OnnxError::Settings { path: self.root.join("config.json"), problem });
        }
        Ok(wanted.min(positions))
    }

    /// Tokens that end a text: those of `generation_config.json`, or else of the model's settings.
    pub(crate) fn ends(&self, config: &Config) -> Result<Vec<u32>, OnnxError> {
        #[derive(Deserialize)]
        struct Generation {
            eos_token_id: Option<Ends>,
        }
        let generation: Option<Generation> = self.json("generation_config.json")?;
        let ends = generation.and_then(|generation| generation.eos_token_id).or_else(|| config.eos_token_id.clone());
        Ok(match ends {
            None => Vec::new(),
            Some(Ends::One(token)) => vec![token],
            Some(Ends::Many(tokens)) => tokens,
        })
    }

    /// What `1_Pooling/config.json` says; the mean where there is none.
    pub(crate) fn pooling(&self) -> Result<Pooling, OnnxError> {
        const FILE: &str = "1_Pooling/config.json";
        let settings: Option<serde_json::Map<String, serde_json::Value>> = self.json(FILE)?;
        let Some(settings) = settings else { return Ok(Pooling::Mean) };
        let modes = settings.iter().filter_map(|(key, value)| match (key.strip_prefix("pooling_mode"), value) {
            (Some(""), serde_json::Value::String(mode)) => Some(mode.as_str()),
            (Some(mode), serde_json::Value::Bool(true)) => Some(mode.trim_start_matches('_')),
            _ => None,
        });
        match modes.collect::<Vec<_>>()[..] {
            ["mean" | "mean_tokens"] => Ok(Pooling::Mean),
            ["cls" | "cls_token"] => Ok(Pooling::Cls),
            ref other => {
                let problem = format!("it pools by `{}`; `mean` and `cls` are known, one at a time", other.join(", "));
                Err(OnnxError::Settings { path: self.root.join(FILE), problem })
            }
        }
    }

    fn json<T: DeserializeOwned>(&self, file: &str) -> Result<Option<T>, OnnxError> {
        let Some(text) = self.text(file)? else { return Ok(None) };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| OnnxError::Settings { path: self.root.join(file), problem: error.to_string() })
    }

    fn text(&self, file: &str) -> Result<Option<String>, OnnxError> {
        let path = self.root.join(file);
        if !path.is_file() {
            return Ok(None);
        }
        let unreadable = |source| OnnxError::Io { path: path.clone(), source };
        let size = std::fs::metadata(&path).map_err(unreadable)?.len();
        if size > LARGEST {
            let problem = format!("it has {size} bytes; at most {LARGEST} are read");
            return Err(OnnxError::Settings { path, problem });
        }
        std::fs::read_to_string(&path).map(Some).map_err(unreadable)
    }
}

impl Config {
    /// Tokens that the model has positions for.
    pub(crate) fn positions(&self) -> usize {
        let all = self.max_position_embeddings.unwrap_or(USUAL_POSITIONS);
        let is_padded = self.model_type.as_deref().is_some_and(|kind| PADDED_POSITIONS.contains(&kind));
        let first = usize::try_from(self.pad_token_id.unwrap_or(0)).unwrap_or(0) + 1;
        if is_padded { all.saturating_sub(first) } else { all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(file: &str, text: &str) -> (tempfile::TempDir, Folder) {
        let held = tempfile::tempdir().unwrap();
        let path = held.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        let folder = Folder { graph: held.path().join("model.onnx"), root: held.path().to_owned() };
        (held, folder)
    }

    #[test]
    fn pooling_is_read_in_both_forms() {
        let check = |text: &str, expected: Result<Pooling, &str>| {
            let (_held, folder) = folder("1_Pooling/config.json", text);
            match (folder.pooling(), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        };
        check(r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#, Ok(Pooling::Cls));
        check(r#"{"pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true}"#, Ok(Pooling::Mean));
        check(r#"{"embedding_dimension": 4, "pooling_mode": "cls"}"#, Ok(Pooling::Cls));
        check(r#"{"pooling_mode_max_tokens": true}"#, Err("`max_tokens`"));
        check(r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true}"#, Err("one at a time"));
        check("{}", Err("pools by ``"));
        check("[", Err("1_Pooling"));
        assert_eq!(folder("config.json", "{}").1.pooling().unwrap(), Pooling::Mean);
    }

    #[test]
    fn no_more_is_read_than_there_are_positions() {
        let check = |config: &str, sentences: &str, of_tokenizer: Option<usize>, expected: Option<usize>| {
            let (_held, folder) = folder("sentence_bert_config.json", sentences);
            let config: Config = serde_json::from_str(config).unwrap();
            assert_eq!(folder.limit(&config, of_tokenizer).ok(), expected, "{config:?} {sentences}");
        };
        check(r#"{"max_position_embeddings": 40}"#, "{}", None, Some(40));
        check(r#"{"max_position_embeddings": 40}"#, "{}", Some(16), Some(16));
        check(r#"{"max_position_embeddings": 40}"#, r#"{"max_seq_length": 20}"#, Some(16), Some(20));
        check(r#"{"max_position_embeddings": 40}"#, r#"{"max_seq_length": 90}"#, None, Some(40));
        check(r#"{"max_position_embeddings": 40}"#, r#"{"max_seq_length": 0}"#, None, None);
        check(r#"{"max_position_embeddings": 66, "model_type": "roberta", "pad_token_id": 1}"#, "{}", None, Some(64));
        check("{}", "{}", None, Some(512));
    }

    #[test]
    fn a_graph_is_found_in_its_folder_or_by_its_name() {
        let (held, _) = folder("onnx/model.onnx", "");
        let by_folder = Folder::find(held.path()).unwrap();
        assert_eq!(Folder::find(&by_folder.graph).unwrap(), by_folder);
        let empty = tempfile::tempdir().unwrap();
        assert!(Folder::find(empty.path()).unwrap_err().to_string().contains("model.onnx"));
    }
}
