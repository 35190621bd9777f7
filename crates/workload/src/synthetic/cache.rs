//! Requests that show what a cache of prefixes does: prompts that were sent before, each beside a new one.

use std::fmt;
use std::sync::Arc;

use super::part::{Part, Prefixes};
use super::pool::TextPool;
use super::sessions::{Synthetic, SyntheticSettings};
use crate::distributions::LengthDistribution;
use crate::draws::Draws;
use crate::spec::SpecError;
use crate::traffic::{Session, Traffic};

/// Requests at the start that open connections and wake the server.
pub const CACHE_WARMUP: u64 = 3;

/// A way to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheWorkload {
    /// The same prompts again and again.
    Repeated,
    /// Prompts whose first three quarters are the same.
    Similar,
    /// Half repeated, a quarter similar, a quarter new.
    Mixed,
}

impl CacheWorkload {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 3] = [Self::Repeated, Self::Similar, Self::Mixed];

    /// The name in cells.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Repeated => "repeated",
            Self::Similar => "similar",
            Self::Mixed => "mixed",
        }
    }
}

impl fmt::Display for CacheWorkload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What determines the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheTrafficSettings {
    /// Pairs of a new prompt and one sent before, for each workload.
    pub pairs: u32,
    /// Prompts, and shared beginnings, that are sent again in turn.
    pub pool: u32,
    /// Tokens of each prompt; at least 4.
    pub input_tokens: u32,
    /// Tokens of each answer.
    pub output_tokens: u32,
    /// Seed of texts and order.
    pub seed: u64,
    /// Makes texts that no earlier run has sent.
    pub salt: u64,
}

/// The requests, one after the other: first uses of everything that is sent again, then pairs in a seeded order, workloads
/// in turn. Sessions are named `workload=W use=first|fresh|again`.
#[derive(Debug)]
pub struct CacheTraffic {
    slots: Vec<Slot>,
    fresh: Synthetic,
    repeated: Vec<Synthetic>,
    similar: Vec<Synthetic>,
}

/// One request: whose it is, and which prompt.
#[derive(Clone, Copy, Debug)]
struct Slot {
    workload: CacheWorkload,
    role: &'static str,
    prompt: Asked,
}

/// A prompt: a new one, an item of the pool, or a new end after a beginning of the pool.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Fresh(u64),
    Repeated { workload: usize, item: u64 },
    Similar { beginning: usize, end: u64 },
}

impl CacheTraffic {
    /// Makes the requests.
    ///
    /// # Errors
    /// When a length is out of range.
    pub fn new(settings: CacheTrafficSettings, pool: &Arc<TextPool>) -> Result<Self, SpecError> {
        let CacheTrafficSettings { pairs, pool: items, input_tokens, output_tokens, seed, salt } = settings;
        let output = LengthDistribution::Fixed(output_tokens);
        let whole = Part::new(LengthDistribution::Fixed(input_tokens), output.clone());
        let tail = (input_tokens / 4).max(1);
        let prefixes = Prefixes { count: 1, tokens: input_tokens.saturating_sub(tail).max(1), share: 1.0 };
        let shared = Part { prefixes: Some(prefixes), ..Part::new(LengthDistribution::Fixed(tail), output) };
        let make = |part: &Part, number: u64| {
            let settings = SyntheticSettings {
                parts: vec![part.clone()],
                seed: seed.wrapping_add(number),
                salt: Some(salt),
                sessions: None,
                distinct: None,
            };
            Synthetic::new(settings, Arc::clone(pool))
        };
        // Each workload has prompts of its own: what one has sent must not be another's hit.
        let workloads = CacheWorkload::ALL.len() as u64;
        let repeated = (0..workloads).map(|number| make(&whole, 1 + number)).collect::<Result<_, _>>()?;
        let beginnings = 2 * u64::from(items);
        let similar = (0..beginnings).map(|number| make(&shared, 1 + workloads + number)).collect::<Result<_, _>>()?;
        Ok(Self { slots: slots(pairs, items, seed), fresh: make(&whole, 0)?, repeated, similar })
    }
}

