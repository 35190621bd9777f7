//! What tasks hold besides keys: a template, a Python literal, and an expression with the text that it searches.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_eval::task::Value;
use weighbridge_eval::task::literal;
use weighbridge_eval::task::pattern::Pattern;
use weighbridge_eval::task::template::{Context, Template};

fuzz_target!(|texts: (&str, &str)| {
    let (first, second) = texts;
    if let Ok(value) = literal::parse(first) {
        assert_eq!(literal::parse(&value.repr()).map(|again| again.repr()), Ok(value.repr()));
    }
    if let Ok(pattern) = Pattern::new(first) {
        drop(pattern.find_all(second));
        drop(pattern.replace(second, first, 0));
    }
    if let Ok(template) = Template::new(first) {
        let doc = Value::Dict(vec![("text".to_owned(), Value::Text(second.to_owned()))]);
        drop(template.render(&Context::new(&doc)));
    }
});
