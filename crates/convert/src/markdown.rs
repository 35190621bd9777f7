//! Writing Markdown: blocks with what is before their lines.
//!
//! Only what would change the structure is escaped, so that the text stays close to what people read: marks at the start
//! of a line and bars in tables.

use crate::table::Grid;

/// What lies between the last block and the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gap {
    None,
    Line,
    Blank,
}

/// Writes blocks one after the other.
#[derive(Debug)]
pub(crate) struct Writer {
    text: String,
    /// What is before each line here: quote marks and the indent of lists.
    prefix: String,
    /// What is before the next line instead: the marks of items that have just begun.
    first: Option<String>,
    /// The shortest prefix since the last block: what a blank line between the two keeps.
    shared: usize,
    gap: Gap,
    /// How much each open quote and item added to the prefix.
    added: Vec<usize>,
    limit: usize,
    is_full: bool,
    was_table_cut: bool,
}

impl Writer {
    /// A writer that stops at so many bytes.
    pub(crate) fn new(limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self {
            text: String::new(),
            prefix: String::new(),
            first: None,
            shared: 0,
            gap: Gap::None,
            added: Vec::new(),
            limit,
            is_full: false,
            was_table_cut: false,
        }
    }

    /// Whether the limit cut something off.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// What is missing of the tables, in words.
    pub(crate) fn doubt(&self) -> Option<String> {
        self.was_table_cut.then(|| "a table was cut, which had too many columns or cells".into())
    }

    /// The text, with one line end at its end.
    pub(crate) fn finish(mut self) -> String {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text
    }

    /// Where the next block begins.
    pub(crate) fn next_start(&mut self) -> usize {
        self.write_gap();
        self.gap = Gap::None;
        self.text.len()
    }

    /// The next block follows on the next line: the items of a tight list.
    pub(crate) fn close_gap(&mut self) {
        if self.gap == Gap::Blank {
            self.gap = Gap::Line;
        }
    }

    /// A blank line comes before the next block after all: a list has ended.
    pub(crate) fn open_gap(&mut self) {
        if self.gap == Gap::Line {
            self.gap = Gap::Blank;
        }
    }

    pub(crate) fn open_quote(&mut self) {
        self.open("> ", "> ");
    }

    /// Begins an item of a list; `marker` is like `- ` or `12. `.
    pub(crate) fn open_item(&mut self, marker: &str) {
        self.open(marker, &" ".repeat(marker.len()));
    }

    /// Ends a quote or an item.
    pub(crate) fn close(&mut self) {
        let Some(added) = self.added.pop() else { return };
        self.prefix.truncate(self.prefix.len() - added);
        self.shared = self.shared.min(self.prefix.len());
        if let Some(first) = &mut self.first {
            first.truncate(first.len() - added);
        }
    }

    /// A paragraph; its line ends stay.
    pub(crate) fn paragraph(&mut self, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        self.begin();
        for (index, line) in text.split('\n').enumerate() {
            self.line_start(index);
            self.push_escaped(line.trim());
        }
        self.end();
    }

    /// A heading of a level from 1 to 6.
    pub(crate) fn heading(&mut self, level: u8, text: &str) {
        let text = crate::signals::one_line(text);
        if text.is_empty() {
            return;
        }
        self.begin();
        self.line_start(0);
        for _ in 0..level.clamp(1, 6) {
            self.push("#");
        }
        self.push(" ");
        self.push(&text);
        self.end();
    }

    /// Code. Where it holds a fence itself it is indented, which no reader of lines can mistake.
    pub(crate) fn code(&mut self, language: &str, code: &str) {
        let code = code.trim_end();
        let code = code.strip_prefix('\n').unwrap_or(code);
        if code.trim().is_empty() {
            return;
        }
        self.begin();
        let is_indented = code.contains("```") && !code.starts_with([' ', '\t', '\n']);
        if !is_indented {
            self.line_start(0);
            self.push(if code.contains("```") { "~~~" } else { "```" });
            self.push(language);
        }
        for (index, line) in code.split('\n').enumerate() {
            let line = line.trim_end_matches('\r');
            if line.is_empty() {
                self.blank_line(index + usize::from(!is_indented));
                continue;
            }
            self.line_start(index + usize::from(!is_indented));
            if is_indented {
                self.push("    ");
            }
            self.push(line);
        }
        if !is_indented {
            self.line_start(1);
            self.push(if code.contains("```") { "~~~" } else { "```" });
        }
        self.end();
    }

