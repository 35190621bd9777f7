//! Integration: bringing sources, tools and formats together.

use super::Difficulty;
use super::draw::{Item, between, check, dict, int, one, some, text, texts};
use crate::task::Value;
use crate::task::random::PythonRandom;

const PEOPLE: [&str; 10] = ["Mira", "Tom", "Lena", "Omar", "Ruth", "Paul", "Nadia", "Ivo", "Sofia", "Karl"];
const CITIES: [&str; 8] = ["Oslo", "Lisbon", "Vienna", "Dublin", "Prague", "Athens", "Helsinki", "Madrid"];
const GOODS: [&str; 8] = ["lamp", "chair", "clock", "kettle", "basket", "mirror", "blanket", "vase"];
const NUMBERS: [&str; 11] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

const JSON_ONLY: &str = "Answer with the JSON alone.";

/// Kinds take turns.
pub(super) fn item(random: &mut PythonRandom, difficulty: Difficulty, place: usize) -> Item {
    match place % 5 {
        0 => call(random, difficulty),
        1 => join(random, difficulty),
        2 => record(random, difficulty),
        3 => schedule(random, difficulty),
        _ => notes(random, difficulty),
    }
}

fn json_item(kind: &'static str, question: String, expected: Value) -> Item {
    Item { kind, question, answer: expected.line(), checks: vec![check("json", expected)] }
}

/// Signatures of the functions that can be called.
const FUNCTIONS: [&str; 5] = [
    "set_timer(minutes: integer, label: text)",
    "book_table(place: text, people: integer, time: text as HH:MM)",
    "send_message(to: text, message: text)",
    "convert_money(amount: integer, from: text, to: text)",
    "get_weather(city: text, days: integer)",
];

/// Choosing a function and filling its arguments.
fn call(random: &mut PythonRandom, difficulty: Difficulty) -> Item {
    let which = random.below(FUNCTIONS.len());
    let (request, name, arguments) = request(random, which, difficulty);
    let mut offered = random.sample(FUNCTIONS.len(), FUNCTIONS.len());
    offered.retain(|&place| place != which);
    offered.truncate(difficulty.of(0, 2, 4));
    offered.insert(random.below(offered.len() + 1), which);
    let offered: Vec<&str> = offered.into_iter().map(|place| FUNCTIONS[place]).collect();
    let question = format!(
        "Functions:\n{}\nRequest: {request}\nCall the function that fits, as {{\"name\": \"…\", \"arguments\": {{…}}}}. {JSON_ONLY}",
        offered.join("\n")
    );
    json_item("call", question, dict([("name", text(name)), ("arguments", arguments)]))
}

/// Numbers up to ten are words in harder requests.
fn said(number: i64, difficulty: Difficulty) -> String {
    let word = usize::try_from(number).ok().and_then(|number| NUMBERS.get(number));
    word.filter(|_| difficulty != Difficulty::Easy).map_or_else(|| number.to_string(), |word| (*word).to_owned())
}

