//! Instructions of IFEval (Zhou et al. 2023, "Instruction-following evaluation for large language models"), in its strict
//! form: an answer is taken as it stands.
//!
//! Words and sentences are told apart by simple rules, where the original uses the models of NLTK; an instruction about
//! the language of an answer is not known here.

use regex::{Regex, RegexBuilder};

use super::form::sentences;
use super::said;
use crate::task::Value;

/// An instruction with its options.
#[derive(Clone, Debug, PartialEq)]
pub struct Instruction {
    id: String,
    options: Value,
}

/// Instructions that can be checked.
const KNOWN: [&str; 24] = [
    "change_case:capital_word_frequency",
    "change_case:english_capital",
    "change_case:english_lowercase",
    "combination:repeat_prompt",
    "combination:two_responses",
    "detectable_content:number_placeholders",
    "detectable_content:postscript",
    "detectable_format:constrained_response",
    "detectable_format:json_format",
    "detectable_format:multiple_sections",
    "detectable_format:number_bullet_lists",
    "detectable_format:number_highlighted_sections",
    "detectable_format:title",
    "keywords:existence",
    "keywords:forbidden_words",
    "keywords:frequency",
    "keywords:letter_frequency",
    "length_constraints:nth_paragraph_first_word",
    "length_constraints:number_paragraphs",
    "length_constraints:number_sentences",
    "length_constraints:number_words",
    "punctuation:no_comma",
    "startend:end_checker",
    "startend:quotation",
];

impl Instruction {
    /// Reads `{"id": …, "options": {…}}`; `None` for an instruction that is not known, or lacks an option.
    pub(super) fn of_value(value: &Value) -> Option<Self> {
        let id = value.get("id")?.as_text()?.to_owned();
        let options = value.get("options").cloned().unwrap_or(Value::Dict(Vec::new()));
        let instruction = Self { id, options };
        // An instruction whose options are there says yes or no to any text.
        (KNOWN.contains(&instruction.id.as_str()) && instruction.verdict("a").is_some()).then_some(instruction)
    }

    pub(super) fn holds(&self, answer: &str) -> bool {
        !answer.trim().is_empty() && self.verdict(answer) == Some(true)
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.options.get(key)?.as_text()
    }

    fn count(&self, key: &str) -> Option<usize> {
        super::count(self.options.get(key)?)
    }

    fn texts(&self, key: &str) -> Option<Vec<String>> {
        super::texts(self.options.get(key)?)
    }

    /// `at least` or `less than` a number.
    fn compared(&self, found: usize, relation: &str, number: &str) -> Option<bool> {
        let number = self.count(number)?;
        match self.text(relation)? {
            "at least" => Some(found >= number),
            "less than" => Some(found < number),
            _ => None,
        }
    }

