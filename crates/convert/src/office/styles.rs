//! What the styles of a document mean.

use std::collections::HashMap;

use super::properties::{RunLook, is_on, read_run_look};
use crate::markup::xml::Xml;

/// How many styles may be based on each other; Word allows 11.
const CHAIN_MAX: usize = 16;

/// The styles by id.
#[derive(Debug, Default)]
pub(crate) struct Styles {
    by_id: HashMap<String, Style>,
    default_paragraph: Option<String>,
}

#[derive(Debug, Default, Clone)]
struct Style {
    /// In lower case; built-in styles have English names in every language.
    name: String,
    based_on: Option<String>,
    outline: Option<u8>,
    numbering: Option<(String, u8)>,
    look: RunLook,
}

/// What a paragraph is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Text,
    /// Of a level from 1.
    Heading(u8),
    Title,
    Quote,
    Code,
    /// A line of a table of contents.
    Contents,
}

impl Styles {
    /// Reads the part of the styles.
    pub(crate) fn read(text: &str) -> Self {
        let mut styles = Self::default();
        let mut xml = Xml::new(text);
        xml.enter();
        xml.children(|xml, name, tag| {
            if name != "style" {
                return xml.skip();
            }
            let id = tag.local("styleId").unwrap_or_default().into_owned();
            let is_default = tag.local("default").is_some_and(|value| is_on(&value));
            if is_default && tag.local("type").as_deref() == Some("paragraph") {
                styles.default_paragraph = Some(id.clone());
            }
            styles.by_id.insert(id, read_style(xml));
        });
        styles
    }

    /// What a paragraph of a style is.
    pub(crate) fn role(&self, id: Option<&str>) -> Role {
        let chain = || self.chain(id.or(self.default_paragraph.as_deref()));
        for style in chain() {
            if let Some(role) = role_of(&style.name) {
                return role;
            }
        }
        let outline = chain().find_map(|style| style.outline);
        outline.filter(|level| *level < 9).map_or(Role::Text, |level| Role::Heading(level + 1))
    }

    /// The list that a style puts its paragraphs into: the id of the numbering and the level.
    pub(crate) fn numbering(&self, id: Option<&str>) -> Option<(&str, u8)> {
        self.chain(id).find_map(|style| style.numbering.as_ref()).map(|(id, level)| (id.as_str(), *level))
    }

    /// The look of text in a character style.
    pub(crate) fn look(&self, id: &str) -> RunLook {
        let mut look = RunLook::default();
        for style in self.chain(Some(id)) {
            look.bold = look.bold.or(style.look.bold);
            look.italic = look.italic.or(style.look.italic);
            look.strike = look.strike.or(style.look.strike);
            look.is_code |= is_code(&style.name);
        }
        look
    }

    fn chain<'s>(&'s self, id: Option<&str>) -> impl Iterator<Item = &'s Style> {
        let first = id.and_then(|id| self.by_id.get(id));
        std::iter::successors(first, |style| self.by_id.get(style.based_on.as_deref()?)).take(CHAIN_MAX)
    }
}

fn read_style(xml: &mut Xml<'_>) -> Style {
    let mut style = Style::default();
    xml.children(|xml, name, tag| match name {
        "name" => {
            style.name = tag.local("val").unwrap_or_default().to_lowercase();
            xml.skip();
        }
        "basedOn" => {
            style.based_on = tag.local("val").map(|value| value.into_owned());
            xml.skip();
        }
        "pPr" => {
            let properties = super::properties::read_paragraph(xml);
            style.outline = properties.outline;
            style.numbering = properties.numbering_id.map(|id| (id, properties.numbering_level.unwrap_or(0)));
        }
        "rPr" => style.look = read_run_look(xml).0,
        _ => xml.skip(),
    });
    style
}

fn role_of(name: &str) -> Option<Role> {
    let level = name.strip_prefix("heading ").and_then(|level| level.trim().parse::<u8>().ok());
    if let Some(level) = level.filter(|level| (1..=9).contains(level)) {
        return Some(Role::Heading(level));
    }
    match name {
        "title" => Some(Role::Title),
        "quote" | "intense quote" | "block text" | "quotations" | "block quotation" => Some(Role::Quote),
        _ if is_code(name) => Some(Role::Code),
        _ if name.strip_prefix("toc ").is_some_and(|level| level.parse::<u8>().is_ok()) => Some(Role::Contents),
        _ => None,
    }
}

/// Whether a style is for code, by the names that Word, LibreOffice, Pandoc and their users give.
fn is_code(name: &str) -> bool {
    let name = name.trim_end_matches(" char");
    matches!(
        name,
        "source code"
            | "sourcecode"
            | "source text"
            | "code"
            | "code block"
            | "inline code"
            | "verbatim"
            | "html preformatted"
            | "preformatted text"
            | "html code"
            | "html sample"
            | "html typewriter"
            | "html keyboard"
            | "macro text"
    )
}
