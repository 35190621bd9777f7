//! Which part of a trace is played, how fast, and what happens at its end.

use std::sync::Arc;
use std::time::Duration;

use super::error::{Place, TraceNote, TraceProblem};
use crate::distributions::{LengthDistribution, TOKENS_MAX};
use crate::draws::Draws;
use crate::synthetic::{PromptShape, TextPool};
use crate::traffic::Traffic;

/// Which part of a trace is played, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceOptions {
    /// How fast: 2 halves the time between sessions. Above 0. Think times stay.
    pub speed: f64,
    /// Sessions from this time on, counted from the first timestamp.
    pub start: Duration,
    /// Sessions before this time; `None` to the end.
    pub end: Option<Duration>,
    /// Sessions at most; `None` for all.
    pub limit: Option<u64>,
    /// What comes after the last session.
    pub wrap: Wrap,
    /// Whose times are used.
    pub timing: Timing,
    /// Seed by which sessions are put in another order, where times are not used; `None` keeps the file's.
    pub shuffle: Option<u64>,
}

/// What comes after the last session of a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wrap {
    /// Nothing.
    #[default]
    Stop,
    /// The first one again, a mean gap after the last. Generated texts are others in each round.
    Repeat,
}

/// Whose times are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timing {
    /// The trace's, where it has any.
    #[default]
    Trace,
    /// None: the arrivals place the sessions.
    Ignore,
}

/// Unit of a trace's timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Milliseconds.
    Millis,
    /// Seconds.
    Seconds,
}

impl Default for TraceOptions {
    fn default() -> Self {
        Self {
            speed: 1.0,
            start: Duration::ZERO,
            end: None,
            limit: None,
            wrap: Wrap::Stop,
            timing: Timing::Trace,
            shuffle: None,
        }
    }
}

/// What determines a load from a trace, apart from the file.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// Which part is played.
    pub options: TraceOptions,
    /// Seed of generated texts.
    pub seed: u64,
    /// Changes generated texts, as in [`SyntheticSettings`](crate::SyntheticSettings); texts of the file stay.
    pub salt: Option<u64>,
    /// Where generated texts come from, with the tokenizer that counts.
    pub pool: Arc<TextPool>,
    /// How single prompts are written.
    pub prompt: PromptShape,
    /// Output lengths where the file has none; `None` makes that an error.
    pub output_default: Option<LengthDistribution>,
    /// Output lengths in the place of the file's; `None` keeps these.
    pub output_instead: Option<LengthDistribution>,
}

impl TraceSettings {
    /// All of a trace, as it was recorded, as text prompts without a salt.
    #[must_use]
    pub fn new(pool: Arc<TextPool>) -> Self {
        Self {
            options: TraceOptions::default(),
            seed: 0,
            salt: None,
            pool,
            prompt: PromptShape::Text,
            output_default: None,
            output_instead: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), Place> {
        let option = |name, value: String, expected| TraceProblem::Option { name, value, expected }.somewhere();
        let TraceOptions { speed, start, end, limit, .. } = &self.options;
        if !(1e-9..=1e9).contains(speed) {
            return Err(option("speed", speed.to_string(), "above 0 and finite"));
        }
        if end.is_some_and(|end| end <= *start) {
            return Err(option("end", format!("{end:?}"), "after the start"));
        }
        if *limit == Some(0) {
            return Err(option("limit", "0".to_owned(), "above 0"));
        }
        for lengths in [&self.output_default, &self.output_instead].into_iter().flatten() {
            lengths.check().map_err(|error| {
                option(
                    "output",
                    lengths.to_string(),
                    match error.problem {
                        crate::spec::SpecProblem::Value { expected, .. } => expected,
                        _ => "a distribution of lengths",
                    },
                )
            })?;
        }
        Ok(())
    }

    /// Output tokens of a request: those of the file, unless others are given.
    pub(super) fn output(&self, of_file: Option<u32>, session: u64, turn: u64) -> Option<u32> {
        let draw =
            |lengths: &LengthDistribution| lengths.draw(&mut Draws::salted(self.seed, "trace/output", turn, session));
        let instead = self.output_instead.as_ref().map(draw);
        instead.or(of_file).or_else(|| self.output_default.as_ref().map(draw))
    }
}

/// A trace that was read, ready to be played.
#[derive(Clone, Debug)]
pub struct OpenedTrace {
    /// The sessions.
    pub traffic: Arc<dyn Traffic>,
    /// Whether they bring their times along.
    pub is_timed: bool,
    /// What was done to the trace.
    pub notes: Vec<TraceNote>,
}

/// The sessions that are played, in their order.
#[derive(Debug)]
pub(super) struct Selection {
    /// Numbers of the trace's sessions.
    order: Vec<u32>,
    /// When each begins, in nanoseconds from the first; empty without times.
    at: Vec<u64>,
    /// From the beginning of one round to that of the next, in nanoseconds.
    round: u64,
    count: Option<u64>,
}

/// A session to be played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Picked {
    /// Its number in the trace.
    pub(super) number: usize,
    /// How often the trace was played before.
    pub(super) round: u64,
    pub(super) at: Option<Duration>,
}

