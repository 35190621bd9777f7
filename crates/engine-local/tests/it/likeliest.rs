//! What is told of tokens that were not chosen.

use futures_util::StreamExt;
use weighbridge_engine::{Engine, EventKind, GenerateRequest, Likely, Sampling, ScoreRequest};

use crate::engine::{load, request};

/// The likeliest tokens at each step.
async fn likeliest(engine: &dyn Engine, request: GenerateRequest) -> Vec<(u32, Vec<Likely>)> {
    let mut steps = Vec::new();
    let mut events = engine.generate(request);
    while let Some(event) = events.next().await {
        if let EventKind::Frame(frame) = event.kind
            && let Some(token) = frame.token_ids.first()
        {
            steps.push((*token, frame.detail.map(|detail| detail.likeliest).unwrap_or_default()));
        }
    }
    steps
}

#[tokio::test]
async fn likeliest_tokens_are_those_of_the_whole_distribution() {
    let engine = load("gpt2");
    assert!(engine.capabilities().likeliest);
    let tokenizer = engine.tokenizer().unwrap();
    let prompt = "the server was";
    let all = likeliest(&engine, GenerateRequest { logprobs: Some(u32::MAX), ..request(prompt, 1) }).await;
    let [(chosen, all)] = &all[..] else { panic!("{all:?}") };
    assert_eq!((*chosen, all.len()), (all[0].token, tokenizer.vocab_size() as usize));
    assert!(all.is_sorted_by(|a, b| a.log_probability >= b.log_probability));
    let sum: f64 = all.iter().map(|likely| f64::from(likely.log_probability).exp()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    // What scoring says of the same tokens; some texts are other tokens after this prompt.
    let texts: Vec<String> = all.iter().map(|likely| tokenizer.decode(&[likely.token])).collect();
    let scored = engine.score(ScoreRequest { prompt: prompt.to_owned(), continuations: texts }).await.unwrap();
    let alike = all.iter().zip(&scored).filter(|(likely, scored)| scored.tokens == [likely.token]);
    let mut count = 0;
    for (likely, scored) in alike {
        let told = f64::from(likely.log_probability);
        assert!((told - scored.log_probabilities[0]).abs() < 1e-6, "{likely:?} {scored:?}");
        count += 1;
    }
    assert!(count > all.len() / 2, "{count} of {}", all.len());
}

#[tokio::test]
async fn as_many_are_told_as_were_asked_for_whatever_is_drawn() {
    let engine = load("gpt2");
    let sampling = Sampling { temperature: 2.0, top_k: 3, seed: 7, ..Sampling::default() };
    let asked = |logprobs| GenerateRequest { sampling: sampling.clone(), logprobs, ..request("the server was", 12) };
    let plain = likeliest(&engine, asked(None)).await;
    assert!(plain.iter().all(|(_, likeliest)| likeliest.is_empty()));
    let told = likeliest(&engine, asked(Some(3))).await;
    assert_eq!(plain.iter().map(|step| step.0).collect::<Vec<_>>(), told.iter().map(|step| step.0).collect::<Vec<_>>());
    for (token, likeliest) in told {
        assert_eq!(likeliest.len(), 3);
        assert!(likeliest.iter().any(|likely| likely.token == token), "top-k draws one of them");
    }
}
