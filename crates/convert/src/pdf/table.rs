//! Tables: by their rules where they are drawn, by the empty strips between their cells where they are not.

use unpdf::parser::bidi;

use super::columns::fragments_of;
use super::word::{Frame, Line, Sheet, Word, lines_of};

/// Rules nearer than this are one, in points.
const SAME: f32 = 2.5;
/// Rules farther apart than this, of the height of the page, are of different things.
const FAR: f32 = 0.35;

/// Rows of cells; each cell is its lines.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub frame: Frame,
    pub rows: Vec<Vec<Vec<Line>>>,
}

impl Table {
    /// A table worth the name: two rows, two columns, and most rows with more than one cell filled. Where every cell is
    /// drawn, one such row is enough.
    fn is_sound(&self, drawn: bool) -> bool {
        let columns = self.rows.first().map_or(0, Vec::len);
        let full = self.rows.iter().filter(|row| row.iter().filter(|cell| !cell.is_empty()).count() >= 2).count();
        let cells = || self.rows.iter().flatten().filter(|cell| !cell.is_empty());
        let words: usize = cells().flatten().map(|line| line.words.len()).sum();
        // Frames around paragraphs are the layout of a page.
        let wordy = words > 40 * cells().count();
        columns >= 2 && self.rows.len() >= 2 && !wordy && (2 * full > self.rows.len() || drawn && full > 0)
    }
}

/// Takes the tables that are drawn with rules out of a page.
pub(super) fn ruled(sheet: &mut Sheet) -> Vec<Table> {
    let level = merged(&sheet.level_rules, false);
    let upright = merged(&sheet.upright_rules, true);
    let mut tables: Vec<Table> = Vec::new();
    for (level, upright) in groups(&level, &upright, sheet.height) {
        let Some(table) = table_of(&level, &upright, &sheet.words) else { continue };
        let frame = grown(&table.frame);
        sheet.words.retain(|word| !frame.holds(word.middle()));
        tables.push(table);
    }
    tables
}

fn grown(frame: &Frame) -> Frame {
    Frame { x0: frame.x0 - 1.0, y0: frame.y0 - 1.0, x1: frame.x1 + 1.0, y1: frame.y1 + 1.0 }
}

/// Pieces of one rule become one; drawings with very many are none of ours.
fn merged(rules: &[Frame], upright: bool) -> Vec<Frame> {
    if rules.len() > 5_000 {
        return Vec::new();
    }
    let turn =
        |rule: &Frame| if upright { Frame { x0: rule.y0, y0: rule.x0, x1: rule.y1, y1: rule.x1 } } else { *rule };
    let mut level: Vec<Frame> = rules.iter().map(turn).collect();
    level.sort_by(|a, b| a.y0.total_cmp(&b.y0).then(a.x0.total_cmp(&b.x0)));
    let mut whole: Vec<Frame> = Vec::new();
    for rule in level {
        let near = whole.iter_mut().rev().take_while(|other| rule.y0 - other.y0 <= SAME);
        let joined = near.into_iter().find(|other| rule.x0 <= other.x1 + 3.0 && other.x0 <= rule.x1 + 3.0);
        match joined {
            Some(other) => *other = Frame { y0: other.y0, y1: other.y1, ..other.with(&rule) },
            None => whole.push(rule),
        }
    }
    whole.iter().map(turn).collect()
}

/// Level rules of one width that stand below each other, with the upright ones that meet them.
fn groups(level: &[Frame], upright: &[Frame], page_height: f32) -> Vec<(Vec<Frame>, Vec<Frame>)> {
    let mut groups: Vec<Vec<Frame>> = Vec::new();
    for rule in level {
        let fits = |group: &&mut Vec<Frame>| {
            let last = group[group.len() - 1];
            let overlap = last.x1.min(rule.x1) - last.x0.max(rule.x0);
            let widths = (last.width().min(rule.width()), last.width().max(rule.width()));
            overlap > 0.9 * widths.0 && overlap > 0.6 * widths.1 && rule.y0 - last.y0 < FAR * page_height
        };
        match groups.iter_mut().find(fits) {
            Some(group) => group.push(*rule),
            None => groups.push(vec![*rule]),
        }
    }
    let mut parts = Vec::new();
    for group in groups {
        parts.extend(connected(&group, upright));
    }
    parts
}

