//! Cutting a text into chunks on its structure.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::blocks::{Block, BlockKind, Table};
use super::measure::TokenCounter;
use crate::settings::{ChunkSettings, SizeUnit};

/// Share of the target from which on a heading ends a chunk that the next block would overfill.
const ENOUGH_BEFORE_HEADING: f64 = 0.4;

/// A piece of a text that is worked on at once.
///
/// Its text is the parts one after the other: usually one, and two where the header of a table or the fence of a code
/// block is repeated before what was cut off from it. Together, the own parts of all chunks hold every block once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    /// Its place among the chunks of the text, from 0.
    pub index: usize,
    /// Bytes of the text, in order.
    pub parts: Vec<Range<usize>>,
    /// The first byte of the chunk's text that no chunk before it held.
    pub own_start: usize,
    /// The headings above its first byte, outermost first, as ranges of the text.
    pub headings: Vec<Range<usize>>,
    /// Characters.
    pub characters: u64,
    /// Tokens.
    pub tokens: u64,
    /// Whether `tokens` is an estimate.
    pub tokens_estimated: bool,
}

impl Chunk {
    /// The chunk's text.
    #[must_use]
    pub fn text(&self, document: &str) -> String {
        self.parts.iter().map(|part| &document[part.clone()]).collect()
    }

    /// The bytes of the document that a range of the chunk's text stands for: one range for each part that it touches.
    #[must_use]
    pub fn locate(&self, range: &Range<usize>) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        let mut before = 0;
        for part in &self.parts {
            let start = range.start.clamp(before, before + part.len());
            let end = range.end.clamp(before, before + part.len());
            if start < end {
                found.push(part.start + start - before..part.start + end - before);
            }
            before += part.len();
        }
        found
    }

    /// The texts of its headings, without marks.
    #[must_use]
    pub fn heading_texts(&self, document: &str) -> Vec<String> {
        let plain =
            |heading: &Range<usize>| document[heading.clone()].trim_matches(['#', ' ', '\n', '=', '-']).to_owned();
        self.headings.iter().map(plain).collect()
    }
}

/// Cuts a text into chunks of about the target's size.
///
/// Sections come first: where a block would overfill a chunk, the chunk ends before the last of the highest headings within it, if
/// enough stands before that, else before the block. Tables and code are cut between rows and lines, with the header or fence repeated;
/// other blocks that are too large between sentences, then words, then characters. After a cut within a section, the
/// end of the chunk before is repeated, whole sentences of it, up to the overlap.
#[must_use]
pub fn split(text: &str, blocks: &[Block], settings: &ChunkSettings, counter: &TokenCounter) -> Vec<Chunk> {
    let mut splitter = Splitter { text, settings, counter, pieces: Vec::new() };
    for (index, block) in blocks.iter().enumerate() {
        // What lies between two blocks, space and marks of quotes, belongs to the first of them.
        let end = blocks.get(index + 1).map_or(text.len(), |next| next.range.start).max(block.range.end);
        splitter.add_block(block, block.range.start..end);
    }
    splitter.pack(blocks)
}

/// What is never cut again.
struct Piece {
    /// The repeated header; empty where there is none.
    header: Range<usize>,
    range: Range<usize>,
    size: usize,
    heading: Option<u8>,
    /// Cut off from the piece before it, so that the two belong together.
    continues: bool,
}

struct Splitter<'a> {
    text: &'a str,
    settings: &'a ChunkSettings,
    counter: &'a TokenCounter,
    pieces: Vec<Piece>,
}

