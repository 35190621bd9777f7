//! Task files on disk: reading with includes, the index of a folder, groups and tags.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_saphyr::options::DuplicateKeyPolicy;

use super::config::{FUNCTION, TaskConfig};
use super::error::TaskError;
use super::shipped;
use super::value::Value;

/// How deep includes and groups may go; lm-eval's deepest chain has four.
const DEPTH_LIMIT: usize = 32;

/// Folders that hold no tasks.
const IGNORED_FOLDERS: [&str; 2] = ["__pycache__", ".ipynb_checkpoints"];

/// Reads a task file, its includes first; keys of the file itself win.
///
/// A `!function name` becomes a text that names the folder of the file which it stands in.
///
/// # Errors
/// When a file is missing, no YAML, or includes itself.
pub fn load(path: &Path) -> Result<Value, TaskError> {
    Loader::default().load(path, 0)
}

/// Reads files; what others include is read once.
#[derive(Debug, Default)]
struct Loader {
    included: Mutex<HashMap<PathBuf, Value>>,
}

impl Loader {
    fn load(&self, path: &Path, depth: usize) -> Result<Value, TaskError> {
        if depth > DEPTH_LIMIT {
            return Err(TaskError::IncludeCycle { path: path.to_owned() });
        }
        let io = |source| TaskError::Io { path: path.to_owned(), source };
        let text: Cow<'static, str> = match shipped::text(path) {
            Some(text) => Cow::Borrowed(text.map_err(io)?),
            None => Cow::Owned(std::fs::read_to_string(path).map_err(io)?),
        };
        let own = parse(&text, path)?;
        let Some(includes) = own.get("include").cloned() else {
            return Ok(own);
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut merged = Value::Dict(Vec::new());
        for include in includes.as_list().unwrap_or(std::slice::from_ref(&includes)) {
            let included = self.include(&plain(&folder.join(include.text())), depth + 1)?;
            // The tasks of an included file are its own.
            merge(&mut merged, included, &["task_list"]);
        }
        merge(&mut merged, own, &["include"]);
        Ok(merged)
    }

    fn include(&self, path: &Path, depth: usize) -> Result<Value, TaskError> {
        let known = self.included.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let read = self.load(path, depth)?;
        self.included.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), read.clone());
        Ok(read)
    }
}

/// A path without `.` and without a folder that `..` leaves again, so that its folder has a name.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

fn merge(into: &mut Value, from: Value, without: &[&str]) {
    if let Value::Dict(entries) = from {
        for (key, value) in entries.into_iter().filter(|(key, _)| !without.contains(&key.as_str())) {
            into.set(&key, value);
        }
    }
}

/// Parses the text of one task file.
///
/// # Errors
/// Names the line and column that are no YAML.
pub fn parse(text: &str, path: &Path) -> Result<Value, TaskError> {
    static CALL: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"(?m)((?:^|[:\-])[ \t]+)!function[ \t]+["']?([\w.]+)["']?"#).ok());
    let mut folders = path.ancestors().skip(1).filter_map(Path::file_name).map(|name| name.to_string_lossy());
    let folder = folders.next().unwrap_or_default();
    // The folder above counts where parts of a family have folders of their own.
    let family = format!("{}/{folder}", folders.next().unwrap_or_default());
    let marked = CALL.as_ref().filter(|_| text.contains("!function")).map_or(text.into(), |call| {
        call.replace_all(text, |found: &regex::Captures<'_>| {
            let [own, of_family] = [&*folder, &family].map(|folder| format!("{folder}/{}", &found[2]));
            let is_of_family = !super::is_built_in(&own) && super::is_built_in(&of_family);
            let name = if is_of_family { of_family } else { own };
            format!("{}\"{FUNCTION}{name}\"", &found[1])
        })
    });
    let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins, strict_indentation: false };
    let broken = |problem: String| TaskError::Yaml { path: path.to_owned(), problem };
    let value: Value = serde_saphyr::from_str_with_options(&marked, options)
        .map_err(|error| broken(error.to_string().lines().next().unwrap_or_default().to_owned()))?;
    match value {
        Value::Dict(_) => Ok(value),
        other => Err(broken(format!("it is `{}` and no mapping", other.repr().chars().take(40).collect::<String>()))),
    }
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// One task.
    Task,
    /// A group with its own figure.
    Group,
    /// A word that several tasks carry.
    Tag,
}

