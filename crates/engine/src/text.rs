//! From the bytes of tokens to text that can be shown.

/// Assembles text: holds back an unfinished character, and text that may be the beginning of a stop string.
#[derive(Debug)]
pub struct TextAssembler {
    stops: Vec<String>,
    /// Bytes of an unfinished character.
    bytes: Vec<u8>,
    /// Text not handed out yet.
    held: String,
}

/// What one token added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Text that is now certain.
    pub text: String,
    /// The place of the stop string that was completed, where one was; the text before it is in `text`.
    pub stop: Option<usize>,
}

impl TextAssembler {
    /// `stops` are not empty texts.
    pub fn new(stops: Vec<String>) -> Self {
        Self { stops, bytes: Vec::new(), held: String::new() }
    }

    /// Adds the bytes of a token.
    pub fn push(&mut self, bytes: &[u8]) -> Piece {
        self.bytes.extend_from_slice(bytes);
        self.take_characters();
        let stops = self.stops.iter().enumerate();
        if let Some((place, stop)) = stops.filter_map(|(number, stop)| Some((self.held.find(stop)?, number))).min() {
            self.held.truncate(place);
            return Piece { text: std::mem::take(&mut self.held), stop: Some(stop) };
        }
        let kept = self.held.split_off(self.held.len() - self.possible_stop());
        Piece { text: std::mem::replace(&mut self.held, kept), stop: None }
    }

    /// Hands out what is left; an unfinished character becomes a replacement character.
    pub fn finish(&mut self) -> String {
        let mut text = std::mem::take(&mut self.held);
        text.push_str(&String::from_utf8_lossy(&std::mem::take(&mut self.bytes)));
        text
    }

    /// Moves whole characters to the held text; bytes that can begin no character become replacement characters.
    fn take_characters(&mut self) {
        let mut done = 0;
        for chunk in self.bytes.utf8_chunks() {
            self.held.push_str(chunk.valid());
            done += chunk.valid().len();
            let bad = chunk.invalid();
            let is_unfinished = done + bad.len() == self.bytes.len() && may_continue(bad);
            if !bad.is_empty() && !is_unfinished {
                self.held.push(char::REPLACEMENT_CHARACTER);
                done += bad.len();
            }
        }
        self.bytes.drain(..done);
    }

    /// Length of the longest end of the held text that begins a stop string.
    fn possible_stop(&self) -> usize {
        let longest = |stop: &String| {
            let fits = |&len: &usize| stop.is_char_boundary(len) && self.held.ends_with(&stop[..len]);
            (1..stop.len()).rev().find(fits).unwrap_or(0)
        };
        self.stops.iter().map(longest).max().unwrap_or(0)
    }
}

/// Whether more bytes can make a character of these.
fn may_continue(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(stops: &[&str], tokens: &[&[u8]], pieces: &[&str], rest: &str) {
        let mut assembler = TextAssembler::new(stops.iter().map(|&stop| stop.to_owned()).collect());
        let found: Vec<String> = tokens.iter().map(|bytes| assembler.push(bytes).text).collect();
        assert_eq!(found, pieces);
        assert_eq!(assembler.finish(), rest);
    }

    #[test]
    fn text_comes_in_whole_characters() {
        check(&[], &[b"a", b"\xe2\x82", b"\xac!"], &["a", "", "€!"], "");
        check(&[], &[b"\xf0\x9f", b"\x98", b"\x80"], &["", "", "😀"], "");
        check(&[], &[b"a\xff", b"b"], &["a\u{fffd}", "b"], "");
        check(&[], &[b"a\xe2\x82", b"b"], &["a", "\u{fffd}b"], "");
        check(&[], &[b"x\xe2"], &["x"], "\u{fffd}");
    }

    #[test]
    fn possible_stops_are_held_back() {
        check(&["END"], &[b"ok E", b"N", b"T"], &["ok ", "", "ENT"], "");
        check(&["END"], &[b"ok E"], &["ok "], "E");
        check(&["\n\n"], &[b"a\n", b"b"], &["a", "\nb"], "");
    }

    #[test]
    fn a_stop_ends_the_text_before_it() {
        let mut assembler = TextAssembler::new(vec!["STOP".to_owned(), "b".to_owned()]);
        assert_eq!(assembler.push(b"aST"), Piece { text: "a".to_owned(), stop: None });
        assert_eq!(assembler.push(b"OPxb"), Piece { text: String::new(), stop: Some(0) });
    }

    proptest! {
        #[test]
        fn no_text_is_lost(text in "\\PC{0,20}", bytes in prop::collection::vec(any::<u8>(), 0..20), cut in 1_usize..4) {
            for whole in [text.as_bytes(), &bytes] {
                let mut assembler = TextAssembler::new(vec!["ab".to_owned()]);
                let mut found = String::new();
                let mut stopped = false;
                for token in whole.chunks(cut) {
                    let piece = assembler.push(token);
                    found.push_str(&piece.text);
                    stopped |= piece.stop.is_some();
                    if stopped {
                        break;
                    }
                }
                let expected = String::from_utf8_lossy(whole);
                if stopped {
                    prop_assert_eq!(found, expected.split("ab").next().unwrap_or_default());
                } else {
                    found.push_str(&assembler.finish());
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }
}
