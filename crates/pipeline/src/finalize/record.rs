//! The lines of the data set.

use serde::{Deserialize, Serialize};

use crate::converse::QuestionType;
use crate::dedup::Split;
use crate::extract::{Alignment, Extraction};
use crate::preprocess::DocumentMeasures;
use crate::quality::{ItemScore, ReferenceScore};
use crate::run::{SpanRecord, State};

/// Version of the form of the lines.
pub const DATASET_VERSION: u32 = 1;

/// An item: a conversation whose every answer cites bytes of a frozen text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemRecord {
    /// Version of this form.
    pub version: u32,
    /// A digest of its document, its questions and its answers.
    pub id: String,
    /// The part of the data set that it is in.
    pub split: Split,
    /// The type of its first question.
    pub kind: QuestionType,
    /// The class of what it was made from; `None` where a model made it from the text.
    pub class: Option<String>,
    /// The frozen text: `documents/<document>.md`.
    pub document: String,
    /// The path that the document was read from.
    pub path: String,
    /// The licence that the document came under; `None` where nobody said.
    pub licence: Option<String>,
    /// The chunk, from 0.
    pub chunk: usize,
    /// The language of the document, as far as certain.
    pub language: Option<String>,
    /// Questions and answers.
    pub turns: Vec<TurnRecord>,
    /// The score with its terms.
    pub score: ItemScore,
    /// What speaks against it, though it is kept; empty for an item that is used whole.
    pub doubts: Vec<String>,
}

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnRecord {
    /// The question.
    pub question: String,
    /// The answer.
    pub answer: String,
    /// The bytes that bear it.
    pub evidence: Vec<SpanRecord>,
    /// How they were found; the poorest of them.
    pub alignment: Alignment,
}

/// An item that was not kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RejectedRecord {
    /// Version of this form.
    pub version: u32,
    /// Digest of the frozen text.
    pub document: String,
    /// The chunk, from 0.
    pub chunk: usize,
    /// Its state.
    #[serde(flatten)]
    pub state: State,
    /// What of it led to that, in words: the item that it repeats, the words that are not borne, the score.
    pub detail: String,
    /// The first question.
    pub question: String,
    /// The first answer.
    pub answer: String,
}

/// What a chunk says, with bytes of the frozen text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExtractionRecord {
    /// Version of this form.
    pub version: u32,
    /// Digest of the frozen text.
    pub document: String,
    /// The chunk, from 0.
    pub chunk: usize,
    /// The class.
    pub class: String,
    /// What it is about, where that has a name.
    pub subject: Option<String>,
    /// The words of the source, marks included.
    pub text: String,
    /// Where they stand.
    pub spans: Vec<SpanRecord>,
    /// How they were found.
    pub alignment: Alignment,
    /// How sure it is, 0 to 1.
    pub confidence: f64,
}

impl ExtractionRecord {
    /// Of an extraction whose chunk's text is `text`.
    #[must_use]
    pub fn new(document: &str, chunk: usize, extraction: &Extraction, text: &str, spans: Vec<SpanRecord>) -> Self {
        Self {
            version: DATASET_VERSION,
            document: document.to_owned(),
            chunk,
            class: extraction.class.clone(),
            subject: extraction.subject.as_ref().map(|subject| subject.text.clone()),
            text: text.get(extraction.span.clone()).unwrap_or_default().to_owned(),
            spans,
            alignment: extraction.alignment,
            confidence: extraction.confidence,
        }
    }
}

/// A document and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DocumentRecord {
    /// Version of this form.
    pub version: u32,
    /// The path that it was read from.
    pub path: String,
    /// Its state.
    #[serde(flatten)]
    pub state: State,
    /// What led to that, in words; empty where nothing did.
    pub detail: String,
    /// SHA-256 of the file.
    pub file: String,
    /// SHA-256 of the frozen text; `None` where there is none.
    pub document: Option<String>,
    /// Bytes of the file.
    pub bytes: u64,
    /// The licence that it came under; `None` where nobody said.
    pub licence: Option<String>,
    /// What the file is; `None` where that could not be told.
    pub format: Option<String>,
    /// The title that it gives itself.
    pub title: Option<String>,
    /// Pages; 0 where the format has none.
    pub pages: u64,
    /// Tokens of the text.
    pub tokens: u64,
    /// Whether they are an estimate.
    pub tokens_estimated: bool,
    /// How complex it is, with its features; `None` where there is no text.
    pub complexity: Option<crate::adaptive::Complexity>,
    /// What was measured; `None` where there is no text.
    pub measured: Option<DocumentMeasures>,
    /// Chunks and what became of each, in order.
    pub chunks: Vec<ChunkRecord>,
    /// Items made of it.
    pub items: u64,
    /// Of them kept.
    pub items_kept: u64,
    /// Mean score of the kept items; `None` without any.
    pub quality: Option<f64>,
    /// The score by the reference system's formula, for comparison alone.
    pub reference: Option<ReferenceScore>,
    /// The part of the data set that its items are in.
    pub split: Option<Split>,
}

/// A chunk and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChunkRecord {
    /// Its bytes in the frozen text.
    pub parts: Vec<(usize, usize)>,
    /// Tokens.
    pub tokens: u64,
    /// Its state.
    #[serde(flatten)]
    pub state: State,
    /// What led to that, in words; empty where nothing did.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub detail: String,
}
