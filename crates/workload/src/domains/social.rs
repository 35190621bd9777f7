//! Social: which feeling an utterance shows, or whether it is rude.

use super::NAMES;
use crate::source::Source;
use crate::task::{Draft, Split, rank};

pub(crate) const LABELS: &[&str] = &["joy", "anger", "sadness", "fear", "gratitude", "rudeness"];

const OPENINGS: &[&str] = &["", "Listen,", "You know,", "Well,", "Honestly,", "Look,", "Today,", "Hey,"];

/// For each label: beginnings, and ends that show the feeling; any of one goes with any of the
/// other, and each side is divided between the splits.
const JOY: [&[&str]; 2] = [
    &[
        "I got the job",
        "we won the match",
        "my sister is coming home",
        "the baby smiled at me",
        "the exam went well",
        "it is finally summer",
        "they said yes",
        "our team is through",
    ],
    &[
        "and I could dance",
        "what a wonderful day",
        "I am so happy",
        "I cannot stop smiling",
        "this is the best news",
        "I feel on top of the world",
        "let us celebrate",
        "hurray",
    ],
];
const ANGER: [&[&str]; 2] = [
    &[
        "he broke my phone again",
        "they lied to us",
        "she took my seat",
        "the bill is wrong again",
        "you never listen",
        "they towed my car",
        "he read my letters",
        "the noise goes on all night",
    ],
    &[
        "and I am furious",
        "I have had enough",
        "this makes me so mad",
        "how dare they",
        "I will not stand for it",
        "it makes my blood boil",
        "I could scream",
        "that is an outrage",
    ],
];
const SADNESS: [&[&str]; 2] = [
    &[
        "my dog died",
        "she moved away",
        "nobody came to my party",
        "we lost the old house",
        "he does not call any more",
        "the letters stopped",
        "grandpa is gone",
        "I failed the exam",
    ],
    &[
        "and I cannot stop crying",
        "I miss those days",
        "my heart is heavy",
        "I feel so alone",
        "everything seems empty",
        "I just want to weep",
        "nothing is the same",
        "it hurts so much",
    ],
];
const FEAR: [&[&str]; 2] = [
    &[
        "someone is at the window",
        "the plane is shaking",
        "I heard steps behind me",
        "the ice is cracking",
        "the lights went out",
        "the test result comes tomorrow",
        "the dog is loose",
        "the bridge moves",
    ],
    &[
        "and I am terrified",
        "I dare not move",
        "my hands are shaking",
        "what if it goes wrong",
        "please do not leave me",
        "I am so scared",
        "my heart is racing",
        "I want to hide",
    ],
];
const GRATITUDE: [&[&str]; 2] = [
    &[
        "you stayed with me",
        "they helped us move",
        "she found my keys",
        "you taught me so much",
        "he fixed the roof for us",
        "you remembered my birthday",
        "they lent us their car",
        "you lent me your notes",
    ],
    &[
        "and I thank you",
        "that was very kind",
        "I owe you one",
        "I am deeply grateful",
        "I really appreciate it",
        "many thanks",
        "I will never forget that",
        "how can I repay you",
    ],
];
const RUDENESS: [&[&str]; 2] = [
    &[
        "move your bag",
        "nobody asked you",
        "give me the form",
        "this soup is garbage",
        "you are in my way",
        "that idea is stupid",
        "your work is worthless",
        "get off the phone",
    ],
    &[
        "you fool",
        "shut up",
        "are you deaf",
        "do not waste my time",
        "idiot",
        "or get lost",
        "and be quick about it",
        "what is wrong with you",
    ],
];

pub(crate) fn draft(source: &mut Source, index: u64) -> Draft {
    let answer = rank(index, LABELS.len());
    let [situations, signs] = match LABELS[answer] {
        "joy" => JOY,
        "anger" => ANGER,
        "sadness" => SADNESS,
        "fear" => FEAR,
        "gratitude" => GRATITUDE,
        _ => RUDENESS,
    };
    // Training sees its own part of both sides. A held-out utterance joins a side that training
    // showed with one that it did not.
    let is_own_sign = source.split() == Split::Train || source.chance(50);
    let is_own_situation = source.split() == Split::Train || !is_own_sign;
    let situation = if is_own_situation { source.own(situations) } else { source.trained(situations) };
    let sign = if is_own_sign { source.own(signs) } else { source.trained(signs) };
    let opening = source.any(OPENINGS);
    let name = source.any(NAMES);
    let words = if source.chance(50) { format!("{situation}, {sign}") } else { format!("{sign}: {situation}") };
    let input = format!("{name} says: \"{}\"", format!("{opening} {words}!").trim_start());
    Draft::labeled(LABELS, answer, (input, format!("of the words \"{sign}\"")))
}
