//! Blocks of a page, in order.

use super::content::Content;
use super::inline::Inline;
use super::{plain_text, table};
use crate::markdown::Writer;
use crate::markup::tree::{Kind, NodeId, Tree};

/// Writes blocks.
#[derive(Debug)]
pub(crate) struct Flow<'t, 'a> {
    pub(crate) tree: &'t Tree<'a>,
    pub(crate) content: &'t Content,
    pub(crate) writer: &'t mut Writer,
}

impl<'t, 'a> Flow<'t, 'a> {
    pub(crate) fn new(tree: &'t Tree<'a>, content: &'t Content, writer: &'t mut Writer) -> Self {
        Self { tree, content, writer }
    }

    pub(crate) fn inline(&self) -> Inline<'t, 'a> {
        Inline { tree: self.tree, content: self.content }
    }

    /// Writes what is in an element: lines between blocks become paragraphs.
    pub(crate) fn write(&mut self, id: NodeId) {
        let mut line = String::new();
        for child in self.tree.children(id) {
            if self.content.is_dropped(child) {
                continue;
            }
            let is_block = match &self.tree.nodes[child].kind {
                Kind::Text(_) => false,
                Kind::Element { .. } => self.tree.nodes[child].holds_block,
            };
            if !is_block {
                self.inline().push(child, &mut line);
                continue;
            }
            self.flush(&mut line);
            self.block(child);
        }
        self.flush(&mut line);
    }

    fn flush(&mut self, line: &mut String) {
        self.writer.paragraph(line);
        line.clear();
    }

