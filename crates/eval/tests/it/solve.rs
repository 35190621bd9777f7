//! A solver of the generated questions that reads nothing but their text, and goes other ways than the generator: it
//! tries every order and every world, walks the calendar day by day, and rewrites expressions.

use std::collections::{BTreeMap, HashMap};

use regex::Regex;
use serde_json::{Value, json};

/// The answer to a question of a kind, as a model should write it; `None` where its text is not understood.
pub(crate) fn answer(kind: &str, question: &str) -> Option<String> {
    match kind {
        "arithmetic" => arithmetic(question),
        "order" => order(question),
        "calendar" => calendar(question),
        "truth" if question.contains("expression") => expression(question),
        "truth" => liars(question),
        "counting" => counting(question),
        "call" => call(question),
        "join" => join(question),
        "record" => record(question),
        "schedule" => schedule(question),
        "notes" => notes(question),
        _ => None,
    }
}

fn all(pattern: &str, text: &str) -> Vec<Vec<String>> {
    let regex = Regex::new(pattern).unwrap();
    regex
        .captures_iter(text)
        .map(|found| found.iter().skip(1).map(|part| part.map_or("", |part| part.as_str()).to_owned()).collect())
        .collect()
}

fn first(pattern: &str, text: &str) -> Option<Vec<String>> {
    all(pattern, text).into_iter().next()
}

fn numbers(text: &str) -> Vec<i64> {
    all(r"(\d+)", text).iter().map(|found| found[0].parse().unwrap()).collect()
}

fn arithmetic(question: &str) -> Option<String> {
    let mut value: i64 = first(r"Start with (\d+)\.", question)?[0].parse().ok()?;
    for step in all(r"(Add|Subtract|Multiply by|Divide by) (\d+)", question) {
        let by: i64 = step[1].parse().ok()?;
        value = match step[0].as_str() {
            "Add" => value + by,
            "Subtract" => value - by,
            "Multiply by" => (0..by).map(|_| value).sum(),
            _ => (0..=value).rev().find(|quotient| quotient * by <= value)?,
        };
    }
    Some(value.to_string())
}

fn names(list: &str) -> Vec<String> {
    list.replace(" and ", ", ").split(", ").map(str::to_owned).collect()
}

fn place(word: &str) -> usize {
    ["first", "second", "third", "fourth", "fifth"].iter().position(|known| *known == word).unwrap()
}

fn order(question: &str) -> Option<String> {
    let names = names(&first(r"^(.*) ran a race", question)?[0]);
    let before = all(r"(\w+) finished before (\w+)\.", question);
    let directly = all(r"(\w+) finished directly before (\w+)\.", question);
    let not = all(r"(\w+) did not finish (\w+)\.", question);
    let asked = place(&first(r"Who finished (\w+)\?", question)?[0]);
    let mut winners = std::collections::BTreeSet::new();
    let count = names.len();
    // Every assignment of places, counted in base `count`.
    for code in 0..count.pow(u32::try_from(count).ok()?) {
        let places: Vec<usize> = (0..count).map(|who| code / count.pow(u32::try_from(who).unwrap()) % count).collect();
        let of = |name: &String| places[names.iter().position(|known| known == name).unwrap()];
        let differ = (0..count).all(|place| places.contains(&place));
        let fits = before.iter().all(|pair| of(&pair[0]) < of(&pair[1]))
            && directly.iter().all(|pair| of(&pair[0]) + 1 == of(&pair[1]))
            && not.iter().all(|pair| of(&pair[0]) != place(&pair[1]));
        if differ && fits {
            winners.insert(names[places.iter().position(|place| *place == asked)?].clone());
        }
    }
    // More than one possible answer would make the question unfair.
    (winners.len() == 1).then(|| winners.into_iter().next())?
}

fn month_days(year: i64, month: usize) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
}

fn next_day((year, month, day): (i64, usize, i64)) -> (i64, usize, i64) {
    match () {
        () if day < month_days(year, month) => (year, month, day + 1),
        () if month < 12 => (year, month + 1, 1),
        () => (year + 1, 1, 1),
    }
}

