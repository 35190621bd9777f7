//! Makes a data set of a folder of Markdown: `cargo run -p weighbridge-pipeline --example data_set -- FOLDER OUTPUT`.

#![expect(clippy::print_stdout, reason = "it prints its figures")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use weighbridge_convert::{Converted, Format, Grade, Signals};
use weighbridge_pipeline::digest::sha256_hex;
use weighbridge_pipeline::run::{Pipeline, Progress, RunOptions, SourceDocument};
use weighbridge_pipeline::settings::Settings;
use weighbridge_types::time::Clock;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(input), Some(output)) = (arguments.next(), arguments.next()) else {
        return Err("usage: data_set FOLDER OUTPUT".into());
    };
    let mut paths = Vec::new();
    find(Path::new(&input), &mut paths)?;
    // Of two documents that are nearly the same the first is kept.
    paths.sort();
    let settings = Settings::default();
    let pipeline = Pipeline { settings: &settings, model: None, tokenizer: None, clock: Clock::start() };
    let options = RunOptions { output: output.into(), concurrency: 2, stop: Arc::new(AtomicBool::new(false)) };
    let report = pipeline.run(&mut paths.into_iter().map(read), &options, &mut |_: &Progress| {})?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

fn find(folder: &Path, paths: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
    Ok(())
}

fn read(path: PathBuf) -> SourceDocument {
    let bytes = std::fs::read(&path).unwrap_or_default();
    let converted = Converted {
        format: Format::Markdown,
        title: None,
        markdown: String::from_utf8_lossy(&bytes).into_owned(),
        pages: Vec::new(),
        grade: Grade::Good,
        signals: Signals::default(),
    };
    SourceDocument {
        path: path.display().to_string(),
        bytes: bytes.len() as u64,
        file: sha256_hex(&bytes),
        licence: None,
        outcome: Ok(converted),
        read_in: Duration::ZERO,
        converted_in: Duration::ZERO,
    }
}
