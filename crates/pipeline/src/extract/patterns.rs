//! Extraction by patterns alone: tables, lists, headings, code and the turns of sentences that say what something is.

use std::ops::Range;

use super::plain::{plain, sentences};
use super::{Aligner, Alignment, AlignmentLimits, Attribute, Extraction, Mention, Shape};
use crate::preprocess::blocks::{Block, BlockKind, Table, blocks, trimmed};
use crate::settings::ExtractionSettings;
use crate::words::{WordKind, count_words, words};

/// Words of a subject at most: longer ones are no names.
const SUBJECT_WORDS: u64 = 8;
/// Bytes of code that is taken as an example.
const CODE_BYTES: usize = 1500;
/// Words of a sentence that is taken.
const SENTENCE_WORDS: std::ops::RangeInclusive<u64> = 5..=60;
/// Columns of a table beside the first that are taken.
const COLUMNS: usize = 12;
/// Items of a list that are taken together.
const LIST_ITEMS: usize = 12;

/// What a chunk says, by patterns. The class is the nearest of the usual six; those that the settings do not have are left
/// out.
#[must_use]
pub fn extract_patterns(text: &str, headings: &[String], settings: &ExtractionSettings) -> Vec<Extraction> {
    let mut scan = Scan { text, heading: headings.last().cloned(), heading_span: None, found: Vec::new() };
    let all = blocks(text);
    let mut index = 0;
    while index < all.len() {
        index += scan.block(&all, index).max(1);
    }
    scan.found.retain(|extraction| settings.classes.contains_key(&extraction.class));
    scan.found
}

struct Scan<'a> {
    text: &'a str,
    /// The heading above, in plain words.
    heading: Option<String>,
    /// Where it stands, if it stands in this chunk.
    heading_span: Option<Range<usize>>,
    found: Vec<Extraction>,
}

