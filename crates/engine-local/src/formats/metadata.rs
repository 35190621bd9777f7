//! Key-value pairs of a model file, with the types of GGUF.

use std::collections::BTreeMap;

use super::gguf::value_type;
use crate::error::{ModelError, Result};

/// One value.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is named after the GGUF type that it holds")]
pub enum MetaValue {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    String(String),
    Array(MetaArray),
}

/// Values of one type. The types that occur in large numbers are stored flat.
#[derive(Clone, Debug, PartialEq)]
pub enum MetaArray {
    /// Texts, such as the vocabulary.
    Strings(Vec<String>),
    /// 32-bit floats, such as token scores.
    F32(Vec<f32>),
    /// 32-bit integers, such as token types.
    I32(Vec<i32>),
    /// Any other numbers or booleans, as in the file.
    Other {
        /// Number of the GGUF value type.
        kind: u32,
        /// The values, little endian, without gaps.
        bytes: Vec<u8>,
    },
}

impl MetaArray {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Strings(values) => values.len(),
            Self::F32(values) => values.len(),
            Self::I32(values) => values.len(),
            Self::Other { kind, bytes } => bytes.len() / value_type::width(*kind).unwrap_or(1),
        }
    }

    /// True without any value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl MetaValue {
    /// The value as an unsigned integer; `None` for other types and negative numbers.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U8(value) => Some(value.into()),
            Self::U16(value) => Some(value.into()),
            Self::U32(value) => Some(value.into()),
            Self::U64(value) => Some(value),
            Self::I8(value) => value.try_into().ok(),
            Self::I16(value) => value.try_into().ok(),
            Self::I32(value) => value.try_into().ok(),
            Self::I64(value) => value.try_into().ok(),
            _ => None,
        }
    }

    /// The value as a float; `None` unless it is one.
    pub fn as_f32(&self) -> Option<f32> {
        match *self {
            Self::F32(value) => Some(value),
            #[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest is wanted")]
            Self::F64(value) => Some(value as f32),
            _ => None,
        }
    }

    /// The text; `None` for other types.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The truth value; `None` for other types.
    pub fn as_bool(&self) -> Option<bool> {
        match *self {
            Self::Bool(value) => Some(value),
            _ => None,
        }
    }
}

impl From<&str> for MetaValue {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

/// Key-value pairs in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata(pub BTreeMap<String, MetaValue>);

impl Metadata {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&MetaValue> {
        self.0.get(key)
    }

    /// Sets a key.
    pub fn insert(&mut self, key: &str, value: MetaValue) {
        self.0.insert(key.to_owned(), value);
    }

    /// Removes all arrays and texts whose keys begin so.
    pub(crate) fn remove_long(&mut self, prefix: &str) {
        let is_long = |value: &MetaValue| matches!(value, MetaValue::Array(_) | MetaValue::String(_));
        self.0.retain(|key, value| !(key.starts_with(prefix) && is_long(value)));
    }

    /// A nonnegative number that fits memory; `None` where the key is absent.
    ///
    /// # Errors
    /// [`ModelError::Key`] where it is there with another type.
    pub fn size(&self, key: &str) -> Result<Option<usize>> {
        self.read(key, "a nonnegative integer", |value| value.as_u64().and_then(|number| number.try_into().ok()))
    }

    /// A finite float; `None` where the key is absent.
    ///
    /// # Errors
    /// [`ModelError::Key`] where it is there with another type, infinite or NaN.
    pub fn float(&self, key: &str) -> Result<Option<f32>> {
        self.read(key, "a finite float", |value| value.as_f32().filter(|number| number.is_finite()))
    }

    /// A text; `None` where the key is absent.
    ///
    /// # Errors
    /// [`ModelError::Key`] where it is there with another type.
    pub fn text(&self, key: &str) -> Result<Option<&str>> {
        self.read(key, "a string", MetaValue::as_str)
    }

    /// A truth value; `None` where the key is absent.
    ///
    /// # Errors
    /// [`ModelError::Key`] where it is there with another type.
    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.read(key, "a boolean", MetaValue::as_bool)
    }

    /// An array; `None` where the key is absent.
    ///
    /// # Errors
    /// [`ModelError::Key`] where it is there with another type.
    pub fn array(&self, key: &str) -> Result<Option<&MetaArray>> {
        self.read(key, "an array", |value| match value {
            MetaValue::Array(array) => Some(array),
            _ => None,
        })
    }

    fn read<'a, T>(
        &'a self,
        key: &str,
        expected: &str,
        convert: impl FnOnce(&'a MetaValue) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.0.get(key) else {
            return Ok(None);
        };
        convert(value).map(Some).ok_or_else(|| ModelError::key(key, format!("found {value:?}, expected {expected}")))
    }
}
