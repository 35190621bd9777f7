//! Grammars of schemas: what they accept, refuse and let a vocabulary write, beside an independent validator.

use std::sync::Arc;

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use serde_json::{Value, json};
use weighbridge_engine::constraint::{Document, Grammar, Matcher, TokenMask, TokenTrie};

use crate::shapes::{Shape, below, shape};

fn grammar(schema: &str) -> Arc<Grammar> {
    Grammar::ordered(schema.parse().unwrap()).unwrap_or_else(|error| panic!("failed to {error}"))
}

/// Whether the whole text is taken.
fn accepts(grammar: &Arc<Grammar>, text: &[u8]) -> bool {
    let mut matcher = Matcher::new(Arc::clone(grammar));
    text.iter().all(|byte| matcher.accept(&[*byte])) && matcher.is_complete()
}

fn validator(schema: &str) -> jsonschema::Validator {
    jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
}

fn is_valid(validator: &jsonschema::Validator, text: &[u8]) -> bool {
    serde_json::from_slice::<Value>(text).is_ok_and(|value| validator.is_valid(&value))
}

fn check(schema: &str, held: &[&str], refused: &[&str]) {
    let (grammar, validator) = (grammar(schema), validator(schema));
    for text in held {
        assert!(accepts(&grammar, text.as_bytes()), "{text} of {schema}");
        assert!(is_valid(&validator, text.as_bytes()), "{text} is not of {schema}");
    }
    for text in refused {
        assert!(!accepts(&grammar, text.as_bytes()), "{text} of {schema}");
    }
}

#[test]
fn any_json_object_is_json() {
    let grammar = Grammar::json();
    for text in [r#"{}"#, r#" {"a": [1, -2.5e3, "x\né\u00e9\ud83d\ude00"], "b":{"c":null,"c":true}}"#, "{ }\n"] {
        assert!(accepts(&grammar, text.as_bytes()), "{text}");
        serde_json::from_str::<Value>(text).unwrap();
    }
    for text in [
        "",
        "1",
        "[]",
        "{",
        r#"{"a"}"#,
        r#"{"a":1,}"#,
        r#"{"a":01}"#,
        r#"{"a":"\x"}"#,
        r#"{"a":"\ud83d"}"#,
        r#"{"a":"\ude00"}"#,
        "{  }",
        "{\t}",
        "{\"a\":\"\n\"}",
        r#"{"a":tru}"#,
        r#"{"a":1e999}"#,
    ] {
        assert!(!accepts(&grammar, text.as_bytes()), "{text}");
    }
    assert!(!accepts(&grammar, b"{\"\xff\":1}") && !accepts(&grammar, b"{\"\xe0\x80\x80\":1}"));
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(accepts(&grammar, nested(63).as_bytes()) && !accepts(&grammar, nested(64).as_bytes()));
}

