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

/// A ZIP file of stored entries.
fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let crc = |bytes: &[u8]| {
        !bytes.iter().fold(!0_u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
        })
    };
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let offset = u32::try_from(file.len()).unwrap();
        let size = u32::try_from(content.len()).unwrap();
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x58];
        common.extend(crc(content).to_le_bytes());
        common.extend(size.to_le_bytes());
        common.extend(size.to_le_bytes());
        common.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        common.extend([0, 0]);
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        file.extend(name.bytes());
        file.extend(*content);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.bytes());
    }
    let (start, size) = (u32::try_from(file.len()).unwrap(), u32::try_from(directory.len()).unwrap());
    let count = u16::try_from(entries.len()).unwrap().to_le_bytes();
    file.extend(directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend(count);
    file.extend(count);
    file.extend(size.to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0, 0]);
    file
}

#[test]
fn an_archive_is_walked_and_what_would_leave_its_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("manuals.zip");
    let inner = zip(&[("deep.md", b"# Deep\n\nWithin an archive within.\n")]);
    let entries: [(&str, &[u8]); 4] = [
        ("a/limits.html", PAGE.as_bytes()),
        ("../outside.md", b"# Out\n\nWords.\n"),
        ("inner.zip", &inner),
        ("notes.md", b"# Notes\n\nWords of it.\n"),
    ];
    fs::write(&archive, zip(&entries)).unwrap();
    let to = folder.path().join("out");
    let mut command = weighbridge();
    command.arg("convert").arg(&archive).arg("--to").arg(&to).args(["--output-format", "json"]);
    let (stdout, _, code) = out(&mut command);
    assert_eq!(code, 1, "{stdout}");
    let rows: Vec<Value> = serde_json::from_str(&stdout).unwrap();
    let mut states: Vec<(&str, &str)> =
        rows.iter().map(|row| (row["name"].as_str().unwrap(), row["state"].as_str().unwrap())).collect();
    states.sort_unstable();
    assert_eq!(states[0].0, "manuals.zip/../outside.md");
    assert_ne!(states[0].1, "good");
    let good = ["manuals.zip/a/limits.html", "manuals.zip/inner.zip/deep.md", "manuals.zip/notes.md"];
    assert_eq!(states[1..].iter().map(|state| state.0).collect::<Vec<_>>(), good);
    assert!(states[1..].iter().all(|state| state.1 == "good"), "{states:?}");
    assert!(to.join("manuals.zip/a/limits.html.md").exists());
    assert!(!folder.path().join("outside.md.md").exists());
}
