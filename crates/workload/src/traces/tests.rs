use std::collections::HashSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use proptest::prelude::*;
use weighbridge_engine::{Message, Prompt, Role};
use weighbridge_types::metric::Cell;
use weighbridge_types::request::{FinishReason, Outcome, RequestRow, Timeline, Turn, Usage};
use weighbridge_types::time::Stamp;

use super::*;
use crate::distributions::LengthDistribution;
use crate::synthetic::{PromptShape, TextPool};
use crate::traffic::{Session, TurnPrompt};

/// Defaults, with one pool for all tests: to make one takes a while.
fn settings() -> TraceSettings {
    static POOL: LazyLock<Arc<TextPool>> = LazyLock::new(Arc::default);
    TraceSettings::new(Arc::clone(&POOL))
}

/// `mooncake` or `sharegpt?mode=turns`.
fn kind_with(text: &str) -> TraceKind {
    let (name, options) = text.split_once('?').unwrap_or((text, ""));
    let spec = if options.is_empty() { format!("{name}:file") } else { format!("{name}:file?{options}") };
    match spec.parse().unwrap() {
        DataSpec::Trace(spec) => spec.kind,
        other => panic!("no trace: {other:?}"),
    }
}

fn open_with(kind: &str, input: &[u8], settings: &TraceSettings) -> Result<OpenedTrace, String> {
    let name = if kind == "prompts" { "file.jsonl" } else { "file" };
    read_trace(&kind_with(kind), input, name, settings).map_err(|error| {
        assert!(!error.hint().is_empty());
        error.to_string()
    })
}

fn open(kind: &str, input: &str) -> OpenedTrace {
    open_with(kind, input.as_bytes(), &settings()).unwrap()
}

fn sessions(trace: &OpenedTrace) -> Vec<Session> {
    (0..trace.traffic.count().unwrap()).map(|index| trace.traffic.session(index).unwrap()).collect()
}

/// Beginning in milliseconds, words of the first prompt, output tokens.
fn shapes(trace: &OpenedTrace) -> Vec<(Option<u128>, usize, u32)> {
    let shape = |session: Session| {
        let turn = &session.turns[0];
        (session.at.map(|at| at.as_millis()), text(turn.prompt.clone()).split(' ').count(), turn.output_tokens)
    };
    sessions(trace).into_iter().map(shape).collect()
}

fn text(prompt: TurnPrompt) -> String {
    match prompt {
        TurnPrompt::Whole(Prompt::Text(text)) => text,
        TurnPrompt::Whole(Prompt::Chat(messages)) | TurnPrompt::Continue(messages) => {
            messages.into_iter().map(|message| message.content).collect::<Vec<_>>().join("|")
        }
        TurnPrompt::Whole(Prompt::Tokens(_)) => panic!("no reader makes tokens"),
    }
}

const MOONCAKE: &str = "\u{feff}{\"timestamp\": 0, \"input_length\": 6, \"output_length\": 3, \"hash_ids\": [1, 2]}\r\n\
\r\n\
{\"timestamp\": 1500, \"input_length\": 7, \"output_length\": 4, \"hash_ids\": [1, 3]}\r\n\
{\"timestamp\": 3000, \"input_length\": 5, \"output_length\": 5, \"hash_ids\": [9, 2]}";

#[test]
fn mooncake_traces_give_times_and_lengths() {
    let trace = open("mooncake?block=4", MOONCAKE);
    assert_eq!(shapes(&trace), [(Some(0), 6, 3), (Some(1500), 7, 4), (Some(3000), 5, 5)]);
    assert!(trace.is_timed && trace.notes.is_empty());
    let seconds =
        open("bailian", "{\"chat_id\":1,\"timestamp\":61.5,\"input_length\":2,\"output_length\":1,\"hash_ids\":[-4]}");
    assert_eq!(shapes(&seconds), [(Some(0), 2, 1)]);
}

