//! The index of runs: one SQLite file beside their folders. The folders stay the truth.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode, Row, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use weighbridge_types::history::FREE_SETTINGS;
use weighbridge_types::metric::Cell;
use weighbridge_types::record::{Record, Status};

use crate::StoreError;
use crate::folder::RECORD_FILE;
use crate::record::read_record;

/// Name of the index within the results folder.
const INDEX_FILE: &str = "index.sqlite";
/// Version of the table; another one found is made again from the folders.
const TABLE_VERSION: i64 = 2;
/// How long a writer waits for another one; a write takes milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

const CREATE_TABLE: &str = "
    CREATE TABLE IF NOT EXISTS runs (
        run_id TEXT PRIMARY KEY, kind TEXT NOT NULL, label TEXT NOT NULL, created_at TEXT NOT NULL,
        status TEXT NOT NULL, model TEXT NOT NULL, engine TEXT NOT NULL, quantization TEXT,
        environment_digest TEXT NOT NULL, duration_s REAL NOT NULL, headlines TEXT NOT NULL,
        record_stamp TEXT NOT NULL, likeness TEXT NOT NULL, commit_id TEXT, figures TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS runs_by_time ON runs (created_at);
";

/// The list of runs of a results folder.
#[derive(Debug)]
pub struct Index {
    results: PathBuf,
    path: PathBuf,
    connection: Connection,
}

/// One run, as the list shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunEntry {
    /// Name of the run's folder.
    pub run_id: String,
    /// What kind of run.
    pub kind: String,
    /// The user's label.
    pub label: String,
    /// Wall time of the start, RFC 3339.
    pub created_at: String,
    /// How far it came.
    pub status: Status,
    /// Name of the model.
    pub model: String,
    /// The engine that ran it.
    pub engine: String,
    /// Type that holds most weights.
    pub quantization: Option<String>,
    /// Digest of the host; runs with another digest do not compare.
    pub environment_digest: String,
    /// Sum of the phases' durations, seconds.
    pub duration_s: f64,
    /// The figure that stands for each phase.
    pub headlines: Vec<Headline>,
}

/// A figure shown in the list: the key metric of a phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Headline {
    /// `ttft.mean`, as [`Metric::key`](weighbridge_types::metric::Metric::key) gives it.
    pub key: String,
    /// Its cell.
    pub cell: Cell,
    /// Its value; `None` when it could not be had.
    pub value: Option<f64>,
    /// Unit of the value.
    pub unit: String,
}

/// Which runs to list. An absent condition lets every run through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Kind of run, exactly.
    pub kind: Option<String>,
    /// Label, exactly.
    pub label: Option<String>,
    /// Name of the model, exactly.
    pub model: Option<String>,
    /// Most runs to list, the latest first.
    pub limit: Option<u32>,
}

/// What a look at the folders changed in the index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refresh {
    /// Runs added or read again because their record changed.
    pub updated: usize,
    /// Runs dropped because their folder is gone or its record cannot be read any more.
    pub dropped: usize,
    /// Records that cannot be read, with the reason.
    pub unreadable: Vec<(PathBuf, String)>,
}

impl Index {
    /// Opens the index of a results folder, or makes it. A damaged one is made again from the folders.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn open(results: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(results).map_err(StoreError::io("create the folder", results))?;
        let path = results.join(INDEX_FILE);
        let is_new = !path.exists();
        let (connection, is_remade) = connect_or_remake(&path)?;
        let mut index = Self { results: results.to_owned(), path, connection };
        if is_new || is_remade {
            index.refresh()?;
        }
        Ok(index)
    }

    /// Takes the run in a folder into the index, as its record stands.
    ///
    /// # Errors
    /// When the record cannot be read, or the index cannot be written.
    pub fn register(&mut self, run: &Path) -> Result<(), StoreError> {
        let stored = Stored::read(run)?;
        self.healing(|connection| store(connection, std::slice::from_ref(&stored), &[]))
    }

    /// Brings the index in line with the folders, reading only records that changed.
    ///
    /// # Errors
    /// When the results folder cannot be read, or the index cannot be written.
    pub fn refresh(&mut self) -> Result<Refresh, StoreError> {
        let mut known = self.healing(|connection| stamps(connection))?;
        let mut refresh = Refresh::default();
        let mut changed = Vec::new();
        for run in run_folders(&self.results)? {
            let is_current = stamp(&run).is_some_and(|stamp| known.get(&name_of(&run)) == Some(&stamp));
            match if is_current { None } else { Some(Stored::read(&run)) } {
                None => {}
                Some(Ok(stored)) => changed.push(stored),
                // Its entry, if it has one, stays among the known and is dropped.
                Some(Err(error)) => {
                    refresh.unreadable.push((run, error.to_string()));
                    continue;
                }
            }
            known.remove(&name_of(&run));
        }
        let lost: Vec<String> = known.into_keys().collect();
        (refresh.updated, refresh.dropped) = (changed.len(), lost.len());
        if !changed.is_empty() || !lost.is_empty() {
            self.healing(|connection| store(connection, &changed, &lost))?;
        }
        Ok(refresh)
    }

    /// Empties the index and reads every folder again.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh).
    pub fn rebuild(&mut self) -> Result<Refresh, StoreError> {
        self.healing(|connection| connection.execute("DELETE FROM runs", []).map(drop))?;
        self.refresh()
    }

    /// The runs that pass a filter, the latest first. [`refresh`](Self::refresh) before it shows runs that were
    /// copied here, changed or deleted by hand.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn list(&mut self, filter: &Filter) -> Result<Vec<RunEntry>, StoreError> {
        self.healing(|connection| list(connection, filter))
    }

    /// The figures of all complete runs that were made like this one, itself among them, in order of time.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn alike(&mut self, run_id: &str) -> Result<Vec<RunFigures>, StoreError> {
        self.healing(|connection| alike(connection, run_id))
    }

    /// Does some work; when the index turns out to be damaged, makes it again from the folders and does it once more.
    fn healing<T>(&mut self, work: impl Fn(&mut Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        match work(&mut self.connection) {
            Err(error) if is_damage(&error) => {}
            result => return result.map_err(index_error(&self.path)),
        }
        self.connection = remake(&self.path)?;
        let runs: Vec<Stored> = run_folders(&self.results)?.iter().flat_map(|run| Stored::read(run)).collect();
        store(&mut self.connection, &runs, &[]).map_err(index_error(&self.path))?;
        work(&mut self.connection).map_err(index_error(&self.path))
    }
}

