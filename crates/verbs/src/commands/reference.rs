//! `reference`: figures that an older system published, with what is wrong with them. Never a measurement of ours.

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use weighbridge_bench::reference::{ALL, Reference, SOURCE};

use crate::arguments::{OutputFormat, ReferenceArguments};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// A published figure as it is printed.
#[derive(Serialize)]
struct Published {
    table: &'static str,
    figure: String,
    value: f64,
    upper: Option<f64>,
    deviation: Option<f64>,
    unit: &'static str,
    inconsistency: Option<&'static str>,
}

pub(super) fn run(arguments: &ReferenceArguments) -> Result<Exit, Failure> {
    let is_wanted = |figure: &&Reference| !arguments.inconsistent || figure.inconsistency.is_some();
    let figures: Vec<Published> = ALL.iter().filter(is_wanted).map(published).collect();
    match arguments.output.output_format {
        OutputFormat::Json => output::json(&figures)?,
        OutputFormat::Console => output::data(&text(&figures))?,
    }
    Ok(Exit::Pass)
}

fn published(figure: &Reference) -> Published {
    let setting = figure.setting.map_or_else(String::new, |(name, value)| format!(" {name}={value}"));
    Published {
        table: figure.table,
        figure: format!("{}{setting}", figure.definition.title),
        value: figure.value,
        upper: figure.upper,
        deviation: figure.deviation,
        unit: figure.definition.unit,
        inconsistency: figure.inconsistency,
    }
}

fn text(figures: &[Published]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["table", "figure", "published", "unit", "what is wrong with it"]);
    for figure in figures {
        let upper = figure.upper.map_or_else(String::new, |upper| format!(" to {upper}"));
        let deviation = figure.deviation.map_or_else(String::new, |deviation| format!(" ± {deviation}"));
        table.add_row([
            figure.table.to_owned(),
            figure.figure.clone(),
            format!("{}{upper}{deviation}", figure.value),
            figure.unit.to_owned(),
            figure.inconsistency.unwrap_or_default().to_owned(),
        ]);
    }
    format!("published: {SOURCE}\n\n{}", table.trim_fmt())
}
