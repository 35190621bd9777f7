//! The cache of a service: the file's levels and the flags over them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use weighbridge_cache::{
    Answers, AnswersSettings, LevelSettings, Levels, NearSettings, Policy, SystemWall, Writes, remote,
};
use weighbridge_server::{NearAnswers, WarmPlan, WarmRequest};
use weighbridge_types::time::Clock;
use weighbridge_types::units::ByteSize;

use super::duration;
use crate::arguments::ServeArguments;
use crate::exit::Exit;
use crate::failure::Failure;

/// Size of a folder where none is named.
const USUAL_FOLDER: ByteSize = ByteSize(4 << 30);

/// Of so many answers to near texts one is checked, where no number is named: a twentieth more work.
const USUAL_CHECK: u64 = 20;

/// The part of the file. The levels are asked in this order, the server before the cold folder.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CacheFile {
    #[serde(alias = "level_1")]
    memory: Option<LevelFile>,
    #[serde(alias = "level_2")]
    disk: Option<LevelFile>,
    redis: Option<LevelFile>,
    #[serde(alias = "level_3")]
    cold: Option<LevelFile>,
    near: Option<f64>,
    near_check_every: Option<u64>,
    warm: WarmFile,
}

/// What is made ready at the start.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WarmFile {
    models: Vec<String>,
    latest: usize,
    requests: Vec<PathBuf>,
}

/// One level.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LevelFile {
    size: Option<String>,
    entries: Option<u64>,
    ttl: Option<Ttl>,
    policy: Option<Policy>,
    hit_target: Option<f64>,
    folder: Option<PathBuf>,
    url: Option<String>,
    async_writes: Option<bool>,
}

/// Seconds, or a time as flags have it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Ttl {
    Seconds(u64),
    Text(String),
}

/// What a service keeps of answers.
pub(super) struct CacheConfig {
    memory: LevelSettings,
    disk: Option<FolderConfig>,
    redis: Option<(String, LevelSettings)>,
    cold: Option<FolderConfig>,
    pub(super) near: Option<NearAnswers>,
    warm: WarmFile,
}

struct FolderConfig {
    folder: PathBuf,
    settings: LevelSettings,
    writes: Writes,
}

impl CacheConfig {
    /// Puts flags over the file, and the file over the memory that is usual; `None` where none names memory for it.
    ///
    /// # Errors
    /// When a value is wrong, or something lies below a memory that there is not.
    pub(super) fn resolve(
        file: CacheFile,
        usual: Option<ByteSize>,
        arguments: &ServeArguments,
    ) -> Result<Option<Self>, Failure> {
        let size = match file.memory.as_ref().and_then(|level| level.size.as_deref()) {
            Some(text) => Some(size(text, "cache.memory.size")?),
            None => None,
        };
        let Some(memory) = arguments.cache_memory.map(|size| size.0).or(size).or(usual.map(|size| size.0)) else {
            let is_wanted = arguments.cache_dir.is_some()
                || arguments.cache_redis.is_some()
                || arguments.cache_near.is_some()
                || file.memory.is_some()
                || file.disk.is_some()
                || file.redis.is_some()
                || file.cold.is_some()
                || file.near.is_some()
                || !(file.warm.models.is_empty() && file.warm.requests.is_empty());
            return match is_wanted {
                true => Err(Failure::usage(
                    "keep answers without memory for them",
                    "name it, `--cache-memory 256MiB`, or `size` of `cache.memory` in the file",
                )),
                false => Ok(None),
            };
        };
        let redis = file.redis.unwrap_or_default();
        let url = arguments.cache_redis.clone().or_else(|| redis.url.clone());
        let near = arguments.cache_near.or(file.near).map(near_texts).transpose()?;
        let check_every = file.near_check_every.unwrap_or(USUAL_CHECK);
        if check_every == 0 {
            return Err(Failure::usage(
                "accept 0 as `cache.near_check_every`",
                "write how many are checked once, `20`",
            ));
        }
        Ok(Some(Self {
            memory: file.memory.unwrap_or_default().over(LevelSettings::memory(memory), "memory")?,
            disk: folder(file.disk, arguments, "disk")?,
            redis: url.map(|url| Ok::<_, Failure>((url, redis.over(LevelSettings::remote(), "redis")?))).transpose()?,
            cold: folder(file.cold, arguments, "cold")?,
            near: near.map(|settings| NearAnswers { settings, check_every }),
            warm: file.warm,
        }))
    }

