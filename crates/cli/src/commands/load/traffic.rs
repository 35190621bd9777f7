//! From the data that a load names to its traffic.

use std::sync::Arc;

use weighbridge_engine::Engine;
use weighbridge_load::{LoadError, LoadSettings, TrafficFactory};
use weighbridge_workload::{Part, Synthetic, SyntheticSettings, TextPool, Traffic};

use crate::failure::Failure;

/// Prepares to make the traffic; what is wrong with the data is found before anything is contacted.
pub(super) fn factory(settings: &LoadSettings) -> Result<TrafficFactory, Failure> {
    let part: Part = settings.data.parse().map_err(LoadError::Spec)?;
    let synthetic = SyntheticSettings {
        parts: vec![part],
        seed: settings.seed,
        salt: settings.salt,
        sessions: None,
        distinct: None,
    };
    Ok(Arc::new(move |engine: &Arc<dyn Engine>| {
        let pool = engine.tokenizer().map_or_else(TextPool::without_tokenizer, TextPool::new);
        Ok(Arc::new(Synthetic::new(synthetic.clone(), Arc::new(pool))?) as Arc<dyn Traffic>)
    }))
}
