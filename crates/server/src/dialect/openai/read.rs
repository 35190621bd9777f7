//! OpenAI's `/v1/chat/completions` and `/v1/completions`.

use serde::Deserialize;
use serde_json::{Value, json};
use weighbridge_engine::constraint::Document;
use weighbridge_engine::{Frame, Message, Prompt, Sampling};
use weighbridge_types::request::Channel;
use weighbridge_types::time::WallTime;

use super::{Writer, push_event, push_text, read, turn};
use crate::answer::{Answered, Choice, Counts, Finish};
use crate::ask::{Ask, Format, MOST_CHOICES};
use crate::error::ApiError;

/// Which of the two routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Chat,
    Completions,
}

#[derive(Deserialize)]
struct Body {
    model: String,
    #[serde(default)]
    messages: Vec<Turn>,
    #[serde(default)]
    prompt: Option<Text>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<i64>,
    min_p: Option<f32>,
    repetition_penalty: Option<f32>,
    frequency_penalty: Option<f32>,
    presence_penalty: Option<f32>,
    seed: Option<i64>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    #[serde(default)]
    stop: Option<OneOrMore>,
    n: Option<u32>,
    #[serde(default)]
    stream: bool,
    stream_options: Option<StreamOptions>,
    logprobs: Option<Value>,
    top_logprobs: Option<u32>,
    #[serde(default)]
    ignore_eos: bool,
    response_format: Option<ResponseFormat>,
    tools: Option<Vec<Value>>,
    #[serde(default)]
    priority: i32,
    #[serde(default)]
    echo: bool,
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    #[serde(default)]
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
pub(super) struct Part {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: String,
}

impl Content {
    /// The text; other parts are refused by name.
    pub(super) fn text(self) -> Result<String, ApiError> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Parts(parts) => {
                let mut all = String::new();
                for part in parts {
                    if part.kind != "text" {
                        let message = format!("failed to read a part of type `{}`; models here read text", part.kind);
                        return Err(ApiError::invalid(message));
                    }
                    all.push_str(&part.text);
                }
                Ok(all)
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    One(String),
    Tokens(Vec<u32>),
    More(Vec<String>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct ResponseFormat {
    #[serde(rename = "type")]
    kind: String,
    json_schema: Option<JsonSchema>,
}

#[derive(Deserialize)]
struct JsonSchema {
    schema: Document,
}

/// Reads a request.
pub(crate) fn ask(api: Api, body: &[u8], random: u64) -> Result<Ask, ApiError> {
    let body: Body = read(body)?;
    let prompt = match api {
        Api::Chat if body.messages.is_empty() => return Err(ApiError::invalid("`messages` is empty")),
        Api::Chat => Prompt::Chat(body.messages.into_iter().map(Turn::message).collect::<Result<_, _>>()?),
        Api::Completions => match body.prompt {
            Some(Text::One(text)) => Prompt::Text(text),
            Some(Text::Tokens(tokens)) if !tokens.is_empty() => Prompt::Tokens(tokens),
            Some(Text::More(mut texts)) if texts.len() == 1 => Prompt::Text(texts.remove(0)),
            Some(Text::More(_)) => {
                return Err(ApiError::invalid("`prompt` holds several texts; send one request for each"));
            }
            Some(Text::Tokens(_)) | None => return Err(ApiError::invalid("`prompt` is empty")),
        },
    };
    for (name, value) in [("frequency_penalty", body.frequency_penalty), ("presence_penalty", body.presence_penalty)] {
        if value.is_some_and(|value| value.abs() > 0.0) {
            let message = format!("`{name}` is not known to models here; `repetition_penalty` is");
            return Err(ApiError::invalid(message));
        }
    }
    if body.echo {
        return Err(ApiError::invalid("`echo` is not known to models here"));
    }
    if body.top_logprobs.is_some_and(|count| count > 0) {
        return Err(ApiError::invalid("`top_logprobs` must be 0: models here tell of the chosen token alone"));
    }
    let choices = body.n.unwrap_or(1);
    if !(1..=MOST_CHOICES).contains(&choices) {
        return Err(ApiError::invalid(format!("`n` is {choices}, it must be 1 to {MOST_CHOICES}")));
    }
    let logprobs = match body.logprobs {
        None | Some(Value::Null | Value::Bool(false)) => None,
        Some(Value::Bool(true)) => Some(0),
        Some(value) => Some(value.as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(0)),
    };
    let usual = Sampling::default();
    Ok(Ask {
        model: body.model,
        prompt,
        sampling: Sampling {
            // The protocol's own default; greedy would be another answer.
            temperature: body.temperature.unwrap_or(1.0),
            top_k: body.top_k.and_then(|k| u32::try_from(k).ok()).unwrap_or(0),
            top_p: body.top_p.unwrap_or(usual.top_p),
            min_p: body.min_p.unwrap_or(usual.min_p),
            repetition_penalty: body.repetition_penalty.unwrap_or(usual.repetition_penalty),
            seed: body.seed.map_or(random, i64::cast_unsigned),
        },
        is_seeded: body.seed.is_some(),
        max_tokens: body.max_completion_tokens.or(body.max_tokens),
        stop: match body.stop {
            None => Vec::new(),
            Some(OneOrMore::One(text)) => vec![text],
            Some(OneOrMore::More(texts)) => texts,
        },
        choices,
        logprobs,
        ignore_eos: body.ignore_eos,
        stream: body.stream,
        wants_usage: body.stream_options.is_some_and(|options| options.include_usage),
        format: body.response_format.map_or(Ok(Format::Text), ResponseFormat::format)?,
        priority: body.priority,
        has_tools: body.tools.is_some_and(|tools| !tools.is_empty()),
    })
}

impl Turn {
    fn message(self) -> Result<Message, ApiError> {
        turn(&self.role, self.content.map_or(Ok(String::new()), Content::text)?)
    }
}

impl ResponseFormat {
    fn format(self) -> Result<Format, ApiError> {
        match (self.kind.as_str(), self.json_schema) {
            ("text", _) => Ok(Format::Text),
            ("json_object", _) => Ok(Format::Json),
            ("json_schema", Some(schema)) => Ok(Format::Schema(schema.schema)),
            ("json_schema", None) => Err(ApiError::invalid("`response_format.json_schema.schema` is absent")),
            (other, _) => {
                let message = format!("`response_format.type` is `{other}`; write text, json_object or json_schema");
                Err(ApiError::invalid(message))
            }
        }
    }
}

/// Writes answers of either route.
pub(crate) struct OpenAiWriter {
    api: Api,
    wants_usage: bool,
    /// What every chunk begins with, up to its choices.
    head: Vec<u8>,
    /// The same as members of an object.
    id: String,
    created: u64,
    model: String,
    wants_logprobs: bool,
}

impl OpenAiWriter {
    pub(crate) fn new(api: Api, ask: &Ask, model: &str, number: u64) -> Self {
        let created = WallTime::now().unix_millis() / 1000;
        let (id, object) = match api {
            Api::Chat => (format!("chatcmpl-{number:016x}"), "chat.completion.chunk"),
            Api::Completions => (format!("cmpl-{number:016x}"), "text_completion"),
        };
        let mut head =
            format!("data: {{\"id\":\"{id}\",\"object\":\"{object}\",\"created\":{created},\"model\":").into_bytes();
        push_text(&mut head, model);
        head.extend_from_slice(b",\"choices\":[");
        Self {
            api,
            wants_usage: ask.wants_usage,
            head,
            id,
            created,
            model: model.to_owned(),
            wants_logprobs: ask.logprobs.is_some(),
        }
    }

    fn usage(usage: Counts) -> Value {
        let mut all = json!({
            "prompt_tokens": usage.input,
            "completion_tokens": usage.output,
            "total_tokens": usage.input + usage.output,
        });
        if let Some(cached) = usage.cached {
            all["prompt_tokens_details"] = json!({"cached_tokens": cached});
        }
        all
    }

    fn logprobs(&self, tokens: &[(String, f32)]) -> Value {
        if !self.wants_logprobs {
            return Value::Null;
        }
        match self.api {
            Api::Chat => {
                let one = |(token, logprob): &(String, f32)| json!({"token": token, "logprob": logprob, "bytes": token.as_bytes(), "top_logprobs": []});
                json!({"content": tokens.iter().map(one).collect::<Vec<_>>()})
            }
            Api::Completions => json!({
                "tokens": tokens.iter().map(|(token, _)| token).collect::<Vec<_>>(),
                "token_logprobs": tokens.iter().map(|(_, logprob)| logprob).collect::<Vec<_>>(),
                "top_logprobs": Value::Null,
                "text_offset": Vec::<u32>::new(),
            }),
        }
    }

    fn choice(&self, index: usize, choice: &Choice) -> Value {
        let logprobs = self.logprobs(&choice.logprobs);
        match self.api {
            Api::Chat => {
                let mut message = json!({"role": "assistant", "content": choice.text, "refusal": null});
                if !choice.reasoning.is_empty() {
                    message["reasoning_content"] = json!(choice.reasoning);
                }
                json!({"index": index, "message": message, "logprobs": logprobs, "finish_reason": name(choice.finish)})
            }
            Api::Completions => {
                json!({"index": index, "text": choice.text, "logprobs": logprobs, "finish_reason": name(choice.finish)})
            }
        }
    }
}

/// The reason as OpenAI calls it.
fn name(finish: Finish) -> &'static str {
    match finish {
        Finish::Length => "length",
        Finish::Stop | Finish::Other => "stop",
    }
}

impl Writer for OpenAiWriter {
    fn stream_type(&self) -> &'static str {
        "text/event-stream"
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if self.api == Api::Chat {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(
                b"{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n",
            );
        }
    }

    fn frame(&mut self, choice: usize, frame: &Frame, out: &mut Vec<u8>) {
        let text: &[u8] = match (self.api, frame.channel) {
            (Api::Completions, _) => b",\"text\":",
            (Api::Chat, Channel::Reasoning) => b",\"delta\":{\"reasoning_content\":",
            (Api::Chat, Channel::Answer | Channel::ToolCall) => b",\"delta\":{\"content\":",
        };
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"{\"index\":");
        out.extend_from_slice(choice.to_string().as_bytes());
        out.extend_from_slice(text);
        push_text(out, &frame.text);
        if self.api == Api::Chat {
            out.push(b'}');
        }
        out.extend_from_slice(b",\"logprobs\":");
        let tokens: Vec<(String, f32)> =
            frame.log_probabilities.iter().map(|logprob| (frame.text.clone(), *logprob)).collect();
        drop(serde_json::to_writer(&mut *out, &self.logprobs(&tokens)));
        out.extend_from_slice(b",\"finish_reason\":null}]}\n\n");
    }

