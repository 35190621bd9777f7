//! Whole objects out of a reply that may be cut off, wrapped in words or no JSON at all.

use serde_json::Value;

/// Bytes of a reply that are looked at; a model that goes on for ever says nothing new.
const REPLY_BYTES: usize = 4 << 20;

/// What could be read of a reply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Salvaged {
    /// The objects of the list, in order.
    pub objects: Vec<Value>,
    /// Whether the list was there and ended.
    pub is_complete: bool,
    /// Objects that were begun and not ended, or whose text is no JSON.
    pub broken: u64,
}

/// The objects of the first list that stands under a key, or of the first list of a reply.
///
/// A complete reply is read as JSON. Of one that is cut off, every object that ended is kept, and the one that did not is counted.
#[must_use]
pub fn salvage_objects(reply: &str, key: &str) -> Salvaged {
    let reply = head(reply);
    if let Some(list) = serde_json::from_str::<Value>(reply.trim()).ok().and_then(|value| list_of(value, key)) {
        let before = list.len();
        let objects: Vec<Value> = list.into_iter().filter(Value::is_object).collect();
        return Salvaged { broken: (before - objects.len()) as u64, objects, is_complete: true };
    }
    let Some(start) = list_start(reply, key) else { return Salvaged::default() };
    walk(&reply[start..])
}

fn list_of(value: Value, key: &str) -> Option<Vec<Value>> {
    match value {
        Value::Array(list) => Some(list),
        Value::Object(mut object) => match object.remove(key)? {
            Value::Array(list) => Some(list),
            _ => None,
        },
        _ => None,
    }
}

fn list_start(reply: &str, key: &str) -> Option<usize> {
    let quoted = format!("\"{key}\"");
    let after_key = reply.find(&quoted).map_or(0, |at| at + quoted.len());
    reply[after_key..].find('[').map(|at| after_key + at + 1)
}

/// Objects of a list, from the byte after its bracket.
fn walk(list: &str) -> Salvaged {
    let mut found = Salvaged::default();
    let (mut depth, mut start) = (0_u32, 0);
    let (mut in_string, mut escaped) = (false, false);
    for (at, byte) in list.bytes().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                if depth == 0 {
                    start = at;
                }
                depth += 1;
            }
            b']' if depth == 0 => {
                found.is_complete = true;
                return found;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    match serde_json::from_str::<Value>(&list[start..=at]) {
                        Ok(object) if object.is_object() => found.objects.push(object),
                        _ => found.broken += 1,
                    }
                }
            }
            _ => {}
        }
    }
    found.broken += u64::from(depth > 0);
    found
}

fn head(reply: &str) -> &str {
    let mut end = reply.len().min(REPLY_BYTES);
    while !reply.is_char_boundary(end) {
        end -= 1;
    }
    &reply[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_objects_are_kept() {
        let check = |reply: &str, objects: usize, is_complete: bool, broken: u64| {
            let found = salvage_objects(reply, "items");
            assert_eq!(
                (found.objects.len(), found.is_complete, found.broken),
                (objects, is_complete, broken),
                "{reply}"
            );
        };
        check(r#"{"items": [{"a": 1}, {"a": "]}"}]}"#, 2, true, 0);
        check(r#"{"items": []}"#, 0, true, 0);
        check(r#"[{"a": 1}]"#, 1, true, 0);
        check(r#"{"items": [{"a": 1}, {"a": "x"#, 1, false, 1);
        check(r#"{"items": [{"a": [1, {"b": 2}]}, "#, 1, false, 0);
        check("Here you are:\n```json\n{\"items\": [{\"a\": 1}]}\n```", 1, true, 0);
        check("I cannot help with that.", 0, false, 0);
        check(r#"{"items": "none"}"#, 0, false, 0);
        check(r#"{"items": [1, {"a": 1}]}"#, 1, true, 1);
    }

    proptest::proptest! {
        #[test]
        fn a_cut_reply_keeps_a_beginning_of_the_list(cut in 0_usize..200) {
            let whole = r#"{"items": [{"a": "é]"}, {"a": {"b": [1, 2]}}, {"a": "\"}"}]}"#;
            let cut = cut.min(whole.len());
            let all = salvage_objects(whole, "items").objects;
            if let Some(part) = whole.get(..cut) {
                let found = salvage_objects(part, "items");
                proptest::prop_assert_eq!(&found.objects[..], &all[..found.objects.len()]);
            }
        }

        #[test]
        fn any_reply_is_read(reply in ".{0,120}") {
            let _ = salvage_objects(&reply, "items");
        }
    }
}
