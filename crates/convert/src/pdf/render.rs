//! Blocks become Markdown, with the byte at which each page begins.

use std::collections::HashSet;

use unpdf::parser::bidi;

use super::blocks::{Block, Kind, Norms};
use super::table::Table;
use super::word::{Line, Sheet, Style, Word, gap_is_space};
use crate::document::Page;

/// Words of the document, which tell a word that was parted at a line's end from one with a hyphen.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    words: HashSet<String>,
    /// Most hyphens at ends of lines part words that stand whole elsewhere.
    parts_words: bool,
}

impl Lexicon {
    pub(super) fn of(sheets: &[Sheet]) -> Self {
        let words =
            sheets.iter().flat_map(|sheet| &sheet.words).map(|word| bare(&word.text)).filter(|word| word.len() > 2);
        let mut lexicon = Self { words: words.collect(), parts_words: false };
        let (mut whole, mut hyphened) = (0, 0);
        for sheet in sheets {
            for pair in sheet.words.windows(2).filter(|pair| pair[1].y > pair[0].y + 0.5 * pair[0].size) {
                let Some((head, tail)) = parts(&pair[0].text, &pair[1].text) else { continue };
                whole += usize::from(lexicon.words.contains(&format!("{head}{tail}")));
                hyphened += usize::from(lexicon.words.contains(&format!("{head}-{tail}")));
            }
        }
        // Who has a sign for parted words does not part them with the one that belongs to the word.
        let soft = |word: &Word| word.text.ends_with(['\u{ad}', '\u{2010}']);
        lexicon.parts_words = whole > 2 * hyphened && !sheets.iter().any(|sheet| sheet.words.iter().any(soft));
        lexicon
    }

    /// What remains of the sign between the end of a line and the beginning of the next: nothing, or the sign itself;
    /// `None` where the two are words of their own.
    fn joint(&self, end: &str, start: &str) -> Option<&'static str> {
        let last = end.chars().next_back()?;
        // Addresses and paths are broken behind their strokes.
        if last == '/' {
            return Some("/");
        }
        let before = end.strip_suffix(last)?.chars().next_back()?;
        if !before.is_alphanumeric() || !start.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_') {
            return None;
        }
        match last {
            '\u{ad}' | '\u{2010}' => Some(""),
            '-' => {
                let Some((head, tail)) = parts(end, start) else { return Some("-") };
                let whole = self.words.contains(&format!("{head}{tail}"));
                let hyphened = self.words.contains(&format!("{head}-{tail}"));
                Some(if !hyphened && (whole || self.parts_words) { "" } else { "-" })
            }
            _ => None,
        }
    }
}

/// The two parts of a word around a hyphen at a line's end: letters on both sides, the second in lower case.
fn parts(end: &str, start: &str) -> Option<(String, String)> {
    let head = end.strip_suffix('-')?.rsplit(|letter: char| !letter.is_alphanumeric()).next()?;
    let tail = start.split(|letter: char| !letter.is_alphanumeric()).next()?;
    let letters = |part: &str| part.len() > 1 && part.chars().all(char::is_alphabetic);
    (letters(head) && letters(tail) && tail.starts_with(char::is_lowercase))
        .then(|| (head.to_lowercase(), tail.to_lowercase()))
}

fn bare(text: &str) -> String {
    text.trim_matches(|letter: char| !letter.is_alphanumeric()).to_lowercase()
}

/// The text, and where its pages begin.
pub(super) struct Rendered {
    pub markdown: String,
    pub pages: Vec<Page>,
}

pub(super) fn render(blocks: &[Block], lexicon: &Lexicon, norms: &Norms) -> Rendered {
    let mut rendered = Rendered { markdown: String::new(), pages: Vec::new() };
    let levels = heading_sizes(blocks);
    let blocks = joined(blocks, lexicon);
    let mut indents: Vec<f32> = Vec::new();
    let mut before_item = false;
    for block in &blocks {
        let text = match &block.kind {
            Kind::Heading { size, lines } => {
                let level = levels.iter().filter(|other| **other > size + 0.08 * size).count() + 1;
                format!("{} {}", "#".repeat(level.min(6)), flowed(lines, lexicon, Emphasis::Code))
            }
            Kind::Paragraph { lines } => guarded(flowed(lines, lexicon, Emphasis::All)),
            Kind::Item { marker, x, lines } => {
                indents.retain(|indent| *indent < x - 0.4 * norms.size);
                let depth = indents.len();
                indents.push(*x);
                let marker = if marker.is_empty() { "-" } else { marker };
                format!("{}{marker} {}", "    ".repeat(depth.min(8)), flowed(lines, lexicon, Emphasis::All))
            }
            Kind::Code { lines } => code(lines, lexicon),
            Kind::Table { table } => table_text(table, lexicon),
        };
        let item = matches!(block.kind, Kind::Item { .. });
        if !item {
            indents.clear();
        }
        if !rendered.markdown.is_empty() {
            rendered.markdown.push_str(if item && before_item { "\n" } else { "\n\n" });
        }
        before_item = item;
        let start = rendered.markdown.len();
        while rendered.pages.last().is_none_or(|page| page.number < block.page) {
            let number = rendered.pages.last().map_or(1, |page| page.number + 1);
            let start = if rendered.pages.is_empty() { 0 } else { start };
            rendered.pages.push(Page { number, start, name: None });
        }
        rendered.markdown.push_str(&text);
    }
    if !rendered.markdown.is_empty() {
        rendered.markdown.push('\n');
    }
    rendered
}

