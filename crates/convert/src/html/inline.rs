//! Text within a line: emphasis, links, code, pictures.

use super::content::Content;
use super::plain_text;
use crate::inline::{link_from, mark_from, push_code, push_image, push_space, subscript, superscript};
use crate::markup::entities;
use crate::markup::tree::{Kind, NodeId, Tree};

/// Renders what stands in lines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inline<'t, 'a> {
    pub(crate) tree: &'t Tree<'a>,
    pub(crate) content: &'t Content,
}

impl Inline<'_, '_> {
    /// Appends a node and what is below it.
    pub(crate) fn push(&self, id: NodeId, out: &mut String) {
        let name = match &self.tree.nodes[id].kind {
            Kind::Text(raw) => return push_text(raw, out),
            Kind::Element { name, .. } => &**name,
        };
        if self.content.is_dropped(id) {
            return;
        }
        if let Some(emoji) = self.tree.attribute(id, "data-emoji").filter(|_| name == "span") {
            // Pandoc keeps the name that the author wrote.
            out.push(':');
            out.push_str(&emoji);
            out.push(':');
            return;
        }
        match name {
            "br" => push_break(out),
            "wbr" | "input" | "rp" => {}
            "b" | "strong" => self.push_marked(id, "**", out),
            "i" | "em" | "cite" | "dfn" | "var" => self.push_marked(id, "*", out),
            "del" | "s" | "strike" => self.push_marked(id, "~~", out),
            "code" | "kbd" | "samp" | "tt" => self.push_code(id, out),
            "a" => self.push_link(id, out),
            "img" => self.push_image(id, out),
            "q" => {
                out.push('"');
                self.push_children(id, out);
                out.push('"');
            }
            "sup" => self.push_script(id, superscript, out),
            "sub" => self.push_script(id, subscript, out),
            "rt" => {
                out.push('(');
                self.push_children(id, out);
                out.push(')');
            }
            "math" => self.push_formula(id, out),
            "pre" => self.push_code(id, out),
            "li" => self.push_item(id, out),
            _ if self.tree.nodes[id].holds_block || matches!(name, "td" | "th" | "tr" | "caption") => {
                push_space(out);
                self.push_children(id, out);
                push_space(out);
            }
            _ => self.push_children(id, out),
        }
    }

    /// Appends all that is in an element.
    pub(crate) fn push_children(&self, id: NodeId, out: &mut String) {
        for child in self.tree.children(id) {
            self.push(child, out);
        }
    }

    fn push_marked(&self, id: NodeId, mark: &str, out: &mut String) {
        let start = out.len();
        self.push_children(id, out);
        mark_from(out, start, mark);
    }

    fn push_code(&self, id: NodeId, out: &mut String) {
        let mut raw = String::new();
        plain_text(self.tree, id, &mut raw);
        push_code(&raw, out);
    }

    /// An item of a list that must fit into a line, as in a cell.
    fn push_item(&self, id: NodeId, out: &mut String) {
        push_space(out);
        let parent = self.tree.nodes[id].parent;
        if self.tree.name(parent) == "ol" {
            let items = self.tree.children(parent).take_while(|item| *item != id);
            let number = items.filter(|item| self.tree.name(*item) == "li").count() + 1;
            out.push_str(&format!("{number}. "));
        } else {
            out.push_str("- ");
        }
        self.push_children(id, out);
        push_space(out);
    }

    fn push_link(&self, id: NodeId, out: &mut String) {
        let start = out.len();
        self.push_children(id, out);
        let Some(target) = self.tree.attribute(id, "href") else { return };
        let target = target.trim();
        let is_place = target.is_empty() || target.starts_with('#') || has_scheme(target, "javascript:");
        if !is_place && !has_scheme(target, "data:") {
            link_from(out, start, target);
        }
    }

    fn push_image(&self, id: NodeId, out: &mut String) {
        let alt = self.tree.attribute(id, "alt").unwrap_or_default();
        let source = self.tree.attribute(id, "src").unwrap_or_default();
        let source = if has_scheme(&source, "data:") { "" } else { source.trim() };
        if alt.trim().is_empty() && source.is_empty() {
            return;
        }
        push_image(&alt, source, out);
    }

    fn push_script(&self, id: NodeId, convert: fn(char) -> Option<char>, out: &mut String) {
        let start = out.len();
        self.push_children(id, out);
        let converted: Option<String> = out[start..].chars().map(convert).collect();
        if let Some(converted) = converted {
            out.replace_range(start.., &converted);
        }
    }

    /// A formula: its TeX where the page holds it, else its characters.
    fn push_formula(&self, id: NodeId, out: &mut String) {
        let tex = self.tree.attribute(id, "alttext").map(|text| text.into_owned()).or_else(|| {
            let annotation = self.tree.find(id, "annotation")?;
            let mut text = String::new();
            plain_text(self.tree, annotation, &mut text);
            Some(text)
        });
        match tex {
            Some(tex) if !tex.trim().is_empty() => {
                out.push('$');
                out.push_str(&crate::signals::one_line(&tex));
                out.push('$');
            }
            _ => self.push_children(id, out),
        }
    }
}

/// Appends text: references replaced, blanks drawn together, invisible characters left out.
pub(crate) fn push_text(raw: &str, out: &mut String) {
    let decoded;
    let text = if memchr::memchr(b'&', raw.as_bytes()).is_some() {
        decoded = entities::decode(raw);
        &decoded
    } else {
        raw
    };
    for character in text.chars() {
        match character {
            '\u{AD}' | '\u{200B}' | '\u{FEFF}' | '\u{2060}' => {}
            // A hyphen at which no line breaks is a hyphen.
            '\u{2011}' => out.push('-'),
            _ if character.is_whitespace() => push_space(out),
            _ => out.push(character),
        }
    }
}

fn push_break(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}

fn has_scheme(target: &str, scheme: &str) -> bool {
    target.trim_start().get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}
