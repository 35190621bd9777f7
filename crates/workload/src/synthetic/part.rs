//! What a generated load is made of.

use std::time::Duration;

use weighbridge_engine::{Behavior, CancelAfter};

use crate::distributions::{LengthDistribution, TimeDistribution};
use crate::draws::Draws;
use crate::spec::{SpecError, SpecKind, SpecProblem};

/// Most turns of a conversation, and most rounds or parallel calls of an agent. What a distribution draws beyond it
/// becomes it.
pub(super) const TURNS_MAX: u32 = 256;

/// One kind of session, as a share of a load.
///
/// It is read from and printed as text, such as `input=512,output=128`.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Name by which figures are told apart; `None` for none.
    pub group: Option<String>,
    /// Share of the sessions, relative to the other parts; above 0.
    pub weight: f64,
    /// Tokens of each prompt, or of each message of a conversation, apart from a shared prefix.
    pub input: LengthDistribution,
    /// Tokens of each answer at most.
    pub output: LengthDistribution,
    /// How single prompts are written. Conversations and agents are chats always.
    pub prompt: PromptShape,
    /// Prefixes that prompts share.
    pub prefixes: Option<Prefixes>,
    /// How requests depend on each other.
    pub shape: SessionShape,
    /// Requests that are given up.
    pub cancel: Option<Cancellation>,
    /// Clients that read slowly.
    pub slow: Option<SlowReaders>,
}

/// How a prompt is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PromptShape {
    /// Text to continue.
    #[default]
    Text,
    /// One message of a user. Its tokens are counted without the template.
    Chat,
}

/// Prefixes that prompts share, for caches to find.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prefixes {
    /// How many there are.
    pub count: u32,
    /// Tokens of each, which come before the tokens of the prompt.
    pub tokens: u32,
    /// Share of the sessions that begin with one; above 0, at most 1.
    pub share: f64,
}

/// How the requests of a session depend on each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum SessionShape {
    /// One request.
    #[default]
    Single,
    /// A conversation: each message follows the answer before it.
    Conversation {
        /// Number of requests; at most 256.
        turns: LengthDistribution,
        /// Time from an answer to the next message.
        think: TimeDistribution,
    },
    /// An agent: a plan, then in each round parallel calls that follow it, then an answer that follows them all.
    Agent {
        /// Parallel calls of a round; at most 256.
        fan_out: LengthDistribution,
        /// Rounds; at most 256.
        rounds: LengthDistribution,
        /// Time from an answer to what follows it, as tools take it.
        think: TimeDistribution,
    },
}

/// Requests that are given up.
#[derive(Clone, Debug, PartialEq)]
pub struct Cancellation {
    /// Share of the requests; above 0, at most 1.
    pub share: f64,
    /// When.
    pub when: CancelWhen,
}

/// When a request is given up.
#[derive(Clone, Debug, PartialEq)]
pub enum CancelWhen {
    /// So long after its release.
    Time(TimeDistribution),
    /// After so many frames.
    Frames(LengthDistribution),
}

/// Clients that read slowly.
#[derive(Clone, Debug, PartialEq)]
pub struct SlowReaders {
    /// Share of the requests; above 0, at most 1.
    pub share: f64,
    /// Pause after each frame; one for all frames of a request.
    pub pause: TimeDistribution,
}

impl Part {
    /// Single text prompts of these lengths.
    #[must_use]
    pub const fn new(input: LengthDistribution, output: LengthDistribution) -> Self {
        Self {
            group: None,
            weight: 1.0,
            input,
            output,
            prompt: PromptShape::Text,
            prefixes: None,
            shape: SessionShape::Single,
            cancel: None,
            slow: None,
        }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// Names the first value that is out of range.
    pub fn check(&self) -> Result<(), SpecError> {
        self.problem().map_err(|problem| problem.in_text(SpecKind::Synthetic, &self.to_string()))
    }

    fn problem(&self) -> Result<(), SpecProblem> {
        if !(self.weight > 0.0 && self.weight <= 1e9) {
            return Err(SpecProblem::value(self.weight, "a weight above 0 and at most 1000000000"));
        }
        let is_name =
            |name: &String| !name.is_empty() && !name.contains([',', ';', '=', '?', '|']) && name.trim() == name;
        if let Some(group) = self.group.as_ref().filter(|group| !is_name(group)) {
            return Err(SpecProblem::value(group, "a name without `,`, `;`, `=`, `?`, `|`"));
        }
        self.input.check()?;
        self.output.check()?;
        if let Some(Prefixes { count, tokens, share }) = self.prefixes {
            LengthDistribution::Fixed(tokens).check()?;
            in_share(share)?;
            if count == 0 {
                return Err(SpecProblem::value(count, "a number of prefixes above 0"));
            }
        }
        match &self.shape {
            SessionShape::Single => {}
            SessionShape::Conversation { turns, think } => {
                countable(turns)?;
                think.check()?;
            }
            SessionShape::Agent { fan_out, rounds, think } => {
                countable(fan_out)?;
                countable(rounds)?;
                think.check()?;
            }
        }
        if let Some(Cancellation { share, when }) = &self.cancel {
            in_share(*share)?;
            match when {
                CancelWhen::Time(time) => time.check()?,
                CancelWhen::Frames(frames) => frames.check()?,
            }
        }
        if let Some(SlowReaders { share, pause }) = &self.slow {
            in_share(*share)?;
            pause.check()?;
        }
        Ok(())
    }

    /// How the client treats the next answer.
    pub(super) fn behavior(&self, draws: &mut Draws) -> Behavior {
        let cancel = self.cancel.as_ref().filter(|cancel| draws.happens(cancel.share));
        let cancel = cancel.map(|cancel| match &cancel.when {
            CancelWhen::Time(time) => CancelAfter::Time(time.draw(draws)),
            CancelWhen::Frames(frames) => CancelAfter::Frames(frames.draw(draws)),
        });
        let slow = self.slow.as_ref().filter(|slow| draws.happens(slow.share));
        let read_pause = slow.map(|slow| slow.pause.draw(draws)).filter(|pause| *pause > Duration::ZERO);
        Behavior { cancel, read_pause }
    }
}

fn in_share(share: f64) -> Result<(), SpecProblem> {
    if share > 0.0 && share <= 1.0 { Ok(()) } else { Err(SpecProblem::value(share, "a share above 0 and at most 1")) }
}

fn countable(count: &LengthDistribution) -> Result<(), SpecProblem> {
    count.check()?;
    let is_fixed = !matches!(count, LengthDistribution::Normal { .. } | LengthDistribution::LogNormal { .. });
    let most = if is_fixed { f64::from(count.longest()) } else { count.mean() };
    if most > f64::from(TURNS_MAX) {
        return Err(SpecProblem::value(count, "a number of at most 256"));
    }
    Ok(())
}
