//! What was written so far, and what may follow, byte by byte.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::Grammar;
use super::nodes::{MAX_DEPTH, Node, NodeId, ObjectNode};
use super::number::NumberState;
use super::text::{TextState, TextStep};
use super::words::Range;

/// Readings of one text that are followed at once, at most. Further ones are dropped: what is written then fits the others.
const MOST_THREADS: usize = 128;

/// The state of a text under a grammar. Cloning copies a few words for each reading that is followed, nearly always one.
#[derive(Clone)]
pub struct Matcher {
    grammar: Arc<Grammar>,
    threads: Vec<Thread>,
}

/// One reading of the text so far.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Thread {
    pub(super) top: Top,
    pub(super) stack: Stack,
}

/// Where a reading stands. `gap` tells whether white space may come first: one space or newline between two tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Top {
    /// Before a value.
    Value {
        node: NodeId,
        gap: bool,
    },
    /// After a value.
    After {
        gap: bool,
    },
    /// In a string, after its opening quote.
    Text {
        text: TextState,
        closes: Closes,
    },
    /// In one of a node's words.
    Word {
        node: NodeId,
        range: Range,
    },
    Number {
        node: NodeId,
        number: NumberState,
    },
    /// After the opening bracket of an array.
    Items {
        node: NodeId,
        gap: bool,
    },
    /// After the opening brace of an object or a comma; properties from `next` on may come.
    Member {
        node: NodeId,
        next: u32,
        is_first: bool,
        gap: bool,
    },
    /// In the name of a property, after its opening quote.
    Name {
        node: NodeId,
        next: u32,
        range: Range,
    },
    /// After a name.
    Colon {
        node: NodeId,
        next: u32,
        value: NodeId,
        gap: bool,
    },
}

/// What a string is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Closes {
    Value,
    /// The name of a further property of this object.
    Name(NodeId),
}

/// The containers around a place, the innermost on top. Copies share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Stack(Option<Arc<Link>>);

#[derive(Debug)]
struct Link {
    frame: Frame,
    below: Stack,
    depth: u32,
}

/// A container whose value is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Frame {
    /// With the number of elements that were begun.
    Array { node: NodeId, count: u32 },
    /// With the first property that may still come.
    Object { node: NodeId, next: u32 },
}

impl Stack {
    fn depth(&self) -> u32 {
        self.0.as_ref().map_or(0, |link| link.depth)
    }

    fn with(&self, frame: Frame) -> Self {
        Self(Some(Arc::new(Link { frame, below: self.clone(), depth: self.depth() + 1 })))
    }
}

impl PartialEq for Stack {
    fn eq(&self, other: &Self) -> bool {
        let (mut a, mut b) = (self, other);
        // Shared parts are equal without being read.
        while let (Some(one), Some(two)) = (&a.0, &b.0) {
            if Arc::ptr_eq(one, two) {
                return true;
            }
            if one.frame != two.frame || one.depth != two.depth {
                return false;
            }
            (a, b) = (&one.below, &two.below);
        }
        a.0.is_none() && b.0.is_none()
    }
}

impl Eq for Stack {}

impl Hash for Stack {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut stack = self;
        while let Some(link) = &stack.0 {
            link.frame.hash(state);
            stack = &link.below;
        }
    }
}

impl Matcher {
    /// Before the first byte.
    #[must_use]
    pub fn new(grammar: Arc<Grammar>) -> Self {
        let top = Top::Value { node: grammar.root, gap: true };
        Self { grammar, threads: vec![Thread { top, stack: Stack::default() }] }
    }

    /// The grammar.
    #[must_use]
    pub const fn grammar(&self) -> &Arc<Grammar> {
        &self.grammar
    }

    pub(super) fn threads(&self) -> &[Thread] {
        &self.threads
    }

