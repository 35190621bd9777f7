//! How much is said on stderr.

use std::path::Path;

use crate::support::weighbridge;

/// A load of a model at a level; what was said, and what came out.
fn load(folder: &Path, level: &str, expected: i32) -> (String, String) {
    let arguments = [
        "load",
        "tiny",
        "-c",
        "2",
        "-n",
        "4",
        "--isl",
        "8",
        "--osl",
        "4",
        "--disturbed-limit",
        "1",
        "--header",
        "x-api-key: word",
    ];
    let mut command = weighbridge();
    command.current_dir(folder).args(arguments).env("WEIGHBRIDGE_LOG_LEVEL", level);
    let output = command.env("WEIGHBRIDGE_API_KEY", "word").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(expected), "{level}: {said}");
    (said, String::from_utf8(output.stdout).unwrap())
}

#[test]
fn each_level_says_what_those_before_it_say_and_data_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (debug, _) = load(folder.path(), "debug", 0);
    for line in [
        "debug: --concurrency = 2 (command line)\n",
        "debug: --seed = 42 (default)\n",
        "debug: WEIGHBRIDGE_API_KEY is set, which is not shown (environment)\n",
        "debug: --header is set, which is not shown (command line)\n",
        "debug: loaded tiny in ",
        "debug: recording into results/",
        "debug: wrote results/",
        "\nrecord  results/",
    ] {
        assert!(debug.contains(line), "{line:?} of {debug}");
    }
    assert!(!debug.contains("word"), "{debug}");
    let (usual, shown) = load(folder.path(), "INFO", 0);
    assert!(!usual.contains("debug: ") && usual.contains("record  results/"), "{usual}");
    assert!(shown.contains("4 of 4 requests succeeded"), "{shown}");
    let (empty, _) = load(folder.path(), "", 0);
    assert!(empty.contains("record  results/"), "{empty}");
    for level in ["warn", "error"] {
        let (quiet, shown) = load(folder.path(), level, 0);
        assert!(quiet.is_empty() && shown.contains("4 of 4 requests succeeded"), "{level}: {quiet}\n{shown}");
    }
    let (refused, _) = load(folder.path(), "loud", 2);
    assert!(refused.contains("`loud`") && refused.contains("error, warn, info, debug"), "{refused}");
}

#[test]
fn the_quietest_level_still_says_why_nothing_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = weighbridge();
    command.current_dir(folder.path()).args(["load", "gguf:none.gguf"]).env("WEIGHBRIDGE_LOG_LEVEL", "error");
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) || output.status.code() == Some(4), "{said}");
    assert!(said.starts_with("error: ") && said.contains("none.gguf"), "{said}");
}
