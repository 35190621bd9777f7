//! Stage 3: from a converted document to chunks that are worth asking about.

pub mod blocks;
mod clean;
mod language;
mod measure;
mod signals;
mod split;

use serde::{Deserialize, Serialize};
use weighbridge_convert::{Converted, Grade};

pub use clean::{CleanCounts, Cleaned, clean};
pub use language::{Language, certain_language, language};
pub use measure::{TokenCounter, estimate_tokens};
pub(crate) use signals::ramp;
pub use signals::{ContentScore, ContentSignals, content_score, content_signals};
pub use split::{Chunk, split};

use crate::settings::Settings;
use crate::words;

/// A document that is ready to be worked on.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// The frozen text and its pages.
    pub cleaned: Cleaned,
    /// The blocks of the text.
    pub blocks: Vec<blocks::Block>,
    /// Its chunks.
    pub chunks: Vec<Chunk>,
    /// What was measured.
    pub measured: DocumentMeasures,
}

/// What was measured of a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DocumentMeasures {
    /// Score of the conversion, 0 to 1.
    pub conversion: ConversionScore,
    /// Its language.
    pub language: Language,
    /// Signals of the content.
    pub signals: ContentSignals,
    /// What they come to.
    pub content: ContentScore,
    /// What cleaning left out.
    pub cleaned: CleanCounts,
}

/// How far a conversion can be trusted: the product of the terms that were measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConversionScore {
    /// The product.
    pub score: f64,
    /// Agreement of two engines; `None` where there is one.
    pub agreement: Option<f64>,
    /// 1 without garbled characters, 0 where a tenth of them is.
    pub clean: f64,
    /// 1 less the share of words in running headers and footers.
    pub body: f64,
    /// What the converter says against its text.
    pub doubts: Vec<String>,
}

/// The score of a conversion, from what its converter measured.
#[must_use]
pub fn conversion_score(converted: &Converted) -> ConversionScore {
    let signals = &converted.signals;
    let clean = 1.0 - ramp(signals.garbled, 0.0, 0.1);
    let body = 1.0 - signals.furniture_share.clamp(0.0, 1.0);
    let doubts = match &converted.grade {
        Grade::Good => Vec::new(),
        Grade::Degraded(reasons) => reasons.clone(),
    };
    let score = signals.agreement.unwrap_or(1.0).clamp(0.0, 1.0) * clean * body;
    ConversionScore { score, agreement: signals.agreement, clean, body, doubts }
}

/// Cleans a document, measures it and cuts it. Nothing is decided here: see [`refuse`].
#[must_use]
pub fn prepare(converted: &Converted, settings: &Settings, counter: &TokenCounter) -> Prepared {
    let cleaned = clean(converted);
    let blocks = blocks::blocks(&cleaned.text);
    let language = language(&cleaned.text, &blocks);
    let signals = content_signals(&cleaned.text, &blocks);
    let is_spaceless = is_spaceless(&cleaned.text);
    let content = content_score(&signals, is_spaceless, settings.preprocessing.least_words);
    let chunks = split(&cleaned.text, &blocks, &settings.chunks, counter);
    let conversion = conversion_score(converted);
    let changes = cleaned.changes;
    let measured = DocumentMeasures { conversion, language, signals, content, cleaned: changes };
    Prepared { cleaned, blocks, chunks, measured }
}

/// Why a document goes no further; `None` lets it pass.
#[must_use]
pub fn refuse(measured: &DocumentMeasures, settings: &Settings) -> Option<DocumentRefusal> {
    if measured.signals.words == 0 {
        return Some(DocumentRefusal::Empty);
    }
    if measured.language.is_nonsense(settings.preprocessing.least_reliable) == Some(true) {
        return Some(DocumentRefusal::Mojibake);
    }
    if measured.conversion.score < settings.gates.conversion {
        return Some(DocumentRefusal::PoorConversion);
    }
    let languages = &settings.preprocessing.languages;
    let is_taken = |code: &String| languages.is_empty() || languages.contains(code);
    if !measured.language.code.as_ref().is_none_or(is_taken) {
        return Some(DocumentRefusal::OtherLanguage);
    }
    (measured.content.score < settings.gates.preprocessing).then_some(DocumentRefusal::PoorContent)
}

/// Why a converted document goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentRefusal {
    /// No words.
    Empty,
    /// Its prose is in no language.
    Mojibake,
    /// The score of its conversion is below the gate.
    PoorConversion,
    /// Its language is none of those that are taken.
    OtherLanguage,
    /// The score of its content is below the gate.
    PoorContent,
}

impl DocumentRefusal {
    /// The name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Mojibake => "mojibake",
            Self::PoorConversion => "poor_conversion",
            Self::OtherLanguage => "other_language",
            Self::PoorContent => "poor_content",
        }
    }
}

fn is_spaceless(text: &str) -> bool {
    let letters = text.chars().filter(|char| char.is_alphabetic()).take(10_000);
    let (mut all, mut spaceless) = (0_u32, 0_u32);
    for char in letters {
        all += 1;
        spaceless += u32::from(words::is_spaceless(char));
    }
    spaceless * 2 > all
}