    /// A table; its first row is the head.
    pub(crate) fn table(&mut self, grid: &Grid) {
        self.was_table_cut |= grid.was_cut();
        let columns = grid.column_count();
        for (index, row) in grid.rows().enumerate() {
            self.table_row(index, columns, row.iter().map(|cell| grid.text(*cell)));
        }
    }

    /// A row of a table; row 0 is the head and begins the table. What comes next must be its next row or another block.
    pub(crate) fn table_row<'c>(&mut self, index: usize, columns: usize, cells: impl Iterator<Item = &'c str>) {
        if columns == 0 || self.is_full {
            return;
        }
        if index == 0 {
            self.begin();
        } else {
            self.gap = Gap::None;
        }
        self.line_start(index);
        self.push("|");
        for cell in cells.chain(std::iter::repeat("")).take(columns) {
            self.push(" ");
            self.push_cell(cell);
            self.push(" |");
        }
        if index == 0 {
            self.line_start(1);
            self.push("|");
            for _ in 0..columns {
                self.push(" --- |");
            }
        }
        self.end();
    }

    /// A rule between parts.
    pub(crate) fn rule(&mut self) {
        self.begin();
        self.line_start(0);
        self.push("---");
        self.end();
    }

    fn open(&mut self, first: &str, rest: &str) {
        let mut marks = self.first.take().unwrap_or_else(|| self.prefix.clone());
        marks.push_str(first);
        self.first = Some(marks);
        self.prefix.push_str(rest);
        self.added.push(rest.len());
    }

    fn begin(&mut self) {
        self.write_gap();
        self.gap = Gap::None;
    }

    fn end(&mut self) {
        self.gap = Gap::Blank;
        self.shared = self.prefix.len();
    }

    fn write_gap(&mut self) {
        if self.gap == Gap::Blank {
            let shared = self.prefix[..self.shared.min(self.prefix.len())].trim_end().to_owned();
            self.push("\n");
            self.push(&shared);
        }
        if self.gap != Gap::None {
            self.push("\n");
        }
    }

    /// Begins a line of a block: all but the first end the line before.
    fn line_start(&mut self, index: usize) {
        if index > 0 {
            self.push("\n");
        }
        let first = self.first.take();
        let prefix = first.as_ref().unwrap_or(&self.prefix);
        if self.text.len() + prefix.len() <= self.limit {
            self.text.push_str(prefix);
        }
    }

    fn blank_line(&mut self, index: usize) {
        if index > 0 {
            self.push("\n");
        }
        let prefix = self.prefix.trim_end().to_owned();
        self.push(&prefix);
    }

    fn push(&mut self, text: &str) {
        if self.text.len() + text.len() > self.limit {
            self.is_full = true;
        } else if !self.is_full {
            self.text.push_str(text);
        }
    }

    fn push_cell(&mut self, text: &str) {
        if !text.contains(['|', '\n']) {
            return self.push(text);
        }
        for (index, part) in text.split('|').enumerate() {
            if index > 0 {
                self.push("\\|");
            }
            self.push(&part.replace('\n', " "));
        }
    }

    /// A line of a paragraph: what would begin another block is escaped.
    fn push_escaped(&mut self, line: &str) {
        let at = escape_position(line);
        if let Some(at) = at {
            self.push(&line[..at]);
            self.push("\\");
            self.push(&line[at..]);
        } else {
            self.push(line);
        }
    }
}

