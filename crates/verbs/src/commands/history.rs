//! `history`: the runs of a results folder.

mod confirm;

use comfy_table::{ContentArrangement, Table, presets};
use weighbridge_report::{console, html};
use weighbridge_store::{Figure, Filter, Headline, Index, RunEntry};
use weighbridge_types::history::{Course, HistoryRun};
use weighbridge_verdict::gate::Gate;
use weighbridge_verdict::history::{Limit, Point, history};
use weighbridge_verdict::{Confirmation, alert};

use super::runs;
use super::webhook::{self, Told};
use crate::arguments::{HistoryArguments, OutputFormat, WebhookArguments};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

pub(super) fn run(arguments: &HistoryArguments, environment: &Environment) -> Result<Exit, Failure> {
    let results = &arguments.results.output_dir;
    if !results.is_dir() {
        let hint = "name the folder with `--output-dir`, or make a first run with `weighbridge bench`";
        return Err(Failure::usage(format!("find the results folder `{}`", results.display()), hint));
    }
    let mut index = Index::open(results)?;
    for (path, reason) in index.refresh()?.unreadable {
        output::warn(&format!("`{}` cannot be read: {reason}", path.display()));
    }
    if let Some(run) = &arguments.changes {
        return changes(run, index, arguments, environment);
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

/// Where the levels of metrics moved, over the runs that are like one.
fn changes(
    run: &str,
    mut index: Index,
    arguments: &HistoryArguments,
    environment: &Environment,
) -> Result<Exit, Failure> {
    let results = &arguments.results.output_dir;
    let like = if run.is_empty() {
        let filter =
            Filter { kind: None, label: arguments.label.clone(), model: arguments.model.clone(), limit: Some(1) };
        index.list(&filter)?.into_iter().next().map(|run| run.run_id)
    } else {
        runs::find(run, results)?.file_name().map(|name| name.to_string_lossy().into_owned())
    };
    let like = like.ok_or_else(|| Failure::usage("find a run", "make one, or name another `--label` or `--model`"))?;
    let found = index.alike(&like)?;
    if found.is_empty() {
        let what = format!("read the history of `{like}`: no complete run in `{}` is like it", results.display());
        return Err(Failure::usage(what, "name a complete run of the results folder"));
    }
    let gates: Vec<Gate> = arguments.metric.iter().map(|text| Gate::parse(text)).collect();
    let is_wanted = |figure: &Figure| {
        gates.is_empty() || gates.iter().any(|gate| gate.is_of(&(figure.cell.clone(), figure.key.clone())))
    };
    let points = found.iter().enumerate().flat_map(|(run, of)| {
        of.figures.iter().filter(|figure| is_wanted(figure)).map(move |figure| Point {
            key: &figure.key,
            cell: &figure.cell,
            unit: &figure.unit,
            run,
            value: figure.value,
        })
    });
    let names = found.iter().map(|run| HistoryRun {
        run_id: run.run_id.clone(),
        created_at: run.created_at.clone(),
        commit: run.commit.clone(),
    });
    let limits = arguments.until.iter().map(|text| limit(text)).collect::<Result<Vec<Limit>, _>>()?;
    let failed = |error: weighbridge_stats::StatsError| {
        Failure::usage(format!("read the history: {error}"), "check the records with `weighbridge report check`")
    };
    let history = history(names.collect(), points, &limits).map_err(failed)?;
    if history.courses.is_empty() {
        let what = format!("find the metrics `{}` in the runs like `{like}`", arguments.metric.join(","));
        return Err(Failure::usage(what, "see `weighbridge report show` for their names"));
    }
    if let Some(path) = &arguments.html {
        output::file(path, html::history(&history))?;
    }
    match arguments.output.output_format {
        OutputFormat::Json => output::json(&history)?,
        OutputFormat::Console => {
            let (width, color) = output::console(environment);
            output::data(&console::history(&history, arguments.all, width, color))?;
        }
    }
    let last = history.runs.len() - 1;
    let is_suspicious = |course: &&Course| {
        let latest = course.changes.last().filter(|change| change.is_worse == Some(true));
        latest.is_some_and(|change| arguments.fail_on_worse.is_none_or(|most| last - change.run < most))
    };
    let suspicious: Vec<&Course> = history.courses.iter().filter(is_suspicious).collect();
    let Some(runs) = arguments.confirm else {
        let fails = arguments.fail_on_worse.is_some() && !suspicious.is_empty();
        return Ok(if fails { Exit::GateFailed } else { Exit::Pass });
    };
    let hook = webhook::named(&WebhookArguments { webhook: arguments.webhook.clone() })?;
    let found = confirm::confirm(&like, &suspicious, runs, arguments, environment)?;
    let are = |wanted| found.courses.iter().any(|(of, _)| *of == wanted);
    let exit = match () {
        () if arguments.fail_on_worse.is_none() => Exit::Pass,
        () if are(Confirmation::Confirmed) => Exit::GateFailed,
        () if are(Confirmation::Unclear) => Exit::Inconclusive,
        () => Exit::Pass,
    };
    let confirmed = suspicious.iter().zip(&found.courses).filter(|(_, (of, _))| *of == Confirmation::Confirmed);
    let regressions = confirmed.filter_map(|(course, (_, again))| alert::of_course(course, again.as_ref()?)).collect();
    webhook::tell(hook.as_ref(), Told { verb: "history", exit, runs: found.runs, regressions });
    Ok(exit)
}

fn limit(text: &str) -> Result<Limit, Failure> {
    let parsed = text.split_once('=').and_then(|(key, value)| {
        let value = value.trim().parse::<f64>().ok().filter(|value| value.is_finite())?;
        Some(Limit { key: key.trim().to_owned(), value })
    });
    parsed.ok_or_else(|| {
        Failure::usage(format!("read the limit `{text}`"), "write a metric and a value in its unit, as ttft.p99=200")
    })
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