fn request(random: &mut PythonRandom, which: usize, difficulty: Difficulty) -> (String, &'static str, Value) {
    let small = between(random, 2, 10);
    let count = said(small, difficulty);
    match which {
        0 => {
            let what = one(random, &["pasta", "tea", "bread", "laundry", "rice", "eggs"]);
            let (request, minutes) = if difficulty == Difficulty::Hard {
                (format!("Set a timer with the label {what} for {count} hours."), small * 60)
            } else {
                (format!("Set a timer with the label {what} for {count} minutes."), small)
            };
            (request, "set_timer", dict([("minutes", int(minutes)), ("label", text(what))]))
        }
        1 => {
            let place = one(random, &["Luna", "Olivo", "Mikado", "Bellini", "Taverna"]);
            let hour = between(random, 5, 9);
            let time = if difficulty == Difficulty::Easy {
                format!("{}:30", hour + 12)
            } else {
                format!("half past {} in the evening", NUMBERS[usize::try_from(hour).unwrap_or(0)])
            };
            let arguments =
                dict([("place", text(place)), ("people", int(small)), ("time", text(format!("{}:30", hour + 12)))]);
            (format!("Book a table at {place} for {count} people at {time}."), "book_table", arguments)
        }
        2 => {
            let to = one(random, &PEOPLE);
            let message =
                one(random, &["I am late", "the train is full", "dinner is ready", "call me back", "see you soon"]);
            let request = format!("Send {to} exactly this message: {message}");
            (request, "send_message", dict([("to", text(to)), ("message", text(message))]))
        }
        3 => {
            let money = some(random, &["EUR", "USD", "GBP", "JPY", "CHF"], 2);
            let amount = if difficulty == Difficulty::Hard { small * 1_000 } else { small };
            let count = if difficulty == Difficulty::Hard { format!("{count} thousand") } else { count };
            let arguments = dict([("amount", int(amount)), ("from", text(money[0])), ("to", text(money[1]))]);
            (format!("How much is {count} {} in {}?", money[0], money[1]), "convert_money", arguments)
        }
        _ => {
            let city = one(random, &CITIES);
            let (span, days) = if difficulty == Difficulty::Hard { ("weeks", small * 7) } else { ("days", small) };
            let request = format!("What will the weather in {city} be for the next {count} {span}?");
            (request, "get_weather", dict([("city", text(city)), ("days", int(days))]))
        }
    }
}

/// Adding up over one, two or three tables.
fn join(random: &mut PythonRandom, difficulty: Difficulty) -> Item {
    let goods = some(random, &GOODS, 3);
    let people = some(random, &PEOPLE, 3);
    let prices: Vec<i64> = goods.iter().map(|_| between(random, 2, 30) * 10).collect();
    let discounts: Vec<i64> = people.iter().map(|_| between(random, 1, 5) * 10).collect();
    let orders: Vec<(usize, usize, i64)> =
        (0..difficulty.of(4, 5, 7)).map(|_| (random.below(3), random.below(3), between(random, 1, 6))).collect();
    let mut tables = String::new();
    if difficulty != Difficulty::Easy {
        tables.push_str("Prices\nitem,price\n");
        goods.iter().zip(&prices).for_each(|(item, price)| tables.push_str(&format!("{item},{price}\n")));
    }
    if difficulty == Difficulty::Hard {
        tables.push_str("Discounts\ncustomer,percent\n");
        people.iter().zip(&discounts).for_each(|(person, percent)| tables.push_str(&format!("{person},{percent}\n")));
    }
    tables.push_str("Orders\ncustomer,item,count\n");
    for (person, item, count) in &orders {
        tables.push_str(&format!("{},{},{count}\n", people[*person], goods[*item]));
    }
    let person = orders[0].0;
    let own = || orders.iter().filter(|order| order.0 == person);
    let spent: i64 = own().map(|order| prices[order.1] * order.2).sum();
    let (asked, answer) = match difficulty {
        Difficulty::Easy => ("How many items did", own().map(|order| order.2).sum()),
        Difficulty::Medium => ("How much money did", spent),
        Difficulty::Hard => ("How much money, after the discount, did", spent * (100 - discounts[person]) / 100),
    };
    let question = format!("{tables}{asked} {} order in all? Write the number alone on the last line.", people[person]);
    Item { kind: "join", question, answer: answer.to_string(), checks: vec![check("number", Value::Int(answer))] }
}

