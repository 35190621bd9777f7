use proptest::prelude::*;
use weighbridge_engine::{Message, Role};

use super::*;

fn read(format: PromptFormat, bytes: &[u8]) -> Result<Vec<PromptRecord>, String> {
    read_prompts_from(bytes, format, "file").map_err(|error| {
        assert!(!error.hint().is_empty());
        error.to_string()
    })
}

fn text(line: u64, text: &str, max_tokens: Option<u32>) -> PromptRecord {
    PromptRecord { prompt: Prompt::Text(text.to_owned()), max_tokens, answer: None, line }
}

#[test]
fn json_lines_are_read() {
    let check = |input: &str, expected: &[PromptRecord]| {
        assert_eq!(read(PromptFormat::Jsonl, input.as_bytes()).as_deref(), Ok(expected), "{input}");
    };
    check("{\"prompt\":\"a\"}", &[text(1, "a", None)]);
    check("{\"text\":\"a\",\"id\":7}\n", &[text(1, "a", None)]);
    check("{\"prompt\":\"a\",\"output_tokens\":7}\n", &[text(1, "a", Some(7))]);
    check(
        "\u{feff}{\"prompt\":\"ä\\n\"}\r\n\r\n \n{\"text\":\"b\",\"max_tokens\":5}\r\n",
        &[text(1, "ä\n", None), text(4, "b", Some(5))],
    );
    let messages = "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"u\"}]}";
    let turn = |role, content: &str| Message { role, content: content.to_owned() };
    let prompt = Prompt::Chat(vec![turn(Role::System, "s"), turn(Role::User, "u")]);
    check(messages, &[PromptRecord { prompt, max_tokens: None, answer: None, line: 1 }]);
}

#[test]
fn expected_answers_are_read_where_they_are_texts_or_numbers() {
    let check = |format, input: &str, expected: &[Option<&str>]| {
        let records = read(format, input.as_bytes()).unwrap();
        assert_eq!(records.iter().map(|record| record.answer.as_deref()).collect::<Vec<_>>(), expected, "{input}");
    };
    let jsonl = r#"{"prompt":"a","answer":" Paris "}
{"prompt":"b","expected":42}
{"prompt":"c","answer":["x"]}
{"prompt":"d","answer":""}
{"prompt":"e"}"#;
    check(PromptFormat::Jsonl, jsonl, &[Some("Paris"), Some("42"), None, None, None]);
    check(PromptFormat::Csv, "prompt,answer\na, Paris\nb,\n", &[Some("Paris"), None]);
}

#[test]
fn csv_is_read() {
    let check = |input: &str, expected: &[PromptRecord]| {
        assert_eq!(read(PromptFormat::Csv, input.as_bytes()).as_deref(), Ok(expected), "{input}");
    };
    check("prompt\na\n", &[text(2, "a", None)]);
    check(
        "\u{feff}id, text ,max_tokens\r\n1,\"a, \"\"b\"\"\",9\r\n\r\n2,c,\r\n",
        &[text(2, "a, \"b\"", Some(9)), text(4, "c", None)],
    );
    check("text\n\"two\nlines\"\nb\n", &[text(2, "two\nlines", None), text(4, "b", None)]);
}