impl Splitter<'_> {
    fn size(&self, range: &Range<usize>) -> usize {
        let text = &self.text[range.clone()];
        match self.settings.unit {
            SizeUnit::Characters => text.chars().count(),
            SizeUnit::Tokens => usize::try_from(self.counter.count(text)).unwrap_or(usize::MAX),
        }
    }

    fn push(&mut self, header: Range<usize>, range: Range<usize>, heading: Option<u8>, continues: bool) {
        let size = self.size(&range);
        self.pieces.push(Piece { header, range, size, heading, continues });
    }

    fn add_block(&mut self, block: &Block, range: Range<usize>) {
        let none = range.start..range.start;
        match &block.kind {
            BlockKind::Heading(level) => self.push(none, range, Some(*level), false),
            _ if self.size(&range) <= self.settings.size => self.push(none, range, None, false),
            BlockKind::Table(table) if !table.rows.is_empty() => self.add_rows(table, range),
            BlockKind::Code { body, .. } if block.range.start < body.start => self.add_lines(body.clone(), range),
            _ => self.add_sentences(none, range),
        }
    }

    fn add_rows(&mut self, table: &Table, range: Range<usize>) {
        let header = if self.size(&table.header) * 2 > self.settings.size { 0..0 } else { table.header.clone() };
        let mut start = range.start;
        for index in 0..table.rows.len() {
            let end = table.rows.get(index + 1).map_or(range.end, |next| next.range.start);
            let repeated = if index == 0 { 0..0 } else { header.clone() };
            if self.size(&(start..end)) > self.settings.size {
                self.add_sentences(repeated, start..end);
            } else {
                self.push(repeated, start..end, None, index > 0);
            }
            start = end;
        }
    }

    fn add_lines(&mut self, body: Range<usize>, range: Range<usize>) {
        let fence = range.start..body.start;
        let mut start = range.start;
        let mut at = body.start;
        for line in self.text[body.clone()].split_inclusive('\n') {
            at += line.len();
            let end = if at >= body.end { range.end } else { at };
            let repeated = if start == range.start { 0..0 } else { fence.clone() };
            if self.size(&(start..end)) > self.settings.size {
                self.add_sentences(repeated, start..end);
            } else {
                self.push(repeated, start..end, None, start > range.start);
            }
            start = end;
        }
    }

    /// Cuts between sentences; a sentence that is too large between words, a word that is too large between characters.
    fn add_sentences(&mut self, header: Range<usize>, range: Range<usize>) {
        // A token holds at least one character of most texts; a window of characters bounds the work per cut.
        let window = self.settings.size.max(1);
        let mut start = range.start;
        while start < range.end {
            let rest = &self.text[start..range.end];
            let end = rest.char_indices().nth(window).map_or(range.end, |(at, _)| start + at);
            let end = if end == range.end { end } else { start + cut_before(&self.text[start..end]) };
            self.push(header.clone(), start..end, None, start > range.start);
            start = end;
        }
    }

    fn pack(&self, blocks: &[Block]) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        let mut first = 0;
        while first < self.pieces.len() {
            let end = self.end_of_chunk(first);
            chunks.push(self.chunk(chunks.len(), first..end, blocks));
            first = end;
        }
        chunks
    }

    /// The piece after the last one of the chunk that begins with `first`.
    fn end_of_chunk(&self, first: usize) -> usize {
        let mut size = self.pieces[first].size;
        let mut end = first + 1;
        let mut best: Option<(u8, usize)> = None;
        while let Some(piece) = self.pieces.get(end) {
            if size + piece.size > self.settings.size {
                break;
            }
            if let Some(level) = piece.heading
                && size as f64 >= ENOUGH_BEFORE_HEADING * self.settings.size as f64
                && best.is_none_or(|(known, _)| level <= known)
            {
                best = Some((level, end));
            }
            size += piece.size;
            end += 1;
        }
        if end == self.pieces.len() || self.pieces[end].heading.is_some() {
            return end;
        }
        // A heading does not stand at the end of a chunk without its text.
        while end > first + 1 && self.pieces[end - 1].heading.is_some() {
            end -= 1;
        }
        match best.filter(|(_, at)| *at < end && !self.pieces[end].continues) {
            Some((_, at)) => at,
            None => end,
        }
    }

    fn chunk(&self, index: usize, pieces: Range<usize>, blocks: &[Block]) -> Chunk {
        let first = &self.pieces[pieces.start];
        let own = first.range.start..self.pieces[pieces.end - 1].range.end;
        let own = own.start..own.start + self.text[own.clone()].trim_end().len().max(1).min(own.len());
        let mut parts = Vec::new();
        let mut own_start = 0;
        if !first.header.is_empty() {
            own_start = first.header.len();
            parts.push(first.header.clone());
            parts.push(own.clone());
        } else if first.heading.is_none() && pieces.start > 0 {
            let start = self.overlap_start(pieces.start);
            own_start = own.start - start;
            parts.push(start..own.end);
        } else {
            parts.push(own.clone());
        }
        let text: String = parts.iter().map(|part| &self.text[part.clone()]).collect();
        Chunk {
            index,
            own_start,
            headings: headings_above(blocks, own.start),
            characters: text.chars().count() as u64,
            tokens: self.counter.count(&text),
            tokens_estimated: self.counter.is_estimate(),
            parts,
        }
    }

    /// Where the repeated end of the text before a piece begins: at the first sentence within the overlap, never before a heading
    /// or within a table or a block of code.
    fn overlap_start(&self, piece: usize) -> usize {
        let end = self.pieces[piece].range.start;
        let mut floor = end;
        for before in self.pieces[..piece].iter().rev() {
            if before.heading.is_some()
                || !before.header.is_empty()
                || self.text[before.range.clone()].starts_with(['|', '`'])
            {
                break;
            }
            floor = before.range.start;
            if self.size(&(floor..end)) >= self.settings.overlap {
                break;
            }
        }
        let characters = match self.settings.unit {
            SizeUnit::Characters => self.settings.overlap,
            SizeUnit::Tokens => self.settings.overlap * 4,
        };
        let before = &self.text[floor..end];
        let within = before.char_indices().rev().take(characters).last().map_or(end, |(at, _)| floor + at);
        if within == floor {
            return floor;
        }
        sentence_starts(&self.text[within..end]).first().map_or(end, |at| within + at)
    }
}

/// Where to cut a text that goes on: after its last sentence, else after its last word, else at its end.
fn cut_before(text: &str) -> usize {
    let half = text.len() / 2;
    let sentence = sentence_starts(text).into_iter().rev().find(|at| *at > half);
    let word = || text.rfind(char::is_whitespace).map(|at| at + text[at..].chars().next().map_or(1, char::len_utf8));
    sentence.or_else(|| word().filter(|at| *at > half)).unwrap_or(text.len())
}

