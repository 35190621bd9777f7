//! The blocks of a Markdown text with their byte ranges.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// A block of a text. Blocks come in order and do not overlap; what lies between them is space and markers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its bytes, without the space after it.
    pub range: Range<usize>,
    /// What it is.
    pub kind: BlockKind,
}

/// What a block is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// A heading of a level, 1 to 6.
    Heading(u8),
    /// A paragraph.
    Paragraph,
    /// The own text of an item of a list, without the lists within it.
    Item {
        /// Its number in an ordered list.
        number: Option<u64>,
        /// Lists around its list.
        depth: u32,
        /// Which list of the text, from 0, in the order of their beginnings.
        list: u32,
    },
    /// A block of code, fences included.
    Code {
        /// The first word of the fence's line; empty where there is none.
        language: String,
        /// The code itself.
        body: Range<usize>,
    },
    /// A table.
    Table(Table),
    /// HTML.
    Html,
}

/// The parts of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The header row with the line under it, to the first byte of the first row.
    pub header: Range<usize>,
    /// The cells of the header row, trimmed.
    pub columns: Vec<Range<usize>>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its bytes.
    pub range: Range<usize>,
    /// Its cells, trimmed.
    pub cells: Vec<Range<usize>>,
}

/// The blocks of a text.
#[must_use]
pub fn blocks(text: &str) -> Vec<Block> {
    let mut walk = Walk { text, blocks: Vec::new(), lists: Vec::new(), items: Vec::new(), table: None, list_count: 0 };
    let mut code: Option<(String, Option<Range<usize>>)> = None;
    for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                walk.close_item_text(range.start);
                let language = match &kind {
                    CodeBlockKind::Fenced(info) => info.split_whitespace().next().unwrap_or_default().to_owned(),
                    CodeBlockKind::Indented => String::new(),
                };
                code = Some((language, None));
            }
            Event::Text(_) if code.is_some() => {
                if let Some((_, body)) = &mut code {
                    body.get_or_insert(range.clone()).end = range.end;
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                let (language, body) = code.take().unwrap_or_default();
                let body = body.unwrap_or(range.end..range.end);
                walk.push(range, BlockKind::Code { language, body });
            }
            Event::Start(tag) => walk.start(&tag, range),
            Event::End(tag) => walk.end(tag, range),
            _ => {}
        }
    }
    // Items within items end after what they hold.
    walk.blocks.sort_by_key(|block| (block.range.start, block.range.end));
    walk.blocks
}

struct Walk<'a> {
    text: &'a str,
    blocks: Vec<Block>,
    /// Number of the next item of each open list, and which list it is.
    lists: Vec<(Option<u64>, u32)>,
    /// Open items: their block while its own text goes on.
    items: Vec<Option<Block>>,
    table: Option<Table>,
    list_count: u32,
}

impl Walk<'_> {
    fn start(&mut self, tag: &Tag<'_>, range: Range<usize>) {
        match tag {
            Tag::List(first) => {
                self.close_item_text(range.start);
                self.lists.push((*first, self.list_count));
                self.list_count += 1;
            }
            Tag::Item => {
                let depth = u32::try_from(self.lists.len().saturating_sub(1)).unwrap_or(u32::MAX);
                let (number, list) = self.lists.last().copied().unwrap_or((None, 0));
                if let Some((Some(next), _)) = self.lists.last_mut() {
                    *next = next.saturating_add(1);
                }
                self.items.push(Some(Block { range, kind: BlockKind::Item { number, depth, list } }));
            }
            Tag::Table(_) => {
                self.close_item_text(range.start);
                self.table = Some(Table { header: range.start..range.start, ..Table::default() });
            }
            Tag::TableRow => {
                let table = self.table.get_or_insert_default();
                if table.rows.is_empty() {
                    table.header.end = range.start;
                }
                table.rows.push(Row { range, cells: Vec::new() });
            }
            Tag::TableCell => {
                let cell = trimmed(self.text, range);
                let table = self.table.get_or_insert_default();
                match table.rows.last_mut() {
                    Some(row) => row.cells.push(cell),
                    None => table.columns.push(cell),
                }
            }
            Tag::Heading { .. } | Tag::HtmlBlock | Tag::BlockQuote(_) => self.close_item_text(range.start),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd, range: Range<usize>) {
        match tag {
            TagEnd::Heading(level) => self.push(range, BlockKind::Heading(level_of(level))),
            TagEnd::Paragraph if self.items.last().is_some_and(Option::is_some) => {}
            TagEnd::Paragraph => self.push(range, BlockKind::Paragraph),
            TagEnd::HtmlBlock => self.push(range, BlockKind::Html),
            TagEnd::Item => {
                self.close_item_text(range.end);
                self.items.pop();
            }
            TagEnd::List(_) => drop(self.lists.pop()),
            TagEnd::Table => {
                let mut table = self.table.take().unwrap_or_default();
                if table.rows.is_empty() {
                    table.header.end = range.end;
                }
                self.push(range, BlockKind::Table(table));
            }
            _ => {}
        }
    }

    /// The own text of the innermost item ends here, where a block within it begins.
    fn close_item_text(&mut self, at: usize) {
        if let Some(block) = self.items.last_mut().and_then(Option::take) {
            let range = block.range.start..at.clamp(block.range.start, block.range.end);
            self.push(range, block.kind);
        }
    }

    fn push(&mut self, range: Range<usize>, kind: BlockKind) {
        let trimmed = range.start..range.start + self.text[range.clone()].trim_end().len();
        if !trimmed.is_empty() {
            self.blocks.push(Block { range: trimmed, kind });
        }
    }
}

