//! Integration: reading small tables and JSON, and joining two facts.

use super::names;
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
];
const CITIES: &[&str] =
    &["Oslo", "Rome", "Lima", "Cairo", "Delhi", "Quito", "Seoul", "Paris", "Accra", "Berlin", "Dublin", "Tokyo"];
const SERVERS: &[&str] =
    &["web1", "web2", "mail", "db1", "db2", "cache", "proxy", "auth", "files", "queue", "search", "backup"];
const STATES: &[&str] = &["up", "down", "slow", "full"];

pub(crate) fn draft(source: &mut Source, index: u64) -> Draft {
    match index / 12 % 4 {
        0 => two_facts(source, index),
        1 => json(source, index),
        2 => table(source, index),
        _ => reverse(source, index),
    }
}

/// Different entries of the table's part of the split, in the order drawn.
fn several(source: &mut Source, table: &'static [&'static str], count: usize) -> Vec<&'static str> {
    let mut chosen = Vec::with_capacity(count);
    while chosen.len() < count {
        let entry = source.own(table);
        if !chosen.contains(&entry) {
            chosen.push(entry);
        }
    }
    chosen
}

/// Person → team, team → city: where is the person?
fn two_facts(source: &mut Source, index: u64) -> Draft {
    let people = names::<3>(source);
    let teams = several(source, TEAMS, 3);
    let cities = several(source, CITIES, 3);
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

/// The state of one server in a JSON object.
fn json(source: &mut Source, index: u64) -> Draft {
    let servers = several(source, SERVERS, 3);
    let mut states = STATES.to_vec();
    source.shuffle(&mut states);
    let asked = source.position(3);
    let fields: Vec<String> =
        servers.iter().zip(&states).map(|(server, state)| format!("\"{server}\": \"{state}\"")).collect();
    let right = states[asked];
    let wrong = source.others(STATES, &[right], 3);
    let input = format!("{{{}}} What is the state of {}?", fields.join(", "), servers[asked]);
    let reason = format!("{} is {right}", servers[asked]);
    Draft::chosen(source, index, input, right, &wrong, reason)
}

/// One cell of a table with two columns.
fn table(source: &mut Source, index: u64) -> Draft {
    let people = names::<4>(source);
    let cities = several(source, CITIES, 3);
    let teams = several(source, TEAMS, 3);
    let asked = source.position(3);
    let rows: Vec<String> = (0..3).map(|row| format!("{} | {} | {}", people[row], teams[row], cities[row])).collect();
    let (column, values) = if source.chance(50) { ("team", teams) } else { ("city", cities) };
    let right = values[asked];
    let wrong: Vec<&str> = values.iter().copied().filter(|value| *value != right).collect();
    let input = format!("name | team | city / {} / Which {column} has {}?", rows.join(" / "), people[asked]);
    let reason = format!("the row of {} says {right}", people[asked]);
    Draft::chosen(source, index, input, right, &wrong, reason)
}

/// The key that has a given value.
fn reverse(source: &mut Source, index: u64) -> Draft {
    let servers = several(source, SERVERS, 3);
    let mut states = STATES.to_vec();
    source.shuffle(&mut states);
    let asked = source.position(3);
    let lines: Vec<String> = servers.iter().zip(&states).map(|(server, state)| format!("{server}={state}")).collect();
    let right = servers[asked];
    let wrong: Vec<&str> = servers.iter().copied().filter(|server| *server != right).collect();
    let input = format!("{} Which one is {}?", lines.join(" "), states[asked]);
    let reason = format!("{right}={}", states[asked]);
    Draft::chosen(source, index, input, right, &wrong, reason)
}
