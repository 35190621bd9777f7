//! From a request to the path and body that a server understands.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use weighbridge_engine::{EngineError, GenerateRequest, Message, Prompt, Role, Sampling};

use super::Api;
use crate::options::{Delivery, HttpOptions, StreamUsage, TextPrompts};
use crate::preset::{Dialect, Field, IgnoreEos, Traits};

/// A request ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Below the base URL.
    pub(crate) path: &'static str,
    pub(crate) body: Bytes,
    pub(crate) api: Api,
}

/// Writes requests for one server and model.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    traits: Traits,
    model: String,
    delivery: Delivery,
    text_prompts: TextPrompts,
    stream_usage: StreamUsage,
    /// OpenAI's own server refuses `max_tokens` for its newer models; others may not know the new name.
    limit_field: &'static str,
    extra_body: Map<String, Value>,
}

type Body = Map<String, Value>;

impl Writer {
    pub(crate) fn new(traits: Traits, host: &str, model: String, options: &HttpOptions) -> Self {
        Self {
            traits,
            model,
            delivery: options.delivery,
            text_prompts: options.text_prompts.unwrap_or(traits.text_prompts),
            stream_usage: options.stream_usage,
            limit_field: if host == "api.openai.com" { "max_completion_tokens" } else { "max_tokens" },
            extra_body: options.extra_body.clone(),
        }
    }

    /// Writes a request, or says what the server cannot be asked for.
    pub(crate) fn write(&self, request: &GenerateRequest) -> Result<Call, EngineError> {
        self.check(request)?;
        let messages = self.messages(&request.prompt);
        let chat = messages.is_some();
        let (path, api, mut body) = match self.traits.dialect {
            Dialect::OpenAi => {
                let path = if chat { "/chat/completions" } else { "/completions" };
                (path, Api::OpenAi, self.openai(request, chat))
            }
            Dialect::Anthropic => ("/messages", Api::Anthropic, self.anthropic(request)),
            Dialect::Ollama => {
                (if chat { "/api/chat" } else { "/api/generate" }, Api::Ollama, self.ollama(request, chat))
            }
        };
        body.insert("model".to_owned(), json!(self.model));
        body.insert("stream".to_owned(), json!(self.delivery == Delivery::Stream));
        match messages {
            Some(messages) => self.put_messages(&messages, &mut body),
            None => drop(body.insert("prompt".to_owned(), prompt(&request.prompt))),
        }
        body.extend(self.extra_body.clone());
        Ok(Call { path, body: self.with_constraint(body, request).into(), api })
    }

