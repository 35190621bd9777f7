//! The order in which a page is read: columns are found by the empty strip between them, and what reaches across parts them
//! into bands.

use unpdf::parser::bidi;

use super::table::Table;
use super::word::{Frame, Line, Word, lines_of};

/// A gap wider than this, of the size of its words, parts a line.
pub(super) const FRAGMENT_GAP: f32 = 0.9;
/// Columns within columns.
const DEPTH: usize = 3;

/// What is read one after the other.
#[derive(Debug, Clone)]
pub(super) enum Item {
    Word(Word),
    Table(Table),
}

impl Item {
    fn frame(&self) -> Frame {
        match self {
            Self::Word(word) => Frame { x0: word.x0, y0: word.top(), x1: word.x1, y1: word.bottom() },
            Self::Table(table) => table.frame,
        }
    }
}

/// Parts of a page in the order of reading; each is one column.
pub(super) fn regions(items: Vec<Item>, page_height: f32) -> Vec<Vec<Item>> {
    let mut regions = Vec::new();
    split(items, page_height, DEPTH, &mut regions);
    regions
}

fn split(items: Vec<Item>, page_height: f32, depth: usize, regions: &mut Vec<Vec<Item>>) {
    let strip = if depth == 0 { None } else { strip_of(&items, page_height) };
    let Some(strip) = strip else {
        if !items.is_empty() {
            regions.push(items);
        }
        return;
    };
    for band in bands(items, strip) {
        match band {
            Band::Across(items) => regions.push(items),
            Band::Beside(left, right) => {
                let (left, right) = if is_right_to_left(&right) { (right, left) } else { (left, right) };
                split(left, page_height, depth - 1, regions);
                split(right, page_height, depth - 1, regions);
            }
        }
    }
}

/// Columns of such a script are read from the right one on.
fn is_right_to_left(items: &[Item]) -> bool {
    let words = items.iter().filter_map(|item| match item {
        Item::Word(word) => Some(bidi::contains_rtl(&word.text)),
        Item::Table(_) => None,
    });
    let (all, these) = words.fold((0, 0), |(all, these), right_to_left| (all + 1, these + usize::from(right_to_left)));
    2 * these > all
}

enum Band {
    Across(Vec<Item>),
    Beside(Vec<Item>, Vec<Item>),
}

/// A line, or a part of one between wide gaps.
struct Fragment {
    frame: Frame,
    size: f32,
    y: f32,
    /// A table weighs as many lines as would fit in it.
    lines: f32,
}

/// Parts of a line between wide gaps.
pub(super) fn fragments_of(line: &Line) -> Vec<&[Word]> {
    let words = &line.words;
    let mut parts = Vec::new();
    let mut start = 0;
    for index in 1..words.len() {
        let (left, right) = (&words[index - 1], &words[index]);
        if right.x0 - left.x1 > FRAGMENT_GAP * left.size.max(right.size) {
            parts.push(&words[start..index]);
            start = index;
        }
    }
    parts.push(&words[start..]);
    parts
}

fn fragments(items: &[Item]) -> Vec<Fragment> {
    let words = items.iter().filter_map(|item| match item {
        Item::Word(word) => Some(word.clone()),
        Item::Table(_) => None,
    });
    let mut fragments = Vec::new();
    for line in lines_of(words.collect()) {
        for part in fragments_of(&line) {
            let frame = part.iter().map(|word| Item::Word(word.clone()).frame()).reduce(|all, frame| all.with(&frame));
            let Some(frame) = frame else { continue };
            fragments.push(Fragment { frame, size: part[0].size, y: part[0].y, lines: 1.0 });
        }
    }
    for item in items {
        if let Item::Table(table) = item {
            let frame = table.frame;
            fragments.push(Fragment { frame, size: 10.0, y: frame.y1, lines: (frame.height() / 14.0).max(1.0) });
        }
    }
    fragments
}

/// The empty strip between two columns.
fn strip_of(items: &[Item], page_height: f32) -> Option<(f32, f32)> {
    let fragments = fragments(items);
    let all = fragments.iter().map(|fragment| fragment.frame).reduce(|all, frame| all.with(&frame))?;
    if fragments.len() < 10 || all.width() < 150.0 {
        return None;
    }
    let (from, to) = (all.x0 + 0.12 * all.width(), all.x1 - 0.12 * all.width());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a page is some hundreds of points wide"
    )]
    let steps = ((to - from).max(0.0) as usize).min(10_000);
    let crossing = |x: f32| {
        let over = fragments.iter().filter(|fragment| fragment.frame.x0 < x && x < fragment.frame.x1);
        over.map(|fragment| fragment.lines).sum::<f32>()
    };
    let counts: Vec<f32> = (0..=steps).map(|step| crossing(from + step as f32)).collect();
    let least = counts.iter().copied().fold(f32::MAX, f32::min);
    let total: f32 = fragments.iter().map(|fragment| fragment.lines).sum();
    if least > 0.35 * total {
        return None;
    }
    let strip = widest_run(&counts, least).map(|(first, last)| (from + first as f32, from + last as f32))?;
    is_between_columns(&fragments, strip, page_height).then_some(strip)
}