    /// Takes bytes. Returns whether they may follow; if not, nothing has changed.
    pub fn accept(&mut self, bytes: &[u8]) -> bool {
        let mut next = self.grammar.follow(&self.threads, bytes);
        if next.is_empty() && self.threads.len() > 1 {
            // Where readings are dropped because there are too many, each alone still leads as far as its tokens say.
            let alone = self.threads.iter().map(|thread| self.grammar.follow(std::slice::from_ref(thread), bytes));
            next = alone.into_iter().find(|next| !next.is_empty()).unwrap_or_default();
        }
        let is_taken = !next.is_empty();
        if is_taken {
            self.threads = next;
        }
        is_taken
    }

    /// Whether the text may end here.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.threads.iter().any(|thread| self.grammar.is_end(thread))
    }

    /// Whether the text may end here, and nothing but white space could follow.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let leads_on = |byte: u8| !is_space(byte) && !self.grammar.step_all(&self.threads, byte).is_empty();
        self.is_complete() && !(0..=u8::MAX).any(leads_on)
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matcher").field("threads", &self.threads).finish_non_exhaustive()
    }
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n')
}

/// Readings, none twice.
fn push(threads: &mut Vec<Thread>, top: Top, stack: Stack) {
    let thread = Thread { top, stack };
    if threads.len() < MOST_THREADS && !threads.contains(&thread) {
        threads.push(thread);
    }
}

impl Grammar {
    /// All readings after more bytes.
    fn follow(&self, threads: &[Thread], bytes: &[u8]) -> Vec<Thread> {
        let mut threads = threads.to_vec();
        for &byte in bytes {
            threads = self.step_all(&threads, byte);
            if threads.is_empty() {
                break;
            }
        }
        threads
    }

    /// All readings after one more byte.
    pub(super) fn step_all(&self, threads: &[Thread], byte: u8) -> Vec<Thread> {
        let mut next = Vec::new();
        self.step_into(threads, byte, &mut next);
        next
    }

    /// The same into a list that is empty.
    pub(super) fn step_into(&self, threads: &[Thread], byte: u8, next: &mut Vec<Thread>) {
        for thread in threads {
            self.step(thread.top, &thread.stack, byte, next);
        }
    }

    /// Whether a reading may be the whole text.
    fn is_end(&self, thread: &Thread) -> bool {
        thread.stack.0.is_none()
            && match thread.top {
                Top::After { .. } => true,
                Top::Word { node, range } => self.is_word(node, range),
                Top::Number { node, number } => self.is_number(node, number),
                _ => false,
            }
    }

    fn step(&self, top: Top, stack: &Stack, byte: u8, next: &mut Vec<Thread>) {
        match top {
            Top::Value { node, gap: true } if is_space(byte) => {
                push(next, Top::Value { node, gap: false }, stack.clone());
            }
            Top::Value { node, .. } => self.begin(node, stack, byte, next),
            Top::After { gap: true } if is_space(byte) => push(next, Top::After { gap: false }, stack.clone()),
            Top::After { .. } => self.after(stack, byte, next),
            Top::Text { text, closes } => match text.step(byte, &self.nodes) {
                TextStep::Refused => {}
                TextStep::On(text) => push(next, Top::Text { text, closes }, stack.clone()),
                TextStep::Closed => next.extend(self.closed(closes, stack)),
            },
            Top::Word { node, range } => {
                self.word(node, range, stack, byte, next);
                if self.is_word(node, range) {
                    self.step(Top::After { gap: true }, stack, byte, next);
                }
            }
            Top::Number { node, number } => {
                let (is_integer, bounds) = self.number(node);
                if let Some(number) = number.step(byte, is_integer, bounds) {
                    push(next, Top::Number { node, number }, stack.clone());
                }
                if self.is_number(node, number) {
                    self.step(Top::After { gap: true }, stack, byte, next);
                }
            }
            Top::Items { node, gap: true } if is_space(byte) => {
                push(next, Top::Items { node, gap: false }, stack.clone());
            }
            Top::Items { node, .. } => self.first_item(node, stack, byte, next),
            Top::Member { node, next: place, is_first, gap: true } if is_space(byte) => {
                push(next, Top::Member { node, next: place, is_first, gap: false }, stack.clone());
            }
            Top::Member { node, next: place, is_first, .. } => self.member(node, (place, is_first), stack, byte, next),
            Top::Name { node, next: place, range } => self.name(node, place, range, stack, byte, next),
            Top::Colon { node, next: place, value, gap: true } if is_space(byte) => {
                push(next, Top::Colon { node, next: place, value, gap: false }, stack.clone());
            }
            Top::Colon { node, next: place, value, .. } => {
                if byte == b':' {
                    let stack = stack.with(Frame::Object { node, next: place });
                    push(next, Top::Value { node: value, gap: true }, stack);
                }
            }
        }
    }

