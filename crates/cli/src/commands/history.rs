//! `history`: the runs of a results folder.

use comfy_table::{ContentArrangement, Table, presets};
use weighbridge_store::{Filter, Headline, Index, RunEntry};

use crate::arguments::{HistoryArguments, OutputFormat};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

pub(super) fn run(arguments: &HistoryArguments) -> Result<Exit, Failure> {
    let results = &arguments.results.output_dir;
    if !results.is_dir() {
        let hint = "name the folder with `--output-dir`, or make a first run with `weighbridge bench`";
        return Err(Failure::usage(format!("find the results folder `{}`", results.display()), hint));
    }
    let mut index = Index::open(results)?;
    for (path, reason) in index.refresh()?.unreadable {
        output::talk(&format!("warning: `{}` cannot be read: {reason}", path.display()));
    }
    let runs = index.list(&Filter {
        kind: None,
        label: arguments.label.clone(),
        model: arguments.model.clone(),
        limit: Some(arguments.limit),
    })?;
    match arguments.output.output_format {
        OutputFormat::Json => output::json(&runs)?,
        OutputFormat::Console if runs.is_empty() => output::talk("no run matches"),
        OutputFormat::Console => output::data(&table(&runs))?,
    }
    Ok(Exit::Pass)
}

fn table(runs: &[RunEntry]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["run", "model", "type", "status", "seconds", "headlines"]);
    for run in runs {
        let headlines: Vec<String> = run.headlines.iter().filter_map(headline).collect();
        let status = serde_json::to_string(&run.status).unwrap_or_default();
        table.add_row([
            run.run_id.clone(),
            run.model.clone(),
            run.quantization.clone().unwrap_or_else(|| "n/a".to_owned()),
            status.trim_matches('"').to_owned(),
            format!("{:.1}", run.duration_s),
            headlines.join(", "),
        ]);
    }
    table.trim_fmt()
}

/// `ttft.mean 3.21 ms`; nothing for a figure that could not be had.
fn headline(headline: &Headline) -> Option<String> {
    let value = headline.value?;
    Some(format!("{} {value:.4} {}", headline.key, headline.unit))
}