fn slots(pairs: u32, items: u32, seed: u64) -> Vec<Slot> {
    let mut fresh = 0;
    let mut next_fresh = || {
        fresh += 1;
        Asked::Fresh(fresh)
    };
    let mut ends = 0;
    let mut again = |workload: CacheWorkload, turn: u32, is_first: bool| {
        let (item, number) = (turn % items, workload as usize);
        ends += 1;
        // In the mixture two of four are repeated and one is similar; the last is new and has no first use.
        let is_similar = workload == CacheWorkload::Similar || (workload == CacheWorkload::Mixed && turn % 4 == 2);
        match (workload, turn % 4) {
            (CacheWorkload::Mixed, 3) if !is_first => None,
            _ if is_similar => {
                let own = if workload == CacheWorkload::Mixed { items } else { 0 };
                Some(Asked::Similar { beginning: (own + item) as usize, end: ends })
            }
            _ => Some(Asked::Repeated { workload: number, item: u64::from(item) }),
        }
    };
    let slot = |workload, role, prompt| Slot { workload, role, prompt };
    let mut slots: Vec<Slot> =
        (0..CACHE_WARMUP).map(|_| slot(CacheWorkload::Repeated, "fresh", next_fresh())).collect();
    for workload in CacheWorkload::ALL {
        // Four turns of every item of the pool name all that will be sent again.
        let mut seen = Vec::new();
        for turn in 0..4 * items {
            let Some(prompt) = again(workload, turn, true) else { continue };
            let key = match prompt {
                Asked::Repeated { item, .. } => (0, item),
                Asked::Similar { beginning, .. } => (1, beginning as u64),
                Asked::Fresh(_) => continue,
            };
            if !seen.contains(&key) {
                seen.push(key);
                slots.push(slot(workload, "first", prompt));
            }
        }
    }
    let mut draws = Draws::new(seed, "cache pairs", 0);
    for turn in 0..pairs {
        for workload in CacheWorkload::ALL {
            let new = slot(workload, "fresh", next_fresh());
            let old = slot(workload, "again", again(workload, turn, false).unwrap_or_else(&mut next_fresh));
            slots.extend(if draws.happens(0.5) { [new, old] } else { [old, new] });
        }
    }
    slots
}

impl Traffic for CacheTraffic {
    fn session(&self, index: u64) -> Option<Session> {
        let slot = self.slots.get(usize::try_from(index).ok()?)?;
        let session = match slot.prompt {
            Asked::Fresh(number) => self.fresh.session(number),
            Asked::Repeated { workload, item } => self.repeated.get(workload)?.session(item),
            Asked::Similar { beginning, end } => self.similar.get(beginning)?.session(end),
        }?;
        Some(Session { group: Some(format!("workload={} use={}", slot.workload, slot.role)), ..session })
    }

    fn count(&self) -> Option<u64> {
        Some(self.slots.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use weighbridge_engine::Prompt;

    use super::*;
    use crate::traffic::TurnPrompt;

    fn sent(settings: CacheTrafficSettings) -> Vec<(String, String)> {
        let traffic = CacheTraffic::new(settings, &Arc::new(TextPool::without_tokenizer())).unwrap();
        let sessions = (0..traffic.count().unwrap()).map(|index| traffic.session(index).unwrap());
        sessions
            .map(|session| {
                let TurnPrompt::Whole(Prompt::Text(text)) = &session.turns[0].prompt else { panic!("{session:?}") };
                (session.group.unwrap(), text.clone())
            })
            .collect()
    }

    const SETTINGS: CacheTrafficSettings =
        CacheTrafficSettings { pairs: 8, pool: 4, input_tokens: 64, output_tokens: 4, seed: 7, salt: 1 };

    #[test]
    fn what_is_sent_again_was_sent_before_and_what_is_new_was_not() {
        let mut known: BTreeSet<String> = BTreeSet::new();
        let mut beginnings: BTreeSet<String> = BTreeSet::new();
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for (group, text) in sent(SETTINGS) {
            let beginning: String = text.split_whitespace().take(16).collect();
            let check = |holds: bool| assert!(holds, "{group}: {text}");
            match group.as_str() {
                "workload=repeated use=again" => check(known.contains(&text)),
                "workload=similar use=again" => check(!known.contains(&text) && beginnings.contains(&beginning)),
                "workload=mixed use=again" => {}
                _ => check(!known.contains(&text)),
            }
            if group.ends_with("fresh") {
                check(!beginnings.contains(&beginning));
            }
            known.insert(text);
            beginnings.insert(beginning);
            *counts.entry(group).or_default() += 1;
        }
        let count = |group: &str| counts.get(group).copied().unwrap_or_default();
        assert_eq!(count("workload=mixed use=again"), 8);
        assert_eq!(count("workload=repeated use=first"), 4);
        assert_eq!(count("workload=repeated use=fresh"), 8 + 3);
    }

    #[test]
    fn seed_and_salt_determine_everything() {
        assert_eq!(sent(SETTINGS), sent(SETTINGS));
        let salted = sent(CacheTrafficSettings { salt: 2, ..SETTINGS });
        assert!(sent(SETTINGS).iter().zip(&salted).all(|(one, other)| one.0 == other.0 && one.1 != other.1));
    }
}
