//! Texts to tokens, with `tokenizer.json`.

use tokenizers::{PostProcessor, Tokenizer, TruncationDirection};

use crate::error::OnnxError;
use crate::folder::{Config, Folder};

/// The tokens of a text, special ones among them, cut to what the model reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    pub(crate) ids: Vec<i32>,
    pub(crate) is_truncated: bool,
}

/// A tokenizer that cuts texts to a length.
#[derive(Debug)]
pub(crate) struct Reader {
    tokenizer: Tokenizer,
    limit: usize,
    /// Tokens of a text without the special ones around it.
    room: usize,
}

impl Reader {
    /// Builds the tokenizer of a folder and holds its words against those of the model.
    pub(crate) fn open(folder: &Folder, config: &Config) -> Result<Self, OnnxError> {
        let broken = |problem: String| OnnxError::Tokenizer { path: folder.graph.clone(), problem };
        let mut tokenizer = Tokenizer::from_bytes(folder.tokenizer()?).map_err(|error| broken(error.to_string()))?;
        let of_tokenizer = tokenizer.get_truncation().map(|truncation| truncation.max_length);
        let limit = folder.limit(config, of_tokenizer)?;
        // Texts are cut here, because the library does not tell whether it cut.
        tokenizer.with_truncation(None).map_err(|error| broken(error.to_string()))?.with_padding(None);
        let special = tokenizer.get_post_processor().map_or(0, |around| around.added_tokens(false));
        let room = limit.checked_sub(special).filter(|&room| room > 0);
        let room = room.ok_or_else(|| broken(format!("it adds {special} tokens to a text, and {limit} are read")))?;
        let largest = tokenizer.get_vocab(true).into_values().max();
        let largest = largest.ok_or_else(|| broken("it has no tokens".to_owned()))?;
        if let Some(words) = config.vocab_size.filter(|&words| largest as usize >= words) {
            return Err(broken(format!("it has the token `{largest}`; the model knows `{words}`, from 0 on")));
        }
        Ok(Self { tokenizer, limit, room })
    }

    /// Tokens of a text that are read at most.
    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    /// Reads a text.
    pub(crate) fn read(&self, text: &str) -> Result<Tokens, String> {
        let failed = |error: tokenizers::Error| error.to_string();
        let mut encoding = self.tokenizer.encode_fast(text, false).map_err(failed)?;
        let is_truncated = encoding.get_ids().len() > self.room;
        encoding.truncate(self.room, 0, TruncationDirection::Right);
        let encoding = self.tokenizer.post_process(encoding, None, true).map_err(failed)?;
        let ids = encoding.get_ids().iter().map(|&id| i32::try_from(id).unwrap_or(i32::MAX)).collect::<Vec<_>>();
        if ids.is_empty() {
            return Err("the text has no token".to_owned());
        }
        Ok(Tokens { ids, is_truncated })
    }
}
