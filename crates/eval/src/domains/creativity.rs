//! Creativity: writing freely within a form that can be checked.
//!
//! The checks see whether the form is kept and whether words repeat. They do not see whether a text is beautiful, true or
//! sensible; a judge may say that.

use super::Difficulty;
use super::draw::{Item, between, check, dict, int, one, some, text, texts};
use crate::task::Value;
use crate::task::random::PythonRandom;

/// Split of the prompts whose answers are compared with each other.
pub(super) const OPEN: &str = "open";

/// Words that a text must contain; none has an `a`.
const WORDS: [&str; 20] = [
    "river", "moon", "window", "story", "bridge", "silver", "forest", "letter", "winter", "stone", "mirror", "ship",
    "summer", "tower", "clock", "bird", "door", "wind", "snow", "thunder",
];
/// Words without an `e`.
const WITHOUT_E: [&str; 10] = ["moon", "bird", "wind", "snow", "rain", "ship", "gold", "sand", "song", "hill"];
/// Words that an acrostic spells.
const SPELLED: [&str; 12] =
    ["river", "ocean", "light", "storm", "music", "plant", "cloud", "stone", "dream", "north", "winds", "earth"];

/// Kinds take turns.
pub(super) fn item(random: &mut PythonRandom, difficulty: Difficulty, place: usize) -> Item {
    let kinds: [fn(&mut PythonRandom) -> Item; 5] = difficulty.of(
        [containing, initial, framed, questions, two_lines],
        [acrostic, three_lines, lipogram, alphabetical, story],
        [strict_acrostic, growing, letters, four_lines, strict_lipogram],
    );
    kinds[place % kinds.len()](random)
}

fn open_item(kind: &'static str, question: String, checks: Vec<Value>) -> Item {
    let answer = Value::List(checks.clone()).line();
    Item { kind, question: format!("{question} Answer with the text alone."), answer, checks }
}

fn range(least: i64, most: i64) -> Value {
    Value::List(vec![int(least), int(most)])
}

fn different(least: i64) -> Value {
    check("different_words", int(least))
}

fn numbers(numbers: &[i64]) -> Value {
    Value::List(numbers.iter().map(|&number| Value::Int(number)).collect())
}

fn containing(random: &mut PythonRandom) -> Item {
    let words = some(random, &WORDS, 2);
    let question =
        format!("Write one sentence of 6 to 20 words that contains the words {} and {}.", words[0], words[1]);
    let checks = vec![
        check("contains", texts(&words)),
        check("words", range(6, 20)),
        check("sentences", range(1, 1)),
        different(6),
    ];
    open_item("containing", question, checks)
}

fn initial(random: &mut PythonRandom) -> Item {
    let letter = one(random, &["b", "c", "d", "f", "g", "h", "l", "m", "p", "r", "s", "t"]);
    let least = between(random, 4, 6);
    let question = format!(
        "Write one sentence in which every word begins with the letter {letter}. Use {least} to 12 words, and no word twice."
    );
    let checks =
        vec![check("initial", text(letter)), check("words", range(least, 12)), check("repeats_at_most", int(1_i64))];
    open_item("initial", question, checks)
}

fn framed(random: &mut PythonRandom) -> Item {
    let (first, last) =
        (one(random, &["when", "although", "nobody", "once", "somewhere", "every"]), one(random, &WORDS));
    let question = format!(
        "Write one sentence of 6 to 20 words whose first word is \"{first}\" and whose last word is \"{last}\"."
    );
    let checks =
        vec![check("starts", text(first)), check("ends", text(last)), check("words", range(6, 20)), different(6)];
    open_item("framed", question, checks)
}

fn questions(random: &mut PythonRandom) -> Item {
    let (count, word) = (between(random, 2, 4), one(random, &WORDS));
    let question =
        format!("Write exactly {count} questions, and nothing else, in which the word {word} occurs at least once.");
    let checks = vec![
        check("questions", Value::Bool(true)),
        check("sentences", range(count, count)),
        check("contains", texts(&[word])),
        check("words", range(3 * count, 20 * count)),
        different(5),
    ];
    open_item("questions", question, checks)
}

fn two_lines(random: &mut PythonRandom) -> Item {
    let (count, word) = (between(random, 4, 7), one(random, &WORDS));
    let question =
        format!("Write a poem of two lines with exactly {count} words in each line, in which the word {word} occurs.");
    let checks =
        vec![check("line_words", numbers(&[count, count])), check("contains", texts(&[word])), different(count + 1)];
    open_item("lines", question, checks)
}

fn acrostic(random: &mut PythonRandom) -> Item {
    let word = one(random, &SPELLED);
    let least = between(random, 12, 16);
    let question = format!(
        "Write a poem of five lines whose first letters spell the word {word}. Use {least} to 50 words in all, at least 10 of them different."
    );
    let checks = vec![check("acrostic", text(word)), check("words", range(least, 50)), different(10)];
    open_item("acrostic", question, checks)
}

fn three_lines(random: &mut PythonRandom) -> Item {
    let words = some(random, &WORDS, 2);
    let counts = *one(random, &[&[5, 7, 5], &[4, 6, 4], &[3, 5, 7], &[6, 4, 6]]);
    let question = format!(
        "Write a poem of three lines with {}, {} and {} words, in which the words {} and {} occur and no word occurs more than twice.",
        counts[0], counts[1], counts[2], words[0], words[1]
    );
    let checks = vec![
        check("line_words", numbers(&counts)),
        check("contains", texts(&words)),
        check("repeats_at_most", int(2_i64)),
    ];
    open_item("lines", question, checks)
}

