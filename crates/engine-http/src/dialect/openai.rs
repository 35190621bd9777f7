//! Answers of the OpenAI API, chat and text completions, streamed and whole.

use serde::Deserialize;
use serde_json::Value;
use weighbridge_engine::{Frame, RequestFailure};
use weighbridge_types::request::{Channel, FinishReason, Usage};

use super::skeleton::{Simple, Skeleton};
use super::{Signal, usage};
use crate::failure::{malformed, server_error};

/// Terminator of a stream.
const DONE: &str = "[DONE]";

#[derive(Deserialize)]
struct Chunk {
    choices: Option<Vec<Choice>>,
    usage: Option<UsageWire>,
    error: Option<Value>,
    object: Option<String>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Delta>,
    message: Option<Delta>,
    text: Option<String>,
    finish_reason: Option<String>,
    logprobs: Option<Logprobs>,
}

#[derive(Default, Deserialize)]
struct Delta {
    content: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Vec<ToolCall>>,
}

#[derive(Deserialize)]
struct ToolCall {
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<String>,
}

/// Both forms: the chat API's list of objects and the completions API's parallel lists.
#[derive(Deserialize)]
struct Logprobs {
    content: Option<Vec<TokenLogprob>>,
    token_logprobs: Option<Vec<Option<f32>>>,
}

#[derive(Deserialize)]
struct TokenLogprob {
    logprob: f32,
}

#[derive(Deserialize)]
struct UsageWire {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

/// Reads the answer to one request.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// Tokens that frames have accounted for, to tell a chunk's share from a running count.
    counted: u32,
    skeleton: Skeleton,
}

impl Decoder {
    /// Reads an event of a stream, or a whole answer.
    pub(crate) fn read(&mut self, event: &str, data: &str, signals: &mut Vec<Signal>) -> Result<(), RequestFailure> {
        if data == DONE {
            signals.push(Signal::Done);
            return Ok(());
        }
        if event == "error" {
            signals.push(Signal::Failed(server_error(data)));
            return Ok(());
        }
        if let Some(Simple { channel, text, counts }) = self.skeleton.read(data) {
            let mut frame = Frame { channel, ..Frame::answer(text, 1) };
            self.count(std::slice::from_mut(&mut frame), Vec::new(), counts);
            signals.push(Signal::Frame(frame));
            signals.extend(counts.map(Signal::Usage));
            return Ok(());
        }
        if data.is_empty() {
            return Ok(());
        }
        let before = signals.len();
        self.parse(data, signals)?;
        if let Some(simple) = simple_of(&signals[before..]) {
            self.skeleton.learn(data, &simple, |data, is_expected| {
                let mut signals = Vec::new();
                let parsed = Self::default().parse(data, &mut signals);
                parsed.is_ok() && simple_of(&signals).is_some_and(|simple| is_expected(&simple))
            });
        }
        Ok(())
    }

    /// Reads a chunk with the parser of JSON.
    fn parse(&mut self, data: &str, signals: &mut Vec<Signal>) -> Result<(), RequestFailure> {
        let chunk: Chunk = serde_json::from_str(data)
            .map_err(|error| malformed(&format!("a chunk is not as expected ({error})"), data))?;
        if chunk.error.is_some() || chunk.object.as_deref() == Some("error") {
            signals.push(Signal::Failed(server_error(data)));
            return Ok(());
        }
        let counts = chunk.usage.and_then(UsageWire::into_usage);
        // One choice is asked for; a server that sends more is not followed.
        if let Some(choice) = chunk.choices.unwrap_or_default().into_iter().next() {
            self.read_choice(choice, counts, data, signals);
        }
        signals.extend(counts.map(Signal::Usage));
        Ok(())
    }

    fn read_choice(&mut self, choice: Choice, counts: Option<Usage>, data: &str, signals: &mut Vec<Signal>) {
        let finish_reason = choice.finish_reason.filter(|reason| !reason.is_empty());
        if finish_reason.as_deref() == Some("error") {
            signals.push(Signal::Failed(server_error(data)));
            return;
        }
        let mut frames = choice.delta.or(choice.message).unwrap_or_default().into_frames(choice.text);
        let log_probabilities = choice.logprobs.map(Logprobs::into_values).unwrap_or_default();
        if frames.is_empty() && !log_probabilities.is_empty() {
            // A token whose text is held back until its character is whole.
            frames.push(Frame::answer(String::new(), 1));
        }
        self.count(&mut frames, log_probabilities, counts);
        signals.extend(frames.into_iter().map(Signal::Frame));
        signals.extend(finish_reason.map(|reason| Signal::Finish(finish(&reason))));
    }

