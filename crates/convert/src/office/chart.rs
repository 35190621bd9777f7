//! Charts: the values that an office program kept beside the drawing.

use std::collections::BTreeMap;

use super::package::{Package, Relations};
use crate::error::Refusal;
use crate::markdown::Writer;
use crate::markup::xml::{Event, Xml};
use crate::signals::one_line;
use crate::table::{Cell, Grid};

/// Charts of a document that are read.
const CHARTS_MAX: usize = 500;
/// Points of a series that are read.
const POINTS_MAX: u32 = 10_000;

/// A chart as a table: categories downwards, series to the right.
#[derive(Debug)]
pub(crate) struct Chart {
    title: String,
    series: Vec<Series>,
}

#[derive(Debug, Default)]
struct Series {
    name: String,
    categories: BTreeMap<u32, String>,
    values: BTreeMap<u32, String>,
}

/// The charts that the relations of a part lead to, by id in the order of the document's numbers.
pub(crate) fn of_part(package: &mut Package<'_>, relations: &Relations) -> Result<Vec<(String, Chart)>, Refusal> {
    let mut ids: Vec<&String> =
        relations.iter().filter(|(_, relation)| relation.kind == "chart").map(|(id, _)| id).collect();
    ids.sort_by_key(|id| (id.len(), id.as_str()));
    let mut charts = Vec::new();
    for id in ids.into_iter().take(CHARTS_MAX) {
        let text = package.part(&relations[id].target)?.unwrap_or_default();
        charts.extend(Chart::read(&text).map(|chart| (id.clone(), chart)));
    }
    Ok(charts)
}

impl Chart {
    /// Reads the part of a chart; nothing where it holds no values.
    fn read(text: &str) -> Option<Self> {
        let mut chart = Self { title: String::new(), series: Vec::new() };
        let mut xml = Xml::new(text);
        while let Some(event) = xml.next() {
            match event {
                Event::Open("title", _) if chart.title.is_empty() && chart.series.is_empty() => {
                    chart.title = texts(&mut xml);
                }
                Event::Open("ser", _) => chart.series.push(Series::read(&mut xml)),
                Event::Open(..) | Event::Close | Event::Text(_) => {}
            }
        }
        chart.series.retain(|series| !series.values.is_empty());
        (!chart.series.is_empty()).then_some(chart)
    }

    /// Writes the title and the table.
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.paragraph(&self.title);
        let mut rows = BTreeMap::new();
        for series in &self.series {
            for index in series.values.keys() {
                let name = series.categories.get(index);
                let row: &mut String = rows.entry(*index).or_default();
                if let Some(name) = name.filter(|_| row.is_empty()) {
                    row.clone_from(name);
                }
            }
        }
        let head = self.series.iter().map(|series| Cell::new(series.name.as_str()));
        let mut cells = vec![std::iter::once(Cell::new("")).chain(head).collect::<Vec<_>>()];
        for (index, name) in rows {
            let values =
                self.series.iter().map(|series| Cell::new(series.values.get(&index).map_or("", String::as_str)));
            cells.push(std::iter::once(Cell::new(name)).chain(values).collect());
        }
        writer.table(&Grid::expand(cells));
    }
}

impl Series {
    fn read(xml: &mut Xml<'_>) -> Self {
        let mut series = Self::default();
        xml.children(|xml, name, _| match name {
            "tx" => series.name = points(xml).into_values().next().unwrap_or_default(),
            "cat" | "xVal" => series.categories = points(xml),
            "val" | "yVal" => series.values = points(xml),
            _ => xml.skip(),
        });
        series
    }
}

/// The points of a cache to its end, by number.
fn points(xml: &mut Xml<'_>) -> BTreeMap<u32, String> {
    let mut points = BTreeMap::new();
    let mut index = 0;
    let mut open = 0_u64;
    loop {
        match xml.next() {
            None => return points,
            Some(Event::Close) if open == 0 => return points,
            Some(Event::Close) => open -= 1,
            Some(Event::Text(_)) => {}
            Some(Event::Open("v", _)) => {
                let value = one_line(&xml.text());
                if index < POINTS_MAX && !value.is_empty() {
                    points.entry(index).or_insert(value);
                }
            }
            Some(Event::Open("f" | "formatCode", _)) => xml.skip(),
            Some(Event::Open(name, tag)) => {
                if name == "pt" {
                    index = tag.local("idx").and_then(|index| index.trim().parse().ok()).unwrap_or(0);
                }
                open += 1;
            }
        }
    }
}

/// The texts of an element to its end.
fn texts(xml: &mut Xml<'_>) -> String {
    let mut out = String::new();
    let mut open = 0_u64;
    while let Some(element) = xml.within(&mut open) {
        match element {
            ("t" | "v", _) => out.push_str(&xml.text()),
            ("f", _) => xml.skip(),
            _ => open += 1,
        }
    }
    one_line(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_a_chart_are_a_table() {
        let series = |name: &str, values: [&str; 2]| {
            let point = |index: usize, value: &str| format!("<c:pt idx=\"{index}\"><c:v>{value}</c:v></c:pt>");
            format!(
                "<c:ser><c:tx><c:strRef><c:f>A</c:f><c:strCache>{}</c:strCache></c:strRef></c:tx><c:cat><c:strCache>{}{}</c:strCache></c:cat>\
                 <c:val><c:numCache><c:formatCode>General</c:formatCode>{}{}</c:numCache></c:val></c:ser>",
                point(0, name),
                point(0, "x"),
                point(1, "y"),
                point(0, values[0]),
                point(1, values[1]),
            )
        };
        let text = format!(
            "<c:chartSpace><c:chart><c:title><a:t>Ducks </a:t><a:t>by year</a:t></c:title><c:lineChart>{}{}</c:lineChart></c:chart></c:chartSpace>",
            series("A", ["1", "2"]),
            series("B", ["3", ""]),
        );
        let mut writer = Writer::new(1000);
        Chart::read(&text).unwrap().write(&mut writer);
        assert_eq!(
            writer.finish(),
            "Ducks by year\n\n|  | A | B |\n| --- | --- | --- |\n| x | 1 | 3 |\n| y | 2 |  |\n"
        );
        assert!(Chart::read("<c:chart><c:ser/></c:chart>").is_none());
    }
}
