use std::collections::{BTreeMap, HashSet};

use weighbridge_workload::{Difficulty, Split, Task, TaskItem, TaskSet, TaskSettings, TrainingText, training_texts};

/// Items of a set in these tests; the quality phase takes at least 60.
const COUNT: usize = 240;

fn set(task: Task, split: Split) -> TaskSet {
    TaskSet::generate(task, TaskSettings { seed: 11, split, difficulty: Difficulty::Mixed }, COUNT)
}

fn prompts(items: &[TaskItem]) -> HashSet<&str> {
    items.iter().map(|item| item.prompt.as_str()).collect()
}

#[test]
fn answers_are_balanced_in_every_prefix() {
    for task in Task::ALL {
        let items = set(task, Split::HeldOut).items;
        for length in [60, 120, COUNT] {
            let mut ranks: BTreeMap<(usize, usize), usize> = BTreeMap::new();
            for item in &items[..length] {
                *ranks.entry((item.choices.len(), item.answer)).or_default() += 1;
            }
            for choice_count in ranks.keys().map(|key| key.0).collect::<HashSet<_>>() {
                let counts: Vec<usize> =
                    (0..choice_count).map(|rank| ranks.get(&(choice_count, rank)).copied().unwrap_or(0)).collect();
                let spread = counts.iter().max().unwrap() - counts.iter().min().unwrap();
                assert!(spread <= 2, "{}: {counts:?} of {length}", task.name());
            }
        }
    }
}

#[test]
fn items_are_well_formed() {
    let mut ids = HashSet::new();
    for task in Task::ALL {
        for split in [Split::Train, Split::HeldOut] {
            for item in set(task, split).items {
                assert!(ids.insert(item.id.clone()), "{} twice", item.id);
                assert!(item.prompt.ends_with("\nAnswer:"), "{}", item.prompt);
                assert!((2..=6).contains(&item.choices.len()), "{item:?}");
                assert_eq!(item.choices.iter().collect::<HashSet<_>>().len(), item.choices.len(), "{item:?}");
                assert!(item.choices.iter().all(|choice| !choice.is_empty()), "{item:?}");
                assert_eq!(item.parse_answer(&item.completion()), Some(item.answer), "{item:?}");
                if !task.labels().is_empty() {
                    assert_eq!(item.choices, task.labels());
                }
            }
        }
    }
}

#[test]
fn no_held_out_prompt_is_in_the_training_split() {
    for task in Task::ALL {
        let train = TaskSet::generate(task, TaskSettings::train(7), 4_000).items;
        let held_out = set(task, Split::HeldOut).items;
        let (train, held_out) = (prompts(&train), prompts(&held_out));
        assert_eq!(train.intersection(&held_out).count(), 0, "{}", task.name());
        // A few equal prompts are the price of small fact tables.
        assert!(held_out.len() * 10 >= COUNT * 9, "{} has {} different ones", task.name(), held_out.len());
    }
}

#[test]
fn an_item_does_not_depend_on_its_neighbors_or_its_thread() {
    let settings = TaskSettings::held_out(5);
    for task in Task::ALL {
        let whole = TaskSet::generate(task, settings, 64).items;
        let parts: Vec<TaskItem> = std::thread::scope(|scope| {
            let part = |begin: u64| scope.spawn(move || (begin..begin + 16).map(|i| task.item(&settings, i)).collect());
            let workers: Vec<_> = [0, 16, 32, 48].map(part).into_iter().collect();
            workers.into_iter().flat_map(|worker| -> Vec<TaskItem> { worker.join().unwrap() }).collect()
        });
        assert_eq!(whole, parts, "{}", task.name());
    }
}

#[test]
fn disguised_attacks_differ_from_plain_ones() {
    let requests = |difficulty| {
        let settings = TaskSettings { seed: 3, split: Split::HeldOut, difficulty };
        TaskSet::generate(Task::HttpRequest, settings, 300).items
    };
    let encoded = |difficulty| requests(difficulty).iter().filter(|item| item.prompt.contains('%')).count();
    let (plain, mixed, disguised) =
        (encoded(Difficulty::Plain), encoded(Difficulty::Mixed), encoded(Difficulty::Disguised));
    assert!(plain < mixed && mixed < disguised, "{plain}, {mixed}, {disguised}");
}

#[test]
fn training_text_mixes_three_kinds() {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for text in training_texts(TaskSettings::train(7)).take(2_000) {
        let kind = match text {
            TrainingText::Task { .. } => "task",
            TrainingText::Chat { .. } => "chat",
            TrainingText::Stream { .. } => "stream",
        };
        *counts.entry(kind).or_default() += 1;
    }
    assert!((1300..1500).contains(&counts["task"]), "{counts:?}");
    assert!((320..480).contains(&counts["chat"]), "{counts:?}");
    assert!((140..260).contains(&counts["stream"]), "{counts:?}");
    assert!(training_texts(TaskSettings::held_out(7)).take(500).all(|text| matches!(text, TrainingText::Task { .. })));
}
