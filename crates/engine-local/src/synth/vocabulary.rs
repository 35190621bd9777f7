//! A made-up byte-level vocabulary of any size, in which every text has tokens.
//!
//! Tokens 0 to 255 are bytes. Then come all words of two, three and four letters with an optional space
//! before them, in order, until the vocabulary is full; each is the merge of its beginning and its last
//! letter. English text gets about two characters per token.

use super::Shape;
use crate::formats::{MetaArray, MetaValue, Metadata};
use crate::tokenize::{TOKEN_TYPE_CONTROL, TOKEN_TYPE_NORMAL, TOKEN_TYPE_UNUSED, byte_char};

/// ChatML, without tools: enough to send conversations through the model.
const CHAT_TEMPLATE: &str = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n\
     {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// Adds the keys of the vocabulary.
pub(super) fn describe(shape: Shape, size: usize, metadata: &mut Metadata) {
    let controls = controls(shape, size);
    let first_control = controls.first().map_or(size, |control| control.0);
    let (mut tokens, merges) = words(first_control);
    let mut types = vec![TOKEN_TYPE_NORMAL; first_control];
    for id in first_control..size {
        let control = controls.iter().find(|control| control.0 == id);
        types.push(if control.is_some() { TOKEN_TYPE_CONTROL } else { TOKEN_TYPE_UNUSED });
        tokens.push(control.map_or_else(|| format!("[PAD{id}]"), |control| control.1.to_owned()));
    }
    let end = u32::try_from(first_control).expect("vocabularies are far below u32::MAX");
    metadata.insert("tokenizer.ggml.model", "gpt2".into());
    metadata.insert("tokenizer.ggml.pre", if shape == Shape::Gpt2Small { "gpt-2" } else { "qwen2" }.into());
    metadata.insert("tokenizer.ggml.tokens", MetaValue::Array(MetaArray::Strings(tokens)));
    metadata.insert("tokenizer.ggml.token_type", MetaValue::Array(MetaArray::I32(types)));
    metadata.insert("tokenizer.ggml.merges", MetaValue::Array(MetaArray::Strings(merges)));
    metadata.insert("tokenizer.ggml.eos_token_id", MetaValue::U32(end));
    metadata.insert("tokenizer.ggml.bos_token_id", MetaValue::U32(end));
    metadata.insert("tokenizer.ggml.add_bos_token", MetaValue::Bool(false));
    if controls.len() > 1 {
        metadata.insert("tokenizer.chat_template", CHAT_TEMPLATE.into());
    }
}

/// Control tokens at the ids of the model that is copied.
fn controls(shape: Shape, size: usize) -> Vec<(usize, &'static str)> {
    let first = match shape {
        Shape::Gpt2Small => return vec![(size - 1, "<|endoftext|>")],
        Shape::Qwen25Half => 151_643,
        Shape::Tiny | Shape::Llama1B => size - 3,
    };
    vec![(first, "<|endoftext|>"), (first + 1, "<|im_start|>"), (first + 2, "<|im_end|>")]
}

/// The first `count` tokens and the merges that make them.
fn words(count: usize) -> (Vec<String>, Vec<String>) {
    const LETTERS: std::ops::RangeInclusive<char> = 'a'..='z';
    let mut tokens: Vec<String> = (0..=u8::MAX).map(|byte| byte_char(byte).to_string()).collect();
    tokens.truncate(count);
    let mut merges = Vec::new();
    let mut beginnings: Vec<String> = LETTERS.map(String::from).chain([byte_char(b' ').to_string()]).collect();
    while tokens.len() < count {
        let mut longer = Vec::new();
        for (beginning, letter) in beginnings.iter().flat_map(|word| LETTERS.map(move |letter| (word, letter))) {
            if tokens.len() == count {
                break;
            }
            let word = format!("{beginning}{letter}");
            merges.push(format!("{beginning} {letter}"));
            tokens.push(word.clone());
            longer.push(word);
        }
        beginnings = longer;
    }
    (tokens, merges)
}
