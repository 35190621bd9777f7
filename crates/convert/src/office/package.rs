//! The parts of an office file.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use memchr::memmem;

use crate::Limits;
use crate::decode::decode;
use crate::error::{Refusal, RefusalKind};
use crate::markup::xml::{Xml, is_well_formed};
use crate::zip::{Directory, ZipError};

/// How far into a part a declaration of entities may stand.
const PROLOGUE_BYTES: usize = 4096;

/// An office file.
#[derive(Debug)]
pub(crate) struct Package<'a> {
    source: Cursor<&'a [u8]>,
    directory: Directory,
    /// Bytes that may still be unpacked.
    budget: u64,
    limit: u64,
}

/// Where the relations of a part lead, by id.
pub(crate) type Relations = BTreeMap<String, Relation>;

/// A relation of a part.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    /// The last word of its type, like `hyperlink`.
    pub(crate) kind: String,
    /// A name of a part, or an address where it is external.
    pub(crate) target: String,
}

impl<'a> Package<'a> {
    pub(crate) fn open(bytes: &'a [u8], limits: &Limits) -> Result<Self, Refusal> {
        let mut source = Cursor::new(bytes);
        let directory = Directory::read(&mut source).map_err(|error| error.refusal())?;
        Ok(Self { source, directory, budget: limits.text_bytes, limit: limits.text_bytes })
    }

    /// The text of a part; nothing where there is no such part.
    pub(crate) fn part(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        let mut found = self.directory.entries.iter().filter(|entry| entry.name.eq_ignore_ascii_case(name));
        let Some(entry) = found.next().cloned() else { return Ok(None) };
        if found.next().is_some() {
            return Err(Refusal::new(RefusalKind::Damaged, format!("two parts are named `{name}`")));
        }
        let named = |error: ZipError| {
            let refusal = error.refusal();
            Refusal::new(refusal.kind, format!("its part `{name}`: {}", refusal.detail))
        };
        let member = self.directory.open(&mut self.source, &entry).map_err(named)?;
        let mut bytes = Vec::new();
        member.take(self.budget + 1).read_to_end(&mut bytes).map_err(|error| named(error.into()))?;
        let Some(budget) = self.budget.checked_sub(bytes.len() as u64) else {
            let detail = format!("its parts unpack to more than {} bytes", self.limit);
            return Err(Refusal::new(RefusalKind::TooLarge, detail));
        };
        self.budget = budget;
        if memmem::find(&bytes[..bytes.len().min(PROLOGUE_BYTES)], b"<!DOCTYPE").is_some() {
            let detail = format!("its part `{name}` declares a document type, which no office program writes");
            return Err(Refusal::new(RefusalKind::Damaged, detail));
        }
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => decode(error.as_bytes(), None).text.into_owned(),
        };
        if !is_well_formed(&text) {
            return Err(Refusal::new(RefusalKind::Damaged, format!("its part `{name}` is no well-formed XML")));
        }
        Ok(Some(text))
    }

    /// The relations of a part.
    pub(crate) fn relations(&mut self, part: &str) -> Result<Relations, Refusal> {
        let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
        let slash = if folder.is_empty() { "" } else { "/" };
        let Some(text) = self.part(&format!("{folder}{slash}_rels/{file}.rels"))? else { return Ok(Relations::new()) };
        let mut relations = Relations::new();
        let mut xml = Xml::new(&text);
        xml.enter();
        xml.children(|xml, _, tag| {
            let get = |name| tag.local(name).map(|value| value.into_owned()).unwrap_or_default();
            let is_external = get("TargetMode") == "External";
            let target = if is_external { get("Target") } else { resolve(folder, &get("Target")) };
            let kind = get("Type").rsplit('/').next().unwrap_or_default().to_owned();
            relations.insert(get("Id"), Relation { kind, target });
            xml.skip();
        });
        Ok(relations)
    }

    /// The name of the main part: what the package calls its document, or the usual name.
    pub(crate) fn main_part(&mut self, usual: &str) -> Result<String, Refusal> {
        let relations = self.relations("")?;
        let main = relations.into_values().find(|relation| relation.kind == "officeDocument");
        Ok(main.map_or_else(|| usual.to_owned(), |relation| relation.target))
    }

    /// What the file says is its title.
    pub(crate) fn title(&mut self) -> Result<Option<String>, Refusal> {
        let Some(text) = self.part("docProps/core.xml")? else { return Ok(None) };
        let mut title = None;
        let mut xml = Xml::new(&text);
        xml.enter();
        xml.children(|xml, name, _| {
            if name == "title" {
                title = Some(xml.text());
            } else {
                xml.skip();
            }
        });
        Ok(title.filter(|title| !title.trim().is_empty()))
    }
}

/// The part that a relation of a part in `folder` names.
fn resolve(folder: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut steps: Vec<&str> = folder.split('/').filter(|step| !step.is_empty()).collect();
    for step in target.split('/') {
        match step {
            "." | "" => {}
            ".." => {
                steps.pop();
            }
            _ => steps.push(step),
        }
    }
    steps.join("/")
}
