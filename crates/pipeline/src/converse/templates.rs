//! Conversations without a model: questions by templates over what was found, answers in the source's own words.

use std::ops::Range;

use super::wording::{clause, is_askable, sentence, within};
use super::{Candidate, QuestionType, Turn};
use crate::extract::{Alignment, Attribute, Extraction, Mention, Shape};
use crate::settings::ConversationSettings;
use crate::words::{WordKind, words};

/// Steps of a procedure in one answer.
const STEPS: usize = 12;

/// Conversations over the extractions of a chunk: the most telling of each shape first, `pairs_max` at most.
#[must_use]
pub fn converse_patterns(
    text: &str,
    headings: &[String],
    found: &[Extraction],
    settings: &ConversationSettings,
) -> Vec<Candidate> {
    let maker = Maker { text, heading: headings.last().map(|heading| within(heading)), settings };
    let mut groups: Vec<Vec<Candidate>> = Vec::new();
    for (index, extraction) in found.iter().enumerate() {
        let mut made = maker.of(index, extraction);
        made.retain(|candidate| maker.fits(candidate));
        groups.push(made);
    }
    let mut compared = maker.comparisons(found);
    compared.retain(|candidate| maker.fits(candidate));
    groups.push(compared);
    // In turns, so that one long table does not take the places of all others.
    let mut made = Vec::new();
    let longest = groups.iter().map(Vec::len).max().unwrap_or(0);
    for round in 0..longest {
        made.extend(groups.iter().filter_map(|group| group.get(round)).cloned());
    }
    made.truncate(settings.pairs_max);
    made
}

struct Maker<'a> {
    text: &'a str,
    heading: Option<String>,
    settings: &'a ConversationSettings,
}

