//! Multiple choice for engines without log-probabilities: the model writes the letter of its choice.

use std::sync::LazyLock;

use regex::Regex;
use weighbridge_engine::Role;

use crate::task::PromptText;

const INSTRUCTION: &str = "Answer with the letter of the right choice only.";

/// Puts lettered choices below a question, unless the choices are the letters themselves.
pub(crate) fn question(prompt: PromptText, choices: &[String]) -> PromptText {
    let mut end = String::from("\n\n");
    if !are_letters(choices) {
        for (letter, choice) in ('A'..='Z').zip(choices) {
            end.push_str(&format!("{letter}. {}\n", choice.trim()));
        }
    }
    end.push_str(INSTRUCTION);
    match prompt {
        PromptText::Text(text) => PromptText::Text(format!("{text}{end}\nAnswer:")),
        PromptText::Chat(mut messages) => {
            if let Some(last) = messages.iter_mut().rev().find(|message| message.role == Role::User) {
                last.content.push_str(&end);
            }
            PromptText::Chat(messages)
        }
    }
}

fn are_letters(choices: &[String]) -> bool {
    !choices.is_empty() && ('A'..='Z').zip(choices).all(|(letter, choice)| choice.trim() == letter.to_string())
}

/// The choice that an answer names: the letter that it begins with, the last one after the word "answer", the only
/// letter in brackets, or the text of exactly one choice.
pub(crate) fn choice_of(answer: &str, choices: &[String]) -> Option<usize> {
    static BEGINNING: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^\W*([A-Za-z])(?:$|[^\w'’]\W*$|[.):,]|\s*[-–:]|\n)").ok());
    static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?i)\banswer(?:\s+is|\s*[:=])*\s*(?:the\s+)?(?:choice|option)?\s*[*(\[]*([A-Z])\b").ok()
    });
    static BRACKETS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[(\[]([A-Z])[)\]]").ok());
    let answer = answer.trim();
    let place = |letter: &str| {
        let letter = letter.bytes().next()?.to_ascii_uppercase();
        let place = usize::from(letter.checked_sub(b'A')?);
        (place < choices.len()).then_some(place)
    };
    let all = |regex: &Option<Regex>| -> Vec<usize> {
        let found = regex.iter().flat_map(|regex| regex.captures_iter(answer));
        found.filter_map(|captures| place(captures.get(1)?.as_str())).collect()
    };
    let in_brackets = all(&BRACKETS);
    // `(A) or (B)` names two.
    let names_several =
        answer.starts_with(['(', '[']) && in_brackets.iter().any(|place| in_brackets.first() != Some(place));
    if let Some(&first) = all(&BEGINNING).first().filter(|_| !names_several) {
        return Some(first);
    }
    if let Some(&last) = all(&NAMED).last() {
        return Some(last);
    }
    if let Some((first, rest)) = in_brackets.split_first()
        && rest.iter().all(|other| other == first)
    {
        return Some(*first);
    }
    let lowered = answer.to_lowercase();
    let lowered = lowered.trim_matches(|char: char| !char.is_alphanumeric());
    let mut equal = choices.iter().enumerate().filter(|(_, choice)| choice.trim().to_lowercase() == lowered);
    match (equal.next(), equal.next()) {
        (Some((place, _)), None) => Some(place),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use weighbridge_engine::Message;

    use super::*;

    #[test]
    fn letters_are_found_where_they_are_meant() {
        let choices = ["red", "green", "blue"].map(str::to_owned);
        let check = |answer: &str, expected| assert_eq!(choice_of(answer, &choices), expected, "{answer:?}");
        check("B", Some(1));
        check(" (b) ", Some(1));
        check("C. blue", Some(2));
        check("**A**", Some(0));
        check("The answer is (C).", Some(2));
        check("First I thought the answer is A, but the answer: B", Some(1));
        check("It must be [A].", Some(0));
        check("(A) or (B)", None);
        check("Green.", Some(1));
        check("A red thing", None);
        check("I cannot say", None);
        check("D", None);
        check("", None);
        check("é", None);
    }

    #[test]
    fn choices_stand_below_the_question() {
        let text = |choices: &[&str]| {
            let choices: Vec<String> = choices.iter().map(|&choice| choice.to_owned()).collect();
            question(PromptText::Text("Q".to_owned()), &choices).shown()
        };
        assert_eq!(text(&["red", " blue"]), format!("Q\n\nA. red\nB. blue\n{INSTRUCTION}\nAnswer:"));
        assert_eq!(text(&["A", "B"]), format!("Q\n\n{INSTRUCTION}\nAnswer:"));
        let chat = PromptText::Chat(vec![Message { role: Role::User, content: "Q".to_owned() }]);
        let PromptText::Chat(messages) = question(chat, &["A".to_owned()]) else { panic!("no conversation") };
        assert_eq!(messages[0].content, format!("Q\n\n{INSTRUCTION}"));
    }

    proptest::proptest! {
        #[test]
        fn any_answer_is_read_or_not(answer in "(?s).{0,60}", count in 0_usize..5) {
            let choices: Vec<String> = (0..count).map(|number| format!("choice {number}")).collect();
            proptest::prop_assert!(choice_of(&answer, &choices).is_none_or(|place| place < count));
        }
    }
}
