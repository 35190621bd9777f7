//! The sessions of a generated load.

use std::sync::Arc;

use weighbridge_engine::{Message, Prompt, Role};

use super::part::{Part, Prefixes, PromptShape, SessionShape, TURNS_MAX};
use super::pool::TextPool;
use crate::distributions::{LengthDistribution, TimeDistribution};
use crate::draws::Draws;
use crate::prompts::{PromptSettings, exact_prompt};
use crate::spec::{SpecError, SpecKind, SpecProblem};
use crate::traffic::{PlannedTurn, Session, Traffic, TurnPrompt};

/// What determines a generated load, apart from its text.
#[derive(Clone, Debug, PartialEq)]
pub struct SyntheticSettings {
    /// The kinds of sessions, mixed by their weights.
    pub parts: Vec<Part>,
    /// Seed of all random choices.
    pub seed: u64,
    /// Changes all texts and no length, so that nothing an earlier run left in a prefix cache can match. `None` gives
    /// the same texts in each run: a warm cache.
    pub salt: Option<u64>,
    /// Number of sessions; `None` has no end.
    pub sessions: Option<u64>,
    /// Different sessions, which then repeat; `None` repeats none.
    pub distinct: Option<u64>,
}

/// A generated load: session i is a function of the settings and of i.
#[derive(Clone, Debug)]
pub struct Synthetic {
    settings: SyntheticSettings,
    /// Sums of the weights up to each part.
    weights: Vec<f64>,
    pool: Arc<TextPool>,
}

impl Synthetic {
    /// Makes a load whose texts come from the pool.
    ///
    /// # Errors
    /// When there is no part, or a value is out of range.
    pub fn new(settings: SyntheticSettings, pool: Arc<TextPool>) -> Result<Self, SpecError> {
        if settings.parts.is_empty() {
            return Err(SpecProblem::Missing("a part").in_text(SpecKind::Synthetic, ""));
        }
        if settings.distinct == Some(0) {
            let problem = SpecProblem::value(0, "a number of different sessions above 0");
            return Err(problem.in_text(SpecKind::Synthetic, "distinct"));
        }
        let mut weights = Vec::with_capacity(settings.parts.len());
        let mut sum = 0.0;
        for part in &settings.parts {
            part.check()?;
            sum += part.weight;
            weights.push(sum);
        }
        Ok(Self { settings, weights, pool })
    }

    /// The settings.
    #[must_use]
    pub const fn settings(&self) -> &SyntheticSettings {
        &self.settings
    }
}

impl Traffic for Synthetic {
    fn session(&self, index: u64) -> Option<Session> {
        let SyntheticSettings { seed, salt, sessions, distinct, .. } = self.settings;
        if sessions.is_some_and(|sessions| index >= sessions) {
            return None;
        }
        let index = distinct.map_or(index, |distinct| index % distinct);
        let mut draws = Draws::new(seed, "session", index);
        let total = self.weights.last().copied().unwrap_or_default();
        let place = draws.unit() * total;
        let number = self.weights.partition_point(|sum| *sum <= place).min(self.weights.len() - 1);
        let part = &self.settings.parts[number];
        let texts = Draws::salted(seed, "text", salt.unwrap_or_default(), index);
        let mut maker = Maker { part, number, load: self, draws, texts, index };
        let turns = maker.turns();
        Some(Session { at: None, turns, group: part.group.clone() })
    }

    fn count(&self) -> Option<u64> {
        self.settings.sessions
    }
}

/// Makes one session. Lengths and behavior come from `draws`, texts from `texts`, so that a salt changes these alone.
struct Maker<'a> {
    part: &'a Part,
    /// Number of the part: each has its own prefixes.
    number: usize,
    load: &'a Synthetic,
    draws: Draws,
    texts: Draws,
    index: u64,
}

