//! Integration: joining two facts, reading JSON, applying a rule to two levels, summing up a list.

use super::{NAMES, with_others};
use crate::source::Source;
use crate::task::{Draft, rank};

const TEAMS: &[&str] = &[
    "Sales",
    "Legal",
    "Design",
    "Finance",
    "Support",
    "Research",
    "Security",
    "Press",
    "Logistics",
    "Training",
    "Quality",
    "Planning",
    "Payroll",
    "Travel",
    "Audit",
    "Media",
];
const CITIES: &[&str] = &[
    "Oslo", "Rome", "Lima", "Cairo", "Delhi", "Quito", "Seoul", "Paris", "Accra", "Berlin", "Dublin", "Tokyo",
    "Vienna", "Havana", "Madrid", "Athens",
];
const SERVERS: &[&str] = &[
    "web1", "web2", "mail", "db1", "db2", "cache", "proxy", "auth", "files", "queue", "search", "backup", "ldap",
    "vpn", "build", "logs",
];
const STATES: &[&str] = &["up", "down", "slow", "full"];

pub(crate) fn draft(source: &mut Source, index: u64) -> Draft {
    match index / 12 % 4 {
        0 => two_facts(source, index),
        1 => json(source, index),
        2 => risk(source, index),
        _ => summary(source, index),
    }
}

/// Person → team, team → city: where is the person?
fn two_facts(source: &mut Source, index: u64) -> Draft {
    let people = three_of_the_split(source, NAMES);
    let (city, team) = (source.position(CITIES.len()), source.position(TEAMS.len()));
    let cities = with_others(source, CITIES, city, 2);
    let teams = with_others(source, TEAMS, team, 2);
    let mut facts: Vec<String> = Vec::with_capacity(6);
    for place in 0..3 {
        facts.push(format!("{} is in {}.", people[place], teams[place]));
        facts.push(format!("{} sits in {}.", teams[place], cities[place]));
    }
    source.shuffle(&mut facts);
    let input = format!("{} In which city is {}?", facts.join(" "), people[0]);
    let reason = format!("{} is in {} and {} sits in {}", people[0], teams[0], teams[0], cities[0]);
    Draft::chosen(source, index, input, cities[0], &cities[1..], reason)
}

/// Three different entries. The pair of the first two decides the split, and nothing that could be an answer does: an
/// answer that training never showed beside a question could be ruled out without reading.
fn three_of_the_split(source: &mut Source, table: &'static [&'static str]) -> [&'static str; 3] {
    loop {
        let (first, second) = source.own_pair(table.len(), table.len());
        if first != second {
            let (first, second) = (table[first], table[second]);
            return [first, second, source.others(table, &[first, second], 1)[0]];
        }
    }
}

/// The state of one server in a JSON object.
fn json(source: &mut Source, index: u64) -> Draft {
    let servers = three_of_the_split(source, SERVERS);
    let first = source.position(STATES.len());
    let states = with_others(source, STATES, first, 2);
    let (server, right) = (servers[0], states[0]);
    let mut fields: Vec<String> =
        servers.iter().zip(&states).map(|(server, state)| format!("\"{server}\": \"{state}\"")).collect();
    source.shuffle(&mut fields);
    let wrong = source.others(STATES, &[right], 3);
    let input = format!("{{{}}} What is the state of {server}?", fields.join(", "));
    Draft::chosen(source, index, input, right, &wrong, format!("{server} is {right}"))
}

/// The level that a rule makes of two.
fn risk(source: &mut Source, index: u64) -> Draft {
    const LEVELS: [&str; 4] = ["low", "medium", "high", "critical"];
    let server = source.own(SERVERS);
    let (impact, likelihood) = (source.position(LEVELS.len()), source.position(LEVELS.len()));
    let takes_higher = source.chance(50);
    let (word, level) =
        if takes_higher { ("higher", impact.max(likelihood)) } else { ("lower", impact.min(likelihood)) };
    let (right, wrong) = (LEVELS[level], source.others(&LEVELS, &[LEVELS[level]], 3));
    let (impact, likelihood) = (LEVELS[impact], LEVELS[likelihood]);
    let input = format!("{server}: impact {impact}, likelihood {likelihood}. The risk is the {word} of the two. Risk?");
    let reason = format!("{right} is the {word} of {impact} and {likelihood}");
    Draft::chosen(source, index, input, right, &wrong, reason)
}

/// How many servers of a list are down.
fn summary(source: &mut Source, index: u64) -> Draft {
    const COUNTS: [&str; 4] = ["none", "one", "two", "three"];
    let first = source.own(SERVERS);
    let mut servers = source.others(SERVERS, &[first], 2);
    servers.push(first);
    let down = rank(index, COUNTS.len());
    let mut states: Vec<&str> = (0..servers.len()).map(|place| if place < down { "down" } else { "up" }).collect();
    source.shuffle(&mut states);
    let fields: Vec<String> =
        servers.iter().zip(&states).map(|(server, state)| format!("\"{server}\": \"{state}\"")).collect();
    Draft {
        input: format!("{{{}}} How many are down?", fields.join(", ")),
        choices: COUNTS.iter().map(ToString::to_string).collect(),
        answer: down,
        reason: format!("{} of three {} down", COUNTS[down], if down == 1 { "is" } else { "are" }),
    }
}
