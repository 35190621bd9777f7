//! Every document, chunk and item ends in one counted state, and what is kept verifies.

use weighbridge_convert::{Refusal, RefusalKind};
use weighbridge_pipeline::finalize::{Card, DocumentRecord, ItemRecord, RejectedRecord, read_lines};
use weighbridge_pipeline::run::{PipelineError, State};
use weighbridge_pipeline::settings::{ChatFormat, Fallback, Settings};

use crate::corpus::{RuleModel, document, files, manual, manuals, refused, run_with};

#[test]
fn documents_become_a_data_set_whose_spans_verify() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::default();
    settings.output.formats = vec![ChatFormat::Openai, ChatFormat::Sharegpt, ChatFormat::Alpaca];
    settings.output.csv = true;
    let report = run_with(&manuals(8), folder.path(), &settings, None, None).unwrap();
    assert_eq!(report.documents.ok, 8, "{:?}", report.documents);
    assert!(report.items.used() >= 40, "{:?}", report.items);
    let items: Vec<ItemRecord> = read_lines(&folder.path().join("items.jsonl.zst")).unwrap();
    for item in &items {
        let text =
            std::fs::read_to_string(folder.path().join("documents").join(format!("{}.md", item.document))).unwrap();
        for span in item.turns.iter().flat_map(|turn| &turn.evidence) {
            assert!(span.verifies(&text), "{item:?}");
        }
        assert!(item.score.score >= settings.gates.conversation);
    }
    let card: Card = serde_json::from_slice(&std::fs::read(folder.path().join("card.json")).unwrap()).unwrap();
    let (share, _, _) = card.planted.share.unwrap();
    assert!(share >= 0.95, "{:?}", card.planted);
    for file in &card.files {
        let bytes = std::fs::read(folder.path().join(&file.name)).unwrap();
        assert_eq!(weighbridge_pipeline::digest::sha256_hex(&bytes), file.sha256);
    }
    assert_eq!(report.stages.len(), 6);
    assert!(card.first_words[0].1 as f64 <= 0.12 * report.items.used() as f64 * 4.0);
}

#[test]
fn every_state_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut documents = manuals(3);
    documents.push(document("copy.md", &manual(1)));
    documents.push(document("near.md", &format!("{}\n\nOne more line that is new.\n", manual(1))));
    documents.push(document("empty.md", "\n\n"));
    documents.push(document("thin.md", "Page 1"));
    documents.push(refused("locked.pdf", Refusal::new(RefusalKind::Encrypted, "it has a password")));
    documents.push(refused("broken.pdf", Refusal::new(RefusalKind::Damaged, "its trailer is missing")));
    documents.push(refused("slow.pdf", Refusal::new(RefusalKind::TimedOut, "30 s")));
    let report = run_with(&documents, folder.path(), &Settings::default(), None, None).unwrap();
    for counts in [&report.documents, &report.chunks, &report.items] {
        assert!(counts.adds_up(), "{counts:?}");
    }
    let records: Vec<DocumentRecord> = read_lines(&folder.path().join("documents.jsonl.zst")).unwrap();
    let states: Vec<(&str, &State)> = records.iter().map(|record| (record.path.as_str(), &record.state)).collect();
    let rejected = |reason: &str| State::Rejected(reason.to_owned());
    assert_eq!(states.len(), 10);
    assert_eq!(states[3].1, &rejected("duplicate"));
    assert_eq!(states[4].1, &rejected("near_duplicate"));
    assert_eq!(states[5].1, &rejected("empty"));
    assert_eq!(states[6].1, &rejected("poor_content"));
    assert_eq!(states[7].1, &rejected("encrypted"));
    assert_eq!(states[8].1, &State::Failed("damaged".to_owned()));
    assert_eq!(states[9].1, &State::Failed("timed_out".to_owned()));
    assert!((report.error_rate.unwrap() - 0.2).abs() < 1e-9);
    let kept: Vec<ItemRecord> = read_lines(&folder.path().join("items.jsonl.zst")).unwrap();
    let dropped: Vec<RejectedRecord> = read_lines(&folder.path().join("rejected.jsonl.zst")).unwrap();
    assert_eq!(report.items.admitted, (kept.len() + dropped.len()) as u64);
}

#[test]
fn a_model_that_fails_or_talks_nonsense_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::default();
    settings.model.fallback = Fallback::Fail;
    let failing = RuleModel { fails_every: 1, ..RuleModel::default() };
    let report = run_with(&manuals(2), &folder.path().join("failing"), &settings, Some(&failing), None).unwrap();
    assert_eq!(report.documents.failed["model"], 2);
    assert_eq!(report.chunks.failures(), report.chunks.admitted);
    settings.model.fallback = Fallback::Patterns;
    let report = run_with(&manuals(2), &folder.path().join("patterns"), &settings, Some(&failing), None).unwrap();
    assert_eq!(report.documents.degraded["degraded_chunks"], 2);
    assert!(report.items.used() > 0);
    let mad = RuleModel { is_mad: true, ..RuleModel::default() };
    let report = run_with(&manuals(2), &folder.path().join("mad"), &settings, Some(&mad), None).unwrap();
    assert_eq!((report.items.admitted, report.chunks.degraded["unparsable_reply"]), (0, report.chunks.admitted));
}

#[test]
fn a_judge_sees_the_source_and_is_tested_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::default();
    settings.model.judge = true;
    settings.model.round_trip = true;
    settings.model.planted_share = 1.0;
    let card_of = |name: &str, model: &RuleModel| -> Card {
        let output = folder.path().join(name);
        run_with(&manuals(4), &output, &settings, Some(model), None).unwrap();
        serde_json::from_slice(&std::fs::read(output.join("card.json")).unwrap()).unwrap()
    };
    let card = card_of("sharp", &RuleModel::default());
    let judge = card.judge.unwrap();
    assert!(judge.planted >= 4 && judge.caught == judge.planted, "{judge:?}");
    assert_eq!(judge.passed, judge.judged);
    assert!(card.quality.answerability.contains("round trip"), "{}", card.quality.answerability);
    assert!(card.quality.terms["answerability"] > 0.9);
    let judge = card_of("blind", &RuleModel { is_blind: true, ..RuleModel::default() }).judge.unwrap();
    assert_eq!(judge.caught, 0);
    // What was judged is not paid for twice.
    let model = RuleModel::default();
    run_with(&manuals(4), &folder.path().join("sharp"), &settings, Some(&model), None).unwrap();
    assert_eq!(model.calls.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[test]
fn a_folder_that_is_in_use_or_cannot_be_written_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _journal = weighbridge_pipeline::run::Journal::open(&folder.path().join("journal")).unwrap();
    let error = run_with(&manuals(1), folder.path(), &Settings::default(), None, None).unwrap_err();
    assert!(matches!(error, PipelineError::Locked { .. }), "{error}");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = run_with(&manuals(1), &file, &Settings::default(), None, None).unwrap_err();
    assert!(matches!(error, PipelineError::Io { .. }), "{error}");
}

#[test]
fn a_rerun_writes_the_same_bytes_and_two_folders_are_equal() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    run_with(&manuals(5), &one, &Settings::default(), None, None).unwrap();
    let first = files(&one);
    run_with(&manuals(5), &one, &Settings::default(), None, None).unwrap();
    run_with(&manuals(5), &two, &Settings::default(), None, None).unwrap();
    assert_eq!(first, files(&one));
    assert_eq!(first, files(&two));
}
