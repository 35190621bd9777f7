//! Paragraphs: runs of text with a look, and what is between them.

use super::body::{Field, State};
use super::math;
use super::properties::{self, Paragraph, RunLook, Script, read_run_look};
use crate::inline::{link_from, mark_from, push_code, push_image, subscript, superscript};
use crate::markup::token::Tag;
use crate::markup::xml::Xml;

/// Links in links and drawings in drawings that are read.
const DEPTH_MAX: usize = 20;

/// What a paragraph holds.
#[derive(Debug, Default)]
pub(crate) struct Line<'a> {
    pub(crate) properties: Paragraph,
    pub(crate) spans: Vec<Span>,
    /// Text boxes that are anchored here: their content is read after the paragraph.
    pub(crate) boxes: Vec<Xml<'a>>,
    /// Charts that are anchored here, by the ids of their relations.
    pub(crate) charts: Vec<String>,
}

/// Text of one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    text: String,
    look: Look,
    link: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Look {
    bold: bool,
    italic: bool,
    strike: bool,
    script: Script,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Text,
    Code,
    /// Markdown already: a picture, a formula, a mark of a note.
    Ready,
}

impl<'a> Line<'a> {
    /// Reads a paragraph to its end.
    pub(crate) fn read(xml: &mut Xml<'a>, state: &mut State<'_>) -> Self {
        let mut line = Self::default();
        line.content(xml, state, None, 0);
        state.end_paragraph();
        line
    }

    /// The text with its marks.
    pub(crate) fn markdown(&self, with_marks: bool) -> String {
        let mut out = String::new();
        for same in self.spans.chunk_by(|left, right| left.link.is_some() && left.link == right.link) {
            let start = out.len();
            for span in same {
                span.push(with_marks, &mut out);
            }
            if let Some(target) = &same[0].link {
                link_from(&mut out, start, target);
            }
        }
        out
    }

    /// The text as it is, for code.
    pub(crate) fn plain(&self) -> String {
        self.spans.iter().map(|span| span.text.as_str()).collect()
    }

    fn content(&mut self, xml: &mut Xml<'a>, state: &mut State<'_>, link: Option<&str>, depth: usize) {
        // Elements that only hold others: insertions, content controls, smart tags.
        let mut open = 0_u64;
        while let Some((name, tag)) = xml.within(&mut open) {
            match name {
                _ if depth > DEPTH_MAX => xml.skip(),
                "pPr" => self.properties = properties::read_paragraph(xml),
                "r" => self.run(xml, state, link),
                "hyperlink" => {
                    let target = state.target_of(tag);
                    self.content(xml, state, target.as_deref().or(link), depth + 1);
                }
                "fldSimple" => {
                    let target = tag.local("instr").and_then(|instruction| link_of_field(&instruction));
                    self.content(xml, state, target.as_deref().or(link), depth + 1);
                }
                "oMathPara" => self.formula(xml, "$$"),
                "oMath" => self.formula(xml, "$"),
                "del" | "moveFrom" | "Fallback" | "sdtPr" | "sdtEndPr" | "rPr" => xml.skip(),
                _ => open += 1,
            }
        }
    }

    fn formula(&mut self, xml: &mut Xml<'a>, mark: &str) {
        let tex = math::read(xml);
        if !tex.is_empty() {
            self.push(&format!("{mark}{tex}{mark}"), Look { kind: Kind::Ready, ..Look::default() }, None);
        }
    }

    fn run(&mut self, xml: &mut Xml<'a>, state: &mut State<'_>, link: Option<&str>) {
        let mut look = Look::default();
        let mut is_hidden = false;
        let mut open = 0_u64;
        while let Some((name, tag)) = xml.within(&mut open) {
            let is_shown = !is_hidden && state.fields.iter().all(|field| field.is_result);
            match name {
                "rPr" => {
                    let (own, style) = read_run_look(xml);
                    is_hidden = own.is_hidden;
                    look = look_of(own, &style.map(|style| state.styles.look(&style)).unwrap_or_default());
                }
                "t" => {
                    let text = xml.text();
                    if is_shown {
                        self.push(&text, look, link.or(state.field_link()));
                    }
                }
                "instrText" => {
                    let text = xml.text();
                    state.add_instruction(&text);
                }
                "fldChar" => {
                    state.field_mark(tag.local("fldCharType").as_deref());
                    xml.skip();
                }
                "drawing" | "pict" | "object" => self.drawing(xml, state, 0),
                "Fallback" | "delText" | "rt" | "sdtPr" => xml.skip(),
                "AlternateContent" | "Choice" | "ruby" | "rubyBase" | "r" => open += 1,
                _ => {
                    if is_shown {
                        self.sign(name, tag, state, look, link);
                    }
                    xml.skip();
                }
            }
        }
    }

    /// What stands for a character or a mark.
    fn sign(&mut self, name: &str, tag: Tag<'_>, state: &mut State<'_>, look: Look, link: Option<&str>) {
        let text = match name {
            "tab" | "ptab" => "\t".into(),
            "br" if tag.local("type").is_some_and(|kind| kind == "page") => " ".into(),
            "br" | "cr" => "\n".into(),
            "noBreakHyphen" => "-".into(),
            "sym" => symbol(tag).into(),
            "footnoteReference" | "endnoteReference" => {
                let Some(id) = tag.local("id") else { return };
                let mark = state.note_mark(name == "endnoteReference", &id);
                return self.push(&mark, Look { kind: Kind::Ready, ..Look::default() }, None);
            }
            _ => return,
        };
        let text: String = text;
        self.push(&text, look, link.or(state.field_link()));
    }

