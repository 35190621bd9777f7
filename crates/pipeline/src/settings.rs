//! What a pipeline is told. The names and defaults are those of the documents that describe the reference system.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Version of the form of [`Settings`].
pub const SETTINGS_VERSION: u32 = 1;

/// Everything that decides a data set, beside its documents and its model. Unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Version of this form.
    pub version: u32,
    /// Seeds splits, plantings and choices.
    pub seed: u64,
    /// Least scores of the stages.
    pub gates: Gates,
    /// Cleaning, language, content.
    pub preprocessing: PreprocessingSettings,
    /// How texts are cut.
    pub chunks: ChunkSettings,
    /// What is found in chunks.
    pub extraction: ExtractionSettings,
    /// What is asked of what was found.
    pub conversations: ConversationSettings,
    /// How a model is made use of.
    pub model: ModelSettings,
    /// What is near enough to be left out.
    pub deduplication: DeduplicationSettings,
    /// How the data set is divided.
    pub split: SplitSettings,
    /// What is written.
    pub output: OutputSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: SETTINGS_VERSION,
            seed: 0,
            gates: Gates::default(),
            preprocessing: PreprocessingSettings::default(),
            chunks: ChunkSettings::default(),
            extraction: ExtractionSettings::default(),
            conversations: ConversationSettings::default(),
            model: ModelSettings::default(),
            deduplication: DeduplicationSettings::default(),
            split: SplitSettings::default(),
            output: OutputSettings::default(),
        }
    }
}

/// Least scores of the stages, 0 to 1; below them a document, chunk, extraction or item is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gates {
    /// Of a conversion.
    pub conversion: f64,
    /// Of a text's content.
    pub preprocessing: f64,
    /// Of an extraction's confidence.
    pub extraction: f64,
    /// Of an item's score.
    pub conversation: f64,
    /// Of an item's grounding: a number or name that the source does not bear caps it at 0.5.
    pub grounding: f64,
}

impl Default for Gates {
    fn default() -> Self {
        Self { conversion: 0.4, preprocessing: 0.5, extraction: 0.6, conversation: 0.7, grounding: 0.6 }
    }
}

/// Cleaning, language, content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PreprocessingSettings {
    /// Languages that are taken, as codes of three letters; empty takes all.
    pub languages: Vec<String>,
    /// Share of windows of prose whose language must be certain; below it a text is nonsense.
    pub least_reliable: f64,
    /// Words below which a document is the poorer for it.
    pub least_words: u64,
    /// Words below which a chunk is left out.
    pub least_chunk_words: u64,
}

impl Default for PreprocessingSettings {
    fn default() -> Self {
        Self { languages: Vec::new(), least_reliable: 0.3, least_words: 50, least_chunk_words: 12 }
    }
}

/// What a size counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SizeUnit {
    /// Characters.
    #[default]
    Characters,
    /// Tokens of the model, or an estimate of them.
    Tokens,
}

/// How texts are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChunkSettings {
    /// The size that a chunk does not exceed, but for what is repeated before it.
    pub size: usize,
    /// How much of the end of a chunk is repeated at the start of the next.
    pub overlap: usize,
    /// What they count.
    pub unit: SizeUnit,
}

impl Default for ChunkSettings {
    fn default() -> Self {
        Self { size: 4000, overlap: 200, unit: SizeUnit::Characters }
    }
}

/// What is found in chunks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExtractionSettings {
    /// Classes by name, with what a model is told of them.
    pub classes: BTreeMap<String, String>,
    /// Extractions of a chunk at most; the surest are kept.
    pub most_per_chunk: usize,
    /// Where a model's reply is aligned only in part: the least share of its words that must be met.
    pub least_coverage: f64,
    /// And the least share that they make of the words between the first and the last of them.
    pub least_density: f64,
    /// Tokens of a model's answer at most.
    pub max_tokens: u32,
}

