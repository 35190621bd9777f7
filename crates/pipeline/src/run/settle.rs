//! Which items are kept: decided once all are known, and the same whatever the order in which they came.

use crate::converse::{Diversity, allowance, first_word, pattern_of};
use crate::dedup::{Clusters, SimilarTexts};
use crate::extract::Alignment;
use crate::quality::{Answerability, ItemRefusal, ItemScore, ScoreInput, score_item};
use crate::run::draft::{Draft, DraftTurn};
use crate::settings::Settings;

/// What was decided of a draft.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    pub draft: Draft,
    /// Which wording each turn takes.
    pub wordings: Vec<usize>,
    pub score: ItemScore,
    pub refusal: Option<(ItemRefusal, String)>,
    /// A judge was asked and gave no verdict.
    pub is_unjudged: bool,
}

impl Settled {
    /// The question of a turn.
    pub(super) fn question(&self, turn: usize) -> &str {
        let wording = self.wordings.get(turn).copied().unwrap_or(0);
        self.draft.turns[turn].wordings.get(wording).map_or("", |wording| &wording.text)
    }

    /// Puts another answerability in the place of the one that was measured.
    pub(super) fn answerability(&mut self, value: Answerability) {
        self.score = with_terms(&self.score, value, self.score.non_redundancy);
    }

    /// What speaks against an item that is kept.
    pub(super) fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        if self.is_unjudged {
            doubts.push("the judge gave no verdict".to_owned());
        }
        for turn in &self.draft.turns {
            if let Alignment::Fuzzy { coverage, .. } = turn.alignment {
                doubts.push(format!("{:.0} % of the words of a quotation were met", coverage * 100.0));
            }
            doubts.extend(turn.grounding.doubts());
        }
        doubts
    }
}

/// Decides on every draft, as [`weigh`] and [`close`] do one after the other.
#[cfg(test)]
pub(crate) fn settle(
    drafts: Vec<Draft>,
    conversion: &[f64],
    settings: &Settings,
    clusters: &mut Clusters,
) -> Vec<Settled> {
    let (mut settled, order) = weigh(drafts, conversion, settings, clusters);
    close(&mut settled, &order, settings);
    settled
}

/// Scores every draft, and rejects what fails a gate or repeats a better one. Also gives the places of the others, the best first.
///
/// `conversion` is the score of each document's conversion; documents whose items are nearly the same are joined in `clusters`.
/// Each item, in the order of the documents, takes the wording that was used least so far.
pub(crate) fn weigh(
    drafts: Vec<Draft>,
    conversion: &[f64],
    settings: &Settings,
    clusters: &mut Clusters,
) -> (Vec<Settled>, Vec<usize>) {
    let mut drafts = drafts;
    drafts.sort_by_key(|draft| (draft.document, draft.chunk, draft.number));
    let mut settled = choose_wordings(drafts, conversion, settings);
    let mut order: Vec<usize> = (0..settled.len()).filter(|at| settled[*at].refusal.is_none()).collect();
    // The sort is stable: of equals the earlier is the better.
    order.sort_by(|one, two| settled[*two].score.score.total_cmp(&settled[*one].score.score));
    refuse_repetitions(&mut settled, &order, settings, clusters);
    order.retain(|at| settled[*at].refusal.is_none());
    (settled, order)
}

/// Rejects what scores too low, then, from the poorest on, what has more than its share of first words and patterns.
pub(crate) fn close(settled: &mut [Settled], order: &[usize], settings: &Settings) {
    for item in settled.iter_mut() {
        if item.refusal.is_none() && item.score.score < settings.gates.conversation {
            item.refusal = Some((ItemRefusal::LowScore, format!("{:.3}", item.score.score)));
        }
    }
    let kept: Vec<usize> = order.iter().copied().filter(|at| settled[*at].refusal.is_none()).collect();
    hold_shares(settled, &kept, settings);
}