    /// The reading after the closing quote of a string.
    pub(super) fn closed(&self, closes: Closes, stack: &Stack) -> Option<Thread> {
        let top = match closes {
            Closes::Value => Top::After { gap: true },
            Closes::Name(node) => {
                let object = self.object(node)?;
                Top::Colon { node, next: object.end(), value: object.additional?, gap: true }
            }
        };
        Some(Thread { top, stack: stack.clone() })
    }

    /// The first byte of a value.
    fn begin(&self, id: NodeId, stack: &Stack, byte: u8, next: &mut Vec<Thread>) {
        if !self.fits(id, stack.depth()) {
            return;
        }
        match &self.nodes[id as usize] {
            Node::Choice(kinds) => kinds.iter().for_each(|&kind| self.begin(kind, stack, byte, next)),
            Node::Words(words) => self.word(id, Range::all(words.len()), stack, byte, next),
            Node::Text(text) if byte == b'"' => {
                let text = TextState::value(id, text);
                push(next, Top::Text { text, closes: Closes::Value }, stack.clone());
            }
            Node::Number { is_integer, bounds } => {
                if let Some(number) = NumberState::begin(byte, *is_integer, bounds.as_ref()) {
                    push(next, Top::Number { node: id, number }, stack.clone());
                }
            }
            Node::Array(_) if byte == b'[' => push(next, Top::Items { node: id, gap: true }, stack.clone()),
            Node::Object(_) if byte == b'{' => {
                push(next, Top::Member { node: id, next: 0, is_first: true, gap: true }, stack.clone());
            }
            Node::Text(_) | Node::Array(_) | Node::Object(_) => {}
        }
    }

    /// Whether a value of a node has room within so many containers.
    fn fits(&self, id: NodeId, depth: u32) -> bool {
        self.depths[id as usize].saturating_add(depth) <= MAX_DEPTH
    }

    fn word(&self, id: NodeId, range: Range, stack: &Stack, byte: u8, next: &mut Vec<Thread>) {
        let Node::Words(words) = &self.nodes[id as usize] else { return };
        let Some(range) = range.step(byte, |place| words.get(place).map(|word| &word[..])) else { return };
        // A word that no other goes on from is over at once.
        let is_last = range.places().len() == 1 && self.is_word(id, range);
        let top = if is_last { Top::After { gap: true } } else { Top::Word { node: id, range } };
        push(next, top, stack.clone());
    }

    fn is_word(&self, id: NodeId, range: Range) -> bool {
        match &self.nodes[id as usize] {
            Node::Words(words) => range.complete(|place| words.get(place).map(|word| &word[..])).is_some(),
            _ => false,
        }
    }

    fn number(&self, id: NodeId) -> (bool, Option<&super::number::Bounds>) {
        match &self.nodes[id as usize] {
            Node::Number { is_integer, bounds } => (*is_integer, bounds.as_ref()),
            _ => (false, None),
        }
    }

    fn is_number(&self, id: NodeId, number: NumberState) -> bool {
        number.is_complete(self.number(id).1)
    }

    fn object(&self, id: NodeId) -> Option<&ObjectNode> {
        match &self.nodes[id as usize] {
            Node::Object(object) => Some(object),
            _ => None,
        }
    }