/// A name of the index.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it stands for.
    pub kind: EntryKind,
    /// File that defines it; `None` for a tag.
    pub path: Option<PathBuf>,
    /// Its keys; empty for a tag.
    pub value: Value,
    /// Tasks that carry a tag.
    pub tagged: BTreeSet<String>,
}

/// The task files of folders.
#[derive(Debug, Default)]
pub struct Library {
    entries: BTreeMap<String, Entry>,
    /// Files that are no tasks, with the reason.
    pub skipped: Vec<(PathBuf, String)>,
}

/// A task that is to run.
#[derive(Clone, Debug)]
pub struct Selected {
    /// Its keys.
    pub config: TaskConfig,
    /// Folder of its file, for its data.
    pub folder: PathBuf,
}

/// A group whose tasks run, with what it adds up. Records hold it, so that its figures can be computed again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupConfig {
    /// Name.
    pub name: String,
    /// Name for people.
    pub alias: Option<String>,
    /// Tasks below it, in order.
    pub tasks: Vec<String>,
    /// Figures that it adds up.
    pub metrics: Vec<GroupMetric>,
    /// `metadata.version`.
    pub version: Value,
}

/// A figure of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupMetric {
    /// Metric of the tasks.
    pub metric: String,
    /// Filters of the tasks; `None` takes every one that has the metric.
    pub filters: Option<Vec<String>>,
    /// Whether tasks count by their number of documents.
    pub weight_by_size: bool,
}

/// What names stand for: tasks in order, and groups.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Every task once.
    pub tasks: Vec<Selected>,
    /// Groups, the innermost first.
    pub groups: Vec<GroupConfig>,
}

impl Library {
    /// Reads every `.yaml` file below the folders. A file that is no task is skipped and told.
    ///
    /// # Errors
    /// When a folder cannot be listed.
    pub fn of_folders(folders: &[PathBuf]) -> Result<Self, TaskError> {
        let mut files = Vec::new();
        for folder in folders {
            list(folder, &mut files, 0)?;
        }
        files.sort();
        let mut library = Self::default();
        for (path, read) in read_all(&files) {
            match read {
                Ok(value) => library.add(path, value),
                Err(error) => library.skipped.push((path, error.to_string())),
            }
        }
        Ok(library)
    }

    /// Adds the tasks of the binary. A name that a folder defined keeps the folder's meaning.
    #[must_use]
    pub fn with_shipped(mut self) -> Self {
        let mut shipped = Self::default();
        for (path, read) in read_all(&shipped::paths()) {
            match read {
                Ok(value) => shipped.add(path, value),
                Err(error) => self.skipped.push((path, error.to_string())),
            }
        }
        for (name, entry) in shipped.entries {
            self.entries.entry(name).or_insert(entry);
        }
        self
    }

    /// Names with what they stand for, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// The first file of a name counts.
    fn add(&mut self, path: PathBuf, value: Value) {
        let name = |key: &str| value.get(key).and_then(Value::as_text).map(str::to_owned);
        let (kind, name) = match (name("group"), name("task")) {
            (Some(group), _) if value.get("class").is_none() => (EntryKind::Group, group),
            (_, Some(task)) => (EntryKind::Task, task),
            _ => {
                self.skipped.push((path, "it has neither `task` nor `group`".to_owned()));
                return;
            }
        };
        if let Some(tag) = value.get("tag").filter(|_| kind == EntryKind::Task) {
            for tag in tag.as_list().unwrap_or(std::slice::from_ref(tag)) {
                let entry = self.entries.entry(tag.text()).or_insert_with(|| Entry {
                    kind: EntryKind::Tag,
                    path: None,
                    value: Value::Dict(Vec::new()),
                    tagged: BTreeSet::new(),
                });
                entry.tagged.insert(name.clone());
            }
        }
        let entry = Entry { kind, path: Some(path), value, tagged: BTreeSet::new() };
        match self.entries.entry(name) {
            std::collections::btree_map::Entry::Vacant(place) => drop(place.insert(entry)),
            std::collections::btree_map::Entry::Occupied(mut place) if place.get().kind == EntryKind::Tag => {
                place.insert(entry);
            }
            std::collections::btree_map::Entry::Occupied(place) => {
                let first = place.get().path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
                let why = format!("`{}` is defined by `{first}` already", place.key());
                self.skipped.extend(entry.path.map(|path| (path, why)));
            }
        }
    }

