//! Comparing runs through the program.

use std::path::Path;

use serde_json::Value;

use crate::support::{Receiver, passes, run};

/// Three loads of a script, under a label.
fn load(folder: &Path, script: &str, label: &str, more: &[&str]) {
    for seed in ["1", "2", "3"] {
        let arguments = [
            "load",
            script,
            "-c",
            "2",
            "-n",
            "12",
            "--isl",
            "8",
            "--osl",
            "4",
            "--label",
            label,
            "--seed",
            seed,
            "--disturbed-limit",
            "1",
        ];
        passes(folder, &[&arguments[..], more].concat());
    }
}

#[test]
fn runs_are_compared_with_a_verdict_and_an_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    load(folder, "scripted:ttft=20ms,itl=2ms", "old", &[]);
    load(folder, "scripted:ttft=60ms,itl=2ms", "new", &[]);
    let check = |arguments: &[&str], code: i32| {
        let ran = run(folder, &[&["compare"], arguments].concat());
        assert_eq!(ran.code, Some(code), "{arguments:?}\n{}\n{}", ran.stdout, ran.stderr);
        ran
    };
    let worse = check(&["old", "new", "--gate", "ttft.p50", "--markdown", "out.md", "--html", "out.html"], 1);
    assert!(worse.stdout.contains("worse: ttft.p50") && worse.stdout.contains("3"), "{}", worse.stdout);
    assert!(std::fs::read_to_string(folder.join("out.md")).unwrap().contains("**worse**: ttft.p50"));
    assert!(std::fs::read_to_string(folder.join("out.html")).unwrap().contains("<svg"));
    check(&["new", "old", "--gate", "ttft.p50"], 0);
    // A webhook hears of what is worse, once, and of nothing else.
    let receiver = Receiver::start("204 No Content");
    check(&["new", "old", "--gate", "ttft.p50", "--webhook", receiver.url()], 0);
    assert_eq!(receiver.taken(), Vec::<Value>::new());
    let told = check(&["old", "new", "--gate", "ttft.p50", "--webhook", receiver.url()], 1);
    let taken = receiver.taken();
    let [alert] = &taken[..] else { panic!("{taken:?} {}", told.stderr) };
    let row = &alert["regressions"][0];
    assert_eq!(
        (&alert["verb"], &alert["verdict"], &alert["exit_code"]),
        (&"compare".into(), &"worse".into(), &1.into())
    );
    assert_eq!((&row["key"], &row["side"], &row["interval_of"]), (&"ttft.p50".into(), &"new".into(), &"ratio".into()));
    let (ratio, low) = (row["ratio"].as_f64().unwrap(), row["interval"]["low"].as_f64().unwrap());
    assert!(low > 1.05 && low < ratio && ratio > 2.0, "{row}");
    assert_eq!(alert["runs"].as_array().unwrap().len(), 6);
    assert!(alert["text"].as_str().unwrap().contains("worse: ttft.p50"), "{alert}");
    // One that fails is told, and changes nothing; one that is none is refused before anything is compared.
    let broken = Receiver::start("500 Internal Server Error");
    let failed = check(&["old", "new", "--gate", "ttft.p50", "--webhook", broken.url()], 1);
    assert!(failed.stderr.contains("warning: the webhook was not told: failed to reach"), "{}", failed.stderr);
    assert!(failed.stderr.contains("HTTP 500") && !failed.stderr.contains("/hook"), "{}", failed.stderr);
    assert_eq!(broken.taken().len(), 1);
    let refused = check(&["old", "new", "--webhook", "http://example.com/secret"], 2);
    assert!(refused.stderr.contains("clear text") && !refused.stderr.contains("secret"), "{}", refused.stderr);
    // One run a side decides nothing, whatever the figures are.
    let runs: Vec<String> = std::fs::read_dir(folder.join("results"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path().display().to_string())
        .collect();
    let of = |label: &str| runs.iter().find(|run| run.ends_with(label)).unwrap().as_str();
    let one = check(&[of("-old"), of("-new")], 3);
    assert!(one.stdout.contains("one run a side"), "{}", one.stdout);
    let json = run(folder, &["compare", "a=old", "b=new", "--output-format", "json"]);
    let comparison: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&comparison["sides"][0]["name"], &comparison["contrasts"][0]["candidate"]), (&"a".into(), &"b".into()));
    // A folder of runs is a side as well.
    check(&["results", "none=results"], 2);
}