    /// Opens the levels.
    pub(super) fn open(&self, clock: Clock) -> Result<Answers, Failure> {
        let mut levels = Levels::new(self.memory.clone(), Arc::new(SystemWall));
        if let Some(disk) = &self.disk {
            levels = levels.with_disk(&disk.folder, disk.settings.clone(), disk.writes)?;
        }
        if let Some((url, settings)) = &self.redis {
            let server = remote::remote(url, remote::RemoteSettings::default(), clock);
            let server =
                server.map_err(|error| Failure::from_error(Exit::Usage, &error, "write redis://HOST:PORT/DB"))?;
            levels = levels.with_remote(server, settings.clone());
        }
        if let Some(cold) = &self.cold {
            levels = levels.with_disk(&cold.folder, cold.settings.clone(), cold.writes)?;
        }
        Ok(Answers::new(levels, AnswersSettings::default(), clock))
    }

    /// What is made ready at the start; `None` for nothing.
    ///
    /// # Errors
    /// When a file cannot be read, or a line of one is no request whose answer would be kept.
    pub(super) fn warm(&self) -> Result<Option<WarmPlan>, Failure> {
        let WarmFile { models, latest, requests: files } = &self.warm;
        let mut requests = Vec::new();
        for file in files {
            let wrong = |problem: String| {
                let what = format!("read `{}`: {problem}", file.display());
                Failure::usage(what, "write a request on each line, as it goes to /v1/chat/completions")
            };
            let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
            for (line, number) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
                let request = WarmRequest::read(line.as_bytes());
                requests.push(request.map_err(|error| wrong(format!("line {number}: {}", error.message)))?);
            }
        }
        let plan = WarmPlan { models: models.clone(), latest: *latest, requests };
        let is_empty = plan.models.is_empty() && plan.latest == 0 && plan.requests.is_empty();
        Ok((!is_empty).then_some(plan))
    }
}

impl LevelFile {
    /// What the file says of a level, over what is usual.
    fn over(&self, usual: LevelSettings, name: &str) -> Result<LevelSettings, Failure> {
        let wrong = |key: &str, value: String, hint: &str| {
            Failure::usage(format!("accept `{value}` as `{key}` of `cache.{name}`"), hint)
        };
        if let Some(target) = self.hit_target.filter(|target| !(0.0..=1.0).contains(target)) {
            return Err(wrong("hit_target", target.to_string(), "write a share, `0.95`"));
        }
        let ttl = match &self.ttl {
            None => usual.ttl,
            Some(Ttl::Seconds(seconds)) => Some(Duration::from_secs(*seconds)),
            Some(Ttl::Text(text)) if text == "never" => None,
            Some(Ttl::Text(text)) => Some(duration(text, "ttl")?),
        };
        if self.entries.is_some() && name != "memory" {
            return Err(wrong("entries", "a number".to_owned(), "only memory counts entries; give the level a `size`"));
        }
        Ok(LevelSettings {
            most_entries: self.entries,
            ttl,
            policy: self.policy.unwrap_or(usual.policy),
            hit_target: self.hit_target.or(usual.hit_target),
            ..usual
        })
    }
}

/// A folder that the file or, of the upper one, a flag names.
fn folder(file: Option<LevelFile>, arguments: &ServeArguments, name: &str) -> Result<Option<FolderConfig>, Failure> {
    let is_upper = name == "disk";
    let flag = arguments.cache_dir.as_ref().filter(|_| is_upper);
    if file.is_none() && flag.is_none() {
        return Ok(None);
    }
    let file = file.unwrap_or_default();
    let Some(folder) = flag.or(file.folder.as_ref()).cloned() else {
        return Err(Failure::usage(format!("find the folder of `cache.{name}`"), "name it, `folder: PATH`"));
    };
    let in_file = match &file.size {
        Some(text) => Some(size(text, "size")?),
        None => None,
    };
    let bytes = arguments.cache_disk.filter(|_| is_upper).map(|size| size.0).or(in_file).unwrap_or(USUAL_FOLDER.0);
    let usual = if is_upper { LevelSettings::disk(bytes) } else { LevelSettings::cold(bytes) };
    let writes = if file.async_writes.unwrap_or(!is_upper) { Writes::Behind } else { Writes::Acknowledged };
    Ok(Some(FolderConfig { folder, settings: file.over(usual, name)?, writes }))
}

/// Texts of which this share of the bits must be equal.
pub(in crate::commands) fn near_texts(share: f64) -> Result<NearSettings, Failure> {
    NearSettings::at_least(share).ok_or_else(|| {
        let what = format!("accept `{share}` as how near is near");
        Failure::usage(what, "write a share above 0.875 and at most 1, such as `0.9`")
    })
}

fn size(text: &str, key: &str) -> Result<u64, Failure> {
    let size = text.parse::<ByteSize>().map_err(|error| {
        Failure::usage(format!("accept `{text}` as `{key}`: {error}"), "write a size such as 512MiB")
    })?;
    Ok(size.0)
}