impl Selection {
    /// Chooses among sessions with these times, in nanoseconds. Those that `keep` refuses are left out, and not asked
    /// about once the limit is reached.
    pub(super) fn new(
        times: &[Option<i64>],
        options: &TraceOptions,
        mut keep: impl FnMut(usize) -> bool,
        notes: &mut Vec<TraceNote>,
    ) -> Result<Self, Place> {
        let timed = times.iter().filter(|at| at.is_some()).count();
        if timed > 0 && timed < times.len() {
            return Err(TraceProblem::MixedTimes.somewhere());
        }
        let mut order: Vec<u32> = (0..u32::try_from(times.len()).unwrap_or(u32::MAX)).collect();
        let is_timed = timed > 0 && options.timing == Timing::Trace;
        let time = |number: &u32| times[*number as usize].unwrap_or_default();
        if timed > 0 {
            sort_and_cut(&mut order, time, options, notes);
        }
        if let (Some(seed), false) = (options.shuffle, is_timed) {
            let mut draws = Draws::new(seed, "shuffle", 0);
            for last in (1..order.len()).rev() {
                order.swap(last, draws.position(last + 1));
            }
        }
        let (limit, mut kept, mut refused) = (options.limit.unwrap_or(u64::MAX), 0_u64, 0_u64);
        order.retain(|number| {
            if kept >= limit {
                return false;
            }
            let is_kept = keep(*number as usize);
            kept += u64::from(is_kept);
            refused += u64::from(!is_kept);
            is_kept
        });
        if refused > 0 {
            notes.push(TraceNote::Filtered(refused));
        }
        let Some(first) = order.first().map(time) else { return Err(TraceProblem::Empty.somewhere()) };
        let at: Vec<u64> = match is_timed {
            true => order.iter().map(|number| scaled(time(number).abs_diff(first), options.speed)).collect(),
            false => Vec::new(),
        };
        let span = at.last().copied().unwrap_or_default();
        let gaps = (at.len() as u64).saturating_sub(1).max(1);
        let count = match options.wrap {
            Wrap::Stop => Some(kept),
            Wrap::Repeat => options.limit,
        };
        Ok(Self { order, at, round: span.saturating_add(span / gaps), count })
    }

    pub(super) fn pick(&self, index: u64) -> Option<Picked> {
        if self.count.is_some_and(|count| index >= count) {
            return None;
        }
        let (place, round) = (index % self.order.len() as u64, index / self.order.len() as u64);
        let place = usize::try_from(place).ok()?;
        let at = self.at.get(place).map(|at| Duration::from_nanos(at.saturating_add(self.round.saturating_mul(round))));
        Some(Picked { number: self.order[place] as usize, round, at })
    }

    pub(super) const fn count(&self) -> Option<u64> {
        self.count
    }

    pub(super) fn is_timed(&self) -> bool {
        !self.at.is_empty()
    }
}

/// Puts sessions in the order of their times and leaves out those outside of the window.
fn sort_and_cut(order: &mut Vec<u32>, time: impl Fn(&u32) -> i64, options: &TraceOptions, notes: &mut Vec<TraceNote>) {
    let displaced = order.windows(2).filter(|pair| time(&pair[1]) < time(&pair[0])).count() as u64;
    if displaced > 0 {
        notes.push(TraceNote::OutOfOrder(displaced));
        order.sort_by_key(&time);
    }
    let first = order.first().map(&time).unwrap_or_default();
    let before = order.len();
    order.retain(|number| {
        let since = Duration::from_nanos(time(number).abs_diff(first));
        since >= options.start && options.end.is_none_or(|end| since < end)
    });
    if order.len() < before {
        notes.push(TraceNote::OutsideWindow((before - order.len()) as u64));
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates; neither is negative")]
fn scaled(nanos: u64, speed: f64) -> u64 {
    if (speed - 1.0).abs() < f64::EPSILON { nanos } else { (nanos as f64 / speed).round() as u64 }
}

/// A timestamp in nanoseconds.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
pub(super) fn nanos(key: &'static str, value: f64, unit: TimeUnit) -> Result<i64, TraceProblem> {
    let seconds = match unit {
        TimeUnit::Millis => value / 1e3,
        TimeUnit::Seconds => value,
    };
    // Two centuries around 1970.
    if seconds.abs() <= 4e9 {
        return Ok((seconds * 1e9).round() as i64);
    }
    Err(TraceProblem::value(key, value, "a time; is the unit right?"))
}

/// A time between two requests.
pub(super) fn delay(value: Option<f64>, unit: TimeUnit) -> Result<Option<Duration>, TraceProblem> {
    let Some(value) = value else { return Ok(None) };
    let nanos = u64::try_from(nanos("delay", value, unit)?);
    nanos.map(|nanos| Some(Duration::from_nanos(nanos))).map_err(|_| TraceProblem::value("delay", value, "0 or more"))
}

/// A number of tokens; zero is the caller's matter.
pub(super) fn tokens(key: &'static str, value: Option<u64>) -> Result<u32, TraceProblem> {
    let value = value.ok_or(TraceProblem::MissingKey(key))?;
    let tokens = u32::try_from(value).ok().filter(|tokens| *tokens <= TOKENS_MAX);
    tokens.ok_or_else(|| TraceProblem::value(key, value, "at most 10000000 tokens"))
}
