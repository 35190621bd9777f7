//! XML as the office files hold it: names without prefixes, an end for every beginning.

use std::borrow::Cow;

use super::entities;
use super::token::{Syntax, Tag, Token, Tokens, local_name};

/// An event of an XML text.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// An element begins; its name comes without the prefix.
    Open(&'a str, Tag<'a>),
    /// The element ends that began last and has not ended.
    Close,
    /// Text, with its references replaced.
    Text(Cow<'a, str>),
}

/// Elements in each other beyond which a part is refused; those of office programs stay below 100.
const DEPTH_MAX: usize = 1000;

/// Whether each element ends and none ends that has not begun: what is lost of a broken part cannot be known.
pub(crate) fn is_well_formed(text: &str) -> bool {
    let mut open = Vec::new();
    for token in Tokens::new(text, Syntax::Xml) {
        match token {
            Token::Open(tag) if !tag.closes_itself => {
                open.push(tag.name);
                if open.len() > DEPTH_MAX {
                    return false;
                }
            }
            Token::Close(name) => {
                if open.pop() != Some(name) {
                    return false;
                }
            }
            // A mark that began no tag.
            Token::Text(text) if text.starts_with('<') => return false,
            Token::Open(_) | Token::Text(_) | Token::Verbatim(_) | Token::Doctype(_) => {}
        }
    }
    open.is_empty()
}

/// Reads events. A clone reads on from the same place.
#[derive(Debug, Clone)]
pub(crate) struct Xml<'a> {
    tokens: Tokens<'a>,
    /// Whether the last element has closed itself, which comes as an event of its own.
    must_close: bool,
}

impl<'a> Xml<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { tokens: Tokens::new(text, Syntax::Xml), must_close: false }
    }

    /// The next element within the one that is being read, at any depth; `None` at its end. `open` counts the elements that were
    /// entered and not ended: whoever leaves an element's content to later calls adds one.
    pub(crate) fn within(&mut self, open: &mut u64) -> Option<(&'a str, Tag<'a>)> {
        loop {
            match self.next()? {
                Event::Close if *open == 0 => return None,
                Event::Close => *open -= 1,
                Event::Text(_) => {}
                Event::Open(name, tag) => return Some((name, tag)),
            }
        }
    }

    /// Skips the rest of the element that began last.
    pub(crate) fn skip(&mut self) {
        let mut depth = 1_u64;
        for event in self.by_ref() {
            match event {
                Event::Open(..) => depth += 1,
                Event::Close => depth -= 1,
                Event::Text(_) => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// The text of the element that began last, to its end.
    pub(crate) fn text(&mut self) -> String {
        let mut depth = 1_u64;
        let mut out = String::new();
        for event in self.by_ref() {
            match event {
                Event::Open(..) => depth += 1,
                Event::Close => depth -= 1,
                Event::Text(text) => out.push_str(&text),
            }
            if depth == 0 {
                break;
            }
        }
        out
    }

    /// Calls for each element directly in the one that began last. What is called must read the element to its end.
    pub(crate) fn children(&mut self, mut found: impl FnMut(&mut Self, &'a str, Tag<'a>)) {
        loop {
            match self.next() {
                Some(Event::Open(name, tag)) => found(self, name, tag),
                Some(Event::Text(_)) => {}
                Some(Event::Close) | None => return,
            }
        }
    }

    /// Goes into the first element, whatever its name.
    pub(crate) fn enter(&mut self) -> Option<&'a str> {
        self.by_ref().find_map(|event| match event {
            Event::Open(name, _) => Some(name),
            Event::Close | Event::Text(_) => None,
        })
    }
}

impl<'a> Iterator for Xml<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        if std::mem::take(&mut self.must_close) {
            return Some(Event::Close);
        }
        loop {
            return Some(match self.tokens.next()? {
                Token::Open(tag) => {
                    self.must_close = tag.closes_itself;
                    Event::Open(local_name(tag.name), tag)
                }
                Token::Close(_) => Event::Close,
                Token::Text(raw) if memchr::memchr(b'&', raw.as_bytes()).is_none() => Event::Text(Cow::Borrowed(raw)),
                Token::Text(raw) => Event::Text(Cow::Owned(entities::decode(raw))),
                Token::Verbatim(text) => Event::Text(Cow::Borrowed(text)),
                Token::Doctype(_) => continue,
            });
        }
    }
}
