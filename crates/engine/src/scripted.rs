//! The scripted engine: a known timeline, the ground truth for every meter.
//!
//! It generates nothing. Its events follow a script such as `ttft=20ms,itl=5ms,bundle=4`, on tokio's clock; under
//! paused time the stamps equal the script exactly. Whatever is reported of it says that it is scripted.

mod cache;
mod kept;
mod spoil;

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream;
use weighbridge_types::record::EngineDescription;
use weighbridge_types::request::{Channel, FailureClass, FinishReason, Usage};
use weighbridge_types::time::Stamp;
use weighbridge_types::units::{ByteSize, parse_duration};

pub use cache::{PrefixCache, cached_ttft};
pub use kept::Kept;
use spoil::{Flying, InFlight};
pub use spoil::{Spoil, SpoilKind};

use crate::contract::{Capabilities, Engine, EventStream};
use crate::event::{EngineEvent, EventKind, Frame, RequestFailure};
use crate::request::GenerateRequest;

/// What the scripted engine does to every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Release to first frame.
    pub ttft: Duration,
    /// Time per token between frames: a frame of k tokens comes k times this after the one before it.
    pub itl: Duration,
    /// Tokens per frame.
    pub bundle: u32,
    /// Tokens of thinking before the answer.
    pub reasoning: u32,
    /// Output tokens; `None` gives as many as each request asks for.
    pub tokens: Option<u32>,
    /// A cache of prefixes: per cent of `ttft` that a prompt takes of which every word was seen before. `None` has none.
    pub cache: Option<u32>,
    /// Bytes that each request leaves in memory for ever; `None` leaves none.
    pub leak: Option<u64>,
    /// Bytes up to which blocks of changing size are kept, one of each request and the oldest given back first: memory that
    /// grows, fragments and levels off. `None` keeps none.
    pub hoard: Option<u64>,
    /// Which answers are spoiled while many requests are in flight; `None` spoils none.
    pub spoil: Option<Spoil>,
    /// What goes wrong, and in which requests.
    pub fault: Option<Fault>,
}

/// A planned failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Every how many requests; 1 fails them all.
    pub every: u64,
    /// Only among so many requests at the start; `None` goes on for ever.
    pub first: Option<u64>,
    /// After how many frames.
    pub after_frames: u32,
}

impl Fault {
    /// A fault of every request.
    #[must_use]
    pub const fn always(kind: FaultKind, after_frames: u32) -> Self {
        Self { kind, every: 1, first: None, after_frames }
    }

    /// Whether it strikes the request of this number, from 1.
    #[must_use]
    pub fn strikes(&self, number: u64) -> bool {
        number.is_multiple_of(self.every) && self.first.is_none_or(|first| number <= first)
    }
}

/// What goes wrong. The scripted engine reports its class; the scripted server plays it on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Status 500, or an error event within a stream.
    Error,
    /// Status 429 with `Retry-After`.
    RateLimit,
    /// Status 400.
    BadRequest,
    /// Status 401.
    Unauthorized,
    /// Status 404, for the model.
    NoModel,
    /// Status 307 to another place.
    Redirect,
    /// A web page with status 200.
    WebPage,
    /// A frame whose JSON is cut short.
    TruncatedJson,
    /// A frame that is no UTF-8.
    NotText,
    /// A frame of ten million characters. A client may take it or refuse it.
    LargeFrame,
    /// The connection is closed in the middle.
    Cut,
    /// The connection is reset in the middle.
    Reset,
    /// The body ends before the length that its head names.
    WrongLength,
    /// The connection is closed without an answer.
    NoAnswer,
    /// The server says no more and keeps the connection open.
    Stall,
    /// Frames come without an end, whatever was asked for.
    Endless,
    /// A success without a token.
    Empty,
}

