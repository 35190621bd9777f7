//! Running headers and footers: what stands at the edge of several pages at one height, with its digits masked. Position
//! decides, not frequency alone: lines that repeat within the text stay.

use std::collections::HashMap;

use super::word::{Line, Sheet, lines_of};

/// The share of a page's height, at its top and at its bottom, that may hold furniture.
const BAND: f32 = 0.13;
/// How far one line may move from page to page, in points.
const DRIFT: f32 = 2.0;

/// What was left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Removed {
    pub lines: u64,
    pub words: u64,
}

/// A line at an edge.
struct Row {
    line: Line,
    key: String,
    y: f32,
}

/// The rows of one edge of one page, from the edge inwards.
struct Edge {
    sheet: usize,
    rows: Vec<Row>,
}

/// Takes headers and footers out of the pages.
pub(super) fn remove(sheets: &mut [Sheet]) -> Removed {
    let mut removed = Removed::default();
    for top in [true, false] {
        let edges: Vec<Edge> = (0..sheets.len()).map(|sheet| edge_of(sheets, sheet, top)).collect();
        let mut places: HashMap<&str, Vec<f32>> = HashMap::new();
        for row in edges.iter().flat_map(|edge| &edge.rows) {
            places.entry(&row.key).or_default().push(row.y);
        }
        let numbered =
            edges.iter().filter(|edge| edge.rows.first().is_some_and(|row| is_page_number(&row.key))).count();
        for edge in &edges {
            let mut inner = 0;
            for (depth, row) in edge.rows.iter().enumerate() {
                let repeats = places[row.key.as_str()].iter().filter(|y| (**y - row.y).abs() <= DRIFT).count();
                let number =
                    depth == inner && is_page_number(&row.key) && stands_alone(edge, depth, numbered, sheets.len());
                if depth == inner && (repeats >= needed(sheets.len()) || number) {
                    inner += 1;
                }
            }
            for row in &edge.rows[..inner] {
                removed.lines += 1;
                removed.words += row.line.words.len() as u64;
                sheets[edge.sheet].words.retain(|word| !row.line.words.iter().any(|gone| gone == word));
            }
        }
    }
    removed
}

/// On how many pages a line must stand.
fn needed(pages: usize) -> usize {
    match pages {
        0..=3 => 2,
        _ => 3,
    }
}

fn edge_of(sheets: &[Sheet], sheet: usize, top: bool) -> Edge {
    let page = &sheets[sheet];
    let limit = BAND * page.height;
    let inside = |y: f32| if top { y < limit } else { y > page.height - limit };
    let words = page.words.iter().filter(|word| inside(word.y)).cloned().collect();
    let mut rows: Vec<Row> =
        lines_of(words).into_iter().map(|line| Row { key: masked(&line.text()), y: line.y(), line }).collect();
    if !top {
        rows.reverse();
    }
    Edge { sheet, rows }
}

/// A number that is alone at the edge: on most pages, or far from the text.
fn stands_alone(edge: &Edge, depth: usize, numbered: usize, pages: usize) -> bool {
    let row = &edge.rows[depth];
    let gap = edge.rows.get(depth + 1).map_or(f32::MAX, |next| (next.y - row.y).abs());
    gap > 1.8 * row.line.size() && (numbered * 2 > pages || row.key.starts_with("page"))
}

/// Lower case, digits as one sign.
fn masked(text: &str) -> String {
    let mut key = String::with_capacity(text.len());
    for letter in text.chars().flat_map(char::to_lowercase) {
        let sign = if letter.is_ascii_digit() { '#' } else { letter };
        if sign != '#' || !key.ends_with('#') {
            key.push(sign);
        }
    }
    key
}

fn is_page_number(key: &str) -> bool {
    let bare = key.trim_matches(|letter: char| " -–—|·.".contains(letter));
    let bare = bare.strip_prefix("page").unwrap_or(bare).trim();
    matches!(bare, "#" | "# of #" | "#/#" | "# / #")
        || (!bare.is_empty() && bare.len() <= 6 && bare.chars().all(|letter| "ivxlc".contains(letter)))
}

#[cfg(test)]
mod tests {
    use super::super::word::{Style, Word};
    use super::*;

    fn word(text: &str, x0: f32, y: f32) -> Word {
        Word {
            text: text.into(),
            x0,
            x1: x0 + 6.0 * text.len() as f32,
            y,
            size: 10.0,
            style: Style::default(),
            spaced: true,
        }
    }

    fn page(number: u32, lines: &[(&str, f32)]) -> Sheet {
        let words = lines.iter().flat_map(|&(text, y)| {
            let mut x = 50.0;
            text.split(' ').map(move |part| {
                let placed = word(part, x, y);
                x = placed.x1 + 3.0;
                placed
            })
        });
        Sheet { number, width: 600.0, height: 800.0, words: words.collect(), ..Sheet::default() }
    }

    fn texts(sheet: &Sheet) -> Vec<String> {
        lines_of(sheet.words.clone()).iter().map(Line::text).collect()
    }

    #[test]
    fn what_stands_at_an_edge_of_several_pages_goes_and_text_stays() {
        let mut sheets: Vec<Sheet> = (1..=4)
            .map(|number| {
                let first = format!("{} begins here", ["Alpha", "Beta", "Gamma", "Delta"][number as usize - 1]);
                let foot = format!("Page {number} of 4");
                page(number, &[("A Manual", 30.0), (&first, 90.0), ("Repeated in the text", 400.0), (&foot, 780.0)])
            })
            .collect();
        let removed = remove(&mut sheets);
        assert_eq!(removed.lines, 8);
        assert_eq!(texts(&sheets[2]), ["Gamma begins here", "Repeated in the text"]);
    }

    #[test]
    fn a_line_inside_of_other_text_stays_even_if_it_repeats_at_its_height() {
        let mut sheets: Vec<Sheet> = ["Alpha", "Beta", "Gamma"]
            .iter()
            .zip(1..)
            .map(|(title, number)| page(number, &[(title, 30.0), ("the same words", 50.0), ("more", 400.0)]))
            .collect();
        assert_eq!(remove(&mut sheets).lines, 0);
        assert_eq!(texts(&sheets[0]).len(), 3);
    }

    #[test]
    fn page_numbers_are_told_from_words() {
        for text in ["12", "- 3 -", "Page 4", "4 of 17", "page 4 of 17", "xii"] {
            assert!(is_page_number(&masked(text)), "{text}");
        }
        for text in ["Chapter 4", "12 apples", "civil engineering", ""] {
            assert!(!is_page_number(&masked(text)), "{text}");
        }
    }
}