/// Where a backslash keeps a line a line of text.
pub(crate) fn escape_position(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    let first = *bytes.first()?;
    let is_alone = |length: usize| bytes.get(length).is_none_or(u8::is_ascii_whitespace);
    let run = bytes.iter().take_while(|byte| **byte == first).count();
    let needs = match first {
        b'#' => run <= 6 && is_alone(run),
        b'>' | b'|' => true,
        b'-' | b'=' | b'+' | b'*' | b'_' => {
            (is_alone(1) && !matches!(first, b'=' | b'_'))
                || (run >= 3 && line.bytes().all(|byte| byte == first || byte == b' '))
        }
        b'`' | b'~' => run >= 3,
        b'<' => {
            bytes.get(1).is_some_and(|next| next.is_ascii_alphabetic() || matches!(next, b'/' | b'!' | b'?'))
                && !is_autolink(line)
        }
        b'0'..=b'9' => {
            let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let is_item = digits <= 9 && matches!(bytes.get(digits), Some(b'.' | b')')) && is_alone(digits + 1);
            return is_item.then_some(digits);
        }
        _ => false,
    };
    needs.then_some(0)
}

/// Whether a line begins with an address between angle brackets, which is a link.
fn is_autolink(line: &str) -> bool {
    let Some(end) = line.find(['>', ' ']) else { return false };
    line[end..].starts_with('>') && (line[..end].contains("://") || line[..end].contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Cell;

    #[track_caller]
    fn check(write: impl FnOnce(&mut Writer), expected: &str) {
        let mut writer = Writer::new(10_000);
        write(&mut writer);
        assert_eq!(writer.finish(), expected);
    }

    #[test]
    fn blocks_are_apart_and_items_are_not() {
        check(
            |writer| {
                writer.heading(2, "A\n b");
                writer.paragraph("one\ntwo");
                for marker in ["- ", "- "] {
                    writer.open_item(marker);
                    writer.paragraph("item");
                    writer.close_gap();
                    writer.open_item("1. ");
                    writer.paragraph("inner");
                    writer.close();
                    writer.close();
                    writer.close_gap();
                }
            },
            "## A b\n\none\ntwo\n\n- item\n  1. inner\n- item\n  1. inner\n",
        );
    }

    #[test]
    fn quotes_mark_their_blank_lines() {
        check(
            |writer| {
                writer.paragraph("a");
                writer.open_quote();
                writer.paragraph("b");
                writer.code("", "x\n\ny");
                writer.close();
                writer.paragraph("c");
            },
            "a\n\n> b\n>\n> ```\n> x\n>\n> y\n> ```\n\nc\n",
        );
    }

    #[test]
    fn code_that_holds_a_fence_is_indented() {
        check(|writer| writer.code("py", "a\n\n  b\n"), "```py\na\n\n  b\n```\n");
        check(|writer| writer.code("", "a\n```\nb"), "    a\n    ```\n    b\n");
        check(|writer| writer.code("", "  a\n```\nb"), "~~~\n  a\n```\nb\n~~~\n");
    }

    #[test]
    fn marks_at_the_start_of_a_line_are_escaped() {
        let cases = [
            ("# a", "\\# a"),
            ("#a", "#a"),
            ("12. a", "12\\. a"),
            ("1.5 a", "1.5 a"),
            ("- a", "\\- a"),
            ("-a", "-a"),
            ("---", "\\---"),
            ("**a**", "**a**"),
            ("> a", "\\> a"),
            ("| a", "\\| a"),
            ("<div> a", "\\<div> a"),
            ("<https://a.b> a", "<https://a.b> a"),
            ("```", "\\```"),
        ];
        for (line, expected) in cases {
            check(|writer| writer.paragraph(line), &format!("{expected}\n"));
        }
    }

    #[test]
    fn bars_in_cells_are_escaped() {
        let grid = Grid::expand(vec![vec![Cell::new("a|b"), Cell::new("c\nd")], vec![Cell::new("1"), Cell::new("2")]]);
        check(|writer| writer.table(&grid), "| a\\|b | c d |\n| --- | --- |\n| 1 | 2 |\n");
    }

    #[test]
    fn a_limit_is_held_and_known() {
        let mut writer = Writer::new(5);
        writer.paragraph("one");
        writer.paragraph("two");
        assert!(writer.is_full());
        assert!(writer.finish().len() <= 6);
    }
}
