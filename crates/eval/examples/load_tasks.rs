//! How much of a folder of task files loads: `cargo run --release -p weighbridge-eval --example load_tasks -- FOLDER`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use weighbridge_eval::task::config::Source;
use weighbridge_eval::task::template::Template;
use weighbridge_eval::task::{EntryKind, Library, TaskConfig, TaskError};
use weighbridge_types::time::Clock;

#[expect(clippy::print_stdout, reason = "it prints its result")]
fn main() -> Result<(), TaskError> {
    let folders: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let clock = Clock::start();
    let start = clock.now();
    let library = Library::of_folders(&folders)?;
    println!("read in {:.2} s, {} files are no tasks", (clock.now() - start).as_secs_f64(), library.skipped.len());
    let (mut loaded, mut python, mut other, mut broken) = (0, 0, Vec::new(), BTreeMap::new());
    for (name, entry) in library.entries().filter(|(_, entry)| entry.kind == EntryKind::Task) {
        match TaskConfig::from_value(&entry.value) {
            Err(TaskError::Python { .. }) => python += 1,
            Err(error) => other.push(format!("{name}: {error}")),
            Ok(config) => {
                loaded += 1;
                for source in [&config.doc_to_text, &config.doc_to_target, &config.doc_to_choice].into_iter().flatten()
                {
                    if let Source::Text(text) = source
                        && let Err(problem) = Template::new(text)
                    {
                        broken.insert(text.clone(), problem);
                    }
                }
            }
        }
    }
    println!("{loaded} tasks load, {python} need Python, {} do not fit", other.len());
    println!("{} templates are not read: {broken:?}", broken.len());
    other.iter().take(10).for_each(|line| println!("{line}"));
    Ok(())
}
