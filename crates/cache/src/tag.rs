//! What a value is: its type and the version of its form.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::CacheError;

/// Type and version of a value. It is kept beside the value, and a lookup under another tag is a miss: a program never reads what it
/// does not understand, and a new form needs no empty cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag(pub(crate) u32);

impl Tag {
    /// Bytes that only the caller knows the form of; also everything kept before there were tags.
    pub const BYTES: Self = Self(0);

    /// A type, which the caller numbers, and the version of its form.
    #[must_use]
    pub const fn new(kind: u16, version: u16) -> Self {
        Self((kind as u32) << 16 | version as u32)
    }

    /// A value as JSON. No form is read that could run code.
    ///
    /// # Errors
    /// When the value has no form in JSON.
    pub fn encode(value: &impl Serialize) -> Result<Bytes, CacheError> {
        Ok(serde_json::to_vec(value)?.into())
    }

    /// What [`Tag::encode`] made; `None` for anything else, which is as good as absent.
    #[must_use]
    pub fn decode<T: DeserializeOwned>(bytes: &Bytes) -> Option<T> {
        serde_json::from_slice(bytes).ok()
    }
}
