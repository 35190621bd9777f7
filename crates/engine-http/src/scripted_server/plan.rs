//! From a script to the writes of one answer.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use weighbridge_engine::scripted::{Fault, FaultKind, PrefixCache, Script, SpoilKind, cached_ttft};
use weighbridge_types::request::Channel;

use super::request::Request;
use super::stream::{PlannedWrite, Stream};
use super::wire::{Counts, Piece, Wire};
use super::{Odd, SERVER_NAME};

/// Time between the two pieces of an event that is cut in two.
const SPLIT_GAP: Duration = Duration::from_micros(500);

/// Time that the server is silent where a timeout is scripted: longer than any client waits.
const SILENCE: Duration = Duration::from_secs(24 * 3600);

/// Length that an answer names and does not have.
const WRONG_LENGTH: usize = 1 << 20;

/// Characters of the large frame: ten million, as a model that repeats itself into one frame.
const LARGE_FRAME: usize = 10_000_000;

/// Least time between the frames of an endless stream.
const ENDLESS_PACE: Duration = Duration::from_millis(1);

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    KeepAlive,
    Close,
    /// The connection is reset instead of closed.
    Reset,
    /// The last write is made again and again, with this time between.
    Endless(Duration),
}

/// The writes of one answer and its end.
pub(super) struct Plan {
    pub(super) writes: VecDeque<PlannedWrite>,
    pub(super) ending: Ending,
}

impl Ending {
    /// What becomes of a connection after an answer without a fault.
    pub(super) fn of_sound_answers(odd: &[Odd]) -> Self {
        if odd.contains(&Odd::CloseAfterAnswer) { Self::Close } else { Self::KeepAlive }
    }
}

impl Plan {
    /// The bytes and the tokens of an answer that is due at once; `None` where something comes later.
    pub(super) fn at_once(&self) -> Option<(Bytes, u32)> {
        if matches!(self.ending, Ending::Endless(_)) || self.writes.iter().any(|write| !write.after.is_zero()) {
            return None;
        }
        let tokens = self.writes.iter().map(|write| write.tokens).sum();
        let bytes = self.writes.iter().fold(Vec::new(), |mut all, write| {
            all.extend_from_slice(&write.bytes);
            all
        });
        Some((bytes.into(), tokens))
    }
}

/// What an answer without a fault depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    wire: Wire,
    limit: u32,
    input: u32,
    is_whole: bool,
    wants_usage: bool,
    wants_counts: bool,
    /// Words of the prompt that the cache held; `None` without a cache.
    cached: Option<u32>,
    /// How the script spoils the answer.
    spoiled: Option<SpoilKind>,
}

impl Asked {
    pub(super) fn of(wire: Wire, request: &Request) -> Self {
        // Ollama streams unless it is told not to.
        let is_whole =
            if wire.is_lines() { request.body.get("stream") == Some(&false.into()) } else { !request.asks("/stream") };
        Self {
            wire,
            limit: request.max_tokens().unwrap_or(u32::MAX),
            input: u32::try_from(request.prompt().split_whitespace().count()).unwrap_or(u32::MAX),
            is_whole,
            wants_usage: request.asks("/stream_options/include_usage"),
            wants_counts: request.asks("/stream_options/continuous_usage_stats"),
            cached: None,
            spoiled: None,
        }
    }

    /// The same with what a cache holds of the prompt; all of it is held from now on.
    pub(super) fn looked_up(self, cache: &PrefixCache, request: &Request) -> Self {
        Self { cached: Some(cache.look_up(request.prompt())), ..self }
    }

    /// The same, spoiled.
    pub(super) fn spoiled(self, spoiled: Option<SpoilKind>) -> Self {
        Self { spoiled, ..self }
    }

    /// When the first frame is due.
    fn ttft(&self, script: &Script) -> Duration {
        match (script.cache, self.cached) {
            (Some(left), Some(cached)) => cached_ttft(script.ttft, left, cached, self.input),
            _ => script.ttft,
        }
    }
}

impl Asked {
    /// Tokens of the prompt, as this server counts them.
    pub(super) fn input(&self) -> u32 {
        self.input
    }
}

/// A frame of the script.
struct ScriptFrame {
    after: Duration,
    tokens: u32,
    channel: Channel,
}

/// Channels and token counts of frames that go out together.
type Form = Vec<(Channel, u32)>;