    fn finish(&mut self, choice: usize, finish: Finish, out: &mut Vec<u8>) {
        let empty = if self.api == Api::Chat { "\"delta\":{}" } else { "\"text\":\"\"" };
        out.extend_from_slice(&self.head);
        let tail =
            format!("{{\"index\":{choice},{empty},\"logprobs\":null,\"finish_reason\":\"{}\"}}]}}\n\n", name(finish));
        out.extend_from_slice(tail.as_bytes());
    }

    fn end(&mut self, usage: Counts, out: &mut Vec<u8>) {
        if self.wants_usage {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(b"],\"usage\":");
            drop(serde_json::to_writer(&mut *out, &Self::usage(usage)));
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn fail(&mut self, error: &ApiError, out: &mut Vec<u8>) {
        push_event(out, None, &failure(error));
    }

    fn whole(&mut self, answered: &Answered) -> Vec<u8> {
        let object = if self.api == Api::Chat { "chat.completion" } else { "text_completion" };
        let choices: Vec<Value> =
            answered.choices.iter().enumerate().map(|(index, choice)| self.choice(index, choice)).collect();
        let all = json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model,
            "choices": choices,
            "usage": Self::usage(answered.usage),
        });
        all.to_string().into_bytes()
    }
}

/// A refusal as OpenAI's clients read it.
pub(crate) fn failure(error: &ApiError) -> Value {
    json!({"error": {"message": error.message, "type": error.family(), "param": null, "code": error.code}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(body: &Value) -> Result<Ask, ApiError> {
        ask(Api::Chat, body.to_string().as_bytes(), 7)
    }

    #[test]
    fn an_omitted_temperature_is_one_and_an_omitted_seed_is_drawn() {
        let ask = asked(&json!({"model": "m", "messages": [{"role": "user", "content": "x"}]})).unwrap();
        assert_eq!((ask.sampling.seed, ask.is_seeded, ask.is_repeatable()), (7, false, false));
        assert!((ask.sampling.temperature - 1.0).abs() < f32::EPSILON);
        let greedy = json!({"model": "m", "temperature": 0, "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]});
        assert!(asked(&greedy).unwrap().is_repeatable());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |change: Value, expected: &str| {
            let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
            for (name, value) in change.as_object().unwrap() {
                body[name] = value.clone();
            }
            let error = asked(&body).unwrap_err();
            assert!(error.message.contains(expected), "{}", error.message);
        };
        check(json!({"messages": []}), "`messages` is empty");
        check(json!({"n": 0}), "`n` is 0");
        check(json!({"n": 100}), "1 to 16");
        check(json!({"messages": [{"role": "robot", "content": "x"}]}), "`robot`");
        check(json!({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}), "`image_url`");
        check(json!({"frequency_penalty": 0.5}), "frequency_penalty");
        check(json!({"logprobs": true, "top_logprobs": 5}), "`top_logprobs` must be 0");
        check(json!({"response_format": {"type": "xml"}}), "`xml`");
        check(json!({"max_tokens": "many"}), "many");
    }

    proptest::proptest! {
        /// Whatever a client sends, it is read or refused.
        #[test]
        fn no_body_panics(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            for route in ["/v1/chat/completions", "/v1/completions", "/v1/messages", "/api/generate", "/api/chat"] {
                proptest::prop_assert!(crate::check_body(route, &body).is_some());
            }
        }
    }
}