impl FaultKind {
    /// Every kind with its name in a script.
    pub const NAMES: [(&'static str, Self); 17] = [
        ("error", Self::Error),
        ("rate_limit", Self::RateLimit),
        ("bad_request", Self::BadRequest),
        ("unauthorized", Self::Unauthorized),
        ("no_model", Self::NoModel),
        ("redirect", Self::Redirect),
        ("web_page", Self::WebPage),
        ("truncated_json", Self::TruncatedJson),
        ("not_text", Self::NotText),
        ("large_frame", Self::LargeFrame),
        ("cut", Self::Cut),
        ("reset", Self::Reset),
        ("wrong_length", Self::WrongLength),
        ("no_answer", Self::NoAnswer),
        ("stall", Self::Stall),
        ("endless", Self::Endless),
        ("empty", Self::Empty),
    ];

    /// The class that a client should report.
    #[must_use]
    pub const fn class(self) -> FailureClass {
        match self {
            Self::Error => FailureClass::ServerError,
            Self::RateLimit => FailureClass::RateLimited,
            Self::BadRequest | Self::Unauthorized | Self::NoModel => FailureClass::ClientError,
            Self::Redirect | Self::WebPage | Self::TruncatedJson | Self::NotText | Self::LargeFrame => {
                FailureClass::Malformed
            }
            Self::Cut | Self::Reset | Self::WrongLength | Self::NoAnswer => FailureClass::Truncated,
            Self::Stall => FailureClass::TimeoutStall,
            Self::Endless => FailureClass::Timeout,
            Self::Empty => FailureClass::Empty,
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, kind)| kind)
    }
}

impl Default for Script {
    fn default() -> Self {
        Self {
            ttft: Duration::from_millis(20),
            itl: Duration::from_millis(5),
            bundle: 1,
            reasoning: 0,
            tokens: None,
            cache: None,
            leak: None,
            hoard: None,
            spoil: None,
            fault: None,
        }
    }
}

/// A script that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read the script at `{part}`: {problem}")]
pub struct ScriptError {
    part: String,
    problem: String,
}

impl ScriptError {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "a script reads `ttft=20ms,itl=5ms,tokens=64,bundle=1,reasoning=0,cache=20%,leak=512B,hoard=64MiB,spoil=cut,\
         spoil_above=4,spoil_share=50%,fail=error,fail_every=10,fail_first=100,fail_after=3`, each part optional; answers \
         are spoiled by `cut` or `mix`; what can fail: error, rate_limit, bad_request, unauthorized, no_model, \
         redirect, web_page, truncated_json, not_text, large_frame, cut, reset, wrong_length, no_answer, stall, \
         endless, empty"
    }
}

impl FromStr for Script {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, ScriptError> {
        let mut script = Self::default();
        let (mut kind, mut every, mut first, mut after_frames) = (None, None, None, 0);
        let (mut spoil, mut above, mut spoil_share) = (None, None, None);
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let wrong = |problem: String| ScriptError { part: part.to_owned(), problem };
            let (key, value) = part.split_once('=').ok_or_else(|| wrong("a part is `key=value`".to_owned()))?;
            let time = || parse_duration(value).map_err(|error| wrong(error.to_string()));
            let size = || value.parse::<ByteSize>().map(|size| size.0).map_err(|error| wrong(error.to_string()));
            let count = |least: u32| {
                let parsed = value.parse().ok().filter(|count| (least..=1_000_000).contains(count));
                parsed.ok_or_else(|| wrong(format!("`{value}` is no count from {least} to 1000000")))
            };
            let share = |of: &str| {
                let parsed = value.trim_end_matches('%').parse().ok().filter(|share| *share <= 100_u32);
                parsed.ok_or_else(|| wrong(format!("`{value}` is no share of {of}, such as `20%`")))
            };
            match key {
                "ttft" => script.ttft = time()?,
                "itl" => script.itl = time()?,
                "bundle" => script.bundle = count(1)?,
                "reasoning" => script.reasoning = count(0)?,
                "tokens" => script.tokens = Some(count(1)?),
                "cache" => script.cache = Some(share("the time that is left")?),
                "leak" => script.leak = Some(size()?),
                "hoard" => script.hoard = Some(size()?),
                "spoil" => {
                    let named = SpoilKind::named(value);
                    spoil = Some(
                        named.ok_or_else(|| wrong(format!("answers are spoiled by `cut` or `mix`, not `{value}`")))?,
                    );
                }
                "spoil_above" => above = Some(count(0)?),
                "spoil_share" => spoil_share = Some(share("the requests")?),
                "fail" => {
                    let named = FaultKind::named(value);
                    kind = Some(named.ok_or_else(|| wrong(format!("`{value}` is nothing that can fail")))?);
                }
                "fail_every" => every = Some(u64::from(count(1)?)),
                "fail_first" => first = Some(u64::from(count(1)?)),
                "fail_after" => after_frames = count(0)?,
                _ => return Err(wrong(format!("there is no key `{key}`"))),
            }
        }
        if spoil.is_some() || above.is_some() || spoil_share.is_some() {
            let kind = spoil.unwrap_or(SpoilKind::Cut);
            script.spoil = Some(Spoil { kind, above: above.unwrap_or(0), share: spoil_share.unwrap_or(100) });
        }
        if kind.is_some() || every.is_some() || first.is_some() {
            let kind = kind.unwrap_or(FaultKind::Error);
            script.fault = Some(Fault { kind, every: every.unwrap_or(1), first, after_frames });
        }
        Ok(script)
    }
}

