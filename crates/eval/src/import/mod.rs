//! Evaluations of other tools as tasks of this one.

mod promptfoo;

pub use promptfoo::{Imported, promptfoo};

/// A file that cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It could not be read, or is not of the expected shape.
    #[error("import `{file}`: {problem}")]
    Shape {
        /// The file.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// It asks for something that has no counterpart here.
    #[error("import `{file}`: {place} uses `{what}`, which is not known here")]
    Unsupported {
        /// The file.
        file: String,
        /// Where it stands.
        place: String,
        /// What it is.
        what: String,
    },
}

impl ImportError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Shape { .. } => {
                "a promptfoo file has `prompts` and `tests`, each a list, and may have `defaultTest`".to_owned()
            }
            Self::Unsupported { what, .. } if what.contains("rubric") || what.contains("model-graded") => {
                "let a model judge the exported answers with `weighbridge eval judge`".to_owned()
            }
            Self::Unsupported { what, .. }
                if ["javascript", "python", "ruby"].iter().any(|code| what.contains(code)) =>
            {
                "no code is run: write the assertion as one of those that are known".to_owned()
            }
            Self::Unsupported { .. } => {
                format!("leave it out, or use one of {}", promptfoo::KNOWN.join(", "))
            }
        }
    }
}
