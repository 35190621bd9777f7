//! JSON schemas and texts under them: any schema is held or refused, and any text that is taken to its end is JSON. What bytes are let
//! through one by one is what they are together, and no text is taken that leads nowhere.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use weighbridge_engine::constraint::{Grammar, Matcher, TokenMask, TokenTrie};

fuzz_target!(|input: (&str, &[u8])| {
    let (schema, text) = input;
    let grammar = match schema.parse::<Grammar>() {
        Ok(grammar) => Arc::new(grammar),
        Err(_) => Grammar::json(),
    };
    let mut matcher = Matcher::new(grammar);
    let whole = matcher.clone();
    let bytes: Vec<[u8; 1]> = (0..=u8::MAX).map(|byte| [byte]).collect();
    let trie = TokenTrie::new(&bytes);
    let mut mask = TokenMask::default();
    let mut taken = 0;
    for &byte in text {
        matcher.allowed(&trie, &mut mask);
        assert!(matcher.is_complete() || !mask.is_empty(), "nothing follows");
        let is_taken = matcher.accept(&[byte]);
        assert_eq!(mask.contains(u32::from(byte)), is_taken);
        if !is_taken {
            break;
        }
        taken += 1;
    }
    assert!(whole.clone().accept(&text[..taken]));
    if matcher.is_complete() {
        serde_json::from_slice::<serde_json::Value>(&text[..taken]).expect("a complete text is JSON");
    }
});
