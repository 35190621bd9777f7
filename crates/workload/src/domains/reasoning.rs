//! Reasoning: order of three, comparison, truth values, sums, counting.

use super::NAMES;
use crate::source::Source;
use crate::task::{Draft, rank};

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
    let (high, low) = different_pair(source, NAMES.len());
    let (high, low) = (NAMES[high], NAMES[low]);
    let middle = source.others(NAMES, &[high, low], 1)[0];
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
    let (left, right) = loop {
        let (left, right) = source.own_pair(90, 90);
        if left.abs_diff(right) > 1 {
            break (left + 10, right + 10);
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
    const FACTS: &[&str] = &[
        "the door is open",
        "the lamp is on",
        "the road is wet",
        "the shop is closed",
        "the tea is hot",
        "the box is full",
        "the dog is asleep",
        "the train is late",
        "the sky is gray",
        "the cup is clean",
        "the gate is locked",
        "the room is dark",
        "the stove is off",
        "the mail is here",
    ];
    let (first, second) = different_pair(source, FACTS.len());
    let (first, second) = (FACTS[first], FACTS[second]);
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
    let (left, right) = source.own_pair(12, 12);
    let (left, right) = (left + 1, right + 1);
    let adds = source.chance(50) || left < right;
    let (answer, sign) = if adds { (left + right, "+") } else { (left - right, "-") };
    let near = [answer + 1, answer + 2, answer + 3, answer.checked_sub(1).unwrap_or(4), answer + 5];
    let mut wrong: Vec<usize> = near.into_iter().filter(|value| *value != answer).collect();
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
    let times = rank(index, NUMBERS.len());
    let word = source.own(WORDS);
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

/// A pair of the split with two different positions in one table.
fn different_pair(source: &mut Source, length: usize) -> (usize, usize) {
    loop {
        let (first, second) = source.own_pair(length, length);
        if first != second {
            return (first, second);
        }
    }
}
