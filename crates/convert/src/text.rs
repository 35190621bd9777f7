//! Text and Markdown stay as they are: decoded, with one kind of line end.

use crate::Limits;
use crate::decode::decode;
use crate::document::Converted;
use crate::error::{Refusal, RefusalKind};
use crate::signals::{Draft, is_heading};
use crate::sniff::Format;

/// How far a title is looked for.
const TITLE_LINES: usize = 200;

/// Reads a text.
pub(crate) fn read(bytes: &[u8], format: Format, limits: &Limits) -> Result<Converted, Refusal> {
    let decoded = decode(bytes, None);
    let markdown = with_line_ends(&decoded.text);
    if markdown.len() as u64 > limits.text_bytes {
        let detail = format!("{} bytes of text, at most {}", markdown.len(), limits.text_bytes);
        return Err(Refusal::new(RefusalKind::TooLarge, detail));
    }
    let title = if format == Format::Markdown { title(&markdown) } else { None };
    Draft { format, title, markdown, pages: Vec::new(), doubts: decoded.doubts }.finish()
}

/// The text with `\n` at the end of each line and one at its end. A form feed, which begins a page on paper, is a line end too.
fn with_line_ends(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    let mut rest = text;
    while let Some(at) = rest.find(['\r', '\u{C}']) {
        out.push_str(&rest[..at]);
        out.push('\n');
        let length = if rest[at..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// The title in the front matter of a Markdown text, or its first heading.
fn title(markdown: &str) -> Option<String> {
    let mut lines = markdown.lines().take(TITLE_LINES);
    let mut first = lines.next()?;
    if matches!(first.trim_end(), "---" | "+++") {
        let end = first.trim_end();
        let inner: Vec<&str> = lines.by_ref().take_while(|line| line.trim_end() != end).collect();
        if let Some(title) = inner.iter().find_map(|line| front_matter_title(line)) {
            return Some(title);
        }
        first = "";
    }
    std::iter::once(first)
        .chain(lines)
        .find(|line| is_heading(line))
        .map(|line| line.trim_start_matches('#').trim().trim_end_matches('#').trim().to_owned())
}

fn front_matter_title(line: &str) -> Option<String> {
    let value = line.strip_prefix("title")?.trim_start();
    let value = value.strip_prefix(':').or_else(|| value.strip_prefix('='))?.trim();
    let unquoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    let title = unquoted.unwrap_or(value);
    (!title.is_empty()).then(|| title.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Grade;

    fn read(bytes: &[u8], format: Format) -> Result<Converted, Refusal> {
        super::read(bytes, format, &Limits { text_bytes: 20 << 20, ..Limits::default() })
    }

    #[test]
    fn lines_end_in_one_way() {
        let read = read(b"a\r\nb\rc\n\n\x0Cd", Format::Text).unwrap();
        assert_eq!(read.markdown, "a\nb\nc\n\n\nd\n");
        assert_eq!((read.grade, read.title), (Grade::Good, None));
    }

    #[test]
    fn a_title_is_in_the_front_matter_or_the_first_heading() {
        let cases = [
            ("---\ntags: a\ntitle: \"A: b\"\n---\n# C\n", Some("A: b")),
            ("+++\ntitle = 'A'\n+++\nx", Some("A")),
            ("---\ntags: a\n---\n\nx\n\n## C #\n", Some("C")),
            ("x\n", None),
        ];
        for (markdown, expected) in cases {
            assert_eq!(read(markdown.as_bytes(), Format::Markdown).unwrap().title.as_deref(), expected, "{markdown}");
        }
    }

    #[test]
    fn a_line_of_ten_megabytes_is_one_line() {
        let text = "word ".repeat(2 << 20);
        let read = read(text.as_bytes(), Format::Text).unwrap();
        assert_eq!(read.signals.words, 2 << 20);
    }

    #[test]
    fn bytes_without_a_word_are_refused() {
        assert_eq!(read(b" \n\t ", Format::Text).unwrap_err().kind, RefusalKind::Empty);
        assert_eq!(read(&vec![b'a'; 21 << 20], Format::Text).unwrap_err().kind, RefusalKind::TooLarge);
    }
}
