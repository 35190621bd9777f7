//! Tags and text, one after the other.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use super::entities;

/// A piece of a marked-up text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// `<name …>`.
    Open(Tag<'a>),
    /// `</name>`.
    Close(&'a str),
    /// Text with its references as they are.
    Text(&'a str),
    /// Text in which nothing is a reference.
    Verbatim(&'a str),
    /// What `<!DOCTYPE` holds.
    Doctype(&'a str),
}

/// A tag that opens an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    pub(crate) name: &'a str,
    /// As it stands in the file; [`attribute`] reads it.
    pub(crate) attributes: &'a str,
    /// Whether it ends in `/>`.
    pub(crate) closes_itself: bool,
}

impl<'a> Tag<'a> {
    /// The value of an attribute of XML, by its name without the prefix.
    pub(crate) fn local(&self, name: &str) -> Option<Cow<'a, str>> {
        attribute(self.attributes, |found| local_name(found) == name)
    }
}

/// A name without the prefix of its namespace.
pub(crate) fn local_name(name: &str) -> &str {
    memchr(b':', name.as_bytes()).map_or(name, |at| &name[at + 1..])
}

/// Finds an attribute in what follows the name of a tag.
pub(crate) fn attribute<'a>(attributes: &'a str, matches: impl Fn(&str) -> bool) -> Option<Cow<'a, str>> {
    let bytes = attributes.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at].is_ascii_whitespace() || bytes[at] == b'/' {
            at += 1;
            continue;
        }
        let name_end = end_of(bytes, at + 1, |byte| byte == b'=' || byte == b'/' || byte.is_ascii_whitespace());
        let name = &attributes[at..name_end];
        at = end_of(bytes, name_end, |byte| !byte.is_ascii_whitespace());
        let mut value = "";
        if bytes.get(at) == Some(&b'=') {
            at = end_of(bytes, at + 1, |byte| !byte.is_ascii_whitespace());
            let (start, end) = match bytes.get(at) {
                Some(quote @ (b'"' | b'\'')) => {
                    (at + 1, memchr(*quote, &bytes[at + 1..]).map_or(bytes.len(), |length| at + 1 + length))
                }
                _ => (at, end_of(bytes, at, |byte| byte.is_ascii_whitespace())),
            };
            value = &attributes[start..end];
            at = if start == at { end } else { end + 1 };
        }
        if matches(name) {
            let is_plain = memchr(b'&', value.as_bytes()).is_none();
            return Some(if is_plain { Cow::Borrowed(value) } else { Cow::Owned(entities::decode(value)) });
        }
    }
    None
}

fn end_of(bytes: &[u8], from: usize, is_end: impl Fn(u8) -> bool) -> usize {
    let from = from.min(bytes.len());
    bytes[from..].iter().position(|byte| is_end(*byte)).map_or(bytes.len(), |at| from + at)
}

/// Whose rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    Html,
    Xml,
}