impl Scan<'_> {
    /// Takes a block, and says how many blocks were taken with it.
    fn block(&mut self, all: &[Block], index: usize) -> usize {
        let block = &all[index];
        match &block.kind {
            BlockKind::Heading(_) => {
                self.heading(all, index);
                1
            }
            BlockKind::Table(table) => {
                self.table(table);
                1
            }
            BlockKind::Code { language, body } => {
                self.code(all, index, language, body);
                1
            }
            BlockKind::Item { number, depth, list } => self.list(all, index, number.is_some(), *depth, *list),
            BlockKind::Paragraph => {
                self.sentences(block.range.clone());
                1
            }
            BlockKind::Html => 1,
        }
    }

    fn heading(&mut self, all: &[Block], index: usize) {
        let inner = heading_text(self.text, &all[index].range);
        let words = plain(&self.text[inner.clone()]);
        let next = all.get(index + 1).filter(|next| next.kind == BlockKind::Paragraph);
        if let Some(answer) = next.filter(|_| words.ends_with('?')) {
            let end = first_sentences(self.text, answer.range.clone(), 4);
            let value = self.mention(answer.range.start..end);
            let class = if says_trouble(&words) { "troubleshooting" } else { "features" };
            let subject = Some(Mention { text: words.clone(), span: inner.clone() });
            self.push(
                class,
                Shape::Question,
                subject,
                inner.start..end,
                vec![Attribute { name: None, value }],
                &[true, true],
            );
        }
        self.heading = Some(words);
        self.heading_span = Some(inner);
    }

    fn table(&mut self, table: &Table) {
        let columns: Vec<Mention> = table.columns.iter().map(|cell| self.mention(cell.clone())).collect();
        let names_settings = columns.first().is_some_and(|column| is_parameter_word(&column.text));
        for row in &table.rows {
            let Some(first) = row.cells.first().filter(|cell| !cell.is_empty()) else { continue };
            let subject = self.mention(first.clone());
            let cells = row.cells.iter().zip(&columns).skip(1).take(COLUMNS);
            let attributes: Vec<Attribute> = cells
                .filter(|(cell, column)| !cell.is_empty() && !column.text.is_empty())
                .map(|(cell, column)| Attribute { name: Some(column.clone()), value: self.mention(cell.clone()) })
                .filter(|attribute| attribute.value.text.chars().any(char::is_alphanumeric))
                .collect();
            if attributes.is_empty() || !subject.text.chars().any(char::is_alphanumeric) {
                continue;
            }
            let is_code = self.text[first.clone()].contains('`');
            let class = if names_settings || is_code { "parameters" } else { "specifications" };
            let is_name = count_words(&subject.text) <= SUBJECT_WORDS;
            let is_full = attributes.len() + 1 == columns.len();
            let span = row.range.start..row.range.start + self.text[row.range.clone()].trim_end().len();
            self.push(class, Shape::Row, Some(subject), span, attributes, &[is_name, is_full]);
        }
    }

    fn code(&mut self, all: &[Block], index: usize, language: &str, body: &Range<usize>) {
        let code = trimmed(self.text, body.clone());
        if code.is_empty() || code.len() > CODE_BYTES || !all[index].range.contains(&body.start) {
            return;
        }
        // What stands directly before says what it is an example of.
        let before = index.checked_sub(1).map(|before| &all[before]);
        let intro = before.filter(|block| matches!(block.kind, BlockKind::Paragraph | BlockKind::Item { .. }));
        let intro = intro.and_then(|block| sentences(self.text, block.range.clone()).pop());
        let subject = intro.map(|range| self.mention(range)).filter(|mention| count_words(&mention.text) >= 3);
        let checks = [subject.is_some(), !language.is_empty()];
        let subject = subject.or_else(|| self.heading_mention());
        if subject.is_none() {
            return;
        }
        let value = Mention { text: self.text[code.clone()].to_owned(), span: code.clone() };
        let span = all[index].range.clone();
        self.push("examples", Shape::Code, subject, span, vec![Attribute { name: None, value }], &checks);
    }

    /// Takes the items of one list, and says how many blocks that were.
    fn list(&mut self, all: &[Block], index: usize, is_ordered: bool, depth: u32, list: u32) -> usize {
        let belongs = |block: &&Block| matches!(block.kind, BlockKind::Item { list: other, .. } if other == list);
        let items: Vec<&Block> =
            all[index..].iter().take_while(|block| goes_on(block, depth, list)).filter(belongs).collect();
        let contents: Vec<Range<usize>> = items.iter().map(|item| item_text(self.text, &item.range)).collect();
        let is_procedure = is_ordered && contents.len() >= 2;
        if is_procedure {
            self.steps(&contents);
        }
        let mut named = 0;
        for content in &contents {
            if let Some(cut) = entry_cut(&self.text[content.clone()]) {
                self.entry(content.clone(), cut);
                named += 1;
            } else if !is_procedure {
                self.sentences(content.clone());
            }
        }
        if !is_procedure && named * 2 < contents.len() && contents.len() >= 2 {
            self.whole_list(all, index, &contents);
        }
        // Only the first item is behind us: lists within it are taken as their turn comes.
        let last =
            items.last().map_or(index, |last| all.iter().position(|block| std::ptr::eq(block, *last)).unwrap_or(index));
        if is_flat(&all[index..=last], list) { last - index + 1 } else { self.skip_nested(all, index, last, list) }
    }

    /// Takes the lists within the items of a list.
    fn skip_nested(&mut self, all: &[Block], index: usize, last: usize, list: u32) -> usize {
        let mut at = index + 1;
        while at <= last {
            let is_own = matches!(all[at].kind, BlockKind::Item { list: other, .. } if other == list);
            at += if is_own { 1 } else { self.block(all, at).max(1) };
        }
        at - index
    }

    fn steps(&mut self, contents: &[Range<usize>]) {
        let attributes: Vec<Attribute> = contents
            .iter()
            .take(LIST_ITEMS)
            .filter(|content| !content.is_empty())
            .map(|content| Attribute { name: None, value: self.mention(content.clone()) })
            .collect();
        let (Some(first), Some(last)) = (contents.first(), attributes.last()) else { return };
        let span = first.start..last.value.span.end;
        let asks_how = self.heading.as_deref().is_some_and(|heading| heading.to_lowercase().contains("how to"));
        let begins_with_verb =
            attributes.iter().filter(|step| starts_imperative(&step.value.text)).count() * 2 >= attributes.len();
        let subject = self.heading_mention();
        let has_subject = subject.is_some();
        self.push("procedures", Shape::Steps, subject, span, attributes, &[has_subject, asks_how || begins_with_verb]);
    }

    fn whole_list(&mut self, all: &[Block], index: usize, contents: &[Range<usize>]) {
        let before = index.checked_sub(1).map(|before| &all[before]);
        let intro = before.filter(|block| block.kind == BlockKind::Paragraph);
        let intro = intro.and_then(|block| sentences(self.text, block.range.clone()).pop());
        let intro = intro.map(|range| self.mention(range)).filter(|mention| mention.text.ends_with(':'));
        let checks = [intro.is_some(), contents.len() >= 3];
        let Some(subject) = intro.or_else(|| self.heading_mention()) else { return };
        let attributes: Vec<Attribute> = contents
            .iter()
            .take(LIST_ITEMS)
            .map(|content| Attribute { name: None, value: self.mention(content.clone()) })
            .collect();
        let Some(last) = attributes.last() else { return };
        let span = contents[0].start..last.value.span.end;
        let class = if says_trouble(&subject.text) { "troubleshooting" } else { "features" };
        self.push(class, Shape::List, Some(subject), span, attributes, &checks);
    }

    /// An item that names what it describes: `**Name**: text`, `` `name` - text ``.
    fn entry(&mut self, content: Range<usize>, cut: EntryCut) {
        let subject = self.mention(content.start + cut.name.start..content.start + cut.name.end);
        let value_range = trimmed(self.text, content.start + cut.value..content.end);
        if value_range.is_empty() || subject.text.is_empty() {
            return;
        }
        let value = self.mention(value_range);
        let heading = self.heading.clone().unwrap_or_default();
        let is_parameter = cut.is_code || is_parameter_word(&heading);
        let class = match () {
            () if says_trouble(&subject.text) || says_trouble(&heading) => "troubleshooting",
            () if is_parameter => "parameters",
            () if says_specification(&value.text) => "specifications",
            () => "features",
        };
        let checks = [count_words(&subject.text) <= SUBJECT_WORDS, count_words(&value.text) >= 3];
        self.push(class, Shape::Entry, Some(subject), content, vec![Attribute { name: None, value }], &checks);
    }

    fn sentences(&mut self, range: Range<usize>) {
        for sentence in sentences(self.text, range) {
            let words = plain(&self.text[sentence.clone()]);
            if !SENTENCE_WORDS.contains(&count_words(&words)) || words.ends_with([':', '?']) {
                continue;
            }
            let Some(turn) = turn_of(&words) else { continue };
            let subject = turn.subject.and_then(|subject| {
                let limits = AlignmentLimits { coverage: 1.0, density: 1.0 };
                let (span, _) = Aligner::new(&self.text[sentence.clone()]).find(&subject, 0, limits)?;
                Some(Mention { text: subject, span: sentence.start + span.start..sentence.start + span.end })
            });
            let ends = words.ends_with(['.', '!', '。', ')']);
            let value = Mention { text: words, span: sentence.clone() };
            let checks = [subject.is_some(), ends];
            self.push(turn.class, Shape::Sentence, subject, sentence, vec![Attribute { name: None, value }], &checks);
        }
    }

    fn heading_mention(&self) -> Option<Mention> {
        let span = self.heading_span.clone()?;
        Some(Mention { text: self.heading.clone()?, span })
    }

    fn mention(&self, span: Range<usize>) -> Mention {
        Mention { text: plain(&self.text[span.clone()]), span }
    }

    fn push(
        &mut self,
        class: &str,
        shape: Shape,
        subject: Option<Mention>,
        span: Range<usize>,
        attributes: Vec<Attribute>,
        checks: &[bool],
    ) {
        let met = checks.iter().filter(|check| **check).count();
        // The shape itself is one thing that speaks for it.
        let confidence = (2 + met) as f64 / (2 + checks.len()) as f64;
        let (class, alignment) = (class.to_owned(), Alignment::Exact);
        self.found.push(Extraction { class, shape, subject, span, attributes, alignment, confidence });
    }
}

