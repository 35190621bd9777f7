//! Checks: what can be computed from an answer alone.
//!
//! A check looks at what an answer says or how it is built, never at how it is worded: the number on its last line, the
//! JSON value that it is, how many words a line has. Tasks name checks in a column of their documents, as mappings with
//! one key: `{"number": 42}`, `{"words": [5, 20]}`, `{"acrostic": "river"}`.

mod form;
mod instruction;
mod part;
mod said;

use crate::task::Value;

pub use form::{distinct, lines, sentences, words};

/// One thing that must hold of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// The last number of the last line is this one.
    Number(f64),
    /// The last line is one of these texts; case, outer punctuation and runs of white space are left aside.
    Text(Vec<String>),
    /// The last line lists these texts in this order, separated by commas.
    List(Vec<String>),
    /// The last line lists these texts in any order, separated by commas.
    Set(Vec<String>),
    /// The answer is this JSON value, alone or in one code fence; numbers compare by value, keys in any order.
    Json(Value),
    /// The answer is a JSON object `{"name": …, "arguments": {…}}` that calls this function with accepted values.
    Call(said::Call),
    /// Words in all.
    Words(Range),
    /// Lines that are not empty.
    Lines(Range),
    /// Sentences: texts that end in `.`, `!` or `?`.
    Sentences(Range),
    /// Words of each line, and so the number of lines.
    LineWords(Vec<usize>),
    /// Letters of each word, and so the number of words.
    WordLetters(Vec<usize>),
    /// Each of these words occurs, in any case.
    Contains(Vec<String>),
    /// None of these words occurs, in any case.
    Lacks(Vec<String>),
    /// A letter that does not occur, in any case.
    WithoutLetter(char),
    /// First letters of the lines.
    Acrostic(String),
    /// First letter of every word.
    Initial(char),
    /// First word.
    Starts(String),
    /// Last word.
    Ends(String),
    /// Every word has one letter more than the word before.
    Growing,
    /// No word begins with an earlier letter of the alphabet than the word before.
    Alphabetical,
    /// Different words at least.
    DifferentWords(usize),
    /// Most often that one word occurs.
    RepeatsAtMost(usize),
    /// Every sentence ends in a question mark.
    Questions,
    /// An instruction of IFEval is kept.
    Instruction(instruction::Instruction),
    /// The answer without outer white space is this text.
    Equals(String),
    /// The answer contains texts.
    Part(part::Part),
    /// The answer begins with this text, white space before it left aside.
    Begins(String),
    /// A regular expression is found in the answer.
    Matches(part::Matches),
    /// The answer is a JSON value, alone or in one code fence.
    IsJson,
    /// Another check does not hold; an empty answer keeps none of these.
    Not(Box<Check>),
}

/// From a number to a number, both included; `None` is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// At least.
    pub least: usize,
    /// At most.
    pub most: Option<usize>,
}

impl Range {
    fn holds(self, count: usize) -> bool {
        count >= self.least && self.most.is_none_or(|most| count <= most)
    }
}

/// Names that checks have in documents.
const NAMES: [&str; 30] = [
    "number",
    "text",
    "list",
    "set",
    "json",
    "call",
    "words",
    "lines",
    "sentences",
    "line_words",
    "word_letters",
    "contains",
    "lacks",
    "without_letter",
    "acrostic",
    "initial",
    "starts",
    "ends",
    "growing",
    "alphabetical",
    "different_words",
    "repeats_at_most",
    "questions",
    "instruction",
    "equals",
    "part",
    "begins",
    "matches",
    "is_json",
    "not",
];

impl Check {
    /// Reads the checks of a document: a list of mappings with one key each.
    ///
    /// # Errors
    /// Names the first entry that is no check.
    pub fn list(value: &Value) -> Result<Vec<Self>, String> {
        let items = value.as_list().filter(|items| !items.is_empty());
        let items = items.ok_or_else(|| format!("`{}` is no list of checks", short(value)))?;
        items.iter().map(Self::of_value).collect()
    }