/// Plans the answer to a request that a fault may strike.
pub(super) fn plan(script: &Script, odd: &[Odd], fault: Option<Fault>, asked: Asked) -> Plan {
    if let Some(refusal) = fault.filter(|fault| fault.after_frames == 0).and_then(|fault| refusal(fault.kind)) {
        return refusal;
    }
    let total = script.tokens.unwrap_or(asked.limit).min(asked.limit);
    let empty = fault.is_some_and(|fault| fault.kind == FaultKind::Empty);
    let total = if empty { 0 } else { asked.spoiled.map_or(total, |kind| kind.tokens(total)) };
    let is_cut = asked.spoiled == Some(SpoilKind::Cut);
    let answer = Answer {
        odd,
        wire: asked.wire,
        frames: frames(script, asked.ttft(script), total),
        is_limited: !is_cut && script.tokens.is_none_or(|tokens| tokens > asked.limit),
        spoiled: asked.spoiled,
        counts: Counts { input: asked.input, output: total, cached: asked.cached },
        usage_asked: asked.wants_usage,
        counts_asked: asked.wants_counts,
        pace: script.itl,
    };
    if asked.is_whole { answer.whole() } else { answer.stream(fault.filter(|_| !empty)) }
}

/// The frames of a script. A frame's place follows from the tokens before it, as in the scripted engine.
fn frames(script: &Script, ttft: Duration, total: u32) -> Vec<ScriptFrame> {
    let mut frames = Vec::new();
    let mut sent = 0;
    while sent < total {
        let thinking = sent < script.reasoning;
        let end = if thinking { script.reasoning.min(total) } else { total };
        let tokens = script.bundle.min(end - sent);
        sent += tokens;
        let later = script.itl * sent.saturating_sub(script.bundle.min(total));
        let channel = if thinking { Channel::Reasoning } else { Channel::Answer };
        frames.push(ScriptFrame { after: ttft + later, tokens, channel });
    }
    frames
}

/// The answer of a fault that strikes before any frame; `None` for those that need a stream.
fn refusal(kind: FaultKind) -> Option<Plan> {
    let json = |status: &str, extra: &str, message: &str| {
        let body = format!(r#"{{"error":{{"message":"{message}"}}}}"#);
        Some(answer_at_once(status, extra, "application/json", &body))
    };
    match kind {
        FaultKind::RateLimit => json("429 Too Many Requests", "retry-after: 2\r\n", "scripted refusal"),
        FaultKind::BadRequest => json("400 Bad Request", "", "scripted refusal"),
        FaultKind::Unauthorized => json("401 Unauthorized", "", "scripted refusal of the key"),
        FaultKind::NoModel => json("404 Not Found", "", "scripted refusal: no such model"),
        FaultKind::Error => json("500 Internal Server Error", "", "scripted refusal"),
        FaultKind::Redirect => json("307 Temporary Redirect", "location: http://elsewhere.invalid/\r\n", "moved"),
        FaultKind::WebPage => {
            Some(answer_at_once("200 OK", "", "text/html", "<!DOCTYPE html><title>scripted web page</title>"))
        }
        FaultKind::NoAnswer => Some(Plan { writes: VecDeque::new(), ending: Ending::Close }),
        FaultKind::Stall => {
            let never = PlannedWrite { after: SILENCE, bytes: Bytes::from_static(b" "), tokens: 0, sent: 0 };
            Some(Plan { writes: [never].into(), ending: Ending::Close })
        }
        FaultKind::Cut
        | FaultKind::Reset
        | FaultKind::WrongLength
        | FaultKind::TruncatedJson
        | FaultKind::NotText
        | FaultKind::LargeFrame
        | FaultKind::Endless
        | FaultKind::Empty => None,
    }
}

/// A whole answer without delay.
pub(super) fn answer_at_once(status: &str, extra_headers: &str, content_type: &str, body: &str) -> Plan {
    let bytes = whole_answer(status, extra_headers, content_type, body);
    let write = PlannedWrite { after: Duration::ZERO, bytes, tokens: 0, sent: 0 };
    Plan { writes: [write].into(), ending: Ending::KeepAlive }
}

fn whole_answer(status: &str, extra_headers: &str, content_type: &str, body: &str) -> Bytes {
    let length = body.len();
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "HTTP/1.1 {status}\r\nserver: {SERVER_NAME}/{version}\r\ncontent-type: {content_type}\r\n{extra_headers}\
         content-length: {length}\r\n\r\n{body}"
    )
    .into()
}

