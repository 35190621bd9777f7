//! This build, as the record names it.

use weighbridge_types::environment::Build;

/// Version, commit, profile and target of this program.
pub(crate) fn build() -> Build {
    Build {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("WEIGHBRIDGE_COMMIT").filter(|commit| !commit.is_empty()).map(str::to_owned),
        profile: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        target: env!("WEIGHBRIDGE_TARGET").to_owned(),
    }
}