/// Parts of a group between whose rules upright ones go all along, or nowhere: frames around code and the rules of a table
/// below are not one thing.
fn connected(group: &[Frame], upright: &[Frame]) -> Vec<(Vec<Frame>, Vec<Frame>)> {
    let linked: Vec<bool> =
        group.windows(2).map(|pair| upright.iter().any(|rule| links(rule, &pair[0], &pair[1]))).collect();
    let mut parts = Vec::new();
    let mut start = 0;
    for index in 1..=linked.len() {
        if linked.get(index) == linked.get(index - 1) {
            continue;
        }
        let level = &group[start..=index];
        let joins = |rule: &&Frame| level.windows(2).any(|pair| links(rule, &pair[0], &pair[1]));
        parts.push((level.to_vec(), upright.iter().filter(joins).copied().collect()));
        start = index;
    }
    parts
}

/// Whether an upright rule goes from one level rule to the next.
fn links(rule: &Frame, above: &Frame, below: &Frame) -> bool {
    let all = above.with(below);
    rule.x0 > all.x0 - SAME && rule.x1 < all.x1 + SAME && rule.y0 < above.y1 + SAME && rule.y1 > below.y0 - SAME
}

fn table_of(level: &[Frame], upright: &[Frame], words: &[Word]) -> Option<Table> {
    let frame = level.iter().chain(upright).copied().reduce(|all, rule| all.with(&rule))?;
    let inside: Vec<Word> = words.iter().filter(|word| grown(&frame).holds(word.middle())).cloned().collect();
    if inside.is_empty() || inside.iter().all(|word| word.style.mono) {
        return None;
    }
    let ys = places(level.iter().map(|rule| rule.y0));
    let mut xs = places(upright.iter().filter(|rule| rule.height() > 6.0).map(|rule| rule.x0));
    let boxed = xs.len() >= 2;
    let drawn = xs.len() >= 3 && ys.len() >= 3;
    if xs.len() < 3 {
        // No rule between the columns, or none at all: they part where no word stands.
        let gap = 0.4 * median_size(&inside);
        xs = strips(&inside, frame.x0, frame.x1, gap);
        let stretched = 2 * inside.iter().filter(|word| bidi::contains_rtl(&word.text)).count() > inside.len();
        if xs.len() < 3 || stretched || (boxed && ys.len() < 3) {
            return None;
        }
    }
    let mut rows = Vec::new();
    for band in ys.windows(2) {
        let row: Vec<&Word> = inside.iter().filter(|word| (band[0]..band[1]).contains(&word.middle().1)).collect();
        if row.is_empty() {
            continue;
        }
        // Rules between the header, the body and the end only: rows part where no word stands.
        let parts = if ys.len() <= 4 {
            rows_of(row.into_iter().cloned().collect(), &xs)
        } else {
            vec![row.into_iter().cloned().collect()]
        };
        rows.extend(parts.into_iter().map(|words| cells_of(words, &xs)));
    }
    let mut table = Table { frame, rows };
    if let Some((top, header)) = header_above(&frame, &xs, words) {
        table.frame.y0 = top;
        table.rows.insert(0, header);
    }
    table.is_sound(drawn).then_some(without_empty_columns(table))
}

/// A header that stands on the first rule: close to it, in more than one column, no word across two.
fn header_above(frame: &Frame, xs: &[f32], words: &[Word]) -> Option<(f32, Vec<Vec<Line>>)> {
    let inside = |word: &&Word| word.x0 > frame.x0 - SAME && word.x1 < frame.x1 + SAME;
    let mut top = frame.y0;
    let mut taken: Vec<Word> = Vec::new();
    loop {
        let near = |word: &&Word| word.bottom() <= top + SAME && word.bottom() > top - 0.8 * word.size;
        let line: Vec<&Word> = words.iter().filter(inside).filter(near).collect();
        let Some(highest) = line.iter().map(|word| word.top()).min_by(f32::total_cmp) else { break };
        if highest >= top || taken.len() > 100 {
            break;
        }
        taken.extend(line.into_iter().cloned());
        top = highest;
    }
    let crosses = |word: &Word| xs.iter().any(|x| word.x0 + 1.0 < *x && *x < word.x1 - 1.0);
    if taken.is_empty() || taken.iter().any(crosses) {
        return None;
    }
    let size = median_size(&taken);
    let cells = cells_of(taken, xs);
    let filled = cells.iter().filter(|cell| !cell.is_empty()).count();
    (filled >= 2 && frame.y0 - top < 4.0 * size).then_some((top, cells))
}

