//! A text that keeps a form, made of invented words: proof that the form can be kept at all.

use weighbridge_eval::task::Value;

/// A text that keeps every check of a list.
pub(crate) fn text(checks: &Value) -> String {
    let form = Form { checks: checks.as_list().unwrap() };
    let lines = form.lines();
    let total: usize = lines.iter().sum();
    let mut words: Vec<String> = (0..total).map(|place| form.word(place)).collect();
    form.place_required(&mut words);
    let (mut text, mut next) = (String::new(), 0);
    let initials: Vec<char> = form.text("acrostic").unwrap_or_default().chars().collect();
    for (line, count) in lines.iter().enumerate() {
        let mut own = words[next..next + count].to_vec();
        if let Some(initial) = initials.get(line) {
            own[0] = format!("{initial}{}", own[0]);
        }
        text.push_str(&own.join(" "));
        text.push('\n');
        next += count;
    }
    form.end_sentences(text.trim_end())
}

struct Form<'a> {
    checks: &'a [Value],
}

impl Form<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        self.checks.iter().find_map(|check| check.get(name))
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(Value::text)
    }

    fn number(&self, name: &str) -> usize {
        self.get(name).map_or(0, |value| usize::try_from(value.as_int().unwrap()).unwrap())
    }

    fn numbers(&self, name: &str) -> Option<Vec<usize>> {
        let items = self.get(name)?.as_list()?;
        Some(items.iter().map(|item| usize::try_from(item.as_int().unwrap()).unwrap()).collect())
    }

    fn required(&self) -> Vec<String> {
        self.get("contains").map(|value| value.as_list().unwrap().iter().map(Value::text).collect()).unwrap_or_default()
    }

    /// Words of each line.
    fn lines(&self) -> Vec<usize> {
        if let Some(counts) = self.numbers("line_words") {
            return counts;
        }
        let least = self.numbers("words").map_or(0, |range| range[0]);
        let count = least.max(self.number("different_words") + self.required().len()).max(8);
        match (self.text("acrostic"), self.numbers("word_letters")) {
            (Some(word), _) => vec![count.div_ceil(word.len()); word.len()],
            (None, Some(lengths)) => vec![lengths.len()],
            (None, None) => vec![count],
        }
    }

    /// An invented word, different at each place; `b` and `o` stand in no letter that a form forbids.
    fn word(&self, place: usize) -> String {
        let lengths = self.numbers("word_letters").unwrap_or_default();
        let initial = self.text("initial").unwrap_or_else(|| "b".to_owned());
        let tail: String = (0..6).map(|bit| if place >> bit & 1 == 1 { 'o' } else { 'u' }).collect();
        match lengths.get(place) {
            Some(&length) => {
                // Of equal lengths each takes another beginning.
                let same = lengths[..place].iter().filter(|other| **other == length).count();
                let first = char::from(b"bcdfghjk"[same]);
                std::iter::once(first).chain("oooooooooo".chars()).take(length).collect()
            }
            None => format!("{initial}{tail}"),
        }
    }

    /// Puts the required words in from the end, in the order of the alphabet where the form asks for it.
    fn place_required(&self, words: &mut [String]) {
        let mut required = self.required();
        required.sort();
        let shift = usize::from(self.get("ends").is_some());
        let start = words.len() - required.len() - shift;
        for (place, word) in required.into_iter().enumerate() {
            words[start + place] = word;
        }
        if let Some(first) = self.text("starts") {
            words[0] = first;
        }
        if let Some(last) = self.text("ends") {
            *words.last_mut().unwrap() = last;
        }
    }

    /// Ends as many sentences as are asked for.
    fn end_sentences(&self, text: &str) -> String {
        let Some(range) = self.numbers("sentences") else {
            return text.to_owned();
        };
        let mark = if self.get("questions").is_some() { "?" } else { "." };
        let words: Vec<&str> = text.split(' ').collect();
        let size = words.len() / range[0];
        let ended = |(place, word): (usize, &&str)| {
            let ends = place + 1 == words.len() || ((place + 1) % size == 0 && (place + 1) / size < range[0]);
            if ends { format!("{word}{mark}") } else { (*word).to_owned() }
        };
        words.iter().enumerate().map(ended).collect::<Vec<_>>().join(" ")
    }
}
