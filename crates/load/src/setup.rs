//! A target on its reactors, ready for loads.

use std::fmt;
use std::sync::Arc;

use weighbridge_engine::{Engine, EngineFactory, SubjectError};
use weighbridge_types::record::EngineDescription;

use crate::error::LoadError;
use crate::reactor::Reactors;

/// What is loaded.
#[derive(Clone)]
pub struct Target {
    /// The reference as the user wrote it, without secrets.
    pub model_ref: String,
    /// Loads it.
    pub load: EngineFactory,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("model_ref", &self.model_ref).finish_non_exhaustive()
    }
}

/// The reactors with the target's engine on each.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) reactors: Reactors,
    pub(crate) engines: Vec<Arc<dyn Engine>>,
    pub(crate) description: EngineDescription,
}

impl Setup {
    /// Makes the target's engine on each reactor; a model in this process is made once and shared.
    pub(crate) async fn new(target: &Target, reactor_count: u32) -> Result<Self, LoadError> {
        let reactors = Reactors::start(reactor_count as usize)?;
        let mut engines: Vec<Arc<dyn Engine>> = Vec::new();
        for handle in reactors.handles() {
            let shared = engines.first().filter(|engine| engine.capabilities().in_process).cloned();
            let engine = match shared {
                Some(engine) => engine,
                None => handle.spawn((target.load)()).await.unwrap_or_else(|error| {
                    let problem = format!("load the target: {error}");
                    Err(SubjectError { problem, hint: "report this as a bug".to_owned() })
                })?,
            };
            engines.push(engine);
        }
        let description = EngineDescription { model_ref: target.model_ref.clone(), ..engines[0].describe() };
        Ok(Self { reactors, engines, description })
    }
}
