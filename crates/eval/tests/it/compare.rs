//! Comparisons of files and of runs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;
use weighbridge_eval::compare::{
    CompareError, Comparison, Difference, MissingAnswers, RowReader, Settings, Side, Verdict, compare, side_of_file,
};
use weighbridge_eval::runner::EvalSettings;
use weighbridge_eval::score;

use crate::support::{Memory, MockEngine, run, settings};

fn file(folder: &Path, name: &str, lines: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, lines).unwrap();
    path
}

fn side(path: &Path) -> Result<Side, CompareError> {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    side_of_file(&name, path, &score::Settings::default())
}

/// Compares files of these lines, named a, b, c, …
fn compared(files: &[&str], settings: &Settings) -> Result<Comparison, CompareError> {
    let folder = tempfile::tempdir().unwrap();
    let path = |(at, lines): (usize, &&str)| file(folder.path(), &format!("{}.jsonl", ["a", "b", "c"][at]), lines);
    let sides: Result<Vec<Side>, _> = files.iter().enumerate().map(path).map(|path| side(&path)).collect();
    compare(&sides?, settings)
}

/// A line for each sample: its target is 1, its prediction whether it is right.
fn flags(right: impl IntoIterator<Item = bool>) -> String {
    let mut lines = String::new();
    for (id, right) in right.into_iter().enumerate() {
        let _ = writeln!(lines, "{{\"id\": {id}, \"target\": 1, \"prediction\": {}}}", u8::from(right));
    }
    lines
}

fn accuracy(comparison: &Comparison) -> &Difference {
    comparison.differences.iter().find(|of| of.metric == "accuracy").unwrap()
}

fn only_accuracy() -> Settings {
    Settings { metrics: vec!["accuracy".to_owned()], ..Settings::default() }
}

#[track_caller]
fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "found {found}, expected {expected}");
}

/// The counts of two published systems on GSM8K: 306 items both right, 152 only the first, 209 only the second, 652
/// neither. p is statsmodels 0.15.0, `mcnemar([[306, 152], [209, 652]], exact=True)`; interval and standard errors are SciPy
/// 1.17.1, `ttest_rel` on the 0/1 flags, and NumPy 2.4.6.
#[test]
fn discordant_pairs_decide() {
    let cell =
        |at: usize| [(306, 0), (458, 1), (667, 2)].into_iter().find(|(end, _)| at < *end).map_or(3, |found| found.1);
    let first = flags((0..1319).map(|at| matches!(cell(at), 0 | 1)));
    let second = flags((0..1319).map(|at| matches!(cell(at), 0 | 2)));
    let comparison = compared(&[&first, &second], &only_accuracy()).unwrap();
    let of = accuracy(&comparison);
    assert_eq!((of.pairs, of.discordant, of.test), (1319, Some([152, 209]), Some("mcnemar_exact")));
    close(of.p.unwrap(), 0.003_150_656_880_360_618, 1e-12);
    close(of.baseline_value, 458.0 / 1319.0, 1e-15);
    close(of.difference, 57.0 / 1319.0, 1e-15);
    close(of.standard_error.unwrap(), 0.014_361_068_314_278_445, 1e-12);
    close(of.unpaired_error.unwrap(), 0.018_776_304_275_577_16, 1e-12);
    let interval = of.interval.as_ref().unwrap();
    close(interval.low, 0.015_041_507_936_736_583, 1e-12);
    close(interval.high, 0.071_387_605_027_630_36, 1e-12);
    assert_eq!((of.verdict, comparison.verdict()), (Verdict::Better, Verdict::Better));
    let turned = compared(&[&second, &first], &only_accuracy()).unwrap();
    assert_eq!(turned.verdict(), Verdict::Worse);
    // A change that small is no matter for whom three points do not matter.
    let wide = Settings { margin: 0.03, ..only_accuracy() };
    assert_eq!(compared(&[&first, &second], &wide).unwrap().verdict(), Verdict::Inconclusive);
    let wider = Settings { margin: 0.08, ..only_accuracy() };
    assert_eq!(compared(&[&first, &second], &wider).unwrap().verdict(), Verdict::Equivalent);
}

