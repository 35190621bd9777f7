//! Reading requests.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use weighbridge_engine::constraint::Document;
use weighbridge_engine::{Message, Prompt, Sampling};

use crate::ask::{Ask, Format, MOST_ANSWERS, MOST_CHOICES, MOST_LIKELIEST};
use crate::dialect::{read, turn};
use crate::error::ApiError;
use crate::offer::{Offer, Tool, Wanted, calls, members};

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
    tools: Option<Vec<Document>>,
    tool_choice: Option<Document>,
    parallel_tool_calls: Option<bool>,
    functions: Option<IgnoredAny>,
    #[serde(default)]
    priority: i32,
    #[serde(default)]
    echo: bool,
    /// Labels of a client's own.
    metadata: Option<Value>,
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    #[serde(default)]
    content: Option<Content>,
    #[serde(default)]
    tool_calls: Option<Vec<TurnCall>>,
    tool_call_id: Option<String>,
    name: Option<String>,
}

/// A call that an earlier answer made.
#[derive(Deserialize)]
struct TurnCall {
    id: Option<String>,
    function: TurnFunction,
}

#[derive(Deserialize)]
struct TurnFunction {
    name: String,
    arguments: Document,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: String,
}

impl Content {
    /// The text; other parts are refused by name.
    fn text(self) -> Result<String, ApiError> {
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
    MoreTokens(Vec<Vec<u32>>),
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
    let mut body: Body = read(body)?;
    let mut turns = Vec::new();
    let prompts = match api {
        Api::Chat if body.messages.is_empty() => return Err(ApiError::invalid("`messages` is empty")),
        Api::Chat => {
            let mut messages = Vec::with_capacity(body.messages.len());
            for (number, turn) in std::mem::take(&mut body.messages).into_iter().enumerate() {
                messages.push(turn.message(number, &mut turns)?);
            }
            vec![Prompt::Chat(messages)]
        }
        Api::Completions => body.prompt.take().map(Text::prompts).unwrap_or_default(),
    };
    let is_empty = |prompt: &Prompt| matches!(prompt, Prompt::Tokens(tokens) if tokens.is_empty());
    if prompts.is_empty() || prompts.iter().any(is_empty) {
        return Err(ApiError::invalid("`prompt` is empty"));
    }
    body.check()?;
    let choices = body.n.unwrap_or(1);
    if !(1..=MOST_CHOICES).contains(&choices) {
        return Err(ApiError::invalid(format!("`n` is {choices}, it must be 1 to {MOST_CHOICES}")));
    }
    let answers = prompts.len().saturating_mul(choices as usize);
    if answers > MOST_ANSWERS {
        return Err(ApiError::invalid(format!(
            "`prompt` and `n` ask for {answers} answers, at most {MOST_ANSWERS} are given"
        )));
    }
    let logprobs = body.logprobs(api)?;
    let format = body.response_format.map_or(Ok(Format::Text), ResponseFormat::format)?;
    let tools = body.tools.iter().flatten().map(Tool::of_openai).collect::<Result<_, _>>()?;
    let wanted = body.tool_choice.as_ref().map_or(Ok(Wanted::Anything), wanted)?;
    let offer = Offer::new(tools, turns, wanted, body.parallel_tool_calls == Some(false), &format)?;
    let usual = Sampling::default();
    Ok(Ask {
        model: body.model,
        prompts,
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
        format,
        priority: body.priority,
        offer,
        label: body.metadata.map(|labels| labels.to_string()),
    })
}

impl Body {
    /// Refuses what would change the answer and is not known.
    fn check(&self) -> Result<(), ApiError> {
        let penalties = [("frequency_penalty", self.frequency_penalty), ("presence_penalty", self.presence_penalty)];
        for (name, value) in penalties {
            if value.is_some_and(|value| value.abs() > 0.0) {
                let message = format!("`{name}` is not known to models here; `repetition_penalty` is");
                return Err(ApiError::invalid(message));
            }
        }
        if self.echo {
            return Err(ApiError::invalid("`echo` is not known to models here"));
        }
        if self.functions.is_some() {
            return Err(ApiError::invalid("`functions` is not known to models here; `tools` is"));
        }
        Ok(())
    }

