//! A tokenizer as GGUF metadata, for files written from Hugging Face folders.

use std::collections::BTreeMap;

use serde_json::Value;

use super::bpe::PreTokenization;
use super::vocabulary::{TOKEN_TYPE_CONTROL, TOKEN_TYPE_NORMAL, TOKEN_TYPE_UNUSED, TOKEN_TYPE_USER_DEFINED};
use super::{HUGGING_FACE_KEY, TokenizerSpec};
use crate::error::{ModelError, Result};
use crate::formats::{MetaArray, MetaValue, Metadata};
use crate::weights::ModelFile;

/// The metadata of a GGUF file that holds this model, with its tokenizer and chat template.
///
/// Byte-level BPE becomes the `tokenizer.ggml.*` keys that every GGUF runtime reads. Any other kind is stored
/// as it is under `tokenizer.huggingface.json`, which this crate reads and llama.cpp does not.
///
/// # Errors
/// [`ModelError::Tokenizer`] where `tokenizer.json` is no JSON.
pub(crate) fn portable_metadata(model: &ModelFile) -> Result<Metadata> {
    let mut metadata = model.metadata.clone();
    if let Some(template) = &model.chat_template {
        metadata.insert("tokenizer.chat_template", template.as_str().into());
    }
    let TokenizerSpec::Json(text) = &model.tokenizer else { return Ok(metadata) };
    let json: Value = serde_json::from_str(text).map_err(|error| ModelError::tokenizer(error.to_string()))?;
    match ByteLevelBpe::read(&json, model.config.vocab) {
        Some(vocabulary) => vocabulary.describe(&mut metadata),
        None => metadata.insert(HUGGING_FACE_KEY, text.as_str().into()),
    }
    Ok(metadata)
}

struct ByteLevelBpe {
    pre: &'static str,
    tokens: Vec<String>,
    types: Vec<i32>,
    merges: Vec<String>,
}

impl ByteLevelBpe {
    /// `None` where the tokenizer is of another kind, or splits words in a way that has no name.
    fn read(json: &Value, rows: usize) -> Option<Self> {
        let pre = pre_name(json)?;
        let model = json.get("model").filter(|model| model["type"] == "BPE" && model["byte_fallback"] != true)?;
        let id = |value: &Value| value.as_u64().and_then(|id| usize::try_from(id).ok()).filter(|&id| id < rows);
        let mut named = BTreeMap::new();
        for (token, value) in model["vocab"].as_object()? {
            named.insert(id(value)?, (token.clone(), TOKEN_TYPE_NORMAL));
        }
        for token in json["added_tokens"].as_array()? {
            let kind = if token["special"] == true { TOKEN_TYPE_CONTROL } else { TOKEN_TYPE_USER_DEFINED };
            named.insert(id(&token["id"])?, (token["content"].as_str()?.to_owned(), kind));
        }
        // The embedding may have rows that no token uses; GGUF wants a name for each.
        let entry = |id| named.remove(&id).unwrap_or_else(|| (format!("[PAD{id}]"), TOKEN_TYPE_UNUSED));
        let (tokens, types) = (0..rows).map(entry).unzip();
        let merges = model["merges"].as_array()?.iter().map(merge).collect::<Option<_>>()?;
        Some(Self { pre, tokens, types, merges })
    }

    fn describe(self, metadata: &mut Metadata) {
        metadata.insert("tokenizer.ggml.model", "gpt2".into());
        metadata.insert("tokenizer.ggml.pre", self.pre.into());
        metadata.insert("tokenizer.ggml.tokens", MetaValue::Array(MetaArray::Strings(self.tokens)));
        metadata.insert("tokenizer.ggml.token_type", MetaValue::Array(MetaArray::I32(self.types)));
        metadata.insert("tokenizer.ggml.merges", MetaValue::Array(MetaArray::Strings(self.merges)));
    }
}

/// A merge, in either of the two ways that `tokenizer.json` files write it.
fn merge(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(pair) => match pair.as_slice() {
            [left, right] => Some(format!("{} {}", left.as_str()?, right.as_str()?)),
            _ => None,
        },
        _ => None,
    }
}

/// The GGUF name of a way to split words; `None` where it has none here.
fn pre_name(json: &Value) -> Option<&'static str> {
    let pre = &json["pre_tokenizer"];
    let steps = match pre["type"].as_str()? {
        "Sequence" => pre["pretokenizers"].as_array()?.as_slice(),
        _ => std::slice::from_ref(pre),
    };
    match steps {
        [bytes] if bytes["type"] == "ByteLevel" && bytes["use_regex"] != false && bytes["add_prefix_space"] != true => {
            Some("gpt-2")
        }
        [split, bytes] if bytes["type"] == "ByteLevel" && bytes["use_regex"] == false => {
            PreTokenization::name_of(split["pattern"]["Regex"].as_str()?)
        }
        _ => None,
    }
}