/// The sizes of headings, the largest first.
fn heading_sizes(blocks: &[Block]) -> Vec<f32> {
    let mut sizes: Vec<f32> = blocks
        .iter()
        .filter_map(|block| match &block.kind {
            Kind::Heading { size, .. } => Some(*size),
            _ => None,
        })
        .collect();
    sizes.sort_by(|a, b| b.total_cmp(a));
    sizes.dedup_by(|b, a| *a - *b < 0.08 * *a);
    sizes
}

/// Paragraphs, code and tables that go on in the next column or on the next page become one.
fn joined(blocks: &[Block], lexicon: &Lexicon) -> Vec<Block> {
    let mut all: Vec<Block> = Vec::new();
    for block in blocks {
        if let Some(last) = all.last_mut()
            && absorbs(last, block, lexicon)
        {
            continue;
        }
        all.push(block.clone());
    }
    all
}

fn absorbs(last: &mut Block, block: &Block, lexicon: &Lexicon) -> bool {
    match (&mut last.kind, &block.kind) {
        (Kind::Paragraph { lines } | Kind::Item { lines, .. }, Kind::Paragraph { lines: more }) => {
            let (Some(end), Some(start)) = (lines.last(), more.first()) else { return false };
            let above = start.y() <= end.y();
            let (end, start) = (end.text(), start.text());
            let open = !end.ends_with(['.', ':', '!', '?', '”', '"', ')']);
            let goes_on = above
                && (open && start.starts_with(char::is_lowercase) || lexicon.joint(last_word(&end), &start).is_some());
            if goes_on {
                lines.extend(more.iter().cloned());
            }
            goes_on
        }
        (Kind::Code { lines }, Kind::Code { lines: more }) => {
            // The next column or page begins above the end of this one.
            let above = more.first().map(Line::y) <= lines.last().map(Line::y);
            if above {
                lines.extend(more.iter().cloned());
            }
            above
        }
        (Kind::Table { table }, Kind::Table { table: more }) => {
            let header = |table: &Table| {
                table.rows.first().map(|row| row.iter().map(|cell| cell_text(cell, lexicon)).collect::<Vec<_>>())
            };
            let again = block.page > last.page && header(table) == header(more);
            if again {
                let mut rows = more.rows.iter().skip(1).cloned().peekable();
                if let (Some(end), Some(row)) = (table.rows.last_mut(), rows.peek())
                    && row.first().is_some_and(Vec::is_empty)
                    && end.iter().zip(row).all(|(upper, lower)| upper.is_empty() || lower.is_empty())
                {
                    // A row that the page's end parted.
                    for (upper, lower) in end.iter_mut().zip(rows.next().unwrap_or_default()) {
                        upper.extend(lower);
                    }
                }
                table.rows.extend(rows);
            }
            again
        }
        _ => false,
    }
}

fn last_word(text: &str) -> &str {
    text.rsplit(' ').next().unwrap_or(text)
}

/// Which styles become marks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Emphasis {
    All,
    Code,
}

/// Lines as one text.
fn flowed(lines: &[Line], lexicon: &Lexicon, emphasis: Emphasis) -> String {
    let mut text = Flow { text: String::new(), open: Style::default(), emphasis };
    for (index, line) in lines.iter().enumerate() {
        let words = ordered(line);
        for (place, word) in words.iter().enumerate() {
            let joint = match (index, place) {
                (0, 0) => Joint::None,
                (_, 0) => match lexicon.joint(last_word(text.text.trim_end_matches(['*', '`'])), &word.text) {
                    Some("") => Joint::WithoutHyphen,
                    Some(_) => Joint::None,
                    None if is_ideographic(&text.text, &word.text) => Joint::None,
                    None => Joint::Space,
                },
                _ if gap_is_space(&words[place - 1], word) => Joint::Space,
                _ => Joint::None,
            };
            text.push(word, joint);
        }
    }
    text.finish()
}

/// From right to left, words stand in the order of their sight; their text is brought into the order of reading.
fn ordered(line: &Line) -> Vec<Word> {
    let right_to_left = line.words.iter().filter(|word| bidi::contains_rtl(&word.text)).count();
    if right_to_left == 0 {
        return line.words.clone();
    }
    let Some(first) = line.words.first() else { return Vec::new() };
    // A mark at its beginning says which way the line runs as a whole.
    let mark = if line.is_right_to_left() { "\u{200f}" } else { "\u{200e}" };
    let text = bidi::reorder_bidi(&format!("{mark}{}", line.text())).replace(['\u{200e}', '\u{200f}'], "");
    vec![Word { text, ..first.clone() }]
}