    /// Finds what names stand for: tasks, groups, tags, or paths of YAML files.
    ///
    /// # Errors
    /// When a name is unknown, or a task cannot be used.
    pub fn select(&self, names: &[String]) -> Result<Selection, TaskError> {
        let mut selection = Selection::default();
        let overrides = Value::Dict(Vec::new());
        for name in names {
            let is_file = name.ends_with(".yaml") || name.ends_with(".yml");
            if is_file && Path::new(name).is_file() {
                let path = Path::new(name);
                let value = load(path)?;
                let entry = Entry {
                    kind: if value.get("group").is_some() { EntryKind::Group } else { EntryKind::Task },
                    path: Some(path.to_owned()),
                    value,
                    tagged: BTreeSet::new(),
                };
                self.take(&mut selection, name, &entry, &overrides, 0)?;
            } else {
                let entry = self.find(name)?;
                self.take(&mut selection, name, entry, &overrides, 0)?;
            }
        }
        Ok(selection)
    }

    fn find(&self, name: &str) -> Result<&Entry, TaskError> {
        self.entries.get(name).ok_or_else(|| {
            let near = |known: &&String| strsim::jaro_winkler(known, name);
            let nearest =
                self.entries.keys().max_by(|a, b| near(a).total_cmp(&near(b))).filter(|known| near(known) > 0.8);
            TaskError::Unknown { name: name.to_owned(), nearest: nearest.cloned() }
        })
    }

    /// Adds what an entry stands for, and returns the names of its tasks.
    fn take(
        &self,
        selection: &mut Selection,
        name: &str,
        entry: &Entry,
        overrides: &Value,
        depth: usize,
    ) -> Result<Vec<String>, TaskError> {
        if depth > DEPTH_LIMIT {
            return Err(TaskError::IncludeCycle { path: entry.path.clone().unwrap_or_default() });
        }
        match entry.kind {
            EntryKind::Task => Ok(vec![take_task(selection, &entry.value, entry.path.as_deref(), overrides)?]),
            EntryKind::Tag => {
                let mut tasks = Vec::new();
                for task in &entry.tagged {
                    tasks.extend(self.take(selection, task, self.find(task)?, overrides, depth + 1)?);
                }
                Ok(tasks)
            }
            EntryKind::Group => self.take_group(selection, name, entry, overrides, depth),
        }
    }

    fn take_group(
        &self,
        selection: &mut Selection,
        name: &str,
        entry: &Entry,
        overrides: &Value,
        depth: usize,
    ) -> Result<Vec<String>, TaskError> {
        const OWN: [&str; 5] = ["group", "group_alias", "task", "aggregate_metric_list", "metadata"];
        let value = &entry.value;
        let mut common = Value::Dict(Vec::new());
        merge(&mut common, value.clone(), &[&OWN[..], &["tag"]].concat());
        merge(&mut common, overrides.clone(), &[]);
        let members = value.get("task").cloned().unwrap_or(Value::List(Vec::new()));
        let mut tasks = Vec::new();
        for member in members.as_list().unwrap_or(std::slice::from_ref(&members)) {
            tasks.extend(self.take_member(selection, name, entry, member, &common, depth)?);
        }
        let group = value.get("group").map_or_else(|| name.to_owned(), Value::text);
        let mut seen = BTreeSet::new();
        tasks.retain(|task| seen.insert(task.clone()));
        if !selection.groups.iter().any(|known| known.name == group) {
            selection.groups.push(GroupConfig {
                alias: value.get("group_alias").and_then(Value::as_text).map(str::to_owned),
                tasks: tasks.clone(),
                metrics: group_metrics(&group, value)?,
                version: value.get("metadata").and_then(|data| data.get("version")).cloned().unwrap_or(Value::None),
                name: group,
            });
        }
        Ok(tasks)
    }

