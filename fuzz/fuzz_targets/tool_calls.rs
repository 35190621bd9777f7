//! Whatever a model writes, however it is cut: calls and text are the same, and nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_engine::tools::{CallReader, Tools};

fuzz_target!(|input: (u8, String)| {
    let (cut, text) = input;
    let tool = r#"{"type":"function","function":{"name":"a"}}"#.parse().expect("it is JSON");
    let tools = Tools { offered: vec![tool], turns: Vec::new() };
    let characters: Vec<char> = text.chars().collect();
    let read = |size: usize| {
        let mut reader = CallReader::new(&tools);
        let mut said = String::new();
        for piece in characters.chunks(size) {
            said.push_str(&reader.push(&piece.iter().collect::<String>()));
        }
        let (rest, calls) = reader.finish();
        (said + &rest, calls)
    };
    assert_eq!(read(usize::from(cut).max(1)), read(text.len().max(1)));
});