#[test]
fn equal_block_names_give_equal_prefixes() {
    let trace = |salt| {
        let settings = TraceSettings { salt, ..settings() };
        let trace = open_with("mooncake?block=4", MOONCAKE.as_bytes(), &settings).unwrap();
        sessions(&trace).into_iter().map(|session| text(session.turns[0].prompt.clone())).collect::<Vec<_>>()
    };
    let texts = trace(Some(1));
    let start = |text: &str| text.split(' ').take(4).collect::<Vec<_>>().join(" ");
    assert_eq!(start(&texts[0]), start(&texts[1]));
    assert_ne!(start(&texts[0]), start(&texts[2]));
    assert_ne!(texts[0].split(' ').nth(4), texts[1].split(' ').nth(4));
    // The same name at the same place gives the same text, whatever came before.
    assert_eq!(texts[0].split(' ').nth(4), texts[2].split(' ').nth(4));
    assert_eq!(texts, trace(Some(1)));
    assert_ne!(start(&texts[0]), start(&trace(Some(2))[0]));
    assert_ne!(start(&texts[0]), start(&trace(None)[0]));
}

#[test]
fn prompts_longer_than_their_blocks_end_in_their_own_words() {
    let row = "{\"input_length\": 12, \"output_length\": 3, \"hash_ids\": [1]}\n";
    let trace = open("mooncake?block=4", &row.repeat(2));
    let texts: Vec<String> = sessions(&trace).into_iter().map(|s| text(s.turns[0].prompt.clone())).collect();
    assert!(!trace.is_timed);
    assert_eq!(texts[0].split(' ').count(), 12);
    assert_eq!(texts[0].split(' ').take(4).collect::<Vec<_>>(), texts[1].split(' ').take(4).collect::<Vec<_>>());
    assert_ne!(texts[0], texts[1]);
}

#[test]
fn rows_of_a_session_are_a_conversation() {
    let input = "{\"session_id\":\"a\",\"timestamp\":5,\"input_length\":6,\"output_length\":3}\n\
                 {\"session_id\":\"b\",\"timestamp\":7,\"input_length\":2,\"output_length\":3}\n\
                 {\"session_id\":\"a\",\"delay\":250,\"input_length\":4,\"output_length\":9}\n\
                 {\"session_id\":\"a\",\"input_length\":1,\"output_length\":1}\n\
                 {\"timestamp\":9,\"input_length\":8,\"output_length\":3}\n";
    let trace = open("mooncake", input);
    assert_eq!(trace.notes, [TraceNote::NoDelay(1)]);
    let made = sessions(&trace);
    let counts: Vec<usize> = made.iter().map(|session| session.turns.len()).collect();
    assert_eq!(counts, [3, 1, 1]);
    let turn = &made[0].turns[1];
    assert_eq!((turn.follows.as_slice(), turn.think, turn.output_tokens), (&[0][..], Duration::from_millis(250), 9));
    assert!(matches!(&turn.prompt, TurnPrompt::Continue(messages) if messages[0].content.split(' ').count() == 4));
    assert_eq!(text(made[2].turns[0].prompt.clone()).split(' ').count(), 8);
}

#[test]
fn odd_times_and_lengths_are_noted() {
    let check = |kind: &str, input: &str, times: &[u128], notes: &[TraceNote]| {
        let trace = open(kind, input);
        let found: Vec<u128> = shapes(&trace).iter().map(|(at, ..)| at.unwrap()).collect();
        assert_eq!((found.as_slice(), trace.notes.as_slice()), (times, notes), "{input}");
        assert!(trace.notes.iter().all(|note| !note.to_string().is_empty()));
    };
    let row = |at: i64, input: u32, output: u32| {
        format!("{{\"timestamp\":{at},\"input_length\":{input},\"output_length\":{output}}}\n")
    };
    check("mooncake", &(row(50, 1, 1) + &row(-50, 1, 1) + &row(10, 1, 1)), &[0, 60, 100], &[TraceNote::OutOfOrder(1)]);
    check(
        "mooncake",
        &(row(5, 1, 0) + &row(6, 0, 1) + &row(7, 1, 1)),
        &[0],
        &[TraceNote::NoInput(1), TraceNote::NoOutput(1)],
    );
    let table = "\u{feff}Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\r\n\
                 5,ChatGPT,472,18,490,Conversation log\r\n\
                 45.5,\"GPT-4\",1087,0,1317,API log\r\n\
                 \r\n\
                 118,GPT-4,417.0,276,693,Conversation log";
    check("burstgpt", table, &[0, 113_000], &[TraceNote::NoOutput(1)]);
    check("burstgpt?model=GPT-4", table, &[0], &[TraceNote::Filtered(1), TraceNote::NoOutput(1)]);
    let azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n\
                 2023-11-16 23:59:59.9799600,4808,10\n\
                 2023-11-17 00:00:01.0799600+00:00,110,27\n";
    check("azure", azure, &[0, 1100], &[]);
}

