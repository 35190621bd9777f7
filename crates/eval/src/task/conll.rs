//! Tagged tokens, a token in a line and a blank line after each sentence, as shared tasks on named entities publish them.
//!
//! The first column is the token, the last its tag: `O`, or `B-`, `I-`, `E-`, `S-` and a label. Where spans begin and end
//! is decided as by `conlleval` (Tjong Kim Sang and Buchholz 2000), which also reads tags that break their own scheme.

use super::value::Value;

/// Sentences as documents: `text`, `tokens`, `tags`, `spans` of `start`, `end` (in tokens, the end not included), `label`
/// and `text`, and `entities`, the spans as texts of the form `label: text`.
///
/// # Errors
/// The line that is neither a tagged token nor blank, and why.
pub(super) fn documents(text: &str) -> Result<Vec<Value>, (usize, String)> {
    let mut sentences = Vec::new();
    let mut sentence = Sentence::default();
    for (index, line) in text.lines().enumerate() {
        let mut columns = line.split_whitespace();
        match (columns.next(), columns.next_back()) {
            (None, _) => sentences.extend(std::mem::take(&mut sentence).document()),
            (Some("-DOCSTART-"), _) => {}
            (Some(token), Some(tag)) => {
                let tag = Tag::of(tag).map_err(|problem| (index + 1, problem))?;
                sentence.tokens.push(token);
                sentence.tags.push(tag);
            }
            (Some(token), None) => return Err((index + 1, format!("the token `{token}` has no tag"))),
        }
    }
    sentences.extend(sentence.document());
    Ok(sentences)
}

/// Where in a span a token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Outside,
    Begin,
    Inside,
    End,
    Single,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tag<'a> {
    written: &'a str,
    place: Place,
    label: &'a str,
}

impl<'a> Tag<'a> {
    fn of(written: &'a str) -> Result<Self, String> {
        let place = match written.split_once('-') {
            None if written == "O" => return Ok(Self { written, place: Place::Outside, label: "" }),
            Some((_, "")) | None => None,
            Some(("B", label)) => Some((Place::Begin, label)),
            Some(("I", label)) => Some((Place::Inside, label)),
            Some(("E", label)) => Some((Place::End, label)),
            Some(("S", label)) => Some((Place::Single, label)),
            Some(_) => None,
        };
        let (place, label) =
            place.ok_or_else(|| format!("`{written}` is no tag such as `O`, `B-Malware` or `I-Malware`"))?;
        Ok(Self { written, place, label })
    }

    /// Whether a span ends before this tag.
    fn ends(self, before: Self) -> bool {
        use Place::{Begin, End, Inside, Outside, Single};
        match before.place {
            Outside => false,
            End | Single => true,
            Begin | Inside => matches!(self.place, Begin | Single | Outside) || self.label != before.label,
        }
    }

    /// Whether a span begins with this tag.
    fn begins(self, before: Self) -> bool {
        use Place::{Begin, End, Outside, Single};
        match self.place {
            Outside => false,
            Begin | Single => true,
            _ => matches!(before.place, Outside | End | Single) || self.label != before.label,
        }
    }
}

#[derive(Debug, Default)]
struct Sentence<'a> {
    tokens: Vec<&'a str>,
    tags: Vec<Tag<'a>>,
}

