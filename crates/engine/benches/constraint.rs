//! Which tokens may follow: `cargo bench -p weighbridge-engine --bench constraint`.
//!
//! Vocabularies of 50,000 and 150,000 made-up tokens: all bytes, numbers, marks that JSON is written with, and words with and without
//! a space before them. `first` is a state that no request of any grammar has met, `again` one whose mask is kept; `new grammar` has
//! met the vocabulary and not the grammar. `text` is the mean over the tokens of a whole answer.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use weighbridge_engine::constraint::{Document, Grammar, Matcher, TokenMask, TokenTrie};

const SCHEMA: &str = r#"{"type":"object","properties":{"verdict":{"enum":["benign","suspicious","malicious"]},
    "score":{"type":"number","minimum":0,"maximum":1},"reason":{"type":"string","maxLength":200},
    "ports":{"type":"array","items":{"type":"integer","minimum":1,"maximum":65535}}},"required":["verdict","score"],
    "additionalProperties":false}"#;

const ANSWER: &str =
    r#"{"verdict": "malicious", "score": 0.75, "reason": "many hosts were asked in a row", "ports": [22, 8080]}"#;

/// Schemas, and a text after which the mask is asked for.
const PLACES: [(&str, &str, &str); 7] = [
    ("member", SCHEMA, "{"),
    ("number", SCHEMA, r#"{"verdict":"benign","score":0."#),
    ("string", r#"{"type":"string"}"#, "\"a"),
    ("string of 200", SCHEMA, r#"{"verdict":"benign","score":1,"reason":"a"#),
    ("string of 4", r#"{"type":"string","maxLength":5}"#, "\"a"),
    ("further name", r#"{"type":"object","properties":{"alpha":{},"beta":{}}}"#, "{\""),
    ("pattern", r#"{"type":"string","pattern":"^[a-z]+( [a-z]+)*$"}"#, "\"a"),
];

fn vocabulary(len: usize) -> Vec<Vec<u8>> {
    const MARKS: [&str; 20] = [
        "{\"", "\":", "\": ", "\",", "\", \"", "\"}", "}", "]}", "[\"", "\"]", "true", "false", "null", "},", "}, {\"",
        "\\n", "\\\"", ": [", "],", "\": [",
    ];
    const PARTS: [&str; 24] = [
        "an", "re", "st", "in", "to", "er", "on", "qu", "al", "é", "th", "ed", "ing", "B", "ce", "ly", "um", "ph",
        "or", "is", "Ü", "ma", "ne", "x",
    ];
    let bytes = (0..=u8::MAX).map(|byte| vec![byte]);
    let numbers = (10..1000).map(|number: u32| number.to_string().into_bytes());
    let marks = MARKS.iter().map(|mark| mark.as_bytes().to_vec());
    let words = (0_usize..).map(|number| {
        let mut rest = number / 2 + PARTS.len();
        let mut word = if number % 2 == 0 { String::new() } else { " ".to_owned() };
        while rest > 0 {
            word.push_str(PARTS[rest % PARTS.len()]);
            rest /= PARTS.len();
        }
        // Some words of real vocabularies end in a mark.
        if number % 50 == 0 {
            word.push_str(MARKS[number / 50 % MARKS.len()]);
        }
        word.into_bytes()
    });
    bytes.chain(numbers).chain(marks).chain(words).take(len).collect()
}

fn grammar(schema: &str) -> Arc<Grammar> {
    let schema: Document = schema.parse().expect("it is JSON");
    Grammar::ordered(schema).expect("it can be held")
}

fn matcher(schema: &str, text: &str) -> Matcher {
    let mut matcher = Matcher::new(grammar(schema));
    assert!(matcher.accept(text.as_bytes()), "{text} fits");
    matcher
}

fn masks(criterion: &mut Criterion) {
    for len in [50_000, 150_000] {
        let vocabulary = vocabulary(len);
        let trie = TokenTrie::new(&vocabulary);
        let mut group = criterion.benchmark_group(format!("{len} tokens"));
        group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
        group.bench_function("trie", |bencher| bencher.iter(|| TokenTrie::new(black_box(&vocabulary))));
        let mut mask = TokenMask::none(len);
        for (name, schema, text) in PLACES {
            let place = |kind: &str| BenchmarkId::new(kind, name);
            group.bench_function(place("first"), |bencher| {
                let setup = || (TokenTrie::new(&vocabulary), matcher(schema, text), TokenMask::none(len));
                let ask = |(trie, matcher, mut mask): (TokenTrie, Matcher, TokenMask)| {
                    matcher.allowed(&trie, &mut mask);
                    (trie, matcher, mask)
                };
                bencher.iter_batched(setup, ask, BatchSize::PerIteration);
            });
            group.bench_function(place("new grammar"), |bencher| {
                let ask = |matcher: Matcher| {
                    matcher.allowed(&trie, &mut mask);
                    matcher
                };
                bencher.iter_batched(|| matcher(schema, text), ask, BatchSize::SmallInput);
            });
            let again = matcher(schema, text);
            group.bench_function(place("again"), |bencher| bencher.iter(|| again.allowed(&trie, &mut mask)));
        }
        group.bench_function("text", |bencher| {
            bencher.iter_batched(
                || Matcher::new(grammar(SCHEMA)),
                |mut matcher| {
                    for byte in ANSWER.as_bytes().chunks(3) {
                        matcher.allowed(&trie, &mut mask);
                        assert!(matcher.accept(byte), "the answer fits");
                    }
                    matcher
                },
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

criterion_group!(benches, masks);
criterion_main!(benches);