    /// Reads one check.
    ///
    /// # Errors
    /// Says what was expected.
    pub fn of_value(value: &Value) -> Result<Self, String> {
        let Value::Dict(entries) = value else {
            return Err(format!("`{}` is no check; expected a mapping such as {{\"number\": 42}}", short(value)));
        };
        let [(name, value)] = entries.as_slice() else {
            return Err(format!("`{}` has {} keys; a check has one", short(value), entries.len()));
        };
        Self::named(name, value).ok_or_else(|| {
            if NAMES.contains(&name.as_str()) {
                format!("the check `{name}` cannot use `{}`", short(value))
            } else {
                format!("the check `{name}` is not known; known are {}", NAMES.join(", "))
            }
        })
    }

    fn named(name: &str, value: &Value) -> Option<Self> {
        let is_set = || (*value == Value::Bool(true)).then_some(());
        Some(match name {
            "number" => Self::Number(number(value)?),
            "text" => Self::Text(texts(value)?),
            "list" => Self::List(texts(value)?),
            "set" => Self::Set(texts(value)?),
            "json" => Self::Json(value.clone()),
            "call" => Self::Call(said::Call::of_value(value)?),
            "words" => Self::Words(range(value)?),
            "lines" => Self::Lines(range(value)?),
            "sentences" => Self::Sentences(range(value)?),
            "line_words" => Self::LineWords(counts(value)?),
            "word_letters" => Self::WordLetters(counts(value)?),
            "contains" => Self::Contains(texts(value)?),
            "lacks" => Self::Lacks(texts(value)?),
            "without_letter" => Self::WithoutLetter(letter(value)?),
            "acrostic" => Self::Acrostic(value.as_text().filter(|text| !text.is_empty())?.to_lowercase()),
            "initial" => Self::Initial(letter(value)?),
            "starts" => Self::Starts(value.as_text()?.to_lowercase()),
            "ends" => Self::Ends(value.as_text()?.to_lowercase()),
            "growing" => is_set().map(|()| Self::Growing)?,
            "alphabetical" => is_set().map(|()| Self::Alphabetical)?,
            "different_words" => Self::DifferentWords(count(value)?),
            "repeats_at_most" => Self::RepeatsAtMost(count(value)?),
            "questions" => is_set().map(|()| Self::Questions)?,
            "instruction" => Self::Instruction(instruction::Instruction::of_value(value)?),
            "equals" => Self::Equals(value.as_text()?.trim().to_owned()),
            "part" => Self::Part(part::Part::of_value(value)?),
            "begins" => Self::Begins(value.as_text()?.to_owned()),
            "matches" => Self::Matches(part::Matches::of_value(value)?),
            "is_json" => is_set().map(|()| Self::IsJson)?,
            "not" => Self::Not(Box::new(Self::of_value(value).ok().filter(|inner| !matches!(inner, Self::Not(_)))?)),
            _ => return None,
        })
    }

    /// Whether it holds of an answer.
    #[must_use]
    pub fn holds(&self, answer: &str) -> bool {
        match self {
            Self::Number(expected) => said::number(answer).is_some_and(|number| said::is_close(number, *expected)),
            Self::Text(accepted) => said::is_text(answer, accepted),
            Self::List(expected) => {
                said::items(answer) == expected.iter().map(|item| said::plain(item)).collect::<Vec<_>>()
            }
            Self::Set(expected) => said::is_set(answer, expected),
            Self::Json(expected) => said::json(answer).is_some_and(|value| said::is_same(&value, expected)),
            Self::Call(call) => said::json(answer).is_some_and(|value| call.fits(&value)),
            Self::Words(range) => range.holds(words(answer).len()),
            Self::Lines(range) => range.holds(lines(answer).count()),
            Self::Sentences(range) => range.holds(sentences(answer).len()),
            Self::LineWords(counts) => lines(answer).map(|line| words(line).len()).eq(counts.iter().copied()),
            Self::WordLetters(counts) => {
                words(answer).iter().map(|word| form::letters(word)).eq(counts.iter().copied())
            }
            Self::Contains(wanted) => form::has_all(answer, wanted),
            Self::Lacks(unwanted) => form::has_none(answer, unwanted),
            Self::WithoutLetter(letter) => !answer.trim().is_empty() && !answer.to_lowercase().contains(*letter),
            Self::Acrostic(initials) => form::line_initials(answer) == *initials,
            Self::Initial(letter) => form::all_begin_with(answer, *letter),
            Self::Starts(word) => words(answer).first() == Some(word),
            Self::Ends(word) => words(answer).last() == Some(word),
            Self::Growing => form::is_growing(answer),
            Self::Alphabetical => form::is_alphabetical(answer),
            Self::DifferentWords(least) => form::different(answer) >= *least,
            Self::RepeatsAtMost(most) => form::most_repeated(answer) <= *most && !answer.trim().is_empty(),
            Self::Questions => form::all_are_questions(answer),
            Self::Instruction(instruction) => instruction.holds(answer),
            Self::Equals(text) => answer.trim() == text,
            Self::Part(part) => part.holds(answer),
            Self::Begins(text) => answer.trim_start().starts_with(text.as_str()),
            Self::Matches(matches) => matches.holds(answer),
            Self::IsJson => said::json(answer).is_some(),
            Self::Not(inner) => !answer.trim().is_empty() && !inner.holds(answer),
        }
    }
}