/// Chinese and Japanese have no spaces between lines.
fn is_ideographic(before: &str, after: &str) -> bool {
    let wide = |letter: Option<char>| {
        letter.is_some_and(|letter| {
            ('\u{3040}'..='\u{9fff}').contains(&letter) || ('\u{ff00}'..='\u{ffef}').contains(&letter)
        })
    };
    wide(before.chars().next_back()) && wide(after.chars().next())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Joint {
    None,
    Space,
    WithoutHyphen,
}

struct Flow {
    text: String,
    open: Style,
    emphasis: Emphasis,
}

impl Flow {
    fn push(&mut self, word: &Word, joint: Joint) {
        let style = match self.emphasis {
            Emphasis::All => Style { italic: false, bold: word.style.bold && !word.style.mono, ..word.style },
            Emphasis::Code => Style { mono: word.style.mono, ..Style::default() },
        };
        if joint == Joint::WithoutHyphen {
            let marks = self.text.len() - self.text.trim_end_matches(['*', '`']).len();
            let at = self.text.len() - marks;
            if let Some(hyphen) = self.text[..at].chars().next_back() {
                self.text.remove(at - hyphen.len_utf8());
            }
        }
        if style == self.open {
            if joint == Joint::Space {
                self.text.push(' ');
            }
        } else {
            self.close();
            if joint == Joint::Space {
                self.text.push(' ');
            }
            self.text.push_str(mark(style));
            self.open = style;
        }
        let inner = if style.mono { word.text.replace('`', "'") } else { word.text.replace('\u{ad}', "") };
        self.text.push_str(&inner);
    }

    fn close(&mut self) {
        self.text.push_str(mark(self.open));
        self.open = Style::default();
    }

    fn finish(mut self) -> String {
        self.close();
        self.text
    }
}

fn mark(style: Style) -> &'static str {
    match (style.mono, style.bold) {
        (true, _) => "`",
        (false, true) => "**",
        (false, false) => "",
    }
}

/// A paragraph that would read as something else.
fn guarded(text: String) -> String {
    let marker = text.starts_with(['#', '>', '+', '|'])
        || text.starts_with("- ")
        || text.starts_with("---")
        || text.starts_with("```");
    if marker { format!("\\{text}") } else { text }
}

/// Code keeps its lines and its indents, in steps of its letters.
fn code(lines: &[Line], lexicon: &Lexicon) -> String {
    let pitch = lines
        .iter()
        .flat_map(|line| &line.words)
        .filter(|word| word.text.chars().count() > 1)
        .map(|word| (word.x1 - word.x0) / word.text.chars().count() as f32)
        .next()
        .unwrap_or(5.0)
        .max(0.5);
    let left = lines.iter().map(Line::x0).fold(f32::MAX, f32::min);
    let right = lines.iter().map(Line::x1).fold(f32::MIN, f32::max);
    let mut text = String::new();
    let longest = lines
        .iter()
        .map(|line| line.text().chars().rev().take_while(|letter| *letter == '`').count())
        .max()
        .unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    text.push_str(&fence);
    for (index, line) in lines.iter().enumerate() {
        let step = index.checked_sub(1).map_or(0.0, |before| line.y() - lines[before].y());
        let joint = if index > 0 { lexicon.joint(last_word(&text), &line.words[0].text) } else { None };
        // A line that was broken, not ended: by a hyphen that is none of the code's, or because the next word had no room.
        let broken = match joint {
            Some("") if text.ends_with(['\u{2010}', '\u{ad}']) => {
                text.pop();
                true
            }
            Some(_) => lines[index - 1].x1() + (line.words[0].x1 - line.words[0].x0) > right + pitch,
            None => false,
        };
        if !broken {
            text.push('\n');
            if step > 1.7 * line.size() && step < 4.0 * line.size() {
                text.push('\n');
            }
            text.push_str(&" ".repeat(steps(line.x0() - left, pitch)));
        }
        for (place, word) in line.words.iter().enumerate() {
            if place > 0 {
                let gap = word.x0 - line.words[place - 1].x1;
                let least = usize::from(gap_is_space(&line.words[place - 1], word));
                text.push_str(&" ".repeat(steps(gap, pitch).max(least)));
            }
            text.push_str(&word.text);
        }
    }
    text.push('\n');
    text.push_str(&fence);
    text
}

fn steps(width: f32, pitch: f32) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded before")]
    let steps = (width / pitch).round().clamp(0.0, 200.0) as usize;
    steps
}

fn cell_text(cell: &[Line], lexicon: &Lexicon) -> String {
    flowed(cell, lexicon, Emphasis::Code).replace('|', "\\|")
}

fn table_text(table: &Table, lexicon: &Lexicon) -> String {
    let mut text = String::new();
    for (index, row) in table.rows.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        text.push('|');
        for cell in row {
            text.push(' ');
            text.push_str(&cell_text(cell, lexicon));
            text.push_str(" |");
        }
        if index == 0 {
            text.push_str("\n|");
            text.push_str(&"---|".repeat(row.len()));
        }
    }
    text
}