struct Answer<'a> {
    odd: &'a [Odd],
    wire: Wire,
    frames: Vec<ScriptFrame>,
    is_limited: bool,
    spoiled: Option<SpoilKind>,
    counts: Counts,
    usage_asked: bool,
    counts_asked: bool,
    /// Time between the frames of an endless stream.
    pace: Duration,
}

impl Answer<'_> {
    fn is(&self, odd: Odd) -> bool {
        self.odd.contains(&odd)
    }

    fn ending(&self) -> Ending {
        Ending::of_sound_answers(self.odd)
    }

    fn text(&self, first: u32, tokens: u32) -> String {
        let word = |token| match SpoilKind::word(self.spoiled, token, self.counts.output) {
            _ if self.is(Odd::SplitCharacters) => "wörd€🦀 ",
            word => word,
        };
        (first..first.saturating_add(tokens)).map(word).collect()
    }

    fn whole(self) -> Plan {
        let count =
            |channel| self.frames.iter().filter(|frame| frame.channel == channel).map(|frame| frame.tokens).sum();
        let (thought, answered) = (count(Channel::Reasoning), count(Channel::Answer));
        let (reasoning, answer) = (self.text(0, thought), self.text(thought, answered));
        let body = self.wire.whole(&reasoning, &answer, self.is_limited, self.counts).to_string();
        let write = PlannedWrite {
            after: self.frames.last().map_or(Duration::ZERO, |frame| frame.after),
            bytes: whole_answer("200 OK", "", "application/json", &body),
            tokens: self.counts.output,
            sent: 0,
        };
        Plan { writes: [write].into(), ending: self.ending() }
    }

    fn stream(self, fault: Option<Fault>) -> Plan {
        let mut stream = Stream::new(self.wire, self.is(Odd::CrlfWithoutSpace));
        let first = self.frames.first().map_or(Duration::ZERO, |frame| frame.after);
        let begin = if self.is(Odd::LateHeaders) { first } else { Duration::ZERO };
        let length = fault.filter(|fault| fault.kind == FaultKind::WrongLength).map(|_| WRONG_LENGTH);
        stream.head(begin, length);
        self.open(begin, &mut stream);
        let sound = fault.map_or(usize::MAX, |fault| usize::try_from(fault.after_frames).unwrap_or(usize::MAX));
        self.play_frames(&mut stream, sound);
        match fault {
            Some(fault) => {
                let ending = self.strike(fault.kind, &mut stream);
                Plan { writes: stream.writes, ending }
            }
            None => {
                self.close(&mut stream);
                Plan { writes: stream.writes, ending: self.ending() }
            }
        }
    }

    fn open(&self, after: Duration, stream: &mut Stream) {
        let mut bytes = Vec::new();
        for piece in self.wire.opening(self.counts.input) {
            stream.frame_piece(&piece, &mut bytes);
        }
        if let Some(piece) = self.wire.role().filter(|_| self.is(Odd::RoleFrame)) {
            stream.frame_piece(&piece, &mut bytes);
        }
        self.put_odd_frames(stream, &mut bytes);
        stream.chunk(after, &bytes);
    }

    fn put_odd_frames(&self, stream: &Stream, bytes: &mut Vec<u8>) {
        if self.is(Odd::Comments) {
            stream.frame_comment(bytes);
        }
        if self.is(Odd::EmptyFrames) {
            stream.frame_piece(&self.wire.frame(Channel::Answer, "", None), bytes);
        }
    }

    /// Plans the frames, up to `sound` of them. Frames of one form share their bytes: planning must be quick, since
    /// other requests wait to be read meanwhile.
    fn play_frames(&self, stream: &mut Stream, sound: usize) {
        let per_write = self.odd.iter().find_map(|odd| match odd {
            Odd::FramesPerWrite(frames) => usize::try_from(*frames).ok(),
            _ => None,
        });
        let frames = &self.frames[..sound.min(self.frames.len())];
        let form = |group: &[ScriptFrame]| group.iter().map(|frame| (frame.channel, frame.tokens)).collect::<Form>();
        let mut output = 0;
        let mut before: Option<(Form, Vec<Bytes>)> = None;
        for group in frames.chunks(per_write.unwrap_or(1).max(1)) {
            let form = form(group);
            let can_repeat = !self.counts_asked && self.spoiled != Some(SpoilKind::Mix);
            let parts = match before.take().filter(|(form_before, _)| can_repeat && *form_before == form) {
                Some((_, parts)) => parts,
                None => self.encode(group, output, stream),
            };
            let after = group.last().map_or(Duration::ZERO, |frame| frame.after);
            let tokens = group.iter().map(|frame| frame.tokens).sum();
            if let [first, _] = &parts[..] {
                stream.put(after.saturating_sub(SPLIT_GAP), first.clone(), 0);
            }
            parts.last().into_iter().for_each(|last| stream.put(after, last.clone(), tokens));
            output += tokens;
            before = Some((form, parts));
        }
    }

    /// The bytes of frames that go out together: one write, or two where a character is to be cut.
    fn encode(&self, group: &[ScriptFrame], output_before: u32, stream: &Stream) -> Vec<Bytes> {
        let mut bytes = Vec::new();
        let mut output = output_before;
        for frame in group {
            let text = self.text(output, frame.tokens);
            output += frame.tokens;
            let counts = self.counts_asked.then_some(Counts { output, ..self.counts });
            stream.frame_piece(&self.wire.frame(frame.channel, &text, counts), &mut bytes);
        }
        self.put_odd_frames(stream, &mut bytes);
        let cut = bytes.iter().position(|byte| !byte.is_ascii()).filter(|_| self.is(Odd::SplitCharacters));
        let rest = cut.map(|cut| bytes.split_off(cut + 1));
        [Some(bytes), rest].into_iter().flatten().map(|part| stream.body(&part)).collect()
    }

    /// What a fault does after its frames, and what becomes of the connection.
    fn strike(&self, kind: FaultKind, stream: &mut Stream) -> Ending {
        let after = stream.last;
        let mut bytes = Vec::new();
        match kind {
            FaultKind::TruncatedJson => {
                let piece = self.wire.frame(Channel::Answer, "word ", None);
                let half = Piece { data: piece.data[..piece.data.len() / 2].to_owned(), ..piece };
                stream.frame_piece(&half, &mut bytes);
            }
            FaultKind::NotText => {
                stream.frame_piece(&self.wire.frame(Channel::Answer, "word", None), &mut bytes);
                if let Some(place) = memchr::memmem::find(&bytes, b"word") {
                    bytes[place] = 0xff;
                }
            }
            FaultKind::LargeFrame => {
                stream.frame_piece(&self.wire.frame(Channel::Answer, &"x".repeat(LARGE_FRAME), None), &mut bytes);
                stream.chunk(after, &bytes);
                self.close(stream);
                return self.ending();
            }
            FaultKind::Endless => {
                let pace = self.pace.max(ENDLESS_PACE);
                stream.frame_piece(&self.wire.frame(Channel::Answer, "word ", None), &mut bytes);
                stream.put(after + pace, stream.body(&bytes), 1);
                return Ending::Endless(pace);
            }
            FaultKind::Stall => {
                stream.chunk(SILENCE, b"\n");
                return Ending::Close;
            }
            FaultKind::Reset => return Ending::Reset,
            FaultKind::Error
            | FaultKind::RateLimit
            | FaultKind::BadRequest
            | FaultKind::Unauthorized
            | FaultKind::NoModel
            | FaultKind::Redirect
            | FaultKind::WebPage => stream.frame_piece(&self.wire.error("scripted error"), &mut bytes),
            FaultKind::Cut | FaultKind::WrongLength | FaultKind::NoAnswer | FaultKind::Empty => {}
        }
        stream.chunk(after, &bytes);
        Ending::Close
    }

    fn close(&self, stream: &mut Stream) {
        let late = self.odd.iter().find_map(|odd| match odd {
            Odd::LateEnd(late) => Some(*late),
            _ => None,
        });
        let after = stream.last + late.unwrap_or_default();
        let mut pieces = self.wire.closing(self.is_limited, self.counts, self.usage_asked);
        if self.is(Odd::NoEnd) {
            pieces.clear();
        } else if self.is(Odd::NoTerminator) && !self.wire.is_lines() {
            pieces.pop();
        }
        let mut bytes = Vec::new();
        for piece in &pieces {
            stream.frame_piece(piece, &mut bytes);
        }
        stream.chunk(after, &bytes);
        stream.end(after);
    }
}
