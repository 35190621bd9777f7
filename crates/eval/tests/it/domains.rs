//! The shipped sets, item by item: answers by a solver that shares nothing with the generator but the question's text.

use std::collections::{BTreeMap, HashSet};

use sha2::{Digest, Sha256};
use weighbridge_eval::check::{Check, share_met};
use weighbridge_eval::domains::{Difficulty, Domain, Options, rows};
use weighbridge_eval::task::Value;

use crate::{solve, witness};

fn set(domain: Domain, difficulty: Difficulty) -> Vec<Value> {
    rows(domain.name(), difficulty.name(), &Options::default()).unwrap()
}

fn text(row: &Value, key: &str) -> String {
    row.get(key).unwrap().text()
}

const WRITTEN: [Domain; 3] = [Domain::Language, Domain::Social, Domain::Knowledge];
const GENERATED: [Domain; 2] = [Domain::Reasoning, Domain::Integration];

#[test]
fn every_set_has_its_items_once() {
    for domain in Domain::ALL {
        let mut seen = HashSet::new();
        let mut ids = HashSet::new();
        for difficulty in Difficulty::ALL {
            let rows = set(domain, difficulty);
            assert_eq!(rows.len(), 20, "{domain:?} {difficulty:?}");
            for row in rows {
                let asked = (text(&row, "question"), row.get("choices").map(Value::repr));
                assert!(seen.insert(asked), "{} comes twice", text(&row, "question"));
                assert!(ids.insert(text(&row, "id")));
            }
        }
    }
}

#[test]
fn choices_differ_and_no_place_is_right_more_often() {
    for domain in WRITTEN {
        let (mut longest, mut all) = (0, 0);
        for difficulty in Difficulty::ALL {
            let mut places = BTreeMap::new();
            for row in set(domain, difficulty) {
                let choices: Vec<String> =
                    row.get("choices").unwrap().as_list().unwrap().iter().map(Value::text).collect();
                let answer = usize::try_from(row.get("answer").unwrap().as_int().unwrap()).unwrap();
                assert_eq!(
                    choices.iter().map(|choice| choice.to_lowercase()).collect::<HashSet<_>>().len(),
                    4,
                    "{choices:?}"
                );
                assert!(
                    choices.iter().all(|choice| !choice.trim().is_empty() && choice.trim() == choice),
                    "{choices:?}"
                );
                *places.entry(answer).or_insert(0) += 1;
                let others = choices.iter().enumerate().filter(|(place, _)| *place != answer);
                let most = others.map(|(_, choice)| choice.chars().count()).max().unwrap();
                longest += usize::from(choices[answer].chars().count() > most);
                all += 1;
            }
            assert_eq!(places, (0..4).map(|place| (place, 5)).collect(), "{domain:?} {difficulty:?}");
        }
        // Whoever takes the longest choice must not be right much more often than by chance.
        assert!(longest * 100 <= all * 33, "{domain:?}: the right choice is the longest in {longest} of {all}");
    }
}

#[test]
fn answers_are_those_of_an_independent_solver() {
    for domain in GENERATED {
        for difficulty in Difficulty::ALL {
            let options = Options { items: 60, ..Options::default() };
            for row in rows(domain.name(), difficulty.name(), &options).unwrap() {
                let (kind, question) = (text(&row, "kind"), text(&row, "question"));
                let solved = solve::answer(&kind, &question).unwrap_or_else(|| panic!("{kind} not solved: {question}"));
                let checks = Check::list(row.get("checks").unwrap()).unwrap();
                assert!(
                    share_met(&checks, &solved) >= 1.0,
                    "{question}\nsolver: {solved}\nset: {}",
                    text(&row, "answer")
                );
                assert!(share_met(&checks, &text(&row, "answer")) >= 1.0, "{question}");
            }
        }
    }
}

#[test]
fn wrong_answers_are_not_taken() {
    for domain in GENERATED {
        for difficulty in Difficulty::ALL {
            let rows = set(domain, difficulty);
            for (row, other) in rows.iter().zip(rows.iter().cycle().skip(5)) {
                let checks = Check::list(row.get("checks").unwrap()).unwrap();
                for wrong in ["", "I do not know.", "{}", "-99999"] {
                    assert!(share_met(&checks, wrong) < 1.0, "{} takes {wrong:?}", text(row, "question"));
                }
                // The next item of the same kind is answered differently, or it is no other answer.
                let (own, answer) = (text(row, "answer"), text(other, "answer"));
                assert!(own == answer || share_met(&checks, &answer) < 1.0, "{} takes {answer}", text(row, "question"));
            }
        }
    }
}

#[test]
fn forms_can_be_kept_and_broken() {
    for difficulty in Difficulty::ALL {
        let options = Options { items: 60, ..Options::default() };
        for row in rows("creativity", difficulty.name(), &options).unwrap() {
            let question = text(&row, "question");
            let value = row.get("checks").unwrap();
            let checks = Check::list(value).unwrap();
            let kept = witness::text(value);
            let missed: Vec<&Check> = checks.iter().filter(|check| !check.holds(&kept)).collect();
            assert!(missed.is_empty(), "{question}\n{kept}\nmisses {missed:?}");
            // One word more or less, or nothing at all, breaks the form.
            assert!(share_met(&checks, "") <= 0.0, "{question}");
            let longer = format!("{kept} {}", "and yet more words without an end ".repeat(12));
            assert!(share_met(&checks, &longer) < 1.0, "{question}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_set() {
    let digest = |seed: i64, items: usize| {
        let mut hash = Sha256::new();
        for domain in Domain::ALL {
            for difficulty in Difficulty::ALL {
                let rows = rows(domain.name(), difficulty.name(), &Options { items, seed }).unwrap();
                rows.iter().take(20).for_each(|row| hash.update(row.dumps()));
            }
        }
        hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    // The version of the shipped sets: whoever changes an item raises `metadata.version` of the tasks.
    assert_eq!(digest(1, 20), "eb19a50b45062021");
    assert_eq!(digest(1, 60), digest(1, 20));
    assert_ne!(digest(2, 20), digest(1, 20));
}

#[test]
fn unknown_names_and_options_are_refused() {
    let options = |text: &str| Options::of_value(&serde_json::from_str(text).unwrap());
    assert!(rows("reasonin", "easy", &Options::default()).unwrap_err().contains("there are reasoning"));
    assert!(rows("reasoning", "test", &Options::default()).unwrap_err().contains("no split `test`"));
    assert!(options(r#"{"items": 0}"#).unwrap_err().contains("`items` is `0`"));
    assert!(options(r#"{"seed": "x"}"#).unwrap_err().contains("`seed`"));
    let many = Options { items: 150, seed: 3 };
    for domain in [Domain::Reasoning, Domain::Integration, Domain::Creativity] {
        for difficulty in Difficulty::ALL {
            if let Err(problem) = rows(domain.name(), difficulty.name(), &many) {
                assert!(problem.contains("lower `items`"), "{problem}");
            }
        }
    }
}
