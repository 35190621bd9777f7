//! The same greedy text from both engines.

use futures_util::future::join_all;
use weighbridge_engine::Engine;

use crate::support::{Answer, ours, read, request, theirs, tiny};

const PROMPTS: usize = 200;
const TOKENS: u32 = 24;
const AT_ONCE: usize = 8;

/// Tokens whose log-probabilities differ by less are about equally likely: those of one token differ by up to half of it from
/// engine to engine, as llama.cpp keeps keys and values in F16, and differ in llama.cpp alone by the size of the batch.
const TIE: f32 = 0.06;

/// Lines of a log and sentences, of many lengths.
fn prompts() -> Vec<String> {
    const SUBJECTS: [&str; 5] = ["The server", "A small model", "The old bridge", "Our scale", "The night train"];
    const VERBS: [&str; 4] = ["weighs", "carries", "forgets", "answers"];
    const OBJECTS: [&str; 5] = ["every request", "a heavy load", "the last word", "ten thousand tokens", "the river"];
    let prompt = |number: usize| match number % 2 {
        0 => {
            let words = [SUBJECTS[number % 5], VERBS[number / 5 % 4], OBJECTS[number / 20 % 5]].join(" ");
            format!("{}{words}, and number {number}", format!("{words}. ").repeat(number % 3))
        }
        _ => format!(
            "2026-03-{:02}T12:{:02}:07Z host{} nginx[{}]: GET /items/{} 200 {} \"",
            1 + number % 28,
            number % 60,
            number % 7,
            1000 + number * 37,
            number * number,
            number * 113
        ),
    };
    (0..PROMPTS).map(prompt).collect()
}

async fn answers(engine: &dyn Engine, prompts: &[String], at_once: usize) -> Vec<Answer> {
    let mut answers = Vec::new();
    for prompts in prompts.chunks(at_once) {
        let asked = prompts.iter().map(|prompt| {
            let mut request = request(prompt, TOKENS);
            request.logprobs = Some(0);
            read(engine.generate(request))
        });
        answers.extend(join_all(asked).await);
    }
    answers
}

/// Where two answers part: the place, and by how much the first chose the likelier token.
fn parting(a: &Answer, b: &Answer) -> Option<(usize, f32)> {
    let place = a.tokens.iter().zip(&b.tokens).position(|(a, b)| a != b)?;
    Some((place, (a.log_probabilities[place] - b.log_probabilities[place]).abs()))
}

/// Where llama.cpp alone writes what it writes with eight at once, our engine writes the same, up to ties.
#[tokio::test]
async fn greedy_texts_are_the_same_up_to_ties() {
    let prompts = prompts();
    let (llama_cpp, local) = (theirs(&tiny()), ours(&tiny()));
    let alone = answers(&llama_cpp, &prompts, 1).await;
    let together = answers(&llama_cpp, &prompts, AT_ONCE).await;
    let local = answers(&local, &prompts, 1).await;
    assert!(alone.iter().chain(&together).chain(&local).all(|answer| answer.tokens.len() == TOKENS as usize));
    let (mut sure, mut same) = (0, 0);
    for (number, prompt) in prompts.iter().enumerate() {
        if let Some((place, margin)) = parting(&alone[number], &together[number]) {
            assert!(margin < TIE, "llama.cpp parts from itself by {margin} at token {place} after `{prompt}`");
            continue;
        }
        sure += 1;
        match parting(&local[number], &alone[number]) {
            Some((place, margin)) => assert!(margin < TIE, "they part by {margin} at token {place} after `{prompt}`"),
            None => same += 1,
        }
    }
    println!("llama.cpp agrees with itself on {sure} of {PROMPTS} texts, and with our engine on {same} of those");
    assert!(sure >= PROMPTS * 9 / 10 && same >= sure * 9 / 10, "{same} of {sure}");
}
