//! What the contract asks of an engine in process.

use std::num::NonZeroU32;

use futures_util::StreamExt;
use futures_util::future::join_all;
use weighbridge_engine::{Engine, GenerateRequest, Message, Prompt, Role, Sampling};
use weighbridge_engine_llama_cpp::{LlamaCppEngine, LlamaCppOptions};
use weighbridge_types::request::{FailureClass, FinishReason, Usage};

use crate::support::{ours, read, request, score, theirs, tiny};

#[tokio::test]
async fn answers_are_counted_and_end_as_asked() {
    let engine = theirs(&tiny());
    let tokenizer = engine.tokenizer().unwrap();
    let prompt = "Once upon a time";
    let answer = read(engine.generate(request(prompt, 12))).await;
    assert_eq!((answer.tokens.len(), answer.finish), (12, Some(FinishReason::Length)));
    assert!(answer.log_probabilities.is_empty());
    assert_eq!(tokenizer.decode(&answer.tokens), answer.text);
    let input = tokenizer.encode(prompt).unwrap().len() + usize::from(tokenizer.bos().is_some());
    let usage = Usage { input_tokens: u32::try_from(input).unwrap(), output_tokens: 12, ..answer.usage.unwrap() };
    assert_eq!(answer.usage, Some(usage));
    // The text stops before what is not to come.
    let stop: String = answer.text.chars().skip(8).take(4).collect();
    let cut = read(engine.generate(GenerateRequest { stop: vec![stop.clone()], ..request(prompt, 12) })).await;
    assert_eq!(cut.finish, Some(FinishReason::Stop));
    assert_eq!(cut.text, answer.text.split(&stop).next().unwrap());
}

#[tokio::test]
async fn the_seed_decides_as_in_our_engine() {
    let (llama_cpp, local) = (theirs(&tiny()), ours(&tiny()));
    let sampled = |seed| GenerateRequest {
        sampling: Sampling { temperature: 1.0, top_k: 40, top_p: 0.9, seed, ..Sampling::default() },
        ..request("The keeper of the bridge", 16)
    };
    let first = read(llama_cpp.generate(sampled(1))).await;
    assert_eq!(first.tokens, read(llama_cpp.generate(sampled(1))).await.tokens);
    assert_ne!(first.tokens, read(llama_cpp.generate(sampled(2))).await.tokens);
    assert_eq!(first.tokens[0], read(local.generate(sampled(1))).await.tokens[0]);
}

#[tokio::test]
async fn bad_requests_fail_as_events() {
    let engine = theirs(&tiny());
    let context = engine.describe().context_length.unwrap();
    let failed = async |request: GenerateRequest, expected: &str| {
        let answer = read(engine.generate(request)).await;
        let (class, message) = answer.failure.expect("it fails");
        assert_eq!(class, FailureClass::Engine);
        assert!(message.contains(expected), "{message}");
    };
    failed(request("a", context), "into a context of").await;
    failed(request(&"far too long ".repeat(context as usize), 1), "into a context of").await;
    failed(GenerateRequest { prompt: Prompt::Tokens(Vec::new()), ..request("", 1) }, "no token").await;
    failed(GenerateRequest { prompt: Prompt::Tokens(vec![1, u32::MAX]), ..request("", 1) }, "`4294967295`").await;
    failed(request("a", 0), "max_tokens is `0`").await;
    let mut late = request("a", 4);
    late.deadline = Some(late.clock.now());
    let (class, _) = read(engine.generate(late)).await.failure.expect("it is late");
    assert_eq!(class, FailureClass::Timeout);
    let long = "far too long ".repeat(context as usize);
    let scored =
        engine.score(weighbridge_engine::ScoreRequest { prompt: String::new(), continuations: vec![long] }).await;
    assert!(scored.unwrap_err().to_string().contains("into a context of"));
}

/// More requests than there are places at a time all end well, also beside some that are given up, and are the same as alone.
#[tokio::test]
async fn generations_wait_for_places_and_give_them_back() {
    let cells = NonZeroU32::new(128);
    let options = LlamaCppOptions { threads: 1.try_into().ok(), cells, model_ref: None };
    let engine = LlamaCppEngine::load(tiny(), options).unwrap();
    let alone = read(engine.generate(request("Once upon a time", 40))).await;
    let asked = (0..30).map(async |number| {
        let mut events = engine.generate(request("Once upon a time", 40));
        if number % 3 == 0 {
            events.next().await;
            return None;
        }
        Some(read(events).await)
    });
    let scored = score(&engine, "Once upon", &[" a time", " the river"]);
    let (answers, scored) = futures_util::future::join(join_all(asked), scored).await;
    let ended: Vec<_> = answers.into_iter().flatten().collect();
    assert_eq!(ended.len(), 20);
    assert!(ended.iter().all(|answer| answer.finish == Some(FinishReason::Length) && answer.tokens.len() == 40));
    assert_eq!(ended[0].tokens[..4], alone.tokens[..4]);
    let quiet = score(&engine, "Once upon", &[" a time", " the river"]).await;
    for (beside, quiet) in scored.iter().zip(&quiet) {
        assert!((beside.total() - quiet.total()).abs() < 1e-2, "{beside:?} for {quiet:?}");
    }
}

/// A continuation weighs what it weighs as the end of the whole text.
#[tokio::test]
async fn continuations_share_their_prompt() {
    let engine = theirs(&tiny());
    let (prompt, ends) = ("The keeper of the bridge", [" writes", " writes the name", " sleeps"]);
    let scored = score(&engine, prompt, &ends).await;
    for (end, scored) in ends.iter().zip(&scored) {
        let whole = &score(&engine, "", &[&format!("{prompt}{end}")]).await[0];
        let tail = &whole.log_probabilities[whole.log_probabilities.len() - scored.tokens.len()..];
        assert!(whole.tokens.ends_with(&scored.tokens));
        for (a, b) in tail.iter().zip(&scored.log_probabilities) {
            assert!((a - b).abs() < 1e-2, "{a} for {b}");
        }
    }
}

#[tokio::test]
async fn a_conversation_needs_a_template_that_llama_cpp_knows() {
    let engine = theirs(&tiny());
    let prompt = Prompt::Chat(vec![Message { role: Role::User, content: "Hello".to_owned() }]);
    let answer = read(engine.generate(GenerateRequest { prompt, ..request("", 4) })).await;
    assert!(answer.failure.is_some_and(|(_, message)| message.contains("does not know the form")));
}