#[test]
fn sides_that_agree_everywhere_are_bounded_and_not_proven_equal() {
    let lines = flags((0..200).map(|at| at % 3 == 0));
    let comparison = compared(&[&lines, &lines], &only_accuracy()).unwrap();
    let of = accuracy(&comparison);
    // Clopper and Pearson's upper end of 0 of 200: 1 − 0.025^(1/200).
    let interval = of.interval.as_ref().unwrap();
    close(interval.high, 0.018_275, 1e-6);
    close(interval.low, -interval.high, 1e-15);
    assert_eq!(of.verdict, Verdict::Inconclusive);
    let comparison = compared(&[&lines, &lines], &Settings { margin: 0.02, ..only_accuracy() }).unwrap();
    assert_eq!(comparison.verdict(), Verdict::Equivalent);
}

#[test]
fn samples_of_one_side_only_are_counted_and_left_out() {
    let all = flags((0..60).map(|at| at % 2 == 0));
    let some: String = all.lines().skip(10).fold(String::new(), |text, line| text + line + "\n");
    let more = some.clone() + "{\"id\": \"new\", \"target\": 1, \"prediction\": 1}\n";
    let comparison = compared(&[&all, &more], &only_accuracy()).unwrap();
    let of = &comparison.coverage[0];
    assert_eq!((of.paired, of.only_baseline, of.only_candidate), (50, 10, 1));
    assert!(comparison.notes.iter().any(|note| note.contains("11 samples are on one side")), "{:?}", comparison.notes);
    assert_eq!(accuracy(&comparison).pairs, 50);
}

#[test]
fn a_missing_answer_is_wrong_or_left_out() {
    let all = flags((0..40).map(|at| at % 4 != 0));
    let failed = all.replacen("\"prediction\": 1", "\"problem\": \"timed_out\"", 5);
    let wrong = compared(&[&all, &failed], &only_accuracy()).unwrap();
    assert_eq!((accuracy(&wrong).pairs, accuracy(&wrong).discordant), (40, Some([5, 0])));
    assert_eq!((wrong.sides[0].failures, wrong.sides[1].failures), (0, 5));
    let settings = Settings { missing: MissingAnswers::AreLeftOut, ..only_accuracy() };
    let left_out = compared(&[&all, &failed], &settings).unwrap();
    let of = accuracy(&left_out);
    assert_eq!((of.pairs, of.unscored, of.discordant), (35, 5, Some([0, 0])));
}

#[test]
fn clusters_widen_the_interval() {
    let lines = |side: usize| {
        let mut text = String::new();
        for id in 0..120 {
            // All samples of a document are won or lost together.
            let (document, right) = (id / 12, if side == 0 { id % 2 == 0 } else { (id / 12) % 2 == 0 });
            let _ = writeln!(
                text,
                "{{\"id\": {id}, \"target\": 1, \"prediction\": {}, \"cluster\": \"d{document}\"}}",
                u8::from(right)
            );
        }
        text
    };
    let clustered = compared(&[&lines(0), &lines(1)], &Settings::default()).unwrap();
    let strip = |text: String| text.replace("\"cluster\"", "\"other\"");
    let alone = compared(&[&strip(lines(0)), &strip(lines(1))], &Settings::default()).unwrap();
    let mut count = 0;
    for (of, without) in clustered.differences.iter().zip(&alone.differences) {
        assert_eq!((of.clusters, without.clusters), (Some(10), None));
        let width = |of: &Difference| of.interval.as_ref().map(|interval| interval.high - interval.low).unwrap();
        assert!(width(of) > 1.5 * width(without), "{}: {} and {}", of.metric, width(of), width(without));
        count += 1;
    }
    // Matthews correlation does not exist where the truth is constant, and is left out.
    assert_eq!(count, 3);
    assert_eq!(accuracy(&clustered).test, Some("cluster_t"));
}

