//! Traces of lengths and of the names of blocks: Mooncake, and those that resemble it.
//!
//! A line holds `timestamp`, `input_length`, `output_length` and `hash_ids`. Equal names mean equal blocks of text, so
//! that a prefix cache finds what it found when the trace was recorded. Rows of one `session_id` are a conversation,
//! each coming `delay` after the answer before it.

use std::collections::HashMap;
use std::io::BufRead;
use std::time::Duration;

use serde::Deserialize;

use super::error::{Place, TraceNote, TraceProblem};
use super::lengths::{Entries, Entry};
use super::lines::each_json;
use super::options::{OpenedTrace, TimeUnit, TraceSettings, delay, nanos, tokens};
use crate::source::fnv1a;

#[derive(Deserialize)]
struct Row {
    timestamp: Option<f64>,
    input_length: Option<u64>,
    output_length: Option<u64>,
    #[serde(default)]
    hash_ids: Option<Vec<Name>>,
    session_id: Option<Name>,
    delay: Option<f64>,
}

/// A name of a block or of a session: a number or a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Positive(u64),
    Negative(i64),
    Text(String),
}

impl Name {
    fn number(&self) -> u64 {
        match self {
            Self::Positive(number) => *number,
            Self::Negative(number) => number.cast_unsigned(),
            Self::Text(text) => fnv1a(text),
        }
    }
}

pub(super) fn read(
    input: impl BufRead,
    block_tokens: u32,
    unit: TimeUnit,
    settings: &TraceSettings,
) -> Result<OpenedTrace, Place> {
    let mut entries = Entries::default();
    let mut sessions: HashMap<u64, u32> = HashMap::new();
    let (mut no_input, mut no_output, mut no_delay) = (0, 0, 0);
    each_json(input, |row: Row| {
        let entry = Entry {
            input: tokens("input_length", row.input_length)?,
            output: tokens("output_length", row.output_length)?,
        };
        if entry.input == 0 || entry.output == 0 {
            *(if entry.input == 0 { &mut no_input } else { &mut no_output }) += 1;
            return Ok(());
        }
        let hashes = row.hash_ids.unwrap_or_default();
        let hashes = hashes.iter().map(Name::number);
        let name = row.session_id.as_ref().map(Name::number);
        if let Some(session) = name.and_then(|name| sessions.get(&name)) {
            let think = delay(row.delay, TimeUnit::Millis)?;
            no_delay += u64::from(think.is_none());
            entries.follow(*session, think.unwrap_or(Duration::ZERO), entry, hashes);
            return Ok(());
        }
        let at = row.timestamp.map(|at| nanos("timestamp", at, unit)).transpose()?;
        let session = entries.begin(at, entry, hashes);
        sessions.extend(name.map(|name| (name, session)));
        Ok::<_, TraceProblem>(())
    })?;
    let counts = [TraceNote::NoInput(no_input), TraceNote::NoOutput(no_output), TraceNote::NoDelay(no_delay)];
    let notes = counts.into_iter().zip([no_input, no_output, no_delay]).filter(|(_, count)| *count > 0);
    entries.open(block_tokens, settings, notes.map(|(note, _)| note).collect())
}