fn choose_wordings(drafts: Vec<Draft>, conversion: &[f64], settings: &Settings) -> Vec<Settled> {
    let mut diversity = Diversity::default();
    let mut settled = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let refusal = gate(&draft, settings);
        let mut wordings = Vec::with_capacity(draft.turns.len());
        for turn in &draft.turns {
            // Only wordings that answer no worse than the first by much are a choice.
            let texts: Vec<String> = turn.wordings.iter().map(|wording| wording.text.clone()).collect();
            let chosen =
                diversity.rarest(&texts).and_then(|chosen| texts.iter().position(|text| text == chosen)).unwrap_or(0);
            if let Some(text) = texts.get(chosen).filter(|_| refusal.is_none()) {
                diversity.add(text);
            }
            wordings.push(chosen);
        }
        let score = first_score(&draft, &wordings, conversion);
        settled.push(Settled { draft, wordings, score, refusal, is_unjudged: false });
    }
    settled
}

fn gate(draft: &Draft, settings: &Settings) -> Option<(ItemRefusal, String)> {
    let any = |is: fn(&DraftTurn) -> bool| draft.turns.iter().any(is);
    let lengths = settings.conversations.answer_min..=settings.conversations.answer_max;
    if draft.turns.is_empty() || any(|turn| turn.wordings.is_empty() || turn.answer.trim().is_empty()) {
        return Some((ItemRefusal::Malformed, "a question or an answer is empty".to_owned()));
    }
    if let Some(turn) = draft.turns.iter().find(|turn| !lengths.contains(&turn.answer.chars().count())) {
        return Some((ItemRefusal::Malformed, format!("an answer has {} characters", turn.answer.chars().count())));
    }
    if any(|turn| turn.spans.is_empty()) {
        return Some((ItemRefusal::NoSpan, String::new()));
    }
    if any(|turn| turn.leaks) {
        return Some((ItemRefusal::LeaksSource, String::new()));
    }
    if any(|turn| turn.is_other_language) {
        return Some((ItemRefusal::WrongLanguage, String::new()));
    }
    let poor = draft.turns.iter().find(|turn| turn.grounding.value < settings.gates.grounding);
    poor.map(|turn| {
        let doubts = turn.grounding.doubts().join(", ");
        (ItemRefusal::Ungrounded, format!("{:.3} {doubts}", turn.grounding.value).trim_end().to_owned())
    })
}

fn first_score(draft: &Draft, wordings: &[usize], conversion: &[f64]) -> ItemScore {
    let chosen = draft.turns.iter().zip(wordings).filter_map(|(turn, at)| turn.wordings.get(*at));
    let (mut answerable, mut well_formed, mut count) = (0.0, 1.0_f64, 0_u32);
    for wording in chosen {
        answerable += wording.answerability;
        well_formed = well_formed.min(wording.well_formed);
        count += 1;
    }
    let grounding = draft.turns.iter().map(|turn| turn.grounding.value).fold(1.0, f64::min);
    score_item(&ScoreInput {
        grounding: if draft.turns.is_empty() { 0.0 } else { grounding },
        answerability: Answerability::Lexical(if count == 0 { 0.0 } else { answerable / f64::from(count) }),
        conversion: conversion.get(draft.document).copied().unwrap_or(0.0),
        well_formed,
        non_redundancy: 1.0,
    })
}