    /// Gives the last frame of a chunk the tokens that the server tells: one per log-probability, or else what a
    /// running count has grown by. Other frames of the chunk keep one token each.
    fn count(&mut self, frames: &mut [Frame], log_probabilities: Vec<f32>, counts: Option<Usage>) {
        let others = u32::try_from(frames.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let Some(last) = frames.last_mut() else { return };
        let told = if log_probabilities.is_empty() {
            counts.map(|usage| usage.output_tokens.saturating_sub(self.counted))
        } else {
            u32::try_from(log_probabilities.len()).ok()
        };
        if let Some(tokens) = told {
            last.tokens = tokens.saturating_sub(others).max(1);
        }
        last.log_probabilities = log_probabilities;
        self.counted += last.tokens + others;
    }
}

/// What a chunk meant, if it is one that a skeleton can stand for: one frame without log-probabilities, and perhaps
/// counts.
fn simple_of(signals: &[Signal]) -> Option<Simple<'_>> {
    let (frame, counts) = match signals {
        [Signal::Frame(frame)] => (frame, None),
        [Signal::Frame(frame), Signal::Usage(counts)] => (frame, Some(*counts)),
        _ => return None,
    };
    let plain = frame.log_probabilities.is_empty() && !frame.text.is_empty();
    plain.then_some(Simple { channel: frame.channel, text: &frame.text, counts })
}

impl Delta {
    fn into_frames(self, text: Option<String>) -> Vec<Frame> {
        // Some servers send the same thinking under both names.
        let reasoning = self.reasoning_content.filter(|text| !text.is_empty()).or(self.reasoning);
        let answer = self.content.or(self.refusal).or(text);
        let calls = self.tool_calls.unwrap_or_default().into_iter().filter_map(|call| call.function);
        let calls: String = calls.flat_map(|call| [call.name, call.arguments]).flatten().collect();
        let parts = [(Channel::Reasoning, reasoning), (Channel::Answer, answer), (Channel::ToolCall, Some(calls))];
        let filled =
            parts.into_iter().filter_map(|(channel, text)| Some((channel, text.filter(|text| !text.is_empty())?)));
        filled.map(|(channel, text)| Frame { channel, ..Frame::answer(text, 1) }).collect()
    }
}

impl Logprobs {
    fn into_values(self) -> Vec<f32> {
        match (self.content, self.token_logprobs) {
            (Some(content), _) => content.into_iter().map(|token| token.logprob).collect(),
            (None, Some(values)) => values.into_iter().flatten().collect(),
            (None, None) => Vec::new(),
        }
    }
}

impl UsageWire {
    fn into_usage(self) -> Option<Usage> {
        let cached = self.prompt_tokens_details.and_then(|details| details.cached_tokens);
        let reasoning = self.completion_tokens_details.and_then(|details| details.reasoning_tokens);
        usage(self.prompt_tokens, self.completion_tokens, cached, reasoning)
    }
}

