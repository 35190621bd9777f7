//! Tables of a page, and tables that only place things on it.

use super::flow::Flow;
use crate::markup::tree::NodeId;
use crate::table::{Cell, Grid};

/// Words from which a cell with a table in it is a part of a page: the longest of real nested tables have some twenty.
const CELL_WORDS_MAX: u64 = 60;

/// Writes a table, or what is in it where it holds no data.
pub(crate) fn write(flow: &mut Flow<'_, '_>, id: NodeId) {
    let rows = rows_of(flow, id);
    if is_layout(flow, id, &rows) {
        for cell in rows.into_iter().flatten() {
            flow.write(cell);
        }
        return;
    }
    if let Some(caption) = flow.tree.children(id).find(|child| flow.tree.name(*child) == "caption") {
        let text = flow.text_of(caption);
        flow.writer.paragraph(&text);
    }
    let cells = rows.iter().map(|row| row.iter().map(|cell| cell_of(flow, *cell)).collect()).collect();
    let grid = Grid::expand(cells);
    flow.writer.table(&grid);
}

/// The rows of a table with their cells; the head first and the foot last.
fn rows_of(flow: &Flow<'_, '_>, id: NodeId) -> Vec<Vec<NodeId>> {
    let (mut head, mut body, mut foot) = (Vec::new(), Vec::new(), Vec::new());
    for child in flow.tree.children(id).filter(|child| !flow.content.is_dropped(*child)) {
        match flow.tree.name(child) {
            "tr" => body.push(cells_of(flow, child)),
            "thead" => push_rows(flow, child, &mut head),
            "tbody" => push_rows(flow, child, &mut body),
            "tfoot" => push_rows(flow, child, &mut foot),
            _ => {}
        }
    }
    head.append(&mut body);
    head.append(&mut foot);
    head
}

fn push_rows(flow: &Flow<'_, '_>, id: NodeId, rows: &mut Vec<Vec<NodeId>>) {
    let found = flow.tree.children(id).filter(|row| flow.tree.name(*row) == "tr" && !flow.content.is_dropped(*row));
    rows.extend(found.map(|row| cells_of(flow, row)));
}

fn cells_of(flow: &Flow<'_, '_>, row: NodeId) -> Vec<NodeId> {
    let is_cell = |cell: &NodeId| matches!(flow.tree.name(*cell), "td" | "th") && !flow.content.is_dropped(*cell);
    flow.tree.children(row).filter(is_cell).collect()
}

fn cell_of(flow: &Flow<'_, '_>, id: NodeId) -> Cell {
    let span = |name| flow.tree.attribute(id, name).and_then(|span| span.trim().parse::<usize>().ok());
    let text = crate::signals::one_line(&flow.text_of(id));
    Cell { text, columns: span("colspan").unwrap_or(1), rows: span("rowspan").unwrap_or(1) }
}

fn holds_any_table(flow: &Flow<'_, '_>, rows: &[Vec<NodeId>]) -> bool {
    rows.iter().flatten().any(|cell| flow.tree.find(*cell, "table").is_some())
}

/// Whether a table only places things: it says so, or it has no head and holds blocks that no cell of data holds.
fn is_layout(flow: &Flow<'_, '_>, id: NodeId, rows: &[Vec<NodeId>]) -> bool {
    if flow.tree.attribute(id, "role").is_some_and(|role| matches!(&*role, "presentation" | "none")) {
        return true;
    }
    let has_head = rows.iter().flatten().any(|cell| flow.tree.name(*cell) == "th");
    if has_head {
        return false;
    }
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let is_page =
        |cell: &NodeId| flow.tree.find(*cell, "table").is_some() && flow.content.words(*cell) > CELL_WORDS_MAX;
    let holds_table = || rows.iter().flatten().any(is_page) || (rows.len() == 1 && holds_any_table(flow, rows));
    let holds_block = || {
        let mut inner = rows.iter().flatten().flat_map(|cell| flow.tree.children(*cell));
        inner.any(|child| flow.tree.nodes[child].holds_block)
    };
    columns <= 1 || holds_table() || (rows.len() == 1 && holds_block())
}