/// Bringing text into JSON of a given shape.
fn record(random: &mut PythonRandom, difficulty: Difficulty) -> Item {
    let count = difficulty.of(1, 2, 4);
    let people = some(random, &PEOPLE, count);
    let cities = some(random, &CITIES, 2);
    let rows: Vec<(&str, i64, &str)> =
        people.iter().map(|person| (*person, between(random, 18, 80), cities[random.below(2)])).collect();
    let object = |row: &(&str, i64, &str)| dict([("name", text(row.0)), ("age", int(row.1)), ("city", text(row.2))]);
    match difficulty {
        Difficulty::Easy => {
            let (name, age, city) = rows[0];
            let question = format!(
                "Turn this line into a JSON object with the keys name, age and city, the age as a number.\nname={name}; age={age}; city={city}\n{JSON_ONLY}"
            );
            json_item("record", question, object(&rows[0]))
        }
        Difficulty::Medium => {
            let lines: Vec<String> = rows.iter().map(|(name, age, city)| format!("{name},{age},{city}")).collect();
            let question = format!(
                "Turn this table into a JSON array with one object for each row, in order, numbers as numbers.\nname,age,city\n{}\n{JSON_ONLY}",
                lines.join("\n")
            );
            json_item("record", question, Value::List(rows.iter().map(object).collect()))
        }
        Difficulty::Hard => {
            let lines: Vec<String> =
                rows.iter().map(|(name, age, city)| format!("{name}, aged {age}, lives in {city}.")).collect();
            let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
            for (name, _, city) in &rows {
                match groups.iter_mut().find(|(known, _)| known == city) {
                    Some((_, names)) => names.push(name),
                    None => groups.push(((*city).to_owned(), vec![name])),
                }
            }
            groups.iter_mut().for_each(|(_, names)| names.sort_unstable());
            let expected = Value::Dict(groups.into_iter().map(|(city, names)| (city, texts(&names))).collect());
            let question = format!(
                "{}\nMake a JSON object whose keys are the cities and whose values are arrays of the names that live there, in alphabetical order. {JSON_ONLY}",
                lines.join("\n")
            );
            json_item("record", question, expected)
        }
    }
}

/// Following a plan through the clock.
fn schedule(random: &mut PythonRandom, difficulty: Difficulty) -> Item {
    let start = between(random, 7 * 12, 13 * 12) * 5;
    let parts: Vec<i64> = (0..difficulty.of(1, 3, 5)).map(|_| between(random, 4, 16) * 5).collect();
    let ahead = between(random, 1, 6);
    let told: Vec<String> = parts
        .iter()
        .enumerate()
        .map(|(place, minutes)| {
            if place % 2 == 0 {
                format!("Part {} takes {minutes} minutes.", place / 2 + 1)
            } else {
                format!("Then there is a break of {minutes} minutes.")
            }
        })
        .collect();
    let end = start + parts.iter().sum::<i64>();
    let (asked, end) = if difficulty == Difficulty::Hard {
        let city = one(random, &CITIES);
        (
            format!("Clocks in {city} are {ahead} hours ahead. What time is it in {city} when the course ends?"),
            end + ahead * 60,
        )
    } else {
        ("When does the course end?".to_owned(), end)
    };
    let question = format!(
        "A course starts at {}. {} {asked} Write the time as HH:MM alone on the last line.",
        clock(start),
        told.join(" ")
    );
    let answer = clock(end % 1_440);
    Item { kind: "schedule", question, checks: vec![check("text", texts(&[&answer]))], answer }
}

fn clock(minutes: i64) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Finding what holds among notes that contradict each other.
fn notes(random: &mut PythonRandom, difficulty: Difficulty) -> Item {
    let count = difficulty.of(2, 3, 5);
    let days = random.sample(28, count);
    let rooms: Vec<String> = random
        .sample(90, count)
        .into_iter()
        .map(|number| format!("{}{}", one(random, &["A", "B", "C"]), number + 10))
        .collect();
    let mut notes: Vec<String> = days
        .iter()
        .zip(&rooms)
        .map(|(day, room)| format!("Note of {} May: the meeting is in room {room}.", day + 1))
        .collect();
    let mut by_day: Vec<usize> = (0..count).collect();
    by_day.sort_by_key(|&place| std::cmp::Reverse(days[place]));
    let mut valid = by_day[0];
    if difficulty == Difficulty::Hard {
        notes.push(format!("Note of 30 May: the note of {} May is withdrawn.", days[valid] + 1));
        valid = by_day[1];
    }
    random.shuffle(&mut notes);
    let question = format!(
        "{}\nA later note replaces an earlier one. In which room is the meeting? Write the room alone on the last line.",
        notes.join("\n")
    );
    let answer = rooms[valid].clone();
    Item { kind: "notes", question, checks: vec![check("text", texts(&[&answer]))], answer }
}
