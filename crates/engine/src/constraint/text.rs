//! Strings, byte by byte: after the opening quote, through UTF-8 and escapes, to the closing quote.

use super::nodes::{Node, NodeId};
use super::pattern::{Automaton, OTHER};
use super::words::Range;

/// How much of a string was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TextState {
    phase: Phase,
    /// First bits of an escaped control character.
    code: u8,
    /// Characters that must still come.
    least: u32,
    /// Characters that may still come; the largest number where there is no limit.
    most: u32,
    track: Track,
}

/// What the string is held against beside its length. A string that is held against something escapes only what it must, so that
/// each character has few ways to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Track {
    Free,
    /// No name of the object's properties may come out; those that still could.
    NoName(NodeId, Range),
    /// The state of the node's automaton.
    Pattern(NodeId, u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// Between characters.
    Plain,
    /// Bytes of a character that are left.
    Tail1,
    Tail2,
    Tail3,
    /// After the first byte of that value, which narrows the second.
    AfterE0,
    AfterE2,
    AfterE280,
    AfterEd,
    AfterF0,
    AfterF4,
    /// After a backslash.
    Escape,
    /// Hexadecimal digits that are left.
    Hex4,
    Hex3,
    Hex2,
    Hex1,
    /// After `\ud`: a surrogate is the first of two.
    HexD,
    High2,
    High1,
    /// Before the second of two surrogates.
    Low,
    LowU,
    LowD,
    LowC,
    /// The digits of an escaped control character.
    Control4,
    Control3,
    Control2,
    Control1,
}

/// What came of one more byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextStep {
    /// It cannot follow.
    Refused,
    On(TextState),
    /// It was the closing quote.
    Closed,
}

/// More characters than any token has.
const COUNTED: u32 = 1 << 20;

/// Characters that are escaped by a letter, with it.
const LETTERS: [(u8, u8); 8] =
    [(b'"', b'"'), (b'\\', b'\\'), (b'/', b'/'), (b'b', 8), (b'f', 12), (b'n', b'\n'), (b'r', b'\r'), (b't', b'\t')];

impl TextState {
    /// A string of a node.
    pub(super) fn value(id: NodeId, node: &super::nodes::TextNode) -> Self {
        let track = if node.pattern.is_some() { Track::Pattern(id, Automaton::START) } else { Track::Free };
        Self { phase: Phase::Plain, code: 0, least: node.least, most: node.most, track }
    }

    /// The name of a further property of an object.
    pub(super) fn further_name(id: NodeId, names: usize) -> Self {
        let track = if names == 0 { Track::Free } else { Track::NoName(id, Range::all(names)) };
        Self { phase: Phase::Plain, code: 0, least: 0, most: u32::MAX, track }
    }

    /// Any string, in a form that counts its characters.
    pub(super) const fn counting() -> Self {
        Self { phase: Phase::Plain, code: 0, least: 0, most: COUNTED, track: Track::Free }
    }

    /// Characters since [`Self::counting`].
    pub(super) const fn counted_characters(self) -> u32 {
        COUNTED - self.most
    }

    /// Characters that must and may still come, where nothing else is asked of the string and it is between two of them.
    pub(super) fn plain_limits(self) -> Option<(u32, u32)> {
        (self.is_free() && self.phase == Phase::Plain).then_some((self.least, self.most))
    }

    /// Whether nothing is asked of the string but its length.
    pub(super) fn is_free(self) -> bool {
        self.track == Track::Free
    }

    /// Whether nothing is asked of the string but that it is not a certain name, and it is between two characters.
    pub(super) fn only_avoids_names(self) -> bool {
        matches!(self.track, Track::NoName(..)) && self.phase == Phase::Plain
    }

    /// Takes one more byte.
    #[inline]
    pub(super) fn step(self, byte: u8, nodes: &[Node]) -> TextStep {
        use Phase::{Escape, Plain};
        if self.phase != Plain {
            return self.within(byte, nodes).map_or(TextStep::Refused, TextStep::On);
        }
        match byte {
            b'"' => {
                if self.least == 0 && self.may_close(nodes) {
                    TextStep::Closed
                } else {
                    TextStep::Refused
                }
            }
            0..0x20 => TextStep::Refused,
            _ if self.most == 0 => TextStep::Refused,
            b'\\' => match self.may_escape(nodes) {
                true => TextStep::On(Self { phase: Escape, ..self.counted() }),
                false => TextStep::Refused,
            },
            _ => self.first_byte(byte, nodes).map_or(TextStep::Refused, TextStep::On),
        }
    }

    /// One character more.
    fn counted(self) -> Self {
        let most = if self.most == u32::MAX { self.most } else { self.most - 1 };
        Self { least: self.least.saturating_sub(1), most, ..self }
    }

    /// The first byte of a character.
    fn first_byte(self, byte: u8, nodes: &[Node]) -> Option<Self> {
        let is_narrow = matches!(self.track, Track::Pattern(..));
        let phase = match byte {
            0x20..0x80 => Phase::Plain,
            0xC2..=0xDF => Phase::Tail1,
            0xE0 => Phase::AfterE0,
            0xE2 if is_narrow => Phase::AfterE2,
            0xED => Phase::AfterEd,
            0xE1..=0xEF => Phase::Tail2,
            0xF0 => Phase::AfterF0,
            0xF1..=0xF3 => Phase::Tail3,
            0xF4 => Phase::AfterF4,
            _ => return None,
        };
        Some(Self { phase, track: self.track.step(byte, nodes)?, ..self.counted() })
    }

