//! Regular expressions of strings: a small part of ECMA-262, exactly.
//!
//! Held are literals, sets, `.`, groups, alternatives, repetition, `\d`, `\w`, `\s` and their complements, and anchors at the ends. The
//! expression becomes an automaton over characters in which all beyond ASCII are alike. Where dialects differ, the narrower reading
//! is taken, so that every reader agrees: `\s`, `\D`, `\W` and `\S` take ASCII only, and no string has a line separator.

use std::collections::{BTreeSet, HashMap};

/// States of an automaton at most, each 260 bytes. An expression with more is refused.
const MOST_STATES: usize = 1024;

/// Steps of the expression with its repetitions written out, at most.
const MOST_STEPS: usize = 4096;

/// Steps that are looked at to make an automaton, at most: some tenths of a second.
const MOST_WORK: usize = 2_000_000;

/// Groups within each other at most.
const MOST_GROUPS: u32 = 32;

/// ASCII characters, and one more for all others.
const SYMBOLS: usize = 129;

/// The symbol of characters beyond ASCII.
pub(super) const OTHER: u8 = 128;

/// No state.
const DEAD: u16 = u16::MAX;

/// A deterministic automaton; from each of its states an end can be reached.
#[derive(Debug)]
pub(super) struct Automaton {
    /// For each state, the next by symbol.
    next: Vec<[u16; SYMBOLS]>,
    accepts: Vec<bool>,
}

impl Automaton {
    /// Of an expression and a number of characters. `Ok(None)` where no string fits; `Err` says what is not held.
    pub(super) fn new(expression: &str, least: u32, most: u32) -> Result<Option<Self>, String> {
        let mut program = Program::default();
        let start = Parser { rest: expression, program: &mut program, depth: 0 }.whole()?;
        determinize(&program, start, least, most)
    }

    /// The state before the first character.
    pub(super) const START: u16 = 0;

    /// The state after a character, or [`OTHER`]; `None` where it cannot follow.
    pub(super) fn step(&self, state: u16, symbol: u8) -> Option<u16> {
        let next = self.next[state as usize][symbol as usize];
        (next != DEAD).then_some(next)
    }

    /// Whether the string may end here.
    pub(super) fn accepts(&self, state: u16) -> bool {
        self.accepts[state as usize]
    }

    /// Whether a whole string fits.
    pub(super) fn holds(&self, text: &str) -> bool {
        let symbol = |character: char| u8::try_from(character).ok().filter(u8::is_ascii).unwrap_or(OTHER);
        let is_taken = |character: char| !matches!(character, '\u{2028}' | '\u{2029}');
        let step = |state, character| self.step(state, symbol(character)).filter(|_| is_taken(character));
        text.chars().try_fold(Self::START, step).is_some_and(|state| self.accepts(state))
    }
}

/// A set of symbols, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Set {
    ascii: u128,
    other: bool,
}

impl Set {
    const ALL: Self = Self { ascii: u128::MAX, other: true };

    fn of(characters: &[u8]) -> Self {
        Self { ascii: characters.iter().fold(0, |bits, &character| bits | 1 << character), other: false }
    }

    fn range(first: u8, last: u8) -> Self {
        Self { ascii: (first..=last).fold(0, |bits, character| bits | 1 << character), other: false }
    }

    fn or(self, more: Self) -> Self {
        Self { ascii: self.ascii | more.ascii, other: self.other || more.other }
    }

    fn complement(self) -> Self {
        Self { ascii: !self.ascii, other: !self.other }
    }

    fn has(self, symbol: usize) -> bool {
        if symbol == OTHER as usize { self.other } else { self.ascii >> symbol & 1 == 1 }
    }

    /// The set of an escape such as `\d`, if it is one.
    fn class(letter: char) -> Option<Self> {
        let digits = Self::range(b'0', b'9');
        let words = digits.or(Self::range(b'a', b'z')).or(Self::range(b'A', b'Z')).or(Self::of(b"_"));
        let spaces = Self::of(b"\t\n\x0b\x0c\r ");
        let without = |set: Self| Self { ascii: !set.ascii, other: false };
        Some(match letter {
            'd' => digits,
            'D' => without(digits),
            'w' => words,
            'W' => without(words),
            's' => spaces,
            'S' => without(spaces),
            _ => return None,
        })
    }
}