    fn verdict(&self, answer: &str) -> Option<bool> {
        let trimmed = answer.trim();
        let lower = answer.to_lowercase();
        match self.id.as_str() {
            "change_case:capital_word_frequency" => {
                let capital = words(answer).filter(|word| has_case(word) && *word == word.to_uppercase()).count();
                self.compared(capital, "capital_relation", "capital_frequency")
            }
            "change_case:english_capital" => Some(has_case(answer) && answer == answer.to_uppercase()),
            "change_case:english_lowercase" => Some(has_case(answer) && answer == lower),
            "combination:repeat_prompt" => {
                Some(lower.trim().starts_with(self.text("prompt_to_repeat")?.trim().to_lowercase().as_str()))
            }
            "combination:two_responses" => Some(two_responses(answer)),
            "detectable_content:number_placeholders" => {
                Some(found(r"\[.*?\]", answer) >= self.count("num_placeholders")?)
            }
            "detectable_content:postscript" => Some(has_postscript(&lower, self.text("postscript_marker")?)),
            "detectable_format:constrained_response" => Some(
                ["My answer is yes.", "My answer is no.", "My answer is maybe."]
                    .iter()
                    .any(|text| answer.contains(text)),
            ),
            "detectable_format:json_format" => Some(said::json(answer).is_some()),
            "detectable_format:multiple_sections" => {
                let mark = regex::escape(self.text("section_spliter")?);
                Some(found(&format!(r"\s?{mark}\s?\d+\s?"), answer) >= self.count("num_sections")?)
            }
            "detectable_format:number_bullet_lists" => {
                let bullets = found(r"(?m)^\s*\*[^\*].*$", answer) + found(r"(?m)^\s*-.*$", answer);
                Some(bullets == self.count("num_bullets")?)
            }
            "detectable_format:number_highlighted_sections" => {
                Some(highlighted(answer) >= self.count("num_highlights")?)
            }
            "detectable_format:title" => Some(found(r"<<[^\n]*[^\s<>][^\n]*>>", answer) > 0),
            "keywords:existence" => Some(self.texts("keywords")?.iter().all(|word| found_any_case(word, answer) > 0)),
            "keywords:forbidden_words" => {
                let words = self.texts("forbidden_words")?;
                Some(words.iter().all(|word| found_any_case(&format!(r"\b{}\b", regex::escape(word)), answer) == 0))
            }
            "keywords:frequency" => {
                self.compared(found_any_case(self.text("keyword")?, answer), "relation", "frequency")
            }
            "keywords:letter_frequency" => {
                let letter = self.text("letter")?.to_lowercase();
                self.compared(lower.matches(letter.as_str()).count(), "let_relation", "let_frequency")
            }
            "length_constraints:nth_paragraph_first_word" => {
                let paragraphs: Vec<&str> =
                    answer.split("\n\n").map(str::trim).filter(|part| !part.is_empty()).collect();
                let (count, place) = (self.count("num_paragraphs")?, self.count("nth_paragraph")?);
                let word = self.text("first_word")?;
                Some(
                    paragraphs.len() == count
                        && place
                            .checked_sub(1)
                            .and_then(|place| paragraphs.get(place))
                            .is_some_and(|part| first_word(part) == word.to_lowercase()),
                )
            }
            "length_constraints:number_paragraphs" => {
                Some(starred_paragraphs(answer) == Some(self.count("num_paragraphs")?))
            }
            "length_constraints:number_sentences" => {
                self.compared(sentences(answer).len(), "relation", "num_sentences")
            }
            "length_constraints:number_words" => self.compared(found(r"\w+", answer), "relation", "num_words"),
            "punctuation:no_comma" => Some(!answer.contains(',')),
            "startend:end_checker" => {
                let end = lower.trim().trim_matches('"').to_owned();
                Some(end.ends_with(self.text("end_phrase")?.trim().to_lowercase().as_str()))
            }
            "startend:quotation" => Some(trimmed.len() > 1 && trimmed.starts_with('"') && trimmed.ends_with('"')),
            _ => None,
        }
    }
}

fn found(pattern: &str, text: &str) -> usize {
    Regex::new(pattern).map_or(0, |regex| regex.find_iter(text).count())
}

fn found_any_case(pattern: &str, text: &str) -> usize {
    let regex = RegexBuilder::new(pattern).case_insensitive(true).build();
    regex.map_or(0, |regex| regex.find_iter(text).count())
}

fn has_case(text: &str) -> bool {
    text.chars().any(|char| char.is_uppercase() || char.is_lowercase())
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|char: char| !char.is_alphanumeric() && char != '\'' && char != '-').filter(|word| !word.is_empty())
}

/// `*text*` and `**text**` with something in it.
fn highlighted(text: &str) -> usize {
    let count = |pattern: &str| {
        let regex = Regex::new(pattern);
        regex.map_or(0, |regex| {
            regex.find_iter(text).filter(|found| !found.as_str().trim_matches('*').trim().is_empty()).count()
        })
    };
    count(r"\*[^\n\*]*\*") + count(r"\*\*[^\n\*]*\*\*")
}

fn two_responses(text: &str) -> bool {
    let parts: Vec<&str> = text.split("******").collect();
    let last = parts.len() - 1;
    let inner_is_empty =
        parts.iter().enumerate().any(|(place, part)| part.trim().is_empty() && place != 0 && place != last);
    let full: Vec<&str> = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
    !inner_is_empty && full.len() == 2 && full[0] != full[1]
}

fn has_postscript(lower: &str, marker: &str) -> bool {
    match marker {
        "P.P.S" => found(r"(?m)\s*p\.\s?p\.\s?s.*$", lower) > 0,
        "P.S." => found(r"(?m)\s*p\.\s?s\..*$", lower) > 0,
        other => lower.contains(other.to_lowercase().as_str()),
    }
}

/// Paragraphs between `***`; `None` where one in the middle is empty.
fn starred_paragraphs(text: &str) -> Option<usize> {
    let parts: Vec<&str> = text.split("***").collect();
    let last = parts.len() - 1;
    let is_empty = |place: usize| parts[place].trim().is_empty();
    if (1..last).any(is_empty) {
        return None;
    }
    Some(parts.len() - (0..=last).filter(|&place| is_empty(place)).count())
}