impl Default for ExtractionSettings {
    fn default() -> Self {
        let classes = [
            ("features", "what the product or subject can do or offers"),
            ("parameters", "named settings, options, fields or arguments, with their values"),
            ("procedures", "steps to be carried out in order"),
            ("troubleshooting", "problems, errors and limits, with causes and remedies"),
            ("specifications", "requirements, figures, limits and formats"),
            ("examples", "examples of use, code among them"),
        ];
        Self {
            classes: classes.map(|(name, text)| (name.to_owned(), text.to_owned())).into(),
            most_per_chunk: 40,
            least_coverage: 0.75,
            least_density: 1.0 / 3.0,
            max_tokens: 1500,
        }
    }
}

/// What is asked of what was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConversationSettings {
    /// Items of a chunk at least; fewer are told of, not made up.
    pub pairs_min: usize,
    /// Items of a chunk at most.
    pub pairs_max: usize,
    /// Turns of an item with several at most.
    pub turns_max: usize,
    /// Characters of an answer at least.
    pub answer_min: usize,
    /// Characters of an answer at most.
    pub answer_max: usize,
    /// Share of the questions that may begin with one word.
    pub first_word_share: f64,
    /// Share of the questions that may be of one pattern.
    pub pattern_share: f64,
    /// Items from which on the shares are held; of fewer they say little.
    pub shares_from: usize,
    /// Tokens of a model's answer at most.
    pub max_tokens: u32,
}

impl Default for ConversationSettings {
    fn default() -> Self {
        Self {
            pairs_min: 3,
            pairs_max: 10,
            turns_max: 4,
            answer_min: 1,
            answer_max: 2000,
            first_word_share: 0.12,
            pattern_share: 0.08,
            shares_from: 50,
            max_tokens: 2000,
        }
    }
}

/// What happens to a chunk whose model gives no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// It is worked on by patterns alone, and counted as degraded; the next run asks again.
    #[default]
    Patterns,
    /// It has failed; the next run asks again.
    Fail,
}

/// How a model is made use of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSettings {
    /// What happens where it gives no answer.
    pub fallback: Fallback,
    /// Whether it judges the items, with their source before it.
    pub judge: bool,
    /// Whether it answers every question once from the cited bytes and once from nothing, so that answerability is measured.
    pub round_trip: bool,
    /// Share of the items that are also judged with an error planted, to test the judge.
    pub planted_share: f64,
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self { fallback: Fallback::Patterns, judge: false, round_trip: false, planted_share: 0.02 }
    }
}

/// What is near enough to be left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeduplicationSettings {
    /// Jaccard similarity of shingles of five words from which on two chunks are one.
    pub text_similarity: f64,
    /// The same for two items.
    pub item_similarity: f64,
}

impl Default for DeduplicationSettings {
    fn default() -> Self {
        Self { text_similarity: 0.7, item_similarity: 0.85 }
    }
}

/// How the data set is divided. The shares are of clusters of documents that share text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SplitSettings {
    /// For training.
    pub train: f64,
    /// For validation.
    pub validation: f64,
    /// For the test.
    pub test: f64,
}

impl Default for SplitSettings {
    fn default() -> Self {
        Self { train: 0.8, validation: 0.1, test: 0.1 }
    }
}

/// A form in which conversations are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatFormat {
    /// `{"conversations": [{"from": "human", "value": …}]}`.
    Sharegpt,
    /// `{"messages": [{"role": "user", "content": …}]}`.
    Openai,
    /// `{"instruction": …, "input": "", "output": …}`; one line for each turn.
    Alpaca,
}

/// What is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutputSettings {
    /// The forms of conversations.
    pub formats: Vec<ChatFormat>,
    /// Whether a CSV of all items is written.
    pub csv: bool,
    /// Items below which a data set is too small to be used; it is written and said to be so.
    pub least_items: usize,
}

impl Default for OutputSettings {
    fn default() -> Self {
        Self { formats: vec![ChatFormat::Openai], csv: false, least_items: 1 }
    }
}

