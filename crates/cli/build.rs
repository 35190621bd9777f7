//! How the program is linked.

use std::path::Path;
use std::process::Command;

#[expect(clippy::disallowed_methods, reason = "so cargo tells the target")]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Places that depend on where the program is loaded are written as a bit map: 1.2 MB less, and less to do at the start.
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    // Functions that are the same instructions under many names become one. The usual linker of this target can, others cannot.
    const FOLD: &str = "-Wl,--icf=all";
    if is("TARGET", "x86_64-unknown-linux-gnu") && is("PROFILE", "release") && links_with(FOLD) {
        println!("cargo::rustc-link-arg-bins={FOLD}");
    }
}

/// Whether the linker takes an argument: an empty program is linked with it.
#[expect(clippy::disallowed_methods, reason = "so cargo tells the compiler")]
fn links_with(argument: &str) -> bool {
    let (Ok(compiler), Ok(folder)) = (std::env::var("RUSTC"), std::env::var("OUT_DIR")) else { return false };
    let source = Path::new(&folder).join("empty.rs");
    std::fs::write(&source, "fn main() {}").is_ok()
        && Command::new(compiler)
            .current_dir(&folder)
            .arg(&source)
            .args(["-C", &format!("link-arg={argument}"), "-o", "empty"])
            .output()
            .is_ok_and(|output| output.status.success())
}
