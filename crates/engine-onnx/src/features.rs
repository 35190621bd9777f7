//! How a text becomes the input of a classifier.

use serde::{Deserialize, Serialize};

use crate::image::ByteImage;
use crate::ngrams::Ngrams;

/// The kinds of features that there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Features {
    /// Counts of n-grams.
    HashedNgrams(Ngrams),
    /// The bytes as they are, in a square.
    ByteImage(ByteImage),
}

impl Features {
    /// Says what is out of range.
    pub(crate) fn problem(&self) -> Option<String> {
        match self {
            Self::HashedNgrams(ngrams) => ngrams.problem(),
            Self::ByteImage(image) => image.problem(),
        }
    }

    /// Dimensions of what a text becomes; a row has as many numbers as their product.
    #[must_use]
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::HashedNgrams(ngrams) => vec![ngrams.buckets],
            Self::ByteImage(image) => vec![1, image.side, image.side],
        }
    }

    /// The row of a text.
    #[must_use]
    pub fn row(&self, text: &str) -> Vec<f32> {
        self.row_of_bytes(text.as_bytes())
    }

    /// The row of a file's bytes.
    #[must_use]
    pub fn row_of_bytes(&self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::HashedNgrams(ngrams) => ngrams.row(bytes),
            Self::ByteImage(image) => image.row(bytes),
        }
    }
}
