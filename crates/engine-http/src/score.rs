//! Log-probabilities of given texts, by the completions API with `echo`.
//!
//! Each text is sent once with its prompt, and the prompt once alone. A continuation's tokens are those from the
//! first place where the two token lists differ, so that tokens which the border between them changes count as the
//! continuation's. One token is generated besides, for servers that refuse to generate none, and dropped.

use serde::Deserialize;
use serde_json::json;
use weighbridge_engine::{EngineError, RequestFailure, ScoreRequest, ScoredContinuation};

use crate::client::Client;

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    usage: Usage,
}

#[derive(Deserialize)]
struct Choice {
    logprobs: Option<Logprobs>,
}

#[derive(Deserialize)]
struct Logprobs {
    /// `token_id:17` each, since ids are asked for.
    tokens: Vec<String>,
    token_logprobs: Vec<Option<f64>>,
    top_logprobs: Vec<Option<serde_json::Map<String, serde_json::Value>>>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: usize,
}

/// A token of an echoed text.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scored {
    token: u32,
    /// `None` for a first token, which has no context.
    log_probability: Option<f64>,
    is_likeliest: bool,
}

pub(crate) async fn score(
    client: &Client,
    model: &str,
    request: ScoreRequest,
) -> Result<Vec<ScoredContinuation>, EngineError> {
    let prompt = if request.prompt.is_empty() { Vec::new() } else { echo(client, model, &request.prompt).await? };
    let mut scored = Vec::with_capacity(request.continuations.len());
    for continuation in &request.continuations {
        let whole = echo(client, model, &format!("{}{continuation}", request.prompt)).await?;
        scored.push(continuation_of(&prompt, &whole));
    }
    Ok(scored)
}

async fn echo(client: &Client, model: &str, text: &str) -> Result<Vec<Scored>, EngineError> {
    let body = json!({"model": model, "prompt": text, "max_tokens": 1, "temperature": 0, "echo": true, "logprobs": 1,
        "return_tokens_as_token_ids": true});
    let path = format!("{}/completions", client.base().path);
    let failed = |failure: RequestFailure| EngineError::Failed { problem: failure.message };
    let answer = client.fetch("POST", &path, body.to_string().as_bytes()).await.map_err(failed)?;
    let completion = client.json(answer).map_err(failed)?;
    scored_tokens(completion).ok_or_else(|| EngineError::Failed {
        problem: "the server did not return the prompt's tokens with their ids and log-probabilities".to_owned(),
    })
}

/// The tokens of the echoed text; `None` where the answer does not hold them.
fn scored_tokens(completion: Completion) -> Option<Vec<Scored>> {
    let logprobs = completion.choices.into_iter().next()?.logprobs?;
    let count = completion.usage.prompt_tokens;
    let lists = [logprobs.tokens.len(), logprobs.token_logprobs.len(), logprobs.top_logprobs.len()];
    if lists.into_iter().any(|length| length < count) {
        return None;
    }
    let rows = logprobs.tokens.iter().zip(&logprobs.token_logprobs).zip(&logprobs.top_logprobs).take(count);
    let read = |((token, &log_probability), likeliest): ((&String, &Option<f64>), &Option<serde_json::Map<_, _>>)| {
        let best = likeliest.iter().flat_map(|map| map.values()).filter_map(serde_json::Value::as_f64).reduce(f64::max);
        Some(Scored {
            token: token.strip_prefix("token_id:")?.parse().ok()?,
            log_probability,
            is_likeliest: log_probability.zip(best).is_some_and(|(this, best)| this >= best),
        })
    };
    rows.map(read).collect()
}

fn continuation_of(prompt: &[Scored], whole: &[Scored]) -> ScoredContinuation {
    let shared = prompt.iter().zip(whole).take_while(|(a, b)| a.token == b.token).count();
    let rows: Vec<(u32, f64, bool)> = whole[shared..]
        .iter()
        .filter_map(|scored| Some((scored.token, scored.log_probability?, scored.is_likeliest)))
        .collect();
    ScoredContinuation {
        tokens: rows.iter().map(|row| row.0).collect(),
        log_probabilities: rows.iter().map(|row| row.1).collect(),
        is_greedy: rows.iter().all(|row| row.2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(
        tokens: &[&str],
        values: &[Option<f64>],
        best: &[Option<f64>],
        prompt_tokens: usize,
    ) -> Option<Vec<Scored>> {
        let best: Vec<_> = best.iter().map(|best| best.map(|best| json!({"token_id:1": best}))).collect();
        let logprobs = json!({"tokens": tokens, "token_logprobs": values, "top_logprobs": best});
        let completion = json!({"choices": [{"logprobs": logprobs}], "usage": {"prompt_tokens": prompt_tokens}});
        scored_tokens(serde_json::from_value(completion).unwrap())
    }

    #[test]
    fn the_generated_token_is_dropped() {
        let values = [None, Some(-1.0), Some(-2.0)];
        let read = tokens(&["token_id:5", "token_id:6", "token_id:7"], &values, &[None, Some(-1.0), Some(-2.0)], 2);
        let first = Scored { token: 5, log_probability: None, is_likeliest: false };
        assert_eq!(read, Some(vec![first, Scored { token: 6, log_probability: Some(-1.0), is_likeliest: true }]));
    }

    #[test]
    fn an_answer_without_the_prompt_is_not_taken() {
        assert_eq!(tokens(&["token_id:7"], &[Some(-1.0)], &[None], 2), None);
        assert_eq!(tokens(&["word"], &[Some(-1.0)], &[None], 1), None);
    }

    #[test]
    fn the_continuation_begins_where_the_tokens_differ() {
        let row = |token, log_probability| Scored { token, log_probability, is_likeliest: token != 9 };
        let prompt = [row(1, None), row(2, Some(-0.1)), row(3, Some(-0.2))];
        let check = |prompt: &[Scored], whole: &[Scored], tokens: &[u32], is_greedy| {
            let continuation = continuation_of(prompt, whole);
            assert_eq!((&continuation.tokens[..], continuation.is_greedy), (tokens, is_greedy));
        };
        let longer = |more: &[Scored]| [&prompt[..], more].concat();
        check(&prompt, &longer(&[row(4, Some(-1.0))]), &[4], true);
        check(&prompt, &longer(&[row(4, Some(-1.0)), row(9, Some(-3.0))]), &[4, 9], false);
        let merged = [row(1, None), row(2, Some(-0.1)), row(34, Some(-1.0))];
        check(&prompt, &merged, &[34], true);
        check(&[], &merged, &[2, 34], true);
    }
}