    /// A member is a name, or a mapping with `task` or `group` and keys that override.
    fn take_member(
        &self,
        selection: &mut Selection,
        group: &str,
        entry: &Entry,
        member: &Value,
        common: &Value,
        depth: usize,
    ) -> Result<Vec<String>, TaskError> {
        if let Some(name) = member.as_text() {
            return self.take(selection, name, self.find(name)?, common, depth + 1);
        }
        let mut own = common.clone();
        if let Some(name) = member.get("group").and_then(Value::as_text) {
            if let Some(known) = self.entries.get(name) {
                merge(&mut own, member.clone(), &["group"]);
                return self.take(selection, name, known, &own, depth + 1);
            }
            let inline = Entry { value: member.clone(), kind: EntryKind::Group, ..entry.clone() };
            return self.take_group(selection, name, &inline, common, depth + 1);
        }
        let misfit = || TaskError::Key {
            task: group.to_owned(),
            key: "task".to_owned(),
            value: member.repr().chars().take(120).collect(),
            expected: "names, or mappings with `task` or `group`".to_owned(),
        };
        let name = member.get("task").and_then(Value::as_text).ok_or_else(misfit)?;
        merge(&mut own, member.clone(), &[]);
        match self.entries.get(name) {
            Some(known) => {
                if known.kind != EntryKind::Task {
                    own = common.clone();
                    merge(&mut own, member.clone(), &["task"]);
                }
                self.take(selection, name, known, &own, depth + 1)
            }
            None => {
                own.set("task", Value::Text(format!("{group}::{name}")));
                Ok(vec![take_task(selection, &own, entry.path.as_deref(), &Value::Dict(Vec::new()))?])
            }
        }
    }
}

fn take_task(
    selection: &mut Selection,
    value: &Value,
    path: Option<&Path>,
    overrides: &Value,
) -> Result<String, TaskError> {
    let mut value = value.clone();
    merge(&mut value, overrides.clone(), &[]);
    let config = TaskConfig::from_value(&value)?;
    let name = config.task.clone();
    if !selection.tasks.iter().any(|known| known.config.task == name) {
        let folder = path.and_then(Path::parent).map(Path::to_owned).unwrap_or_default();
        selection.tasks.push(Selected { config, folder });
    }
    Ok(name)
}

fn group_metrics(group: &str, value: &Value) -> Result<Vec<GroupMetric>, TaskError> {
    let Some(list) = value.get("aggregate_metric_list").filter(|list| **list != Value::None) else {
        return Ok(Vec::new());
    };
    let misfit = |key: &str, value: &Value, expected: &str| TaskError::Key {
        task: group.to_owned(),
        key: key.to_owned(),
        value: value.repr(),
        expected: expected.to_owned(),
    };
    let read = |item: &Value| {
        let metric = item.get("metric").map(Value::text);
        let metric = metric.ok_or_else(|| misfit("aggregate_metric_list", item, "entries with `metric`"))?;
        if let Some(way) = item.get("aggregation").filter(|way| way.as_text() != Some("mean")) {
            return Err(misfit("aggregate_metric_list.aggregation", way, "mean"));
        }
        let filters = match item.get("filter_list") {
            None | Some(Value::None) => None,
            Some(Value::List(names)) => Some(names.iter().map(Value::text).collect()),
            Some(name) => Some(vec![name.text()]),
        };
        Ok(GroupMetric { metric, filters, weight_by_size: item.get("weight_by_size") != Some(&Value::Bool(false)) })
    };
    list.as_list().unwrap_or(std::slice::from_ref(list)).iter().map(read).collect()
}

