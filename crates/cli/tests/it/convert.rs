//! `convert`: what a user types, what comes out, and what becomes of files that cannot be read.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::weighbridge;

const PAGE: &str = "<html><head><title>Limits</title></head><body><nav>Home Docs About</nav><h1>Limits</h1>\
    <p>A queue holds at most <b>512</b> requests.</p><footer>Copyright notice</footer></body></html>";

fn out(command: &mut assert_cmd::Command) -> (String, String, i32) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    // Its name lies: content decides.
    write("pages/limits.txt", PAGE.as_bytes());
    write("notes.md", b"# Notes\n\nA sentence about the scheduler.\n");
    write("broken.pdf", b"%PDF-1.7\nnothing else\n");
    write("empty.txt", b"");
    write(".hidden", b"not a document");
    folder
}

#[test]
fn one_document_goes_to_standard_output() {
    let folder = folder();
    let (stdout, stderr, code) = out(weighbridge().arg("convert").arg(folder.path().join("pages/limits.txt")));
    assert_eq!(
        (stdout.as_str(), stderr.as_str(), code),
        ("# Limits\n\nA queue holds at most **512** requests.\n", "", 0)
    );
}

#[test]
fn a_folder_becomes_a_folder_and_every_document_is_counted() {
    let folder = folder();
    let to = folder.path().join("out");
    let mut command = weighbridge();
    command.arg("convert").arg(folder.path()).arg("--to").arg(&to).args(["--output-format", "json"]);
    let (stdout, _, code) = out(&mut command);
    assert_eq!(code, 1, "some could not be read");
    let rows: Vec<Value> = serde_json::from_str(&stdout).unwrap();
    let states: Vec<(&str, &str)> =
        rows.iter().map(|row| (row["name"].as_str().unwrap(), row["state"].as_str().unwrap())).collect();
    assert_eq!(
        states,
        [("broken.pdf", "damaged"), ("empty.txt", "empty"), ("notes.md", "good"), ("pages/limits.txt", "good")]
    );
    assert_eq!(rows[3]["format"], "html");
    assert!(fs::read_to_string(to.join("pages/limits.txt.md")).unwrap().contains("at most **512** requests"));
    assert!(!to.join("broken.pdf.md").exists());
}

#[test]
fn what_cannot_be_read_says_which_why_and_what_to_do() {
    let folder = folder();
    let said = |name: &str| {
        let (stdout, stderr, code) = out(weighbridge().arg("convert").arg(folder.path().join(name)));
        assert_eq!((stdout.as_str(), code), ("", 2), "{stderr}");
        stderr
    };
    assert!(said("broken.pdf").starts_with("error: failed to convert `broken.pdf`: it is damaged: "));
    assert!(said("broken.pdf").contains("\n hint: open the file in a program that writes its kind"));
    assert!(said("empty.txt").contains("it holds no words"));
    assert!(said("missing.pdf").contains("name a file or a folder that is there"));
    let (_, stderr, code) = out(weighbridge().arg("convert").arg(folder.path()));
    assert_eq!(code, 2);
    assert!(stderr.contains("name a folder for their Markdown files with `--to`"), "{stderr}");
}

#[test]
fn bounds_hold_for_each_file() {
    let folder = folder();
    let convert = |flags: &[&str], file: &Path| out(weighbridge().arg("convert").arg(file).args(flags));
    let notes = folder.path().join("notes.md");
    let (_, stderr, code) = convert(&["--file-size", "10B"], &notes);
    assert_eq!(code, 2);
    assert!(stderr.contains("it is too large: 41 bytes, at most 10 (--file-size)"), "{stderr}");
    // A text that takes more memory than its process may.
    let long = folder.path().join("long.txt");
    fs::write(&long, "word ".repeat(20_000_000)).unwrap();
    let (_, stderr, code) = convert(&["--file-memory", "120MiB"], &long);
    assert_eq!(code, 2);
    assert!(stderr.contains("more than 125829120 bytes of memory (--file-memory)"), "{stderr}");
    let (_, stderr, code) = convert(&["--file-time", "1ms"], &long);
    assert_eq!(code, 2);
    assert!(stderr.contains("it took too long: more than 1ms (--file-time)"), "{stderr}");
}
