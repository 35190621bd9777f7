//! Converts every file of a folder: `convert_folder IN_DIR OUT_DIR` writes `OUT_DIR/NAME.md` for each `IN_DIR/NAME`, and a
//! line for each on the standard output: outcome, words, headings, tables, name.

use std::error::Error;
use std::path::{Path, PathBuf};

use weighbridge_convert::{Grade, Limits, convert};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(from), Some(to)) = (arguments.next(), arguments.next()) else {
        return Err("usage: convert_folder IN_DIR OUT_DIR".into());
    };
    let mut files = Vec::new();
    find_files(&from, &mut files)?;
    files.sort();
    for file in files {
        let name = file.strip_prefix(&from)?;
        let line = convert_file(&file, &to.join(name))?;
        write_line(&format!("{line}\t{}", name.display()))?;
    }
    Ok(())
}

fn find_files(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find_files(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn convert_file(file: &Path, to: &Path) -> Result<String, Box<dyn Error>> {
    let bytes = std::fs::read(file)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let converted = match convert(&bytes, &name, &Limits::default()) {
        Ok(converted) => converted,
        Err(refusal) => return Ok(format!("{}: {}\t0\t0\t0", refusal.kind.name(), refusal.detail)),
    };
    let mut target = to.as_os_str().to_owned();
    target.push(".md");
    if let Some(folder) = Path::new(&target).parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&target, &converted.markdown)?;
    let grade = match &converted.grade {
        Grade::Good => "good".to_owned(),
        Grade::Degraded(reasons) => format!("degraded: {}", reasons.join("; ")),
    };
    let signals = &converted.signals;
    Ok(format!("{} {grade}\t{}\t{}\t{}", converted.format, signals.words, signals.headings, signals.tables))
}

fn write_line(line: &str) -> std::io::Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{line}")
}
