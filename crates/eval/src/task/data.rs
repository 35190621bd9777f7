//! Documents from local files: JSON lines, JSON, CSV, TSV, tagged tokens and Parquet, each also gzipped. Nothing is
//! fetched.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::conll;
use super::error::TaskError;
use super::shipped;
use super::texts::Texts;
use super::value::Value;
use crate::parquet::{Lines, NotFinite, ParquetError};

/// Bytes that one split may unfold to: 8 GiB. A gzipped file that grows beyond is refused.
const SPLIT_LIMIT: u64 = 8 << 30;

/// Bytes that are read at once.
const BLOCK: usize = 256 << 10;

/// Texts that pandas reads as missing.
const MISSING: [&str; 18] = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan",
];

/// The documents of a split: their JSON texts, parsed one at a time when asked for.
#[derive(Debug, Default)]
pub struct Rows {
    texts: Texts,
    columns: Vec<String>,
    digest: String,
}

impl Rows {
    /// Documents that were written in a task file.
    #[must_use]
    pub fn of_values(values: &[Value]) -> Self {
        let mut rows = Self::default();
        values.iter().for_each(|value| rows.push(value));
        rows.digest = hex(&Sha256::digest(rows.texts.held()));
        rows
    }

    /// Reads files one after the other.
    ///
    /// # Errors
    /// Names the file and the line that cannot be read.
    pub fn read(files: &[PathBuf], options: &Value) -> Result<Self, TaskError> {
        let mut rows = Self::default();
        let mut hash = Sha256::new();
        for path in files {
            let is_shipped = shipped::text(path).is_some();
            if !is_shipped && matches!(kind_of(path, options), Kind::Lines) {
                rows.take_lines(path, Hashed { file: open(path)?, hash: &mut hash })?;
                continue;
            }
            let bytes = read_file(path)?;
            hash.update(&bytes);
            rows.take(path, &bytes, options)?;
        }
        rows.digest = hex(&hash.finalize());
        Ok(rows)
    }

