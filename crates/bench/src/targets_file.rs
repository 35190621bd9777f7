//! Reading targets from a file: YAML, or JSON, which is YAML too.
//!
//! ```yaml
//! profile: release
//! targets:
//!   - metric: ttft.p99
//!     below: 300
//!     cell: { input_tokens: 128 }
//! ```

use serde::Deserialize;
use serde_saphyr::{Error, Spanned};
use weighbridge_types::definition;
use weighbridge_types::metric::{Cell, Statistic};

use crate::targets::{BUILT_IN, Target, Targets, name_of};
use weighbridge_summary::{Bound, Limit};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    profile: Option<Spanned<String>>,
    targets: Spanned<Vec<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Option<String>,
    metric: Spanned<String>,
    below: Option<f64>,
    at_most: Option<f64>,
    above: Option<f64>,
    at_least: Option<f64>,
    #[serde(default)]
    cell: CellEntry,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CellEntry {
    phase: Option<String>,
    input_tokens: Option<u32>,
    output_tokens: Option<u32>,
    concurrency: Option<u32>,
    variant: Option<String>,
    task: Option<String>,
}

/// A targets file that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read the targets at line {line}, column {column}: {problem}")]
pub struct TargetsError {
    /// Line, from 1; 0 where the file does not tell.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// What is wrong there.
    pub problem: String,
    /// The nearest valid name, for an unknown one.
    pub nearest: Option<String>,
}

impl TargetsError {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> String {
        match &self.nearest {
            Some(name) => format!("write `{name}`"),
            None => "a target is `metric: ttft.p99` with one of `below`, `at_most`, `above`, `at_least`, and a `cell`"
                .to_owned(),
        }
    }

    fn at(location: serde_saphyr::Location, problem: impl Into<String>, nearest: Option<String>) -> Self {
        Self { line: location.line(), column: location.column(), problem: problem.into(), nearest }
    }
}

impl Targets {
    /// Reads the targets of a file.
    ///
    /// # Errors
    /// Names line and column, and the nearest valid name where a key or a metric is unknown.
    pub fn from_text(text: &str) -> Result<Self, TargetsError> {
        let file: File = serde_saphyr::from_str(text).map_err(|error| explain(&error))?;
        let profile = match &file.profile {
            Some(profile) if BUILT_IN.contains(&profile.value.as_str()) => {
                let problem = format!("the profile `{}` ships with this program", profile.value);
                return Err(TargetsError::at(profile.referenced, problem, None));
            }
            Some(profile) => profile.value.clone(),
            None => "own".to_owned(),
        };
        if file.targets.value.is_empty() {
            return Err(TargetsError::at(file.targets.referenced, "there is no target", None));
        }
        let targets = file.targets.value.into_iter().map(|entry| entry.target(&profile)).collect::<Result<_, _>>()?;
        Ok(Self { targets })
    }
}

impl Entry {
    fn target(self, profile: &str) -> Result<Target, TargetsError> {
        check_metric(&self.metric)?;
        let bounds = [
            (Bound::Below, self.below),
            (Bound::AtMost, self.at_most),
            (Bound::Above, self.above),
            (Bound::AtLeast, self.at_least),
        ];
        let given: Vec<Limit> =
            bounds.into_iter().filter_map(|(bound, value)| value.map(|value| Limit { bound, value })).collect();
        let limit = match given.as_slice() {
            [limit] if limit.value.is_finite() => *limit,
            _ => {
                let problem = "a target needs exactly one finite limit";
                return Err(TargetsError::at(self.metric.referenced, problem, None));
            }
        };
        let name = self.name.unwrap_or_else(|| self.metric.value.clone());
        Ok(Target { name, profile: profile.to_owned(), metric: self.metric.value, cell: self.cell.cell(), limit })
    }
}

impl CellEntry {
    fn cell(self) -> Cell {
        let number = |value: Option<u32>| value.map(|value| value.to_string());
        let settings = [
            ("phase", self.phase),
            ("input_tokens", number(self.input_tokens)),
            ("output_tokens", number(self.output_tokens)),
            ("concurrency", number(self.concurrency)),
            ("variant", self.variant),
            ("task", self.task),
        ];
        let given = settings.into_iter().filter_map(|(key, value)| Some((key, value?)));
        given.fold(Cell::default(), |cell, (key, value)| cell.with(key, value))
    }
}