/// Reads tokens from a text.
#[derive(Debug, Clone)]
pub(crate) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    syntax: Syntax,
    /// Whether a quoted value did not end: from then on a tag ends at the next `>`, so that no search is repeated.
    ignore_quotes: bool,
    /// Whether a comment did not end, likewise.
    ignore_comment_ends: bool,
    /// Whether a title did not end, likewise.
    ignore_title_ends: bool,
    /// Whether no `>` follows: all that is left is text.
    tags_ended: bool,
    /// The element of HTML whose content is text up to its end tag.
    raw: Option<&'a str>,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a str, syntax: Syntax) -> Self {
        Self {
            text,
            at: 0,
            syntax,
            ignore_quotes: false,
            ignore_comment_ends: false,
            ignore_title_ends: false,
            tags_ended: false,
            raw: None,
        }
    }

    /// Where the next token begins.
    #[cfg(test)]
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn raw_text(&mut self, name: &'a str) -> Option<Token<'a>> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let is_title = name.eq_ignore_ascii_case("title");
        let mut ends = memmem::find_iter(bytes, b"</");
        let end =
            if is_title && self.ignore_title_ends { None } else { ends.find(|at| closes(&bytes[at + 2..], name)) };
        self.ignore_title_ends |= is_title && end.is_none();
        // A title without an end would take the page with it.
        let end = end.or_else(|| is_title.then(|| memchr(b'<', bytes)).flatten()).unwrap_or(bytes.len());
        self.at += end;
        let is_text = is_title || name.eq_ignore_ascii_case("textarea");
        (end > 0).then(|| if is_text { Token::Text(&rest[..end]) } else { Token::Verbatim(&rest[..end]) })
    }

    /// What begins with `<!` or `<?`; nothing where it holds no text.
    fn declaration(&mut self, rest: &'a str) -> Option<Token<'a>> {
        if rest.starts_with("<!--") {
            self.skip_comment(rest);
            return None;
        }
        if self.syntax == Syntax::Xml && rest.starts_with("<![CDATA[") {
            let body = &rest[9..];
            let length = memmem::find(body.as_bytes(), b"]]>").unwrap_or(body.len());
            self.at += (9 + length + 3).min(rest.len());
            return (length > 0).then_some(Token::Verbatim(&body[..length]));
        }
        let end = memchr(b'>', rest.as_bytes()).unwrap_or(rest.len());
        let is_doctype = rest.get(2..9).is_some_and(|word| word.eq_ignore_ascii_case("doctype"));
        self.at += (end + 1).min(rest.len());
        is_doctype.then(|| Token::Doctype(&rest[9..end.max(9)]))
    }

    fn skip_comment(&mut self, rest: &str) {
        let from = if rest.starts_with("<!-->") || rest.starts_with("<!--->") { 2 } else { 4 };
        if !self.ignore_comment_ends {
            if let Some(length) = memmem::find(&rest.as_bytes()[from..], b"-->") {
                self.at += from + length + 3;
                return;
            }
            self.ignore_comment_ends = true;
        }
        self.at += memchr(b'>', rest.as_bytes()).map_or(rest.len(), |at| at + 1);
    }

    fn tag(&mut self, rest: &'a str) -> Option<Token<'a>> {
        let bytes = rest.as_bytes();
        let is_close = bytes.get(1) == Some(&b'/');
        let name_start = 1 + usize::from(is_close);
        if self.tags_ended
            || !bytes.get(name_start).is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_' || *byte >= 0x80)
        {
            return None;
        }
        let name_end = end_of(bytes, name_start, |byte| byte.is_ascii_whitespace() || byte == b'/' || byte == b'>');
        let end = self.tag_end(bytes, name_end)?;
        self.at += end + 1;
        let name = &rest[name_start..name_end];
        if is_close {
            return Some(Token::Close(name));
        }
        let closes_itself = end > name_end && bytes[end - 1] == b'/';
        let attributes = &rest[name_end..end - usize::from(closes_itself)];
        if self.syntax == Syntax::Html && is_raw(name) {
            self.raw = Some(name);
        }
        Some(Token::Open(Tag { name, attributes, closes_itself }))
    }

    /// Where the `>` of a tag is: the first outside of a quoted value.
    fn tag_end(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        if self.ignore_quotes {
            return self.tag_end_without_quotes(bytes, from);
        }
        let mut at = from;
        let mut after_equals = false;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'>' => return Some(at),
                b'"' | b'\'' if after_equals => match memchr(*byte, &bytes[at + 1..]) {
                    Some(length) => {
                        at += length + 1;
                        after_equals = false;
                    }
                    None => break,
                },
                b'=' => after_equals = true,
                byte if byte.is_ascii_whitespace() => {}
                _ => after_equals = false,
            }
            at += 1;
        }
        self.ignore_quotes = true;
        self.tag_end_without_quotes(bytes, from)
    }

    fn tag_end_without_quotes(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        let end = memchr(b'>', &bytes[from..]).map(|at| from + at);
        self.tags_ended = end.is_none();
        end
    }

    fn text(&mut self, rest: &'a str) -> Token<'a> {
        // The first character is text even where it is `<`: it began no tag.
        let end = memchr(b'<', &rest.as_bytes()[1..]).map_or(rest.len(), |at| at + 1);
        self.at += end;
        Token::Text(&rest[..end])
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            if let Some(name) = self.raw.take()
                && let Some(token) = self.raw_text(name)
            {
                return Some(token);
            }
            let rest = self.rest();
            let mark = match (rest.as_bytes().first()?, rest.as_bytes().get(1)) {
                (b'<', Some(mark)) => *mark,
                _ => return Some(self.text(rest)),
            };
            if mark == b'!' || mark == b'?' {
                if let Some(token) = self.declaration(rest) {
                    return Some(token);
                }
                continue;
            }
            return Some(match self.tag(rest) {
                Some(token) => token,
                None => self.text(rest),
            });
        }
    }
}