/// The figures of a run, as the index keeps them.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFigures {
    /// Name of the run's folder.
    pub run_id: String,
    /// Wall time of the start, RFC 3339.
    pub created_at: String,
    /// Commit of the program that measured.
    pub commit: Option<String>,
    /// Every metric that has a value.
    pub figures: Vec<Figure>,
}

/// One figure of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// `ttft.mean`.
    #[serde(rename = "k")]
    pub key: String,
    /// Its cell.
    #[serde(rename = "c")]
    pub cell: Cell,
    /// Its unit.
    #[serde(rename = "u")]
    pub unit: String,
    /// Its value.
    #[serde(rename = "v")]
    pub value: f64,
}

/// A run as its row holds it.
struct Stored {
    likeness: String,
    commit: Option<String>,
    figures: Vec<Figure>,
    entry: RunEntry,
    /// Size and time of the record's file when it was read.
    stamp: String,
}

impl Stored {
    fn read(run: &Path) -> Result<Self, StoreError> {
        // The stamp is taken first: a record replaced in between is then read again by the next refresh.
        let stamp = stamp(run).ok_or_else(|| StoreError::NoRun { path: run.to_owned() })?;
        let record = read_record(run)?;
        let figure = |metric: &weighbridge_types::metric::Metric| {
            let value = metric.value.filter(|value| value.is_finite())?;
            Some(Figure { key: metric.key(), cell: metric.cell.clone(), unit: metric.unit.clone(), value })
        };
        let figures = record.metrics.iter().filter_map(figure).collect();
        let (likeness, commit) = (likeness(&record), record.environment.build.commit.clone());
        Ok(Self { likeness, commit, figures, entry: entry_of(name_of(run), &record), stamp })
    }
}

fn entry_of(run_id: String, record: &Record) -> RunEntry {
    let headline = |pointer: &weighbridge_types::record::MetricPointer| {
        let metric = record.metric(&pointer.key, &pointer.cell)?;
        let (key, cell) = (pointer.key.clone(), pointer.cell.clone());
        Some(Headline { key, cell, value: metric.value, unit: metric.unit.clone() })
    };
    RunEntry {
        run_id,
        kind: record.kind.clone(),
        label: record.label.clone(),
        created_at: record.created_at.clone(),
        status: record.status,
        model: record.engine.model.clone(),
        engine: record.engine.engine.clone(),
        quantization: record.engine.quantization.clone(),
        environment_digest: record.environment.digest.clone(),
        duration_s: record.duration_s,
        headlines: record.phases.iter().filter_map(|phase| headline(phase.key_metric.as_ref()?)).collect(),
    }
}

