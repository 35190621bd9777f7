//! Lines become headings, paragraphs, items of lists, code and tables.

use super::columns::Item;
use super::table::{Table, is_bullet, is_marker, unruled};
use super::word::{Line, Sheet, lines_of};

/// A part of the text.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub kind: Kind,
    /// On which page it begins.
    pub page: u32,
}

/// The kinds of [`Block`]s.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// By its size, which says its level; bold ones of the size of the text come last.
    Heading {
        size: f32,
        lines: Vec<Line>,
    },
    Paragraph {
        lines: Vec<Line>,
    },
    /// `marker` is a number with its stop, or empty for a bullet; `x` is where it stands.
    Item {
        marker: String,
        x: f32,
        lines: Vec<Line>,
    },
    Code {
        lines: Vec<Line>,
    },
    Table {
        table: Table,
    },
}

/// What is usual in the document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Norms {
    /// The size of most of its letters.
    pub size: f32,
    /// From baseline to baseline, of that size.
    pub leading: f32,
}

impl Norms {
    pub(super) fn of(sheets: &[Sheet]) -> Self {
        let mut sizes: Vec<(f32, usize)> = Vec::new();
        let words = sheets.iter().flat_map(|sheet| &sheet.words);
        let proportional = words.clone().any(|word| !word.style.mono);
        for word in words.filter(|word| !proportional || !word.style.mono) {
            let size = (word.size * 4.0).round() / 4.0;
            match sizes.iter_mut().find(|(other, _)| (*other - size).abs() < 0.1) {
                Some((_, letters)) => *letters += word.text.len(),
                None => sizes.push((size, word.text.len())),
            }
        }
        let size = sizes.iter().max_by_key(|(_, letters)| *letters).map_or(10.0, |(size, _)| *size);
        let mut steps: Vec<f32> = Vec::new();
        for sheet in sheets {
            let mut ys: Vec<f32> =
                sheet.words.iter().filter(|word| (word.size - size).abs() < 0.3).map(|word| word.y).collect();
            ys.sort_by(f32::total_cmp);
            steps.extend(
                ys.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| (0.9 * size..2.2 * size).contains(step)),
            );
        }
        steps.sort_by(f32::total_cmp);
        // The lower half of the steps: those within paragraphs.
        let leading = steps.get(steps.len() * 3 / 10).copied().unwrap_or(1.2 * size);
        Self { size, leading }
    }
}

/// The blocks of one column.
pub(super) fn blocks_of(items: Vec<Item>, page: u32, norms: &Norms) -> Vec<Block> {
    let mut words = Vec::new();
    let mut tables: Vec<Table> = Vec::new();
    for item in items {
        match item {
            Item::Word(word) => words.push(word),
            Item::Table(table) => tables.push(table),
        }
    }
    tables.sort_by(|a, b| a.frame.y0.total_cmp(&b.frame.y0));
    let lines = lines_of(words);
    let mut maker =
        Maker { page, norms, blocks: Vec::new(), left: left_of(&lines), right: right_of(&lines), last: None };
    let found = unruled(&lines);
    let mut tables = tables.into_iter().peekable();
    let mut index = 0;
    while index < lines.len() {
        while let Some(table) = tables.next_if(|table| table.frame.y0 < lines[index].y()) {
            maker.table(table);
        }
        if let Some((range, table)) = found.iter().find(|(range, _)| range.start == index) {
            maker.table(table.clone());
            index = range.end;
            continue;
        }
        maker.line(&lines[index], lines.get(index + 1));
        index += 1;
    }
    tables.for_each(|table| maker.table(table));
    maker.blocks
}

fn left_of(lines: &[Line]) -> f32 {
    lines.iter().map(Line::x0).fold(f32::MAX, f32::min)
}

fn right_of(lines: &[Line]) -> f32 {
    lines.iter().map(Line::x1).fold(f32::MIN, f32::max)
}

struct Maker<'a> {
    page: u32,
    norms: &'a Norms,
    blocks: Vec<Block>,
    left: f32,
    right: f32,
    last: Option<Line>,
}