fn first_word(paragraph: &str) -> String {
    let word = paragraph.split_whitespace().next().unwrap_or_default().trim_start_matches(['\'', '"']);
    word.chars()
        .take_while(|char| !matches!(char, '.' | ',' | '?' | '!' | '\'' | '"'))
        .collect::<String>()
        .to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Cases made by hand from the definitions of the paper's appendix.
    #[test]
    fn instructions_are_kept_or_not() {
        let check = |id: &str, options: &str, kept: &str, broken: &str| {
            let value = format!(r#"{{"id": "{id}", "options": {options}}}"#);
            let instruction = Instruction::of_value(&serde_json::from_str(&value).unwrap()).unwrap();
            assert!(instruction.holds(kept), "{id}: {kept}");
            assert!(!instruction.holds(broken), "{id}: {broken}");
            assert!(!instruction.holds(" "), "{id}");
        };
        check("punctuation:no_comma", "{}", "a b", "a, b");
        check(
            "detectable_format:number_highlighted_sections",
            r#"{"num_highlights": 2}"#,
            "*a* and *b c*",
            "*a* and **",
        );
        check("length_constraints:number_words", r#"{"relation": "at least", "num_words": 3}"#, "a b, c", "a b");
        check("length_constraints:number_words", r#"{"relation": "less than", "num_words": 3}"#, "a b", "a b c");
        check("detectable_content:number_placeholders", r#"{"num_placeholders": 2}"#, "[a] [b]", "[a]");
        check("combination:repeat_prompt", r#"{"prompt_to_repeat": "Say it"}"#, "say it\nNow", "I say it");
        check("detectable_format:title", "{}", "<<A title>>\ntext", "<< >>");
        check("change_case:english_lowercase", "{}", "all small", "Not all");
        check("change_case:english_capital", "{}", "ALL LARGE", "NOT all");
        check("detectable_format:number_bullet_lists", r#"{"num_bullets": 2}"#, "* a\n- b", "* a\n* b\n* c");
        check(
            "detectable_format:multiple_sections",
            r#"{"section_spliter": "Part", "num_sections": 2}"#,
            "Part 1\na\nPart 2\nb",
            "Part 1",
        );
        check(
            "change_case:capital_word_frequency",
            r#"{"capital_relation": "less than", "capital_frequency": 2}"#,
            "ONE two",
            "ONE TWO",
        );
        check("startend:quotation", "{}", "\"a\"", "\"a");
        check("keywords:existence", r#"{"keywords": ["sea", "sun"]}"#, "The Sun and the sea", "the sun");
        check("detectable_format:json_format", "{}", "```json\n{\"a\": 1}\n```", "a: 1");
        check("length_constraints:number_paragraphs", r#"{"num_paragraphs": 2}"#, "a\n***\nb", "a\n***\n***\nb");
        check("combination:two_responses", "{}", "a\n******\nb", "a\n******\na");
        check(
            "keywords:letter_frequency",
            r#"{"let_relation": "at least", "letter": "q", "let_frequency": 2}"#,
            "q Q",
            "q",
        );
        check("startend:end_checker", r#"{"end_phrase": "The end."}"#, "So \"the end.\"", "The end. No");
        check("keywords:forbidden_words", r#"{"forbidden_words": ["rock"]}"#, "a rocket", "a Rock");
        check("keywords:frequency", r#"{"relation": "at least", "keyword": "go", "frequency": 2}"#, "go, Go", "go");
        check(
            "length_constraints:number_sentences",
            r#"{"relation": "less than", "num_sentences": 2}"#,
            "One.",
            "One. Two.",
        );
        check("detectable_content:postscript", r#"{"postscript_marker": "P.S."}"#, "a\nP.S. b", "a");
        check(
            "length_constraints:nth_paragraph_first_word",
            r#"{"first_word": "weekend", "num_paragraphs": 2, "nth_paragraph": 2}"#,
            "a\n\nWeekend, b",
            "a\n\nb",
        );
        check("detectable_format:constrained_response", "{}", "My answer is no.", "No.");
    }

    #[test]
    fn unknown_instructions_are_refused() {
        let read = |text: &str| Instruction::of_value(&serde_json::from_str(text).unwrap());
        assert_eq!(read(r#"{"id": "language:response_language", "options": {"language": "kn"}}"#), None);
        assert_eq!(read(r#"{"id": "keywords:frequency", "options": {"keyword": "a"}}"#), None);
    }
}