fn list(folder: &Path, files: &mut Vec<PathBuf>, depth: usize) -> Result<(), TaskError> {
    let io = |source| TaskError::Io { path: folder.to_owned(), source };
    if depth > DEPTH_LIMIT {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(io)?);
        let name = entry.file_name();
        if kind.is_dir() {
            if !IGNORED_FOLDERS.iter().any(|ignored| name == *ignored) {
                list(&path, files, depth + 1)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    Ok(())
}

/// Reads the files on every core, in order.
fn read_all(files: &[PathBuf]) -> Vec<(PathBuf, Result<Value, TaskError>)> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let share = files.len().div_ceil(workers).max(1);
    let loader = &Loader::default();
    let read =
        move |files: &[PathBuf]| files.iter().map(|path| (path.clone(), loader.load(path, 0))).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let parts: Vec<_> = files.chunks(share).map(|part| scope.spawn(move || read(part))).collect();
        // A thread that panicked has told why already; its files are then missing from the index.
        parts.into_iter().flat_map(|part| part.join().unwrap_or_default()).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    fn library(folder: &tempfile::TempDir) -> Library {
        Library::of_folders(&[folder.path().to_owned()]).unwrap()
    }

    #[test]
    fn includes_are_merged_and_own_keys_win() {
        let files = [
            (
                "a/base.yaml",
                "task: base\ndataset_path: json\noutput_type: multiple_choice\ndescription: \"Base\\n\"\ntask_list: [x]\n",
            ),
            ("a/b/one.yaml", "include: ../base.yaml\ntask: one\ndescription: 'Own\\n'\n"),
        ];
        let folder = folder(&files);
        let selection = library(&folder).select(&["one".to_owned()]).unwrap();
        let config = &selection.tasks[0].config;
        // A single-quoted line end is two characters, as in every YAML.
        assert_eq!((config.task.as_str(), config.description.as_str()), ("one", "Own\\n"));
        assert_eq!(config.dataset_path.as_deref(), Some("json"));
    }

    #[test]
    fn groups_and_tags_stand_for_tasks() {
        let files = [
            (
                "g.yaml",
                "group: g\ntask:\n  - one\n  - task: two\n    num_fewshot: 3\n  - tagged\n  - group: inner\n    task: [one]\naggregate_metric_list:\n  - metric: acc\n    weight_by_size: false\n",
            ),
            ("one.yaml", "task: one\ntag: [tagged, other]\n"),
            ("two.yaml", "task: two\ntag: tagged\n"),
        ];
        let folder = folder(&files);
        let selection = library(&folder).select(&["g".to_owned()]).unwrap();
        let names: Vec<&str> = selection.tasks.iter().map(|task| task.config.task.as_str()).collect();
        assert_eq!(names, ["one", "two"]);
        assert_eq!(selection.tasks[1].config.num_fewshot, Some(3));
        let groups: Vec<_> =
            selection.groups.iter().map(|group| (group.name.as_str(), group.tasks.join(","))).collect();
        assert_eq!(groups, [("inner", "one".to_owned()), ("g", "one,two".to_owned())]);
        assert_eq!(
            selection.groups[1].metrics,
            [GroupMetric { metric: "acc".to_owned(), filters: None, weight_by_size: false }]
        );
    }

    #[test]
    fn python_is_refused_by_its_key() {
        let check = |text: &str, expected: &str| {
            let folder = folder(&[("f/t.yaml", text)]);
            let error = library(&folder).select(&["t".to_owned()]).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        };
        check("task: t\nprocess_results: !function utils.score\n", "`process_results` is Python code, `f/utils.score`");
        check("task: t\ndoc_to_text: !function \"utils.text\"\n", "`doc_to_text`");
        check("task: t\nmetric_list:\n  - metric: !function metrics.own\n", "`metric_list.metric`");
        check("task: t\nclass: !function task.Own\n", "`class`");
        let folder = folder(&[("hellaswag/t.yaml", "task: t\nprocess_docs: !function utils.process_docs\n")]);
        let selection = library(&folder).select(&["t".to_owned()]).unwrap();
        assert_eq!(selection.tasks[0].config.process_docs.as_deref(), Some("hellaswag/utils.process_docs"));
    }

    #[test]
    fn what_is_wrong_is_told_with_a_remedy() {
        let folder = folder(&[
            ("gsm8k.yaml", "task: gsm8k\n"),
            ("circle.yaml", "include: circle.yaml\n"),
            ("broken.yaml", "task: [\n"),
            ("list.yaml", "- a\n"),
        ]);
        let library = library(&folder);
        assert_eq!(library.skipped.len(), 3);
        let error = library.select(&["gsm8".to_owned()]).unwrap_err();
        assert!(error.hint().contains("gsm8k"), "{}", error.hint());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
            if let Ok(value) = parse(&text, Path::new("f/t.yaml")) {
                drop(TaskConfig::from_value(&value));
            }
        }

        #[test]
        fn any_keys_are_read_or_refused(text in "((task|metric_list|filter_list|until|fewshot_config|repeats|doc_to_text|generation_kwargs): ?(x|1|-1|\\[1, a\\]|\\{a: b\\}|null|true|!function a.b)\n){0,6}") {
            if let Ok(value) = parse(&text, Path::new("f/t.yaml")) {
                drop(TaskConfig::from_value(&value));
            }
        }
    }
}
