//! Traces of lengths: their texts are made here.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use weighbridge_engine::{Message, Prompt, Role};

use super::error::{Place, TraceNote};
use super::options::{OpenedTrace, Picked, Selection, TraceSettings};
use crate::draws::Draws;
use crate::synthetic::PromptShape;
use crate::traffic::{PlannedTurn, Session, Traffic, TurnPrompt};

/// One request of a trace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) input: u32,
    pub(super) output: u32,
}

/// The rows of a trace of lengths, in the order of the file.
#[derive(Default)]
pub(super) struct Entries {
    entries: Vec<Entry>,
    /// When each session begins, in nanoseconds.
    times: Vec<Option<i64>>,
    /// Entries of each session that has more than one, from its second on, with the time between.
    later: HashMap<u32, Vec<(u32, Duration)>>,
    /// The entry that begins each session; empty while session i is entry i.
    firsts: Vec<u32>,
    /// Names of the blocks of all entries, and where those of each entry end; empty without any.
    hashes: Vec<u64>,
    hash_ends: Vec<usize>,
    groups: HashMap<u32, String>,
}

impl Entries {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds a request that begins a session; gives the session's number.
    pub(super) fn begin(&mut self, at: Option<i64>, entry: Entry, hashes: impl IntoIterator<Item = u64>) -> u32 {
        let number = self.push(entry, hashes);
        let session = u32::try_from(self.times.len()).unwrap_or(u32::MAX);
        // Sessions and entries part ways with the first entry that begins none.
        if !self.firsts.is_empty() {
            self.firsts.push(number);
        }
        self.times.push(at);
        session
    }

    /// Adds a request that follows the last one of a session.
    pub(super) fn follow(
        &mut self,
        session: u32,
        think: Duration,
        entry: Entry,
        hashes: impl IntoIterator<Item = u64>,
    ) {
        if self.firsts.is_empty() {
            self.firsts = (0..u32::try_from(self.times.len()).unwrap_or(u32::MAX)).collect();
        }
        let number = self.push(entry, hashes);
        self.later.entry(session).or_default().push((number, think));
    }

    pub(super) fn name(&mut self, session: u32, group: String) {
        self.groups.insert(session, group);
    }

    fn push(&mut self, entry: Entry, hashes: impl IntoIterator<Item = u64>) -> u32 {
        let before = self.hashes.len();
        self.hashes.extend(hashes);
        if self.hashes.len() > before || !self.hash_ends.is_empty() {
            self.hash_ends.resize(self.entries.len(), before);
            self.hash_ends.push(self.hashes.len());
        }
        self.entries.push(entry);
        u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
    }

    fn hashes(&self, number: usize) -> &[u64] {
        let Some(end) = self.hash_ends.get(number) else { return &[] };
        let start = number.checked_sub(1).map_or(0, |before| self.hash_ends[before]);
        &self.hashes[start..*end]
    }

    /// A load of the chosen sessions.
    pub(super) fn open(
        mut self,
        block_tokens: u32,
        settings: &TraceSettings,
        mut notes: Vec<TraceNote>,
    ) -> Result<OpenedTrace, Place> {
        let selection = Selection::new(&std::mem::take(&mut self.times), &settings.options, |_| true, &mut notes)?;
        let is_timed = selection.is_timed();
        let trace = LengthTrace { entries: self, block_tokens, selection, settings: settings.clone() };
        Ok(OpenedTrace { traffic: Arc::new(trace), is_timed, notes })
    }
}

/// A load whose lengths and times come from a trace.
struct LengthTrace {
    entries: Entries,
    block_tokens: u32,
    selection: Selection,
    settings: TraceSettings,
}

impl fmt::Debug for LengthTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LengthTrace").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

impl Traffic for LengthTrace {
    fn session(&self, index: u64) -> Option<Session> {
        let picked = self.selection.pick(index)?;
        let session = u32::try_from(picked.number).ok()?;
        let first = self.entries.firsts.get(picked.number).map_or(picked.number, |first| *first as usize);
        let later = self.entries.later.get(&session).map_or(&[][..], Vec::as_slice);
        let shape = if later.is_empty() { self.settings.prompt } else { PromptShape::Chat };
        let mut turns = vec![self.first(first, picked, shape)?];
        for (place, (number, think)) in later.iter().enumerate() {
            turns.push(self.next(*number as usize, picked, u32::try_from(place).ok()?, *think)?);
        }
        Some(Session { at: picked.at, turns, group: self.entries.groups.get(&session).cloned() })
    }

    fn count(&self) -> Option<u64> {
        self.selection.count()
    }
}

impl LengthTrace {
    fn first(&self, number: usize, picked: Picked, shape: PromptShape) -> Option<PlannedTurn> {
        let Entry { input, output } = self.entries.entries[number];
        let pool = &self.settings.pool;
        let bos = if shape == PromptShape::Text { pool.bos_tokens() } else { 0 };
        let words = input.saturating_sub(bos).max(1);
        let text = self.text(number, picked.round, words, bos);
        let prompt = match shape {
            PromptShape::Text => Prompt::Text(text),
            PromptShape::Chat => Prompt::Chat(vec![Message { role: Role::User, content: text }]),
        };
        let counted = (pool.is_exact() && words + bos == input).then_some(input);
        let output = self.settings.output(Some(output), picked.number as u64, 0)?;
        Some(PlannedTurn::new(prompt, counted, output))
    }

    fn next(&self, number: usize, picked: Picked, before: u32, think: Duration) -> Option<PlannedTurn> {
        let Entry { input, output } = self.entries.entries[number];
        let content = self.text(number, picked.round, input.max(1), 0);
        let output = self.settings.output(Some(output), picked.number as u64, u64::from(before) + 1)?;
        let prompt = TurnPrompt::Continue(vec![Message { role: Role::User, content }]);
        let turn = PlannedTurn::new(Prompt::Text(String::new()), None, output);
        Some(PlannedTurn { prompt, follows: vec![before], think, ..turn })
    }

    /// A text of so many words: the blocks that the trace names, then words of its own.
    fn text(&self, number: usize, round: u64, words: u32, bos: u32) -> String {
        let TraceSettings { seed, salt, pool, .. } = &self.settings;
        // Another round is another run: what the round before left in a cache must not match.
        let salt = salt.unwrap_or_default().wrapping_add(round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut text = String::new();
        let mut rest = words;
        for (place, hash) in self.entries.hashes(number).iter().enumerate() {
            // The beginning of the sequence is the first token of the first block.
            let block = if place == 0 { self.block_tokens.saturating_sub(bos) } else { self.block_tokens };
            let size = block.min(rest);
            if size == 0 {
                break;
            }
            pool.push(&mut text, size, &mut Draws::salted(*seed, "trace/block", salt, *hash));
            rest -= size;
        }
        pool.push(&mut text, rest, &mut Draws::salted(*seed, "trace/text", salt, number as u64));
        text
    }
}