fn refuse_repetitions(settled: &mut [Settled], order: &[usize], settings: &Settings, clusters: &mut Clusters) {
    let mut kept = SimilarTexts::wide();
    let mut kept_items: Vec<usize> = Vec::new();
    for &at in order {
        let item = &settled[at];
        let mut text = String::new();
        for (turn, draft) in item.draft.turns.iter().enumerate() {
            text.push_str(item.question(turn));
            text.push('\n');
            text.push_str(&draft.answer);
            text.push('\n');
        }
        let signed = kept.sign(&text);
        let nearest = kept.nearest(&signed);
        if let Some(nearest) = nearest {
            let other = kept_items[nearest.number];
            // Documents that share an item share a split, whether the item is kept or not.
            if nearest.similarity >= settings.deduplication.text_similarity {
                clusters.join(settled[at].draft.document, settled[other].draft.document);
            }
            let score = &settled[at].score;
            settled[at].score = with_terms(score, score.answerability, 1.0 - nearest.similarity);
            if nearest.similarity >= settings.deduplication.item_similarity {
                let question = settled[other].question(0).to_owned();
                settled[at].refusal =
                    Some((ItemRefusal::NearDuplicate, format!("{:.3} to `{question}`", nearest.similarity)));
                continue;
            }
        }
        kept.insert(signed);
        kept_items.push(at);
    }
}

fn with_terms(score: &ItemScore, answerability: Answerability, non_redundancy: f64) -> ItemScore {
    score_item(&ScoreInput {
        grounding: score.grounding,
        answerability,
        conversion: score.conversion,
        well_formed: score.well_formed,
        non_redundancy,
    })
}

