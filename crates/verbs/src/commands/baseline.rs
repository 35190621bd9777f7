//! `baseline`: named runs that later ones are held against.

use comfy_table::{ContentArrangement, Table, presets};
use weighbridge_store::{Baseline, Baselines, Provenance};
use weighbridge_types::comparison::Verdict;
use weighbridge_types::environment::Environment as Host;
use weighbridge_types::record::Status;
use weighbridge_types::time::WallTime;
use weighbridge_verdict::{Settings, Side, compare};

use super::compare::known;
use super::sides;
use crate::arguments::{BaselineArguments, BaselineVerb, OutputFormat, PromoteArguments, ShowArguments};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

pub(super) fn run(verb: &BaselineVerb) -> Result<Exit, Failure> {
    match verb {
        BaselineVerb::Set(arguments) => set(arguments),
        BaselineVerb::Promote(arguments) => promote(arguments),
        BaselineVerb::Show(arguments) => show(arguments),
    }
}

fn set(arguments: &BaselineArguments) -> Result<Exit, Failure> {
    let side = checked(arguments)?;
    let mut baselines = Baselines::edit(&arguments.results.output_dir)?;
    let host = &side.runs[0].environment.digest;
    if let Some(old) = baselines.find(&arguments.name, &arguments.branch, host) {
        let what = format!("set the baseline `{}`: there is one since {}", arguments.name, old.current.at);
        return Err(Failure::usage(what, "replace it with `weighbridge baseline promote`, which says why"));
    }
    keep(&mut baselines, arguments, &side, None)
}

fn promote(arguments: &PromoteArguments) -> Result<Exit, Failure> {
    let wanted = &arguments.baseline;
    let side = checked(wanted)?;
    let mut baselines = Baselines::edit(&wanted.results.output_dir)?;
    let Some(old) = baselines.find(&wanted.name, &wanted.branch, &side.runs[0].environment.digest) else {
        return keep(&mut baselines, wanted, &side, None);
    };
    let compared = baselines.records(old).map_err(Failure::from).and_then(|runs| {
        let sides = [Side { name: "before".to_owned(), runs }, side.clone()];
        let known = known(&sides, &wanted.results.output_dir)?;
        Ok(compare(&sides, &known, &Settings::default())?)
    });
    let (verdict, is_worse) = match compared {
        Ok(found) => {
            let because = found.contrasts.first().map_or("", |contrast| contrast.because.as_str());
            (format!("{}: {because}", found.verdict()), found.verdict() == Verdict::Worse)
        }
        Err(failure) if arguments.approve => (format!("not compared: {}", failure.into_parts().0), false),
        Err(failure) => return Err(failure),
    };
    output::talk(&format!("against the baseline before: {verdict}"));
    if is_worse && !arguments.approve {
        let what = format!("promote `{}` to the baseline `{}`: it is worse ({verdict})", wanted.runs, wanted.name);
        let hint = "take it all the same with `--approve --because TEXT`";
        return Err(Failure::new(Exit::GateFailed, what, hint));
    }
    keep(&mut baselines, wanted, &side, Some(verdict))
}

/// The runs, which must be whole, of one host and of the results folder.
fn checked(arguments: &BaselineArguments) -> Result<Side, Failure> {
    let results = &arguments.results.output_dir;
    let side = sides::one(&arguments.runs, results)?;
    let first = &side.runs[0];
    for run in &side.runs {
        let refuse = |problem: &str, hint: &str| {
            Err(Failure::usage(format!("make `{}` part of a baseline: {problem}", run.run_id), hint))
        };
        if run.status != Status::Complete {
            return refuse("it did not end as planned", "name runs that are complete");
        }
        if !results.join(&run.run_id).join("record.json").exists() {
            return refuse("it is no run of the results folder", "name its folder with `--output-dir`");
        }
        if let Some(found) = weighbridge_verdict::alike::mismatches(first, run).first() {
            return refuse(&format!("its {} differs from the others'", found.what), "name runs that were made alike");
        }
    }
    Ok(side)
}

fn keep(
    baselines: &mut Baselines,
    arguments: &BaselineArguments,
    side: &Side,
    verdict: Option<String>,
) -> Result<Exit, Failure> {
    let first = &side.runs[0];
    let runs = baselines.runs(side.runs.iter().map(|run| run.run_id.as_str()))?;
    let count = runs.len();
    baselines.put(Baseline {
        name: arguments.name.clone(),
        branch: arguments.branch.clone(),
        host: first.environment.digest.clone(),
        host_words: words(&first.environment),
        kind: first.kind.clone(),
        current: Provenance {
            at: WallTime::now().to_string(),
            commit: first.environment.build.commit.clone(),
            because: arguments.because.clone(),
            verdict,
            runs,
        },
        before: Vec::new(),
    })?;
    output::talk(&format!("baseline `{}` of the branch `{}`: {count} runs", arguments.name, arguments.branch));
    Ok(Exit::Pass)
}

fn words(host: &Host) -> String {
    let cpu = host.cpu_model.as_deref().unwrap_or("unknown processor");
    let cores = host.cores_usable.map_or_else(String::new, |cores| format!(", {cores} cores"));
    format!("{cpu}{cores}")
}

fn show(arguments: &ShowArguments) -> Result<Exit, Failure> {
    let baselines = Baselines::read(&arguments.results.output_dir)?;
    let wanted = |of: &&Baseline| arguments.name.as_ref().is_none_or(|name| *name == of.name);
    let found: Vec<&Baseline> = baselines.all().iter().filter(wanted).collect();
    match arguments.output.output_format {
        OutputFormat::Json => output::json(&found)?,
        OutputFormat::Console if found.is_empty() => output::talk("there is no such baseline"),
        OutputFormat::Console => output::data(&table(&found))?,
    }
    Ok(Exit::Pass)
}

fn table(baselines: &[&Baseline]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["baseline", "branch", "host", "since", "runs", "commit", "because", "verdict"]);
    for of in baselines {
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        table.add_row([
            of.name.clone(),
            of.branch.clone(),
            of.host_words.clone(),
            of.current.at.clone(),
            of.current.runs.len().to_string(),
            text(&of.current.commit),
            text(&of.current.because),
            text(&of.current.verdict),
        ]);
    }
    table.trim_fmt()
}