impl Maker<'_> {
    fn of(&self, index: usize, extraction: &Extraction) -> Vec<Candidate> {
        match extraction.shape {
            Shape::Row => self.row(index, extraction),
            Shape::Entry => self.entry(index, extraction),
            Shape::Sentence => self.statement(index, extraction),
            Shape::Steps => self.steps(index, extraction),
            Shape::Question => self.asked(index, extraction),
            Shape::Code => self.code(index, extraction),
            Shape::List => self.list(index, extraction),
            // What a model found is asked about as an entry or a statement is.
            Shape::Model if extraction.subject.is_some() && !extraction.attributes.is_empty() => {
                self.row(index, extraction)
            }
            Shape::Model => self.statement(index, extraction),
        }
    }

    fn fits(&self, candidate: &Candidate) -> bool {
        let lengths = self.settings.answer_min..=self.settings.answer_max;
        candidate.turns.iter().all(|turn| !turn.questions.is_empty() && lengths.contains(&turn.answer.chars().count()))
    }

    /// A turn for every cell of a row; of several, one conversation with a turn for each as well.
    fn row(&self, index: usize, extraction: &Extraction) -> Vec<Candidate> {
        let Some(subject) = extraction.subject.as_ref().filter(|subject| is_askable(&subject.text)) else {
            return Vec::new();
        };
        let mut turns = Vec::new();
        for attribute in &extraction.attributes {
            let Some(name) = attribute.name.as_ref().filter(|name| is_askable(&name.text)) else { continue };
            let kind =
                if is_figure(&attribute.value.text) { QuestionType::Quantitative } else { QuestionType::Factual };
            let (name_within, subject_within) = (within(&name.text), within(&subject.text));
            let answer = format!("{} of {}: {}", name.text.trim_end_matches(':'), subject.text, attribute.value.text);
            let evidence = vec![subject.span.clone(), name.span.clone(), attribute.value.span.clone()];
            turns.push((kind, turn(cell_questions(&name_within, &subject_within, kind), sentence(&answer), evidence)));
        }
        let mut made: Vec<Candidate> = Vec::new();
        if turns.len() >= 2 && self.settings.turns_max >= 2 {
            let mut chain: Vec<Turn> =
                turns.iter().take(self.settings.turns_max).map(|(_, turn)| turn.clone()).collect();
            for (at, follow_up) in chain.iter_mut().enumerate().skip(1) {
                let name = extraction.attributes[at].name.as_ref().map(|name| within(&name.text)).unwrap_or_default();
                let subject = within(&subject.text);
                follow_up.questions = vec![
                    format!("And the {name} of {subject}?"),
                    format!("What about the {name} of {subject}?"),
                    format!("Then what is the {name} of {subject}?"),
                ];
            }
            // A cell that was passed over would move the names: only whole rows become one conversation.
            if turns.len() == extraction.attributes.len() {
                made.push(Candidate { kind: QuestionType::Factual, extraction: Some(index), turns: chain });
            }
        }
        made.extend(turns.into_iter().map(|(kind, turn)| Candidate {
            kind,
            extraction: Some(index),
            turns: vec![turn],
        }));
        made
    }

    fn entry(&self, index: usize, extraction: &Extraction) -> Vec<Candidate> {
        let (Some(subject), Some(attribute)) = (&extraction.subject, extraction.attributes.first()) else {
            return Vec::new();
        };
        if !is_askable(&subject.text) {
            return Vec::new();
        }
        let name = within(&subject.text);
        let kind = match extraction.class.as_str() {
            "troubleshooting" => QuestionType::Troubleshooting,
            "specifications" if is_figure(&attribute.value.text) => QuestionType::Quantitative,
            "parameters" => QuestionType::Factual,
            _ => QuestionType::Conceptual,
        };
        let place = self.place();
        let questions = match kind {
            QuestionType::Troubleshooting => vec![
                format!("What should be known about {name}{place}?"),
                format!("How is {name} dealt with{place}?"),
                format!("When {name} comes up{place}, what applies?"),
                format!("In case of {name}, what is to be done{place}?"),
            ],
            QuestionType::Factual | QuestionType::Quantitative => vec![
                format!("What does {name} do{place}?"),
                format!("Which purpose does {name} serve{place}?"),
                format!("How is {name} described{place}?"),
                format!("For what is {name} used{place}?"),
                format!("When would you set {name}{place}?"),
                format!("Can you say what {name} is for{place}?"),
            ],
            _ => vec![
                format!("What is {name}{place}?"),
                format!("How is {name} described{place}?"),
                format!("Which meaning does {name} have{place}?"),
                format!("Could you describe {name}{place}?"),
                format!("In short, what is {name}{place}?"),
                format!("Where {name} is concerned, what holds{place}?"),
            ],
        };
        let answer = sentence(&format!("{}: {}", subject.text.trim_end_matches(':'), attribute.value.text));
        let mut evidence = vec![extraction.span.clone()];
        if extraction.span.is_empty() {
            evidence = vec![subject.span.clone(), attribute.value.span.clone()];
        }
        vec![Candidate { kind, extraction: Some(index), turns: vec![turn(questions, answer, evidence)] }]
    }

    fn statement(&self, index: usize, extraction: &Extraction) -> Vec<Candidate> {
        let words_of = extraction.attributes.first().map(|attribute| attribute.value.text.clone());
        let said = words_of.unwrap_or_else(|| crate::extract::plain(&self.text[extraction.span.clone()]));
        let Some((kind, questions)) = self.statement_questions(&said, extraction) else { return Vec::new() };
        vec![Candidate {
            kind,
            extraction: Some(index),
            turns: vec![Turn {
                alignment: extraction.alignment,
                ..turn(questions, sentence(&said), vec![extraction.span.clone()])
            }],
        }]
    }

    fn statement_questions(&self, said: &str, extraction: &Extraction) -> Option<(QuestionType, Vec<String>)> {
        let place = self.place();
        if let Some((condition, word)) = condition_of(said) {
            let condition = clause(condition);
            let questions = vec![
                format!("What happens {word} {condition}?"),
                format!("{} {condition}, what follows?", capital(word)),
                format!("Suppose that {condition}: what then?"),
                format!("Which consequence does it have {word} {condition}?"),
                format!("How does it behave {word} {condition}?"),
            ];
            return Some((QuestionType::Causal, questions));
        }
        if let Some(effect) = effect_of(said) {
            let effect = clause(effect);
            let questions = vec![
                format!("Why is it that {effect}?"),
                format!("For which reason is it that {effect}?"),
                format!("What is the reason that {effect}?"),
                format!("How is it explained that {effect}?"),
            ];
            return Some((QuestionType::Causal, questions));
        }
        let subject = within(&extraction.subject.as_ref().filter(|subject| is_askable(&subject.text))?.text);
        Some(match extraction.class.as_str() {
            "troubleshooting" => (
                QuestionType::Troubleshooting,
                vec![
                    format!("What should be considered with {subject}{place}?"),
                    format!("Which limits or problems does {subject} have{place}?"),
                    format!("Is there anything to watch for with {subject}{place}?"),
                    format!("When working with {subject}, what can go wrong{place}?"),
                    format!("Where may {subject} cause trouble{place}?"),
                ],
            ),
            "examples" => (
                QuestionType::Factual,
                vec![
                    format!("Which examples are given of {subject}{place}?"),
                    format!("Can you give examples of {subject}{place}?"),
                    format!("What are examples of {subject}{place}?"),
                    format!("By which examples is {subject} illustrated{place}?"),
                ],
            ),
            "specifications" if is_figure(said) => (
                QuestionType::Quantitative,
                vec![
                    format!("Which figures apply to {subject}{place}?"),
                    format!("What figures are given for {subject}{place}?"),
                    format!("How is {subject} specified{place}?"),
                    format!("In numbers, what holds for {subject}{place}?"),
                    format!("By which numbers is {subject} described{place}?"),
                ],
            ),
            _ if is_definition(said) => (
                QuestionType::Conceptual,
                vec![
                    format!("What is meant by {subject}{place}?"),
                    format!("How is {subject} defined{place}?"),
                    format!("Could you explain {subject}{place}?"),
                    format!("In a sentence, what is {subject}{place}?"),
                    format!("Who or what is {subject}{place}?"),
                ],
            ),
            _ => (
                QuestionType::Factual,
                vec![
                    format!("What is said of {subject}{place}?"),
                    format!("Which statement is made about {subject}{place}?"),
                    format!("How does {subject} work{place}?"),
                    format!("Regarding {subject}, what is to be known{place}?"),
                    format!("Could you tell more about {subject}{place}?"),
                    format!("On {subject}, what is stated{place}?"),
                ],
            ),
        })
    }

    fn steps(&self, index: usize, extraction: &Extraction) -> Vec<Candidate> {
        let Some(subject) = extraction.subject.as_ref().filter(|subject| is_askable(&subject.text)) else {
            return Vec::new();
        };
        let steps: Vec<&Attribute> = extraction.attributes.iter().take(STEPS).collect();
        let answer: Vec<String> = steps.iter().map(|step| format!("- {}", step.value.text)).collect();
        let mut evidence = vec![subject.span.clone()];
        evidence.extend(steps.iter().map(|step| step.value.span.clone()));
        let name = within(&subject.text);
        let lower = name.to_lowercase();
        let mut questions = match lower.strip_prefix("how to ") {
            Some(_) => vec![
                format!("How do you {}?", &name["how to ".len()..]),
                format!("Which steps does it take to {}?", &name["how to ".len()..]),
            ],
            None => vec![format!("Which steps belong to {name}?"), format!("How does {name} go, step by step?")],
        };
        questions.push(format!("What are the steps of {name}?"));
        questions.push(format!("In which order is {name} carried out?"));
        questions.push(format!("Can you list the steps of {name}?"));
        let mut made = vec![Candidate {
            kind: QuestionType::Procedural,
            extraction: Some(index),
            turns: vec![turn(questions, answer.join("\n"), evidence)],
        }];
        for pair in steps.windows(2) {
            let (one, two) = (&pair[0].value, &pair[1].value);
            let short = clause(&first_words(&one.text, 12));
            let questions = vec![
                format!("What comes after \"{short}\" in {name}?"),
                format!("Which step follows \"{short}\" in {name}?"),
                format!("After \"{short}\", how does {name} go on?"),
                format!("Once \"{short}\" is done, what is next in {name}?"),
            ];
            let evidence = vec![two.span.clone()];
            made.push(Candidate {
                kind: QuestionType::Procedural,
                extraction: Some(index),
                turns: vec![turn(questions, sentence(&two.text), evidence)],
            });
        }
        made
    }

    fn asked(&self, index: usize, extraction: &Extraction) -> Vec<Candidate> {
        let (Some(subject), Some(attribute)) = (&extraction.subject, extraction.attributes.first()) else {
            return Vec::new();
        };
        let lower = subject.text.to_lowercase();
        let kind = match () {
            () if extraction.class == "troubleshooting" => QuestionType::Troubleshooting,
            () if lower.starts_with("how") => QuestionType::Procedural,
            () if lower.starts_with("why") => QuestionType::Causal,
            () if lower.starts_with("what is") => QuestionType::Conceptual,
            () => QuestionType::Factual,
        };
        let turns = vec![turn(vec![subject.text.clone()], attribute.value.text.clone(), vec![extraction.span.clone()])];
        vec![Candidate { kind, extraction: Some(index), turns }]
    }

    fn code(&self, index: usize, extraction: &Extraction) -> Vec<Candidate> {
        let (Some(subject), Some(attribute)) = (&extraction.subject, extraction.attributes.first()) else {
            return Vec::new();
        };
        let name = clause(&subject.text);
        if !is_askable(&name) {
            return Vec::new();
        }
        let questions = vec![
            format!("Which example is given for \"{name}\"?"),
            format!("What does the code for \"{name}\" look like?"),
            format!("Can you show the example for \"{name}\"?"),
            format!("How is \"{name}\" written in code?"),
            format!("By which code is \"{name}\" shown?"),
        ];
        let evidence = vec![subject.span.clone(), attribute.value.span.clone()];
        let turns = vec![turn(questions, attribute.value.text.clone(), evidence)];
        vec![Candidate { kind: QuestionType::Procedural, extraction: Some(index), turns }]
    }

    fn list(&self, index: usize, extraction: &Extraction) -> Vec<Candidate> {
        let Some(subject) = extraction.subject.as_ref() else { return Vec::new() };
        let name = within(&subject.text);
        if !is_askable(&name) {
            return Vec::new();
        }
        let place = if subject.text.ends_with(':') { self.place() } else { String::new() };
        let questions = vec![
            format!("What is listed under \"{name}\"{place}?"),
            format!("Which points belong to \"{name}\"{place}?"),
            format!("Can you list what falls under \"{name}\"{place}?"),
            format!("Under \"{name}\", what is named{place}?"),
            format!("Name the points of \"{name}\"{place}, which are they?"),
        ];
        let answer: Vec<String> = extraction.attributes.iter().map(|item| format!("- {}", item.value.text)).collect();
        let mut evidence = vec![subject.span.clone()];
        evidence.extend(extraction.attributes.iter().map(|item| item.value.span.clone()));
        let kind =
            if extraction.class == "troubleshooting" { QuestionType::Troubleshooting } else { QuestionType::Factual };
        vec![Candidate { kind, extraction: Some(index), turns: vec![turn(questions, answer.join("\n"), evidence)] }]
    }

    /// Two neighboring rows of one table, by a column in which they differ.
    fn comparisons(&self, found: &[Extraction]) -> Vec<Candidate> {
        let rows: Vec<(usize, &Extraction)> =
            found.iter().enumerate().filter(|(_, one)| one.shape == Shape::Row).collect();
        let mut made = Vec::new();
        for pair in rows.windows(2) {
            let ((index, one), (_, two)) = (pair[0], pair[1]);
            let (Some(first), Some(second)) = (&one.subject, &two.subject) else { continue };
            if !is_askable(&first.text) || !is_askable(&second.text) {
                continue;
            }
            let differ = one.attributes.iter().find_map(|left| {
                let right = two
                    .attributes
                    .iter()
                    .find(|right| right.name == left.name && right.value.text != left.value.text)?;
                Some((left.name.as_ref()?, &left.value, &right.value))
            });
            if let Some((column, left, right)) = differ.filter(|(column, ..)| is_askable(&column.text)) {
                made.push(comparison(index, column, (first, left), (second, right)));
            }
        }
        made
    }

    /// Where in the document something stands, within a question.
    fn place(&self) -> String {
        match &self.heading {
            Some(heading) if is_askable(heading) && heading.chars().count() <= 60 => {
                format!(" (section \"{heading}\")")
            }
            _ => String::new(),
        }
    }
}