    /// Reads the bytes of one file; its name says what they are.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn of_bytes(path: &Path, bytes: &[u8], options: &Value) -> Result<Self, TaskError> {
        let mut rows = Self::default();
        rows.take(path, bytes, options)?;
        rows.digest = hex(&Sha256::digest(bytes));
        Ok(rows)
    }

    fn take(&mut self, path: &Path, bytes: &[u8], options: &Value) -> Result<(), TaskError> {
        match kind_of(path, options) {
            Kind::Lines => self.take_lines(path, bytes),
            Kind::Json => self.take_json(path, bytes, options),
            Kind::Table(separator) => self.take_table(path, bytes, separator, options),
            Kind::Tagged => self.take_tagged(path, bytes),
            Kind::Parquet => self.take_parquet(path, bytes),
            Kind::Unknown(extension) => {
                let problem = format!("files of the kind `{extension}` are not read");
                Err(damaged(path, "its name", problem))
            }
        }
    }

    /// Documents with the columns of others that have the same value in a column; `is_optional` lets one stay alone.
    ///
    /// # Errors
    /// Names the first document that no other one, or several, belong to.
    pub fn joined(&self, others: &Self, by: &str, is_optional: bool) -> Result<Self, String> {
        let key = |doc: &Value| doc.get(by).map(Value::text).ok_or_else(|| "a document does not have it".to_owned());
        let mut by_key = HashMap::new();
        for doc in (0..others.len()).filter_map(|row| others.get(row)) {
            let key = key(&doc)?;
            if let Some(twice) = by_key.insert(key, doc) {
                return Err(format!("`{}` comes twice", twice.get(by).map(Value::text).unwrap_or_default()));
            }
        }
        let join = |mut doc: Value| {
            let key = key(&doc)?;
            match by_key.get_mut(&key).map(|other| std::mem::replace(other, Value::None)) {
                Some(Value::Dict(entries)) => entries.into_iter().for_each(|(name, value)| doc.set(&name, value)),
                Some(_) => return Err(format!("`{key}` is asked for twice")),
                None if is_optional => {}
                None => return Err(format!("`{key}` is missing; `optional: true` lets a document stay alone")),
            }
            Ok(doc)
        };
        let joined: Vec<Value> = (0..self.len()).filter_map(|row| self.get(row)).map(join).collect::<Result<_, _>>()?;
        Ok(Self::of_values(&joined))
    }

    /// How many documents there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.len() == 0
    }

    /// The names of the columns, in order of first appearance.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// SHA-256 of the files, hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// A document with every column; what it lacks is `None`.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<Value> {
        let value: Value = serde_json::from_slice(&self.texts.get(row)?).ok()?;
        Some(self.complete(value))
    }

    /// Digest of a document, for telling equal ones.
    #[must_use]
    pub fn row_digest(&self, row: usize) -> Option<[u8; 32]> {
        Some(Sha256::digest(self.get(row)?.dumps()).into())
    }

    fn complete(&self, value: Value) -> Value {
        let Value::Dict(mut entries) = value else {
            return value;
        };
        let is_complete = entries.len() == self.columns.len()
            && entries.iter().zip(&self.columns).all(|((key, _), column)| key == column);
        if is_complete {
            return Value::Dict(entries);
        }
        let entry = |column: &String| {
            let found = entries.iter_mut().find(|(key, _)| key == column);
            let value = found.map_or(Value::None, |(_, value)| std::mem::replace(value, Value::None));
            (column.clone(), value)
        };
        Value::Dict(self.columns.iter().map(entry).collect())
    }

    fn push(&mut self, value: &Value) {
        if let Value::Dict(entries) = value {
            let same = entries.len() == self.columns.len()
                && entries.iter().zip(&self.columns).all(|((key, _), column)| key == column);
            if !same {
                for (key, _) in entries {
                    if !self.columns.contains(key) {
                        self.columns.push(key.clone());
                    }
                }
            }
        }
        // Writing a value to memory does not fail.
        self.texts.push(|text| drop(serde_json::to_writer(text, value)));
    }

    /// Adds a document of a file, of which there may be many.
    fn push_read(&mut self, value: &Value) -> Result<(), TaskError> {
        self.push(value);
        self.texts.relieve().map_err(|source| TaskError::Keep { folder: std::env::temp_dir(), source })
    }

    fn push_document(&mut self, path: &Path, place: impl fmt::Display, value: &Value) -> Result<(), TaskError> {
        if !matches!(value, Value::Dict(_)) {
            return Err(damaged(path, &place.to_string(), "it is no JSON object".to_owned()));
        }
        self.push_read(value)
    }

    fn take_lines(&mut self, path: &Path, mut text: impl BufRead) -> Result<(), TaskError> {
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if text.read_until(b'\n', &mut line).map_err(|error| unread(path, error))? == 0 {
                break;
            }
            let bytes = if number == 1 { without_mark(&line) } else { &line };
            if bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let place = format_args!("line {number}");
            let value: Value =
                serde_json::from_slice(bytes).map_err(|error| damaged(path, &place.to_string(), error.to_string()))?;
            self.push_document(path, place, &value)?;
        }
        Ok(())
    }

    fn take_tagged(&mut self, path: &Path, bytes: &[u8]) -> Result<(), TaskError> {
        let bytes = without_mark(bytes);
        let text = std::str::from_utf8(bytes).map_err(|error| damaged(path, "its text", error.to_string()))?;
        let documents =
            conll::documents(text).map_err(|(line, problem)| damaged(path, &format!("line {line}"), problem))?;
        documents.iter().try_for_each(|document| self.push_read(document))
    }

    fn take_parquet(&mut self, path: &Path, bytes: &[u8]) -> Result<(), TaskError> {
        let fail = |source| TaskError::Parquet { path: path.to_owned(), source };
        let mut lines = Vec::new();
        let mut rows = Lines::of_bytes(bytes, NotFinite::Null).map_err(fail)?.take(SPLIT_LIMIT);
        rows.read_to_end(&mut lines).map_err(|error| fail(ParquetError::Broken(error.to_string())))?;
        if rows.limit() == 0 {
            return Err(damaged(path, "its end", "it unfolds to more than 8 GiB".to_owned()));
        }
        self.take_lines(path, &lines[..])
    }

    /// A list of objects, an object that holds one under the option `field` (`*` takes every value), or lines all the same.
    fn take_json(&mut self, path: &Path, bytes: &[u8], options: &Value) -> Result<(), TaskError> {
        let bytes = without_mark(bytes);
        let whole: Value = match serde_json::from_slice(bytes) {
            Ok(whole) => whole,
            // Many files called `.json` hold lines.
            Err(error) => {
                let lines = self.take_lines(path, bytes);
                return lines.map_err(|_| damaged(path, "its text", error.to_string()));
            }
        };
        let field = options.get("field").and_then(Value::as_text);
        if let (Some("*"), Value::Dict(entries)) = (field, &whole) {
            return entries
                .iter()
                .try_for_each(|(key, value)| self.push_document(path, format_args!("`{key}`"), value));
        }
        let inner = field.map_or(Some(&whole), |field| whole.get(field));
        let missing = || damaged(path, "its text", format!("it has no field `{}`", field.unwrap_or_default()));
        match inner.ok_or_else(missing)? {
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.push_document(path, format_args!("item {index}"), item)?;
                }
                Ok(())
            }
            other => self.push_document(path, "its text", other),
        }
    }

    fn take_table(&mut self, path: &Path, bytes: &[u8], separator: u8, options: &Value) -> Result<(), TaskError> {
        let written = ["sep", "delimiter"].into_iter().find_map(|key| options.get(key)).and_then(Value::as_text);
        let separator = written.and_then(|text| text.bytes().next()).unwrap_or(separator);
        let bytes = without_mark(bytes);
        let mut reader = csv::ReaderBuilder::new().delimiter(separator).from_reader(bytes);
        let fail = |error: csv::Error| {
            let line = error.position().map_or(1, csv::Position::line);
            damaged(path, &format!("line {line}"), error.to_string())
        };
        let head: Vec<String> = reader.headers().map_err(fail)?.iter().map(str::to_owned).collect();
        let records: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().map_err(fail)?;
        let kinds: Vec<Column> = (0..head.len()).map(|index| column_kind(&records, index)).collect();
        for record in &records {
            let entry = |(name, (field, kind)): (&String, (&str, &Column))| (name.clone(), cell(field, *kind));
            let entries = head.iter().zip(record.iter().zip(&kinds)).map(entry).collect();
            self.push_read(&Value::Dict(entries))?;
        }
        Ok(())
    }
}