/// An engine that follows a script.
#[derive(Debug)]
pub struct ScriptedEngine {
    script: Arc<Script>,
    model_ref: String,
    requests: AtomicU64,
    cache: PrefixCache,
    kept: Kept,
    in_flight: InFlight,
}

impl ScriptedEngine {
    /// Makes an engine.
    #[must_use]
    pub fn new(script: Script) -> Self {
        Self {
            script: Arc::new(script),
            model_ref: String::new(),
            requests: AtomicU64::new(0),
            cache: PrefixCache::default(),
            kept: Kept::default(),
            in_flight: InFlight::default(),
        }
    }

    /// The engine under the reference that a user has for it, which tells one script from another.
    #[must_use]
    pub fn named(self, model_ref: &str) -> Self {
        Self { model_ref: model_ref.to_owned(), ..self }
    }
}

impl Engine for ScriptedEngine {
    fn describe(&self) -> EngineDescription {
        EngineDescription {
            engine: "scripted".to_owned(),
            model_ref: self.model_ref.clone(),
            model: "script".to_owned(),
            device: "none".to_owned(),
            scripted: true,
            ..EngineDescription::default()
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { ignore_eos: true, exact_tokens: true, ..Capabilities::default() }
    }

    fn generate(&self, request: GenerateRequest) -> EventStream {
        if let Err(error) = request.check_free("scripted") {
            return EngineEvent::refused(&request, &error);
        }
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let fault = self.script.fault.filter(|fault| fault.strikes(number));
        self.kept.request(&self.script);
        let cached = self.script.cache.map(|_| self.cache.look_up(&prompt_text(&request)));
        let (flying, in_flight) = self.in_flight.enter();
        let spoiled = self.script.spoil.and_then(|spoil| spoil.strikes(number, in_flight));
        let total = self.script.tokens.unwrap_or(request.max_tokens).min(request.max_tokens);
        let play = Play {
            cached,
            total: spoiled.map_or(total, |kind| kind.tokens(total)),
            spoiled,
            _flying: flying,
            start: request.clock.now(),
            script: Arc::clone(&self.script),
            request,
            fault,
            sent: 0,
            frames: 0,
            stage: Stage::Tokens,
        };
        Box::pin(stream::unfold(play, Play::next))
    }
}

/// Where a generation stands.
#[derive(Debug)]
struct Play {
    script: Arc<Script>,
    request: GenerateRequest,
    fault: Option<Fault>,
    /// Words of the prompt that the cache held; `None` without a cache.
    cached: Option<u32>,
    start: Stamp,
    /// Output tokens of this generation.
    total: u32,
    spoiled: Option<SpoilKind>,
    /// It counts as in flight while it is played.
    _flying: Flying,
    sent: u32,
    frames: u32,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Tokens,
    Finish,
    Over,
}

impl Play {
    async fn next(mut self) -> Option<(EngineEvent, Self)> {
        let kind = match self.stage {
            Stage::Over => return None,
            Stage::Tokens => self.next_frame().await,
            Stage::Finish => {
                self.stage = Stage::Over;
                let limited = self.script.tokens.is_none_or(|tokens| tokens > self.request.max_tokens);
                let limited = limited && self.spoiled != Some(SpoilKind::Cut);
                EventKind::Finished { reason: if limited { FinishReason::Length } else { FinishReason::Stop } }
            }
        };
        let event = EngineEvent { at: self.request.clock.now(), kind };
        Some((event, self))
    }