/// The interval of a corpus score comes from resampled pairs: with counts of the joint table, or sample by sample where each
/// sample is a cluster of its own. Both are the same distribution.
#[test]
fn counts_resample_as_samples_do() {
    let lines = |shift: usize, cluster: bool| {
        let mut text = String::new();
        for id in 0..400_usize {
            let target = ["x", "y", "z"][id % 3];
            let given = if (id * 7 + shift) % 10 < 3 { ["x", "y", "z"][(id + 1) % 3] } else { target };
            let cluster = if cluster { format!(", \"cluster\": {id}") } else { String::new() };
            let _ = writeln!(text, "{{\"id\": {id}, \"target\": \"{target}\", \"prediction\": \"{given}\"{cluster}}}");
        }
        text
    };
    let joint = compared(&[&lines(0, false), &lines(4, false)], &Settings::default()).unwrap();
    let single = compared(&[&lines(0, true), &lines(4, true)], &Settings::default()).unwrap();
    let labels = joint.differences.iter().zip(&single.differences).filter(|(of, _)| of.metric != "accuracy");
    let mut count = 0;
    for (of, other) in labels {
        close(of.difference, other.difference, 1e-12);
        let (error, expected) = (of.standard_error.unwrap(), other.standard_error.unwrap());
        close(error / expected, 1.0, 0.1);
        count += 1;
    }
    assert_eq!(count, 3);
}

#[test]
fn texts_are_compared_by_their_corpus_scores() {
    let lines = |words: &str| {
        let line = |id: usize| {
            let words = if usize::is_multiple_of(id, 3) { "sat on mat" } else { words };
            format!(
                "{{\"id\": {id}, \"text\": \"the cat {words} number {id}\", \"references\": [\"the cat sat on mat number {id}\"]}}\n"
            )
        };
        (0..50).map(line).collect::<String>()
    };
    let comparison = compared(&[&lines("sat near a mat"), &lines("sat on mat")], &Settings::default()).unwrap();
    let names: Vec<&str> = comparison.differences.iter().map(|of| of.metric.as_str()).collect();
    assert_eq!(names[..5], ["exact_match", "token_f1", "bleu", "chrf", "ter"]);
    assert_eq!(names[5..], ["rouge"; 4]);
    let ter = &comparison.differences[4];
    close(ter.candidate_value, 0.0, 1e-12);
    assert!(ter.difference < 0.0 && ter.verdict == Verdict::Better, "{ter:?}");
    for rouge in &comparison.differences[5..] {
        close(rouge.candidate_value, 1.0, 1e-12);
        assert_eq!(rouge.verdict, Verdict::Better, "{rouge:?}");
    }
    let bleu = &comparison.differences[2];
    close(bleu.candidate_value, 100.0, 1e-9);
    assert!(bleu.difference > 20.0 && bleu.verdict == Verdict::Better, "{bleu:?}");
}

#[test]
fn leaderboards_show_groups_that_the_data_do_not_tell_apart() {
    let good = flags((0..400).map(|at| at % 10 != 0));
    let same = flags((0..400).map(|at| at % 10 != 1));
    let bad = flags((0..400).map(|at| at % 10 < 5));
    let comparison = compared(&[&good, &same, &bad], &only_accuracy()).unwrap();
    assert_eq!((comparison.differences.len(), comparison.tests), (3, 3));
    let places: Vec<_> = comparison.boards[0]
        .places
        .iter()
        .map(|place| (place.side.as_str(), place.group, place.rank_best, place.rank_worst))
        .collect();
    assert_eq!(places, [("a", 1, 1, 2), ("b", 1, 1, 2), ("c", 2, 3, 3)]);
    for of in &comparison.differences {
        assert!(of.p_adjusted.unwrap() >= of.p.unwrap());
    }
}

