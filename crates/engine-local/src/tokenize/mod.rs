//! Text to token ids and back: `tokenizer.json`, and the vocabularies inside GGUF files.

/// What a tokenizer is built from, as found in the model file.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenizerSpec {
    /// The text of a Hugging Face `tokenizer.json`.
    Json(String),
    /// The `tokenizer.ggml.*` keys of the metadata.
    Gguf,
    /// The file has no vocabulary: bytes are tokens 0 to 255.
    Bytes,
}
