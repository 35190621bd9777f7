//! Ids against `sentencepiece` and `tokenizers`.

use serde_json::Value;
use weighbridge_engine::Tokenizer;

use crate::fixtures::{json, model};

fn check(model_name: &str, ids_of: &str, decoded_prefix: &str) {
    let tokenizer = model(model_name).build_tokenizer().unwrap();
    let tokens = json("tokens.json");
    let texts = tokens["texts"].as_array().unwrap();
    for (text, ids) in texts.iter().zip(tokens[ids_of].as_array().unwrap()) {
        let text = text.as_str().unwrap();
        let expected: Vec<u32> = ids.as_array().unwrap().iter().map(id).collect();
        assert_eq!(tokenizer.encode(text).unwrap(), expected, "{model_name}: {text:?}");
        let decoded = tokenizer.decode(&expected);
        assert_eq!(decoded.strip_prefix(if text.is_empty() { "" } else { decoded_prefix }), Some(text));
    }
}

fn id(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

#[test]
fn sentencepiece_in_gguf_gives_its_ids() {
    // SentencePiece puts a space before the text, and decoding keeps it.
    check("llama.gguf", "sentencepiece", " ");
}

#[test]
fn byte_level_bpe_in_gguf_gives_its_ids() {
    check("gpt2.gguf", "byte_level", "");
}

#[test]
fn tokenizer_json_gives_its_ids() {
    check("gpt2", "byte_level", "");
}

#[test]
fn special_tokens_are_known() {
    for name in ["gpt2", "gpt2.gguf"] {
        let tokenizer = model(name).build_tokenizer().unwrap();
        let [end] = *tokenizer.eos() else { panic!("{name}: {:?}", tokenizer.eos()) };
        assert_eq!(tokenizer.encode("a<|endoftext|>").unwrap()[1..], [end], "{name}");
        assert_eq!(tokenizer.token_bytes(end), b"", "{name}");
        assert_eq!(tokenizer.bos(), None, "{name}");
        assert_eq!(tokenizer.token_bytes(u32::MAX), b"", "{name}");
    }
    let tokenizer = model("llama.gguf").build_tokenizer().unwrap();
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(1), &[2][..]));
}

#[test]
fn a_file_without_vocabulary_counts_bytes() {
    let tokenizer = model("llama").build_tokenizer().unwrap();
    assert_eq!(tokenizer.vocab_size(), 256);
    assert_eq!(tokenizer.encode("hé").unwrap(), [104, 195, 169]);
    assert_eq!(tokenizer.decode(&[104, 195, 169]), "hé");
}
