//! Runs every command that the README and the guides show, in the order that they show it.
//!
//! A command stands in a `sh` block and begins with `weighbridge` or `cargo run --release --`. A comment
//! `# exits with N` at its end states another exit code than 0. A block `yaml NAME`, `jsonl NAME`, `csv NAME` or `text NAME`
//! is a file that lies there. The endpoint of the guides is the scripted server, their folders `encoder` and `decoder`
//! are small models of the tests. Blocks `sh documents` run where that feature is built.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Endpoint, onnx, weighbridge};

/// The address that the documents use for an endpoint; the test puts its own server there.
const DOCUMENTED_ENDPOINT: &str = "http://127.0.0.1:8000";

/// The set-up commands of the README that are not ours to run from within the tests.
const NOT_RUN: [&str; 1] = ["./scripts/test"];

struct Command {
    line: String,
    exit_code: i32,
}

/// Commands of the blocks of a kind in a document.
fn commands(text: &str, kind: &str) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut inside = false;
    let mut pending = String::new();
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            inside = !inside && language.trim() == kind;
            continue;
        }
        if !inside || line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(start) = line.strip_suffix('\\') {
            pending.push_str(start);
            continue;
        }
        pending.push_str(line);
        let whole = std::mem::take(&mut pending);
        let (line, comment) = whole.split_once(" # ").unwrap_or((&whole, ""));
        let exit_code = comment.trim().strip_prefix("exits with ").map_or(0, |code| code.parse().unwrap());
        commands.push(Command { line: line.trim().to_owned(), exit_code });
    }
    commands
}

/// Files that a document shows, with their names: blocks that begin with three backquotes and `yaml NAME`.
fn files(text: &str) -> Vec<(String, String)> {
    let of_kind = |kind: &str| {
        let blocks = text.split(kind).skip(1).map(str::to_owned).collect::<Vec<_>>();
        let part = |block: String| {
            let (name, contents) = block.split_once("```")?.0.split_once('\n')?;
            Some((name.to_owned(), contents.to_owned()))
        };
        blocks.into_iter().filter_map(part).collect::<Vec<_>>()
    };
    [of_kind("```yaml "), of_kind("```jsonl "), of_kind("```csv "), of_kind("```text ")].concat()
}

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let guides = fs::read_dir(root.join("docs/guides")).unwrap().map(|entry| entry.unwrap().path());
    let mut documents: Vec<_> = guides.filter(|path| path.extension().is_some_and(|ext| ext == "md")).collect();
    documents.push(root.join("README.md"));
    documents.sort();
    documents
}

/// Runs the commands of one kind that a document shows, in a folder of its own; how many there are.
fn run(document: &Path, kind: &str, endpoint: &Endpoint) -> usize {
    let mut count = 0;
    let folder = tempfile::tempdir().unwrap();
    onnx("bert", &folder.path().join("encoder"));
    onnx("gpt2", &folder.path().join("decoder"));
    let text = fs::read_to_string(document).unwrap();
    for (name, contents) in files(&text) {
        fs::write(folder.path().join(name), contents).unwrap();
    }
    for command in commands(&text, kind) {
        if NOT_RUN.contains(&command.line.as_str()) {
            continue;
        }
        let line = command.line.replace(DOCUMENTED_ENDPOINT, &endpoint.url());
        let arguments = line.strip_prefix("cargo run --release -- ").or_else(|| line.strip_prefix("weighbridge "));
        let arguments = arguments.unwrap_or_else(|| panic!("{}: `{line}` is not ours", document.display()));
        // Quotes keep `<` from the shell.
        let mut arguments: Vec<&str> =
            arguments.split_whitespace().map(|argument| argument.trim_matches('\'')).collect();
        // A machine that runs other tests disturbs the client, and saying so is not what is tested here.
        let is_cache_of_target = arguments[0] == "cache" && arguments.get(2).is_some_and(|what| what.contains(':'));
        if matches!(arguments[0], "load" | "stress" | "soak") || is_cache_of_target {
            arguments.extend(["--disturbed-limit", "1"]);
        }
        let output = weighbridge().current_dir(folder.path()).args(&arguments).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(command.exit_code),
            "{}: `{line}`\n{}\n{}",
            document.display(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        count += 1;
    }
    count
}

#[test]
fn every_documented_command_does_what_it_says() {
    let endpoint = Endpoint::start("ttft=5ms,itl=1ms");
    let count: usize = documents().iter().map(|document| run(document, "sh", &endpoint)).sum();
    assert!(count > 10, "only {count} commands were found in the documents");
}

#[cfg(feature = "documents")]
#[test]
fn every_command_of_a_build_with_readers_of_documents_does_what_it_says() {
    let endpoint = Endpoint::start("ttft=5ms,itl=1ms");
    let count: usize = documents().iter().map(|document| run(document, "sh documents", &endpoint)).sum();
    assert!(count >= 4, "only {count} commands were found in the documents");
}

#[test]
fn the_readme_holds_exactly_the_two_set_up_commands() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    let lines: Vec<String> = commands(&readme, "sh").into_iter().map(|command| command.line).collect();
    assert_eq!(lines, ["cargo run --release -- bench", "./scripts/test"]);
}
