//! Integration: reading small tables and JSON, and joining two facts.

use super::{NAMES, with_others};
use crate::source::Source;
use crate::task::Draft;

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
        2 => table(source, index),
        _ => reverse(source, index),
    }
}

/// Person → team, team → city: where is the person?
fn two_facts(source: &mut Source, index: u64) -> Draft {
    let (person, city) = source.own_pair(NAMES.len(), CITIES.len());
    let people = with_others(source, NAMES, person, 2);
    let cities = with_others(source, CITIES, city, 2);
    let team = source.position(TEAMS.len());
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

/// Three servers with different states; the first pair is the one that is asked for.
fn server_states(source: &mut Source) -> Vec<(&'static str, &'static str)> {
    let (server, state) = source.own_pair(SERVERS.len(), STATES.len());
    let servers = with_others(source, SERVERS, server, 2);
    let states = with_others(source, STATES, state, 2);
    servers.into_iter().zip(states).collect()
}

/// The state of one server in a JSON object.
fn json(source: &mut Source, index: u64) -> Draft {
    let pairs = server_states(source);
    let (server, right) = pairs[0];
    let mut fields: Vec<String> = pairs.iter().map(|(server, state)| format!("\"{server}\": \"{state}\"")).collect();
    source.shuffle(&mut fields);
    let wrong = source.others(STATES, &[right], 3);
    let input = format!("{{{}}} What is the state of {server}?", fields.join(", "));
    Draft::chosen(source, index, input, right, &wrong, format!("{server} is {right}"))
}

/// One cell of a table with three columns.
fn table(source: &mut Source, index: u64) -> Draft {
    let asks_team = source.chance(50);
    let (person, city) = source.own_pair(NAMES.len(), CITIES.len());
    let team = loop {
        let (candidate, team) = source.own_pair(NAMES.len(), TEAMS.len());
        if candidate == person {
            break team;
        }
    };
    let people = with_others(source, NAMES, person, 2);
    let teams = with_others(source, TEAMS, team, 2);
    let cities = with_others(source, CITIES, city, 2);
    let mut rows: Vec<String> =
        (0..3).map(|row| format!("{} | {} | {}", people[row], teams[row], cities[row])).collect();
    source.shuffle(&mut rows);
    let (column, values) = if asks_team { ("team", teams) } else { ("city", cities) };
    let (person, right) = (people[0], values[0]);
    let input = format!("name | team | city / {} / Which {column} has {person}?", rows.join(" / "));
    let reason = format!("the row of {person} says {right}");
    Draft::chosen(source, index, input, right, &values[1..], reason)
}

/// The key that has a given value.
fn reverse(source: &mut Source, index: u64) -> Draft {
    let pairs = server_states(source);
    let (right, state) = pairs[0];
    let mut lines: Vec<String> = pairs.iter().map(|(server, state)| format!("{server}={state}")).collect();
    source.shuffle(&mut lines);
    let wrong = [pairs[1].0, pairs[2].0];
    let input = format!("{} Which one is {state}?", lines.join(" "));
    Draft::chosen(source, index, input, right, &wrong, format!("{right}={state}"))
}