/// An automaton with free moves.
#[derive(Debug, Default)]
struct Program {
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    /// Reads a symbol of the set and goes on.
    Read(Set, usize),
    /// Goes on at each of these.
    Split(Vec<usize>),
    End,
}

/// A part of the program that is put before another: given where to go on, where it begins.
#[derive(Clone, Debug)]
enum Part {
    Empty,
    Read(Set),
    Both(Vec<Self>),
    Either(Vec<Self>),
    Repeat { part: Box<Self>, least: u32, most: Option<u32> },
}

impl Program {
    fn add(&mut self, step: Step) -> Result<usize, String> {
        if self.steps.len() >= MOST_STEPS {
            return Err(format!("is larger than {MOST_STEPS} steps with its repetitions written out"));
        }
        self.steps.push(step);
        Ok(self.steps.len() - 1)
    }

    fn put(&mut self, part: &Part, then: usize) -> Result<usize, String> {
        Ok(match part {
            Part::Empty => then,
            Part::Read(set) => self.add(Step::Read(*set, then))?,
            Part::Both(parts) => {
                let mut then = then;
                for part in parts.iter().rev() {
                    then = self.put(part, then)?;
                }
                then
            }
            Part::Either(parts) => {
                let starts = parts.iter().map(|part| self.put(part, then)).collect::<Result<_, String>>()?;
                self.add(Step::Split(starts))?
            }
            Part::Repeat { part, least, most } => {
                let mut start = then;
                match most {
                    None => {
                        let again = self.add(Step::Split(vec![then]))?;
                        let inner = self.put(part, again)?;
                        self.steps[again] = Step::Split(vec![inner, then]);
                        start = again;
                    }
                    Some(most) => {
                        for _ in *least..*most {
                            let inner = self.put(part, start)?;
                            start = self.add(Step::Split(vec![inner, then]))?;
                        }
                    }
                }
                for _ in 0..*least {
                    start = self.put(part, start)?;
                }
                start
            }
        })
    }
}

struct Parser<'a> {
    rest: &'a str,
    program: &'a mut Program,
    depth: u32,
}

