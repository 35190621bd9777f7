//! The body of a document: paragraphs, lists, headings and tables in order.

use std::collections::HashMap;

use super::chart::Chart;
use super::numbering::{Mark, Numbering};
use super::package::Relations;
use super::paragraph::{Line, link_of_field};
use super::properties::Paragraph;
use super::styles::{Role, Styles};
use super::table;
use crate::error::{Refusal, RefusalKind};
use crate::markdown::Writer;
use crate::markup::token::Tag;
use crate::markup::xml::{Event, Xml};

/// Text boxes in text boxes that are read.
const BOX_DEPTH_MAX: usize = 4;
/// Fields in fields that are followed.
const FIELDS_MAX: usize = 64;

/// Reads a body and writes it.
#[derive(Debug)]
pub(crate) struct Body<'r> {
    pub(crate) state: State<'r>,
    pub(crate) writer: Writer,
    numbering: Numbering,
    /// By the ids of their relations.
    charts: HashMap<String, Chart>,
    /// The levels of the items that are open, outermost first.
    items: Vec<u8>,
    /// Whether the last block was an item of a list.
    after_item: bool,
    /// Lines of code that go on.
    code: Option<String>,
    title: Option<String>,
    box_depth: usize,
}

/// What runs of text need to know.
#[derive(Debug)]
pub(crate) struct State<'r> {
    pub(crate) styles: Styles,
    pub(crate) fields: Vec<Field>,
    pub(crate) drawings_left_out: u64,
    relations: &'r Relations,
    /// Notes in the order of their marks: whether an endnote, and its id.
    pub(crate) notes: Vec<(bool, String)>,
    note_numbers: HashMap<(bool, String), usize>,
}

/// A field: an instruction, and later the text that it gave.
#[derive(Debug, Default)]
pub(crate) struct Field {
    instruction: String,
    pub(crate) is_result: bool,
    pub(crate) target: Option<String>,
}

impl<'r> Body<'r> {
    pub(crate) fn new(
        styles: Styles,
        numbering: Numbering,
        charts: HashMap<String, Chart>,
        relations: &'r Relations,
        limit: u64,
    ) -> Self {
        let state = State {
            styles,
            fields: Vec::new(),
            drawings_left_out: 0,
            relations,
            notes: Vec::new(),
            note_numbers: HashMap::new(),
        };
        Self {
            state,
            writer: Writer::new(limit),
            numbering,
            charts,
            items: Vec::new(),
            after_item: false,
            code: None,
            title: None,
            box_depth: 0,
        }
    }

    /// Reads the part of the document.
    pub(crate) fn read(&mut self, document: &str) {
        let mut xml = Xml::new(document);
        self.blocks(&mut xml);
        self.end_blocks();
    }

    /// The text, the title that stands in it, and what is missing.
    pub(crate) fn finish(self) -> Result<(String, Option<String>, Vec<String>), Refusal> {
        if self.writer.is_full() {
            return Err(Refusal::new(RefusalKind::TooLarge, "more text than the limit of bytes"));
        }
        let left_out = self.state.drawings_left_out;
        let drawings = (left_out > 0).then(|| format!("{left_out} charts and diagrams were left out"));
        let doubts = drawings.into_iter().chain(self.writer.doubt()).collect();
        Ok((self.writer.finish(), self.title, doubts))
    }

    /// Reads blocks up to the end of the element that holds them.
    pub(crate) fn blocks(&mut self, xml: &mut Xml<'_>) {
        let mut open = 0_u64;
        loop {
            match xml.next() {
                None => return,
                Some(Event::Close) if open == 0 => return,
                Some(Event::Close) => open -= 1,
                Some(Event::Text(_)) => {}
                Some(Event::Open(name, _)) => match name {
                    "p" => self.paragraph(xml),
                    "tbl" => self.table(xml),
                    "del" | "moveFrom" | "sectPr" | "sdtPr" | "sdtEndPr" | "Fallback" | "tblPr" | "tblGrid" => {
                        xml.skip()
                    }
                    _ => open += 1,
                },
            }
        }
    }