#[test]
fn wrong_files_name_the_place() {
    let check = |format, input: &[u8], expected: &str| {
        let shown = String::from_utf8_lossy(input);
        assert_eq!(read(format, input), Err(format!("read prompts from `file`{expected}")), "{shown}");
    };
    let jsonl = PromptFormat::Jsonl;
    check(jsonl, b"", ": there is no prompt in it");
    check(jsonl, b"\n{\"prompt\" \"a\"}", ", line 2, column 11: expected `:`");
    check(jsonl, b"{\"prompt\":\"a", ", line 1, column 12: EOF while parsing a string");
    check(jsonl, b"{\"prompt\":3}", ", line 1, column 11: invalid type: integer `3`, expected a string");
    check(jsonl, b"{\"prompt\":\"\xff\"}", ", line 1, column 12: the bytes are not UTF-8");
    check(jsonl, b"{}", ", line 1: there is none of the keys `prompt`, `text` and `messages`");
    check(
        jsonl,
        b"{\"prompt\":\"a\",\"text\":\"b\"}",
        ", line 1: there are several of the keys `prompt`, `text` and `messages`",
    );
    check(jsonl, b"{\"prompt\":\" \"}", ", line 1: the prompt is empty");
    check(jsonl, b"{\"messages\":[]}", ", line 1: the prompt is empty");
    check(jsonl, b"{\"messages\":[{\"role\":\"boss\",\"content\":\"a\"}]}", ", line 1: the role `boss` is unknown");
    check(jsonl, b"{\"prompt\":\"a\",\"max_tokens\":0}", ", line 1: `max_tokens` is 0");
    let csv = PromptFormat::Csv;
    check(csv, b"", ", line 1: the header has no column `prompt` or `text`");
    check(csv, b"prompt\n", ": there is no prompt in it");
    check(csv, b"a,b\n1,2\n", ", line 1: the header has no column `prompt` or `text`");
    check(csv, b"text,prompt\n1,2\n", ", line 1: the header has several columns named `prompt` or `text`");
    check(csv, b"a,prompt\n1,2\n1\n", ", line 3: the record has 1 fields, the header 2");
    check(csv, b"a,prompt\n1,\xff\n", ", line 2, column 2: the bytes are not UTF-8");
    check(
        csv,
        b"prompt,max_tokens\na,-1\n",
        ", line 2: `max_tokens` is `-1`, which is no whole number up to 4294967295",
    );
    check(csv, b"prompt,max_tokens\na,0\n", ", line 2: `max_tokens` is 0");
}

#[test]
fn files_are_opened_by_their_ending() {
    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, content: &str, expected: Result<usize, &str>| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let read = read_prompts(&path).map(|records| records.len());
        match expected {
            Ok(count) => assert_eq!(read.unwrap(), count, "{name}"),
            Err(part) => assert!(read.unwrap_err().to_string().contains(part), "{name}"),
        }
    };
    check("a.JSONL", "{\"text\":\"a\"}", Ok(1));
    check("a.csv", "text\na\nb", Ok(2));
    check("a.txt", "a", Err("the ending is neither"));
    let lost = read_prompts(&folder.path().join("lost.csv")).unwrap_err();
    assert!(matches!(lost.problem, PromptFileProblem::Io(_)));
}

#[test]
fn a_line_without_end_is_refused_before_it_fills_the_memory() {
    let endless = std::io::BufReader::new(std::io::repeat(b'x'));
    let error = read_prompts_from(endless, PromptFormat::Jsonl, "file").unwrap_err();
    assert!(matches!(error.problem, PromptFileProblem::TooLong { .. }));
}

proptest! {
    #[test]
    fn what_is_written_is_read(prompts in prop::collection::vec("[^\r]*[a-z]", 1..8), windows in any::<bool>()) {
        let end = if windows { "\r\n" } else { "\n" };
        let mut jsonl = String::new();
        let mut csv = format!("prompt{end}");
        for prompt in &prompts {
            jsonl.push_str(&serde_json::json!({ "prompt": prompt }).to_string());
            jsonl.push_str(end);
            csv.push_str(&format!("\"{}\"{end}", prompt.replace('"', "\"\"")));
        }
        for (format, input) in [(PromptFormat::Jsonl, jsonl), (PromptFormat::Csv, csv)] {
            let read = read(format, input.as_bytes()).unwrap();
            let read: Vec<Prompt> = read.into_iter().map(|record| record.prompt).collect();
            let expected: Vec<Prompt> = prompts.iter().cloned().map(Prompt::Text).collect();
            prop_assert_eq!(read, expected);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for format in [PromptFormat::Jsonl, PromptFormat::Csv] {
            if let Err(error) = read_prompts_from(bytes.as_slice(), format, "file") {
                prop_assert!(error.to_string().starts_with("read prompts from"));
            }
        }
    }
}
