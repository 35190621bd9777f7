//! Drawing a set of different items from a seed.

use std::collections::HashSet;

use super::{Difficulty, Domain};
use crate::task::Value;
use crate::task::random::PythonRandom;

/// Items of a difficulty, where a task does not say.
const ITEMS: usize = 20;

/// Items of a difficulty at most: beyond it the small sets of names would repeat.
const MOST_ITEMS: usize = 1_000;

/// Draws in a row that may repeat an item before the set counts as exhausted.
const MOST_REPEATS: usize = 1_000;

/// How a generated set is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Items of the difficulty.
    pub items: usize,
    /// Seed; the same one gives the same items on every machine.
    pub seed: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self { items: ITEMS, seed: 1 }
    }
}

impl Options {
    /// Reads `items` and `seed` of a task's `dataset_kwargs`.
    ///
    /// # Errors
    /// Names the value that cannot be used.
    pub fn of_value(value: &Value) -> Result<Self, String> {
        let mut options = Self::default();
        if let Some(items) = value.get("items") {
            let count = items.as_int().and_then(|count| usize::try_from(count).ok());
            let count = count.filter(|count| (1..=MOST_ITEMS).contains(count));
            options.items =
                count.ok_or_else(|| format!("`items` is `{}`; expected 1 to {MOST_ITEMS}", items.repr()))?;
        }
        if let Some(seed) = value.get("seed") {
            options.seed =
                seed.as_int().ok_or_else(|| format!("`seed` is `{}`; expected a whole number", seed.repr()))?;
        }
        Ok(options)
    }
}

/// A generated question.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// What it exercises.
    pub(super) kind: &'static str,
    pub(super) question: String,
    /// The answer for people; for an open question what holds of it.
    pub(super) answer: String,
    /// What must hold of an answer.
    pub(super) checks: Vec<Value>,
}

/// Different items; `item` is given the place of the item, so that kinds take turns.
pub(super) fn items(
    domain: Domain,
    difficulty: Difficulty,
    options: &Options,
    item: fn(&mut PythonRandom, Difficulty, usize) -> Item,
) -> Result<Vec<Value>, String> {
    // Each domain and difficulty has a stream of its own, so that more items of one leave the others as they are.
    let stream = domain as i64 * 3 + difficulty as i64;
    let mut random = PythonRandom::new(options.seed.wrapping_mul(1_000).wrapping_add(stream));
    let (mut seen, mut rows, mut repeats) = (HashSet::new(), Vec::new(), 0);
    while rows.len() < options.items {
        let drawn = item(&mut random, difficulty, rows.len());
        if seen.insert(drawn.question.clone()) {
            let id = format!("{}-{}-{:03}", domain.name(), difficulty.name(), rows.len() + 1);
            rows.push(row(id, drawn));
            repeats = 0;
        } else {
            repeats += 1;
            if repeats > MOST_REPEATS {
                return Err(format!("there are only {} different items; lower `items`", rows.len()));
            }
        }
    }
    Ok(rows)
}

fn row(id: String, item: Item) -> Value {
    dict([
        ("id", text(id)),
        ("kind", text(item.kind)),
        ("question", text(item.question)),
        ("answer", text(item.answer)),
        ("checks", Value::List(item.checks)),
    ])
}

pub(super) fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

pub(super) fn dict<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Dict(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// A check by its name.
pub(super) fn check(name: &str, value: Value) -> Value {
    dict([(name, value)])
}

pub(super) fn texts<T: AsRef<str>>(items: &[T]) -> Value {
    Value::List(items.iter().map(|item| text(item.as_ref())).collect())
}

pub(super) fn int(number: impl TryInto<i64>) -> Value {
    // Generated numbers are far below the limit.
    Value::Int(number.try_into().unwrap_or(i64::MAX))
}

/// A whole number from `low` to `high`, both included.
pub(super) fn between(random: &mut PythonRandom, low: i64, high: i64) -> i64 {
    let span = usize::try_from(high - low + 1).unwrap_or(1);
    low + i64::try_from(random.below(span)).unwrap_or(0)
}

pub(super) fn one<'a, T: ?Sized>(random: &mut PythonRandom, items: &[&'a T]) -> &'a T {
    items[random.below(items.len())]
}

/// Different ones, in random order.
pub(super) fn some<'a, T: ?Sized>(random: &mut PythonRandom, items: &[&'a T], count: usize) -> Vec<&'a T> {
    random.sample(items.len(), count).into_iter().map(|place| items[place]).collect()
}

/// `a, b and c`.
pub(super) fn listed<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [start @ .., last] => {
            let start: Vec<&str> = start.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", start.join(", "), last.as_ref())
        }
    }
}
