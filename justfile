# Short names for the commands that the documents describe. `just` is optional.

# Format, lint and every test: what continuous integration runs.
test:
    ./scripts/test

# The quick part of it: format, lint, unit tests.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    cargo test --workspace --locked --lib --bins

# Take changed snapshots after reading them.
snap:
    INSTA_UPDATE=always cargo test --workspace --locked

# Micro-benchmarks of the hot paths.
bench:
    cargo bench --workspace --locked

# Files that are made from code.
gen:
    cargo run --locked -p weighbridge-report --example write_schemas