impl Parser<'_> {
    fn whole(mut self) -> Result<usize, String> {
        let any = Part::Repeat { part: Box::new(Part::Read(Set::ALL)), least: 0, most: None };
        let mut branches = Vec::new();
        loop {
            let first = if self.take('^') { Part::Empty } else { any.clone() };
            let middle = self.sequence()?;
            let last = if self.take('$') { Part::Empty } else { any.clone() };
            branches.push(Part::Both(vec![first, middle, last]));
            if !self.take('|') {
                break;
            }
        }
        if let Some(next) = self.rest.chars().next() {
            return Err(format!("has a `{next}` where none can be"));
        }
        let end = self.program.add(Step::End)?;
        self.program.put(&Part::Either(branches), end)
    }

    fn take(&mut self, character: char) -> bool {
        let rest = self.rest.strip_prefix(character);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn next(&mut self) -> Result<char, String> {
        let mut characters = self.rest.chars();
        let next = characters.next().ok_or_else(|| "ends too early".to_owned())?;
        self.rest = characters.as_str();
        Ok(next)
    }

    /// Up to what ends a branch.
    fn sequence(&mut self) -> Result<Part, String> {
        let mut parts = Vec::new();
        while let Some(next) = self.rest.chars().next() {
            if matches!(next, '|' | ')' | '$') {
                break;
            }
            let part = self.atom()?;
            parts.push(self.repeated(part)?);
        }
        Ok(Part::Both(parts))
    }

    fn atom(&mut self) -> Result<Part, String> {
        let not_held = |what: &str| Err(format!("has `{what}`, which is not supported"));
        let set = match self.next()? {
            '(' => return self.group(),
            '[' => self.set()?,
            '.' => Set::of(b"\n\r").complement(),
            '\\' => self.escape()?,
            '^' => return not_held("^` within the expression; it is held at its beginning, as is `$"),
            '*' | '+' | '?' | '{' => return not_held("a repetition of nothing"),
            other => literal(other)?,
        };
        Ok(Part::Read(set))
    }

    fn group(&mut self) -> Result<Part, String> {
        if self.take('?') && !self.take(':') {
            return Err("has a group that looks around or has a name, which is not supported".to_owned());
        }
        self.depth += 1;
        if self.depth > MOST_GROUPS {
            return Err(format!("has more than {MOST_GROUPS} groups within each other"));
        }
        let mut branches = vec![self.sequence()?];
        while self.take('|') {
            branches.push(self.sequence()?);
        }
        self.depth -= 1;
        if self.take(')') { Ok(Part::Either(branches)) } else { Err("has a group without an end".to_owned()) }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<Set, String> {
        let letter = self.next()?;
        if let Some(class) = Set::class(letter) {
            return Ok(class);
        }
        let plain = match letter {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'f' => '\u{c}',
            'v' => '\u{b}',
            letter if letter.is_ascii_alphanumeric() => {
                return Err(format!("has `\\{letter}`, which is not supported"));
            }
            letter => letter,
        };
        literal(plain)
    }

    /// A set after its bracket.
    fn set(&mut self) -> Result<Set, String> {
        let is_complement = self.take('^');
        let mut set = Set::default();
        while !self.take(']') {
            let (first, is_class) = self.member()?;
            let mut after = self.rest.chars();
            let is_range = after.next() == Some('-') && after.next().is_some_and(|next| next != ']');
            if !is_range {
                set = set.or(first);
                continue;
            }
            self.rest = &self.rest[1..];
            let (last, is_class_too) = self.member()?;
            let (first, last) = (first.ascii.trailing_zeros(), last.ascii.trailing_zeros());
            match (u8::try_from(first), u8::try_from(last)) {
                (Ok(first), Ok(last)) if first <= last && !is_class && !is_class_too => {
                    set = set.or(Set::range(first, last));
                }
                _ => return Err("has a range in a set whose ends are no characters in order".to_owned()),
            }
        }
        Ok(if is_complement { set.complement() } else { set })
    }

    /// One character of a set, or a class such as `\d`.
    fn member(&mut self) -> Result<(Set, bool), String> {
        match self.next()? {
            '\\' => {
                let is_class = self.rest.chars().next().and_then(Set::class).is_some();
                Ok((self.escape()?, is_class))
            }
            other => Ok((literal(other)?, false)),
        }
    }

    /// A part with the repetition that follows it.
    fn repeated(&mut self, part: Part) -> Result<Part, String> {
        let (least, most) = match self.rest.chars().next() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                let (counts, rest) = self.rest[1..].split_once('}').ok_or("has a `{` without an end")?;
                let number = |text: &str| {
                    text.parse::<u32>().map_err(|_| format!("has the repetition `{{{counts}}}`, which is no count"))
                };
                let range = match counts.split_once(',') {
                    None => (number(counts)?, Some(number(counts)?)),
                    Some((least, "")) => (number(least)?, None),
                    Some((least, most)) => (number(least)?, Some(number(most)?)),
                };
                if range.1.unwrap_or(range.0).max(range.0) as usize > MOST_STEPS {
                    return Err(format!("repeats more than {MOST_STEPS} times"));
                }
                if range.1.is_some_and(|most| most < range.0) {
                    return Err(format!("has the repetition `{{{counts}}}`, which is no count"));
                }
                self.rest = rest;
                // Reluctance chooses among matches; it does not change what matches.
                self.take('?');
                return self.once(Part::Repeat { part: Box::new(part), least: range.0, most: range.1 });
            }
            _ => return Ok(part),
        };
        self.next()?;
        self.take('?');
        self.once(Part::Repeat { part: Box::new(part), least, most })
    }

    /// Refuses a repetition of a repetition.
    fn once(&self, part: Part) -> Result<Part, String> {
        match self.rest.chars().next() {
            Some('*' | '+' | '?' | '{') => Err("has a repetition of a repetition".to_owned()),
            _ => Ok(part),
        }
    }
}

