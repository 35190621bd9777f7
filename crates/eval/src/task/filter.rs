//! Filters: from the answers of a model to what is scored.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::config::{FilterConfig, FilterStep};
use super::error::TaskError;
use super::pattern::{Pattern, PatternError, strip};
use super::value::Value;

/// Steps that are known.
const NAMES: [&str; 11] = [
    "take_first",
    "take_first_k",
    "regex",
    "regex_pos",
    "multi_choice_regex",
    "remove_whitespace",
    "lowercase",
    "uppercase",
    "map",
    "majority_vote",
    "strip",
];

/// Whether a step of this name is known.
#[must_use]
pub fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// A chain of steps that is ready.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Name in results.
    pub name: String,
    steps: Vec<Step>,
}

/// What a filter made of the answers to one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Filtered {
    /// What is scored: one answer, or a list where no step took one.
    pub value: Value,
    /// Whether an answer was not understood and a step put its fallback in.
    pub fell_back: bool,
}

#[derive(Clone, Debug)]
enum Step {
    TakeFirst,
    TakeFirstK(usize),
    Regex(Extraction),
    RegexPos { fallback: Value },
    MultiChoice(Box<MultiChoice>),
    Strip,
    Lower,
    Upper,
    Map { entries: Vec<(String, Value)>, default: Value },
    MajorityVote,
}

#[derive(Clone, Debug)]
struct Extraction {
    pattern: Pattern,
    select: i64,
    fallback: String,
}

#[derive(Clone, Debug)]
struct MultiChoice {
    extraction: Extraction,
    ignore_case: bool,
    ignore_punctuation: bool,
    ignored: Vec<Pattern>,
}

impl Filter {
    /// The filter of a task that names none.
    #[must_use]
    pub fn first() -> Self {
        Self { name: "none".to_owned(), steps: vec![Step::TakeFirst] }
    }

    /// Prepares a filter.
    ///
    /// # Errors
    /// When a step is not known, or an expression cannot be used.
    pub fn new(task: &str, config: &FilterConfig) -> Result<Self, TaskError> {
        let steps = config.steps.iter().map(|step| prepare(task, step)).collect::<Result<_, _>>()?;
        Ok(Self { name: config.name.clone(), steps })
    }

    /// Applies the steps to the answers of one request, the repeats in order.
    ///
    /// # Errors
    /// When a search takes too many steps, or there are too few answers.
    pub fn apply(&self, answers: Vec<Value>, doc: &Value) -> Result<Filtered, String> {
        let mut state = Filtered { value: Value::List(answers), fell_back: false };
        for step in &self.steps {
            state = step.apply(state, doc)?;
        }
        Ok(state)
    }
}

fn prepare(task: &str, step: &FilterStep) -> Result<Step, TaskError> {
    let options = &step.options;
    let text = |key: &str, default: &str| options.get(key).map_or_else(|| default.to_owned(), Value::text);
    let misfit = |key: &str, value: String, expected: &str| TaskError::Key {
        task: task.to_owned(),
        key: format!("filter_list.filter.{key}"),
        value,
        expected: expected.to_owned(),
    };
    let pattern =
        |source: &str| Pattern::new(source).map_err(|source| TaskError::Pattern { task: task.to_owned(), source });
    let extraction = || {
        Ok(Extraction {
            pattern: pattern(&text("regex_pattern", r"#### (\-?[0-9\.\,]+)"))?,
            select: options.get("group_select").and_then(Value::as_int).unwrap_or(0),
            fallback: text("fallback", "[invalid]"),
        })
    };
    Ok(match step.function.as_str() {
        "take_first" => Step::TakeFirst,
        "take_first_k" => {
            let count = options.get("k").and_then(Value::as_int).and_then(|count| usize::try_from(count).ok());
            let written = || options.get("k").map(Value::repr).unwrap_or_default();
            Step::TakeFirstK(count.ok_or_else(|| misfit("k", written(), "a number of answers"))?)
        }
        "regex" => Step::Regex(extraction()?),
        "regex_pos" => {
            let invalid = Value::List(vec![Value::Text("invalid".to_owned())]);
            Step::RegexPos {
                fallback: options.get("fallback").filter(|value| **value != Value::None).cloned().unwrap_or(invalid),
            }
        }
        "multi_choice_regex" => {
            let is_on = |key: &str| options.get(key) == Some(&Value::Bool(true));
            let ignored = options.get("regexes_to_ignore").and_then(Value::as_list).unwrap_or_default();
            Step::MultiChoice(Box::new(MultiChoice {
                extraction: extraction()?,
                ignore_case: is_on("ignore_case"),
                ignore_punctuation: is_on("ignore_punctuation"),
                ignored: ignored.iter().map(|item| pattern(&item.text())).collect::<Result<_, _>>()?,
            }))
        }
        "remove_whitespace" | "strip" => Step::Strip,
        "lowercase" => Step::Lower,
        "uppercase" => Step::Upper,
        "map" => Step::Map {
            entries: match options.get("mapping_dict") {
                Some(Value::Dict(entries)) => entries.clone(),
                _ => Vec::new(),
            },
            default: options.get("default_value").cloned().unwrap_or(Value::None),
        },
        "majority_vote" => Step::MajorityVote,
        unknown => return Err(misfit("function", unknown.to_owned(), &NAMES.join(", "))),
    })
}