#[test]
fn what_cannot_be_compared_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    load(folder, "scripted:ttft=2ms,itl=1ms", "old", &[]);
    load(folder, "scripted:ttft=2ms,itl=1ms", "other", &["--temperature", "0.5"]);
    let refused = |arguments: &[&str], expected: &str| {
        let ran = run(folder, &[&["compare"], arguments].concat());
        assert!(ran.code == Some(2) && ran.stderr.contains(expected), "{arguments:?}\n{}\n{}", ran.stdout, ran.stderr);
    };
    refused(&["old", "other"], "settings.temperature is 0.0 in the baseline and 0.5");
    refused(&["old", "nothing"], "`nothing`");
    refused(&["old", "old"], "with itself");
    refused(&["old", "other", "--force", "--gate", "ttft.p98"], "`ttft.p98`");
    refused(&["old", "other", "--threshold", "-5"], "-0.05");
    refused(&["old"], "SIDE");
    let forced = run(folder, &["compare", "old", "other", "--force", "--gate", "reliability"]);
    assert!(forced.code == Some(0) && forced.stdout.contains("not alike"), "{}", forced.stdout);
    // Records that are newer, cut short or no records.
    let copy = |name: &str, change: fn(String) -> String| {
        let run = std::fs::read_dir(folder.join("results")).unwrap().flatten().map(|entry| entry.path());
        let run = run.filter(|path| path.is_dir()).min().unwrap();
        let text = std::fs::read_to_string(run.join("record.json")).unwrap();
        std::fs::create_dir(folder.join(name)).unwrap();
        std::fs::write(folder.join(name).join("record.json"), change(text)).unwrap();
    };
    copy("newer", |text| text.replace("\"schema_version\": \"1.", "\"schema_version\": \"9."));
    copy("cut", |text| text[..text.len() / 2].to_owned());
    std::fs::create_dir(folder.join("empty")).unwrap();
    std::fs::write(folder.join("foreign.json"), "{}").unwrap();
    refused(&["old", "newer"], "9.");
    refused(&["old", "cut"], "cut");
    refused(&["old", "empty"], "`empty`");
    refused(&["old", "foreign.json"], "tool");
}

#[test]
fn a_baseline_is_set_once_promoted_with_a_reason_and_holds_its_runs_to_what_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    load(folder, "scripted:ttft=20ms,itl=2ms", "good", &[]);
    load(folder, "scripted:ttft=60ms,itl=2ms", "slow", &[]);
    let check = |arguments: &[&str], code: i32, expected: &str| {
        let ran = run(folder, arguments);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(ran.code == Some(code) && said.contains(expected), "{arguments:?} {:?}\n{said}", ran.code);
    };
    check(&["compare", "baseline:nightly", "good"], 2, "baseline `nightly`");
    check(&["baseline", "set", "nightly", "good", "--because", "first"], 0, "3 runs");
    check(&["baseline", "set", "nightly", "slow"], 2, "baseline promote");
    check(&["compare", "baseline:nightly", "slow", "--gate", "ttft.p50"], 1, "worse");
    check(&["baseline", "promote", "nightly", "slow"], 1, "--approve");
    check(&["baseline", "promote", "nightly", "slow", "--approve"], 2, "--because");
    check(&["baseline", "promote", "nightly", "slow", "--approve", "--because", "wanted"], 0, "worse");
    check(&["compare", "baseline:nightly@main", "good", "--gate", "ttft.p50"], 0, "better");
    let shown: Value =
        serde_json::from_str(&passes(folder, &["baseline", "show", "--output-format", "json"]).stdout).unwrap();
    assert_eq!(
        (&shown[0]["current"]["because"], &shown[0]["before"][0]["because"]),
        (&"wanted".into(), &"first".into())
    );
    // Figures that were changed by hand, and a baseline of another host.
    let run_id = shown[0]["current"]["runs"][0]["run_id"].as_str().unwrap();
    let record = folder.join("results").join(run_id).join("record.json");
    let text = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, format!("{text}\n")).unwrap();
    check(&["compare", "baseline:nightly", "good"], 2, "was changed");
    let list = folder.join("results/baselines.json");
    let text = std::fs::read_to_string(&list).unwrap();
    let host = shown[0]["host"].as_str().unwrap();
    std::fs::write(&list, text.replace(host, "another")).unwrap();
    check(&["compare", "baseline:nightly", "good"], 2, "another host");
    std::fs::write(&list, &text[..text.len() / 2]).unwrap();
    check(&["compare", "baseline:nightly", "good"], 2, "baselines.json");
}

#[test]
fn targets_in_turns_are_told_apart_and_equal_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let ab = |more: &[&str], load: &[&str], code: i32| {
        let arguments = [&["ab", "scripted:ttft=20ms,itl=2ms"], more, &["--"], load].concat();
        let ran = run(folder, &arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}\n{}\n{}", ran.stdout, ran.stderr);
        ran
    };
    let load = ["-c", "2", "-n", "12", "--isl", "8", "--osl", "4", "--disturbed-limit", "1"];
    let quick = ["--blocks", "3", "--self-test", "2", "--gate", "ttft.p50"];
    let worse = ab(&[&["scripted:ttft=60ms,itl=2ms"], &quick[..]].concat(), &load, 1);
    assert!(worse.stdout.contains("Runs of a pair") && worse.stderr.contains("self-test 2"), "{}", worse.stderr);
    // Every load is a run of its own, with the seed of its block.
    let history: Value =
        serde_json::from_str(&passes(folder, &["history", "--label", "ab-b", "--output-format", "json"]).stdout)
            .unwrap();
    assert!(history.as_array().unwrap().len() >= 2);
    let refused = ab(&[&["scripted:ttft=60ms,itl=2ms"], &quick[..]].concat(), &["--nonsense"], 2);
    assert!(refused.stderr.contains("--nonsense"), "{}", refused.stderr);
    let refused = ab(&["scripted:ttft=60ms,itl=2ms", "--blocks", "1"], &load, 2);
    assert!(refused.stderr.contains("blocks"), "{}", refused.stderr);
    // A target that fails is no measurement.
    ab(&["scripted:ttft=2ms,itl=1ms,fail=error,fail_every=1", "--blocks", "2", "--self-test", "0"], &load, 4);
}

