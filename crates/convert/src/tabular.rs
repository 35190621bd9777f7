//! Values between separators: whether a text holds them, and which separator it is.

/// How sure it is that a text is a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Certainty {
    /// No separator divides its lines.
    None,
    /// Some divides most lines alike.
    Likely,
    /// Several lines, all divided alike, and not like sentences.
    Sure,
}

/// How many records are looked at.
const RECORDS: usize = 200;

/// How sure it is that a text, of which this is the start, is a table.
pub(crate) fn certainty(head: &str, is_cut: bool) -> Certainty {
    // Lines of JSON and XML hold as many commas as each other, and are none.
    if head.trim_start().starts_with(['{', '[', '<']) {
        return Certainty::None;
    }
    let separators = [',', ';', '\t', '|'];
    separators.iter().map(|separator| certainty_of(head, *separator, is_cut)).max().unwrap_or(Certainty::None)
}

/// The separator that divides the records of a text best; a comma if none does.
pub(crate) fn separator(text: &str) -> char {
    // At equal evidence the one that is rarer in texts.
    let mut best = (0, ',');
    for separator in ['\t', ';', '|', ','] {
        let counts = field_counts(text, separator, false);
        let Some((fields, alike)) = most_common(&counts) else { continue };
        if fields < 2 {
            continue;
        }
        // Records that agree count; a hundredth more for each field, so that `a;b,c` is divided where more is won.
        let score = alike * 1000 / counts.len().max(1) * 100 + fields.min(99);
        if score > best.0 {
            best = (score, separator);
        }
    }
    best.1
}

fn certainty_of(head: &str, separator: char, is_cut: bool) -> Certainty {
    let counts = field_counts(head, separator, is_cut);
    let Some((fields, alike)) = most_common(&counts) else { return Certainty::None };
    if fields < 2 || counts.len() < 2 || alike * 10 < counts.len() * 8 {
        return Certainty::None;
    }
    // A comma and a blank is how sentences are written; a table has few of them.
    let in_sentences = head.matches(", ").count() + head.matches("; ").count();
    let is_prose = separator != '\t' && in_sentences * 2 > alike * (fields - 1);
    if alike == counts.len() && counts.len() >= 3 && !is_prose { Certainty::Sure } else { Certainty::Likely }
}

/// The number of fields of each record, with regard to quotes.
fn field_counts(text: &str, separator: char, is_cut: bool) -> Vec<usize> {
    let mut counts = Vec::new();
    let mut fields = 1;
    let mut in_quotes = false;
    let mut at_field_start = true;
    let mut is_blank = true;
    for character in text.chars() {
        match character {
            '"' if in_quotes => in_quotes = false,
            '"' if at_field_start => in_quotes = true,
            '\n' if !in_quotes => {
                if !is_blank {
                    counts.push(fields);
                    if counts.len() == RECORDS {
                        return counts;
                    }
                }
                (fields, is_blank, at_field_start) = (1, true, true);
                continue;
            }
            _ if character == separator && !in_quotes => {
                fields += 1;
                (at_field_start, is_blank) = (true, false);
                continue;
            }
            _ => {}
        }
        at_field_start = false;
        is_blank &= character.is_whitespace();
    }
    // The last line of a text that was cut may lack fields.
    if !is_blank && !is_cut {
        counts.push(fields);
    }
    counts
}

/// The most common number and how often it is there.
fn most_common(counts: &[usize]) -> Option<(usize, usize)> {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    sorted
        .chunk_by(|left, right| left == right)
        .map(|same| (same[0], same.len()))
        .max_by_key(|(fields, alike)| (*alike, *fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_told_from_sentences() {
        let cases = [
            ("a,b,c\n1,2,3\n4,5,6\n", Certainty::Sure, ','),
            ("a;b\n\"x;y\ny\";2\n4;5\n", Certainty::Sure, ';'),
            ("a\tb\n1,5\t2\n4\t5\n", Certainty::Sure, '\t'),
            ("a|b\n1|2\n4|5\n7\n", Certainty::Sure.min(Certainty::None), '|'),
            ("First, a word.\nThen, another.\nLast, one.\n", Certainty::Likely, ','),
            ("One line.\nAnother line.\n", Certainty::None, ','),
            ("", Certainty::None, ','),
            ("{\"a\":1,\"b\":2}\n{\"a\":3,\"b\":4}\n{\"a\":5,\"b\":6}\n", Certainty::None, ','),
        ];
        for (text, expected, by) in cases {
            assert_eq!((certainty(text, false), separator(text)), (expected, by), "{text:?}");
        }
    }
}
