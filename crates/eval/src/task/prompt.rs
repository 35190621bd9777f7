//! From parts to a prompt: turns, delimiters, and their text or conversation, as lm-eval joins them.

use weighbridge_engine::{Message, Role};

use super::pattern::is_space;

/// A turn before it becomes text or part of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) role: Role,
    pub(super) content: String,
    /// Stands after the content in plain text only.
    pub(super) delimiter: String,
}

impl Turn {
    pub(super) fn new(role: Role, content: impl Into<String>, delimiter: impl Into<String>) -> Self {
        Self { role, content: content.into(), delimiter: delimiter.into() }
    }
}

/// Question, answer and delimiters of one document.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parts<'a> {
    pub(super) question: &'a str,
    pub(super) answer: Option<&'a str>,
    pub(super) prefix: Option<&'a str>,
    pub(super) target_delimiter: &'a str,
    pub(super) end_delimiter: &'a str,
}

impl Parts<'_> {
    /// The question's turn, and the answer's where there is one.
    pub(super) fn turns(&self) -> Vec<Turn> {
        let answer = self.answer.filter(|answer| !answer.is_empty());
        let prefix = self.prefix.filter(|prefix| !prefix.is_empty());
        let delimiter = match (answer, prefix) {
            (Some(_), None) => self.target_delimiter,
            (_, Some(prefix)) if needs_delimiter(self.question, prefix) => self.target_delimiter,
            _ => "",
        };
        let mut turns = vec![Turn::new(Role::User, self.question, delimiter)];
        match (answer, prefix) {
            (Some(answer), prefix) => {
                let text = delimited(prefix.unwrap_or_default(), answer, " ");
                turns.push(Turn::new(Role::Assistant, text, self.end_delimiter));
            }
            (None, Some(prefix)) => turns.push(Turn::new(Role::Assistant, prefix, "")),
            (None, None) => {}
        }
        turns
    }
}

/// Joins two texts, with the delimiter between them unless white space is there already or one is empty.
pub(super) fn delimited(before: &str, after: &str, delimiter: &str) -> String {
    if before.is_empty() || after.is_empty() || !needs_delimiter(before, after) {
        return format!("{before}{after}");
    }
    format!("{before}{delimiter}{after}")
}

fn needs_delimiter(before: &str, after: &str) -> bool {
    let touches = |char: Option<char>| char.is_some_and(is_space);
    !before.is_empty() && !touches(before.chars().next_back()) && !touches(after.chars().next())
}

/// The turns as plain text.
pub(super) fn text(turns: &[Turn]) -> String {
    turns.iter().flat_map(|turn| [turn.content.as_str(), turn.delimiter.as_str()]).collect()
}

/// The turns as a conversation: each its own, or the examples and the question in one turn of the user.
pub(super) fn conversation(turns: &[Turn], is_multiturn: bool) -> Vec<Message> {
    let message = |turn: &Turn| Message { role: turn.role, content: turn.content.clone() };
    if is_multiturn {
        return turns.iter().map(message).collect();
    }
    let (system, rest) = match turns.split_first() {
        Some((first, rest)) if first.role == Role::System => (Some(first), rest),
        _ => (None, turns),
    };
    let (rest, last) = match rest.split_last() {
        Some((last, rest)) if last.role == Role::Assistant => (rest, Some(last)),
        _ => (rest, None),
    };
    let mut joined = text(rest);
    let end = rest.last().map_or(0, |turn| turn.delimiter.len());
    joined.truncate(joined.len() - end);
    let user = Message { role: Role::User, content: joined };
    system.map(message).into_iter().chain([user]).chain(last.map(message)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Vectors: `ConfigurableTask.build_qa_turn` and `multiturn_to_singleturn` of lm-eval 0.4.13.
    #[test]
    fn turns_join_as_in_lm_eval() {
        let check = |parts: Parts<'_>, expected: &str| assert_eq!(text(&parts.turns()), expected);
        let parts = Parts { question: "Q", target_delimiter: " ", ..Parts::default() };
        check(parts, "Q");
        check(Parts { answer: Some("A"), end_delimiter: "\n\n", ..parts }, "Q A\n\n");
        check(Parts { prefix: Some("P"), ..parts }, "Q P");
        check(Parts { question: "Q\n", prefix: Some("P"), ..parts }, "Q\nP");
        check(Parts { prefix: Some("P:"), answer: Some("A"), end_delimiter: "|", ..parts }, "Q P: A|");
        check(Parts { prefix: Some("P: "), answer: Some("A"), end_delimiter: "|", ..parts }, "Q P: A|");
        check(Parts { answer: Some(""), ..parts }, "Q");
    }

    #[test]
    fn conversations_are_lm_evals() {
        let mut turns = vec![Turn::new(Role::System, "S", "")];
        let parts =
            Parts { question: "Q1", answer: Some("A1"), target_delimiter: " ", end_delimiter: "\n\n", prefix: None };
        turns.extend(parts.turns());
        turns.extend(Parts { question: "Q2", ..Parts::default() }.turns());
        let show = |messages: Vec<Message>| {
            messages.iter().map(|message| format!("{}={}", message.role.name(), message.content)).collect::<Vec<_>>()
        };
        assert_eq!(show(conversation(&turns, false)), ["system=S", "user=Q1 A1\n\nQ2"]);
        assert_eq!(show(conversation(&turns, true)), ["system=S", "user=Q1", "assistant=A1", "user=Q2"]);
        turns.pop();
        turns.extend(Parts { question: "Q2", prefix: Some("P"), target_delimiter: " ", ..Parts::default() }.turns());
        assert_eq!(show(conversation(&turns, false)), ["system=S", "user=Q1 A1\n\nQ2", "assistant=P"]);
    }
}