/// Whether a block is part of a list, or lies within one of its items.
fn goes_on(block: &Block, depth: u32, list: u32) -> bool {
    matches!(block.kind, BlockKind::Item { depth: other, list: own, .. } if own == list || other > depth)
}

fn is_flat(blocks: &[Block], list: u32) -> bool {
    blocks.iter().all(|block| matches!(block.kind, BlockKind::Item { list: own, .. } if own == list))
}

fn heading_text(text: &str, range: &Range<usize>) -> Range<usize> {
    let inner = &text[range.clone()];
    let start = inner.len() - inner.trim_start_matches(['#', ' ']).len();
    // The line under a heading of the other form falls away with its first line's end.
    let end = inner.find('\n').unwrap_or(inner.len());
    let end = start.max(inner[..end].trim_end_matches(['#', ' ']).len());
    range.start + start..range.start + end
}

/// The text of an item without its marker.
fn item_text(text: &str, range: &Range<usize>) -> Range<usize> {
    let inner = &text[range.clone()];
    let after_figures = inner.trim_start_matches(|char: char| char.is_ascii_digit());
    let after = after_figures.strip_prefix(['.', ')', '-', '*', '+']).unwrap_or(inner).trim_start();
    let after = after.strip_prefix("[ ]").or_else(|| after.strip_prefix("[x]")).unwrap_or(after).trim_start();
    range.start + (inner.len() - after.len())..range.end
}