    /// How many likeliest tokens are told of: by two fields of a conversation, by one of a text.
    fn logprobs(&self, api: Api) -> Result<Option<u32>, ApiError> {
        let asked = match &self.logprobs {
            None | Some(Value::Null | Value::Bool(false)) => None,
            Some(Value::Bool(true)) => Some(0),
            Some(value) => Some(value.as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(u32::MAX)),
        };
        let (name, count) = match (api, asked, self.top_logprobs) {
            (Api::Completions, asked, _) => ("logprobs", asked),
            (Api::Chat, None, Some(1..)) => {
                return Err(ApiError::invalid("`top_logprobs` is asked for without `logprobs`"));
            }
            (Api::Chat, asked, top) => ("top_logprobs", asked.map(|_| top.unwrap_or(0))),
        };
        match count {
            Some(count) if count > MOST_LIKELIEST => {
                Err(ApiError::invalid(format!("`{name}` must be 0 to {MOST_LIKELIEST}")))
            }
            count => Ok(count),
        }
    }
}

/// What `tool_choice` says.
fn wanted(choice: &Document) -> Result<Wanted, ApiError> {
    let named = choice.get("function").and_then(|function| function.get("name")).and_then(Document::text);
    match (choice.text(), named) {
        (Some("auto"), _) => Ok(Wanted::Anything),
        (Some("none"), _) => Ok(Wanted::Text),
        (Some("required"), _) => Ok(Wanted::Call),
        (None, Some(name)) => Ok(Wanted::CallOf(name.to_owned())),
        _ => {
            let message =
                "`tool_choice` must be auto, none, required or `{\"type\": \"function\", \"function\": {\"name\": …}}`";
            Err(ApiError::invalid(message))
        }
    }
}

impl Text {
    fn prompts(self) -> Vec<Prompt> {
        match self {
            Self::One(text) => vec![Prompt::Text(text)],
            Self::Tokens(tokens) => vec![Prompt::Tokens(tokens)],
            Self::More(texts) => texts.into_iter().map(Prompt::Text).collect(),
            Self::MoreTokens(prompts) => prompts.into_iter().map(Prompt::Tokens).collect(),
        }
    }
}

impl Turn {
    /// The turn with this number; what it holds beside its text is put to the others.
    fn message(self, number: usize, turns: &mut Vec<(usize, Document)>) -> Result<Message, ApiError> {
        if let Some(made) = self.tool_calls.filter(|made| !made.is_empty()) {
            let made = made.into_iter().map(|TurnCall { id, function: TurnFunction { name, arguments } }| {
                // A text here, an object for templates.
                let object = arguments.text().and_then(|text| text.parse().ok());
                (id, name, object.unwrap_or(arguments))
            });
            turns.push((number, calls(made)));
        }
        if let Some(id) = self.tool_call_id {
            let name = self.name.map(|name| ("name", Document::Text(name)));
            turns.push((number, members(name.into_iter().chain([("tool_call_id", Document::Text(id))]))));
        }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

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
        check(json!({"logprobs": true, "top_logprobs": 21}), "`top_logprobs` must be 0 to 20");
        check(json!({"top_logprobs": 5}), "without `logprobs`");
        check(json!({"tools": [{"type": "web_search"}]}), "`web_search`");
        check(json!({"tools": [{"type": "function", "function": {}}]}), "a tool has no name");
        check(json!({"tool_choice": "required"}), "`tools` is empty");
        check(json!({"tool_choice": "always"}), "`tool_choice` must be");
        let look = json!([{"type": "function", "function": {"name": "look"}}]);
        let other = json!({"type": "function", "function": {"name": "wait"}});
        check(json!({"tools": look, "tool_choice": other}), "names `wait`");
        check(json!({"tools": look, "response_format": {"type": "json_object"}}), "not both");
        check(json!({"functions": []}), "`tools` is");
        check(json!({"response_format": {"type": "xml"}}), "`xml`");
        check(json!({"max_tokens": "many"}), "many");
    }

    #[test]
    fn several_prompts_are_several_answers() {
        let read = |body: &str| ask(Api::Completions, body.as_bytes(), 7);
        let prompts = |body: &str| read(body).unwrap().prompts;
        let text = |text: &str| Prompt::Text(text.to_owned());
        assert_eq!(prompts(r#"{"model":"m","prompt":["a","b"],"n":2}"#), [text("a"), text("b")]);
        assert_eq!(prompts(r#"{"model":"m","prompt":[1,2]}"#), [Prompt::Tokens(vec![1, 2])]);
        assert_eq!(
            prompts(r#"{"model":"m","prompt":[[1,2],[3]]}"#),
            [Prompt::Tokens(vec![1, 2]), Prompt::Tokens(vec![3])]
        );
        for empty in [r#"{"model":"m"}"#, r#"{"model":"m","prompt":[]}"#, r#"{"model":"m","prompt":[[1],[]]}"#] {
            assert!(read(empty).unwrap_err().message.contains("`prompt` is empty"), "{empty}");
        }
        let many = json!({"model": "m", "prompt": vec!["x"; 100], "n": 2}).to_string();
        assert!(read(&many).unwrap_err().message.contains("200 answers"));
    }

    #[test]
    fn tools_and_earlier_calls_become_what_templates_read() {
        let parameters = json!({"type": "object", "properties": {}});
        let call =
            json!({"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"z\":1,\"a\":2}"}});
        let body = json!({
            "model": "m",
            "messages": [
                {"role": "user", "content": "x"},
                {"role": "assistant", "content": null, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c1", "content": "gone"},
            ],
            "tools": [{"type": "function", "function": {"name": "look", "strict": true, "parameters": parameters}}],
        });
        let offer = asked(&body).unwrap().offer.unwrap();
        let described =
            r#"{"type":"function","function":{"name":"look","parameters":{"properties":{},"type":"object"}}}"#;
        assert_eq!(offer.tools.offered[0].to_string(), described);
        let made =
            r#"{"tool_calls":[{"id":"c1","type":"function","function":{"name":"look","arguments":{"z":1,"a":2}}}]}"#;
        let turns: Vec<(usize, String)> =
            offer.tools.turns.iter().map(|(turn, more)| (*turn, more.to_string())).collect();
        assert_eq!(turns, [(1, made.to_owned()), (2, r#"{"tool_call_id":"c1"}"#.to_owned())]);
        assert_eq!((offer.wanted, offer.is_single), (Wanted::Anything, false));
        let mut none = body;
        none["tool_choice"] = json!("none");
        assert!(asked(&none).unwrap().offer.unwrap().tools.offered.is_empty());
    }

    proptest::proptest! {
        /// Whatever a client sends, it is read or refused.
        #[test]
        fn no_body_panics(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let routes = ["/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/messages/count_tokens", "/api/generate", "/api/chat"];
            for route in routes {
                proptest::prop_assert!(crate::check_body(route, &body).is_some());
            }
        }
    }
}
