//! Reasoning: questions whose answers follow from what they say.

use super::Difficulty;
use super::draw::{Item, between, check, one, some, texts};
use crate::task::Value;
use crate::task::random::PythonRandom;

const NAMES: [&str; 12] =
    ["Ana", "Ben", "Cora", "Dario", "Elif", "Finn", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Leo"];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const PLACES: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

/// Kinds take turns.
pub(super) fn item(random: &mut PythonRandom, difficulty: Difficulty, place: usize) -> Item {
    match place % 5 {
        0 => arithmetic(random, difficulty),
        1 => order(random, difficulty),
        2 => calendar(random, difficulty),
        3 => truth(random, difficulty),
        _ => counting(random, difficulty),
    }
}

fn number_item(kind: &'static str, question: String, answer: i64) -> Item {
    let question = format!("{question} Write the number alone on the last line.");
    Item { kind, question, answer: answer.to_string(), checks: vec![check("number", Value::Int(answer))] }
}

fn text_item(kind: &'static str, question: String, answer: &str) -> Item {
    Item { kind, question, answer: answer.to_owned(), checks: vec![check("text", texts(&[answer]))] }
}

/// A chain of steps on one number.
fn arithmetic(random: &mut PythonRandom, difficulty: Difficulty) -> Item {
    let steps = difficulty.of(2, 4, 7);
    let mut value = between(random, 3, difficulty.of(20, 40, 90));
    let mut question = format!("Start with {value}.");
    for _ in 0..steps {
        let kinds = difficulty.of(2, 3, 4);
        // A large number is only made smaller, so that each step stays a mental one.
        let kind = if value > 5_000 { 3 } else { random.below(kinds) };
        let by = between(random, 2, difficulty.of(9, 30, 60));
        let small = between(random, 2, 9);
        let (words, next) = match kind {
            0 => (format!("Add {by}."), value + by),
            1 if value > by => (format!("Subtract {by}."), value - by),
            1 => (format!("Add {by}."), value + by),
            2 => (format!("Multiply by {small}."), value * small),
            _ => (format!("Divide by {small} and drop the remainder."), value / small),
        };
        question.push(' ');
        question.push_str(&words);
        value = next;
    }
    number_item("arithmetic", format!("{question} Which number do you get?"), value)
}

/// A clue about a race.
#[derive(Clone, Copy, PartialEq)]
enum Clue {
    Before(usize, usize),
    DirectlyBefore(usize, usize),
    NotAt(usize, usize),
}

impl Clue {
    /// `places[person]` is where a person finished.
    fn holds(self, places: &[usize]) -> bool {
        match self {
            Self::Before(a, b) => places[a] < places[b],
            Self::DirectlyBefore(a, b) => places[a] + 1 == places[b],
            Self::NotAt(a, place) => places[a] != place,
        }
    }

    fn text(self, names: &[&str]) -> String {
        match self {
            Self::Before(a, b) => format!("{} finished before {}.", names[a], names[b]),
            Self::DirectlyBefore(a, b) => format!("{} finished directly before {}.", names[a], names[b]),
            Self::NotAt(a, place) => format!("{} did not finish {}.", names[a], PLACES[place]),
        }
    }
}

/// Who finished where, from clues that leave one order.
fn order(random: &mut PythonRandom, difficulty: Difficulty) -> Item {
    let count = difficulty.of(3, 4, 5);
    let names = some(random, &NAMES, count);
    let places = random.sample(count, count);
    let mut clues = true_clues(&places, difficulty);
    random.shuffle(&mut clues);
    let orders = permutations(count);
    let is_enough =
        |clues: &[Clue]| orders.iter().filter(|order| clues.iter().all(|clue| clue.holds(order))).count() == 1;
    // Clues that others make superfluous are dropped, so that none gives the answer away for nothing.
    let mut place = 0;
    while place < clues.len() {
        let mut fewer = clues.clone();
        fewer.remove(place);
        if is_enough(&fewer) { clues = fewer } else { place += 1 }
    }
    let asked = random.below(count);
    let who = places.iter().position(|&place| place == asked).unwrap_or(0);
    let told: Vec<String> = clues.iter().map(|clue| clue.text(&names)).collect();
    let question = format!(
        "{} ran a race, and no two finished together. {} Who finished {}? Write the name alone on the last line.",
        super::draw::listed(&names),
        told.join(" "),
        PLACES[asked]
    );
    text_item("order", question, names[who])
}

fn true_clues(places: &[usize], difficulty: Difficulty) -> Vec<Clue> {
    let count = places.len();
    let pairs = (0..count).flat_map(|a| (0..count).filter(move |&b| a != b).map(move |b| (a, b)));
    let mut clues: Vec<Clue> = pairs.clone().map(|(a, b)| Clue::Before(a, b)).collect();
    if difficulty != Difficulty::Easy {
        clues.extend(pairs.map(|(a, b)| Clue::DirectlyBefore(a, b)));
    }
    if difficulty == Difficulty::Hard {
        clues.retain(|clue| !matches!(clue, Clue::Before(..)));
        clues.extend((0..count).flat_map(|a| (0..count).map(move |place| Clue::NotAt(a, place))));
    }
    clues.retain(|clue| clue.holds(places));
    clues
}

/// Every order of `0..count`.
fn permutations(count: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    for next in 0..count {
        let longer = |order: &Vec<usize>| {
            (0..=order.len()).map(|place| [&order[..place], &[next], &order[place..]].concat()).collect::<Vec<_>>()
        };
        orders = orders.iter().flat_map(longer).collect();
    }
    orders
}

/// Weekdays and dates.
fn calendar(random: &mut PythonRandom, difficulty: Difficulty) -> Item {
    match difficulty {
        Difficulty::Easy => {
            let (today, later) = (random.below(7), between(random, 3, 30));
            let day = (today + usize::try_from(later).unwrap_or(0)) % 7;
            let question = format!(
                "Today is {}. Which day of the week is it in {later} days? Write the day alone on the last line.",
                WEEKDAYS[today]
            );
            text_item("calendar", question, WEEKDAYS[day])
        }
        Difficulty::Medium => {
            let (start, later) = (date(random), between(random, 20, 120));
            let end = date_text(days_of(start) + later);
            let question = format!(
                "Which date is {later} days after {}? Write it as YYYY-MM-DD alone on the last line.",
                date_text(days_of(start))
            );
            text_item("calendar", question, &end)
        }
        Difficulty::Hard => {
            let start = days_of(date(random));
            let span = between(random, 300, 2_000);
            let question = format!("How many days after {} is {}?", date_text(start), date_text(start + span));
            number_item("calendar", question, span)
        }
    }
}

fn date(random: &mut PythonRandom) -> (i64, i64, i64) {
    (between(random, 1995, 2030), between(random, 1, 12), between(random, 1, 28))
}

/// Days since 1970-01-01 of a Gregorian date (Hinnant, "chrono-compatible low-level date algorithms").
fn days_of((year, month, day): (i64, i64, i64)) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date as `YYYY-MM-DD`; the inverse of [`days_of`].
fn date_text(days: i64) -> String {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Truth values: an expression, or people who always lie or never.
fn truth(random: &mut PythonRandom, difficulty: Difficulty) -> Item {
    if difficulty == Difficulty::Hard {
        return liars(random);
    }
    let (words, value) = expression(random, difficulty.of(2, 4, 4));
    let question =
        format!("What is the value of this expression: {words}? Write true or false alone on the last line.");
    text_item("truth", question, if value { "true" } else { "false" })
}

fn expression(random: &mut PythonRandom, depth: usize) -> (String, bool) {
    if depth == 0 {
        let value = random.below(2) == 0;
        return (value.to_string(), value);
    }
    let (left, a) = expression(random, depth - 1);
    if random.below(4) == 0 {
        return (format!("(not {left})"), !a);
    }
    let (right, b) = expression(random, if depth > 2 { depth - 2 } else { depth - 1 });
    match random.below(2) {
        0 => (format!("({left} and {right})"), a && b),
        _ => (format!("({left} or {right})"), a || b),
    }
}

/// What somebody says of others.
#[derive(Clone, Copy)]
enum Claim {
    Lies(usize),
    Honest(usize),
    SameKind(usize, usize),
    OneLies(usize, usize),
}

impl Claim {
    fn draw(random: &mut PythonRandom, speaker: usize, count: usize) -> Self {
        let others: Vec<usize> = (0..count).filter(|&other| other != speaker).collect();
        let drawn = random.sample(others.len(), 2);
        let (a, b) = (others[drawn[0]], others[drawn[1]]);
        match random.below(4) {
            0 => Self::Lies(a),
            1 => Self::Honest(a),
            2 => Self::SameKind(a, b),
            _ => Self::OneLies(a, b),
        }
    }

    /// `honest[person]` is whether a person tells the truth.
    fn holds(self, honest: &[bool]) -> bool {
        match self {
            Self::Lies(a) => !honest[a],
            Self::Honest(a) => honest[a],
            Self::SameKind(a, b) => honest[a] == honest[b],
            Self::OneLies(a, b) => honest[a] != honest[b],
        }
    }

    fn text(self, names: &[&str]) -> String {
        match self {
            Self::Lies(a) => format!("{} lies", names[a]),
            Self::Honest(a) => format!("{} tells the truth", names[a]),
            Self::SameKind(a, b) => format!("{} and {} are of the same kind", names[a], names[b]),
            Self::OneLies(a, b) => format!("exactly one of {} and {} lies", names[a], names[b]),
        }
    }
}

fn liars(random: &mut PythonRandom) -> Item {
    let count = 4;
    let names = some(random, &NAMES, count);
    loop {
        let claims: Vec<Claim> = (0..count).map(|speaker| Claim::draw(random, speaker, count)).collect();
        let worlds =
            (0..1_usize << count).map(|bits| (0..count).map(|who| bits >> who & 1 == 1).collect::<Vec<bool>>());
        let fits = |honest: &Vec<bool>| {
            claims.iter().zip(honest).all(|(claim, honest_speaker)| claim.holds(honest) == *honest_speaker)
        };
        let possible: Vec<Vec<bool>> = worlds.filter(fits).collect();
        let [honest] = possible.as_slice() else { continue };
        let who: Vec<&str> = names.iter().zip(honest).filter(|(_, honest)| !**honest).map(|(name, _)| *name).collect();
        if who.is_empty() {
            continue;
        }
        let told: Vec<String> =
            names.iter().zip(&claims).map(|(name, claim)| format!("{name} says: {}.", claim.text(&names))).collect();
        let question = format!(
            "Of {}, each either always tells the truth or always lies. {} Who lies? Write the names alone on the last line, separated by commas.",
            super::draw::listed(&names),
            told.join(" ")
        );
        return Item { kind: "truth", question, answer: who.join(", "), checks: vec![check("set", texts(&who))] };
    }
}

/// Counting what belongs to several groups.
fn counting(random: &mut PythonRandom, difficulty: Difficulty) -> Item {
    let [one_thing, two, three] =
        [("tea", "coffee", "juice"), ("chess", "tennis", "music"), ("cats", "dogs", "birds")][random.below(3)].into();
    match difficulty {
        Difficulty::Easy => {
            let (name, other) = (one(random, &NAMES[..6]), one(random, &NAMES[6..]));
            let (has, more) = (between(random, 4, 40), between(random, 2, 30));
            let question = format!(
                "{name} has {has} stamps. {other} has {more} stamps more than {name}. How many stamps do they have together?"
            );
            number_item("counting", question, 2 * has + more)
        }
        Difficulty::Medium => {
            let (only_a, only_b, both, none) =
                (between(random, 3, 30), between(random, 3, 30), between(random, 2, 20), between(random, 1, 25));
            let question = format!(
                "Of {} people, {} like {one_thing}, {} like {two}, and {both} like both. How many like neither?",
                only_a + only_b + both + none,
                only_a + both,
                only_b + both
            );
            number_item("counting", question, none)
        }
        Difficulty::Hard => {
            // People by what they like: bit 0 the first thing, bit 1 the second, bit 2 the third.
            let people: Vec<i64> = (0..8).map(|_| between(random, 1, 15)).collect();
            let who = |bits: usize| (0..8).filter(|group| group & bits == bits).map(|group| people[group]).sum::<i64>();
            let question = format!(
                "Of {} people, {} like {one_thing}, {} like {two} and {} like {three}. {} like {one_thing} and {two}, {} like \
                 {one_thing} and {three}, {} like {two} and {three}, and {} like all three. How many like exactly one of them?",
                who(0),
                who(1),
                who(2),
                who(4),
                who(3),
                who(5),
                who(6),
                who(7)
            );
            number_item("counting", question, people[1] + people[2] + people[4])
        }
    }
}
