//! Agreement with sacrebleu 2.6.0 and rouge-score 0.1.2 (NLTK's Porter stemmer): `tests/vectors/make_text.py` made the
//! texts and the numbers.

use std::sync::LazyLock;

use serde_json::Value;
use weighbridge_eval::text::bleu::{Bleu, BleuCounts, Smoothing};
use weighbridge_eval::text::chrf::{Chrf, ChrfCounts};
use weighbridge_eval::text::rouge::{Kind, Rouge};
use weighbridge_eval::text::ter::{Ter, TerCounts};
use weighbridge_eval::text::tokenize::Tokenizer;

static VECTORS: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(include_str!("../vectors/text.json")).unwrap());

/// Texts, each with its references.
fn texts(texts: &str, references: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    let line = |value: &'static Value| value.as_str().unwrap();
    let texts = VECTORS[texts].as_array().unwrap().iter().map(line);
    let references = VECTORS[references].as_array().unwrap().iter();
    texts.zip(references.map(|list| list.as_array().unwrap().iter().map(line).collect())).collect()
}

#[track_caller]
fn check(found: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{what}: found {found}, expected {expected}");
}

/// Compares the corpus score, the score of each text and the signature, with one and with two references.
fn check_metric<C: Default>(
    name: &str,
    counts: impl Fn(&str, &[&str]) -> C,
    add: impl Fn(&mut C, &C),
    score: impl Fn(&C) -> f64,
    signature: impl Fn(usize) -> String,
) {
    for (how, references) in [("one", 1), ("two", 2)] {
        let expected = &VECTORS["metrics"][name][how];
        let mut corpus = C::default();
        for (index, (text, all)) in texts("texts", "references").iter().enumerate() {
            let counts = counts(text, &all[..references]);
            check(score(&counts), &expected["single"][index], &format!("{name}, {how}, text {index} {text:?}"));
            add(&mut corpus, &counts);
        }
        check(score(&corpus), &expected["corpus"], &format!("{name}, {how}, corpus"));
        assert_eq!(signature(references), expected["signature"].as_str().unwrap());
    }
}

fn check_bleu(name: &str, bleu: Bleu) {
    check_metric(
        name,
        |text, references| bleu.counts(text, references),
        |sum: &mut BleuCounts, counts| sum.add(counts, 1.0),
        |counts| bleu.score(counts),
        |references| bleu.signature(references),
    );
}

#[test]
fn bleu_equals_sacrebleu() {
    for tokenizer in [Tokenizer::V13a, Tokenizer::International, Tokenizer::Char, Tokenizer::None] {
        let smoothings = [
            ("exp", Smoothing::Exp),
            ("floor", Smoothing::Floor(0.1)),
            ("add-k", Smoothing::AddK(1.0)),
            ("none", Smoothing::None),
        ];
        for (name, smoothing) in smoothings {
            for (effective_order, effective) in [(false, "False"), (true, "True")] {
                let bleu = Bleu { tokenizer, smoothing, effective_order, lowercase: false };
                check_bleu(&format!("bleu_{}_{name}_{effective}", tokenizer.name()), bleu);
            }
        }
    }
    check_bleu("bleu_lower", Bleu { lowercase: true, effective_order: true, ..Bleu::default() });
}

#[test]
fn chrf_equals_sacrebleu() {
    let lower = Chrf { lowercase: true, ..Chrf::default() };
    for (name, chrf) in [("chrf", Chrf::default()), ("chrf++", Chrf::PLUS_PLUS), ("chrf_lower", lower)] {
        check_metric(
            name,
            |text, references| chrf.counts(text, references),
            |sum: &mut ChrfCounts, counts| sum.add(counts, 1.0),
            |counts| chrf.score(counts),
            |references| chrf.signature(references),
        );
    }
}

#[test]
fn ter_equals_sacrebleu() {
    for (name, ter) in [("ter", Ter::default()), ("ter_case", Ter { case_sensitive: true })] {
        check_metric(
            name,
            |text, references| ter.counts(text, references),
            |sum: &mut TerCounts, counts| sum.add(counts, 1.0),
            |counts| ter.score(counts),
            |references| ter.signature(references),
        );
    }
}

#[test]
fn rouge_equals_rouge_score() {
    for (name, uses_stems) in [("plain", false), ("stem", true)] {
        let mut rouge = Rouge::new(uses_stems);
        for (index, (text, references)) in texts("rouge_texts", "rouge_references").iter().enumerate() {
            let found = rouge.score(text, references);
            for (kind, of) in Kind::ALL.into_iter().zip(found) {
                let expected = &VECTORS["rouge"][name][index][kind as usize];
                let what = format!("{name} {} of {index} {text:?}", kind.name());
                check(of.precision, &expected[0], &what);
                check(of.recall, &expected[1], &what);
                check(of.f, &expected[2], &what);
            }
        }
    }
}