fn literal(character: char) -> Result<Set, String> {
    match u8::try_from(character) {
        Ok(character) if character.is_ascii() => Ok(Set::of(&[character])),
        _ => Err(format!("has `{character}`; only characters of ASCII are supported in expressions")),
    }
}

/// For each symbol, the first that every set of the program treats alike.
fn first_alike(program: &Program) -> [usize; SYMBOLS] {
    let mut sets: Vec<Set> = Vec::new();
    for step in &program.steps {
        match step {
            Step::Read(set, _) if !sets.contains(set) => sets.push(*set),
            _ => {}
        }
    }
    let is_alike = |a: usize, b: usize| sets.iter().all(|set| set.has(a) == set.has(b));
    std::array::from_fn(|symbol| (0..symbol).find(|&before| is_alike(before, symbol)).unwrap_or(symbol))
}

/// All steps that are reached without reading, and how many were looked at.
fn close(program: &Program, starts: impl IntoIterator<Item = usize>) -> (BTreeSet<usize>, usize) {
    let mut open: Vec<usize> = starts.into_iter().collect();
    let mut closed = BTreeSet::new();
    while let Some(step) = open.pop() {
        if closed.insert(step)
            && let Step::Split(starts) = &program.steps[step]
        {
            open.extend(starts);
        }
    }
    let looked_at = closed.len();
    closed.retain(|&step| !matches!(program.steps[step], Step::Split(_)));
    (closed, looked_at)
}