    fn block(&mut self, id: NodeId) {
        let name = self.tree.name(id);
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.heading(id, name.as_bytes()[1] - b'0'),
            "p" if !self.holds_inner_block(id) => {
                let text = self.text_of(id);
                self.writer.paragraph(&text);
            }
            "ul" | "dir" | "menu" => self.list(id, None),
            "ol" => {
                let start = self.tree.attribute(id, "start").and_then(|start| start.trim().parse().ok());
                self.list(id, Some(start.unwrap_or(1)));
            }
            "dl" => self.definitions(id),
            "blockquote" => {
                self.writer.open_quote();
                self.write(id);
                self.writer.close();
            }
            "pre" | "listing" | "xmp" | "plaintext" => self.code(id),
            "table" => table::write(self, id),
            "hr" => self.writer.rule(),
            _ => self.write(id),
        }
    }

    fn heading(&mut self, id: NodeId, level: u8) {
        let text = self.text_of(id);
        self.writer.heading(level, &text);
    }

    /// The text of an element on one line or more.
    pub(crate) fn text_of(&self, id: NodeId) -> String {
        let mut text = String::new();
        self.inline().push_children(id, &mut text);
        text
    }

    fn holds_inner_block(&self, id: NodeId) -> bool {
        self.tree.children(id).any(|child| self.tree.nodes[child].holds_block)
    }

    fn list(&mut self, id: NodeId, start: Option<u64>) {
        let mut number = start;
        for child in self.tree.children(id) {
            if self.content.is_dropped(child) {
                continue;
            }
            match self.tree.name(child) {
                "" => {
                    // Blanks between items, as a rule.
                    let text = self.text_of_node(child);
                    self.writer.paragraph(&text);
                }
                // Some pages nest a list beside its item instead of in it.
                "ul" | "ol" | "dir" | "menu" => {
                    self.writer.open_item("  ");
                    self.block(child);
                    self.writer.close();
                }
                _ => self.item(child, &mut number),
            }
            self.writer.close_gap();
        }
        self.writer.open_gap();
    }

    fn item(&mut self, id: NodeId, number: &mut Option<u64>) {
        if let Some(value) = self.tree.attribute(id, "value").and_then(|value| value.trim().parse().ok())
            && number.is_some()
        {
            *number = Some(value);
        }
        let marker = number.map_or_else(|| "- ".to_owned(), |number| format!("{number}. "));
        *number = number.map(|number| number.saturating_add(1));
        self.writer.open_item(&marker);
        let mut line = self.check_box(id).to_owned();
        for child in self.tree.children(id) {
            if self.content.is_dropped(child) {
                continue;
            }
            if !self.tree.nodes[child].holds_block {
                self.inline().push(child, &mut line);
                continue;
            }
            // A box or a bold word before a paragraph of the item belongs on its line.
            if self.tree.name(child) == "p" && !line.trim().is_empty() && line.starts_with('[') && line.len() <= 4 {
                self.inline().push_children(child, &mut line);
                continue;
            }
            self.flush(&mut line);
            if matches!(self.tree.name(child), "ul" | "ol" | "dir" | "menu") {
                self.writer.close_gap();
            }
            self.block(child);
        }
        self.flush(&mut line);
        self.writer.close();
    }

    /// The state of a task in a list of tasks.
    fn check_box(&self, id: NodeId) -> &'static str {
        let Some(input) = self.tree.find(id, "input") else { return "" };
        if self.tree.attribute(input, "type").as_deref() != Some("checkbox") {
            return "";
        }
        if self.tree.attribute(input, "checked").is_some() { "[x] " } else { "[ ] " }
    }

    fn text_of_node(&self, id: NodeId) -> String {
        let mut text = String::new();
        self.inline().push(id, &mut text);
        text
    }

    fn definitions(&mut self, id: NodeId) {
        for child in self.tree.children(id) {
            if self.content.is_dropped(child) {
                continue;
            }
            match self.tree.name(child) {
                "dd" => {
                    self.writer.close_gap();
                    self.writer.open_item(": ");
                    self.write(child);
                    self.writer.close();
                }
                "div" => self.definitions(child),
                "" => {}
                _ => self.write(child),
            }
        }
    }

    fn code(&mut self, id: NodeId) {
        let mut code = String::new();
        self.push_code_text(id, &mut code);
        self.writer.code(&self.language(id), &code.replace('\u{A0}', " "));
    }

    fn push_code_text(&self, id: NodeId, out: &mut String) {
        if self.content.is_dropped(id) {
            return;
        }
        match &self.tree.nodes[id].kind {
            Kind::Text(_) => plain_text(self.tree, id, out),
            Kind::Element { name, .. } => {
                // Highlighters put each line into an element, with or without a line end.
                let begins_line =
                    matches!(&**name, "div" | "tr" | "li" | "p") && !out.is_empty() && !out.ends_with('\n');
                if begins_line || &**name == "br" {
                    out.push('\n');
                }
                for child in self.tree.children(id) {
                    self.push_code_text(child, out);
                }
            }
        }
    }

    /// The language of code, from the classes of its element, of one in it or of one around it.
    fn language(&self, id: NodeId) -> String {
        let inner = self.tree.find(id, "code");
        let parent = self.tree.nodes[id].parent;
        let around = [parent, self.tree.nodes[parent].parent];
        inner.into_iter().chain([id]).chain(around).find_map(|id| self.language_of(id)).unwrap_or_default()
    }

    fn language_of(&self, id: NodeId) -> Option<String> {
        if let Some(language) =
            self.tree.attribute(id, "data-lang").or_else(|| self.tree.attribute(id, "data-language"))
        {
            return Some(language.into_owned()).filter(|language| is_language(language));
        }
        let classes = self.tree.attribute(id, "class")?;
        let mut words = classes.split_ascii_whitespace();
        let prefixed = words.clone().find_map(|class| {
            ["language-", "lang-", "highlight-source-", "brush:", "highlight-"]
                .iter()
                .find_map(|at| class.strip_prefix(at))
        });
        // Pandoc writes `sourceCode python`.
        let after = || words.find(|class| *class == "sourceCode").and_then(|_| words.next());
        let language = prefixed.or_else(after)?;
        (is_language(language) && !matches!(language, "none" | "default" | "text" | "plaintext"))
            .then(|| language.to_owned())
    }
}

fn is_language(word: &str) -> bool {
    (1..=20).contains(&word.len())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'#' | b'_' | b'.'))
}