impl Sentence<'_> {
    /// Start, end and label of each span, in order.
    fn spans(&self) -> Vec<(usize, usize, &str)> {
        let outside = Tag { written: "O", place: Place::Outside, label: "" };
        let (mut spans, mut begun, mut before) = (Vec::new(), None, outside);
        for (at, &tag) in self.tags.iter().chain([&outside]).enumerate() {
            if tag.ends(before) {
                spans.extend(begun.take().map(|start| (start, at, before.label)));
            }
            if tag.begins(before) {
                begun = Some(at);
            }
            before = tag;
        }
        spans
    }

    fn document(self) -> Option<Value> {
        if self.tokens.is_empty() {
            return None;
        }
        let text = |text: &str| Value::Text(text.to_owned());
        let number = |number: usize| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let entries = |entries: Vec<(&str, Value)>| {
            Value::Dict(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
        };
        let (mut spans, mut entities) = (Vec::new(), Vec::new());
        for (start, end, label) in self.spans() {
            let words = self.tokens[start..end].join(" ");
            entities.push(Value::Text(format!("{label}: {words}")));
            let span =
                vec![("start", number(start)), ("end", number(end)), ("label", text(label)), ("text", text(&words))];
            spans.push(entries(span));
        }
        Some(entries(vec![
            ("text", Value::Text(self.tokens.join(" "))),
            ("tokens", Value::List(self.tokens.iter().copied().map(text).collect())),
            ("tags", Value::List(self.tags.iter().map(|tag| text(tag.written)).collect())),
            ("spans", Value::List(spans)),
            ("entities", Value::List(entities)),
        ]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entities(tags: &str) -> Vec<(usize, usize, String)> {
        let tags: Vec<Tag<'_>> = tags.split(' ').map(|tag| Tag::of(tag).unwrap()).collect();
        let sentence = Sentence { tokens: vec!["x"; tags.len()], tags };
        sentence.spans().into_iter().map(|(start, end, label)| (start, end, label.to_owned())).collect()
    }

    // Vectors: `get_entities` of seqeval 1.2.2 in its default mode, whose ends are included; here they are not.
    #[test]
    fn spans_are_those_of_conlleval() {
        let check = |tags: &str, expected: &[(usize, usize, &str)]| {
            let found = entities(tags);
            let found: Vec<(usize, usize, &str)> = found.iter().map(|(s, e, label)| (*s, *e, label.as_str())).collect();
            assert_eq!(found, expected, "{tags}");
        };
        check("B-A I-A O B-B", &[(0, 2, "A"), (3, 4, "B")]);
        check("B-A B-A I-A", &[(0, 1, "A"), (1, 3, "A")]);
        check("I-A I-A O I-B", &[(0, 2, "A"), (3, 4, "B")]);
        check("B-A I-B I-B", &[(0, 1, "A"), (1, 3, "B")]);
        check("S-A B-A E-A E-A O", &[(0, 1, "A"), (1, 3, "A"), (3, 4, "A")]);
        check("O O", &[]);
        check("B-x-y I-x-y", &[(0, 2, "x-y")]);
    }

    #[test]
    fn sentences_become_documents() {
        let text = "-DOCSTART- O\n\nRiltok\tB-Malware\nis O\n\n\nAn NN O\nold JJ B-Malware\nbot NN I-Malware\n";
        let found = documents(text).unwrap();
        assert_eq!(found.len(), 2);
        let span = "{'start': 1, 'end': 3, 'label': 'Malware', 'text': 'old bot'}";
        let expected = format!(
            "{{'text': 'An old bot', 'tokens': ['An', 'old', 'bot'], 'tags': ['O', 'B-Malware', 'I-Malware'], \
             'spans': [{span}], 'entities': ['Malware: old bot']}}"
        );
        assert_eq!(found[1].repr(), expected);
        assert_eq!(found[0].get("entities").unwrap().repr(), "['Malware: Riltok']");
    }

    #[test]
    fn what_is_no_tag_is_named_with_its_line() {
        let check = |text: &str, line: usize, word: &str| {
            let (found, problem) = documents(text).unwrap_err();
            assert!(found == line && problem.contains(word), "{found} {problem}");
        };
        check("a O\nb\n", 2, "`b` has no tag");
        check("a O\n\nb X-A\n", 3, "`X-A` is no tag");
        check("a B-\n", 1, "`B-` is no tag");
        check("a o\n", 1, "`o`");
    }

    proptest! {
        #[test]
        fn spans_lie_in_their_sentence_one_after_the_other(tags in prop::collection::vec("O|[BIES]-[AB]", 1..12)) {
            let mut last = 0;
            for (start, end, _) in entities(&tags.join(" ")) {
                prop_assert!(last <= start && start < end && end <= tags.len());
                last = end;
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            drop(documents(&text));
        }
    }
}