fn date(parts: &[String]) -> (i64, usize, i64) {
    (parts[0].parse().unwrap(), parts[1].parse().unwrap(), parts[2].parse().unwrap())
}

fn calendar(question: &str) -> Option<String> {
    const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    if let Some(found) = first(r"Today is (\w+)\. .* in (\d+) days", question) {
        let start = DAYS.iter().position(|day| *day == found[0])?;
        return DAYS.iter().cycle().skip(start).nth(found[1].parse().ok()?).map(|day| (*day).to_owned());
    }
    let dates = all(r"(\d{4})-(\d{2})-(\d{2})", question);
    let mut day = date(&dates[0]);
    if let Some(found) = first(r"is (\d+) days after", question) {
        for _ in 0..found[0].parse::<usize>().ok()? {
            day = next_day(day);
        }
        return Some(format!("{:04}-{:02}-{:02}", day.0, day.1, day.2));
    }
    let end = date(dates.get(1)?);
    let mut span = 0;
    while day != end {
        day = next_day(day);
        span += 1;
        if span > 10_000 {
            return None;
        }
    }
    Some(span.to_string())
}

fn expression(question: &str) -> Option<String> {
    let mut text = first(r"expression: (.*)\? Write", question)?[0].clone();
    while text != "true" && text != "false" {
        let before = text.clone();
        for (from, to) in [
            ("(not true)", "false"),
            ("(not false)", "true"),
            ("(true and true)", "true"),
            ("(true and false)", "false"),
            ("(false and true)", "false"),
            ("(false and false)", "false"),
            ("(true or true)", "true"),
            ("(true or false)", "true"),
            ("(false or true)", "true"),
            ("(false or false)", "false"),
        ] {
            text = text.replace(from, to);
        }
        if text == before {
            return None;
        }
    }
    Some(text)
}

fn liars(question: &str) -> Option<String> {
    let names = names(&first(r"^Of (.*), each either", question)?[0]);
    let claims = all(r"(\w+) says: ([^.]*)\.", question);
    let mut possible = Vec::new();
    for world in 0..1_u32 << names.len() {
        let lies = |name: &str| world >> names.iter().position(|known| known == name).unwrap() & 1 == 1;
        let is_true = |claim: &str| {
            if let Some(found) = first(r"^(\w+) lies$", claim) {
                lies(&found[0])
            } else if let Some(found) = first(r"^(\w+) tells the truth$", claim) {
                !lies(&found[0])
            } else if let Some(found) = first(r"^(\w+) and (\w+) are of the same kind$", claim) {
                lies(&found[0]) == lies(&found[1])
            } else {
                let found = first(r"^exactly one of (\w+) and (\w+) lies$", claim).unwrap();
                lies(&found[0]) != lies(&found[1])
            }
        };
        if claims.iter().all(|claim| is_true(&claim[1]) != lies(&claim[0])) {
            possible.push(names.iter().filter(|name| lies(name)).cloned().collect::<Vec<_>>().join(", "));
        }
    }
    (possible.len() == 1).then(|| possible.remove(0))
}

fn counting(question: &str) -> Option<String> {
    let n = numbers(question);
    let answer = match n.len() {
        2 => n[0] + n[0] + n[1],
        4 => n[0] - n[1] - n[2] + n[3],
        8 => n[1] + n[2] + n[3] - 2 * (n[4] + n[5] + n[6]) + 3 * n[7],
        _ => return None,
    };
    Some(answer.to_string())
}

fn spoken(word: &str) -> i64 {
    let words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    let place = words.iter().position(|known| *known == word);
    place.map_or_else(|| word.parse().unwrap(), |place| i64::try_from(place).unwrap())
}