/// What a column of a table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Int,
    Float,
    Bool,
    Text,
}

/// The narrowest kind that every field of a column fits; a whole-number column with gaps is one of floats, as in pandas.
fn column_kind(records: &[csv::StringRecord], index: usize) -> Column {
    let present = || records.iter().filter_map(|record| record.get(index)).filter(|field| !MISSING.contains(field));
    let has_gaps = records.iter().any(|record| record.get(index).is_none_or(|field| MISSING.contains(&field)));
    let is_int = |field: &str| field.trim().parse::<i64>().is_ok();
    let is_float = |field: &str| field.trim().parse::<f64>().is_ok() && field.bytes().any(|byte| byte.is_ascii_digit());
    let is_bool = |field: &str| matches!(field, "True" | "False" | "TRUE" | "FALSE" | "true" | "false");
    if present().next().is_none() {
        return Column::Float;
    }
    if present().all(is_int) {
        return if has_gaps { Column::Float } else { Column::Int };
    }
    match () {
        () if present().all(is_float) => Column::Float,
        () if !has_gaps && present().all(is_bool) => Column::Bool,
        () => Column::Text,
    }
}

fn cell(field: &str, kind: Column) -> Value {
    if MISSING.contains(&field) {
        return Value::None;
    }
    let text = || Value::Text(field.to_owned());
    match kind {
        Column::Int => field.trim().parse().map_or_else(|_| text(), Value::Int),
        Column::Float => field.trim().parse().map_or_else(|_| text(), Value::Float),
        Column::Bool => Value::Bool(field.eq_ignore_ascii_case("true")),
        Column::Text => text(),
    }
}

