//! Text within a line: emphasis, links, code, pictures.

use super::content::Content;
use super::plain_text;
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
        out.push_str("![");
        out.push_str(&crate::signals::one_line(&alt).replace(['[', ']'], ""));
        out.push_str("](");
        push_target(source, out);
        out.push(')');
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

/// Appends a blank unless one is there, or nothing at all.
pub(crate) fn push_space(out: &mut String) {
    if !out.is_empty() && !out.ends_with([' ', '\n']) {
        out.push(' ');
    }
}

fn push_break(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}

/// Puts marks around what was appended since `start`, without its blanks. Marks that would meet are drawn together.
pub(crate) fn mark_from(out: &mut String, start: usize, mark: &str) {
    let inner = &out[start..];
    let trimmed = inner.trim();
    if trimmed.is_empty() || trimmed.starts_with(mark) && trimmed.ends_with(mark) {
        return;
    }
    let from = start + inner.len() - inner.trim_start().len();
    let to = from + trimmed.len();
    out.insert_str(to, mark);
    let before = &out[..from];
    let is_same = before.ends_with(mark) && before.len() == start && !before.ends_with("***");
    if is_same && before.matches(mark).count() % 2 == 0 {
        out.replace_range(from - mark.len()..from, "");
    } else {
        out.insert_str(from, mark);
    }
}

/// Makes what was appended since `start` a link.
pub(crate) fn link_from(out: &mut String, start: usize, target: &str) {
    let inner = &out[start..];
    let label = inner.trim().replace('\n', " ");
    if label.is_empty() {
        return;
    }
    let lead = inner.len() - inner.trim_start().len();
    let ends_in_blank = inner.ends_with([' ', '\n']);
    out.truncate(start + lead);
    if label == target && target.contains("://") && !target.contains([' ', '<', '>']) {
        out.push('<');
        out.push_str(target);
        out.push('>');
    } else {
        out.push('[');
        out.push_str(&label);
        out.push_str("](");
        push_target(target, out);
        out.push(')');
    }
    if ends_in_blank {
        out.push(' ');
    }
}

/// Appends text as code on a line.
pub(crate) fn push_code(raw: &str, out: &mut String) {
    let code = crate::signals::one_line(raw);
    if code.is_empty() {
        return;
    }
    if raw.starts_with(char::is_whitespace) {
        push_space(out);
    }
    let ticks = "`".repeat(longest_run(&code) + 1);
    let pad = if code.starts_with('`') || code.ends_with('`') { " " } else { "" };
    for part in [&ticks, pad, &code, pad, &ticks] {
        out.push_str(part);
    }
    if raw.ends_with(char::is_whitespace) {
        push_space(out);
    }
}

fn longest_run(code: &str) -> usize {
    code.split(|character| character != '`').map(str::len).max().unwrap_or(0)
}

fn push_target(target: &str, out: &mut String) {
    let is_balanced = target.matches('(').count() == target.matches(')').count() && !target.contains(")(");
    for character in target.chars() {
        match character {
            ' ' => out.push_str("%20"),
            '(' if !is_balanced => out.push_str("%28"),
            ')' if !is_balanced => out.push_str("%29"),
            '\n' | '\t' => {}
            _ => out.push(character),
        }
    }
}

fn has_scheme(target: &str, scheme: &str) -> bool {
    target.trim_start().get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// A raised character: 10⁶ is not 106.
pub(crate) fn superscript(character: char) -> Option<char> {
    Some(match character {
        '0' => '⁰',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        '9' => '⁹',
        '+' => '⁺',
        '-' | '−' => '⁻',
        'n' => 'ⁿ',
        'i' => 'ⁱ',
        _ => return None,
    })
}

/// A lowered character.
pub(crate) fn subscript(character: char) -> Option<char> {
    Some(match character {
        '0' => '₀',
        '1' => '₁',
        '2' => '₂',
        '3' => '₃',
        '4' => '₄',
        '5' => '₅',
        '6' => '₆',
        '7' => '₇',
        '8' => '₈',
        '9' => '₉',
        '+' => '₊',
        '-' | '−' => '₋',
        _ => return None,
    })
}