/// Copies of a record as if a run had been made each day; times to first token of both halves are scaled.
fn days(folder: &Path, count: usize, (first, second): (f64, f64)) {
    passes(
        folder,
        &[
            "load",
            "scripted:ttft=5ms,itl=1ms",
            "-c",
            "2",
            "-n",
            "12",
            "--isl",
            "8",
            "--osl",
            "4",
            "--label",
            "daily",
            "--disturbed-limit",
            "1",
        ],
    );
    let results = folder.join("results");
    let run =
        std::fs::read_dir(&results).unwrap().flatten().map(|entry| entry.path()).find(|path| path.is_dir()).unwrap();
    let text = std::fs::read_to_string(run.join("record.json")).unwrap();
    std::fs::remove_dir_all(&run).unwrap();
    for day in 0..count {
        let mut record: Value = serde_json::from_str(&text).unwrap();
        let run_id = format!("2026{:02}{:02}T000000Z-load-daily", day / 28 + 1, day % 28 + 1);
        record["created_at"] = format!("2026-{:02}-{:02}T00:00:00.000Z", day / 28 + 1, day % 28 + 1).into();
        record["run_id"] = run_id.clone().into();
        record["seed"] = day.into();
        for metric in record["metrics"].as_array_mut().unwrap() {
            let Some(value) = metric["value"].as_f64() else { continue };
            let half = if day < count / 2 { first } else { second };
            let step = if metric["name"] == "ttft" { half } else { 1.0 };
            metric["value"] = (value * step * (1.0 + 0.003 * ((day * 7) % 5) as f64)).into();
        }
        std::fs::create_dir(results.join(&run_id)).unwrap();
        std::fs::write(results.join(&run_id).join("record.json"), record.to_string()).unwrap();
    }
}

/// The target takes twice as long as its records of the first half say: a change that is there.
#[test]
fn a_change_that_is_there_is_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    days(folder, 30, (0.5, 1.0));
    let receiver = Receiver::start("204 No Content");
    let flags = ["--metric", "ttft.p50", "--fail-on-worse", "20", "--confirm", "3", "--webhook", receiver.url()];
    let ran = run(folder, &[&["history", "--changes"], &flags[..]].concat());
    assert_eq!(ran.code, Some(1), "{}\n{}", ran.stdout, ran.stderr);
    let taken = receiver.taken();
    let [alert] = &taken[..] else { panic!("{taken:?} {}", ran.stderr) };
    assert_eq!((&alert["verb"], &alert["exit_code"]), (&"history".into(), &1.into()));
    assert_eq!((alert["runs"].as_array().unwrap().len(), &alert["regressions"][0]["key"]), (3, &"ttft.p50".into()));
    assert!(ran.stderr.contains("\nconfirmed: ttft.p50"), "{}", ran.stderr);
}

#[test]
fn the_history_tells_where_a_level_moved() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    days(folder, 30, (1.0, 2.0));
    let check = |arguments: &[&str], code: i32, expected: &str| {
        let ran = run(folder, &[&["history", "--changes"], arguments].concat());
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(ran.code == Some(code) && said.contains(expected), "{arguments:?} {:?}\n{said}", ran.code);
    };
    check(&["--metric", "ttft.p50", "--html", "history.html", "--all"], 0, "20260116T000000Z-load-daily");
    assert!(std::fs::read_to_string(folder.join("history.html")).unwrap().contains("<svg"));
    check(&["--metric", "e2e.p50"], 0, "no metric moved");
    check(&["--metric", "ttft.p50", "--fail-on-worse", "20"], 1, "worse");
    check(&["--metric", "ttft.p50", "--fail-on-worse", "5"], 0, "worse");
    // The steps were written into the records: the target itself is as it was before, and new runs say so.
    check(&["--metric", "ttft.p50", "--fail-on-worse", "20", "--confirm", "3"], 0, "not confirmed: ttft.p50");
    check(&["--metric", "e2e.p50", "--confirm", "3"], 0, "nothing to confirm");
    check(&["--metric", "ttft.p50", "--confirm", "1"], 2, "2 to 100");
    check(&["--metric", "nonsense"], 2, "`nonsense`");
    check(&["--until", "ttft.p50"], 2, "ttft.p99=200");
    check(&["--label", "nobody"], 2, "find a run");
    let json = passes(folder, &["history", "--changes", "20260105T000000Z-load-daily", "--output-format", "json"]);
    let history: Value = serde_json::from_str(&json.stdout).unwrap();
    // The three that were made again are like the others.
    assert_eq!(history["runs"].as_array().unwrap().len(), 33);
}