/// Columns that a double rule made.
fn without_empty_columns(mut table: Table) -> Table {
    let columns = table.rows.first().map_or(0, Vec::len);
    for column in (0..columns).rev() {
        if table.rows.iter().all(|row| row.get(column).is_none_or(Vec::is_empty)) {
            for row in &mut table.rows {
                if column < row.len() {
                    row.remove(column);
                }
            }
        }
    }
    table
}

/// Places in order, each once.
fn places(values: impl Iterator<Item = f32>) -> Vec<f32> {
    let mut values: Vec<f32> = values.collect();
    values.sort_by(f32::total_cmp);
    values.dedup_by(|b, a| *b - *a <= SAME);
    values
}

fn median_size(words: &[Word]) -> f32 {
    let mut sizes: Vec<f32> = words.iter().map(|word| word.size).collect();
    sizes.sort_by(f32::total_cmp);
    sizes.get(sizes.len() / 2).copied().unwrap_or(10.0)
}

/// The edges and the middles of the strips that no word stands in.
fn strips(words: &[Word], x0: f32, x1: f32, gap: f32) -> Vec<f32> {
    let mut spans: Vec<(f32, f32)> = words.iter().map(|word| (word.x0, word.x1)).collect();
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut xs = vec![x0];
    let mut reached = f32::MIN;
    for (from, to) in spans {
        if reached > f32::MIN && from - reached >= gap {
            xs.push(0.5 * (from + reached));
        }
        reached = reached.max(to);
    }
    xs.push(x1.max(reached));
    xs
}

fn cells_of(words: Vec<Word>, xs: &[f32]) -> Vec<Vec<Line>> {
    let mut cells: Vec<Vec<Word>> = vec![Vec::new(); xs.len() - 1];
    for word in words {
        let after = xs.partition_point(|x| *x <= word.middle().0);
        let index = after.saturating_sub(1).min(cells.len() - 1);
        cells[index].push(word);
    }
    cells.into_iter().map(lines_of).collect()
}

/// Words of several rows: rows part where there is more room than between lines of a cell, or else wherever the first column
/// begins anew.
fn rows_of(words: Vec<Word>, xs: &[f32]) -> Vec<Vec<Word>> {
    let size = median_size(&words);
    let lines = lines_of(words);
    let mut parts: Vec<Vec<Word>> = Vec::new();
    let mut bottom = f32::MIN;
    let mut gaps = Vec::new();
    for line in &lines {
        if bottom > f32::MIN {
            gaps.push(line.top() - bottom);
        }
        bottom = bottom.max(line.bottom());
    }
    // Room between lines of one cell is little; if all rooms are alike, each line is a row, but for those that continue cells.
    let wide = gaps.iter().filter(|gap| **gap > 0.45 * size).count();
    let narrow = gaps.len() - wide;
    let begins = |line: &Line| xs.get(1).is_none_or(|&second| line.x0() < second);
    for (index, line) in lines.into_iter().enumerate() {
        let new = match index.checked_sub(1).map(|before| gaps[before]) {
            None => true,
            Some(gap) if wide > 0 && narrow > 0 => gap > 0.45 * size,
            Some(_) => begins(&line),
        };
        match parts.last_mut() {
            Some(part) if !new => part.extend(line.words),
            _ => parts.push(line.words),
        }
    }
    parts
}

/// Tables without rules among the lines of a column: each with the lines that it takes.
pub(super) fn unruled(lines: &[Line]) -> Vec<(std::ops::Range<usize>, Table)> {
    let mut found = Vec::new();
    let mut start = 0;
    while start < lines.len() {
        let taken = found.last().map_or(0, |(range, _): &(std::ops::Range<usize>, Table)| range.end);
        match grow(lines, start, taken) {
            Some((range, table)) => {
                start = range.end;
                found.push((range, table));
            }
            None => start += 1,
        }
    }
    found
}

