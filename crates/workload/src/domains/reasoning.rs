//! Reasoning: order of three, comparison, truth values, sums, counting.

use super::names;
use crate::source::Source;
use crate::task::{Draft, Split, rank};

pub(crate) fn draft(source: &mut Source, index: u64) -> Draft {
    match index / 12 % 5 {
        0 => order(source, index),
        1 => compare(source, index),
        2 => logic(source, index),
        3 => sum(source, index),
        _ => count(source, index),
    }
}

/// Who is first or last of three, from two statements.
fn order(source: &mut Source, index: u64) -> Draft {
    const SCALES: &[[&str; 3]] = &[
        ["taller", "tallest", "shortest"],
        ["older", "oldest", "youngest"],
        ["faster", "fastest", "slowest"],
        ["richer", "richest", "poorest"],
    ];
    let [high, middle, low] = names::<3>(source);
    let [more, most, least] = SCALES[source.position(SCALES.len())];
    let mut facts = [format!("{high} is {more} than {middle}."), format!("{middle} is {more} than {low}.")];
    source.shuffle(&mut facts);
    let asks_most = source.chance(50);
    let (word, right, wrong) = if asks_most { (most, high, low) } else { (least, low, high) };
    let input = format!("{} {} Who is {word}?", facts[0], facts[1]);
    let reason = format!("{middle} is between {high} and {low}");
    Draft::chosen(source, index, input, right, &[wrong, middle], reason)
}

/// The larger or the smaller of two numbers.
fn compare(source: &mut Source, index: u64) -> Draft {
    let left = source.between(10, 99);
    // Different by at least two, and of the split by the parity of the sum of digits.
    let right = loop {
        let candidate = source.between(10, 99);
        if candidate.abs_diff(left) > 1 && belongs(source, left, candidate) {
            break candidate;
        }
    };
    let asks_larger = source.chance(50);
    let word = if asks_larger { "larger" } else { "smaller" };
    let answer = if asks_larger { left.max(right) } else { left.min(right) };
    let other = left + right - answer;
    let input = format!("Which is {word}, {left} or {right}?");
    let reason = format!("{other} is {}", if asks_larger { "smaller" } else { "larger" });
    Draft::chosen(source, index, input, &answer.to_string(), &[other], reason)
}

/// A truth value of two facts joined by `and`, `or`, `and not`.
fn logic(source: &mut Source, index: u64) -> Draft {
    const FACTS: &[[&str; 2]] = &[
        ["the door is open", "open"],
        ["the lamp is on", "on"],
        ["the road is wet", "wet"],
        ["the shop is closed", "closed"],
        ["the tea is hot", "hot"],
        ["the box is full", "full"],
        ["the dog is asleep", "asleep"],
        ["the train is late", "late"],
    ];
    let first = FACTS[source.own_position(FACTS.len())][0];
    let second = loop {
        let candidate = FACTS[source.position(FACTS.len())][0];
        if candidate != first {
            break candidate;
        }
    };
    let wants_true = index.is_multiple_of(2);
    let (left, right, operator) = loop {
        let (left, right) = (source.chance(50), source.chance(50));
        let operator = source.any(&["and", "or"]);
        let value = if operator == "and" { left && right } else { left || right };
        if value == wants_true {
            break (left, right, operator);
        }
    };
    let input = format!("{first}: {left}. {second}: {right}. True or false: {first} {operator} {second}?");
    let reason = format!("{left} {operator} {right} is {wants_true}");
    Draft { input, choices: vec!["true".into(), "false".into()], answer: rank(index, 2), reason }
}

/// A sum or a difference of small numbers.
fn sum(source: &mut Source, index: u64) -> Draft {
    let (left, right) = loop {
        let pair = (source.between(1, 12), source.between(1, 12));
        if belongs(source, pair.0, pair.1) {
            break pair;
        }
    };
    let adds = source.chance(50) || left < right;
    let (answer, sign) = if adds { (left + right, "+") } else { (left - right, "-") };
    let near = [answer + 1, answer + 2, answer + 3, answer.abs_diff(1), answer + 5];
    let mut wrong: Vec<u32> = near.into_iter().filter(|value| *value != answer).collect();
    source.shuffle(&mut wrong);
    wrong.truncate(3);
    let input = format!("What is {left} {sign} {right}?");
    let reason = format!("{left} {sign} {right} = {answer}");
    Draft::chosen(source, index, input, &answer.to_string(), &wrong, reason)
}

/// How often a word stands in a list.
fn count(source: &mut Source, index: u64) -> Draft {
    const WORDS: &[&str] =
        &["apple", "pear", "plum", "fig", "key", "coin", "ring", "pen", "cup", "fork", "stone", "leaf"];
    const NUMBERS: [&str; 4] = ["one", "two", "three", "four"];
    let word = source.own(WORDS);
    let times = rank(index, 4);
    let noise = 2 + source.position(3);
    let mut list = vec![word; times + 1];
    list.extend((0..noise).map(|_| source.others(WORDS, &[word], 1)[0]));
    source.shuffle(&mut list);
    let input = format!("How many times does {word} stand in: {}?", list.join(" "));
    Draft {
        input,
        choices: NUMBERS.iter().map(ToString::to_string).collect(),
        answer: times,
        reason: format!("{word} stands there {} times", NUMBERS[times]),
    }
}

/// Whether a pair of numbers belongs to the item's split: one pair in four is held out.
fn belongs(source: &Source, left: u32, right: u32) -> bool {
    let is_held_out = (left * 7 + right * 3) % 4 == 0;
    is_held_out == (source.split() == Split::HeldOut)
}