fn comparison(index: usize, column: &Mention, one: (&Mention, &Mention), two: (&Mention, &Mention)) -> Candidate {
    let (first, second, name) = (within(&one.0.text), within(&two.0.text), within(&column.text));
    let questions = vec![
        format!("How do {first} and {second} differ in {name}?"),
        format!("What is the difference in {name} between {first} and {second}?"),
        format!("Comparing {first} with {second}, which {name} does each have?"),
        format!("Between {first} and {second}, how does the {name} differ?"),
        format!("Do {first} and {second} have the same {name}?"),
    ];
    let answer = format!("{}: {}. {}: {}.", one.0.text, trimmed_end(&one.1.text), two.0.text, trimmed_end(&two.1.text));
    let evidence =
        vec![column.span.clone(), one.0.span.clone(), one.1.span.clone(), two.0.span.clone(), two.1.span.clone()];
    Candidate {
        kind: QuestionType::Comparative,
        extraction: Some(index),
        turns: vec![turn(questions, answer, evidence)],
    }
}

fn cell_questions(name: &str, subject: &str, kind: QuestionType) -> Vec<String> {
    let mut questions = vec![
        format!("What is the {name} of {subject}?"),
        format!("Which {name} does {subject} have?"),
        format!("For {subject}, which {name} is given?"),
        format!("How is the {name} of {subject} given?"),
        format!("Can you name the {name} of {subject}?"),
        format!("In the row of {subject}, what stands under {name}?"),
        format!("Under {name}, what is given for {subject}?"),
        format!("Looking at {subject}, what is its {name}?"),
    ];
    if kind == QuestionType::Quantitative {
        questions.insert(2, format!("By which value is the {name} of {subject} given?"));
        questions.insert(3, format!("At which value does the {name} of {subject} stand?"));
    }
    questions
}