enum Kind {
    Lines,
    Json,
    Table(u8),
    /// A tagged token in a line.
    Tagged,
    Parquet,
    Unknown(String),
}

/// What the option `format` says, else the ending of the name.
fn kind_of(path: &Path, options: &Value) -> Kind {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let format = options.get("format").and_then(Value::as_text);
    match format.or(name.rsplit_once('.').map(|(_, extension)| extension)) {
        Some("jsonl" | "ndjson") => Kind::Lines,
        Some("json") => Kind::Json,
        Some("csv") => Kind::Table(b','),
        Some("tsv") => Kind::Table(b'\t'),
        Some("parquet") => Kind::Parquet,
        Some("conll") => Kind::Tagged,
        other => Kind::Unknown(other.unwrap_or_default().to_owned()),
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, TaskError> {
    if let Some(Ok(text)) = shipped::text(path) {
        return Ok(text.as_bytes().to_vec());
    }
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes).map_err(|error| unread(path, error))?;
    Ok(bytes)
}

/// A file as it unfolds.
fn open(path: &Path) -> Result<BufReader<Limited>, TaskError> {
    let file = File::open(path).map_err(|error| unread(path, error))?;
    let is_gzip = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    let text: Box<dyn Read> =
        if is_gzip { Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(file))) } else { Box::new(file) };
    Ok(BufReader::with_capacity(BLOCK, Limited(text.take(SPLIT_LIMIT))))
}

/// Why a file was not read to its end.
fn unread(path: &Path, source: io::Error) -> TaskError {
    match source.kind() {
        io::ErrorKind::FileTooLarge => damaged(path, "its end", source.to_string()),
        _ => TaskError::Io { path: path.to_owned(), source },
    }
}

/// A text that is an error where it is too long.
struct Limited(io::Take<Box<dyn Read>>);

impl Read for Limited {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.0.read(bytes)? {
            0 if self.0.limit() == 0 => Err(io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 8 GiB")),
            read => Ok(read),
        }
    }
}

/// A file whose bytes are hashed as they are taken.
struct Hashed<'h> {
    file: BufReader<Limited>,
    hash: &'h mut Sha256,
}

impl Read for Hashed<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(bytes)?;
        self.hash.update(&bytes[..read]);
        Ok(read)
    }
}

impl BufRead for Hashed<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.file.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.hash.update(&self.file.buffer()[..amount]);
        self.file.consume(amount);
    }
}

/// A text without the mark of its byte order.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

fn damaged(path: &Path, place: &str, problem: String) -> TaskError {
    TaskError::Data { path: path.to_owned(), place: place.to_owned(), problem }
}

/// Where the files of a data set are looked for.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Folder of the task file.
    pub task_folder: PathBuf,
    /// Folders that the user named, in order.
    pub data_folders: Vec<PathBuf>,
}

/// Which data a task names.
#[derive(Clone, Copy, Debug)]
pub struct DataName<'a> {
    /// Name of the task, for messages.
    pub task: &'a str,
    /// `dataset_path`.
    pub path: &'a str,
    /// `dataset_name`.
    pub name: Option<&'a str>,
    /// `dataset_kwargs`.
    pub options: &'a Value,
}