    /// A byte after a value: the comma or the end of the container around it.
    fn after(&self, stack: &Stack, byte: u8, next: &mut Vec<Thread>) {
        let Some(link) = &stack.0 else { return };
        let below = &link.below;
        match (link.frame, byte) {
            (Frame::Array { node, count }, b',') => {
                let Node::Array(array) = &self.nodes[node as usize] else { return };
                let item = array.item(count);
                if count < array.most && self.fits(item, stack.depth()) {
                    let count = (count + 1).min(array.settled());
                    push(next, Top::Value { node: item, gap: true }, below.with(Frame::Array { node, count }));
                }
            }
            (Frame::Array { node, count }, b']') => {
                let Node::Array(array) = &self.nodes[node as usize] else { return };
                if count >= array.least {
                    push(next, Top::After { gap: true }, below.clone());
                }
            }
            (Frame::Object { node, next: place }, b',') => {
                let Some(object) = self.object(node) else { return };
                let mut places = place..object.end();
                let leads_on = places.any(|property| self.is_offered(object, place, property, below))
                    || self.offers_further(object, place, below);
                if leads_on {
                    push(next, Top::Member { node, next: place, is_first: false, gap: true }, below.clone());
                }
            }
            (Frame::Object { node, next: place }, b'}')
                if self.object(node).is_some_and(|object| object.may_end(place)) =>
            {
                push(next, Top::After { gap: true }, below.clone());
            }
            _ => {}
        }
    }

    /// A byte after the opening bracket of an array.
    fn first_item(&self, id: NodeId, stack: &Stack, byte: u8, next: &mut Vec<Thread>) {
        let Node::Array(array) = &self.nodes[id as usize] else { return };
        if byte == b']' {
            if array.least == 0 {
                push(next, Top::After { gap: true }, stack.clone());
            }
        } else if array.most > 0 {
            let count = 1.min(array.settled());
            self.begin(array.item(0), &stack.with(Frame::Array { node: id, count }), byte, next);
        }
    }

    /// Whether a property may come where those from `next` on may: none that is required is passed over.
    fn is_offered(&self, object: &ObjectNode, next: u32, property: u32, stack: &Stack) -> bool {
        (next..=object.next_required[next as usize]).contains(&property)
            && self.fits(object.properties[property as usize].node, stack.depth() + 1)
    }

    fn offers_further(&self, object: &ObjectNode, next: u32, stack: &Stack) -> bool {
        object.may_end(next) && object.additional.is_some_and(|node| self.fits(node, stack.depth() + 1))
    }

    /// A byte after the opening brace of an object or a comma.
    fn member(&self, id: NodeId, place: (u32, bool), stack: &Stack, byte: u8, next: &mut Vec<Thread>) {
        let Some(object) = self.object(id) else { return };
        let (place, is_first) = place;
        if byte == b'}' && is_first && object.may_end(place) {
            push(next, Top::After { gap: true }, stack.clone());
        }
        if byte != b'"' {
            return;
        }
        if (place..object.end()).any(|property| self.is_offered(object, place, property, stack)) {
            let range = Range::all(object.spelled.len());
            push(next, Top::Name { node: id, next: place, range }, stack.clone());
        }
        if self.offers_further(object, place, stack) {
            let text = TextState::further_name(id, object.names.len());
            push(next, Top::Text { text, closes: Closes::Name(id) }, stack.clone());
        }
    }

    fn name(&self, id: NodeId, place: u32, range: Range, stack: &Stack, byte: u8, next: &mut Vec<Thread>) {
        let Some(object) = self.object(id) else { return };
        let spelled = |at: usize| object.spelled.get(at).map(|(name, _)| &name[..]);
        if byte == b'"'
            && let Some(at) = range.complete(spelled)
        {
            let property = object.spelled[at].1;
            if self.is_offered(object, place, property, stack) {
                let value = object.properties[property as usize].node;
                push(next, Top::Colon { node: id, next: property + 1, value, gap: true }, stack.clone());
            }
            return;
        }
        let Some(range) = range.step(byte, spelled) else { return };
        let mut properties = object.spelled[range.places()].iter().map(|(_, property)| *property);
        if properties.any(|property| self.is_offered(object, place, property, stack)) {
            push(next, Top::Name { node: id, next: place, range }, stack.clone());
        }
    }
}