    fn ttft(&self) -> Duration {
        match (self.script.cache, self.cached) {
            (Some(left), Some(cached)) => cached_ttft(self.script.ttft, left, cached, prompt_words(&self.request)),
            _ => self.script.ttft,
        }
    }

    async fn next_frame(&mut self) -> EventKind {
        if let Some(fault) = self.fault.filter(|fault| self.frames >= fault.after_frames) {
            self.stage = Stage::Over;
            let message = format!("scripted fault after {} frames", self.frames);
            return EventKind::Failed(RequestFailure { class: fault.kind.class(), message, retry_after: None });
        }
        if self.sent >= self.total {
            self.stage = Stage::Finish;
            let output_tokens = self.sent;
            let reasoning = Some(self.script.reasoning.min(self.total));
            return EventKind::Usage(Usage {
                input_tokens: prompt_words(&self.request),
                output_tokens,
                cached_input_tokens: self.cached,
                reasoning_tokens: reasoning,
            });
        }
        let thinking = self.sent < self.script.reasoning;
        let end = if thinking { self.script.reasoning.min(self.total) } else { self.total };
        let tokens = self.script.bundle.min(end - self.sent);
        // The frame's place follows from the tokens before it, so that the script's rate holds whatever the bundles.
        let before = (self.sent + tokens).saturating_sub(self.script.bundle.min(self.total));
        let later = self.script.itl * before;
        let due = self.start.after(self.ttft() + later);
        // The timer's steps are a millisecond, also for what is due already.
        if due > self.request.clock.now() {
            tokio::time::sleep_until(self.request.clock.instant(due)).await;
        } else {
            // A long answer without waits must not keep others from running.
            tokio::task::consume_budget().await;
        }
        let words = self.sent..self.sent + tokens;
        let text: String = words.map(|token| SpoilKind::word(self.spoiled, token, self.total)).collect();
        self.sent += tokens;
        self.frames += 1;
        let channel = if thinking { Channel::Reasoning } else { Channel::Answer };
        EventKind::Frame(Frame { channel, ..Frame::answer(text, tokens) })
    }
}

/// The script has no tokenizer: it counts words, and its description says that it is a script.
/// The words of a prompt, in their order; tokens are words of their own.
fn prompt_text(request: &GenerateRequest) -> String {
    match &request.prompt {
        crate::Prompt::Text(text) => text.clone(),
        crate::Prompt::Tokens(tokens) => tokens.iter().map(|token| format!("{token} ")).collect(),
        crate::Prompt::Chat(messages) => messages.iter().map(|message| format!("{} ", message.content)).collect(),
    }
}

fn prompt_words(request: &GenerateRequest) -> u32 {
    let words = |text: &str| u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX);
    match &request.prompt {
        crate::Prompt::Text(text) => words(text),
        crate::Prompt::Tokens(tokens) => u32::try_from(tokens.len()).unwrap_or(u32::MAX),
        crate::Prompt::Chat(messages) => messages.iter().map(|message| words(&message.content)).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Collected, Collector, Prompt, collect};
    use weighbridge_types::request::{Outcome, RequestRow};
    use weighbridge_types::time::Clock;