/// The end of the first sentences of a range.
fn first_sentences(text: &str, range: Range<usize>, count: usize) -> usize {
    sentences(text, range.clone()).iter().take(count).next_back().map_or(range.end, |last| last.end)
}

/// Where an item names what it describes.
struct EntryCut {
    name: Range<usize>,
    value: usize,
    is_code: bool,
}

fn entry_cut(item: &str) -> Option<EntryCut> {
    for mark in ["**", "__", "`"] {
        let Some(rest) = item.strip_prefix(mark) else { continue };
        let length = rest.find(mark)?;
        let after = &rest[length + mark.len()..];
        // `**Name (optional)**:`, `` `name` (text): ``, `**Name:** text`.
        let noted = after.trim_start();
        let noted =
            noted.strip_prefix('(').and_then(|note| note.find(')').map(|end| &note[end + 1..])).unwrap_or(noted);
        let inner = rest[..length].trim_end();
        let has_colon = inner.ends_with(':');
        let value = if has_colon { Some(after) } else { after_separator(noted) };
        let value = value?;
        let name_end = mark.len() + inner.trim_end_matches(':').len();
        // Code within the emphasis is still code.
        let is_code = mark == "`" || inner.starts_with('`');
        return Some(EntryCut { name: mark.len()..name_end, value: item.len() - value.len(), is_code });
    }
    None
}

fn after_separator(text: &str) -> Option<&str> {
    let text = text.trim_start();
    [":", "– ", "— ", "- ", "= "].iter().find_map(|separator| text.strip_prefix(separator))
}

/// What a sentence does.
struct Turn {
    class: &'static str,
    subject: Option<String>,
}

/// The turn of a sentence, by the first of its signs.
fn turn_of(sentence: &str) -> Option<Turn> {
    let lower = format!(" {} ", sentence.to_lowercase());
    let has = |signs: &[&str]| signs.iter().any(|sign| lower.contains(sign));
    if has(&[" for example", " e.g.", " for instance", " such as "]) {
        return Some(Turn { class: "examples", subject: subject_of(sentence) });
    }
    if says_trouble(sentence) {
        return Some(Turn { class: "troubleshooting", subject: subject_of(sentence) });
    }
    let is_conditional = has(&[" if ", " when ", " unless ", " because ", " so that ", " in order to ", " to avoid "]);
    if says_specification(sentence) {
        return Some(Turn { class: "specifications", subject: subject_of(sentence) });
    }
    if has(&[" option ", " parameter ", " flag ", " setting ", " argument ", " field ", " variable ", " by default"]) {
        return Some(Turn { class: "parameters", subject: subject_of(sentence) });
    }
    let subject = subject_of(sentence);
    (is_conditional || subject.is_some()).then_some(Turn { class: "features", subject })
}