/// Folders of the results folder that hold a record.
fn run_folders(results: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = fs::read_dir(results).map_err(StoreError::io("read the folder", results))?;
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry.map_err(StoreError::io("read the folder", results))?.path();
        if path.join(RECORD_FILE).is_file() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

fn name_of(run: &Path) -> String {
    run.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Size and time of a record's file: another stamp means another record.
fn stamp(run: &Path) -> Option<String> {
    let data = fs::metadata(run.join(RECORD_FILE)).ok()?;
    let modified = data.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(format!("{}-{}", data.len(), modified.as_nanos()))
}

fn connect_or_remake(path: &Path) -> Result<(Connection, bool), StoreError> {
    match connect(path) {
        Ok(connection) => Ok((connection, false)),
        Err(error) if is_damage(&error) => Ok((remake(path)?, true)),
        Err(error) => Err(index_error(path)(error)),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Readers and a writer do not wait for each other. Where the file system cannot do it, SQLite keeps its default.
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != TABLE_VERSION {
        transaction.execute_batch("DROP TABLE IF EXISTS runs")?;
        transaction.pragma_update(None, "user_version", TABLE_VERSION)?;
    }
    transaction.execute_batch(CREATE_TABLE)?;
    transaction.commit()?;
    Ok(connection)
}

/// Deletes a damaged index and makes an empty one. One process at a time, and only if it is still damaged.
fn remake(path: &Path) -> Result<Connection, StoreError> {
    let lock_path = path.with_extension("lock");
    let lock = File::create(&lock_path).and_then(|file| file.lock().map(|()| file));
    let _lock = lock.map_err(StoreError::io("lock", &lock_path))?;
    if let Ok(connection) = connect(path)
        && connection.query_row("PRAGMA quick_check", [], |row| row.get::<_, String>(0)).is_ok_and(|text| text == "ok")
    {
        return Ok(connection);
    }
    for extension in ["sqlite", "sqlite-wal", "sqlite-shm"] {
        let file = path.with_extension(extension);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("delete the damaged index", &file)(error));
            }
            _ => {}
        }
    }
    connect(path).map_err(index_error(path))
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn index_error(path: &Path) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |source| StoreError::Index { path: path.to_owned(), source }
}

fn stamps(connection: &Connection) -> rusqlite::Result<HashMap<String, String>> {
    let mut query = connection.prepare("SELECT run_id, record_stamp FROM runs")?;
    query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn store(connection: &mut Connection, runs: &[Stored], lost: &[String]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for run_id in lost {
        transaction.execute("DELETE FROM runs WHERE run_id = ?1", [run_id])?;
    }
    for Stored { likeness, commit, figures, entry, stamp } in runs {
        transaction.execute(
            "INSERT OR REPLACE INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            params![
                entry.run_id,
                entry.kind,
                entry.label,
                entry.created_at,
                to_json(&entry.status)?,
                entry.model,
                entry.engine,
                entry.quantization,
                entry.environment_digest,
                entry.duration_s,
                to_json(&entry.headlines)?,
                stamp,
                likeness,
                commit,
                to_json(figures)?,
            ],
        )?;
    }
    transaction.commit()
}

/// What runs of one history have in common: kind, host, settings, model and how it is computed. The program may differ.
fn likeness(record: &Record) -> String {
    fn bare(value: &serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::Object(map) => {
                let kept = map.iter().filter(|(key, _)| !FREE_SETTINGS.contains(&key.as_str()));
                kept.map(|(key, value)| (key.clone(), bare(value))).collect()
            }
            serde_json::Value::Array(values) => values.iter().map(bare).collect(),
            other => other.clone(),
        }
    }
    let engine = &record.engine;
    let parts = serde_json::json!([
        record.kind,
        record.environment.digest,
        record.environment.build.profile,
        bare(&record.settings),
        engine.engine,
        engine.model_ref,
        engine.quantization,
        engine.options,
    ]);
    Sha256::digest(parts.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Complete runs that are like one of them, in order of time.
fn alike(connection: &Connection, run_id: &str) -> rusqlite::Result<Vec<RunFigures>> {
    let mut query = connection.prepare(
        "SELECT run_id, created_at, commit_id, figures FROM runs
         WHERE likeness = (SELECT likeness FROM runs WHERE run_id = ?1) AND status = '\"complete\"'
         ORDER BY created_at, run_id",
    )?;
    let read = |row: &Row<'_>| {
        Ok(RunFigures {
            run_id: row.get(0)?,
            created_at: row.get(1)?,
            commit: row.get(2)?,
            figures: from_json(&row.get::<_, String>(3)?)?,
        })
    };
    query.query_map([run_id], read)?.collect()
}

fn list(connection: &Connection, filter: &Filter) -> rusqlite::Result<Vec<RunEntry>> {
    let mut query = connection.prepare(
        "SELECT run_id, kind, label, created_at, status, model, engine, quantization, environment_digest, duration_s, headlines
         FROM runs WHERE (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR label = ?2)
         AND (?3 IS NULL OR model = ?3) ORDER BY created_at DESC, run_id DESC LIMIT ?4",
    )?;
    let limit = filter.limit.map_or(-1, i64::from);
    query.query_map(params![filter.kind, filter.label, filter.model, limit], entry_of_row)?.collect()
}

fn entry_of_row(row: &Row<'_>) -> rusqlite::Result<RunEntry> {
    Ok(RunEntry {
        run_id: row.get("run_id")?,
        kind: row.get("kind")?,
        label: row.get("label")?,
        created_at: row.get("created_at")?,
        status: from_json(&row.get::<_, String>("status")?)?,
        model: row.get("model")?,
        engine: row.get("engine")?,
        quantization: row.get("quantization")?,
        environment_digest: row.get("environment_digest")?,
        duration_s: row.get("duration_s")?,
        headlines: from_json(&row.get::<_, String>("headlines")?)?,
    })
}

fn to_json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn from_json<T: for<'text> Deserialize<'text>>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into()))
}