    /// The text of a body, with what the answer must be. That is written apart, because a body sorts what is in it and the order of
    /// a schema's properties has a meaning.
    fn with_constraint(&self, body: Body, request: &GenerateRequest) -> String {
        let (field, any, before, after) = match self.traits.dialect {
            Dialect::OpenAi | Dialect::Anthropic => (
                "response_format",
                r#"{"type":"json_object"}"#,
                r#"{"type":"json_schema","json_schema":{"name":"answer","strict":true,"schema":"#,
                "}}",
            ),
            Dialect::Ollama => ("format", r#""json""#, "", ""),
        };
        let is_set = body.contains_key(field);
        let mut text = Value::Object(body).to_string();
        if let Some(grammar) = request.constraint.as_ref().filter(|_| !is_set) {
            text.pop();
            let format = match grammar.source() {
                None => any.to_owned(),
                Some(schema) => format!("{before}{schema}{after}"),
            };
            text.push_str(&format!(r#","{field}":{format}}}"#));
        }
        text
    }

    /// The conversation to send; `None` where the prompt is to be continued.
    fn messages(&self, prompt: &Prompt) -> Option<Vec<Message>> {
        match prompt {
            Prompt::Chat(messages) => Some(messages.clone()),
            Prompt::Text(text) if self.text_prompts == TextPrompts::AsUserMessage => {
                Some(vec![Message { role: Role::User, content: text.clone() }])
            }
            Prompt::Text(_) | Prompt::Tokens(_) => None,
        }
    }

    fn put_messages(&self, messages: &[Message], body: &mut Body) {
        let apart = self.traits.dialect == Dialect::Anthropic;
        let (system, turns): (Vec<_>, Vec<_>) =
            messages.iter().partition(|message| apart && message.role == Role::System);
        if !system.is_empty() {
            let texts: Vec<&str> = system.iter().map(|message| message.content.as_str()).collect();
            body.insert("system".to_owned(), json!(texts.join("\n\n")));
        }
        let turn = |message: &&Message| json!({"role": message.role.name(), "content": message.content});
        body.insert("messages".to_owned(), turns.iter().map(turn).collect());
    }

    /// Refuses what the server has no field for, where leaving it out would change the result.
    fn check(&self, request: &GenerateRequest) -> Result<(), EngineError> {
        let Sampling { temperature, top_k, min_p, repetition_penalty, seed, .. } = request.sampling;
        request.sampling.check().map_err(|error| EngineError::InvalidRequest { problem: error.to_string() })?;
        if request.max_tokens == 0 {
            return Err(EngineError::InvalidRequest { problem: "`max_tokens` must be at least 1".to_owned() });
        }
        let traits = &self.traits;
        let draws = temperature > 0.0;
        let chat = self.messages(&request.prompt).is_some();
        let anthropic = traits.dialect == Dialect::Anthropic;
        let tokens = matches!(request.prompt, Prompt::Tokens(_));
        let refused = [
            ("send token ids", tokens && !traits.token_prompts),
            ("continue a text", !tokens && !chat && anthropic),
            ("set `top_k`", draws && top_k > 0 && traits.top_k.is_none()),
            ("set `min_p`", draws && min_p > 0.0 && traits.min_p.is_none()),
            ("set `repetition_penalty`", (repetition_penalty - 1.0).abs() > 0.0 && traits.repetition_penalty.is_none()),
            ("set a `temperature` above 1", anthropic && temperature > 1.0),
            ("set `seed`", draws && seed != 0 && !traits.seed),
            ("set `ignore_eos`", request.ignore_eos && traits.ignore_eos == IgnoreEos::No),
            ("hold the text of an answer to a grammar", request.constraint.is_some() && !traits.constraint),
            (
                "hold the text to a grammar where a prompt is continued and not answered as a chat",
                request.constraint.is_some() && !chat && traits.dialect == Dialect::OpenAi,
            ),
            ("offer tools", request.tools.is_some()),
            ("report log-probabilities", request.logprobs.is_some() && !traits.logprobs),
        ];
        match refused.into_iter().find(|(_, wanted)| *wanted) {
            Some((operation, _)) => Err(EngineError::Unsupported { operation, engine: "http".to_owned() }),
            None => Ok(()),
        }
    }

    fn openai(&self, request: &GenerateRequest, chat: bool) -> Body {
        let mut body = self.sampling(request, &request.stop, "stop");
        let limit_field = if chat { self.limit_field } else { "max_tokens" };
        body.insert(limit_field.to_owned(), json!(request.max_tokens));
        // Under a grammar a text ends when it is complete.
        if request.ignore_eos && request.constraint.is_none() {
            body.insert("ignore_eos".to_owned(), json!(true));
            if self.traits.ignore_eos == IgnoreEos::FieldAndMinTokens {
                body.insert("min_tokens".to_owned(), json!(request.max_tokens));
            }
        }
        match request.logprobs {
            Some(likeliest) if chat => {
                body.insert("logprobs".to_owned(), json!(true));
                body.insert("top_logprobs".to_owned(), json!(likeliest));
            }
            Some(likeliest) => drop(body.insert("logprobs".to_owned(), json!(likeliest))),
            None => {}
        }
        if self.delivery == Delivery::Stream && self.stream_usage != StreamUsage::Unasked {
            let mut options = json!({"include_usage": true});
            if self.reports_counts() {
                options["continuous_usage_stats"] = json!(true);
            }
            body.insert("stream_options".to_owned(), options);
        }
        body
    }

    /// Whether each chunk of a stream tells the count so far.
    pub(crate) fn reports_counts(&self) -> bool {
        self.traits.continuous_usage && self.stream_usage == StreamUsage::Preset
    }

    fn anthropic(&self, request: &GenerateRequest) -> Body {
        let mut body = self.sampling(request, &request.stop, "stop_sequences");
        body.insert("max_tokens".to_owned(), json!(request.max_tokens));
        body
    }

    fn ollama(&self, request: &GenerateRequest, chat: bool) -> Body {
        let mut options = self.sampling(request, &request.stop, "stop");
        options.insert("num_predict".to_owned(), json!(request.max_tokens));
        let mut body = Map::from_iter([("options".to_owned(), Value::Object(options))]);
        if !chat {
            // Without it the server would put the text into the chat template.
            body.insert("raw".to_owned(), json!(true));
        }
        body
    }

    /// The sampling values, under the server's names.
    fn sampling(&self, request: &GenerateRequest, stop: &[String], stop_field: &str) -> Body {
        let Sampling { temperature, top_k, top_p, min_p, repetition_penalty, seed } = request.sampling;
        let mut body = Map::from_iter([("temperature".to_owned(), number(temperature))]);
        // One is every server's own default, and some refuse it beside a temperature.
        if top_p < 1.0 || self.sets_own_defaults() {
            body.insert("top_p".to_owned(), number(top_p));
        }
        let mut put = |field: Option<Field>, value: Option<Value>| {
            let Some(field) = field else { return };
            if let Some(value) = value.or_else(|| field.off.map(Value::from)) {
                body.insert(field.name.to_owned(), value);
            }
        };
        put(self.traits.top_k, (top_k > 0).then(|| json!(top_k)));
        put(self.traits.min_p, (min_p > 0.0).then(|| number(min_p)));
        put(
            self.traits.repetition_penalty,
            ((repetition_penalty - 1.0).abs() > 0.0).then(|| number(repetition_penalty)),
        );
        // Greedy choice draws nothing, and a seed costs some servers their fast path.
        if self.traits.seed && temperature > 0.0 {
            body.insert("seed".to_owned(), json!(seed));
        }
        if !stop.is_empty() {
            body.insert(stop_field.to_owned(), json!(stop));
        }
        body
    }

    /// Whether the server has sampling defaults from a model's files or its command line.
    fn sets_own_defaults(&self) -> bool {
        self.traits.repetition_penalty.is_some()
    }
}

fn prompt(prompt: &Prompt) -> Value {
    match prompt {
        Prompt::Text(text) => json!(text),
        Prompt::Tokens(tokens) => json!(tokens),
        Prompt::Chat(_) => unreachable!("a conversation is sent as messages"),
    }
}

/// The number as it was typed: 0.7 and not 0.699999988079071.
fn number(value: f32) -> Value {
    value.to_string().parse().unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use weighbridge_engine::constraint::Grammar;
    use weighbridge_types::model_ref::Preset;
    use weighbridge_types::time::Clock;

    use super::*;
    use crate::preset::traits;

    fn write(preset: Preset, change: impl FnOnce(&mut GenerateRequest)) -> Result<(&'static str, Value), EngineError> {
        let mut request = GenerateRequest::new(Prompt::Text("hi".to_owned()), 8, Clock::start());
        change(&mut request);
        let writer = Writer::new(traits(preset), "127.0.0.1", "m".to_owned(), &HttpOptions::default());
        let call = writer.write(&request)?;
        Ok((call.path, serde_json::from_slice(&call.body).unwrap()))
    }

    #[test]
    fn each_server_is_asked_in_its_own_words() {
        let check = |preset, path: &str, expected: Value| {
            let (got_path, body) = write(preset, |request| {
                request.sampling.temperature = 0.7;
                request.sampling.seed = 3;
                request.stop = vec!["###".to_owned()];
                if preset == Preset::Anthropic {
                    request.sampling.seed = 0;
                }
            })
            .unwrap();
            assert_eq!((got_path, body), (path, expected), "{preset:?}");
        };
        let message = json!([{"role": "user", "content": "hi"}]);
        check(
            Preset::OpenAi,
            "/chat/completions",
            json!({"model": "m", "messages": message, "max_tokens": 8, "temperature": 0.7, "seed": 3,
                "stop": ["###"], "stream": true, "stream_options": {"include_usage": true}}),
        );
        check(
            Preset::Vllm,
            "/completions",
            json!({"model": "m", "prompt": "hi", "max_tokens": 8, "temperature": 0.7, "top_p": 1, "top_k": -1,
                "min_p": 0, "repetition_penalty": 1, "seed": 3, "stop": ["###"], "stream": true,
                "stream_options": {"include_usage": true, "continuous_usage_stats": true}}),
        );
        check(
            Preset::LlamaServer,
            "/completions",
            json!({"model": "m", "prompt": "hi", "max_tokens": 8, "temperature": 0.7, "top_p": 1, "top_k": 0,
                "min_p": 0, "repeat_penalty": 1, "seed": 3, "stop": ["###"], "stream": true,
                "stream_options": {"include_usage": true}}),
        );
        check(
            Preset::Anthropic,
            "/messages",
            json!({"model": "m", "messages": message, "max_tokens": 8, "temperature": 0.7,
                "stop_sequences": ["###"], "stream": true}),
        );
        check(
            Preset::Ollama,
            "/api/generate",
            json!({"model": "m", "prompt": "hi", "raw": true, "stream": true, "options": {"num_predict": 8,
                "temperature": 0.7, "top_p": 1, "top_k": 0, "min_p": 0, "repeat_penalty": 1, "seed": 3,
                "stop": ["###"]}}),
        );
    }

    #[test]
    fn ignore_eos_and_log_probabilities_are_asked_for() {
        let (_, body) = write(Preset::Vllm, |request| {
            request.ignore_eos = true;
            request.logprobs = Some(2);
        })
        .unwrap();
        assert_eq!((&body["ignore_eos"], &body["min_tokens"]), (&json!(true), &json!(8)));
        assert_eq!(body["logprobs"], json!(2));
        let (_, body) = write(Preset::OpenAi, |request| request.logprobs = Some(2)).unwrap();
        assert_eq!((&body["logprobs"], &body["top_logprobs"]), (&json!(true), &json!(2)));
    }

    #[test]
    fn a_grammar_is_passed_on_in_its_order() {
        let written = |preset, schema: Option<&str>| {
            let mut request = GenerateRequest::new(Prompt::Chat(Vec::new()), 8, Clock::start());
            let grammar = match schema {
                None => Grammar::json(),
                Some(schema) => Grammar::ordered(schema.parse().unwrap()).unwrap(),
            };
            request.constraint = Some(grammar);
            let writer = Writer::new(traits(preset), "127.0.0.1", "m".to_owned(), &HttpOptions::default());
            let body = writer.write(&request).unwrap().body;
            assert!(serde_json::from_slice::<Value>(&body).is_ok());
            String::from_utf8(body.to_vec()).unwrap()
        };
        let schema = r#"{"properties":{"z":{},"a":{}}}"#;
        let ends = |text: String, end: &str| assert!(text.ends_with(end), "{text}");
        ends(written(Preset::OpenAi, None), r#","response_format":{"type":"json_object"}}"#);
        let format = r#"{"type":"json_schema","json_schema":{"name":"answer","strict":true,"schema":"#;
        ends(written(Preset::Vllm, Some(schema)), &format!(r#","response_format":{format}{schema}}}}}}}"#));
        ends(written(Preset::Ollama, None), r#","format":"json"}"#);
        ends(written(Preset::Ollama, Some(schema)), &format!(r#","format":{schema}}}"#));
    }

    #[test]
    fn openai_itself_has_another_name_for_the_limit() {
        let openai = traits(Preset::OpenAi);
        let writer = Writer::new(openai, "api.openai.com", "m".to_owned(), &HttpOptions::default());
        let call = writer.write(&GenerateRequest::new(Prompt::Chat(Vec::new()), 8, Clock::start())).unwrap();
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        assert_eq!((&body["max_completion_tokens"], &body["max_tokens"]), (&json!(8), &Value::Null));
    }

    #[test]
    fn counts_are_asked_for_as_the_user_wants() {
        let check = |preset, stream_usage, expected: Value| {
            let options = HttpOptions { stream_usage, ..HttpOptions::default() };
            let writer = Writer::new(traits(preset), "h", "m".to_owned(), &options);
            let call = writer.write(&GenerateRequest::new(Prompt::Text(String::new()), 8, Clock::start())).unwrap();
            let body: Value = serde_json::from_slice(&call.body).unwrap();
            assert_eq!(body["stream_options"], expected, "{preset:?} {stream_usage:?}");
        };
        let each_chunk = json!({"include_usage": true, "continuous_usage_stats": true});
        check(Preset::Vllm, StreamUsage::Preset, each_chunk);
        check(Preset::OpenAi, StreamUsage::Preset, json!({"include_usage": true}));
        check(Preset::Vllm, StreamUsage::AtEnd, json!({"include_usage": true}));
        check(Preset::Vllm, StreamUsage::Unasked, Value::Null);
    }

    #[test]
    fn the_users_fields_come_last() {
        let extra_body = Map::from_iter([("temperature".to_owned(), json!(0.5)), ("priority".to_owned(), json!(1))]);
        let options = HttpOptions { extra_body, ..HttpOptions::default() };
        let writer = Writer::new(traits(Preset::Tgi), "h", "m".to_owned(), &options);
        let call = writer.write(&GenerateRequest::new(Prompt::Tokens(vec![1]), 8, Clock::start()));
        assert!(call.is_err(), "TGI takes no token ids");
        let call = writer.write(&GenerateRequest::new(Prompt::Text(String::new()), 8, Clock::start())).unwrap();
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        assert_eq!((&body["temperature"], &body["priority"]), (&json!(0.5), &json!(1)));
    }

    #[test]
    fn anthropic_takes_the_system_message_apart() {
        let message = |role, content: &str| Message { role, content: content.to_owned() };
        let chat = Prompt::Chat(vec![message(Role::System, "be brief"), message(Role::User, "hi")]);
        let (_, body) = write(Preset::Anthropic, |request| request.prompt = chat).unwrap();
        assert_eq!(body["system"], json!("be brief"));
        assert_eq!(body["messages"], json!([{"role": "user", "content": "hi"}]));
    }

    #[test]
    fn what_a_server_cannot_do_is_refused() {
        let check = |preset, change: fn(&mut GenerateRequest), part: &str| {
            let error = write(preset, change).unwrap_err().to_string();
            assert!(error.contains(part), "{preset:?}: {error}");
        };
        check(Preset::OpenAi, |request| request.ignore_eos = true, "`ignore_eos`");
        check(Preset::Ollama, |request| request.ignore_eos = true, "`ignore_eos`");
        check(Preset::Tgi, |request| request.sampling.repetition_penalty = 1.1, "`repetition_penalty`");
        let drawing = |request: &mut GenerateRequest| request.sampling.temperature = 0.5;
        let top_k: fn(&mut GenerateRequest) = |request| {
            request.sampling.temperature = 0.5;
            request.sampling.top_k = 40;
        };
        check(Preset::OpenAi, top_k, "`top_k`");
        check(Preset::Anthropic, |request| request.sampling.temperature = 1.5, "above 1");
        check(Preset::Anthropic, |request| request.logprobs = Some(1), "log-probabilities");
        check(Preset::Anthropic, |request| request.prompt = Prompt::Tokens(vec![1]), "token ids");
        let to_json = |request: &mut GenerateRequest| request.constraint = Some(Grammar::json());
        check(Preset::Anthropic, to_json, "to a grammar");
        check(Preset::Tgi, to_json, "to a grammar");
        check(Preset::Vllm, to_json, "prompt is continued");
        check(Preset::Vllm, |request| request.max_tokens = 0, "`max_tokens`");
        check(Preset::Vllm, |request| request.sampling.top_p = f32::NAN, "top_p");
        assert!(write(Preset::Anthropic, drawing).is_ok());
    }
}