    /// Pictures and text boxes.
    fn drawing(&mut self, xml: &mut Xml<'a>, state: &mut State<'_>, depth: usize) {
        let mut alt = String::new();
        let mut open = 0_u64;
        while let Some((name, tag)) = xml.within(&mut open) {
            match name {
                "docPr" => {
                    alt = tag.local("descr").unwrap_or_default().into_owned();
                    xml.skip();
                }
                "blip" | "imagedata" => {
                    let mut picture = String::new();
                    push_image(&alt, "", &mut picture);
                    self.push(&picture, Look { kind: Kind::Ready, ..Look::default() }, None);
                    xml.skip();
                }
                "txbxContent" => {
                    self.boxes.push(xml.clone());
                    xml.skip();
                }
                "chart" => {
                    self.charts.extend(tag.local("id").map(|id| id.into_owned()));
                    xml.skip();
                }
                "relIds" => {
                    state.drawings_left_out += 1;
                    xml.skip();
                }
                "Fallback" => xml.skip(),
                "drawing" | "pict" if depth < DEPTH_MAX => self.drawing(xml, state, depth + 1),
                _ => open += 1,
            }
        }
    }

    fn push(&mut self, text: &str, look: Look, link: Option<&str>) {
        if text.is_empty() {
            return;
        }
        match self.spans.last_mut() {
            Some(last) if last.look == look && last.link.as_deref() == link => last.text.push_str(text),
            _ => self.spans.push(Span { text: text.to_owned(), look, link: link.map(str::to_owned) }),
        }
    }
}

impl Span {
    fn push(&self, with_marks: bool, out: &mut String) {
        let start = out.len();
        match self.look.kind {
            Kind::Ready => return out.push_str(&self.text),
            Kind::Code if !self.text.contains('\n') => return push_code(&self.text, out),
            Kind::Code | Kind::Text => {}
        }
        let convert = match self.look.script {
            Script::Raised => Some(superscript as fn(char) -> Option<char>),
            Script::Lowered => Some(subscript as fn(char) -> Option<char>),
            Script::Line => None,
        };
        let converted = convert.and_then(|convert| self.text.chars().map(convert).collect::<Option<String>>());
        push_collapsed(converted.as_ref().unwrap_or(&self.text), out);
        if with_marks {
            let marks = [(self.look.strike, "~~"), (self.look.italic, "*"), (self.look.bold, "**")];
            for (_, mark) in marks.iter().filter(|(is_set, _)| *is_set) {
                mark_from(out, start, mark);
            }
        }
    }
}

/// Appends text with its blanks drawn together and its line ends kept.
fn push_collapsed(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '\n' => {
                out.truncate(out.trim_end_matches(' ').len());
                out.push('\n');
            }
            '\u{AD}' | '\u{200B}' | '\u{FEFF}' | '\u{2060}' => {}
            '\u{2011}' => out.push('-'),
            _ if character.is_whitespace() => {
                if !out.ends_with([' ', '\n']) {
                    out.push(' ');
                }
            }
            _ => out.push(character),
        }
    }
}

fn look_of(own: RunLook, style: &RunLook) -> Look {
    Look {
        bold: own.bold.or(style.bold).unwrap_or(false),
        italic: own.italic.or(style.italic).unwrap_or(false),
        strike: own.strike.or(style.strike).unwrap_or(false),
        script: own.script,
        kind: if style.is_code { Kind::Code } else { Kind::Text },
    }
}

/// A character of a font of signs. The fonts put them where Unicode has none; those that lists and forms use are known.
fn symbol(tag: Tag<'_>) -> &'static str {
    let code = tag.local("char").and_then(|code| u32::from_str_radix(&code, 16).ok()).unwrap_or(0);
    match code & 0xFF {
        0xB7 => "•",
        0xA7 => "▪",
        0xA8 | 0x6F => "☐",
        0xFE | 0x78 => "☒",
        0xFC => "✓",
        0xFB => "✗",
        0xE0 => "→",
        0xB0 => "°",
        0xB1 => "±",
        0xB4 => "×",
        0xA3 => "≤",
        0xB3 => "≥",
        0xB9 => "≠",
        _ => "",
    }
}

/// Where the instruction of a field leads, if it is a link.
pub(crate) fn link_of_field(instruction: &str) -> Option<String> {
    let rest = instruction.trim_start().strip_prefix("HYPERLINK")?.trim_start();
    let quoted = rest.strip_prefix('"').and_then(|rest| rest.split('"').next());
    let target = quoted.or_else(|| rest.split_whitespace().next())?;
    (!target.is_empty() && !target.starts_with('\\')).then(|| target.to_owned())
}

impl Field {
    /// Where the field leads.
    pub(crate) fn link(&self) -> Option<&str> {
        self.target.as_deref()
    }
}