impl Step {
    fn apply(&self, state: Filtered, doc: &Value) -> Result<Filtered, String> {
        let mut fell_back = state.fell_back;
        let value = match self {
            Self::TakeFirst => match state.value {
                Value::List(mut items) if !items.is_empty() => items.swap_remove(0),
                Value::List(_) => return Err("there is no answer to take".to_owned()),
                one => one,
            },
            Self::TakeFirstK(count) => match state.value {
                Value::List(mut items) if items.len() >= *count => {
                    items.truncate(*count);
                    Value::List(items)
                }
                _ => return Err(format!("there are fewer than {count} answers; raise `repeats`")),
            },
            Self::MajorityVote => match state.value {
                Value::List(items) => Value::List(vec![majority(&items).ok_or("there is no answer to vote on")?]),
                one => one,
            },
            each => match state.value {
                Value::List(items) => {
                    let apply = |item| each.one(item, doc, &mut fell_back);
                    Value::List(
                        items.into_iter().map(apply).collect::<Result<_, PatternError>>().map_err(|e| e.to_string())?,
                    )
                }
                one => each.one(one, doc, &mut fell_back).map_err(|error| error.to_string())?,
            },
        };
        Ok(Filtered { value, fell_back })
    }

    /// Applies a step that works on answers one by one.
    fn one(&self, answer: Value, doc: &Value, fell_back: &mut bool) -> Result<Value, PatternError> {
        let text = answer.as_text().unwrap_or_default();
        Ok(match self {
            Self::Regex(extraction) => {
                let found = extraction.select(text)?;
                *fell_back |= found.is_none();
                Value::Text(found.unwrap_or_else(|| extraction.fallback.clone()))
            }
            Self::RegexPos { fallback } => {
                let pairs = Pattern::new(r"\('([^']*)', '([^']*)'\)")?.find_all(text)?;
                let tags: Vec<Value> = pairs.into_iter().filter_map(|mut pair| pair.pop()).map(Value::Text).collect();
                *fell_back |= tags.is_empty();
                if tags.is_empty() { fallback.clone() } else { Value::List(tags) }
            }
            Self::MultiChoice(choice) => {
                let found = choice.find(text, doc)?;
                *fell_back |= found.is_none();
                Value::Text(found.unwrap_or_else(|| choice.extraction.fallback.clone()))
            }
            Self::Strip => Value::Text(strip(text).to_owned()),
            Self::Lower => Value::Text(text.to_lowercase()),
            Self::Upper => Value::Text(text.to_uppercase()),
            Self::Map { entries, default } => {
                let key = answer.text();
                entries
                    .iter()
                    .find(|(known, _)| *known == key)
                    .map_or_else(|| default.clone(), |(_, value)| value.clone())
            }
            Self::TakeFirst | Self::TakeFirstK(_) | Self::MajorityVote => answer,
        })
    }
}