    /// Ends the lists and the code that may go on in the next block.
    pub(crate) fn end_blocks(&mut self) {
        self.flush_code();
        self.close_items(0);
        self.after_item = false;
    }

    fn paragraph(&mut self, xml: &mut Xml<'_>) {
        let line = Line::read(xml, &mut self.state);
        let role = self.role(&line.properties);
        if role != Role::Code {
            self.flush_code();
        }
        match role {
            Role::Contents => {}
            Role::Heading(level) => {
                let number = self.heading_number(&line.properties);
                let text = line.markdown(false);
                self.heading(level, &(number + &text));
            }
            Role::Title => {
                let text = line.markdown(false);
                if self.title.is_none() && !text.trim().is_empty() {
                    self.title = Some(text.clone());
                }
                self.heading(1, &text);
            }
            Role::Quote => {
                let text = line.markdown(true);
                self.end_blocks();
                self.writer.open_quote();
                self.writer.paragraph(&text);
                self.writer.close();
            }
            Role::Code => self.code_line(&line),
            Role::Text => self.text(&line),
        }
        self.boxes(line.boxes);
        for id in &line.charts {
            match self.charts.get(id) {
                Some(chart) => chart.write(&mut self.writer),
                None => self.state.drawings_left_out += 1,
            }
        }
    }

    fn role(&self, properties: &Paragraph) -> Role {
        let by_style = self.state.styles.role(properties.style.as_deref());
        match properties.outline {
            Some(level) if level < 9 && by_style == Role::Text => Role::Heading(level + 1),
            // A paragraph may say that it is text, whatever its style.
            Some(9) if matches!(by_style, Role::Heading(_)) => Role::Text,
            _ => by_style,
        }
    }

    fn heading(&mut self, level: u8, text: &str) {
        if !text.trim().is_empty() {
            self.end_blocks();
            self.writer.heading(level, text);
        }
    }

    /// The number that is printed before a heading.
    fn heading_number(&mut self, properties: &Paragraph) -> String {
        let Some((id, level)) = self.list_of(properties) else { return String::new() };
        match self.numbering.next(&id, level) {
            Some(Mark::Number(_, written)) if !written.trim().is_empty() => {
                format!("{} ", written.trim().trim_end_matches('.'))
            }
            _ => String::new(),
        }
    }

    /// The list that a paragraph is in, by itself or by its style.
    fn list_of(&self, properties: &Paragraph) -> Option<(String, u8)> {
        let by_style = self.state.styles.numbering(properties.style.as_deref());
        let id = properties.numbering_id.as_deref().or(by_style.map(|(id, _)| id))?;
        let level = properties.numbering_level.or(by_style.map(|(_, level)| level)).unwrap_or(0);
        // 0 takes a paragraph out of the list of its style.
        (id != "0").then(|| (id.to_owned(), level))
    }

    fn text(&mut self, line: &Line<'_>) {
        let text = line.markdown(true);
        if text.trim().is_empty() {
            return;
        }
        match self.next_mark(&line.properties) {
            None => {
                self.end_blocks();
                self.writer.paragraph(&text);
            }
            Some((Mark::Blank, level)) => {
                self.close_items(level.saturating_add(1));
                self.writer.paragraph(&text);
                self.after_item = false;
            }
            Some((mark, level)) => {
                self.open_item(&mark, level);
                self.writer.paragraph(&text);
                self.after_item = true;
            }
        }
    }

    fn next_mark(&mut self, properties: &Paragraph) -> Option<(Mark, u8)> {
        let (id, level) = self.list_of(properties)?;
        self.numbering.next(&id, level).map(|mark| (mark, level))
    }