/// Finds the files of a split.
///
/// `data_files` of the options come first, as in the `datasets` library: one or several for a split called `train`, or a
/// mapping from splits. Otherwise `dataset_path` is a folder, here or under a data folder, that holds
/// `[dataset_name/]split.jsonl` (or `.json`, `.csv`, `.tsv`, `.parquet`, `.conll`, each also `.gz`).
///
/// # Errors
/// [`TaskError::NoData`], with what was looked for.
pub fn locate(data: &DataName<'_>, split: &str, places: &Places) -> Result<Vec<PathBuf>, TaskError> {
    let missing = |problem: String| TaskError::NoData { task: data.task.to_owned(), problem };
    if let Some(files) = data.options.get("data_files").filter(|files| **files != Value::None) {
        let named = match files {
            Value::Dict(_) => files.get(split),
            _ if split == "train" => Some(files),
            _ => None,
        };
        let named = named.ok_or_else(|| missing(format!("`data_files` names no files of the split `{split}`")))?;
        let names: Vec<String> =
            named.as_list().map_or_else(|| vec![named.text()], |list| list.iter().map(Value::text).collect());
        let folder = data.options.get("data_dir").and_then(Value::as_text);
        let find = |name: &String| match folder {
            Some(folder) => find_file(data, &Path::new(folder).join(name).display().to_string(), places),
            None => find_file(data, name, places),
        };
        return names.iter().map(find).collect();
    }
    let mut tried = Vec::new();
    for folder in folders(data, places) {
        for extension in ["jsonl", "json", "csv", "tsv", "parquet", "conll"] {
            for suffix in ["", ".gz"] {
                let path = folder.join(format!("{split}.{extension}{suffix}"));
                if path.is_file() {
                    return Ok(vec![path]);
                }
            }
        }
        tried.push(folder.display().to_string());
    }
    let part = data.name.map_or_else(String::new, |name| format!(", part `{name}`"));
    Err(missing(format!("no file of the split `{split}` of `{}`{part}; looked in {}", data.path, tried.join(", "))))
}

/// Finds one file of a data set: here, beside the task file, or in a data folder.
///
/// # Errors
/// [`TaskError::NoData`] when it is in none of them.
pub fn find_file(data: &DataName<'_>, name: &str, places: &Places) -> Result<PathBuf, TaskError> {
    let is_there = |path: &PathBuf| path.is_file() || matches!(shipped::text(path), Some(Ok(_)));
    let found = candidates(Path::new(name), places).into_iter().find(is_there);
    let problem = || format!("there is no file `{name}`");
    found.ok_or_else(|| TaskError::NoData { task: data.task.to_owned(), problem: problem() })
}

fn candidates(name: &Path, places: &Places) -> Vec<PathBuf> {
    let own = [name.to_owned(), places.task_folder.join(name)];
    own.into_iter().chain(places.data_folders.iter().map(|folder| folder.join(name))).collect()
}

fn folders(data: &DataName<'_>, places: &Places) -> Vec<PathBuf> {
    let path = Path::new(data.path);
    let mut bases = candidates(path, places);
    if let Some(last) = path.file_name() {
        bases.extend(places.data_folders.iter().map(|folder| folder.join(last)));
    }
    let named = |base: PathBuf| match data.name {
        Some(name) => vec![base.join(name), base],
        None => vec![base],
    };
    bases.into_iter().flat_map(named).collect()
}

/// Rows from the first number on, before the second.
pub type Slice = (Option<usize>, Option<usize>);

/// Splits like `train[:10]` name a part of a split.
#[must_use]
pub fn split_slice(split: &str) -> (&str, Option<Slice>) {
    let sliced = || {
        let (name, rest) = split.split_once('[')?;
        let (from, to) = rest.strip_suffix(']')?.split_once(':')?;
        let bound = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
        Some((name, (bound(from)?, bound(to)?)))
    };
    sliced().map_or((split, None), |(name, range)| (name, Some(range)))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digits = |&byte: &u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    let mut text = String::with_capacity(bytes.len() * 2);
    text.extend(bytes.iter().flat_map(digits));
    text
}

/// Splits of one data set that were read already, so that a group reads each once.
#[derive(Debug, Default)]
pub struct Cache(HashMap<Vec<PathBuf>, std::sync::Arc<Rows>>);