#[test]
fn types_are_held() {
    check(r#"{"type":"null"}"#, &["null"], &["true", "nul", "\"null\""]);
    check(r#"{"type":["boolean","null"]}"#, &["true", "false", "null"], &["0"]);
    check(r#"{"type":"integer"}"#, &["0", "-12"], &["1.5", "\"1\"", "-0"]);
    check(r#"{"type":["number","integer"]}"#, &["1.5", "2"], &["\"1\""]);
    check(r#"{"type":"string"}"#, &[r#""a\"b""#], &["a"]);
    check("true", &["1", "[{}]"], &["x"]);
    check("{}", &["null", r#"{"a":[]}"#], &[]);
    check(r#"{"type":"string","minimum":5}"#, &[r#""x""#], &["7"]);
}

#[test]
fn keywords_without_a_type_speak_of_one() {
    check(r#"{"properties":{"a":{"type":"null"}}}"#, &["{}", r#"{"a":null}"#], &["1", r#"{"a":1}"#]);
    check(r#"{"minItems":1}"#, &["[1]"], &["[]", "{}"]);
    check(r#"{"maximum":3}"#, &["3"], &["4", "null"]);
}

#[test]
fn properties_come_in_the_order_of_the_schema() {
    let schema = r#"{"type":"object","properties":{"b":{"type":"integer"},"a":{"type":"string"},"c":{"type":"null"}},
        "required":["b","c"],"additionalProperties":false}"#;
    check(
        schema,
        &[r#"{"b":1,"c":null}"#, r#"{"b":1,"a":"x","c":null}"#, "{ \"b\" : 1 ,\n\"c\" :null } "],
        &[
            "{}",
            r#"{"b":1}"#,
            r#"{"c":null,"b":1}"#,
            r#"{"b":1,"c":null,"d":1}"#,
            r#"{"b":1,"b":2,"c":null}"#,
            r#"{"b":1,"c":null,}"#,
        ],
    );
    let further =
        r#"{"properties":{"a":{"type":"null"},"ab":{}},"additionalProperties":{"type":"integer"},"required":["z"]}"#;
    check(
        further,
        &[r#"{"z":1}"#, r#"{"a":null,"z":1,"abc":2,"b":3}"#, r#"{"z":1,"a\n":2}"#],
        &[r#"{"a":1,"z":1}"#, r#"{"z":1,"a":2}"#, r#"{"z":"x"}"#, r#"{"b":1,"z":2}"#, r#"{"z":1,"\u0061":2}"#],
    );
    check(r#"{"properties":{"a":false}}"#, &["{}", r#"{"b":1}"#], &[r#"{"a":1}"#]);
}

#[test]
fn arrays_are_held() {
    check(
        r#"{"prefixItems":[{"type":"integer"},{"type":"null"}],"items":{"type":"boolean"},"maxItems":3}"#,
        &["[]", "[1]", "[1,null]", "[ 1, null,\ntrue ]"],
        &["[null]", "[1,null,true,true]", "[1,null,2]", "[1,]", "[,1]"],
    );
    check(r#"{"items":{"type":"integer"},"minItems":2}"#, &["[1,2]", "[1,2,3,4]"], &["[]", "[1]"]);
    check(r#"{"prefixItems":[true],"items":false}"#, &["[]", "[1]"], &["[1,2]"]);
    check(r#"{"items":{"type":"null"},"maxItems":0}"#, &["[]"], &["[null]"]);
}

#[test]
fn alternatives_and_references_are_held() {
    check(r#"{"anyOf":[{"type":"integer"},{"enum":["a",12]}]}"#, &["12", "123", "\"a\""], &["\"b\""]);
    check(
        r#"{"oneOf":[{"properties":{"k":{"const":"a"},"x":{"type":"integer"}},"required":["k","x"]},
            {"properties":{"k":{"const":"b"},"y":{"type":"null"}},"required":["k","y"]}]}"#,
        &[r#"{"k":"a","x":1}"#, r#"{"k":"b","y":null}"#],
        &[r#"{"k":"a","y":null}"#, r#"{"k":"c"}"#],
    );
    let list = r##"{"$ref":"#/$defs/list","$defs":{"list":{"type":["object","null"],"properties":{"value":{"type":"integer"},
        "next":{"$ref":"#/$defs/list"}},"required":["value","next"],"additionalProperties":false}}}"##;
    check(
        list,
        &["null", r#"{"value":1,"next":{"value":2,"next":null}}"#],
        &[r#"{"value":1}"#, r#"{"value":1,"next":{"value":2}}"#],
    );
    let tree = r##"{"type":"object","properties":{"children":{"type":"array","items":{"$ref":"#"}}},"additionalProperties":false}"##;
    check(tree, &["{}", r#"{"children":[{},{"children":[]}]}"#], &[r#"{"children":[1]}"#]);
    check(
        r##"{"allOf":[{"$ref":"#/definitions/a"},{"properties":{"b":{"minimum":2}},"required":["b"]}],
            "definitions":{"a":{"properties":{"b":{"type":"integer"},"c":{"type":"null"}}}}}"##,
        &[r#"{"b":2}"#, r#"{"b":2,"c":null}"#],
        &["{}", r#"{"b":1}"#, r#"{"b":2.5}"#],
    );
    check(
        r#"{"allOf":[{"properties":{"a":{}},"additionalProperties":{"type":"integer"}},{"properties":{"b":{"maximum":5}}}]}"#,
        &[r#"{"a":"x","b":5}"#, r#"{"c":7}"#],
        &[r#"{"b":"x"}"#, r#"{"b":6}"#, r#"{"c":"x"}"#],
    );
    check(
        r#"{"properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"anyOf":[{"required":["a"]},{"required":["b"]}]}"#,
        &[r#"{"a":1}"#, r#"{"b":1}"#, r#"{"a":1,"b":2}"#],
        &["{}"],
    );
}

#[test]
fn listed_values_fit_what_stands_beside_them() {
    check(
        r#"{"type":"string","enum":["a","bb",1,"\"x\n"],"maxLength":3}"#,
        &[r#""a""#, r#""bb""#, r#""\"x\n""#],
        &["1"],
    );
    check(r#"{"const":{"a":[1,2.5]}}"#, &[r#"{"a":[1,2.5]}"#], &[r#"{"a":[1]}"#]);
    check(r#"{"enum":[1,12,123,"x"],"minimum":5}"#, &["12", "123", "\"x\""], &["1"]);
    check(r#"{"enum":["a1","b"],"pattern":"[0-9]"}"#, &[r#""a1""#], &[r#""b""#]);
    check(
        r#"{"enum":[{"a":1},{"a":"x"},[1],[2,2]],"properties":{"a":{"type":"integer"}},"maxItems":1}"#,
        &[r#"{"a":1}"#, "[1]"],
        &[r#"{"a":"x"}"#, "[2,2]"],
    );
}

#[test]
fn texts_and_numbers_are_held() {
    check(
        r#"{"type":"string","minLength":2,"maxLength":3}"#,
        &[r#""éé""#, r#""\n\u00e9😀""#, r#""\ud83d\ude00a""#],
        &[r#""a""#, r#""abcd""#],
    );
    check(r#"{"type":"string","pattern":"^[a-z]+$","maxLength":3}"#, &[r#""abc""#], &[r#""abcd""#, r#""A""#, r#""""#]);
    check(
        r#"{"type":"string","pattern":"^a.$"}"#,
        &[r#""aé""#, r#""a\"""#, r#""a\u0001""#],
        &[r#""a\n""#, "\"a\u{2028}\""],
    );
    check(r#"{"type":"integer","minimum":-5,"exclusiveMaximum":10}"#, &["-5", "9"], &["-6", "10", "90"]);
    check(r#"{"type":"number","minimum":0,"maximum":1}"#, &["0", "1", "0.5", "1.0"], &["1.1", "-0.1", "1e0", "2"]);
}

#[test]
fn what_cannot_be_held_is_refused_with_its_place() {
    let refused = |schema: &str, place: &str, keyword: &str| {
        let error = Grammar::ordered(schema.parse().unwrap()).unwrap_err();
        assert_eq!((error.place.as_str(), error.keyword.as_str()), (place, keyword), "{error}");
    };
    refused(r#"{"uniqueItems":true}"#, "#", "uniqueItems");
    refused(r#"{"properties":{"a/b":{"items":{"multipleOf":2}}}}"#, "#/properties/a~1b/items", "multipleOf");
    refused(r#"{"anyOf":[{"type":"null"},{"not":{}}]}"#, "#/anyOf/1", "not");
    refused(r#"{"patternProperties":{}}"#, "#", "patternProperties");
    refused(r#"{"maxlength":3}"#, "#", "maxlength");
    refused(r#"{"type":"text"}"#, "#", "type");
    refused(r#"{"type":"string","minLength":-1}"#, "#", "minLength");
    refused(r#"{"type":"number","minimum":0.12345678901234567}"#, "#", "minimum");
    refused(r#"{"type":"number","exclusiveMinimum":true}"#, "#", "exclusiveMinimum");
    refused(r#"{"type":"string","pattern":"(?=a)"}"#, "#", "pattern");
    refused(r#"{"$ref":"https://example.org/schema"}"#, "#", "$ref");
    refused(r##"{"properties":{"a":{"$ref":"#/$defs/none"}}}"##, "#/properties/a", "$ref");
    refused(r#"{"items":[{"type":"null"}]}"#, "#", "items");
    refused(r#"{"required":"a"}"#, "#", "required");
    refused(r#"{"properties":{"a":1}}"#, "#", "properties");
    refused("1", "#", "schema");
    refused(r#"{"type":"integer","minimum":3,"maximum":2}"#, "#", "schema");
    refused(r##"{"properties":{"a":{"$ref":"#"}},"required":["a"]}"##, "#", "schema");
    let error = Grammar::schema(&json!({"if": {}})).unwrap_err();
    assert!(error.to_string().starts_with("hold the JSON schema: at `#`, `if` is not supported; `type`, "), "{error}");
    assert!("{".parse::<Grammar>().unwrap_err().to_string().contains("is no JSON"));
    // Values are held against so many schemas and no more.
    let chain: Vec<String> =
        (0..300).map(|at| format!(r##""a{at}":{{"anyOf":[{{"$ref":"#/$defs/a{}"}}]}}"##, (at + 1) % 300)).collect();
    let schema = format!(r##"{{"enum":[1],"anyOf":[{{"$ref":"#/$defs/a0"}}],"$defs":{{{}}}}}"##, chain.join(","));
    assert!(Grammar::ordered(schema.parse().unwrap()).unwrap_err().to_string().contains("too many schemas"));
    refused(r#"{"type":"string","pattern":"^((a?){60}b?){60}$"}"#, "#", "pattern");
    // Alternatives of alternatives would be more kinds than there is room for.
    let named = |at: usize| {
        format!(r##""a{at}":{{"anyOf":[{{"type":"null"}},{{"$ref":"#/$defs/a{}"}}],"minLength":{at}}}"##, (at + 1) % 30)
    };
    let defs: Vec<String> = (0..30).map(named).collect();
    let all: Vec<String> = (0..30).map(|at| format!(r##"{{"$ref":"#/$defs/a{at}"}}"##)).collect();
    let schema = format!(r#"{{"allOf":[{}],"$defs":{{{}}}}}"#, all.join(","), defs.join(","));
    assert!(Grammar::ordered(schema.parse().unwrap()).unwrap_err().to_string().contains("too large"));
}

#[test]
fn annotations_are_passed_over() {
    check(
        r##"{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://example.org/a","title":"t","x-order":1,
            "description":"d","default":1,"examples":[1],"deprecated":true,"type":"string","format":"date","uniqueItems":false}"##,
        &[r#""any text""#],
        &[],
    );
}

#[test]
fn a_text_is_over_when_nothing_can_follow() {
    let state = |schema: &str, text: &str| {
        let mut matcher = Matcher::new(grammar(schema));
        assert!(matcher.accept(text.as_bytes()), "{text}");
        (matcher.is_complete(), matcher.is_over())
    };
    assert_eq!(state(r#"{"type":"integer"}"#, "12"), (true, false));
    assert_eq!(state(r#"{"type":"integer","maximum":99}"#, "12"), (true, true));
    assert_eq!(state(r#"{"type":"object"}"#, "{}"), (true, true));
    assert_eq!(state(r#"{"type":"object"}"#, "{"), (false, false));
    assert_eq!(state(r#"{"enum":[1,12]}"#, "1"), (true, false));
    assert_eq!(state(r#"{"enum":[1,12]}"#, "12"), (true, true));
    let mut matcher = Matcher::new(grammar(r#"{"type":"null"}"#));
    assert!(!matcher.accept(b"nux") && matcher.accept(b"null\n") && !matcher.accept(b"\n"));
}

/// A vocabulary with tokens that begin within a character and end beyond a value.
fn vocabulary() -> Vec<Vec<u8>> {
    const TOKENS: [&str; 40] = [
        "{\"",
        "\":",
        "\": ",
        "\",\"",
        "\"}",
        "}}",
        "]}",
        "[[",
        "[{",
        "\"]",
        "\", ",
        "null",
        "true}",
        "false,",
        "ab",
        "abc\":",
        "12",
        "-1",
        "0.",
        ".5",
        "1e",
        "e+",
        "\\\"",
        "\\n",
        "\\u00",
        "\\ud83d\\ude00",
        "é",
        "😀\"",
        "\n\"",
        " \"",
        ",\n",
        "[]",
        "{}",
        "a\":[",
        "AB1\"",
        "2024-02",
        "b\\\"c",
        "yes\"",
        "\"k\":true",
        " ",
    ];
    let bytes = (0..=u8::MAX).map(|byte| vec![byte]);
    let parts = [b"\xc3".to_vec(), b"\xa9\"".to_vec(), b"\x9f\x98".to_vec(), Vec::new(), b"ab".to_vec()];
    bytes.chain(TOKENS.iter().map(|token| token.as_bytes().to_vec())).chain(parts).collect()
}

/// The mask that trying every token gives.
fn by_trying(matcher: &Matcher, vocabulary: &[Vec<u8>]) -> TokenMask {
    let mut mask = TokenMask::none(vocabulary.len());
    for (token, bytes) in (0..).zip(vocabulary) {
        if !bytes.is_empty() && matcher.clone().accept(bytes) {
            mask.insert(token);
        }
    }
    mask
}

/// Writes a random text. Every step has a token, and the mask is what trying every token gives; what is finished is valid.
fn walk(schema: &Document, seed: u64, steps: usize) {
    let vocabulary = vocabulary();
    let trie = TokenTrie::new(&vocabulary);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut matcher = Matcher::new(Grammar::ordered(schema.clone()).unwrap());
    let (mut text, mut mask) = (Vec::new(), TokenMask::default());
    for step in 0..steps {
        matcher.allowed(&trie, &mut mask);
        assert_eq!(mask, by_trying(&matcher, &vocabulary), "after {} of {schema}", String::from_utf8_lossy(&text));
        if matcher.is_over() || (matcher.is_complete() && below(&mut random, 3) == 0) {
            break;
        }
        let allowed: Vec<u32> = (0..).take(vocabulary.len()).filter(|&token| mask.contains(token)).collect();
        assert!(!allowed.is_empty(), "nothing follows {} of {schema}", String::from_utf8_lossy(&text));
        // Later on, what closes comes first, so that most texts are finished.
        let closing =
            allowed.iter().find(|&&token| matches!(&vocabulary[token as usize][..], b"\"" | b"}" | b"]" | b"0"));
        let token = match closing {
            Some(&token) if step > 20 => token,
            _ => allowed[below(&mut random, allowed.len())],
        };
        assert!(matcher.accept(&vocabulary[token as usize]));
        text.extend_from_slice(&vocabulary[token as usize]);
    }
    if matcher.is_complete() {
        let validator = validator(&schema.to_string());
        assert!(is_valid(&validator, &text), "{} of {schema}", String::from_utf8_lossy(&text));
    }
}

/// Changes a byte or two of a text.
fn mutated(text: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    const BYTES: &[u8] = b"{}[]\",:0123456789-.eE+ \n\\untrfalsb\xc3\x01";
    let mut text = text.to_vec();
    for _ in 0..=below(random, 2) {
        let place = below(random, text.len() + 1);
        let byte = BYTES[below(random, BYTES.len())];
        match below(random, 4) {
            0 => text.insert(place, byte),
            1 if place < text.len() => drop(text.remove(place)),
            2 if place < text.len() => text[place] = byte,
            3 if place + 1 < text.len() => text.swap(place, place + 1),
            _ => text.truncate(place),
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn values_that_fit_are_accepted_and_no_others(shape in shape(), seed in any::<u64>()) {
        let schema = shape.schema();
        let grammar = Grammar::ordered(schema.clone()).unwrap();
        let validator = validator(&schema.to_string());
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for _ in 0..4 {
            let text = shape.instance(&mut random).to_string().into_bytes();
            let shown = String::from_utf8_lossy(&text).into_owned();
            prop_assert!(is_valid(&validator, &text), "{} is not of {}", shown, schema);
            prop_assert!(accepts(&grammar, &text), "{} of {}", shown, schema);
            for _ in 0..16 {
                let changed = mutated(&text, &mut random);
                if accepts(&grammar, &changed) {
                    let shown = String::from_utf8_lossy(&changed);
                    prop_assert!(is_valid(&validator, &changed), "{} of {}", shown, schema);
                }
            }
        }
    }

    #[test]
    fn masks_are_what_trying_every_token_gives(shape in shape(), seed in any::<u64>()) {
        walk(&shape.schema(), seed, 60);
    }
}

#[test]
fn damaged_schemas_are_refused_or_lead_somewhere() {
    let vocabulary = vocabulary();
    let trie = TokenTrie::new(&vocabulary);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(400));
    let damaged = |(shape, seed): (Shape, u64)| {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let text = mutated(shape.schema().to_string().as_bytes(), &mut random);
        let Some(grammar) = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<Grammar>().ok()) else {
            return Ok(());
        };
        let (mut matcher, mut mask) = (Matcher::new(Arc::new(grammar)), TokenMask::default());
        for _ in 0..30 {
            matcher.allowed(&trie, &mut mask);
            let allowed: Vec<u32> = mask.iter().collect();
            prop_assert!(matcher.is_complete() || !allowed.is_empty(), "{}", String::from_utf8_lossy(&text));
            if allowed.is_empty() {
                break;
            }
            prop_assert!(matcher.accept(&vocabulary[allowed[below(&mut random, allowed.len())] as usize]));
        }
        Ok(())
    };
    runner.run(&(shape(), any::<u64>()), damaged).unwrap();
}

#[test]
fn masks_of_further_names_and_ambiguous_alternatives_are_exact() {
    let schemas = [
        "{}",
        r#"{"type":"object","properties":{"a":{"type":"string"},"ab":{"type":"integer"},"":{}},"required":["ab"]}"#,
        r##"{"anyOf":[{"type":"array","items":{"$ref":"#"}},{"type":"array","items":{"anyOf":[{"$ref":"#"},{"type":"null"}]}}]}"##,
        r#"{"anyOf":[{"type":"string","maxLength":3},{"type":"string","minLength":5},{"type":"string","pattern":"^a"}]}"#,
    ];
    for schema in schemas {
        for seed in 0..12 {
            walk(&schema.parse().unwrap(), seed, 60);
        }
    }
}

#[test]
fn readings_are_bounded() {
    // Each level doubles the readings of a text.
    let branch = |name: &str| {
        format!(r##"{{"properties":{{"a":{{"$ref":"#"}},"{name}":{{"type":"null"}}}},"additionalProperties":false}}"##)
    };
    let schema = format!(r#"{{"anyOf":[{},{}]}}"#, branch("b"), branch("c"));
    let grammar = grammar(&schema);
    let mut matcher = Matcher::new(grammar);
    for _ in 0..40 {
        assert!(matcher.accept(b"{\"a\":"));
    }
    assert!(matcher.accept(b"{}"));
    let vocabulary = vocabulary();
    let (trie, mut mask) = (TokenTrie::new(&vocabulary), TokenMask::default());
    for _ in 0..40 {
        matcher.allowed(&trie, &mut mask);
        assert!(mask.iter().all(|token| matcher.clone().accept(&vocabulary[token as usize])));
        assert!(matcher.accept(b"}"));
    }
    assert!(matcher.is_over());
}

#[test]
fn a_grammar_is_of_the_order_it_was_given() {
    let schema = json!({"properties": {"b": {}, "a": {}}, "required": ["a", "b"], "additionalProperties": false});
    let sorted = Grammar::schema(&schema).unwrap();
    assert!(accepts(&sorted, br#"{"a":1,"b":1}"#) && !accepts(&sorted, br#"{"b":1,"a":1}"#));
    let shape = Shape::Boolean;
    assert_eq!(Grammar::ordered(shape.schema()).unwrap().source(), Some(&shape.schema()));
    assert_eq!(Grammar::json().source(), None);
}
