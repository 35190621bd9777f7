//! A short cut past the JSON parser for frames that differ from one read before only in their text and counts.
//!
//! The chunks of one answer are alike but for a string and, on some servers, the running token counts. A skeleton
//! keeps the bytes around them from a chunk that was parsed. That the string is the text, and the numbers the counts,
//! is not guessed: other values are put in their places and the parser must read exactly these. JSON without
//! escapes has no context within a string or between the digits of a number, so what holds for one value holds for all.
//! Whatever does not fit takes the long way.

use weighbridge_types::request::{Channel, Usage};

/// What a simple chunk holds: text of one channel, and perhaps counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Simple<'a> {
    pub(crate) channel: Channel,
    /// Never empty.
    pub(crate) text: &'a str,
    pub(crate) counts: Option<Usage>,
}

/// What a chunk must be read as.
pub(crate) type Expected<'a> = &'a dyn Fn(&Simple<'_>) -> bool;

/// Tries to learn before a hit pays them back. A server whose chunks are never alike costs no more than these.
const CREDIT: u8 = 4;

/// Largest chunk that is learned from, bytes. Chunks of a token are a tenth of it, and a large one is the time it takes
/// to copy it several times.
const LARGEST_LEARNED: usize = 8 << 10;

/// Places that are tried for the text within a chunk.
const PLACES_TRIED: usize = 4;

/// The names of the counts; a sum is checked by nobody and only has to be passed over.
const COUNTS: [&str; 3] = ["\"prompt_tokens\":", "\"completion_tokens\":", "\"total_tokens\":"];

/// Learns the skeleton of an answer's chunks and reads those that have it.
#[derive(Debug)]
pub(crate) struct Skeleton {
    known: Option<Known>,
    credit: u8,
}

#[derive(Debug)]
struct Known {
    channel: Channel,
    /// Up to the text, with its opening quote.
    before: Box<str>,
    /// From the closing quote to the first number, or to the end.
    after: Box<str>,
    /// What each number is, and the bytes that follow it.
    numbers: Vec<(Number, Box<str>)>,
    /// Counts as they were learned; the numbers replace theirs.
    counts: Option<Usage>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Input,
    Output,
    Sum,
}

impl Default for Skeleton {
    fn default() -> Self {
        Self { known: None, credit: CREDIT }
    }
}

impl Skeleton {
    /// Reads a chunk that has the skeleton.
    pub(crate) fn read<'a>(&mut self, data: &'a str) -> Option<Simple<'a>> {
        let read = self.known.as_ref()?.read(data)?;
        self.credit = CREDIT;
        Some(read)
    }

    /// Learns from a chunk that was parsed; `parses_to` tells whether the parser reads a chunk as is expected.
    pub(crate) fn learn(&mut self, data: &str, simple: &Simple<'_>, parses_to: impl Fn(&str, Expected<'_>) -> bool) {
        if self.credit == 0 || data.len() > LARGEST_LEARNED || !is_plain(simple.text) {
            return;
        }
        self.credit -= 1;
        let quoted = ["\"", simple.text, "\""].concat();
        let places = memchr::memmem::find_iter(data.as_bytes(), &quoted).take(PLACES_TRIED);
        self.known =
            places.map(|place| Known::cut(data, place + 1, simple)).find(|known| known.holds(simple.text, &parses_to));
    }
}

impl Known {
    /// Cuts a chunk at its text and its counts.
    fn cut(data: &str, place: usize, simple: &Simple<'_>) -> Self {
        let (before, rest) = data.split_at(place);
        let mut rest = &rest[simple.text.len()..];
        let mut cuts: Vec<(usize, usize, Number)> = Vec::new();
        if simple.counts.is_some()
            && let Some(usage) = rest.find("\"usage\":")
        {
            for (name, number) in COUNTS.into_iter().zip([Number::Input, Number::Output, Number::Sum]) {
                let Some(found) = rest[usage..].find(name) else { continue };
                let value = usage + found + name.len();
                let start = value + (rest.len() - value - rest[value..].trim_start_matches(' ').len());
                let digits = rest[start..].bytes().take_while(u8::is_ascii_digit).count();
                if digits > 0 {
                    cuts.push((start, start + digits, number));
                }
            }
        }
        cuts.sort_unstable_by_key(|cut| cut.0);
        let (mut parts, mut numbers, mut taken) = (Vec::new(), Vec::new(), 0);
        for (start, end, number) in cuts {
            parts.push(&rest[..start - taken]);
            rest = &rest[end - taken..];
            taken = end;
            numbers.push(number);
        }
        parts.push(rest);
        let mut parts = parts.into_iter().map(Box::from);
        let after = parts.next().unwrap_or_default();
        Self {
            channel: simple.channel,
            before: before.into(),
            after,
            numbers: numbers.into_iter().zip(parts).collect(),
            counts: simple.counts,
        }
    }

    /// Whether the parser reads other values in these places as they are meant.
    fn holds(&self, text: &str, parses_to: impl Fn(&str, Expected<'_>) -> bool) -> bool {
        let other = format!("{text}~");
        let (input, output) = (1_000_003, 2_000_003);
        let mut data = [&self.before, other.as_str(), &self.after].concat();
        for (number, after) in &self.numbers {
            let value = match number {
                Number::Input => input,
                Number::Output => output,
                Number::Sum => 3_000_006,
            };
            data.push_str(&value.to_string());
            data.push_str(after);
        }
        let has = |wanted| self.numbers.iter().any(|(number, _)| *number == wanted);
        let counts = self.counts.map(|counts| Usage {
            input_tokens: if has(Number::Input) { input } else { counts.input_tokens },
            output_tokens: if has(Number::Output) { output } else { counts.output_tokens },
            ..counts
        });
        let expected = Simple { channel: self.channel, text: &other, counts };
        parses_to(&data, &|read| *read == expected)
    }

    fn read<'a>(&self, data: &'a str) -> Option<Simple<'a>> {
        let rest = data.strip_prefix(&*self.before)?;
        let end = memchr::memchr2(b'"', b'\\', rest.as_bytes())?;
        let (text, rest) = rest.split_at_checked(end)?;
        // An escape begins with a backslash, which `after` does not.
        let mut rest = rest.strip_prefix(&*self.after)?;
        if text.is_empty() || text.bytes().any(|byte| byte < b' ') {
            return None;
        }
        let mut counts = self.counts;
        for (number, after) in &self.numbers {
            let (value, behind) = read_number(rest)?;
            rest = behind.strip_prefix(&**after)?;
            match (number, &mut counts) {
                (Number::Input, Some(counts)) => counts.input_tokens = value,
                (Number::Output, Some(counts)) => counts.output_tokens = value,
                _ => {}
            }
        }
        rest.is_empty().then_some(Simple { channel: self.channel, text, counts })
    }
}

/// Whether a text stands in JSON as it is.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\')
}

/// A number of up to nine digits and what follows it. Longer ones, and those with leading zeros, take the long way.
fn read_number(text: &str) -> Option<(u32, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > 9 || (digits > 1 && text.starts_with('0')) {
        return None;
    }
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}