impl Maker<'_> {
    fn push(&mut self, kind: Kind) {
        self.blocks.push(Block { kind, page: self.page });
    }

    fn table(&mut self, table: Table) {
        self.last = None;
        self.push(Kind::Table { table });
    }

    fn line(&mut self, line: &Line, next: Option<&Line>) {
        let last = self.last.replace(line.clone());
        // Code within a sentence goes on in the next line.
        let within = last.as_ref().is_some_and(|last| {
            last.words.last().is_some_and(|word| word.style.mono)
                && !is_code(last, self.norms)
                && self.is_continued(last, line)
        });
        if is_code(line, self.norms) && !within {
            self.code(line, last.as_ref());
        } else if is_heading(line, last.as_ref(), next, self.norms) {
            self.heading(line, last.as_ref());
        } else if let Some((marker, item)) = item_of(line) {
            self.push(Kind::Item { marker, x: line.x0(), lines: vec![item] });
        } else {
            self.text(line, last.as_ref());
        }
    }

    fn code(&mut self, line: &Line, last: Option<&Line>) {
        if let (Some(Block { kind: Kind::Code { lines }, .. }), Some(last)) = (self.blocks.last_mut(), last)
            && line.y() - last.y() < 4.0 * line.size()
        {
            lines.push(line.clone());
            return;
        }
        self.push(Kind::Code { lines: vec![line.clone()] });
    }

    fn heading(&mut self, line: &Line, last: Option<&Line>) {
        if let (Some(Block { kind: Kind::Heading { size, lines }, .. }), Some(last)) = (self.blocks.last_mut(), last)
            && (*size - line.size()).abs() < 0.05 * line.size()
            && line.y() - last.y() < 1.45 * line.size()
        {
            lines.push(line.clone());
            return;
        }
        self.push(Kind::Heading { size: line.size(), lines: vec![line.clone()] });
    }

    /// A line of text goes on with what is before it, unless there is room between them or an indent.
    fn text(&mut self, line: &Line, last: Option<&Line>) {
        let continues = last.is_some_and(|last| self.is_continued(last, line));
        match self.blocks.last_mut() {
            Some(Block { kind: Kind::Paragraph { lines }, .. }) if continues => lines.push(line.clone()),
            Some(Block { kind: Kind::Item { lines, x, .. }, .. }) if continues && line.x0() > *x + 1.0 => {
                lines.push(line.clone())
            }
            _ => self.push(Kind::Paragraph { lines: vec![line.clone()] }),
        }
    }

    fn is_continued(&self, last: &Line, line: &Line) -> bool {
        let size = line.size();
        let step = line.y() - last.y();
        let usual = (self.norms.leading * size / self.norms.size).max(1.05 * size);
        if step > 1.3 * usual || step > 2.0 * size || (last.size() - size).abs() > 0.12 * size {
            return false;
        }
        // A short line that ends a sentence, before one that is indented, ends its paragraph.
        let short = last.x1() < self.right - 0.2 * (self.right - self.left);
        let ends = last.text().ends_with(['.', ':', '!', '?']);
        let indented = line.x0() > self.left + 0.8 * size && last.x0() <= self.left + 1.0;
        let ends_paragraph = ends && short && (indented || step > 1.1 * usual);
        !ends_paragraph
    }
}

/// All of one fixed pitch, and long enough or not larger than the text.
fn is_code(line: &Line, norms: &Norms) -> bool {
    line.all(|style| style.mono) && line.size() < 1.1 * norms.size
}

fn is_heading(line: &Line, last: Option<&Line>, next: Option<&Line>, norms: &Norms) -> bool {
    let text = line.text();
    let letters = text.chars().filter(|letter| letter.is_alphabetic()).count();
    if letters < 2 || text.chars().count() > 200 {
        return false;
    }
    let ratio = line.size() / norms.size;
    let bold = line.all(|style| style.bold);
    if ratio >= 1.12 || (ratio >= 1.04 && bold) {
        return true;
    }
    // Of the size of the text: bold, short, alone, and not the beginning of a sentence.
    let alone_above =
        last.is_none_or(|last| line.y() - last.y() > 1.35 * norms.leading || last.size() > 1.04 * norms.size);
    let alone_below =
        next.is_none_or(|next| next.y() - line.y() > 1.15 * norms.leading || !next.all(|style| style.bold));
    bold && ratio > 0.95
        && alone_above
        && alone_below
        && line.words.len() <= 12
        && !text.ends_with(['.', ':', ',', ';', '-'])
        && item_of(line).is_none_or(|(marker, _)| !marker.is_empty())
}

/// The marker of a list's item and the rest of its line.
fn item_of(line: &Line) -> Option<(String, Line)> {
    let first = line.words.first()?;
    let mut rest = line.clone();
    if line.words.len() > 1 && is_marker(&first.text) {
        let bullet = first.text.chars().all(is_bullet);
        let ordered = first.text.ends_with(['.', ')']) && !first.text.trim_end_matches(['.', ')']).contains('.');
        if bullet || ordered {
            let marker = if bullet { String::new() } else { first.text.clone() };
            rest.words.remove(0);
            return Some((marker, rest));
        }
        return None;
    }
    // A bullet that touches its text.
    let mut letters = first.text.chars();
    if letters.next().is_some_and(|letter| "•◦▪●○■‣➢\u{f0b7}\u{f0a7}".contains(letter)) && !letters.as_str().is_empty()
    {
        rest.words[0].text = letters.as_str().to_owned();
        return Some((String::new(), rest));
    }
    None
}