/// A value that is out of its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("accept `{key}` of `{value}`: it must be {range}")]
pub struct SettingsError {
    /// The key, with dots.
    pub key: &'static str,
    /// The value.
    pub value: String,
    /// What it must be.
    pub range: &'static str,
}

impl Settings {
    /// Checks every value.
    ///
    /// # Errors
    ///
    /// Names the first value that is out of its range.
    pub fn check(&self) -> Result<(), SettingsError> {
        let shares = [
            ("gates.conversion", self.gates.conversion),
            ("gates.preprocessing", self.gates.preprocessing),
            ("gates.extraction", self.gates.extraction),
            ("gates.conversation", self.gates.conversation),
            ("gates.grounding", self.gates.grounding),
            ("preprocessing.least_reliable", self.preprocessing.least_reliable),
            ("extraction.least_coverage", self.extraction.least_coverage),
            ("extraction.least_density", self.extraction.least_density),
            ("conversations.first_word_share", self.conversations.first_word_share),
            ("conversations.pattern_share", self.conversations.pattern_share),
            ("model.planted_share", self.model.planted_share),
            ("deduplication.text_similarity", self.deduplication.text_similarity),
            ("deduplication.item_similarity", self.deduplication.item_similarity),
            ("split.train", self.split.train),
            ("split.validation", self.split.validation),
            ("split.test", self.split.test),
        ];
        let wrong = |key, value: String, range| Err(SettingsError { key, value, range });
        if self.version != SETTINGS_VERSION {
            return wrong("version", self.version.to_string(), "1");
        }
        for (key, value) in shares {
            if !(0.0..=1.0).contains(&value) {
                return wrong(key, value.to_string(), "0 to 1");
            }
        }
        let sum = self.split.train + self.split.validation + self.split.test;
        if (sum - 1.0).abs() > 1e-6 {
            return wrong("split", sum.to_string(), "1 in all");
        }
        if self.chunks.size < 100 {
            return wrong("chunks.size", self.chunks.size.to_string(), "at least 100");
        }
        if self.chunks.overlap * 2 > self.chunks.size {
            return wrong("chunks.overlap", self.chunks.overlap.to_string(), "at most half of `chunks.size`");
        }
        if self.extraction.classes.is_empty() {
            return wrong("extraction.classes", "{}".to_owned(), "one class at least");
        }
        if self.conversations.pairs_min > self.conversations.pairs_max {
            return wrong("conversations.pairs_min", self.conversations.pairs_min.to_string(), "at most `pairs_max`");
        }
        if self.conversations.answer_min > self.conversations.answer_max {
            return wrong(
                "conversations.answer_min",
                self.conversations.answer_min.to_string(),
                "at most `answer_max`",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_fit_and_unknown_keys_do_not() {
        assert_eq!(Settings::default().check(), Ok(()));
        let read: Settings = serde_json::from_str("{\"chunks\": {\"size\": 8000}}").unwrap();
        assert_eq!((read.chunks.size, read.chunks.overlap), (8000, 200));
        let error = serde_json::from_str::<Settings>("{\"chunk\": {}}").unwrap_err();
        assert!(error.to_string().contains("unknown field `chunk`"), "{error}");
    }

    #[test]
    fn values_out_of_range_are_named() {
        let check = |change: fn(&mut Settings), expected: &str| {
            let mut settings = Settings::default();
            change(&mut settings);
            assert_eq!(settings.check().unwrap_err().key, expected);
        };
        check(|settings| settings.version = 2, "version");
        check(|settings| settings.gates.conversation = 1.1, "gates.conversation");
        check(|settings| settings.gates.grounding = f64::NAN, "gates.grounding");
        check(|settings| settings.split.test = 0.2, "split");
        check(|settings| settings.chunks.overlap = 3000, "chunks.overlap");
        check(|settings| settings.chunks.size = 10, "chunks.size");
        check(|settings| settings.extraction.classes.clear(), "extraction.classes");
        check(|settings| settings.conversations.pairs_min = 11, "conversations.pairs_min");
    }
}
