//! Footnotes and endnotes, at the end of the text.

use std::collections::HashMap;

use super::body::Body;
use super::paragraph::Line;
use crate::markup::xml::Xml;

impl Body<'_> {
    /// Writes the notes that the text refers to, from the parts that hold them.
    pub(crate) fn write_notes(&mut self, footnotes: &str, endnotes: &str) {
        if self.state.notes.is_empty() {
            return;
        }
        let footnotes = self.read_notes(footnotes);
        let endnotes = self.read_notes(endnotes);
        let notes = std::mem::take(&mut self.state.notes);
        for (index, (is_endnote, id)) in notes.iter().enumerate() {
            let text = if *is_endnote { endnotes.get(id) } else { footnotes.get(id) };
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                self.writer.paragraph(&format!("[^{}]: {text}", index + 1));
            }
        }
    }

    fn read_notes(&mut self, part: &str) -> HashMap<String, String> {
        let mut notes = HashMap::new();
        let mut xml = Xml::new(part);
        xml.enter();
        xml.children(|xml, _, tag| {
            let id = tag.local("id").unwrap_or_default().into_owned();
            // Separators are kept among the notes and are none.
            if tag.local("type").is_some_and(|kind| kind != "normal") {
                return xml.skip();
            }
            notes.insert(id, self.note_text(xml));
        });
        notes
    }

    fn note_text(&mut self, xml: &mut Xml<'_>) -> String {
        let mut lines: Vec<String> = Vec::new();
        let mut open = 0_u64;
        while let Some(element) = xml.within(&mut open) {
            match element {
                ("p", _) => {
                    let line = Line::read(xml, &mut self.state);
                    lines.push(crate::signals::one_line(&line.markdown(true)));
                }
                _ => open += 1,
            }
        }
        lines.retain(|line| !line.is_empty());
        lines.join(" ")
    }
}