/// A key is the name of a definition, with a statistic where the metric has several.
fn check_metric(metric: &Spanned<String>) -> Result<(), TargetsError> {
    let wrong = |problem, nearest| Err(TargetsError::at(metric.referenced, problem, nearest));
    let name = name_of(&metric.value);
    if definition::find(name).is_none() {
        let nearest = nearest(name, definition::ALL.iter().map(|definition| definition.name));
        return wrong(format!("no metric is called `{name}`"), nearest);
    }
    let Some((_, statistic)) = metric.value.split_once('.') else { return Ok(()) };
    let grid = Statistic::GRID.iter().map(|(statistic, _)| statistic.name());
    let known =
        || grid.clone().chain([Statistic::Mean, Statistic::Min, Statistic::Max, Statistic::Slope].map(Statistic::name));
    if known().any(|known| known == statistic) {
        return Ok(());
    }
    let nearest = nearest(statistic, known()).map(|statistic| format!("{name}.{statistic}"));
    wrong(format!("there is no statistic `{statistic}`"), nearest)
}

/// The name that takes the fewest edits.
fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    names.min_by_key(|name| strsim::damerau_levenshtein(text, name)).map(str::to_owned)
}

fn explain(error: &Error) -> TargetsError {
    let error = error.without_snippet();
    let (line, column) = error.location().map_or((0, 0), |location| (location.line(), location.column()));
    let (problem, nearest) = match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            (format!("unknown key `{field}`"), nearest(field, expected.iter().copied()))
        }
        other => (other.to_string(), None),
    };
    TargetsError { line, column, problem, nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_json_read_the_same() {
        let yaml =
            "profile: release\ntargets:\n  - metric: ttft.p99\n    below: 300\n    cell: { input_tokens: 128 }\n";
        let json = r#"{"profile": "release", "targets": [{"metric": "ttft.p99", "below": 300, "cell": {"input_tokens": 128}}]}"#;
        let targets = Targets::from_text(yaml).unwrap();
        assert_eq!(targets, Targets::from_text(json).unwrap());
        let expected = Target {
            name: "ttft.p99".to_owned(),
            profile: "release".to_owned(),
            metric: "ttft.p99".to_owned(),
            cell: Cell::default().with("input_tokens", 128),
            limit: Limit { bound: Bound::Below, value: 300.0 },
        };
        assert_eq!(targets.iter().collect::<Vec<_>>(), [&expected]);
    }

    #[test]
    fn a_wrong_file_names_the_place_and_the_nearest_name() {
        let check = |text: &str, line: u64, problem: &str, nearest: Option<&str>| {
            let error = Targets::from_text(text).unwrap_err();
            assert_eq!((error.line, error.nearest.as_deref()), (line, nearest), "{error}");
            assert!(error.problem.contains(problem) && error.column > 0, "{error}");
        };
        check("targets:\n  - metric: ttft.p99\n    belw: 3\n", 3, "`belw`", Some("below"));
        check("target: []\n", 1, "`target`", Some("targets"));
        check("targets:\n  - metric: tftt.p99\n    below: 3\n", 2, "`tftt`", Some("ttft"));
        check("targets:\n  - metric: ttft.meen\n    below: 3\n", 2, "`meen`", Some("ttft.mean"));
        check("targets:\n  - metric: ttft.p99\n", 2, "exactly one", None);
        check("targets:\n  - metric: ttft.p99\n    below: .nan\n", 2, "exactly one", None);
        check(
            "targets:\n  - metric: ttft.p99\n    below: 3\n    cell: { concurency: 3 }\n",
            4,
            "`concurency`",
            Some("concurrency"),
        );
        check("profile: cpu\ntargets:\n  - metric: ttft.p99\n    below: 3\n", 1, "`cpu`", None);
        check("targets: []\n", 1, "no target", None);
    }

    #[test]
    fn what_is_no_targets_file_is_refused() {
        for text in ["", "targets: [", "- 1", "<html></html>", "\u{0}"] {
            assert!(Targets::from_text(text).is_err(), "{text:?}");
        }
    }
}
