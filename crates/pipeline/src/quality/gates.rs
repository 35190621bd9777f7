//! What ends an item whatever its other merits.

use serde::{Deserialize, Serialize};

/// Why an item is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemRefusal {
    /// It cites nothing that stands in the source.
    NoSpan,
    /// It speaks of the text that it is from: `according to the text`.
    LeaksSource,
    /// Nearly the same as an item that is kept.
    NearDuplicate,
    /// In another language than its source.
    WrongLanguage,
    /// Empty, too short, too long, or with a placeholder.
    Malformed,
    /// Its words do not stand in what it cites.
    Ungrounded,
    /// A judge that saw its source spoke against it.
    Judge,
    /// Its score is below the gate.
    LowScore,
    /// Too many questions begin with its first word.
    FirstWordCap,
    /// Too many questions are of its pattern.
    PatternCap,
}

impl ItemRefusal {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::NoSpan,
        Self::LeaksSource,
        Self::NearDuplicate,
        Self::WrongLanguage,
        Self::Malformed,
        Self::Ungrounded,
        Self::Judge,
        Self::LowScore,
        Self::FirstWordCap,
        Self::PatternCap,
    ];

    /// The name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoSpan => "no_span",
            Self::LeaksSource => "leaks_source",
            Self::NearDuplicate => "near_duplicate",
            Self::WrongLanguage => "wrong_language",
            Self::Malformed => "malformed",
            Self::Ungrounded => "ungrounded",
            Self::Judge => "judge",
            Self::LowScore => "low_score",
            Self::FirstWordCap => "first_word_cap",
            Self::PatternCap => "pattern_cap",
        }
    }
}

/// Phrases by which a text speaks of the text that it is from.
const LEAKS: [&str; 16] = [
    "according to the text",
    "according to the passage",
    "according to the document",
    "according to the context",
    "according to the source",
    "according to the excerpt",
    "in the given text",
    "in the provided text",
    "the text says",
    "the text states",
    "the passage states",
    "the passage says",
    "mentioned in the text",
    "the provided context",
    "based on the text",
    "as an ai",
];

/// Whether a text speaks of the text that it is from, unless that text itself uses the phrase.
#[must_use]
pub fn leaks_source(text: &str, source: &str) -> bool {
    let (text, source) = (text.to_lowercase(), source.to_lowercase());
    LEAKS.iter().any(|phrase| text.contains(phrase) && !source.contains(phrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_about_the_text_are_leaks() {
        assert!(leaks_source("According to the text, it is 5.", "it is 5"));
        assert!(!leaks_source("It is 5.", "it is 5"));
        assert!(!leaks_source("Click where the text says OK.", "Click where the text says OK."));
    }

    #[test]
    fn names_are_those_of_the_form() {
        for reason in ItemRefusal::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
    }
}