/// Verbs behind which a sentence says what its subject is or does.
const VERBS: &[&str] = &[
    "is",
    "are",
    "was",
    "were",
    "has",
    "have",
    "can",
    "supports",
    "support",
    "provides",
    "provide",
    "allows",
    "allow",
    "enables",
    "enable",
    "uses",
    "use",
    "offers",
    "offer",
    "includes",
    "include",
    "contains",
    "contain",
    "returns",
    "return",
    "requires",
    "require",
    "means",
    "represents",
    "describes",
    "defines",
    "controls",
    "handles",
    "runs",
    "works",
    "must",
    "should",
    "does",
    "will",
    "converts",
    "extracts",
    "stores",
    "reads",
    "writes",
    "creates",
    "accepts",
    "consists",
    "belongs",
    "helps",
    "ensures",
];

/// What points to another place of the text is no name outside of it.
const POINTING: &[&str] = &[
    "this",
    "these",
    "that",
    "those",
    "following",
    "above",
    "below",
    "many",
    "some",
    "several",
    "other",
    "both",
    "each",
    "all",
    "such",
    "another",
    "it",
    "they",
    "you",
    "we",
    "one",
    "most",
    "any",
    "every",
    "no",
    "more",
];

/// The words before a sentence's first verb, where they are a name: no pronoun, few words.
fn subject_of(sentence: &str) -> Option<String> {
    let found = words(sentence);
    let at = found.iter().position(|word| VERBS.contains(&sentence[word.range.clone()].to_lowercase().as_str()))?;
    let last = at.checked_sub(1).map(|before| &found[before])?;
    if u64::try_from(at).is_ok_and(|count| count > SUBJECT_WORDS) {
        return None;
    }
    let subject = &sentence[found[0].range.start..last.range.end];
    let is_plain = !subject.contains([',', ';', ':', '(', '"']);
    let opens_clause = [
        "if", "when", "as", "because", "while", "although", "since", "once", "after", "before", "for", "in", "with",
        "by", "to", "on", "at", "from", "how", "what", "there", "here", "where", "which", "and", "but", "or", "note",
        "please", "so",
    ]
    .contains(&sentence[found[0].range.clone()].to_lowercase().as_str());
    let lower = |word: &crate::words::Word| sentence[word.range.clone()].to_lowercase();
    let points_elsewhere = found[..at].iter().take(2).any(|word| POINTING.contains(&lower(word).as_str()));
    let has_name = !points_elsewhere && found[..at].iter().any(|word| word.has_content());
    let is_negated = found[..at].iter().any(|word| word.kind == WordKind::Negator);
    (is_plain && !opens_clause && has_name && !is_negated).then(|| subject.to_owned())
}

fn starts_imperative(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default();
    first.starts_with(char::is_uppercase) && first.chars().skip(1).all(char::is_lowercase) && !first.ends_with('s')
}

fn is_parameter_word(text: &str) -> bool {
    const WORDS: [&str; 15] = [
        "parameter",
        "option",
        "flag",
        "field",
        "argument",
        "setting",
        "key",
        "variable",
        "attribute",
        "property",
        "column",
        "env",
        "config",
        "configuration",
        "name",
    ];
    let lower = text.to_lowercase();
    WORDS
        .iter()
        .any(|word| lower.split(|char: char| !char.is_alphanumeric()).any(|found| found.trim_end_matches('s') == *word))
}

fn says_trouble(text: &str) -> bool {
    const SIGNS: [&str; 16] = [
        "error",
        "fail",
        "issue",
        "problem",
        "troubleshoot",
        "workaround",
        "crash",
        "cannot",
        "not supported",
        "unsupported",
        "bug",
        "warning",
        "deprecat",
        "limitation",
        "out of memory",
        "missing",
    ];
    let lower = text.to_lowercase();
    SIGNS.iter().any(|sign| lower.contains(sign))
}