    fn open_item(&mut self, mark: &Mark, level: u8) {
        self.close_items(level);
        if self.after_item {
            self.writer.close_gap();
        }
        match mark {
            Mark::Number(number, _) => self.writer.open_item(&format!("{number}. ")),
            Mark::Bullet | Mark::Blank => self.writer.open_item("- "),
        }
        self.items.push(level);
    }

    /// Closes the items from a level on.
    fn close_items(&mut self, level: u8) {
        while self.items.last().is_some_and(|open| *open >= level) {
            self.items.pop();
            self.writer.close();
        }
    }

    fn code_line(&mut self, line: &Line<'_>) {
        let text = line.plain();
        if let Some(code) = &mut self.code {
            code.push('\n');
            code.push_str(&text);
            return;
        }
        match self.next_mark(&line.properties) {
            Some((_, level)) => self.close_items(level.saturating_add(1)),
            None => self.end_blocks(),
        }
        self.after_item = false;
        self.code = Some(text);
    }

    fn flush_code(&mut self) {
        if let Some(code) = self.code.take() {
            self.writer.code("", &code);
        }
    }

    fn boxes(&mut self, boxes: Vec<Xml<'_>>) {
        if self.box_depth >= BOX_DEPTH_MAX {
            return;
        }
        self.box_depth += 1;
        for mut content in boxes {
            self.blocks(&mut content);
            self.end_blocks();
        }
        self.box_depth -= 1;
    }

    fn table(&mut self, xml: &mut Xml<'_>) {
        self.end_blocks();
        if table::is_single_cell(xml.clone()) {
            // A frame around text, not a table.
            self.blocks(xml);
            self.end_blocks();
            return;
        }
        let (grid, boxes) = table::read(xml, self);
        self.writer.table(&grid);
        self.boxes(boxes);
    }

    /// The mark of a paragraph in a cell, which has a line only.
    pub(crate) fn mark_in_line(&mut self, properties: &Paragraph) -> String {
        match self.next_mark(properties) {
            Some((Mark::Bullet, _)) => "- ".into(),
            Some((Mark::Number(number, _), _)) => format!("{number}. "),
            Some((Mark::Blank, _)) | None => String::new(),
        }
    }
}

impl State<'_> {
    /// Where a `hyperlink` leads outside of the document.
    pub(crate) fn target_of(&self, tag: Tag<'_>) -> Option<String> {
        let relation = self.relations.get(&*tag.local("id")?)?;
        Some(relation.target.clone()).filter(|target| !target.is_empty() && relation.kind == "hyperlink")
    }

    /// Where the innermost field leads that is a link.
    pub(crate) fn field_link(&self) -> Option<&str> {
        self.fields.iter().rev().find_map(Field::link)
    }

    pub(crate) fn add_instruction(&mut self, text: &str) {
        if let Some(field) = self.fields.last_mut().filter(|field| !field.is_result) {
            field.instruction.push_str(text);
        }
    }

    /// The beginning of a field, of its result, or its end.
    pub(crate) fn field_mark(&mut self, kind: Option<&str>) {
        match kind {
            Some("begin") if self.fields.len() < FIELDS_MAX => self.fields.push(Field::default()),
            Some("separate") => {
                if let Some(field) = self.fields.last_mut() {
                    field.is_result = true;
                    field.target = link_of_field(&field.instruction);
                }
            }
            Some("end") => {
                self.fields.pop();
            }
            _ => {}
        }
    }

    /// A field whose instruction does not end in its paragraph would hide the rest of the document.
    pub(crate) fn end_paragraph(&mut self) {
        self.fields.retain(|field| field.is_result);
    }

    /// The mark of a note, by its place in the text.
    pub(crate) fn note_mark(&mut self, is_endnote: bool, id: &str) -> String {
        let key = (is_endnote, id.to_owned());
        let next = self.notes.len() + 1;
        let number = *self.note_numbers.entry(key.clone()).or_insert(next);
        if number == next {
            self.notes.push(key);
        }
        format!("[^{number}]")
    }
}
