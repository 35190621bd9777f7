//! Small tasks of six domains, each with one right answer among a few.

pub(crate) mod creativity;
pub(crate) mod integration;
pub(crate) mod knowledge;
pub(crate) mod language;
pub(crate) mod reasoning;
pub(crate) mod social;

/// First names; the tasks use them where any name would do.
const NAMES: &[&str] = &[
    "Ana", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gina", "Hugo", "Ida", "Jon", "Kira", "Leo", "Mia", "Noah", "Olga",
    "Paul", "Rosa", "Sam", "Tara", "Uma", "Vito", "Will", "Yara", "Zoe",
];

/// `first` and `count` more entries of the table, all different.
fn with_others(
    source: &mut crate::source::Source,
    table: &'static [&'static str],
    first: usize,
    count: usize,
) -> Vec<&'static str> {
    let mut chosen = vec![table[first]];
    chosen.extend(source.others(table, &[table[first]], count));
    chosen
}