impl Cache {
    /// Reads files, or hands out what was read before.
    ///
    /// # Errors
    /// As [`Rows::read`].
    pub fn read(&mut self, files: Vec<PathBuf>, options: &Value) -> Result<std::sync::Arc<Rows>, TaskError> {
        if let Some(rows) = self.0.get(&files) {
            return Ok(rows.clone());
        }
        let rows = std::sync::Arc::new(Rows::read(&files, options)?);
        self.0.insert(files, rows.clone());
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    fn read(name: &str, bytes: &[u8], options: &str) -> Result<Vec<String>, String> {
        let (_folder, path) = file(name, bytes);
        let options: Value = serde_json::from_str(options).unwrap();
        let rows = Rows::read(&[path], &options).map_err(|error| error.to_string())?;
        Ok((0..rows.len()).map(|row| rows.get(row).unwrap().repr()).collect())
    }

    // Vectors: rows of `datasets.load_dataset("json" | "csv", data_files=…)`, datasets 4 with pandas 2.
    #[test]
    fn files_become_documents() {
        let check = |name: &str, text: &str, expected: &[&str]| {
            assert_eq!(read(name, text.as_bytes(), "{}").unwrap(), expected, "{name}: {text}");
        };
        check("a.jsonl", "{\"q\": 1}\n\n{\"a\": \"x\", \"q\": 2}\r\n", &["{'q': 1, 'a': None}", "{'q': 2, 'a': 'x'}"]);
        check("a.json", "[{\"q\": 1}, {\"q\": null}]", &["{'q': 1}", "{'q': None}"]);
        check("a.json", "{\"q\": 1}\n{\"q\": 2}\n", &["{'q': 1}", "{'q': 2}"]);
        check(
            "a.csv",
            "q,n,f\n\"a, b\",1,2.5\nc,2,NA\n",
            &["{'q': 'a, b', 'n': 1, 'f': 2.5}", "{'q': 'c', 'n': 2, 'f': None}"],
        );
        check("a.csv", "n,t\n1,True\n,False\n", &["{'n': 1.0, 't': True}", "{'n': None, 't': False}"]);
        check("a.tsv", "q\ta\nx\ty z\n", &["{'q': 'x', 'a': 'y z'}"]);
        assert_eq!(read("a.txt", b"x O\n\ny O\n", r#"{"format": "conll"}"#).unwrap().len(), 2);
        let examples = read("a.json", b"{\"canary\": 1, \"examples\": [{\"q\": 1}]}", r#"{"field": "examples"}"#);
        assert_eq!(examples.unwrap(), ["{'q': 1}"]);
        let numbered = read("a.json", br#"{"7": {"q": 1}, "2": {"q": 2}}"#, r#"{"field": "*"}"#);
        assert_eq!(numbered.unwrap(), ["{'q': 1}", "{'q': 2}"]);
    }

    #[test]
    fn gzipped_files_are_read() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"{\"q\": 1}\n").unwrap();
        assert_eq!(read("a.jsonl.gz", &encoder.finish().unwrap(), "{}").unwrap(), ["{'q': 1}"]);
        assert!(read("a.jsonl.gz", b"no gzip", "{}").is_err());
    }

    #[test]
    fn damage_is_told_with_its_place() {
        let check = |name: &str, bytes: &[u8], expected: &str| {
            let problem = read(name, bytes, "{}").unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        };
        check("a.jsonl", b"{\"q\": 1}\n{\"q\": \n", "line 2");
        check("a.jsonl", b"[1]\n", "no JSON object");
        check("a.jsonl", b"{\"q\": \"\xff\"}\n", "line 1");
        check("a.csv", b"a,b\n1\n", "line 2");
        check("a.csv", b"a,b\n\"\xff\",1\n", "line");
        check("a.parquet", b"PAR1", if cfg!(feature = "parquet") { "footer" } else { "feature `parquet`" });
        check("a.arrow", b"", "arrow");
        check("a.conll", b"x O\ny\n", "line 2");
        assert_eq!(read("a.jsonl", b"", "{}").unwrap().len(), 0);
    }

    #[test]
    fn slices_of_splits_are_read() {
        assert_eq!(split_slice("train"), ("train", None));
        assert_eq!(split_slice("train[:10]"), ("train", Some((None, Some(10)))));
        assert_eq!(split_slice("test[5:]"), ("test", Some((Some(5), None))));
        assert_eq!(split_slice("test[:10%]"), ("test[:10%]", None));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, kind in 0_usize..6) {
            drop(read(["a.jsonl", "a.json", "a.csv", "a.tsv", "a.parquet", "a.conll"][kind], &bytes, "{}"));
        }
    }
}