/// Makes it deterministic, counting characters as far as they matter, and takes out what leads to no end.
fn determinize(program: &Program, start: usize, least: u32, most: u32) -> Result<Option<Automaton>, String> {
    let counted = if most == u32::MAX { least } else { most };
    let mut states = vec![(close(program, [start]).0, 0)];
    let mut known: HashMap<(BTreeSet<usize>, u32), u16> = HashMap::from([(states[0].clone(), 0)]);
    let (mut next, mut work) = (Vec::new(), 0);
    let alike = first_alike(program);
    while next.len() < states.len() {
        let (steps, count) = states[next.len()].clone();
        let mut row = [DEAD; SYMBOLS];
        for symbol in (0..SYMBOLS).filter(|_| most == u32::MAX || count < most) {
            if alike[symbol] < symbol {
                row[symbol] = row[alike[symbol]];
                continue;
            }
            let reads = steps.iter().filter_map(|&step| match &program.steps[step] {
                Step::Read(set, then) if set.has(symbol) => Some(*then),
                _ => None,
            });
            let (reached, looked_at) = close(program, reads);
            work += steps.len() + looked_at;
            if work > MOST_WORK {
                return Err("takes too long to be made an automaton".to_owned());
            }
            if reached.is_empty() {
                continue;
            }
            let state = (reached, (count + 1).min(counted));
            let fresh = u16::try_from(states.len()).unwrap_or(DEAD);
            let number = *known.entry(state.clone()).or_insert(fresh);
            if number == fresh {
                if states.len() >= MOST_STATES {
                    return Err(format!("needs more than {MOST_STATES} states, with `minLength` and `maxLength`"));
                }
                states.push(state);
            }
            row[symbol] = number;
        }
        next.push(row);
    }
    let ends = |(steps, count): &(BTreeSet<usize>, u32)| {
        *count >= least && steps.iter().any(|&step| matches!(program.steps[step], Step::End))
    };
    let accepts: Vec<bool> = states.iter().map(ends).collect();
    let mut lives = accepts.clone();
    loop {
        let alive = |row: &[u16; SYMBOLS]| row.iter().any(|&to| to != DEAD && lives[to as usize]);
        let more: Vec<usize> = (0..next.len()).filter(|&state| !lives[state] && alive(&next[state])).collect();
        if more.is_empty() {
            break;
        }
        more.into_iter().for_each(|state| lives[state] = true);
    }
    if !lives[0] {
        return Ok(None);
    }
    for to in next.iter_mut().flatten().filter(|to| **to != DEAD) {
        if !lives[*to as usize] {
            *to = DEAD;
        }
    }
    Ok(Some(Automaton { next, accepts }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn automaton(expression: &str) -> Automaton {
        Automaton::new(expression, 0, u32::MAX).unwrap().unwrap()
    }

    #[test]
    fn expressions_hold_what_they_say() {
        let check = |expression: &str, held: &[&str], refused: &[&str]| {
            let automaton = automaton(expression);
            held.iter().for_each(|text| assert!(automaton.holds(text), "{text:?} for {expression}"));
            refused.iter().for_each(|text| assert!(!automaton.holds(text), "{text:?} for {expression}"));
        };
        check("^[a-z]+$", &["a", "zebra"], &["", "A", "a1", "é"]);
        check(r"^\d{3}-\d{4}$", &["555-1234"], &["55-1234", "555-12345", "x555-1234"]);
        check("b+", &["abc", "b", "éb\n"], &["", "ac"]);
        check("^a|b$", &["a", "axx", "xxb"], &["xa", "bx"]);
        check("^(ab|c(d)?)*$", &["", "ab", "ccdab"], &["a", "abx"]);
        check("^(?:x|y){2,3}?$", &["xy", "yyy"], &["x", "xxxx"]);
        check(r"^[\w.-]+@[\w-]+\.[a-z]{2,}$", &["a.b@c-d.org"], &["a@b", "@b.org", "a b@c.org"]);
        check("^[^,]*$", &["", "é ok"], &["a,b"]);
        check("^.$", &["x", "é", "\""], &["", "\n", "xx", "\u{2028}"]);
        check(r"^\S\s-\D$", &["a -b"], &["a -1", "  -b"]);
        check("^[-a]]$", &["-]", "a]"], &["-"]);
        check("", &["", "all"], &[]);
        check("^a{2}$", &["aa"], &["a", "aaa"]);
    }

    #[test]
    fn lengths_are_part_of_the_automaton() {
        let check = |expression: &str, least: u32, most: u32, held: &[&str], refused: &[&str]| {
            let automaton = Automaton::new(expression, least, most).unwrap().unwrap();
            held.iter().for_each(|text| assert!(automaton.holds(text), "{text:?} for {expression}"));
            refused.iter().for_each(|text| assert!(!automaton.holds(text), "{text:?} for {expression}"));
        };
        check("^[a-z]*$", 2, 3, &["ab", "abc"], &["a", "abcd"]);
        check("x", 3, u32::MAX, &["xyz", "éxyz"], &["xy", "abc"]);
        assert!(Automaton::new("^abc$", 4, u32::MAX).unwrap().is_none());
        assert!(Automaton::new("^[a-z]*$", 0, 5000).unwrap_err().contains("states"));
    }

    #[test]
    fn what_is_not_held_is_refused() {
        let check = |expression: &str, part: &str| {
            let problem = Automaton::new(expression, 0, u32::MAX).unwrap_err();
            assert!(problem.contains(part), "{expression}: {problem}");
        };
        check("(?=a)", "looks around");
        check("(?<n>a)", "looks around");
        check(r"(a)\1", r"`\1`");
        check(r"\bword\b", r"`\b`");
        check(r"\p{L}", r"`\p`");
        check("é", "ASCII");
        check("a^b", "`^`");
        check("a$b", "`b`");
        check("(a", "without an end");
        check("a)", "`)`");
        check("[z-a]", "range");
        check("[a", "too early");
        check("*a", "repetition of nothing");
        check("a**", "repetition of a repetition");
        check("a{9999}", "more than");
        check("(a{100}){100}", "larger than");
        check("a{3,1}", "no count");
        check("(a*)*b[ab]{12}c|[ab]*a[ab]{14}$", "states");
        check(&"(".repeat(100), "groups");
    }
}
