//! HTML becomes Markdown.

mod content;
mod flow;
mod inline;
mod table;

use crate::decode::decode;
use crate::document::Converted;
use crate::error::{Refusal, RefusalKind};
use crate::markdown::Writer;
use crate::markup::token::attribute;
use crate::markup::tree::{NodeId, Tree};
use crate::signals::Draft;
use crate::sniff::Format;
use crate::{Limits, markup};

/// How far a page is searched for its encoding; the standard asks for 1,024 bytes.
const DECLARATION_BYTES: usize = 4096;

/// Reads a page.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Converted, Refusal> {
    let declared = declared_encoding(bytes);
    let decoded = decode(bytes, declared.as_deref());
    let mut doubts = decoded.doubts;
    let text = decoded.text.replace("\r\n", "\n").replace('\r', "\n");
    let tree = Tree::parse(&text);
    let content = content::Content::of(&tree);
    let mut writer = Writer::new(limits.text_bytes);
    flow::Flow::new(&tree, &content, &mut writer).write(content.root);
    if writer.is_full() {
        return Err(Refusal::new(RefusalKind::TooLarge, format!("more than {} bytes of text", limits.text_bytes)));
    }
    doubts.extend(writer.doubt());
    if tree.was_too_deep {
        doubts.push("elements lie in each other so deep that some were laid side by side".into());
    }
    let title = title(&tree);
    Draft { format: Format::Html, title, markdown: writer.finish(), pages: Vec::new(), doubts }.finish()
}

/// What the page calls itself, or its first heading.
fn title(tree: &Tree<'_>) -> Option<String> {
    let named = ["title", "h1"].iter().find_map(|name| {
        let mut text = String::new();
        plain_text(tree, tree.find(0, name)?, &mut text);
        Some(text).filter(|text| !text.trim().is_empty())
    })?;
    Some(named)
}

/// All text below a node, with its references replaced and its blanks as they are.
fn plain_text(tree: &Tree<'_>, id: NodeId, out: &mut String) {
    match &tree.nodes[id].kind {
        markup::tree::Kind::Text(raw) => markup::entities::decode_into(raw, out),
        markup::tree::Kind::Element { name, .. } => {
            if name == "br" {
                out.push('\n');
            }
            for child in tree.children(id) {
                plain_text(tree, child, out);
            }
        }
    }
}

/// The encoding that a page names in a `meta` or in its XML declaration.
fn declared_encoding(bytes: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(DECLARATION_BYTES)]);
    let lower = head.to_ascii_lowercase();
    if let Some(rest) = lower.strip_prefix("<?xml") {
        let declaration = rest.split('>').next()?;
        if let Some(encoding) = attribute(declaration.trim_end_matches('?'), |name| name == "encoding") {
            return Some(encoding.into_owned());
        }
    }
    let after = lower.split("charset=").nth(1)?;
    let label = after.trim_start_matches(['"', '\'', ' ']);
    let end = label.find(|character: char| !(character.is_ascii_alphanumeric() || "-_:.".contains(character)));
    Some(label[..end.unwrap_or(label.len())].to_owned()).filter(|label| !label.is_empty())
}

#[cfg(test)]
mod tests;