    async fn play(script: &str, max_tokens: u32) -> Collected {
        let engine = ScriptedEngine::new(script.parse().unwrap());
        let clock = Clock::start();
        let request = GenerateRequest::new(Prompt::Text("a b c".to_owned()), max_tokens, clock);
        let collector = Collector::new(clock.now(), clock.now(), max_tokens).keeping_text();
        collect(engine.generate(request), collector).await
    }

    fn ms(value: u64) -> Option<Duration> {
        Some(Duration::from_millis(value))
    }

    #[tokio::test(start_paused = true)]
    async fn stamps_equal_the_script_under_paused_time() {
        let got = play("ttft=200ms,itl=20ms", 64).await;
        assert_eq!(got.timeline.ttft(), ms(200));
        assert!(got.timeline.token_gaps().all(|gap| gap == (Duration::from_millis(20), 1)));
        assert_eq!(got.timeline.e2e(), ms(200 + 63 * 20));
        assert_eq!(got.timeline.frame_tokens(), 64);
        assert_eq!(got.outcome, Outcome::Succeeded { finish: FinishReason::Length });
    }

    #[tokio::test]
    async fn a_grammar_is_refused() {
        let engine = ScriptedEngine::new(Script::default());
        assert!(!engine.capabilities().constraint);
        let request = GenerateRequest::new(Prompt::Text(String::new()), 4, Clock::start());
        let request = GenerateRequest { constraint: Some(crate::constraint::Grammar::json()), ..request };
        let now = request.clock.now();
        let refused = collect(engine.generate(request), Collector::new(now, now, 4)).await;
        let Outcome::Failed { class, message } = refused.outcome else { panic!("{:?}", refused.outcome) };
        assert_eq!((class, refused.timeline.frames.len()), (FailureClass::ClientError, 0));
        assert_eq!(message, "hold the text of an answer to a grammar with the `scripted` engine: it cannot");
    }

    #[tokio::test(start_paused = true)]
    async fn bundles_keep_the_rate() {
        let got = play("ttft=100ms,itl=10ms,bundle=4", 10).await;
        let tokens: Vec<_> = got.timeline.frames.iter().map(|frame| frame.tokens).collect();
        assert_eq!(tokens, [4, 4, 2]);
        assert_eq!(got.timeline.ttft(), ms(100));
        assert!(got.timeline.token_gaps().all(|(gap, _)| gap == Duration::from_millis(10)));
    }

    #[tokio::test(start_paused = true)]
    async fn thinking_comes_first_and_is_told_apart() {
        let got = play("ttft=100ms,itl=10ms,reasoning=5", 8).await;
        assert_eq!(got.timeline.ttft(), ms(100));
        assert_eq!(got.timeline.ttfo(), ms(150));
        assert_eq!(got.timeline.think_time(), ms(50));
    }