/// Share of checks that hold; 0 for none.
#[must_use]
pub fn share_met(checks: &[Check], answer: &str) -> f64 {
    let met = checks.iter().filter(|check| check.holds(answer)).count();
    if checks.is_empty() { 0.0 } else { met as f64 / checks.len() as f64 }
}

fn short(value: &Value) -> String {
    value.repr().chars().take(80).collect()
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(value) => Some(*value as f64),
        Value::Float(value) => Some(*value),
        _ => None,
    }
}

fn count(value: &Value) -> Option<usize> {
    value.as_int().and_then(|count| usize::try_from(count).ok())
}

fn counts(value: &Value) -> Option<Vec<usize>> {
    value.as_list().filter(|items| !items.is_empty())?.iter().map(count).collect()
}

/// One text or several.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Text(text) => Some(vec![text.clone()]),
        Value::List(items) if !items.is_empty() => items.iter().map(|item| item.as_text().map(str::to_owned)).collect(),
        _ => None,
    }
}

fn letter(value: &Value) -> Option<char> {
    let mut chars = value.as_text()?.chars().flat_map(char::to_lowercase);
    let letter = chars.next().filter(|letter| letter.is_alphabetic())?;
    chars.next().is_none().then_some(letter)
}

/// `[least, most]`; either may be null.
fn range(value: &Value) -> Option<Range> {
    let [least, most] = value.as_list()? else { return None };
    let bound = |value: &Value| if *value == Value::None { Some(None) } else { count(value).map(Some) };
    Some(Range { least: bound(least)?.unwrap_or(0), most: bound(most)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Check, String> {
        Check::of_value(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn answers_are_checked_by_what_they_say() {
        let holds = |text: &str, answer: &str, expected| {
            assert_eq!(check(text).unwrap().holds(answer), expected, "{text} of {answer:?}");
        };
        holds(r#"{"number": 42}"#, "6 times 7\nis 42.", true);
        holds(r#"{"number": 1234.5}"#, "$1,234.50", true);
        holds(r#"{"number": -3}"#, "it is -3", true);
        holds(r#"{"number": 42}"#, "42\nor 43", false);
        holds(r#"{"number": 42}"#, "", false);
        holds(r#"{"text": ["Ben"]}"#, "Let me see.\nAnswer: **ben**.\n", true);
        holds(r#"{"text": ["Ben"]}"#, "Ben or Ana", false);
        holds(r#"{"text": "11:20"}"#, " 11:20 ", true);
        holds(r#"{"list": ["a", "b c"]}"#, "A, b  C.", true);
        holds(r#"{"list": ["a", "b"]}"#, "b, a", false);
        holds(r#"{"set": ["a", "b"]}"#, "b, a", true);
        holds(r#"{"set": ["a", "b"]}"#, "b, a, a", false);
        holds(r#"{"json": {"a": 1, "b": [true]}}"#, "```json\n{\"b\": [true], \"a\": 1.0}\n```", true);
        holds(r#"{"json": {"a": 1}}"#, "here: {\"a\": 1}", false);
        let call = r#"{"call": {"name": "f", "arguments": {"x": [1, 2], "y": ["a", ""]}}}"#;
        holds(call, r#"{"name": "f", "arguments": {"x": 2}}"#, true);
        holds(call, r#"{"name": "f", "arguments": {"x": 2, "y": "A"}}"#, true);
        holds(call, r#"{"name": "f", "arguments": {"y": "a"}}"#, false);
        holds(call, r#"{"name": "f", "arguments": {"x": 1, "z": 1}}"#, false);
        holds(call, r#"{"name": "g", "arguments": {"x": 1}}"#, false);
    }

    #[test]
    fn answers_are_checked_by_how_they_are_built() {
        let holds = |text: &str, answer: &str, expected| {
            assert_eq!(check(text).unwrap().holds(answer), expected, "{text} of {answer:?}");
        };
        holds(r#"{"words": [2, 3]}"#, "One - two, three!", true);
        holds(r#"{"words": [2, null]}"#, "One", false);
        holds(r#"{"lines": [2, 2]}"#, "a\n\nb\n", true);
        holds(r#"{"sentences": [2, 2]}"#, "It cost 3.50 then. Why?!", true);
        holds(r#"{"line_words": [2, 1]}"#, "big cat\nsat", true);
        holds(r#"{"word_letters": [3, 1, 4]}"#, "How I wish.", true);
        holds(r#"{"contains": ["River", "sea"]}"#, "The sea took the river.", true);
        holds(r#"{"contains": "sea"}"#, "The seal slept.", false);
        holds(r#"{"lacks": ["sea"]}"#, "The seal slept.", true);
        holds(r#"{"lacks": ["sea"]}"#, "", false);
        holds(r#"{"without_letter": "e"}"#, "A bold owl", true);
        holds(r#"{"without_letter": "e"}"#, "An Eel", false);
        holds(r#"{"acrostic": "OWL"}"#, "Over hills\n\"We glide\nlow", true);
        holds(r#"{"initial": "s"}"#, "Seven silver swans", true);
        holds(r#"{"starts": "when"}"#, "When? Now.", true);
        holds(r#"{"ends": "home"}"#, "He went home.", true);
        holds(r#"{"growing": true}"#, "I am the only child", true);
        holds(r#"{"growing": true}"#, "I am not too sure", false);
        holds(r#"{"alphabetical": true}"#, "A bear can dance", true);
        holds(r#"{"alphabetical": true}"#, "Bears and cats", false);
        holds(r#"{"different_words": 3}"#, "a b a", false);
        holds(r#"{"repeats_at_most": 1}"#, "a b A", false);
        holds(r#"{"questions": true}"#, "Who? Me?", true);
        holds(r#"{"questions": true}"#, "Who? Me.", false);
    }

    #[test]
    fn what_is_no_check_is_told() {
        let refused = |text: &str, expected: &str| {
            let problem = check(text).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        };
        refused("3", "no check");
        refused(r#"{"a": 1, "b": 2}"#, "2 keys");
        refused(r#"{"nunber": 1}"#, "not known");
        refused(r#"{"number": "x"}"#, "cannot use `'x'`");
        refused(r#"{"words": [1]}"#, "cannot use");
        refused(r#"{"words": [-1, 2]}"#, "cannot use");
        refused(r#"{"without_letter": "ab"}"#, "cannot use");
        assert!(Check::list(&Value::List(Vec::new())).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_answer_can_be_checked(answer in "(?s).{0,80}", which in 0_usize..30) {
            let value = match NAMES[which] {
                "number" | "different_words" | "repeats_at_most" => "3",
                "words" | "lines" | "sentences" => "[1, 3]",
                "line_words" | "word_letters" => "[1, 3]",
                "without_letter" | "initial" => "\"e\"",
                "call" => r#"{"name": "f", "arguments": {"x": [1]}}"#,
                "instruction" => r#"{"id": "punctuation:no_comma"}"#,
                "part" => r#"{"texts": ["a"], "any": true}"#,
                "not" => r#"{"is_json": true}"#,
                "growing" | "alphabetical" | "questions" | "is_json" => "true",
                _ => "\"ab\"",
            };
            let check = check(&format!("{{\"{}\": {value}}}", NAMES[which])).unwrap();
            let met = share_met(std::slice::from_ref(&check), &answer);
            proptest::prop_assert_eq!(met > 0.0, check.holds(&answer));
        }

        #[test]
        fn any_value_is_a_check_or_refused(name in "[a-z_]{0,12}", value in "(null|true|-1|2|\"a\"|\\[\\]|\\[1, 2\\]|\\{\"a\": 1\\})") {
            drop(check(&format!("{{\"{name}\": {value}}}")));
        }
    }
}