impl Maker<'_> {
    fn turns(&mut self) -> Vec<PlannedTurn> {
        match &self.part.shape {
            SessionShape::Single => vec![self.first(self.part.prompt)],
            SessionShape::Conversation { turns, think } => self.conversation(turns, think),
            SessionShape::Agent { fan_out, rounds, think } => self.agent(fan_out, rounds, think),
        }
    }

    fn conversation(&mut self, turns: &LengthDistribution, think: &TimeDistribution) -> Vec<PlannedTurn> {
        let count = turns.draw(&mut self.draws).min(TURNS_MAX);
        let mut planned = vec![self.first(PromptShape::Chat)];
        for turn in 1..count {
            planned.push(self.next(vec![turn - 1], think));
        }
        planned
    }

    fn agent(
        &mut self,
        fan_out: &LengthDistribution,
        rounds: &LengthDistribution,
        think: &TimeDistribution,
    ) -> Vec<PlannedTurn> {
        let mut planned = vec![self.first(PromptShape::Chat)];
        let mut last = 0;
        for _ in 0..rounds.draw(&mut self.draws).min(TURNS_MAX) {
            let count = fan_out.draw(&mut self.draws).min(TURNS_MAX);
            let calls: Vec<u32> = (last + 1..=last + count).collect();
            for _ in &calls {
                planned.push(self.next(vec![last], think));
            }
            last += count + 1;
            planned.push(self.next(calls, think));
        }
        planned
    }

    /// A request that begins the session, with its shared prefix.
    fn first(&mut self, shape: PromptShape) -> PlannedTurn {
        let own = self.part.input.draw(&mut self.draws);
        let output = self.part.output.draw(&mut self.draws);
        let prefix = self.prefix();
        let tokens = own.saturating_add(prefix.map_or(0, |(_, tokens)| tokens));
        let (text, is_exact) = self.text(prefix, tokens, shape);
        let prompt = match shape {
            PromptShape::Text => Prompt::Text(text),
            PromptShape::Chat => Prompt::Chat(vec![Message { role: Role::User, content: text }]),
        };
        let behavior = self.part.behavior(&mut self.draws);
        PlannedTurn { behavior, ..PlannedTurn::new(prompt, is_exact.then_some(tokens), output) }
    }

    /// A request that goes on with the conversation.
    fn next(&mut self, follows: Vec<u32>, think: &TimeDistribution) -> PlannedTurn {
        let words = self.part.input.draw(&mut self.draws);
        let content = self.load.pool.text(words, &mut self.texts);
        PlannedTurn {
            prompt: TurnPrompt::Continue(vec![Message { role: Role::User, content }]),
            input_tokens: None,
            output_tokens: self.part.output.draw(&mut self.draws),
            follows,
            think: think.draw(&mut self.draws),
            behavior: self.part.behavior(&mut self.draws),
            expected: None,
        }
    }

    /// Draws of the shared prefix, and its tokens; `None` for a session without one.
    fn prefix(&mut self) -> Option<(u64, u32)> {
        let Prefixes { count, tokens, share } = self.part.prefixes?;
        let is_shared = self.draws.happens(share);
        let number = self.draws.below(u64::from(count));
        is_shared.then_some((number, tokens))
    }

    /// A text of so many tokens in all, and whether their number is exact.
    fn text(&mut self, prefix: Option<(u64, u32)>, tokens: u32, shape: PromptShape) -> (String, bool) {
        let pool = &self.load.pool;
        let SyntheticSettings { seed, salt, .. } = self.load.settings;
        if let Some(tokenizer) = pool.tokenizer().filter(|_| !pool.is_exact() && prefix.is_none()) {
            let seed = seed ^ salt.unwrap_or_default();
            let settings = PromptSettings { seed, index: self.index, ..PromptSettings::default() };
            let bos = u32::from(shape == PromptShape::Chat && tokenizer.bos().is_some());
            if let Ok(prompt) = exact_prompt(tokenizer, tokens + bos, &settings) {
                return (prompt.text, true);
            }
        }
        let bos = if shape == PromptShape::Text { pool.bos_tokens() } else { 0 };
        let words = tokens.saturating_sub(bos).max(1);
        let mut text = String::new();
        let mut shared = 0;
        if let Some((number, tokens)) = prefix {
            let name = format!("prefix/{}", self.number);
            let mut draws = Draws::salted(seed, &name, salt.unwrap_or_default(), number);
            shared = tokens.saturating_sub(bos).min(words - 1);
            pool.push(&mut text, shared, &mut draws);
        }
        pool.push(&mut text, words - shared, &mut self.texts);
        (text, pool.is_exact() && words + bos == tokens)
    }
}
