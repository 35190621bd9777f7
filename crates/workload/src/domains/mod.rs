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

/// Three or more different names of the split.
fn names<const COUNT: usize>(source: &mut crate::source::Source) -> [&'static str; COUNT] {
    let mut chosen: [&str; COUNT] = [""; COUNT];
    for place in 0..COUNT {
        loop {
            let name = source.own(NAMES);
            if !chosen.contains(&name) {
                chosen[place] = name;
                break;
            }
        }
    }
    chosen
}
