//! Tables of Word.

use std::collections::HashMap;

use super::body::Body;
use super::paragraph::Line;
use super::properties::number;
use crate::markup::xml::{Event, Xml};
use crate::table::{Cell, Grid};

/// Tables in tables that are read.
const DEPTH_MAX: usize = 16;

/// Whether a table has one cell; `xml` is within it and is left alone.
pub(crate) fn is_single_cell(xml: Xml<'_>) -> bool {
    let mut depth = 1_u64;
    let mut tables = 0_u64;
    let mut cells = 0;
    for event in xml {
        match event {
            Event::Open(name, _) => {
                depth += 1;
                tables += u64::from(name == "tbl");
                cells += u64::from(name == "tc" && tables == 0);
            }
            Event::Close => depth -= 1,
            Event::Text(_) => {}
        }
        if cells > 1 || tables > 0 {
            return false;
        }
        if depth == 0 {
            break;
        }
    }
    cells == 1
}

/// Reads a table to its end, and the text boxes that are anchored in it.
pub(crate) fn read<'a>(xml: &mut Xml<'a>, body: &mut Body<'_>) -> (Grid, Vec<Xml<'a>>) {
    let mut boxes = Vec::new();
    let rows = rows(xml, body, &mut boxes, 0);
    (Grid::expand(rows), boxes)
}

fn rows<'a>(xml: &mut Xml<'a>, body: &mut Body<'_>, boxes: &mut Vec<Xml<'a>>, depth: usize) -> Vec<Vec<Cell>> {
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    // By column: where the cell is that goes on downwards.
    let mut above: HashMap<usize, (usize, usize)> = HashMap::new();
    let mut open = 0_u64;
    loop {
        match xml.next() {
            None => return rows,
            Some(Event::Close) if open == 0 => return rows,
            Some(Event::Close) => open -= 1,
            Some(Event::Text(_)) => {}
            Some(Event::Open(name, _)) => match name {
                "tr" => {
                    let cells = cells(xml, body, boxes, depth);
                    lay_row(cells, &mut rows, &mut above);
                }
                "tblPr" | "tblGrid" | "sdtPr" | "del" => xml.skip(),
                _ => open += 1,
            },
        }
    }
}

/// A cell and how it joins the one above.
#[derive(Debug)]
struct Found {
    cell: Cell,
    merge: Merge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Merge {
    None,
    Begins,
    GoesOn,
}

fn lay_row(cells: Vec<Found>, rows: &mut Vec<Vec<Cell>>, above: &mut HashMap<usize, (usize, usize)>) {
    let row = rows.len();
    let mut laid: Vec<Cell> = Vec::with_capacity(cells.len());
    let mut column = 0;
    for found in cells {
        let start = column;
        column += found.cell.columns.max(1);
        if found.merge == Merge::GoesOn
            && let Some((row, index)) = above.get(&start)
            && let Some(origin) = rows.get_mut(*row).and_then(|cells| cells.get_mut(*index))
        {
            origin.rows += 1;
            continue;
        }
        match found.merge {
            Merge::Begins => above.insert(start, (row, laid.len())),
            Merge::None | Merge::GoesOn => above.remove(&start),
        };
        laid.push(found.cell);
    }
    rows.push(laid);
}

fn cells<'a>(xml: &mut Xml<'a>, body: &mut Body<'_>, boxes: &mut Vec<Xml<'a>>, depth: usize) -> Vec<Found> {
    let mut cells = Vec::new();
    let mut open = 0_u64;
    loop {
        match xml.next() {
            None => return cells,
            Some(Event::Close) if open == 0 => return cells,
            Some(Event::Close) => open -= 1,
            Some(Event::Text(_)) => {}
            Some(Event::Open(name, _)) => match name {
                "tc" => cells.push(cell(xml, body, boxes, depth)),
                "trPr" => xml.children(|xml, name, tag| {
                    if name == "gridBefore" {
                        let columns = number(tag).unwrap_or(1).clamp(1, 100);
                        let cell = Cell { columns, rows: 1, ..Cell::default() };
                        cells.push(Found { cell, merge: Merge::None });
                    }
                    xml.skip();
                }),
                "sdtPr" | "del" | "tblPrEx" => xml.skip(),
                _ => open += 1,
            },
        }
    }
}

fn cell<'a>(xml: &mut Xml<'a>, body: &mut Body<'_>, boxes: &mut Vec<Xml<'a>>, depth: usize) -> Found {
    let mut found = Found { cell: Cell::new(""), merge: Merge::None };
    let mut text = String::new();
    let mut open = 0_u64;
    while let Some((name, _)) = xml.within(&mut open) {
        match name {
            "tcPr" => cell_properties(xml, &mut found),
            "p" => {
                let mut line = Line::read(xml, &mut body.state);
                boxes.append(&mut line.boxes);
                body.state.drawings_left_out += line.charts.len() as u64;
                // A formula of its own line is one in a line here.
                let inner = crate::signals::one_line(&line.markdown(true)).replace("$$", "$");
                if !inner.is_empty() {
                    let mark = body.mark_in_line(&line.properties);
                    push_part(&mut text, &(mark + &inner));
                }
            }
            "tbl" if depth < DEPTH_MAX => {
                for row in rows(xml, body, boxes, depth + 1) {
                    for cell in row {
                        push_part(&mut text, &cell.text);
                    }
                }
            }
            "tbl" | "del" | "moveFrom" | "sdtPr" | "Fallback" => xml.skip(),
            _ => open += 1,
        }
    }
    found.cell.text = text;
    found
}

fn cell_properties(xml: &mut Xml<'_>, found: &mut Found) {
    xml.children(|xml, name, tag| {
        match name {
            "gridSpan" => found.cell.columns = number(tag).unwrap_or(1),
            "vMerge" => {
                let begins = tag.local("val").is_some_and(|value| value == "restart");
                found.merge = if begins { Merge::Begins } else { Merge::GoesOn };
            }
            _ => {}
        }
        xml.skip();
    });
}

fn push_part(text: &mut String, part: &str) {
    if !text.is_empty() && !part.is_empty() {
        text.push(' ');
    }
    text.push_str(part);
}