/// The value that occurs most often; of equals the one that came first.
fn majority(items: &[Value]) -> Option<Value> {
    let mut counts: Vec<(&Value, usize)> = Vec::new();
    for item in items {
        match counts.iter_mut().find(|(known, _)| *known == item) {
            Some((_, count)) => *count += 1,
            None => counts.push((item, 1)),
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max()?;
    counts.into_iter().find(|(_, count)| *count == most).map(|(item, _)| item.clone())
}

impl Extraction {
    fn select(&self, text: &str) -> Result<Option<String>, PatternError> {
        Ok(selected(&self.pattern.find_all(text)?, self.select))
    }
}

/// The chosen match; of several groups the first that is not empty. `None` where nothing matched or every group is
/// empty.
fn selected(found: &[Vec<String>], select: i64) -> Option<String> {
    let place = if select < 0 { i64::try_from(found.len()).ok()? + select } else { select };
    let groups = found.get(usize::try_from(place).ok()?)?;
    let group = match groups.as_slice() {
        [one] => Some(one),
        many => many.iter().find(|group| !group.is_empty()),
    };
    group.map(|group| strip(group).to_owned())
}

impl MultiChoice {
    /// First the task's expression, then the text of a choice, then a letter after a colon.
    fn find(&self, text: &str, doc: &Value) -> Result<Option<String>, PatternError> {
        let is_some = |found: &Option<String>| found.as_ref().is_some_and(|text| !text.is_empty());
        let found = self.extraction.select(text)?;
        if is_some(&found) {
            return Ok(found);
        }
        let choices = doc.get("choices").and_then(Value::as_list).unwrap_or_default();
        let (mut letters, mut names) = (HashMap::new(), Vec::new());
        for (letter, choice) in ('A'..='Z').zip(choices) {
            let name = self.reduced(strip(&choice.text()))?;
            letters.insert(name.clone(), format!("({letter})"));
            names.push(name);
        }
        names.sort_by_key(|name| std::cmp::Reverse(name.chars().count()));
        let by_name = names.iter().map(|name| fancy_regex::escape(name)).collect::<Vec<_>>().join("|");
        let found = selected(&Pattern::new(&by_name)?.find_all(&self.reduced(text)?)?, self.extraction.select);
        if is_some(&found) {
            return Ok(found.map(|name| letters.get(&name).cloned().unwrap_or(name)));
        }
        let letters: Vec<String> = ('A'..='Z').take(choices.len()).map(String::from).collect();
        let by_letter = Pattern::new(&format!(r":[\s]*({})", letters.join("|")))?;
        let found = selected(&by_letter.find_all(text)?, self.extraction.select);
        Ok(found.filter(|letter| !letter.is_empty()).map(|letter| format!("({letter})")))
    }

    fn reduced(&self, text: &str) -> Result<String, PatternError> {
        let mut text = text.to_owned();
        for ignored in &self.ignored {
            text = ignored.replace(&text, "", 0)?;
        }
        if self.ignore_case {
            text = text.to_lowercase();
        }
        if self.ignore_punctuation {
            text = without_punctuation(&text);
        }
        Ok(text)
    }
}

/// Drops every character of Unicode's punctuation.
fn without_punctuation(text: &str) -> String {
    static PUNCTUATION: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\p{P}").ok());
    PUNCTUATION.as_ref().map_or_else(|| text.to_owned(), |punctuation| punctuation.replace_all(text, "").into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(steps: &str, answers: &[&str], doc: &str) -> Result<Filtered, String> {
        let steps: Value = serde_json::from_str(steps).unwrap();
        let step =
            |value: &Value| FilterStep { function: value.get("function").unwrap().text(), options: value.clone() };
        let config = FilterConfig { name: "f".to_owned(), steps: steps.as_list().unwrap().iter().map(step).collect() };
        let filter = Filter::new("t", &config).map_err(|error| error.to_string())?;
        let answers = answers.iter().map(|&answer| Value::Text(answer.to_owned())).collect();
        filter.apply(answers, &serde_json::from_str(doc).unwrap())
    }

    // Vectors: the filters of lm-eval 0.4.13 on the same answers.
    #[test]
    fn filters_are_lm_evals() {
        let check = |steps: &str, answers: &[&str], expected: &str| {
            let filtered = apply(steps, answers, r#"{"choices": ["yes, sir", "no"]}"#).unwrap();
            assert_eq!(filtered.value.repr(), expected, "{steps} on {answers:?}");
        };
        let first = r#"{"function": "take_first"}"#;
        check(&format!("[{first}]"), &["a", "b"], "'a'");
        let number = r#"{"function": "regex", "regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)", "group_select": -1}"#;
        check(&format!("[{number}, {first}]"), &["first 3 then $12.50 or 7"], "'7'");
        check(&format!("[{number}, {first}]"), &["none"], "'[invalid]'");
        let vote = r#"{"function": "majority_vote"}"#;
        check(&format!("[{number}, {vote}, {first}]"), &["1", "2", "2", "1", "3"], "'1'");
        check(r#"[{"function": "take_first_k", "k": 2}]"#, &["a", "b", "c"], "['a', 'b']");
        check(
            &format!(r#"[{{"function": "remove_whitespace"}}, {{"function": "lowercase"}}, {first}]"#),
            &[" Ab\n"],
            "'ab'",
        );
        check(
            &format!(r#"[{{"function": "map", "mapping_dict": {{"a": 1}}, "default_value": -1}}, {first}]"#),
            &["a"],
            "1",
        );
        check(
            &format!(r#"[{{"function": "map", "mapping_dict": {{"a": 1}}, "default_value": -1}}, {first}]"#),
            &["b"],
            "-1",
        );
        let choice = r#"{"function": "multi_choice_regex", "regex_pattern": "(\\([A-Z]\\))", "ignore_case": true, "ignore_punctuation": true}"#;
        check(&format!("[{choice}, {first}]"), &["it is (B)."], "'(B)'");
        check(&format!("[{choice}, {first}]"), &["Yes, Sir!"], "'(A)'");
        check(&format!("[{choice}, {first}]"), &["the answer: B"], "'(B)'");
        check(&format!("[{choice}, {first}]"), &["?"], "'[invalid]'");
        let tags = r#"{"function": "regex_pos"}"#;
        check(&format!("[{tags}, {first}]"), &["[('a', 'DET'), ('b', 'NOUN')]"], "['DET', 'NOUN']");
    }

    #[test]
    fn what_was_not_understood_is_marked() {
        let steps = r#"[{"function": "regex", "regex_pattern": "([0-9])"}, {"function": "take_first"}]"#;
        assert!(apply(steps, &["x"], "{}").unwrap().fell_back);
        assert!(!apply(steps, &["1"], "{}").unwrap().fell_back);
        assert!(apply(r#"[{"function": "sorted"}]"#, &[], "{}").unwrap_err().contains("sorted"));
        assert!(apply(r#"[{"function": "take_first_k", "k": 2}]"#, &["a"], "{}").unwrap_err().contains("repeats"));
    }
}