fn turn(questions: Vec<String>, answer: String, evidence: Vec<Range<usize>>) -> Turn {
    Turn { questions, answer, evidence, alignment: Alignment::Exact }
}

/// Whether a text says a figure.
fn is_figure(text: &str) -> bool {
    words(text).iter().any(|word| word.kind == WordKind::Number)
}

fn is_definition(said: &str) -> bool {
    let lower = said.to_lowercase();
    [" is a ", " is an ", " is the ", " are ", " means ", " stands for ", " refers to ", " describes "]
        .iter()
        .any(|sign| lower.contains(sign))
}

/// The condition of a sentence that begins with one, and its word.
fn condition_of(said: &str) -> Option<(&str, &'static str)> {
    for (opening, word) in
        [("If ", "if"), ("When ", "when"), ("Unless ", "unless"), ("Once ", "once"), ("Whenever ", "whenever")]
    {
        if let Some(rest) = said.strip_prefix(opening) {
            let (condition, result) = rest.split_once(", ")?;
            let is_whole = condition.split_whitespace().count() >= 2 && result.split_whitespace().count() >= 2;
            return is_whole.then_some((condition, word));
        }
    }
    None
}

/// What a sentence gives a reason for.
fn effect_of(said: &str) -> Option<&str> {
    for sign in [" because ", " so that ", " in order to ", " due to "] {
        if let Some((effect, reason)) = said.split_once(sign) {
            let is_whole = effect.split_whitespace().count() >= 3 && reason.split_whitespace().count() >= 2;
            return is_whole.then_some(effect);
        }
    }
    None
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn first_words(text: &str, count: usize) -> String {
    text.split_whitespace().take(count).collect::<Vec<_>>().join(" ")
}

fn trimmed_end(text: &str) -> &str {
    text.trim_end_matches(['.', ' '])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::extract_patterns;
    use crate::quality::{Evidence, ground};
    use crate::settings::ExtractionSettings;

    fn made(text: &str) -> Vec<Candidate> {
        let found = extract_patterns(text, &[], &ExtractionSettings::default());
        converse_patterns(text, &[], &found, &ConversationSettings::default())
    }

    const TEXTS: [&str; 8] = [
        "| Option | Default | Meaning |\n|---|---|---|\n| `size` | 30 | how much is kept |\n| `age` | 3600 | how long it is kept |\n",
        "- **Cache**: keeps what was asked before\n- `--size`: how much is kept at once\n",
        "If the disk is full, the cache forgets its oldest answers.",
        "The server keeps answers because models are slow to give them.",
        "## How to start the server\n\n1. Install the program\n2. Run it with `serve`\n3. Open the page\n",
        "## Why is it slow?\n\nThe disk is full. Remove some answers.\n",
        "Start it with two workers:\n\n```sh\nserve --workers 2\n```\n",
        "The cache is a store of answers. The cache must hold at least 20 answers.\n",
    ];

    #[test]
    fn every_shape_is_asked_about() {
        let check = |text: &str, kind: QuestionType, question: &str| {
            let made = made(text);
            let asked: Vec<(QuestionType, &str)> =
                made.iter().map(|one| (one.kind, one.turns[0].questions[0].as_str())).collect();
            assert!(asked.contains(&(kind, question)), "{asked:#?}");
        };
        check(TEXTS[0], QuestionType::Quantitative, "What is the default of size?");
        check(TEXTS[0], QuestionType::Comparative, "How do size and age differ in default?");
        check(TEXTS[1], QuestionType::Conceptual, "What is cache?");
        check(TEXTS[1], QuestionType::Factual, "What does --size do?");
        check(TEXTS[2], QuestionType::Causal, "What happens if the disk is full?");
        check(TEXTS[3], QuestionType::Causal, "Why is it that the server keeps answers?");
        check(TEXTS[4], QuestionType::Procedural, "How do you start the server?");
        check(TEXTS[5], QuestionType::Causal, "Why is it slow?");
        check(TEXTS[6], QuestionType::Procedural, "Which example is given for \"start it with two workers\"?");
        check(TEXTS[7], QuestionType::Conceptual, "What is meant by the cache?");
    }

    #[test]
    fn rows_become_conversations_of_several_turns() {
        let several = made(TEXTS[0]).into_iter().find(|one| one.turns.len() > 1).unwrap();
        assert_eq!(several.turns[1].questions[0], "And the meaning of size?");
    }

    #[test]
    fn every_answer_is_grounded_in_what_it_cites() {
        for text in TEXTS {
            for candidate in made(text) {
                for turn in &candidate.turns {
                    let evidence = Evidence::new(turn.evidence.iter().map(|range| &text[range.clone()]));
                    let found = ground(&turn.answer, &evidence, turn.alignment.quality());
                    assert!(found.value > 0.95, "{} {found:?}", turn.answer);
                }
            }
        }
    }
}