fn lipogram(random: &mut PythonRandom) -> Item {
    let word = one(random, &WITHOUT_E);
    let least = between(random, 8, 10);
    let question = format!(
        "Write one sentence of {least} to 25 words that contains the word {word} and in which the letter e does not occur."
    );
    let checks = vec![
        check("without_letter", text("e")),
        check("contains", texts(&[word])),
        check("words", range(least, 25)),
        different(7),
    ];
    open_item("lipogram", question, checks)
}

fn alphabetical(random: &mut PythonRandom) -> Item {
    let (least, word) = (between(random, 6, 7), one(random, &WORDS));
    let question = format!(
        "Write one sentence of {least} to 15 different words that contains the word {word} and in which no word begins with an earlier letter of the alphabet than the word before."
    );
    let checks = vec![
        check("alphabetical", Value::Bool(true)),
        check("contains", texts(&[word])),
        check("words", range(least, 15)),
        check("repeats_at_most", int(1_i64)),
    ];
    open_item("alphabetical", question, checks)
}

fn story(random: &mut PythonRandom) -> Item {
    let words = some(random, &WORDS, 3);
    let question = format!(
        "Write a story of exactly three sentences and 20 to 60 words that contains the words {}, at least 15 different words in all.",
        super::draw::listed(&words)
    );
    let checks = vec![
        check("sentences", range(3, 3)),
        check("words", range(20, 60)),
        check("contains", texts(&words)),
        different(15),
    ];
    open_item("story", question, checks)
}

fn strict_acrostic(random: &mut PythonRandom) -> Item {
    let word = one(random, &SPELLED);
    let (inner, count) = (one(random, &WORDS), between(random, 4, 6));
    let question = format!(
        "Write a poem of five lines whose first letters spell the word {word}. Each line has exactly {count} words. The word {inner} occurs, the words \"the\" and \"and\" do not, and no word occurs more than twice."
    );
    let checks = vec![
        check("acrostic", text(word)),
        check("line_words", numbers(&[count; 5])),
        check("contains", texts(&[inner])),
        check("lacks", texts(&["the", "and"])),
        check("repeats_at_most", int(2_i64)),
    ];
    open_item("acrostic", question, checks)
}

fn growing(random: &mut PythonRandom) -> Item {
    let (count, first) = (between(random, 5, 8), between(random, 1, 3));
    let lengths: Vec<i64> = (first..first + count).collect();
    let question = format!(
        "Write one sentence of exactly {count} words. The first word has {first} {}, and every further word has exactly one letter more than the word before.",
        if first == 1 { "letter" } else { "letters" }
    );
    let checks = vec![check("growing", Value::Bool(true)), check("word_letters", numbers(&lengths))];
    open_item("growing", question, checks)
}

fn letters(random: &mut PythonRandom) -> Item {
    let lengths: Vec<i64> = (0..between(random, 6, 8)).map(|_| between(random, 2, 7)).collect();
    let told: Vec<String> = lengths.iter().map(i64::to_string).collect();
    let question = format!(
        "Write one sentence whose words have exactly these numbers of letters, in this order: {}. Use no word twice.",
        told.join(", ")
    );
    let checks = vec![check("word_letters", numbers(&lengths)), check("repeats_at_most", int(1_i64))];
    open_item("letters", question, checks)
}

fn four_lines(random: &mut PythonRandom) -> Item {
    let words = some(random, &WORDS, 3);
    let count = between(random, 5, 7);
    let question = format!(
        "Write a poem of four lines with exactly {count} words in each. Its first word is \"{}\", its last word is \"{}\", the word {} occurs in between, the words \"the\", \"a\" and \"of\" do not occur, and no word occurs more than twice.",
        words[0], words[1], words[2]
    );
    let checks = vec![
        check("line_words", numbers(&[count; 4])),
        check("starts", text(words[0])),
        check("ends", text(words[1])),
        check("contains", texts(&words[2..])),
        check("lacks", texts(&["the", "a", "of"])),
        check("repeats_at_most", int(2_i64)),
    ];
    open_item("lines", question, checks)
}

fn strict_lipogram(random: &mut PythonRandom) -> Item {
    let words = some(random, &WORDS, 3);
    let least = between(random, 15, 20);
    let question = format!(
        "Write exactly two sentences, {least} to 40 words in all, that contain the words {} and in which the letter a does not occur. At least 12 words are different.",
        super::draw::listed(&words)
    );
    let checks = vec![
        check("without_letter", text("a")),
        check("contains", texts(&words)),
        check("sentences", range(2, 2)),
        check("words", range(least, 40)),
        different(12),
    ];
    open_item("lipogram", question, checks)
}

/// Prompts for several answers, which are compared with each other.
pub(super) fn open() -> Vec<Value> {
    const PROMPTS: [&str; 10] = [
        "Write the first two sentences of a story about a lighthouse.",
        "Describe a color to somebody who has never seen it, in two sentences.",
        "Invent a holiday and say in two sentences how it is kept.",
        "Write a short poem about an empty train.",
        "Name an unusual use for a brick and say how it would work.",
        "Write a letter of two sentences from the sea to a river.",
        "Invent an animal and describe it in two sentences.",
        "Write what a clock might think at midnight, in two sentences.",
        "Describe a meal on another planet in two sentences.",
        "Write an opening line for a mystery in a library, and a second line that changes its meaning.",
    ];
    let row = |(place, prompt): (usize, &&str)| {
        dict([("id", text(format!("creativity-open-{:03}", place + 1))), ("question", text(*prompt))])
    };
    PROMPTS.iter().enumerate().map(row).collect()
}
