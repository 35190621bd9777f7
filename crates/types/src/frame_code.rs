//! The stored form of a request's frames: short, because a run holds millions.
//!
//! Each frame is the nanoseconds since the frame before it, the first one since the origin of the clock. A bare number
//! is one token of the answer; `[nanoseconds, tokens]` and `[nanoseconds, tokens, channel]` say the rest.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::request::{Channel, FrameStamp};
use crate::time::Stamp;

/// One frame as stored.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum FrameCode {
    /// One token of the answer.
    Token(u64),
    /// Tokens of the answer.
    Tokens(u64, u32),
    /// Tokens of another channel.
    Other(u64, u32, Channel),
}

impl FrameCode {
    const fn new(gap: u64, tokens: u32, channel: Channel) -> Self {
        match (tokens, channel) {
            (1, Channel::Answer) => Self::Token(gap),
            (_, Channel::Answer) => Self::Tokens(gap, tokens),
            _ => Self::Other(gap, tokens, channel),
        }
    }

    const fn parts(self) -> (u64, u32, Channel) {
        match self {
            Self::Token(gap) => (gap, 1, Channel::Answer),
            Self::Tokens(gap, tokens) => (gap, tokens, Channel::Answer),
            Self::Other(gap, tokens, channel) => (gap, tokens, channel),
        }
    }
}

/// By hand: what serde derives for an untagged enum buffers every value.
impl<'de> Deserialize<'de> for FrameCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Code;
        impl<'de> Visitor<'de> for Code {
            type Value = FrameCode;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("nanoseconds, or [nanoseconds, tokens, channel]")
            }

            fn visit_u64<E>(self, gap: u64) -> Result<FrameCode, E> {
                Ok(FrameCode::Token(gap))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<FrameCode, A::Error> {
                let missing = |count| serde::de::Error::invalid_length(count, &self);
                let gap = parts.next_element()?.ok_or_else(|| missing(0))?;
                let tokens = parts.next_element()?.ok_or_else(|| missing(1))?;
                Ok(FrameCode::Other(gap, tokens, parts.next_element()?.unwrap_or(Channel::Answer)))
            }
        }
        deserializer.deserialize_any(Code)
    }
}

pub(crate) fn serialize<S: Serializer>(frames: &[FrameStamp], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(frames.len()))?;
    let mut before = 0;
    for frame in frames {
        let at = frame.at.as_nanos();
        // Stamps of one request never go back; one that did would be kept as equal.
        list.serialize_element(&FrameCode::new(at.saturating_sub(before), frame.tokens, frame.channel))?;
        before = before.max(at);
    }
    list.end()
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<FrameStamp>, D::Error> {
    struct Frames;
    impl<'de> Visitor<'de> for Frames {
        type Value = Vec<FrameStamp>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of frames")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut codes: A) -> Result<Self::Value, A::Error> {
            let mut frames = Vec::new();
            let mut at: u64 = 0;
            while let Some(code) = codes.next_element::<FrameCode>()? {
                let (gap, tokens, channel) = code.parts();
                let overflow = || serde::de::Error::custom("the gaps add up to more than 584 years");
                at = at.checked_add(gap).ok_or_else(overflow)?;
                frames.push(FrameStamp { at: Stamp::from_nanos(at), tokens, channel });
            }
            Ok(frames)
        }
    }
    deserializer.deserialize_seq(Frames)
}