/// A range without the space at its ends.
pub(crate) fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let inner = &text[range.clone()];
    let start = range.start + (inner.len() - inner.trim_start().len());
    start..start + inner.trim().len()
}

fn level_of(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<(String, &str)> {
        let kind = |kind: &BlockKind| match kind {
            BlockKind::Heading(level) => format!("h{level}"),
            BlockKind::Paragraph => "p".to_owned(),
            BlockKind::Item { number, depth, list } => format!("li{}@{depth}/{list}", number.unwrap_or(0)),
            BlockKind::Code { language, body } => format!("code {language}={}", &text[body.clone()]),
            BlockKind::Table(table) => format!("table {}x{}", table.columns.len(), table.rows.len()),
            BlockKind::Html => "html".to_owned(),
        };
        blocks(text).iter().map(|block| (kind(&block.kind), &text[block.range.clone()])).collect()
    }

    #[test]
    fn blocks_have_their_ranges() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let expected: Vec<(String, &str)> =
                expected.iter().map(|(kind, text)| ((*kind).to_owned(), *text)).collect();
            assert_eq!(shown(text), expected);
        };
        check("# A\n\ntext\nmore\n", &[("h1", "# A"), ("p", "text\nmore")]);
        check(
            "1. one\n2. two\n   - in\n\n   after\n",
            &[("li1@0/0", "1. one"), ("li2@0/0", "2. two"), ("li0@1/1", "- in"), ("p", "after")],
        );
        check("```rs x\nfn\n```\n", &[("code rs=fn\n", "```rs x\nfn\n```")]);
        check("| a | b |\n|---|---|\n| 1 | 2 |\n", &[("table 2x1", "| a | b |\n|---|---|\n| 1 | 2 |")]);
        check("> quoted\n", &[("p", "quoted")]);
    }

    #[test]
    fn a_table_knows_its_header_and_cells() {
        let text = "| a | b c |\n|---|---|\n| 1 | 2 |\n";
        let BlockKind::Table(table) = &blocks(text)[0].kind else { panic!("no table") };
        assert_eq!(&text[table.header.clone()], "| a | b c |\n|---|---|\n");
        assert_eq!(table.columns.iter().map(|cell| &text[cell.clone()]).collect::<Vec<_>>(), ["a", "b c"]);
        assert_eq!(table.rows[0].cells.iter().map(|cell| &text[cell.clone()]).collect::<Vec<_>>(), ["1", "2"]);
    }

    proptest::proptest! {
        #[test]
        fn blocks_lie_in_order(text in "[a-c#|\\-` \n0-9.>*]{0,120}") {
            let mut end = 0;
            for block in blocks(&text) {
                proptest::prop_assert!(block.range.start >= end, "{:?}", blocks(&text));
                proptest::prop_assert!(text.is_char_boundary(block.range.start) && text.is_char_boundary(block.range.end));
                end = block.range.end;
            }
        }
    }
}
