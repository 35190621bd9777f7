//! `eval import`: another tool's evaluation becomes a task file and its data.

use std::path::Path;

use weighbridge_eval::import::{Imported, promptfoo};

use crate::arguments::EvalImportArguments;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

pub(super) fn run(arguments: &EvalImportArguments) -> Result<Exit, Failure> {
    let Imported { documents, left_out } = promptfoo(&arguments.file)?;
    let name = name_of(&arguments.file);
    let (task, data) = (arguments.out.join(format!("{name}.yaml")), arguments.out.join(format!("{name}.jsonl")));
    for path in [&task, &data] {
        if path.exists() {
            let what = format!("write `{}`: it exists", path.display());
            return Err(Failure::usage(what, "name another folder with `--out`"));
        }
    }
    std::fs::create_dir_all(&arguments.out)?;
    let lines: String = documents.iter().map(|document| document.line() + "\n").collect();
    output::write(&data, lines)?;
    output::write(&task, task_text(&name))?;
    if !left_out.is_empty() {
        output::talk(&format!("left aside: {}", left_out.join(", ")));
    }
    output::talk(&format!("{} documents", documents.len()));
    output::data(&format!("{}\n", task.display()))?;
    Ok(Exit::Pass)
}

/// The file's name in letters that stand in YAML without quotes.
fn name_of(file: &Path) -> String {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let plain = |char: char| if char.is_ascii_alphanumeric() { char } else { '_' };
    format!("imported_{}", stem.chars().map(plain).collect::<String>())
}

fn task_text(name: &str) -> String {
    format!(
        "task: {name}\ndataset_path: json\ndataset_kwargs:\n  data_files: {{test: {name}.jsonl}}\ntest_split: test\n\
         output_type: generate_until\ndoc_to_text: prompt\ndoc_to_target: \"\"\n\
         generation_kwargs: {{until: [], max_gen_toks: 512, do_sample: false, temperature: 0.0}}\nmetric_list:\n\
         \x20 - {{metric: acc, checks: checks}}\n  - {{metric: checks_met, checks: checks}}\n"
    )
}
