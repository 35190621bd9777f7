//! What a run watches of its server, found out before anything is written.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use weighbridge_engine_http::Pages;
use weighbridge_telemetry::server::{Answer, Fetch, METRICS_PATHS, dcgm_reader, server_reader};
use weighbridge_telemetry::{Pss, SystemRoot, TreeProbe, TreeTarget, WatchSettings};
use weighbridge_types::telemetry::{Watch, WatchReport};
use weighbridge_types::time::{Clock, Stamp};

use crate::error::LoadError;

/// Longest wait for an answer of a metrics endpoint. A server under load answers late.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Where a target computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// In this process.
    InProcess,
    /// In another process of this host.
    ThisHost,
    /// On another machine, whose devices cannot be read from here.
    Elsewhere,
    /// Nowhere: it follows a script.
    #[default]
    Nowhere,
}

/// What can be watched, with the reason for each thing that cannot.
#[derive(Debug, Default)]
pub struct Watching {
    pub(crate) place: Place,
    pub(crate) pages: Option<Pages>,
    /// Where the server tells its metrics.
    pub(crate) server: Option<String>,
    /// Where an exporter tells of graphics processors.
    pub(crate) dcgm: Option<String>,
    pub(crate) pid: Option<u32>,
    /// Where it is written down what was sent to which server; `None` keeps no such log.
    pub(crate) sent_log: Option<PathBuf>,
    /// What is not watched, and why.
    pub(crate) absent: Vec<WatchReport>,
}

impl Watching {
    /// Finds out what can be watched of a target. What the settings name must be there; the target's usual places are
    /// tried and may be silent.
    ///
    /// # Errors
    /// When something that the settings name is not there or is something else.
    pub async fn find(
        settings: &WatchSettings,
        pages: Option<Pages>,
        place: Place,
        root: &SystemRoot,
    ) -> Result<Self, LoadError> {
        let mut watching = Self { place, ..Self::default() };
        for (flag, url) in [("metrics-url", &settings.metrics_url), ("dcgm-url", &settings.dcgm_url)] {
            if let Some(url) = url {
                Pages::check(url).map_err(|error| unusable(flag, &error.to_string(), error.hint()))?;
            }
        }
        if let Some(pid) = settings.pid {
            find_process(pid, root)?;
            watching.pid = Some(pid);
        }
        match &pages {
            Some(pages) => watching.find_pages(settings, pages).await?,
            None if settings.metrics_url.is_some() || settings.dcgm_url.is_some() => {
                let hint = "leave `--metrics-url` and `--dcgm-url` out, or load an endpoint";
                return Err(unusable("metrics-url", "the target is no endpoint", hint));
            }
            None => {}
        }
        watching.pages = pages;
        Ok(watching)
    }

    /// With a file of the results folder that tells what was sent to which server, so that a run knows whether a cache may
    /// hold its prompts.
    #[must_use]
    pub fn with_sent_log(self, path: PathBuf) -> Self {
        Self { sent_log: Some(path), ..self }
    }

    async fn find_pages(&mut self, settings: &WatchSettings, pages: &Pages) -> Result<(), LoadError> {
        if let Some(url) = &settings.dcgm_url {
            let read = |answer: &Answer| dcgm_reader(answer).map(drop);
            try_page(pages, url, read).await.map_err(|problem| unusable("dcgm-url", &problem, LOOK))?;
            self.dcgm = Some(url.clone());
        }
        let reader = server_reader(None);
        let read = |answer: &Answer| reader(answer).map(drop);
        if let Some(url) = &settings.metrics_url {
            try_page(pages, url, read).await.map_err(|problem| unusable("metrics-url", &problem, LOOK))?;
            self.server = Some(url.clone());
            return Ok(());
        }
        let mut problem = String::new();
        for path in METRICS_PATHS {
            match try_page(pages, path, read).await {
                Ok(()) => {
                    self.server = Some(path.to_owned());
                    return Ok(());
                }
                Err(found) if problem.is_empty() => problem = found,
                Err(_) => {}
            }
        }
        self.absent.push(WatchReport::absent(Watch::Server, problem));
        Ok(())
    }

    /// The page getter of the threads that watch; `None` without an endpoint.
    pub(crate) fn fetch(&self) -> Option<Fetch> {
        let pages = Arc::new(self.pages.as_ref()?.unconnected());
        Some(Arc::new(move |place| {
            let pages = Arc::clone(&pages);
            Box::pin(
                async move { pages.get(&place, PATIENCE).await.map(Bytes::from).map_err(|error| error.to_string()) },
            )
        }))
    }
}

const LOOK: &str = "open it with `curl`: it must answer in Prometheus's text form; without the flag the usual places of \
                    the target are tried";

/// Fetches a page once and reads it.
async fn try_page(pages: &Pages, place: &str, read: impl Fn(&Answer) -> Result<(), String>) -> Result<(), String> {
    let body = pages.get(place, PATIENCE).await.map_err(|error| error.to_string())?;
    read(&Answer { asked: Stamp::default(), at: Stamp::default(), body: body.into() })
}

fn find_process(pid: u32, root: &SystemRoot) -> Result<(), LoadError> {
    let probe = TreeProbe::new(root, TreeTarget { pid, cgroup: None });
    if probe.sample(Clock::start().now(), Pss::Skip).processes > 0 {
        return Ok(());
    }
    let hint = "name a process of this host that runs now, such as `--pid \"$(pgrep -o vllm)\"`";
    Err(unusable("pid", &format!("there is no process {pid}"), hint))
}

fn unusable(flag: &'static str, problem: &str, hint: &str) -> LoadError {
    LoadError::Watch { flag, problem: problem.to_owned(), hint: hint.to_owned() }
}