#[test]
fn windows_speeds_and_rounds_are_applied() {
    let rows: String = (0..10)
        .map(|at| format!("{{\"timestamp\":{},\"input_length\":9,\"output_length\":{}}}\n", at * 100, at + 1))
        .collect();
    let check = |options: TraceOptions, expected: &[(Option<u128>, u32)]| {
        let settings = TraceSettings { options, ..settings() };
        let trace = open_with("mooncake", rows.as_bytes(), &settings).unwrap();
        let made = (0..u64::try_from(expected.len()).unwrap()).map(|index| trace.traffic.session(index).unwrap());
        let found: Vec<_> = made.map(|s| (s.at.map(|at| at.as_millis()), s.turns[0].output_tokens)).collect();
        assert_eq!(found, expected);
        trace.traffic.count()
    };
    let millis = Duration::from_millis;
    let window = TraceOptions { start: millis(300), end: Some(millis(600)), ..TraceOptions::default() };
    let three = [(Some(0), 4), (Some(100), 5), (Some(200), 6)];
    assert_eq!(check(window.clone(), &three), Some(3));
    assert_eq!(
        check(TraceOptions { speed: 2.0, ..window.clone() }, &[(Some(0), 4), (Some(50), 5), (Some(100), 6)]),
        Some(3)
    );
    let endless = TraceOptions { wrap: Wrap::Repeat, ..window.clone() };
    let rounds = [three[0], three[1], three[2], (Some(300), 4), (Some(400), 5), (Some(500), 6), (Some(600), 4)];
    assert_eq!(check(endless.clone(), &rounds), None);
    // A limit holds for the sessions played, those of later rounds included.
    assert_eq!(check(TraceOptions { limit: Some(2), ..window.clone() }, &three[..2]), Some(2));
    assert_eq!(check(TraceOptions { limit: Some(5), ..endless }, &rounds[..5]), Some(5));
    assert_eq!(check(TraceOptions { timing: Timing::Ignore, ..window }, &[(None, 4), (None, 5), (None, 6)]), Some(3));
    let order = |seed| {
        let options = TraceOptions { timing: Timing::Ignore, shuffle: Some(seed), ..TraceOptions::default() };
        let trace = open_with("mooncake", rows.as_bytes(), &TraceSettings { options, ..settings() }).unwrap();
        shapes(&trace).into_iter().map(|(_, _, output)| output).collect::<Vec<_>>()
    };
    assert_ne!(order(1), order(2));
    assert_eq!(order(1), order(1));
    assert_eq!(order(1).iter().collect::<HashSet<_>>().len(), 10);
}

#[test]
fn later_rounds_have_other_texts() {
    let options = TraceOptions { wrap: Wrap::Repeat, ..TraceOptions::default() };
    let trace = open_with("mooncake?block=4", MOONCAKE.as_bytes(), &TraceSettings { options, ..settings() }).unwrap();
    let made = |index| text(trace.traffic.session(index).unwrap().turns[0].prompt.clone());
    let start = |text: String| text.split(' ').take(4).collect::<Vec<_>>().join(" ");
    assert_ne!(start(made(0)), start(made(3)));
    assert_eq!(start(made(3)), start(made(4)));
}