fn call(question: &str) -> Option<String> {
    let request = first(r"(?m)^Request: (.*)$", question)?[0].clone();
    let is_offered = |name: &str| question.contains(&format!("{name}("));
    let (name, arguments) = if let Some(f) = first(r"label (\w+) for (\w+) (minutes|hours)", &request) {
        let minutes = spoken(&f[1]) * if f[2] == "hours" { 60 } else { 1 };
        ("set_timer", json!({"minutes": minutes, "label": f[0]}))
    } else if let Some(f) =
        first(r"table at (\w+) for (\w+) people at (?:half past (\w+) in the evening|(\d+):30)", &request)
    {
        let hour = if f[2].is_empty() { f[3].parse::<i64>().ok()? } else { spoken(&f[2]) + 12 };
        ("book_table", json!({"place": f[0], "people": spoken(&f[1]), "time": format!("{hour}:30")}))
    } else if let Some(f) = first(r"Send (\w+) exactly this message: (.*)$", &request) {
        ("send_message", json!({"to": f[0], "message": f[1]}))
    } else if let Some(f) = first(r"How much is (\w+)( thousand)? (\w+) in (\w+)\?", &request) {
        let amount = spoken(&f[0]) * if f[1].is_empty() { 1 } else { 1_000 };
        ("convert_money", json!({"amount": amount, "from": f[2], "to": f[3]}))
    } else {
        let f = first(r"weather in (\w+) be for the next (\w+) (days|weeks)\?", &request)?;
        ("get_weather", json!({"city": f[0], "days": spoken(&f[1]) * if f[2] == "weeks" { 7 } else { 1 }}))
    };
    is_offered(name).then(|| json!({"name": name, "arguments": arguments}).to_string())
}

fn join(question: &str) -> Option<String> {
    let pairs = |title: &str| -> HashMap<String, i64> {
        let Some((_, rest)) = question.split_once(title) else { return HashMap::new() };
        let lines = rest.lines().skip(1).map_while(|line| line.split_once(','));
        lines.map_while(|(key, value)| Some((key.to_owned(), value.parse().ok()?))).collect()
    };
    let (prices, discounts) = (pairs("item,price"), pairs("customer,percent"));
    let who = first(r"did (\w+) order in all", question)?[0].clone();
    let orders = all(r"(?m)^(\w+),(\w+),(\d+)$", question);
    let own = orders.iter().filter(|order| order[0] == who);
    let total: f64 = own
        .map(|order| {
            let count: f64 = order[2].parse().unwrap();
            count * prices.get(&order[1]).map_or(1.0, |price| *price as f64)
        })
        .sum();
    let share = discounts.get(&who).map_or(1.0, |percent| 1.0 - *percent as f64 / 100.0);
    Some(format!("{:.2}", total * share))
}

fn record(question: &str) -> Option<String> {
    let object = |f: &Vec<String>| json!({"name": f[0], "age": f[1].parse::<i64>().unwrap(), "city": f[2]});
    if let Some(f) = first(r"name=(\w+); age=(\d+); city=(\w+)", question) {
        return Some(object(&f).to_string());
    }
    let table = all(r"(?m)^(\w+),(\d+),(\w+)$", question);
    if !table.is_empty() {
        return Some(Value::Array(table.iter().map(object).collect()).to_string());
    }
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for f in all(r"(\w+), aged \d+, lives in (\w+)\.", question) {
        groups.entry(f[1].clone()).or_default().push(f[0].clone());
    }
    groups.values_mut().for_each(|names| names.sort());
    (!groups.is_empty()).then(|| json!(groups).to_string())
}

fn schedule(question: &str) -> Option<String> {
    let start = first(r"starts at (\d+):(\d+)", question)?;
    let (mut hour, mut minute): (i64, i64) = (start[0].parse().ok()?, start[1].parse().ok()?);
    let hours = first(r"are (\d+) hours ahead", question).map_or(0, |found| found[0].parse::<i64>().unwrap());
    for _ in 0..all(r"(\d+) minutes", question).iter().map(|found| found[0].parse::<i64>().unwrap()).sum::<i64>() {
        minute += 1;
        if minute == 60 {
            (hour, minute) = (hour + 1, 0);
        }
    }
    Some(format!("{:02}:{minute:02}", (hour + hours) % 24))
}

fn notes(question: &str) -> Option<String> {
    let withdrawn = all(r"the note of (\d+) May is withdrawn", question);
    let mut notes = all(r"Note of (\d+) May: the meeting is in room (\w+)\.", question);
    notes.retain(|note| !withdrawn.iter().any(|day| day[0] == note[0]));
    notes.into_iter().max_by_key(|note| note[0].parse::<i64>().unwrap()).map(|note| note[1].clone())
}
