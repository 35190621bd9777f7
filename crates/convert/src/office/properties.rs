//! The properties of paragraphs and of runs of text.

use crate::markup::token::Tag;
use crate::markup::xml::Xml;

/// What is said of a paragraph.
#[derive(Debug, Default, Clone)]
pub(crate) struct Paragraph {
    pub(crate) style: Option<String>,
    pub(crate) outline: Option<u8>,
    pub(crate) numbering_id: Option<String>,
    pub(crate) numbering_level: Option<u8>,
}

/// How text looks; `None` where nothing is said.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunLook {
    pub(crate) bold: Option<bool>,
    pub(crate) italic: Option<bool>,
    pub(crate) strike: Option<bool>,
    pub(crate) is_code: bool,
    pub(crate) is_hidden: bool,
    pub(crate) script: Script,
}

/// Where text stands on its line.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    #[default]
    Line,
    Raised,
    Lowered,
}

/// Reads the properties of a paragraph to their end.
pub(crate) fn read_paragraph(xml: &mut Xml<'_>) -> Paragraph {
    let mut properties = Paragraph::default();
    xml.children(|xml, name, tag| {
        match name {
            "pStyle" => properties.style = tag.local("val").map(|value| value.into_owned()),
            "outlineLvl" => properties.outline = number(tag),
            "numPr" => {
                return xml.children(|xml, name, tag| {
                    match name {
                        "ilvl" => properties.numbering_level = number(tag),
                        "numId" => properties.numbering_id = tag.local("val").map(|value| value.into_owned()),
                        _ => {}
                    }
                    xml.skip();
                });
            }
            _ => {}
        }
        xml.skip();
    });
    properties
}

/// Reads the look of a run to its end, and the character style that it names.
pub(crate) fn read_run_look(xml: &mut Xml<'_>) -> (RunLook, Option<String>) {
    let mut look = RunLook::default();
    let mut style = None;
    xml.children(|xml, name, tag| {
        let is_set = tag.local("val").is_none_or(|value| is_on(&value));
        match name {
            "b" => look.bold = Some(is_set),
            "i" => look.italic = Some(is_set),
            "strike" | "dstrike" => look.strike = Some(is_set),
            "vanish" | "webHidden" => look.is_hidden |= is_set,
            "rStyle" => style = tag.local("val").map(|value| value.into_owned()),
            "vertAlign" => {
                look.script = match tag.local("val").as_deref() {
                    Some("superscript") => Script::Raised,
                    Some("subscript") => Script::Lowered,
                    _ => Script::Line,
                };
            }
            _ => {}
        }
        xml.skip();
    });
    (look, style)
}

/// Whether a value of a switch means yes.
pub(crate) fn is_on(value: &str) -> bool {
    !matches!(value, "0" | "false" | "off" | "none")
}

/// The number in `val`.
pub(crate) fn number<T: std::str::FromStr>(tag: Tag<'_>) -> Option<T> {
    tag.local("val").and_then(|value| value.trim().parse().ok())
}
