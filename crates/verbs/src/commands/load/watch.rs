//! From the flags of the server side to what is watched.

use weighbridge_engine_http::Pages;
use weighbridge_load::{Place, Watching};
use weighbridge_telemetry::{SystemRoot, WatchSettings};
use weighbridge_types::cache::CacheState;
use weighbridge_types::model_ref::ModelRef;

use crate::arguments::{DeclaredCache, ObserveArguments};
use crate::failure::Failure;
use crate::registry::Registry;

/// The settings that the flags ask for.
pub(super) fn settings(arguments: &ObserveArguments) -> WatchSettings {
    WatchSettings {
        metrics_url: arguments.metrics_url.clone(),
        dcgm_url: arguments.dcgm_url.clone(),
        pid: arguments.pid,
        price_per_hour: arguments.price_per_hour,
        cache: match arguments.cache {
            Some(DeclaredCache::Cold) => CacheState::Cold,
            Some(DeclaredCache::Warm) => CacheState::Warm,
            Some(DeclaredCache::Mixed) => CacheState::Mixed,
            None => CacheState::Uncontrolled,
        },
    }
}

/// Refuses URLs that cannot be fetched or written down, before anything is reached.
pub(super) fn check(settings: &WatchSettings) -> Result<(), Failure> {
    for url in [&settings.metrics_url, &settings.dcgm_url].into_iter().flatten() {
        Pages::check(url)?;
    }
    Ok(())
}

/// Finds out what can be watched of a target.
pub(super) async fn find(settings: &WatchSettings, model: &ModelRef, registry: &Registry) -> Result<Watching, Failure> {
    let pages = registry.pages(model)?;
    let place = match (model, &pages) {
        (ModelRef::Scripted(_), _) => Place::Nowhere,
        (_, None) => Place::InProcess,
        (_, Some(pages)) if pages.is_loopback() => Place::ThisHost,
        (_, Some(_)) => Place::Elsewhere,
    };
    Ok(Watching::find(settings, pages, place, &SystemRoot::host()).await?)
}