#[test]
fn what_cannot_be_compared_is_refused_with_its_place() {
    let check = |files: &[&str], settings: &Settings, expected: &str| {
        let error = compared(files, settings).unwrap_err();
        assert!(error.to_string().contains(expected) && !error.hint().is_empty(), "{error}");
    };
    let (any, all) = (Settings::default(), flags([true, false]));
    check(&[&all], &any, "compare 1 side: at least two");
    check(&[&all, "{\"target\": 1, \"prediction\": 1}\n"], &any, "pair the samples of `b`: line 1 has no id");
    check(&[&(all.clone() + &all), &all], &any, "line 3 has the id `0`");
    check(&[&all, "{\"id\": \"x\", \"target\": 1, \"prediction\": 1}\n"], &any, "no sample in common");
    check(&[&all, &all.replace("\"target\": 1", "\"target\": 0")], &any, "the sample `0` has another target");
    check(&[&all, &all], &Settings { metrics: vec!["bleu".to_owned()], ..any.clone() }, "known are accuracy");
    check(&[&all, &all], &Settings { margin: -1.0, ..any.clone() }, "accept margin `-1`");
    check(&[&all, &all], &Settings { power: 0.2, ..any.clone() }, "accept power `0.2`");
    check(&[&all, "{\"id\": 0, \"target\": NaN}\n"], &any, "read `b`");
    let weighted = "{\"id\": 0, \"target\": 1, \"prediction\": 1, \"weight\": 2}\n";
    check(&[&all, weighted], &any, "take `2` as the weight in line 1");
}

async fn rows(settings: &EvalSettings, name: &str, salt: u64) -> Side {
    let mut journal = Memory::default();
    let engine = MockEngine { salt, ..MockEngine::default() };
    run(settings, engine, CancellationToken::new(), None, &mut journal).await.unwrap();
    let mut reader = RowReader::new(name.to_owned(), "memory".to_owned());
    journal.rows.iter().for_each(|row| reader.row(row));
    reader.finish().unwrap()
}

#[tokio::test]
async fn runs_pair_by_document_also_where_prompts_differ() {
    let all = settings(&["demo_all", "demo_gen", "demo_roll"]);
    let (one, two) = (rows(&all, "one", 0).await, rows(&all, "two", 1).await);
    let comparison = compare(&[one, two], &Settings::default()).unwrap();
    assert!(comparison.coverage.iter().all(|of| of.paired > 0 && of.only_baseline + of.only_candidate == 0));
    assert!(comparison.coverage.iter().all(|of| of.asked_otherwise == 0));
    let metrics: Vec<(&str, &str)> =
        comparison.differences.iter().map(|of| (of.task.as_deref().unwrap_or_default(), of.metric.as_str())).collect();
    for expected in [
        ("demo_mc", "accuracy"),
        ("demo_mc", "choice_brier"),
        ("demo_gen", "exact_match"),
        ("demo_roll", "byte_perplexity"),
    ] {
        assert!(metrics.contains(&expected), "{expected:?} is not among {metrics:?}");
    }
    let fewer = EvalSettings { num_fewshot: Some(1), ..settings(&["demo_gen"]) };
    let (one, other) = (rows(&settings(&["demo_gen"]), "one", 0).await, rows(&fewer, "other", 0).await);
    let comparison = compare(&[one, other], &Settings::default()).unwrap();
    let of = &comparison.coverage[0];
    assert_eq!(of.asked_otherwise, of.paired);
    assert!(comparison.notes.iter().any(|note| note.contains("other prompts")), "{:?}", comparison.notes);
}

proptest::proptest! {
    /// Turning the sides round turns every sign, and nothing else.
    #[test]
    fn sides_turned_round_turn_the_signs(pairs in proptest::collection::vec(proptest::prelude::any::<(bool, bool)>(), 2..60)) {
        let first = flags(pairs.iter().map(|pair| pair.0));
        let second = flags(pairs.iter().map(|pair| pair.1));
        let there = compared(&[&first, &second], &only_accuracy()).unwrap();
        let back = compared(&[&second, &first], &only_accuracy()).unwrap();
        let (there, back) = (accuracy(&there), accuracy(&back));
        proptest::prop_assert!((there.difference + back.difference).abs() < 1e-15);
        proptest::prop_assert_eq!((there.p, there.standard_error), (back.p, back.standard_error));
        if let (Some(one), Some(other)) = (&there.interval, &back.interval) {
            proptest::prop_assert!((one.low + other.high).abs() < 1e-12 && one.low <= there.difference && there.difference <= one.high);
        }
    }
}
