//! Puts the commit and the target into the program.

use std::path::Path;
use std::process::Command;

#[expect(clippy::disallowed_methods, reason = "so cargo tells the target")]
fn main() {
    for file in ["../../.git/HEAD", "../../.git/logs/HEAD"] {
        if Path::new(file).exists() {
            println!("cargo::rerun-if-changed={file}");
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).map(|commit| {
        let is_dirty = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty());
        if is_dirty { format!("{commit}-dirty") } else { commit }
    });
    println!("cargo::rustc-env=WEIGHBRIDGE_COMMIT={}", commit.unwrap_or_default());
    println!("cargo::rustc-env=WEIGHBRIDGE_TARGET={}", std::env::var("TARGET").unwrap_or_default());
}