/// Whether a text states a figure or a duty.
fn says_specification(text: &str) -> bool {
    let lower = format!(" {} ", text.to_lowercase());
    let duty = [
        " must ",
        " shall ",
        " requires ",
        " required ",
        " at least ",
        " at most ",
        " minimum",
        " maximum",
        " limit",
        " up to ",
    ];
    duty.iter().any(|sign| lower.contains(sign)) || words(text).iter().any(|word| word.kind == WordKind::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<Extraction> {
        extract_patterns(text, &[], &ExtractionSettings::default())
    }

    #[test]
    fn each_shape_is_found_with_its_class() {
        let check = |text: &str, expected: &[(&str, Shape, Option<&str>)]| {
            let found = found(text);
            let shown: Vec<(&str, Shape, Option<&str>)> = found
                .iter()
                .map(|one| (one.class.as_str(), one.shape, one.subject.as_ref().map(|subject| subject.text.as_str())))
                .collect();
            assert_eq!(shown, expected, "{text}");
        };
        check("| Option | Default |\n|---|---|\n| `size` | 30 |\n", &[("parameters", Shape::Row, Some("size"))]);
        check("| City | People |\n|---|---|\n| Bern | 130,000 |\n", &[("specifications", Shape::Row, Some("Bern"))]);
        check("- **Cache**: keeps what was asked before\n", &[("features", Shape::Entry, Some("Cache"))]);
        check("- `--size`: how much is kept at once\n", &[("parameters", Shape::Entry, Some("--size"))]);
        check("- **Size:** how much is kept\n", &[("features", Shape::Entry, Some("Size"))]);
        check(
            "## How to start\n\n1. Install the program\n2. Run it\n",
            &[("procedures", Shape::Steps, Some("How to start"))],
        );
        check("## Why is it slow?\n\nThe disk is full.\n", &[("features", Shape::Question, Some("Why is it slow?"))]);
        check("The cache keeps up to 30 answers in its memory.", &[("specifications", Shape::Sentence, None)]);
        check("The `cache` is a store of answers.", &[("features", Shape::Sentence, Some("The cache"))]);
        check("The cache is a store of answers.", &[("features", Shape::Sentence, Some("The cache"))]);
        check("Run it like this:\n\n```sh\nrun it\n```\n", &[("examples", Shape::Code, Some("Run it like this:"))]);
        check(
            "It reads these files:\n\n- text of any kind\n- tables of any size\n- pictures with words\n",
            &[("features", Shape::List, Some("It reads these files:"))],
        );
        check("Nothing here.", &[]);
    }

    #[test]
    fn lists_within_lists_are_taken_once() {
        let found = found(
            "- **A**: one thing that is here\n  - **B**: two things that are here\n- **C**: three of them here\n",
        );
        let names: Vec<&str> =
            found.iter().filter_map(|one| one.subject.as_ref()).map(|subject| subject.text.as_str()).collect();
        assert_eq!(names, ["A", "C", "B"]);
    }

    #[test]
    fn classes_that_are_not_asked_for_are_left_out() {
        let mut settings = ExtractionSettings::default();
        settings.classes.remove("parameters");
        assert_eq!(extract_patterns("| Option | Default |\n|---|---|\n| `size` | 30 |\n", &[], &settings), []);
    }

    proptest::proptest! {
        #[test]
        fn spans_lie_in_the_text(text in "([A-Ca-c#|\\-` \n0-9.é*:]|\n\n# |\n\\| a \\| b \\|\n\\|---\\|---\\|\n| is |\n1. |\n- \\*\\*){0,60}") {
            for extraction in found(&text) {
                proptest::prop_assert!(text.get(extraction.span.clone()).is_some());
                for attribute in &extraction.attributes {
                    proptest::prop_assert!(text.get(attribute.value.span.clone()).is_some());
                }
            }
        }
    }
}
