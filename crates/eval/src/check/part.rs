//! Texts within an answer, for evaluations that come from other tools.

use crate::task::Value;
use crate::task::pattern::Pattern;

/// Texts that an answer contains.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    texts: Vec<String>,
    /// Whether one of them is enough.
    any: bool,
    ignore_case: bool,
}

impl Part {
    pub(super) fn of_value(value: &Value) -> Option<Self> {
        let is_on = |key: &str| value.get(key) == Some(&Value::Bool(true));
        Some(Self { texts: super::texts(value.get("texts")?)?, any: is_on("any"), ignore_case: is_on("ignore_case") })
    }

    pub(super) fn holds(&self, answer: &str) -> bool {
        let folded = |text: &str| if self.ignore_case { text.to_lowercase() } else { text.to_owned() };
        let answer = folded(answer);
        let is_in = |text: &String| answer.contains(&folded(text));
        if self.any { self.texts.iter().any(is_in) } else { self.texts.iter().all(is_in) }
    }
}

/// A regular expression that is found in an answer; one that takes too many steps is not found.
#[derive(Clone, Debug)]
pub struct Matches(Pattern);

impl PartialEq for Matches {
    fn eq(&self, other: &Self) -> bool {
        self.0.source() == other.0.source()
    }
}

impl Matches {
    pub(super) fn of_value(value: &Value) -> Option<Self> {
        Pattern::new(value.as_text()?).ok().map(Self)
    }

    pub(super) fn holds(&self, answer: &str) -> bool {
        self.0.find_all(answer).is_ok_and(|found| !found.is_empty())
    }
}