/// Where sentences begin, but for the first: after a mark that ends one and space, and after a line.
fn sentence_starts(text: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut ended = false;
    for (at, char) in text.char_indices() {
        if matches!(char, '.' | '!' | '?' | '\n') {
            ended = true;
        } else if matches!(char, '。' | '！' | '？') {
            starts.push(at + char.len_utf8());
            ended = false;
        } else if !char.is_whitespace() {
            let after_space = text[..at].ends_with(char::is_whitespace);
            if ended && after_space {
                starts.push(at);
            }
            ended = ended && matches!(char, '"' | ')' | '”' | '’');
        }
    }
    starts.retain(|at| *at < text.len());
    starts
}

fn headings_above(blocks: &[Block], at: usize) -> Vec<Range<usize>> {
    let mut path: Vec<(u8, Range<usize>)> = Vec::new();
    for block in blocks.iter().take_while(|block| block.range.start < at) {
        if let BlockKind::Heading(level) = block.kind {
            path.retain(|(known, _)| *known < level);
            path.push((level, block.range.clone()));
        }
    }
    path.into_iter().map(|(_, range)| range).collect()
}

#[cfg(test)]
mod tests {
    use super::super::blocks::blocks;
    use super::*;

    fn chunks(text: &str, size: usize, overlap: usize) -> Vec<Chunk> {
        let settings = ChunkSettings { size, overlap, unit: SizeUnit::Characters };
        split(text, &blocks(text), &settings, &TokenCounter::default())
    }

    fn texts(text: &str, size: usize, overlap: usize) -> Vec<String> {
        chunks(text, size, overlap).iter().map(|chunk| chunk.text(text)).collect()
    }

    #[test]
    fn sections_come_first() {
        let text = "# A\n\nfirst text here\n\n## B\n\nsecond text here, which is longer\n\n## C\n\nthird\n";
        assert_eq!(
            texts(text, 60, 0),
            ["# A\n\nfirst text here", "## B\n\nsecond text here, which is longer\n\n## C\n\nthird"]
        );
        let found = chunks(text, 60, 0);
        assert_eq!(found[1].heading_texts(text), ["A"]);
    }

    #[test]
    fn a_table_is_cut_between_rows_with_its_header() {
        let text = "| a | b |\n|---|---|\n| 1 | 2 |\n| 2 | 3 |\n| 3 | 4 |\n| 5 | 6 |\n";
        let found = chunks(text, 45, 10);
        let shown: Vec<String> = found.iter().map(|chunk| chunk.text(text)).collect();
        assert_eq!(
            shown,
            ["| a | b |\n|---|---|\n| 1 | 2 |\n| 2 | 3 |", "| a | b |\n|---|---|\n| 3 | 4 |\n| 5 | 6 |",]
        );
        let at = shown[1].find('4').unwrap();
        let located = found[1].locate(&(at..at + 1));
        assert_eq!(&text[located[0].clone()], "4");
        assert_eq!(located.len(), 1);
        assert_eq!(found[1].locate(&(0..shown[1].len())).len(), 2);
    }

    #[test]
    fn code_is_cut_between_lines_with_its_fence() {
        let text = "```rust\nlet one = 1;\nlet two = 2;\nlet three = 3;\n```\n";
        assert_eq!(texts(text, 36, 0), ["```rust\nlet one = 1;\nlet two = 2;", "```rust\nlet three = 3;\n```"]);
    }

    #[test]
    fn the_end_of_the_chunk_before_is_repeated() {
        let text = "One sentence is here. Another one is here. A third one stands here. The fourth is the last one.\n";
        assert_eq!(
            texts(text, 60, 25),
            [
                "One sentence is here. Another one is here.",
                "Another one is here. A third one stands here. The fourth is the last one."
            ]
        );
    }

    #[test]
    fn a_single_line_without_end_is_cut() {
        let text = "x".repeat(1000);
        assert_eq!(texts(&text, 300, 0).iter().map(String::len).collect::<Vec<_>>(), [300, 300, 300, 100]);
    }

    proptest::proptest! {
        #[test]
        fn every_block_is_in_a_chunk_and_every_byte_is_located(
            text in "([a-c#|\\-` \n0-9.é]|\n\n# |\n\\| a \\| b \\|\n\\|---\\|---\\|\n){0,60}", size in 4_usize..60, overlap in 0_usize..20,
        ) {
            let all = blocks(&text);
            let found = chunks(&text, size, overlap);
            let mut covered = vec![false; text.len()];
            for chunk in &found {
                let own = chunk.text(&text);
                proptest::prop_assert!(chunk.own_start <= own.len());
                for range in chunk.locate(&(0..own.len())) {
                    covered[range].fill(true);
                }
            }
            for block in &all {
                for at in block.range.clone() {
                    proptest::prop_assert!(covered[at] || text.as_bytes()[at].is_ascii_whitespace(), "{at} of {text:?}");
                }
            }
        }
    }
}
