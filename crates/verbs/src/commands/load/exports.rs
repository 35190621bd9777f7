//! The forms that a run is written in beside its record: `-o FORMAT=PATH`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::super::report;
use crate::arguments::ExportFormat;
use crate::failure::Failure;

/// What is written right after the run.
#[derive(Clone, Debug)]
pub(super) struct Exports(Vec<(ExportFormat, PathBuf)>);

impl Exports {
    /// Reads the flags. What cannot be written is found before anything is measured.
    pub(super) fn read(flags: &[String]) -> Result<Self, Failure> {
        flags.iter().map(|flag| one(flag)).collect::<Result<_, _>>().map(Self)
    }

    /// Writes every form of the run in this folder.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Failure> {
        for (format, path) in &self.0 {
            report::export(folder, *format, Some(path.clone()))?;
        }
        Ok(())
    }
}

fn one(flag: &str) -> Result<(ExportFormat, PathBuf), Failure> {
    let refused = |problem: String| {
        let names: Vec<String> = ExportFormat::value_variants().iter().filter_map(name).collect();
        let hint = format!("write `-o FORMAT=PATH`, such as `-o csv=run.csv`; the forms: {}", names.join(", "));
        Failure::usage(format!("accept `{flag}` as --output: {problem}"), hint)
    };
    let (format, path) = flag.split_once('=').ok_or_else(|| refused("it has no `=`".to_owned()))?;
    let format = ExportFormat::from_str(format, false).map_err(|_| refused(format!("there is no form `{format}`")))?;
    let path = PathBuf::from(path);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if path.as_os_str().is_empty() {
        return Err(refused("it names no path".to_owned()));
    }
    if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
        return Err(refused(format!("there is no folder `{}`", parent.display())));
    }
    Ok((format, path))
}

fn name(format: &ExportFormat) -> Option<String> {
    format.to_possible_value().map(|value| value.get_name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_names_a_form_and_a_path() {
        let check = |flag: &str, expected: Result<ExportFormat, &str>| match (one(flag), expected) {
            (Ok((format, _)), Ok(expected)) => assert_eq!(format, expected, "{flag}"),
            (Err(failure), Err(part)) => assert!(format!("{failure:?}").contains(part), "{flag}: {failure:?}"),
            (found, expected) => panic!("{flag}: {found:?}, expected {expected:?}"),
        };
        check("csv=run.csv", Ok(ExportFormat::Csv));
        check("github-action=a=b.json", Ok(ExportFormat::GithubAction));
        check("csv", Err("no `=`"));
        check("cvs=run.csv", Err("no form `cvs`"));
        check("csv=", Err("no path"));
        check("csv=absent/folder/run.csv", Err("no folder `absent/folder`"));
    }
}