/// Whether what follows `</` ends an element.
fn closes(after: &[u8], name: &str) -> bool {
    after.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
        && !after.get(name.len()).is_some_and(u8::is_ascii_alphanumeric)
}

fn is_raw(name: &str) -> bool {
    const RAW: [&str; 8] = ["script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"];
    RAW.iter().any(|raw| raw.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str, syntax: Syntax) -> String {
        let tokens = Tokens::new(text, syntax).map(|token| match token {
            Token::Open(tag) => format!("<{}{}{}>", tag.name, tag.attributes, if tag.closes_itself { "/" } else { "" }),
            Token::Close(name) => format!("</{name}>"),
            Token::Text(text) => format!("[{text}]"),
            Token::Verbatim(text) => format!("{{{text}}}"),
            Token::Doctype(text) => format!("!{text}!"),
        });
        tokens.collect::<Vec<_>>().join("")
    }

    #[test]
    fn html_is_cut_into_tags_and_text() {
        let cases = [
            ("<!DOCTYPE html><p>a</p>", "! html!<p>[a]</p>"),
            ("<a href=\"x>y\" b='>'>t</a >", "<a href=\"x>y\" b='>'>[t]</a>"),
            ("a < b <3 <- c", "[a ][< b ][<3 ][<- c]"),
            ("<!-- <p> --><!-->x<!--->y<!-- open <b>z", "[x][y][z]"),
            ("<br/><img src=a/>", "<br/><img src=a/>"),
            ("<script>if (a</b>1) '</p>'</SCRIPT>x", "<script>{if (a</b>1) '</p>'}</SCRIPT>[x]"),
            ("<title>a &amp; <b></title>", "<title>[a &amp; <b>]</title>"),
            ("<title>a<p>b", "<title>[a]<p>[b]"),
            ("<?xml version='1.0'?>x<![if IE]>y", "[x][y]"),
            ("<p title=\"open>text <b>x</b>", "<p title=\"open>[text ]<b>[x]</b>"),
            ("<p", "[<p]"),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text, Syntax::Html), expected, "{text}");
        }
    }

    #[test]
    fn xml_has_verbatim_text() {
        assert_eq!(shown("<w:t a='1'><![CDATA[<&amp;]]></w:t>", Syntax::Xml), "<w:t a='1'>{<&amp;}</w:t>");
        assert_eq!(shown("<title>a<b/></title>", Syntax::Xml), "<title>[a]<b/></title>");
    }

    #[test]
    fn attributes_are_read_in_every_form() {
        let tag = Tag { name: "a", attributes: " HREF='a&amp;b' x=1/2 w:val = \"v\" checked q", closes_itself: false };
        let get = |name: &str| attribute(tag.attributes, |found| found.eq_ignore_ascii_case(name));
        assert_eq!(get("href").as_deref(), Some("a&b"));
        assert_eq!(get("x").as_deref(), Some("1/2"));
        assert_eq!(tag.local("val").as_deref(), Some("v"));
        assert_eq!(get("checked").as_deref(), Some(""));
        assert_eq!(get("val"), None);
    }

    proptest! {
        #[test]
        fn every_text_is_read_to_its_end(text in "[<>a-z/!\"'= &;#?\\[\\]-]{0,200}") {
            for syntax in [Syntax::Html, Syntax::Xml] {
                let mut tokens = Tokens::new(&text, syntax);
                let mut last = 0;
                while tokens.next().is_some() {
                    prop_assert!(tokens.offset() > last || tokens.offset() == text.len());
                    last = tokens.offset();
                }
                prop_assert_eq!(tokens.offset(), text.len());
            }
        }
    }

    /// Each of these is quadratic for a reader that searches to the end again after every failure.
    #[test]
    fn what_never_ends_is_searched_for_once() {
        for piece in ["<a x=\"", "<a x=\"<a x='", "<!--", "<!", "<![CDATA[", "</a", "<title>", "<a ", "&", "<script"] {
            let text = piece.repeat(2_000_000 / piece.len());
            for syntax in [Syntax::Html, Syntax::Xml] {
                assert!(Tokens::new(&text, syntax).count() <= text.len());
            }
        }
    }
}