/// The longest stretch at the least count.
fn widest_run(counts: &[f32], least: f32) -> Option<(usize, usize)> {
    let mut best: Option<(usize, usize)> = None;
    let mut start = None;
    for (index, &count) in counts.iter().chain(std::iter::once(&f32::MAX)).enumerate() {
        match (count <= least, start) {
            (true, None) => start = Some(index),
            (false, Some(first)) => {
                if best.is_none_or(|(a, b)| index - 1 - first > b - a) {
                    best = Some((first, index - 1));
                }
                start = None;
            }
            _ => {}
        }
    }
    best
}

/// Columns of text, and not of a table: high enough, and either their lines do not stand on common baselines or they fill
/// their columns.
fn is_between_columns(fragments: &[Fragment], (from, to): (f32, f32), page_height: f32) -> bool {
    let left: Vec<&Fragment> = fragments.iter().filter(|fragment| fragment.frame.x1 <= from + 1.0).collect();
    let right: Vec<&Fragment> = fragments.iter().filter(|fragment| fragment.frame.x0 >= to - 1.0).collect();
    if left.len() < 5 || right.len() < 5 {
        return false;
    }
    let mut sizes: Vec<f32> = fragments.iter().map(|fragment| fragment.size).collect();
    sizes.sort_by(f32::total_cmp);
    if to - from < 0.6 * sizes[sizes.len() / 2] {
        return false;
    }
    let height = |side: &[&Fragment]| {
        let all = side.iter().map(|fragment| fragment.frame).reduce(|all, frame| all.with(&frame));
        all.map_or(0.0, |all| all.height())
    };
    if height(&left).min(height(&right)) < 0.2 * page_height {
        return false;
    }
    let beside = left.iter().filter(|fragment| right.iter().any(|other| (other.y - fragment.y).abs() < 1.0)).count();
    let aligned = beside as f32 / left.len() as f32;
    let full = filled(&left).min(filled(&right));
    full >= 0.6 || (full >= 0.3 && aligned < 0.5)
}

/// The median share of its column's width that a fragment takes.
fn filled(side: &[&Fragment]) -> f32 {
    let Some(all) = side.iter().map(|fragment| fragment.frame).reduce(|all, frame| all.with(&frame)) else {
        return 0.0;
    };
    let mut widths: Vec<f32> = side.iter().map(|fragment| fragment.frame.width()).collect();
    widths.sort_by(f32::total_cmp);
    widths[widths.len() / 2] / all.width().max(1.0)
}

/// What reaches across the strip parts the page from top to bottom.
fn bands(items: Vec<Item>, (from, to): (f32, f32)) -> Vec<Band> {
    let middle = 0.5 * (from + to);
    let mut across: Vec<(f32, f32)> = Vec::new();
    for fragment in fragments(&items) {
        let Frame { x0, x1, y0, y1 } = fragment.frame;
        if x0 < middle && middle < x1 {
            across.push((y0, y1));
        }
    }
    across.sort_by(|a, b| a.0.total_cmp(&b.0));
    let spans = |item: &Item| {
        let frame = item.frame();
        let y = 0.5 * (frame.y0 + frame.y1);
        across.iter().position(|&(top, bottom)| top <= y && y <= bottom)
    };
    // Before, in and after each line across: three places for each.
    let mut places: Vec<Vec<Item>> = vec![Vec::new(); 2 * across.len() + 1];
    for item in items {
        let frame = item.frame();
        let y = 0.5 * (frame.y0 + frame.y1);
        let place = match spans(&item) {
            Some(index) => 2 * index + 1,
            None => 2 * across.iter().filter(|(_, bottom)| *bottom < y).count(),
        };
        places[place].push(item);
    }
    let mut bands: Vec<Band> = Vec::new();
    for (index, items) in places.into_iter().enumerate().filter(|(_, items)| !items.is_empty()) {
        if index % 2 == 1 {
            match bands.last_mut() {
                Some(Band::Across(before)) => before.extend(items),
                _ => bands.push(Band::Across(items)),
            }
        } else {
            let (left, right) = items.into_iter().partition(|item| item.frame().x1 <= middle);
            bands.push(Band::Beside(left, right));
        }
    }
    bands
}