const SHAREGPT: &str = r#"[
 {"id": "a", "conversations": [{"from": "human", "value": "one two three four five"}, {"from": "gpt", "value": "answer one, in sixteen"},
   {"from": "human", "value": "more"}, {"from": "gpt", "value": "ok"}]},
 {"id": "b", "conversations": [{"from": "gpt", "value": "a leftover"}, {"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]},
 {"id": "c", "conversations": [{"from": "human", "value": "never answered"}]},
 {"id": "d", "conversations": [{"from": "system", "value": "be brief"}, {"from": "user", "value": "x"}, {"from": "assistant", "value": "y"}]},
 {"id": "e", "conversations": []}
]"#;

#[test]
fn sharegpt_is_read_in_its_modes() {
    let check = |kind: &str, expected: &[&[(&str, u32)]]| {
        let trace = open(kind, SHAREGPT);
        let turns = |session: Session| {
            session.turns.into_iter().map(|turn| (text(turn.prompt), turn.output_tokens)).collect::<Vec<_>>()
        };
        let found: Vec<Vec<(String, u32)>> = sessions(&trace).into_iter().map(turns).collect();
        let owned = |turns: &&[(&str, u32)]| turns.iter().map(|(text, tokens)| ((*text).to_owned(), *tokens)).collect();
        assert_eq!(found, expected.iter().map(owned).collect::<Vec<Vec<_>>>(), "{kind}");
        assert!(trace.notes.contains(&TraceNote::NoAnswer(2)) && !trace.is_timed);
    };
    let first: &[(&str, u32)] = &[("one two three four five", 6)];
    check("sharegpt", &[first, &[("hi", 2)], &[("be brief|x", 1)]]);
    check("sharegpt?mode=filtered", &[first]);
    check("sharegpt?mode=turns", &[&[("one two three four five", 6), ("more", 1)], &[("hi", 2)], &[("be brief|x", 1)]]);
}

#[test]
fn a_limit_counts_what_the_filter_keeps() {
    let entry = |words: usize| {
        let value = "word ".repeat(words);
        format!(r#"{{"conversations": [{{"from":"human","value":"{value}"}},{{"from":"gpt","value":"{value}"}}]}}"#)
    };
    let file = format!("[{}]", [entry(1), entry(5), entry(3000), entry(6), entry(1), entry(7)].join(","));
    let options = TraceOptions { limit: Some(2), ..TraceOptions::default() };
    let trace = open_with("sharegpt?mode=filtered", file.as_bytes(), &TraceSettings { options, ..settings() }).unwrap();
    assert_eq!(trace.traffic.count(), Some(2));
    assert!(trace.notes.contains(&TraceNote::Filtered(2)));
}

#[test]
fn chat_requests_are_read() {
    let input = r#"{"messages":[{"role":"developer","content":"s"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}],"max_tokens":7,"timestamp":10,"model":"m"}
{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":null},{"role":"tool","content":"t"}],"max_completion_tokens":8,"timestamp":35}
"#;
    let trace = open("messages", input);
    let made = sessions(&trace);
    let message = |role, content: &str| Message { role, content: content.to_owned() };
    let expected = Prompt::Chat(vec![message(Role::System, "s"), message(Role::User, "ab")]);
    assert_eq!(made[0].turns[0].prompt, TurnPrompt::Whole(expected));
    assert_eq!(made[1].at, Some(Duration::from_millis(25)));
    assert_eq!((made[0].turns[0].output_tokens, made[1].turns[0].output_tokens), (7, 8));
    let turns = r#"{"session_id":"s","max_tokens":5,"turns":[{"text":"a","delay":9},{"text":"b","delay":1500,"max_tokens":6}]}"#;
    let made = sessions(&open("messages", turns)).remove(0);
    assert_eq!(made.turns.iter().map(|turn| turn.output_tokens).collect::<Vec<_>>(), [5, 6]);
    assert_eq!((made.turns[0].think, made.turns[1].think), (Duration::ZERO, Duration::from_millis(1500)));
    assert_eq!(made.turns[1].follows, [0]);
}

#[test]
fn output_lengths_come_from_file_or_settings() {
    let rows = "{\"prompt\":\"a\",\"max_tokens\":5}\n{\"prompt\":\"b\"}\n";
    let check = |default: Option<u32>, instead: Option<u32>, expected: Result<&[u32], &str>| {
        let settings = TraceSettings {
            output_default: default.map(LengthDistribution::Fixed),
            output_instead: instead.map(LengthDistribution::Fixed),
            ..settings()
        };
        let found = open_with("prompts", rows.as_bytes(), &settings)
            .map(|trace| sessions(&trace).iter().map(|session| session.turns[0].output_tokens).collect::<Vec<_>>());
        match expected {
            Ok(expected) => assert_eq!(found.as_deref(), Ok(expected)),
            Err(part) => assert!(found.unwrap_err().contains(part)),
        }
    };
    check(Some(9), None, Ok(&[5, 9]));
    check(None, Some(7), Ok(&[7, 7]));
    check(Some(9), Some(7), Ok(&[7, 7]));
    check(None, None, Err("line 2: nothing says how many output tokens to ask for"));
    check(Some(0), None, Err("the option `output` is `0`"));
}

fn row(
    id: u64,
    planned: u64,
    turn: Option<Turn>,
    planned_tokens: Option<u32>,
    usage: Option<(u32, u32)>,
) -> RequestRow {
    let at = |millis: u64| Stamp::from_nanos(millis * 1_000_000);
    let timeline = Timeline { planned: at(planned), ended: Some(at(planned + 50)), ..Timeline::default() };
    let outcome = Outcome::Succeeded { finish: FinishReason::Length };
    let usage = usage.map(|(input_tokens, output_tokens)| Usage { input_tokens, output_tokens, ..Usage::default() });
    let row = RequestRow::new(id, Cell::default().with("group", "victim"), 20, timeline, outcome);
    RequestRow { turn, planned_input_tokens: planned_tokens, usage, ..row }
}

#[test]
fn recorded_runs_are_played_again() {
    let turn = |turn| Some(Turn { session: 4, turn });
    let rows = vec![
        RequestRow { warmup: true, ..row(0, 0, None, Some(9), None) },
        row(1, 1000, None, Some(9), None),
        row(2, 1200, turn(0), None, Some((10, 20))),
        row(3, 1900, turn(1), None, Some((37, 20))),
        row(4, 1100, None, None, None),
        row(5, 1100, None, None, Some((3, 20))),
    ];
    let trace = Replay::from_rows(rows, "run", &settings()).unwrap();
    assert_eq!(shapes(&trace), [(Some(0), 9, 20), (Some(100), 3, 20), (Some(200), 10, 20)]);
    assert_eq!(trace.notes, [TraceNote::NoInput(1), TraceNote::OutOfOrder(1)]);
    let made = sessions(&trace);
    assert_eq!(made[0].group.as_deref(), Some("victim"));
    let later = &made[2].turns[1];
    // 1900 planned, 1250 the end of the one before; 37 tokens less the 30 before.
    assert_eq!((later.think, text(later.prompt.clone()).split(' ').count()), (Duration::from_millis(650), 7));
    assert!(Replay::from_rows([], "run", &settings()).is_err());
}

#[test]
fn wrong_traces_name_the_place() {
    let check = |kind: &str, input: &[u8], expected: &str| {
        let found = open_with(kind, input, &settings()).unwrap_err();
        let name = if kind == "prompts" { "file.jsonl" } else { "file" };
        assert_eq!(found, format!("read the trace `{name}`{expected}"), "{}", String::from_utf8_lossy(input));
    };
    let good = "{\"timestamp\":0,\"input_length\":1,\"output_length\":1}\n";
    let after_good = |rest: &str| format!("{good}\r\n{rest}").into_bytes();
    check("mooncake", b"", ": there is no request in it, or none within the window");
    check(
        "mooncake",
        b"{\"input_length\":0,\"output_length\":1}",
        ": there is no request in it, or none within the window",
    );
    check("mooncake", &after_good("{\"input_le"), ", line 3: the last line ends in the middle of its record");
    check("mooncake", &after_good("{\"input_le\n"), ", line 3, column 10: EOF while parsing a string");
    check("mooncake", &after_good("{\"output_length\":1}"), ", line 3: there is no `input_length`");
    check(
        "mooncake",
        &after_good("{\"input_length\":1,\"output_length\":1}"),
        ": some rows have a timestamp and some have none",
    );
    check(
        "mooncake",
        &after_good("{\"input_length\":99999999,\"output_length\":1}"),
        ", line 3: `input_length` is `99999999`, which is not at most 10000000 tokens",
    );
    check("mooncake", b"{\"input_length\":-1}", ", line 1, column 18: invalid value: integer `-1`, expected u64");
    check(
        "mooncake",
        b"{\"timestamp\":1e300,\"input_length\":1,\"output_length\":1}",
        &format!(", line 1: `timestamp` is `{}`, which is not a time; is the unit right?", 1e300),
    );
    check("mooncake", b"{\"a\":\"\xff\"}\n", ", line 1, column 7: the bytes are not UTF-8");
    check("mooncake", b"{\"a\":\"\xe2\x82", ", line 1: the last line ends in the middle of its record");
    check("burstgpt", b"", ", line 1: the header has no column `Timestamp`");
    check("burstgpt", b"Timestamp,Model\n", ", line 1: the header has no column `Request tokens`");
    let header = "Timestamp,Request tokens,Response tokens\n";
    let row = |row: &str| format!("{header}\n1,2,3\n{row}").into_bytes();
    check("burstgpt", &row("1,2\n"), ", line 4: the record has 2 fields, the header 3");
    check("burstgpt", &row("1,2"), ", line 4: the last line ends in the middle of its record");
    check("burstgpt", &row("1,2,-3\n"), ", line 4: `Response tokens` is `-3`, which is not a whole number");
    check(
        "burstgpt",
        &row("soon,2,3\n"),
        ", line 4: `Timestamp` is `soon`, which is not seconds, or `YYYY-MM-DD HH:MM:SS`",
    );
    check("burstgpt", &row("NaN,2,3\n"), ", line 4: `Timestamp` is `NaN`, which is not a time; is the unit right?");
    check("burstgpt", header.as_bytes(), ": there is no request in it, or none within the window");
    check("burstgpt?model=x", header.as_bytes(), ", line 1: the header has no column `Model`");
    check("sharegpt", b"", ", line 1, column 0: EOF while parsing a value");
    check("sharegpt", b"{}", ", line 1, column 1: invalid type: map, expected an array of conversations");
    check("sharegpt", b"[]", ": there is no request in it, or none within the window");
    check("sharegpt", b"[{\"id\":1}]", ", line 1: there is no `conversations`");
    check(
        "sharegpt",
        b"[\n{\"conversations\":[{\"from\":\"alien\",\"value\":\"a\"}]}]",
        ", line 2: the role `alien` is unknown",
    );
    check("sharegpt", b"[{\"conversations\":[", ", line 1, column 19: EOF while parsing a list");
    check(
        "messages",
        b"{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}",
        ", line 1: nothing says how many output tokens to ask for",
    );
    check("messages", b"{\"max_tokens\":5}", ", line 1: there is no `messages`");
    check(
        "messages",
        b"{\"messages\":[],\"max_tokens\":5}",
        ", line 1: `messages` is `empty`, which is not a prompt with text in it",
    );
    check(
        "messages",
        b"{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"max_tokens\":0}",
        ", line 1: `max_tokens` is `0`, which is not above 0",
    );
    check(
        "messages",
        b"{\"messages\":[{\"role\":\"boss\",\"content\":\"a\"}],\"max_tokens\":1}",
        ", line 1: the role `boss` is unknown",
    );
    check(
        "messages",
        b"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}],\"max_tokens\":1}",
        ", line 1: a message with a part that is no text cannot be sent",
    );
    check(
        "prompts",
        b"{}",
        ": read prompts from `file.jsonl`, line 1: there is none of the keys `prompt`, `text` and `messages`",
    );
}

#[test]
fn options_out_of_range_are_refused() {
    let check = |options: TraceOptions, name: &str| {
        let settings = TraceSettings { options, ..settings() };
        let error = read_trace(&kind_with("mooncake"), MOONCAKE.as_bytes(), "file", &settings).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    };
    check(TraceOptions { speed: 0.0, ..TraceOptions::default() }, "speed");
    check(TraceOptions { speed: f64::NAN, ..TraceOptions::default() }, "speed");
    check(TraceOptions { end: Some(Duration::ZERO), ..TraceOptions::default() }, "end");
    check(TraceOptions { limit: Some(0), ..TraceOptions::default() }, "limit");
    check(TraceOptions { start: Duration::from_secs(9), ..TraceOptions::default() }, "none within the window");
}

#[test]
fn endless_lines_are_refused_before_they_fill_the_memory() {
    for kind in ["mooncake", "messages", "burstgpt"] {
        let endless = std::io::BufReader::new(std::io::repeat(b'x'));
        let error = read_trace(&kind_with(kind), endless, "file", &settings()).unwrap_err();
        assert!(matches!(error.problem, TraceProblem::TooLong { .. }), "{kind}");
    }
}

#[test]
fn data_prints_as_it_is_read() {
    let check = |text: &str, printed: &str| {
        let data: DataSpec = text.parse().unwrap();
        assert_eq!(data.to_string(), printed, "{text}");
        assert_eq!(printed.parse::<DataSpec>(), Ok(data), "{text}");
    };
    check("mooncake:a/b.jsonl", "mooncake:a/b.jsonl?block=512&unit=ms");
    check("weka:a", "mooncake:a?block=64&unit=ms");
    check("bailian:a", "mooncake:a?block=16&unit=s");
    check("sharegpt:C:\\x?mode=turns", "sharegpt:C:\\x?mode=turns");
    check("messages:a?unit=s", "messages:a?unit=s");
    check("burstgpt:a?model=GPT-4", "burstgpt:a?model=GPT-4");
    check("azure:a", "burstgpt:a");
    check("prompts:why?.csv", "prompts:why?.csv");
    check("events:20260301T123000Z", "events:20260301T123000Z");
    check("prompt_tokens=512,output_tokens=128", "input=512,output=128");
    check("synthetic:input=normal:5,2,output=9,samples=4", "input=normal:5,2,output=9,samples=4");
    check("input=5,output=9,group=a;input=6,output=1,weight=3", "input=5,output=9,group=a;input=6,output=1,weight=3");
    check("{\"prompt_tokens\":512,\"output_tokens\":128}", "input=512,output=128");
}

#[test]
fn wrong_data_says_what_is_wrong() {
    let check = |text: &str, expected: &str| {
        let error = text.parse::<DataSpec>().unwrap_err();
        assert_eq!(error.to_string(), format!("read the data `{text}`: {expected}"));
        assert!(error.hint().contains("KIND:FILE"));
    };
    check("", "`` is not written as `KIND:FILE` or `input=…,output=…`");
    check("file.jsonl", "`file.jsonl` is not written as `KIND:FILE` or `input=…,output=…`");
    check("sonnet:f", "`sonnet` is no known kind");
    check("mooncake:", "the file is missing");
    check("mooncake:f?block=0", "`0` is not a number of tokens above 0");
    check("mooncake:f?unit=min", "`min` is not `ms` or `s`");
    check("prompts:f?unit=ms", "`unit` is no known key");
    check("sharegpt:f?mode=all", "`all` is not `first`, `filtered` or `turns`");
    check("events:r?x=1", "`x=1` is no known key");
    check("input=5", "`output` is missing");
    check("input=5,output=1,weight=-1", "`-1` is not a weight above 0 and at most 1000000000");
}

#[test]
fn files_are_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.jsonl");
    std::fs::write(&path, MOONCAKE).unwrap();
    let open = |spec: &str| match format!("{spec}{}", path.display()).parse().unwrap() {
        DataSpec::Trace(spec) => spec.open(&settings()),
        other => panic!("no trace: {other:?}"),
    };
    assert_eq!(open("mooncake:").unwrap().traffic.count(), Some(3));
    assert!(matches!(open("mooncake:no").unwrap_err().problem, TraceProblem::Io(_)));
    assert!(format!("{:?}", open("mooncake:").unwrap()).len() < 300);
}

const KINDS: [&str; 7] =
    ["mooncake?block=4", "bailian", "sharegpt", "sharegpt?mode=turns", "messages", "burstgpt", "prompts"];

fn with_outputs() -> TraceSettings {
    let output_default = Some(LengthDistribution::Fixed(3));
    TraceSettings { output_default, prompt: PromptShape::Chat, ..settings() }
}

/// Bytes that look like a trace, with something wrong in it now and then.
fn almost() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("{\"timestamp\":5,\"input_length\":3,\"output_length\":2,\"hash_ids\":[1,\"a\"]}".to_owned()),
        Just("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"timestamp\":1}".to_owned()),
        Just(
            "[{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"},{\"from\":\"gpt\",\"value\":\"b\"}]}]"
                .to_owned()
        ),
        Just("Timestamp,Request tokens,Response tokens".to_owned()),
        Just("1,2,3".to_owned()),
        Just("{\"prompt\":\"a\"}".to_owned()),
        Just("\u{feff}".to_owned()),
        "[\\[\\]{}\":,a-z0-9. -]{0,12}",
    ];
    (prop::collection::vec(piece, 0..6), any::<bool>(), prop::collection::vec(any::<u8>(), 0..3)).prop_map(
        |(pieces, windows, mut rest)| {
            let mut bytes = pieces.join(if windows { "\r\n" } else { "\n" }).into_bytes();
            bytes.append(&mut rest);
            bytes
        },
    )
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in almost()) {
        for kind in KINDS {
            if let Ok(trace) = open_with(kind, &bytes, &with_outputs()) {
                let made = sessions(&trace);
                prop_assert!(!made.is_empty());
                prop_assert!(made.is_sorted_by_key(|session| session.at));
                prop_assert!(made.iter().all(|session| session.turns.iter().all(|turn| turn.output_tokens > 0)));
                prop_assert_eq!(trace.traffic.session(made.len() as u64), None);
            }
        }
    }

    #[test]
    fn mooncake_rows_come_out_as_they_went_in(
        rows in prop::collection::vec((-1000_i64..1000, 1..40_u32, 1..9_u32, prop::collection::vec(any::<u64>(), 0..9)), 1..20),
    ) {
        let line = |(at, input, output, hashes): &(i64, u32, u32, Vec<u64>)| {
            serde_json::json!({"timestamp": at, "input_length": input, "output_length": output, "hash_ids": hashes}).to_string()
        };
        let file: Vec<String> = rows.iter().map(line).collect();
        let mut expected: Vec<(i64, usize, u32)> = rows.iter().map(|(at, input, output, _)| (*at, *input as usize, *output)).collect();
        expected.sort_by_key(|(at, ..)| *at);
        let first = expected[0].0;
        let expected: Vec<_> = expected.into_iter().map(|(at, input, output)| (u128::try_from(at - first).ok(), input, output)).collect();
        prop_assert_eq!(shapes(&open("mooncake?block=4", &file.join("\n"))), expected);
    }

    #[test]
    fn no_text_panics_as_data(text in "(mooncake|sharegpt|messages|burstgpt|prompts|events|input|\\{)?[:=]?[0-9a-z.,=@:?&;{}\"-]{0,40}") {
        if let Ok(data) = text.parse::<DataSpec>() {
            prop_assert!(!data.to_string().is_empty());
        }
    }
}