fn finish(reason: &str) -> FinishReason {
    match reason {
        "stop" | "eos" | "eos_token" | "stop_sequence" => FinishReason::Stop,
        "length" => FinishReason::Length,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(chunks: &[&str]) -> Vec<Signal> {
        let mut decoder = Decoder::default();
        let mut signals = Vec::new();
        for chunk in chunks {
            decoder.read("", chunk, &mut signals).unwrap();
        }
        signals
    }

    fn frames(chunks: &[&str]) -> Vec<(Channel, String, u32)> {
        let frame = |signal| match signal {
            Signal::Frame(frame) => Some((frame.channel, frame.text, frame.tokens)),
            _ => None,
        };
        read(chunks).into_iter().filter_map(frame).collect()
    }

    #[test]
    fn only_generated_text_makes_frames() {
        let check = |chunk: &str, expected: &[(Channel, &str)]| {
            let expected: Vec<_> = expected.iter().map(|(channel, text)| (*channel, (*text).to_owned(), 1)).collect();
            assert_eq!(frames(&[chunk]), expected, "{chunk}");
        };
        let (answer, reasoning, tool) = (Channel::Answer, Channel::Reasoning, Channel::ToolCall);
        check(r#"{"choices":[{"delta":{"role":"assistant"}}]}"#, &[]);
        check(r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#, &[]);
        check(r#"{"choices":[{"delta":{"content":null,"tool_calls":null}}]}"#, &[]);
        check(r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#, &[]);
        check(r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#, &[]);
        check(r#"{"choices":null}"#, &[]);
        check(r#"{"keep":"alive"}"#, &[]);
        check("", &[]);
        check(r#"{"choices":[{"delta":{"content":"a"}}]}"#, &[(answer, "a")]);
        check(r#"{"choices":[{"text":"a"}]}"#, &[(answer, "a")]);
        check(r#"{"choices":[{"message":{"content":"a"}}]}"#, &[(answer, "a")]);
        check(r#"{"choices":[{"delta":{"reasoning_content":"a"}}]}"#, &[(reasoning, "a")]);
        check(r#"{"choices":[{"delta":{"reasoning":"a"}}]}"#, &[(reasoning, "a")]);
        check(r#"{"choices":[{"delta":{"reasoning":"a","reasoning_content":"a"}}]}"#, &[(reasoning, "a")]);
        check(r#"{"choices":[{"delta":{"reasoning":"a","content":"b"}}]}"#, &[(reasoning, "a"), (answer, "b")]);
        check(
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":""}}]}}]}"#,
            &[(tool, "f")],
        );
        check(r#"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"{}"}}]}}]}"#, &[(tool, "{}")]);
    }

    #[test]
    fn log_probabilities_count_tokens() {
        let chunk =
            r#"{"choices":[{"delta":{"content":"ab"},"logprobs":{"content":[{"logprob":-1},{"logprob":-2}]}}]}"#;
        let [Signal::Frame(frame)] = &read(&[chunk])[..] else { panic!("one frame") };
        assert_eq!((frame.tokens, &frame.log_probabilities[..]), (2, &[-1.0, -2.0][..]));
        let list = r#"{"choices":[{"text":"ab","logprobs":{"token_logprobs":[-1,-2,-3]}}]}"#;
        assert_eq!(frames(&[list])[0].2, 3);
        let held_back = r#"{"choices":[{"delta":{"content":""},"logprobs":{"content":[{"logprob":-1}]}}]}"#;
        assert_eq!(frames(&[held_back]), [(Channel::Answer, String::new(), 1)]);
    }

    #[test]
    fn a_running_count_tells_the_tokens_of_a_chunk() {
        let chunk = |text: &str, total: u32| {
            format!(r#"{{"choices":[{{"text":"{text}"}}],"usage":{{"prompt_tokens":9,"completion_tokens":{total}}}}}"#)
        };
        let chunks = [chunk("a", 1), chunk("", 2), chunk("b", 4), chunk("c", 5), chunk("", 6)];
        let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
        let tokens: Vec<u32> = frames(&chunks).iter().map(|frame| frame.2).collect();
        assert_eq!(tokens, [1, 3, 1]);
    }

    #[test]
    fn the_rest_is_understood() {
        let details = r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,
            "prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}}"#;
        let expected =
            Usage { input_tokens: 7, output_tokens: 3, cached_input_tokens: Some(4), reasoning_tokens: Some(2) };
        assert_eq!(read(&[details, "[DONE]"]), [Signal::Usage(expected), Signal::Done]);
        let check = |reason: &str, expected| {
            let chunk = format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":"{reason}"}}]}}"#);
            assert_eq!(read(&[&chunk]), [Signal::Finish(expected)]);
        };
        check("stop", FinishReason::Stop);
        check("eos_token", FinishReason::Stop);
        check("length", FinishReason::Length);
        check("tool_calls", FinishReason::ToolCalls);
        check("content_filter", FinishReason::ContentFilter);
        check("abort", FinishReason::Other);
    }

    /// Chunks as servers send them; `{}` stands for the text, `#` for counts that grow.
    const SHAPES: [&str; 6] = [
        r#"{"choices":[{"delta":{"content":{}},"finish_reason":null,"index":0}],"model":"scripted"}"#,
        r#"{"id":"c-1","choices":[{"index":0,"delta":{"content":{}}}],"usage":{"prompt_tokens":9,"total_tokens":1#,"completion_tokens":#}}"#,
        r#"{"choices":[{"text":{},"logprobs":null}],"usage": {"prompt_tokens": 9, "completion_tokens": #, "prompt_tokens_details": {"cached_tokens": 4}}}"#,
        r#"{"note":"a","choices":[{"delta":{"reasoning_content":{},"content":null}}]}"#,
        r#"{"note":{"content":{}},"choices":[{"delta":{"content":{}}}]}"#,
        r#"{"choices":[{"delta":{"content":{}},"logprobs":{"content":[{"logprob":-1}]}}],"usage":null}"#,
    ];

    fn chunk(shape: usize, text: &str, number: usize) -> String {
        let text = serde_json::to_string(text).unwrap();
        SHAPES[shape].replace("{}", &text).replace('#', &(number * 7).to_string())
    }

    /// The signals of chunks with and without what a decoder learns.
    fn both(chunks: &[String]) -> (Vec<Signal>, Vec<Signal>) {
        let (mut short, mut long) = (Decoder::default(), Decoder::default());
        let (mut by_skeleton, mut by_parser) = (Vec::new(), Vec::new());
        for chunk in chunks {
            let read = short.read("", chunk, &mut by_skeleton).is_ok();
            assert_eq!(read, long.parse(chunk, &mut by_parser).is_ok(), "{chunk}");
        }
        (by_skeleton, by_parser)
    }

    #[test]
    fn the_short_way_is_taken_where_chunks_are_alike() {
        for shape in 0..SHAPES.len() {
            let mut decoder = Decoder::default();
            decoder.read("", &chunk(shape, "first", 1), &mut Vec::new()).unwrap();
            let next = chunk(shape, "second", 20);
            assert_eq!(decoder.skeleton.read(&next).is_some(), shape < 4, "{next}");
            for text in ["", "a\"b", "a\\", "a\nb"] {
                assert_eq!(decoder.skeleton.read(&chunk(shape, text, 3)), None, "{text}");
            }
        }
    }

    #[test]
    fn broken_chunks_do_not_take_the_short_way() {
        let whole = chunk(1, "first", 1);
        let broken: Vec<String> = (0..whole.len()).map(|end| whole[..end].to_owned()).collect();
        let odd = [whole.replace("9,", "09,"), whole.replace(":7}", ":7e1}"), whole.replace("first", "a\u{1}b")];
        for chunk in broken.into_iter().chain(odd) {
            let mut decoder = Decoder::default();
            decoder.read("", &whole, &mut Vec::new()).unwrap();
            assert_eq!(decoder.skeleton.read(&chunk), None, "{chunk}");
        }
    }

    proptest! {
        #[test]
        fn both_ways_read_the_same(
            chunks in prop::collection::vec((0..SHAPES.len(), "[a-z\"\\\\\u{1}äß€🦀 ~]{0,4}", 0usize..400), 1..12),
            damage in prop::collection::vec((0usize..12, 0usize..200, "[\"\\\\}0a]"), 0..3),
        ) {
            // Mostly one shape after another, so that skeletons are met.
            let mut chunks: Vec<String> = chunks.iter().map(|(shape, text, number)| chunk(*shape, text, *number))
                .flat_map(|chunk| [chunk.clone(), chunk]).collect();
            for (which, place, with) in damage {
                let which = which % chunks.len();
                let place = place % chunks[which].len();
                if chunks[which].is_char_boundary(place) {
                    chunks[which].insert_str(place, &with);
                }
            }
            let (short, long) = both(&chunks);
            prop_assert_eq!(short, long);
        }
    }

    #[test]
    fn errors_in_the_stream_are_failures() {
        let check = |chunk: &str, part: &str| {
            let [Signal::Failed(failure)] = &read(&[chunk])[..] else { panic!("{chunk}") };
            assert!(failure.message.contains(part), "{}", failure.message);
        };
        check(r#"{"error":{"message":"out of memory","code":500}}"#, "out of memory");
        check(r#"{"object":"error","message":"too long"}"#, "too long");
        check(r#"{"choices":[{"delta":{},"finish_reason":"error"}]}"#, "error");
        let error = Decoder::default().read("", r#"{"choices":[{"del"#, &mut Vec::new()).unwrap_err();
        assert_eq!(error.class, weighbridge_types::request::FailureClass::Malformed);
    }
}