    #[tokio::test(start_paused = true)]
    async fn thinking_shorter_than_a_bundle_comes_at_the_start() {
        let got = play("ttft=100ms,itl=10ms,bundle=4,reasoning=2", 8).await;
        let tokens: Vec<_> = got.timeline.frames.iter().map(|frame| frame.tokens).collect();
        assert_eq!((tokens, got.timeline.ttft()), (vec![2, 4, 2], ms(100)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_script_stops_by_itself() {
        let got = play("tokens=3", 8).await;
        assert_eq!(got.outcome, Outcome::Succeeded { finish: FinishReason::Stop });
        let row = RequestRow {
            usage: got.usage,
            ..RequestRow::new(0, weighbridge_types::metric::Cell::default(), 8, got.timeline, got.outcome)
        };
        assert_eq!((row.output_tokens(), row.input_tokens()), (3, Some(3)));
    }

    #[tokio::test(start_paused = true)]
    async fn faults_strike_the_requests_they_name() {
        let engine = ScriptedEngine::new("fail_every=2,fail_after=3".parse().unwrap());
        let clock = Clock::start();
        let mut outcomes = Vec::new();
        for _ in 0..4 {
            let request = GenerateRequest::new(Prompt::Text(String::new()), 8, clock);
            let got = collect(engine.generate(request), Collector::new(clock.now(), clock.now(), 8)).await;
            outcomes.push((got.outcome.is_success(), got.timeline.frames.len()));
        }
        assert_eq!(outcomes, [(true, 8), (false, 3), (true, 8), (false, 3)]);
    }

    #[test]
    fn faults_are_read() {
        let check = |text: &str, expected: Fault| assert_eq!(text.parse::<Script>().unwrap().fault, Some(expected));
        let error = Fault::always(FaultKind::Error, 0);
        check("fail_every=10", Fault { every: 10, ..error });
        check("fail=rate_limit,fail_first=3", Fault { kind: FaultKind::RateLimit, first: Some(3), ..error });
        for (name, kind) in FaultKind::NAMES {
            check(&format!("fail={name},fail_after=2"), Fault::always(kind, 2));
        }
        assert_eq!("fail_after=2".parse::<Script>().unwrap().fault, None);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_are_spoiled_while_more_than_so_many_are_in_flight() {
        for (kind, spoiled) in [("cut", "word word "), ("mix", "word word other other ")] {
            let script = format!("spoil={kind},spoil_above=1").parse().unwrap();
            let (engine, clock) = (ScriptedEngine::new(script), Clock::start());
            let ask = || async {
                let request = GenerateRequest::new(Prompt::Text("a".to_owned()), 4, clock);
                collect(engine.generate(request), Collector::new(clock.now(), clock.now(), 4).keeping_text()).await
            };
            let alone = ask().await;
            let (first, second) = tokio::join!(ask(), ask());
            let finish = if kind == "cut" { FinishReason::Stop } else { FinishReason::Length };
            assert_eq!(alone.text.as_deref(), Some("word word word word "));
            assert_eq!(first.text, alone.text, "one alone was in flight when it began");
            assert_eq!((second.text.as_deref(), second.outcome), (Some(spoiled), Outcome::Succeeded { finish }));
        }
    }

    #[test]
    fn what_spoils_answers_is_read() {
        let check = |text: &str, kind, above, share| {
            let expected = Spoil { kind, above, share };
            assert_eq!(text.parse::<Script>().unwrap().spoil, Some(expected), "{text}");
        };
        check("spoil=cut,spoil_above=4,spoil_share=50%", SpoilKind::Cut, 4, 50);
        check("spoil=mix", SpoilKind::Mix, 0, 100);
        check("spoil_above=2", SpoilKind::Cut, 2, 100);
        assert_eq!("ttft=1ms".parse::<Script>().unwrap().spoil, None);
    }

    #[test]
    fn a_storm_of_faults_ends() {
        let struck = |fault: Fault| (1..=6).filter(|&number| fault.strikes(number)).collect::<Vec<_>>();
        let fault = Fault { every: 2, first: Some(4), ..Fault::always(FaultKind::Cut, 0) };
        assert_eq!(struck(fault), [2, 4]);
        assert_eq!(struck(Fault { every: 1, ..fault }), [1, 2, 3, 4]);
        assert_eq!(struck(Fault { first: None, ..fault }), [2, 4, 6]);
    }

    #[test]
    fn a_wrong_script_names_the_part() {
        let check = |text: &str, part: &str| {
            let error = text.parse::<Script>().unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        };
        check("ttft=fast", "`ttft=fast`");
        check("itl", "`itl`");
        check("bundle=0", "`bundle=0`");
        check("leak=much", "`leak=much`");
        check("fail=sometimes", "`sometimes`");
        check("spoil=all", "`spoil=all`");
        check("spoil_share=101%", "`101%`");
        check("cache=much", "`much`");
        check("speed=9", "`speed`");
    }
}
