//! A tokenizer alone, without its model.

use std::path::Path;

use super::{LocalTokenizer, json};
use crate::error::{ModelError, Result};
use crate::formats::Metadata;
use crate::weights::ModelFile;

/// Largest `tokenizer.json`, bytes; the largest known ones have some 30 MB.
const LARGEST: u64 = 256 << 20;

/// Opens the tokenizer that a path names: a `tokenizer.json`, a GGUF file, or a folder with either kind of model.
///
/// # Errors
/// Any [`ModelError`] of reading; each names the file.
pub fn open_tokenizer(path: &Path) -> Result<LocalTokenizer> {
    let in_folder = path.join("tokenizer.json");
    let file = if in_folder.is_file() { in_folder.as_path() } else { path };
    if file.extension().is_none_or(|extension| extension != "json") {
        return ModelFile::open(path)?.build_tokenizer();
    }
    let unreadable = |error: std::io::Error| ModelError::tokenizer(format!("read `{}`: {error}", file.display()));
    let size = std::fs::metadata(file).map_err(unreadable)?.len();
    if size > LARGEST {
        return Err(ModelError::tokenizer(format!(
            "`{}` has {size} bytes, at most {LARGEST} are read",
            file.display()
        )));
    }
    json::build(&std::fs::read_to_string(file).map_err(unreadable)?, &Metadata::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use weighbridge_engine::Tokenizer;

    /// Two words, split at blanks.
    const WORDS: &str = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
        "pre_tokenizer":{"type":"Whitespace"},"post_processor":null,"decoder":null,
        "model":{"type":"WordLevel","vocab":{"[UNK]":0,"word":1},"unk_token":"[UNK]"}}"#;

    #[test]
    fn a_tokenizer_is_opened_from_its_file_or_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokenizer.json");
        std::fs::write(&file, WORDS).unwrap();
        for path in [file.as_path(), folder.path()] {
            assert_eq!(open_tokenizer(path).unwrap().encode("word word word").unwrap().len(), 3);
        }
        let check = |name: &str, text: Option<&str>, part: &str| {
            let path = folder.path().join(name);
            text.iter().for_each(|text| std::fs::write(&path, text).unwrap());
            let error = open_tokenizer(&path).unwrap_err().to_string();
            assert!(error.contains(part), "{name}: {error}");
        };
        check("absent.json", None, "absent.json");
        check("broken.json", Some("{"), "tokenizer.json");
        check("other.bin", Some("no model at all"), "GGUF");
    }
}