    /// A byte within a character.
    fn within(self, byte: u8, nodes: &[Node]) -> Option<Self> {
        use Phase::*;
        let hex = |then: Phase| byte.is_ascii_hexdigit().then_some(then);
        let is_tail = |first: u8, last: u8, then: Phase| (first..=last).contains(&byte).then_some(then);
        let phase = match self.phase {
            Plain => return None,
            Tail1 => is_tail(0x80, 0xBF, Plain),
            Tail2 => is_tail(0x80, 0xBF, Tail1),
            Tail3 => is_tail(0x80, 0xBF, Tail2),
            AfterE0 => is_tail(0xA0, 0xBF, Tail1),
            AfterE2 => is_tail(0x80, 0xBF, if byte == 0x80 { AfterE280 } else { Tail1 }),
            // The line separators, which expressions do not agree upon.
            AfterE280 if matches!(byte, 0xA8 | 0xA9) => None,
            AfterE280 => is_tail(0x80, 0xBF, Plain),
            AfterEd => is_tail(0x80, 0x9F, Tail1),
            AfterF0 => is_tail(0x90, 0xBF, Tail2),
            AfterF4 => is_tail(0x80, 0x8F, Tail2),
            Escape => return self.after_backslash(byte, nodes),
            Hex4 if matches!(byte, b'd' | b'D') => Some(HexD),
            Hex4 => hex(Hex3),
            Hex3 => hex(Hex2),
            Hex2 => hex(Hex1),
            Hex1 => hex(Plain),
            HexD => match byte {
                b'0'..=b'7' => Some(Hex2),
                b'8' | b'9' | b'a' | b'b' | b'A' | b'B' => Some(High2),
                _ => None,
            },
            High2 => hex(High1),
            High1 => hex(Low),
            Low => (byte == b'\\').then_some(LowU),
            LowU => (byte == b'u').then_some(LowD),
            LowD => matches!(byte, b'd' | b'D').then_some(LowC),
            LowC => matches!(byte, b'c'..=b'f' | b'C'..=b'F').then_some(Hex2),
            Control4 => (byte == b'0').then_some(Control3),
            Control3 => (byte == b'0').then_some(Control2),
            Control2 | Control1 => return self.control_digit(byte, nodes),
        };
        let track = match self.track {
            // Only names read every byte of a character; an expression has read it with the first.
            Track::NoName(..) if byte >= 0x80 => self.track.step(byte, nodes)?,
            track => track,
        };
        Some(Self { phase: phase?, track, ..self })
    }

    fn after_backslash(self, byte: u8, nodes: &[Node]) -> Option<Self> {
        if byte == b'u' {
            let is_free = self.track == Track::Free;
            let phase = if is_free { Phase::Hex4 } else { Phase::Control4 };
            let leads_on = is_free || (0..0x20).any(|control| self.track.step(control, nodes).is_some());
            return leads_on.then_some(Self { phase, ..self });
        }
        let (_, character) = LETTERS.iter().find(|(letter, _)| *letter == byte)?;
        Some(Self { phase: Phase::Plain, track: self.track.step(*character, nodes)?, ..self })
    }

    /// The last two digits of an escaped control character.
    fn control_digit(self, byte: u8, nodes: &[Node]) -> Option<Self> {
        let digit = u8::try_from(char::from(byte).to_digit(16)?).ok()?;
        if self.phase == Phase::Control1 {
            let track = self.track.step(self.code | digit, nodes)?;
            return Some(Self { phase: Phase::Plain, code: 0, track, ..self });
        }
        let code = digit << 4;
        let leads_on = digit < 2 && (code..code + 16).any(|control| self.track.step(control, nodes).is_some());
        leads_on.then_some(Self { phase: Phase::Control1, code, ..self })
    }

    /// Whether some escape leads on.
    fn may_escape(self, nodes: &[Node]) -> bool {
        match self.track {
            Track::Free | Track::NoName(..) => true,
            Track::Pattern(..) => {
                let escaped = (0..0x20).chain(LETTERS.iter().map(|(_, character)| *character));
                escaped.into_iter().any(|character| self.track.step(character, nodes).is_some())
            }
        }
    }

    fn may_close(self, nodes: &[Node]) -> bool {
        match self.track {
            Track::Free => true,
            Track::NoName(object, range) => match &nodes[object as usize] {
                Node::Object(object) => range.complete(|at| object.names.get(at).map(|name| &name[..])).is_none(),
                _ => false,
            },
            Track::Pattern(text, state) => automaton(nodes, text).is_some_and(|automaton| automaton.accepts(state)),
        }
    }
}

impl Track {
    /// A byte of the string as it is meant; of a character beyond ASCII, an expression reads the first.
    fn step(self, byte: u8, nodes: &[Node]) -> Option<Self> {
        match self {
            Self::Free => Some(self),
            Self::NoName(id, range) => {
                let Node::Object(object) = &nodes[id as usize] else { return None };
                let range = range.step(byte, |at| object.names.get(at).map(|name| &name[..]));
                Some(range.map_or(Self::Free, |range| Self::NoName(id, range)))
            }
            Self::Pattern(id, state) => {
                let symbol = if byte.is_ascii() { byte } else { OTHER };
                Some(Self::Pattern(id, automaton(nodes, id)?.step(state, symbol)?))
            }
        }
    }
}

fn automaton(nodes: &[Node], id: NodeId) -> Option<&Automaton> {
    match &nodes[id as usize] {
        Node::Text(text) => text.pattern.as_ref(),
        _ => None,
    }
}
