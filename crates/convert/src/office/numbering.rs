//! The marks of lists and the numbers of headings.

use std::collections::{HashMap, HashSet};

use super::properties::number;
use crate::markup::xml::Xml;

/// Levels of a list.
const LEVELS: usize = 9;

/// The lists of a document, and how far each has counted.
#[derive(Debug, Default)]
pub(crate) struct Numbering {
    abstracts: HashMap<String, [Level; LEVELS]>,
    instances: HashMap<String, Instance>,
    /// By abstract list: the last number of each level.
    counters: HashMap<String, [Option<u64>; LEVELS]>,
    /// Instances that have begun, so that their own starts are used once.
    begun: HashSet<String>,
}

#[derive(Debug, Clone)]
struct Level {
    format: String,
    start: u64,
    text: String,
}

impl Default for Level {
    fn default() -> Self {
        Self { format: "decimal".into(), start: 1, text: String::new() }
    }
}

#[derive(Debug, Default)]
struct Instance {
    abstract_id: String,
    starts: [Option<u64>; LEVELS],
}

/// What is before a paragraph in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    Bullet,
    /// The number, and how the document writes it with the numbers above it.
    Number(u64, String),
    /// Nothing: the paragraph goes on with the item above.
    Blank,
}

impl Numbering {
    /// Reads the part of the numberings.
    pub(crate) fn read(text: &str) -> Self {
        let mut numbering = Self::default();
        let mut xml = Xml::new(text);
        xml.enter();
        xml.children(|xml, name, tag| match name {
            "abstractNum" => {
                let id = tag.local("abstractNumId").unwrap_or_default().into_owned();
                numbering.abstracts.insert(id, read_levels(xml));
            }
            "num" => {
                let id = tag.local("numId").unwrap_or_default().into_owned();
                numbering.instances.insert(id, read_instance(xml));
            }
            _ => xml.skip(),
        });
        numbering
    }

    /// The mark of the next paragraph of a list; nothing where there is no such list.
    pub(crate) fn next(&mut self, id: &str, level: u8) -> Option<Mark> {
        let level = usize::from(level).min(LEVELS - 1);
        let instance = self.instances.get(id)?;
        let levels = self.abstracts.get(&instance.abstract_id)?;
        let own = &levels[level];
        match &*own.format {
            "bullet" if own.text.trim().is_empty() => return Some(Mark::Blank),
            "bullet" => return Some(Mark::Bullet),
            "none" => return Some(Mark::Blank),
            _ => {}
        }
        let counters = self.counters.entry(instance.abstract_id.clone()).or_default();
        if self.begun.insert(id.to_owned()) {
            for (counter, start) in counters.iter_mut().zip(&instance.starts) {
                if start.is_some() {
                    *counter = None;
                }
            }
        }
        let start = instance.starts[level].unwrap_or(own.start);
        let value = counters[level].map_or(start, |last| last.saturating_add(1));
        counters[level] = Some(value);
        counters[level + 1..].fill(None);
        for above in 0..level {
            counters[above].get_or_insert(instance.starts[above].unwrap_or(levels[above].start));
        }
        Some(Mark::Number(value, written(levels, counters, level)))
    }
}

/// How a number is written: `%1.%2` with each level in its format.
fn written(levels: &[Level; LEVELS], counters: &[Option<u64>; LEVELS], level: usize) -> String {
    let mut out = String::new();
    let mut characters = levels[level].text.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        let digit = characters.next().and_then(|digit| digit.to_digit(10)).unwrap_or(0) as usize;
        if let Some(index) = digit.checked_sub(1).filter(|index| *index < LEVELS) {
            out.push_str(&in_format(counters[index].unwrap_or(levels[index].start), &levels[index].format));
        }
    }
    out
}

fn in_format(value: u64, format: &str) -> String {
    match format {
        "lowerLetter" => letters(value, b'a'),
        "upperLetter" => letters(value, b'A'),
        "lowerRoman" => roman(value).to_lowercase(),
        "upperRoman" => roman(value),
        _ => value.to_string(),
    }
}

