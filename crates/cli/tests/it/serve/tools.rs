//! Tools that are offered to models of this process, in three dialects.

use std::path::Path;

use serde_json::{Value, json};

use super::faults::tiny;
use super::process::{Process, conversation, streamed};

/// The parts of Qwen's template that know tools.
const TEMPLATE: &str = "{%- if tools %}{{- '# Tools\\n' }}{%- for tool in tools %}{{- tool | tojson }}{{- '\\n' }}{%- endfor %}{%- endif %}\
    {%- for message in messages %}{{- message.role + ': ' + message.content }}{%- for call in message.tool_calls %}\
    {{- '<tool_call>' }}{{- call.function | tojson }}{{- '</tool_call>' }}{%- endfor %}{{- '\\n' }}{%- endfor %}{{- 'assistant:' }}";

/// Writes `tiny` with a chat template that knows tools: one more entry before the others, whose own is given another name. Its length is a
/// multiple of the alignment, so that the weights stay where they are told to be.
pub(super) fn write_caller(path: &Path) {
    const KEY: &[u8] = b"tokenizer.chat_template";
    const HEADER: usize = 24;
    let mut file = std::fs::read(tiny()).unwrap();
    let old = file.windows(KEY.len()).position(|window| window == KEY).unwrap();
    file[old + KEY.len() - 1] = b'_';
    let fixed = 8 + KEY.len() + 4 + 8;
    let length = (fixed + TEMPLATE.len()).next_multiple_of(32) - fixed;
    let padding = length - TEMPLATE.len();
    // White space within a tag is none of the text.
    let template = TEMPLATE.replacen("{%- if", &format!("{{%-{} if", " ".repeat(padding)), 1);
    let mut entry = Vec::from((KEY.len() as u64).to_le_bytes());
    entry.extend_from_slice(KEY);
    entry.extend_from_slice(&8_u32.to_le_bytes());
    entry.extend_from_slice(&(template.len() as u64).to_le_bytes());
    entry.extend_from_slice(template.as_bytes());
    assert_eq!(entry.len() % 32, 0);
    let count = u64::from_le_bytes(file[16..HEADER].try_into().unwrap()) + 1;
    file[16..HEADER].copy_from_slice(&count.to_le_bytes());
    file.splice(HEADER..HEADER, entry);
    std::fs::write(path, file).unwrap();
}

fn parameters() -> Value {
    json!({
        "type": "object",
        "properties": {"place": {"$ref": "#/$defs/place"}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
        "required": ["place", "days"],
        "additionalProperties": false,
        "$defs": {"place": {"enum": ["here", "there"]}},
    })
}

fn functions() -> Value {
    let weather = json!({"name": "weather", "description": "How it will be.", "parameters": parameters()});
    let time =
        json!({"name": "time", "parameters": {"type": "object", "properties": {}, "additionalProperties": false}});
    json!([{"type": "function", "function": weather}, {"type": "function", "function": time}])
}

/// The arguments of `weather`, which must fit.
fn check_weather(arguments: &Value) {
    assert!(["here", "there"].contains(&arguments["place"].as_str().unwrap()), "{arguments}");
    assert!((1..=9).contains(&arguments["days"].as_i64().unwrap()), "{arguments}");
    assert_eq!(arguments.as_object().unwrap().len(), 2, "{arguments}");
}

#[test]
fn a_call_that_is_wanted_fits_its_schema_in_every_dialect() {
    let folder = tempfile::tempdir().unwrap();
    write_caller(&folder.path().join("caller.gguf"));
    let server = Process::serve(folder.path(), &["--model", "caller=gguf:caller.gguf", "--model", "tiny"]);
    let with = |mut body: Value, more: Value| {
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let named = json!({"type": "function", "function": {"name": "weather"}});
    for seed in 0..3 {
        let more = json!({"tools": functions(), "tool_choice": named, "seed": seed});
        let answer = server.post("/v1/chat/completions", &with(conversation("caller", 200), more.clone())).succeeded();
        let choice = &answer["choices"][0];
        assert_eq!((&choice["finish_reason"], &choice["message"]["content"]), (&json!("tool_calls"), &Value::Null));
        let call = &choice["message"]["tool_calls"][0];
        assert_eq!((&call["type"], &call["function"]["name"]), (&json!("function"), &json!("weather")), "{answer}");
        check_weather(&serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap());
        let text = server.post("/v1/chat/completions", &with(streamed("caller", 200), more)).text();
        let events = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
        let events: Vec<Value> = events.map(|data| serde_json::from_str(data).unwrap()).collect();
        let made = events.iter().find(|event| event["choices"][0]["delta"]["tool_calls"].is_array()).unwrap();
        let streamed = &made["choices"][0]["delta"]["tool_calls"][0];
        assert_eq!((&streamed["index"], &streamed["function"]), (&json!(0), &call["function"]), "{text}");
        assert_eq!(events.last().unwrap()["choices"][0]["finish_reason"], "tool_calls", "{text}");
        assert!(!text.contains("\\\"name\\\""), "no part of the call is text: {text}");
    }
    let any = json!({"tools": functions(), "tool_choice": "required", "seed": 4});
    let answer = server.post("/v1/chat/completions", &with(conversation("caller", 200), any)).succeeded();
    let name = answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"].clone();
    assert!(["weather", "time"].contains(&name.as_str().unwrap()), "{answer}");

    let tools = json!([{"name": "weather", "input_schema": parameters()}]);
    let more = json!({"tools": tools, "tool_choice": {"type": "tool", "name": "weather"}});
    let answer = server.post("/v1/messages", &with(conversation("caller", 200), more.clone())).succeeded();
    assert_eq!(answer["stop_reason"], "tool_use", "{answer}");
    let block = &answer["content"][0];
    assert_eq!((&block["type"], &block["name"]), (&json!("tool_use"), &json!("weather")), "{answer}");
    check_weather(&block["input"]);
    // What a client says next: the call and what came of it.
    let turns = json!([
        {"role": "user", "content": "web1 is"},
        {"role": "assistant", "content": answer["content"]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": block["id"], "content": "rain"}]},
    ]);
    let next = with(conversation("caller", 4), json!({"tools": tools, "messages": turns}));
    assert_eq!(server.post("/v1/messages", &next).succeeded()["type"], "message");
    let counted = server.post("/v1/messages/count_tokens", &next).succeeded();
    let shorter = server.post("/v1/messages/count_tokens", &conversation("caller", 4)).succeeded();
    assert!(counted["input_tokens"].as_u64() > shorter["input_tokens"].as_u64(), "{counted} {shorter}");

    // Ollama's requests name no choice: what the model writes is text or a call.
    let more = json!({"tools": functions(), "stream": false, "options": {"num_predict": 8, "seed": 1}});
    let answer = server.post("/api/chat", &with(conversation("caller", 8), more)).succeeded();
    assert_eq!(answer["message"]["role"], "assistant", "{answer}");
}

#[test]
fn a_model_without_a_place_for_tools_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &["--model", "tiny", "--model", "script=scripted:ttft=0ms,itl=0ms"]);
    for (path, tools) in [
        ("/v1/chat/completions", functions()),
        ("/v1/messages", json!([{"name": "weather", "input_schema": parameters()}])),
        ("/api/chat", functions()),
    ] {
        for model in ["tiny", "script"] {
            let mut body = conversation(model, 4);
            body["tools"] = tools.clone();
            let refused = server.post(path, &body);
            assert_eq!(refused.status, 400, "{path}");
            assert!(refused.text().contains(&format!("failed to offer tools to `{model}`")), "{}", refused.text());
        }
    }
}
