//! Kinds of text.

use super::Format;
use crate::decode;
use crate::error::{Refusal, RefusalKind};
use crate::signals::{is_delimiter_row, is_heading};
use crate::tabular;

/// How much of a text is looked at.
const HEAD_BYTES: usize = 64 << 10;
/// The share of control characters from which bytes are no text: bytes at random hold one in ten.
const CONTROL_SHARE_MAX: f64 = 0.03;

/// Which kind of text it is.
pub(super) fn find(bytes: &[u8], name: &str) -> Result<Format, Refusal> {
    if !decode::is_utf16(bytes) && control_share(&bytes[..bytes.len().min(HEAD_BYTES)]) > CONTROL_SHARE_MAX {
        return Err(Refusal::new(RefusalKind::Unsupported, "binary data of no known kind"));
    }
    let head = decode::decode_head(bytes, HEAD_BYTES);
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    let by_name = match &*ending {
        "html" | "htm" | "xhtml" | "xht" | "shtml" => Some(Format::Html),
        "md" | "markdown" | "mdown" | "mkd" | "mdx" | "qmd" | "rmd" => Some(Format::Markdown),
        "csv" | "tsv" | "tab" => Some(Format::Csv),
        "txt" | "text" | "log" => Some(Format::Text),
        _ => None,
    };
    if is_page(&head, by_name) {
        return Ok(Format::Html);
    }
    if head.trim_start().starts_with("<svg") {
        return Err(Refusal::new(RefusalKind::Unsupported, "an SVG picture"));
    }
    let marks = markdown_marks(&head);
    let certainty = tabular::certainty(&head, bytes.len() > HEAD_BYTES);
    Ok(match by_name {
        Some(Format::Csv) if certainty > tabular::Certainty::None || marks == 0 => Format::Csv,
        Some(Format::Markdown) if certainty < tabular::Certainty::Sure || marks > 0 => Format::Markdown,
        _ if certainty == tabular::Certainty::Sure && marks == 0 => Format::Csv,
        _ if marks >= 2 => Format::Markdown,
        _ => Format::Text,
    })
}

fn control_share(head: &[u8]) -> f64 {
    let is_control = |byte: &&u8| matches!(**byte, 0..=8 | 14..=26 | 28..=31 | 127);
    let count = head.iter().filter(is_control).count();
    #[expect(clippy::cast_precision_loss, reason = "both are at most 65,536")]
    let share = count as f64 / head.len().max(1) as f64;
    share
}

/// Whether a text is a page of HTML: it begins like one, or it begins with an element and is full of them.
fn is_page(head: &str, by_name: Option<Format>) -> bool {
    let start = skip_prologue(head);
    let lower = start.get(..start.len().min(20)).unwrap_or_default().to_ascii_lowercase();
    let begins = ["<!doctype html", "<html", "<head", "<body"];
    if begins.iter().any(|tag| lower.starts_with(tag)) {
        return true;
    }
    if by_name == Some(Format::Markdown) {
        return false;
    }
    let tags = count_tags(start);
    if by_name == Some(Format::Html) {
        return tags > 0;
    }
    // Markdown may begin with an element as well; it then has its own marks, and lines without tags.
    start.starts_with('<') && tags >= 4 && markdown_marks(start) == 0
}

/// What comes after blanks, comments and the declaration of XML.
fn skip_prologue(head: &str) -> &str {
    let mut rest = head.trim_start();
    for _ in 0..16 {
        let end = if rest.starts_with("<!--") {
            rest.find("-->").map(|at| at + 3)
        } else if rest.starts_with("<?") {
            rest.find('>').map(|at| at + 1)
        } else {
            None
        };
        let Some(end) = end else { break };
        rest = rest[end..].trim_start();
    }
    rest
}

fn count_tags(text: &str) -> usize {
    const TAGS: [&str; 24] = [
        "p", "div", "span", "table", "tr", "td", "th", "ul", "ol", "li", "h1", "h2", "h3", "h4", "a", "b", "i", "br",
        "em", "strong", "section", "article", "meta", "title",
    ];
    let mut tags = text.split('<').skip(1);
    let mut count = 0;
    for _ in 0..2000 {
        let Some(after) = tags.next() else { break };
        let name = after.trim_start_matches('/');
        let end = name.find(|character: char| !character.is_ascii_alphanumeric()).unwrap_or(name.len());
        let is_tag = name[end..].starts_with(['>', ' ', '/', '\n']);
        count += usize::from(is_tag && TAGS.iter().any(|tag| tag.eq_ignore_ascii_case(&name[..end])));
    }
    count
}

/// How many kinds of Markdown's marks a text holds.
fn markdown_marks(head: &str) -> usize {
    let mut lines = head.lines();
    let has_front_matter = lines.next().is_some_and(|line| line.trim_end() == "---")
        && lines.clone().take(60).any(|line| line.trim_end() == "---")
        && lines.next().is_some_and(|line| line.contains(':'));
    let any = |found: fn(&str) -> bool| usize::from(head.lines().any(found));
    usize::from(has_front_matter) * 2
        + any(is_heading)
        + any(|line| line.starts_with("```") || line.starts_with("~~~"))
        + any(|line| line.contains("](") && line.contains('['))
        + any(|line| line.matches("**").count() >= 2)
        + any(|line| line.starts_with('|') && is_delimiter_row(line))
        + any(|line| (line.starts_with("- ") || line.starts_with("* ")) && line.len() > 2)
        + any(|line| line.starts_with("> "))
}