/// 1 is a, 26 is z, 27 is aa, as Word counts.
fn letters(value: u64, first: u8) -> String {
    let Some(index) = value.checked_sub(1) else { return value.to_string() };
    let letter = char::from(first + u8::try_from(index % 26).unwrap_or(0));
    let repeat = usize::try_from(index / 26 + 1).unwrap_or(1);
    if repeat > 8 { value.to_string() } else { letter.to_string().repeat(repeat) }
}

fn roman(value: u64) -> String {
    const SIGNS: [(u64, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if !(1..4000).contains(&value) {
        return value.to_string();
    }
    let mut rest = value;
    let mut out = String::new();
    for (size, sign) in SIGNS {
        while rest >= size {
            rest -= size;
            out.push_str(sign);
        }
    }
    out
}

fn read_levels(xml: &mut Xml<'_>) -> [Level; LEVELS] {
    let mut levels: [Level; LEVELS] = Default::default();
    xml.children(|xml, name, tag| {
        let index = tag.local("ilvl").and_then(|value| value.trim().parse::<usize>().ok());
        match (name, index) {
            ("lvl", Some(index)) if index < LEVELS => levels[index] = read_level(xml),
            _ => xml.skip(),
        }
    });
    levels
}

fn read_level(xml: &mut Xml<'_>) -> Level {
    let mut level = Level::default();
    xml.children(|xml, name, tag| {
        match name {
            "start" => level.start = number(tag).unwrap_or(1),
            "numFmt" => level.format = tag.local("val").unwrap_or_default().into_owned(),
            "lvlText" => level.text = tag.local("val").unwrap_or_default().into_owned(),
            _ => {}
        }
        xml.skip();
    });
    level
}

fn read_instance(xml: &mut Xml<'_>) -> Instance {
    let mut instance = Instance::default();
    xml.children(|xml, name, tag| match name {
        "abstractNumId" => {
            instance.abstract_id = tag.local("val").unwrap_or_default().into_owned();
            xml.skip();
        }
        "lvlOverride" => {
            let index = tag.local("ilvl").and_then(|value| value.trim().parse::<usize>().ok());
            xml.children(|xml, name, tag| {
                if let (Some(index), "startOverride") = (index.filter(|index| *index < LEVELS), name) {
                    instance.starts[index] = number(tag);
                }
                xml.skip();
            });
        }
        _ => xml.skip(),
    });
    instance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_their_formats() {
        let cases = [(1, "a", "i"), (4, "d", "iv"), (27, "aa", "xxvii"), (1994, "1994", "mcmxciv"), (0, "0", "0")];
        for (value, letter, roman) in cases {
            assert_eq!(
                (in_format(value, "lowerLetter"), in_format(value, "lowerRoman")),
                (letter.into(), roman.into())
            );
        }
    }

    #[test]
    fn levels_restart_below_each_other_and_lists_go_on() {
        let text = r#"<w:numbering><w:abstractNum w:abstractNumId="5">
            <w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
            <w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1.%2"/></w:lvl>
            <w:lvl w:ilvl="2"><w:numFmt w:val="bullet"/><w:lvlText w:val="o"/></w:lvl>
            <w:lvl w:ilvl="3"><w:numFmt w:val="bullet"/><w:lvlText w:val=" "/></w:lvl></w:abstractNum>
            <w:num w:numId="1"><w:abstractNumId w:val="5"/></w:num>
            <w:num w:numId="2"><w:abstractNumId w:val="5"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="7"/></w:lvlOverride></w:num>
            </w:numbering>"#;
        let mut numbering = Numbering::read(text);
        let steps = [
            ("1", 0, "1."),
            ("1", 1, "1.a"),
            ("1", 1, "1.b"),
            ("1", 0, "2."),
            ("1", 1, "2.a"),
            ("2", 0, "7."),
            ("2", 0, "8."),
        ];
        for (id, level, expected) in steps {
            let Some(Mark::Number(_, written)) = numbering.next(id, level) else { panic!("{id} {level}") };
            assert_eq!(written, expected);
        }
        assert_eq!(numbering.next("1", 2), Some(Mark::Bullet));
        assert_eq!(numbering.next("1", 3), Some(Mark::Blank));
        assert_eq!(numbering.next("9", 0), None);
    }
}
