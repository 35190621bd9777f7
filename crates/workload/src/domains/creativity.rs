//! Creativity: word play that has one right answer.

use super::NAMES;
use crate::source::Source;
use crate::task::Draft;

/// Words that rhyme, by family.
const RHYMES: &[&[&str]] = &[
    &["light", "night", "bright", "sight", "flight", "right"],
    &["moon", "spoon", "noon", "soon", "tune", "balloon"],
    &["rain", "train", "plain", "chain", "brain", "grain"],
    &["sea", "tree", "free", "bee", "key", "three"],
    &["stone", "bone", "phone", "alone", "throne", "tone"],
    &["fire", "wire", "tire", "choir", "hire", "desire"],
    &["cat", "hat", "mat", "bat", "flat", "rat"],
    &["day", "play", "way", "gray", "stay", "clay"],
    &["ring", "sing", "king", "spring", "wing", "string"],
    &["cold", "gold", "fold", "bold", "old", "hold"],
    &["lake", "cake", "snake", "wake", "make", "shake"],
    &["house", "mouse", "blouse", "spouse", "grouse", "louse"],
];

/// Line openings, one for each initial of an acrostic.
const LINES: &[&str] = &[
    "autumn leaves",
    "birds return",
    "clouds drift",
    "dawn breaks",
    "evening falls",
    "frost melts",
    "gentle wind",
    "hills sleep",
    "icy roads",
    "jasmine blooms",
    "kites rise",
    "lanterns glow",
    "morning mist",
    "noon heat",
    "old walls",
    "paper boats",
    "quiet ponds",
    "rivers run",
    "silver light",
    "tall reeds",
    "under oaks",
    "violets open",
    "winter sun",
    "yellow fields",
];

const ACROSTICS: &[&str] =
    &["sun", "sea", "hope", "wind", "star", "rose", "snow", "home", "tide", "moon", "bird", "calm"];

/// Words in each group of [`KINDS`].
const KIND_SIZE: usize = 6;

/// Groups of one kind, for the odd one out.
const KINDS: &[(&str, [&str; KIND_SIZE])] = &[
    ("colors", ["red", "blue", "green", "pink", "brown", "white"]),
    ("animals", ["horse", "goat", "tiger", "rabbit", "sheep", "fox"]),
    ("tools", ["hammer", "saw", "drill", "pliers", "wrench", "axe"]),
    ("fruits", ["apple", "pear", "plum", "cherry", "mango", "grape"]),
    ("instruments", ["violin", "flute", "drum", "harp", "piano", "horn"]),
    ("vehicles", ["car", "bus", "tram", "truck", "bike", "ship"]),
];

pub(crate) fn draft(source: &mut Source, index: u64) -> Draft {
    match index / 12 % 4 {
        0 => rhyme(source, index),
        1 => acrostic(source, index),
        2 => odd_one_out(source, index),
        _ => alliteration(source, index),
    }
}

fn rhyme(source: &mut Source, index: u64) -> Draft {
    let family = RHYMES[source.position(RHYMES.len())];
    // The pair of the two words decides the split: no pair is in both.
    let first = source.position(family.len());
    let distance = 1 + source.own_position(4);
    let (word, right) = (family[first], family[(first + distance) % family.len()]);
    let mut wrong = Vec::with_capacity(3);
    while wrong.len() < 3 {
        let other = RHYMES[source.position(RHYMES.len())];
        let candidate = other[source.position(other.len())];
        if !family.contains(&candidate) && !wrong.contains(&candidate) {
            wrong.push(candidate);
        }
    }
    let input = format!("Which word rhymes with {word}?");
    Draft::chosen(source, index, input, right, &wrong, format!("{word} and {right} end alike"))
}

fn acrostic(source: &mut Source, index: u64) -> Draft {
    let (word, gap) = loop {
        let (place, gap) = source.own_pair(ACROSTICS.len(), 4);
        if gap < ACROSTICS[place].len() {
            break (ACROSTICS[place], gap);
        }
    };
    let mut lines = Vec::with_capacity(word.len());
    let mut right = "";
    for (place, letter) in word.chars().enumerate() {
        let line = LINES.iter().find(|line| line.starts_with(letter)).copied().unwrap_or_default();
        if place == gap {
            right = line;
            lines.push("...");
        } else {
            lines.push(line);
        }
    }
    let wrong: Vec<&str> =
        source.others(LINES, &lines, LINES.len()).into_iter().filter(|line| *line != right).take(3).collect();
    let input = format!("The lines spell {word}: {}. Which line is missing?", lines.join(" / "));
    let reason = format!("the letter is {}", &right[..1]);
    Draft::chosen(source, index, input, right, &wrong, reason)
}

fn odd_one_out(source: &mut Source, index: u64) -> Draft {
    let (place, rest) = source.own_pair(KINDS.len(), (KINDS.len() - 1) * KIND_SIZE);
    let (kind, members) = KINDS[place];
    let other = (place + 1 + rest / KIND_SIZE) % KINDS.len();
    let stranger = KINDS[other].1[rest % KIND_SIZE];
    let wrong = source.others(&members, &[stranger], 3);
    let input = "Which word does not belong with the others?".to_owned();
    Draft::chosen(source, index, input, stranger, &wrong, format!("the others are {kind}"))
}

fn alliteration(source: &mut Source, index: u64) -> Draft {
    const VERBS: &[&str] = &[
        "acts", "bakes", "cooks", "dances", "eats", "fishes", "gallops", "hums", "imagines", "jumps", "knits",
        "laughs", "marches", "naps", "orders", "paints", "runs", "sings", "talks", "unpacks", "votes", "walks",
        "yawns", "zooms",
    ];
    let (name, wrong) = source.own_pair(NAMES.len(), VERBS.len());
    let (name, mut wrong) = (NAMES[name], vec![VERBS[wrong]]);
    let initial = name[..1].to_lowercase();
    let right = VERBS.iter().find(|verb| verb.starts_with(&initial)).copied().unwrap_or_default();
    if wrong[0] == right {
        wrong.clear();
    }
    let more = source.others(VERBS, &[right, wrong.first().copied().unwrap_or_default()], 3 - wrong.len());
    wrong.extend(more);
    let input = format!("Which verb begins like the name {name}?");
    let reason = format!("both begin with {initial}");
    Draft::chosen(source, index, input, right, &wrong, reason)
}
