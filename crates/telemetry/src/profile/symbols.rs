//! Names of addresses of a process.

mod elf;
mod maps;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

pub use elf::{ElfSymbols, ReadAt};
pub(super) use maps::Mapping;

/// What a process has mapped, with the symbols of the files as far as they were asked for.
#[derive(Debug)]
pub(super) struct Symbols {
    /// The folder of the process below `/proc`.
    process: PathBuf,
    mappings: Vec<Mapping>,
    files: HashMap<String, Option<ElfSymbols>>,
}

impl Symbols {
    /// Reads what a process has mapped now; `None` is this process. Of one that has ended nothing is known.
    pub(super) fn of_process(pid: Option<u32>) -> Self {
        let process = PathBuf::from("/proc").join(pid.map_or_else(|| "self".to_owned(), |pid| pid.to_string()));
        let mappings = std::fs::read_to_string(process.join("maps")).map(|text| maps::read(&text)).unwrap_or_default();
        Self { process, mappings, files: HashMap::new() }
    }

    /// Whether anything is known.
    pub(super) fn is_empty(&self) -> bool {
        self.mappings.is_empty()
    }

    /// The name of the function around each address. Where a file has no name for it, that is the file.
    pub(super) fn names(&mut self, addresses: &BTreeSet<u64>) -> BTreeMap<u64, String> {
        addresses.iter().map(|&address| (address, self.name(address))).collect()
    }

    fn name(&mut self, address: u64) -> String {
        let Some(mapping) = self.mappings.iter().find(|mapping| mapping.range.contains(&address)) else {
            return "unknown".to_owned();
        };
        let Mapping { path, range, offset } = mapping.clone();
        let process = &self.process;
        let symbols = self.files.entry(path.clone()).or_insert_with(|| symbols_of(process, &path));
        let name = symbols.as_ref().and_then(|symbols| symbols.name(address - range.start + offset));
        name.unwrap_or_else(|| match path.rsplit('/').next() {
            Some("") | None => "unknown".to_owned(),
            Some(file) => format!("[{file}]"),
        })
    }
}

/// Symbols of a file as the process sees it: its own program also when that was deleted or replaced meanwhile, and files of a
/// container by its root.
fn symbols_of(process: &std::path::Path, path: &str) -> Option<ElfSymbols> {
    if !path.starts_with('/') {
        return None;
    }
    let program = process.join("exe");
    let is_program = std::fs::read_link(&program).is_ok_and(|program| program.as_os_str() == path);
    let path = if is_program { program } else { process.join("root").join(path.trim_start_matches('/')) };
    ElfSymbols::read(&File::open(path).ok()?)
}

impl ReadAt for File {
    fn length(&self) -> u64 {
        self.metadata().map_or(0, |metadata| metadata.len())
    }

    fn bytes(&self, at: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.read_exact_at(&mut bytes, at).ok()?;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn a_function_with_a_name() -> u64 {
        a_function_with_a_name as fn() -> u64 as usize as u64
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn functions_of_this_process_have_names() {
        let mut symbols = Symbols::of_process(None);
        let at = a_function_with_a_name();
        let names = symbols.names(&BTreeSet::from([at, at + 1, 8]));
        assert!(names[&at].ends_with("a_function_with_a_name"), "{names:?}");
        assert_eq!(names[&at], names[&(at + 1)]);
        assert_eq!(names[&8], "unknown");
        assert!(!symbols.is_empty());
    }

    #[test]
    fn of_a_process_that_does_not_exist_nothing_is_known() {
        let mut symbols = Symbols::of_process(Some(u32::MAX));
        assert!(symbols.is_empty());
        assert_eq!(symbols.names(&BTreeSet::from([4096]))[&4096], "unknown");
    }
}