/// Rejects, from the poorest on, what has more than its share of first words and patterns.
fn hold_shares(settled: &mut [Settled], order: &[usize], settings: &Settings) {
    let limits = &settings.conversations;
    let mut kept: Vec<usize> = order.to_vec();
    if kept.len() < limits.shares_from {
        return;
    }
    loop {
        let questions: u64 = kept.iter().map(|at| settled[*at].draft.turns.len() as u64).sum();
        // Of few kinds no number would do: each kind may have what it might have among the least number that is held.
        let questions = questions.max(limits.shares_from as u64);
        let most_words = allowance(limits.first_word_share, questions);
        let most_patterns = allowance(limits.pattern_share, questions);
        let mut counts = Diversity::default();
        let mut still = Vec::with_capacity(kept.len());
        for &at in &kept {
            let asked: Vec<String> =
                (0..settled[at].draft.turns.len()).map(|turn| settled[at].question(turn).to_owned()).collect();
            let reason = asked.iter().find_map(|question| counts.refuses(question, most_words, most_patterns));
            match reason {
                None => {
                    asked.iter().for_each(|question| counts.add(question));
                    still.push(at);
                }
                Some(reason) => {
                    let detail = match reason {
                        ItemRefusal::FirstWordCap => first_word(&asked[0]),
                        _ => pattern_of(&asked[0]),
                    };
                    settled[at].refusal = Some((reason, detail));
                }
            }
        }
        if still.len() == kept.len() {
            return;
        }
        // Fewer items allow fewer of each kind.
        kept = still;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::converse::QuestionType;
    use crate::quality::Grounding;
    use crate::run::draft::DraftWording;
    use crate::run::draft::SpanRecord;

    fn draft(number: usize, questions: &[&str], answer: &str, grounding: f64) -> Draft {
        let wording = |text: &&str| DraftWording { text: (*text).to_owned(), answerability: 1.0, well_formed: 1.0 };
        let turn = DraftTurn {
            wordings: questions.iter().map(wording).collect(),
            answer: answer.to_owned(),
            spans: vec![SpanRecord { start: 0, end: 1, hash: String::new(), page: None }],
            alignment: Alignment::Exact,
            grounding: Grounding { value: grounding, share: grounding, unsupported: Vec::new(), is_turned: false },
            leaks: false,
            is_other_language: false,
        };
        Draft { document: number % 2, chunk: 0, number, kind: QuestionType::Factual, class: None, turns: vec![turn] }
    }

    fn refusals(drafts: Vec<Draft>, settings: &Settings) -> Vec<Option<ItemRefusal>> {
        let settled = settle(drafts, &[1.0, 1.0], settings, &mut Clusters::new(2));
        settled.into_iter().map(|item| item.refusal.map(|(reason, _)| reason)).collect()
    }

    #[test]
    fn gates_end_an_item() {
        let settings = Settings::default();
        let check = |change: fn(&mut Draft), expected: Option<ItemRefusal>| {
            let mut one = draft(0, &["What is it?"], "a cache of answers that were given", 1.0);
            change(&mut one);
            assert_eq!(refusals(vec![one], &settings), [expected]);
        };
        check(|_| {}, None);
        check(|one| one.turns[0].spans.clear(), Some(ItemRefusal::NoSpan));
        check(|one| one.turns[0].leaks = true, Some(ItemRefusal::LeaksSource));
        check(|one| one.turns[0].is_other_language = true, Some(ItemRefusal::WrongLanguage));
        check(|one| one.turns[0].grounding.value = 0.5, Some(ItemRefusal::Ungrounded));
        check(|one| one.turns[0].answer.clear(), Some(ItemRefusal::Malformed));
        check(|one| one.turns[0].wordings.clear(), Some(ItemRefusal::Malformed));
        check(|one| one.turns.clear(), Some(ItemRefusal::Malformed));
        check(
            |one| {
                one.turns[0].wordings[0].answerability = 0.0;
                one.turns[0].wordings[0].well_formed = 0.2;
            },
            Some(ItemRefusal::LowScore),
        );
    }

    #[test]
    fn of_two_that_are_nearly_the_same_the_better_is_kept_and_their_documents_are_joined() {
        let answer =
            "the cache keeps every answer that was given for an hour and forgets it then unless it is asked for again";
        let drafts = vec![draft(0, &["What is kept?"], answer, 0.8), draft(1, &["What is kept?"], answer, 0.9)];
        let mut clusters = Clusters::new(2);
        let settled = settle(drafts, &[1.0, 1.0], &Settings::default(), &mut clusters);
        // In the order of the documents.
        assert_eq!(settled[0].refusal.as_ref().map(|(reason, _)| *reason), Some(ItemRefusal::NearDuplicate));
        assert!(settled[1].refusal.is_none());
        assert_eq!(clusters.roots(), [0, 0]);
    }

    #[test]
    fn few_kinds_of_questions_are_cut_and_not_emptied() {
        let drafts: Vec<Draft> = (0..100)
            .map(|number| {
                let question = format!("What limits tenant{number}?");
                draft(
                    number,
                    &[&question],
                    &format!("the limit of colour{number} is value{number} of shape{number}"),
                    1.0,
                )
            })
            .collect();
        let refused = refusals(drafts, &Settings::default());
        // Eight per cent of fifty.
        assert_eq!(refused.iter().filter(|refusal| refusal.is_none()).count(), 4);
        assert!(
            refused
                .iter()
                .flatten()
                .all(|refusal| matches!(refusal, ItemRefusal::FirstWordCap | ItemRefusal::PatternCap))
        );
    }

    #[test]
    fn shares_hold_and_wordings_spread() {
        let mut settings = Settings::default();
        settings.conversations.shares_from = 10;
        let drafts = |wordings: &[&str]| -> Vec<Draft> {
            (0..65)
                .map(|number| {
                    let questions: Vec<String> =
                        wordings.iter().map(|word| format!("{word} item{number} colour{number}?")).collect();
                    let questions: Vec<&str> = questions.iter().map(String::as_str).collect();
                    draft(
                        number,
                        &questions,
                        &format!("shade{number} of tone{number} in place{number} with mark{number}"),
                        1.0,
                    )
                })
                .collect()
        };
        let one = refusals(drafts(&["What"]), &settings);
        assert!(one.iter().all(Option::is_some));
        let words = [
            "What is",
            "Which was",
            "How does",
            "Why did",
            "When is the",
            "Where are",
            "Can this",
            "Could any",
            "In",
            "On",
            "By",
            "For",
            "At the",
        ];
        let many = refusals(drafts(&words), &settings);
        assert_eq!(many.iter().filter(|refusal| refusal.is_none()).count(), 65);
    }
}
