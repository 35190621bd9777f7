//! What is weighed, and how to get it.

use std::fmt;

use weighbridge_engine::EngineFactory;

/// The model or endpoint under test.
#[derive(Clone)]
pub struct Subject {
    /// The reference as the user wrote it, without secrets.
    pub model_ref: String,
    /// Loads it.
    pub load: EngineFactory,
    /// Forms of the same model that the quality phase sets side by side; empty takes the subject alone.
    pub variants: Vec<Variant>,
}

/// One form of a model, for example one quantization.
#[derive(Clone)]
pub struct Variant {
    /// Name in reports: `F32`, `Q8_0`.
    pub name: String,
    /// Loads it.
    pub load: EngineFactory,
    /// Size of its file; `None` where there is none.
    pub file_bytes: Option<u64>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("model_ref", &self.model_ref).field("variants", &self.variants).finish()
    }
}

impl fmt::Debug for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variant").field("name", &self.name).field("file_bytes", &self.file_bytes).finish()
    }
}
