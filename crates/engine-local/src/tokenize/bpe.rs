//! Byte-level BPE from `tokenizer.ggml.model` = `gpt2`.

use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{PreTokenizerWrapper, SplitDelimiterBehavior, Tokenizer as HfTokenizer};

use super::vocabulary::{Vocabulary, strings};
use super::{BosDefault, LocalTokenizer};
use crate::error::{ModelError, Result};
use crate::formats::Metadata;
use weighbridge_engine::pieces::Spelling;

const PRE_KEY: &str = "tokenizer.ggml.pre";

pub(super) fn build(vocabulary: &Vocabulary<'_>, metadata: &Metadata) -> Result<LocalTokenizer> {
    let pre = PreTokenization::from_name(metadata.text(PRE_KEY)?)?;
    let model = BPE::builder()
        .vocab_and_merges(vocabulary.entries().collect::<Vocab>(), merges(metadata)?)
        // The cache of whole words would grow during a run and blur what memory a model takes.
        .cache_capacity(0)
        .ignore_merges(pre == PreTokenization::Llama3)
        .build()
        .map_err(|error| ModelError::tokenizer(error.to_string()))?;
    let mut encoder = HfTokenizer::new(model);
    encoder.with_pre_tokenizer(Some(pre.splitter()?));
    if pre == PreTokenization::Qwen2 {
        encoder.with_normalizer(Some(NFC));
    }
    let bos_default = if pre == PreTokenization::Llama3 { BosDefault::Added } else { BosDefault::Omitted };
    vocabulary.finish(encoder, Spelling::ByteLevel, bos_default, metadata)
}

fn merges(metadata: &Metadata) -> Result<Merges> {
    const KEY: &str = "tokenizer.ggml.merges";
    let pair = |merge: &String| {
        let (left, right) = merge
            .split_once(' ')
            .ok_or_else(|| ModelError::key(KEY, format!("`{merge}` is not two tokens and a space")))?;
        Ok((left.to_owned(), right.to_owned()))
    };
    strings(metadata, KEY)?.iter().map(pair).collect()
}

/// How text is cut into words before merging. The patterns are those of the models' own
/// `tokenizer.json` files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PreTokenization {
    Gpt2,
    Llama3,
    Qwen2,
    SmolLm,
    /// What llama.cpp does for files that do not say.
    Default,
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

impl PreTokenization {
    fn from_name(name: Option<&str>) -> Result<Self> {
        match name {
            None | Some("default") => Ok(Self::Default),
            Some("gpt-2" | "phi-2") => Ok(Self::Gpt2),
            Some("llama-bpe" | "llama3" | "llama-v3" | "smaug-bpe") => Ok(Self::Llama3),
            Some("qwen2" | "deepseek-r1-qwen" | "megrez") => Ok(Self::Qwen2),
            Some("smollm") => Ok(Self::SmolLm),
            Some(other) => Err(ModelError::UnsupportedSetting {
                key: PRE_KEY.to_owned(),
                found: other.to_owned(),
                supported: "default, gpt-2, llama-bpe, qwen2, smollm",
            }),
        }
    }

    /// The name of a way to split with this one pattern; `None` where there is none.
    pub(super) fn name_of(pattern: &str) -> Option<&'static str> {
        match pattern {
            GPT2 => Some("gpt-2"),
            LLAMA3 => Some("llama-bpe"),
            QWEN2 => Some("qwen2"),
            _ => None,
        }
    }

    /// Patterns applied one after the other; each isolates what it matches.
    const fn patterns(self) -> &'static [&'static str] {
        match self {
            Self::Gpt2 => &[GPT2],
            Self::Llama3 => &[LLAMA3],
            Self::Qwen2 => &[QWEN2],
            Self::SmolLm => &[r"\p{N}", GPT2],
            Self::Default => &[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
        }
    }

    fn splitter(self) -> Result<PreTokenizerWrapper> {
        let mut steps = Vec::new();
        for pattern in self.patterns() {
            let pattern = SplitPattern::Regex((*pattern).to_owned());
            let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false)
                .map_err(|error| ModelError::tokenizer(error.to_string()))?;
            steps.push(split.into());
        }
        steps.push(ByteLevel::new(false, true, false).into());
        Ok(Sequence::new(steps).into())
    }
}