/// The longest table around a line with cells, and not before `taken`.
fn grow(lines: &[Line], start: usize, taken: usize) -> Option<(std::ops::Range<usize>, Table)> {
    if !has_cells(&lines[start]) {
        return None;
    }
    let size = lines[start].size();
    let gap = 0.8 * size;
    let mut words: Vec<Word> = lines[start].words.clone();
    let mut end = start + 1;
    let mut columns = strips(&words, 0.0, 0.0, gap).len() - 1;
    let mut last_with_cells = end;
    while let Some(line) = lines.get(end) {
        let far = line.top() - lines[end - 1].bottom() > 2.2 * size;
        if far || (line.size() - size).abs() > 0.25 * size {
            break;
        }
        let cells = has_cells(line);
        let mut with = words.clone();
        with.extend(line.words.iter().cloned());
        let after = strips(&with, 0.0, 0.0, gap).len() - 1;
        // A line that closes a strip is no part of the table, unless it is a row that shows that the strip was none.
        if after < 2 || (after < columns && !cells) {
            break;
        }
        (words, columns) = (with, after);
        end += 1;
        if cells {
            last_with_cells = end;
        }
    }
    let with_cells = lines[start..end].iter().filter(|line| has_cells(line)).count();
    // A row of three lines has two that fill one cell alone.
    if with_cells < 2 || 4 * with_cells < end - start {
        return None;
    }
    // Lines after the last row belong to it only where they stand close.
    let mut close = last_with_cells;
    while close < end
        && lines[close].top() - lines[close - 1].bottom() < 0.45 * size
        && !begins_left(&lines[close], &words)
    {
        close += 1;
    }
    // Cells of several lines begin above the line that all columns share.
    let mut first = start;
    while first > taken && lines[start].top() - lines[first - 1].bottom() < 1.3 * size {
        let before = &lines[first - 1];
        let mut with: Vec<Word> = words.clone();
        with.extend(before.words.iter().cloned());
        let close = lines[first].top() - before.bottom() < 0.45 * size;
        if !close || strips(&with, 0.0, 0.0, gap).len() - 1 < columns || before.x0() < lines[start].x0() + 2.0 {
            break;
        }
        first -= 1;
    }
    let words: Vec<Word> = lines[first..close].iter().flat_map(|line| line.words.iter().cloned()).collect();
    let frame = words.iter().map(|word| Frame { x0: word.x0, y0: word.top(), x1: word.x1, y1: word.bottom() });
    let frame = frame.reduce(|all, frame| all.with(&frame))?;
    let xs = strips(&words, frame.x0, frame.x1, gap);
    let rows = rows_of(words, &xs).into_iter().map(|row| cells_of(row, &xs)).collect();
    let table = Table { frame, rows };
    table.is_sound(false).then_some((first..close, table))
}

fn begins_left(line: &Line, words: &[Word]) -> bool {
    let left = words.iter().map(|word| word.x0).fold(f32::MAX, f32::min);
    line.x0() < left + 2.0
}

/// Wide gaps part the line, and not only a bullet or a number from its text.
fn has_cells(line: &Line) -> bool {
    let parts = fragments_of(line);
    // Lines that are justified from right to left stretch their letters, and gaps say little.
    if parts.len() < 2 || line.all(|style| style.mono) || line.is_right_to_left() {
        return false;
    }
    let leaders = line
        .words
        .iter()
        .any(|word| word.text.len() > 3 && word.text.chars().all(|letter| letter == '.' || letter == '·'));
    let marker = parts.len() == 2 && parts[0].len() == 1 && is_marker(&parts[0][0].text);
    !leaders && !marker
}

/// A bullet, or a number or letter of a list or a heading.
pub(super) fn is_marker(text: &str) -> bool {
    if text.chars().count() == 1 && text.chars().all(is_bullet) {
        return true;
    }
    let bare = text.trim_matches(|letter| "().:".contains(letter));
    let parts = bare.split('.');
    let numbers = !bare.is_empty()
        && parts.clone().count() <= 5
        && parts
            .clone()
            .all(|part| !part.is_empty() && part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit()));
    let letter = text != bare && bare.len() == 1 && bare.bytes().all(|byte| byte.is_ascii_alphabetic());
    numbers || letter
}

pub(super) fn is_bullet(letter: char) -> bool {
    "•◦▪▫●○■□‣⁃∙·*–—-➢➤✓✔\u{f0b7}\u{f0a7}".contains(letter)
}
